"""Simulate: a recorded day under another configuration, of days whose outcome is known."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import grpc
import pytest

from fenliu.client import FenliuError
from fenliu.v1 import insight_pb2, shop_pb2, types_pb2
from support.reporting import UNDEFINED, request, value
from support.scene import (
    DAY,
    HOUR,
    MIDNIGHT,
    MINUTE,
    MORNING,
    NEVER_BUSY,
    SECOND,
    Scene,
    agent,
    group,
)

RECORDED = insight_pb2.REPLY_MODEL_AS_RECORDED
DRAWN = insight_pb2.REPLY_MODEL_DRAWN


def simulate(
    scene: Scene,
    shop: shop_pb2.Shop | None = None,
    *,
    start_ms: int = MIDNIGHT,
    end_ms: int = MIDNIGHT + DAY,
    by: str = "AGENT",
    **fields: Any,
) -> insight_pb2.SimulateResponse:
    asked = insight_pb2.SimulateRequest(
        shop_id=scene.shop_id,
        window=insight_pb2.Window(start_ms=start_ms, end_ms=end_ms),
        changed_shop=shop,
        subject=f"REPORT_SUBJECT_{by}",
        language=types_pb2.LANGUAGE_ENGLISH,
        **fields,
    )
    return scene.call("InsightService/Simulate", asked, insight_pb2.SimulateResponse)


def kpi(rows: Iterable[Any], response: insight_pb2.SimulateResponse, name: str) -> dict[str, Any]:
    """One figure of each subject."""
    place = [column.name for column in response.columns].index(name)
    return {row.subject_id: value(row.kpis[place]) for row in rows}


def received(response: insight_pb2.SimulateResponse) -> tuple[dict[str, Any], dict[str, Any]]:
    return tuple(  # type: ignore[return-value]
        kpi(rows, response, "received") for rows in (response.recorded, response.simulated)
    )


def changed(scene: Scene, **weights: int) -> shop_pb2.Shop:
    shop = shop_pb2.Shop()
    shop.CopyFrom(scene.shop)
    for one in shop.agents:
        one.weight = weights.get(one.agent_id, one.weight)
    return shop


def asks(scene: Scene, *buyers: str, reply_s: int = 0) -> None:
    """Each asks, writes, and is answered so many seconds later (0: never), one after the other."""
    for buyer in buyers:
        scene.route(buyer)
        scene.says(buyer)
        if reply_s:
            scene.after(reply_s * SECOND).replies(buyer)
        scene.after(MINUTE)


@pytest.fixture
def two(scene: Scene) -> Scene:
    """A day of two agents of equal weights and sixteen buyers, answered at once."""
    scene.opens([agent("a", weight=1), agent("b", weight=1)], busy_threshold=NEVER_BUSY)
    asks(scene, *(f"b{number}" for number in range(16)), reply_s=10)
    return scene


def test_other_weights_move_shares_exactly(two: Scene):
    response = simulate(two, changed(two, a=3))
    assert received(response) == ({"a": 8, "b": 8}, {"a": 12, "b": 4})
    place = [column.name for column in response.columns].index("received")
    differences = [row.kpis[place] for row in response.differences]
    assert [Fraction(one.numerator, one.denominator) for one in differences] == [4, -4]
    assert kpi(response.simulated, response, "first_response") == {"a": 10_000, "b": 10_000}
    assert response.decisions.inquiries == 16
    assert response.decisions.other_receiver == 16 - response.decisions.same > 0
    # The shop itself is as it was.
    assert [one.weight for one in two.stored().agents] == [1, 1]


def test_the_day_as_it_was_is_what_was_recorded(two: Scene):
    two.weights(a=2)
    asks(two, *(f"late{number}" for number in range(9)), reply_s=20)
    for response in (simulate(two), simulate(two, by="SHOP"), simulate(two, by="GROUP")):
        assert response.simulated == response.recorded
        assert response.decisions.same == response.decisions.inquiries == 25
        assert not any(k.numerator for row in response.differences for k in row.kpis)
    # With a document the changes of the day are left out, which is said.
    response = simulate(two, changed(two, a=1))
    assert received(response)[1] == {"a": 13, "b": 12}
    assert any("left out: the configuration" in one for one in response.assumptions)


def test_the_recorded_side_is_the_report(two: Scene):
    response = simulate(two, changed(two, a=3))
    report = two.call(
        "InsightService/GetReceptionReport",
        request(two.shop_id, MIDNIGHT, MIDNIGHT + DAY),
        insight_pb2.GetReceptionReportResponse,
    )
    assert list(response.recorded) == list(report.rows)
    assert response.as_of_ms == report.as_of_ms


def test_a_robot_takes_its_share(two: Scene):
    shop = changed(two)
    shop.settings.robot_id = "robot"
    shop.settings.reception_mode = shop_pb2.RECEPTION_MODE_MIXED
    shop.settings.robot_percent = 50
    assert received(simulate(two, shop))[1] == {"a": 4, "b": 4}
    shop.settings.reception_mode = shop_pb2.RECEPTION_MODE_ROBOT_FIRST
    assert received(simulate(two, shop))[1] == {"a": 0, "b": 0}


def test_one_agent_more_takes_part_when_there(two: Scene):
    shop = changed(two)
    shop.agents.add(agent_id="c", weight=2)
    shop.groups[0].agent_ids.append("c")
    like_a = insight_pb2.AgentShifts(agent_id="c", as_agent_id="a")
    assert received(simulate(two, shop, shifts=[like_a]))[1] == {"a": 4, "b": 4, "c": 8}
    # Nobody said when: never there, which is said.
    response = simulate(two, shop)
    assert received(response)[1] == {"a": 8, "b": 8, "c": 0}
    assert any("OFFLINE all the time: c" in one for one in response.assumptions)


def test_shifts_replace_what_was_recorded(two: Scene):
    half = MORNING + 8 * (MINUTE + 10 * SECOND)
    late = insight_pb2.AgentShifts(
        agent_id="b", online=[insight_pb2.Window(start_ms=half, end_ms=MIDNIGHT + DAY)]
    )
    response = simulate(two, shifts=[late])
    assert received(response)[1] == {"a": 12, "b": 4}
    online = kpi(response.simulated, response, "online_time")
    assert online["b"] == online["a"] - (half - MORNING)
    nobody = insight_pb2.AgentShifts(agent_id="b")
    assert received(simulate(two, shifts=[nobody]))[1] == {"a": 16, "b": 0}


def test_an_agent_who_goes_leaves_the_buyers_to_the_others(two: Scene):
    two.offline("b")
    asks(two, "evening1", "evening2", reply_s=10)
    one = changed(two)
    del one.agents[1]
    one.groups[0].agent_ids.remove("b")
    response = simulate(two, one)
    assert received(response) == ({"a": 10, "b": 8}, {"a": 18, "b": 0})


def test_groups_decide_who_is_asked(two: Scene):
    shop = changed(two)
    del shop.groups[:]
    shop.groups.extend([group("one", "a"), group("two", "b", products=["shoes"])])
    assert received(simulate(two, shop))[1] == {"a": 8, "b": 8}
    shop.groups[0].bindings.product_ids.append("hats")
    del shop.groups[1].agent_ids[:]
    assert received(simulate(two, shop))[1] == {"a": 16, "b": 0}


# --- replies ------------------------------------------------------------------------------------------


@pytest.fixture
def slow_and_quick(scene: Scene) -> Scene:
    """Two agents, one who answers after ten seconds and one after between one and eight minutes."""
    scene.opens([agent("quick", weight=1), agent("slow", weight=1)], busy_threshold=NEVER_BUSY)
    for number in range(24):
        quick = scene.route(f"b{number}").agent_id == "quick"
        scene.says(f"b{number}")
        scene.after(10 * SECOND if quick else (1 + number % 8) * MINUTE)
        scene.replies(f"b{number}")
        scene.after(MINUTE)
    return scene


def test_drawn_replies_are_the_agents_own(slow_and_quick: Scene):
    shop = changed(slow_and_quick, quick=3)
    response = simulate(slow_and_quick, shop, replies=DRAWN, seed=7, repetitions=8)
    counts = kpi(response.simulated, response, "received")
    assert counts == {"quick": 18, "slow": 6}
    assert kpi(response.simulated, response, "first_response")["quick"] == 10_000
    slow = kpi(response.simulated, response, "first_response")["slow"]
    assert MINUTE < slow < 8 * MINUTE
    # Drawn differently each time, the same with the same seed.
    again = simulate(slow_and_quick, shop, replies=DRAWN, seed=7, repetitions=8)
    assert again == response
    other = simulate(slow_and_quick, shop, replies=DRAWN, seed=8, repetitions=8)
    assert kpi(other.simulated, other, "first_response")["slow"] != slow


def test_intervals_hold_nine_of_ten_repetitions(slow_and_quick: Scene):
    response = simulate(slow_and_quick, replies=DRAWN, seed=1, repetitions=20)
    names = [column.name for column in response.columns]
    place = names.index("first_response")
    ends = {
        row.subject_id: (value(row.kpis[place].low), value(row.kpis[place].high))
        for row in response.intervals
    }
    assert ends["quick"] == (10_000, 10_000)
    low, high = ends["slow"]
    mean = kpi(response.simulated, response, "first_response")["slow"]
    assert MINUTE < low < mean < high < 8 * MINUTE
    assert kpi(response.simulated, response, "received") == {"quick": 12, "slow": 12}
    assert not response.intervals[0].kpis[names.index("sales_amount")].low.numerator
    single = simulate(slow_and_quick, replies=DRAWN, seed=1)
    assert not single.intervals


def test_who_never_replied_draws_from_the_group(scene: Scene):
    scene.opens(
        [agent("a", weight=1), agent("b", weight=1), agent("c", weight=1)],
        [group("one", "a", "c"), group("two", "b", products=["x"])],
        online=["a", "b"],
        busy_threshold=NEVER_BUSY,
    )
    for number in range(8):
        product = "x" if number % 2 else ""
        scene.route(f"b{number}", product_id=product)
        scene.says(f"b{number}")
        scene.after((30 if number % 2 else 10) * SECOND).replies(f"b{number}")
    there = insight_pb2.AgentShifts(agent_id="c", as_agent_id="a")
    away = insight_pb2.AgentShifts(agent_id="a")
    response = simulate(scene, shifts=[there, away], replies=DRAWN, seed=1, repetitions=2)
    first = kpi(response.simulated, response, "first_response")
    own = kpi(response.recorded, response, "first_response")
    assert first["a"] == UNDEFINED and first["c"] == own["a"]
    assert any("draws from those in the same groups: c" in one for one in response.assumptions)


# --- what cannot be asked -----------------------------------------------------------------------------


def test_an_invalid_shop_is_refused_with_what_lint_finds(two: Scene):
    shop = changed(two, a=101)
    shop.groups.add(group_id="nobody")
    with pytest.raises(grpc.RpcError) as caught:
        simulate(two, shop)
    error = FenliuError.from_rpc(caught.value)  # type: ignore[arg-type]
    assert (error.reason, error.field) == ("INVALID_FIELD", "changed_shop.agents[0].weight")
    assert [one.field for one in error.findings] == ["groups[1].agent_ids"]
    shop = changed(two)
    shop.groups.add(group_id="nobody")
    (finding,) = simulate(two, shop).findings
    assert finding.rule == shop_pb2.LINT_RULE_UNSTAFFED_GROUP


def window(start_ms: int, end_ms: int) -> insight_pb2.Window:
    return insight_pb2.Window(start_ms=start_ms, end_ms=end_ms)


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"start_ms": MORNING, "end_ms": MIDNIGHT}, "window.end_ms", "ends before it begins"),
        ({"end_ms": MIDNIGHT}, "window.end_ms", "is empty"),
        ({"end_ms": MIDNIGHT + 32 * DAY}, "window.end_ms", "at most 31 days"),
        ({"start_ms": MIDNIGHT + 9 * DAY, "end_ms": MIDNIGHT + 10 * DAY}, "window.start_ms", "future"),
        ({"start_ms": 1, "end_ms": HOUR}, "window.end_ms", "before the shop came to be"),
        ({"repetitions": 2}, "repetitions", "only with replies DRAWN"),
        ({"seed": 2}, "seed", "only with replies DRAWN"),
        ({"replies": DRAWN, "repetitions": 201}, "repetitions", "within 0..200"),
        ({"replies": 9}, "replies", "unknown value"),
        ({"shifts": [{"agent_id": "nobody"}]}, "shifts[0].agent_id", "no such agent"),
        ({"shifts": [{"agent_id": "a", "as_agent_id": "x"}]}, "shifts[0].as_agent_id", "no such agent"),
        ({"shifts": [{"agent_id": "a"}, {"agent_id": "a"}]}, "shifts[1].agent_id", "named twice"),
        ({"shifts": [{"agent_id": "a", "online": [window(2, 1)]}]}, "shifts[0].online[0].end_ms", "before"),
        ({"shop": shop_pb2.Shop(shop_id="other")}, "changed_shop.shop_id", "must be the shop"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said(two: Scene, fields: dict[str, Any], field: str, rule: str):
    with two.refused("INVALID_FIELD", field):
        try:
            simulate(two, **fields)
        except grpc.RpcError as error:
            assert rule in FenliuError.from_rpc(error).rule  # type: ignore[arg-type]
            raise


def test_a_day_on_which_nothing_happened_is_empty_on_both_sides(scene: Scene):
    scene.opens(["a"])
    scene.after(3 * DAY).tick()
    response = simulate(
        scene, changed(scene, a=9), start_ms=MIDNIGHT + DAY, end_ms=MIDNIGHT + 2 * DAY
    )
    assert received(response) == ({"a": 0}, {"a": 0})
    assert response.decisions.inquiries == 0
    assert kpi(response.simulated, response, "online_time") == {"a": DAY}
