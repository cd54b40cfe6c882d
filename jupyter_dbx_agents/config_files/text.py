"""Prose that people write, with one marked section of ours at its top.

At the top, so that what agents and people append goes below it, and removal leaves their text byte
for byte.  An editor may have changed the line endings of our section to those of the user's lines,
or back.
"""

import re
from typing import Any

SECTION = "section"
BEGIN = "<!-- jupyter_dbx_agents: written at each start; write your own below -->"
END = "<!-- end of jupyter_dbx_agents -->"
_BLOCK = re.compile(
    rf"{re.escape(BEGIN)}\r?\n(?P<section>.*?)\r?\n{re.escape(END)}(\r?\n)?(?P<blank>(\r?\n)?)",
    re.DOTALL,
)


def parse_text(text: str) -> dict[str, Any]:
    """Return what stands before and after our section, and the section if there is one.

    Raises ValueError for a section that has no end.
    """
    found = _BLOCK.search(text)
    if found is None:
        if BEGIN in text:
            raise ValueError(f"the line {END} is missing")
        return {"before": "", "after": text}
    before = text[: found.start()]
    after = text[found.end() :]
    # The blank line is ours only where we put it: above the user's first line.
    after = found["blank"] + after if before else after
    return {"before": before, SECTION: found["section"].replace("\r\n", "\n"), "after": after}


def load_text(text: str) -> dict[str, Any]:
    """Return the section and the rest of a text; raises ValueError."""
    document = parse_text(text)
    rest = document.pop("before") + document.pop("after")
    return document | {"rest": rest}


def render_text(document: Any) -> str:
    """Return the text of a document."""
    before, after = str(document["before"]), str(document["after"])
    if SECTION not in document:
        return before + after
    block = f"{BEGIN}\n{document[SECTION]}\n{END}\n"
    gap = "\n" if after and not before else ""
    return before + block + gap + after
