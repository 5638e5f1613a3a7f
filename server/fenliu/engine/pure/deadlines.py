"""Times by which things are to happen, the earliest first. Knows nothing of what they are."""

from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

K = TypeVar("K", int, str)


class Deadlines(Generic[K]):
    """One time for each key; the earliest, ties by key, is found in O(1), a change costs O(log n)."""

    __slots__ = ("_heap", "_times")

    def __init__(self) -> None:
        self._times: dict[K, int] = {}
        self._heap: list[tuple[int, K]] = []  # an item counts if `_times` says the same

    def set(self, key: K, at_ms: int | None) -> None:
        """`at_ms`: None takes the key out."""
        if at_ms is None:
            self._times.pop(key, None)
        elif self._times.get(key) != at_ms:
            self._times[key] = at_ms
            heappush(self._heap, (at_ms, key))
        if len(self._heap) > 2 * len(self._times) + 64:
            self._heap = [(time, one) for one, time in self._times.items()]
            heapify(self._heap)

    def first(self) -> tuple[int, K] | None:
        """The earliest time and its key."""
        while self._heap:
            at_ms, key = self._heap[0]
            if self._times.get(key) == at_ms:
                return at_ms, key
            heappop(self._heap)
        return None

    def behind(self, count: int, at_ms: int) -> int | None:
        """The time behind the first `count`, if it is not after this one. Costs what is due by then."""
        if len(self._times) <= count:
            return None
        found: set[tuple[int, K]] = set()
        ahead = [0]
        while ahead:
            place = ahead.pop()
            if place < len(self._heap) and self._heap[place][0] <= at_ms:
                time, key = self._heap[place]
                if self._times.get(key) == time:
                    found.add((time, key))
                ahead += (2 * place + 1, 2 * place + 2)
        return sorted(found)[count][0] if len(found) > count else None

    def until(self, at_ms: int) -> list[tuple[int, K]]:
        """Those up to and including this time, in no order. Costs O(n) if there are any."""
        first = self.first()
        if first is None or first[0] > at_ms:
            return []
        return [(time, key) for key, time in self._times.items() if time <= at_ms]
