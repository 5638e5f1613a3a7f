"""Where in the logs a decision is. Reads the journal; not for the event loop; for several threads.

Decisions of a shop are numbered in the order of the log. Snapshots say how far the numbers had come, so
two of them bound the records in which a decision can be; between these the search halves its way.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from fenliu.engine import partition_of
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.assignments import command_of
from fenliu.insight.errors import DecisionNotKept, DecisionNotMade
from fenliu.insight.places import names
from fenliu.insight.watch import entries
from fenliu.journal import CorruptSnapshot, Reader, Record

NUMBERS_KEPT = 4_096
"""So many numbers out of snapshots are remembered: one for each snapshot and shop looked at."""
ENTRIES_AT_ONCE = 256
"""So many entries are decoded before other threads get their turn."""
PAUSE_S = 0.0005


class _Bounds(NamedTuple):
    """The records in which a decision can be, and whether a snapshot says that it was made."""

    first: int
    last: int
    made: bool


class DecisionIndex:
    """Finds the decisions of one journal's shops.

    A search reads the log between two snapshots (recovery/snapshots.py) at most once over, and decodes
    of it some twenty records that name the shop, each up to the shop's first decision.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._last_stored = lru_cache(NUMBERS_KEPT)(self._read_last_stored)

    def find(self, shop_id: str, decision: int) -> tuple[Record, list[engine_pb2.Entry]]:
        """The record with this decision, and the shop's entries in it up to the decision's own.

        Raises DecisionNotMade, DecisionNotKept, CorruptRecord (DroppedRecord: what is old is just being
        dropped), CorruptSnapshot, StorageError.
        """
        if decision < 1:
            raise DecisionNotMade
        partition = partition_of(shop_id, self._reader.partitions)
        first, last, made = self._bounds(partition, shop_id, decision)
        while first < last:
            middle = (first + last + 1) // 2
            seq, number = self._first_decision(partition, shop_id, middle, last)
            if number and number <= decision:
                first = seq
            else:
                last = middle - 1
                made = made or number > decision
        for record in self._records(partition, first, last):
            own: list[engine_pb2.Entry] = []
            for entry in _entries_of(record, shop_id):
                own.append(entry)
                for number in _decisions_of(entry):
                    if number == decision:
                        return record, own
                    made = made or number > decision
        raise DecisionNotKept if made else DecisionNotMade

    def _bounds(self, partition: int, shop_id: str, decision: int) -> _Bounds:
        first = self._reader.starts([partition]).get(partition, 1)
        heads = self._reader.heads([partition])
        snapshots = [head.seq for head in self._reader.manifests(partition)]
        # The first snapshot that holds the decision: numbers only grow.
        holds = bisect_left(
            snapshots, decision, key=lambda seq: self._last_stored(partition, seq, shop_id)
        )
        if holds > 0:
            first = max(first, snapshots[holds - 1] + 1)
        if holds < len(snapshots):
            return _Bounds(first, snapshots[holds], made=True)
        return _Bounds(first, heads[partition].seq if partition in heads else 0, made=False)

    def _read_last_stored(self, partition: int, seq: int, shop_id: str) -> int:
        """The shop's last decision in a snapshot; 0: none."""
        stored = self._reader.manifest(partition, seq)
        if stored is None or stored.seq != seq:
            raise CorruptSnapshot(partition, seq, "dropped meanwhile")
        shops = engine_pb2.Manifest.FromString(stored.content).shops
        return next((shop.last_decision for shop in shops if shop.shop_id == shop_id), 0)

    def _first_decision(
        self, partition: int, shop_id: str, first: int, last: int
    ) -> tuple[int, int]:
        """The shop's first decision in these records: (its record, its number), (0, 0) for none."""
        for record in self._records(partition, first, last):
            for entry in _entries_of(record, shop_id):
                for number in _decisions_of(entry):
                    return record.seq, number
        return 0, 0

    def _records(self, partition: int, first: int, last: int) -> Iterator[Record]:
        if first > last:
            return
        for record in self._reader.read(partition, first):
            yield record
            if record.seq >= last:
                return


def _entries_of(record: Record, shop_id: str) -> Iterator[engine_pb2.Entry]:
    if not names(record, shop_id):
        return
    for looked_through, entry in enumerate(entries(record), 1):
        if looked_through % ENTRIES_AT_ONCE == 0:
            time.sleep(PAUSE_S)
        if command_of(entry).shop_id == shop_id:
            yield entry


def _decisions_of(entry: engine_pb2.Entry) -> Iterator[int]:
    return (fact.decided.decision for fact in entry.facts if fact.HasField("decided"))
