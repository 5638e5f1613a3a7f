"""A shop's day written straight into a journal: decided by a core, answered by its agents, without a server.

For days that are to be exactly of some kind, and large ones. The log is what a server would have written.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from fenliu.engine import CommandKind, load_core, partition_of
from fenliu.engine.pure.wire import split_delimited
from fenliu.engine.v1 import engine_pb2
from fenliu.journal import Append, SqliteJournal, pack
from fenliu.recovery import SnapshotWriter
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2
from model.wire import split_entries

ENTRIES_A_RECORD = 64
PARTITIONS = 4

Pace = Callable[[str, str], tuple[int, ...]]
"""Given agent and buyer: so long after being given the buyer the agent writes; negative: closes."""


def at_once(_agent_id: str, _buyer_id: str) -> tuple[int, ...]:
    """Answers after 20 s, closes after a minute."""
    return 20_000, -60_000


class RecordedDay:
    """Events are given in any order, then played by time; agents answer whoever they are given."""

    def __init__(self, core: Any, data: Path, *, pace: Pace = at_once) -> None:
        self.core = core
        self.data = data
        self.pace = pace
        self.shop_id = ""
        self._engine = core.Engine(PARTITIONS)
        self._journal = SqliteJournal.open(data, partitions=PARTITIONS, durability="relaxed")
        self._events: list[tuple[int, int, CommandKind, Message]] = []
        self._order = 0
        self._gathered: list[bytes] = []
        self._seq = 0
        self._checksum = 0
        self._opened = 0
        self.snapshot_every = 0
        """A snapshot is made after so many records; 0: never."""

    # --- What happens ---

    def give(self, at_ms: int, kind: CommandKind, message: Message) -> None:
        self._order += 1
        heapq.heappush(self._events, (at_ms, self._order, kind, message))

    def shop(self, at_ms: int, document: shop_pb2.Shop) -> None:
        self.shop_id = document.shop_id
        self.give(at_ms, CommandKind.APPLY_SHOP, shop_pb2.ApplyShopRequest(shop=document))

    def online(self, agent_id: str, at_ms: int, until_ms: int = 0) -> None:
        self._presence(at_ms, agent_id, types_pb2.PRESENCE_STATUS_ONLINE)
        if until_ms:
            self._presence(until_ms, agent_id, types_pb2.PRESENCE_STATUS_OFFLINE)

    def _presence(self, at_ms: int, agent_id: str, status: types_pb2.PresenceStatus) -> None:
        request = presence_pb2.SetPresenceRequest(
            shop_id=self.shop_id, agent_id=agent_id, status=status
        )
        self.give(at_ms, CommandKind.SET_PRESENCE, request)

    def route(self, at_ms: int, buyer_id: str, **fields: Any) -> None:
        request = dispatch_pb2.RouteRequest(
            shop_id=self.shop_id, buyer_id=buyer_id, request_id=f"r{self._order}", **fields
        )
        self.give(at_ms, CommandKind.ROUTE, request)

    def arrivals(
        self, start_ms: int, end_ms: int, count: int, prefix: str = "buyer", **fields: Any
    ) -> None:
        """Evenly, each buyer once."""
        for number in range(count):
            at_ms = start_ms + (2 * number + 1) * (end_ms - start_ms) // (2 * count)
            self.route(at_ms, f"{prefix}-{number:06}", **fields)

    def word(self, at_ms: int, buyer_id: str, agent_id: str) -> None:
        """An agent writes to a buyer."""
        event = dispatch_pb2.MessageEvent(
            shop_id=self.shop_id,
            buyer_id=buyer_id,
            sender=types_pb2.SENDER_AGENT,
            agent_id=agent_id,
            sent_at_ms=at_ms,
        )
        self.give(at_ms, CommandKind.MESSAGE, event)

    # --- Playing ---

    def play(self) -> None:
        """Everything given so far, and what it leads to."""
        while self._events:
            at_ms, _, kind, message = heapq.heappop(self._events)
            while (due := self._engine.next_due()) is not None and due < at_ms:
                for _, _, entries in self._engine.tick(due):
                    self._log(entries, "")
            request = message.SerializeToString()
            _, _, _, entry = self._engine.decide(kind, request, at_ms)
            self._log(entry, getattr(message, "buyer_id", ""))
        self._write()

    def _log(self, entries: bytes, named: str) -> None:
        for entry in split_entries(entries):
            self._gathered.append(entry)
            read = engine_pb2.Entry()
            read.ParseFromString(next(_bare(entry)))
            for fact in read.facts:
                decided = fact.decided
                if decided.conversation > self._opened:
                    self._opened = decided.conversation
                    if decided.outcome == types_pb2.OUTCOME_AGENT:
                        self._answer(
                            decided.agent_id,
                            decided.buyer_id or named,
                            decided.conversation,
                            decided.at_ms or read.now_ms,
                        )
                self._opened = max(self._opened, fact.message_noted.conversation)
        if len(self._gathered) >= ENTRIES_A_RECORD:
            self._write()

    def _answer(self, agent_id: str, buyer_id: str, conversation: int, at_ms: int) -> None:
        for after_ms in self.pace(agent_id, buyer_id):
            if after_ms >= 0:
                event = dispatch_pb2.MessageEvent(
                    shop_id=self.shop_id,
                    conversation_id=f"c{conversation}",
                    sender=types_pb2.SENDER_AGENT,
                    sent_at_ms=at_ms + after_ms,
                    event_id=f"e{conversation}-{after_ms}",
                )
                self.give(at_ms + after_ms, CommandKind.MESSAGE, event)
            else:
                close = dispatch_pb2.CloseConversationRequest(
                    shop_id=self.shop_id, conversation_id=f"c{conversation}"
                )
                self.give(at_ms - after_ms, CommandKind.CLOSE_CONVERSATION, close)

    def _write(self) -> None:
        if not self._gathered:
            return
        partition = partition_of(self.shop_id, PARTITIONS)
        record, self._checksum = pack(
            rules_version=1,
            append_id=self._seq.to_bytes(16, "big"),
            writer=bytes(16),
            now_ms=_time_of(self._gathered[-1]),
            count=len(self._gathered),
            seq=self._seq + 1,
            partition=partition,
            predecessor=self._checksum,
            entries=b"".join(self._gathered),
        )
        append = Append(partition, self._seq, self._seq.to_bytes(16, "big"), record)
        self._journal.append([append]).result()
        self._seq += 1
        self._gathered = []
        if self.snapshot_every and self._seq % self.snapshot_every == 0:
            self.snapshot()

    def snapshot(self) -> None:
        """Makes one of all that is written."""
        SnapshotWriter(self._journal, self.core_loaded()).write(
            partition_of(self.shop_id, PARTITIONS), self._seq
        )

    def core_loaded(self) -> Any:

        return load_core(self.core.CORE)

    def close(self) -> Path:
        """The directory, for a server or a reader."""
        self._journal.close()
        return self.data


def _bare(entry: bytes) -> Any:

    return (data for data, _ in split_delimited(entry))


def _time_of(entry: bytes) -> int:
    read = engine_pb2.Entry()
    read.ParseFromString(next(_bare(entry)))
    return read.now_ms
