"""Reply timeouts, and the order of everything that falls due."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from model.wire import (
    AGENT,
    AUTO_REPLY,
    BUYER,
    DAY,
    MINUTE,
    OFFLINE,
    ONLINE,
    T0,
    Desk,
    document,
    moves,
)

REPLY_TIMEOUT_CAUSE = 7


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    """a, b and c; answers are due within a minute. m is with a."""
    desk = Desk(core)
    desk.open(["a", "b", "c"], reply_timeout_ms=MINUTE, idle_close_ms=0)
    desk.route("m", intent="i", priority=2)
    return desk


def test_who_does_not_answer_in_time_loses_the_buyer(desk: Desk) -> None:
    assert desk.engine.next_due() == T0 + MINUTE
    assert desk.tick_shop(T0 + MINUTE - 1).entry == b""
    result = desk.tick_shop(T0 + MINUTE + 5)
    [(_, closed), (_, fact)] = result.facts
    assert closed == {"conversation": 1, "cause": REPLY_TIMEOUT_CAUSE, "at_ms": T0 + MINUTE}
    assert (fact["buyer_id"], fact["reason"], fact["agent_id"]) == ("m", 18, "b")
    assert (fact["at_ms"], fact["previous_conversation"], fact["conversation"]) == (
        T0 + MINUTE,
        1,
        2,
    )
    assert fact["pool_of_all_groups"]
    [c] = desk.state.conversations
    assert (c.opened_at_ms, c.awaiting, c.reply_hops, c.transfer_hops) == (T0 + MINUTE, True, 1, 0)
    assert (c.inquiry.intent, c.inquiry.priority) == ("i", 2)
    assert list(c.inquiry.exclude_agent_ids) == ["a"]
    assert desk.state.contacts[0].agent_id == "b"
    assert [desk.presence(a).received_today for a in "abc"] == [1, 1, 0]


def test_an_answer_ends_the_deadline_for_good(desk: Desk) -> None:
    desk.message(AGENT, conversation_id="c1")
    desk.message(BUYER, conversation_id="c1")
    assert desk.engine.next_due() is None


@pytest.mark.parametrize("sender", [BUYER, 3, AUTO_REPLY])
def test_other_messages_are_no_answer(desk: Desk, sender: int) -> None:
    desk.message(sender, T0 + 5, conversation_id="c1")
    assert desk.engine.next_due() == T0 + MINUTE


def test_the_word_of_another_agent_is_no_answer_but_a_first_word_is(desk: Desk) -> None:
    desk.message(AGENT, conversation_id="c1", agent_id="b")
    assert desk.engine.next_due() == T0 + MINUTE
    desk.message(AGENT, conversation_id="c1")
    desk.message(AGENT, buyer_id="n", agent_id="b")
    assert desk.engine.next_due() is None


def test_the_chain_ends_at_max_hops_or_when_nobody_is_left(core: ModuleType) -> None:
    for hops, agents in ((1, ["a", "b"]), (3, ["a", "b", "c"]), (0, ["a"])):
        desk = Desk(core)
        desk.open(["a", "b", "c"], reply_timeout_ms=MINUTE, idle_close_ms=0, max_hops=hops)
        desk.route("m")
        result = desk.tick_shop(T0 + 60 * MINUTE)
        assert [m[2] for m in moves(result.facts)] == agents[1:]
        [spent] = result.named("reply_timed_out")
        last = len(agents)
        assert spent == {"conversation": last, "at_ms": T0 + last * MINUTE}
        [c] = desk.state.conversations
        assert (c.agent_id, c.reply_timeout_spent) == (agents[-1], True)
        assert list(c.inquiry.exclude_agent_ids) == agents[:-1]
        assert desk.engine.next_due() is None


def test_what_excluded_somebody_before_stays_excluded_once(desk: Desk) -> None:
    desk.close("c1")
    desk.route("n", exclude_agent_ids=["c", "c", "x"])
    assert desk.state.conversations[0].agent_id == "b"
    result = desk.tick_shop(T0 + MINUTE)
    assert [m[2] for m in moves(result.facts)] == ["a"]
    [c] = desk.state.conversations
    assert list(c.inquiry.exclude_agent_ids) == ["c", "c", "x", "b"]


def test_the_next_agent_comes_by_dedication_or_spill_too(core: ModuleType) -> None:
    desk = Desk(core)
    groups = {"p": ["a"], "q": ["b"]}
    more: dict[str, Any] = {"bindings": {"p": {"product_ids": ["1"]}}, "reply_timeout_ms": MINUTE}
    desk.open(["a", "b", "c"], groups, idle_close_ms=0, **more)
    desk.route("m", product_id="1")
    result = desk.tick_shop(T0 + MINUTE)
    assert moves(result.facts) == [("m", "REPLY_TIMEOUT", "b")]
    assert result.named("decided")[0]["pool_of_all_groups"]
    desk.close("c2", T0 + MINUTE)
    desk.apply(**document(["a", "b", "c"], groups, idle_close_ms=0, policies={"p": 4}, **more))
    desk.route("n", T0 + MINUTE, product_id="1")
    [(kind, _)] = desk.tick_shop(T0 + 2 * MINUTE).facts
    assert kind == "reply_timed_out"


def test_offline_agents_time_out_as_others_do_and_robots_never(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open(["a", "b"], reply_timeout_ms=MINUTE, idle_close_ms=0, robot_id="r", reception_mode=2)
    desk.route("m")
    assert desk.engine.next_due() is None
    desk.route("n", handoff=True)
    desk.set_presence("a", OFFLINE)
    assert moves(desk.tick_shop(T0 + MINUTE).facts) == [("n", "REPLY_TIMEOUT", "b")]


def test_a_timeout_never_asks_the_robot_or_the_queue(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open(["a"], reply_timeout_ms=MINUTE, idle_close_ms=0, robot_id="r", caps={"a": 1},
              queue_limit=5, policies={"g": 3})  # fmt: skip
    desk.route("m")
    [(kind, _)] = desk.tick_shop(T0 + MINUTE).facts
    assert kind == "reply_timed_out"


def test_a_spent_deadline_stays_spent_until_a_new_conversation(desk: Desk) -> None:
    for agent in ("b", "c"):
        desk.set_presence(agent, OFFLINE)
    desk.tick_shop(T0 + MINUTE)
    assert desk.engine.next_due() is None
    desk.set_presence("b", ONLINE, T0 + MINUTE)
    assert desk.engine.next_due() is None
    desk.transfer("c1", T0 + MINUTE, agent_id="b")
    assert desk.engine.next_due() == T0 + 2 * MINUTE


def test_reply_hops_and_transfer_hops_make_ten_together(desk: Desk) -> None:
    desk.tick_shop(T0 + 2 * MINUTE)
    [c] = desk.state.conversations
    assert (c.agent_id, c.reply_hops) == ("c", 2)
    number = c.conversation
    for n in range(8):
        target = "ab"[n % 2]
        assert desk.transfer(f"c{number}", T0 + 2 * MINUTE, agent_id=target).code == 0
        number += 1
    [c] = desk.state.conversations
    assert (c.reply_hops, c.transfer_hops) == (2, 8)
    result = desk.transfer(f"c{number}", T0 + 2 * MINUTE, agent_id="c")
    assert result.refusal[1] == "HOP_LIMIT"


def test_a_move_frees_the_slot_before_the_queue_is_asked(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open(["a", "b"], caps={"a": 1, "b": 2}, reply_timeout_ms=MINUTE, idle_close_ms=0,
              queue_limit=5)  # fmt: skip
    desk.route("m", exclude_agent_ids=["b"])
    desk.route("n", T0 + 5, exclude_agent_ids=["b"])
    result = desk.tick_shop(T0 + MINUTE)
    assert moves(result.facts) == []
    desk.apply(T0 + MINUTE, **document(["a", "b"], caps={"a": 1, "b": 2}, idle_close_ms=0,
                                       reply_timeout_ms=2 * MINUTE, queue_limit=5))  # fmt: skip
    assert [c.reply_timeout_spent for c in desk.state.conversations] == [True]


def test_reply_timeout_then_settling_at_the_same_time(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open(["a", "b"], caps={"a": 1, "b": 1}, reply_timeout_ms=MINUTE, idle_close_ms=0)
    desk.route("m")
    desk.set_presence("b", OFFLINE)
    desk.route("n", T0 + 5, exclude_agent_ids=["b"])
    desk.set_presence("b", ONLINE, T0 + 6)
    result = desk.tick_shop(T0 + MINUTE)
    assert moves(result.facts) == [("m", "REPLY_TIMEOUT", "b"), ("n", "LEFT_POOL", "a")]
    assert [f["at_ms"] for f in result.named("decided")] == [T0 + MINUTE] * 2


# --- order ------------------------------------------------------------------------------------------


def test_due_effects_come_by_time_then_kind_then_id(core: ModuleType) -> None:
    """At one time: idle closes, queue timeouts, reply timeouts, volume resets; each by its id."""
    desk = Desk(core)
    hour = T0 + 60 * MINUTE
    more: dict[str, Any] = {
        "idle_close_ms": 60 * MINUTE,
        "queue_timeout_ms": 60 * MINUTE,
        "reply_timeout_ms": 60 * MINUTE,
        "hourly": {"é": 1, "b": 1, "c": 1},
        "queue_limit": 9,
        "max_hops": 0,
    }
    desk.open(["é", "b", "c"], **more)
    for n in range(3):
        desk.route(f"m{n}")
    for n in range(2):
        assert desk.route(f"q{n}", priority=n).said[0] == "QUEUED"
    desk.route("m2", T0 + 5)  # activity: this one is not idle at the hour
    result = desk.tick_shop(hour)
    order = [(name, f.get("conversation") or f.get("agent_id") or f["buyer_id"])
             for name, f in result.facts]  # fmt: skip
    assert order[:5] == [
        ("conversation_closed", 1),
        ("conversation_closed", 2),
        ("decided", "q0"),
        ("decided", "q1"),
        ("reply_timed_out", 3),
    ]
    resets = [who for name, who in order if name == "volume_reset"]
    assert resets == ["b", "c", "é"]
    assert {f["at_ms"] for _, f in result.facts} == {hour}


def test_what_an_effect_leads_to_falls_due_in_its_turn(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open(["a", "b"], {"g": ["a", "b"]}, caps={"a": 1, "b": 1}, idle_close_ms=3 * MINUTE,
              reply_timeout_ms=2 * MINUTE)  # fmt: skip
    for buyer in ("m", "n", "o"):
        desk.route(buyer)
    lazy = desk.tick_shop(T0 + 30 * MINUTE)
    times = [f["at_ms"] for _, f in lazy.facts]
    assert times == sorted(times)
    assert desk.engine.next_due() is None

    eager = Desk(core)
    eager.open(["a", "b"], {"g": ["a", "b"]}, caps={"a": 1, "b": 1}, idle_close_ms=3 * MINUTE,
               reply_timeout_ms=2 * MINUTE)  # fmt: skip
    for buyer in ("m", "n", "o"):
        eager.route(buyer)
    facts = []
    while (due := eager.engine.next_due()) is not None:
        facts += eager.tick_shop(due).facts
    eager.tick_shop(T0 + 30 * MINUTE)
    assert facts == lazy.facts


# --- effects due before the last entry --------------------------------------------------------------


def test_what_was_due_before_the_last_entry_happens_at_its_time(core: ModuleType) -> None:
    """A word sent a while ago opens a conversation that was idle before it began; n waits for it."""
    desk = Desk(core)
    desk.open(["a"], caps={"a": 1}, idle_close_ms=MINUTE, queue_limit=5)
    desk.message(AGENT, T0, buyer_id="x", agent_id="a", sent_at_ms=T0 - 2 * MINUTE)
    assert desk.engine.next_due() == T0 - MINUTE
    assert desk.route("m", T0).said[:2] == ("AGENT", "WEIGHTED")
    desk.message(AGENT, T0, buyer_id="y", agent_id="a", sent_at_ms=T0 - 3 * MINUTE)
    result = desk.route("n", T0 + 5)
    assert result.named("conversation_closed")[0]["at_ms"] == T0
    assert result.logged.now_ms == T0 + 5
    assert list(desk.state.slot_releases_ms) == [T0, T0]


def test_what_shorter_times_make_due_comes_in_order_of_its_due_times(core: ModuleType) -> None:
    """Two idle, one unanswered and one queued, all due before the change: in order, all at its time."""
    desk = Desk(core)
    agents = {"a": 5, "b": 5}
    desk.open(agents, caps={"a": 1, "b": 1}, queue_limit=5, idle_close_ms=DAY, queue_timeout_ms=DAY)
    for n in range(3):
        desk.route(f"m{n}", T0 + n)
    desk.message(AGENT, T0 + 5, conversation_id="c1")
    changed = T0 + 60 * MINUTE
    shop = document(agents, caps={"a": 1, "b": 1}, queue_limit=5, idle_close_ms=DAY,
                    queue_timeout_ms=10 * MINUTE, reply_timeout_ms=20 * MINUTE)  # fmt: skip
    desk.apply(changed, **shop)
    assert desk.engine.next_due() == T0 + 2 + 10 * MINUTE
    facts = desk.tick_shop(changed + MINUTE).facts
    assert [name for name, _ in facts] == ["decided", "reply_timed_out"]
    assert [fact["at_ms"] for _, fact in facts] == [changed, changed]
    assert facts[0][1]["buyer_id"] == "m2"
    # m1 of c2 had been with nobody else to go to since before the change.
    assert facts[1][1]["conversation"] == 2


def test_settling_after_a_late_effect_judges_the_windows_at_the_time_it_happens(
    core: ModuleType,
) -> None:
    """m, known to a for 2 minutes, waits; then what was due a minute ago falls due."""
    desk = Desk(core)
    windows = {"sticky_window_ms": MINUTE, "sticky_suspended_window_ms": 60 * MINUTE}
    desk.open({"a": 0, "b": 0}, idle_close_ms=MINUTE, **windows)
    desk.message(AGENT, T0, buyer_id="m", agent_id="a")
    desk.close("c1", T0)
    late = T0 + 2 * MINUTE
    assert desk.route("m", late).said[1] == "NOBODY_FREE"
    desk.message(AGENT, late, buyer_id="x", agent_id="b", sent_at_ms=late - 2 * MINUTE)
    assert desk.engine.next_due() == late - MINUTE
    result = desk.tick_shop(late)
    assert result.named("conversation_closed")[0]["at_ms"] == late
    assert moves(result.facts) == []
    assert [w.buyer_id for w in desk.state.waiting] == ["m"]
