"""Commands say in one line which folder or file they cannot use; nobody reads a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_dbx_agents.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
IN_A_FILE, GONE = "in a file", "gone"


def test_a_port_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]):
    for text in ("99999", "-1", "x", "²"):
        with pytest.raises(SystemExit):
            main(["demo", "--no-browser", f"--port={text}"])
        assert f"“{text}” is not a number from 0 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "place", "said"),
    [
        ("demo --no-browser --home {file}/x", "", "The folder {file}/x cannot be used: Not a dir"),
        ("demo --no-browser", GONE, ".demo cannot be used: No such file or directory."),
        ("deploy", GONE, "The current folder is not there any more."),
        ("team-bundle members", GONE, "The current folder is not there any more."),
        ("team-bundle {file}/x", "", "Cannot read the input: [Errno 20] Not a directory"),
        ("hooks install", IN_A_FILE, "{file}/home/.local/state/jupyter_dbx_agents/no-hooks cannot"),
        ("hooks uninstall", IN_A_FILE, "Could not remove all hooks: [Errno 20]"),
        ("serve", IN_A_FILE, "The home folder {file}/home cannot be written to"),
    ],
)
def test_a_folder_that_cannot_be_used_is_said_in_one_line(
    tmp_path: Path, command: str, place: str, said: str
):
    file, here = tmp_path / "file", tmp_path / "here"
    file.touch()
    here.mkdir()
    home = file / "home" if place == IN_A_FILE else tmp_path
    run = [sys.executable, "-m", "jupyter_dbx_agents", *command.format(file=file).split()]
    if place == GONE:
        run = ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", *run]
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        run, cwd=here, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    lines = [line for line in ended.stderr.splitlines() if "getcwd" not in line]
    assert len(lines) == 1, ended.stderr
    assert said.format(file=file) in lines[0]
