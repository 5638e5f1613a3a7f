"""A log as a server writes it, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from fenliu.engine import CommandKind
from fenliu.journal import Append, SqliteJournal
from fenliu.journal.record import pack
from fenliu.recovery import supply
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2

PARTITIONS = 1
NOW = 1_700_000_000_000


class Log:
    """A log as a server writes it, without one: each command is a record."""

    def __init__(self, core: ModuleType, data: Path) -> None:
        self.core = core
        self.journal = SqliteJournal.open(data, partitions=PARTITIONS)
        self.engine = core.Engine(PARTITIONS)
        self.seq = self._checksum = 0
        self.now = NOW
        self.places: dict[tuple[str, int], int] = {}
        """The record of each decision."""
        self._held: list[bytes] | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is logged in the block is one record."""
        self._held = held = []
        yield
        self._held = None
        self._store(b"".join(held), len(held))

    def opens(self, shop_id: str) -> None:
        """A shop with the agents a and b ONLINE."""
        agents = [shop_pb2.Agent(agent_id=one) for one in "ab"]
        group = shop_pb2.Group(group_id="g", agent_ids="ab")
        shop = shop_pb2.Shop(shop_id=shop_id, agents=agents, groups=[group])
        self.log(CommandKind.APPLY_SHOP, shop_pb2.ApplyShopRequest(shop=shop))
        for agent_id in "ab":
            online = presence_pb2.SetPresenceRequest(
                shop_id=shop_id, agent_id=agent_id, status=types_pb2.PRESENCE_STATUS_ONLINE
            )
            self.log(CommandKind.SET_PRESENCE, online)

    def route(self, shop_id: str, buyer_id: str) -> bytes:
        request = dispatch_pb2.RouteRequest(shop_id=shop_id, buyer_id=buyer_id)
        return self.log(CommandKind.ROUTE, request)

    def log(self, kind: CommandKind, message: Any) -> bytes:
        """Decides a command a second later and stores the entry, which it gives back."""
        self.now += 1_000
        request = message.SerializeToString()
        code, reply, partition, entry = self.engine.decide(kind, request, self.now)
        while code == -1:
            supply(self.journal, self.engine, reply)
            code, reply, partition, entry = self.engine.decide(kind, request, self.now)
        assert (code, partition) == (0, 0)
        if self._held is None:
            self._store(entry, 1)
        else:
            self._held.append(entry)
        if kind == CommandKind.ROUTE:
            answer = dispatch_pb2.RouteResponse.FromString(reply)
            held = self._held is not None
            self.places[message.shop_id, int(answer.decision_id[1:])] = self.seq + held
        return entry

    def _store(self, entries: bytes, count: int) -> None:
        append_id = (self.seq + 1).to_bytes(16, "big")
        record, self._checksum = pack(
            rules_version=self.core.RULES_VERSION,
            append_id=append_id,
            writer=bytes(16),
            now_ms=self.now,
            count=count,
            seq=self.seq + 1,
            partition=0,
            predecessor=self._checksum,
            entries=entries,
        )
        (self.seq,) = self.journal.append([Append(0, self.seq, append_id, record)]).result()
