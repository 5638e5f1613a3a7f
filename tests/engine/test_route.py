"""The steps of a decision, one after the other, as an inquiry meets them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from fenliu.v1 import types_pb2 as t
from model.wire import (
    AGENT,
    BUYER,
    DAY,
    HOUR,
    OFFLINE,
    ONLINE,
    SUSPENDED,
    T0,
    Desk,
    Result,
    document,
)


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    return Desk(core)


def open_shop(desk: Desk, agents: Any, groups: Any = None, **more: Any) -> None:
    """Applies a shop and puts everybody at their desks."""
    assert desk.apply(**document(agents, groups, **more)).code == 0
    for agent in agents:
        assert desk.set_presence(agent, ONLINE).code == 0


def said(result: Result) -> tuple[str, str, str, str]:
    """(outcome, reason, agent, group) by name."""
    r = result.ok
    outcome = t.Outcome.Name(r.outcome).removeprefix("OUTCOME_")
    reason = t.Reason.Name(r.reason).removeprefix("REASON_")
    assert (r.queue_position, r.estimated_wait_ms) == (0, 0)
    assert (r.conversation_id != "") == (outcome == "AGENT")
    return outcome, reason, r.agent_id, r.group_id


# --- step 1: repeats ------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [0, 1, DAY - 1, DAY])
def test_a_repeat_within_24_hours_gets_the_same_answer(desk: Desk, later: int) -> None:
    open_shop(desk, ["a", "b"])
    first = desk.route("m", request_id="r")
    desk.close("c1")
    desk.set_presence("a", OFFLINE)
    desk.set_presence("b", OFFLINE)
    before = desk.engine.state_hash()
    again = desk.route("m", T0 + later, request_id="r")
    assert (again.code, again.reply, again.entry) == (0, first.reply, b"")
    assert desk.engine.state_hash() == before


def test_after_24_hours_a_request_id_is_free_again(desk: Desk) -> None:
    open_shop(desk, ["a"])
    desk.route("m", request_id="r")
    again = desk.route("m", T0 + DAY + 1, request_id="r")
    assert again.ok.decision_id == "d2"
    # It is remembered from now on with the new answer.
    assert desk.route("m", T0 + 2 * DAY + 1, request_id="r").reply == again.reply


def test_a_repeat_does_not_prolong_the_memory(desk: Desk) -> None:
    open_shop(desk, ["a"])
    desk.route("m", request_id="r")
    assert desk.route("m", T0 + DAY, request_id="r").ok.decision_id == "d1"
    assert desk.route("m", T0 + DAY + 1, request_id="r").ok.decision_id == "d2"


REUSED = (3, "REQUEST_ID_REUSED", "request_id", "used within 24 h with another body")


def test_a_request_id_with_another_body_is_refused(desk: Desk) -> None:
    open_shop(desk, ["a"], idle_close_ms=0)
    desk.route("m", request_id="r")
    before = desk.engine.state_hash()
    for other in ({"priority": 1}, {"handoff": True}, {"exclude_agent_ids": ["x"]}):
        result = desk.route("m", T0 + DAY, request_id="r", **other)
        assert result.refusal == REUSED
        assert result.entry == b""
    assert desk.route("n", request_id="r").refusal == REUSED
    assert desk.engine.state_hash() == before
    assert desk.route("n", T0 + DAY + 1, request_id="r").code == 0


def test_a_request_id_with_another_kind_is_refused(desk: Desk) -> None:
    open_shop(desk, ["a"])
    desk.route("m", request_id="r")
    assert desk.close("c1", request_id="r").refusal == REUSED
    desk.close("c1", request_id="q")
    assert desk.route("m", request_id="q").refusal == REUSED


def test_a_refused_request_is_not_remembered(desk: Desk) -> None:
    open_shop(desk, ["a"])
    assert desk.route("m", request_id="r", dedicated_agent_id="nobody").code == 5
    assert desk.route("m", request_id="r").code == 0


def test_the_repeat_comes_before_the_dedicated_agent_is_looked_up(desk: Desk) -> None:
    open_shop(desk, ["a", "b"])
    first = desk.route("m", request_id="r", dedicated_agent_id="b")
    desk.apply(**document(["a"]))
    assert desk.route("m", request_id="r", dedicated_agent_id="b").reply == first.reply


def test_request_ids_belong_to_their_shop(desk: Desk) -> None:
    open_shop(desk, ["a"])
    desk.route("m", request_id="r")
    desk.shop = "other"
    open_shop(desk, ["a"])
    assert desk.route("n", request_id="r").code == 0


# --- step 2: open conversation --------------------------------------------------------------------


def test_an_open_conversation_goes_on_with_its_agent(desk: Desk) -> None:
    open_shop(desk, {"a": 5, "b": 0})
    first = desk.route("m").ok
    desk.set_presence("b", ONLINE)
    for status in (ONLINE, SUSPENDED):
        desk.set_presence("a", status)
        again = desk.route("m")
        assert said(again) == ("AGENT", "OPEN_CONVERSATION", "a", "g")
        assert again.ok.conversation_id == first.conversation_id
    # Each inquiry is a decision of its own, and no second conversation.
    assert (desk.state.last_decision, desk.state.last_conversation) == (3, 1)


def test_an_open_conversation_holds_even_if_the_agent_left_the_groups(desk: Desk) -> None:
    open_shop(desk, ["a"])
    desk.route("m")
    desk.apply(**document(["a"], {"g": []}))
    assert said(desk.route("m")) == ("AGENT", "OPEN_CONVERSATION", "a", "g")


@pytest.mark.parametrize("gone", ["offline", "deleted", "excluded"])
def test_an_open_conversation_ends_when_its_agent_cannot_go_on(desk: Desk, gone: str) -> None:
    open_shop(desk, {"a": 5, "b": 0})
    desk.route("m")
    fields = {}
    if gone == "offline":
        desk.set_presence("a", OFFLINE)
    elif gone == "deleted":
        desk.apply(**document({"b": 5}))
    else:
        fields = {"exclude_agent_ids": ["a"]}
    desk.set_weights({"b": 5})
    result = desk.route("m", T0 + 7, **fields)
    assert said(result) == ("AGENT", "WEIGHTED", "b", "g")
    assert result.ok.conversation_id == "c2"
    cause = 4 if gone == "excluded" else 3
    closed = {"conversation": 1, "cause": cause, "at_ms": T0 + 7}
    assert result.facts[0] == ("conversation_closed", closed)


def test_an_excluded_agent_who_is_offline_ends_it_as_offline(desk: Desk) -> None:
    open_shop(desk, ["a"])
    desk.route("m")
    desk.set_presence("a", OFFLINE)
    result = desk.route("m", exclude_agent_ids=["a"])
    assert result.facts[0][1]["cause"] == 3


def test_an_inquiry_in_an_open_conversation_is_activity_and_renews_the_contact(desk: Desk) -> None:
    open_shop(desk, ["a"])
    desk.route("m")
    desk.route("m", T0 + 500)
    [conversation] = desk.state.conversations
    assert (conversation.opened_at_ms, conversation.last_activity_ms) == (T0, T0 + 500)
    assert [c.consulted_at_ms for c in desk.state.contacts] == [T0 + 500]
    # The buyer has not written a message by asking again: an answered one stays answered.
    desk.message(AGENT, T0 + 600, conversation_id="c1")
    desk.route("m", T0 + 700)
    assert not desk.state.conversations[0].awaiting


def test_an_inquiry_takes_back_no_activity(desk: Desk) -> None:
    open_shop(desk, ["a"])
    desk.route("m")
    desk.message(BUYER, T0, conversation_id="c1", sent_at_ms=T0 + 5000)
    desk.route("m", T0 + 1000)
    assert desk.state.conversations[0].last_activity_ms == T0 + 5000


# --- step 3: recent contact -----------------------------------------------------------------------

WINDOW, SUSPENDED_WINDOW = 72 * HOUR, 24 * HOUR


def after_contact(desk: Desk, **settings: Any) -> None:
    """m consulted a at T0; a has no weight now, b would be picked."""
    open_shop(desk, {"a": 5, "b": 0}, **settings)
    desk.route("m")
    desk.close("c1")
    desk.set_weights({"a": 0, "b": 5})


@pytest.mark.parametrize(("status", "window"), [(ONLINE, WINDOW), (SUSPENDED, SUSPENDED_WINDOW)])
def test_a_recent_contact_is_kept_up_to_the_last_millisecond(
    desk: Desk, status: int, window: int
) -> None:
    after_contact(desk)
    desk.set_presence("a", status)
    result = desk.route("m", T0 + window)
    assert said(result) == ("AGENT", "RECENT_CONTACT", "a", "g")
    assert result.ok.conversation_id == "c2"


@pytest.mark.parametrize(("status", "window"), [(ONLINE, WINDOW), (SUSPENDED, SUSPENDED_WINDOW)])
def test_a_contact_past_its_window_is_not_recent(desk: Desk, status: int, window: int) -> None:
    after_contact(desk)
    desk.set_presence("a", status)
    assert said(desk.route("m", T0 + window + 1))[1:3] == ("WEIGHTED", "b")


def test_a_window_of_zero_is_off(desk: Desk) -> None:
    after_contact(desk, sticky_window_ms=0)
    assert said(desk.route("m"))[1] == "WEIGHTED"


def test_a_suspended_window_of_zero_is_off(desk: Desk) -> None:
    after_contact(desk, sticky_suspended_window_ms=0)
    desk.set_presence("a", SUSPENDED)
    assert said(desk.route("m"))[1] == "WEIGHTED"


def test_a_suspended_agent_may_have_the_longer_window(desk: Desk) -> None:
    after_contact(desk, sticky_window_ms=1000, sticky_suspended_window_ms=5000)
    assert said(desk.route("m", T0 + 1001))[1] == "WEIGHTED"
    desk.close("c2", T0 + 1001)
    # Now b is the one consulted last.
    assert said(desk.route("m", T0 + 1002))[1:3] == ("RECENT_CONTACT", "b")


def test_an_offline_contact_is_passed_over(desk: Desk) -> None:
    after_contact(desk)
    desk.set_presence("a", OFFLINE)
    assert said(desk.route("m"))[1:3] == ("WEIGHTED", "b")


def test_a_recent_contact_beats_weight_cap_and_page_source(desk: Desk) -> None:
    groups = {"g": ["a"], "h": ["b"]}
    bound = {"h": {"page_sources": ["cart"]}}
    open_shop(desk, {"a": 0, "b": 5}, groups, caps={"a": 1}, bindings=bound)
    desk.message(AGENT, buyer_id="m", agent_id="a")
    desk.close("c1")
    desk.message(AGENT, buyer_id="other", agent_id="a")
    desk.update("x", "a", ONLINE, awaiting=1000)
    result = desk.route("m", page_source="cart")
    assert said(result) == ("AGENT", "RECENT_CONTACT", "a", "g")


def test_only_the_agent_consulted_last_counts(desk: Desk) -> None:
    open_shop(desk, {"a": 5, "b": 0})
    desk.route("m")
    desk.route("m", T0 + 1, exclude_agent_ids=["a"])
    desk.message(AGENT, T0 + 1, buyer_id="m", agent_id="b")
    desk.close("c2", T0 + 1)
    desk.set_presence("b", OFFLINE, T0 + 1)
    # a was consulted too, and is ONLINE: but not last.
    assert said(desk.route("m", T0 + 2))[1:3] == ("WEIGHTED", "a")


def test_an_agent_who_left_all_groups_gets_no_sticky_buyers(desk: Desk) -> None:
    open_shop(desk, {"a": 5, "b": 0})
    desk.route("m")
    desk.close("c1")
    desk.apply(**document({"a": 5, "b": 5}, {"g": ["b"]}))
    assert said(desk.route("m"))[1:3] == ("WEIGHTED", "b")
    # Back in a group, the contact counts again if it is still the last.
    desk.route("n")
    desk.apply(**document({"a": 5, "b": 5}, {"g": ["b"], "h": ["a"]}))
    assert said(desk.route("o", dedicated_agent_id="a"))[3] == "h"


def test_a_longer_window_brings_no_contact_back(desk: Desk) -> None:
    after_contact(desk, sticky_window_ms=1000, sticky_suspended_window_ms=0)
    weights = {"a": 0, "b": 5}
    desk.apply(T0 + 1001, **document(weights, sticky_window_ms=DAY, sticky_suspended_window_ms=0))
    assert len(desk.state.contacts) == 0
    assert said(desk.route("m", T0 + 1001))[1] == "WEIGHTED"


def test_a_change_of_the_windows_says_since_when_contacts_count(desk: Desk) -> None:
    after_contact(desk, sticky_window_ms=1000, sticky_suspended_window_ms=500)
    assert desk.state.contacts_since_ms == 0
    weights = {"a": 0, "b": 5}
    desk.apply(T0 + 100, **document(weights))
    assert desk.state.contacts_since_ms == T0 + 100 - 1000
    # Only a change of the two windows says so, and it never goes back.
    desk.apply(T0 + 200, **document({"a": 1, "b": 5}))
    assert desk.state.contacts_since_ms == T0 + 100 - 1000
    desk.apply(T0 + 300, **document(weights, sticky_window_ms=DAY))
    assert desk.state.contacts_since_ms == T0 + 100 - 1000
    desk.apply(T0 + 400, **document(weights, sticky_window_ms=0, sticky_suspended_window_ms=0))
    desk.apply(T0 + 500, **document(weights))
    assert desk.state.contacts_since_ms == T0 + 500


def test_a_contact_on_the_edge_of_the_old_window_stays(desk: Desk) -> None:
    """The old window and the new beginning both include their limit."""
    after_contact(desk, sticky_window_ms=1000, sticky_suspended_window_ms=500)
    weights = {"a": 0, "b": 5}
    desk.apply(T0 + 1000, **document(weights, sticky_window_ms=DAY, sticky_suspended_window_ms=0))
    assert desk.state.contacts_since_ms == T0
    assert [c.consulted_at_ms for c in desk.state.contacts] == [T0]


def test_a_contact_that_still_exists_profits_from_a_longer_window(desk: Desk) -> None:
    after_contact(desk, sticky_window_ms=1000, sticky_suspended_window_ms=0)
    weights = {"a": 0, "b": 5}
    desk.apply(T0 + 1000, **document(weights, sticky_window_ms=DAY, sticky_suspended_window_ms=0))
    assert said(desk.route("m", T0 + DAY))[1] == "RECENT_CONTACT"


def test_the_group_of_a_sticky_buyer_is_the_first_by_priority_then_id(desk: Desk) -> None:
    groups = {"x": ["a"], "y": ["a"], "z": ["a"]}
    open_shop(desk, ["a"], groups, priorities={"x": 2, "y": 1, "z": 1})
    desk.route("m")
    desk.close("c1")
    assert said(desk.route("m")) == ("AGENT", "RECENT_CONTACT", "a", "y")


# --- step 4: dedicated ----------------------------------------------------------------------------


def test_a_dedicated_agent_is_taken_whatever_the_weight(desk: Desk) -> None:
    open_shop(desk, {"a": 5, "b": 0}, caps={"b": 1})
    desk.message(AGENT, buyer_id="x", agent_id="b")
    assert said(desk.route("m", dedicated_agent_id="b")) == ("AGENT", "DEDICATED", "b", "g")


def test_a_buyers_own_agent_is_dedicated_but_the_request_goes_first(desk: Desk) -> None:
    mapping: Any = [{"buyer_id": "m", "agent_id": "b"}]
    open_shop(desk, {"a": 5, "b": 0, "c": 0}, buyer_agents=mapping)
    assert said(desk.route("m"))[1:3] == ("DEDICATED", "b")
    assert said(desk.route("n"))[1:3] == ("WEIGHTED", "a")
    desk.close("c1")
    assert said(desk.route("m", exclude_agent_ids=["b"], dedicated_agent_id="c"))[2] == "c"


@pytest.mark.parametrize("status", [SUSPENDED, OFFLINE])
def test_a_dedicated_agent_must_be_online(desk: Desk, status: int) -> None:
    open_shop(desk, {"a": 5, "b": 5})
    desk.set_presence("b", status)
    assert said(desk.route("m", dedicated_agent_id="b"))[1:3] == ("WEIGHTED", "a")


def test_a_dedicated_agent_must_take_part_and_not_be_excluded(desk: Desk) -> None:
    open_shop(desk, {"a": 5, "b": 5}, {"g": ["a"]})
    assert said(desk.route("m", dedicated_agent_id="b"))[1:3] == ("WEIGHTED", "a")
    desk.apply(**document({"a": 5, "b": 0}))
    result = desk.route("n", dedicated_agent_id="b", exclude_agent_ids=["b"])
    assert said(result)[1:3] == ("WEIGHTED", "a")


def test_a_request_naming_someone_absent_does_not_fall_back_to_the_mapping(desk: Desk) -> None:
    mapping: Any = [{"buyer_id": "m", "agent_id": "b"}]
    open_shop(desk, {"a": 5, "b": 0, "c": 0}, buyer_agents=mapping)
    desk.set_presence("c", OFFLINE)
    assert said(desk.route("m", dedicated_agent_id="c"))[1:3] == ("WEIGHTED", "a")


def test_the_recent_contact_goes_before_the_dedicated_agent(desk: Desk) -> None:
    open_shop(desk, {"a": 5, "b": 0})
    desk.route("m")
    desk.close("c1")
    assert said(desk.route("m", dedicated_agent_id="b"))[1:3] == ("RECENT_CONTACT", "a")


def test_an_unknown_dedicated_agent_is_refused_even_with_an_open_conversation(desk: Desk) -> None:
    open_shop(desk, ["a"])
    desk.route("m")
    assert desk.route("m", dedicated_agent_id="nobody").refusal[1] == "AGENT_NOT_FOUND"


# --- step 5: group match --------------------------------------------------------------------------

GROUPS = {"p": ["a"], "i": ["b"], "o": ["c"], "s": ["d"]}
BINDINGS: dict[str, dict[str, list[Any]]] = {
    "p": {"product_ids": ["1"]},
    "i": {"intents": ["refund"]},
    "o": {"order_statuses": [t.ORDER_STATUS_SHIPPED]},
    "s": {"page_sources": ["cart"]},
}
VALUES: dict[str, Any] = {
    "product_id": "1",
    "intent": "refund",
    "order_status": t.ORDER_STATUS_SHIPPED,
    "page_source": "cart",
}


def bound_shop(desk: Desk, **settings: Any) -> None:
    open_shop(desk, ["a", "b", "c", "d"], GROUPS, bindings=BINDINGS, **settings)


@pytest.mark.parametrize(
    ("field", "group"),
    [("product_id", "p"), ("intent", "i"), ("order_status", "o"), ("page_source", "s")],
)
def test_a_bound_value_leads_to_its_group(desk: Desk, field: str, group: str) -> None:
    bound_shop(desk)
    for buyer in range(3):
        result = desk.route(f"m{buyer}", **{field: VALUES[field]})
        assert said(result)[1::2] == ("WEIGHTED", group)
        assert result.facts[-1][1]["pool_group_ids"] == [group]


def test_a_value_nobody_bound_leaves_all_groups_in(desk: Desk) -> None:
    bound_shop(desk)
    values = {"product_id": "9", "intent": "x", "order_status": 1, "page_source": "y"}
    got = {said(desk.route(f"m{n}", **values))[3] for n in range(4)}
    assert got == {"p", "i", "o", "s"}


def test_no_value_leaves_all_groups_in(desk: Desk) -> None:
    bound_shop(desk)
    result = desk.route("m")
    assert result.facts[-1][1]["pool_of_all_groups"]
    assert result.facts[-1][1]["pool_group_ids"] == []
    assert {said(desk.route(f"m{n}"))[3] for n in range(3)} | {said(result)[3]} == set(GROUPS)


@pytest.mark.parametrize("first", [1, 2, 3, 4])
def test_the_first_dimension_of_the_precedence_decides(desk: Desk, first: int) -> None:
    order = [first, *(d for d in (1, 2, 3, 4) if d != first)]
    bound_shop(desk, binding_precedence=order)
    assert said(desk.route("m", **VALUES))[3] == {1: "p", 2: "i", 3: "o", 4: "s"}[first]


def test_the_default_precedence_is_product_intent_order_status_page_source(desk: Desk) -> None:
    bound_shop(desk)
    expected = ["p", "i", "o", "s"]
    values = dict(VALUES)
    for field, group in zip(VALUES, expected, strict=True):
        assert said(desk.route(f"m{group}", **values))[3] == group
        del values[field]


def test_a_dimension_left_out_of_the_precedence_does_not_match(desk: Desk) -> None:
    bound_shop(desk, binding_precedence=[2])
    got = {said(desk.route(f"m{n}", product_id="1"))[3] for n in range(4)}
    assert got == set(GROUPS)


def test_several_groups_may_bind_one_value_and_later_dimensions_narrow_them(desk: Desk) -> None:
    groups = {"x": ["a"], "y": ["b"], "z": ["c"]}
    both: dict[str, dict[str, list[Any]]] = {
        "x": {"product_ids": ["1"]},
        "y": {"product_ids": ["1"], "intents": ["refund"]},
        "z": {"intents": ["refund"]},
    }
    open_shop(desk, ["a", "b", "c"], groups, bindings=both)
    wide = desk.route("m", product_id="1")
    assert wide.facts[-1][1]["pool_group_ids"] == ["x", "y"]
    narrow = desk.route("n", product_id="1", intent="refund")
    assert narrow.facts[-1][1]["pool_group_ids"] == ["y"]
    # An intent that none of the groups left has bound keeps those left.
    kept = desk.route("o", product_id="1", intent="other")
    assert kept.facts[-1][1]["pool_group_ids"] == ["x", "y"]


def test_the_group_named_is_the_first_matched_one_that_has_the_agent(desk: Desk) -> None:
    groups = {"x": ["a"], "y": ["a"], "z": ["a"]}
    bound: dict[str, dict[str, list[Any]]] = {g: {"product_ids": ["1"]} for g in ("y", "z")}
    open_shop(desk, ["a"], groups, bindings=bound, priorities={"y": 2, "z": 1})
    assert said(desk.route("m", product_id="1"))[3] == "z"
    assert said(desk.route("n"))[3] == "x"


# --- steps 7 and 8: selection and spill -----------------------------------------------------------


def test_weight_zero_suspended_and_capped_agents_take_no_new_buyers(desk: Desk) -> None:
    open_shop(desk, {"a": 5, "b": 0, "c": 5, "d": 5}, caps={"d": 1})
    desk.set_presence("c", SUSPENDED)
    got = [said(desk.route(f"m{n}"))[2] for n in range(4)]
    assert sorted(got) == ["a", "a", "a", "d"]


def test_a_closed_conversation_frees_the_cap(desk: Desk) -> None:
    open_shop(desk, ["a"], caps={"a": 1})
    desk.route("m")
    assert said(desk.route("n"))[:2] == ("POOLED", "NOBODY_FREE")
    desk.cancel("n")
    desk.close("c1")
    assert said(desk.route("o"))[:2] == ("AGENT", "WEIGHTED")


def test_excluded_agents_are_not_taken(desk: Desk) -> None:
    open_shop(desk, ["a", "b", "c"])
    for n in range(5):
        assert said(desk.route(f"m{n}", exclude_agent_ids=["a", "c", "nobody"]))[2] == "b"


def test_excluding_an_agent_of_another_group_takes_nobody_away_here(desk: Desk) -> None:
    bound_shop(desk)
    result = desk.route("m", product_id="1", exclude_agent_ids=["b", "c"])
    assert said(result) == ("AGENT", "WEIGHTED", "a", "p")


def test_excluding_one_agent_twice_is_excluding_it_once(desk: Desk) -> None:
    open_shop(desk, ["a", "b"])
    assert said(desk.route("m", exclude_agent_ids=["a", "a"]))[1:3] == ("WEIGHTED", "b")


def test_an_inquiry_spills_when_nobody_in_its_groups_may_take_it(desk: Desk) -> None:
    bound_shop(desk)
    desk.set_presence("a", OFFLINE)
    result = desk.route("m", product_id="1")
    assert said(result)[:2] == ("AGENT", "SPILLED")
    fact = result.facts[-1][1]
    assert (fact["pool_of_all_groups"], fact["pool_group_ids"]) == (True, [])
    excluded = desk.route("n", intent="refund", exclude_agent_ids=["b"])
    assert said(excluded)[1] == "SPILLED"


def test_a_spilled_inquiry_names_the_first_of_all_groups(desk: Desk) -> None:
    groups = {"x": [], "y": ["a"], "z": ["a"]}
    bound: dict[str, dict[str, list[Any]]] = {"x": {"product_ids": ["1"]}}
    open_shop(desk, ["a"], groups, bindings=bound, priorities={"y": 1})
    assert said(desk.route("m", product_id="1")) == ("AGENT", "SPILLED", "a", "z")


def test_handoff_and_priority_change_nothing_while_there_is_no_robot_or_queue(desk: Desk) -> None:
    open_shop(desk, ["a"])
    assert said(desk.route("m", handoff=True, priority=9)) == ("AGENT", "WEIGHTED", "a", "g")


# --- step 10: waiting -----------------------------------------------------------------------------


def test_somebody_online_but_nobody_free_is_pooled(desk: Desk) -> None:
    open_shop(desk, {"a": 0})
    result = desk.route("m")
    assert said(result) == ("POOLED", "NOBODY_FREE", "", "")
    assert result.ok.decision_id == "d1"
    [waiting] = desk.state.waiting
    assert (waiting.buyer_id, waiting.since_ms, waiting.decision) == ("m", T0, 1)


def test_online_agents_outside_all_groups_do_not_count_as_somebody(desk: Desk) -> None:
    open_shop(desk, ["a"], {"g": []})
    assert said(desk.route("m"))[:2] == ("POOLED", "OFFLINE_POOL")


def test_who_counts_as_somebody_follows_the_groups(desk: Desk) -> None:
    open_shop(desk, {"a": 0})
    desk.apply(**document({"a": 0}, {"g": []}))
    assert said(desk.route("m"))[1] == "OFFLINE_POOL"
    desk.apply(**document({"a": 0}, {"g": ["a"]}))
    assert said(desk.route("n"))[1] == "NOBODY_FREE"
    fresh = desk.core.Engine(desk.partitions)
    fresh.load_snapshot(desk.engine.snapshot("s"))
    desk.engine = fresh
    assert said(desk.route("o"))[1] == "NOBODY_FREE"
    desk.apply(**document({"b": 0}))
    assert said(desk.route("p"))[1] == "OFFLINE_POOL"


def test_a_suspended_agent_is_not_online(desk: Desk) -> None:
    open_shop(desk, ["a"])
    desk.set_presence("a", SUSPENDED)
    assert said(desk.route("m"))[:2] == ("POOLED", "OFFLINE_POOL")


POOL, PROXY, OWNER = 1, 2, 3


@pytest.mark.parametrize(
    ("target", "proxy", "owner", "expected"),
    [
        (0, "px", "boss", ("POOLED", "OFFLINE_POOL", "", "")),
        (POOL, "px", "boss", ("POOLED", "OFFLINE_POOL", "", "")),
        (PROXY, "px", "boss", ("LEFT_MESSAGE", "OFFLINE_PROXY", "px", "")),
        (PROXY, "", "boss", ("LEFT_MESSAGE", "OFFLINE_OWNER", "boss", "")),
        (PROXY, "", "", ("POOLED", "OFFLINE_POOL", "", "")),
        (OWNER, "px", "boss", ("LEFT_MESSAGE", "OFFLINE_OWNER", "boss", "")),
        (OWNER, "px", "", ("POOLED", "OFFLINE_POOL", "", "")),
    ],
)
def test_offline_targets_and_what_they_fall_back_to(
    desk: Desk, target: int, proxy: str, owner: str, expected: tuple[str, str, str, str]
) -> None:
    shop = document(["a"], offline_target=target, proxy_agent_id=proxy)
    desk.apply(owner_agent_id=owner, **shop)
    assert said(desk.route("m")) == expected
    assert [w.agent_id for w in desk.state.waiting] == [expected[2]]
    assert len(desk.state.contacts) == 0  # left messages are no consultation


def test_a_buyer_who_waits_keeps_the_entry_and_its_outcome(desk: Desk) -> None:
    desk.apply(owner_agent_id="boss", **document(["a"], offline_target=OWNER))
    desk.route("m")
    desk.set_presence("a", ONLINE)
    desk.set_weights({"a": 0})
    again = desk.route("m", T0 + 5)
    assert said(again) == ("LEFT_MESSAGE", "STILL_WAITING", "boss", "")
    assert again.ok.decision_id == "d2"
    [waiting] = desk.state.waiting
    assert (waiting.since_ms, waiting.decision, waiting.agent_id) == (T0, 1, "boss")


def test_an_assignment_ends_the_waiting(desk: Desk) -> None:
    desk.apply(**document({"a": 0}))
    desk.route("m")
    desk.set_presence("a", ONLINE)
    assert said(desk.route("m", dedicated_agent_id="a"))[:2] == ("AGENT", "DEDICATED")
    assert len(desk.state.waiting) == 0
    desk.set_presence("a", OFFLINE)
    desk.close("c1")
    assert said(desk.route("m"))[1] == "OFFLINE_POOL"
    assert [w.decision for w in desk.state.waiting] == [3]


def test_an_agents_first_word_ends_the_waiting(desk: Desk) -> None:
    desk.apply(**document(["a"]))
    desk.route("m")
    desk.message(BUYER, buyer_id="m")
    assert len(desk.state.waiting) == 1
    desk.message(AGENT, buyer_id="m", agent_id="a")
    assert len(desk.state.waiting) == 0


def test_an_empty_shop_pools_everybody(desk: Desk) -> None:
    desk.apply()
    assert said(desk.route("m")) == ("POOLED", "OFFLINE_POOL", "", "")


def test_decisions_and_conversations_are_numbered_in_each_shop(desk: Desk) -> None:
    open_shop(desk, ["a"])
    desk.message(AGENT, buyer_id="x", agent_id="a")
    answer = desk.route("m").ok
    assert (answer.decision_id, answer.conversation_id) == ("d1", "c2")
    desk.shop = "other"
    open_shop(desk, ["a"])
    answer = desk.route("m").ok
    assert (answer.decision_id, answer.conversation_id) == ("d1", "c1")
