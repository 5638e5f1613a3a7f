"""The queue: position, estimated wait, priority, timeout, cancelling, its limit, and leaving it."""

from __future__ import annotations

import pytest

from fenliu.v1 import shop_pb2
from support.scene import MINUTE, SECOND, Scene, agent, brief


def full(scene: Scene, **settings: object) -> Scene:
    """One agent with room for one buyer, taken by `first`."""
    settings = {"queue_limit": 9, **settings}
    scene.opens([agent("a", cap=1)], **settings)
    assert brief(scene.route("first")) == "AGENT a WEIGHTED"
    return scene


def place(answer: object) -> tuple[str, int]:
    return brief(answer), answer.queue_position  # type: ignore[attr-defined]


def test_when_everybody_is_at_the_cap_buyers_queue_in_order(scene: Scene):
    full(scene)
    assert place(scene.route("wang")) == ("QUEUED QUEUED_AT_CAP", 1)
    assert place(scene.route("li")) == ("QUEUED QUEUED_AT_CAP", 2)
    assert not scene.route("li").conversation_id


def test_without_a_queue_limit_there_is_no_queue(scene: Scene):
    full(scene, queue_limit=0)
    assert brief(scene.route("wang")) == "POOLED NOBODY_FREE"


def test_a_full_queue_pools(scene: Scene):
    full(scene, queue_limit=1)
    assert place(scene.route("wang")) == ("QUEUED QUEUED_AT_CAP", 1)
    assert place(scene.route("li")) == ("POOLED NOBODY_FREE", 0)


def test_nobody_online_is_no_queue(scene: Scene):
    full(scene)
    scene.offline("a")
    assert brief(scene.route("wang")) == "POOLED OFFLINE_POOL"


def test_the_queue_moves_in_the_same_command_that_frees_the_slot(scene: Scene):
    full(scene)
    first = scene.route("first")
    scene.route("wang")
    scene.closes(first)
    last = scene.entries()[-1]
    assert last.WhichOneof("command") == "close_conversation"
    assert [fact.WhichOneof("fact") for fact in last.facts] == ["conversation_closed", "decided"]
    assert brief(scene.decisions()[-1].fact) == "AGENT a LEFT_QUEUE"
    assert brief(scene.route("wang")) == "AGENT a OPEN_CONVERSATION"


def test_a_conversation_that_falls_idle_frees_the_slot_at_that_moment(scene: Scene):
    full(scene, queue_timeout_ms=0, idle_close_ms=5 * MINUTE)
    opened = scene.now
    scene.route("wang")
    scene.news()
    scene.after(7 * MINUTE).tick()
    assert scene.news() == ["wang: AGENT a LEFT_QUEUE"]
    assert scene.decisions()[-1].at_ms == opened + 5 * MINUTE


def test_higher_priority_leaves_first_then_who_came_first(scene: Scene):
    full(scene)
    scene.route("normal-1")
    scene.after(SECOND).route("normal-2")
    assert scene.after(SECOND).route("urgent", priority=9).queue_position == 1
    assert scene.after(SECOND).route("high", priority=5).queue_position == 2
    assert place(scene.route("normal-1")) == ("QUEUED STILL_WAITING", 3)
    scene.news()
    for buyer in ("first", "urgent", "high", "normal-1"):
        scene.closes(scene.route(buyer))
    left = [line for line in scene.news() if "LEFT_QUEUE" in line]
    assert left == [
        f"{buyer}: AGENT a LEFT_QUEUE" for buyer in ("urgent", "high", "normal-1", "normal-2")
    ]


def test_asking_again_keeps_the_place(scene: Scene):
    full(scene)
    scene.route("wang")
    scene.after(MINUTE).route("li")
    again = scene.after(MINUTE).route("wang", priority=9, request_id="r")
    assert place(again) == ("QUEUED STILL_WAITING", 1)


def test_a_buyer_whom_the_free_agent_may_not_have_is_passed_over(scene: Scene):
    full(scene)
    scene.route("wang", exclude_agent_ids=["a"])
    scene.route("li")
    scene.news()
    scene.closes(scene.route("first"))
    assert scene.news()[-1] == "li: AGENT a LEFT_QUEUE"


def test_the_estimated_wait_is_position_times_the_mean_of_slot_releases(scene: Scene):
    full(scene)
    assert scene.route("b1").estimated_wait_ms == 0  # Nothing is known yet.
    scene.route("b2")
    for buyer in ("first", "b1"):
        scene.after(MINUTE)
        scene.closes(scene.route(buyer))
    scene.route("b3")
    assert (scene.route("b4").queue_position, scene.route("b4").estimated_wait_ms) == (
        2,
        2 * MINUTE,
    )
    scene.after(3 * MINUTE)  # Releases now at 1, 2 and 5 minutes: two minutes on average.
    scene.closes(scene.route("b2"))
    assert (scene.route("b4").queue_position, scene.route("b4").estimated_wait_ms) == (
        1,
        2 * MINUTE,
    )


def test_the_estimated_wait_looks_at_the_last_20_intervals(scene: Scene):
    full(scene)
    for number, minutes in enumerate([9] * 4 + [1] * 21):
        answer = scene.route("first" if number == 0 else f"b{number}")
        scene.after(minutes * MINUTE)
        scene.closes(answer)
    scene.route("last")
    assert scene.route("wang").estimated_wait_ms == MINUTE


def test_after_the_queue_timeout_of_10_minutes_the_buyer_goes_to_the_pool(scene: Scene):
    full(scene)
    queued = scene.now
    scene.route("wang")
    scene.news()
    scene.after(10 * MINUTE - 1).tick()
    assert scene.news() == []
    scene.after(5 * MINUTE).tick()
    assert scene.news() == ["wang: POOLED NOBODY_FREE"]
    assert scene.decisions()[-1].at_ms == queued + 10 * MINUTE
    assert place(scene.route("wang")) == ("POOLED STILL_WAITING", 0)
    scene.news()
    scene.closes(scene.route("first"))
    assert "wang: AGENT a LEFT_POOL" in scene.news()


def test_queue_timeout_is_a_setting_and_0_is_never(scene: Scene):
    full(scene, queue_timeout_ms=MINUTE, idle_close_ms=0)
    scene.route("wang")
    scene.news()
    scene.after(MINUTE).tick()
    assert scene.news() == ["wang: POOLED NOBODY_FREE"]
    scene.changes(queue_timeout_ms=0)
    scene.route("li")
    scene.after(30 * 24 * 60 * MINUTE)
    assert brief(scene.route("li")) == "QUEUED STILL_WAITING"


@pytest.mark.parametrize(
    ("settings", "outcome"),
    [
        ({"offline_target": shop_pb2.OFFLINE_TARGET_PROXY, "proxy_agent_id": "p"},
         "LEFT_MESSAGE p OFFLINE_PROXY"),
        ({"robot_id": "robo"}, "ROBOT robo OFFLINE_ROBOT"),
        ({}, "POOLED OFFLINE_POOL"),
    ],
    ids=["proxy", "robot", "pool"],
)  # fmt: skip
def test_when_the_timeout_finds_nobody_online_it_goes_as_then(
    scene: Scene, settings: dict[str, object], outcome: str
):
    full(scene, **settings)
    scene.route("wang")
    scene.offline("a")
    scene.news()
    scene.after(10 * MINUTE).tick()
    assert scene.news() == [f"wang: {outcome}"]


def test_cancelling_leaves_the_queue_and_moves_the_others_up(scene: Scene):
    full(scene)
    scene.route("wang")
    scene.route("li")
    assert scene.cancel("wang", request_id="c")
    assert scene.route("li").queue_position == 1
    assert not scene.cancel("wang")
    assert scene.cancel("wang", request_id="c")  # A repeat gets the same answer.
    scene.news()
    scene.closes(scene.route("first"))
    assert scene.news()[-1] == "li: AGENT a LEFT_QUEUE"


@pytest.mark.parametrize("way", ["cap", "weight", "online", "group"])
def test_whoever_may_take_new_buyers_again_takes_from_the_queue_at_once(scene: Scene, way: str):
    scene.opens(
        [agent("a", cap=1), agent("b", weight=0), "c", "d"],
        [shop_pb2.Group(group_id="all", agent_ids=["a", "b", "c"])],
        queue_limit=9,
        online=["a", "b", "d"],
    )
    scene.route("first")
    scene.route("wang")
    scene.news()
    match way:
        case "cap":
            scene.shop.agents[0].cap = 2
            scene.apply(scene.shop)
        case "weight":
            scene.weights(b=5)
        case "online":
            scene.online("c")
        case "group":
            scene.shop.groups[0].agent_ids.append("d")
            scene.apply(scene.shop)
    taker = {"cap": "a", "weight": "b", "online": "c", "group": "d"}[way]
    assert scene.news() == [f"wang: AGENT {taker} LEFT_QUEUE"]
