"""Closed and open loops of unary calls over a few connections.

In a closed loop a call follows on an answer; in an open one calls are due at given times, whatever is answered
meanwhile, and latency counts from when a call was due. How late calls were sent says
whether the generator kept its schedule.
"""

from __future__ import annotations

import random
import select
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from fenliu.load.http2 import Connection

DRAIN_S = 5.0
"""How long an answer is waited for, without a deadline."""


@dataclass(slots=True)
class Loaded:
    """What came of a load. Times are seconds; lists have a place for each call, in the order they were due."""

    seconds: float = 0.0
    """From the first call to the last answer; of an open loop: to the time the last call was due."""
    latency_s: list[float | None] = field(default_factory=list)
    """None: no answer, or too late."""
    lag_s: list[float] = field(default_factory=list)
    """How long after it was due a call was sent; empty for closed loops."""
    refused: int = 0
    """Calls that ended without an answer."""
    late: int = 0
    """Calls given up at their deadline."""
    sample: list[bytes] = field(default_factory=list)
    """The first answers."""

    @property
    def answers(self) -> list[float]:
        """The latencies of what was answered."""
        return [one for one in self.latency_s if one is not None]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.answers) / self.seconds


def closed_loop(
    target: str,
    method: str,
    messages: Iterable[bytes],
    *,
    under_way: int,
    connections: int = 1,
    seconds: float | None = None,
    samples: int = 8,
) -> Loaded:
    """Sends all messages, or those that go out within so many seconds, so many at a time. Raises OSError."""
    loaded = Loaded()
    pending = iter(messages)
    with _connected(target, method, connections, None) as (links, poll):
        sent_s: list[float] = []

        def send(link: Connection) -> None:
            message = next(pending, None)
            if message is not None and time.perf_counter() < until:
                link.call(len(sent_s), message)
                sent_s.append(time.perf_counter())
                loaded.latency_s.append(None)

        begun = time.perf_counter()
        until = begun + seconds if seconds is not None else float("inf")
        for place in range(under_way):
            send(links[place % connections])
        while any(link.under_way for link in links):
            readable = poll(DRAIN_S)
            if not readable:
                raise TimeoutError(f"no answer within {DRAIN_S:g} s")
            for link in readable:
                for number, answer in link.receive():
                    _ended(loaded, number, answer, time.perf_counter() - sent_s[number], samples)
                    send(link)
        loaded.seconds = time.perf_counter() - begun
    return loaded


def open_loop(
    target: str,
    method: str,
    messages: Sequence[bytes],
    due_s: Sequence[float],
    *,
    deadline_s: float | None = None,
    connections: int = 1,
    samples: int = 8,
) -> Loaded:
    """Sends each message when it is due, seconds from the start, ascending.

    `deadline_s` after that a call is given up, as a gRPC client does, and the server is told so with the
    call. Raises OSError.
    """
    count = len(due_s)
    loaded = Loaded(seconds=due_s[-1], latency_s=[None] * count, lag_s=[0.0] * count)
    timeout_ms = None if deadline_s is None else max(1, round(deadline_s * 1000))
    with _connected(target, method, connections, timeout_ms) as (links, poll):
        open_calls: deque[tuple[float, int]] = deque()  # (when it is late, number), ascending
        ended = [False] * count
        sent = 0
        begun = time.perf_counter()
        end_s = due_s[-1] + (DRAIN_S if deadline_s is None else deadline_s)
        while True:
            now = time.perf_counter() - begun
            first = sent
            while sent < count and due_s[sent] <= now:
                links[sent % connections].call(sent, messages[sent])
                if deadline_s is not None:
                    open_calls.append((due_s[sent] + deadline_s, sent))
                sent += 1
            while open_calls and open_calls[0][0] <= now:
                _, number = open_calls.popleft()
                if not ended[number]:
                    ended[number] = True
                    loaded.late += 1
                    links[number % connections].cancel(number)
            if sent > first:
                for link in links:
                    link.flush()
                now = time.perf_counter() - begun
                for number in range(first, sent):
                    loaded.lag_s[number] = now - due_s[number]
            if sent == count and (now > end_s or not any(link.under_way for link in links)):
                return loaded
            next_s = due_s[sent] if sent < count else end_s
            if open_calls:
                next_s = min(next_s, open_calls[0][0])
            for link in poll(max(0.0, next_s - (time.perf_counter() - begun))):
                for number, answer in link.receive():
                    ended[number] = True
                    took = time.perf_counter() - begun - due_s[number]
                    if deadline_s is not None and took >= deadline_s:
                        loaded.late += 1  # the server gave it up, too, or answered too late
                    else:
                        _ended(loaded, number, answer, took, samples)


def evenly(rate: float, seconds: float) -> list[float]:
    """When calls are due that come at the same distance."""
    return [number / rate for number in range(max(1, int(rate * seconds)))]


def at_random(rate: float, seconds: float, seed: int = 1) -> list[float]:
    """When calls are due that know nothing of each other (a Poisson process)."""
    rng = random.Random(seed)  # noqa: S311 - the same arrivals each time, no secret
    due, at_s = [], 0.0
    while (at_s := at_s + rng.expovariate(rate)) < seconds:
        due.append(at_s)
    return due or [0.0]


def repeated(messages: Sequence[bytes], count: int) -> Iterator[bytes]:
    """`count` messages, from the start again when they are used up."""
    while count > 0:
        yield from islice(messages, count)
        count -= len(messages)


def _ended(loaded: Loaded, number: int, answer: bytes | None, took_s: float, samples: int) -> None:
    if answer is None:
        loaded.refused += 1
        return
    loaded.latency_s[number] = took_s
    if len(loaded.sample) < samples:
        loaded.sample.append(answer)


@contextmanager
def _connected(
    target: str, method: str, connections: int, timeout_ms: int | None
) -> Iterator[tuple[list[Connection], _Poll]]:
    links: list[Connection] = []
    try:
        links.extend(Connection(target, method, timeout_ms=timeout_ms) for _ in range(connections))
        poll = _Poll(links)
        yield links, poll
    finally:
        for link in links:
            link.close()


class _Poll:
    """Sends what is unsent, then waits; gives the connections on which something has come."""

    def __init__(self, links: list[Connection]) -> None:
        self._links = links

    def __call__(self, timeout_s: float) -> list[Connection]:
        for link in self._links:
            if link.unsent:
                link.flush()
        unsent = [link for link in self._links if link.unsent]
        readable, _, _ = select.select(self._links, unsent, [], timeout_s)
        return readable
