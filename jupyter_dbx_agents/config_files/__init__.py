"""Atomic, merging writers of other programs' configuration files: our keys only, removable again.

A file's way: an agent's module declares a ``ConfigFile``; ``managed`` takes the lock and reads the
file with ``atomic``; ``formats`` parses it, with the editors ``jsonc``, ``ini``, ``yaml``,
``dotenv`` and ``text``; ``merge``, the pure core, changes the document and returns what must be
remembered; ``formats`` renders it; ``managed`` verifies the text with an independent parser and
saves the memory, and ``atomic`` replaces the file.  Removal is the same with no keys.

Decided
- A file that cannot be parsed, or in which a table of ours is something else or an alias of
  another, is left alone and reported: guessing would cost the user their settings.
- Removal gives back what was there: in JSON, ``.env`` and prose byte for byte.  In YAML, INI and
  TOML a value that ours had replaced may come back with other quotes or blanks.
- What we wrote is remembered as a hash, so that no secret of ours is stored twice.  What the user
  had under such a key is remembered as it was, in a file that only they can read: nothing else
  could bring it back.
"""

from .formats import Format
from .managed import ConfigFile, ManagedFiles
from .merge import Initial

__all__ = ["ConfigFile", "Format", "Initial", "ManagedFiles"]
