"""When commits of single calls wait a little, so that more of them share one. Knows neither calls nor commits.

A commit costs the loop about half of what a call does, so without waiting a busy loop gets busier: the more it has to
do the fewer calls it takes in between two commits. Times are on the loop's clock, seconds.
"""

from __future__ import annotations

from collections.abc import Callable

PACE_S = 0.002
"""Between the starts of two commits while they wait."""
BUSY = 0.6
"""They begin to wait when the loop has something to do for this share of the time and more."""
PAYS = 6
"""They go on as long as they have so many answers on average,"""
KEEPS = 0.75
"""and there are this many times the answers a second that there were before, so that nobody waits for an answer to ask
again."""
MANY = 64
"""Behind a commit of so many answers none waits: they share enough already."""
LOOK_S = 0.1
"""Between looks at all that."""
LONGEST_REST_S = 1.6
"""After waiting has not paid it is tried again in LOOK_S, then in twice that, at last this often."""


class Pacing:
    """Whether the commits of one loop wait."""

    def __init__(self) -> None:
        self.busy: Callable[[], float] | None = None
        """The share of time since the last call in which the loop had something to do; None: always all."""
        self._waits = False
        self._looked_at = 0.0
        self._look_at = 0.0
        self._rest_s = LOOK_S
        self._before = 0.0  # answers a second without waiting
        self._commits = 0  # since the last look
        self._answers = 0

    def begun(self, now: float, answers: int) -> float:
        """A commit begins on which so many answers wait; when the next one may."""
        if now >= self._look_at:
            self._look(now)
        if answers:
            self._commits += 1
            self._answers += answers
        return now + PACE_S if self._waits and answers < MANY else now

    def _look(self, now: float) -> None:
        rate = self._answers / max(now - self._looked_at, PACE_S)
        busy = 1.0 if self.busy is None else self.busy()
        self._look_at = now + LOOK_S
        if not self._waits:
            self._waits, self._before = busy >= BUSY and rate > 0, rate
        elif self._answers >= PAYS * self._commits and rate >= KEEPS * self._before:
            self._rest_s = LOOK_S
        else:
            self._waits = False
            self._look_at = now + self._rest_s
            self._rest_s = min(2 * self._rest_s, LONGEST_REST_S)
        self._looked_at = now
        self._commits = self._answers = 0
