"""What agents' hooks run: report a state to the server, in some milliseconds, and never fail.

A program of its own, ``python -I -S hook.py AGENT STATE``, which imports nothing of ours and next
to nothing of the standard library: an agent waits for it.  Whatever goes wrong, it prints nothing
but what the agent expects, and exits with 0.  STATE may be followed by ``--if TEXT STATE``: another
state if the hook's input has that text; by ``--says KEY``: the report's line of text is that value
of the input, a path such as ``details.title``; by ``--of KEY``: it is a report of the sub-agent of
that name; and by ``--by-turn``: it is one of the sub-agent or the task in the background whose turn
it is, if it is not the user's, and nothing is reported of a turn that is none of these.
"""

import _socket
import os
import sys
import time

SOCKET_VARIABLE = "JUPYTER_DBX_AGENTS_SOCKET"
TERMINAL_VARIABLE = "JUPYTER_DBX_AGENTS_TERMINAL"
PATH = "/dbx-agents/api/attention/report"
# The server answers in a few milliseconds; if it does not, the agent goes on.
TIMEOUT_SECONDS = 0.3
MOST_INPUT_BYTES = 1024 * 1024
MOST_TEXT_CHARACTERS = 400
# How Hermes begins the name of a session that /background starts.
BACKGROUND = b"bg_"


def main(arguments: list[str]) -> None:
    """Report, and print what the agent expects of a hook."""
    at = time.monotonic()  # the same for all processes, and never set back
    agent, state, *options = arguments
    if not options:
        _send(at, agent=agent, state=state)
        _input()  # or the agent may wait for it to be read
    elif (report := _report(state, options, _input())) is not None:
        _send(at, agent=agent, **report)


def _report(state: str, options: list[str], given: bytes) -> dict[str, str] | None:
    """Return what the options make of a hook's input; None if there is nothing to report."""
    report = {"state": state}
    while options:
        option = options.pop(0)
        if option == "--if":
            text, other = options.pop(0), options.pop(0)
            report["state"] = other if text.encode() in given else report["state"]
        elif option == "--says":
            report["text"] = _value(given, options.pop(0))
        elif option == "--of":
            report["id"] = _value(given, options.pop(0))
            if not report["id"]:
                return None
        elif _is_review(given):
            return None
        else:
            report["id"] = _sub_agent(given)
    return report


def _input() -> bytes:
    """Return the hook's input, which the agent ends at once."""
    chunks: list[bytes] = []
    size = 0
    while size < MOST_INPUT_BYTES and (chunk := os.read(0, 65536)):
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


def _sub_agent(given: bytes) -> str:
    """Return whose turn it is by the name that Hermes gives to it; '' for the user's own.

    That is SESSION:TASK:NUMBER, and only in the user's own is the task the session.  That is so for
    a task in the background as well, whose session has a name of its own.
    """
    name = given.partition(b'"turn_id": "')[2].partition(b'"')[0]
    session, _, rest = name.partition(b":")
    is_own = session == rest.partition(b":")[0] and not session.startswith(BACKGROUND)
    return "" if is_own else session.decode(errors="replace")


def _is_review(given: bytes) -> bool:
    """Whether nobody waits for a turn, in which Hermes reviews what was said.

    The platform comes after the conversation, which is a short one at a sub-agent's start.
    """
    platform = b'"platform": "'
    is_silent = platform not in given and len(given) < MOST_INPUT_BYTES
    is_sub_agent = is_silent or platform + b'subagent"' in given
    sub_agent = _sub_agent(given)
    return bool(sub_agent) and not is_sub_agent and not sub_agent.startswith(BACKGROUND.decode())


def _value(given: bytes, path: str) -> str:
    """Return a text of a JSON object; '' if it has none there."""
    import json  # noqa: PLC0415 it takes longer than all else, and few hooks need it

    try:
        value = json.loads(given)
    except (ValueError, RecursionError):  # of a large input only the beginning was read
        return ""
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value[:MOST_TEXT_CHARACTERS] if isinstance(value, str) else ""


def _send(at: float, **report: str) -> None:
    path = os.environ.get(SOCKET_VARIABLE, "")
    if not path:
        return
    report["terminal"] = os.environ.get(TERMINAL_VARIABLE, "")
    texts = ", ".join(f'"{name}": "{_escaped(value)}"' for name, value in report.items())
    body = f'{{{texts}, "pid": {os.getppid()}, "at": {at!r}}}'.encode()
    head = f"POST {PATH} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.connect(path)
        connection.send(head.encode() + body)
        connection.recv(1)  # taken: what comes next is taken later
    finally:
        connection.close()


def _escaped(text: str) -> str:
    """Return a text as it stands in JSON."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"').encode("utf-8", "replace").decode()
    return "".join(c if c >= " " else f"\\u{ord(c):04x}" for c in plain)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
        os.write(1, b"{}")
    except Exception:  # noqa: S110 an agent is not to be disturbed by us
        pass
