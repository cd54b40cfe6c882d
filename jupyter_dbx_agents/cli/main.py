"""``jupyter dbx-agents``: start the server or a demo, or control a running one."""

from __future__ import annotations

import argparse
import functools
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..errors import DbxAgentsError
from ..local_channel.client import call
from ..local_channel.paths import PAT_PATH, STATUS_PATH
from . import doctor
from .agents import add_agents_command
from .conversations import add_conversations_command
from .login import Way, is_usable, log_in
from .mcp import add_mcp_command
from .printing import say, say_error
from .projects import add_project_commands
from .skills import add_skills_command

if TYPE_CHECKING:
    from ..agents.attention.session import SessionState
    from ..agents.roster import AgentStatus
    from ..app import ServerStatus
    from ..broker.ledger import UsageStatus
    from ..lifecycle.startup import TaskStatus
    from ..models import ModelReport
    from ..pat.rotator import PatStatus

_DESCRIPTION = "Start the server or a demo, or control a running one."
# What ``deploy`` needs on the machine of whoever deploys.
DEPLOY_LIBRARIES = ("databricks-sdk", "pyyaml", "tqdm")


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; exit with 0, with 1 after an error message, with 2 for wrong usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["serve"]:  # its options are Jupyter's, not argparse's
        _serve(arguments[1:])
        return
    options = _parser().parse_args(arguments)
    try:
        sys.exit(options.run(options))
    except DbxAgentsError as error:
        say_error(f"{error.message} {error.hint}".strip())
        sys.exit(1)
    except BrokenPipeError:  # what reads the output has ended, as “head” does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        say_error(_unusable(error))
        sys.exit(1)
    except KeyboardInterrupt:
        _leave_at_once()


def _unusable(error: OSError) -> str:
    """Return what cannot be used of this machine, and what to do."""
    if error.filename is None:  # of the current folder, Python says no more
        folder = "" if _is_there() else "The current folder is not there any more. "
        return f"{folder}{error.strerror or error}. Run this in another folder."
    return f"{error.filename} cannot be used: {error.strerror}. Check the path and its permissions."


def _is_there() -> bool:
    try:
        return bool(Path.cwd())
    except OSError:
        return False


def _leave_at_once() -> None:
    """Exit with 130, as shells expect after ^C, without waiting for threads that hang."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jupyter dbx-agents", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="start the server (takes all options of “jupyter server”)")
    demo = commands.add_parser("demo", help="try it on this machine, with a local workspace")
    demo.add_argument(
        "--port", type=_port, default=8900, help="port of the demo's page (%(default)s)"
    )
    demo.add_argument("--home", help="home folder to use (default: a new one in .demo/)")
    demo.add_argument("--no-browser", action="store_true", help="do not open a browser")
    demo.add_argument("--no-data", action="store_true", help="a workspace without SQL and tables")
    demo.add_argument(
        "--owner", default="owner@example.com", help="e-mail address of the owner (%(default)s)"
    )
    demo.add_argument("server_arguments", nargs="*", help="options of “serve”, after “--”")
    demo.set_defaults(run=_demo)
    add = functools.partial(_add_command, commands)
    login = add("login", _login, "connect to Databricks: sign in, or paste a token")
    ways = login.add_mutually_exclusive_group()
    ways.add_argument("--sign-in", action="store_true", help="only offer to sign in")
    ways.add_argument("--token", action="store_true", help="only ask for a personal access token")
    add("logout", _logout, "disconnect: revoke this app's tokens and forget them")
    text = "revoke the token you pasted, if it could not be identified automatically"
    revoke = add("revoke-pasted", _revoke_pasted, text)
    revoke.add_argument("token_id", nargs="?", help="ID of that token (default: list candidates)")
    add("rotate", _rotate, "renew the token now")
    add("status", _status, "show the connection, models and sessions")
    add_agents_command(commands, _print_lines)
    add_mcp_command(commands, _print_lines)
    add_skills_command(commands, _print_lines)
    add_project_commands(commands, _print_lines)
    add_conversations_command(commands, _print_lines)
    add("doctor", _doctor, "check everything and suggest fixes")
    _add_deployment_commands(commands)
    return parser


def _port(text: str) -> int:
    """Return a port; sockets would take the last 16 bits of any number."""
    if not (text.isdecimal() and text.isascii() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"“{text}” is not a number from 0 to 65535")
    return int(text)


def _add_deployment_commands(commands: Any) -> None:
    text = "deploy this repository as a Databricks App, from your own machine"
    deploy = _add_command(commands, "deploy", _deploy, text)
    deploy.add_argument("--profile", help="profile in ~/.databrickscfg (default: the SDK's)")
    deploy.add_argument("--app", default="dbx-agents", help="name of the app (%(default)s)")
    deploy.add_argument(
        "--bundle", action="store_true", help="deploy databricks.yml with the Databricks CLI"
    )
    deploy.add_argument(
        "--replace", action="store_true", help="deploy even if the app runs something else"
    )
    text = "write a bundle with one app for each member of a team"
    team = _add_command(commands, "team-bundle", _team_bundle, text)
    team.add_argument("members", help="file with one e-mail address per line")
    team.add_argument("--output", default="team/databricks.yml", help="file to write (%(default)s)")
    team.add_argument(
        "--prefix", default="dbx-agents-", help="prefix of the apps' names (%(default)s)"
    )


def _add_command(commands: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    return parser


def _serve(arguments: list[str]) -> None:
    from ..lifecycle.preflight import preflight  # noqa: PLC0415 only the server needs it

    try:
        preflight(arguments)
    except DbxAgentsError as error:
        say_error(f"jupyter_dbx_agents cannot start: {error.message} {error.hint}")
        sys.exit(1)

    from ..lifecycle.process import skip_iri_grammar, skip_yarn_lookup  # noqa: PLC0415 likewise

    skip_iri_grammar()
    from ..app import DbxAgentsApp  # noqa: PLC0415 imports take a second, and no client needs them

    # On a terminal, Jupyter asks before it stops; elsewhere ^C would skip its shutdown.
    signal.signal(signal.SIGINT, lambda *_: signal.raise_signal(signal.SIGTERM))
    skip_yarn_lookup()
    DbxAgentsApp.launch_instance(arguments)  # type: ignore[no-untyped-call]


def _demo(options: argparse.Namespace) -> int:
    from .demo import run_demo  # noqa: PLC0415 only this command needs the local workspace

    return run_demo(
        port=options.port,
        home=options.home,
        owner=options.owner,
        opens_browser=not options.no_browser,
        has_data=not options.no_data,
        server_arguments=options.server_arguments,
    )


def _login(options: argparse.Namespace) -> int:
    pat = call("GET", PAT_PATH)
    if is_usable(pat):
        say(f"Already logged in as {pat['user']}.")
        say("To connect in another way, first run: jupyter dbx-agents logout")
        return 0
    way = Way.SIGN_IN if options.sign_in else Way.TOKEN if options.token else Way.ANY
    return 0 if log_in(way) else 1


def _logout(_options: argparse.Namespace) -> int:
    say(call("DELETE", PAT_PATH)["message"])
    return 0


def _revoke_pasted(options: argparse.Namespace) -> int:
    if options.token_id:
        path, body = f"{PAT_PATH}/revoke-pasted", {"token_id": options.token_id}
        say(call("POST", path, body)["pasted"]["message"])
        return 0
    pasted = call("GET", PAT_PATH)["pasted"]
    for candidate in pasted["candidates"]:
        say(f"{candidate['token_id']}  {candidate['created_at']}  {candidate['comment']}")
    say(pasted["message"] or "No token was pasted.")
    return 0


def _rotate(_options: argparse.Namespace) -> int:
    pat = call("POST", f"{PAT_PATH}/rotate")
    say(f"Token renewed, valid until {_clock_time(pat['expires_at'])}.")
    return 0


def _status(_options: argparse.Namespace) -> int:
    return _print(status_lines(call("GET", STATUS_PATH)))


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
    deploy(request, say)
    return 0


def _team_bundle(options: argparse.Namespace) -> int:
    from ..deployment import write_team_bundle  # noqa: PLC0415 as above

    members = write_team_bundle(
        Path(options.members), Path(options.output), options.prefix, root=Path.cwd()
    )
    for member in members:
        say(f"{member.name}  {member.email}")
    say(f"Wrote {options.output}.")
    return 0


def _doctor(_options: argparse.Namespace) -> int:
    return _print(doctor.lines())


def _print_lines(options: argparse.Namespace) -> int:
    return _print(options.lines(options.names))


def _print(lines: Iterable[str]) -> int:
    for line in lines:
        say(line)
    return 0


def status_lines(status: ServerStatus) -> list[str]:
    """Return a status model as lines for people."""
    pat, gateway, startup = status["pat"], status["gateway"], status["startup"]
    sessions = status["sessions"]
    done = [task["message"].rstrip(".") or task["title"] for task in startup if _is_done(task)]
    rows = [
        ("Workspace", status["workspace"] or "(none)"),
        ("Token", _connection(pat)),
        ("", f"{pat['message']} {pat['hint']}"),
        *(
            ("Missing", f"{missing['scope']}: {missing['feature']}")
            for missing in pat["missing_scopes"]
        ),
        ("Pasted", pat["pasted"]["message"]),
        ("Models", f"{gateway['kind']}: {gateway['reason']}"),
        *(("", f"{name}: {_abilities(report)}") for name, report in status["models"].items()),
        *(
            ("", f"{name} is not served; {model} is called instead.")
            for name, model in status["stand_ins"].items()
        ),
        *(("Agents" if n == 0 else "", _agent(agent)) for n, agent in enumerate(status["agents"])),
        *(
            ("", f"{agent['title']} does not follow {path}, which names another provider.")
            for agent in status["agents"]
            for path in agent["not_followed"]
        ),
        (
            "Sessions",
            f"{_count(sessions['terminals'], 'terminal')}, {_count(sessions['kernels'], 'kernel')}",
        ),
        *(("", _doing(session, status)) for session in status["attention"]),
        *(("Calls" if n == 0 else "", _calls(used)) for n, used in enumerate(status["usage"])),
        ("Start-up", f"done: {', '.join(done)}" if done else ""),
    ]
    for task in startup:
        if not _is_done(task):
            said = f"{task['title']}: {task['state']} {task['message']} {task['hint']}"
            rows.append(("Start-up", said))
    counts = Counter(project["state"] for project in status["projects"])
    rows.append(("Projects", ", ".join(f"{count} {state}" for state, count in counts.items())))
    for project in status["projects"]:
        if files := project["work"]["files"]:
            rows.append(("", f"{project['name']}: {_count(files, 'file')} not committed"))
        if project["message"]:
            rows.append(("", f"{project['name']}: {project['message']} {project['hint']}"))
    continuity = status["continuity"]
    kept = f"kept at {continuity['kept_at']}" if continuity["kept_at"] else ""
    rows.append(("Home", continuity["message"] or kept))
    rows += [("", continuity["unsent"]), ("", continuity["offered"])]
    return [f"{name:11}{text.strip()}" for name, text in rows if text.strip()]


def _agent(agent: AgentStatus) -> str:
    """Return whether an agent is on and installed, and what it asks before."""
    if not agent["enabled"]:
        return f"{agent['title']}: off"
    state = "on" if agent["installed"] else "on, not installed"
    approvals = agent["approvals"]
    asks = " ".join(filter(None, (approvals["note"], approvals["text"], agent["message"])))
    return f"{agent['title']}: {state}. {asks}"


def _doing(session: SessionState, status: ServerStatus) -> str:
    """Return what an agent, or another program, is doing."""
    from ..agents.attention.states import DOING  # noqa: PLC0415 no other command needs the agents

    titles = {agent["name"]: agent["title"] for agent in status["agents"]}
    who = titles.get(session["agent"], session["program"] or "a program")
    owners = {terminal["name"]: terminal["title"] for terminal in status["terminals"]}
    called = f"“{title}”, " if (title := owners.get(session["terminal"] or "")) else ""
    place = f"terminal {session['terminal']}" if session["terminal"] else "the background"
    folder = f" in {session['folder']}" if session["folder"] else ""
    text = f": {session['text']}" if session["text"] else ""
    since = _clock_time(session["since"])
    return f"{called}{who}{folder}, {place}, {DOING[session['state']]} since {since}{text}"


def _calls(used: UsageStatus) -> str:
    errors = ""
    if used["errors"]:
        errors = f", {_count(used['errors'], 'error')} (the last: {used['last_error']})"
    return (
        f"{used['agent']}, {used['model'] or 'no model'}: {_count(used['calls'], 'call')}{errors}, "
        f"{used['input_tokens']:,} tokens in, {used['output_tokens']:,} out"
    )


def _abilities(report: ModelReport) -> str:
    sight = "pictures" if report["sees_images"] else "no pictures"
    efforts = f", efforts {' '.join(report['efforts'])}" if report["efforts"] else ""
    return (
        f"{report['model']}, window {report['context_tokens']:,}, output up to "
        f"{report['output_tokens']:,}, {sight}{efforts}"
    )


def _connection(pat: PatStatus) -> str:
    if pat["expires_at"] is None:
        if pat["is_signed_in"]:
            return f"Signed in as {pat['user']}; the token is renewed when it is needed."
        return f"Not connected ({pat['state']})."
    renewal = pat["next_rotation_at"]
    renews = f", renews at {_clock_time(renewal)}" if renewal else ""
    how = " by the sign-in's own token (OAuth)" if pat["credential"] == "oauth" else ""
    until = _clock_time(pat["expires_at"])
    return f"Connected as {pat['user']}{how}{renews}, valid until {until}."


def _is_done(task: TaskStatus) -> bool:
    return task["state"] == "done"


def _count(number: int, kind: str) -> str:
    return f"{number or 'no'} {kind}{'' if number == 1 else 's'}"


def _clock_time(instant: str) -> str:
    """Return the time of day of an instant, in UTC as the server gives it."""
    return f"{instant[11:16]} UTC"
