"""A man in the middle: passes a gateway's calls on to a real server, counts them, and disturbs as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from fenliu.v1 import dispatch_pb2, presence_pb2

Trailers = tuple[tuple[str, str], ...]
ROUTE_STREAM = "/fenliu.v1.DispatchService/RouteStream"
REPORT = "/fenliu.v1.DispatchService/ReportMessagesBatch"
PRESENCE = "/fenliu.v1.PresenceService/StreamPresence"


class Middle:
    """Listens on a port of its own for RouteStream, ReportMessagesBatch and StreamPresence."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.address = ""
        self.open = asyncio.Event()
        """While it is not set, nothing is passed on to the server."""
        self.open.set()
        self.batches: list[dispatch_pb2.RouteStreamRequest] = []
        """All that came, in order."""
        self.reports: list[dispatch_pb2.ReportMessagesBatchRequest] = []
        self.presence: list[presence_pb2.StreamPresenceRequest] = []
        self.streams = 0
        self.under_way = 0
        self.most_under_way = 0
        self.refusals: list[tuple[grpc.StatusCode, Trailers]] = []
        """The next batches end their stream like this before the server sees them."""
        self.cuts = 0
        """So many next answers are lost, and their stream with them."""
        self.swallowed = 0
        """So many next batches are never answered."""
        self.work_s = 0.0
        """Time one inquiry takes, one after the other."""
        self.rewrite: Callable[[dispatch_pb2.RouteStreamResponse], None] | None = None
        """Changes the next answer."""
        self.breaking = asyncio.Event()
        """Set: presence streams break."""
        self._one_at_a_time = asyncio.Lock()

    @property
    def asked(self) -> list[str]:
        """The buyers of all inquiries that came, in order."""
        return [inquiry.buyer_id for batch in self.batches for inquiry in batch.requests]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Middle]:
        server = grpc.aio.server()
        for service, handlers in {
            "DispatchService": {
                "RouteStream": grpc.stream_stream_rpc_method_handler(self._route),
                "ReportMessagesBatch": grpc.unary_unary_rpc_method_handler(self._report),
            },
            "PresenceService": {
                "StreamPresence": grpc.stream_stream_rpc_method_handler(self._presence),
            },
        }.items():
            server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(f"fenliu.v1.{service}", handlers),)
            )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self.address = f"127.0.0.1:{port}"
        async with grpc.aio.insecure_channel(self.upstream) as self._channel:
            try:
                yield self
            finally:
                await server.stop(None)

    async def _route(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        self.streams += 1
        arrived: asyncio.Queue[bytes | None] = asyncio.Queue()
        mine = 0

        async def count() -> None:
            nonlocal mine
            async for raw in requests:
                batch = dispatch_pb2.RouteStreamRequest.FromString(raw)
                self.batches.append(batch)
                mine += len(batch.requests)
                self.under_way += len(batch.requests)
                self.most_under_way = max(self.most_under_way, self.under_way)
                await arrived.put(raw)
            await arrived.put(None)

        counting = asyncio.create_task(count())
        upstream = self._channel.stream_stream(ROUTE_STREAM)()
        try:
            while (raw := await arrived.get()) is not None:
                await self.open.wait()
                size = len(dispatch_pb2.RouteStreamRequest.FromString(raw).requests)
                if self.refusals:
                    code, trailers = self.refusals.pop(0)
                    await context.abort(code, "as scripted", trailers)
                if self.work_s:
                    async with self._one_at_a_time:
                        await asyncio.sleep(self.work_s * size)
                await upstream.write(raw)
                answer = dispatch_pb2.RouteStreamResponse.FromString(await upstream.read())
                if self.cuts:
                    self.cuts -= 1
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "cut")
                if self.swallowed:
                    self.swallowed -= 1
                    continue
                if self.rewrite is not None:
                    rewrite, self.rewrite = self.rewrite, None
                    rewrite(answer)
                mine -= size
                self.under_way -= size
                yield answer.SerializeToString()
        finally:
            self.under_way -= mine
            counting.cancel()
            upstream.cancel()

    async def _report(self, request: bytes, context: Any) -> bytes:
        self.reports.append(dispatch_pb2.ReportMessagesBatchRequest.FromString(request))
        await self.open.wait()
        answer: bytes = await self._channel.unary_unary(REPORT)(request)
        if self.cuts:
            self.cuts -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "cut")
        return answer

    async def _presence(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        self.streams += 1
        await self.open.wait()
        upstream = self._channel.stream_stream(PRESENCE)()

        async def forward() -> None:
            async for raw in requests:
                self.presence.append(presence_pb2.StreamPresenceRequest.FromString(raw))
                await upstream.write(raw)

        async def cut() -> None:
            await self.breaking.wait()
            upstream.cancel()

        tasks = [asyncio.create_task(forward()), asyncio.create_task(cut())]
        try:
            async for raw in upstream:
                yield raw
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details(), error.trailing_metadata())
        except asyncio.CancelledError:
            if not self.breaking.is_set():
                raise
            await context.abort(grpc.StatusCode.UNAVAILABLE, "cut")
        finally:
            for task in tasks:
                task.cancel()
            upstream.cancel()
