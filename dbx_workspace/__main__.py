"""The local workspace as a program: ``python -m dbx_workspace``."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Sequence

from .apps.records import App
from .server import LocalWorkspace
from .state import DEFAULT_WORKSPACE_ID, Workspace


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m dbx_workspace", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the workspace's port (0: a free one)")
    parser.add_argument("--control-port", type=int, default=0, help="the control API's port")
    parser.add_argument("--owner", default="owner@example.com", help="e-mail of the sample user")
    parser.add_argument(
        "--app", default="dbx-agents", help="name of the sample app, created by the owner"
    )
    parser.add_argument("--app-creator", help="e-mail or UUID of the app's creator (the owner)")
    parser.add_argument("--workspace-id", default=DEFAULT_WORKSPACE_ID)
    parser.add_argument(
        "--random-token-ids", action="store_true", help="token ids that are not the value's SHA-256"
    )
    parser.add_argument("--no-gateway", action="store_true", help="a workspace without AI Gateway")
    return parser


def build_workspace(arguments: argparse.Namespace) -> Workspace:
    """Return the workspace that the command line describes."""
    workspace = Workspace(workspace_id=arguments.workspace_id)
    workspace.add_user(arguments.owner)
    workspace.apps.add(App(arguments.app, arguments.app_creator or arguments.owner))
    workspace.tokens.id_scheme = "random" if arguments.random_token_ids else "sha256"
    workspace.switches.is_gateway_present = not arguments.no_gateway
    return workspace


async def run(arguments: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM; print the URLs, the owner and a sample PAT first."""
    workspace = build_workspace(arguments)
    server = LocalWorkspace(workspace)
    await server.start(arguments.port, arguments.control_port)
    pat, _ = workspace.tokens.mint(arguments.owner, comment="sample")
    print(f"workspace: {server.url}")
    print(f"control: {server.control_url}")
    print(f"owner: {arguments.owner}")
    print(f"paste: {pat}")
    print("ready", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the program."""
    asyncio.run(run(build_parser().parse_args(argv)))


if __name__ == "__main__":
    main()
