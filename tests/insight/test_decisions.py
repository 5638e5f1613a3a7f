"""ListDecisions and SummarizeDecisions: agree with the log, page by page, whatever is asked for."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from types import ModuleType
from typing import Any

import grpc
import pytest

from fenliu.client import FenliuError
from fenliu.insight.errors import TookTooLong
from fenliu.insight.reports import decisions
from fenliu.insight.reports.reading import TableReader
from fenliu.insight.reports.schema import FILE, open_for_reading
from fenliu.journal import SqliteReader
from fenliu.v1 import insight_pb2, types_pb2
from support.scene import DAY, HOUR, MIDNIGHT, MINUTE, Decision, Scene, agent, group, serving


def window(start_ms: int = MIDNIGHT, end_ms: int = MIDNIGHT + DAY) -> insight_pb2.Window:
    return insight_pb2.Window(start_ms=start_ms, end_ms=end_ms)


def listing(scene: Scene, **asked: Any) -> insight_pb2.ListDecisionsResponse:
    asked.setdefault("window", window())
    request = insight_pb2.ListDecisionsRequest(shop_id=scene.shop_id, **asked)
    return scene.call("InsightService/ListDecisions", request, insight_pb2.ListDecisionsResponse)


def all_pages(scene: Scene, **asked: Any) -> list[insight_pb2.RouteResponseRecord]:
    found, token = [], ""
    while True:
        page = listing(scene, page_token=token, **asked)
        found += page.decisions
        token = page.next_page_token
        if not token:
            return found


def summary(scene: Scene, **asked: Any) -> insight_pb2.SummarizeDecisionsResponse:
    asked.setdefault("window", window())
    request = insight_pb2.SummarizeDecisionsRequest(shop_id=scene.shop_id, **asked)
    return scene.call(
        "InsightService/SummarizeDecisions", request, insight_pb2.SummarizeDecisionsResponse
    )


def told(record: insight_pb2.RouteResponseRecord) -> tuple[Any, ...]:
    return (
        record.decision_id, record.decided_at_ms, record.buyer_id, record.outcome, record.reason,
        record.agent_id, record.group_id, record.conversation_id,
    )  # fmt: skip


def logged(one: Decision) -> tuple[Any, ...]:
    fact = one.fact
    conversation = f"c{fact.conversation}" if fact.conversation else ""
    return (
        f"d{fact.decision}", one.at_ms, one.buyer_id, fact.outcome, fact.reason,
        fact.agent_id, fact.group_id, conversation,
    )  # fmt: skip


@pytest.fixture
def busy(scene: Scene) -> Scene:
    """Queue, pool, transfer, timeouts, a robot nobody sees, repeats: three hours of them."""
    scene.opens(
        [agent("a", cap=3), agent("b", cap=3, weight=2), "c"],
        [group("presale", "a", "b"), group("after", "c", intents=["refund"])],
        owner="boss",
        queue_limit=2,
        queue_timeout_ms=5 * MINUTE,
        reply_timeout_ms=20 * MINUTE,
        idle_close_ms=40 * MINUTE,
    )
    rng = random.Random(7)
    for number in range(120):
        scene.after(rng.randrange(3 * MINUTE))
        buyer = f"buyer-{rng.randrange(40)}"
        answer = scene.route(buyer, intent=rng.choice(["", "", "refund"]))
        if answer.agent_id and rng.random() < 0.5:
            scene.after(10_000).replies(buyer)
        if answer.agent_id == "a" and rng.random() < 0.1:
            scene.transfer(answer, agent_id="b", allow_offline=True)
        if number == 60:
            scene.offline("c")
    return scene


FILTERS: list[tuple[dict[str, Any], Callable[[Decision], bool]]] = [
    ({}, lambda one: True),
    ({"agent_ids": ["a"]}, lambda one: one.fact.agent_id == "a"),
    ({"agent_ids": ["b", "boss"]}, lambda one: one.fact.agent_id in ("b", "boss")),
    (
        {"reasons": ["REASON_WEIGHTED", "REASON_LEFT_QUEUE"]},
        lambda one: one.fact.reason in (types_pb2.REASON_WEIGHTED, types_pb2.REASON_LEFT_QUEUE),
    ),
    ({"outcomes": ["OUTCOME_QUEUED"]}, lambda one: one.fact.outcome == types_pb2.OUTCOME_QUEUED),
    ({"buyer_id": "buyer-7"}, lambda one: one.buyer_id == "buyer-7"),
    (
        {"agent_ids": ["a", "b"], "reasons": ["REASON_WEIGHTED"], "buyer_id": "buyer-9"},
        lambda one: (
            one.fact.agent_id in ("a", "b")
            and one.fact.reason == types_pb2.REASON_WEIGHTED
            and one.buyer_id == "buyer-9"
        ),
    ),
    ({"buyer_id": "nobody"}, lambda one: False),
]


def test_pages_counts_and_samples_are_what_the_log_says(busy: Scene):
    log = busy.decisions()
    assert len({one.fact.reason for one in log}) > 6  # it is a busy day indeed
    windows = [
        window(),
        window(MIDNIGHT + 10 * HOUR, MIDNIGHT + 11 * HOUR),
        window(log[20].at_ms, log[80].at_ms),
        window(log[20].at_ms, log[20].at_ms + 1),
        window(MIDNIGHT, log[0].at_ms),
        window(log[-1].at_ms + 1, MIDNIGHT + 2 * DAY),
    ]
    busy.after(HOUR)
    for where in windows:
        for chosen, matches in FILTERS:
            expected = [
                logged(one)
                for one in log
                if where.start_ms <= one.at_ms < where.end_ms and matches(one)
            ]
            asked = {"window": where, "filter": insight_pb2.DecisionFilter(**chosen)}
            for size in (0, 7):
                found = all_pages(busy, page_size=size, **asked)
                assert [told(one) for one in found] == expected
            counted = summary(busy, sample_size=1000, **asked)
            assert counted.decisions == len(expected)
            assert {
                (one.agent_id, one.outcome, one.reason): one.decisions for one in counted.counts
            } == Counter((one[5], one[3], one[4]) for one in expected)
            assert [told(one) for one in counted.sample] == expected


def test_a_page_looks_through_so_many_and_goes_on(busy: Scene, monkeypatch: pytest.MonkeyPatch):
    log = busy.decisions()
    listing(busy)
    connection = open_for_reading(busy.server.data / FILE, SqliteReader(busy.server.data).data_id)
    assert connection is not None
    monkeypatch.setattr(decisions, "LOOKED_THROUGH", 10)
    request = insight_pb2.ListDecisionsRequest(
        shop_id=busy.shop_id,
        window=window(),
        filter=insight_pb2.DecisionFilter(reasons=["REASON_LEFT_QUEUE"]),
    )
    found, pages = [], 0
    while True:
        page = decisions.page(connection, request, 0)
        found += page.decisions
        pages += 1
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    connection.close()
    assert pages == -(-len(log) // 10)
    assert [one.decision_id for one in found] == [
        f"d{one.fact.decision}" for one in log if one.fact.reason == types_pb2.REASON_LEFT_QUEUE
    ]


def test_a_sample_is_drawn_by_its_seed_and_evenly(busy: Scene):
    total = len(busy.decisions())

    def drawn(seed: int, size: int = 10) -> list[str]:
        found = summary(busy, sample_size=size, seed=seed).sample
        return [one.decision_id for one in found]

    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(1) == sorted(set(drawn(1)), key=lambda one: int(one[1:]))
    seen = Counter(one for seed in range(60) for one in drawn(seed, total // 2))
    assert len(seen) == total  # nobody is never drawn
    assert max(seen.values()) < 60  # nor always


def test_a_restart_changes_nothing(core: ModuleType, tmp_path_factory: pytest.TempPathFactory):
    data = tmp_path_factory.mktemp("again") / "data"
    with serving(core, data) as server:
        scene = Scene(server).opens(["a"])
        scene.route("b1")
        before = all_pages(scene)
    with serving(core, data) as server:
        again = scene.again(server)
        assert all_pages(again) == before != []
        again.route("b2")
        assert [one.buyer_id for one in all_pages(again)] == ["b1", "b2"]


REFUSED = [
    ({"window": None}, "window", "required"),
    ({"window": window(2, 1)}, "window.end_ms", "the window ends before it begins"),
    ({"window": window(2, 2)}, "window.end_ms", "the window is empty: its end is not included"),
    ({"window": window(MIDNIGHT - DAY, MIDNIGHT)}, "window.end_ms", ""),
    ({"window": window(MIDNIGHT + DAY, MIDNIGHT + 2 * DAY)}, "window.start_ms", ""),
    ({"filter": {"reasons": [99]}}, "filter.reasons[0]", "unknown value"),
    ({"filter": {"outcomes": [0]}}, "filter.outcomes[0]", "required"),
    ({"filter": {"agent_ids": ["a"] * 101}}, "filter.agent_ids", "at most 100 elements"),
    ({"filter": {"buyer_id": "x" * 129}}, "filter.buyer_id", ""),
]


@pytest.mark.parametrize(("asked", "field", "rule"), REFUSED)
@pytest.mark.parametrize("ask", [listing, summary])
def test_what_cannot_be_asked_is_said(
    scene: Scene, ask: Callable[..., Any], asked: dict[str, Any], field: str, rule: str
):
    scene.opens(["a"])
    given = dict(asked)
    if "filter" in given:
        given["filter"] = insight_pb2.DecisionFilter(**given["filter"])
    with scene.refused("INVALID_FIELD", field, rule):
        ask(scene, **given)


def test_numbers_out_of_range_and_tokens_of_others_are_refused(scene: Scene):
    scene.opens(["a"])
    for number in range(3):
        scene.route(f"b{number}")
    with scene.refused("INVALID_FIELD", "page_size", "must be within 0..1000"):
        listing(scene, page_size=1001)
    with scene.refused("INVALID_FIELD", "sample_size", "must be within 0..1000"):
        summary(scene, sample_size=-1)
    token = listing(scene, page_size=1).next_page_token
    rule = "not one that an answer to the same question gave"
    for asked in (
        {"page_token": "x"},
        {"page_token": token + "="},
        {"page_token": token, "filter": insight_pb2.DecisionFilter(agent_ids=["a"])},
        {"page_token": token, "window": window(MIDNIGHT, MIDNIGHT + HOUR * 20)},
    ):
        with scene.refused("INVALID_FIELD", "page_token", rule):
            listing(scene, **asked)
    assert len(listing(scene, page_token=token, page_size=5).decisions) == 2


def test_who_was_never_there_is_not_found(scene: Scene):
    scene.opens(["a"], owner="boss")
    nobody = insight_pb2.DecisionFilter(agent_ids=["a", "x"])
    with scene.refused("AGENT_NOT_FOUND", "filter.agent_ids[1]", code="NOT_FOUND"):
        listing(scene, filter=nobody)
    assert summary(scene, filter=insight_pb2.DecisionFilter(agent_ids=["boss"])).decisions == 0
    with pytest.raises(grpc.RpcError) as caught:
        listing(Scene(scene.server, "nowhere"))
    assert FenliuError.from_rpc(caught.value).reason == "SHOP_NOT_FOUND"


def test_a_window_too_full_to_count_is_refused(busy: Scene, monkeypatch: pytest.MonkeyPatch):
    listing(busy)
    connection = open_for_reading(busy.server.data / FILE, SqliteReader(busy.server.data).data_id)
    assert connection is not None
    monkeypatch.setattr(decisions, "MOST_COUNTED", 100)
    request = insight_pb2.SummarizeDecisionsRequest(shop_id=busy.shop_id, window=window())
    with pytest.raises(decisions.ReportRefused, match="at most 100"):
        decisions.summary(connection, request, 0)
    connection.close()


async def test_reading_ends_when_nobody_waits_any_more(busy: Scene):
    """However long the question would take."""
    listing(busy)
    data = busy.server.data
    reader = SqliteReader(data)
    tables = TableReader(data, reader, reader.data_id, lambda: None)
    forever = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    try:
        with pytest.raises(TookTooLong):
            await tables.read(lambda found: found[0].execute(forever).fetchall(), time_s=0.1)
        with pytest.raises(TookTooLong):
            await tables.read(lambda found: found, time_s=0)
        gone = asyncio.create_task(tables.read(lambda found: found[0].execute(forever).fetchall()))
        await asyncio.sleep(0.1)
        gone.cancel()
        # Both threads are free again.
        count = "SELECT count(*) FROM decisions"
        two = [tables.read(lambda found: found[0].execute(count).fetchone()) for _ in range(2)]
        async with asyncio.timeout(20):
            assert all(row[0] > 0 for row in await asyncio.gather(*two))
    finally:
        await asyncio.to_thread(tables.close)
