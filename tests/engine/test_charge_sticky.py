"""charge_sticky: returning buyers use up a share, so that total receptions follow the weights."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from model.wire import AGENT, OFFLINE, ONLINE, T0, Desk, document, moves

ONE = 2**64


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    return Desk(core)


def known(desk: Desk, buyer: str, agent: str) -> None:
    """The buyer has consulted the agent before."""
    desk.message(AGENT, buyer_id=buyer, agent_id=agent)
    desk.close(f"c{desk.state.last_conversation}")


def charged(result: Any) -> tuple[bool, bool, list[str]]:
    fact = result.named("decided")[-1]
    return fact["charged"], fact["pool_of_all_groups"], fact["pool_group_ids"]


NOTHING = (False, False, [])


def test_sticky_buyers_cost_nothing_unless_told(desk: Desk) -> None:
    desk.open(["a", "b"])
    known(desk, "m", "a")
    assert charged(desk.route("m")) == NOTHING
    assert len(desk.state.pools) == 0


def test_total_receptions_follow_the_weights(desk: Desk) -> None:
    desk.open({"a": 5, "b": 5}, charge_sticky=True, busy_threshold=1000)
    for n in range(10):
        known(desk, f"k{n}", "a")
    got = []
    for n in range(10):
        sticky = desk.route(f"k{n}")
        assert sticky.said[1:3] == ("RECENT_CONTACT", "a")
        assert charged(sticky) == (True, True, [])
        got.append(desk.route(f"m{n}").said[2])
    assert got == ["b"] * 10
    # They are no new buyers for all that.
    assert (desk.presence("a").received_today, desk.presence("b").received_today) == (0, 10)


def test_a_charge_moves_the_agent_and_the_pools_time_as_a_pick_would(desk: Desk) -> None:
    desk.open({"a": 5, "b": 3}, charge_sticky=True)
    known(desk, "m", "a")
    desk.route("m")
    [pool] = desk.state.pools
    e = {m.agent_id: int.from_bytes(m.eligible_at, "big") for m in pool.members}
    assert e == {"a": ONE // 5120, "b": 0}
    assert int.from_bytes(pool.virtual_time, "big") == ONE // 8192
    # V does not jump for a charge, though a's turn has not come.
    desk.route("n", dedicated_agent_id="a")
    [pool] = desk.state.pools
    assert int.from_bytes(pool.virtual_time, "big") == 2 * (ONE // 8192)
    assert int.from_bytes(pool.members[0].eligible_at, "big") == 2 * (ONE // 5120)


def test_the_dedicated_are_charged_but_open_conversations_are_not(desk: Desk) -> None:
    desk.open(["a", "b"], charge_sticky=True)
    assert charged(desk.route("m", dedicated_agent_id="b")) == (True, True, [])
    again = desk.route("m")
    assert (again.said[1], charged(again)) == ("OPEN_CONVERSATION", NOTHING)


GROUPS = {"p": ["a"], "q": ["b", "c"]}
BOUND: Any = {"bindings": {"p": {"product_ids": ["1"]}, "q": {"product_ids": ["2"]}}}


def test_the_pool_that_would_have_been_used_pays(desk: Desk) -> None:
    desk.open(["a", "b", "c"], GROUPS, charge_sticky=True, **BOUND)
    known(desk, "m", "b")
    assert charged(desk.route("m", product_id="2")) == (True, False, ["q"])
    desk.close("c2")
    assert charged(desk.route("m", product_id="9")) == (True, True, [])
    desk.close("c3")
    # The agent is not in the pool that would have been asked: nobody pays.
    assert charged(desk.route("m", product_id="1")) == NOTHING
    desk.close("c4")
    # Nobody in the matched group: the spill's pool pays, unless the group does not spill.
    desk.set_presence("a", OFFLINE)
    assert charged(desk.route("m", product_id="1")) == (True, True, [])
    desk.close("c5")
    desk.set_presence("a", ONLINE)
    assert charged(desk.route("m", product_id="1", exclude_agent_ids=["a"])) == (True, True, [])
    desk.close("c6")
    shop = document(["a", "b", "c"], GROUPS, charge_sticky=True, policies={"p": 4}, **BOUND)
    desk.apply(**shop)
    desk.set_presence("a", OFFLINE)
    assert charged(desk.route("m", product_id="1")) == NOTHING


@pytest.mark.parametrize("why", ["weight", "cap", "suspended"])
def test_who_may_take_no_new_buyer_pays_nothing(desk: Desk, why: str) -> None:
    desk.open({"a": 0 if why == "weight" else 5, "b": 5}, caps={"a": 1}, charge_sticky=True)
    known(desk, "m", "a")
    if why == "cap":
        desk.message(AGENT, buyer_id="x", agent_id="a")
    if why == "suspended":
        desk.set_presence("a", 2)
    result = desk.route("m")
    assert result.said[1:3] == ("RECENT_CONTACT", "a")
    assert charged(result) == NOTHING


def test_leaving_the_pool_and_the_queue_charges_as_a_route_would(desk: Desk) -> None:
    desk.apply(**document(["a", "b"], charge_sticky=True))
    known(desk, "m", "a")
    desk.route("m")
    desk.route("n", dedicated_agent_id="a")
    result = desk.set_presence("a", ONLINE, T0 + 5)
    assert [m[:2] for m in moves(result.facts)] == [("m", "LEFT_POOL"), ("n", "LEFT_POOL")]
    assert [f["charged"] for f in result.named("decided")] == [True, True]


def test_a_reply_timeout_to_a_sticky_agent_charges(desk: Desk) -> None:
    desk.open({"a": 5, "b": 5}, charge_sticky=True, reply_timeout_ms=1000, idle_close_ms=0)
    desk.route("m", exclude_agent_ids=["b"])
    desk.apply(**document({"a": 5, "b": 5}, charge_sticky=True, reply_timeout_ms=1000,
                          idle_close_ms=0,
                          buyer_agents=[{"buyer_id": "n", "agent_id": "a"}]))  # fmt: skip
    desk.route("n")
    desk.message(AGENT, conversation_id="c1")
    desk.apply(**document({"a": 5, "b": 5}, charge_sticky=True, reply_timeout_ms=1000,
                          idle_close_ms=0,
                          buyer_agents=[{"buyer_id": "n", "agent_id": "b"}]))  # fmt: skip
    result = desk.tick_shop(T0 + 1000)
    assert moves(result.facts) == [("n", "REPLY_TIMEOUT", "b")]
    assert result.named("decided")[0]["charged"]
