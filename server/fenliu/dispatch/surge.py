"""Whether a surge lasts, in which what can wait waits. Knows nothing of what waits."""

from __future__ import annotations

import time
from collections.abc import Callable

BUSY = 0.4
"""From this share of the time on in which the loop has something to do there is a surge."""
CALM_S = 10.0
"""It is over when it has been less for so long: a pause in a surge is none."""


class Surge:
    """Looked for about once a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.busy: Callable[[], float] | None = None
        """The share of time since the last call in which the loop had something to do; None: nobody tells."""
        self.lasts = False
        """Whether there is one; not where nobody tells how busy the loop is."""
        self._clock = clock
        self._calm_at = clock()

    def look(self) -> None:
        """Looks how busy the loop has been since the last time."""
        now = self._clock()
        if self.busy is not None and self.busy() >= BUSY:
            self._calm_at = now + CALM_S
        self.lasts = now < self._calm_at
