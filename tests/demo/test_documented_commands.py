"""What README and docs tell to type in a terminal of the app works there."""

from __future__ import annotations

import re

import pytest

from tests.support.documented_commands import commands_of
from tests.support.running_app import RunningApp

# Doctor tells of problems with its exit code, and which there are depends on the machine; a word
# in capitals stands for what the reader puts there, which there is not.
MAY_FAIL = re.compile(r"jupyter dbx-agents doctor|.* [A-Z]+")


@pytest.mark.parametrize("command", sorted(set(commands_of("jupyter dbx-agents "))))
def test_a_command_works_in_a_terminal(app: RunningApp, command: str):
    app.log_in()
    with app.owner.terminal() as terminal:
        code, output = terminal.run_any(command)
    assert code == 0 or (MAY_FAIL.fullmatch(command) and code == 1), output
    assert "usage:" not in output
