"""``jupyter dbx-agents``: start the server or a demo, and talk to a running one."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._version import __version__
from ..errors import DbxAgentsError
from ..local_channel.client import call
from ..local_channel.paths import PAT_PATH, STATUS_PATH
from . import doctor
from .agents import add_agents_command
from .login import log_in
from .projects import add_project_commands

# What ``deploy`` needs on the machine of whoever deploys.
DEPLOY_LIBRARIES = ("databricks-sdk", "pyyaml", "tqdm")


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; exit with 0, with 1 for an error that is said, with 2 for wrong usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["serve"]:  # its options are Jupyter's: argparse must not touch them
        _serve(arguments[1:])
        return
    options = _parser().parse_args(arguments)
    try:
        sys.exit(options.run(options))
    except DbxAgentsError as error:
        print(f"{error.message} {error.hint}".strip(), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        _leave_at_once()


def _leave_at_once() -> None:
    """End as shells expect it of ^C, without waiting for threads whose network is dead."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jupyter dbx-agents", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="start the server (all options of “jupyter server”)")
    demo = commands.add_parser("demo", help="try it here, against a local workspace")
    demo.add_argument("--port", type=int, default=8900, help="port to open in the browser")
    demo.add_argument("--home", help="home folder to use (default: a fresh one in .demo/)")
    demo.add_argument("--no-browser", action="store_true", help="do not open a browser")
    demo.add_argument("--owner", default="owner@example.com", help="who the owner is")
    demo.add_argument("server_arguments", nargs="*", help="after “--”: options of “serve”")
    demo.set_defaults(run=_demo)
    _add_client_command(commands, "login", _login, "paste a Databricks token")
    _add_client_command(commands, "logout", _logout, "revoke the app's tokens and forget them")
    revoke = commands.add_parser(
        "revoke-pasted", help="revoke the pasted token, if it could not be told from your others"
    )
    revoke.add_argument("token_id", nargs="?", help="which of the listed ones it is")
    revoke.set_defaults(run=_revoke_pasted)
    _add_client_command(commands, "rotate", _rotate, "replace the token now")
    _add_client_command(commands, "status", _status, "show the credential, agents and sessions")
    add_agents_command(commands, _print_lines)
    add_project_commands(commands, _print_lines)
    _add_client_command(commands, "doctor", _doctor, "find out what is wrong, and what to do")
    _add_deployment_commands(commands)
    return parser


def _add_deployment_commands(commands: Any) -> None:
    text = "deploy this repository as a Databricks App, from your own machine"
    deploy = commands.add_parser("deploy", help=text, description=text)
    deploy.add_argument("--profile", help="profile of ~/.databrickscfg (default: as the SDK does)")
    deploy.add_argument("--app", default="dbx-agents", help="name of the app (%(default)s)")
    deploy.add_argument("--bundle", action="store_true", help="by databricks.yml and its CLI")
    deploy.add_argument(
        "--replace", action="store_true", help="deploy even if the app runs something else now"
    )
    deploy.set_defaults(run=_deploy)
    text = "write a bundle with an app for each member of a team"
    team = commands.add_parser("team-bundle", help=text, description=text)
    team.add_argument("members", help="file with one e-mail address a line")
    team.add_argument("--output", default="team/databricks.yml", help="(%(default)s)")
    team.add_argument("--prefix", default="dbx-agents-", help="of the apps' names (%(default)s)")
    team.set_defaults(run=_team_bundle)


def _add_client_command(commands: Any, name: str, run: Any, text: str) -> None:
    commands.add_parser(name, help=text, description=text).set_defaults(run=run)


def _serve(arguments: list[str]) -> None:
    from ..lifecycle.preflight import preflight  # noqa: PLC0415 only the server needs it

    try:
        preflight(arguments)
    except DbxAgentsError as error:
        print(f"jupyter_dbx_agents cannot start: {error.message} {error.hint}", file=sys.stderr)
        sys.exit(1)

    from ..app import DbxAgentsApp  # noqa: PLC0415 a second of imports that no client needs
    from ..lifecycle.process import spare_node  # noqa: PLC0415 likewise

    # Jupyter asks before it stops, on a terminal.  Elsewhere ^C would end it with all undone.
    signal.signal(signal.SIGINT, lambda *_: signal.raise_signal(signal.SIGTERM))
    spare_node()
    DbxAgentsApp.launch_instance(arguments)  # type: ignore[no-untyped-call]


def _demo(options: argparse.Namespace) -> int:
    from .demo import run_demo  # noqa: PLC0415 only this command needs the local workspace

    return run_demo(
        port=options.port,
        home=options.home,
        owner=options.owner,
        opens_browser=not options.no_browser,
        server_arguments=options.server_arguments,
    )


def _login(_options: argparse.Namespace) -> int:
    pat = call("GET", PAT_PATH)
    if pat["expires_at"] is not None:
        print(f"You are {pat['user']} already. “jupyter dbx-agents logout” comes before another.")
        return 0
    return 0 if log_in() else 1


def _logout(_options: argparse.Namespace) -> int:
    print(call("DELETE", PAT_PATH)["message"])
    return 0


def _revoke_pasted(options: argparse.Namespace) -> int:
    if options.token_id:
        path, body = f"{PAT_PATH}/revoke-pasted", {"token_id": options.token_id}
        print(call("POST", path, body)["pasted"]["message"])
        return 0
    pasted = call("GET", PAT_PATH)["pasted"]
    for candidate in pasted["candidates"]:
        print(f"{candidate['token_id']}  {candidate['created_at']}  {candidate['comment']}")
    print(pasted["message"] or "No token was pasted.")
    return 0


def _rotate(_options: argparse.Namespace) -> int:
    pat = call("POST", f"{PAT_PATH}/rotate")
    print(f"Rotated; the new token lives until {pat['expires_at']}.")
    return 0


def _status(_options: argparse.Namespace) -> int:
    for line in status_lines(call("GET", STATUS_PATH)):
        print(line)
    return 0


def _deploy(options: argparse.Namespace) -> int:
    from ..lifecycle.preflight import (  # noqa: PLC0415 not for the terminals' commands
        check_libraries,
        requirements,
    )

    check_libraries([r for r in requirements() if r.startswith(DEPLOY_LIBRARIES)])
    from ..deployment import DeployRequest, deploy  # noqa: PLC0415 as above

    request = DeployRequest(
        folder=Path.cwd(),
        app_name=options.app,
        profile=options.profile,
        is_bundle=options.bundle,
        replaces=options.replace,
    )
    deploy(request, lambda line: print(line, flush=True))
    return 0


def _team_bundle(options: argparse.Namespace) -> int:
    from ..deployment import write_team_bundle  # noqa: PLC0415 as above

    members = write_team_bundle(
        Path(options.members), Path(options.output), options.prefix, root=Path.cwd()
    )
    for member in members:
        print(f"{member.name}  {member.email}")
    print(f"Wrote {options.output}.")
    return 0


def _print_lines(options: argparse.Namespace) -> int:
    for line in options.lines(options.names):
        print(line, flush=True)
    return 0


def _doctor(_options: argparse.Namespace) -> int:
    for line in doctor.lines():
        print(line, flush=True)
    return 0


def status_lines(status: dict[str, Any]) -> list[str]:
    """Return a status model as lines for people."""
    pat, sessions = status["pat"], status["sessions"]
    lines = [
        f"Workspace  {status['workspace'] or '(none)'}",
        f"Token      {pat['state']}: {pat['message']} {pat['hint']}".rstrip(),
    ]
    if pat["expires_at"]:
        lines.append(f"           of {pat['user']}, until {pat['expires_at']}")
        lines.append(f"           next rotation {pat['next_rotation_at']}, {pat['rotations']} done")
    if pat["pasted"]["message"]:
        lines.append(f"Pasted     {pat['pasted']['message']}")
    lines.append(f"Models     {status['gateway']['kind']}: {status['gateway']['reason']}")
    lines.append(f"Sessions   {sessions['terminals']} terminals, {sessions['kernels']} kernels")
    for task in status["startup"]:
        said = " ".join(filter(None, (task.get("message"), task.get("hint"))))
        lines.append(f"Start-up   {task['title']}: {task['state']} {said}".rstrip())
    return lines
