"""`Presence`: says who is at the desk, and keeps saying so. One StreamPresence, opened again as needed.

What was said last of each agent is what counts: it is sent again until the server has it, and once more
when the server has forgotten the session. A session that is alive is not repeated: a manager may
have set an agent's state meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

import grpc
from google.protobuf.message import DecodeError, Message

from fenliu.client.channel import new_channel
from fenliu.client.errors import FenliuError
from fenliu.client.retry import pause_s, retried
from fenliu.v1 import presence_pb2, types_pb2

log = logging.getLogger(__name__)

STREAM_PRESENCE = "/fenliu.v1.PresenceService/StreamPresence"
MAX_UPDATES = 512
STALL_S = 10.0
"""Without a welcome or an acknowledgement for so long, the connection is given up."""

# Coming back does not mend these.
_FINAL_CODES = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
_SUCCEEDED = "SESSION_RESUMED"  # Another process goes on with our session: it speaks, we do not.
_TOKEN_UNKNOWN = "RESUME_TOKEN_MISMATCH"  # noqa: S105 - a reason, no secret

_Key = tuple[str, str]
_Stream = grpc.aio.StreamStreamCall[Message, presence_pb2.StreamPresenceResponse]


class _Said:
    """The last word on one agent, and who waits until the server has it."""

    __slots__ = ("update", "waiters")

    def __init__(self, update: presence_pb2.PresenceUpdate) -> None:
        self.update = update
        self.waiters: list[asyncio.Future[None]] = []

    def settle(self, error: FenliuError | None) -> None:
        for waiter in self.waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error.again())


class Presence:
    """One presence session for all agents of this gateway process; an `async with`.

    `session_id`: empty makes one up. A process that takes over from another gives that one's `session_id`
    and `resume_token`. `timeout_s`: how long `set` waits, seconds. `on_connected` is told True when the server
    has welcomed the session, False when the connection is lost.
    Leaving does not change anybody: agents go OFFLINE when the lease runs out, unless they were set before.
    """

    def __init__(
        self,
        target: str,
        *,
        session_id: str = "",
        resume_token: str = "",
        timeout_s: float = 5.0,
        on_connected: Callable[[bool], None] | None = None,
    ) -> None:
        self.target = target
        self.session_id = session_id or uuid.uuid4().hex
        self.resume_token = resume_token
        self._timeout_s = timeout_s
        self._on_connected = on_connected
        self._connected = False
        self._unsent: dict[_Key, _Said] = {}
        self._sent: dict[str, _Said] = {}
        """By update id, in the order sent."""
        self._put_off: dict[_Key, _Said] = {}
        """What the server could not take just then, until it is said again."""
        self._kept: dict[_Key, presence_pb2.PresenceUpdate] = {}
        """What the server has of agents who are not OFFLINE."""
        self._changed = asyncio.Event()
        self._trouble: FenliuError | None = None
        self._ended: FenliuError | None = None
        self._failures = 0  # in a row
        self._stall = asyncio.Timeout(None)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the stream. Whoever still waits in `set` gets CANCELLED."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._end(FenliuError(grpc.StatusCode.CANCELLED, "the presence session was closed"))

    @property
    def connected(self) -> bool:
        """Whether the server has welcomed the session on a connection that still stands."""
        return self._connected

    async def set(
        self,
        shop_id: str,
        agent_id: str,
        status: types_pb2.PresenceStatus,
        *,
        awaiting: int | None = None,
    ) -> None:
        """Says an agent's state; returns when that, or what was said of the agent later, is durable.

        Raises FenliuError: the server's refusal, or why it could not be reached in time. Even then it
        is sent as soon as the server is there, unless it was refused or a later word replaces it.
        """
        if self._task is None:
            raise RuntimeError("the session is not open: use it in an `async with`")
        if self._ended is not None:
            raise self._ended.again()
        update = presence_pb2.PresenceUpdate(
            update_id=uuid.uuid4().hex,
            shop_id=shop_id,
            agent_id=agent_id,
            status=status,
            awaiting=awaiting,
        )
        key = (shop_id, agent_id)
        said = self._unsent.get(key) or self._put_off.pop(key, None) or _Said(update)
        said.update = update
        self._unsent[key] = said
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        said.waiters.append(waiter)
        self._changed.set()
        try:
            async with asyncio.timeout(self._timeout_s):
                await waiter
        except TimeoutError:
            if self._trouble is not None:
                raise self._trouble.again() from None
            text = f"not acknowledged within {self._timeout_s:g} s"
            raise FenliuError(grpc.StatusCode.DEADLINE_EXCEEDED, text) from None

    # Connections

    async def _run(self) -> None:
        while True:
            error = await self._connection()
            self._tell_connected(False)
            self._take_back()
            if error.reason == _TOKEN_UNKNOWN:
                # Another data directory, as after a restore, or a session id in use: begin anew.
                self.session_id, self.resume_token = uuid.uuid4().hex, ""
            elif error.code in _FINAL_CODES or error.reason == _SUCCEEDED:
                self._end(error)
                return
            self._trouble = error
            self._failures += 1
            await asyncio.sleep(pause_s(self._failures, max(0, error.pushback_ms or 0)))

    async def _connection(self) -> FenliuError:
        """One connection from its making to its end, and why it ended."""
        try:
            async with new_channel(self.target) as channel, asyncio.timeout(STALL_S) as self._stall:
                return await self._session(channel)
        except grpc.aio.AioRpcError as error:
            return FenliuError.from_rpc(error)
        except TimeoutError:
            text = f"no answer for {STALL_S:g} s"
            return FenliuError(grpc.StatusCode.UNAVAILABLE, text)
        except DecodeError:
            return FenliuError(grpc.StatusCode.INTERNAL, "the server's answer cannot be read")

    async def _session(self, channel: grpc.aio.Channel) -> FenliuError:
        stream: _Stream = channel.stream_stream(
            STREAM_PRESENCE,
            request_serializer=presence_pb2.StreamPresenceRequest.SerializeToString,
            response_deserializer=presence_pb2.StreamPresenceResponse.FromString,
        )()
        hello = presence_pb2.PresenceHello(
            session_id=self.session_id, resume_token=self.resume_token
        )
        with suppress(asyncio.InvalidStateError):  # It broke already; reading says why.
            await stream.write(presence_pb2.StreamPresenceRequest(hello=hello))
        sending: asyncio.Task[None] | None = None
        try:
            async for message in stream:
                if message.HasField("welcome"):
                    self._welcomed(message.welcome)
                    heartbeat_s = message.welcome.heartbeat_ms / 1_000
                    sending = asyncio.create_task(self._send(stream, heartbeat_s))
                self._acknowledged(message.acks)
                if message.HasField("reconnect"):
                    return FenliuError(
                        grpc.StatusCode.UNAVAILABLE,
                        "the server is stopping",
                        pushback_ms=message.reconnect.delay_ms,
                    )
        finally:
            stream.cancel()
            if sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        return FenliuError(grpc.StatusCode.UNAVAILABLE, "the server ended the stream")

    async def _send(self, stream: _Stream, heartbeat_s: float) -> None:
        """Updates as they come, else heartbeats. A write on a broken stream ends this task."""
        while True:
            if not self._unsent:
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(heartbeat_s):
                        await self._changed.wait()
            message = presence_pb2.StreamPresenceRequest()
            for key in list(self._unsent)[:MAX_UPDATES]:
                said = self._unsent.pop(key)
                self._sent[said.update.update_id] = said
                message.updates.append(said.update)
            if not message.updates:
                message.heartbeat.SetInParent()
            self._watch_for_stall()
            await stream.write(message)

    def _welcomed(self, welcome: presence_pb2.PresenceWelcome) -> None:
        self.resume_token = welcome.resume_token
        if not welcome.resumed:
            kept, self._kept = self._kept, {}
            for key, update in kept.items():
                self._unsent.setdefault(key, _Said(update))
        self._failures = 0
        self._trouble = None
        self._watch_for_stall()
        self._tell_connected(True)

    def _acknowledged(self, acks: Iterable[presence_pb2.PresenceAck]) -> None:
        for ack in acks:
            said = self._sent.pop(ack.update_id, None)
            if said is None:
                continue
            update, refused = said.update, ack.HasField("status")
            key = (update.shop_id, update.agent_id)
            error = FenliuError.from_status(ack.status) if refused else None
            earlier = self._put_off.pop(key, None)
            if earlier is not None:
                said.waiters = earlier.waiters + said.waiters
            if error is not None and retried(error):
                self._say_later(key, said, pause_s(1, error.pushback_ms))
                self._watch_for_stall()
                continue
            if refused or update.status == types_pb2.PRESENCE_STATUS_OFFLINE:
                self._kept.pop(key, None)
            else:
                self._kept[key] = update
            said.settle(error)
            self._watch_for_stall()

    def _say_later(self, key: _Key, said: _Said, wait_s: float) -> None:
        """Says it again after a while, unless a later word is there by then."""
        later = self._unsent.get(key)
        if later is not None:
            later.waiters = said.waiters + later.waiters
            return
        self._put_off[key] = said
        asyncio.get_running_loop().call_later(wait_s, self._say_again, key, said)

    def _say_again(self, key: _Key, said: _Said) -> None:
        if self._put_off.get(key) is said:
            del self._put_off[key]
            self._unsent[key] = said
            self._changed.set()

    def _take_back(self) -> None:
        """What was sent and not acknowledged is to be sent again, unless a later word is there."""
        unsent: dict[_Key, _Said] = {}
        for said in (*self._sent.values(), *self._unsent.values()):
            earlier = unsent.get((said.update.shop_id, said.update.agent_id))
            if earlier is not None:
                said.waiters = earlier.waiters + said.waiters
            unsent[said.update.shop_id, said.update.agent_id] = said
        self._sent.clear()
        self._unsent = unsent

    def _end(self, error: FenliuError) -> None:
        if self._ended is None:
            self._ended = error
        self._take_back()
        for said in (*self._put_off.values(), *self._unsent.values()):
            said.settle(self._ended)
        self._put_off.clear()
        self._unsent.clear()
        self._tell_connected(False)

    def _watch_for_stall(self) -> None:
        loop = asyncio.get_running_loop()
        self._stall.reschedule(loop.time() + STALL_S if self._sent else None)

    def _tell_connected(self, connected: bool) -> None:
        if connected == self._connected:
            return
        self._connected = connected
        if self._on_connected is not None:
            try:
                self._on_connected(connected)
            except Exception:
                log.exception("on_connected failed")
