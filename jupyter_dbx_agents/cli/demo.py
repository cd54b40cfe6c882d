"""Run the production server with a local workspace and the platform's front door.

The server runs as on the platform; only ``DATABRICKS_HOST`` differs.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import webbrowser
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import httpx

from dbx_workspace.apps.records import App
from dbx_workspace.front_door.door import FrontDoor
from dbx_workspace.lake.lake import Lake
from dbx_workspace.lake.process import LakeError, LakeProcess
from dbx_workspace.lake.sample import CATALOG
from dbx_workspace.server import LocalWorkspace, port_of, reserve_port
from dbx_workspace.state import Workspace

from ..agents.install.python_package import PythonPackage
from ..environment import child_environment, current_environment
from ..errors import ConfigurationError, DbxAgentsError, InstallError
from ..local_channel.command import PACKAGE_ROOT
from ..local_channel.paths import STATUS_PATH
from .printing import say

APP_NAME = "dbx-agents-demo"
STRANGER = "stranger@example.com"
DEMO_FOLDER = Path(".demo")  # ignored by git
START_SECONDS = 60.0
DEMO_LOCK = PACKAGE_ROOT / "requirements-demo.txt"
FACTS_SECONDS = 20
LAKE_BYTES = 310_000_000
# What the platform allows between SIGTERM and SIGKILL.
STOP_SECONDS = 15.0


def run_demo(
    *,
    port: int,
    home: str | None,
    owner: str,
    opens_browser: bool,
    has_data: bool = True,
    server_arguments: Sequence[str],
) -> int:
    """Run until Ctrl-C or SIGTERM; return the exit code.  ``port`` is the owner's front door.

    With ``has_data`` the workspace gets SQL and a sample catalog, after the server is ready.
    Raises ConfigurationError for a port or home that cannot be used, and if the server fails.
    """
    with _home(home) as folder:
        running = _demo(
            port,
            folder,
            owner,
            server_arguments,
            opens_browser=opens_browser,
            has_data=has_data,
        )
        return asyncio.run(running)


@contextlib.contextmanager
def _home(given: str | None) -> Iterator[Path]:
    """Yield the home to use; without a given one it is new, and removed at the end."""
    if given is not None:
        home = Path(given).resolve()
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"The folder {home} cannot be used: {error.strerror}.",
                "Choose another with --home.",
            ) from error
        yield home
        return
    DEMO_FOLDER.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="home-", dir=DEMO_FOLDER)).resolve()
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _demo(
    port: int,
    home: Path,
    owner: str,
    server_arguments: Sequence[str],
    *,
    opens_browser: bool,
    has_data: bool,
) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        local = LocalWorkspace(_workspace(owner))
        await local.start()
        stack.push_async_callback(local.stop)
        app_port = port_of(stack.enter_context(reserve_port()))
        app_url = f"http://127.0.0.1:{app_port}"
        limits = local.workspace.front_door
        doors = [FrontDoor(app_url, who, limits=limits) for who in (owner, STRANGER)]
        for door, door_port in zip(doors, (port, 0), strict=True):
            await _open(door, door_port)
            stack.push_async_callback(door.stop)
        server = await stack.enter_async_context(_server(local, home, app_port, server_arguments))
        await _until_ready(doors[0].url, server, stop)
        value, _ = local.workspace.tokens.mint(owner, comment="pasted into the demo")
        _say("open", doors[0].url)
        _say("stranger", doors[1].url)
        _say("paste", value)
        _say("owner", owner)
        _say("app", app_url)
        _say("workspace", local.url)
        _say("control", local.control_url)
        say("ready")
        if opens_browser and not stop.is_set():
            webbrowser.open(doors[0].url)
        if has_data:
            await stack.enter_async_context(_bringing_data(local))
        return await _until_stopped(server, stop)


@contextlib.asynccontextmanager
async def _bringing_data(local: LocalWorkspace) -> AsyncIterator[None]:
    """Give the workspace its data in the background; what is missing is said."""
    async with contextlib.AsyncExitStack() as stack:
        bringing = asyncio.create_task(_bring_data(local, stack))
        try:
            yield
        finally:
            bringing.cancel()
            await asyncio.wait([bringing])


async def _bring_data(local: LocalWorkspace, stack: contextlib.AsyncExitStack) -> None:
    try:
        program = await _lake_program()
        port = port_of(stack.enter_context(reserve_port()))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dbx-agents-data-")))
        process = LakeProcess((str(program),), folder, port)
        stack.push_async_callback(process.stop)
        await process.start()
        lake = Lake(process)
        await lake.fill()
        engine = lake.engine()
        stack.callback(engine.close)
    except (DbxAgentsError, LakeError, OSError, httpx.HTTPError) as error:
        hint = getattr(error, "hint", "")
        _say("data", f"none, so SQL cannot be tried: {error} {hint}".rstrip())
        return
    local.workspace.mcp.use(engine)
    local.workspace.data.lake, local.workspace.data.default_catalog = lake, CATALOG
    _say("data", f"SQL on the catalog “{CATALOG}”")


async def _lake_program() -> Path:
    """Return the program that has the data, in an environment of its own that is kept.

    Raises InstallError and OSError.
    """
    if not DEMO_LOCK.exists():
        raise InstallError(f"{DEMO_LOCK.name} is not here.", "Run the demo in a clone.")
    recipe = PythonPackage("minilake", DEMO_LOCK, "minilake", "minilake", LAKE_BYTES)
    place = _own_folder(f"minilake-{recipe.version()}-{recipe.fingerprint()[:8]}")
    if not await asyncio.to_thread(place.exists):
        with tempfile.TemporaryDirectory(prefix="minilake-", dir=place.parent) as fresh:
            built = Path(fresh) / "built"
            await asyncio.to_thread(built.mkdir)
            await recipe.build(built, current_environment())
            with contextlib.suppress(OSError):  # another demo was faster
                await asyncio.to_thread(built.rename, place)
    return place / "bin" / "minilake"


def _own_folder(name: str) -> Path:
    """Return the path of something that demos share."""
    DEMO_FOLDER.mkdir(exist_ok=True)
    return DEMO_FOLDER.resolve() / name


def _workspace(owner: str) -> Workspace:
    workspace = Workspace()
    workspace.add_user(owner)
    workspace.add_user(STRANGER)
    workspace.apps.add(App(APP_NAME, owner))
    return workspace


async def _open(door: FrontDoor, port: int) -> None:
    try:
        await door.start(port)
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} cannot be used: {error.strerror}.", "Choose another with --port."
        ) from error


@contextlib.asynccontextmanager
async def _server(
    local: LocalWorkspace, home: Path, app_port: int, arguments: Sequence[str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the production server, with the variables that the platform sets."""
    app = local.workspace.apps.named(APP_NAME)
    assert app is not None  # noqa: S101 made above
    platform = {
        "DATABRICKS_APP_NAME": APP_NAME,
        "DATABRICKS_APP_PORT": str(app_port),
        "DATABRICKS_HOST": local.url,
        "DATABRICKS_WORKSPACE_ID": local.workspace.workspace_id,
        "DATABRICKS_CLIENT_ID": app.client_id,
        "DATABRICKS_CLIENT_SECRET": app.client_secret,
        # Each demo has a new home; all of them share the downloaded packages.
        "npm_config_cache": str((DEMO_FOLDER / "npm-cache").resolve()),
    }
    environment = child_environment(current_environment(), home, platform)
    # Whoever reaches the port behind the doors can forge the proxy's header: loopback only.
    # Jupyter refuses to run as root by default; a container for a trial often has only root.
    root = [] if os.geteuid() else ["--allow-root"]
    # The current folder may be somebody's clone, whose history and remotes must stay.
    options = ["--ServerApp.ip=127.0.0.1", "--DbxAgentsApp.detach_template=False", *root]
    # The data comes after the server: agents are told of it soon.
    options.append(f"--FactsWatch.interval_seconds={FACTS_SECONDS}")
    command = ["serve", *options, *arguments]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "jupyter_dbx_agents",
        *command,
        env=environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _until_ready(url: str, server: asyncio.subprocess.Process, stop: asyncio.Event) -> None:
    """Wait until the owner can load a page.  Raises ConfigurationError if the server exits."""
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    async with httpx.AsyncClient(trust_env=False) as client:
        while not stop.is_set():
            if server.returncode is not None:
                raise ConfigurationError("The server did not start.", "See its log above.")
            if asyncio.get_running_loop().time() > deadline:
                raise ConfigurationError(
                    f"The server did not respond within {START_SECONDS:.0f} s.",
                    "Try again when the machine is less busy.",
                )
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(f"{url}{STATUS_PATH}")).is_success:
                    return
            await asyncio.sleep(0.1)


async def _until_stopped(server: asyncio.subprocess.Process, stop: asyncio.Event) -> int:
    waits = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(server.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if stop.is_set():
        return 0
    raise ConfigurationError(f"The server exited (code {server.returncode}).", "See its log above.")


def _say(name: str, value: str) -> None:
    say(f"{name}: {value}")
