"""Reception volume: how many new buyers a day and an hour, in Shanghai's days and hours."""

from __future__ import annotations

from types import ModuleType

import pytest

from model.wire import AGENT, DAY, HOUR, MINUTE, OFFLINE, ONLINE, T0, Desk, document, moves

# T0 is 10:00 in Shanghai.
MIDNIGHT = T0 + 14 * HOUR
DAY_NUMBER, HOUR_NUMBER = (T0 + 8 * HOUR) // DAY, (T0 + 8 * HOUR) // HOUR


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    return Desk(core)


def counted(desk: Desk, agent: str = "a") -> tuple[int, int]:
    p = desk.presence(agent)
    return p.received_today, p.received_this_hour


@pytest.mark.parametrize("limit", ["hourly", "daily"])
def test_an_agent_at_the_limit_takes_no_more_new_buyers(desk: Desk, limit: str) -> None:
    desk.open(["a"], **{limit: {"a": 2}})
    assert [desk.route(f"m{n}").said[1] for n in range(3)] == [
        "WEIGHTED",
        "WEIGHTED",
        "NOBODY_FREE",
    ]
    assert counted(desk) == (2, 2)
    desk.close("c1")
    # A closed conversation gives nothing back, and returning buyers are no new ones.
    assert desk.route("m3").said[1] == "NOBODY_FREE"
    assert desk.route("m0").said[1] == "RECENT_CONTACT"
    assert desk.route("m4", dedicated_agent_id="a").said[1] == "DEDICATED"
    assert counted(desk) == (2, 2)


def test_at_the_limit_the_weight_shown_stays_and_others_are_picked(desk: Desk) -> None:
    desk.open(["a", "b"], daily={"a": 1})
    got = [desk.route(f"m{n}").said[2] for n in range(4)]
    assert got == ["a", "b", "b", "b"]
    assert desk.presence("a").effective_weight == 5120


def test_the_hour_ends_and_the_agent_takes_buyers_again(desk: Desk) -> None:
    desk.open(["a"], now=T0 + 5 * MINUTE, hourly={"a": 1}, idle_close_ms=0)
    desk.route("m", T0 + 5 * MINUTE)
    desk.route("n", T0 + 6 * MINUTE)
    assert desk.engine.next_due() == T0 + HOUR
    assert desk.tick_shop(T0 + HOUR - 1).entry == b""
    result = desk.tick_shop(T0 + 2 * HOUR)
    assert result.facts[0] == ("volume_reset", {"agent_id": "a", "at_ms": T0 + HOUR})
    assert moves(result.facts) == [("n", "LEFT_POOL", "a")]
    assert result.facts[1][1]["at_ms"] == T0 + HOUR
    # The new buyer filled the new hour, which ended within the same command.
    assert result.facts[2] == ("volume_reset", {"agent_id": "a", "at_ms": T0 + 2 * HOUR})
    [a] = desk.state.agents
    assert (a.volume_hour, a.received_this_hour) == (HOUR_NUMBER + 2, 0)
    assert (a.volume_day, a.received_today) == (DAY_NUMBER, 2)


def test_the_day_ends_at_midnight_in_shanghai(desk: Desk) -> None:
    desk.open(["a"], now=MIDNIGHT - 1, daily={"a": 1}, idle_close_ms=0)
    desk.route("m", MIDNIGHT - 1)
    assert desk.engine.next_due() == MIDNIGHT
    assert desk.route("n", MIDNIGHT - 1).said[1] == "NOBODY_FREE"
    assert moves(desk.tick_shop(MIDNIGHT).facts) == [("n", "LEFT_POOL", "a")]
    [a] = desk.state.agents
    assert (a.volume_day, a.received_today) == (DAY_NUMBER + 1, 1)
    assert (a.volume_hour, a.received_this_hour) == (HOUR_NUMBER + 14, 1)


def test_an_agent_held_by_both_is_free_at_the_later(desk: Desk) -> None:
    desk.open(["a"], hourly={"a": 1}, daily={"a": 1}, idle_close_ms=0)
    desk.route("m")
    assert desk.engine.next_due() == MIDNIGHT
    desk.open(["a"], hourly={"a": 1}, daily={"a": 2}, idle_close_ms=0)
    assert desk.engine.next_due() == T0 + HOUR


def test_who_is_not_at_volume_has_nothing_due(desk: Desk) -> None:
    desk.open(["a"], hourly={"a": 2}, idle_close_ms=0)
    desk.route("m")
    assert desk.engine.next_due() is None
    # The next new buyer of another hour starts the count again.
    desk.route("n", T0 + HOUR)
    assert counted(desk) == (2, 1)
    assert desk.engine.next_due() is None


def test_counts_of_another_day_or_hour_are_shown_as_none(desk: Desk) -> None:
    desk.open(["a", "b"], idle_close_ms=0)
    desk.route("m", exclude_agent_ids=["b"])
    desk.set_presence("b", OFFLINE, T0 + HOUR)
    assert counted(desk) == (1, 0)
    assert desk.state.agents[0].received_this_hour == 1
    result = desk.set_presence("a", ONLINE, MIDNIGHT, awaiting=0)
    assert (result.ok.presence.received_today, counted(desk)) == (0, (0, 0))


def test_only_new_buyers_count(desk: Desk) -> None:
    desk.open({"a": 5, "b": 0}, {"g": ["a", "b"]}, reply_timeout_ms=0)
    desk.route("m")
    desk.route("m")
    desk.message(AGENT, buyer_id="n", agent_id="a")
    desk.transfer("c1", agent_id="b")
    desk.transfer("c3", group_id="g")
    assert (counted(desk), counted(desk, "b")) == ((1, 1), (0, 0))
    # Whoever waited in the pool is new to the agent who gets the buyer by selection.
    desk.set_presence("a", OFFLINE)
    assert desk.route("w").said[1] == "NOBODY_FREE"
    desk.set_presence("a", ONLINE)
    assert counted(desk) == (2, 2)


def test_a_change_of_the_shop_zeroes_counts_of_days_and_hours_gone_by(desk: Desk) -> None:
    desk.open(["a"], idle_close_ms=0)
    desk.route("m")
    desk.apply(T0 + HOUR, display_name="x", **document(["a"], idle_close_ms=0))
    [a] = desk.state.agents
    assert (a.volume_day, a.received_today) == (DAY_NUMBER, 1)
    assert (a.volume_hour, a.received_this_hour) == (0, 0)
    desk.apply(MIDNIGHT, **document(["a"], idle_close_ms=0))
    [a] = desk.state.agents
    assert (a.volume_day, a.received_today, a.volume_hour) == (0, 0, 0)
    # So a new limit holds nobody for what was counted before.
    assert desk.apply(MIDNIGHT, **document(["a"], daily={"a": 1}, idle_close_ms=0)).code == 0
    assert desk.route("n", MIDNIGHT).said[1] == "WEIGHTED"


def test_a_limit_set_below_todays_count_holds_until_tomorrow(desk: Desk) -> None:
    desk.open(["a"], idle_close_ms=0)
    desk.route("m")
    desk.apply(T0 + HOUR, **document(["a"], daily={"a": 1}, idle_close_ms=0))
    assert desk.engine.next_due() == MIDNIGHT
    assert desk.route("n", T0 + HOUR).said[1] == "NOBODY_FREE"
    # A higher limit frees the agent at once, and whoever waits comes.
    result = desk.apply(T0 + HOUR, **document(["a"], daily={"a": 2}, idle_close_ms=0))
    assert moves(result.facts) == [("n", "LEFT_POOL", "a")]


def test_an_agent_who_leaves_the_shop_loses_the_counts(desk: Desk) -> None:
    desk.open(["a", "b"])
    desk.route("m")
    desk.apply(**document(["b"]))
    desk.apply(**document(["a", "b"]))
    assert counted(desk) == (0, 0)
