"""The gateway's streams: pipelined batches of inquiries, and batches of message events.

Batches of one stream are decided in the order sent and answered in that order; the next one is decided
while the one before is still being made durable. How many may be under way bounds a client's memory here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fenliu.dispatch import BatchToCome, Dispatching
from fenliu.engine import CommandKind
from fenliu.rpc.context import Context, now_ms
from fenliu.rpc.errors import draining, engine_refusal
from fenliu.v1 import dispatch_pb2

MAX_BATCHES_UNDER_WAY = 32


class GatewayStreams:
    """RouteStream and ReportMessages; `drain()` ends them after what was already read is answered."""

    def __init__(self, dispatcher: Dispatching) -> None:
        self._dispatcher = dispatcher
        self._draining = asyncio.Event()

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        return {
            "/fenliu.v1.DispatchService/RouteStream": self.route_stream,
            "/fenliu.v1.DispatchService/ReportMessages": self.report_messages,
        }

    def drain(self) -> None:
        """Lets every stream answer what it has read, then ends it with UNAVAILABLE."""
        self._draining.set()

    async def route_stream(
        self, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        """Decides in one task, answers in this one; ends when the client ended and all is answered."""
        given_ms = now_ms(context)
        decided: asyncio.Queue[BatchToCome | BaseException | None] = asyncio.Queue(
            MAX_BATCHES_UNDER_WAY
        )

        async def decide() -> None:
            try:
                async for request in requests:
                    await decided.put(
                        await self._dispatcher.begin_batch(
                            CommandKind.ROUTE, request, now_ms=given_ms
                        )
                    )
            except asyncio.CancelledError:
                raise
            except Exception as error:
                await decided.put(error)
            else:
                await decided.put(None)

        async def decide_until_drained() -> None:
            reader = asyncio.create_task(decide())
            drained = asyncio.create_task(self._draining.wait())
            try:
                await asyncio.wait((reader, drained), return_when=asyncio.FIRST_COMPLETED)
                if not reader.done():
                    reader.cancel()
                    await asyncio.gather(reader, return_exceptions=True)
                    await decided.put(draining())
            finally:
                reader.cancel()
                drained.cancel()

        deciding = asyncio.create_task(decide_until_drained())
        try:
            while (item := await decided.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                answer = await item.answer()
                if answer.code:
                    raise engine_refusal(answer.results)
                yield answer.results + _batch_id(answer.batch_id)
        finally:
            deciding.cancel()

    async def report_messages(self, requests: AsyncIterator[bytes], context: Context) -> bytes:
        """Takes batches until the client ends; one answer with the counts."""
        given_ms = now_ms(context)
        total = dispatch_pb2.ReportMessagesResponse()
        async for request in requests:
            answer = await self._dispatcher.batch(CommandKind.MESSAGE, request, now_ms=given_ms)
            if answer.code:
                raise engine_refusal(answer.results)
            _count(total, dispatch_pb2.ReportMessagesBatchResponse.FromString(answer.results))
            if self._draining.is_set():
                raise draining()
        return total.SerializeToString()


def _batch_id(batch_id: int) -> bytes:
    """The `batch_id` field of a RouteStreamResponse, to stand behind its encoded results."""
    return dispatch_pb2.RouteStreamResponse(batch_id=batch_id).SerializeToString()


def _count(
    total: dispatch_pb2.ReportMessagesResponse, batch: dispatch_pb2.ReportMessagesBatchResponse
) -> None:
    for result in batch.results:
        if result.HasField("status"):
            total.rejected += 1
            if not total.HasField("first_rejection"):
                total.first_rejection.CopyFrom(result.status)
        elif result.duplicate:
            total.duplicates += 1
        else:
            total.accepted += 1
            total.clamped += result.clamped
