"""Our defaults for Jupyter's configuration; the command line and configuration files win.

What protects the app is not here: it is forced (see ``auth``).
"""

import shutil
import sys
from pathlib import Path

from jupyter_server.serverapp import ServerApp
from traitlets.config import Config

from ..environment import Environment, variable

# The platform's proxies close a websocket that is silent for a minute.  Terminals and kernels ping
# by themselves, every 30 s; this is for the others, such as that of the events.
WEBSOCKET_PING_SECONDS = 25
KERNEL_STOP_SECONDS = 2.0
_NO_CHOICE = {"nologin", "false", "sh", "dash"}
LAB_EXTENSIONS = Path(__file__).parents[1] / "labextension"


def preferences(serverapp: ServerApp, environment: Environment) -> Config:
    """Return the configuration to apply when our application is linked."""
    wanted: dict[str, object] = {
        # A login shell would reset the PATH to /etc/profile's.
        "terminado_settings": {"shell_command": [_shell()]},
        "root_dir": str(environment.home),
        "open_browser": False,
        "websocket_ping_interval": WEBSOCKET_PING_SECONDS,
    }
    if environment.is_databricks_app:
        wanted |= {"ip": "0.0.0.0", "port_retries": 0}  # noqa: S104 the platform's contract
        if environment.app_port is not None:
            wanted["port"] = environment.app_port
    configured = serverapp.config.ServerApp
    config = Config()
    # A kernel that does not end on request is killed after this, within the time of a stop.
    if "shutdown_wait_time" not in serverapp.config.KernelManager:
        config.KernelManager.shutdown_wait_time = KERNEL_STOP_SECONDS
    # Agents write such files all the time (.env, .gitignore, .claude); "View" shows and hides them.
    if "allow_hidden" not in serverapp.config.ContentsManager:
        config.ContentsManager.allow_hidden = True
    # The default runs npm, half a second of a core at each start, to find what is not there anyway.
    if "node_roots" not in serverapp.config.LanguageServerManager:
        prefix = Path(sys.prefix)
        roots = [environment.home, environment.home / ".local" / "lib", prefix / "lib", prefix]
        config.LanguageServerManager.node_roots = [str(root) for root in roots]
    config.ServerApp.update({k: v for k, v in wanted.items() if k not in configured})
    # The platform runs us from our folder, without installing us; installed, it is the same one.
    if "extra_labextensions_path" not in serverapp.config.LabApp:
        config.LabApp.extra_labextensions_path = [str(LAB_EXTENSIONS)]
    return config


def _shell() -> str:
    """Return the user's shell; bash if the account has none (``nologin`` on the platform).

    Or only ``sh``, which is what an account gets that nobody has chosen a shell for.
    """
    shell = variable("SHELL")
    if shell and Path(shell).name not in _NO_CHOICE and shutil.which(shell):
        return shell
    return shutil.which("bash") or "/bin/sh"
