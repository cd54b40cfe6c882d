"""Symbolic links of ours in the user's home; anything else in their place is left unchanged."""

import contextlib
from pathlib import Path


def point_link(link: Path, target: Path, ours: Path) -> bool:
    """Make ``link`` point to ``target``, atomically; return False if something else is there.

    A link that points into ``ours``, or to ``target`` itself, is ours.  Raises OSError.
    """
    if link.is_symlink() and link.readlink() == target:
        return True
    if not is_ours(link, ours) and (link.exists() or link.is_symlink()):
        return False
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name(f".{link.name}.jupyter_dbx_agents")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
    return True


def remove_link(link: Path, ours: Path) -> None:
    """Remove a link that points into ``ours``."""
    if is_ours(link, ours):
        with contextlib.suppress(OSError):
            link.unlink()


def is_ours(link: Path, ours: Path) -> bool:
    """Whether a path is a link that points into a folder of ours."""
    return link.is_symlink() and link.readlink().is_relative_to(ours)
