"""Reply timeouts: an agent who does not answer in time loses the buyer to somebody else."""

from __future__ import annotations

from fenliu.v1 import types_pb2
from support.scene import HOUR, MINUTE, SECOND, Scene, brief, group


def test_it_is_off_by_default(scene: Scene):
    scene.opens(["a", "b"], idle_close_ms=0)
    scene.route("wang")
    scene.after(HOUR)
    assert brief(scene.route("wang")) == "AGENT a OPEN_CONVERSATION"


def test_an_unanswered_buyer_goes_to_another_agent_at_that_moment(scene: Scene):
    scene.opens(["a", "b"], reply_timeout_ms=MINUTE)
    first, asked = scene.route("wang"), scene.now
    scene.news()
    scene.after(MINUTE - 1).tick()
    assert scene.news() == []
    scene.after(20 * SECOND).tick()
    assert scene.news() == ["wang: AGENT b REPLY_TIMEOUT"]
    moved = scene.decisions()[-1]
    assert moved.at_ms == asked + MINUTE
    assert moved.fact.previous_conversation == int(first.conversation_id[1:])
    assert scene.closes(first).already_closed


def test_an_answer_in_time_keeps_the_buyer_an_automatic_one_does_not(scene: Scene):
    scene.opens(["a", "b"], reply_timeout_ms=MINUTE)
    scene.route("wang")
    scene.route("li")
    scene.after(30 * SECOND).replies("wang")
    scene.message(types_pb2.SENDER_AUTO_REPLY, "li")
    scene.news()
    scene.after(MINUTE).tick()
    assert scene.news() == ["li: AGENT a REPLY_TIMEOUT"]
    scene.after(20 * MINUTE).says("wang")  # It was answered once: the timeout is over.
    scene.after(2 * MINUTE).tick()
    assert "wang" not in "".join(scene.news())


def test_max_hops_is_3_by_default(scene: Scene):
    scene.opens(["a", "b", "c", "d", "e"], reply_timeout_ms=MINUTE)
    scene.route("wang")
    asked = scene.now
    scene.news()
    scene.after(20 * MINUTE).tick()
    assert scene.news() == [f"wang: AGENT {agent} REPLY_TIMEOUT" for agent in "bcd"]
    times = [one.at_ms - asked for one in scene.decisions()[1:]]
    assert times == [MINUTE, 2 * MINUTE, 3 * MINUTE]
    assert brief(scene.route("wang")) == "AGENT d OPEN_CONVERSATION"


def test_max_hops_is_a_setting_and_0_moves_nobody(scene: Scene):
    scene.opens(["a", "b", "c"], reply_timeout_ms=MINUTE, max_hops=1)
    scene.route("wang")
    scene.after(20 * MINUTE)
    assert brief(scene.route("wang")) == "AGENT b OPEN_CONVERSATION"
    scene.changes(max_hops=0)
    who = scene.route("li").agent_id
    scene.after(20 * MINUTE)
    assert brief(scene.route("li")) == f"AGENT {who} OPEN_CONVERSATION"


def test_with_nobody_else_the_buyer_stays(scene: Scene):
    scene.opens(["a", "b"], reply_timeout_ms=MINUTE, online=["a"])
    first = scene.route("wang")
    scene.after(5 * MINUTE)
    stays = scene.route("wang")
    assert brief(stays) == "AGENT a OPEN_CONVERSATION"
    assert stays.conversation_id == first.conversation_id
    scene.online("b")  # Too late: it has timed out and stayed.
    scene.after(5 * MINUTE)
    assert brief(scene.route("wang")) == "AGENT a OPEN_CONVERSATION"


def test_nobody_who_let_the_buyer_wait_gets_the_buyer_again(scene: Scene):
    scene.opens(["a", "b"], reply_timeout_ms=MINUTE)
    scene.route("wang")
    scene.after(20 * MINUTE)
    assert brief(scene.route("wang")) == "AGENT b OPEN_CONVERSATION"
    assert [one.fact.agent_id for one in scene.decisions()] == ["a", "b", "b"]


def test_it_goes_through_the_buyers_groups_and_spills(scene: Scene):
    scene.opens(
        ["a", "b", "c"],
        [group("g1", "a", "b", products=["p"]), group("g2", "c")],
        reply_timeout_ms=MINUTE,
        online=["a", "b", "c"],
    )
    scene.route("wang", product_id="p")
    scene.news()
    scene.after(MINUTE).tick()
    assert scene.news() == ["wang: AGENT b REPLY_TIMEOUT"]
    scene.after(MINUTE).tick()
    assert scene.news() == ["wang: AGENT c REPLY_TIMEOUT"]
