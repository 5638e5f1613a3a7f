"""Diagnoses of days in which one cause acts, of a mixed day, of equals; and what cannot be diagnosed."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import permutations
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fenliu.engine import load_core
from fenliu.insight.diagnosis.diagnose import diagnose
from fenliu.insight.diagnosis.shapley import shapley
from fenliu.insight.errors import ReportRefused, SubjectNeverThere
from fenliu.journal import SqliteReader
from fenliu.v1 import insight_pb2, shop_pb2, types_pb2
from model.cores import all_cores, both_cores
from support.recorded import Pace, RecordedDay, at_once
from support.scene import DAY, HOUR, MIDNIGHT, MINUTE, MORNING, agent, group

CAUSE = insight_pb2.ImbalanceCause
EVENING = MORNING + 12 * HOUR
NIGHT = MIDNIGHT + DAY


class Case:
    """A day of agents a and b (and c), made by a core."""

    def __init__(self, core: ModuleType, data: Path, pace: Pace = at_once) -> None:
        self.core = core
        self.day = RecordedDay(core, data, pace=pace)

    def shop(self, *groups: shop_pb2.Group, at: int = MIDNIGHT, **more: Any) -> None:
        weights: dict[str, int] = more.pop("weights", {"a": 5, "b": 5})
        self.day.shop(
            at,
            shop_pb2.Shop(
                shop_id="demo",
                owner_agent_id="boss",
                agents=[
                    agent(one, weight=weight, display_name={"a": "小王", "b": "小李"}.get(one, ""))
                    for one, weight in weights.items()
                ],
                groups=groups or [group("g", *weights)],
                settings=shop_pb2.ShopSettings(**more),
            ),
        )

    def diagnosed(self, other: str = "b", **fields: Any) -> insight_pb2.DiagnoseImbalanceResponse:
        self.day.play()
        self.day.close()
        return self.asked(other_agent_id=other, **fields)

    def asked(self, **fields: Any) -> insight_pb2.DiagnoseImbalanceResponse:
        window = insight_pb2.Window(start_ms=MIDNIGHT, end_ms=NIGHT)
        request = insight_pb2.DiagnoseImbalanceRequest(
            **{"shop_id": "demo", "window": window, "agent_id": "a", **fields}
        )
        return diagnose(
            SqliteReader(self.day.data), load_core(self.core.CORE), request, 0, lambda *_: None
        )


def share(response: insight_pb2.DiagnoseImbalanceResponse, cause: int) -> Fraction:
    (row,) = [one for one in response.shares if one.cause == cause]
    return Fraction(row.share_numerator, row.share_denominator)


def check_rows(response: insight_pb2.DiagnoseImbalanceResponse) -> Fraction:
    """Asserts that the rows are all there and add up exactly; returns the difference."""
    assert [row.cause for row in response.shares] == list(range(1, 9))
    difference = Fraction(response.difference, response.difference_denominator)
    assert sum(share(response, row.cause) for row in response.shares) == difference
    count = len(response.compared_agent_ids)
    assert difference == response.receptions - Fraction(response.other_receptions, count)
    assert all(row.title and row.finding for row in response.shares)
    return difference


def online_time(case: Case) -> None:
    case.shop()
    case.day.online("a", MORNING, EVENING)
    case.day.online("b", MORNING, MORNING + 4 * HOUR)
    case.day.arrivals(MORNING, EVENING, 360)


def time_slot(case: Case) -> None:
    case.shop()
    case.day.online("a", MORNING, MORNING + 6 * HOUR)
    case.day.online("b", MORNING + 6 * HOUR, EVENING)
    case.day.arrivals(MORNING, MORNING + 6 * HOUR, 300, prefix="early")
    case.day.arrivals(MORNING + 6 * HOUR, EVENING, 60, prefix="late")


def weight(case: Case) -> None:
    case.shop(weights={"a": 5, "b": 3})
    both_online(case)
    case.day.arrivals(MORNING, EVENING, 320)


def groups(case: Case) -> None:
    case.shop(group("g", "a", "b"), group("vip", "a", intents=["vip"]))
    both_online(case)
    case.day.arrivals(MORNING, EVENING, 200, intent="vip")


def recent_contacts(case: Case) -> None:
    case.shop(at=MIDNIGHT - DAY)
    case.day.online("a", MORNING - DAY, EVENING - DAY)
    case.day.arrivals(MORNING - DAY, EVENING - DAY, 150)
    both_online(case)
    case.day.arrivals(MORNING, EVENING, 250)  # 150 of them were there the day before


def proxy(case: Case) -> None:
    # a and b are at the desk and take no part; who does is not there, so everything is left to a.
    case.shop(
        group("g", "c"),
        weights={"a": 5, "b": 5, "c": 5},
        proxy_agent_id="a",
        offline_target=shop_pb2.OFFLINE_TARGET_PROXY,
    )
    both_online(case)
    case.day.arrivals(MORNING, EVENING - HOUR, 80)
    for number in range(80):
        at = MORNING + (2 * number + 1) * (11 * HOUR) // 160
        case.day.word(at + 5 * MINUTE, f"buyer-{number:06}", "a")


def busyness(case: Case) -> None:
    case.shop()
    both_online(case)
    case.day.arrivals(MORNING, EVENING, 600)


def slow_b(agent_id: str, _buyer_id: str) -> tuple[int, ...]:
    return (20_000, -60_000) if agent_id == "a" else (25 * MINUTE, -26 * MINUTE)


def both_online(case: Case) -> None:
    for one in "ab":
        case.day.online(one, MORNING, EVENING)


DAYS: dict[str, tuple[Callable[[Case], None], Pace, int]] = {
    "online time": (online_time, at_once, CAUSE.IMBALANCE_CAUSE_ONLINE_TIME),
    "time slot": (time_slot, at_once, CAUSE.IMBALANCE_CAUSE_TIME_SLOT),
    "weight": (weight, at_once, CAUSE.IMBALANCE_CAUSE_WEIGHT),
    "groups": (groups, at_once, CAUSE.IMBALANCE_CAUSE_GROUPS),
    "recent contacts": (recent_contacts, at_once, CAUSE.IMBALANCE_CAUSE_RECENT_CONTACTS),
    "proxy": (proxy, at_once, CAUSE.IMBALANCE_CAUSE_PROXY),
    "busyness": (busyness, slow_b, CAUSE.IMBALANCE_CAUSE_BUSYNESS),
}


@pytest.fixture
def quick() -> ModuleType:
    """The quicker core there is: what they answer is the same, as test_play.py and the mixed day see to."""
    return all_cores()[-1]


@pytest.mark.parametrize("name", DAYS)
def test_a_cause_that_acts_alone_explains_the_difference(
    quick: ModuleType, tmp_path: Path, name: str
):
    make, pace, cause = DAYS[name]
    case = Case(quick, tmp_path, pace)
    make(case)
    response = case.diagnosed()
    difference = check_rows(response)
    assert difference >= 40
    shown = {one.title: one.share_numerator / one.share_denominator for one in response.shares}
    assert share(response, cause) >= Fraction(95, 100) * difference, (difference, shown)
    (row,) = [one for one in response.shares if one.cause == cause]
    assert row.advice
    assert row.title in response.summary


def mixed(case: Case) -> None:
    """Every cause acts, and agents are dedicated."""
    case.shop(
        group("g", "a", "b", "c"),
        group("vip", "a", intents=["vip"]),
        at=MIDNIGHT - DAY,
        weights={"a": 7, "b": 3, "c": 5},
        proxy_agent_id="b",
        offline_target=shop_pb2.OFFLINE_TARGET_PROXY,
        busy_threshold=1,
        buyer_agents=[
            shop_pb2.BuyerAgent(buyer_id=f"vip-{number:06}", agent_id="c") for number in range(4)
        ],
    )
    day = case.day
    day.online("c", MORNING - DAY, EVENING - DAY)
    day.online("a", MORNING - DAY, EVENING - DAY)
    day.arrivals(MORNING - DAY, EVENING - DAY, 25)
    day.online("a", MORNING, MORNING + 9 * HOUR)
    day.online("b", MORNING + 2 * HOUR, EVENING)
    day.online("c", MORNING + HOUR, EVENING - HOUR)
    day.arrivals(MIDNIGHT + HOUR, EVENING, 60)
    day.arrivals(MORNING, EVENING, 14, prefix="vip", intent="vip")
    for number in range(8):
        day.word(MORNING + number * MINUTE, f"buyer-{number:06}", "b")


def test_the_rows_of_a_mixed_day_add_up_exactly(quick: ModuleType, tmp_path: Path):
    case = Case(quick, tmp_path, slow_b)
    mixed(case)
    response = case.diagnosed()
    assert check_rows(response) != 0
    acting = [row.cause for row in response.shares if row.share_numerator]
    assert len(acting) >= 6
    assert any(row.share_denominator > 1 for row in response.shares)
    assert response.plays <= 128

    # The same in English, and each beside the mean of all: those differences cancel out.
    english = case.asked(other_agent_id="b", language=types_pb2.LANGUAGE_ENGLISH)
    assert [row.share_numerator for row in english.shares] == [
        row.share_numerator for row in response.shares
    ]
    texts = [english.summary, *(row.title + row.finding + row.advice for row in english.shares)]
    names = str.maketrans("", "", "小王李")
    told = [text.translate(names).replace("−", "-") for text in texts]
    assert all(text.isascii() for text in told), told
    beside = [case.asked(agent_id=one) for one in "abc"]
    assert [list(one.compared_agent_ids) for one in beside] == [["a", "b", "c"]] * 3
    assert sum(check_rows(one) for one in beside) == 0
    assert beside[0].receptions - beside[1].receptions == response.difference


@pytest.mark.slow
def test_both_cores_diagnose_a_mixed_day_alike(tmp_path: Path):
    found = []
    for core in both_cores():
        case = Case(core, tmp_path / core.CORE, slow_b)
        mixed(case)
        found.append(case.diagnosed())
    assert found[0] == found[1]


def test_equals_differ_by_about_nothing(quick: ModuleType, tmp_path: Path):
    case = Case(quick, tmp_path)
    case.shop()
    both_online(case)
    case.day.arrivals(MORNING, EVENING, 301)
    response = case.diagnosed()
    assert abs(check_rows(response)) <= 1
    assert all(abs(row.share_numerator) <= row.share_denominator for row in response.shares)
    assert not any(row.advice for row in response.shares)
    # What cannot have acted was not played again.
    assert response.plays == 2


def test_who_was_away_all_day_lacks_the_time(quick: ModuleType, tmp_path: Path):
    case = Case(quick, tmp_path)
    case.shop()
    case.day.online("a", MORNING, EVENING)
    case.day.arrivals(MORNING, EVENING, 50)
    response = case.diagnosed()
    assert check_rows(response) == 50
    assert share(response, CAUSE.IMBALANCE_CAUSE_ONLINE_TIME) == 50


def test_days_off_are_told_of_returning_buyers(quick: ModuleType, tmp_path: Path):
    case = Case(quick, tmp_path)
    recent_contacts(case)
    response = case.diagnosed()
    assert "小王（a）的回头客里 150 人是 2025-11-01 来过的，那天小李（b）不在。" in response.summary
    row = response.shares[4]
    assert row.finding == "找最近联系人的回头客：小王（a） 150 次，小李（b） 0 次。"
    assert "charge_sticky" in row.advice
    (figure,) = row.figures
    assert (figure.name, figure.of_agent, figure.of_other, figure.of_other_parts) == (
        "returning",
        150,
        0,
        1,
    )


def test_advice_names_the_change_to_make(quick: ModuleType, tmp_path: Path):
    case = Case(quick, tmp_path)
    weight(case)
    response = case.diagnosed(language=types_pb2.LANGUAGE_ENGLISH)
    assert response.shares[2].advice == "Set 小李 (b)'s weight from 3 to 5."
    assert response.shares[2].finding == "小王 (a) had weight 5, 小李 (b) 3."
    swapped = case.asked(agent_id="b", other_agent_id="a", language=types_pb2.LANGUAGE_ENGLISH)
    assert swapped.shares[2].advice == response.shares[2].advice
    assert check_rows(swapped) == -check_rows(response)


def test_agents_who_were_never_there(quick: ModuleType, tmp_path: Path):
    case = Case(quick, tmp_path)
    case.shop()
    case.day.online("a", MORNING)
    case.day.arrivals(MORNING, EVENING, 3)
    case.day.play()
    case.day.close()
    for fields in ({"agent_id": "z"}, {"other_agent_id": "z"}):
        with pytest.raises(SubjectNeverThere) as caught:
            case.asked(**fields)
        assert caught.value.field == next(iter(fields))
    with pytest.raises(ReportRefused) as refused:
        case.asked()
    assert refused.value.field == "other_agent_id"


def test_shapley_values_are_means_over_all_orders():
    values = [7, 3, 5, -2, 0, 11, 4, 1]
    for cause, found in enumerate(shapley(values)):
        changes = []
        for order in permutations(range(3)):
            before = sum(1 << one for one in order[: order.index(cause)])
            changes.append(values[before] - values[before | 1 << cause])
        assert found == Fraction(sum(changes), len(changes))
    assert sum(shapley(values)) == values[0] - values[-1]
    with pytest.raises(ValueError):
        shapley([1, 2, 3])
