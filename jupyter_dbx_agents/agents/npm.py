"""An agent that is an npm package: what its build is, and what npm's failures mean to a person.

``--ignore-scripts``: no package runs code of its own at install time.  The registry, proxy and CA
are the user's (``~/.npmrc``, environment): nothing here overrides them.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InstallError
from .lock import lock_hash, locked_version, manifest, npm_platform, read_lock, sub_lock
from .program import run_program

# Enough to tell what went wrong, too little to fill a screen.
SHOWN_LINES = 8
INSTALL_COMMAND = (
    "ci",
    "--ignore-scripts",
    "--omit=dev",
    "--include=optional",  # the native programs are optional packages
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--no-progress",
    "--loglevel=error",
)
NODE_HINT = "Install Node.js 22 or newer, which includes npm, and start again."
_NETWORK_HINT = (
    "Check the network and npm's registry and proxy settings (npm config list); "
    "what was downloaded is kept."
)
# Causes that may pass by themselves: the install is tried again.
TEMPORARY = {"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "E429", "E502",
             "E503", "E504", "ERR_SOCKET_TIMEOUT"}  # fmt: skip
# npm's error code -> what it means, and what to do.
_CAUSES = {
    "EINTEGRITY": (
        "a package is not the one that the lock file names",
        "Do not use it. The registry or a mirror in between serves other content: ask its owner.",
    ),
    "ENOSPC": ("the disk is full", "Make room in the home folder and start again."),
    "EACCES": ("a folder may not be written", "Check the permissions of ~/.npm and ~/.local."),
    "EUSAGE": ("the lock file and this npm do not fit", "Use npm 9 or newer."),
    "E401": ("the registry wants a log-in", "Log in with: npm login"),
    "E403": ("the registry refuses a package", "Ask its owner to allow it."),
    "E404": ("the registry does not have a package", "Ask its owner to mirror it."),
    "ETARGET": ("the registry does not have this version", "Ask its owner to mirror it."),
    "ENOTFOUND": ("the registry's name is not known", _NETWORK_HINT),
    "EAI_AGAIN": ("the registry's name cannot be looked up", _NETWORK_HINT),
    "ECONNREFUSED": ("the registry cannot be reached", _NETWORK_HINT),
    "ECONNRESET": ("the connection to the registry broke", _NETWORK_HINT),
    "ETIMEDOUT": ("the registry does not answer", _NETWORK_HINT),
    "ERR_SOCKET_TIMEOUT": ("the registry does not answer", _NETWORK_HINT),
    "E429": ("the registry is asked too often", _NETWORK_HINT),
    "E502": ("the registry is out of order", _NETWORK_HINT),
    "E503": ("the registry is out of order", _NETWORK_HINT),
    "E504": ("the registry does not answer", _NETWORK_HINT),
    "SELF_SIGNED_CERT_IN_CHAIN": (
        "the registry's certificate is not known",
        "Set npm's cafile to your company's certificates.",
    ),
}


@dataclass(frozen=True)
class NpmPackage:
    """A package of the lock.

    ``programs`` are the places of its executable below ``node_modules``, first choice first;
    ``{platform}`` stands for npm's name of this machine, such as ``linux-x64``.
    ``installed_bytes`` is about what it takes on the disk, for the progress shown.
    """

    package: str
    programs: tuple[str, ...]
    installed_bytes: int
    lock: Callable[[], Mapping[str, Any]] = read_lock

    def version(self) -> str:
        """Return the version that the lock pins."""
        return locked_version(self.lock(), self.package)

    def fingerprint(self) -> str:
        """Return a hash of this package's part of the lock."""
        return lock_hash(sub_lock(self.lock(), self.package))

    async def build(self, folder: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
        """Install into an empty folder; return the programs that are there.

        Raises InstallError and OSError.
        """
        files = {
            "package.json": manifest(self.lock(), self.package),
            "package-lock.json": sub_lock(self.lock(), self.package),
        }
        for name, content in files.items():
            (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")
        await _npm_install(folder, environment)
        places = (f"node_modules/{t.format(platform=npm_platform())}" for t in self.programs)
        return tuple(place for place in places if (folder / place).exists())


async def _npm_install(folder: Path, environment: Mapping[str, str]) -> None:
    npm = shutil.which("npm", path=environment.get("PATH"))
    if npm is None or shutil.which("node", path=environment.get("PATH")) is None:
        raise InstallError("Node.js and npm were not found on the PATH.", NODE_HINT)
    code, lines = await run_program((npm, *INSTALL_COMMAND), folder, environment)
    if code:
        raise explain_npm(code, lines)


def explain_npm(code: int, lines: list[str]) -> InstallError:
    """Return the error that npm's output amounts to."""
    text = "\n".join(lines[-SHOWN_LINES:])
    codes = {line.split()[-1] for line in lines if line.startswith("npm error code ")}
    for name, (cause, hint) in _CAUSES.items():
        if name in codes:
            return InstallError(
                f"npm failed: {cause} ({name}).",
                f"{hint} npm said: {text}",
                is_temporary=name in TEMPORARY,
            )
    return InstallError(f"npm failed with exit status {code}.", f"npm said: {text}" if text else "")
