"""A shadow's life: from the state where it begins along the log, for as long as somebody listens.

Runs in a process of its own and reads the journal as it is on the disk. While nobody takes what it tells, it waits:
what has not been read yet is in the log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from fenliu.engine import Core, Engine, partition_of
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.follow import BATCH_BYTES
from fenliu.insight.places import Place, at_end, entries_of, first_at, shop_at
from fenliu.insight.shadow.asking import read
from fenliu.insight.shadow.candidate import Candidate
from fenliu.insight.shadow.differences import Comparison
from fenliu.journal import Reader, Record
from fenliu.recovery import chunk_ids, head_of, records
from fenliu.v1 import insight_pb2

LOOK_AGAIN_S = 0.1
TELL_EVERY_S = 0.25
"""Messages are at least so far apart, unless they are full."""
MOST_TOLD = 1_000
"""Differences in a message."""
CHUNK_BYTES = 64 * 2**20
"""What chunks of the log's snapshots may take in memory."""
_SHRINK_EVERY = 5_000

Emit = Callable[[insight_pb2.WatchShadowResponse], None]


def run(reader: Reader, core: Core, request: bytes, emit: Callable[[bytes], None]) -> None:
    """As `watch`: the request is `asked(...)`, each message a WatchShadowResponse."""
    wanted, now_ms = read(request)
    watch(reader, core, wanted, now_ms, lambda response: emit(response.SerializeToString()))


def watch(
    reader: Reader, core: Core, request: insight_pb2.WatchShadowRequest, now_ms: int, emit: Emit
) -> None:
    """Tells what the candidate does otherwise, until the live shop is deleted. `emit` may wait.

    `now_ms`: the time it is, for a shadow that begins now; 0: that of the shop's last log entry. Raises
    EngineRefused, CorruptRecord (DroppedRecord: so far behind that what comes next is gone), CorruptSnapshot,
    StorageError.
    """
    shop_id = request.candidate_shop.shop_id
    since_ms = request.since_ms or now_ms
    place = first_at(reader, core, shop_id, since_ms) if since_ms else at_end(reader, shop_id)
    engine, head, supply = _loaded(reader, core, shop_id, place)
    since_ms = since_ms or head.last_now_ms
    candidate = Candidate(engine, head, request.candidate_shop, supply)
    told = _Telling(Comparison(since_ms, head.shop, request.candidate_shop), candidate, emit)
    told.take(None, candidate.begin(since_ms), since_ms)
    told.tell()
    for number, live in enumerate(_follow(reader, core, shop_id, place, told.pause), 1):
        told.take(live, candidate.take(live), live.now_ms)
        if any(fact.HasField("shop_deleted") for fact in live.facts):
            told.tell()
            return
        if number % _SHRINK_EVERY == 0:
            engine.shrink(CHUNK_BYTES)


class _Telling:
    """Gathers what is to be told, and tells it now and then."""

    def __init__(self, comparison: Comparison, candidate: Candidate, emit: Emit) -> None:
        self._comparison = comparison
        self._candidate = candidate
        self._emit = emit
        self._differences: list[insight_pb2.ShadowDifference] = []
        self._news = False
        self._caught_up = False
        self._last_s = 0.0

    def take(
        self, live: engine_pb2.Entry | None, shadow: engine_pb2.Entry | None, at_ms: int
    ) -> None:
        self._differences += self._comparison.take(live, shadow, at_ms)
        self._news = True
        self._caught_up = False
        while len(self._differences) >= MOST_TOLD:
            self.tell()

    def pause(self, caught_up: bool) -> None:
        """Tells what is new, unless it has just told something; and once that there is nothing more yet."""
        news = self._news or (caught_up and not self._caught_up)
        if news and time.monotonic() - self._last_s >= TELL_EVERY_S:
            self._caught_up = caught_up
            self.tell()

    def tell(self) -> None:
        some = self._differences[:MOST_TOLD]
        del self._differences[:MOST_TOLD]
        response = insight_pb2.WatchShadowResponse(
            differences=some,
            sums=self._comparison.sums(self._candidate.left_out),
            live_changed=self._comparison.changed,
            caught_up=self._caught_up,
        )
        self._comparison.changed = False
        self._news = bool(self._differences)
        self._last_s = time.monotonic()
        self._emit(response)


def _follow(
    reader: Reader, core: Core, shop_id: str, place: Place, pause: Callable[[bool], None]
) -> Iterator[engine_pb2.Entry]:
    """The shop's entries from a place on, without an end.

    `pause` is called after each record, and with True when there are no more yet.
    """
    partition = partition_of(shop_id, reader.partitions)
    next_seq = place.seq
    while True:
        # Read before any is used: whoever waits inside would hold up the log's file.
        batch: list[Record] = []
        size = 0
        if at_end(reader, shop_id).seq > next_seq:
            for record in records(reader, core, partition, next_seq):
                batch.append(record)
                size += len(record.entries)
                if size >= BATCH_BYTES:
                    break
        for record in batch:
            yield from entries_of(record, shop_id, place)
            next_seq = record.seq + 1
            pause(False)
        if not batch:
            pause(True)
            time.sleep(LOOK_AGAIN_S)


def _loaded(
    reader: Reader, core: Core, shop_id: str, place: Place
) -> tuple[Engine, engine_pb2.ShopSnapshot, Callable[[bytes], None]]:
    """An engine with the shop as it was there, its head, and how the engine gets the chunks that it names."""
    manifest, made = shop_at(reader, core, shop_id, place)
    engine = core.engine(reader.partitions)
    engine.load_manifest(manifest)

    def supply(ids: bytes) -> None:
        for chunk_id in chunk_ids(ids):
            content = made.get(chunk_id) or reader.chunks(None, [chunk_id])[chunk_id]
            engine.put_chunk(chunk_id, content)

    head = head_of(reader, manifest, made)
    return engine, head or engine_pb2.ShopSnapshot(), supply
