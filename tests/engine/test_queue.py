"""The queue: who enters, positions and estimates, the order of leaving, timeouts, and cancelling."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from model.wire import (
    AGENT,
    HOUR,
    MINUTE,
    OFFLINE,
    ONLINE,
    SUSPENDED,
    T0,
    Desk,
    document,
    moves,
)

QUEUE_POLICY, OFFLINE_POLICY = 2, 4
TIMEOUT = 10 * MINUTE


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    """One agent a, who may have one buyer and has: m0. Five may queue."""
    desk = Desk(core)
    desk.open(["a"], caps={"a": 1}, queue_limit=5, idle_close_ms=0)
    desk.route("m0")
    return desk


def again(desk: Desk, now: int | None = None, **more: Any) -> Any:
    """Applies the shop once more with other settings."""
    base: dict[str, Any] = {"caps": {"a": 1}, "queue_limit": 5, "idle_close_ms": 0}
    return desk.apply(now, **document(["a"], **{**base, **more}))


def queued(desk: Desk) -> list[str]:
    return [w.buyer_id for w in desk.state.waiting if w.outcome == 3]


def place(result: Any) -> tuple[int, int]:
    return result.ok.queue_position, result.ok.estimated_wait_ms


def test_a_buyer_whom_nobody_may_take_now_is_queued(desk: Desk) -> None:
    result = desk.route("m1", product_id="p", exclude_agent_ids=["z"])
    assert result.said == ("QUEUED", "QUEUED_AT_CAP", "", "")
    assert place(result) == (1, 0)
    [fact] = result.named("decided")
    assert (fact["queue_position"], fact["conversation"]) == (1, 0)
    [w] = desk.state.waiting
    assert (w.outcome, w.since_ms, w.decision, w.inquiry.product_id) == (3, T0, 2, "p")
    assert list(w.inquiry.exclude_agent_ids) == ["z"]


def test_no_more_than_the_limit_are_queued(desk: Desk) -> None:
    again(desk, queue_limit=2)
    assert [desk.route(f"m{n}").said[:2] for n in (1, 2, 3)] == [
        ("QUEUED", "QUEUED_AT_CAP"),
        ("QUEUED", "QUEUED_AT_CAP"),
        ("POOLED", "NOBODY_FREE"),
    ]
    # Those in the pool take no place in the queue.
    desk.cancel("m1")
    assert desk.route("m4").said[1] == "QUEUED_AT_CAP"
    # One who is pooled stays so although there is room.
    desk.cancel("m2")
    assert desk.route("m3").said[:2] == ("POOLED", "STILL_WAITING")


def test_nobody_online_means_no_queue(desk: Desk) -> None:
    for status in (SUSPENDED, OFFLINE):
        desk.set_presence("a", status)
        assert desk.route(f"m{status}").said[:2] == ("POOLED", "OFFLINE_POOL")


def test_a_limit_of_zero_is_no_queue(desk: Desk) -> None:
    again(desk, queue_limit=0)
    assert desk.route("m1").said[1] == "NOBODY_FREE"


def test_priority_then_arrival_is_the_order(desk: Desk) -> None:
    positions = [
        place(desk.route("m1", T0 + 1, priority=1))[0],
        place(desk.route("m2", T0 + 1, priority=1))[0],
        place(desk.route("m3", T0 + 2, priority=9))[0],
        place(desk.route("m4", T0 + 3))[0],
    ]
    assert positions == [1, 2, 1, 4]
    # Who asks again keeps place and priority and hears where that is now.
    result = desk.route("m2", T0 + 4, priority=9)
    assert result.said[:2] == ("QUEUED", "STILL_WAITING")
    assert place(result)[0] == 3
    left = []
    for n in range(4):
        result = desk.close(f"c{n + 1}", T0 + 5)
        left += moves(result.facts)
    assert left == [(b, "LEFT_QUEUE", "a") for b in ("m3", "m1", "m2", "m4")]


def test_leaving_the_queue_opens_a_conversation_with_what_was_asked(desk: Desk) -> None:
    desk.route("m1", T0 + 1, product_id="p", priority=2)
    result = desk.close("c1", T0 + 9)
    [fact] = result.named("decided")
    assert (fact["buyer_id"], fact["conversation"], fact["at_ms"]) == ("m1", 2, 0)
    assert (fact["pool_of_all_groups"], fact["group_id"]) == (True, "g")
    assert (fact["queue_position"], fact["previous_conversation"]) == (0, 0)
    [c] = desk.state.conversations
    assert (c.opened_at_ms, c.awaiting, c.inquiry.product_id, c.inquiry.priority) == (
        T0 + 9,
        True,
        "p",
        2,
    )
    assert len(desk.state.waiting) == 0
    assert desk.state.contacts[1].agent_id == "a"


def test_one_who_cannot_leave_holds_up_nobody(desk: Desk) -> None:
    desk.route("m1", priority=9, exclude_agent_ids=["a"])
    desk.route("m2")
    assert moves(desk.close("c1").facts) == [("m2", "LEFT_QUEUE", "a")]
    assert queued(desk) == ["m1"]


def test_the_queue_goes_before_the_pool(desk: Desk) -> None:
    again(desk, queue_limit=1)
    desk.route("m1")
    desk.cancel("m1")
    desk.route("m1")
    desk.route("p1")
    desk.cancel("m1")
    desk.route("m2", T0 + HOUR // 60)
    assert [w.outcome for w in desk.state.waiting] == [3, 5]
    assert moves(desk.close("c1", T0 + HOUR // 60).facts) == [("m2", "LEFT_QUEUE", "a")]


def test_the_queue_needs_no_agent_free_of_others(desk: Desk) -> None:
    """The pool spares the busy; the queue does not."""
    desk.route("m1")
    desk.set_presence("a", ONLINE, awaiting=99)
    assert moves(desk.close("c1").facts) == [("m1", "LEFT_QUEUE", "a")]


@pytest.mark.parametrize("how", ["close", "cap", "weight", "online", "idle", "transfer"])
def test_whatever_frees_a_slot_lets_the_next_one_leave(desk: Desk, how: str) -> None:
    more: dict[str, Any] = {"caps": {"a": 1, "b": 1}, "queue_limit": 5, "idle_close_ms": MINUTE}
    desk.apply(**document({"a": 5, "b": 0}, {"g": ["a", "b"]}, **more))
    desk.set_presence("b", SUSPENDED)
    desk.route("m1")
    assert queued(desk) == ["m1"]
    if how == "close":
        result = desk.close("c1")
    elif how == "cap":
        more["caps"] = {"a": 2}
        result = desk.apply(**document({"a": 5, "b": 0}, {"g": ["a", "b"]}, **more))
    elif how == "weight":
        desk.set_presence("b", ONLINE)
        result = desk.set_weights({"b": 1})
    elif how == "online":
        desk.set_weights({"b": 1})
        result = desk.set_presence("b", ONLINE)
        assert (result.ok.presence.open_conversations, result.ok.presence.awaiting) == (1, 1)
    elif how == "idle":
        result = desk.tick_shop(T0 + MINUTE)
        assert result.named("decided")[0]["at_ms"] == T0 + MINUTE
    else:
        result = desk.transfer("c1", agent_id="b")
    assert [m[:2] for m in moves(result.facts) if m[0] == "m1"] == [("m1", "LEFT_QUEUE")]
    assert queued(desk) == []


def test_an_agent_online_again_takes_a_returning_buyer_from_the_queue_first_in_line(
    desk: Desk,
) -> None:
    desk.apply(**document({"a": 5, "b": 0}, {"g": ["a", "b"]}, caps={"a": 1}, queue_limit=5,
                          idle_close_ms=0))  # fmt: skip
    desk.set_presence("b", ONLINE)
    desk.message(AGENT, buyer_id="m2", agent_id="b")
    desk.close("c2")
    desk.set_presence("b", OFFLINE)
    desk.route("m1")
    desk.route("m2")
    assert queued(desk) == ["m1", "m2"]
    assert moves(desk.set_presence("b", ONLINE).facts) == [("m2", "LEFT_QUEUE", "b")]


# --- estimated wait -------------------------------------------------------------------------------


def test_the_estimate_is_the_mean_of_the_slot_releases_times_the_position(desk: Desk) -> None:
    times = [0, 1000, 1500, 4001]
    estimates = []
    for n, at in enumerate(times):
        desk.close(f"c{n + 1}", T0 + at)
        desk.route(f"x{n}", T0 + at)
        result = desk.route(f"y{n}", T0 + at)
        estimates.append(place(result))
        desk.cancel(f"y{n}", T0 + at)
    assert estimates == [(1, 0), (1, 1000), (1, 750), (1, 1333)]
    for n in range(3):
        result = desk.route(f"z{n}", T0 + 4001)
    assert place(result) == (3, 3 * 4001 // 3)
    assert list(desk.state.slot_releases_ms) == [T0 + at for at in times]


def test_the_last_21_slot_releases_are_known(desk: Desk) -> None:
    for n in range(25):
        desk.close(f"c{n + 1}", T0 + n * n)
        desk.route(f"x{n}", T0 + n * n)
    assert list(desk.state.slot_releases_ms) == [T0 + n * n for n in range(4, 25)]
    assert place(desk.route("y", T0 + 600)) == (1, (24 * 24 - 16) // 20)


def test_only_agents_who_take_part_release_slots(desk: Desk) -> None:
    desk.apply(**document(["a", "b"], {"g": ["b"]}, caps={"a": 1}))
    desk.close("c1")
    assert list(desk.state.slot_releases_ms) == []


# --- timeouts ---------------------------------------------------------------------------------------


def test_after_the_timeout_a_queued_buyer_is_pooled_and_keeps_arrival_and_inquiry(
    desk: Desk,
) -> None:
    desk.route("m1", T0 + 5, intent="i")
    assert desk.engine.next_due() == T0 + 5 + TIMEOUT
    result = desk.tick_shop(T0 + HOUR)
    [fact] = result.named("decided")
    assert (fact["buyer_id"], fact["outcome"], fact["reason"]) == ("m1", 5, 11)
    assert fact["at_ms"] == T0 + 5 + TIMEOUT
    [w] = desk.state.waiting
    assert (w.outcome, w.since_ms, w.decision, w.inquiry.intent) == (5, T0 + 5, 2, "i")
    assert desk.route("m1", T0 + HOUR).said[:2] == ("POOLED", "STILL_WAITING")
    assert desk.engine.next_due() is None


@pytest.mark.parametrize(
    ("settings", "outcome", "reason", "agent"),
    [
        ({}, 5, 15, ""),
        ({"offline_target": 2, "proxy_agent_id": "px"}, 4, 13, "px"),
        ({"offline_target": 3}, 4, 14, "boss"),
        ({"robot_id": "robot"}, 2, 12, "robot"),
    ],
)
def test_a_timeout_while_nobody_is_online_goes_where_inquiries_go(
    desk: Desk, settings: dict[str, Any], outcome: int, reason: int, agent: str
) -> None:
    shop = document(["a"], caps={"a": 1}, queue_limit=5, idle_close_ms=0, **settings)
    desk.apply(owner_agent_id="boss", **shop)
    desk.route("m1")
    desk.set_presence("a", OFFLINE)
    [fact] = desk.tick_shop(T0 + TIMEOUT).named("decided")
    assert (fact["outcome"], fact["reason"], fact["agent_id"]) == (outcome, reason, agent)
    [w] = desk.state.waiting
    left = outcome == 4
    assert (w.outcome, w.agent_id) == ((4, agent) if left else (5, ""))
    assert (w.since_ms, w.decision) == (T0, 2)
    assert len(desk.state.conversations) == (2 if outcome == 2 else 1)


def test_a_queued_buyer_beside_the_robot_times_out_to_the_robot(desk: Desk) -> None:
    again(desk, robot_id="robot", reception_mode=2)
    desk.route("m1")
    assert desk.route("m1", handoff=True).said[:2] == ("QUEUED", "QUEUED_AT_CAP")
    [fact] = desk.tick_shop(T0 + TIMEOUT).named("decided")
    assert (fact["outcome"], fact["reason"], fact["conversation"]) == (2, 16, 2)
    assert fact["pool_entry"]
    assert [(w.buyer_id, w.outcome) for w in desk.state.waiting] == [("m1", 5)]
    assert desk.state.conversations[1].last_activity_ms == T0 + TIMEOUT


def test_a_timeout_of_zero_is_never(desk: Desk) -> None:
    again(desk, queue_timeout_ms=0)
    desk.route("m1")
    assert desk.engine.next_due() is None


# --- policies and cancelling -------------------------------------------------------------------------


def test_a_group_may_queue_its_buyers_instead_of_spilling(core: ModuleType) -> None:
    desk = Desk(core)
    groups = {"p": ["a"], "q": ["b"]}
    more: dict[str, Any] = {"bindings": {"p": {"product_ids": ["1"]}}, "caps": {"a": 1}}
    desk.open(["a", "b"], groups, queue_limit=5, policies={"p": QUEUE_POLICY}, **more)
    desk.route("m0", product_id="1")
    assert desk.route("m1", product_id="1").said[:2] == ("QUEUED", "QUEUED_AT_CAP")
    assert desk.route("m2").said[:2] == ("AGENT", "WEIGHTED")
    desk.apply(
        **document(["a", "b"], groups, queue_limit=5, policies={"p": OFFLINE_POLICY}, **more)
    )
    assert desk.route("m3", product_id="1").said[:2] == ("POOLED", "NOBODY_FREE")
    # Who is queued hears so, whatever the policy says now.
    result = desk.route("m1", product_id="1")
    assert result.said[:2] == ("QUEUED", "STILL_WAITING")
    assert place(result)[0] == 1


def test_a_queued_buyer_leaves_by_asking_when_somebody_can_take_the_buyer(desk: Desk) -> None:
    desk.route("m1")
    assert desk.route("m1", dedicated_agent_id="a").said[:2] == ("AGENT", "DEDICATED")
    assert queued(desk) == []


def test_cancelling_takes_a_buyer_out(desk: Desk) -> None:
    desk.route("m1")
    result = desk.cancel("m1", request_id="r")
    assert result.ok.was_waiting
    assert result.facts == [("waiting_cancelled", {"buyer_id": ""})]
    assert queued(desk) == []
    assert desk.cancel("m1").ok.was_waiting is False
    assert desk.cancel("m1").entry == b""
    # A repeat gets the first answer, though nobody waits any more.
    assert desk.cancel("m1", request_id="r").reply == result.reply
    assert desk.cancel("m2", request_id="r").refusal[1] == "REQUEST_ID_REUSED"
    # An answer to remember is logged even without a fact.
    assert desk.cancel("m2", request_id="q").facts == []
    assert desk.cancel("m2", request_id="q2").entry != b""


def test_cancelling_leaves_the_conversation_with_the_robot(desk: Desk) -> None:
    again(desk, robot_id="robot", reception_mode=2)
    desk.route("m1")
    desk.route("m1", handoff=True)
    assert desk.cancel("m1").ok.was_waiting
    assert [c.robot for c in desk.state.conversations] == [False, True]
