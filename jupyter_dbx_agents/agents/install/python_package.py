"""An agent that is a Python package, in a virtual environment of its own.

Its own, since it pins other versions than the server's environment has.  pip is the one of the
server's Python, so its settings (index, proxy, CA, ``pip.conf``) are the user's; uv is used where
there is no pip.  ``--only-binary``: no package runs code at install time.

Decided
- The program is a launcher of ours: pip's would contain the name of the folder in which it was
  built, and that folder is renamed after the build.
- Modules are compiled at install time, which makes each start of the agent 2 s faster.
"""

import hashlib
import importlib.util
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import InstallError
from .program import run_program

LOCK_FOLDER = Path(__file__).parent / "python"
SHOWN_LINES = 8
PIP = (
    "install",
    "--quiet",  # its few warnings are about an index that cannot be reached
    "--require-hashes",
    "--no-deps",  # the lock has them all
    "--only-binary=:all:",
    "--disable-pip-version-check",
    "--no-input",
    # A user's ``pip.conf`` may have others for their own packages.
    "--no-user",
    "--target=",
    "--root=/",
)
UV = ("pip", "install", "--require-hashes", "--no-deps", "--no-build")
_NETWORK_HINT = (
    "Check the network and pip's index and proxy settings (pip config list); "
    "what was downloaded is kept."
)
# What pip or uv prints -> what it means, what to do, and whether that is temporary.
_CAUSES = (
    (
        r"DO NOT MATCH THE HASHES|[Hh]ash mismatch",
        "a package does not match the lock file",
        "Do not use it. The index or a mirror serves different content: ask its owner.",
        False,
    ),
    (
        r"No space left",
        "the disk is full",
        "Free some space in the home folder and install again.",
        False,
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate",
        "the index's certificate is not trusted",
        "Set pip's cert (PIP_CERT) to your company's certificates.",
        False,
    ),
    (
        r"NewConnectionError|ConnectionError|ConnectTimeout|ReadTimeout|NameResolution|"
        r"Max retries exceeded|[Dd]ns error|error sending request|tcp connect",
        "the index cannot be reached",
        _NETWORK_HINT,
        True,
    ),
    (
        r"No matching distribution|not found in the package registry|no wheels",
        "the index does not have a package",
        "Ask its owner to mirror it.",
        False,
    ),
)
_LAUNCHER = """#!/bin/sh
exec "$(dirname "$(readlink -f "$0")")/python" -P -m {module} "$@"
"""


@dataclass(frozen=True)
class PythonPackage:
    """A package with a lock of hashes.

    ``lock_file`` is in the folder ``python``; ``module`` is run as the program, whose name is
    ``command``.  ``below_python`` is the first version of Python on which it does not run.
    """

    package: str
    lock_file: Path
    module: str
    command: str
    installed_bytes: int
    below_python: tuple[int, int] = (4, 0)

    def version(self) -> str:
        """Return the version that the lock pins; raises KeyError if there is none."""
        pin = re.compile(rf"^{re.escape(self.package)}(\[.*\])?==(\S+)", re.MULTILINE)
        found = pin.search(self.lock_file.read_text(encoding="utf-8"))
        if found is None:
            raise KeyError(f"{self.lock_file} does not pin {self.package}")
        return found[2]

    def fingerprint(self) -> str:
        """Return a hash of the lock and of the Python that its packages are for."""
        lock = self.lock_file.read_bytes()
        return hashlib.sha256(lock + sys.version.encode()).hexdigest()

    async def build(self, folder: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
        """Install into an empty folder; return the program.  Raises InstallError and OSError."""
        if sys.version_info[:2] >= self.below_python:
            wanted = ".".join(map(str, self.below_python))
            raise InstallError(
                f"{self.package} needs Python below {wanted}; this is {sys.version.split()[0]}.",
                "Run the app with an older Python.",
            )
        venv = (sys.executable, "-P", "-m", "venv", "--without-pip", str(folder))
        code, lines = await run_program(venv, folder, environment)
        if code:
            raise InstallError(
                "The virtual environment could not be created.",
                f"Check the free space. Python printed: {' '.join(lines)}",
            )
        command = self._install_command(folder / "bin" / "python", environment)
        # The variable, since pip has no flag that takes ``dry-run`` of a ``pip.conf`` back.
        code, lines = await run_program(command, folder, {**environment, "PIP_DRY_RUN": "0"})
        if code:
            raise explain_pip(code, lines)
        launcher = folder / "bin" / self.command
        launcher.write_text(_LAUNCHER.format(module=self.module), encoding="utf-8")
        launcher.chmod(0o755)
        return (f"bin/{self.command}",)

    def _install_command(self, python: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
        if importlib.util.find_spec("pip") is not None:
            # -P: a pip.py in the current folder is not pip.
            pip = (sys.executable, "-P", "-m", "pip", "--python", str(python), *PIP)
            return (*pip, f"--prefix={python.parents[1]}", "-r", str(self.lock_file))
        uv = shutil.which("uv", path=environment.get("PATH"))
        if uv is None:
            raise InstallError(
                "Neither pip nor uv was found.", f"Install one: {sys.executable} -m ensurepip"
            )
        options = ("--compile-bytecode", "--python", str(python), "-r", str(self.lock_file))
        return (uv, *UV, *options)


def explain_pip(code: int, lines: list[str]) -> InstallError:
    """Return the error that pip's or uv's output describes."""
    everything, text = "\n".join(lines), "\n".join(lines[-SHOWN_LINES:])
    for pattern, cause, hint, is_temporary in _CAUSES:
        if re.search(pattern, everything):
            return InstallError(
                f"pip failed: {cause}.", f"{hint} pip printed: {text}", is_temporary=is_temporary
            )
    return InstallError(f"pip failed with exit status {code}.", f"pip printed: {text}")
