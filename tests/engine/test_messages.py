"""Message events and closes: awaiting, contacts, first words, time, and conversations that end."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from model.wire import (
    AGENT,
    AUTO_REPLY,
    BUYER,
    DAY,
    HOUR,
    MINUTE,
    OFFLINE,
    ONLINE,
    ROBOT,
    T0,
    Desk,
    document,
    said,
)


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    """One agent a at the desk, b away; m has the open conversation c1 with a."""
    desk = Desk(core)
    desk.apply(**document(["a", "b"], {"g": ["a", "b"]}))
    desk.set_presence("a", ONLINE)
    assert desk.route("m").ok.conversation_id == "c1"
    return desk


def awaiting(desk: Desk, agent: str = "a") -> int:
    return desk.presence(agent).awaiting


# --- derived awaiting -----------------------------------------------------------------------------


def test_a_new_assignment_is_awaiting_at_once_and_a_reply_clears_it(desk: Desk) -> None:
    assert awaiting(desk) == 1
    desk.message(AGENT, conversation_id="c1")
    assert awaiting(desk) == 0
    desk.message(BUYER, conversation_id="c1")
    desk.message(BUYER, conversation_id="c1")
    assert awaiting(desk) == 1
    assert desk.presence("a").open_conversations == 1


@pytest.mark.parametrize("sender", [ROBOT, AUTO_REPLY])
def test_robots_and_automatic_replies_answer_nobody(desk: Desk, sender: int) -> None:
    desk.message(sender, conversation_id="c1")
    assert awaiting(desk) == 1
    desk.message(AGENT, conversation_id="c1")
    desk.message(sender, conversation_id="c1")
    assert awaiting(desk) == 0


def test_the_reply_of_another_agent_clears_nothing(desk: Desk) -> None:
    desk.message(AGENT, conversation_id="c1", agent_id="b")
    assert awaiting(desk) == 1
    assert awaiting(desk, "b") == 0


def test_the_buyer_finds_the_open_conversation(desk: Desk) -> None:
    desk.message(AGENT, buyer_id="m")
    assert awaiting(desk) == 0
    result = desk.message(BUYER, buyer_id="m")
    assert result.facts[0][1]["conversation"] == 1
    assert awaiting(desk) == 1


def test_closing_clears_awaiting(desk: Desk) -> None:
    desk.close("c1")
    assert (awaiting(desk), desk.presence("a").open_conversations) == (0, 0)


def test_a_buyer_whose_agent_is_not_named_by_buyers_and_robots(desk: Desk) -> None:
    """agent_id is ignored with senders BUYER and ROBOT, known or not."""
    for sender in (BUYER, ROBOT):
        result = desk.message(sender, conversation_id="c1", agent_id="nobody")
        assert result.facts[0][1]["agent_id"] == ""


# --- absolute awaiting ----------------------------------------------------------------------------


def test_a_report_sets_the_base_and_assignments_add_to_it(desk: Desk) -> None:
    desk.set_presence("a", ONLINE, awaiting=3)
    assert awaiting(desk) == 3
    desk.route("n")
    assert awaiting(desk) == 4
    desk.route("n")  # the open conversation is no new assignment
    assert awaiting(desk) == 4
    desk.close("c1")
    assert awaiting(desk) == 4
    desk.set_presence("a", ONLINE, awaiting=0)
    assert awaiting(desk) == 0


@pytest.mark.parametrize("sender", [BUYER, AGENT, ROBOT, AUTO_REPLY])
def test_the_first_message_event_switches_back_to_derived(desk: Desk, sender: int) -> None:
    desk.set_presence("a", ONLINE, awaiting=9)
    desk.message(sender, conversation_id="c1")
    assert awaiting(desk) == (0 if sender == AGENT else 1)
    [a, _] = desk.state.agents
    assert not a.HasField("absolute_awaiting")


def test_a_message_switches_back_its_author_and_the_conversations_agent(desk: Desk) -> None:
    for agent in ("a", "b"):
        desk.set_presence(agent, ONLINE, awaiting=9)
    desk.message(AUTO_REPLY, conversation_id="c1", agent_id="b")
    assert (awaiting(desk, "a"), awaiting(desk, "b")) == (1, 0)


def test_a_message_to_a_closed_conversation_switches_back_only_its_author(desk: Desk) -> None:
    desk.close("c1")
    for agent in ("a", "b"):
        desk.set_presence(agent, ONLINE, awaiting=9)
    desk.message(BUYER, conversation_id="c1")
    assert (awaiting(desk, "a"), awaiting(desk, "b")) == (9, 9)
    desk.message(AGENT, conversation_id="c1", agent_id="b")
    assert (awaiting(desk, "a"), awaiting(desk, "b")) == (9, 0)


def test_a_report_of_status_alone_leaves_awaiting_as_it_is(desk: Desk) -> None:
    desk.set_presence("a", ONLINE, awaiting=9)
    desk.set_presence("a", OFFLINE)
    desk.update("x", "a", ONLINE)
    assert awaiting(desk) == 9


# --- first words ----------------------------------------------------------------------------------


def test_an_agents_first_word_opens_a_conversation(desk: Desk) -> None:
    result = desk.message(AGENT, T0 + 5, buyer_id="n", agent_id="b", sent_at_ms=T0 + 2)
    assert result.facts == [
        (
            "message_noted",
            {
                "conversation": 2,
                "at_ms": T0 + 2,
                "clamped": False,
                "agent_id": "b",
                "opened": True,
                "buyer_id": "",
            },
        )
    ]
    conversation = desk.state.conversations[1]
    assert (conversation.conversation, conversation.buyer_id) == (2, "n")
    assert (conversation.agent_id, conversation.group_id) == ("b", "g")
    assert (conversation.opened_at_ms, conversation.last_activity_ms) == (T0 + 5, T0 + 2)
    assert not conversation.awaiting
    [contact] = [c for c in desk.state.contacts if c.buyer_id == "n"]
    assert (contact.agent_id, contact.consulted_at_ms, contact.conversation) == ("b", T0 + 2, 2)
    # The buyer comes back to the same agent, who is in the conversation but OFFLINE: it ends.
    assert desk.route("n", T0 + 5).facts[0][1]["cause"] == 3


def test_a_first_word_of_someone_without_group_names_no_group(desk: Desk) -> None:
    desk.apply(**document(["a", "b", "c"], {"g": ["a"]}))
    desk.message(AGENT, buyer_id="n", agent_id="c")
    assert desk.state.conversations[1].group_id == ""


def test_a_first_word_names_the_first_group_by_priority_then_id(desk: Desk) -> None:
    groups = {"x": ["a"], "y": ["a"], "z": ["a"]}
    desk.apply(**document(["a"], groups, priorities={"x": 1}))
    desk.message(AGENT, buyer_id="n", agent_id="a")
    assert desk.state.conversations[1].group_id == "y"


@pytest.mark.parametrize("sender", [BUYER, ROBOT, AUTO_REPLY])
def test_nobody_else_opens_a_conversation(desk: Desk, sender: int) -> None:
    result = desk.message(sender, buyer_id="n", agent_id="b")
    [(name, fact)] = result.facts
    assert (name, fact["conversation"], fact["opened"]) == ("message_noted", 0, False)
    assert fact["agent_id"] == ("b" if sender == AUTO_REPLY else "")
    assert len(desk.state.conversations) == 1


def test_an_automatic_reply_in_nobodys_name_is_noted(desk: Desk) -> None:
    assert desk.message(AUTO_REPLY, buyer_id="n").facts[0][1]["agent_id"] == ""


# --- closed conversations -------------------------------------------------------------------------


def test_a_reply_to_a_closed_conversation_changes_no_awaiting_and_opens_nothing(desk: Desk) -> None:
    desk.close("c1")
    result = desk.message(AGENT, conversation_id="c1", agent_id="a")
    [(_, fact)] = result.facts
    assert (fact["conversation"], fact["opened"], fact["agent_id"]) == (1, False, "a")
    assert awaiting(desk) == 0
    assert len(desk.state.conversations) == 0


def test_a_reply_to_a_closed_conversation_in_nobodys_name_has_no_author(desk: Desk) -> None:
    desk.close("c1")
    assert desk.message(AGENT, conversation_id="c1").facts[0][1]["agent_id"] == ""


def test_a_reply_to_the_last_conversation_keeps_the_contact_recent(desk: Desk) -> None:
    desk.close("c1")
    desk.message(AGENT, T0 + HOUR, conversation_id="c1", agent_id="a")
    [contact] = desk.state.contacts
    assert (contact.agent_id, contact.consulted_at_ms) == ("a", T0 + HOUR)


def test_a_reply_by_someone_else_does_not(desk: Desk) -> None:
    desk.close("c1")
    desk.message(AGENT, T0 + HOUR, conversation_id="c1", agent_id="b")
    desk.message(AUTO_REPLY, T0 + HOUR, conversation_id="c1", agent_id="a")
    desk.message(BUYER, T0 + HOUR, conversation_id="c1")
    [contact] = desk.state.contacts
    assert (contact.agent_id, contact.consulted_at_ms) == ("a", T0)


def test_a_reply_to_an_earlier_conversation_does_not(desk: Desk) -> None:
    desk.close("c1")
    desk.route("m", T0 + 1)
    desk.message(AGENT, T0 + HOUR, conversation_id="c1", agent_id="a")
    [contact] = desk.state.contacts
    assert (contact.conversation, contact.consulted_at_ms) == (2, T0 + 1)


def test_a_late_reply_does_not_put_the_contact_back_in_time(desk: Desk) -> None:
    desk.message(BUYER, T0 + MINUTE, conversation_id="c1")
    desk.close("c1", T0 + MINUTE)
    now = T0 + MINUTE
    desk.message(AGENT, now, conversation_id="c1", agent_id="a", sent_at_ms=T0)
    assert desk.state.contacts[0].consulted_at_ms == T0 + MINUTE


def test_a_buyer_named_with_a_closed_conversation_is_not_compared(desk: Desk) -> None:
    desk.close("c1")
    assert desk.message(BUYER, conversation_id="c1", buyer_id="other").code == 0


# --- contacts -------------------------------------------------------------------------------------


def test_the_buyers_message_is_a_consultation_of_the_conversations_agent(desk: Desk) -> None:
    desk.message(BUYER, T0 + HOUR // 4, conversation_id="c1")
    assert desk.state.contacts[0].consulted_at_ms == T0 + HOUR // 4


def test_the_word_of_another_agent_makes_that_agent_the_contact(desk: Desk) -> None:
    desk.message(AGENT, T0 + 1, conversation_id="c1", agent_id="b")
    [contact] = desk.state.contacts
    assert (contact.agent_id, contact.conversation) == ("b", 1)


def test_an_older_message_does_not_replace_a_newer_contact(desk: Desk) -> None:
    desk.message(AGENT, T0 + 100, conversation_id="c1", agent_id="b", sent_at_ms=T0 - 1)
    assert desk.state.contacts[0].agent_id == "a"
    desk.message(AGENT, T0 + 100, conversation_id="c1", agent_id="b", sent_at_ms=T0)
    assert desk.state.contacts[0].agent_id == "b"


def test_a_message_from_the_future_is_a_contact_now(desk: Desk) -> None:
    desk.message(AGENT, T0, conversation_id="c1", sent_at_ms=T0 + MINUTE)
    assert desk.state.contacts[0].consulted_at_ms == T0
    assert desk.state.conversations[0].last_activity_ms == T0 + MINUTE


def test_robots_and_automatic_replies_are_no_consultation(desk: Desk) -> None:
    for sender in (ROBOT, AUTO_REPLY):
        desk.message(sender, T0 + 1, conversation_id="c1", agent_id="b")
    [contact] = desk.state.contacts
    assert (contact.agent_id, contact.consulted_at_ms) == ("a", T0)


# --- time -----------------------------------------------------------------------------------------

SKEW = 5 * MINUTE


@pytest.mark.parametrize(
    ("sent", "at", "clamped"),
    [
        (0, T0, False),
        (T0, T0, False),
        (T0 - SKEW, T0 - SKEW, False),
        (T0 - SKEW - 1, T0 - SKEW, True),
        (1, T0 - SKEW, True),
        (T0 + SKEW, T0 + SKEW, False),
        (T0 + SKEW + 1, T0 + SKEW, True),
        (9007199254740991, T0 + SKEW, True),
    ],
)
def test_times_are_moved_into_the_skew_and_counted(
    desk: Desk, sent: int, at: int, clamped: bool
) -> None:
    result = desk.message(BUYER, conversation_id="c1", sent_at_ms=sent)
    assert result.ok.clamped == clamped
    fact = result.facts[0][1]
    assert (fact["at_ms"], fact["clamped"]) == (at, clamped)
    assert desk.state.clamped_timestamps == clamped


def test_a_shops_time_never_goes_back(desk: Desk) -> None:
    desk.message(BUYER, T0 + 50, conversation_id="c1")
    result = desk.message(BUYER, T0 + 10, conversation_id="c1")
    assert result.logged.now_ms == T0 + 50
    assert result.facts[0][1]["at_ms"] == T0 + 50
    # Another shop has its own time.
    desk.shop = "other"
    assert desk.apply(T0 + 10).logged.now_ms == T0 + 10


# --- repeated events ------------------------------------------------------------------------------


def test_a_repeated_event_changes_nothing_whatever_it_says(desk: Desk) -> None:
    first = desk.message(AGENT, conversation_id="c1", event_id="e")
    assert not first.ok.duplicate
    before = desk.engine.state_hash()
    for fields in (
        {"conversation_id": "c1"},
        {"conversation_id": "c99"},
        {"buyer_id": "n"},
        {"buyer_id": "n", "agent_id": "nobody"},
    ):
        again = desk.message(AGENT, T0 + 5, event_id="e", **fields)
        assert (again.ok.duplicate, again.ok.clamped, again.entry) == (True, False, b"")
    assert desk.engine.state_hash() == before


def test_event_ids_are_remembered_for_24_hours_inclusive(desk: Desk) -> None:
    desk.apply(**document(["a"], idle_close_ms=0))
    desk.message(BUYER, conversation_id="c1", event_id="e")
    assert desk.message(BUYER, T0 + DAY, conversation_id="c1", event_id="e").ok.duplicate
    assert not desk.message(BUYER, T0 + DAY + 1, conversation_id="c1", event_id="e").ok.duplicate
    assert desk.message(BUYER, T0 + 2 * DAY + 1, conversation_id="c1", event_id="e").ok.duplicate


def test_a_refused_event_is_not_remembered(desk: Desk) -> None:
    assert desk.message(BUYER, conversation_id="c99", event_id="e").code == 5
    assert not desk.message(BUYER, conversation_id="c1", event_id="e").ok.duplicate


def test_a_repeated_event_is_still_validated(desk: Desk) -> None:
    desk.message(BUYER, conversation_id="c1", event_id="e")
    assert desk.message(0, conversation_id="c1", event_id="e").refusal[2] == "sender"


# --- closing --------------------------------------------------------------------------------------


def test_closing_twice_is_answered_the_same_way_and_changes_nothing(desk: Desk) -> None:
    first = desk.close("c1", T0 + 3)
    assert (first.ok.conversation_id, first.ok.already_closed) == ("c1", False)
    assert first.facts == [
        ("conversation_closed", {"conversation": 1, "cause": 2, "at_ms": T0 + 3})
    ]
    before = desk.engine.state_hash()
    again = desk.close("c1", T0 + 4)
    assert (again.ok.conversation_id, again.ok.already_closed) == ("c1", True)
    assert again.entry == b""
    assert desk.engine.state_hash() == before


def test_closing_a_closed_one_with_a_request_id_is_logged_to_be_remembered(desk: Desk) -> None:
    desk.close("c1")
    result = desk.close("c1", T0 + 1, request_id="r")
    assert result.logged.WhichOneof("command") == "close_conversation"
    assert result.facts == []
    assert [r.request_id for r in desk.state.requests] == ["r"]
    assert desk.state.last_now_ms == T0 + 1


def test_a_repeated_close_gets_the_first_answer(desk: Desk) -> None:
    first = desk.close("c1", request_id="r")
    again = desk.close("c1", T0 + DAY, request_id="r")
    assert (again.reply, again.ok.already_closed) == (first.reply, False)


# --- idle close -----------------------------------------------------------------------------------

IDLE = 30 * MINUTE


def test_a_conversation_closes_after_idle_close_without_activity(desk: Desk) -> None:
    desk.message(BUYER, T0 + 1000, conversation_id="c1")
    due = T0 + 1000 + IDLE
    assert desk.engine.next_due() == due
    assert desk.engine.tick(due - 1) == []
    assert desk.tick_shop(due).facts == [
        ("conversation_closed", {"conversation": 1, "cause": 1, "at_ms": due})
    ]
    assert desk.engine.next_due() is None


def test_due_closes_carry_their_due_time_and_come_in_order(desk: Desk) -> None:
    desk.route("n", T0 + 10)
    desk.route("o", T0 + 10)
    desk.message(AGENT, T0 + 20, conversation_id="c1")
    result = desk.tick_shop(T0 + 5 * HOUR)
    assert [(f["conversation"], f["at_ms"]) for _, f in result.facts] == [
        (2, T0 + 10 + IDLE),
        (3, T0 + 10 + IDLE),
        (1, T0 + 20 + IDLE),
    ]
    assert result.logged.now_ms == T0 + 5 * HOUR


def test_every_command_first_applies_what_is_due(desk: Desk) -> None:
    result = desk.route("m", T0 + IDLE)
    assert [name for name, _ in result.facts] == ["conversation_closed", "decided"]
    assert result.facts[0][1]["cause"] == 1
    assert result.ok.conversation_id == "c2"


def test_a_refused_command_logs_what_was_due_under_a_tick(desk: Desk) -> None:
    result = desk.route("m", T0 + IDLE, dedicated_agent_id="nobody")
    assert result.code == 5
    assert result.logged.WhichOneof("command") == "tick"
    assert result.logged.tick.shop_id == "s"
    assert [name for name, _ in result.facts] == ["conversation_closed"]
    assert desk.state.last_now_ms == T0 + IDLE


def test_a_command_that_changes_nothing_logs_what_was_due_under_a_tick(desk: Desk) -> None:
    result = desk.close("c1", T0 + IDLE)
    assert result.ok.already_closed
    assert result.logged.WhichOneof("command") == "tick"
    desk.route("m", T0 + IDLE)
    repeat = desk.set_presence("a", ONLINE, T0 + 2 * IDLE, actor="boss")
    assert repeat.code == 0
    assert repeat.logged.WhichOneof("command") == "tick"
    assert repeat.logged.actor == ""


def test_a_command_refused_before_the_shop_is_found_applies_nothing(desk: Desk) -> None:
    before = desk.engine.state_hash()
    assert desk.route("", T0 + IDLE).entry == b""
    assert desk.raw("route", b"\x0f", T0 + IDLE).entry == b""
    assert desk.engine.state_hash() == before


def test_results_never_depend_on_when_ticks_happen(core: ModuleType) -> None:
    desks = [Desk(core), Desk(core)]
    for desk in desks:
        desk.apply(**document(["a", "b"]))
        desk.set_presence("a", ONLINE)
        for n in range(5):
            desk.route(f"m{n}", T0 + n * MINUTE)
    ticking, lazy = desks
    for minute in range(60):
        ticking.engine.tick(T0 + minute * MINUTE)
    answers = [d.route("m0", T0 + HOUR) for d in desks]
    assert answers[0].reply == answers[1].reply
    closes = [
        {(f["conversation"], f["at_ms"]) for n, f in d.facts if n == "conversation_closed"}
        for d in answers
    ]
    assert closes[0] == set()
    assert closes[1] == {(n + 1, T0 + n * MINUTE + IDLE) for n in range(5)}
    assert ticking.engine.state_hash() == lazy.engine.state_hash()


def test_an_idle_close_of_zero_is_never(desk: Desk) -> None:
    desk.apply(**document(["a", "b"], {"g": ["a", "b"]}, idle_close_ms=0))
    assert desk.engine.next_due() is None
    assert desk.engine.tick(T0 + 1000 * DAY) == []
    assert desk.route("m", T0 + 1000 * DAY).ok.conversation_id == "c1"


def test_a_new_idle_close_holds_for_open_conversations(desk: Desk) -> None:
    desk.apply(**document(["a"], idle_close_ms=MINUTE))
    assert desk.engine.next_due() == T0 + MINUTE
    desk.apply(**document(["a"], idle_close_ms=HOUR))
    assert desk.engine.next_due() == T0 + HOUR


def test_a_shorter_idle_close_may_be_due_already_and_happens_no_earlier_than_the_change(
    desk: Desk,
) -> None:
    desk.apply(T0 + 10 * MINUTE, **document(["a"], idle_close_ms=MINUTE))
    assert desk.engine.next_due() == T0 + MINUTE
    result = desk.tick_shop(T0 + 20 * MINUTE)
    assert result.facts[0][1]["at_ms"] == T0 + 10 * MINUTE


def test_the_change_that_lengthens_idle_close_comes_too_late_for_what_is_due(desk: Desk) -> None:
    shop: dict[str, Any] = document(["a"], idle_close_ms=HOUR)
    result = desk.apply(T0 + IDLE, **shop)
    assert [name for name, _ in result.facts] == ["conversation_closed", "shop_applied"]


def test_a_message_of_the_past_does_not_shorten_a_conversation(desk: Desk) -> None:
    desk.message(BUYER, T0, conversation_id="c1", sent_at_ms=T0 - MINUTE)
    assert desk.engine.next_due() == T0 + IDLE


# --- a buyer's message to an agent who is away ----------------------------------------------------


def test_a_buyer_who_writes_to_an_agent_who_left_is_given_another(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open({"a": 5, "b": 0})
    desk.route("m", product_id="p", exclude_agent_ids=["z"])
    desk.set_weights({"b": 5})
    desk.set_presence("a", OFFLINE)
    result = desk.message(BUYER, T0 + 5, conversation_id="c1", event_id="e")
    assert said(result.ok.reassigned) == ("AGENT", "WEIGHTED", "b", "g")
    assert result.ok.reassigned.conversation_id == "c2"
    [(_, closed), (_, decided), (_, noted)] = result.facts
    assert closed == {"conversation": 1, "cause": 3, "at_ms": T0 + 5}
    assert (decided["buyer_id"], decided["previous_conversation"], decided["at_ms"]) == ("m", 1, 0)
    assert (noted["conversation"], noted["opened"]) == (2, False)
    [c] = desk.state.conversations
    assert (c.agent_id, c.awaiting, c.answered, c.reply_hops) == ("b", True, False, 0)
    assert (c.inquiry.product_id, list(c.inquiry.exclude_agent_ids)) == ("p", ["z"])
    assert desk.state.contacts[0].agent_id == "b"
    # The same event again is a duplicate and moves nobody.
    assert desk.message(BUYER, T0 + 6, conversation_id="c1", event_id="e").ok.duplicate


def test_a_moved_buyer_may_find_nobody(desk: Desk) -> None:
    desk.set_presence("a", OFFLINE)
    result = desk.message(BUYER, T0 + 5, buyer_id="m")
    assert said(result.ok.reassigned)[:2] == ("POOLED", "OFFLINE_POOL")
    assert result.facts[-1][1]["conversation"] == 0
    assert len(desk.state.conversations) == 0
    assert [w.buyer_id for w in desk.state.waiting] == ["m"]


def test_a_moved_buyer_may_meet_the_robot(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open(["a", "b"], robot_id="robot", reception_mode=3, robot_percent=50)
    desk.route("m")
    desk.set_presence("a", OFFLINE)
    desk.set_presence("b", OFFLINE)
    result = desk.message(BUYER, conversation_id="c1")
    assert said(result.ok.reassigned) == ("ROBOT", "MIXED_ROBOT", "robot", "")
    assert result.named("decided")[0]["mixed_owner"] == ""
    assert result.facts[-1][1]["conversation"] == 2
    [c] = desk.state.conversations
    assert (c.robot, c.awaiting) == (True, False)


def test_a_message_to_an_agent_who_left_the_shop_moves_the_buyer_too(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open(["a", "b"])
    desk.route("m")
    desk.apply(**document(["b"]))
    assert said(desk.message(BUYER, buyer_id="m").ok.reassigned)[2] == "b"


@pytest.mark.parametrize("sender", [AGENT, ROBOT, AUTO_REPLY])
def test_only_a_buyers_message_moves_the_buyer(desk: Desk, sender: int) -> None:
    desk.set_presence("a", OFFLINE)
    result = desk.message(sender, conversation_id="c1")
    assert not result.ok.HasField("reassigned")
    assert [name for name, _ in result.facts] == ["message_noted"]


def test_a_buyer_of_a_suspended_agent_stays(desk: Desk) -> None:
    desk.set_presence("a", 2)
    assert not desk.message(BUYER, conversation_id="c1").ok.HasField("reassigned")
