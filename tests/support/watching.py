"""Reading WatchAssignments, and what it must have said: worked out from the log in another way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from fenliu.engine.v1 import engine_pb2
from fenliu.journal import SqliteReader
from fenliu.v1 import dispatch_pb2, types_pb2
from support.scene import brief, entries_of

Event = dispatch_pb2.WatchAssignmentsResponse


async def take(stream: AsyncIterator[Event], count: int) -> list[Event]:
    """The next so many events; messages that only have a token are left out."""
    events: list[Event] = []
    async with asyncio.timeout(30):
        while len(events) < count:
            event = await anext(stream)
            if event.buyer_id:
                events.append(event)
    return events


def told(event: Event) -> str:
    """An event in a line: "wang: AGENT a TRANSFER c2 < c1"."""
    if not event.HasField("assignment"):
        return f"{event.buyer_id}: CANCELLED"
    words = [f"{event.buyer_id}: {brief(event.assignment)}", event.assignment.conversation_id]
    if event.previous_conversation_id:
        words += ["<", event.previous_conversation_id]
    return " ".join(word for word in words if word)


def bare(event: Event) -> Event:
    """The event without its token."""
    copy = Event()
    copy.CopyFrom(event)
    copy.resume_token = ""
    return copy


def logged(data: Path) -> dict[str, list[Event]]:
    """Per shop, all that a watcher of a whole log must see, for traffic of inquiries and messages."""
    reader = SqliteReader(data)
    shops: dict[str, list[Event]] = {}
    for partition in range(reader.partitions):
        for record in reader.read(partition):
            for entry in entries_of(record.entries):
                _add(entry, shops)
    return shops


def _add(entry: engine_pb2.Entry, shops: dict[str, list[Event]]) -> None:
    command = getattr(entry, str(entry.WhichOneof("command")))
    for fact in entry.facts:
        decided = fact.decided
        stayed = decided.reason in (
            types_pb2.REASON_OPEN_CONVERSATION,
            types_pb2.REASON_STILL_WAITING,
        )
        if decided.decision and (not stayed or decided.previous_conversation):
            event = Event(
                shop_id=command.shop_id,
                buyer_id=decided.buyer_id or command.buyer_id,
                decided_at_ms=decided.at_ms or entry.now_ms,
            )
            for name in ("outcome", "reason", "agent_id", "group_id"):
                setattr(event.assignment, name, getattr(decided, name))
            event.assignment.decision_id = f"d{decided.decision}"
            if decided.conversation:
                event.assignment.conversation_id = f"c{decided.conversation}"
            if decided.previous_conversation:
                event.previous_conversation_id = f"c{decided.previous_conversation}"
            event.assignment.queue_position = decided.queue_position
            event.assignment.estimated_wait_ms = decided.estimated_wait_ms
            shops.setdefault(event.shop_id, []).append(event)


def by_shop(events: Iterable[Event]) -> dict[str, list[Event]]:
    shops: dict[str, list[Event]] = {}
    for event in events:
        shops.setdefault(event.shop_id, []).append(bare(event))
    return shops
