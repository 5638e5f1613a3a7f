"""Transfers: to an agent, to a group, to somebody who is not there; what is refused."""

from __future__ import annotations

import pytest

from fenliu.v1 import types_pb2
from support.scene import MINUTE, NEVER_BUSY, SUSPENDED, Scene, agent, brief, group


def desk(scene: Scene) -> object:
    """a has wang; b and c (twice b's weight) are the group `after`; d is in no group."""
    agents = ["a", agent("b", weight=1, cap=9), agent("c", weight=2), "d"]
    groups = [group("pre", "a"), group("after", "b", "c", products=["p"])]
    scene.opens(agents, groups, online=["a", "b", "c", "d"], busy_threshold=NEVER_BUSY)
    answer = scene.route("wang", dedicated_agent_id="a")
    scene.news()
    return answer


def test_to_an_agent(scene: Scene):
    before = desk(scene)
    handed = scene.transfer(before, agent_id="b", reason="refund")
    assert brief(handed) == "AGENT b TRANSFER"
    assert handed.group_id == "after"
    assert handed.conversation_id not in ("", before.conversation_id)
    assert scene.closes(before).already_closed
    assert scene.decisions()[-1].fact.previous_conversation == int(before.conversation_id[1:])
    assert brief(scene.route("wang")) == "AGENT b OPEN_CONVERSATION"
    assert scene.agents()["b"].awaiting == 1


def test_the_receiver_becomes_the_recent_contact(scene: Scene):
    scene.transfer(desk(scene), agent_id="b")
    scene.after(31 * MINUTE)
    assert brief(scene.route("wang")) == "AGENT b RECENT_CONTACT"


def test_a_suspended_agent_accepts(scene: Scene):
    before = desk(scene)
    scene.presence("b", SUSPENDED)
    assert brief(scene.transfer(before, agent_id="b")) == "AGENT b TRANSFER"


def test_an_agent_needs_neither_group_nor_weight_nor_room(scene: Scene):
    before = desk(scene)
    handed = scene.transfer(before, agent_id="d")
    assert (brief(handed), handed.group_id) == ("AGENT d TRANSFER", "")
    scene.shop.agents[1].MergeFrom(agent("b", weight=0, cap=1))
    scene.apply(scene.shop)
    scene.route("li", dedicated_agent_id="b")
    assert brief(scene.transfer(handed, agent_id="b")) == "AGENT b TRANSFER"


def test_to_a_group_selects_inside_it_by_weight(scene: Scene):
    first = desk(scene)
    handed = [scene.transfer(first, group_id="after")]
    for number in range(5):
        answer = scene.route(f"x{number}", dedicated_agent_id="a")
        handed.append(scene.transfer(answer, group_id="after"))
    assert [brief(one) for one in handed].count("AGENT b TRANSFER") == 2
    assert [brief(one) for one in handed].count("AGENT c TRANSFER") == 4
    assert {one.group_id for one in handed} == {"after"}


def test_to_a_group_never_selects_the_one_who_hands_over(scene: Scene):
    desk(scene)
    answer = scene.route("li", dedicated_agent_id="c")
    for _ in range(3):
        answer = scene.transfer(answer, group_id="after")
    assert [one.fact.agent_id for one in scene.decisions()[-4:]] == ["c", "b", "c", "b"]


def test_from_the_robot_to_a_human(scene: Scene):
    desk(scene)
    scene.changes(robot_id="robo", reception_mode="RECEPTION_MODE_ROBOT_FIRST")
    robot = scene.route("li")
    assert brief(scene.transfer(robot, agent_id="a")) == "AGENT a TRANSFER"


def test_an_offline_agent_is_refused_unless_it_may_wait_for_them(scene: Scene):
    before = desk(scene)
    scene.offline("b")
    with scene.refused(
        "RECEIVER_UNAVAILABLE", "agent_id", "the agent is OFFLINE", code="FAILED_PRECONDITION"
    ):
        scene.transfer(before, agent_id="b")
    handed = scene.transfer(before, agent_id="b", allow_offline=True)
    assert brief(handed) == "LEFT_MESSAGE b TRANSFER"
    assert not handed.conversation_id
    scene.news()
    scene.online("d")
    scene.replies("wang", agent_id="d", conversation_id=before.conversation_id)  # Changes nothing.
    assert scene.news() == []
    scene.after(MINUTE).online("b")
    assert scene.news() == ["wang: AGENT b LEFT_POOL"]


def test_a_group_without_anybody_is_refused_unless_it_may_wait_for_them(scene: Scene):
    before = desk(scene)
    scene.offline("b", "c")
    with scene.refused(
        "RECEIVER_UNAVAILABLE",
        "group_id",
        "nobody in the group may take a buyer",
        code="FAILED_PRECONDITION",
    ):
        scene.transfer(before, group_id="after")
    handed = scene.transfer(before, group_id="after", allow_offline=True)
    assert (brief(handed), handed.group_id) == ("LEFT_MESSAGE TRANSFER", "after")
    scene.news()
    scene.offline("a")
    scene.online("a")  # Free, but of another group.
    assert scene.news() == []
    scene.online("c")
    assert scene.news() == ["wang: AGENT c LEFT_POOL"]


def test_what_was_left_for_somebody_who_left_waits_for_the_buyer_to_ask_again(scene: Scene):
    before = desk(scene)
    scene.offline("b")
    scene.transfer(before, agent_id="b", allow_offline=True)
    del scene.shop.agents[1]
    scene.shop.groups[1].agent_ids.remove("b")
    scene.apply(scene.shop)
    scene.news()
    scene.offline("c")
    scene.online("c")
    assert scene.news() == []
    assert scene.route("wang").outcome == types_pb2.OUTCOME_AGENT
    assert not scene.cancel("wang")


def test_what_was_left_for_a_group_that_is_gone_goes_to_whoever_may_have_it(scene: Scene):
    before = desk(scene)
    scene.offline("b", "c")
    scene.transfer(before, group_id="after", allow_offline=True)
    scene.news()
    del scene.shop.groups[1]
    scene.apply(scene.shop)
    assert scene.news() == ["wang: AGENT a LEFT_POOL"]


def test_at_most_10_hops_along_the_chain(scene: Scene):
    answer = desk(scene)
    for number in range(10):
        answer = scene.transfer(answer, agent_id="ba"[number % 2])
    with scene.refused(
        "HOP_LIMIT", "conversation_id", "at most 10 hops", code="FAILED_PRECONDITION"
    ):
        scene.transfer(answer, agent_id="b")


def test_reply_timeouts_count_as_hops_of_the_chain(scene: Scene):
    scene.opens(["a", "b", "c"], reply_timeout_ms=MINUTE, max_hops=2)
    scene.route("wang")
    scene.after(2 * MINUTE)
    answer = scene.route("wang")
    assert scene.news()[-1] == "wang: AGENT c OPEN_CONVERSATION"
    for number in range(8):
        answer = scene.transfer(answer, agent_id="ab"[number % 2])
    with scene.refused("HOP_LIMIT", "conversation_id", code="FAILED_PRECONDITION"):
        scene.transfer(answer, agent_id="c")


def test_a_repeat_is_one_transfer(scene: Scene):
    before = desk(scene)
    first = scene.transfer(before, agent_id="b", request_id="t")
    assert scene.transfer(before, agent_id="b", request_id="t") == first
    assert len(scene.news()) == 1


BAD = [
    ("itself", {"agent_id": "a"}, "INVALID_FIELD", "agent_id",
     "already has this conversation", "INVALID_ARGUMENT"),
    ("unknown-agent", {"agent_id": "nobody"}, "AGENT_NOT_FOUND", "agent_id",
     "unknown agent", "NOT_FOUND"),
    ("unknown-group", {"group_id": "none"}, "GROUP_NOT_FOUND", "group_id",
     "unknown group", "NOT_FOUND"),
    ("no-target", {}, "INVALID_FIELD", "agent_id", "required", "INVALID_ARGUMENT"),
    ("long-reason", {"agent_id": "b", "reason": "长" * 342}, "INVALID_FIELD", "reason",
     "at most 1024 bytes", "INVALID_ARGUMENT"),
    ("never-issued", {"agent_id": "b", "conversation_id": "c999"}, "CONVERSATION_NOT_FOUND",
     "conversation_id", "never issued", "NOT_FOUND"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "reason", "field", "rule", "code"),
    [case[1:] for case in BAD],
    ids=[case[0] for case in BAD],
)
def test_what_cannot_be_is_refused(
    scene: Scene, fields: dict[str, str], reason: str, field: str, rule: str, code: str
):
    before = desk(scene)
    with scene.refused(reason, field, rule, code=code):
        scene.transfer(before, **fields)


def test_a_closed_conversation_is_refused(scene: Scene):
    before = desk(scene)
    scene.closes(before)
    with scene.refused(
        "CONVERSATION_CLOSED", "conversation_id", "already closed", code="FAILED_PRECONDITION"
    ):
        scene.transfer(before, agent_id="b")
