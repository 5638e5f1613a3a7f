"""A fair line for single calls while the server has more to do than it can: no shop's flood pushes others aside.

While there is enough for all, nobody waits here. When the loop is behind, shops that ask for far more than the others
have their calls held until there is room or their caller gives up; everybody else passes by. How much
such a shop still gets follows from how busy the loop is: a fifth less while it is behind, then slowly more
(additive increase, multiplicative decrease; Chiu, Jain 1989), the same cap for all of them, so the largest are cut
first (max-min fairness). Knows shops by name only. For one event loop.

Worth its while where deciding is what costs: what gRPC takes for a call is spent before one comes here, and refusing
or giving up costs as much as answering.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping

from fenliu.dispatch.errors import Overloaded

TICK_S = 0.025
BEHIND = 0.92
"""So busy, of the time, is a loop that is behind."""
BACK_OFF = 0.8
GO_ON = 1.02
KEPT = 0.95  # of what a shop asked for in earlier ticks: about the last half second counts
BURST_TICKS = 8
"""A shop may save up its cap for so long: arrivals at random are no flood."""
FAR_MORE = 4
"""Times what the other shops ask for on average; up to there a shop's calls are never held."""
MOST_HELD = 16_384
LET_GO = 256
"""Of those held, when there is enough for all again: so many a tick, so that they are no flood themselves."""
RETRY_MS = 1_000


class FairLine:
    """Who may go on now. `run` is to run beside."""

    def __init__(self, busy: Callable[[], float]) -> None:
        """`busy`: the share of time since the last call in which the loop had something to do."""
        self._busy = busy
        self._asked: Counter[bytes] = Counter()  # in this tick
        self._rates: dict[bytes, float] = {}  # calls a tick
        self._cap: float | None = None  # calls a tick of one shop; None: enough for all
        self._saved: dict[bytes, float] = {}  # calls that a shop may still make at once
        self._held: dict[bytes, deque[asyncio.Future[None]]] = {}
        self._count = 0

    @property
    def held(self) -> int:
        """Calls that wait."""
        return self._count

    def enter(self, shop: bytes) -> asyncio.Future[None] | None:
        """A call of this shop comes. None: it may go on; else when it may. Raises Overloaded when too many wait."""
        self._asked[shop] += 1
        if self._cap is None:
            return None
        saved = self._saved.get(shop, self._cap * BURST_TICKS)
        if saved >= 1 and shop not in self._held:
            self._saved[shop] = saved - 1
            return None
        if self._count >= MOST_HELD:
            raise Overloaded(RETRY_MS)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._held.setdefault(shop, deque()).append(future)
        self._count += 1
        return future

    async def run(self) -> None:
        """Adjusts, and lets go on who may, until cancelled; then everybody may."""
        try:
            while True:
                await asyncio.sleep(TICK_S)
                self.tick()
        finally:
            self._cap = None
            self._let_all_go(self._count)

    def tick(self) -> None:
        """One step."""
        # This tick says what begins just now, those before what is usual.
        now, usual = _apart(self._asked), _apart(self._learn())
        most, others = max(now[0], usual[0]), max(now[1], usual[1])
        if self._busy() >= BEHIND:
            cap = BACK_OFF * (most if self._cap is None else min(self._cap, most))
            self._cap = max(cap, FAR_MORE * others) if others else None
        elif self._cap is not None:
            self._cap *= GO_ON
            if self._cap > 2 * most and not self._count:
                self._cap = None
        if self._cap is None:
            self._let_all_go(LET_GO)
            self._saved.clear()
        else:
            self._let_go(self._cap)

    def _learn(self) -> dict[bytes, float]:
        """What each shop asks for, from this tick and those before."""
        rates = {shop: kept for shop, rate in self._rates.items() if (kept := rate * KEPT) >= 1e-3}
        for shop, count in self._asked.items():
            rates[shop] = rates.get(shop, 0.0) + count * (1 - KEPT)
        self._rates = rates
        self._asked.clear()
        return rates

    def _let_go(self, cap: float) -> None:
        """Each shop gets this tick's; who waits goes first."""
        most = max(1.0, cap * BURST_TICKS)
        for shop in self._rates.keys() | self._held.keys():
            saved = min(most, self._saved.get(shop, most) + cap)
            saved -= self._release(shop, int(saved))
            self._saved[shop] = saved
        for shop in self._saved.keys() - self._rates.keys():
            del self._saved[shop]

    def _let_all_go(self, most: int) -> None:
        for shop in list(self._held):
            most -= self._release(shop, most)

    def _release(self, shop: bytes, most: int) -> int:
        """Lets so many of a shop go on, the last to come first: theirs is the most time left. Returns how many."""
        waiting, released = self._held.get(shop), 0
        if waiting is None:
            return 0
        while waiting and waiting[0].done():  # its caller has gone
            waiting.popleft()
            self._count -= 1
        while waiting and released < most:
            future = waiting.pop()
            self._count -= 1
            if not future.done():
                future.set_result(None)
                released += 1
        if not waiting:
            del self._held[shop]
        return released


def _apart(rates: Mapping[bytes, float]) -> tuple[float, float]:
    """The largest, and the mean of the others."""
    most = max(rates.values(), default=0.0)
    return most, (sum(rates.values()) - most) / max(1, len(rates) - 1)
