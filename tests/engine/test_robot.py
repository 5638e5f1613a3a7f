"""The robot: reception modes, policies, conversations of its own, and buyers who ask for a human."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from model.wire import (
    AGENT,
    AUTO_REPLY,
    BUYER,
    MINUTE,
    OFFLINE,
    ONLINE,
    SUSPENDED,
    T0,
    Desk,
    document,
    moves,
)

ROBOT_FIRST, MIXED = 2, 3
ROBOT_POLICY = 3
BY_GROUP = 2
TO_HUMAN, HANDLER_OFFLINE = 5, 3


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    return Desk(core)


def robot_shop(desk: Desk, agents: Any = ("a",), groups: Any = None, **more: Any) -> None:
    desk.open(agents, groups, **{"robot_id": "robot", **more})


# --- modes ----------------------------------------------------------------------------------------


def test_human_first_asks_the_robot_last(desk: Desk) -> None:
    robot_shop(desk)
    assert desk.route("m").said == ("AGENT", "WEIGHTED", "a", "g")


def test_robot_first_sends_every_new_buyer_to_the_robot(desk: Desk) -> None:
    robot_shop(desk, reception_mode=ROBOT_FIRST)
    result = desk.route("m", product_id="p", priority=3)
    assert result.said == ("ROBOT", "ROBOT_FIRST", "robot", "")
    [c] = desk.state.conversations
    assert (c.robot, c.agent_id, c.group_id, c.awaiting, c.answered) == (True, "", "", False, False)
    assert (c.inquiry.product_id, c.inquiry.priority) == ("p", 3)
    # Talking to the robot is no consultation and no waiting.
    assert (len(desk.state.contacts), len(desk.state.waiting)) == (0, 0)


def test_a_mode_without_a_robot_is_human_first(desk: Desk) -> None:
    desk.open(["a"], reception_mode=ROBOT_FIRST)
    assert desk.route("m").said[1] == "WEIGHTED"


def test_recent_contacts_and_dedicated_agents_go_before_the_robot(desk: Desk) -> None:
    robot_shop(desk, ["a", "b"], reception_mode=ROBOT_FIRST)
    assert desk.route("m", dedicated_agent_id="b").said[1:3] == ("DEDICATED", "b")
    desk.close("c1")
    assert desk.route("m").said[1:3] == ("RECENT_CONTACT", "b")


def test_handoff_skips_the_robot(desk: Desk) -> None:
    robot_shop(desk, reception_mode=ROBOT_FIRST)
    assert desk.route("m", handoff=True).said[:3] == ("AGENT", "WEIGHTED", "a")


def test_mixed_mode_gives_the_robot_its_percentage_exactly(desk: Desk) -> None:
    robot_shop(desk, reception_mode=MIXED, robot_percent=30)
    to_robot = []
    for n in range(20):
        result = desk.route(f"m{n}")
        to_robot.append(result.said[1] == "MIXED_ROBOT")
        assert result.facts[-1][1]["mixed_owner"] == ""
    assert [n + 1 for n, robot in enumerate(to_robot) if robot] == [4, 7, 10, 14, 17, 20]
    assert list(desk.state.mixed) == []


def test_an_accumulator_is_kept_between_1_and_99(desk: Desk) -> None:
    robot_shop(desk, reception_mode=MIXED, robot_percent=60)
    found = []
    for n in range(5):
        desk.route(f"m{n}")
        found.append([(m.owner, m.accumulator) for m in desk.state.mixed])
    assert found == [[("", 60)], [("", 20)], [("", 80)], [("", 40)], []]


@pytest.mark.parametrize(("percent", "expected"), [(0, "WEIGHTED"), (100, "MIXED_ROBOT")])
def test_mixed_mode_at_its_ends(desk: Desk, percent: int, expected: str) -> None:
    robot_shop(desk, reception_mode=MIXED, robot_percent=percent)
    results = [desk.route(f"m{n}") for n in range(3)]
    assert [r.said[1] for r in results] == [expected] * 3
    assert [r.facts[-1][1]["mixed_owner"] for r in results] == [""] * 3
    assert list(desk.state.mixed) == []


def test_the_accumulator_advances_whatever_the_outcome_but_only_at_its_step(desk: Desk) -> None:
    robot_shop(desk, {"a": 0}, reception_mode=MIXED, robot_percent=30)
    assert desk.route("m").said[1] == "NOBODY_FREE"
    assert [m.accumulator for m in desk.state.mixed] == [30]
    for fields in ({"handoff": True}, {"dedicated_agent_id": "a"}):
        result = desk.route("n", **fields)
        assert result.facts[-1][1]["mixed_owner"] is None
    assert [m.accumulator for m in desk.state.mixed] == [30]


def test_the_accumulator_starts_anew_when_the_percentage_changes(desk: Desk) -> None:
    settings = {"robot_id": "robot", "reception_mode": MIXED}
    robot_shop(desk, reception_mode=MIXED, robot_percent=60)
    desk.route("m0")
    desk.apply(display_name="x", **document(["a"], robot_percent=60, **settings))
    assert [m.accumulator for m in desk.state.mixed] == [60]
    desk.apply(**document(["a"], robot_percent=61, **settings))
    assert list(desk.state.mixed) == []


def test_with_scope_group_each_first_group_has_its_own_mode_and_accumulator(desk: Desk) -> None:
    groups = {"f": ["a"], "m": ["a"], "n": ["a"]}
    shop: dict[str, Any] = {
        "modes": {"f": (ROBOT_FIRST, 0), "m": (MIXED, 50), "n": (MIXED, 50)},
        "bindings": {g: {"product_ids": [g]} for g in groups},
        "reception_scope": BY_GROUP,
        "reception_mode": ROBOT_FIRST,
    }
    robot_shop(desk, ["a"], groups, **shop)
    assert desk.route("b1", product_id="f").said[1] == "ROBOT_FIRST"
    got = [desk.route(f"x{n}", product_id=p) for n, p in enumerate("mnmn")]
    assert [r.said[1] for r in got] == ["WEIGHTED", "WEIGHTED", "MIXED_ROBOT", "MIXED_ROBOT"]
    assert [r.facts[-1][1]["mixed_owner"] for r in got] == ["m", "n", "m", "n"]
    desk.route("y", product_id="m")
    desk.route("z", product_id="n")
    assert [(m.owner, m.accumulator) for m in desk.state.mixed] == [("m", 50), ("n", 50)]
    # Nothing bound: all groups match, and the first by (priority, id) says how.
    assert desk.route("b2").said[1] == "ROBOT_FIRST"
    shop["modes"] = {"f": (ROBOT_FIRST, 0), "m": (MIXED, 51)}
    shop["bindings"] = {"f": {"product_ids": ["f"]}, "m": {"product_ids": ["m"]}}
    desk.apply(**document(["a"], {"f": ["a"], "m": ["a"]}, robot_id="robot", **shop))
    assert list(desk.state.mixed) == []


def test_scope_group_follows_the_priority_of_groups_and_needs_a_group(desk: Desk) -> None:
    modes = {"f": (ROBOT_FIRST, 0)}
    more: dict[str, Any] = {"modes": modes, "reception_scope": BY_GROUP}
    robot_shop(desk, ["a"], {"f": ["a"], "h": ["a"]}, priorities={"f": 1}, **more)
    assert desk.route("m").said[1] == "WEIGHTED"
    desk.apply(**document(["a"], {}, robot_id="robot", reception_mode=ROBOT_FIRST,
                          reception_scope=BY_GROUP))  # fmt: skip
    assert desk.route("n").said[1] == "OFFLINE_ROBOT"


# --- policies -------------------------------------------------------------------------------------


def test_a_group_without_anybody_may_leave_its_buyers_to_the_robot(desk: Desk) -> None:
    groups = {"p": ["a"], "q": ["b"]}
    bound = {"p": {"product_ids": ["1"]}}
    more: dict[str, Any] = {"bindings": bound, "policies": {"p": ROBOT_POLICY}}
    robot_shop(desk, ["a", "b"], groups, **more)
    desk.set_presence("a", OFFLINE)
    assert desk.route("m", product_id="1").said == ("ROBOT", "GROUP_ROBOT", "robot", "")
    assert desk.route("n", product_id="1", handoff=True).said[:2] == ("POOLED", "NOBODY_FREE")
    assert len(desk.state.waiting) == 1
    # Without a robot the policy goes on as if nothing were said: no spill, no robot.
    desk.apply(**document(["a", "b"], groups, **more))
    assert desk.route("o", product_id="1").said[:2] == ("POOLED", "NOBODY_FREE")


# --- the robot's conversations ----------------------------------------------------------------------


def test_the_robots_conversation_goes_on_with_the_robot(desk: Desk) -> None:
    robot_shop(desk, reception_mode=ROBOT_FIRST)
    first = desk.route("m").ok
    again = desk.route("m", T0 + 5)
    assert again.said == ("ROBOT", "OPEN_CONVERSATION", "robot", "")
    assert again.ok.conversation_id == first.conversation_id
    assert desk.state.conversations[0].last_activity_ms == T0 + 5
    desk.apply(**document(["a"], robot_id="r2"))
    assert desk.route("m", T0 + 5).said[1:3] == ("OPEN_CONVERSATION", "r2")


def test_handoff_moves_the_buyer_from_the_robot_to_a_human(desk: Desk) -> None:
    robot_shop(desk, reception_mode=ROBOT_FIRST)
    desk.route("m")
    result = desk.route("m", T0 + 5, handoff=True)
    assert result.said[:3] == ("AGENT", "WEIGHTED", "a")
    closed = {"conversation": 1, "cause": TO_HUMAN, "at_ms": T0 + 5}
    assert result.facts[0] == ("conversation_closed", closed)
    assert result.facts[1][1]["previous_conversation"] == 1
    assert [c.conversation for c in desk.state.conversations] == [2]
    # The end of a robot's conversation frees nobody's slot.
    assert list(desk.state.slot_releases_ms) == []


def test_handoff_with_nobody_there_keeps_the_robot_and_adds_a_pool_entry(desk: Desk) -> None:
    robot_shop(desk, {"a": 0}, reception_mode=ROBOT_FIRST)
    desk.route("m", intent="i")
    result = desk.route("m", T0 + 5, handoff=True, intent="j")
    assert result.said == ("ROBOT", "HANDOFF_UNAVAILABLE", "robot", "")
    assert result.ok.conversation_id == "c1"
    assert result.facts[-1][1]["pool_entry"]
    [waiting] = desk.state.waiting
    assert (waiting.outcome, waiting.agent_id, waiting.since_ms) == (5, "", T0 + 5)
    assert (waiting.decision, waiting.inquiry.intent) == (2, "j")
    # Asking again changes neither the entry nor its place.
    desk.route("m", T0 + 9, handoff=True)
    assert desk.state.waiting[0] == waiting
    # The pool reaches the buyer: the robot's conversation ends.
    result = desk.set_weights({"a": 1}, T0 + 10)
    assert moves(result.facts) == [("m", "LEFT_POOL", "a")]
    assert result.named("conversation_closed")[0]["cause"] == TO_HUMAN
    assert result.named("decided")[0]["previous_conversation"] == 1
    assert [(c.robot, c.inquiry.intent) for c in desk.state.conversations] == [(False, "j")]


def test_nobody_online_means_the_robot_and_a_pool_entry(desk: Desk) -> None:
    desk.apply(**document(["a"], robot_id="robot"))
    assert desk.route("m").said == ("ROBOT", "OFFLINE_ROBOT", "robot", "")
    assert desk.route("n", handoff=True).said == ("ROBOT", "HANDOFF_UNAVAILABLE", "robot", "")
    assert [(w.buyer_id, w.outcome) for w in desk.state.waiting] == [("m", 5), ("n", 5)]
    assert [c.robot for c in desk.state.conversations] == [True, True]
    # While the robot keeps the buyer company the entry stays.
    assert desk.route("m").said[1] == "OPEN_CONVERSATION"
    assert len(desk.state.waiting) == 2


def test_a_robots_conversation_ends_when_there_is_no_robot_any_more(desk: Desk) -> None:
    robot_shop(desk, reception_mode=ROBOT_FIRST)
    desk.route("m")
    desk.apply(**document(["a"]))
    result = desk.route("m", T0 + 5)
    assert result.said[:3] == ("AGENT", "WEIGHTED", "a")
    assert result.facts[0][1]["cause"] == HANDLER_OFFLINE
    assert result.facts[1][1]["previous_conversation"] == 1


def test_a_robots_conversation_closes_when_idle_and_on_request(desk: Desk) -> None:
    robot_shop(desk, reception_mode=ROBOT_FIRST, idle_close_ms=MINUTE)
    desk.route("m")
    assert desk.engine.next_due() == T0 + MINUTE
    desk.tick_shop(T0 + MINUTE)
    assert len(desk.state.conversations) == 0
    desk.route("m", T0 + MINUTE)
    assert not desk.close("c2", T0 + MINUTE).ok.already_closed


# --- messages in them -------------------------------------------------------------------------------


def test_messages_to_the_robot_make_nobody_awaiting_and_no_contact(desk: Desk) -> None:
    robot_shop(desk, reception_mode=ROBOT_FIRST)
    desk.route("m")
    for sender in (BUYER, 3, AUTO_REPLY):
        desk.message(sender, T0 + 7, conversation_id="c1")
    [c] = desk.state.conversations
    assert (c.robot, c.awaiting, c.answered, c.last_activity_ms) == (True, False, False, T0 + 7)
    assert len(desk.state.contacts) == 0


def test_an_agents_first_word_takes_the_buyer_from_the_robot(desk: Desk) -> None:
    robot_shop(desk, ["a", "b"], {"g": ["a"]}, reception_mode=ROBOT_FIRST)
    desk.route("m")
    result = desk.message(AGENT, T0 + 5, conversation_id="c1", agent_id="b", sent_at_ms=T0 + 2)
    assert result.facts == [
        ("conversation_closed", {"conversation": 1, "cause": TO_HUMAN, "at_ms": T0 + 5}),
        (
            "message_noted",
            {
                "conversation": 2,
                "at_ms": T0 + 2,
                "clamped": False,
                "agent_id": "b",
                "opened": True,
                "buyer_id": "m",
            },
        ),
    ]
    [c] = desk.state.conversations
    assert (c.agent_id, c.group_id, c.opened_at_ms, c.last_activity_ms) == ("b", "", T0 + 5, T0 + 2)
    assert (c.awaiting, c.answered, c.robot, c.buyer_id) == (False, True, False, "m")
    # The command names the buyer: the fact need not.
    desk.route("n")
    named = desk.message(AGENT, T0 + 5, buyer_id="n", agent_id="a")
    assert named.facts[-1][1]["buyer_id"] == ""


def test_an_agents_word_to_the_robots_buyer_needs_a_name(desk: Desk) -> None:
    robot_shop(desk, reception_mode=ROBOT_FIRST)
    desk.route("m")
    for fields in ({"conversation_id": "c1"}, {"buyer_id": "m"}):
        assert desk.message(AGENT, **fields).refusal[2:] == ("agent_id", "required")


def test_an_agents_first_word_ends_the_waiting_beside_the_robot(desk: Desk) -> None:
    desk.apply(**document(["a"], robot_id="robot"))
    desk.route("m")
    assert len(desk.state.waiting) == 1
    desk.message(AGENT, conversation_id="c1", agent_id="a")
    assert len(desk.state.waiting) == 0


@pytest.mark.parametrize("status", [ONLINE, SUSPENDED])
def test_only_online_agents_count_as_somebody(desk: Desk, status: int) -> None:
    robot_shop(desk, {"a": 0})
    desk.set_presence("a", status)
    expected = "NOBODY_FREE" if status == ONLINE else "OFFLINE_ROBOT"
    assert desk.route("m").said[1] == expected
