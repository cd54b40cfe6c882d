"""An agent that is a Python package, in a virtual environment of its own.

Its own, since it pins versions that the server's environment has otherwise.  pip comes from the
server's Python, so that its settings (index, proxy, CA, ``pip.conf``) are the user's; uv steps in
where there is no pip.  ``--only-binary``: no package runs code of its own at install time.

Decided
- The program is a launcher of ours: pip's would name the folder in which it was built, and that
  folder is renamed when the build is complete.
- Modules are compiled at install time: it takes 2 s from each of the agent's starts.
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
    "--quiet",  # of warnings there are few, and they tell of an index that is out of reach
    "--require-hashes",
    "--no-deps",  # the lock has them all
    "--only-binary=:all:",
    "--disable-pip-version-check",
    "--no-input",
)
UV = ("pip", "install", "--require-hashes", "--no-deps", "--no-build")
_NETWORK_HINT = (
    "Check the network and pip's index and proxy settings (pip config list); "
    "what was downloaded is kept."
)
# What pip or uv says -> what it means, what to do, and whether that may pass by itself.
_CAUSES = (
    (
        r"DO NOT MATCH THE HASHES|[Hh]ash mismatch",
        "a package is not the one that the lock file names",
        "Do not use it. The index or a mirror in between serves other content: ask its owner.",
        False,
    ),
    (r"No space left", "the disk is full", "Make room in the home folder.", False),
    (
        r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate",
        "the index's certificate is not known",
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

    ``lock_file`` is ``NAME.txt`` below ``agents/python``; ``module`` is run as the program and
    ``command`` is that program's name.  ``below_python`` is the first version that it refuses.
    """

    package: str
    lock_file: Path
    module: str
    command: str
    installed_bytes: int
    below_python: tuple[int, int] = (4, 0)

    def version(self) -> str:
        """Return the version that the lock pins; raises KeyError for a lock without it."""
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
                f"{self.package} needs a Python below {wanted}; this is {sys.version.split()[0]}.",
                "Run the server with an older Python.",
            )
        venv = (sys.executable, "-P", "-m", "venv", "--without-pip", str(folder))
        code, lines = await run_program(venv, folder, environment)
        if code:
            raise InstallError("No virtual environment could be made.", " ".join(lines))
        code, lines = await run_program(
            self._install_command(folder / "bin" / "python", environment), folder, environment
        )
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
            return (*pip, "-r", str(self.lock_file))
        uv = shutil.which("uv", path=environment.get("PATH"))
        if uv is None:
            raise InstallError(
                "Neither pip nor uv is there.", f"Install one: {sys.executable} -m ensurepip"
            )
        options = ("--compile-bytecode", "--python", str(python), "-r", str(self.lock_file))
        return (uv, *UV, *options)


def explain_pip(code: int, lines: list[str]) -> InstallError:
    """Return the error that pip's or uv's output amounts to."""
    everything, text = "\n".join(lines), "\n".join(lines[-SHOWN_LINES:])
    for pattern, cause, hint, is_temporary in _CAUSES:
        if re.search(pattern, everything):
            return InstallError(
                f"pip failed: {cause}.", f"{hint} pip said: {text}", is_temporary=is_temporary
            )
    return InstallError(f"pip failed with exit status {code}.", f"pip said: {text}")
