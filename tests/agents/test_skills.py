"""Skills: Databricks' own, the company's, the user's, and one of ours while there are no others."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from jupyter_dbx_agents.agents.databricks.command import FoundCli
from jupyter_dbx_agents.agents.databricks.skills import OWN, Skills
from jupyter_dbx_agents.errors import DbxAgentsError, InstallError, WorkspaceError
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.workspace_api import WorkspaceApi
from tests.support.constants import OWNER
from tests.support.local_workspace import local_workspace
from tests.support.release_server import STAND_IN

FOLDER = f"/Workspace/Users/{OWNER}/skills"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def cli(version: tuple[int, ...] = (1, 9, 0)) -> FoundCli:
    return FoundCli(STAND_IN, version)


def skills_of(home: Path, **traits: object) -> Skills:
    return Skills(home, WorkspaceApi(""), lambda: None, **traits)


def fetch_official(skills: Skills, home: Path, found: FoundCli | None = None) -> None:
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    asyncio.run(skills.fetch_official(found or cli(), environment))
    skills.link()


def write(folder: Path, name: str, description: str = "What it does.") -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "SKILL.md").write_text(f"---\nname: {name}\ndescription: {description}\n---\n")
    return folder / name


def release(home: Path, *names: str) -> None:
    for name in names:
        write(home / "skills-release", name)


def listed(skills: Skills) -> dict[str, str]:
    return {skill["name"]: skill["source"] for skill in skills.status()}


def test_our_own_skill_is_there_until_databricks_own_are(home):
    skills = skills_of(home)
    skills.link()
    assert listed(skills) == {OWN.name: "app"}
    assert "SQL" in skills.status()[0]["description"]
    release(home, "databricks-core", "databricks-jobs")
    fetch_official(skills, home)
    assert listed(skills) == {"databricks-core": "databricks", "databricks-jobs": "databricks"}
    assert skills.status()[0]["description"] == "What it does."


def test_a_refresh_brings_new_ones_and_takes_old_ones_away(home):
    skills = skills_of(home)
    release(home, "old", "kept")
    fetch_official(skills, home)
    (home / "skills-release" / "old").rename(home / "skills-release" / "new")
    fetch_official(skills, home)
    assert listed(skills) == {"kept": "databricks", "new": "databricks"}
    assert not (home / ".agents/skills/old").is_symlink()


def test_what_cannot_be_fetched_leaves_what_there_was(home):
    skills = skills_of(home)
    release(home, "databricks-core")
    fetch_official(skills, home)
    (home / "skills-release").rename(home / "gone")
    with pytest.raises(InstallError, match=r"cannot be had: .*failed to fetch manifest") as raised:
        fetch_official(skills, home)
    assert raised.value.is_temporary
    skills.link()
    assert listed(skills) == {"databricks-core": "databricks"}


def test_an_older_cli_of_the_image_is_named(home):
    with pytest.raises(InstallError, match=r"CLI 1\.2\.0 cannot install skills"):
        fetch_official(skills_of(home), home, cli((1, 2, 0)))


def test_they_can_be_switched_off(home):
    release(home, "databricks-core")
    fetch_official(skills_of(home), home)
    off = skills_of(home, official=False)
    fetch_official(off, home)
    assert listed(off) == {OWN.name: "app"}


def test_the_users_own_of_the_same_name_stays(home):
    write(home / ".agents/skills", "databricks-core", "Mine.")
    release(home, "databricks-core", "databricks-jobs")
    skills = skills_of(home)
    fetch_official(skills, home)
    assert listed(skills) == {"databricks-core": "yours", "databricks-jobs": "databricks"}
    skills.remove_links()
    assert listed(skills) == {"databricks-core": "yours"}


def test_a_description_that_would_fill_the_memory_is_none(home):
    aliases = "".join(f"\na{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 4))
    folder = write(home / ".agents" / "skills", "bomb", f"x\na0: &a0 [x]{aliases}")
    text = (folder / "SKILL.md").read_text().replace("description: x", "")
    (folder / "SKILL.md").write_text(text.replace("\n---\n", "\ndescription: *a3\n---\n"))
    skills = skills_of(home)
    assert [skill["description"] for skill in skills.status()] == [""]


def test_what_is_no_skill_or_cannot_be_read_spoils_nothing(home):
    shared = home / ".agents/skills"
    write(shared, "odd", "[")
    (shared / "empty").mkdir()
    (shared / "file").write_text("x")
    (shared / "broken").symlink_to(home / "nowhere")
    (shared / "binary").mkdir()
    (shared / "binary/SKILL.md").write_bytes(b"\xff\x00" * 100)
    skills = skills_of(home)
    skills.link()
    assert listed(skills) == {"odd": "yours", "binary": "yours", OWN.name: "app"}
    assert {skill["description"] for skill in skills.status() if skill["source"] == "yours"} == {""}


async def company(home: Path, files: dict[str, bytes], folder: str = FOLDER) -> Skills:
    """Copy a folder of the local workspace that has some files."""
    async with local_workspace() as (server, api, pat):
        tree = server.workspace.files
        for path, content in files.items():
            parent = ""
            for part in path.split("/")[:-1]:
                parent = f"{parent}/{part}"
                tree.mkdirs(OWNER, f"{FOLDER}{parent}")
            tree.mkdirs(OWNER, FOLDER)
            await api.call(
                "POST",
                f"/api/2.0/workspace-files/import-file{FOLDER}/{path}?overwrite=true",
                pat,
                content=content,
            )
        skills = Skills(home, api, lambda: pat, folder=folder)
        try:
            await skills.fetch_company()
        finally:
            skills.link()
        return skills


TEXT = b"---\nname: house\ndescription: Our way.\n---\n"


def test_the_companys_come_from_a_folder_of_the_workspace_and_go_before_databricks(home):
    files = {"house/SKILL.md": TEXT, "house/scripts/run.py": b"print(1)", "README.md": b"x"}
    release(home, "house", "databricks-core")
    fetch_official(skills_of(home), home)
    skills = asyncio.run(company(home, files))
    assert listed(skills) == {"house": "company", "databricks-core": "databricks"}
    assert (home / ".agents/skills/house/scripts/run.py").read_bytes() == b"print(1)"
    assert skills.status()[1]["description"] == "Our way."
    fetch_official(skills_of(home), home)  # its trait is unset: the next start
    off = skills_of(home)
    asyncio.run(off.fetch_company())
    off.link()
    assert listed(off)["house"] == "databricks"


@pytest.mark.parametrize(
    ("folder", "error", "said"),
    [
        (f"{FOLDER}/none", WorkspaceError, "doesn't exist"),
        ("/tmp/skills", InstallError, "is not a workspace folder"),
        ("/Workspace/../x", InstallError, "is not a workspace folder"),
        (f"{FOLDER}/house", InstallError, "has no skills"),
    ],
)
def test_a_folder_that_cannot_be_used_is_named_and_what_there_was_stays(
    home, folder: str, error: type[DbxAgentsError], said: str
):
    asyncio.run(company(home, {"house/SKILL.md": TEXT}))
    with pytest.raises(error, match=said):
        asyncio.run(company(home, {"house/SKILL.md": TEXT}, folder))
    assert (home / ".agents/skills/house/SKILL.md").read_bytes() == TEXT


def test_a_folder_that_is_too_large_is_refused(home, monkeypatch):
    monkeypatch.setattr("jupyter_dbx_agents.agents.databricks.remote_folder.MOST_FILES", 2)
    with pytest.raises(InstallError, match="has more than 2 files"):
        asyncio.run(company(home, {f"house/{name}": TEXT for name in "abc"}))


class Volume(BaseHTTPRequestHandler):
    """The Files API of one volume, two entries a page."""

    files: ClassVar = {"house/SKILL.md": TEXT, "house/a.md": b"a", "house/b.md": b"b"}

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        kind, _, path = address.path.removeprefix("/api/2.0/fs/").partition("/Volumes/c/s/v")
        files = {f"/{name}": content for name, content in self.files.items()}
        if kind == "files":
            self._reply(files[path])
            return
        names = sorted({name[len(path) + 1 :].split("/")[0] for name in files if path in name})
        first = int(parse_qs(address.query).get("page_token", ["0"])[0])
        contents = [
            {"path": f"/Volumes/c/s/v{path}/{name}", "is_directory": f"{path}/{name}" not in files}
            for name in names[first : first + 2]
        ]
        page = {"next_page_token": str(first + 2)} if names[first + 2 :] else {}
        self._reply(json.dumps({"contents": contents, **page}).encode())

    def _reply(self, content: bytes) -> None:
        assert self.headers["Authorization"] == "Bearer dapi0"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


class BadVolume(Volume):
    """One whose list says nothing of sizes, and has no end if it has no files."""

    files: ClassVar = {"house/SKILL.md": TEXT}
    sent: ClassVar[list[int]] = []
    pages: ClassVar[list[int]] = []

    def _reply(self, content: bytes) -> None:
        if b"contents" in content:
            self.pages.append(1)
            endless = {} if self.files else {"next_page_token": str(len(self.pages))}
            super()._reply(json.dumps(json.loads(content) | endless).encode())
            return
        self.send_response(200)
        self.end_headers()
        while sum(self.sent) < 50_000_000:
            self.sent.append(self.wfile.write(b"x" * 65536))


def copy_volume(home: Path, volume: type[Volume]) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), volume)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    async def copy() -> None:
        api = WorkspaceApi(f"http://127.0.0.1:{server.server_port}")
        skills = Skills(home, api, lambda: Secret("dapi0"), folder="/Volumes/c/s/v")
        try:
            await skills.fetch_company()
            skills.link()
        finally:
            await api.close()

    try:
        asyncio.run(copy())
    finally:
        server.shutdown()
        server.server_close()


def test_no_more_of_a_file_is_read_than_there_is_room(home, monkeypatch):
    monkeypatch.setattr("jupyter_dbx_agents.agents.databricks.remote_folder.MOST_BYTES", 100_000)
    with pytest.raises(InstallError, match="has more than"):
        copy_volume(home, BadVolume)
    assert sum(BadVolume.sent) < 25_000_000  # what the kernel's buffers hold


def test_a_list_without_an_end_is_given_up(home, monkeypatch):
    monkeypatch.setattr(BadVolume, "files", {})
    monkeypatch.setattr("jupyter_dbx_agents.agents.databricks.remote_folder.MOST_FILES", 50)
    with pytest.raises(InstallError, match="has more than 50 files"):
        copy_volume(home, BadVolume)


def test_a_volume_is_read_page_by_page(home):
    copy_volume(home, Volume)
    house = home / ".agents/skills/house"
    assert {path.name: path.read_bytes() for path in house.iterdir()} == {
        name.partition("/")[2]: content for name, content in Volume.files.items()
    }
