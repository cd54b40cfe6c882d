"""The platform: a workspace whose Apps API runs what is deployed, in the image."""

from __future__ import annotations

import asyncio
import functools
import socket
import subprocess
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from databricks.sdk import WorkspaceClient

from dbx_workspace.apps.records import App, Deployment
from dbx_workspace.apps.source import DeploymentFailed, app_specification
from dbx_workspace.control_client import ControlClient
from dbx_workspace.front_door.door import FrontDoor
from dbx_workspace.server import LocalWorkspace, port_of, reserve_port
from tests.support.constants import OWNER, STRANGER
from tests.support.running_app import Browser

from .runtime_image import ROOT, Container, RuntimeImage, platform_variables

# The platform's own limit from the deployment's start to an open port.
START_SECONDS = 600
Answer = TypeVar("Answer")


class Machine:
    """What runs the apps of a workspace: one container and two front doors for each."""

    def __init__(self, image: RuntimeImage, local: LocalWorkspace) -> None:
        self._image, self._local = image, local
        self.containers: dict[str, Container] = {}
        self.doors: dict[tuple[str, str], FrontDoor] = {}

    async def deploy(self, app: App, deployment: Deployment) -> None:
        """Install, start, and wait for the port."""
        await self.stop(app)
        await asyncio.to_thread(self._image.install, deployment.source)
        with reserve_port() as reserved:
            await self._start(app, deployment, port_of(reserved))

    async def _start(self, app: App, deployment: Deployment, port: int) -> None:
        for visitor in (OWNER, STRANGER):
            await self._open_door(app, visitor, port)
        app.url = self.doors[app.name, OWNER].url
        specification = app_specification(
            deployment.source, deployment.request, app.resource_values
        )
        words = specification["command"]
        command = [word.replace("$DATABRICKS_APP_PORT", str(port)) for word in words]
        variables = {**self._variables(app, port), **specification["env"]}
        container = await asyncio.to_thread(
            self._image.start, deployment.source, command, variables
        )
        self.containers[app.name] = container
        await self._until_open(container, port)

    async def stop(self, app: App) -> None:
        """SIGTERM, 15 s, SIGKILL."""
        if container := self.containers.get(app.name):
            await asyncio.to_thread(container.stop)

    async def close(self) -> None:
        """Close the doors."""
        for door in self.doors.values():
            await door.stop()

    async def _open_door(self, app: App, visitor: str, port: int) -> None:
        """Open a door, or turn the one there is to the app's new port."""
        door = self.doors.get((app.name, visitor))
        if door is None:
            limits = self._local.workspace.front_door
            door = FrontDoor(f"http://127.0.0.1:{port}", visitor, limits=limits)
            self.doors[app.name, visitor] = door
            await door.start()
        door.app_port = port

    def _variables(self, app: App, port: int) -> dict[str, str]:
        return platform_variables(
            name=app.name,
            port=port,
            url=app.url,
            host=self._local.url,
            workspace_id=self._local.workspace.workspace_id,
            client=(app.client_id, app.client_secret),
        )

    async def _until_open(self, container: Container, port: int) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                while not _is_open(port):
                    if container.code is not None:
                        last = "\n".join(container.log.splitlines()[-20:])
                        raise DeploymentFailed(f"app crashed unexpectedly: {last}")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise DeploymentFailed("The app did not open its port within 10 minutes.") from None


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Platform:
    """A workspace with its machine, in a thread of their own."""

    def __init__(self, image: RuntimeImage) -> None:
        self.image = image
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._local = LocalWorkspace()
        self._call(self._local.start())
        self.url = self._local.url
        self.control = ControlClient(self._local.control_url)
        self.control.add_user(OWNER)
        self.machine = Machine(image, self._local)
        self._local.workspace.app_service.deployer = self.machine
        token = self.control.mint(OWNER, comment="of the deployer").token_value
        self.sdk = WorkspaceClient(host=self.url, token=token, auth_type="pat")

    def container(self, app: str) -> Container:
        """The container of an app."""
        return self.machine.containers[app]

    def browser(self, app: str, visitor: str = OWNER) -> Browser:
        """A visitor's browser, through the front door."""
        return Browser(self.machine.doors[app, visitor].url)

    def close(self) -> None:
        """End every app, and the workspace."""
        self._call(self._local.stop())
        self._call(self.machine.close())
        self.control.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)


def git_repository(folder: Path) -> Path:
    """Return a repository with this checkout's files, as somebody else's hoster would have it."""
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "safe.directory=*"]
    git = ["git", f"--git-dir={folder}", f"--work-tree={ROOT}", *identity]
    run = functools.partial(subprocess.run, check=True, cwd=ROOT)
    run(["git", "init", "--quiet", "--bare", "--initial-branch=main", folder])
    run([*git, "add", "--all", "--", ".", ":(exclude).home"])
    run([*git, "commit", "--quiet", "--message=As it is"])
    return folder
