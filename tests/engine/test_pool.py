"""Leaving the offline pool: who comes first, to whom, and how the returning are paced."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from model.wire import AGENT, HOUR, MINUTE, OFFLINE, ONLINE, SUSPENDED, T0, Desk, document, moves


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    """A shop at night: a and b OFFLINE, the pool empty."""
    desk = Desk(core)
    desk.apply(**document(["a", "b"], idle_close_ms=0))
    return desk


def pooled(desk: Desk, *buyers: str, **fields: Any) -> None:
    for buyer in buyers:
        assert desk.route(buyer, **fields).said[0] == "POOLED"


def test_an_agent_coming_online_is_given_who_waited_longest_up_to_the_threshold(desk: Desk) -> None:
    pooled(desk, *[f"m{n}" for n in range(6)])
    result = desk.update("x", "a", ONLINE)
    assert moves(result.facts) == [(f"m{n}", "LEFT_POOL", "a") for n in range(4)]
    facts = result.named("decided")
    assert [(f["conversation"], f["at_ms"], f["group_id"]) for f in facts] == [
        (n + 1, 0, "g") for n in range(4)
    ]
    assert all(f["pool_of_all_groups"] for f in facts)
    assert desk.presence("a").awaiting == 4
    assert [w.buyer_id for w in desk.state.waiting] == ["m4", "m5"]


@pytest.mark.parametrize("how", ["reply", "close", "report", "threshold", "second", "unsuspend"])
def test_whatever_makes_somebody_free_lets_the_next_one_leave(desk: Desk, how: str) -> None:
    pooled(desk, *[f"m{n}" for n in range(6)])
    desk.set_presence("a", ONLINE)
    assert len(desk.state.waiting) == 2
    if how == "reply":
        result = desk.message(AGENT, conversation_id="c1")
    elif how == "close":
        result = desk.close("c1")
    elif how == "report":
        result = desk.set_presence("a", ONLINE, awaiting=3)
    elif how == "threshold":
        result = desk.apply(**document(["a", "b"], idle_close_ms=0, busy_threshold=5))
    else:
        if how == "unsuspend":
            desk.set_presence("b", SUSPENDED)
            assert len(desk.state.waiting) == 2
        desk.set_presence("b", ONLINE)
        assert len(desk.state.waiting) == 0
        return
    assert [m[0] for m in moves(result.facts)] == ["m4"]


def test_an_agent_at_the_threshold_is_not_free_and_a_threshold_of_zero_is_one(desk: Desk) -> None:
    desk.apply(**document(["a", "b"], idle_close_ms=0, busy_threshold=0))
    pooled(desk, "m0", "m1")
    assert [m[0] for m in moves(desk.set_presence("a", ONLINE).facts)] == ["m0"]
    assert moves(desk.set_presence("a", ONLINE, awaiting=1).facts) == []
    assert [m[0] for m in moves(desk.set_presence("a", ONLINE, awaiting=0).facts)] == ["m1"]


def test_a_suspended_agent_is_given_nobody(desk: Desk) -> None:
    pooled(desk, "m0")
    assert moves(desk.set_presence("a", SUSPENDED).facts) == []


def test_recent_contacts_come_before_older_entries(desk: Desk) -> None:
    desk.apply(**document(["a", "b"], idle_close_ms=0, busy_threshold=2))
    desk.message(AGENT, buyer_id="known", agent_id="a")
    desk.close("c1")
    pooled(desk, "m0", "m1")
    pooled(desk, "known")
    assert [m[0] for m in moves(desk.set_presence("a", ONLINE).facts)] == ["known", "m0"]


def test_a_recent_contact_who_is_busy_does_not_keep_the_buyer_from_others(desk: Desk) -> None:
    desk.message(AGENT, buyer_id="known", agent_id="a")
    desk.close("c1")
    pooled(desk, "known")
    assert moves(desk.set_presence("a", ONLINE, awaiting=4).facts) == []
    result = desk.set_presence("b", ONLINE)
    assert moves(result.facts) == [("known", "LEFT_POOL", "b")]


def test_a_contact_without_weight_still_takes_the_known_buyer_from_the_pool(desk: Desk) -> None:
    desk.message(AGENT, buyer_id="known", agent_id="a")
    desk.close("c1")
    pooled(desk, "known", "m0")
    desk.set_weights({"a": 0})
    result = desk.set_presence("a", ONLINE)
    assert moves(result.facts) == [("known", "LEFT_POOL", "a")]
    [fact] = result.named("decided")
    assert (fact["pool_of_all_groups"], fact["pool_group_ids"], fact["charged"]) == (
        False,
        [],
        False,
    )


def test_the_dedicated_agent_and_bindings_hold_in_the_pool_too(core: ModuleType) -> None:
    desk = Desk(core)
    groups = {"p": ["a"], "q": ["b"]}
    bound: Any = {"bindings": {"p": {"product_ids": ["1"]}}, "policies": {"p": 4}}
    desk.apply(**document(["a", "b"], groups, **bound))
    pooled(desk, "m0", product_id="1")
    pooled(desk, "m1", dedicated_agent_id="a", exclude_agent_ids=["b"])
    pooled(desk, "m2", exclude_agent_ids=["b"], product_id="2")
    assert moves(desk.set_presence("b", ONLINE).facts) == []
    result = desk.set_presence("a", ONLINE)
    assert [m[0] for m in moves(result.facts)] == ["m0", "m1", "m2"]
    assert [f["pool_group_ids"] for f in result.named("decided")] == [["p"], [], []]


def test_spilled_from_the_pool_only_where_the_group_says_so(core: ModuleType) -> None:
    desk = Desk(core)
    groups = {"p": ["a"], "q": ["b"], "r": ["a"]}
    bound: Any = {
        "bindings": {"p": {"product_ids": ["1"]}, "r": {"product_ids": ["2"]}},
        "policies": {"r": 4},
    }
    desk.apply(**document(["a", "b"], groups, **bound))
    pooled(desk, "m1", product_id="1")
    pooled(desk, "m2", product_id="2")
    result = desk.set_presence("b", ONLINE)
    assert moves(result.facts) == [("m1", "LEFT_POOL", "b")]
    assert result.named("decided")[0]["pool_of_all_groups"]
    assert [w.buyer_id for w in desk.state.waiting] == ["m2"]


def test_only_the_free_are_picked_though_others_are_available(desk: Desk) -> None:
    desk.apply(**document({"a": 100, "b": 1}, idle_close_ms=0))
    pooled(desk, *[f"m{n}" for n in range(4)])
    desk.set_presence("a", ONLINE, awaiting=4)
    result = desk.set_presence("b", ONLINE)
    assert [m[2] for m in moves(result.facts)] == ["b"] * 4
    # Whom the pick skipped is a member of the pool as before.
    [pool] = desk.state.pools
    assert [(m.agent_id, m.available) for m in pool.members] == [("a", True), ("b", True)]


def test_left_messages_of_proxy_and_owner_stay_until_the_buyer_asks(desk: Desk) -> None:
    shop = document(["a", "b"], offline_target=3)
    desk.apply(owner_agent_id="boss", **shop)
    assert desk.route("m").said[1] == "OFFLINE_OWNER"
    assert moves(desk.set_presence("a", ONLINE).facts) == []
    assert desk.route("m").said[:2] == ("AGENT", "WEIGHTED")
    assert len(desk.state.waiting) == 0


def test_waiting_ends_with_a_conversation_of_what_was_asked_then(desk: Desk) -> None:
    pooled(desk, "m0", order_status=2, page_source="cart")
    desk.set_presence("a", ONLINE, T0 + HOUR)
    [c] = desk.state.conversations
    assert (c.opened_at_ms, c.awaiting, c.answered) == (T0 + HOUR, True, False)
    assert (c.inquiry.order_status, c.inquiry.page_source) == (2, "cart")
    [a, _] = desk.state.agents
    assert a.received_this_hour == 1


def test_a_due_effect_settles_at_its_own_time(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open(["a"], caps={"a": 1}, idle_close_ms=MINUTE)
    desk.route("m0")
    pooled(desk, "m1")
    result = desk.tick_shop(T0 + 10 * MINUTE)
    [left] = result.named("decided")
    assert (left["buyer_id"], left["at_ms"]) == ("m1", T0 + MINUTE)
    # Opened at the first one's end, it ended a minute later itself.
    assert [f["at_ms"] for f in result.named("conversation_closed")] == [
        T0 + MINUTE,
        T0 + 2 * MINUTE,
    ]


def test_five_hundred_who_waited_are_paced_known_buyers_first_then_the_oldest(desk: Desk) -> None:
    for n in range(100, 110):
        desk.message(AGENT, buyer_id=f"m{n}", agent_id="a")
        desk.close(f"c{n - 99}")
    for n in range(500):
        pooled(desk, f"m{n}")
    order = []
    result = desk.set_presence("a", ONLINE)
    while moves(result.facts):
        order += [m[0] for m in moves(result.facts)]
        assert desk.presence("a").awaiting == 4
        number = desk.state.conversations[0].conversation
        result = desk.message(AGENT, conversation_id=f"c{number}")
        # The conversation was answered already: closing it frees nobody more.
        assert moves(desk.close(f"c{number}").facts) == []
    known = [f"m{n}" for n in range(100, 110)]
    assert order == known + [f"m{n}" for n in range(500) if f"m{n}" not in known]
    assert len(desk.state.waiting) == 0
    assert desk.presence("a").received_today == 490  # known buyers are no new ones


def test_a_pool_beyond_reach_of_anybody_stays(desk: Desk) -> None:
    pooled(desk, "m0", exclude_agent_ids=["a"])
    pooled(desk, "m1")
    assert [m[0] for m in moves(desk.set_presence("a", ONLINE).facts)] == ["m1"]
    assert [m[0] for m in moves(desk.set_presence("b", ONLINE).facts)] == ["m0"]


def test_an_offline_shop_gives_nothing(desk: Desk) -> None:
    pooled(desk, "m0")
    desk.set_presence("a", OFFLINE)
    assert moves(desk.set_weights({"a": 100}).facts) == []


def test_a_late_word_that_renews_a_contact_lets_the_buyer_leave(core: ModuleType) -> None:
    desk = Desk(core)
    shop: dict[str, Any] = {"sticky_window_ms": MINUTE, "sticky_suspended_window_ms": HOUR}
    desk.open({"a": 0}, idle_close_ms=0, **shop)
    desk.message(AGENT, buyer_id="m", agent_id="a")
    desk.close("c1")
    late = T0 + MINUTE + 1
    assert desk.route("m", late).said[1] == "NOBODY_FREE"
    result = desk.message(AGENT, late, conversation_id="c1", agent_id="a")
    assert moves(result.facts) == [("m", "LEFT_POOL", "a")]


def test_only_the_free_count_for_the_pool_that_a_dedicated_agent_is_charged_in(
    core: ModuleType,
) -> None:
    """b is dedicated and in no matched group; a, who is, is busy: as if nobody were there, it spills."""
    desk = Desk(core)
    groups = {"p": ["a"], "q": ["b"]}
    bound: dict[str, dict[str, list[Any]]] = {"p": {"product_ids": ["1"]}}
    desk.apply(**document(["a", "b"], groups, bindings=bound, charge_sticky=True))
    pooled(desk, "m", product_id="1", dedicated_agent_id="b", exclude_agent_ids=[])
    desk.set_presence("a", ONLINE, awaiting=4)
    result = desk.set_presence("b", ONLINE)
    assert moves(result.facts) == [("m", "LEFT_POOL", "b")]
    [fact] = result.named("decided")
    assert (fact["charged"], fact["pool_of_all_groups"]) == (True, True)


def test_for_a_known_buyer_everybody_counts_for_the_pool_that_is_charged(core: ModuleType) -> None:
    """As in a route: a, busy but available, keeps the matched pool, in which b has no share."""
    desk = Desk(core)
    groups = {"p": ["a"], "q": ["b"]}
    bound: dict[str, dict[str, list[Any]]] = {"p": {"product_ids": ["1"]}}
    desk.apply(**document(["a", "b"], groups, bindings=bound, charge_sticky=True))
    desk.message(AGENT, buyer_id="m", agent_id="b")
    desk.close("c1")
    pooled(desk, "m", product_id="1")
    desk.set_presence("a", ONLINE, awaiting=4)
    result = desk.set_presence("b", ONLINE)
    assert moves(result.facts) == [("m", "LEFT_POOL", "b")]
    assert not result.named("decided")[0]["charged"]
