"""StreamPresence: many agents over one stream, acknowledged update by update once durable.

Owns the life of a stream; leases are in sessions.py, what an update does is the engine's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from fenliu.dispatch import Dispatching
from fenliu.engine import CommandKind
from fenliu.engine.ids import broken_id_rule
from fenliu.engine.v1 import engine_pb2
from fenliu.rpc.context import Context, now_ms
from fenliu.rpc.errors import Refusal, draining, invalid, malformed, refusal
from fenliu.rpc.sessions import Session, Sessions
from fenliu.v1 import presence_pb2

MAX_UPDATES = 4_096
RECONNECT_DELAY_MS = 1_000


class PresenceStreams:
    """The presence streams of this process."""

    def __init__(self, dispatcher: Dispatching, sessions: Sessions) -> None:
        self._dispatcher = dispatcher
        self._sessions = sessions
        self._draining = asyncio.Event()

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        return {"/fenliu.v1.PresenceService/StreamPresence": self.stream_presence}

    def drain(self) -> None:
        """Sends `reconnect` on every stream and ends it; leases run on."""
        self._draining.set()

    async def stream_presence(
        self, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        """welcome, then acknowledgements in the order of the updates; reconnect when draining."""
        given_ms = now_ms(context)
        stream = object()
        messages = aiter(requests)
        hello = await self._next(messages)
        if hello is None:
            return
        session, resumed = self._open(hello, stream)
        yield presence_pb2.StreamPresenceResponse(
            welcome=presence_pb2.PresenceWelcome(
                lease_ms=self._sessions.lease_ms,
                heartbeat_ms=self._sessions.heartbeat_ms(),
                resume_token=self._sessions.token(session.session_id),
                resumed=resumed,
            )
        ).SerializeToString()
        message: presence_pb2.StreamPresenceRequest | None = hello
        while message is not None:
            if session.stream is not stream:
                raise _lost(session)
            self._sessions.renew(session)
            if message is not hello and message.HasField("hello"):
                raise invalid("hello", "only the first message is hello")
            if message.updates:
                yield (await self._apply(session, message, given_ms)).SerializeToString()
            message = await self._next(messages)
            if message is None and self._draining.is_set():
                yield presence_pb2.StreamPresenceResponse(
                    reconnect=presence_pb2.PresenceReconnect(delay_ms=RECONNECT_DELAY_MS)
                ).SerializeToString()
                raise draining()

    def _open(
        self, message: presence_pb2.StreamPresenceRequest, stream: object
    ) -> tuple[Session, bool]:
        if not message.HasField("hello"):
            raise invalid("hello", "the first message must be hello")
        session_id = message.hello.session_id
        if (rule := broken_id_rule(session_id)) is not None:
            raise invalid("hello.session_id", rule)
        return self._sessions.open(session_id, message.hello.resume_token, stream)

    async def _next(
        self, messages: AsyncIterator[bytes]
    ) -> presence_pb2.StreamPresenceRequest | None:
        """The next message; None when the client has ended or the server drains."""
        reading = asyncio.ensure_future(anext(messages, None))
        drained = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait((reading, drained), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                return None
            raw = reading.result()
        finally:
            reading.cancel()
            drained.cancel()
        if raw is None:
            return None
        try:
            return presence_pb2.StreamPresenceRequest.FromString(raw)
        except DecodeError:
            raise malformed("fenliu.v1.StreamPresenceRequest") from None

    async def _apply(
        self,
        session: Session,
        message: presence_pb2.StreamPresenceRequest,
        given_ms: int | None,
    ) -> presence_pb2.StreamPresenceResponse:
        """Decides the updates in order, answers when all are durable. Each one fails alone."""
        if len(message.updates) > MAX_UPDATES:
            raise invalid("updates", f"at most {MAX_UPDATES} elements")
        # Before the answer, which may get lost: the lease is then for these shops, too.
        new = {update.shop_id for update in message.updates} - session.shops
        session.shops |= new
        answers = await self._dispatcher.commands(
            CommandKind.UPDATE_PRESENCE,
            [
                engine_pb2.UpdatePresence(
                    session_id=session.session_id, update=update
                ).SerializeToString()
                for update in message.updates
            ],
            now_ms=given_ms,
        )
        response = presence_pb2.StreamPresenceResponse()
        for update, answer in zip(message.updates, answers, strict=True):
            if answer.code:
                response.acks.add(
                    update_id=update.update_id, status=status_pb2.Status.FromString(answer.body)
                )
            else:
                new.discard(update.shop_id)
                response.acks.append(presence_pb2.PresenceAck.FromString(answer.body))
        session.shops -= new  # nothing of them was taken
        return response


def _lost(session: Session) -> Refusal:
    """Why this stream may no longer speak for its session."""
    if session.stream is None:
        return refusal(
            grpc.StatusCode.ABORTED,
            "SESSION_EXPIRED",
            "the lease ran out: connect again with hello and send every agent's state",
        )
    return refusal(
        grpc.StatusCode.ABORTED, "SESSION_RESUMED", "another stream has resumed this session"
    )
