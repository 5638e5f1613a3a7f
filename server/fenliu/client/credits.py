"""How much a client may have under way, learnt from how long answers take.

What a server cannot do yet waits either here, where it can still be dropped, or there, where it cannot. Credits
keep its queue short: a fifth of a second keeps any server busy. Times are seconds.
"""

from __future__ import annotations

import math

QUEUE_S = 0.2
"""How much longer than the fastest answer one may take before less is sent."""
LEAST = 128
"""So many calls may always be under way; every connection begins with them."""
FORGET = 0.1
"""How much of the answer time a quicker answer takes off; slower ones count at once."""


class Credits:
    """The bound on calls under way: grows while answers come quickly, shrinks when they queue up."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._least = min(LEAST, most)
        self._fastest_s = math.inf
        self.now = self._least
        """Calls that may be under way now."""
        self.answer_s = 0.0
        """How long an answer takes now."""

    def reconnected(self) -> None:
        """A server that has just come back is asked gently, and may be another one, further away."""
        self._fastest_s = math.inf
        self.now = self._least

    def answered(self, calls: int, under_way: int, took_s: float) -> None:
        """A batch of so many calls was answered; with it so many were under way when it was sent."""
        self.answer_s = max(took_s, self.answer_s + FORGET * (took_s - self.answer_s))
        self._fastest_s = min(self._fastest_s, took_s)
        allowed_s = self._fastest_s + QUEUE_S
        if took_s <= allowed_s:  # Doubles with each round of answers.
            self.now = min(self._most, self.now + calls)
        else:
            # Little's law: the server did `under_way` calls in this time; so many it does in the allowed.
            self.now = max(self._least, int(under_way * allowed_s / took_s))
