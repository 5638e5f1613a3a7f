"""`Router`: what a gateway calls for each buyer who writes. Many calls at once go out as few batches."""

from __future__ import annotations

import asyncio
import uuid
from types import TracebackType
from typing import Self

import grpc

from fenliu.client.errors import FenliuError
from fenliu.client.lanes import MAX_BATCH_BYTES, Bounds, MessageLane, RouteLane
from fenliu.v1 import dispatch_pb2


class Router:
    """Routes inquiries and reports messages over connections that mend themselves; an `async with`.

    `timeout_s`: how long a call may take in all, seconds, waiting and retries included; the default for
    calls that do not say. At most `max_batch` (1..4096) inquiries go out together and `max_batches` such
    batches are under way at once, fewer when the server gets slow; more waits here, where shops take turns, so
    that one with very many inquiries delays no other. A
    batch goes when the last one is answered, or when a full one waits; with `max_wait_s` also when its
    oldest call has waited that long. A connection on which an answer is `stall_s` late is given up.
    Raises ValueError for a value outside of its bounds.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout_s: float = 5.0,
        max_batch: int = 512,
        max_batches: int = 4,
        max_wait_s: float | None = None,
        stall_s: float = 10.0,
    ) -> None:
        self.target = target
        self._timeout_s = _positive(timeout_s)
        self._bounds = Bounds(max_batch, max_batches, max_wait_s, stall_s)
        self._lanes: tuple[RouteLane, MessageLane] | None = None

    async def __aenter__(self) -> Self:
        # One batch of events at a time: the next one could overtake it.
        one = Bounds(self._bounds.max_batch, 1, None, self._bounds.stall_s)
        self._lanes = (RouteLane(self.target, self._bounds), MessageLane(self.target, one))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close(self._timeout_s if kind is None else 0)

    async def close(self, grace_s: float = 5.0) -> None:
        """Takes no more calls, lets those there are be answered for so long, fails the rest (CANCELLED)."""
        await asyncio.gather(*(lane.close(grace_s) for lane in self._lanes or ()))

    async def route(
        self, request: dispatch_pb2.RouteRequest, *, timeout_s: float | None = None
    ) -> dispatch_pb2.RouteResponse:
        """Decides one inquiry. One without a `request_id` gets one, so that it can be sent again.

        Raises FenliuError: the server's refusal; why the server could not be reached in time; or
        DEADLINE_EXCEEDED, after which the inquiry may have been decided if it was sent: asking again
        with the same `request_id` tells.
        """
        message = dispatch_pb2.RouteStreamRequest()
        inquiry = message.requests.add()
        inquiry.CopyFrom(request)
        if not inquiry.request_id:
            inquiry.request_id = uuid.uuid4().hex
        routes, _ = self._open()
        return await routes.calls.ask(
            inquiry.shop_id,
            _fitting(message.SerializeToString(), "request"),
            self._timeout(timeout_s),
        )

    async def report(
        self, event: dispatch_pb2.MessageEvent, *, timeout_s: float | None = None
    ) -> dispatch_pb2.MessageResult:
        """Reports a message. A shop's events arrive in the order of the calls; one without an `event_id` gets one.

        Raises FenliuError as `route` does.
        """
        message = dispatch_pb2.ReportMessagesBatchRequest()
        copy = message.events.add()
        copy.CopyFrom(event)
        if not copy.event_id:
            copy.event_id = uuid.uuid4().hex
        _, messages = self._open()
        return await messages.calls.ask(
            copy.shop_id,
            _fitting(message.SerializeToString(), "event"),
            self._timeout(timeout_s),
        )

    @property
    def waiting(self) -> int:
        """Inquiries that wait in this client."""
        return len(self._open()[0].calls)

    @property
    def under_way(self) -> int:
        """Inquiries sent and not answered; never above max_batch * max_batches."""
        return self._open()[0].under_way

    def _open(self) -> tuple[RouteLane, MessageLane]:
        if self._lanes is None:
            raise RuntimeError("the router is not open: use it in an `async with`")
        return self._lanes

    def _timeout(self, timeout_s: float | None) -> float:
        return self._timeout_s if timeout_s is None else _positive(timeout_s)


def _positive(timeout_s: float) -> float:
    if not timeout_s > 0:
        raise ValueError("timeout_s: must be positive")
    return timeout_s


def _fitting(encoded: bytes, field: str) -> bytes:
    if len(encoded) <= MAX_BATCH_BYTES:
        return encoded
    rule = "must fit into a batch of 1 MiB"
    raise FenliuError(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"{field}: {rule}",
        reason="INVALID_FIELD",
        field=field,
        rule=rule,
    )
