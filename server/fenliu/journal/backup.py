"""Copies of a data directory: one file that is whole and checked, and a directory made from one.

A copy is made aside and gets its name last, so what bears the name is never half. Knows SQLite's file
and the records' chain; nothing inside entries and snapshots.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fenliu.journal.directory import DATABASE, LOCK, connect_read_only, new_identity, take_lock
from fenliu.journal.errors import CorruptRecord, StorageError, TargetRefused
from fenliu.journal.reading import SqliteReader

_STEP_PAGES = 1024  # copied at once, 4 MiB
_STEPS_PER_SYNC = 8  # a server's commits would wait behind one big write to the disk at the end


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that was made and found whole."""

    records: int
    size: int
    """Bytes on the disk."""


def back_up(directory: Path, target: Path, *, force: bool = False) -> Copied:
    """Copies a data directory, which may be served meanwhile, into one file named `target`.

    It holds at least every record that was durable at the call. An existing file is replaced only with
    `force`, and only by a copy that is whole; `target` must lie outside any data directory.

    Raises TargetRefused, CorruptRecord or StorageError when the copy is not whole (the directory is not
    either, then) or cannot be written, IncompatibleDirectory. Nothing is left behind.
    """
    source = SqliteReader(directory)
    folder = target.parent
    if not folder.is_dir():
        raise TargetRefused(f"{target}: there is no directory {folder}")
    if (folder / LOCK).exists() or folder.resolve() == directory.resolve():
        raise TargetRefused(f"{target}: {folder} is a data directory; back up to another place")
    if target.is_dir():
        raise TargetRefused(f"{target} is a directory; name a file")
    _refuse_existing(target, force)
    with _errors(f"backup to {target}"), _aside(folder, target.name) as aside:
        copied = _copy(source, aside)
        _refuse_existing(target, force)  # it may have come meanwhile
        (aside / DATABASE).replace(target)
        _sync(folder)
    return copied


def restore(backup: Path, directory: Path) -> Copied:
    """Makes `directory`, which must be absent or empty, from a backup's file.

    The new directory has a `data_id` and a `token_key` of its own. Its log ends where the backup's does
    and goes on from there another way than the old one's: a watcher's place in the old one would be a
    place in another history. And the old key would make sessions of the old directory, also those
    begun after the backup, sessions of this one; a copy for trials would hold a secret of the one in use.

    Raises TargetRefused, DirectoryInUse, CorruptRecord or StorageError when the backup is not whole or
    cannot be written, IncompatibleDirectory. Nothing is left behind.
    """
    if not backup.is_file():
        raise TargetRefused(f"{backup}: no file; name one that `fenliu backup` wrote")
    source = SqliteReader(backup)
    with _errors(f"restoring to {directory}"), _taken(directory):
        with _aside(directory, DATABASE) as aside:
            copied = _copy(source, aside, new_identity())
            (aside / DATABASE).replace(directory / DATABASE)
        _sync(directory)
        _sync(directory.parent)
    return copied


def _copy(source: SqliteReader, aside: Path, meta: dict[str, bytes] | None = None) -> Copied:
    """Makes a whole, durable, checked copy in the folder `aside`, with these rows of `meta` changed."""
    path = aside / DATABASE
    # It holds the key that signs tokens, so it is for its owner only.
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _copy_pages(source.database, path, file)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            # The copy says WAL as its source; a file that lies on its own needs none beside it.
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.executemany(
                "UPDATE meta SET value = ? WHERE key = ?",
                [(value, key) for key, value in (meta or {}).items()],
            )
        os.fsync(file)
    finally:
        os.close(file)
    with closing(SqliteReader(path)) as copy:
        return Copied(_records(copy), path.stat().st_size)


def _copy_pages(source: Path, target: Path, file: int) -> None:
    steps = 0

    def step_done(_status: int, _left: int, _all: int) -> None:
        nonlocal steps
        steps += 1
        if steps % _STEPS_PER_SYNC == 0:
            os.fsync(file)

    with (
        closing(connect_read_only(source)) as reading,
        closing(sqlite3.connect(target, isolation_level=None)) as writing,
    ):
        # A copy that fails is thrown away, so it needs no journal, and it is synced here.
        writing.execute("PRAGMA journal_mode = OFF")
        writing.execute("PRAGMA synchronous = OFF")
        # This read holds one state of the source, which holds up no writer. Without it a step would
        # begin anew after each commit of the server, and under load the copy would never be done.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
        reading.backup(writing, pages=_STEP_PAGES, progress=step_done)


def _records(copy: SqliteReader) -> int:
    """How many records there are, each checked, as also all snapshots; raises CorruptRecord, StorageError."""
    if faults := copy.faults():
        raise StorageError("; ".join(faults))
    for partition, start in copy.starts().items():
        snapshots = copy.manifests(partition)
        if start > 1 and (not snapshots or snapshots[-1].seq < start - 1):
            raise CorruptRecord(
                partition,
                start - 1,
                f"missing; the next one found is {start}, and no snapshot stands for what was before",
            )
    return sum(1 for partition in copy.heads() for _ in copy.read(partition))


def _refuse_existing(target: Path, force: bool) -> None:
    if not force and os.path.lexists(target):
        raise TargetRefused(f"{target} exists; --force replaces it")


@contextmanager
def _aside(folder: Path, name: str) -> Iterator[Path]:
    """A folder for making a file of that name, on the same disk; gone at the end."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}.", suffix=".part") as aside:
        yield Path(aside)


@contextmanager
def _taken(directory: Path) -> Iterator[None]:
    """The absent or empty directory, made and held as a server holds it; as it was, if this fails."""
    made = not directory.exists()
    if not made and (not directory.is_dir() or any(directory.iterdir())):
        raise TargetRefused(f"{directory} is not empty; restore into a new or an empty directory")
    directory.mkdir(parents=True, exist_ok=True)
    lock = take_lock(directory)
    try:
        if (directory / DATABASE).exists():  # a server came and went meanwhile
            raise TargetRefused(
                f"{directory} is not empty; restore into a new or an empty directory"
            )
        yield
    except BaseException:
        if not (directory / DATABASE).exists():
            (directory / LOCK).unlink()
            if made:
                shutil.rmtree(directory)
        raise
    finally:
        os.close(lock)  # which unlocks it


@contextmanager
def _errors(doing: str) -> Iterator[None]:
    try:
        yield
    except StorageError as error:  # of reading the copy, whose name says nothing
        raise StorageError(f"{doing}: the copy is not whole: {error}") from error
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        raise StorageError(f"{doing}: {error} ({name})") from error
    except OSError as error:
        raise StorageError(f"{doing}: {error.strerror or error}") from error


def _sync(folder: Path) -> None:
    """Makes the names in a folder durable."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
