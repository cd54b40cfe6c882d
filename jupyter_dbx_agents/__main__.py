"""``python -m jupyter_dbx_agents``: the same as ``jupyter dbx-agents``."""

from .cli.main import main

if __name__ == "__main__":
    main()
