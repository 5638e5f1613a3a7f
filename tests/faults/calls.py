"""Calls of any method for fuzzing: made by the contract's descriptors, damaged, sent, and what came of them.

What came of a call is a set of words: the fields of its answer, the codes, reasons, fields and rules of its
refusals. A call that brings a new word is worth keeping. Knows the contract, no rule.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import grpc
import grpc.aio
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from faults.fuzz import mutated
from fenliu.v1 import dispatch_pb2, insight_pb2, operator_pb2, presence_pb2, shop_pb2

METHODS: dict[str, MethodDescriptor] = {
    f"{service.name}/{method.name}": method
    for file in (dispatch_pb2, presence_pb2, shop_pb2, insight_pb2, operator_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
JOBS = frozenset(
    f"InsightService/{name}"
    for name in (
        "DiagnoseImbalance", "DiagnoseImbalanceStream", "PlanStaffing", "Simulate", "SimulateStream",
        "WatchShadow",
    )
)  # fmt: skip
"""What takes a process of its own: seldom asked for, and given up after a while."""
SHOPS = ("fuzz-1", "fuzz-2", "店")
"""What is done to them is done to nobody else."""
AGENTS = ("a", "b", "c", "é")
PATIENCE_S = 60.0
UNHEARD = "Internal error from Core"
"""grpc's client says so when it writes to a stream that the server has ended; what the server said is lost."""
LISTEN_S = 0.3
MOST_READ = 3
MOST_BYTES = 1 << 16

STRINGS = (
    "",
    "x" * 128,
    "x" * 129,
    "é" * 65,
    "a\nb",
    "\x00",
    "g",
    "*",
    "settings.busy_threshold",
    "店",
)
NUMBERS = (0, 1, -1, 2, 5, 9, 10, 100, 101, 1000, 1001, 4096, 20_001, 2**31 - 1, -(2**31), 2**53)
BY_NAME: dict[str, tuple[str, ...]] = {
    "shop_id": SHOPS,
    "group_id": ("g", "h"),
    "group_ids": ("g", "h"),
    "intents": ("refund", "size"),
    "intent": ("refund", "size"),
    "product_id": ("p1", "p2"),
    "product_ids": ("p1", "p2"),
    "page_source": ("search", "cart"),
    "page_sources": ("search", "cart"),
    "buyer_id": tuple(f"buyer-{n}" for n in range(20)),
    "request_id": tuple(f"r{n}" for n in range(50)),
    "event_id": tuple(f"e{n}" for n in range(50)),
    "order_id": ("o1", "o2"),
    "conversation_id": ("c1", "c2", "c9"),
    "session_id": ("s1", "s2", "s3"),
    "paths": (
        "*", "settings", "settings.busy_threshold", "settings.robot_id", "agents", "groups", "display_name",
        "weight", "cap", "bindings", "priority", "shop_id", "nothing", "settings.nothing",
    ),
    "permissions": ("dispatch.manage", "all"),
}  # fmt: skip
HARVESTED = frozenset(
    {
        "conversation_id", "decision_id", "etag", "change_id", "resume_token", "next_page_token", "page_token",
        "undoes_change_id",
    }
)  # fmt: skip
"""What servers give and want back; known by these names."""
ALSO = {"page_token": "next_page_token", "resume_token": "resume_token"}


SAID_ALWAYS = frozenset(
    {"shop_id", "window", "shop", "agent", "group", "agent_id", "simulate", "diagnose"}
)


@dataclass(frozen=True)
class Call:
    """One call: its messages in order (unary: one), and whether it is cancelled after them."""

    method: str
    messages: tuple[bytes, ...]
    cancelled: bool = False

    def line(self) -> str:
        """As a corpus has it."""
        return " ".join(
            ("cancel" if self.cancelled else "end", *(body.hex() or "-" for body in self.messages))
        )

    @staticmethod
    def of_line(method: str, line: str) -> Call:
        ending, *bodies = line.split()
        messages = tuple(b"" if body == "-" else bytes.fromhex(body) for body in bodies)
        return Call(method, messages, ending == "cancel")


class Words:
    """What servers have said that may be said again, by the name of its field."""

    def __init__(self) -> None:
        self._said: dict[str, list[str]] = {}
        self._conversations: list[tuple[str, str]] = []

    def begun(self, shop_id: str, conversation_id: str) -> None:
        """A conversation and whose it is."""
        if conversation_id:
            self._conversations.append((shop_id, conversation_id))
            del self._conversations[:-40]

    def fit(self, rng: Random, message: Any) -> None:
        """Has what a request names be one thing, mostly."""
        names = message.DESCRIPTOR.fields_by_name
        fits = "shop_id" in names and "conversation_id" in names and rng.randrange(4)
        if fits and self._conversations:
            message.shop_id, message.conversation_id = rng.choice(self._conversations)

    def learn(self, name: str, value: str) -> None:
        if name in HARVESTED and 0 < len(value) <= 300:
            some = self._said.setdefault(ALSO.get(name, name), [])
            some.append(value)
            del some[:-40]

    def draw(self, rng: Random, name: str) -> str:
        said = self._said.get(ALSO.get(name, name), [])
        known = BY_NAME.get(name, AGENTS if "agent_id" in name else ())
        if said and (not known or rng.randrange(3)):
            return rng.choice(said)
        return rng.choice(known or STRINGS)


class Maker:
    """Makes calls that are nearly right, or right."""

    def __init__(self, rng: Random, words: Words) -> None:
        self._rng = rng
        self._words = words

    def call(self, method: str) -> Call:
        """A new one, all of whose fields are drawn."""
        rng = self._rng
        descriptor = METHODS[method]
        kind = message_factory.GetMessageClass(descriptor.input_type)
        many = rng.randrange(1, 5) if descriptor.client_streaming else 1
        messages = []
        for number in range(many):
            message = kind()
            self._fill(message, 0, likely=rng.choice((0.0, 0.3, 0.7)))
            self._words.fit(rng, message)
            if method.endswith("StreamPresence") and rng.randrange(8):
                self._as_presence(message, first=number == 0)
            messages.append(message.SerializeToString()[:MOST_BYTES])
        return Call(method, tuple(messages), descriptor.client_streaming and rng.randrange(3) == 0)

    @staticmethod
    def _as_presence(message: Any, *, first: bool) -> None:
        if first:
            message.hello.session_id = message.hello.session_id or "s1"
        else:
            message.ClearField("hello")

    def changed(self, call: Call) -> Call:
        """Damaged: in a field, in its bytes, in the order of its messages, in its ending."""
        rng = self._rng
        messages = list(call.messages)
        cancelled = call.cancelled
        streaming = METHODS[call.method].client_streaming
        turn = rng.randrange(10)
        if streaming and turn == 0:
            cancelled = not cancelled
        elif streaming and turn == 1 and messages:
            messages.insert(rng.randrange(len(messages) + 1), rng.choice(messages))
        elif streaming and turn == 2 and messages:
            del messages[rng.randrange(len(messages))]
        elif messages:
            at = rng.randrange(len(messages))
            change = self._varied if rng.randrange(3) else self._damaged
            messages[at] = change(call.method, messages[at])[:MOST_BYTES]
        return Call(call.method, tuple(messages[:12]), cancelled)

    def _damaged(self, _method: str, body: bytes) -> bytes:
        return mutated(self._rng, body)

    def _varied(self, method: str, body: bytes) -> bytes:
        message = message_factory.GetMessageClass(METHODS[method].input_type)()
        try:
            message.ParseFromString(body)
        except DecodeError:
            return self._damaged(method, body)
        for _ in range(self._rng.choice((1, 1, 2, 3))):
            self._vary(message)
        return message.SerializeToString()

    def _vary(self, message: Message) -> None:
        rng = self._rng
        fields = message.DESCRIPTOR.fields
        if not fields:
            return
        field = rng.choice(fields)
        present = message.ListFields()
        inner = [f for f, _ in present if f.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE]
        if inner and rng.randrange(3):
            field = rng.choice(inner)
            value = getattr(message, field.name)
            if not field.is_repeated:
                self._vary(value)
            elif rng.randrange(4):
                self._vary(rng.choice(value))
            elif rng.randrange(2):
                del value[rng.randrange(len(value))]
            else:
                value.add().CopyFrom(rng.choice(value))
        elif rng.randrange(4) == 0:
            message.ClearField(field.name)
        else:
            self._set(message, field, 0, likely=0.5)

    def _fill(self, message: Message, depth: int, *, likely: float) -> None:
        for field in message.DESCRIPTOR.fields:
            # Ids are what a call says nothing without.
            odds = 0.95 if field.name in SAID_ALWAYS else likely
            if self._rng.random() < odds and depth < 5:
                self._set(message, field, depth, likely=likely)

    def _set(self, message: Message, field: FieldDescriptor, depth: int, *, likely: float) -> None:
        rng = self._rng
        if field.message_type is not None:
            for _ in range(rng.randrange(1, 4) if field.is_repeated else 1):
                value = getattr(message, field.name)
                part = value.add() if field.is_repeated else value
                part.SetInParent()
                if field.message_type.name == "Window" and rng.randrange(5):
                    now_ms = time.time_ns() // 1_000_000
                    part.start_ms, part.end_ms = now_ms - rng.randrange(120_000), now_ms
                else:
                    self._fill(part, depth + 1, likely=likely)
            return
        if field.is_repeated:
            some = getattr(message, field.name)
            some.extend(self._value(field) for _ in range(rng.randrange(1, 4)))
        else:
            setattr(message, field.name, self._value(field))

    def _value(self, field: FieldDescriptor) -> Any:
        rng = self._rng
        kinds = FieldDescriptor
        match field.cpp_type:
            case kinds.CPPTYPE_STRING if field.type == kinds.TYPE_BYTES:
                return rng.randbytes(rng.randrange(20))
            case kinds.CPPTYPE_STRING:
                if rng.randrange(12) == 0:
                    return rng.choice(STRINGS)
                return self._words.draw(rng, field.name)
            case kinds.CPPTYPE_BOOL:
                return rng.randrange(2) == 0
            case kinds.CPPTYPE_ENUM:
                known = len(field.enum_type.values)
                return rng.randrange(known) if rng.randrange(10) else rng.choice((known, -1, 99))
            case kinds.CPPTYPE_DOUBLE | kinds.CPPTYPE_FLOAT:
                return rng.choice((0.0, 1.0, -1.0, float("nan"), float("inf")))
            case _:
                number = rng.choice(NUMBERS) if rng.randrange(3) == 0 else rng.randrange(10)
                if field.cpp_type in (kinds.CPPTYPE_INT32, kinds.CPPTYPE_UINT32):
                    number = min(number, 2**31 - 1)
                unsigned = field.cpp_type in (kinds.CPPTYPE_UINT32, kinds.CPPTYPE_UINT64)
                return abs(number) if unsigned else number


@dataclass
class Outcome:
    """What came of a call."""

    code: grpc.StatusCode
    said: str
    """The refusal's text."""
    words: set[str]
    seconds: float


async def ask(channel: grpc.aio.Channel, call: Call, learned: Words | None = None) -> Outcome:
    """Sends it and waits for its end; of streams that do not end by themselves, a little."""
    method = METHODS[call.method]
    path = f"/fenliu.v1.{call.method}"
    began = time.monotonic()
    answers: list[bytes] = []
    try:
        if method.client_streaming and method.server_streaming:
            await _stream(channel.stream_stream(path)(timeout=PATIENCE_S), call, answers)
        elif method.client_streaming:
            await _stream(channel.stream_unary(path)(timeout=PATIENCE_S), call, answers)
        elif method.server_streaming:
            stream = channel.unary_stream(path)(call.messages[0], timeout=PATIENCE_S)
            await _listen(stream, answers)
        else:
            answers.append(await channel.unary_unary(path)(call.messages[0], timeout=PATIENCE_S))
    except grpc.aio.AioRpcError as error:
        if error.details() == UNHEARD:
            return Outcome(grpc.StatusCode.OK, "", set(), time.monotonic() - began)
        words = {f"{call.method} {word}" for word in _refusal(error)}
        words |= set(_words_of(call, answers, learned))
        return Outcome(error.code(), error.details() or "", words, time.monotonic() - began)
    if learned is not None and call.method == "DispatchService/Route":
        shop_id = dispatch_pb2.RouteRequest.FromString(call.messages[0]).shop_id
        learned.begun(shop_id, dispatch_pb2.RouteResponse.FromString(answers[0]).conversation_id)
    words = set(_words_of(call, answers, learned)) | {f"{call.method} OK"}
    return Outcome(grpc.StatusCode.OK, "", words, time.monotonic() - began)


async def _stream(stream: Any, call: Call, answers: list[bytes]) -> None:
    """Sends the messages, then ends or cancels."""
    reads = METHODS[call.method].server_streaming
    try:
        for body in call.messages:
            await stream.write(body)
        if not call.cancelled:
            await stream.done_writing()
    except asyncio.InvalidStateError:
        pass  # the server has ended it already
    if call.cancelled:
        if reads:
            await _listen(stream, answers)
        stream.cancel()
    elif reads:
        answers.extend([answer async for answer in stream])
    else:
        answers.append(await stream)


async def _listen(stream: Any, answers: list[bytes]) -> None:
    """Reads a few messages, or for a moment; then gives it up."""
    try:
        async with asyncio.timeout(LISTEN_S):
            async for answer in stream:
                answers.append(answer)
                if len(answers) >= MOST_READ:
                    break
    except TimeoutError:
        pass
    stream.cancel()


def _refusal(error: grpc.aio.AioRpcError) -> Iterator[str]:
    status = status_pb2.Status(code=error.code().value[0])
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
    yield _status(status)


def _status(status: status_pb2.Status) -> str:
    words = [str(status.code)]
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            words += [info.reason, info.metadata["field"], info.metadata["rule"]]
    return re.sub(r"\d+", "N", " ".join(words))[:200]


def _words_of(call: Call, answers: Sequence[bytes], learned: Words | None) -> Iterator[str]:
    kind = message_factory.GetMessageClass(METHODS[call.method].output_type)
    for answer in answers:
        for word in _walk(kind.FromString(answer), "", learned):
            yield f"{call.method} {word}"


def _walk(message: Message, place: str, learned: Words | None) -> Iterator[str]:
    if isinstance(message, status_pb2.Status):
        yield f"{place} refused {_status(message)}"
        return
    for field, value in message.ListFields():
        here = f"{place}.{field.name}"
        values = value if field.is_repeated else [value]
        if field.message_type is not None:
            for part in values[:50]:
                yield from _walk(part, here, learned)
        elif field.enum_type is not None:
            yield from (f"{here}={one}" for one in values[:50])
        else:
            yield here
            if learned is not None and field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
                for one in values[:50]:
                    if isinstance(one, str):
                        learned.learn(field.name, one)
