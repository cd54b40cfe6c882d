"""The only reader of ``os.environ``: the platform's variables, and what children may see of them.

Invariants
- The app's credentials and a start-up PAT are read once and erased, in ``os.environ`` and in the
  memory behind ``/proc/<pid>/environ`` (removing a variable does not clear that: the kernel shows
  the process's first environment block).
- No child (terminal, kernel, agent, installer) inherits any ``DATABRICKS_*`` variable: with
  ``DATABRICKS_HOST`` set the SDKs ignore ``~/.databrickscfg``, and with a token set some agents
  bypass the broker.
"""

import ctypes
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .addresses import is_loopback, normalise_host
from .errors import ConfigurationError
from .secret import Secret

SECRET_VARIABLES = ("DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET", "DATABRICKS_TOKEN")
# Removed for children: with one of the first set an agent would not read its own file.
SETTING_VARIABLES = (
    "ANTHROPIC_MODEL",
    "CODEX_MODEL",
    "GEMINI_MODEL",
    "HERMES_MODEL",
    "DATABRICKS_GATEWAY_HOST",
    "DATABRICKS_CLI_RELEASES",
)
# What no program may send through a proxy: the broker, whose callers bear a secret and prompts.
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
# In the order in which most programs look; some read only one of them.
NO_PROXY_VARIABLES = ("NO_PROXY", "no_proxy")
PR_SET_DUMPABLE = 4  # linux/prctl.h
_HOME_HINT = "Set HOME in app.yaml to a folder such as /app/python/source_code."
_HOST = re.compile(r"https?://([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d+)?")


@dataclass(frozen=True)
class Environment:
    """What the process was started with.

    ``app_name`` is empty off the Databricks Apps platform; ``host`` has its scheme and no slash.
    """

    app_name: str
    host: str
    workspace_id: str
    app_port: int | None
    client_id: str
    client_secret: Secret
    token: Secret
    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_databricks_app(self) -> bool:
        """Whether the platform started us (it sets ``DATABRICKS_APP_NAME``)."""
        return bool(self.app_name)


def take_environment(environ: MutableMapping[str, str] | None = None) -> Environment:
    """Read the platform's variables once; on an app, leave an environment fit for children.

    Elsewhere the variables are the user's own, and stay until ``forget_variables``.
    Raises ConfigurationError for an invalid host or port.
    """
    source = os.environ if environ is None else environ
    taken = Environment(
        app_name=source.get("DATABRICKS_APP_NAME", "").strip(),
        host=_host(source.get("DATABRICKS_HOST", "")),
        workspace_id=source.get("DATABRICKS_WORKSPACE_ID", "").strip(),
        app_port=_port(source.get("DATABRICKS_APP_PORT", "")),
        client_id=source.get("DATABRICKS_CLIENT_ID", "").strip(),
        client_secret=Secret(source.get("DATABRICKS_CLIENT_SECRET", "").strip()),
        token=Secret("".join(source.get("DATABRICKS_TOKEN", "").split())),
        home=home_folder(source),
        settings={name: source[name].strip() for name in SETTING_VARIABLES if name in source},
    )
    if taken.is_databricks_app:
        if environ is None:
            _erase_secrets()
        forget_variables(source)
    return taken


def forget_variables(environ: MutableMapping[str, str] | None = None) -> None:
    """Remove what no child may inherit."""
    source = os.environ if environ is None else environ
    for name in [name for name in source if _is_ours(name)]:
        del source[name]


def variable(name: str, default: str = "") -> str:
    """Return one variable, stripped; for defaults of traits whose help names it."""
    return os.environ.get(name, default).strip()


def home_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the home folder: ``HOME``, or the system's entry for the user.

    Raises ConfigurationError without either, and for a relative path.
    """
    source = os.environ if environ is None else environ
    try:
        home = Path(source.get("HOME", "").strip() or Path.home())
    except RuntimeError as error:  # Path.home(): the user has no entry
        raise ConfigurationError("HOME is not set.", _HOME_HINT) from error
    if not home.is_absolute():
        raise ConfigurationError(
            f"HOME is {str(home)!r}, which is not an absolute path.", _HOME_HINT
        )
    return home


def child_environment(
    base: Mapping[str, str], home: Path, extra: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of a terminal or tool: no Databricks variable, agents on the PATH.

    After the agents comes this Python's own folder, with ``jupyter`` and the SDK.  The locale is
    UTF-8 unless one is set, since agents draw with more than ASCII.  No proxy is used for loopback.
    """
    clean = {name: value for name, value in base.items() if not _is_ours(name)}
    wanted = (str(home / ".local" / "bin"), str(Path(sys.executable).parent))
    present = clean.get("PATH", os.defpath).split(os.pathsep)
    path = [folder for folder in wanted if folder not in present] + present
    clean.update(PATH=os.pathsep.join(path), HOME=str(home))
    if not any("UTF-8" in clean.get(name, "").upper() for name in ("LC_ALL", "LC_CTYPE", "LANG")):
        clean["LANG"] = "C.UTF-8"
    clean.update(_without_proxy_for_loopback(clean))
    clean.update(extra)
    return clean


def current_environment() -> dict[str, str]:
    """Return a copy of the process environment."""
    return dict(os.environ)


def extend_environment(values: Mapping[str, str]) -> None:
    """Set variables for this process and its future children (kernels inherit them)."""
    os.environ.update(values)


def prepare_children(home: Path, extra: Mapping[str, str]) -> None:
    """Set what kernels need in this process's environment: they inherit it."""
    base = current_environment()
    clean = child_environment(base, home, extra)
    extend_environment({name: clean[name] for name in clean if clean[name] != base.get(name)})


def forget_databricks_variables() -> None:
    """Remove ``DATABRICKS_*`` from this process, except for the path of the profiles."""
    for name in [name for name in os.environ if name.startswith("DATABRICKS_")]:
        if name != "DATABRICKS_CONFIG_FILE":
            del os.environ[name]


def strip_databricks_variables() -> None:
    """Strip white space off ``DATABRICKS_*``: a token read from a file ends with a newline."""
    for name in [name for name in os.environ if name.startswith("DATABRICKS_")]:
        os.environ[name] = os.environ[name].strip()


def forbid_inspection() -> None:
    """Make this process undumpable: ``ptrace`` and ``/proc/<pid>/mem`` would reveal the PAT.

    Redundant on purpose with the erasure of the environment.
    See docs/decisions/0011-not-dumpable.md
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _without_proxy_for_loopback(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that name what is reached without a proxy, with loopback added.

    Both, each with the values of the other if it is missing: with one alone, a program that reads
    it first would no longer see the other.
    """
    given = [environ.get(name, "") for name in NO_PROXY_VARIABLES]
    return {
        name: _with_loopback(own or other)
        for name, own, other in zip(NO_PROXY_VARIABLES, given, reversed(given), strict=True)
    }


def _with_loopback(names: str) -> str:
    present = [name.strip() for name in names.split(",") if name.strip()]
    if "*" in present:  # everything; Python knows it only if it stands alone
        return names
    return ",".join([*present, *(name for name in LOOPBACK_NAMES if name not in present)])


def _is_ours(name: str) -> bool:
    return name.startswith("DATABRICKS_") or name in SETTING_VARIABLES


def _erase_secrets() -> None:
    """Overwrite the values of secret variables in the memory that the kernel shows."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    for name in SECRET_VARIABLES:
        address = libc.getenv(name.encode())
        if address:
            ctypes.memset(address, 0, len(ctypes.string_at(address)))


def _host(text: str) -> str:
    host = normalise_host(text)
    parts = urlsplit(host)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigurationError(
            f"DATABRICKS_HOST is {text.strip()!r}: tokens would travel unencrypted.",
            "Set it to the workspace's address with https://.",
        )
    if host and not _HOST.fullmatch(host):
        raise ConfigurationError(
            f"DATABRICKS_HOST is {text.strip()!r}, which is not a workspace's address.",
            "Set it to an address such as https://adb-1.azuredatabricks.net, or do not set it: the "
            "platform does.",
        )
    return host


def _port(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) <= 65535:  # noqa: PLR2004 the largest TCP port
        raise ConfigurationError(
            f"DATABRICKS_APP_PORT is {text!r}, which is not a port.",
            "Set it to a number from 1 to 65535, or do not set it: the platform does.",
        )
    return int(text)
