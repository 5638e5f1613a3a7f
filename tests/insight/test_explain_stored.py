"""Explaining decisions of large shops and long logs: of both, only what is needed is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fenliu.engine import load_core
from fenliu.engine.explanation import Explanation
from fenliu.engine.pure.explain import explain, explain_stored
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.decisions import DecisionIndex
from fenliu.insight.errors import DecisionNotMade
from fenliu.insight.explain import Explainer
from fenliu.journal import (
    CorruptSnapshot,
    ManifestHead,
    Reader,
    Record,
    SqliteReader,
    StoredManifest,
)
from fenliu.recovery import SnapshotWriter, manifest_before, snapshots, whole_snapshot
from fenliu.recovery.segments import ChunkStore, flushed
from fenliu.v1 import types_pb2
from support.logs import PARTITIONS, Log

BUSY, SELDOM = "shop-busy", "shop-seldom"
RECORDS = 512
EACH = 64  # records to a snapshot
CONTACTS = 100_000
COMPARED = 2  # explained out of the whole shop, which takes its time


def explained_stored(
    reader: Reader,
    core: ModuleType,
    shop_id: str,
    seq: int,
    earlier: bytes,
    entry: bytes,
    number: int,
) -> Explanation:
    """A decision explained as its shop is stored; `earlier`: the entries before it in its record."""
    manifest, made = manifest_before(reader, load_core(core.CORE), shop_id, seq, earlier)

    def fetch(ids: list[bytes]) -> dict[bytes, bytes]:
        return {one: made[one] if one in made else reader.chunks(None, [one])[one] for one in ids}

    return explain_stored(reader.partitions, manifest, entry, number, fetch)


class Counted:
    """A reader that counts what is read through it."""

    def __init__(self, reader: SqliteReader) -> None:
        self._reader = reader
        self.records: Counter[int] = Counter()
        self.manifests_read = 0
        self.chunks_read = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def read(self, partition: int, from_seq: int = 1) -> Iterator[Record]:
        for record in self._reader.read(partition, from_seq):
            self.records[record.seq] += 1
            yield record

    def manifest(self, partition: int, seq: int | None = None) -> StoredManifest | None:
        self.manifests_read += 1
        return self._reader.manifest(partition, seq)

    def chunks(self, partition: int | None, ids: Collection[bytes]) -> dict[bytes, bytes]:
        self.chunks_read += len(ids)
        return self._reader.chunks(partition, ids)


# --- long logs ------------------------------------------------------------------------------------


@pytest.fixture(params=[False, True], ids=["without snapshots", "with snapshots"])
def log(
    request: pytest.FixtureRequest,
    core: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Log]:
    """Two shops of one partition: one with nearly every record, one that is asked now and then."""
    log = Log(core, tmp_path / "data")
    log.opens(BUSY)
    log.opens(SELDOM)
    for number in range(log.seq, RECORDS):
        log.route(SELDOM if number % 100 == 0 else BUSY, f"b{number}")
    if request.param:
        monkeypatch.setattr(snapshots, "HISTORY_BYTES", 0)  # all are kept
        writer = SnapshotWriter(log.journal, load_core(core.CORE))
        for seq in range(EACH, RECORDS, EACH):
            writer.write(0, seq)
        assert len(log.journal.manifests(0)) == RECORDS // EACH - 1
    yield log
    log.journal.close()


def test_every_decision_is_found_where_it_was_logged(log: Log):
    index = DecisionIndex(log.journal)
    for (shop_id, number), seq in log.places.items():
        record, (entry,) = index.find(shop_id, number)
        assert record.seq == seq
        assert [fact.decided.decision for fact in entry.facts] == [number]
    for shop_id in (BUSY, SELDOM, "nowhere"):
        made = sum(shop == shop_id for shop, _ in log.places)
        for number in (0, made + 1, 10**30):
            with pytest.raises(DecisionNotMade):
                index.find(shop_id, number)


def test_a_search_reads_little_whichever_decision_is_asked_for(log: Log):
    stretch = EACH if log.journal.manifests(0) else RECORDS
    for (shop_id, number), seq in log.places.items():
        reader = Counted(log.journal)
        index = DecisionIndex(reader)
        index.find(shop_id, number)
        # A shop that is seldom asked may have to be looked for in all that is left, each time a half.
        most = 2 * stretch.bit_length() if shop_id == BUSY else stretch + stretch.bit_length()
        assert reader.records[seq] > 0
        assert sum(reader.records.values()) <= most
        assert reader.manifests_read <= 3
        index.find(shop_id, number)
        assert reader.manifests_read <= 3, "numbers out of snapshots are remembered"


async def test_a_snapshot_that_is_dropped_meanwhile_is_not_gone_by(log: Log):
    class Dropping(Counted):
        """Tells at first of a snapshot that is no longer there when it is to be read."""

        told = 0

        def manifests(self, partition: int) -> list[ManifestHead]:
            self.told += 1
            gone = ManifestHead(RECORDS - 1, log.now, 1)
            return [gone] if self.told == 1 else log.journal.manifests(partition)

    with pytest.raises(CorruptSnapshot):
        DecisionIndex(Dropping(log.journal)).find(BUSY, 100)
    explainer = Explainer(Dropping(log.journal), load_core(log.core.CORE))
    answer = await explainer.explain(BUSY, "d100", "", types_pb2.LANGUAGE_ENGLISH)
    assert answer.decision.decision_id == "d100"
    explainer.close()


# --- large shops ----------------------------------------------------------------------------------


def store_many_contacts(log: Log) -> None:
    """Says in a snapshot of all there is that the busy shop has many contacts more."""
    shop = engine_pb2.ShopSnapshot.FromString(log.engine.snapshot(BUSY))
    shop.last_conversation = CONTACTS
    for number in range(1, CONTACTS + 1):
        shop.contacts.add(
            buyer_id=f"buyer-{number:06}",
            agent_id="ab"[number % 2],
            consulted_at_ms=log.now - 3_600_000,
            conversation=number,
        )
    engine = log.core.Engine(PARTITIONS)
    engine.load_snapshot(shop.SerializeToString())
    chunks: dict[bytes, bytes] = {}
    core = load_core(log.core.CORE)
    put = chunks.__setitem__
    stored = flushed(core, engine, BUSY, None, ChunkStore(put, put))
    assert sum(len(segment.chunks) for segment in stored.segments) > 100
    version = log.core.RULES_VERSION
    for chunk_id, content in chunks.items():
        log.journal.put_chunks(0, {chunk_id: content}, version).result()
    manifest = engine_pb2.Manifest(rules_version=version, partition=0, seq=log.seq, shops=[stored])
    log.journal.put_manifest(0, log.seq, log.now, version, manifest.SerializeToString()).result()
    log.engine.load_manifest(manifest.SerializeToString())


@pytest.mark.slow
async def test_of_a_large_shop_only_the_chunks_that_are_needed_are_read(
    core: ModuleType, tmp_path: Path
):
    log = Log(core, tmp_path / "data")
    log.opens(BUSY)
    store_many_contacts(log)
    buyers = ["buyer-000007", "buyer-050000", "buyer-099998", "somebody new", "buyer-000007"]
    entries = [log.route(BUSY, buyer) for buyer in buyers]

    reader = Counted(log.journal)
    explainer = Explainer(reader, load_core(core.CORE))
    told = []
    for number, buyer in enumerate(buyers, 1):
        reader.chunks_read = 0
        answer = await explainer.explain(BUSY, f"d{number}", "", types_pb2.LANGUAGE_ENGLISH)
        # The head, and a chunk for each inquiry up to this one.
        assert 1 <= reader.chunks_read <= 1 + number + 1
        assert answer.decision.buyer_id == buyer
        told.append((answer.decision.agent_id, types_pb2.Reason.Name(answer.decision.reason)))
    explainer.close()
    recent, weighted, still = (
        f"REASON_{r}" for r in ("RECENT_CONTACT", "WEIGHTED", "OPEN_CONVERSATION")
    )
    assert told[:3] == [("b", recent), ("a", recent), ("a", recent)]
    assert told[3][1] == weighted
    assert told[4] == ("b", still)

    # And the whole shop explains them the same.
    whole = core.Engine(PARTITIONS)
    manifest = log.journal.manifest(0)
    assert manifest is not None
    whole.load_manifest(manifest.content)
    for number, entry in enumerate(entries[:COMPARED], 1):
        expected = explain(whole_snapshot(log.journal, whole, BUSY), entry, number)
        seq = log.places[BUSY, number]
        assert explained_stored(log.journal, core, BUSY, seq, b"", entry, number) == expected
        whole.apply(entry)
    log.journal.close()
