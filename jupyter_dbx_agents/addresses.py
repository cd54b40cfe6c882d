"""What an e-mail address is, where two have to be compared: the owner's and a visitor's."""

from __future__ import annotations


def normalise_email(text: str) -> str | None:
    """Return an e-mail address in the form in which two are compared, None for what is none.

    ASCII is demanded before lower(): "K" (KELVIN SIGN) lowers to "k", and look-alikes of other
    alphabets are other people.
    """
    text = text.strip(" \t")
    if not text.isascii() or not text.isprintable():
        return None
    if "," in text or " " in text or text.count("@") != 1:
        return None
    if text.startswith("@") or text.endswith("@"):
        return None
    return text.lower()
