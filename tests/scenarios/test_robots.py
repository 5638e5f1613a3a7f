"""The robot: reception modes, mixed percentages, nobody at the desk, asking for a human."""

from __future__ import annotations

import pytest

from fenliu.v1 import shop_pb2, types_pb2
from support.scene import AGENT, MINUTE, NEVER_BUSY, SUSPENDED, Scene, agent, brief, group

ROBOT_FIRST = shop_pb2.RECEPTION_MODE_ROBOT_FIRST
HUMAN_FIRST = shop_pb2.RECEPTION_MODE_HUMAN_FIRST
MIXED = shop_pb2.RECEPTION_MODE_MIXED
PER_GROUP = shop_pb2.RECEPTION_SCOPE_GROUP


def test_human_first_is_the_default(scene: Scene):
    scene.opens(["a"], robot_id="robo")
    assert brief(scene.route("wang")) == "AGENT a WEIGHTED"
    scene.changes(reception_mode=HUMAN_FIRST)
    assert brief(scene.route("li")) == "AGENT a WEIGHTED"


def test_robot_first_gives_every_new_buyer_to_the_robot(scene: Scene):
    scene.opens(["a"], robot_id="robo", reception_mode=ROBOT_FIRST)
    answer = scene.route("wang")
    assert brief(answer) == "ROBOT robo ROBOT_FIRST"
    assert answer.conversation_id and not answer.group_id
    again = scene.route("wang")
    assert brief(again) == "ROBOT robo OPEN_CONVERSATION"
    assert again.conversation_id == answer.conversation_id


@pytest.mark.parametrize("percent", [0, 1, 30, 33, 50, 99, 100])
def test_mixed_mode_gives_the_robot_its_percentage_exactly_at_every_moment(
    scene: Scene, percent: int
):
    scene.opens(["a"], robot_id="robo", reception_mode=MIXED, robot_percent=percent)
    answers = scene.routes(f"b{number}" for number in range(100))
    robot = 0
    for number, answer in enumerate(answers, start=1):
        robot += brief(answer) == "ROBOT robo MIXED_ROBOT"
        assert robot == number * percent // 100
    assert sum(brief(answer) == "AGENT a WEIGHTED" for answer in answers) == 100 - percent


def test_robot_percent_is_0_by_default(scene: Scene):
    scene.opens(["a"], robot_id="robo", reception_mode=MIXED)
    assert {brief(one) for one in scene.routes(f"b{n}" for n in range(20))} == {"AGENT a WEIGHTED"}


def test_mixed_mode_counts_anew_when_the_percentage_changes(scene: Scene):
    scene.opens(["a"], robot_id="robo", reception_mode=MIXED, robot_percent=50)
    assert brief(scene.route("b1")) == "AGENT a WEIGHTED"
    scene.changes(busy_threshold=9)  # Another setting leaves the count at 50.
    assert brief(scene.route("b2")) == "ROBOT robo MIXED_ROBOT"
    assert brief(scene.route("b3")) == "AGENT a WEIGHTED"
    scene.changes(robot_percent=60)  # From 0: with the 50 of before it would be the robot's turn.
    assert brief(scene.route("b4")) == "AGENT a WEIGHTED"
    assert brief(scene.route("b5")) == "ROBOT robo MIXED_ROBOT"


def test_returning_buyers_do_not_count_in_mixed_mode(scene: Scene):
    scene.opens(["a"], robot_id="robo", reception_mode=MIXED, robot_percent=50)
    scene.route("b1")
    assert [brief(scene.route("b1")) for _ in range(5)] == ["AGENT a OPEN_CONVERSATION"] * 5
    assert brief(scene.route("b2")) == "ROBOT robo MIXED_ROBOT"


def test_with_scope_group_each_group_has_its_own_mode_and_count(scene: Scene):
    halves = {"reception_mode": MIXED, "robot_percent": 50}
    scene.opens(
        ["a", "b", "c", "d"],
        [
            group("g1", "a", products=["p1"], **halves),
            group("g2", "b", products=["p2"], **halves),
            group("g3", "c", products=["p3"], reception_mode=ROBOT_FIRST),
            group("g4", "d", products=["p4"]),
        ],
        robot_id="robo",
        reception_scope=PER_GROUP,
        reception_mode=ROBOT_FIRST,  # The shop's own mode does not count then.
        online=["a", "b", "c", "d"],
    )
    told = [
        brief(scene.route(f"b{number}", product_id=product))
        for number, product in enumerate(["p1", "p2", "p1", "p2", "p3", "p4"])
    ]
    assert told == [
        "AGENT a WEIGHTED",
        "AGENT b WEIGHTED",
        "ROBOT robo MIXED_ROBOT",
        "ROBOT robo MIXED_ROBOT",
        "ROBOT robo ROBOT_FIRST",
        "AGENT d WEIGHTED",
    ]


def test_with_scope_group_the_first_matched_group_by_priority_and_id_says(scene: Scene):
    scene.opens(
        ["a", "b"],
        [
            group("a-first-by-id", "a", priority=2, reception_mode=ROBOT_FIRST),
            group("z-human", "b", priority=1, reception_mode=HUMAN_FIRST),
        ],
        robot_id="robo",
        reception_scope=PER_GROUP,
        online=["a", "b"],
    )
    assert scene.route("wang").outcome == types_pb2.OUTCOME_AGENT
    scene.shop.groups[0].priority = 1  # Equal priority: by id.
    scene.apply(scene.shop)
    assert brief(scene.route("li")) == "ROBOT robo ROBOT_FIRST"


def test_scope_shop_is_the_default_and_has_one_mode_for_all_groups(scene: Scene):
    scene.opens(
        ["a"],
        [group("g1", "a", reception_mode=ROBOT_FIRST)],
        robot_id="robo",
        online=["a"],
    )
    assert brief(scene.route("wang")) == "AGENT a WEIGHTED"
    scene.changes(reception_scope=shop_pb2.RECEPTION_SCOPE_SHOP, reception_mode=ROBOT_FIRST)
    assert brief(scene.route("li")) == "ROBOT robo ROBOT_FIRST"


def test_a_robot_mode_without_a_robot_goes_on_to_the_agents(scene: Scene):
    scene.opens(["a"], reception_mode=ROBOT_FIRST)
    assert brief(scene.route("wang")) == "AGENT a WEIGHTED"


def test_recent_contact_goes_before_the_robot(scene: Scene):
    scene.opens(["a"], robot_id="robo", reception_mode=ROBOT_FIRST)
    scene.replies("wang", agent_id="a")
    scene.after(31 * MINUTE)
    assert brief(scene.route("wang")) == "AGENT a RECENT_CONTACT"


def test_the_dedicated_agent_goes_before_the_robot(scene: Scene):
    scene.opens(["a"], robot_id="robo", reception_mode=ROBOT_FIRST)
    assert brief(scene.route("wang", dedicated_agent_id="a")) == "AGENT a DEDICATED"


def test_handoff_skips_the_robot_and_ends_its_conversation(scene: Scene):
    scene.opens(["a"], robot_id="robo", reception_mode=ROBOT_FIRST)
    robot = scene.route("wang")
    human = scene.route("wang", handoff=True)
    assert brief(human) == "AGENT a WEIGHTED"
    assert human.conversation_id != robot.conversation_id
    assert scene.decisions()[-1].fact.previous_conversation == int(robot.conversation_id[1:])
    assert scene.closes(robot).already_closed
    assert brief(scene.route("wang")) == "AGENT a OPEN_CONVERSATION"


def test_handoff_with_nobody_free_keeps_the_robot_and_adds_a_pool_entry(scene: Scene):
    scene.opens([agent("a", cap=1)], robot_id="robo", reception_mode=ROBOT_FIRST)
    first = scene.route("li", handoff=True)
    robot = scene.route("wang")
    kept = scene.route("wang", handoff=True)
    assert brief(kept) == "ROBOT robo HANDOFF_UNAVAILABLE"
    assert kept.conversation_id == robot.conversation_id
    scene.news()
    scene.closes(first)
    assert scene.news() == ["wang: AGENT a LEFT_POOL"]
    assert scene.closes(robot).already_closed


def test_handoff_with_nobody_online_gets_the_robot_and_a_pool_entry(scene: Scene):
    scene.opens(["a"], robot_id="robo", online=[])
    assert brief(scene.route("wang", handoff=True)) == "ROBOT robo HANDOFF_UNAVAILABLE"
    scene.news()
    scene.online("a")
    assert scene.news() == ["wang: AGENT a LEFT_POOL"]


def test_nobody_online_gives_the_robot_and_a_pool_entry_for_a_human(scene: Scene):
    scene.opens(["a"], robot_id="robo", online=[])
    robot = scene.route("wang")
    assert brief(robot) == "ROBOT robo OFFLINE_ROBOT"
    assert brief(scene.route("wang")) == "ROBOT robo OPEN_CONVERSATION"
    scene.news()
    scene.after(8 * MINUTE).online("a")
    assert scene.news() == ["wang: AGENT a LEFT_POOL"]
    assert scene.decisions()[-1].fact.previous_conversation == int(robot.conversation_id[1:])
    assert brief(scene.route("wang")) == "AGENT a OPEN_CONVERSATION"


def test_all_suspended_is_nobody_online_for_the_robot(scene: Scene):
    scene.opens(["a", "b"], robot_id="robo")
    scene.presence("a", SUSPENDED)
    scene.presence("b", SUSPENDED)
    assert brief(scene.route("wang")) == "ROBOT robo OFFLINE_ROBOT"
    scene.news()
    scene.online("b")
    assert scene.news() == ["wang: AGENT b LEFT_POOL"]


def test_the_robots_conversation_ends_when_the_robot_is_taken_away(scene: Scene):
    scene.opens(["a"], robot_id="robo", reception_mode=ROBOT_FIRST)
    robot = scene.route("wang")
    scene.changes(robot_id=None, reception_mode=None)
    assert brief(scene.route("wang")) == "AGENT a WEIGHTED"
    assert scene.closes(robot).already_closed


def test_an_agents_word_takes_the_buyer_over_from_the_robot(scene: Scene):
    scene.opens(["a", "b"], robot_id="robo", reception_mode=ROBOT_FIRST)
    robot = scene.route("wang")
    assert not scene.message(AGENT, "wang", agent_id="b").HasField("status")
    assert scene.closes(robot).already_closed
    assert brief(scene.route("wang")) == "AGENT b OPEN_CONVERSATION"


def test_talk_with_the_robot_is_not_consulting_anybody(scene: Scene):
    scene.opens(["a"], robot_id="robo", reception_mode=ROBOT_FIRST, busy_threshold=NEVER_BUSY)
    scene.route("wang")
    scene.says("wang")
    assert not scene.message(types_pb2.SENDER_ROBOT, "wang").HasField("status")
    assert scene.agents()["a"].awaiting == 0
    scene.changes(reception_mode=HUMAN_FIRST)
    scene.after(31 * MINUTE)
    assert brief(scene.route("wang")) == "AGENT a WEIGHTED"
