"""The journal: durable logs, one for each partition of shops.

Knows records, manifests and chunks by their headers; knows nothing inside them and never imports the engine. What is
on disk is written in docs/formats.md.
"""

from fenliu.journal.base import Append, Conflict, Head, Journal, ManifestHead, Reader
from fenliu.journal.errors import (
    ChangeRefused,
    CorruptRecord,
    CorruptSnapshot,
    DirectoryInUse,
    DroppedRecord,
    IncompatibleDirectory,
    JournalError,
    LostCommits,
    MissingChunk,
    NewerRecord,
    NewerSnapshot,
    NewerVersion,
    StorageError,
    TargetRefused,
)
from fenliu.journal.reading import SqliteReader
from fenliu.journal.record import FORMAT, Record, pack, unpack
from fenliu.journal.shared import Committer, SharedJournal
from fenliu.journal.sqlite import Durability, SqliteJournal
from fenliu.journal.stored import CHUNK_BYTES, StoredManifest

__all__ = [
    "CHUNK_BYTES",
    "FORMAT",
    "Append",
    "ChangeRefused",
    "Committer",
    "Conflict",
    "CorruptRecord",
    "CorruptSnapshot",
    "DirectoryInUse",
    "DroppedRecord",
    "Durability",
    "Head",
    "IncompatibleDirectory",
    "Journal",
    "JournalError",
    "LostCommits",
    "ManifestHead",
    "MissingChunk",
    "NewerRecord",
    "NewerSnapshot",
    "NewerVersion",
    "Reader",
    "Record",
    "SharedJournal",
    "SqliteJournal",
    "SqliteReader",
    "StorageError",
    "StoredManifest",
    "TargetRefused",
    "pack",
    "unpack",
]
