"""What is looked at before anything of Jupyter's is loaded, which would fail in many lines.

Each check raises ConfigurationError with what is wrong and what to do.
"""

import argparse
import importlib.metadata
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from ..environment import home_folder
from ..errors import ConfigurationError

PROJECT_FILE = Path(__file__).resolve().parents[2] / "pyproject.toml"
DISTRIBUTION = "jupyter-dbx-agents"


def preflight(arguments: Sequence[str] = ()) -> None:
    """Check home folder, libraries, and the configuration file that the command line names.

    Raises ConfigurationError.
    """
    check_home(home_folder())
    check_libraries(requirements())
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", type=Path)
    named = parser.parse_known_args(arguments)[0].config
    if named is not None:
        check_config_file(named)


def check_config_file(path: Path) -> None:
    """Read a configuration file of traitlets: Jupyter goes on without one that it cannot read.

    What it was to switch off or to restrict would be on and open then.
    """
    from traitlets.config.loader import JSONFileConfigLoader, PyFileConfigLoader  # noqa: PLC0415

    loader = JSONFileConfigLoader if path.suffix == ".json" else PyFileConfigLoader
    try:
        loader(path.name, str(path.parent)).load_config()
    except Exception as error:  # the file is a program: anything can be raised
        raise ConfigurationError(
            f"The configuration file {path} cannot be used: {type(error).__name__}: {error}.",
            "Correct it; in the repository, jupyter_config.py shows how it is written.",
        ) from error


def check_home(home: Path) -> None:
    """Make the home folder if need be, and write to it: everything of an app lies there."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"The home folder {home} cannot be written to: {error.strerror}.",
            "Set HOME to a folder that can, such as /app/python/source_code in app.yaml.",
        ) from error


def requirements() -> list[str]:
    """Return what we require: installed, from our metadata; in a source folder, from its file."""
    if PROJECT_FILE.exists():
        project = tomllib.loads(PROJECT_FILE.read_text(encoding="utf-8"))["project"]
        return list(project["dependencies"])
    return [r for r in importlib.metadata.requires(DISTRIBUTION) or [] if "extra ==" not in r]


def check_libraries(wanted: list[str]) -> None:
    """Compare what is installed with what is required.

    The platform brings libraries of its own, some of them years old; they are replaced by the
    requirements of an app, unless its installation was skipped or undone.
    """
    problems = [problem for each in wanted if (problem := _problem(each))]
    if problems:
        raise ConfigurationError(
            f"Libraries are missing or too old: {', '.join(problems)}.",
            "Install what is required: python -m pip install -r requirements.txt",
        )


def _problem(requirement: str) -> str:
    """Return what is wrong with a library; '' if nothing is."""
    name, _, least = requirement.partition(">=")
    try:
        version = importlib.metadata.version(name.strip())
    except importlib.metadata.PackageNotFoundError:
        return f"{name.strip()} (not installed)"
    return "" if _numbers(version) >= _numbers(least) else f"{name} {version} (at least {least})"


def _numbers(version: str) -> list[int]:
    """Return a version's leading numbers; enough to compare a release with a least one."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return numbers
