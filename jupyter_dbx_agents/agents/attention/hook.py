"""What agents' hooks run: report a state to the server, in some milliseconds, and never fail.

A program of its own, ``python -I -S hook.py AGENT STATE``, which imports nothing of ours and next
to nothing of the standard library: an agent waits for it.  Whatever goes wrong, it prints nothing
but what the agent expects, and exits with 0.  STATE may be followed by ``--if TEXT STATE``: another
state if the hook's input has that text; and by ``--says KEY``: the report's line of text is that
value of the input, a path such as ``details.title``.
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


def main(arguments: list[str]) -> None:
    """Report, and print what the agent expects of a hook."""
    at = time.time()
    agent, state, *options = arguments
    if not options:
        _send(agent, state, "", at)
        _input()  # or the agent may wait for it to be read
    else:
        given, says = _input(), ""
        while options:
            if options[0] == "--if":
                text, other = options[1:3]
                state = other if text.encode() in given else state
                del options[:3]
            else:
                says = _value(given, options[1])
                del options[:2]
        _send(agent, state, says, at)


def _input() -> bytes:
    """Return the hook's input, which the agent ends at once."""
    chunks: list[bytes] = []
    size = 0
    while size < MOST_INPUT_BYTES and (chunk := os.read(0, 65536)):
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


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


def _send(agent: str, state: str, says: str, at: float) -> None:
    path = os.environ.get(SOCKET_VARIABLE, "")
    if not path:
        return
    fields = {"agent": agent, "state": state, "terminal": os.environ.get(TERMINAL_VARIABLE, "")}
    if says:
        fields["text"] = says
    texts = ", ".join(f'"{name}": "{_escaped(value)}"' for name, value in fields.items())
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
