"""A program that says what an agent says in its terminal, when it is told to.

Each line that is typed is a report of OSC 7501, such as ``working``, or one with a text, such as
``permission rm -rf x``; ``bell`` rings, and ``title`` sets the terminal's.  Run it under the name
of an agent's command to be taken for that agent.
"""

import base64
import sys

KINDS = {"permission": "blocked:kind=permission", "question": "blocked:kind=question"}


def report(line: str) -> str:
    """Return what to write for a line."""
    state, _, text = line.strip().partition(" ")
    if state == "bell":
        return "\a"
    if state == "title":
        return f"\x1b]0;{text}\a"
    said = f":msg={base64.b64encode(text.encode()).decode()}" if text else ""
    return f"\x1b]7501;state={KINDS.get(state, state)}{said}\x1b\\"


if __name__ == "__main__":
    print("\x1b]7501;state=idle\x1b\\ready", flush=True)
    for typed in sys.stdin:
        print(f"{report(typed)}said {typed.strip()}", flush=True)
