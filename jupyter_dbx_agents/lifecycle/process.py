"""What else in the process could keep the event loop, and with it every key, waiting."""

from __future__ import annotations

import gc
import sys

# How long a computing thread may: Python's own 5 ms would be paid at each of a key's system calls,
# 20 to 40 ms a key while agents are looked up or a commit is read.
THREAD_TURN_SECONDS = 0.0005


def keep_event_loop_quick() -> None:
    """Bound the turns of threads, and collect no garbage among what start-up has made.

    To be called once all is built: of the server's hundreds of thousands of objects hardly one ever
    ends, and each full collection would look through them all, which stops everything for 100 ms.
    For the same price, one before the freeze would find a few dozen objects, so there is none.
    """
    sys.setswitchinterval(THREAD_TURN_SECONDS)
    gc.freeze()
