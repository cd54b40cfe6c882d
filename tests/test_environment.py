"""The environment is read once, cleaned for children, and closed to those who look."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_dbx_agents.addresses import normalise_host
from jupyter_dbx_agents.environment import child_environment, take_environment
from jupyter_dbx_agents.errors import ConfigurationError

PROGRAM = """
import pathlib, sys
from jupyter_dbx_agents.environment import forbid_inspection, take_environment
taken = take_environment()
assert taken.client_secret.reveal() == "dose-the-secret", taken
if sys.argv[1:] == ["closed"]:
    forbid_inspection()
print("ready", flush=True)
sys.stdin.read()
"""


def looked_at(*arguments: str) -> tuple[bytes, bool]:
    """Start a process with secrets; return its environment as the kernel shows it, if it does."""
    variables = {
        **os.environ,
        "DATABRICKS_CLIENT_ID": "the-client",
        "DATABRICKS_CLIENT_SECRET": "dose-the-secret",
        "DATABRICKS_TOKEN": "dapi-the-token",
        "DATABRICKS_HOST": "h.example",
        "DATABRICKS_APP_NAME": "app",
    }
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        try:
            shown, is_open = Path(f"/proc/{process.pid}/environ").read_bytes(), True
        except PermissionError:
            shown, is_open = b"", False
        process.communicate(b"")
    return shown, is_open


def test_secrets_are_erased_where_the_kernel_shows_the_first_environment():
    shown, is_open = looked_at()
    assert is_open
    assert b"DATABRICKS_HOST=h.example" in shown
    for secret in (b"dose-the-secret", b"dapi-the-token", b"the-client"):
        assert secret not in shown


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into everything")
def test_the_process_is_closed_to_others_of_the_same_user():
    assert looked_at("closed") == (b"", False)


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("", ""),
        ("adb-1.2.azuredatabricks.net", "https://adb-1.2.azuredatabricks.net"),
        (" https://h.example/ ", "https://h.example"),
        ("https://h.example/?o=123#x", "https://h.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("HTTPS://ADB-1.Example:443/x", "https://adb-1.example"),
        ("http://h.example:443", "http://h.example:443"),
    ],
)
def test_a_host_is_an_origin_however_it_was_copied(given: str, origin: str):
    assert normalise_host(given) == origin


def test_what_was_read_is_taken_away_from_children():
    source = {
        "DATABRICKS_APP_NAME": "app",
        "DATABRICKS_HOST": "h",
        "DATABRICKS_APP_PORT": "8000",
        "GEMINI_MODEL": " m ",
        "PATH": "/bin",
    }
    taken = take_environment(source)
    assert (taken.host, taken.app_port, taken.settings) == (
        "https://h",
        8000,
        {"GEMINI_MODEL": "m"},
    )
    assert source == {"PATH": "/bin"}


def test_off_the_platform_the_variables_are_the_users_own():
    source = {"DATABRICKS_HOST": "h", "DATABRICKS_TOKEN": "dapi", "PATH": "/bin"}
    before = dict(source)
    assert take_environment(source).host == "https://h"
    assert source == before


@pytest.mark.parametrize(
    "host", ["http://adb-1.azuredatabricks.net", "http://10.0.0.1:80", "http://127.evil.example"]
)
def test_a_workspace_to_which_tokens_would_travel_in_clear_is_refused(host: str):
    with pytest.raises(ConfigurationError, match="unencrypted"):
        take_environment({"DATABRICKS_HOST": host})


@pytest.mark.parametrize("host", ["http://127.0.0.1:8", "http://localhost:8", "http://[::1]:8"])
def test_a_workspace_on_this_machine_may_speak_plain_http(host: str):
    assert take_environment({"DATABRICKS_HOST": host}).host == host


@pytest.mark.parametrize("port", ["x", "-1", "0", "65536", "80.5"])
def test_a_port_that_is_none_is_named(port: str):
    with pytest.raises(ConfigurationError, match="DATABRICKS_APP_PORT"):
        take_environment({"DATABRICKS_APP_PORT": port})


def test_a_child_finds_the_agents_first_and_speaks_utf8(tmp_path):
    child = child_environment({"PATH": "/usr/bin", "DATABRICKS_HOST": "h"}, tmp_path, {"A": "b"})
    folders = child["PATH"].split(os.pathsep)
    assert folders[0] == str(tmp_path / ".local" / "bin")
    assert folders[-1] == "/usr/bin"
    assert (child["LANG"], child["A"], child["HOME"]) == ("C.UTF-8", "b", str(tmp_path))
    assert "DATABRICKS_HOST" not in child


@pytest.mark.parametrize(
    ("given", "upper", "lower"),
    [
        ({}, "127.0.0.1,localhost,::1", "127.0.0.1,localhost,::1"),
        (
            {"no_proxy": "corp.example"},
            "corp.example,127.0.0.1,localhost,::1",
            "corp.example,127.0.0.1,localhost,::1",
        ),
        (
            {"NO_PROXY": "a.example, localhost", "no_proxy": "b.example"},
            "a.example,localhost,127.0.0.1,::1",
            "b.example,127.0.0.1,localhost,::1",
        ),
        ({"NO_PROXY": "*"}, "*", "*"),
    ],
)
def test_no_child_sends_what_is_for_loopback_through_a_proxy(tmp_path, given, upper, lower):
    child = child_environment({"HTTP_PROXY": "http://proxy:1", **given}, tmp_path, {})
    assert (child["NO_PROXY"], child["no_proxy"]) == (upper, lower)
    assert child["HTTP_PROXY"] == "http://proxy:1"
    assert child_environment(child, tmp_path, {}) == child  # a terminal's is made of the server's


def test_a_home_that_cannot_be_told_is_refused(monkeypatch):
    for home in ("python/source_code", "."):
        with pytest.raises(ConfigurationError, match="not an absolute path"):
            take_environment({"HOME": home})
    assert take_environment({"HOME": " /home/me\n"}).home == Path("/home/me")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 3)  # of a user whom no list names
    with pytest.raises(ConfigurationError, match="HOME is not set"):
        take_environment({})
