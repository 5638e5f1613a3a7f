"""How processes beside the server leave the processors to it."""

import os
import sys

_NICENESS = 10


def give_way() -> None:
    """From now on this process runs where nobody else needs the processor, or at least seldom where somebody does.

    A process that is only nicer than the server still holds it up: what wakes waits for it by milliseconds.
    """
    os.nice(_NICENESS)
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
