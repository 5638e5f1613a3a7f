"""Who changed a shop, when, from what to what: read from the journal, off the event loop.

Remembers only where in the logs changes are, looking through each log once; documents are read again
when asked for. Knows no rule: a change is a `ShopApplied`, a `WeightsSet` or a `ShopDeleted`, named by the
etag after it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from fenliu.engine import Core, partition_of
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.assignments import command_of
from fenliu.insight.errors import LogUnreadable
from fenliu.insight.watch import entries
from fenliu.journal import CorruptSnapshot, DroppedRecord, Reader, StorageError
from fenliu.recovery import shop_document
from fenliu.v1 import shop_pb2

PAGE_BYTES = 1024 * 1024
"""A page has entries of about this size at most, but at least one."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a change is logged."""

    seq: int
    change_id: str
    whole: bool  # It says all that there is after it; else only what changed.


@dataclass(slots=True)
class _Index:
    """Where the changes of a partition's shops are, as far as its log has been looked through."""

    start: int = 1
    passed: int = 0
    shops: dict[str, list[_Place]] = field(default_factory=dict)

    def forget_before(self, start: int) -> None:
        """Says with which record the log begins by now."""
        if start > self.start:
            self.start = start
            self.passed = max(self.passed, start - 1)
            for shop_id, places in self.shops.items():
                self.shops[shop_id] = [place for place in places if place.seq >= start]


class AuditLog:
    """The changes of one journal's shops. For one event loop."""

    def __init__(self, reader: Reader, core: Core) -> None:
        self._reader = reader
        self._core = core
        self._indexes: dict[int, _Index] = {}
        # One thread: it alone touches the indexes.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fenliu-audit")

    def close(self) -> None:
        """Waits for the reads under way; not for the event loop."""
        self._thread.shutdown(cancel_futures=True)

    async def page(
        self, shop_id: str, before: str, size: int
    ) -> tuple[list[shop_pb2.AuditEntry], str]:
        """At most `size` changes older than the change `before` ("": from the newest), newest first.

        With the last one's id if there are more, else "". A `before` that is no change of this shop
        gives KeyError. Raises LogUnreadable.
        """
        return await self._off_the_loop(lambda: self._page(shop_id, before, size))

    async def change(
        self, shop_id: str, change_id: str
    ) -> tuple[shop_pb2.AuditEntry, shop_pb2.AuditEntry | None] | None:
        """A change and the one after it; None: there is no such change. Raises LogUnreadable."""
        return await self._off_the_loop(lambda: self._change(shop_id, change_id))

    async def _off_the_loop(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            try:
                return await loop.run_in_executor(self._thread, work)
            except (DroppedRecord, CorruptSnapshot):  # what is old has just been dropped
                return await loop.run_in_executor(self._thread, work)
        except StorageError as error:
            raise LogUnreadable from error

    def _page(self, shop_id: str, before: str, size: int) -> tuple[list[shop_pb2.AuditEntry], str]:
        places = self._places(shop_id)
        end = _find(places, before) if before else len(places)
        if end is None:
            raise KeyError(before)
        # Read forwards, told backwards: the oldest are dropped when it gets too much.
        kept: deque[shop_pb2.AuditEntry] = deque()
        kept_bytes = 0
        start = max(end - size, 0)
        for entry in self._entries(shop_id, places, start, end):
            kept.append(entry)
            kept_bytes += entry.ByteSize()
            while kept_bytes > PAGE_BYTES and len(kept) > 1:
                kept_bytes -= kept.popleft().ByteSize()
                start += 1
        kept.reverse()
        return list(kept), kept[-1].change_id if kept and start > 0 else ""

    def _change(
        self, shop_id: str, change_id: str
    ) -> tuple[shop_pb2.AuditEntry, shop_pb2.AuditEntry | None] | None:
        places = self._places(shop_id)
        at = _find(places, change_id)
        if at is None:
            return None
        found = list(self._entries(shop_id, places, at, min(at + 2, len(places))))
        return found[0], found[1] if len(found) > 1 else None

    def _places(self, shop_id: str) -> list[_Place]:
        """The shop's changes, oldest first, after looking through what its log has grown by."""
        partition = partition_of(shop_id, self._reader.partitions)
        index = self._indexes.setdefault(partition, _Index())
        index.forget_before(self._reader.starts([partition]).get(partition, 1))
        for record in self._reader.read(partition, index.passed + 1):
            for entry in entries(record):
                for fact in entry.facts:
                    changed = _changed(fact)
                    if changed is not None:
                        shop = index.shops.setdefault(command_of(entry).shop_id, [])
                        shop.append(_Place(record.seq, *changed))
            index.passed = record.seq
        return index.shops.get(shop_id, [])

    def _entries(
        self, shop_id: str, places: list[_Place], start: int, end: int
    ) -> Iterator[shop_pb2.AuditEntry]:
        """The changes from `start` up to `end`, oldest first."""
        # Two more show what each began with, and whether it undid the one before.
        first = max(start - 2, 0)
        while first > 0 and not places[first].whole:
            first -= 1
        before_last: shop_pb2.Shop | None = None
        # How the change before left the shop; None: there is none.
        last = None if first else self._where_the_log_begins(shop_id)
        for at, (entry, fact) in enumerate(self._logged(shop_id, places[first:end]), first):
            after = _after(last, fact)
            if at >= start:
                undoes = places[at].whole and after is not None and _same(after, before_last)
                yield shop_pb2.AuditEntry(
                    change_id=places[at].change_id,
                    changed_at_ms=entry.now_ms,
                    actor=entry.actor,
                    before=last,
                    after=after,
                    undoes_change_id=places[at - 1].change_id if undoes else "",
                )
            before_last, last = last, after

    def _where_the_log_begins(self, shop_id: str) -> shop_pb2.Shop | None:
        """The shop before the first record kept; None: there was none."""
        start = self._indexes[partition_of(shop_id, self._reader.partitions)].start
        if start == 1:
            return None
        return shop_document(self._reader, self._core, shop_id, start)

    def _logged(
        self, shop_id: str, places: list[_Place]
    ) -> Iterator[tuple[engine_pb2.Entry, engine_pb2.Fact]]:
        """The entries and facts at these places."""
        wanted: dict[int, set[str]] = {}
        for place in places:
            wanted.setdefault(place.seq, set()).add(place.change_id)
        partition = partition_of(shop_id, self._reader.partitions)
        for seq, change_ids in wanted.items():
            for entry in entries(next(self._reader.read(partition, seq))):
                if command_of(entry).shop_id != shop_id:
                    continue
                for fact in entry.facts:
                    changed = _changed(fact)
                    if changed is not None and changed[0] in change_ids:
                        yield entry, fact


def _find(places: list[_Place], change_id: str) -> int | None:
    for at, place in enumerate(places):
        if place.change_id == change_id:
            return at
    return None


def _changed(fact: engine_pb2.Fact) -> tuple[str, bool] | None:
    """The id of the change that a fact is, and whether it says all that there is after it."""
    match fact.WhichOneof("fact"):
        case "shop_applied":
            return fact.shop_applied.shop.etag, True
        case "weights_set":
            return fact.weights_set.etag, False
        case "shop_deleted":
            return fact.shop_deleted.etag, True
        case _:
            return None


def _after(before: shop_pb2.Shop | None, fact: engine_pb2.Fact) -> shop_pb2.Shop | None:
    """The shop as a change left it; None: deleted."""
    if fact.HasField("shop_applied"):
        return fact.shop_applied.shop
    if before is not None and fact.HasField("weights_set"):
        return _weighted(before, fact.weights_set)
    return None


def _weighted(before: shop_pb2.Shop, change: engine_pb2.WeightsSet) -> shop_pb2.Shop:
    after = shop_pb2.Shop()
    after.CopyFrom(before)
    after.etag = change.etag
    weights = {one.agent_id: one.weight for one in change.weights}
    for agent in after.agents:
        agent.weight = weights.get(agent.agent_id, agent.weight)
    return after


def _same(one: shop_pb2.Shop, other: shop_pb2.Shop | None) -> bool:
    if other is None:
        return False
    copy = shop_pb2.Shop()
    copy.CopyFrom(other)
    copy.etag = one.etag
    return one == copy
