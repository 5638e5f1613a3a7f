"""What a worker does for the others: decides their callers' commands, holds presence streams that came to them.

On a socket of its own, which only this server's workers reach.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import grpc

from fenliu.dispatch import (
    Answer,
    ClockRefused,
    Dispatching,
    EngineFailure,
    JournalUnavailable,
    Overloaded,
)
from fenliu.engine import CommandKind, QueryKind
from fenliu.rpc.methods import Methods
from fenliu.rpc.sessions import Sessions
from fenliu.workers.v1 import forwarding_pb2

log = logging.getLogger(__name__)

SERVICE = "fenliu.workers.v1.ForwardingService"
END_S = 1.0
OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
)


class Serving:
    """The private server of a worker."""

    def __init__(
        self, dispatcher: Dispatching, sessions: Sessions, address: str, streams: dict[str, Any]
    ) -> None:
        """`dispatcher`: of this worker's own partitions. `streams`: behaviours of presence, by method path."""
        self._dispatcher = dispatcher
        self._sessions = sessions
        self._address = address
        self._server = grpc.aio.server(options=OPTIONS)
        forward: Any = grpc.stream_stream_rpc_method_handler(self._forward)
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(SERVICE, {"Forward": forward}),
                Methods(streams, some=True),
            )
        )

    async def start(self) -> None:
        """Listens. Raises RuntimeError when the address cannot be had."""
        self._server.add_insecure_port(self._address)
        await self._server.start()

    async def stop(self) -> None:
        """Lets the others end their streams, which they do at the same time, a moment; then ends them."""
        await self._server.stop(END_S)

    async def _forward(self, requests: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
        outbox = _Outbox()
        reading = asyncio.create_task(self._read(requests, outbox))
        try:
            async for message in outbox.messages():
                yield message
        finally:
            reading.cancel()
            outbox.close()

    async def _read(self, requests: AsyncIterator[bytes], outbox: _Outbox) -> None:
        try:
            async for raw in requests:
                request = forwarding_pb2.ForwardRequest.FromString(raw)
                if request.HasField("hello"):
                    self._sessions.restore(
                        (one.session_id, one.shop_id) for one in request.hello.sessions
                    )
                    outbox.welcome()
                for call in request.calls:
                    outbox.run(self._serve(call, outbox))
        finally:
            outbox.end()

    async def _serve(self, call: forwarding_pb2.Call, outbox: _Outbox) -> None:
        answer = forwarding_pb2.CallAnswer(number=call.number)
        try:
            for one in await self._answers(call, outbox):
                answer.replies.add(code=one.code, body=one.body)
        except Overloaded as error:
            answer.failure = forwarding_pb2.FAILURE_OVERLOADED
            answer.retry_after_ms = error.retry_after_ms
        except JournalUnavailable:
            answer.failure = forwarding_pb2.FAILURE_JOURNAL_UNAVAILABLE
        except ClockRefused:
            answer.failure = forwarding_pb2.FAILURE_CLOCK_REFUSED
        except EngineFailure:
            answer.failure = forwarding_pb2.FAILURE_ENGINE
        except Exception as error:
            log.critical("a call of another worker failed", exc_info=error)
            answer.failure = forwarding_pb2.FAILURE_ENGINE
        outbox.put(answer)

    async def _answers(self, call: forwarding_pb2.Call, outbox: _Outbox) -> list[Answer]:
        dispatcher, requests = self._dispatcher, call.requests
        now_ms = call.now_ms if call.HasField("now_ms") else None
        match call.shape:
            case forwarding_pb2.SHAPE_COMMAND:
                kind = CommandKind(call.kind)
                return [
                    await dispatcher.command(kind, requests[0], actor=call.actor, now_ms=now_ms)
                ]
            case forwarding_pb2.SHAPE_COMMANDS:
                return await dispatcher.commands(
                    CommandKind(call.kind), list(requests), now_ms=now_ms
                )
            case forwarding_pb2.SHAPE_BATCH:
                begun = await dispatcher.begin_batch(
                    CommandKind(call.kind), requests[0], now_ms=now_ms
                )
                if call.tell_decided:
                    outbox.put(forwarding_pb2.CallAnswer(number=call.number, decided=True))
                batch = await begun.answer()
                return [Answer(batch.code, batch.results)]
            case forwarding_pb2.SHAPE_QUERY:
                return [await dispatcher.query(QueryKind(call.kind), requests[0], now_ms=now_ms)]
            case _:
                raise ValueError(f"no shape {call.shape}")


class _Outbox:
    """Answers of one stream: those that come while one message is on its way go with the next."""

    def __init__(self) -> None:
        self._next = forwarding_pb2.ForwardResponse()
        self._changed = asyncio.Event()
        self._ended = False
        self._under_way: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Does this beside everything else, until `close`."""
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def welcome(self) -> None:
        """Says that calls may come."""
        self._next.welcome = True
        self._changed.set()

    def put(self, answer: forwarding_pb2.CallAnswer) -> None:
        """Sends it with the next message."""
        self._next.answers.append(answer)
        self._changed.set()

    def end(self) -> None:
        """Nobody reads what is put any more."""
        self._ended = True
        self._changed.set()

    def close(self) -> None:
        """Gives up what is under way: nobody waits for the answers. What is decided stays decided."""
        for task in self._under_way:
            task.cancel()

    async def messages(self) -> AsyncIterator[bytes]:
        """The messages, each as soon as the one before is gone."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            message, self._next = self._next, forwarding_pb2.ForwardResponse()
            yield message.SerializeToString()
            if self._ended:
                return
