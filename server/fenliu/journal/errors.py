"""What a journal refuses or fails at. The texts are for the operator, never for a client."""

from pathlib import Path


class JournalError(Exception):
    """The root of them all."""


class StorageError(JournalError):
    """The storage failed (disk full, I/O, read-only, locked); the cause is chained.

    After a failed append it is not known whether the group went in: the append id at the head of
    each partition tells.
    """


class LostCommits(JournalError):
    """What was written last is damaged, and the storage would pass over it without a word."""

    def __init__(self, directory: Path, problem: str) -> None:
        super().__init__(
            f"{directory}: {problem}; restore a backup (`fenliu restore`), or go on without them by starting once"
            " with --durability relaxed, which is also what to do when the power was cut while that was set"
        )


class CorruptRecord(JournalError):
    """A record is not what was written there; nothing after it can be used."""

    def __init__(self, partition: int, seq: int, problem: str) -> None:
        super().__init__(f"partition {partition}, record {seq}: {problem}")
        self.partition = partition
        self.seq = seq
        self.problem = problem


class DirectoryInUse(JournalError):
    """Another server runs on the data directory."""


class IncompatibleDirectory(JournalError):
    """The directory is not one this program, or this configuration, can work on."""


class NewerVersion(IncompatibleDirectory):
    """A newer version of this program has written it."""


class NewerRecord(CorruptRecord, NewerVersion):
    """A record is of a format or of rules that only a newer version knows, or its header is damaged."""


class DroppedRecord(CorruptRecord):
    """The record is not there any more: the log begins later, as retention leaves it."""


class CorruptSnapshot(JournalError):
    """A manifest, named by its number, or a chunk, named by its id, is not what was written there."""

    def __init__(
        self, partition: int | None, seq: int, problem: str, chunk_id: bytes = b""
    ) -> None:
        place = "snapshots" if partition is None else f"partition {partition}"
        if seq:
            place += f", snapshot {seq}"
        if chunk_id:
            place += f", chunk {chunk_id.hex()}"
        super().__init__(f"{place}: {problem}")
        self.partition = partition
        """None: not known, as of a chunk that is nowhere."""
        self.seq = seq
        """0: not known, as of a chunk, which may belong to several."""
        self.problem = problem
        self.chunk_id = chunk_id
        """Empty: it is not about a chunk."""


class NewerSnapshot(CorruptSnapshot, NewerVersion):
    """A manifest or chunk is of a format or of rules that only a newer version knows, or its header is damaged."""


class MissingChunk(CorruptSnapshot):
    """A chunk is not there: it never was, or it was dropped with the last manifest that named it."""


class ChangeRefused(JournalError):
    """The change would leave a log without its beginning or a snapshot without its log; nothing has changed."""


class TargetRefused(JournalError):
    """A copy cannot go there; nothing has been touched. The text says why and what to do."""
