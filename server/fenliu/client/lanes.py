"""How waiting calls get to the server and back: batches on a connection that is made again as needed.

Route inquiries share a stream with several batches under way; message events go one batch after the other,
which keeps each shop's order. A batch that was not answered is sent again: ids make that safe.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import DecodeError

from fenliu.client.calls import Answer, Call, Calls
from fenliu.client.channel import new_channel
from fenliu.client.credits import Credits
from fenliu.client.errors import FenliuError
from fenliu.client.retry import pause_s, retried
from fenliu.v1 import dispatch_pb2

ROUTE_STREAM = "/fenliu.v1.DispatchService/RouteStream"
REPORT_MESSAGES_BATCH = "/fenliu.v1.DispatchService/ReportMessagesBatch"

MAX_BATCH = 4_096
MAX_BATCH_BYTES = 1_048_576 - 16
"""What the server takes, less the batch's own id."""

Result = TypeVar("Result")

_Stream = grpc.aio.StreamStreamCall[bytes, bytes]
_Report = grpc.aio.UnaryUnaryMultiCallable[bytes, dispatch_pb2.ReportMessagesBatchResponse]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a lane may have under way. Raises ValueError naming the field and the rule."""

    max_batch: int = 512
    max_batches: int = 4
    max_wait_s: float | None = None
    stall_s: float = 10.0

    def __post_init__(self) -> None:
        if not 1 <= self.max_batch <= MAX_BATCH:
            raise ValueError(f"max_batch: must be within 1..{MAX_BATCH}")
        if self.max_batches < 1:
            raise ValueError("max_batches: must be at least 1")
        if self.max_wait_s is not None and not self.max_wait_s >= 0:
            raise ValueError("max_wait_s: must not be negative")
        if not self.stall_s > 0:
            raise ValueError("stall_s: must be positive")


@dataclass(slots=True)
class _Batch(Generic[Answer]):
    calls: list[Call[Answer]]
    sent_at: float
    under_way: int
    """Calls under way when it was sent, its own included."""


class Lane(ABC, Generic[Answer, Result]):
    """Answers its `calls` over one connection at a time; a task from `start` to `close`."""

    def __init__(self, target: str, bounds: Bounds) -> None:
        self.calls: Calls[Answer] = Calls()
        self._target = target
        self._bounds = bounds
        self._loop = asyncio.get_running_loop()
        self._under_way: dict[int, _Batch[Answer]] = {}
        """By batch id, in the order sent."""
        self._last_id = 0
        self._failures = 0  # in a row
        self._credits = Credits(bounds.max_batch * bounds.max_batches)
        self._stall = asyncio.Timeout(None)
        self._task = self._loop.create_task(self._run())

    @property
    def under_way(self) -> int:
        """Calls sent and not answered."""
        return sum(len(batch.calls) for batch in self._under_way.values())

    async def close(self, grace_s: float) -> None:
        """Answers or fails every call, then ends the connection."""
        await self.calls.close(grace_s)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @abstractmethod
    async def _exchange(self, channel: grpc.aio.Channel) -> None:
        """Sends `_next_batch`es and brings their answers to `_answered` until the connection breaks."""

    @abstractmethod
    def _settle(self, call: Call[Answer], result: Result) -> None:
        """Gives one call its result."""

    # Connections

    async def _run(self) -> None:
        while True:
            while not len(self.calls):
                self.calls.changed.clear()
                await self.calls.changed.wait()
            await self._recover(await self._connection())

    async def _connection(self) -> FenliuError:
        """One connection from its making to its end, and why it ended."""
        try:
            async with (
                new_channel(self._target) as channel,
                asyncio.timeout(None) as self._stall,
            ):
                await self._exchange(channel)
        except grpc.aio.AioRpcError as error:
            return FenliuError.from_rpc(error)
        except TimeoutError:
            text = f"no answer for {self._bounds.stall_s:g} s"
            return FenliuError(grpc.StatusCode.UNAVAILABLE, text)
        except DecodeError:
            return _unreadable()
        except FenliuError as error:
            return error
        return FenliuError(grpc.StatusCode.UNAVAILABLE, "the server ended the stream")

    async def _recover(self, error: FenliuError) -> None:
        """What was under way goes back to the queue; then the pause before the next connection."""
        unanswered = list(self._under_way.values())
        self._under_way.clear()
        if unanswered and not retried(error):
            # Batches are answered in order: the first without an answer is the one refused.
            for call in unanswered.pop(0).calls:
                call.fail(error.again())
        self.calls.put_back(call for batch in unanswered for call in batch.calls)
        self._credits.reconnected()
        self._failures += 1
        wait_s = pause_s(self._failures, error.pushback_ms if retried(error) else None)
        self.calls.trouble = error
        self.calls.give_up(self._loop.time() + wait_s, error)
        await asyncio.sleep(wait_s)

    # Batches

    async def _next_batch(self) -> tuple[int, bytes]:
        """A batch id and the calls' encodings one behind the other, when it is time to send one."""
        while True:
            while (due_s := self._due_s()) > 0:
                self.calls.changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if math.isinf(due_s) else due_s):
                        await self.calls.changed.wait()
            before = self.under_way
            calls = self.calls.take(self._full, MAX_BATCH_BYTES, self._credits.answer_s)
            if calls:
                break
        self._last_id += 1
        batch = _Batch(calls, self._loop.time(), before + len(calls))
        self._under_way[self._last_id] = batch
        self._watch_for_stall()
        return self._last_id, b"".join([call.encoded for call in calls])

    def _due_s(self) -> float:
        """Seconds until a batch is to be sent; infinity: when something has changed."""
        bounds = self._bounds
        if not len(self.calls) or len(self._under_way) >= bounds.max_batches:
            return math.inf
        if not self._under_way:
            return 0.0
        if self.under_way + self._full > self._credits.now:
            return math.inf
        if len(self.calls) >= self._full:
            return 0.0
        if bounds.max_wait_s is None:
            return math.inf
        return self.calls.oldest_since + bounds.max_wait_s - self._loop.time()

    @property
    def _full(self) -> int:
        """Calls that make a full batch: at most half of the credits, so that the server need not wait."""
        share = 1 if self._bounds.max_batches == 1 else 2
        return min(self._bounds.max_batch, max(1, self._credits.now // share))

    def _answered(self, batch_id: int, results: Sequence[Result]) -> None:
        batch = self._under_way.get(batch_id)
        if batch is None or len(batch.calls) != len(results):
            raise _unreadable()
        del self._under_way[batch_id]
        took_s = self._loop.time() - batch.sent_at
        self._credits.answered(len(batch.calls), batch.under_way, took_s)
        self._failures = 0
        self.calls.trouble = None
        for call, result in zip(batch.calls, results, strict=True):
            self._settle(call, result)
        self._watch_for_stall()
        self.calls.changed.set()

    def _watch_for_stall(self) -> None:
        oldest = next(iter(self._under_way.values()), None)
        self._stall.reschedule(None if oldest is None else oldest.sent_at + self._bounds.stall_s)


class RouteLane(Lane[dispatch_pb2.RouteResponse, dispatch_pb2.RouteResult]):
    """Inquiries over RouteStream. A call's encoding is a RouteStreamRequest of that one alone."""

    async def _exchange(self, channel: grpc.aio.Channel) -> None:
        stream: _Stream = channel.stream_stream(ROUTE_STREAM)()
        sending = asyncio.create_task(self._send(stream))
        try:
            async for raw in stream:
                answer = dispatch_pb2.RouteStreamResponse.FromString(raw)
                self._answered(answer.batch_id, answer.results)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, stream: _Stream) -> None:
        # A write on a broken stream ends this task; reading says why it broke.
        while True:
            batch_id, encoded = await self._next_batch()
            tail = dispatch_pb2.RouteStreamRequest(batch_id=batch_id).SerializeToString()
            await stream.write(encoded + tail)

    def _settle(
        self, call: Call[dispatch_pb2.RouteResponse], result: dispatch_pb2.RouteResult
    ) -> None:
        if result.HasField("response"):
            call.answer(result.response)
            return
        error = FenliuError.from_status(result.status)
        call.tries += 1
        wait_s = pause_s(call.tries, error.pushback_ms)
        if retried(error) and self._loop.time() + wait_s < call.deadline:
            self._loop.call_later(wait_s, self.calls.put_back, (call,))
        else:
            call.fail(error)


class MessageLane(Lane[dispatch_pb2.MessageResult, dispatch_pb2.MessageResult]):
    """Message events, those of a shop in order. A call's encoding is a ReportMessagesBatchRequest of that one alone."""

    async def _exchange(self, channel: grpc.aio.Channel) -> None:
        report: _Report = channel.unary_unary(
            REPORT_MESSAGES_BATCH,
            response_deserializer=dispatch_pb2.ReportMessagesBatchResponse.FromString,
        )
        while True:
            batch_id, encoded = await self._next_batch()
            self._answered(batch_id, (await report(encoded)).results)

    def _settle(
        self, call: Call[dispatch_pb2.MessageResult], result: dispatch_pb2.MessageResult
    ) -> None:
        # An event sent again by itself would overtake nobody but be overtaken: the caller decides.
        if result.HasField("status"):
            call.fail(FenliuError.from_status(result.status))
        else:
            call.answer(result)


def _unreadable() -> FenliuError:
    return FenliuError(grpc.StatusCode.INTERNAL, "the server's answer does not fit what was asked")
