"""A whole day of five shops with every feature on: each decision explained, as the naive model sees it."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from end_to_end.days import log_of, shop_of
from end_to_end.test_feature_day import START_MS, feature_shops
from fenliu.app import App
from fenliu.client import FenliuClient
from fenliu.config import ServerConfig
from fenliu.engine import load_core
from fenliu.engine.explanation import Explanation
from fenliu.engine.pure.explain import explain
from fenliu.journal import SqliteJournal
from fenliu.recovery import SnapshotWriter, snapshots
from fenliu.traffic.day import DAY_MS, sale_day
from fenliu.traffic.player import play
from fenliu.v1 import insight_pb2, operator_pb2, types_pb2
from insight.test_explain_reasons import check
from insight.test_explain_stored import explained_stored
from model.naive import NaiveModel
from model.reasons import watched
from model.wire import parse_entry, split_entries

pytestmark = pytest.mark.slow

PARTITIONS = 8
BUYERS = 70
ASKED = 25
RECORDS_A_SNAPSHOT = 40


async def test_every_decision_of_a_day_is_explained_as_the_model_sees_it(
    core: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = ServerConfig(
        listen="127.0.0.1:0",
        data=tmp_path / "data",
        core=core.CORE,
        clock="trace",
        partitions=PARTITIONS,
        grace_ms=200,
    )
    await _play(config)
    explained: dict[tuple[str, int], Explanation] = {}
    engine, model = core.Engine(PARTITIONS), NaiveModel()
    for entry, read in log_of(tmp_path / "data"):
        shop_id, name = shop_of(read), str(read.WhichOneof("command"))
        numbers = [fact.decided.decision for fact in read.facts if fact.HasField("decided")]
        before = engine.snapshot(shop_id) if numbers else b""
        with watched() as seen:
            model.decide(name, getattr(read, name), read.now_ms, read.actor)
        for number in numbers:
            explained[shop_id, number] = found = explain(before, entry, number)
            check(found, seen[shop_id, number])
        engine.apply(entry)
    assert len(explained) > 700
    reasons = Counter(one.decided.reason for one in explained.values())
    assert len(reasons) > 15  # that each occurs at all is test_explain_reasons' to see

    # The same out of snapshots, made every few records.
    monkeypatch.setattr(snapshots, "HISTORY_BYTES", 0)  # all are kept
    journal = SqliteJournal.open(tmp_path / "data")
    _make_snapshots(journal, core)
    assert _explained_as_stored(journal, core) == explained
    journal.close()

    # And over gRPC, after a restart, the same.
    app = App(config)
    try:
        async with FenliuClient(await app.start()) as client:
            for shop_id, number in random.Random(1).sample(sorted(explained), ASKED):
                await _same(client, shop_id, explained[shop_id, number])
    finally:
        await app.stop()


async def _play(config: ServerConfig) -> None:
    traffic = sale_day(
        feature_shops(),
        seed=1111,
        start_ms=START_MS,
        end_ms=START_MS + DAY_MS,
        buyers=BUYERS,
        features=True,
    )
    app = App(config)
    try:
        async with FenliuClient(await app.start()) as client:
            await play(client, traffic, operator_pb2.CLOCK_TRACE)
    finally:
        await app.stop()


def _make_snapshots(journal: SqliteJournal, core: ModuleType) -> None:
    writer = SnapshotWriter(journal, load_core(core.CORE))
    for partition, head in journal.heads().items():
        seqs = [one.seq for one in journal.manifests(partition)]
        journal.drop_manifests(partition, seqs).result()
        for seq in range(RECORDS_A_SNAPSHOT, head.seq, RECORDS_A_SNAPSHOT):
            writer.write(partition, seq)
    assert sum(len(journal.manifests(partition)) for partition in journal.heads()) > 20


def _explained_as_stored(
    journal: SqliteJournal, core: ModuleType
) -> dict[tuple[str, int], Explanation]:
    found: dict[tuple[str, int], Explanation] = {}
    for partition in journal.heads():
        for record in journal.read(partition):
            earlier = b""
            for entry in split_entries(record.entries):
                read = parse_entry(entry)
                shop_id = shop_of(read)
                for fact in read.facts:
                    number = fact.decided.decision
                    if number:
                        found[shop_id, number] = explained_stored(
                            journal, core, shop_id, record.seq, earlier, entry, number
                        )
                earlier += entry
    return found


async def _same(client: FenliuClient, shop_id: str, found: Explanation) -> None:
    request = insight_pb2.ExplainDecisionRequest(
        shop_id=shop_id,
        decision_id=f"d{found.decided.decision}",
        language=types_pb2.LANGUAGE_ENGLISH,
    )
    answer = await client.explain_decision(request)
    assert all(one.text for one in answer.candidates)
    for one in answer.candidates:
        one.text = ""
    assert list(answer.candidates) == list(found.candidates)
    told: list[Any] = [(step.step, step.agent_id) for step in answer.steps]
    assert told == [(step.number, step.agent_id) for step in found.steps]
    assert answer.decision.buyer_id == found.buyer_id
