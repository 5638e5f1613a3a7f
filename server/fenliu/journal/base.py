"""What every journal offers, wherever it keeps its logs.

A journal holds one log of records for each partition. Correctness rests on one thing: a record is
stored only when the log ends where its writer believes it ends (compare-and-swap). Beside the logs it keeps
snapshots: manifests, each of a partition as one of its records left it, and the chunks they name. Which
chunks those are only the caller knows.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from fenliu.journal.record import Record
from fenliu.journal.stored import StoredManifest


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


@dataclass(frozen=True, slots=True)
class ManifestHead:
    """A snapshot that is there, unread."""

    seq: int
    """The last record it holds."""
    now_ms: int
    """That record's, Unix milliseconds."""
    size: int
    """Bytes of the manifest as stored, without its chunks."""


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
        """The partition's records from `from_seq` on, each checked, as also its chain.

        1 stands for the first record kept, whatever its number. Raises CorruptRecord at the first record
        that is not what was written, among them DroppedRecord when the log begins later than asked for
        or is cut back further than it was read; StorageError.
        """
        ...

    def manifests(self, partition: int) -> list[ManifestHead]:
        """The partition's snapshots, oldest first; unread, so one of them may be damaged.

        Raises StorageError.
        """
        ...

    def manifest(self, partition: int, seq: int | None = None) -> StoredManifest | None:
        """The newest manifest, or the newest that holds no record behind `seq`; None: there is none.

        Raises CorruptSnapshot when it is not what was written, StorageError.
        """
        ...

    def chunks(self, partition: int | None, ids: Collection[bytes]) -> dict[bytes, bytes]:
        """The contents of these chunks (None: of whatever partition), each checked against its id.

        Raises CorruptSnapshot for the first that is not what was written, among them MissingChunk for
        one that is not there; StorageError.
        """
        ...

    def chunk_ids(self, partition: int) -> set[bytes]:
        """The ids of all chunks of a partition, also of those that no manifest names. Raises StorageError."""
        ...

    def tail_sizes(self) -> dict[int, int]:
        """Of each partition that has records: bytes of those behind its newest manifest (of all, without one).

        Raises StorageError.
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
        """Writes something durably and takes it back; the future raises StorageError if it cannot.

        Then all that readers see now is durable, too, also what an ended process or a failed append
        has left.
        """
        ...

    def put_chunks(
        self, partition: int, chunks: Mapping[bytes, bytes], rules_version: int
    ) -> Future[None]:
        """Stores chunks durably, contents by id, in one transaction; a chunk that is there is written anew.

        Appends wait for it: hand in about 1 MiB at a time. Raises ValueError for a content that is
        longer than that or not the one named; the future raises StorageError.
        """
        ...

    def put_manifest(
        self, partition: int, seq: int, now_ms: int, rules_version: int, content: bytes
    ) -> Future[None]:
        """Stores durably the manifest of a partition as record `seq` left it, in place of one of that number.

        Its chunks are to be durable before. The future raises ChangeRefused when the log ends before
        `seq`, StorageError.
        """
        ...

    def drop_manifests(self, partition: int, seqs: Collection[int]) -> Future[None]:
        """Drops these manifests, as far as they are there, and not their chunks.

        The future raises ChangeRefused when none would be left that stands for the records dropped,
        StorageError.
        """
        ...

    def drop_chunks(self, partition: int, ids: Collection[bytes]) -> Future[None]:
        """Drops these chunks, as far as they are there; no manifest kept may name them.

        In one transaction, for which appends wait. The future raises StorageError.
        """
        ...

    def drop_records(self, partition: int, up_to_seq: int, limit: int) -> Future[int]:
        """Drops the log's oldest records up to `up_to_seq`, at most `limit` (at least 1); gives how many.

        0: none is left up to there. In one transaction, for which appends wait. The future raises
        ChangeRefused when there is a record among them that the oldest manifest does not hold, or the
        log's last one; StorageError.
        """
        ...
