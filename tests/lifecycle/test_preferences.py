"""Which shell terminals start."""

import shutil

import pytest
from jupyter_server.serverapp import ServerApp

from jupyter_dbx_agents.environment import take_environment
from jupyter_dbx_agents.lifecycle.preferences import preferences


@pytest.mark.parametrize(
    ("account", "started"),
    [
        ("/bin/sh", "bash"),
        ("/bin/dash", "bash"),
        ("/usr/sbin/nologin", "bash"),
        ("", "bash"),
        (shutil.which("rbash") or "/bin/bash", None),
    ],
)
def test_a_shell_that_nobody_chose_is_bash_and_another_is_kept(monkeypatch, account, started):
    monkeypatch.setenv("SHELL", account)
    environment = take_environment({"HOME": "/nowhere"})
    (shell,) = preferences(ServerApp(), environment).ServerApp.terminado_settings["shell_command"]
    assert shell == (shutil.which(started) if started else account)
