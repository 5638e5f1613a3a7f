"""`FenliuGateway`: the client for programs without an event loop. It runs one in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from fenliu.client.client import FenliuClient
from fenliu.client.errors import FenliuError
from fenliu.client.presence import Presence
from fenliu.client.router import Router
from fenliu.v1 import dispatch_pb2, types_pb2

_Result = TypeVar("_Result")


class FenliuGateway:
    """All that a gateway needs, callable from any thread; a `with`. Calls of many threads share batches.

    `timeout_s` is how long a call may take in all, seconds, retries included. The presence session
    begins with the first `set_presence`; `on_connected` is then told, in this object's thread, when its
    connection comes and goes. Every method raises FenliuError.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout_s: float = 5.0,
        on_connected: Callable[[bool], None] | None = None,
    ) -> None:
        self.target = target
        self._timeout_s = timeout_s
        self._router = Router(target, timeout_s=timeout_s)
        self._client = FenliuClient(target, patience_s=timeout_s, timeout_s=timeout_s)
        self._presence = Presence(target, timeout_s=timeout_s, on_connected=on_connected)
        self._presence_opened = False
        self._open = AsyncExitStack()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._live(started)), name="fenliu-client", daemon=True
        )
        self._thread.start()
        self._loop = started.result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets the calls of other threads be answered or fail, then ends the connections."""
        with self._lock:
            loop, self._loop = self._loop, None
            if loop is not None:
                loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()

    def route(self, request: dispatch_pb2.RouteRequest) -> dispatch_pb2.RouteResponse:
        """As `Router.route`."""
        return self._run(self._router.route(request))

    def report(self, event: dispatch_pb2.MessageEvent) -> dispatch_pb2.MessageResult:
        """As `Router.report`."""
        return self._run(self._router.report(event))

    def set_presence(
        self,
        shop_id: str,
        agent_id: str,
        status: types_pb2.PresenceStatus,
        *,
        awaiting: int | None = None,
    ) -> None:
        """As `Presence.set`: with a lease, kept alive until this gateway ends."""
        self._run(self._set_presence(shop_id, agent_id, status, awaiting))

    def transfer(self, request: dispatch_pb2.TransferRequest) -> dispatch_pb2.TransferResponse:
        """As `FenliuClient.transfer`."""
        return self._run(self._client.transfer(request))

    def close_conversation(
        self, request: dispatch_pb2.CloseConversationRequest
    ) -> dispatch_pb2.CloseConversationResponse:
        """As `FenliuClient.close_conversation`."""
        return self._run(self._client.close_conversation(request))

    def cancel_inquiry(
        self, request: dispatch_pb2.CancelInquiryRequest
    ) -> dispatch_pb2.CancelInquiryResponse:
        """As `FenliuClient.cancel_inquiry`."""
        return self._run(self._client.cancel_inquiry(request))

    async def _live(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        async with self._open:
            await self._open.enter_async_context(self._client)
            await self._open.enter_async_context(self._router)
            started.set_result(asyncio.get_running_loop())
            await self._stop.wait()

    async def _set_presence(
        self,
        shop_id: str,
        agent_id: str,
        status: types_pb2.PresenceStatus,
        awaiting: int | None,
    ) -> None:
        if not self._presence_opened:
            self._presence_opened = True
            await self._open.enter_async_context(self._presence)
        await self._presence.set(shop_id, agent_id, status, awaiting=awaiting)

    def _run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        with self._lock:
            if self._loop is None:
                work.close()
                raise RuntimeError("the gateway is not open: use it in a `with`")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError:
            text = "the client was closed"
            raise FenliuError(grpc.StatusCode.CANCELLED, text) from None
        finally:
            future.cancel()  # The thread was interrupted; after the end this does nothing.
