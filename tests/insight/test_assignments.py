"""What a watcher of a shop is told, rule by rule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from fenliu.v1 import dispatch_pb2, shop_pb2
from support.scene import AGENT, MINUTE, SUSPENDED, Scene, agent
from support.watching import Event, told

WATCH = "/fenliu.v1.DispatchService/WatchAssignments"


class News:
    """A watcher of the scene's shop."""

    def __init__(self, call: Any) -> None:
        self._events = (Event.FromString(raw) for raw in call)
        assert not next(self._events).buyer_id  # from here on nothing is missed

    def events(self, count: int) -> list[Event]:
        """The next so many."""
        return list(islice(self._events, count))

    def lines(self, count: int) -> list[str]:
        return [told(event) for event in self.events(count)]


@contextmanager
def watching(scene: Scene) -> Iterator[News]:
    """A watcher from now on, who in the end has taken all that there was."""
    request = dispatch_pb2.WatchAssignmentsRequest(shop_id=scene.shop_id)
    call = scene.server.channel.unary_stream(WATCH)(request.SerializeToString(), timeout=60)
    try:
        news = News(call)
        yield news
        scene.message(AGENT, "the last", agent_id=scene.shop.agents[0].agent_id)
        (last,) = news.events(1)
        assert last.buyer_id == "the last", told(last)
    finally:
        call.cancel()


def test_an_assignment_says_what_the_caller_was_answered_and_when(scene: Scene):
    scene.opens(["a"])
    with watching(scene) as news:
        answer = scene.route("wang")
        (event,) = news.events(1)
    assert event.assignment == answer
    assert (event.shop_id, event.buyer_id) == (scene.shop_id, "wang")
    assert event.decided_at_ms == scene.now
    assert event.previous_conversation_id == ""


def test_what_leaves_everything_as_it_was_is_no_event(scene: Scene):
    scene.opens(["a"])
    with watching(scene) as news:
        answer = scene.route("wang", request_id="r")
        scene.route("wang", request_id="r")
        scene.route("wang")
        scene.says("wang")
        scene.replies("wang")
        scene.closes(answer)
        scene.offline("a")
        scene.route("li")
        scene.route("li")
        assert news.lines(2) == ["wang: AGENT a WEIGHTED c1", "li: POOLED OFFLINE_POOL"]


def test_who_leaves_the_pool_is_told_though_nobody_asked(scene: Scene):
    scene.opens(["a", "b"], online=[])
    with watching(scene) as news:
        scene.route("wang")
        scene.after(MINUTE).online("a")
        pooled, taken = news.events(2)
    assert (told(pooled), told(taken)) == (
        "wang: POOLED OFFLINE_POOL",
        "wang: AGENT a LEFT_POOL c1",
    )
    assert taken.decided_at_ms == scene.now


def test_the_queue_with_its_places_its_exits_and_cancelled_inquiries(scene: Scene):
    scene.opens([agent("a", cap=1)], queue_limit=5, queue_timeout_ms=10 * MINUTE)
    with watching(scene) as news:
        first = scene.route("b1")
        for buyer in ("b2", "b3", "b4"):
            scene.route(buyer)
        scene.after(MINUTE).cancel("b3")
        assert not scene.cancel("b3")
        events = news.events(5)
        assert [event.assignment.queue_position for event in events] == [0, 1, 2, 3, 0]
        assert [told(event) for event in events[3:]] == [
            "b4: QUEUED QUEUED_AT_CAP",
            "b3: CANCELLED",
        ]
        assert events[4].decided_at_ms == scene.now
        scene.closes(first)
        assert news.lines(1) == ["b2: AGENT a LEFT_QUEUE c2"]


def test_a_due_effect_is_told_with_its_own_time(scene: Scene):
    scene.opens([agent("a", cap=1)], queue_limit=5, queue_timeout_ms=10 * MINUTE)
    scene.route("b1")
    scene.route("b2")
    due = scene.now + 10 * MINUTE
    with watching(scene) as news:
        scene.after(25 * MINUTE).tick()
        (event,) = news.events(1)
    assert told(event) == "b2: POOLED NOBODY_FREE"
    assert event.decided_at_ms == due


def test_who_was_moved_is_told_with_the_conversation_left_behind(scene: Scene):
    scene.opens(["a", "b", "c"], online=["a"])
    with watching(scene) as news:
        first = scene.route("wang")
        scene.online("b")
        moved = scene.transfer(first, agent_id="b")
        scene.offline("a", "b")
        scene.online("c")
        result = scene.says("wang")
        scene.route("wang", exclude_agent_ids=["c"])
        assert news.lines(4) == [
            "wang: AGENT a WEIGHTED c1",
            "wang: AGENT b TRANSFER c2 < c1",
            "wang: AGENT c WEIGHTED c3 < c2",
            "wang: POOLED NOBODY_FREE < c3",
        ]
    assert (moved.conversation_id, result.reassigned.conversation_id) == ("c2", "c3")


def test_a_reply_timeout_moves_the_buyer(scene: Scene):
    scene.opens(["a", "b"], online=["a"], reply_timeout_ms=MINUTE)
    with watching(scene) as news:
        scene.route("wang")
        scene.online("b")
        scene.presence("a", SUSPENDED)
        scene.after(2 * MINUTE).tick()
        assert news.lines(2) == ["wang: AGENT a WEIGHTED c1", "wang: AGENT b REPLY_TIMEOUT c2 < c1"]


def test_from_the_robot_to_a_human(scene: Scene):
    scene.opens(
        ["a"],
        online=[],
        reception_mode=shop_pb2.RECEPTION_MODE_ROBOT_FIRST,
        robot_id="robo",
    )
    with watching(scene) as news:
        scene.route("wang")
        scene.route("wang", handoff=True)
        scene.online("a")
        assert news.lines(3) == [
            "wang: ROBOT robo ROBOT_FIRST c1",
            "wang: ROBOT robo HANDOFF_UNAVAILABLE c1",
            "wang: AGENT a LEFT_POOL c2 < c1",
        ]


def test_an_agents_first_word_is_told_though_nothing_was_decided(scene: Scene):
    scene.opens(["a"], online=[])
    scene.route("wang")
    with watching(scene) as news:
        scene.replies("wang", agent_id="a")
        scene.replies("wang", agent_id="a")
        (event,) = news.events(1)
    assert told(event) == "wang: AGENT a UNSPECIFIED c1"
    assert (event.assignment.decision_id, event.previous_conversation_id) == ("", "")
    assert event.decided_at_ms == scene.now


def test_who_waits_in_a_shop_that_is_deleted_is_told_as_cancelled(scene: Scene):
    scene.opens(["a"], online=[])
    with watching(scene) as news:
        scene.route("wang")
        scene.route("li")
        scene.call(
            "ShopService/DeleteShop",
            shop_pb2.DeleteShopRequest(shop_id=scene.shop_id, force=True),
            shop_pb2.DeleteShopResponse,
        )
        scene.opens(["a"], online=["a"])
        scene.route("zhang")
        _, _, *cancelled, assigned = news.events(5)
    assert [(event.buyer_id, event.HasField("assignment")) for event in cancelled] == [
        ("wang", False),
        ("li", False),
    ]
    assert all(event.decided_at_ms for event in cancelled)
    assert told(assigned) == "zhang: AGENT a WEIGHTED c1"


def test_conversations_that_end_with_their_shop_are_no_events(scene: Scene):
    scene.opens(["a"], online=["a"])
    with watching(scene) as news:
        scene.route("wang")
        scene.call(
            "ShopService/DeleteShop",
            shop_pb2.DeleteShopRequest(shop_id=scene.shop_id, force=True),
            shop_pb2.DeleteShopResponse,
        )
        scene.opens(["a"], online=["a"])
        scene.route("wang")
        first, second = news.events(2)
    assert (told(first), told(second)) == ("wang: AGENT a WEIGHTED c1", "wang: AGENT a WEIGHTED c2")
    assert second.previous_conversation_id == ""
