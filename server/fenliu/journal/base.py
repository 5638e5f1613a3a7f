"""What every journal offers, wherever it keeps its logs.

A journal holds one log of records for each partition. Correctness rests on one thing: a record is
stored only when the log ends where its writer believes it ends (compare-and-swap).
"""

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from fenliu.journal.record import Record


@dataclass(frozen=True, slots=True)
class Append:
    """One record to store behind `expected_seq`, the number of the record before it (0: none)."""

    partition: int
    expected_seq: int
    append_id: bytes
    record: bytes


@dataclass(frozen=True, slots=True)
class Conflict:
    """The record was not stored: the log ends at `head_seq`, so somebody else has written."""

    head_seq: int


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of a partition."""

    seq: int
    append_id: bytes


class Reader(Protocol):
    """The reading side; every call may block on the disk and may come from any thread."""

    @property
    def partitions(self) -> int:
        """Into how many partitions shops hash; fixed when the logs were made."""
        ...

    def heads(self, partitions: Collection[int] | None = None) -> dict[int, Head]:
        """The last record of each of these (default: all) partitions that has one.

        Raises StorageError.
        """
        ...

    def starts(self, partitions: Collection[int] | None = None) -> dict[int, int]:
        """The number of the first record kept of each of these (default: all) partitions that has one.

        Raises StorageError.
        """
        ...

    def read(self, partition: int, from_seq: int = 1) -> Iterator[Record]:
        """The partition's records from `from_seq` (at least 1) on, each checked, as also its chain.

        Raises CorruptRecord at the first record that is not what was written, StorageError.
        """
        ...


class Journal(Reader, Protocol):
    """The writing side. Calls return at once; the future is done when the storage has answered."""

    def append(self, group: Sequence[Append]) -> Future[list[int | Conflict]]:
        """Stores a group, at most one record for each partition, in one durable transaction.

        Gives, in the same order, the record's number or the Conflict for which it alone was left
        out. The future raises StorageError when nothing is known about any of them.
        """
        ...

    def probe(self) -> Future[None]:
        """Writes durably without changing anything; the future raises StorageError if it cannot."""
        ...
