"""Calls that wait in the client: a queue with deadlines. Knows neither gRPC nor what is asked.

A call costs one future and one timer, no task. A lane takes calls out, oldest first, and settles them.
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
    """One caller's question, encoded, and the future of its answer. Times are the loop's, seconds."""

    __slots__ = ("deadline", "encoded", "future", "sent", "since", "timeout_s", "tries")

    def __init__(
        self, encoded: bytes, future: asyncio.Future[Answer], since: float, timeout_s: float
    ) -> None:
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
        self._waiting: OrderedDict[Call[Answer], None] = OrderedDict()
        self._closed = False
        self.changed = asyncio.Event()
        """Set when a call has come; whoever waits for it clears it first."""
        self.trouble: FenliuError | None = None
        """Why nothing gets through at present; what those are told whose deadline passes."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def oldest_since(self) -> float:
        """When the oldest of the waiting calls came."""
        return next(iter(self._waiting)).since

    async def ask(self, encoded: bytes, timeout_s: float) -> Answer:
        """Waits for the answer. Raises FenliuError, at the deadline at the latest; RuntimeError if closed."""
        if self._closed:
            raise RuntimeError("closed: nothing more can be asked")
        loop = self._loop
        call: Call[Answer] = Call(encoded, loop.create_future(), loop.time(), timeout_s)
        timer = loop.call_at(call.deadline, self._expired, call)
        self._all.add(call)
        self._waiting[call] = None
        self.changed.set()
        try:
            return await call.future
        finally:
            timer.cancel()
            self._all.discard(call)
            self._waiting.pop(call, None)

    def take(self, most: int, most_bytes: int, answer_s: float) -> list[Call[Answer]]:
        """The next calls to send: at most so many, of so many bytes in all.

        `answer_s` is how long an answer takes now. A call that it would reach too late fails here, before
        it costs the server anything; half of a call's time is the most that is kept for the answer.
        """
        now = self._loop.time()
        taken: list[Call[Answer]] = []
        size = 0
        while self._waiting and len(taken) < most:
            call, _ = self._waiting.popitem(last=False)
            if call.future.done():
                continue
            if now > call.deadline - min(answer_s, call.timeout_s / 2):
                call.fail(self._too_late(call))
                continue
            size += len(call.encoded)
            if size > most_bytes and taken:
                self.put_back((call,))
                break
            call.sent = True
            taken.append(call)
        return taken

    def put_back(self, calls: Iterable[Call[Answer]]) -> None:
        """To the front of the queue, in their order."""
        for call in reversed(tuple(calls)):
            if not call.future.done():
                self._waiting[call] = None
                self._waiting.move_to_end(call, last=False)
        self.changed.set()

    def give_up(self, until: float, error: FenliuError) -> None:
        """Fails what has no time beyond `until`: nothing is sent before then."""
        for call in tuple(self._waiting):
            if call.deadline <= until:
                call.fail(error.again())

    async def close(self, grace_s: float) -> None:
        """Takes no more calls, gives those there are so long to be answered, fails the rest."""
        self._closed = True
        if self._all and grace_s > 0:
            await asyncio.wait([call.future for call in self._all], timeout=grace_s)
        for call in self._all:
            call.fail(FenliuError(grpc.StatusCode.CANCELLED, "the client was closed"))

    def _expired(self, call: Call[Answer]) -> None:
        call.fail(self._too_late(call))

    def _too_late(self, call: Call[Answer]) -> FenliuError:
        if self.trouble is not None:
            return self.trouble.again()
        what = "no answer" if call.sent else "not sent, because too many calls wait,"
        return FenliuError(grpc.StatusCode.DEADLINE_EXCEEDED, f"{what} within {call.timeout_s:g} s")
