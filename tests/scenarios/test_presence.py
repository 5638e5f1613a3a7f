"""Presence as dispatch sees it: states, awaiting, and sessions (their leases: tests/rpc/test_presence.py)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fenliu.v1 import presence_pb2, types_pb2
from support.scene import (
    MINUTE,
    OFFLINE,
    ONLINE,
    SUSPENDED,
    Scene,
    agent,
    brief,
)


def test_a_new_agent_is_offline(scene: Scene):
    scene.opens(["a"], online=[])
    state = scene.agents()["a"]
    assert (state.status, state.cause) == (OFFLINE, types_pb2.PRESENCE_CAUSE_UNSPECIFIED)
    assert brief(scene.route("wang")) == "POOLED OFFLINE_POOL"


def test_online_receives_everything(scene: Scene):
    scene.opens(["a"])
    assert brief(scene.route("wang")) == "AGENT a WEIGHTED"


def test_suspended_receives_no_new_buyers_but_their_own(scene: Scene):
    scene.opens(["a", "b"])
    scene.route("open")
    scene.replies("recent", agent_id="a")
    scene.presence("a", SUSPENDED)
    assert brief(scene.route("new")) == "AGENT b WEIGHTED"
    assert brief(scene.route("named", dedicated_agent_id="a")) == "AGENT b WEIGHTED"
    assert brief(scene.route("open")) == "AGENT a OPEN_CONVERSATION"
    scene.after(31 * MINUTE)
    assert brief(scene.route("recent")) == "AGENT a RECENT_CONTACT"


def test_offline_receives_nothing(scene: Scene):
    scene.opens(["a", "b"])
    scene.route("open")
    scene.replies("recent", agent_id="a")
    scene.offline("a")
    told = {brief(scene.route(one, dedicated_agent_id="a")) for one in ("open", "recent", "new")}
    assert told == {"AGENT b WEIGHTED"}


def test_what_a_manager_sets_says_so_and_since_when(scene: Scene):
    scene.opens(["a"])
    since = scene.now
    scene.after(MINUTE).presence("a", ONLINE)  # No change of status.
    state = scene.agents()["a"]
    assert (state.cause, state.since_ms) == (types_pb2.PRESENCE_CAUSE_MANAGER, since)


def test_busy_agents_weigh_less_but_something(scene: Scene):
    scene.opens([agent("a", weight=5), agent("b", weight=1), agent("c", weight=0)])
    for awaiting, weight in ((0, 5120), (4, 5120), (5, 4266), (9, 2560), (99, 256)):
        scene.presence("a", ONLINE, awaiting=awaiting)
        assert scene.agents()["a"].effective_weight == weight
    scene.presence("b", ONLINE, awaiting=1_000_000)
    assert scene.agents()["b"].effective_weight == 1
    assert scene.agents()["c"].effective_weight == 0


def test_busy_threshold_is_a_setting(scene: Scene):
    scene.opens(["a"], busy_threshold=0)
    scene.presence("a", ONLINE, awaiting=1)
    assert scene.agents()["a"].effective_weight == 2560
    scene.changes(busy_threshold=1)
    assert scene.agents()["a"].effective_weight == 5120


def test_absolute_awaiting_goes_up_by_one_with_each_assignment(scene: Scene):
    scene.opens(["a"])
    scene.presence("a", ONLINE, awaiting=3)
    scene.routes(["b1", "b2"])
    assert scene.agents()["a"].awaiting == 5
    scene.presence("a", ONLINE, awaiting=1)
    assert scene.agents()["a"].awaiting == 1
    scene.presence("a", ONLINE)  # Not given: as it was.
    assert scene.agents()["a"].awaiting == 1


def test_the_first_message_event_goes_back_to_derived_awaiting(scene: Scene):
    scene.opens(["a"])
    scene.presence("a", ONLINE, awaiting=50)
    scene.routes(["b1", "b2", "b3"])
    scene.replies("b1")
    assert scene.agents()["a"].awaiting == 2


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"status": 0}, "status", "required"),
        ({"status": 9}, "status", "unknown value"),
        ({"status": ONLINE, "awaiting": -1}, "awaiting", "must be within 0..1000000"),
        ({"status": ONLINE, "awaiting": 1_000_001}, "awaiting", "must be within 0..1000000"),
    ],
)
def test_what_is_no_state_is_refused(scene: Scene, fields: dict[str, int], field: str, rule: str):
    scene.opens(["a"])
    with scene.refused("INVALID_FIELD", field, rule):
        scene.presence("a", **fields)


def test_the_state_of_an_unknown_agent_is_refused(scene: Scene):
    scene.opens(["a"])
    with scene.refused("AGENT_NOT_FOUND", "agent_id", code="NOT_FOUND"):
        scene.presence("nobody", ONLINE)


def test_a_sessions_updates_are_acknowledged_one_by_one_and_let_the_pool_out(scene: Scene):
    scene.opens(["a", "b"], online=[])
    scene.route("wang")
    scene.news()

    def messages() -> Iterator[bytes]:
        hello = presence_pb2.PresenceHello(session_id=scene.shop_id)
        yield presence_pb2.StreamPresenceRequest(hello=hello).SerializeToString()
        updates = [
            presence_pb2.PresenceUpdate(
                update_id=f"u-{one}", shop_id=scene.shop_id, agent_id=one, status=status
            )
            for one, status in (("a", SUSPENDED), ("nobody", ONLINE), ("b", ONLINE))
        ]
        yield presence_pb2.StreamPresenceRequest(updates=updates).SerializeToString()

    stream = scene.server.channel.stream_stream("/fenliu.v1.PresenceService/StreamPresence")
    answers = stream(messages(), metadata=[("fenliu-now-ms", str(scene.now))], timeout=30)
    welcome, acks = (presence_pb2.StreamPresenceResponse.FromString(raw) for raw in answers)
    assert welcome.welcome.resume_token
    assert [(ack.update_id, ack.HasField("status")) for ack in acks.acks] == [
        ("u-a", False),
        ("u-nobody", True),
        ("u-b", False),
    ]
    assert scene.news() == ["wang: AGENT b LEFT_POOL"]
    state = scene.agents()["a"]
    assert (state.status, state.cause, state.session_id) == (
        SUSPENDED,
        types_pb2.PRESENCE_CAUSE_SESSION,
        scene.shop_id,
    )
