"""Where a project goes in the workspace, and its marker there."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus

from ...errors import WorkspaceError
from ..local.content import in_memory
from .marker import FILE_NAME, FOLDER, Marker, folder_name, project_name
from .workspace_files import WorkspaceFiles

ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"


class Destination:
    """A project's folder below ``root`` (…/projects), and the folder of what we keep beside it."""

    def __init__(self, files: WorkspaceFiles, root: str, project: str) -> None:
        self.files, self.root, self.project = files, root, project
        self.folder = f"{root}/{project}"
        self.records = f"{root}/{FOLDER}/{folder_name(project)}"
        # The records' folder was not there when something went into it.
        self.records_were_missing = False

    async def load(self) -> Marker | None:
        """Return the marker, None when there is none."""
        data = await self.files.read(f"{self.records}/{FILE_NAME}")
        return Marker.from_bytes(data, self.project) if data is not None else None

    async def write(self, marker: Marker) -> None:
        """Write the marker."""
        await self.record(FILE_NAME, marker.to_bytes())

    async def record(self, name: str, data: bytes, *, overwrite: bool = True) -> None:
        """Write a file beside the tree, making the folder when it is missing."""
        path = f"{self.records}/{name}"
        try:
            await self.files.put(path, in_memory(data), overwrite=overwrite)
        except WorkspaceError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self.records_were_missing |= "/" not in name
            await self.files.make_folder(path.rpartition("/")[0])
            await self.files.put(path, in_memory(data), overwrite=overwrite)

    async def put_aside(self, marker: Marker) -> None:
        """Keep a marker that another one replaces: its archive stays where it is."""
        name = f"before-{marker.repository.replace('/', '-')}.json"
        await self.record(name, marker.to_bytes())

    async def keep_edit(self, path: str) -> str:
        """Keep a file as somebody edited it in the workspace; return where, '' if it is too large.

        To be called before it is overwritten.
        """
        try:
            data = await self.files.read(f"{self.folder}/{path}")
        except WorkspaceError as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
            return ""
        name = f"edited/{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}/{path}"
        await self.record(name, data or b"")
        return f"{self.records}/{name}"

    async def strangers(self, own: set[str]) -> list[str]:
        """Return what is in the project's folder already, but not the way to our other projects."""
        children = await self.files.children(self.folder) or []
        ways = {project.removeprefix(f"{self.project}/").partition("/")[0] for project in own}
        return [c.name for c in children if c.kind != "DIRECTORY" or c.name not in ways]


async def known_projects(files: WorkspaceFiles, root: str) -> list[str]:
    """Return the names of all projects that the workspace has a record of."""
    children = await files.children(f"{root}/{FOLDER}") or []
    return sorted(project_name(each.name) for each in children if each.kind == "DIRECTORY")


def is_taken(error: WorkspaceError) -> bool:
    """Whether an exclusive creation was refused because there is something already."""
    return error.status == HTTPStatus.CONFLICT or error.error_code == ALREADY_EXISTS
