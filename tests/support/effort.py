"""How much the tests try: what answers soon, or all that is worth a night (``make test-long``)."""

import os

IS_LONG = bool(os.environ.get("TEST_LONG"))
# One test goes through all of them at each push; with the others it is the agents that differ.
ALL_ROTATIONS = 20
ROTATIONS = ALL_ROTATIONS if IS_LONG else 8
