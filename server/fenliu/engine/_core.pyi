"""The engine's face: what both cores offer, with the same bytes in and out.

This file states the signatures once; `fenliu.engine._core` (Rust) and `fenliu.engine.pure` (Python)
both match it. What each call means byte by byte is written in docs/engine.md.
"""

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
    """

    def __init__(self, partitions: int) -> None:
        """An engine without shops. `partitions`: 1..65536, else ValueError."""

    def decide(
        self, kind: int, request: bytes, now_ms: int, actor: str = ""
    ) -> tuple[int, bytes, int, bytes]:
        """Decides one command at `now_ms` and changes the state accordingly.

        `kind` is a `CommandKind`. Returns (code, reply, partition, entry): `entry` is what to log,
        length-prefixed as in `PartitionEntries`, or b"" when there is nothing to log; `partition` is
        the shop's, or -1 when no shop id could be read. A refused command may still carry an entry:
        what was due by then. Raises ValueError for an unknown kind.
        """

    def decide_batch(
        self, kind: int, batch: bytes, now_ms: int, first: int = 0, count: int = 4096
    ) -> tuple[int, bytes, int, int, list[PartitionEntries]]:
        """Decides elements `first .. first + count` of a batch (ROUTE, MESSAGE or ORDER), each by itself.

        Returns (code, results, total, batch_id, entries): `results` is a response's `results` field,
        encoded, for this slice (slices concatenate to the whole response); `total` the number of
        elements in the batch; `entries` by ascending partition. With a code other than 0 nothing was
        decided and `results` is the Status. Raises ValueError for another kind.
        """

    def tick(self, now_ms: int) -> list[PartitionEntries]:
        """Applies what is due by `now_ms` in every shop; entries by ascending partition, then shop id."""

    def next_due(self) -> int | None:
        """The earliest due time of all shops, Unix ms; None when nothing will fall due."""

    def query(self, kind: int, request: bytes) -> tuple[int, bytes, int]:
        """Answers a `QueryKind`: (code, reply, partition), partition -1 when it spans all shops or none.

        Raises ValueError for an unknown kind.
        """

    def apply(self, entries: bytes) -> int:
        """Applies logged entries (concatenated, length-prefixed); returns how many.

        Raises ValueError when the bytes are no entries; those before the bad one are applied.
        """

    def redecide(self, entry: bytes) -> tuple[int, bytes, int, bytes]:
        """Decides a logged entry's command again (one entry, length-prefixed); returns as `decide`."""

    def shop_ids(self) -> list[str]:
        """All shops, by id bytes."""

    def sessions(self) -> list[tuple[str, str]]:
        """(session id, shop id) of every presence session that still has agents, sorted."""

    def snapshot(self, shop_id: str) -> bytes:
        """The shop's canonical `ShopSnapshot`. Raises KeyError for an unknown shop."""

    def load_snapshot(self, snapshot: bytes) -> None:
        """Puts a shop in place as the snapshot says, replacing it. Raises ValueError for bad bytes."""

    def state_hash(self) -> bytes:
        """32 bytes over the whole state; docs/engine.md section 12."""

    def take_partition(self, other: Engine, partition: int) -> None:
        """Replaces this engine's shops of `partition` by those of `other`, which loses them.

        Raises ValueError when the two do not have the same number of partitions.
        """

def partition_of(shop_id: str, partitions: int) -> int:
    """The partition a shop belongs to: CRC-32C of the id's UTF-8 bytes modulo `partitions`."""
