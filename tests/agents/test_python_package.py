"""A Python agent: pinned by hashes, in its own environment, with the real pip and a local index."""

import asyncio
import base64
import hashlib
import subprocess
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jupyter_dbx_agents.agents import Agent, AgentInstaller
from jupyter_dbx_agents.agents.hermes import HERMES
from jupyter_dbx_agents.agents.install.python_package import PythonPackage, explain_pip
from jupyter_dbx_agents.errors import InstallError
from jupyter_dbx_agents.models import Dialect

PROGRAM = "import sys\ndef main():\n    print('tool', sys.prefix, sys.argv[1:])\nmain()\n"


def wheel(folder: Path, name: str, version: str, module: str) -> str:
    """Make a wheel in an index's folder; return its line in a lock."""
    files = {
        f"{name}/__init__.py": "",
        f"{name}/main.py": module,
        f"{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\n"
        f"Version: {version}\n",
        f"{name}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{name}-{version}.dist-info/RECORD"
    lines = [f"{path},sha256={digest(text)},{len(text)}" for path, text in files.items()]
    (folder / name).mkdir(parents=True, exist_ok=True)
    path = folder / name / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in {**files, record: "\n".join([*lines, f"{record},,\n"])}.items():
            archive.writestr(place, text)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def digest(text: str) -> str:
    hashed = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(hashed).decode().rstrip("=")


@pytest.fixture
def index(tmp_path, monkeypatch):
    folder = tmp_path / "index"
    folder.mkdir()
    handler = partial(QuietHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "1")
    yield folder
    server.shutdown()
    server.server_close()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments) -> None:
        pass


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def agent_of(lock_file: Path, **more) -> Agent:
    recipe = PythonPackage("tool", lock_file, "tool.main", "tool", 1000, **more)
    return Agent("tool", "Tool", "tool", recipe, Dialect.CHAT, lambda _m: "m", lambda _c: ())


def test_a_python_agent_runs_from_its_own_environment_after_the_move(home, index, tmp_path):
    lock = tmp_path / "lock.txt"
    lock.write_text(wheel(index, "tool", "1.2", PROGRAM))
    installation = asyncio.run(AgentInstaller(home).install(agent_of(lock)))
    assert installation.version == "1.2"
    command = [home / ".local/bin/tool", "a b"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=home).stdout
    prefix = AgentInstaller(home).own_folder(agent_of(lock))
    assert prefix.name.startswith("1.2-")
    assert said == f"tool {prefix} ['a b']\n"
    assert list(prefix.rglob("main.cpython-*.pyc"))  # compiled at install time
    assert AgentInstaller(home).installed(agent_of(lock)) == installation


@pytest.mark.parametrize(
    "lines", ["user = true\nroot = r", "target = t", "prefix = p\ndry-run = true"]
)
def test_a_users_pip_conf_for_their_own_packages_does_not_matter(
    home, index, tmp_path, monkeypatch, lines
):
    settings = tmp_path / "pip.conf"
    settings.write_text(f"[install]\n{lines}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    lock = tmp_path / "lock.txt"
    lock.write_text(wheel(index, "tool", "1.2", PROGRAM))
    assert asyncio.run(AgentInstaller(home).install(agent_of(lock))).program.exists()


def test_a_package_with_other_content_is_refused_and_leaves_nothing(home, index, tmp_path):
    lock = tmp_path / "lock.txt"
    lock.write_text(wheel(index, "tool", "1.2", PROGRAM))
    wheel(index, "tool", "1.2", PROGRAM + "# changed\n")
    with pytest.raises(InstallError, match="does not match the lock file") as caught:
        asyncio.run(AgentInstaller(home).install(agent_of(lock)))
    assert not caught.value.is_temporary
    left = [p for p in (home / ".local").rglob("*") if p.is_file() and p.name != ".lock"]
    assert left == []


def test_an_index_that_cannot_be_reached_may_be_tried_again(home, index, tmp_path, monkeypatch):
    lock = tmp_path / "lock.txt"
    lock.write_text(wheel(index, "tool", "1.2", PROGRAM))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    with pytest.raises(InstallError) as caught:
        asyncio.run(AgentInstaller(home).install(agent_of(lock)))
    assert caught.value.is_temporary
    assert "proxy" in caught.value.hint


def test_a_python_that_is_too_new_is_said_before_anything_is_fetched(home, tmp_path):
    lock = tmp_path / "lock.txt"
    lock.write_text("tool==1.2\n")
    with pytest.raises(InstallError, match=r"needs Python below 3\.1;"):
        asyncio.run(AgentInstaller(home).install(agent_of(lock, below_python=(3, 1))))


@pytest.mark.parametrize(
    ("line", "cause", "is_temporary"),
    [
        ("ERROR: No matching distribution found for x", "does not have a package", False),
        ("OSError: [Errno 28] No space left on device", "the disk is full", False),
        ("SSLError(CERTIFICATE_VERIFY_FAILED)", "certificate", False),
        ("error: Failed to fetch: error sending request", "cannot be reached", True),
        ("something else", "exit status 7", False),
    ],
)
def test_pips_failures_are_told_in_words(line, cause, is_temporary):
    error = explain_pip(7, ["first", line])
    assert cause in error.message
    assert line in error.hint
    assert error.is_temporary is is_temporary


def test_the_shipped_lock_pins_everything_with_hashes_and_names_no_index():
    assert isinstance(HERMES.recipe, PythonPackage)
    text = HERMES.recipe.lock_file.read_text()
    assert "http" not in text.replace("httptools", "").replace("httpx", "").replace("httpcore", "")
    pins = [line for line in text.splitlines() if "==" in line and not line.startswith("#")]
    assert len(pins) > 50
    assert all(line.endswith("\\") for line in pins)  # a hash follows
    assert HERMES.recipe.version() == "0.19.0"
