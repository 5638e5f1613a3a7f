"""Transfers: to an agent, to a group, to those who are away; hops and refusals."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from model.wire import (
    AGENT,
    MINUTE,
    OFFLINE,
    ONLINE,
    SUSPENDED,
    T0,
    Desk,
    Refusal,
    document,
    moves,
)

TRANSFER_CAUSE = 6
LEFT_MESSAGE = 4


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    """a has m in c1; b and c are there; group g of all, h of b and c, e of nobody."""
    desk = Desk(core)
    desk.open({"a": 5, "b": 0, "c": 0}, {"g": ["a", "b", "c"], "h": ["b", "c"], "e": []},
              idle_close_ms=0)  # fmt: skip
    desk.route("m", product_id="p", exclude_agent_ids=["z"])
    desk.set_weights({"a": 5, "b": 5, "c": 5})
    return desk


def refused(desk: Desk, conversation: str = "c1", **fields: Any) -> Refusal:
    before = desk.engine.state_hash()
    result = desk.transfer(conversation, **fields)
    assert result.entry == b""
    assert desk.engine.state_hash() == before
    return result.refusal


@pytest.mark.parametrize("status", [ONLINE, SUSPENDED])
def test_an_agent_at_the_desk_takes_a_transfer(desk: Desk, status: int) -> None:
    desk.set_presence("b", status)
    result = desk.transfer("c1", T0 + 5, agent_id="b", reason="换货\n找我", request_id="r")
    assert result.said == ("AGENT", "TRANSFER", "b", "g")
    assert (result.ok.conversation_id, result.ok.decision_id) == ("c2", "d2")
    [(_, closed), (_, fact)] = result.facts
    assert closed == {"conversation": 1, "cause": TRANSFER_CAUSE, "at_ms": T0 + 5}
    assert (fact["buyer_id"], fact["previous_conversation"], fact["at_ms"]) == ("m", 1, 0)
    assert (fact["pool_of_all_groups"], fact["pool_group_ids"]) == (False, [])
    assert result.logged.transfer.reason == "换货\n找我"
    [c] = desk.state.conversations
    assert (c.agent_id, c.awaiting, c.answered, c.opened_at_ms) == ("b", True, False, T0 + 5)
    assert (c.inquiry.product_id, list(c.inquiry.exclude_agent_ids)) == ("p", ["z"])
    assert (c.reply_hops, c.transfer_hops) == (0, 1)
    assert desk.state.contacts[0].agent_id == "b"
    assert desk.presence("b").awaiting == 1
    # A repeat gets the same answer.
    assert desk.transfer("c1", T0 + 5, agent_id="b", reason="换货\n找我", request_id="r").reply == (
        result.reply
    )
    assert desk.transfer("c1", agent_id="c", request_id="r").refusal[1] == "REQUEST_ID_REUSED"


def test_a_receiver_in_no_group_has_none(desk: Desk) -> None:
    desk.apply(**document(["a", "b"], {"g": ["a"]}, idle_close_ms=0))
    assert desk.transfer("c1", agent_id="b").said == ("AGENT", "TRANSFER", "b", "")


def test_a_transfer_minds_neither_weight_nor_cap_nor_volume(desk: Desk) -> None:
    desk.apply(**document({"a": 5, "b": 0}, {"g": ["a", "b"]}, caps={"b": 1}, daily={"b": 1},
                          idle_close_ms=0))  # fmt: skip
    desk.message(AGENT, buyer_id="x", agent_id="b")
    assert desk.transfer("c1", agent_id="b").said[2] == "b"
    assert desk.presence("b").received_today == 0


def test_inside_a_group_selection_runs(desk: Desk) -> None:
    result = desk.transfer("c1", group_id="h")
    assert result.said == ("AGENT", "TRANSFER", "b", "h")
    fact = result.named("decided")[0]
    assert (fact["pool_of_all_groups"], fact["pool_group_ids"], fact["charged"]) == (
        False,
        ["h"],
        False,
    )
    assert [list(p.group_ids) for p in desk.state.pools] == [["e", "g", "h"], ["h"]]
    # Never back to the one who hands on; a transfer is no new buyer.
    assert desk.transfer("c2", group_id="h").said[2] == "c"
    assert desk.transfer("c3", group_id="h").said[2] == "b"
    assert desk.presence("b").received_today == 0


def test_the_buyers_own_exclusions_do_not_bind_a_transfer(desk: Desk) -> None:
    desk.close("c1")
    desk.route("n", exclude_agent_ids=["a", "b"])
    assert desk.state.conversations[0].agent_id == "c"
    assert desk.transfer("c2", agent_id="b").said[2] == "b"
    assert desk.transfer("c3", group_id="h").said[2] == "c"


def test_refusals_come_in_order(desk: Desk) -> None:
    never = (5, "CONVERSATION_NOT_FOUND", "conversation_id", "never issued")
    assert refused(desk, "c2", agent_id="nobody") == never
    agent = (5, "AGENT_NOT_FOUND", "agent_id", "unknown agent")
    assert refused(desk, agent_id="nobody") == agent
    group = (5, "GROUP_NOT_FOUND", "group_id", "unknown group")
    assert refused(desk, group_id="nowhere") == group
    own = (3, "INVALID_FIELD", "agent_id", "already has this conversation")
    assert refused(desk, agent_id="a") == own
    desk.set_presence("b", OFFLINE)
    away = (9, "RECEIVER_UNAVAILABLE", "agent_id", "the agent is OFFLINE")
    assert refused(desk, agent_id="b") == away
    empty = (9, "RECEIVER_UNAVAILABLE", "group_id", "nobody in the group may take a buyer")
    assert refused(desk, group_id="e") == empty
    desk.set_presence("c", OFFLINE)
    assert refused(desk, group_id="h") == empty
    desk.close("c1")
    closed = (9, "CONVERSATION_CLOSED", "conversation_id", "already closed")
    assert refused(desk, agent_id="nobody") == closed


def test_only_the_conversations_own_agent_in_the_group_is_nobody(desk: Desk) -> None:
    desk.apply(**document(["a", "b"], {"g": ["a", "b"], "i": ["a"]}, idle_close_ms=0))
    assert refused(desk, group_id="i")[1] == "RECEIVER_UNAVAILABLE"


def test_ten_hops_are_the_limit(desk: Desk) -> None:
    receivers = ["b", "c"] * 5
    for n, receiver in enumerate(receivers):
        result = desk.transfer(f"c{n + 1}", agent_id=receiver)
        assert result.ok.conversation_id == f"c{n + 2}"
    assert desk.state.conversations[0].transfer_hops == 10
    limit = (9, "HOP_LIMIT", "conversation_id", "at most 10 hops")
    assert refused(desk, "c11", agent_id="a") == limit
    assert refused(desk, "c11", group_id="h", allow_offline=True) == limit
    assert refused(desk, "c11", agent_id="nobody")[1] == "AGENT_NOT_FOUND"
    # A new inquiry starts a new chain.
    desk.close("c11")
    desk.route("m")
    assert desk.transfer("c12", agent_id="a").code == 0


# --- receivers who are away -----------------------------------------------------------------------


def test_with_allow_offline_it_waits_for_the_agent(desk: Desk) -> None:
    desk.set_presence("b", OFFLINE)
    result = desk.transfer("c1", T0 + 5, agent_id="b", allow_offline=True)
    assert result.said == ("LEFT_MESSAGE", "TRANSFER", "b", "")
    assert result.ok.conversation_id == ""
    [w] = desk.state.waiting
    assert (w.outcome, w.agent_id, w.target_agent_id, w.target_group_id) == (
        LEFT_MESSAGE,
        "b",
        "b",
        "",
    )
    assert (w.since_ms, w.decision, w.inquiry.product_id, w.transfer_hops) == (T0 + 5, 2, "p", 1)
    assert len(desk.state.conversations) == 0
    # Left messages are no consultation: the contact is still a.
    assert desk.state.contacts[0].agent_id == "a"
    # Nobody else is given it, and it comes first when b is back, weight or group or not.
    desk.apply(T0 + 6, **document({"a": 5, "b": 0, "c": 5}, {"g": ["a", "c"]}, idle_close_ms=0))
    result = desk.set_presence("b", ONLINE, T0 + 7)
    assert moves(result.facts) == [("m", "LEFT_POOL", "b")]
    fact = result.named("decided")[0]
    assert (fact["group_id"], fact["pool_of_all_groups"], fact["pool_group_ids"]) == ("", False, [])
    assert desk.state.conversations[0].transfer_hops == 1


def test_a_left_message_waits_until_the_agent_is_not_busy(desk: Desk) -> None:
    desk.set_presence("b", OFFLINE)
    desk.transfer("c1", agent_id="b", allow_offline=True)
    assert moves(desk.set_presence("b", SUSPENDED).facts) == []
    assert moves(desk.set_presence("b", ONLINE, awaiting=4).facts) == []
    assert len(moves(desk.set_presence("b", ONLINE, awaiting=3).facts)) == 1


def test_with_allow_offline_it_waits_for_the_group(desk: Desk) -> None:
    for agent in ("b", "c"):
        desk.set_presence(agent, SUSPENDED)
    result = desk.transfer("c1", group_id="h", allow_offline=True)
    assert result.said == ("LEFT_MESSAGE", "TRANSFER", "", "h")
    [w] = desk.state.waiting
    assert (w.outcome, w.agent_id, w.target_agent_id, w.target_group_id) == (
        LEFT_MESSAGE,
        "",
        "",
        "h",
    )
    # Neither the recent contact a, who is free, nor another group takes it.
    result = desk.set_presence("c", ONLINE)
    assert moves(result.facts) == [("m", "LEFT_POOL", "c")]
    assert result.named("decided")[0]["pool_group_ids"] == ["h"]


def test_a_target_group_that_is_gone_leaves_the_entry_to_all(desk: Desk) -> None:
    desk.set_presence("b", OFFLINE)
    desk.set_presence("c", OFFLINE)
    desk.transfer("c1", group_id="h", allow_offline=True)
    result = desk.apply(**document(["a", "b", "c"], {"g": ["a", "b", "c"]}, idle_close_ms=0))
    assert moves(result.facts) == [("m", "LEFT_POOL", "a")]


def test_the_buyer_who_asks_meanwhile_is_routed_as_anybody(desk: Desk) -> None:
    desk.set_presence("b", OFFLINE)
    desk.transfer("c1", agent_id="b", allow_offline=True)
    assert desk.route("m").said[1:3] == ("RECENT_CONTACT", "a")
    assert len(desk.state.waiting) == 0
    assert desk.state.conversations[0].transfer_hops == 0


def test_who_asks_while_nobody_can_hears_of_the_left_message(desk: Desk) -> None:
    desk.set_presence("b", OFFLINE)
    desk.transfer("c1", agent_id="b", allow_offline=True)
    desk.set_presence("a", OFFLINE)
    desk.set_presence("c", OFFLINE)
    assert desk.route("m").said == ("LEFT_MESSAGE", "STILL_WAITING", "b", "")
    assert desk.state.waiting[0].target_agent_id == "b"


def test_the_robots_conversation_can_be_handed_on(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open(["a", "b"], robot_id="robot", reception_mode=2)
    desk.route("m")
    result = desk.transfer("c1", agent_id="a")
    assert result.said[:3] == ("AGENT", "TRANSFER", "a")
    assert result.named("conversation_closed")[0]["cause"] == TRANSFER_CAUSE
    desk.route("n")
    assert desk.transfer("c3", group_id="g").code == 0
    assert list(desk.state.slot_releases_ms) == []


def test_a_transfer_over_an_entry_keeps_its_place(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open({"a": 0, "b": 0}, robot_id="robot", reception_mode=2)
    desk.route("m", intent="i")
    desk.route("m", T0 + 1, handoff=True, intent="j")
    desk.set_presence("b", OFFLINE)
    desk.transfer("c1", T0 + 2, agent_id="b", allow_offline=True)
    [w] = desk.state.waiting
    assert (w.outcome, w.agent_id, w.target_agent_id) == (LEFT_MESSAGE, "b", "b")
    assert (w.since_ms, w.decision, w.inquiry.intent) == (T0 + 1, 2, "j")
    # The chain goes on through the entry: the transfer of the robot's conversation was a hop.
    assert w.transfer_hops == 1
    desk.set_presence("b", ONLINE, T0 + 3)
    assert desk.state.conversations[0].transfer_hops == 1


def test_handing_on_frees_a_slot(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open({"a": 5, "b": 0}, caps={"a": 1}, idle_close_ms=0)
    desk.route("m")
    desk.route("n")
    result = desk.transfer("c1", T0 + MINUTE, agent_id="b")
    assert moves(result.facts)[1:] == [("n", "LEFT_POOL", "a")]
    assert list(desk.state.slot_releases_ms) == [T0 + MINUTE]


def test_an_entry_whose_target_agent_is_gone_stays_until_the_buyer_asks_or_cancels(
    desk: Desk,
) -> None:
    desk.set_presence("b", OFFLINE)
    desk.transfer("c1", agent_id="b", allow_offline=True)
    result = desk.apply(**document(["a", "c"], idle_close_ms=0))
    assert moves(result.facts) == []
    # An agent of that name is that agent again.
    desk.apply(**document(["a", "b", "c"], idle_close_ms=0))
    assert moves(desk.set_presence("b", ONLINE).facts) == [("m", "LEFT_POOL", "b")]


def test_a_gone_target_group_keeps_the_known_agent_out_of_turn(desk: Desk) -> None:
    """No step 3 for it, so the known agent a without weight does not get it; c does by weight."""
    for agent in ("b", "c"):
        desk.set_presence(agent, OFFLINE)
    desk.transfer("c1", group_id="h", allow_offline=True)
    shop = document({"a": 0, "c": 5}, {"g": ["a", "c"]}, idle_close_ms=0)
    assert moves(desk.apply(**shop).facts) == []
    assert moves(desk.set_presence("c", ONLINE).facts) == [("m", "LEFT_POOL", "c")]
