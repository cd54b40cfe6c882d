"""The composition root: builds every part, starts and stops it; only this package imports them all.

Parts get what they need as arguments.  On a Databricks App a failure to put the owner-only gate in
force ends the process (Jupyter itself would carry on with a token login).
See docs/decisions/0005-one-process.md
"""

from .extension import REPORTER, DbxAgentsApp, ServerStatus

__all__ = ["REPORTER", "DbxAgentsApp", "ServerStatus"]
