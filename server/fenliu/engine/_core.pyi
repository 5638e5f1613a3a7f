"""The engine's face: what both cores offer, with the same bytes in and out.

This file states the signatures once; `fenliu.engine._core` (Rust) and `fenliu.engine.pure` (Python)
both match it. What each call means byte by byte is written in docs/engine.md.
"""

from collections.abc import Sequence
from typing import TypeAlias, final

CORE: str
"""Which core this is: "rust" or "python"."""
API_VERSION: int
"""Changes whenever this file does; the loader refuses an extension of another version."""
RULES_VERSION: int
"""Version of the arithmetic by which entries are applied; written into records and snapshots."""

PartitionEntries: TypeAlias = tuple[int, int, bytes]
"""(partition, number of entries, the entries: each an encoded `Entry` behind its length as a varint)."""

@final
class Engine:
    """The state of many shops and every rule of dispatch: a pure state machine.

    Bytes are encoded protobuf messages. A status `code` is a canonical gRPC code; with a code other
    than 0 the reply is an encoded `google.rpc.Status`. Not to be shared between processes by fork.

    A failure of its own while a shop is at work (a bug) fails that call, or that element of a batch, with code
    13, and that shop until `take_shop` or `take_partition` brings it anew: its commands and queries get
    code 14, others' go on (docs/engine.md section 15).
    """

    def __init__(self, partitions: int) -> None:
        """An engine without shops. `partitions`: 1..65536, else ValueError."""

    def decide(
        self, kind: int, request: bytes, now_ms: int, actor: str = "", most_due: int = 0
    ) -> tuple[int, bytes, int, bytes]:
        """Decides one command at `now_ms` and changes the state accordingly.

        `kind` is a `CommandKind`. Returns (code, reply, partition, entry): `entry` is what to log,
        length-prefixed as in `PartitionEntries`, or b"" when there is nothing to log; `partition` is
        the shop's, or -1 when no shop id could be read. A refused command may still carry an entry:
        what was due by then. Code -1: nothing has happened, `reply` is the ids of the chunks it needs
        (docs/engine.md section 13). Code -2: nothing has happened, more than about `most_due` effects (0: any
        number) are due in the shop, whose id is the reply; a `tick` of it is to come first. Raises
        ValueError for an unknown kind.
        """

    def decide_batch(
        self,
        kind: int,
        batch: bytes,
        now_ms: int,
        first: int = 0,
        count: int = 4096,
        most_due: int = 0,
    ) -> tuple[int, bytes, int, int, list[PartitionEntries], int]:
        """Decides elements `first .. first + count` of a batch (ROUTE, MESSAGE or ORDER), each by itself.

        Returns (code, results, total, batch_id, entries, decided): `results` is a response's `results`
        field, encoded, for the elements decided (slices concatenate to the whole response); `total` the
        number of elements in the batch; `entries` by ascending partition; `decided` how many elements of
        the slice were: fewer than asked when the next one needs chunks or a tick first. With a code other than
        0 nothing was decided; `results` is the Status, with code -1 the ids of the chunks that the slice needs,
        with code -2 the shop that has more than about `most_due` effects due. Raises ValueError for another kind.
        """

    def tick(self, now_ms: int, most_due: int = 0, shop_id: str = "") -> list[PartitionEntries]:
        """Applies what is due by `now_ms` in every shop; entries by ascending partition, then shop id.

        With a `shop_id` in that shop alone. At most about `most_due` effects (0: any number), the earliest first;
        `next_due` says whether there is more. A stored shop is passed over unless its head's chunks are there.
        """

    def missing_due(self, now_ms: int) -> bytes:
        """Ids of chunks that `tick` would need for the earliest (at most 64) stored shops due by then."""

    def next_due(self) -> int | None:
        """The earliest due time of all shops, Unix ms; None when nothing will fall due."""

    def query(self, kind: int, request: bytes) -> tuple[int, bytes, int]:
        """Answers a `QueryKind`: (code, reply, partition), partition -1 when it spans all shops or none.

        Code -1: `reply` is the ids of the chunks it needs. Raises ValueError for an unknown kind.
        """

    def apply(self, entries: bytes, start: int = 0, shop_id: str = "") -> tuple[int, int, bytes]:
        """Applies logged entries (concatenated, length-prefixed) from offset `start` on.

        With `shop_id` only that shop's; others are passed over. Returns (count, end, missing): how many
        were passed or applied, the offset behind the last of them, and the ids of chunks that the next
        one needs: b"" when all are done. Raises ValueError when the bytes are no entries, or contradict
        themselves; those before the bad one are applied, and the shop of one that contradicts itself has failed.
        """

    def redecide(self, entry: bytes) -> tuple[int, bytes, int, bytes]:
        """Decides a logged entry's command again (one entry, length-prefixed); returns as `decide`."""

    def play(self, script: bytes, playing: bytes) -> bytes:
        """Plays a script: concatenated, length-prefixed `ScriptEvent`s, or logged entries.

        `playing`: an encoded `Playing`. Returns an encoded `Played` (docs/engine.md section 14). The shop must
        be loaded. Raises ValueError for bytes that are none, and when chunks are missing; then the state is
        as far as the play came.
        """

    def shop_ids(self, *, deleted: bool = False) -> list[str]:
        """All shops, by id bytes; `deleted`: those that were deleted too."""

    def sessions(self) -> list[tuple[str, str]]:
        """(session id, shop id) of every presence session that still has agents, sorted."""

    def snapshot(self, shop_id: str) -> bytes:
        """The canonical `ShopSnapshot` of a shop, also of a deleted one.

        Raises KeyError for an unknown shop, ValueError when `missing_of` names chunks.
        """

    def load_snapshot(self, snapshot: bytes) -> None:
        """Puts a shop in place as the snapshot says, replacing it. Raises ValueError for bad bytes."""

    def state_hash(self) -> bytes:
        """32 bytes over the whole state; docs/engine.md section 12. Raises ValueError as `snapshot`."""

    def take_partition(self, other: Engine, partition: int) -> None:
        """Replaces this engine's shops of `partition` by those of `other`, which loses them.

        Raises ValueError when the two do not have the same number of partitions.
        """

    def take_shop(self, other: Engine, shop_id: str) -> None:
        """Replaces this engine's shop by that of `other`, which loses it; none there: there is no such shop.

        Not between a `rotate` of its partition and the `install` that follows. Raises as `take_partition`.
        """

    def failures(self) -> list[tuple[str, str]]:
        """(shop id, what happened) of each failure since this was asked last; shop "": at none, by bytes alone."""

    # Stored state: docs/engine.md section 13.

    def load_manifest(self, manifest: bytes) -> int:
        """Puts an encoded `Manifest`'s shops in place of its partition's, stored; returns the partition.

        Raises ValueError for bytes that are no manifest, of another rules version, or of a partition
        that is not there.
        """

    def install(self, manifest: bytes) -> None:
        """Says where the partition, as it was at its last `rotate`, is stored now. Raises as `load_manifest`."""

    def tidy(self) -> bool:
        """Frees some of what `install` dropped, a millisecond's worth; returns whether there is more.

        Until then it counts in `memory`, and calls may find there what they would need chunks for.
        """

    def rotate(self, partition: int) -> None:
        """Closes the recent generations of the partition's shops."""

    def put_chunk(self, chunk_id: bytes, content: bytes) -> None:
        """Hands in a chunk's content. Raises ValueError when the id has not 32 bytes."""

    def put_filter(self, chunk_id: bytes, filter: bytes) -> None:
        """Hands in what `filter_of` gave for a chunk. Raises ValueError when it is not that."""

    def touched(self) -> list[str]:
        """Shops changed since `load_manifest`, or ever without one; sorted by id bytes."""

    def flush(self, shop_id: str) -> tuple[bytes, bytes, list[bytes]]:
        """(StoredShop without places, head, contents of a segment's chunks) of a loaded shop.

        Raises KeyError for a shop that is unknown or not loaded.
        """

    def missing_of(self, shop_id: str) -> bytes:
        """Ids of the chunks that `snapshot` of this shop needs. Raises KeyError for an unknown shop."""

    def memory(self) -> int:
        """About how many bytes shops and chunks take."""

    def shrink(self, limit: int) -> None:
        """Forgets chunks and unloads shops, those unused for the longest first, down to `limit` bytes."""

@final
class Appender:
    """Commits groups of records with one SQL statement each, on a thread that never takes the interpreter's lock.

    Rust only. Calls the functions of SQLite's that it is given: those of the copy that the interpreter's `sqlite3`
    uses, since two copies in one process drop each other's locks on a file.
    """

    SQLITE: tuple[str, ...]
    """The names of those functions, without their `sqlite3_`."""

    def __init__(
        self,
        addresses: Sequence[int],
        path: bytes,
        busy_ms: int,
        setup: str,
        insert: str,
        notify: int,
    ) -> None:
        """Starts the thread. `addresses`: of the functions in SQLITE, in that order, of a library that stays loaded.

        `path`: a database that is there. `setup`: SQL for each new connection. `insert`: the statement, in which
        "{rows}" stands for the rows' values. `notify`: a file descriptor that does not block; a byte is written to it
        when there is something to collect. Raises ValueError for an address of 0 or a 0 in a text, OSError.
        """

    def append(self, number: int, rows: list[tuple[int, int, bytes, bytes]]) -> bool:
        """Hands a group in: (partition, number of the record before, append id, record) each. False: closed."""

    def collect(self) -> list[tuple[int, int, str | None]]:
        """(number, how many rows went in, None or SQLite's error) of each group done since the last call, in order.

        After an error the connection is closed, so that nothing of the group is half done; the next group opens one.
        """

    def pause(self) -> None:
        """Waits until nothing is being written; until `resume` nothing is."""

    def resume(self) -> None:
        """After each `pause`, from any thread."""

    def close(self) -> None:
        """Waits for what was handed in and closes the connection; again: does nothing."""

def merge_chunks(
    sources: list[list[bytes]],
    first: bytes,
    end: bytes,
    now_ms: int,
    contact_lifetime_ms: int,
    contacts_since_ms: int,
) -> list[bytes]:
    """One segment's chunks out of several segments' (newest first), for keys `first <= key < end`.

    An empty `end` is no end. Raises ValueError when a source is no segment.
    """

def filter_of(content: bytes) -> bytes:
    """Of a segment's chunk, for `put_filter` in the same process; b"": this core has no use for any.

    Raises ValueError when it is no segment's chunk.
    """

def partition_of(shop_id: str, partitions: int) -> int:
    """The partition a shop belongs to: CRC-32C of the id's UTF-8 bytes modulo `partitions`."""
