"""Streams whose client does not read: cut off after a while, so that nothing piles up for them.

A message is made when the one before has gone out; a slow reader holds up nobody but itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import grpc

from fenliu.rpc.context import Context
from fenliu.rpc.errors import Refusal, abort, refusal


class Offer:
    """Since when, on the loop's clock, a message waits for the client to make room; None: none does."""

    def __init__(self) -> None:
        self.since: float | None = None

    def begin(self) -> None:
        """A message is on offer from now on."""
        self.since = asyncio.get_running_loop().time()

    def end(self) -> None:
        """It was taken."""
        self.since = None


@contextmanager
def cut_off_when_slow(context: Context, limit_ms: int, go_on: str) -> Iterator[Offer]:
    """Ends the call, whose task this is, when one message has been on offer for so long.

    `go_on`: what the client is told to do then.
    """
    offer = Offer()
    watchdog = asyncio.create_task(
        _cut_off(context, asyncio.current_task(), offer, limit_ms, go_on)
    )
    try:
        yield offer
    finally:
        watchdog.cancel()


async def _cut_off(
    context: Context, handler: asyncio.Task[Any] | None, offer: Offer, limit_ms: int, go_on: str
) -> None:
    clock = asyncio.get_running_loop().time
    limit_s = limit_ms / 1_000
    # It looks in once in a while, so that a message costs no timer of its own.
    while True:
        now = clock()
        left = limit_s if offer.since is None else offer.since + limit_s - now
        if left <= 0:
            break
        await asyncio.sleep(left)
    # The status goes behind what was sent before. Who does not even take that, or has gone meanwhile,
    # is let go of: whatever becomes of the status, the call ends.
    with suppress(Exception):
        async with asyncio.timeout(limit_s):
            await abort(context, _slow_reader(limit_ms, go_on))
    if handler is not None:
        handler.cancel()


def _slow_reader(limit_ms: int, go_on: str) -> Refusal:
    rule = f"nothing was read for {limit_ms} ms; {go_on}"
    return refusal(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "SLOW_READER",
        rule,
        rule=rule,
    )
