"""The skills that all agents have: Databricks' own, the company's, the user's, else one of ours.

What is fetched is in folders of ours, complete or as before; ``~/.agents/skills`` has a link to
each skill.  What else is there is the user's, and goes first.

Decided
- Databricks' skills are written by its CLI (``aitools install --path``), from 1.6 on: they are
  others' text, newer than any copy would be, and the CLI knows which go with it.  Not by its plain
  ``aitools install``, which puts plug-ins into some of the agents by itself.
- Links and not copies: all five agents follow them, and whose a skill is can be seen.
"""

import asyncio
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

from traitlets import Bool, Unicode
from traitlets.config import LoggingConfigurable

from ...errors import InstallError
from ...secret import Secret
from ...workspace_api import WorkspaceApi
from ..base import SKILLS_FOLDER
from ..install.links import is_ours, point_link, remove_link
from ..install.program import run_program
from .command import INSTALL_COMMAND, FoundCli
from .remote_folder import RemoteFolder

OWN = Path(__file__).parent / "working-on-databricks"
LEAST_CLI = (1, 6, 0)
INSTALL_SECONDS = 300.0
MOST_DESCRIPTION_BYTES = 64 * 1024
SHOWN_LINES = 3
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
Source = Literal["databricks", "company", "yours", "app"]


class SkillStatus(TypedDict):
    """A skill's REST model; ``source`` says whose it is."""

    name: str
    description: str
    source: Source


class Skills(LoggingConfigurable):
    """The skills of one home."""

    official = Bool(
        True, help="Whether Databricks' own skills are installed, by the Databricks CLI."
    ).tag(config=True)
    release = Unicode(
        help="The release of Databricks' own skills, such as v0.2.12. Empty: the newest that goes "
        "with the Databricks CLI."
    ).tag(config=True)
    folder = Unicode(
        help="A folder with skills of your company, each a folder with a SKILL.md: below "
        "/Workspace/ or /Volumes/. It is copied at the start and refreshed."
    ).tag(config=True)

    def __init__(
        self, home: Path, api: WorkspaceApi, token: Callable[[], Secret | None], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._api, self._token = api, token
        self._shared = home / SKILLS_FOLDER
        self._root = home / ".local" / "share" / "jupyter_dbx_agents" / "skills"

    @property
    def waits_for_token(self) -> bool:
        """Whether the company's skills have not been copied yet."""
        return bool(self.folder) and not (self._root / "company").exists()

    async def fetch_official(self, cli: FoundCli, environment: Mapping[str, str]) -> None:
        """Fetch Databricks' own skills.  Raises InstallError and OSError."""
        if not self.official:
            await asyncio.to_thread(shutil.rmtree, self._root / "databricks", ignore_errors=True)
            return
        if cli.version < LEAST_CLI:
            least = ".".join(map(str, LEAST_CLI))
            raise InstallError(
                f"The Databricks CLI {cli.label} cannot install skills.",
                f"Its image has one older than {least}: update or remove it.",
            )
        fresh = await asyncio.to_thread(self._fresh, "databricks")
        command = (str(cli.program), "aitools", "install", "--path", str(fresh))
        pinned = {"DATABRICKS_SKILLS_REF": self.release} if self.release else {}
        try:
            async with asyncio.timeout(INSTALL_SECONDS):
                code, lines = await run_program(command, fresh, {**environment, **pinned})
        except TimeoutError:
            code, lines = 1, [f"no end after {INSTALL_SECONDS:.0f} s"]
        if code or not _skills_in(fresh):
            said = " ".join(lines[-SHOWN_LINES:])[:300] or f"exit status {code}"
            raise InstallError(
                f"Databricks' own skills cannot be had: {said}",
                f"The CLI gets them from GitHub: check the network. Again: {INSTALL_COMMAND}",
                is_temporary=True,
            )
        await asyncio.to_thread(self._publish_folder, fresh, "databricks")

    async def fetch_company(self) -> None:
        """Copy the company's skills.  Raises WorkspaceError, InstallError and OSError."""
        token = self._token()
        if not self.folder:
            await asyncio.to_thread(shutil.rmtree, self._root / "company", ignore_errors=True)
        elif token is not None:
            fresh = await asyncio.to_thread(self._fresh, "company")
            await RemoteFolder(self._api, token, self.folder).copy(fresh)
            if not _skills_in(fresh):
                raise InstallError(
                    f"{self.folder} has no skills.",
                    "A skill is a folder in it, with a file SKILL.md.",
                )
            await asyncio.to_thread(self._publish_folder, fresh, "company")

    def link(self) -> None:
        """Link what there is into the agents' shared folder.  Blocking; raises OSError."""
        self._shared.mkdir(parents=True, exist_ok=True)
        official, company = (_skills_in(self._root / each) for each in ("databricks", "company"))
        ours = {} if official else {OWN.name: self._own()}
        wanted = {**ours, **official, **company}
        for entry in list(self._shared.iterdir()):
            if is_ours(entry, self._root) and entry.name not in wanted:
                entry.unlink()
        for name, folder in wanted.items():
            point_link(self._shared / name, folder, self._root)

    def status(self) -> list[SkillStatus]:
        """Return the REST models of all skills that agents have, by name."""
        found = sorted(_skills_in(self._shared).items())
        return [
            {"name": name, "description": _description(folder), "source": self._source(folder)}
            for name, folder in found
        ]

    def remove_links(self) -> list[Path]:
        """Remove our links; return where they were.  Blocking; raises OSError."""
        links = list(self._shared.iterdir()) if self._shared.exists() else []
        ours = [link for link in links if is_ours(link, self._root)]
        for link in ours:
            remove_link(link, self._root)
        return ours

    def _own(self) -> Path:
        """Return our own skill, copied: the app's folder may be read-only or change."""
        target = self._root / "app" / OWN.name
        shutil.copytree(OWN, target, dirs_exist_ok=True)
        return target

    def _fresh(self, name: str) -> Path:
        folder = self._root / f"{name}.new"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _publish_folder(self, fresh: Path, name: str) -> None:
        """Put a complete folder in the place of the one before."""
        place, old = self._root / name, self._root / f"{name}.old"
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            place.rename(old)
        fresh.rename(place)
        shutil.rmtree(old, ignore_errors=True)

    def _source(self, folder: Path) -> Source:
        if not is_ours(folder, self._root):
            return "yours"
        name = folder.readlink().relative_to(self._root).parts[0]
        return {"databricks": "databricks", "company": "company"}.get(name, "app")  # type: ignore[return-value]


def _skills_in(folder: Path) -> dict[str, Path]:
    """Return the skills in a folder, by name."""
    if not folder.is_dir():
        return {}
    return {
        each.name: each
        for each in folder.iterdir()
        if _NAME.fullmatch(each.name) and (each / "SKILL.md").is_file()
    }


def _description(skill: Path) -> str:
    """Return what a skill says of itself, '' if that cannot be read."""
    import yaml  # noqa: PLC0415 lazy: it takes 30 ms

    try:
        with (skill / "SKILL.md").open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(MOST_DESCRIPTION_BYTES)
        found = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
        head = yaml.safe_load(found[1]) if found else {}
        said = head.get("description") if isinstance(head, dict) else None
        return said if isinstance(said, str) else ""  # aliases of aliases have no end as a text
    except (OSError, yaml.YAMLError, RecursionError, ValueError):
        return ""
