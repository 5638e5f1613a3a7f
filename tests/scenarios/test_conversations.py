"""Conversations and messages: falling idle, agents who leave in the middle, times and repeats."""

from __future__ import annotations

import pytest

from fenliu.v1 import types_pb2
from support.scene import AGENT, BUYER, DAY, HOUR, MINUTE, Scene, agent, brief

ROBOT = types_pb2.SENDER_ROBOT
AUTO_REPLY = types_pb2.SENDER_AUTO_REPLY


def is_open(scene: Scene, answer: object) -> bool:
    """Whether the conversation was open still; it is closed now."""
    return not scene.closes(answer).already_closed


@pytest.mark.parametrize("late", [False, True])
def test_a_conversation_ends_after_30_minutes_without_a_message(scene: Scene, late: bool):
    scene.opens(["a"])
    answer = scene.route("wang")
    scene.after(30 * MINUTE - 1 + late)
    assert is_open(scene, answer) is not late


@pytest.mark.parametrize("sender", [BUYER, AGENT, AUTO_REPLY])
def test_a_message_keeps_it_open(scene: Scene, sender: types_pb2.Sender):
    scene.opens(["a"])
    answer = scene.route("wang")
    scene.after(20 * MINUTE)
    assert not scene.message(sender, "wang").HasField("status")
    scene.after(20 * MINUTE)
    assert is_open(scene, answer)


def test_idle_close_is_a_setting_and_0_is_never(scene: Scene):
    scene.opens(["a"], idle_close_ms=MINUTE)
    answer = scene.route("wang")
    assert not is_open(scene.after(MINUTE), answer)
    scene.changes(idle_close_ms=0)
    answer = scene.route("li")
    assert is_open(scene.after(90 * DAY), answer)


def test_closing_twice_says_so_and_an_id_never_issued_is_not_found(scene: Scene):
    scene.opens(["a"])
    answer = scene.route("wang")
    assert not scene.closes(answer).already_closed
    assert scene.closes(answer).already_closed
    answer.conversation_id = "c999"
    with scene.refused("CONVERSATION_NOT_FOUND", "conversation_id", code="NOT_FOUND"):
        scene.closes(answer)


def test_an_agent_gone_offline_loses_the_buyer_at_the_next_inquiry(scene: Scene):
    scene.opens(["a", "b"])
    scene.route("wang")
    scene.news()
    scene.offline("a")
    assert scene.news() == []
    assert brief(scene.route("wang")) == "AGENT b WEIGHTED"


def test_an_agent_gone_offline_loses_the_buyer_at_the_next_message(scene: Scene):
    scene.opens(["a", "b"])
    first = scene.route("wang")
    scene.offline("a")
    result = scene.says("wang")
    assert brief(result.reassigned) == "AGENT b WEIGHTED"
    assert result.reassigned.conversation_id not in ("", first.conversation_id)
    assert scene.decisions()[-1].fact.previous_conversation == int(first.conversation_id[1:])
    assert scene.agents()["b"].awaiting == 1
    assert not scene.says("wang").HasField("reassigned")


def test_a_message_to_an_agent_gone_with_nobody_there_is_kept_in_the_pool(scene: Scene):
    scene.opens(["a"])
    scene.route("wang")
    scene.offline("a")
    result = scene.says("wang")
    assert brief(result.reassigned) == "POOLED OFFLINE_POOL"
    scene.news()
    scene.online("a")
    assert scene.news() == ["wang: AGENT a LEFT_POOL"]


def test_a_message_to_an_agent_who_is_no_longer_in_the_shop_moves_the_buyer(scene: Scene):
    scene.opens(["a", "b"])
    scene.route("wang")
    scene.opens(["b"])
    assert brief(scene.says("wang").reassigned) == "AGENT b WEIGHTED"


def test_an_agents_first_word_opens_a_conversation(scene: Scene):
    scene.opens(["a", "b"])
    scene.replies("wang", agent_id="b")
    assert brief(scene.route("wang")) == "AGENT b OPEN_CONVERSATION"
    assert scene.agents()["b"].awaiting == 0  # Nobody waits for an answer.


def test_a_first_word_needs_an_agent_of_the_shop(scene: Scene):
    scene.opens(["a"])
    nameless = scene.message(AGENT, "wang")
    assert nameless.status.message == "agent_id: required"
    unknown = scene.message(AGENT, "wang", agent_id="nobody")
    assert unknown.status.message == "agent_id: unknown agent"


def test_buyers_make_an_agent_awaiting_and_only_a_person_answers(scene: Scene):
    scene.opens(["a"])
    scene.route("wang")
    assert scene.agents()["a"].awaiting == 1  # A new assignment waits at once.
    for sender in (ROBOT, AUTO_REPLY):
        scene.message(sender, "wang")
        assert scene.agents()["a"].awaiting == 1
    scene.replies("wang")
    assert scene.agents()["a"].awaiting == 0
    scene.says("wang")
    scene.says("wang")
    assert scene.agents()["a"].awaiting == 1
    scene.closes(scene.route("wang"))
    assert scene.agents()["a"].awaiting == 0


def test_another_agents_word_does_not_answer_for_the_buyers_agent(scene: Scene):
    scene.opens(["a", "b"])
    scene.route("wang")
    scene.replies("wang", agent_id="b")
    assert scene.agents()["a"].awaiting == 1


def test_a_reply_to_a_closed_conversation_is_taken_and_changes_no_awaiting(scene: Scene):
    scene.opens(["a"])
    answer = scene.route("wang")
    scene.closes(answer)
    scene.route("li")
    assert not scene.message(AGENT, conversation_id=answer.conversation_id).HasField("status")
    assert scene.agents()["a"].awaiting == 1


def test_messages_of_conversations_never_issued_or_of_another_buyer_are_refused(scene: Scene):
    scene.opens(["a"])
    answer = scene.route("wang")
    before = scene.state_hash()
    never = scene.message(BUYER, "wang", conversation_id="c999")
    assert never.status.message == "conversation_id: never issued"
    other = scene.message(BUYER, "li", conversation_id=answer.conversation_id)
    assert other.status.message == "buyer_id: not the conversation's buyer"
    nobodys = scene.message(BUYER)
    assert nobodys.status.message == "conversation_id: required"
    assert scene.state_hash() == before


def test_a_message_without_a_sender_is_refused(scene: Scene):
    scene.opens(["a"])
    scene.route("wang")
    result = scene.message(types_pb2.SENDER_UNSPECIFIED, "wang")
    assert result.status.message == "sender: required"


@pytest.mark.parametrize(
    ("setting", "off", "clamped"),
    [
        (None, 5 * MINUTE, False),
        (None, 5 * MINUTE + 1, True),
        (None, -5 * MINUTE, False),
        (None, -HOUR, True),
        (0, 1, True),
        (DAY, DAY, False),
    ],
)
def test_a_gateways_time_may_be_off_by_timestamp_skew_5_minutes_by_default(
    scene: Scene, setting: int | None, off: int, clamped: bool
):
    scene.opens(["a"], **({} if setting is None else {"timestamp_skew_ms": setting}))
    scene.route("wang")
    assert scene.says("wang", sent_at_ms=scene.now + off).clamped is clamped


def test_a_time_far_off_is_moved_to_the_skew(scene: Scene):
    scene.opens(["a"])
    scene.replies("wang", agent_id="a", sent_at_ms=1)  # 1970: as if 5 minutes ago.
    scene.after(25 * MINUTE - 1)
    assert scene.agents()["a"].open_conversations == 1
    scene.after(1)
    assert scene.agents()["a"].open_conversations == 0


@pytest.mark.parametrize("sent_at_ms", [-1, 2**53])
def test_a_time_that_is_none_is_refused(scene: Scene, sent_at_ms: int):
    scene.opens(["a"])
    scene.route("wang")
    before = scene.state_hash()
    result = scene.message(BUYER, "wang", sent_at_ms=sent_at_ms)
    assert result.status.message == "sent_at_ms: must be within 0..9007199254740991"
    assert scene.state_hash() == before


def test_a_repeated_event_is_ignored_for_24_hours(scene: Scene):
    scene.opens(["a"], idle_close_ms=0)
    scene.route("wang")
    assert not scene.replies("wang", event_id="e").duplicate
    scene.after(DAY)
    assert scene.says("wang", event_id="e").duplicate
    assert scene.agents()["a"].awaiting == 0
    scene.after(1)
    assert not scene.says("wang", event_id="e").duplicate


def test_conversations_of_an_agent_who_leaves_the_shop_stay_until_the_buyer_comes(scene: Scene):
    scene.opens([agent("a"), agent("b")])
    scene.route("wang")
    scene.opens(["b"])
    assert brief(scene.route("wang")) == "AGENT b WEIGHTED"
