"""Ask for a PAT in a terminal, hidden, then become the user's shell.

``login_prompt -- SHELL ARG…`` is what a terminal runs that opens while no PAT is usable.
Whatever goes wrong, the shell comes: a terminal without a token is still one.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios

from .errors import DbxAgentsError
from .local_channel.client import call

PAT_PATH = "/dbx-agents/api/pat"
# How often the prompt looks whether a token was pasted somewhere else meanwhile.
POLL_SECONDS = 1.5
# Long enough for any token; a longer line is not one and must not fill memory.
MOST_LINE_BYTES = 16 * 1024
# xterm's bracketed paste markers, in case a program before us left the mode on.
_PASTE_MARKERS = (b"\x1b[200~", b"\x1b[201~")


def main(arguments: list[str]) -> None:
    """Ask until there is a token or the user goes on without, then run the command.

    The terminal was made without echo (see ``terminals``), so that nothing that is pasted early
    shows; the command gets it with echo.
    """
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    with contextlib.suppress(DbxAgentsError, KeyboardInterrupt, EOFError):
        log_in()
    _set_echo(True)
    if command:
        os.execvp(command[0], command)  # noqa: S606 no shell: the words are the command


def log_in() -> bool:
    """Ask for a token until the server takes one; return False if the user goes on without.

    Raises LocalChannelError when there is no server to give it to.
    """
    pat = call("GET", PAT_PATH)
    if is_usable(pat):
        return True
    _say(
        f"\x1b[1mDatabricks token needed.\x1b[0m {pat['message']}",
        f"  1. Create one (lifetime: 1 day is enough): {pat['token_page']}",
        "  2. Paste it here. It stays hidden, is replaced at once by a 15-minute token that "
        "renews itself,",
        "     and the pasted one is revoked. Nothing is stored.",
    )
    while True:
        line = _read_hidden("Token (Enter to go on without): ")
        if line is None:
            _say("A token was given elsewhere; going on.")
            return True
        if not line.strip():
            _say("No token for now. “jupyter dbx-agents login” asks again.")
            return False
        if _give(line):
            return True


def is_usable(pat: dict[str, object]) -> bool:
    """Whether a credential's model has a token that works now."""
    return pat.get("expires_at") is not None


def _give(line: str) -> bool:
    _say("Checking …")
    try:
        pat = call("POST", PAT_PATH, {"token": line})
    except DbxAgentsError as error:
        _say(f"\x1b[31m{error.message}\x1b[0m {error.hint}")
        return False
    pasted = pat["pasted"]
    _say(f"\x1b[32mYou are {pat['user']}.\x1b[0m {pasted['message'] if pasted else ''}")
    return True


def _read_hidden(prompt: str) -> str | None:
    """Return a line typed without echo; None as soon as a token was given elsewhere.

    Raises EOFError at the end of input and KeyboardInterrupt at Ctrl-C.
    """
    was_echoing = _set_echo(False)  # before the prompt: what answers it must not show
    try:
        sys.stdout.write(prompt)
        sys.stdout.flush()
        line = _read_line(sys.stdin.fileno())
    finally:
        sys.stdout.write("\n")
        _set_echo(was_echoing)
    return line


def _read_line(descriptor: int) -> str | None:
    data = b""
    while b"\n" not in data and len(data) < MOST_LINE_BYTES:
        if select.select([descriptor], [], [], POLL_SECONDS)[0]:
            read = os.read(descriptor, 4096)
            if not read:
                raise EOFError
            data += read
        elif _has_token():
            return None
    for marker in _PASTE_MARKERS:
        data = data.replace(marker, b"")
    return data.partition(b"\n")[0].decode(errors="replace")


def _has_token() -> bool:
    try:
        return is_usable(call("GET", PAT_PATH, timeout_seconds=5.0))
    except DbxAgentsError:
        return False


def _set_echo(echoes: bool) -> bool:
    """Switch the terminal's echo, keeping what was typed already; return how it was."""
    descriptor = sys.stdin.fileno()
    try:
        modes = termios.tcgetattr(descriptor)
    except termios.error:  # no terminal: a pipe, which echoes nothing
        return False
    was_echoing = bool(modes[3] & termios.ECHO)  # 3: the local modes, see termios(3)
    modes[3] = modes[3] | termios.ECHO if echoes else modes[3] & ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSADRAIN, modes)
    return was_echoing


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
