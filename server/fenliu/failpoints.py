"""Named places at which a test has the process end by SIGKILL; otherwise they do nothing.

`FENLIU_FAILPOINT=commit-stored:3` ends it when that place is reached for the third time. Knows nobody.
"""

import os
import signal
from collections.abc import Callable

NAMES = (
    "commit-begins",  # decided; in no record yet
    "commit-handed-in",  # with the journal
    "append-begins",  # on the journal's thread; nothing is written
    "append-done",  # durable; the loop has not heard of it
    "commit-stored",  # the loop has; nobody is told
    "commit-told",  # who waited is told; no answer has gone out
    "probe-written",  # between a probe's two transactions
    "snapshot-chunks",  # a snapshot's chunks are stored, and no manifest names them
    "snapshot-manifest",  # the manifest is; the one before is still there
    "snapshot-installed",  # the engine goes by it
)


def _end_at(setting: str) -> Callable[[str], None]:
    name, _, count = setting.partition(":")
    if name not in NAMES:
        raise ValueError(f"FENLIU_FAILPOINT: no failpoint {name!r}; there are {', '.join(NAMES)}")
    left = int(count or 1)

    def reached(place: str) -> None:
        nonlocal left
        if place == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached


def _nothing(_place: str) -> None:
    pass


_setting = os.environ.get("FENLIU_FAILPOINT")
on_journal_thread = (_setting or "").startswith(("append-begins", "append-done"))
"""Whether the journal's own thread is to get there."""
reached: Callable[[str], None] = _end_at(_setting) if _setting else _nothing
"""Says that a place is reached."""
