"""PlanStaffing: from a day worked out by hand, what it says of it, and what it refuses."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import pytest

from fenliu.insight.reports.schema import FILE, open_for_reading
from fenliu.insight.staffing.recorded import Handling, quantiles, recorded
from fenliu.insight.staffing.wording import Needed, guidance
from fenliu.journal import SqliteReader
from fenliu.v1 import insight_pb2, types_pb2
from support.reporting import report
from support.scene import DAY, HOUR, MIDNIGHT, MINUTE, SECOND, Scene, agent

Plan = insight_pb2.PlanStaffingResponse
TODAY = insight_pb2.Window(start_ms=MIDNIGHT, end_ms=MIDNIGHT + DAY)
CHINESE = re.compile(r"[㐀-鿿]")
REPLY, HANDLING = 10 * SECOND, 120 * SECOND


def plan(scene: Scene, **asked: Any) -> Plan:
    asked.setdefault("window", TODAY)
    request = insight_pb2.PlanStaffingRequest(shop_id=scene.shop_id, **asked)
    return scene.call("InsightService/PlanStaffing", request, Plan)


def visits(scene: Scene, began: Iterable[int], prefix: str = "b") -> None:
    """A buyer at each time; answered after REPLY, and back with a last word after HANDLING."""
    events = []
    for number, at_ms in enumerate(began):
        buyer = f"{prefix}{number}"
        events += [
            (at_ms, "comes", buyer),
            (at_ms + REPLY, "answered", buyer),
            (at_ms + HANDLING, "last", buyer),
        ]
    for at_ms, what, buyer in sorted(events):
        scene.now = at_ms
        if what == "comes":
            answer = scene.route(buyer)
            assert answer.outcome == types_pb2.OUTCOME_AGENT
            scene.says(buyer)
        elif what == "answered":
            scene.replies(buyer)
        else:
            scene.says(buyer)


@pytest.fixture
def quiet(scene: Scene) -> Scene:
    """60 buyers from 10 to 11 and 20 from 11 to 12, agents in turn, so that nobody has two at once."""
    scene.opens(["a", "b", "c"], sticky_window_ms=0)
    ten = MIDNIGHT + 10 * HOUR
    hours = [*range(ten, ten + HOUR, MINUTE), *range(ten + HOUR, ten + 2 * HOUR, 3 * MINUTE)]
    visits(scene, hours)
    scene.now = MIDNIGHT + 13 * HOUR
    scene.tick()
    return scene


def erlang_c(agents: int, load: float) -> float:
    """The sum of the textbooks."""
    last = load**agents / math.factorial(agents) * agents / (agents - load)
    return last / (sum(load**k / math.factorial(k) for k in range(agents)) + last)


def prompt(agents: int, arrivals: float, left_s: float, service_s: float = 120.0) -> float:
    load = arrivals / 3600 * service_s
    if load >= agents:
        return 0.0
    return 1 - erlang_c(agents, load) * math.exp(-(agents - load) / service_s * left_s)


def test_a_day_is_planned_by_the_formula(quiet: Scene):
    answer = plan(quiet, target_percent=90, target_ms=30_000)
    assert answer.model == insight_pb2.STAFFING_MODEL_ERLANG_C
    assert [hour.hour for hour in answer.hours] == [9, 10, 11, 12]  # the shop was made at 9
    assert [hour.arrivals for hour in answer.hours] == [0, 60, 20, 0]
    assert [hour.recorded_agents for hour in answer.hours] == [3, 3, 3, 3]
    assert (answer.arrivals, answer.handling_ms, answer.patience_ms) == (80, HANDLING, 0)
    for hour in answer.hours:
        if not hour.arrivals:
            assert (hour.agents, hour.mean_wait_ms) == (0, 0)
            continue
        fewest = next(n for n in range(1, 50) if prompt(n, hour.arrivals, 20) >= 0.9)
        assert hour.agents == fewest
        assert hour.reached_percent == pytest.approx(100 * prompt(fewest, hour.arrivals, 20))
        load = hour.arrivals / 3600 * 120
        assert hour.occupancy_percent == pytest.approx(100 * load / fewest)
        waits = erlang_c(fewest, load) * 120_000 / (fewest - load)
        assert hour.mean_wait_ms == pytest.approx(waits)
        assert hour.reached_half_width_percent == hour.abandoned_percent == 0
    agents = [hour.agents for hour in answer.hours]
    assert (answer.peak_agents, answer.agent_hours) == (max(agents), sum(agents))
    assert answer.as_of_ms == quiet.now


def test_a_promotion_by_a_multiplier_or_in_the_shape_of_another_day(scene: Scene):
    scene.opens([f"a{n}" for n in range(4)], sticky_window_ms=0)
    day = MIDNIGHT + DAY
    visits(scene, [day + hour * HOUR + MINUTE for hour in range(24)], "first-")
    evening = [day + DAY + 20 * HOUR + n * MINUTE for n in range(30)]
    visits(scene, [*evening, day + DAY + 23 * HOUR], "second-")
    scene.now = day + 2 * DAY
    scene.tick()
    one = insight_pb2.Window(start_ms=day, end_ms=day + DAY)
    other = insight_pb2.Window(start_ms=day + DAY, end_ms=day + 2 * DAY)
    both = insight_pb2.Window(start_ms=day, end_ms=day + 2 * DAY)
    assert [hour.arrivals for hour in plan(scene, window=one).hours] == [1] * 24
    assert [hour.arrivals for hour in plan(scene, window=one, multiplier_percent=350).hours] == [
        3.5
    ] * 24
    average = [0.5] * 20 + [15.5, 0.5, 0.5, 1.0]
    assert [hour.arrivals for hour in plan(scene, window=both).hours] == average
    shaped = plan(scene, window=one, shape_window=other, multiplier_percent=200)
    assert sum(hour.arrivals for hour in shaped.hours) == pytest.approx(48)
    assert shaped.hours[20].arrivals == pytest.approx(48 * 30 / 31)
    assert [hour.agents for hour in shaped.hours if not hour.arrivals] == [0] * 22
    assert shaped.hours[20].recorded_arrivals == 1
    short = insight_pb2.Window(start_ms=day, end_ms=day + 5 * HOUR)
    with scene.refused("INVALID_FIELD", "shape_window"):
        plan(scene, window=one, shape_window=short)
    with scene.refused("INVALID_FIELD", "window"):
        plan(scene, window=short, shape_window=other)
    with scene.refused("INVALID_FIELD", "shape_window.start_ms"):
        plan(
            scene,
            window=one,
            shape_window=insight_pb2.Window(start_ms=day + 9 * DAY, end_ms=day + 10 * DAY),
        )
    with scene.refused("INVALID_FIELD", "shape_window.end_ms", "the window ends before it begins"):
        plan(scene, window=one, shape_window=insight_pb2.Window(start_ms=2, end_ms=1))


def test_several_buyers_at_once_are_simulated_with_a_seed(quiet: Scene):
    asked = {"concurrency": 3, "target_percent": 80, "multiplier_percent": 300}
    answer = plan(quiet, seed=1, **asked)
    assert answer.model == insight_pb2.STAFFING_MODEL_SIMULATION
    assert plan(quiet, seed=1, **asked) == answer
    assert plan(quiet, seed=2, **asked) != answer
    (busy,) = [hour for hour in answer.hours if hour.hour == 10]
    # Nobody was recorded with more than one: times grow in proportion, so three at once are no faster than one.
    alone = plan(quiet, target_percent=80, multiplier_percent=300)
    (at_once,) = [hour.agents for hour in alone.hours if hour.hour == 10]
    assert 1 <= busy.agents <= at_once + 2
    assert 80 <= busy.reached_percent <= 100 and 0 < busy.reached_half_width_percent < 5
    # Simulated one at a time it comes near the formula, whose handling times vary more.
    simulated = plan(
        quiet, model="STAFFING_MODEL_SIMULATION", target_percent=80, multiplier_percent=300
    )
    (one,) = [hour.agents for hour in simulated.hours if hour.hour == 10]
    assert at_once - 2 <= one <= at_once


def test_who_gives_up_waiting_says_how_patient_buyers_are(scene: Scene):
    scene.opens([agent("a", cap=1)], queue_limit=50, queue_timeout_ms=10 * MINUTE)
    first = scene.route("first")
    scene.says("first")
    scene.after(REPLY).replies("first")
    for number in range(25):
        scene.route(f"b{number}")
    scene.after(40 * SECOND)
    for number in range(24):
        scene.cancel(f"b{number}")
    scene.after(20 * SECOND).closes(first)  # b24 has waited a minute, and is served
    scene.says("b24")
    scene.after(REPLY).replies("b24")
    scene.tick()
    patience_ms = (24 * 40 + 60) * SECOND / 24
    answer = plan(scene, target_percent=50)
    assert answer.model == insight_pb2.STAFFING_MODEL_ERLANG_A
    assert answer.patience_ms == pytest.approx(patience_ms)
    assert any("24" in text and "42" in text for text in answer.assumptions)
    given = plan(scene, target_percent=50, patience_ms=5_000)
    assert given.patience_ms == 5_000
    forced = plan(scene, target_percent=50, model="STAFFING_MODEL_ERLANG_C")
    assert (forced.patience_ms, forced.hours[0].abandoned_percent) == (0, 0)
    assert max(hour.abandoned_percent for hour in given.hours) > 0
    assert given.peak_agents <= forced.peak_agents


def test_handling_times_are_kept_by_how_many_buyers_the_agent_had(scene: Scene):
    scene.opens(["a"], sticky_window_ms=0)
    began = scene.now
    visits(scene, [began, began + 50 * SECOND, began + 100 * SECOND, began + 10 * MINUTE])
    report(scene)
    reader = SqliteReader(scene.server.data)
    connection = open_for_reading(scene.server.data / FILE, reader.data_id)
    assert connection is not None
    known = recorded(connection, scene.shop_id, TODAY, scene.now)
    connection.close()
    both = (float(HANDLING), float(REPLY))
    # The third comes while the first is still there: 0..120, 50..170, 100..220 s.
    assert known.handling.by_buyers == {1: [both, both], 2: [both], 3: [both]}
    assert known.receptions_per_arrival == 1.0
    assert known.patience_ms is None


def test_what_is_drawn_for_more_buyers_than_recorded_takes_longer():
    few = Handling({1: [(1.0, 2.0)] * 30, 2: [(3.0, 4.0)] * 5, 4: [(8.0, 6.0)] * 40}, 75)
    assert few.with_buyers(1) == [(1.0, 2.0)] * 30
    assert few.with_buyers(2) == [(1.0, 2.0)] * 30 + [(3.0, 4.0)] * 5  # with its neighbours
    assert few.with_buyers(8) == [(16.0, 12.0)] * 40
    assert [len(one) for one in few.times(2, 2.0).by_buyers] == [30, 35]
    assert few.times(1, 2.0).by_buyers[0][0] == (2.0, 2.0)


def test_quantiles_stand_for_all():
    assert quantiles([3.0, 1.0, 2.0], 5) == [1.0, 2.0, 3.0]
    assert quantiles([float(n) for n in range(1000)], 4) == [125.0, 375.0, 625.0, 875.0]


def test_what_the_robot_has_and_who_asks_on_are_no_arrivals(scene: Scene):
    scene.opens(["a"], robot_id="robo", reception_mode="RECEPTION_MODE_ROBOT_FIRST")
    scene.route("b1")
    scene.route("b1")
    scene.route("b1", handoff=True)
    scene.says("b1")
    scene.after(REPLY).replies("b1")
    scene.after(MINUTE).says("b1")
    scene.route("b1")
    scene.after(HOUR)  # the open conversation has ended
    scene.tick()
    answer = plan(scene, target_percent=50)
    assert answer.arrivals == pytest.approx(1.0)


@pytest.mark.parametrize(
    "language", ["LANGUAGE_CHINESE", "LANGUAGE_ENGLISH", "LANGUAGE_UNSPECIFIED"]
)
@pytest.mark.parametrize("concurrency", [1, 2])
def test_it_says_in_words_what_it_takes_for_granted(quiet: Scene, language: str, concurrency: int):
    answer = plan(quiet, concurrency=concurrency, language=language)
    texts = [answer.guidance_text, *answer.assumptions]
    assert len(texts) >= 6 and all(texts)
    for text in texts:
        assert bool(CHINESE.search(text)) == (language != "LANGUAGE_ENGLISH"), text


@pytest.mark.parametrize(
    ("arrivals", "hours", "peak", "verdict", "english"),
    [
        (40, 8, 1, "WITHIN", "a small shop (guidance: 30–50 buyers, 1–2 agents)"),
        (40, 60, 3, "MORE_AGENTS", "needs 8 people"),
        (150, 24, 4, "WITHIN", "a medium shop"),
        (150, 8, 1, "FEWER_AGENTS", "fewer than the guidance"),
        (420, 40, 6, "WITHIN", "a large shop"),
        (420, 30, 3, "FEWER_AGENTS", "needs 4 people"),
        (5000, 300, 40, "WITHIN", "5000 buyers a day are more than the guidance speaks of"),
    ],
)
def test_the_guidance_on_reception_volume(
    arrivals: float, hours: float, peak: int, verdict: str, english: str
):
    needed = Needed(arrivals, hours, peak)
    said, text = guidance(needed, types_pb2.LANGUAGE_ENGLISH)
    assert insight_pb2.Guidance.Name(said) == f"GUIDANCE_{verdict}"
    assert english in text
    same, chinese = guidance(needed, types_pb2.LANGUAGE_CHINESE)
    assert same == said and CHINESE.search(chinese)


REFUSED = [
    ({"window": None}, "window", "required"),
    ({"window": insight_pb2.Window(start_ms=2, end_ms=1)}, "window.end_ms", "the window ends before it begins"),
    ({"window": insight_pb2.Window(start_ms=MIDNIGHT + 2 * DAY, end_ms=MIDNIGHT + 3 * DAY)}, "window.start_ms", ""),
    ({"window": insight_pb2.Window(start_ms=MIDNIGHT + 12 * HOUR, end_ms=MIDNIGHT + 13 * HOUR)}, "window",
     "no arrivals in it: nothing to plan for"),
    ({"target_percent": 100}, "target_percent", "must be within 1..99"),
    ({"target_percent": -1}, "target_percent", "must be within 1..99"),
    ({"target_ms": -5}, "target_ms", "must be within 1..86400000"),
    ({"concurrency": 101}, "concurrency", "must be within 1..100"),
    ({"multiplier_percent": 10_001}, "multiplier_percent", "must be within 1..10000"),
    ({"most_agents": 2_001}, "most_agents", "must be within 1..2000"),
    ({"patience_ms": -1}, "patience_ms", "must be within 1..86400000"),
    ({"model": 9}, "model", "unknown value"),
    ({"language": 9}, "language", "unknown value"),
    ({"model": "STAFFING_MODEL_ERLANG_C", "concurrency": 2}, "model", "ERLANG_C and ERLANG_A are for concurrency 1"),
    ({"model": "STAFFING_MODEL_ERLANG_A"}, "patience_ms",
     "required for ERLANG_A: too few gave up waiting to say how patient buyers are"),
    ({"target_ms": 9_999}, "target_ms",
     "not reached with any number of agents: of the recorded first replies of agents with no other buyer 0.0% came"
     " within 9999 ms (the fastest after 10000 ms, half of them after 10000 ms)"),
    ({"most_agents": 2}, "most_agents", "not reached with 2 agents: from 10:00 to 11:00 60 buyers come"),
    ({"most_agents": 2, "concurrency": 2, "multiplier_percent": 900}, "most_agents",
     "not reached with 2 agents: from 10:00 to 11:00 540 buyers come"),
]  # fmt: skip


def test_what_cannot_be_planned_is_said(quiet: Scene):
    for asked, field, rule in REFUSED:
        with quiet.refused("INVALID_FIELD", field, rule):
            plan(quiet, **asked)
    nowhere = Scene(quiet.server, "nowhere")
    with nowhere.refused("SHOP_NOT_FOUND", "shop_id", code="NOT_FOUND"):
        plan(nowhere)


def test_without_answered_conversations_there_is_no_plan(scene: Scene):
    scene.opens(["a"])
    scene.route("b")
    scene.says("b")
    with scene.refused(
        "INVALID_FIELD", "window", "no answered conversations in it: nothing to plan from"
    ):
        plan(scene)
