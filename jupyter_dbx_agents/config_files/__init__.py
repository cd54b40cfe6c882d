"""Atomic, merging writers of other programs' configuration files: our keys only, removable again.

``formats`` parses and renders; ``ini``, ``yaml``, ``dotenv`` and ``text`` are the editors it needs,
``merge`` is the pure core (what changes, what is remembered), ``atomic`` puts bytes on the disk,
``managed`` ties them together and is what the rest of the package uses.

Decided
- A file that cannot be parsed, or in which a table of ours is something else, is left alone and
  reported: guessing would cost the user their settings.
- What we wrote is remembered as a hash, so that no secret of ours lies in a second place.  What
  the user had under such a key before is remembered as it was, in a file only they can read: it is
  theirs and there is nowhere else to get it back from.
"""

from .formats import Format
from .managed import ConfigFile, ManagedFiles

__all__ = ["ConfigFile", "Format", "ManagedFiles"]
