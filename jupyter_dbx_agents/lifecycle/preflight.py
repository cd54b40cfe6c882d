"""Checks before Jupyter is loaded, whose own failures would fill a page.

Each raises ConfigurationError, with what is wrong and what to do.
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
    """Check the home folder, the libraries, and the command line's configuration file."""
    check_home(home_folder())
    check_libraries(requirements())
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", type=Path)
    named = parser.parse_known_args(arguments)[0].config
    if named is not None:
        check_config_file(named)


def check_config_file(path: Path) -> None:
    """Read a configuration file of traitlets, since Jupyter ignores one that it cannot read.

    What the file switches off or restricts would be on and open then.
    """
    from traitlets.config.loader import JSONFileConfigLoader, PyFileConfigLoader  # noqa: PLC0415

    loader = JSONFileConfigLoader if path.suffix == ".json" else PyFileConfigLoader
    try:
        loader(path.name, str(path.parent)).load_config()
    except Exception as error:  # the file is a program: it can raise anything
        raise ConfigurationError(
            f"The configuration file {path} cannot be used: {type(error).__name__}: {error}.",
            "Correct it; jupyter_config.py in the repository is an example.",
        ) from error


def check_home(home: Path) -> None:
    """Create the home folder if needed, and write to it: an app keeps everything there."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"The home folder {home} cannot be written to: {error.strerror}.",
            "Set HOME in app.yaml to a writable folder, such as /app/python/source_code.",
        ) from error


def requirements() -> list[str]:
    """Return our requirements: from pyproject.toml in a source folder, else from our metadata."""
    if PROJECT_FILE.exists():
        project = tomllib.loads(PROJECT_FILE.read_text(encoding="utf-8"))["project"]
        return list(project["dependencies"])
    return [r for r in importlib.metadata.requires(DISTRIBUTION) or [] if "extra ==" not in r]


def check_libraries(wanted: list[str]) -> None:
    """Compare the installed libraries with the required ones.

    The platform brings libraries of its own, some of them years old; an app's requirements replace
    them, unless their installation was skipped or undone.
    """
    problems = [problem for each in wanted if (problem := _problem(each))]
    if problems:
        raise ConfigurationError(
            f"Libraries are missing or too old: {', '.join(dict.fromkeys(problems))}.",
            "Install the requirements: python -m pip install -r requirements.txt",
        )


def _problem(requirement: str) -> str:
    """Return what is wrong with a library; '' if nothing is."""
    name, _, least = requirement.partition(">=")
    try:
        version = importlib.metadata.version(name.strip())
        from packaging.version import Version  # noqa: PLC0415 it may be what is missing

        is_new_enough = Version(version) >= Version(least)
    except ImportError as error:  # PackageNotFoundError is one, too
        return f"{error.name} (not installed)"
    except ValueError:  # a version of somebody's own making
        is_new_enough = False
    return "" if is_new_enough else f"{name} {version} (at least {least})"
