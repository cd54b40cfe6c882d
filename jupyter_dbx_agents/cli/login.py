"""Ask in a terminal, hidden, for the answer to a sign-in or a PAT, then become the user's shell.

``login_prompt -- SHELL ARG…`` is what a terminal runs that opens while no PAT is usable.
Whatever goes wrong, the shell starts: a terminal works without a token, too.
"""

import contextlib
import enum
import os
import select
import sys
import termios
from pathlib import Path

from ..errors import DbxAgentsError, RemoteError
from ..local_channel.client import call
from ..local_channel.paths import CONTINUITY_PATH, PAT_PATH, SIGN_IN_PATH
from .printing import Look, say, say_first, write


class Way(enum.Flag):
    """How the user may connect."""

    SIGN_IN = enum.auto()
    TOKEN = enum.auto()
    ANY = SIGN_IN | TOKEN


# How often the prompt checks whether a token was entered in another window.
POLL_SECONDS = 1.5
# The lines of one paste arrive together; after Enter alone, nothing arrives for this long.
PASTE_SECONDS = 0.15
# The panel and the status have it, too.
_OFFER_SECONDS = 3.0
# Long enough for any token; a longer line must not fill memory.
MOST_LINE_BYTES = 16 * 1024
# xterm's bracketed paste markers, in case a program before us left the mode on.
_PASTE_MARKERS = (b"\x1b[200~", b"\x1b[201~")


def main(arguments: list[str]) -> None:
    """Ask until there is a token or the user skips it, then run the command.

    The terminal starts without echo (see ``terminals``), so that an early paste does not show.  The
    command gets it with echo on, and none of what was typed here.
    """
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    _name_process()
    with contextlib.suppress(DbxAgentsError, KeyboardInterrupt, EOFError):
        log_in()
    _set_echo(True)
    if command:
        os.execvp(command[0], command)  # noqa: S606 no shell: the words are the command


def _name_process() -> None:
    """Set the process name that is shown for the terminal; it would be “python”."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text("login")


def log_in(way: Way = Way.ANY) -> bool:
    """Ask until the server accepts an answer or a token; return False if the user skips it.

    Raises LocalChannelError when no server answers.
    """
    was_echoing = _set_echo(False)
    try:
        return _log_in(way)
    finally:
        _set_echo(was_echoing)


def _log_in(way: Way) -> bool:
    pat = call("GET", PAT_PATH)
    if is_usable(pat):
        return True
    say_first(Look.STRONG, "Connect to Databricks.", pat["message"])
    signs_in = Way.SIGN_IN in way and _begin_sign_in()
    if Way.TOKEN in way or not signs_in:
        say(
            f"  {'Or create' if signs_in else 'Create'} a token (a lifetime of 1 day is enough): "
            f"{pat['token_page']}",
            "     and paste it here. It is swapped at once for a short-lived token that renews "
            "itself, and revoked.",
        )
    what = "address or token" if signs_in else "token"
    while True:
        line = _read_hidden(f"Paste {what}; it stays hidden (or press Enter to skip): ")
        if line is None:
            say("Connected from another window. Continuing.")
            return True
        if not line:
            say("Skipped. To connect later, run: jupyter dbx-agents login")
            return False
        if _send(line, signs_in=signs_in):
            return True


def _begin_sign_in() -> bool:
    """Print how to sign in; return whether an answer can be pasted here."""
    try:
        attempt = call("POST", SIGN_IN_PATH)
    except RemoteError as error:
        say(f"  Signing in is not possible now: {error.message} {error.hint}")
        return False
    say(f"  Sign in: {attempt['address']}")
    if not attempt["pastes"]:
        say("     When you have finished there, this goes on by itself.")
        return False
    say(
        f"     Your browser ends on an address that begins with {attempt['redirect_url']} and "
        "cannot be opened, as intended.",
        "     Copy that whole address from the address bar, and paste it here.",
    )
    return True


def is_usable(pat: dict[str, object]) -> bool:
    """Return whether the credential's model has a token that works now, or renews itself.

    The last one of a sign-in that has ended does not: the owner may sign in again at once.
    """
    works = pat.get("expires_at") is not None and pat.get("state") != "needed"
    return works or bool(pat.get("is_signed_in"))


def _send(line: str, *, signs_in: bool) -> bool:
    say("Checking…")
    is_answer = signs_in and not line.strip().startswith("dapi")
    try:
        if is_answer:
            pat = call("POST", f"{SIGN_IN_PATH}/answer", {"answer": line})
        else:
            pat = call("POST", PAT_PATH, {"token": line})
    except DbxAgentsError as error:
        say_first(Look.BAD, error.message, error.hint)
        return False
    pasted = pat["pasted"]["message"] if not is_answer else ""
    say_first(Look.GOOD, f"Connected as {pat['user']}.", pasted)
    _print_offer()
    return True


def _print_offer() -> None:
    """Print what of former starts can come back; the shell does not wait long for it."""
    with contextlib.suppress(DbxAgentsError):
        kept = call("GET", CONTINUITY_PATH, timeout_seconds=_OFFER_SECONDS)
        if offered := kept["status"]["offered"]:
            say(offered)


def _read_hidden(prompt: str) -> str | None:
    """Return a line typed without echo; None as soon as a token was entered elsewhere.

    Raises EOFError at the end of input and KeyboardInterrupt at Ctrl-C.
    """
    write(prompt)
    line = _read_line(sys.stdin.fileno())
    write("\n")
    return line


def _read_line(descriptor: int) -> str | None:
    """Return the first line that is not blank; '' for Enter alone.

    The rest of the input is dropped: what follows in a paste must not reach the shell.
    """
    data = b""
    while len(data) < MOST_LINE_BYTES:
        wait_seconds = PASTE_SECONDS if b"\n" in data else POLL_SECONDS
        if select.select([descriptor], [], [], wait_seconds)[0]:
            read = os.read(descriptor, 4096)
            if not read:
                raise EOFError
            data += read
        elif b"\n" in data:
            break
        elif _has_token():
            return None
        if data.strip() and b"\n" in data.lstrip():
            break
    for marker in _PASTE_MARKERS:
        data = data.replace(marker, b"")
    if os.isatty(descriptor):
        termios.tcflush(descriptor, termios.TCIFLUSH)
    return next((line for line in data.decode(errors="replace").splitlines() if line.strip()), "")


def _has_token() -> bool:
    try:
        return is_usable(call("GET", PAT_PATH, timeout_seconds=5.0))
    except DbxAgentsError:
        return False


def _set_echo(echoes: bool) -> bool:
    """Switch the terminal's echo; return whether it was on.

    Switching it on drops unread input: it may be (part of) a token, which the shell would show, run
    and keep in its history.
    """
    descriptor = sys.stdin.fileno()
    try:
        modes = termios.tcgetattr(descriptor)
    except termios.error:  # not a terminal but a pipe, which echoes nothing
        return False
    was_echoing = bool(modes[3] & termios.ECHO)  # 3: the local modes, see termios(3)
    modes[3] = modes[3] | termios.ECHO if echoes else modes[3] & ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSAFLUSH if echoes else termios.TCSADRAIN, modes)
    return was_echoing
