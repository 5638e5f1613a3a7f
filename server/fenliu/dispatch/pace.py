"""How many elements of a batch are decided before the loop gets its turn: as many as a budget of time allows.

Learned from how long the last ones took, so it fits either core and every machine.
"""

from __future__ import annotations

import time

BUDGET_S = 0.005
"""Of the loop's thread, in processor time. No callback is to hold the loop for more than 10 ms."""
FIRST = 8
MOST = 4096
GROWTH = 4
"""Up to so many times as many as the last: a short slice says little of a long one."""


class Pace:
    """`with` it around the call, ask `count` for how many elements, and say how many it `did`."""

    def __init__(self, fixed: int | None = None) -> None:
        """`fixed`: always so many; None: by time."""
        self.count = fixed or FIRST
        self._fixed = fixed is not None
        self._begun = self._took = 0.0

    def __enter__(self) -> None:
        self._begun = time.thread_time()

    def __exit__(self, *_: object) -> None:
        self._took = time.thread_time() - self._begun

    def did(self, decided: int) -> None:
        """Learns that so many were decided in the time that passed inside."""
        if self._fixed or decided < min(self.count, FIRST):
            return
        fit = int(decided * BUDGET_S / max(self._took, 1e-6))
        self.count = max(1, min(fit, self.count * GROWTH, MOST))
