"""What a group does when nobody in it can take a new buyer, and what happens when nobody can at all."""

from __future__ import annotations

import pytest

from fenliu.v1 import shop_pb2
from support.scene import MINUTE, SUSPENDED, Scene, agent, brief, group

SPILL = shop_pb2.UNAVAILABLE_POLICY_SPILL
QUEUE = shop_pb2.UNAVAILABLE_POLICY_QUEUE
ROBOT = shop_pb2.UNAVAILABLE_POLICY_ROBOT
OFFLINE_POLICY = shop_pb2.UNAVAILABLE_POLICY_OFFLINE
PROXY = shop_pb2.OFFLINE_TARGET_PROXY
OWNER = shop_pb2.OFFLINE_TARGET_OWNER
POOL = shop_pb2.OFFLINE_TARGET_POOL


def presale_is_empty(scene: Scene, **fields: object) -> Scene:
    """`presale` (bound to product p) has only `a`, who is OFFLINE; `b` of `rest` is ONLINE."""
    settings = {name: fields.pop(name) for name in ("robot_id", "queue_limit") if name in fields}
    groups = [group("presale", "a", products=["p"], **fields), group("rest", "b")]
    return scene.opens(["a", agent("b", cap=1)], groups, online=["b"], busy_threshold=9, **settings)


@pytest.mark.parametrize("policy", [None, SPILL], ids=["default", "SPILL"])
def test_spill_selects_among_all_groups(scene: Scene, policy: int | None):
    presale_is_empty(scene, when_unavailable=policy)
    answer = scene.route("wang", product_id="p")
    assert (brief(answer), answer.group_id) == ("AGENT b SPILLED", "rest")


def test_queue_waits_for_the_groups_own_agents_instead_of_spilling(scene: Scene):
    presale_is_empty(scene, when_unavailable=QUEUE, queue_limit=9)
    assert brief(scene.route("wang", product_id="p")) == "QUEUED QUEUED_AT_CAP"
    scene.news()
    scene.online("a")
    assert scene.news() == ["wang: AGENT a LEFT_QUEUE"]


def test_queue_without_room_goes_to_the_pool(scene: Scene):
    presale_is_empty(scene, when_unavailable=QUEUE)
    assert brief(scene.route("wang", product_id="p")) == "POOLED NOBODY_FREE"


def test_robot_takes_what_the_group_cannot(scene: Scene):
    presale_is_empty(scene, when_unavailable=ROBOT, robot_id="robo")
    assert brief(scene.route("wang", product_id="p")) == "ROBOT robo GROUP_ROBOT"
    assert brief(scene.route("li")) == "AGENT b WEIGHTED"


def test_robot_is_skipped_for_who_asks_for_a_human_and_where_there_is_none(scene: Scene):
    presale_is_empty(scene, when_unavailable=ROBOT, robot_id="robo")
    assert brief(scene.route("wang", product_id="p", handoff=True)) == "POOLED NOBODY_FREE"
    scene.changes(robot_id=None)
    assert brief(scene.route("li", product_id="p")) == "POOLED NOBODY_FREE"


def test_offline_neither_spills_nor_queues(scene: Scene):
    presale_is_empty(scene, when_unavailable=OFFLINE_POLICY, queue_limit=9)
    assert brief(scene.route("wang", product_id="p")) == "POOLED NOBODY_FREE"


def test_the_first_matched_group_by_priority_and_id_says_what_happens(scene: Scene):
    scene.opens(
        ["a", "b"],
        [
            group("a-spills", "a", products=["p"], priority=2, when_unavailable=SPILL),
            group("z-keeps", "a", products=["p"], priority=1, when_unavailable=OFFLINE_POLICY),
            group("rest", "b"),
        ],
        online=["b"],
    )
    assert brief(scene.route("wang", product_id="p")) == "POOLED NOBODY_FREE"
    scene.shop.groups[1].priority = 2
    scene.apply(scene.shop)
    assert brief(scene.route("li", product_id="p")) == "AGENT b SPILLED"


# Nobody at all


def test_somebody_online_but_nobody_free_pools(scene: Scene):
    scene.opens([agent("a", weight=0)])
    answer = scene.route("wang")
    assert brief(answer) == "POOLED NOBODY_FREE"
    assert not answer.conversation_id


def test_nobody_online_pools_by_default(scene: Scene):
    scene.opens(["a", "b"], online=[])
    assert brief(scene.route("wang")) == "POOLED OFFLINE_POOL"
    scene.changes(offline_target=POOL)
    assert brief(scene.route("li")) == "POOLED OFFLINE_POOL"


def test_an_agent_in_no_group_is_nobody_online(scene: Scene):
    scene.opens(["a", "b"], [group("all", "a")], online=["b"])
    assert brief(scene.route("wang")) == "POOLED OFFLINE_POOL"


def test_a_shop_without_groups_pools(scene: Scene):
    scene.opens(["a"], [], online=["a"])
    assert brief(scene.route("wang")) == "POOLED OFFLINE_POOL"


@pytest.mark.parametrize("proxy_is_online", [True, False])
def test_nobody_online_leaves_a_message_with_the_proxy(scene: Scene, proxy_is_online: bool):
    scene.opens(
        ["a", "p"],
        [group("all", "a")],  # The proxy need not be in a group.
        offline_target=PROXY,
        proxy_agent_id="p",
        online=["p"] if proxy_is_online else [],
    )
    answer = scene.route("wang")
    assert brief(answer) == "LEFT_MESSAGE p OFFLINE_PROXY"
    assert not answer.conversation_id


def test_an_unset_proxy_falls_to_the_owner_and_an_unset_owner_to_the_pool(scene: Scene):
    scene.opens(["a"], owner="boss", offline_target=PROXY, online=[])
    assert brief(scene.route("b1")) == "LEFT_MESSAGE boss OFFLINE_OWNER"
    scene.changes(offline_target=OWNER)
    assert brief(scene.route("b2")) == "LEFT_MESSAGE boss OFFLINE_OWNER"
    scene.opens(["a"], owner="", offline_target=PROXY)
    assert brief(scene.route("b3")) == "POOLED OFFLINE_POOL"
    scene.changes(offline_target=OWNER)
    assert brief(scene.route("b4")) == "POOLED OFFLINE_POOL"


def test_a_left_message_stays_until_the_buyer_asks_again(scene: Scene):
    scene.opens(["a"], owner="boss", offline_target=OWNER, online=[])
    scene.route("wang")
    assert brief(scene.route("wang")) == "LEFT_MESSAGE boss STILL_WAITING"
    scene.news()
    scene.online("a")
    assert scene.news() == []
    assert brief(scene.route("wang")) == "AGENT a WEIGHTED"


def test_left_messages_and_the_pool_do_not_make_a_recent_contact(scene: Scene):
    scene.opens(["a", "b"], owner="b", offline_target=OWNER, online=[])
    assert brief(scene.route("wang")) == "LEFT_MESSAGE b OFFLINE_OWNER"
    scene.online("a", "b")
    assert brief(scene.route("wang")) == "AGENT a WEIGHTED"


def test_a_buyer_who_waits_keeps_the_entry_and_leaves_it_for_an_agent(scene: Scene):
    scene.opens(["a"], online=[])
    scene.route("wang")
    scene.after(MINUTE)
    assert brief(scene.route("wang")) == "POOLED STILL_WAITING"
    scene.presence("a", SUSPENDED)
    assert brief(scene.route("wang")) == "POOLED STILL_WAITING"
    scene.online("a")
    assert brief(scene.route("wang")) == "AGENT a OPEN_CONVERSATION"
    assert not scene.cancel("wang")
