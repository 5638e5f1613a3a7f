"""Where in the logs a decision is. Reads the journal; not for the event loop; for several threads.

Remembers of each shop in which records some of its decisions begin, looking through each log once.
Decisions are numbered in the order of the log, so what lies between is found by reading on from there.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock

from fenliu.engine import partition_of
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.assignments import command_of
from fenliu.insight.errors import DecisionNotKept, DecisionNotMade
from fenliu.insight.watch import entries
from fenliu.journal import Reader, Record

MOST_MARKS = 1_024
"""So many places are remembered of a shop at most; when there are more, every other one is forgotten."""


@dataclass(slots=True)
class _Marks:
    """Some of the records in which a shop's decisions begin, oldest first."""

    first_decisions: array[int] = field(default_factory=lambda: array("Q"))
    seqs: array[int] = field(default_factory=lambda: array("Q"))
    last: int = 0  # the last decision there is
    every: int = 1  # how many records with decisions there are to a mark
    skipped: int = 0

    def add(self, first: int, last: int, seq: int) -> None:
        """A record with the decisions from `first` to `last`."""
        self.last = last
        self.skipped += 1
        if self.skipped < self.every and self.seqs:
            return
        self.skipped = 0
        self.first_decisions.append(first)
        self.seqs.append(seq)
        if len(self.seqs) > MOST_MARKS:
            self.first_decisions = self.first_decisions[::2]
            self.seqs = self.seqs[::2]
            self.every *= 2


@dataclass(slots=True)
class _Index:
    """A partition's shops, as far as its log has been looked through."""

    passed: int = 0
    shops: dict[str, _Marks] = field(default_factory=dict)


class DecisionIndex:
    """Finds the decisions of one journal's shops."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._indexes: dict[int, _Index] = {}
        self._lock = Lock()

    def find(self, shop_id: str, decision: int) -> tuple[Record, list[engine_pb2.Entry]]:
        """The record with this decision, and the shop's entries in it up to the decision's own.

        Raises DecisionNotMade, DecisionNotKept, StorageError.
        """
        partition = partition_of(shop_id, self._reader.partitions)
        first = self._reader.starts([partition]).get(partition, 1)
        with self._lock:
            start = self._start(partition, shop_id, decision, first)
        for record in self._reader.read(partition, max(start, first)):
            own: list[engine_pb2.Entry] = []
            for entry in _entries_of(record, shop_id):
                own.append(entry)
                made = [fact.decided.decision for fact in entry.facts]
                if decision in made:
                    return record, own
                if any(number > decision for number in made):
                    raise DecisionNotKept  # Its record has gone meanwhile.
        raise DecisionNotKept

    def _start(self, partition: int, shop_id: str, decision: int, first: int) -> int:
        """The last record known of in or before which the decision is."""
        index = self._indexes.setdefault(partition, _Index())
        for record in self._reader.read(partition, max(index.passed + 1, first)):
            made: dict[str, list[int]] = {}
            for entry in entries(record):
                for fact in entry.facts:
                    if fact.decided.decision:
                        shop = command_of(entry).shop_id
                        made.setdefault(shop, []).append(fact.decided.decision)
            for shop, numbers in made.items():
                index.shops.setdefault(shop, _Marks()).add(numbers[0], numbers[-1], record.seq)
            index.passed = record.seq
        marks = index.shops.get(shop_id)
        if marks is None or decision > marks.last or decision < 1:
            dropped = first > 1 and 1 <= decision <= self._last_stored(partition, shop_id)
            raise DecisionNotKept if dropped else DecisionNotMade
        at = bisect_right(marks.first_decisions, decision) - 1
        if at < 0:
            raise DecisionNotKept
        return marks.seqs[at]

    def _last_stored(self, partition: int, shop_id: str) -> int:
        """The shop's last decision in the newest snapshot; the log may have lost it."""
        stored = self._reader.manifest(partition)
        if stored is None:
            return 0
        shops = engine_pb2.Manifest.FromString(stored.content).shops
        return next((shop.last_decision for shop in shops if shop.shop_id == shop_id), 0)


def _entries_of(record: Record, shop_id: str) -> Iterator[engine_pb2.Entry]:
    return (entry for entry in entries(record) if command_of(entry).shop_id == shop_id)
