"""One worker's way to another: calls over one stream, those of a moment together, answers as they come.

A stream that breaks is made again, for as long as it takes. What was not sent yet waits for it a little; what
was sent and not answered may have been decided, so its caller is told to ask again. Knows nothing of shops.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import grpc

from fenliu.dispatch import (
    Answer,
    ClockRefused,
    EngineFailure,
    JournalUnavailable,
    Overloaded,
    OwnerUnreachable,
)
from fenliu.workers.v1 import forwarding_pb2

log = logging.getLogger(__name__)

FORWARD = "/fenliu.workers.v1.ForwardingService/Forward"
OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),  # A new channel is a new connection.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)
WAIT_S = 2.0
"""So long after a connection broke calls wait for the next one; later ones are refused until there is one."""
RECONNECT_S = 0.02
WELCOME_S = 5.0
"""A connection that is not answered for so long is given up."""
RETRY_AFTER_MS = 200
MAX_UNANSWERED = 65_536
OVERLOAD_RETRY_MS = 100

Stream = grpc.aio.StreamStreamCall[bytes, bytes]
Known = Callable[[], Iterable[tuple[str, str]]]
"""(session id, shop id) of presence sessions that the other worker should know of."""


class _Pending:
    """A call whose answer is awaited."""

    __slots__ = ("answer", "call", "decided", "repeatable")

    def __init__(self, call: forwarding_pb2.Call, *, repeatable: bool) -> None:
        loop = asyncio.get_running_loop()
        self.call = call
        self.repeatable = repeatable
        """It changes nothing: it is sent again when its answer is lost."""
        self.answer: asyncio.Future[list[Answer]] = loop.create_future()
        self.decided: asyncio.Future[None] | None = (
            loop.create_future() if call.tell_decided else None
        )

    def fail(self, error: Exception) -> None:
        """Whoever waits raises it; nobody need."""
        for future in (self.decided, self.answer):
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()


class Peer:
    """Another worker. `start` and `close` once each; for one event loop."""

    def __init__(self, address: str, known: Known) -> None:
        """`address`: in grpc's terms. `known` is asked at each new connection."""
        self._address = address
        self._known = known
        self._numbers = 0
        self._unsent: OrderedDict[int, _Pending] = OrderedDict()
        self._sent: dict[int, _Pending] = {}
        self._changed = asyncio.Event()
        self._connected = asyncio.Event()
        self._gave_up = False  # waiting for a connection
        self._task: asyncio.Task[None] | None = None
        self.channel: grpc.aio.Channel | None = None
        """The connection there is; None: there is none."""

    def start(self) -> None:
        """Begins to connect; returns at once."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Ends the connection and fails what waits."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._fail((*self._sent.values(), *self._unsent.values()))

    async def connected(self) -> bool:
        """Waits for a connection as long as calls do; whether there is one."""
        if not self._connected.is_set() and not self._gave_up:
            with suppress(TimeoutError):
                async with asyncio.timeout(WAIT_S):
                    await self._connected.wait()
        return self._connected.is_set()

    async def ask(
        self,
        shape: forwarding_pb2.Shape,
        kind: int,
        requests: Sequence[bytes],
        *,
        actor: str = "",
        now_ms: int | None = None,
    ) -> list[Answer]:
        """One answer (COMMANDS: one for each request). Raises as `Dispatching.command`."""
        pending = self._begin(
            forwarding_pb2.Call(
                shape=shape, kind=kind, requests=requests, actor=actor, now_ms=now_ms
            ),
            repeatable=shape == forwarding_pb2.SHAPE_QUERY,
        )
        try:
            return await pending.answer
        finally:  # Who has gone is not asked for.
            self._unsent.pop(pending.call.number, None)

    async def begin_batch(
        self, kind: int, batch: bytes, now_ms: int | None, *, decided: bool
    ) -> asyncio.Future[list[Answer]]:
        """The answer to come; `decided`: only when it is decided. Both raise as `Dispatching.command`."""
        pending = self._begin(
            forwarding_pb2.Call(
                shape=forwarding_pb2.SHAPE_BATCH,
                kind=kind,
                requests=[batch],
                now_ms=now_ms,
                tell_decided=decided,
            ),
            repeatable=False,
        )
        if pending.decided is not None:
            try:
                await pending.decided
            finally:
                self._unsent.pop(pending.call.number, None)
        return pending.answer

    def _begin(self, call: forwarding_pb2.Call, *, repeatable: bool) -> _Pending:
        if self._gave_up:
            raise OwnerUnreachable(RETRY_AFTER_MS)
        if len(self._sent) + len(self._unsent) >= MAX_UNANSWERED:
            raise Overloaded(OVERLOAD_RETRY_MS)
        self._numbers += 1
        call.number = self._numbers
        pending = self._unsent[call.number] = _Pending(call, repeatable=repeatable)
        self._changed.set()
        return pending

    def _fail(self, waiting: Iterable[_Pending]) -> None:
        for pending in tuple(waiting):
            pending.fail(OwnerUnreachable(RETRY_AFTER_MS))

    # Connections

    async def _run(self) -> None:
        giving_up = self._give_up_later()
        while True:
            try:
                async with grpc.aio.insecure_channel(self._address, OPTIONS) as channel:
                    stream: Stream = channel.stream_stream(FORWARD)()
                    async with asyncio.timeout(WELCOME_S):
                        await stream.write(self._hello())
                        if await stream.read() is grpc.aio.EOF:
                            raise TimeoutError  # it is just ending
                    giving_up.cancel()
                    self._gave_up = False
                    self.channel = channel
                    self._connected.set()
                    await self._exchange(stream)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError):
                pass  # What was asked over it is told so below.
            except Exception:
                log.critical("the connection to %s failed", self._address, exc_info=True)
            finally:
                if self._connected.is_set():
                    log.info("the connection to %s has ended", self._address)
                    giving_up = self._give_up_later()
                    self._connected.clear()
                    self.channel = None
                    self._lost()
            await asyncio.sleep(RECONNECT_S)

    def _hello(self) -> bytes:
        sessions = [
            forwarding_pb2.Session(session_id=session_id, shop_id=shop_id)
            for session_id, shop_id in self._known()
        ]
        hello = forwarding_pb2.Hello(sessions=sessions)
        return forwarding_pb2.ForwardRequest(hello=hello).SerializeToString()

    async def _exchange(self, stream: Stream) -> None:
        sending = asyncio.create_task(self._send(stream))
        try:
            while isinstance(raw := await stream.read(), bytes):
                for answer in forwarding_pb2.ForwardResponse.FromString(raw).answers:
                    self._answered(answer)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, stream: Stream) -> None:
        # What comes while one message is on its way goes with the next. Reading says why it broke.
        while True:
            self._changed.clear()
            if not self._unsent:
                await self._changed.wait()
                continue
            # Who has gone, or is at the end of its time, is not asked for any more.
            taken = {n: one for n, one in self._unsent.items() if not one.answer.done()}
            self._unsent.clear()
            self._sent |= taken
            calls = [pending.call for pending in taken.values()]
            await stream.write(forwarding_pb2.ForwardRequest(calls=calls).SerializeToString())

    def _answered(self, answer: forwarding_pb2.CallAnswer) -> None:
        pending = self._sent.get(answer.number)
        if pending is None:
            return
        if answer.decided and pending.decided is not None:
            if not pending.decided.done():
                pending.decided.set_result(None)
            return
        del self._sent[answer.number]
        if answer.failure:
            pending.fail(_error(answer))
            return
        if pending.decided is not None and not pending.decided.done():
            pending.decided.set_result(None)
        if not pending.answer.done():
            pending.answer.set_result([Answer(one.code, one.body) for one in answer.replies])

    def _lost(self) -> None:
        """What was sent and not answered: asked again, or its caller is told to."""
        sent, self._sent = self._sent, {}
        for number, pending in reversed(sent.items()):
            if not pending.repeatable:
                pending.fail(OwnerUnreachable(RETRY_AFTER_MS))
            elif not pending.answer.done():
                self._unsent[number] = pending
                self._unsent.move_to_end(number, last=False)

    def _give_up_later(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(WAIT_S, self._give_up)

    def _give_up(self) -> None:
        self._gave_up = True
        self._fail(self._unsent.values())
        self._unsent.clear()


def _error(answer: forwarding_pb2.CallAnswer) -> Exception:
    """As the owner raised it."""
    match answer.failure:
        case forwarding_pb2.FAILURE_OVERLOADED:
            return Overloaded(answer.retry_after_ms)
        case forwarding_pb2.FAILURE_CLOCK_REFUSED:
            return ClockRefused()
        case forwarding_pb2.FAILURE_ENGINE:
            return EngineFailure()
        case _:
            return JournalUnavailable()
