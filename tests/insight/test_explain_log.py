"""Finding decisions in the logs, and how many are explained at once."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import grpc
import pytest

from fenliu.app import App
from fenliu.client import FenliuClient, FenliuError
from fenliu.config import ServerConfig
from fenliu.engine import load_core, partition_of
from fenliu.insight.decisions import DecisionIndex
from fenliu.insight.errors import DecisionNotKept, DecisionNotMade, LogUnreadable, TooBusy
from fenliu.insight.explain import AT_ONCE, MOST_WAITING, Explainer
from fenliu.journal import Head, Record, SqliteReader, StorageError
from fenliu.v1 import insight_pb2, types_pb2
from model.cores import all_cores
from support.calls import demo_shop
from support.scene import Scene, Server, serving

ROUTED = 40


class Journal:
    """A reader of a real journal whose older records may be gone, which may be slow or broken."""

    def __init__(self, data: Path) -> None:
        self._reader = SqliteReader(data)
        self.partitions = self._reader.partitions
        self.first = 1
        self.reads: Counter[int] = Counter()
        self.broken = False
        self.go_on = threading.Event()
        self.go_on.set()

    def __getattr__(self, name: str) -> object:
        return getattr(self._reader, name)

    def heads(self, partitions: Collection[int] | None = None) -> dict[int, Head]:
        return self._reader.heads(partitions)

    def starts(self, partitions: Collection[int] | None = None) -> dict[int, int]:
        return dict.fromkeys(self._reader.starts(partitions), self.first)

    def read(self, partition: int, from_seq: int = 1) -> Iterator[Record]:
        self.go_on.wait()
        if self.broken:
            raise StorageError("the disk is gone")
        assert from_seq >= self.first
        for record in self._reader.read(partition, from_seq):
            self.reads[record.seq] += 1
            yield record


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, list[Scene]]]:
    """Two shops in one partition, whose decisions come by turns, alone and several to a record."""
    data = tmp_path_factory.mktemp("log") / "data"
    with serving(all_cores()[0], data) as server:
        partitions = SqliteReader(data).partitions
        names = (f"shop-{number}" for number in range(10_000))
        here = partition_of("shop-0", partitions)
        one, other = [name for name in names if partition_of(name, partitions) == here][:2]
        scenes = [Scene(server, one).opens(["a", "b"]), Scene(server, other).opens(["c"])]
        for number in range(ROUTED // 4):
            for scene in scenes:
                scene.route(f"buyer-{number}-1")
                scene.routes([f"buyer-{number}-{part}" for part in (2, 3, 4)])
        yield server, scenes


@pytest.fixture
def journal(played: tuple[Server, list[Scene]]) -> Journal:
    return Journal(played[0].data)


def test_every_decision_is_found(played: tuple[Server, list[Scene]], journal: Journal):
    index = DecisionIndex(journal)
    for scene in played[1]:
        for number in range(1, ROUTED + 1):
            record, own = index.find(scene.shop_id, number)
            *before, last = own
            assert number in [fact.decided.decision for fact in last.facts]
            assert all(fact.decided.decision < number for entry in before for fact in entry.facts)
            assert {entry.route.shop_id for entry in own} == {scene.shop_id}
            assert record.seq > 1
        for number in (0, ROUTED + 1, 10**30):
            with pytest.raises(DecisionNotMade):
                index.find(scene.shop_id, number)
    with pytest.raises(DecisionNotMade):
        index.find("nowhere", 1)


def test_what_a_growing_log_adds_is_found(played: tuple[Server, list[Scene]], journal: Journal):
    index, scene = DecisionIndex(journal), played[1][1]
    made = len(scene.decisions())
    with pytest.raises(DecisionNotMade):
        index.find(scene.shop_id, made + 1)
    scene.route("one more")
    assert index.find(scene.shop_id, made + 1)


def test_decisions_whose_records_are_gone_are_told_from_those_never_made(
    played: tuple[Server, list[Scene]], journal: Journal
):
    known, scene = DecisionIndex(journal), played[1][0]
    record, _ = known.find(scene.shop_id, 20)
    after, _ = known.find(scene.shop_id, 21)
    assert after.seq > record.seq
    journal.first = after.seq
    for index in (known, DecisionIndex(journal)):  # one that has seen them, one that has not
        for number in (1, 20):
            with pytest.raises(DecisionNotKept) as caught:
                index.find(scene.shop_id, number)
            assert caught.value.rule.startswith("no longer kept: ")
        assert index.find(scene.shop_id, 21)
        assert index.find(scene.shop_id, ROUTED)
        with pytest.raises(DecisionNotMade):
            index.find(scene.shop_id, 10_000)


# --- how many at once -----------------------------------------------------------------------------


async def test_only_so_many_wait_and_the_loop_goes_on(
    played: tuple[Server, list[Scene]], journal: Journal
):
    explainer, scene = Explainer(journal, load_core()), played[1][0]

    async def ask() -> insight_pb2.ExplainDecisionResponse:
        return await explainer.explain(scene.shop_id, "d3", "", types_pb2.LANGUAGE_ENGLISH)

    journal.go_on.clear()
    asked = [asyncio.create_task(ask()) for _ in range(AT_ONCE + MOST_WAITING)]
    await asyncio.sleep(0)  # The loop has its turn while the log is slow.
    with pytest.raises(TooBusy) as caught:
        await ask()
    assert caught.value.retry_after_ms > 0
    journal.go_on.set()
    answers = await asyncio.gather(*asked)
    assert all(answer == answers[0] for answer in answers)
    assert await ask() == answers[0]  # There is room again.
    explainer.close()


async def test_a_broken_log_is_no_answer(played: tuple[Server, list[Scene]], journal: Journal):
    explainer, scene = Explainer(journal, load_core()), played[1][0]
    journal.broken = True
    with pytest.raises(LogUnreadable):
        await explainer.explain(scene.shop_id, "d3", "", types_pb2.LANGUAGE_ENGLISH)
    journal.broken = False
    assert await explainer.explain(scene.shop_id, "d3", "", types_pb2.LANGUAGE_ENGLISH)
    explainer.close()


async def test_callers_are_told_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def too_busy(*_: object) -> None:
        raise TooBusy(700)

    monkeypatch.setattr(Explainer, "explain", too_busy)
    app = App(ServerConfig(listen="127.0.0.1:0", data=tmp_path / "data", grace_ms=200))
    try:
        async with FenliuClient(await app.start()) as client:
            await client.apply_shop(demo_shop())
            with pytest.raises(FenliuError) as caught:
                await client.explain_decision(
                    insight_pb2.ExplainDecisionRequest(shop_id="demo", decision_id="d1")
                )
    finally:
        await app.stop()
    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert caught.value.reason == "OVERLOADED"
