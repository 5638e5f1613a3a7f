"""Presence streams at their session's home: piped there as they are, whichever worker they came to.

So a session, its lease and the stream that speaks for it are in one place, wherever its client connects, and a
worker that dies takes no lease with it but those it is home of. Reads of a stream the first message only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from fenliu.dispatch import OwnerUnreachable
from fenliu.rpc.context import NOW, Context
from fenliu.rpc.errors import PUSHBACK_METADATA, STATUS_METADATA, Refusal, draining
from fenliu.v1 import presence_pb2
from fenliu.workers.peer import RETRY_AFTER_MS, Peer
from fenliu.workers.seat import Seat, home_of

STREAM_PRESENCE = "/fenliu.v1.PresenceService/StreamPresence"


class PresencePipes:
    """The presence streams that come to this worker's public port."""

    def __init__(self, seat: Seat, peers: Mapping[int, Peer]) -> None:
        self._seat = seat
        self._peers = peers
        self._draining = asyncio.Event()

    def behaviour(self, at_home: Any) -> Any:
        """StreamPresence for the public port; `at_home`: that of sessions whose home this worker is."""

        async def stream_presence(
            requests: AsyncIterator[bytes], context: Context
        ) -> AsyncIterator[bytes]:
            messages = aiter(requests)
            hello = await self._first(messages)
            if hello is None:
                return
            home = home_of(_session_of(hello), self._seat.workers)
            everything = _with(hello, messages)
            if home == self._seat.index:
                answers = at_home(everything, context)
            else:
                answers = self._piped(self._peers[home], everything, context)
            async for answer in answers:
                yield answer

        return stream_presence

    def drain(self) -> None:
        """Ends the streams that have not said hello; the others are ended by their homes."""
        self._draining.set()

    async def _first(self, messages: AsyncIterator[bytes]) -> bytes | None:
        """The first message; None when the client has ended or the server drains."""
        reading = asyncio.ensure_future(anext(messages, None))
        drained = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait((reading, drained), return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else None
        finally:
            reading.cancel()
            drained.cancel()

    async def _piped(
        self, peer: Peer, messages: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        if not await peer.connected() or peer.channel is None:
            raise OwnerUnreachable(RETRY_AFTER_MS)
        metadata = [one for one in context.invocation_metadata() or () if one[0] == NOW]
        pipe: grpc.aio.StreamStreamMultiCallable[bytes, bytes]
        pipe = peer.channel.stream_stream(STREAM_PRESENCE)
        call = pipe(messages, metadata=tuple(metadata))
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise _passed_on(error) from None
        finally:
            call.cancel()


def _session_of(hello: bytes) -> str:
    """ "": none; any worker says why."""
    try:
        return presence_pb2.StreamPresenceRequest.FromString(hello).hello.session_id
    except DecodeError:
        return ""


async def _with(first: bytes, messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for message in messages:
        yield message


def _passed_on(error: grpc.aio.AioRpcError) -> Exception:
    """What the home ended a stream with, for the client."""
    trailers = dict(error.trailing_metadata() or ())
    details = trailers.get(STATUS_METADATA)
    if isinstance(details, bytes):
        pushback = trailers.get(PUSHBACK_METADATA)
        return Refusal(
            status_pb2.Status.FromString(details), None if pushback is None else int(pushback)
        )
    if error.code() == grpc.StatusCode.CANCELLED:  # its grace was over
        return draining()
    return OwnerUnreachable(RETRY_AFTER_MS)
