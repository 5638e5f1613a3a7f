"""Batches of inquiries through a gRPC library's client: RouteStream or RouteBatch, a few under way.

A batch carries so much that what the client costs does not matter here. Each batch's replies are reported
in one call when it is answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

import grpc

from fenliu.load.workload import REPORT, ROUTE_BATCH, ROUTE_STREAM
from fenliu.v1 import dispatch_pb2

UNDER_WAY = 8
"""With 4, as `fenliu.client` has it, a server has nothing to do for a sixth of the time: they wait for the disk."""
_Unary = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
_OPTIONS = (("grpc.max_receive_message_length", -1),)

Batches = Iterable[tuple[bytes, bytes]]
"""Encoded inquiries and the replies to them, as `Workload.batch` gives them."""


@dataclass(slots=True)
class Answered:
    """What came of the batches: how many were answered, in how long, and the last answers of each kind."""

    batches: int = 0
    seconds: float = 0.0
    routed: bytes = b""
    reported: bytes = b""

    @property
    def rate(self) -> float:
        """Batches a second."""
        return self.batches / self.seconds

    @property
    def refused(self) -> int:
        """How many of the last batch's inquiries and replies were."""
        routed = dispatch_pb2.RouteBatchResponse.FromString(self.routed).results
        reported = dispatch_pb2.ReportMessagesBatchResponse.FromString(self.reported).results
        statuses = [one.status for one in routed] + [one.status for one in reported]
        return sum(bool(status.code) for status in statuses)


async def send_batches(
    target: str,
    batches: Batches,
    *,
    streamed: bool = True,
    replies: bool = True,
    seconds: float | None = None,
) -> Answered:
    """Sends all batches, or those that go out within so many seconds. Raises grpc.aio.AioRpcError."""
    async with grpc.aio.insecure_channel(target, options=_OPTIONS) as channel:
        await channel.channel_ready()
        answered = Answered()
        begun = time.perf_counter()
        until = begun + seconds if seconds is not None else float("inf")
        pending = (one for one in batches if time.perf_counter() < until)
        if streamed:
            await _stream(channel, pending, answered, replies=replies)
        else:
            await _unary(channel, pending, answered, replies=replies)
        answered.seconds = time.perf_counter() - begun
    return answered


async def _stream(
    channel: grpc.aio.Channel, batches: Batches, answered: Answered, *, replies: bool
) -> None:
    report: _Unary = channel.unary_unary(REPORT)
    call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(ROUTE_STREAM)()
    room = asyncio.Semaphore(UNDER_WAY)
    sent: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def reported(events: bytes) -> None:
        answered.reported = await report(events)
        room.release()

    async def read() -> None:
        async with asyncio.TaskGroup() as tasks:
            while (events := await sent.get()) is not None:
                routed = await call.read()
                if not isinstance(routed, bytes):  # the call has ended; writing says why
                    return
                answered.routed = routed
                answered.batches += 1
                if replies:
                    tasks.create_task(reported(events))
                else:
                    room.release()

    async def write() -> None:
        for inquiries, events in batches:
            await room.acquire()
            await call.write(inquiries)
            sent.put_nowait(events)
        await call.done_writing()
        sent.put_nowait(None)

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            tasks.create_task(write())
    except* grpc.aio.AioRpcError as group:
        raise _first(group) from None


async def _unary(
    channel: grpc.aio.Channel, batches: Batches, answered: Answered, *, replies: bool
) -> None:
    route: _Unary = channel.unary_unary(ROUTE_BATCH)
    report: _Unary = channel.unary_unary(REPORT)
    pending = iter(batches)

    async def worker() -> None:
        for inquiries, events in pending:
            answered.routed = await route(inquiries)
            answered.batches += 1
            if replies:
                answered.reported = await report(events)

    await asyncio.gather(*(worker() for _ in range(UNDER_WAY)))


def _first(group: BaseExceptionGroup[grpc.aio.AioRpcError]) -> grpc.aio.AioRpcError:
    error: grpc.aio.AioRpcError | BaseExceptionGroup[grpc.aio.AioRpcError] = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
