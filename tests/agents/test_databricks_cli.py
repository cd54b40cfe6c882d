"""The Databricks CLI: the image's own, or a pinned release that is complete or not there."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from traitlets.config import Config

from jupyter_dbx_agents.agents.databricks.command import DatabricksCli
from jupyter_dbx_agents.agents.databricks.skills import Skills
from jupyter_dbx_agents.agents.databricks.tools import DatabricksTools
from jupyter_dbx_agents.background import BackgroundTasks
from jupyter_dbx_agents.errors import InstallError
from jupyter_dbx_agents.workspace_api import WorkspaceApi
from tests.support.local_workspace import environment
from tests.support.release_server import ReleaseServer, archive_of

NOWHERE = "http://127.0.0.1:9/releases"


@pytest.fixture
def release():
    with ReleaseServer() as server:
        yield server


@pytest.fixture(autouse=True)
def path(monkeypatch, tmp_path) -> Path:
    """A folder of the image's programs, first on a PATH without a CLI."""
    folder = tmp_path / "image"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return folder


def cli_of(home: Path, release: ReleaseServer, url: str = "", **settings: str) -> DatabricksCli:
    config = Config(DatabricksCli={"sha256": release.sha256})
    if not settings:
        config.DatabricksCli.releases_url = url or release.url
    return DatabricksCli(replace(environment(**settings), home=home / "home"), config=config)


def install(cli: DatabricksCli) -> list[str]:
    """Install; return the messages."""
    messages: list[str] = []
    asyncio.run(cli.install(lambda _fraction, message: messages.append(message)))
    return messages


def link_of(home: Path) -> Path:
    return home / "home" / ".local" / "bin" / "databricks"


def put(folder: Path, version: str, code: int = 0) -> Path:
    """Put a program of a version into a folder."""
    program = folder / "databricks"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\necho '{version}'\nexit {code}\n")
    program.chmod(0o755)
    return program


def test_the_release_is_on_the_path_and_runs(release, tmp_path):
    cli = cli_of(tmp_path, release)
    assert install(cli)[-1] == "Databricks CLI 1.9.0."
    said = subprocess.run(
        [link_of(tmp_path), "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout == "Databricks CLI v1.9.0\n"
    found = asyncio.run(cli.find())
    assert found is not None and found.program == link_of(tmp_path) and found.version == (1, 9, 0)
    assert [path.name for path in link_of(tmp_path).resolve().parent.iterdir()] != []
    install(cli)
    assert len(release.ranges) == 1, "it was downloaded again"


def test_a_mirror_may_be_a_variable_and_redirect(release, tmp_path):
    mirror = release.url.replace("/releases", "/moved/releases")
    install(cli_of(tmp_path, release, DATABRICKS_CLI_RELEASES=mirror))
    assert link_of(tmp_path).exists() and len(release.ranges) == 2


def test_other_content_is_refused_and_nothing_of_it_stays(release, tmp_path):
    cli = cli_of(tmp_path, release)
    release.archive = archive_of("#!/bin/sh\ntouch ~/ran\n")
    with pytest.raises(InstallError, match="sent something other than release") as raised:
        install(cli)
    assert "DATABRICKS_CLI_RELEASES" in raised.value.hint and not raised.value.is_temporary
    assert not link_of(tmp_path).is_symlink()
    assert not [path for path in (tmp_path / "home").rglob("*") if path.stat().st_size > 8192]


def test_a_lost_connection_is_resumed_where_it_was(release, tmp_path):
    release.cut_after = [50_000, 30_000]
    install(cli_of(tmp_path, release))
    assert release.ranges == ["", "bytes=50000-", "bytes=80000-"]
    assert link_of(tmp_path).exists()


def test_a_server_that_cannot_resume_sends_it_all_again(release, tmp_path):
    release.cut_after, release.resumes = [50_000], False
    install(cli_of(tmp_path, release))
    assert release.ranges == ["", "bytes=50000-"] and link_of(tmp_path).exists()


def test_half_a_download_is_never_on_the_path_and_is_kept_for_the_next_attempt(release, tmp_path):
    cli = cli_of(tmp_path, release)
    release.cut_after = [50_000, 0]
    with pytest.raises(InstallError, match=r"127\.0\.0\.1 cannot be reached") as raised:
        install(cli)
    assert raised.value.is_temporary and "what was downloaded is kept" in raised.value.hint
    assert not link_of(tmp_path).is_symlink()
    install(cli)
    assert release.ranges[-1] == "bytes=50000-" and link_of(tmp_path).exists()


@pytest.mark.parametrize(
    ("status", "said", "is_temporary"),
    [
        (404, "does not have the file", False),
        (401, "requires a login", False),
        (503, "answers with HTTP 503", True),
        (299, "sent something other", False),
    ],
)
def test_what_a_mirror_answers_is_said(release, tmp_path, status, said, is_temporary):
    release.status = status
    with pytest.raises(InstallError, match=said) as raised:
        install(cli_of(tmp_path, release))
    assert raised.value.is_temporary == is_temporary


def test_no_password_of_an_address_is_in_a_message(release, tmp_path):
    release.status = 404
    address = release.url.replace("http://", "http://me:secret@")
    with pytest.raises(InstallError) as raised:
        install(cli_of(tmp_path, release, address))
    assert "secret" not in raised.value.message + raised.value.hint


@pytest.mark.parametrize("address", ["nonsense", "ftp://127.0.0.1/x", "http://[::1", "http://{x}/"])
def test_an_address_that_is_none_is_an_error_that_says_where_to_set_it(release, tmp_path, address):
    with pytest.raises(InstallError) as raised:
        install(cli_of(tmp_path, release, address))
    assert "DATABRICKS_CLI_RELEASES" in raised.value.hint


def test_a_machine_without_a_release_is_told_so(release, tmp_path):
    cli = cli_of(tmp_path, release)
    cli.sha256 = {"plan9_mips": "0" * 64}
    with pytest.raises(InstallError, match=r"no pinned release 1\.9\.0 for linux_"):
        install(cli)


@pytest.mark.parametrize("version", ["Databricks CLI v1.0.0", "Databricks CLI v1.12.3-dev+abc"])
def test_the_images_own_is_used_if_it_is_new_enough(release, tmp_path, path, version):
    program = put(path, version)
    cli = cli_of(tmp_path, release)
    assert str(program) in install(cli)[-1]
    assert not link_of(tmp_path).is_symlink() and not release.ranges
    found = asyncio.run(cli.find())
    assert found is not None and found.program == program


@pytest.mark.parametrize(
    ("version", "code"), [("Version 0.18.0", 0), ("Databricks CLI v0.299.0", 0), ("v1.9.0", 3)]
)
def test_an_old_or_broken_one_of_the_image_is_hidden_by_the_release(
    release, tmp_path, path, version, code
):
    put(path, version, code)
    cli = cli_of(tmp_path, release)
    install(cli)
    found = asyncio.run(cli.find())
    assert found is not None and found.program == link_of(tmp_path)


def test_a_program_of_the_users_own_stays(release, tmp_path):
    own = put(link_of(tmp_path).parent, "Databricks CLI v0.200.0")
    assert "is your own and was left unchanged" in install(cli_of(tmp_path, release))[-1]
    assert "v0.200.0" in own.read_text()


def test_what_cannot_be_had_is_one_line_and_is_had_later(release, tmp_path, caplog):
    cli = cli_of(tmp_path, release, NOWHERE)
    skills = Skills(tmp_path / "home", WorkspaceApi(""), lambda: None, official=False)
    tools = DatabricksTools(cli, skills, first_pause_seconds=0.01, longest_pause_seconds=0.02)
    messages: list[str] = []

    async def until_found() -> None:
        await tools.run(lambda _fraction, message: messages.append(message))
        assert tools.status()["cli"]["version"] == ""
        keeping = asyncio.create_task(tools.keep())
        cli.releases_url = release.url
        async with asyncio.timeout(30):
            while not tools.status()["cli"]["version"]:
                await asyncio.sleep(0.01)
        keeping.cancel()

    asyncio.run(until_found())
    assert messages[-1] == (
        "The Databricks CLI is not installed: 127.0.0.1 cannot be reached (ConnectError)."
    )
    assert tools.status()["cli"] == {
        "version": "1.9.0",
        "program": str(link_of(tmp_path)),
        "message": "",
        "hint": "",
    }
    assert len([r for r in caplog.records if "not installed" in r.message]) <= 1


def test_updates_that_are_asked_for_at_the_same_time_are_one_more_run(
    tmp_path, monkeypatch: pytest.MonkeyPatch
):
    begun: list[asyncio.Event] = []

    async def install(_cli: DatabricksCli, _report: object) -> None:
        begun.append(asyncio.Event())
        await begun[-1].wait()

    monkeypatch.setattr(DatabricksCli, "install", install)
    skills = Skills(tmp_path / "home", WorkspaceApi(""), lambda: None, official=False)
    cli = DatabricksCli(replace(environment(), home=tmp_path / "home"))
    tools = DatabricksTools(cli, skills)

    async def until(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.005)

    async def ask() -> None:
        tasks = BackgroundTasks(logging.getLogger())
        tools.update_soon(tasks)
        await until(lambda: len(begun) == 1)
        for _ in range(100):
            tools.update_soon(tasks)
            assert tools.status()["is_updating"]
        begun[0].set()
        await until(lambda: len(begun) == 2)
        begun[1].set()
        await until(lambda: not tools.status()["is_updating"])
        assert len(begun) == 2
        await tasks.stop()

    asyncio.run(ask())


def test_a_cancelled_download_leaves_nothing_on_the_path(release, tmp_path):
    cli = cli_of(tmp_path, release)

    async def cancelled() -> None:
        begun = asyncio.Event()
        installing = asyncio.create_task(cli.install(lambda _f, _m: begun.set()))
        await begun.wait()
        installing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await installing

    asyncio.run(cancelled())
    assert not link_of(tmp_path).is_symlink()
    install(cli)
    assert link_of(tmp_path).exists()
