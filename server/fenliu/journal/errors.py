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


class NewerVersion(IncompatibleDirectory):
    """A newer version of this program has written it."""


class NewerRecord(CorruptRecord, NewerVersion):
    """A record is of a format or of rules that only a newer version knows, or its header is damaged."""


class TargetRefused(JournalError):
    """A copy cannot go there; nothing has been touched. The text says why and what to do."""
