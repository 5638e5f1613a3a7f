"""Calls that wait in the client: a queue with deadlines, fair to shops. Knows neither gRPC nor what is asked.

A call costs one future and one timer, no task. A lane takes calls out and settles them: one shop after the other has
its turn, and of each shop the oldest call, so that a shop with thousands of them waiting delays nobody else's.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

import grpc

from fenliu.client.errors import FenliuError

Answer = TypeVar("Answer")


class Call(Generic[Answer]):
    """One caller's question of a shop, encoded, and the future of its answer. Times are the loop's, seconds."""

    __slots__ = ("deadline", "encoded", "future", "sent", "shop", "since", "timeout_s", "tries")

    def __init__(
        self,
        shop: str,
        encoded: bytes,
        future: asyncio.Future[Answer],
        since: float,
        timeout_s: float,
    ) -> None:
        self.shop = shop
        self.encoded = encoded
        self.future = future
        self.since = since
        self.timeout_s = timeout_s
        self.deadline = since + timeout_s
        self.sent = False
        self.tries = 0

    def answer(self, answer: Answer) -> None:
        """Settles it, unless its caller has gone."""
        if not self.future.done():
            self.future.set_result(answer)

    def fail(self, error: FenliuError) -> None:
        """Settles it, unless its caller has gone."""
        if not self.future.done():
            self.future.set_exception(error)


class Calls(Generic[Answer]):
    """The calls of one lane, and the queue of those not under way. For one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._all: set[Call[Answer]] = set()
        self._lines: OrderedDict[str, OrderedDict[Call[Answer], None]] = OrderedDict()
        """By shop the calls that wait, never none; the shop whose turn it is stands first."""
        self._count = 0
        self._closed = False
        self.changed = asyncio.Event()
        """Set when a call has come; whoever waits for it clears it first."""
        self.trouble: FenliuError | None = None
        """Why nothing gets through at present; what those are told whose deadline passes."""

    def __len__(self) -> int:
        return self._count

    @property
    def oldest_since(self) -> float:
        """When the oldest of the waiting calls came. Looks at one of each shop."""
        return min(next(iter(line)).since for line in self._lines.values())

    async def ask(self, shop: str, encoded: bytes, timeout_s: float) -> Answer:
        """Waits for the answer. Raises FenliuError, at the deadline at the latest; RuntimeError if closed."""
        if self._closed:
            raise RuntimeError("closed: nothing more can be asked")
        loop = self._loop
        call: Call[Answer] = Call(shop, encoded, loop.create_future(), loop.time(), timeout_s)
        timer = loop.call_at(call.deadline, self._expired, call)
        self._all.add(call)
        self._line(shop)[call] = None
        self._count += 1
        self.changed.set()
        try:
            return await call.future
        finally:
            timer.cancel()
            self._all.discard(call)
            self._leave(call)

    def take(self, most: int, most_bytes: int, answer_s: float) -> list[Call[Answer]]:
        """The next calls to send: at most so many, of so many bytes in all.

        `answer_s` is how long an answer takes now. A call that it would reach too late fails here, before
        it costs the server anything; half of a call's time is the most that is kept for the answer.
        """
        now = self._loop.time()
        taken: list[Call[Answer]] = []
        size = 0
        while self._lines and len(taken) < most:
            shop, line = next(iter(self._lines.items()))
            call = next(iter(line))
            if call.future.done():
                self._leave(call)
                continue
            if now > call.deadline - min(answer_s, call.timeout_s / 2):
                call.fail(self._too_late(call))
                self._leave(call)
                continue
            size += len(call.encoded)
            if size > most_bytes and taken:
                break
            call.sent = True
            taken.append(call)
            self._leave(call)
            if line:
                self._lines.move_to_end(shop)
        return taken

    def put_back(self, calls: Iterable[Call[Answer]]) -> None:
        """To the front of their shops' lines, in their order."""
        for call in reversed(tuple(calls)):
            if not call.future.done():
                line = self._line(call.shop)
                line[call] = None
                line.move_to_end(call, last=False)
                self._count += 1
        self.changed.set()

    def give_up(self, until: float, error: FenliuError) -> None:
        """Fails what has no time beyond `until`: nothing is sent before then."""
        for call in [call for line in self._lines.values() for call in line]:
            if call.deadline <= until:
                call.fail(error.again())

    async def close(self, grace_s: float) -> None:
        """Takes no more calls, gives those there are so long to be answered, fails the rest."""
        self._closed = True
        if self._all and grace_s > 0:
            await asyncio.wait([call.future for call in self._all], timeout=grace_s)
        for call in self._all:
            call.fail(FenliuError(grpc.StatusCode.CANCELLED, "the client was closed"))

    def _line(self, shop: str) -> OrderedDict[Call[Answer], None]:
        """The shop's line; a new one stands last."""
        line = self._lines.get(shop)
        if line is None:
            line = self._lines[shop] = OrderedDict()
        return line

    def _leave(self, call: Call[Answer]) -> None:
        """It waits no more, if it did."""
        line = self._lines.get(call.shop)
        if line is None or call not in line:
            return
        del line[call]
        self._count -= 1
        if not line:
            del self._lines[call.shop]

    def _expired(self, call: Call[Answer]) -> None:
        call.fail(self._too_late(call))

    def _too_late(self, call: Call[Answer]) -> FenliuError:
        if self.trouble is not None:
            return self.trouble.again()
        what = "no answer" if call.sent else "not sent, because too many calls wait,"
        return FenliuError(grpc.StatusCode.DEADLINE_EXCEEDED, f"{what} within {call.timeout_s:g} s")
