"""WatchAssignments: the life of a watcher's stream, from its token to its end.

A message is made when the one before has gone out, so a slow reader holds up nobody but itself; one
that reads nothing for too long is cut off. What an event is, and where it stands, is insight's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from fenliu.dispatch import Dispatcher
from fenliu.engine import QueryKind
from fenliu.insight.watch import AssignmentWatch
from fenliu.rpc.context import Context
from fenliu.rpc.errors import Refusal, abort, draining, engine_refusal, malformed, refusal
from fenliu.v1 import dispatch_pb2, shop_pb2


class WatchStreams:
    """The watchers of this process."""

    def __init__(
        self, dispatcher: Dispatcher, watch: AssignmentWatch, *, slow_reader_ms: int
    ) -> None:
        self._dispatcher = dispatcher
        self._watch = watch
        self._slow_reader_ms = slow_reader_ms
        self._draining = False

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        return {"/fenliu.v1.DispatchService/WatchAssignments": self.watch_assignments}

    def drain(self) -> None:
        """Ends every stream with UNAVAILABLE, after the message it is at."""
        self._draining = True
        self._watch.stop()

    async def watch_assignments(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """Events until the client ends, the server drains, or the client does not read."""
        wanted = _decoded(request)
        if wanted.shop_id:
            await self._find(wanted.shop_id)
        with _cut_off_when_slow(context, self._slow_reader_ms) as offer:
            async for event in self._watch.watch(wanted.shop_id, wanted.resume_token):
                offer.begin()
                yield event.SerializeToString()
                offer.end()
                if self._draining:
                    break
        raise draining()

    async def _find(self, shop_id: str) -> None:
        """Refuses, as the engine does, a shop that is none."""
        answer = await self._dispatcher.query(
            QueryKind.GET_SHOP, shop_pb2.GetShopRequest(shop_id=shop_id).SerializeToString()
        )
        if answer.code:
            raise engine_refusal(answer.body)


class _Offer:
    """Since when, on the loop's clock, a message waits for the client to make room; None: none does."""

    def __init__(self) -> None:
        self.since: float | None = None

    def begin(self) -> None:
        self.since = asyncio.get_running_loop().time()

    def end(self) -> None:
        self.since = None


@contextmanager
def _cut_off_when_slow(context: Context, limit_ms: int) -> Iterator[_Offer]:
    """Ends the call, whose task this is, when one message has been on offer for so long."""
    offer = _Offer()
    watchdog = asyncio.create_task(_cut_off(context, asyncio.current_task(), offer, limit_ms))
    try:
        yield offer
    finally:
        watchdog.cancel()


async def _cut_off(
    context: Context, handler: asyncio.Task[Any] | None, offer: _Offer, limit_ms: int
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
            await abort(context, _slow_reader(limit_ms))
    if handler is not None:
        handler.cancel()


def _slow_reader(limit_ms: int) -> Refusal:
    rule = f"nothing was read for {limit_ms} ms; the last message's resume_token goes on behind it"
    return refusal(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "SLOW_READER",
        rule,
        rule=rule,
    )


def _decoded(request: bytes) -> dispatch_pb2.WatchAssignmentsRequest:
    try:
        return dispatch_pb2.WatchAssignmentsRequest.FromString(request)
    except DecodeError:
        raise malformed("fenliu.v1.WatchAssignmentsRequest") from None
