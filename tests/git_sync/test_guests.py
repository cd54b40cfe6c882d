"""Real programs that live from git's hooks: husky, pre-commit, Git LFS.  Theirs run, and ours."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from .conftest import Site, marker_of, until
from .test_git_sync import synced
from .test_history import is_safe
from .test_hooks import Hooked, hooked

__all__ = ["hooked"]
PATH = os.environ["PATH"]
HUSKY = "husky@9.1.7"
PRE_COMMIT = "pre-commit==4.0.1"
PRE_COMMIT_CONFIG = """
repos:
- repo: local
  hooks:
  - {id: before, name: b, entry: touch before, language: system, always_run: true}
  - id: after
    name: a
    entry: touch after
    language: system
    always_run: true
    stages: [post-commit, post-checkout, post-merge, post-rewrite]
"""
pytestmark = pytest.mark.timeout(300)


def run(command: Sequence[str | Path], folder: Path, environment: dict[str, str]) -> str:
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def set_up_husky(folder: Path, environment: dict[str, str]) -> None:
    (folder / "package.json").write_text('{"name": "p", "private": true}')
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--save-dev", HUSKY]
    run(npm, folder, dict(os.environ))
    (folder / ".gitignore").write_text("node_modules\n")
    run(["npx", "husky"], folder, environment)
    for name in ("pre-commit", "post-commit"):
        (folder / ".husky" / name).write_text(f"touch ../{name}-ran\n")


def test_husky_runs(site: Site, hooked: Hooked) -> None:
    folder = site.make("p", a="1")
    hooked.config().install(None)
    hooked.install("p")
    set_up_husky(folder, site.environment)
    assert not hooked.install("p"), "husky's folder is not ours; a poll sees the commit"
    site.commit("p", {"a": "2"})
    assert {path.name for path in site.projects.glob("*-ran")} == {
        "pre-commit-ran",
        "post-commit-ran",
    }
    assert site.git("p", "status", "--porcelain") == ""


@pytest.fixture(scope="session")
def pre_commit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pre-commit")
    venv.create(folder, with_pip=True)
    pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", PRE_COMMIT]
    run([folder / "bin/python", *pip], folder, dict(os.environ))
    return folder / "bin/pre-commit"


@pytest.mark.parametrize("is_first", ["ours", "theirs"])
def test_pre_commit_and_ours_run(
    site: Site, hooked: Hooked, pre_commit: Path, is_first: str
) -> None:
    folder = site.make("p", a="1")
    (folder / ".pre-commit-config.yaml").write_text(PRE_COMMIT_CONFIG)
    install: list[str | Path] = [pre_commit, "install"]
    for kind in ("pre-commit", "post-commit", "post-checkout", "post-merge", "post-rewrite"):
        install += ["--hook-type", kind]
    if is_first == "ours":
        hooked.install("p")
    run(install, folder, site.environment)
    for turn in range(2):
        site.commit("p", {"a": f"turn {turn}"})
        assert (folder / "before").exists() and (folder / "after").exists()
        assert is_first == "theirs" or hooked.triggers.take()
        hooked.install("p")
    hooked.uninstall("p")
    hooked.triggers.take()
    site.commit("p", {"a": "without ours"})
    assert not hooked.triggers.take()
    assert (folder / ".git/hooks/post-commit").exists(), "theirs stays"


@pytest.mark.skipif(
    shutil.which("git-lfs") is None and "CI" not in os.environ,
    reason="Git LFS is a program of the system's",
)
async def test_git_lfs_installs_itself(
    site: Site, hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.environment["PATH"] = PATH
    monkeypatch.setenv("PATH", PATH)
    hooked.config().install(None)
    folder = site.make("p", a="1")
    site.git("p", "lfs", "install", "--local")
    site.git("p", "lfs", "track", "*.bin")
    site.commit("p", {"x.bin": b"large " * 5000})
    assert not hooked.install("p")
    assert "git lfs" in (folder / ".git/hooks/post-commit").read_text()
    assert int(site.git("p", "cat-file", "-s", "HEAD:x.bin")) < 200
    sync = site.project_sync("p")
    await sync.run()
    assert site.remote("p")["x.bin"] == b"large " * 5000
    assert marker_of(sync).notes == {}
    shutil.rmtree(folder / ".git/lfs")
    (folder / "x.bin").unlink()
    await site.project_sync("p").run(audits=True)
    assert site.remote("p")["x.bin"] == b"large " * 5000, "what is there is left as it is"


@pytest.mark.parametrize("guest", ["husky", "pre-commit", "lfs"])
async def test_a_commit_whose_group_is_killed_is_safe_beside_the_hooks_of_others(
    site: Site, guest: str, pre_commit: Path
) -> None:
    """Their hooks, their settings and the status stay as they are, byte for byte."""
    if guest == "lfs" and shutil.which("git-lfs") is None:
        pytest.skip("Git LFS is a program of the system's")
    folder = site.make("p", a="1")
    match guest:
        case "husky":
            set_up_husky(folder, site.environment)
        case "pre-commit":
            (folder / ".pre-commit-config.yaml").write_text(PRE_COMMIT_CONFIG)
            run([pre_commit, "install"], folder, site.environment)
        case _:
            site.git("p", "lfs", "install", "--local")
            site.git("p", "lfs", "track", "*.bin")
    site.commit("p", {"x.bin": b"large " * 5000})
    before, status = of_guests(folder), site.git("p", "status", "--porcelain")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    (folder / "x.bin").write_bytes(b"larger " * 5000)
    commit = "git -c user.name=n -c user.email=e commit -qam m && kill -9 0"
    shell = subprocess.Popen(
        ["/bin/sh", "-c", commit], cwd=folder, env=site.environment, start_new_session=True
    )
    assert await asyncio.to_thread(shell.wait) == -signal.SIGKILL
    await until(lambda: is_safe(site, sync, "p"), "the commit is safe", 5)
    assert before.items() <= of_guests(folder).items()
    assert site.git("p", "status", "--porcelain") == status


def of_guests(folder: Path) -> dict[Path, bytes]:
    places = [*(folder / ".git/hooks").iterdir(), *(folder / ".husky").rglob("*")]
    places += [folder / ".git/config", folder / ".git/info/exclude", folder / ".gitattributes"]
    return {path: path.read_bytes() for path in places if path.is_file()}
