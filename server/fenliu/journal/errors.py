"""What a journal refuses or fails at. The texts are for the operator, never for a client."""


class JournalError(Exception):
    """The root of them all."""


class StorageError(JournalError):
    """The storage failed (disk full, I/O, read-only, locked); the cause is chained.

    After a failed append it is not known whether the group went in: the append id at the head of
    each partition tells.
    """


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
