"""An agent that is an npm package: how it is built, and what npm's errors mean.

``--ignore-scripts``: no package runs code at install time.  The registry, proxy and CA are the
user's (``~/.npmrc``, environment): nothing here overrides them.  Each package has a lock of
its own with the integrity of all that it needs and no address: npm takes the registry that the user
has configured, and cannot be given other content by it.
"""

import hashlib
import json
import platform
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import InstallError
from .program import run_program

LOCK_FOLDER = Path(__file__).parent / "npm"
LOCK_FILES = ("package.json", "package-lock.json")
# Enough to show what went wrong, too little to fill a screen.
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
    "--loglevel=warn",  # a file that could not be written is only a warning
    # A user's ``~/.npmrc`` may have these for their own projects; here they would install nothing,
    # or elsewhere, or hide npm's errors from ``explain_npm``.
    "--no-global",
    "--location=user",
    "--no-workspaces",
    "--no-dry-run",
    "--no-package-lock-only",
    "--install-strategy=hoisted",
    "--no-usage",
    "--heading=npm",
    "--no-json",
    "--no-color",
)
NODE_HINT = "Install Node.js 22 or newer, which includes npm, and restart the app."
_NETWORK_HINT = (
    "Check the network and npm's registry and proxy settings (npm config list); "
    "what was downloaded is kept."
)
# Temporary causes: the installation is retried.
TEMPORARY = {"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "E429", "E500",
             "E502", "E503", "E504", "ERR_SOCKET_TIMEOUT"}  # fmt: skip
_CA_CAUSE = (
    "the registry's certificate is not trusted",
    "Set npm's cafile to your company's certificates: npm config set cafile …",
)
# A file of a package could not be written; npm continues, and exits with 0.
_UNWRITTEN = re.compile(r"TAR_ENTRY_ERROR (\w+)")
# npm's error code -> what it means, and what to do.
_CAUSES = {
    "EINTEGRITY": (
        "a package does not match the lock file",
        "Do not use it. The registry or a mirror serves different content: ask its owner.",
    ),
    "ENOSPC": ("the disk is full", "Free some space in the home folder and install again."),
    "EACCES": ("a folder is not writable", "Check the permissions of ~/.npm and ~/.local."),
    "EUSAGE": ("this npm cannot use the lock file", "Use npm 9 or newer."),
    "E401": ("the registry requires a login", "Log in: npm login"),
    "E403": ("the registry refuses a package", "Ask its owner to allow it."),
    "E404": ("the registry does not have a package", "Ask its owner to mirror it."),
    "ETARGET": ("the registry does not have this version", "Ask its owner to mirror it."),
    "ENOTFOUND": ("the registry's host does not exist", _NETWORK_HINT),
    "EAI_AGAIN": ("the DNS lookup of the registry failed", _NETWORK_HINT),
    "ECONNREFUSED": ("the registry cannot be reached", _NETWORK_HINT),
    "ECONNRESET": ("the connection to the registry was lost", _NETWORK_HINT),
    "ETIMEDOUT": ("the registry does not answer", _NETWORK_HINT),
    "ERR_SOCKET_TIMEOUT": ("the registry does not answer", _NETWORK_HINT),
    "E429": ("the registry limits the rate of requests", _NETWORK_HINT),
    "E407": (
        "the proxy requires a login",
        "Set npm's proxy and https-proxy with user and password: npm config set https-proxy …",
    ),
    "FETCH_ERROR": (
        "the response is not a registry's, but perhaps a proxy's page",
        "Check npm's registry and proxy settings (npm config list).",
    ),
    "E500": ("the registry reports an error", _NETWORK_HINT),
    "E502": ("the registry reports an error", _NETWORK_HINT),
    "E503": ("the registry reports an error", _NETWORK_HINT),
    "E504": ("the registry does not answer", _NETWORK_HINT),
    "SELF_SIGNED_CERT_IN_CHAIN": _CA_CAUSE,
    "DEPTH_ZERO_SELF_SIGNED_CERT": _CA_CAUSE,
    "UNABLE_TO_GET_ISSUER_CERT": _CA_CAUSE,
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY": _CA_CAUSE,
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE": _CA_CAUSE,
    "CERT_HAS_EXPIRED": _CA_CAUSE,
}

# The folder is renamed when it is complete, and started through a link.
_START = """\
#!/bin/sh
folder=$(dirname "$(readlink -f "$0")")
exec node --import="$folder/{preload}" "$folder/{program}" "$@"
"""


@dataclass(frozen=True)
class NpmPackage:
    """A package with a lock.

    ``lock_folder`` is in the folder ``npm`` and has ``package.json`` and ``package-lock.json``.
    ``programs`` are the places of its executable below ``node_modules``, first choice first;
    ``{platform}`` stands for npm's name of this machine, such as ``linux-x64``.
    ``installed_bytes`` is about what it takes on the disk, for the progress shown.
    ``least_node`` is the first release of Node.js on which it runs, 0 if it brings its own program.
    ``preload`` is a module beside the lock that Node.js loads before the program, '' for none.
    """

    package: str
    lock_folder: Path
    programs: tuple[str, ...]
    installed_bytes: int
    least_node: int = 0
    preload: str = ""

    def version(self) -> str:
        """Return the version that ``package.json`` pins."""
        manifest = json.loads((self.lock_folder / "package.json").read_text(encoding="utf-8"))
        return str(manifest["dependencies"][self.package])

    def fingerprint(self) -> str:
        """Return a hash of the lock and of what is loaded before the program."""
        names = ("package-lock.json", *([self.preload] if self.preload else []))
        content = b"".join((self.lock_folder / name).read_bytes() for name in names)
        return hashlib.sha256(content).hexdigest()

    async def build(self, folder: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
        """Install into an empty folder; return the programs that are there.

        Raises InstallError and OSError.
        """
        for name in LOCK_FILES:
            shutil.copyfile(self.lock_folder / name, folder / name)
        npm, node = _npm_and_node(environment)
        await self._check_node(node, environment)
        await _npm_install(npm, folder, environment)
        places = (f"node_modules/{t.format(platform=npm_platform())}" for t in self.programs)
        found = tuple(place for place in places if (folder / place).exists())
        return self._with_preload(folder, found) if self.preload else found

    def _with_preload(self, folder: Path, programs: tuple[str, ...]) -> tuple[str, ...]:
        """Write a script for each program that loads the module first; return the scripts."""
        shutil.copyfile(self.lock_folder / self.preload, folder / self.preload)
        scripts = tuple(f"start-{number}" for number, _ in enumerate(programs))
        for script, program in zip(scripts, programs, strict=True):
            (folder / script).write_text(_START.format(preload=self.preload, program=program))
            (folder / script).chmod(0o755)
        return scripts

    async def _check_node(self, node: str, environment: Mapping[str, str]) -> None:
        """Raise InstallError for a Node.js on which the program would fail with a syntax error."""
        if not self.least_node:
            return
        _, lines = await run_program((node, "--version"), Path("/"), environment)
        found = re.match(r"v(\d+)\.", " ".join(lines))
        if found and int(found[1]) < self.least_node:
            raise InstallError(
                f"{self.package} needs Node.js {self.least_node}; {node} is {lines[0]}.", NODE_HINT
            )


def npm_platform() -> str:
    """Return npm's name of this machine: its ``os`` and ``cpu``, such as ``linux-x64``."""
    machine = platform.machine().lower()
    cpu = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(machine, machine)
    return f"{sys.platform}-{cpu}"


def _this_machine() -> tuple[str, ...]:
    """Return the flags that make npm choose this machine's packages, whatever the user has set."""
    os_name, cpu = npm_platform().split("-", maxsplit=1)
    libc = "glibc" if platform.libc_ver()[0] == "glibc" else "musl"
    return (f"--os={os_name}", f"--cpu={cpu}", *([f"--libc={libc}"] if os_name == "linux" else []))


def _npm_and_node(environment: Mapping[str, str]) -> tuple[str, str]:
    npm, node = (shutil.which(name, path=environment.get("PATH")) for name in ("npm", "node"))
    if npm is None or node is None:
        raise InstallError("Node.js and npm were not found on the PATH.", NODE_HINT)
    return npm, node


async def _npm_install(npm: str, folder: Path, environment: Mapping[str, str]) -> None:
    code, lines = await run_program((npm, *INSTALL_COMMAND, *_this_machine()), folder, environment)
    if code or any(map(_UNWRITTEN.search, lines)):
        raise explain_npm(code, lines)


def explain_npm(code: int, lines: list[str]) -> InstallError:
    """Return the error that npm's output describes."""
    text = "\n".join(lines[-SHOWN_LINES:])
    codes = {line.split()[-1] for line in lines if line.startswith("npm error code ")}
    codes |= {found[1] for found in map(_UNWRITTEN.search, lines) if found}
    for name, (cause, hint) in _CAUSES.items():
        if name in codes:
            return InstallError(
                f"npm failed: {cause} ({name}).",
                f"{hint} npm printed: {text}",
                is_temporary=name in TEMPORARY,
            )
    what = f"with exit status {code}" if code else "to write a file"
    return InstallError(f"npm failed {what}.", f"npm printed: {text}" if text else "")
