"""Is a data directory whole? Every log replayed from nothing, and what is wrong said in words.

Knows records and the engine's face; changes nothing, and a server may be running meanwhile.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from fenliu.engine import Core
from fenliu.journal import (
    CorruptRecord,
    CorruptSnapshot,
    Head,
    JournalError,
    ManifestHead,
    NewerRecord,
    NewerVersion,
    Reader,
    Record,
    StoredManifest,
)
from fenliu.recovery import combined, recover, replay, shop_hashes, verify

RESTORE = (
    "stop the server, restore the newest backup that is whole (`fenliu restore`) into a new directory,"
    " and keep this one"
)
_REBUILD = (
    "the server passes it over and serves by the log as long as that is whole from its beginning;"
    " make a new one by restarting it; if the log's beginning was dropped: " + RESTORE
)
_NEWER = "use the version that wrote it, or a newer one"
_NEWER_OR_DAMAGED = f"if a newer version wrote it: {_NEWER}; if none did, it is damaged: {RESTORE}"
_DECIDED_OTHERWISE = (
    "the log is whole and serves as before, but this program does not decide as the one that wrote it:"
    " compare the versions and try the other core (--core)"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong: where (as far as that is known), what, and what to do."""

    what: str
    to_do: str
    partition: int | None = None
    seq: int | None = None


@dataclass(slots=True)
class Checked:
    """What a check read and found; the first problem of each partition."""

    records: int = 0
    entries: int = 0
    shops: int = 0
    state_hash: bytes = b""
    """Empty when something is wrong: there is no whole state then."""
    problems: list[Problem] = field(default_factory=list)


def storage_problem(error: JournalError) -> Problem:
    """A directory that cannot be read at all, as a problem."""
    return Problem(str(error), _NEWER if isinstance(error, NewerVersion) else RESTORE)


def steps_of(journal: Reader, deep: bool) -> int:
    """About how often a check of it calls `step`. Raises StorageError."""
    starts = journal.starts()
    records = sum(head.seq - starts[p] + 1 for p, head in journal.heads(starts).items())
    return records * (2 if deep else 1)


def check(journal: Reader, core: Core, *, deep: bool, step: Callable[[], None]) -> Checked:
    """Replays every partition; `deep`: also decides everything again and compares, byte by byte.

    Each record's checksum and place in its chain is checked, and whether its entries can be applied.
    What is missing at the end of a log cannot be seen: a shorter log is whole, too. `step` is called
    for each record read. Raises StorageError when it cannot be told which logs there are.
    """
    watched = _Watched(journal, step)
    checked = Checked()
    hashes: dict[bytes, bytes] = {}
    for partition in sorted(journal.heads()):
        try:
            engine, replayed = replay(watched, core, [partition])
            checked.records += replayed.records
            checked.entries += replayed.entries
            checked.shops += len(engine.shop_ids())
            found = shop_hashes(watched, engine)
            hashes |= found
            checked.problems += _snapshot_problems(watched, core, partition, found)
            differences = verify(watched, core, [partition]).differences if deep else []
        except JournalError as error:
            checked.problems.append(_problem(partition, error))
        else:
            checked.problems += [
                Problem(
                    f"entry {one.index + 1} comes out otherwise when it is decided again",
                    _DECIDED_OTHERWISE,
                    one.partition,
                    one.seq,
                )
                for one in differences
            ]
    if not checked.problems:
        checked.state_hash = combined(hashes)
    return checked


def _snapshot_problems(
    journal: Reader, core: Core, partition: int, hashes: Mapping[bytes, bytes]
) -> list[Problem]:
    """Whether the newest snapshot and what follows it give what the whole log gives."""
    manifests = journal.manifests(partition)
    if not manifests:
        return []
    newest = manifests[-1].seq
    try:
        engine, recovered = recover(journal, core, [partition])
        same = shop_hashes(journal, engine) == hashes
    except CorruptSnapshot as error:
        return [Problem(error.problem, _REBUILD, partition, newest)]
    if recovered.unusable:
        return [
            Problem("a snapshot is damaged", _REBUILD, partition, seq)
            for _, seq in recovered.unusable
        ]
    return (
        []
        if same
        else [Problem("a snapshot is not what the log gives", _REBUILD, partition, newest)]
    )


def _problem(partition: int, error: JournalError) -> Problem:
    if not isinstance(error, CorruptRecord):
        return Problem(str(error), RESTORE, partition)
    to_do = _NEWER_OR_DAMAGED if isinstance(error, NewerRecord) else RESTORE
    return Problem(error.problem, to_do, partition, error.seq)


class _Watched:
    """A reader that says each time it has read a record."""

    def __init__(self, reader: Reader, step: Callable[[], None]) -> None:
        self._reader = reader
        self._step = step
        self.partitions = reader.partitions

    def heads(self, partitions: Collection[int] | None = None) -> dict[int, Head]:
        return self._reader.heads(partitions)

    def starts(self, partitions: Collection[int] | None = None) -> dict[int, int]:
        return self._reader.starts(partitions)

    def read(self, partition: int, from_seq: int = 1) -> Iterator[Record]:
        for record in self._reader.read(partition, from_seq):
            yield record
            self._step()

    def manifests(self, partition: int) -> list[ManifestHead]:
        return self._reader.manifests(partition)

    def manifest(self, partition: int, seq: int | None = None) -> StoredManifest | None:
        return self._reader.manifest(partition, seq)

    def chunks(self, partition: int | None, ids: Collection[bytes]) -> dict[bytes, bytes]:
        return self._reader.chunks(partition, ids)

    def chunk_ids(self, partition: int) -> set[bytes]:
        return self._reader.chunk_ids(partition)

    def tail_sizes(self) -> dict[int, int]:
        return self._reader.tail_sizes()
