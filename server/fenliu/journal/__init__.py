"""The journal: durable logs, one for each partition of shops.

Knows records and their headers; knows nothing inside entries and never imports the engine. What is
on disk is written in docs/formats.md.
"""

from fenliu.journal.base import Append, Conflict, Head, Journal, Reader
from fenliu.journal.errors import (
    CorruptRecord,
    DirectoryInUse,
    IncompatibleDirectory,
    JournalError,
    NewerRecord,
    NewerVersion,
    StorageError,
    TargetRefused,
)
from fenliu.journal.record import FORMAT, Record, pack, unpack
from fenliu.journal.sqlite import Durability, SqliteJournal, SqliteReader

__all__ = [
    "FORMAT",
    "Append",
    "Conflict",
    "CorruptRecord",
    "DirectoryInUse",
    "Durability",
    "Head",
    "IncompatibleDirectory",
    "Journal",
    "JournalError",
    "NewerRecord",
    "NewerVersion",
    "Reader",
    "Record",
    "SqliteJournal",
    "SqliteReader",
    "StorageError",
    "TargetRefused",
    "pack",
    "unpack",
]
