"""Log entries as bytes and back (docs/engine.md section 1, *What is logged*)."""

from collections.abc import Iterable
from typing import TypeAlias

from google.protobuf.message import Message

from fenliu.engine.answers import route_response
from fenliu.engine.kinds import CommandKind
from fenliu.engine.pure import closing, decision, wire
from fenliu.engine.pure.commands import COMMANDS, Command
from fenliu.engine.pure.document import knows_its_agents
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, types_pb2

PartitionEntries: TypeAlias = tuple[int, int, bytes]
"""(partition, number of entries, the entries: each an encoded `Entry` behind its length as a varint)."""


class EntriesByPartition:
    """Entries as they come, told apart by partition."""

    def __init__(self) -> None:
        self._entries: dict[int, list[bytes]] = {}

    def add(self, partition: int, entry: bytes) -> None:
        if entry:
            self._entries.setdefault(partition, []).append(entry)

    def listed(self) -> list[PartitionEntries]:
        return [
            (partition, len(entries), b"".join(entries))
            for partition, entries in sorted(self._entries.items())
        ]


def split_entries(entries: bytes, start: int = 0) -> Iterable[tuple[bytes, int]]:
    """The entries from this offset on, each with the offset behind it. Raises ValueError."""
    try:
        yield from wire.split_delimited(entries, start)
    except wire.MalformedError:
        raise ValueError("the entries break off") from None


def decode_entry(data: bytes) -> engine_pb2.Entry:
    try:
        entry = wire.decode(engine_pb2.Entry, data)
    except (wire.MalformedError, wire.NotUtf8Error):
        raise ValueError("not an entry") from None
    for fact in entry.facts:
        kind = fact.WhichOneof("fact")
        if kind is None:
            raise ValueError("an entry with a fact of an unknown kind")
        if kind == "shop_applied" and not knows_its_agents(fact.shop_applied.shop):
            raise ValueError("an entry with a shop that names an unknown agent")
    return entry


def command_of(entry: engine_pb2.Entry) -> tuple[Command, Message]:
    name = entry.WhichOneof("command")
    if name is None:
        raise ValueError("an entry without a command")
    number = engine_pb2.Entry.DESCRIPTOR.fields_by_name[name].number
    return COMMANDS[CommandKind(number)], getattr(entry, name)


def reply_of(message: Message, facts: Iterable[engine_pb2.Fact]) -> bytes:
    """The reply that was given to a request with an id, from the facts it led to; b"" to an event."""
    if isinstance(message, dispatch_pb2.CloseConversationRequest):
        closed = any(
            fact.conversation_closed.cause == engine_pb2.CLOSE_CAUSE_REQUEST for fact in facts
        )
        return wire.encode(closing.close_response(message, already_closed=not closed))
    if isinstance(message, dispatch_pb2.CancelInquiryRequest):
        was_waiting = any(fact.HasField("waiting_cancelled") for fact in facts)
        return wire.encode(dispatch_pb2.CancelInquiryResponse(was_waiting=was_waiting))
    if isinstance(message, dispatch_pb2.RouteRequest):
        for fact in facts:
            # What was due, and what followed, is about buyers whom the command does not name.
            if fact.HasField("decided") and not fact.decided.buyer_id:
                return wire.encode(route_response(fact.decided))
    if isinstance(message, dispatch_pb2.TransferRequest):
        for fact in facts:
            if fact.decided.reason == types_pb2.REASON_TRANSFER:
                return wire.encode(decision.transfer_response(fact.decided))
    return b""
