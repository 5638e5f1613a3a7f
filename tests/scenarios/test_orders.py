"""Orders: kept for the reports, counted once, and nothing that dispatch looks at."""

from __future__ import annotations

from typing import Any

import pytest

from fenliu.v1 import dispatch_pb2
from support.scene import DAY, HOUR, MINUTE, Scene

CREATED = dispatch_pb2.ORDER_EVENT_TYPE_CREATED
PAID = dispatch_pb2.ORDER_EVENT_TYPE_PAID
REFUNDED = dispatch_pb2.ORDER_EVENT_TYPE_REFUNDED


def order(scene: Scene, **fields: Any) -> dispatch_pb2.OrderEvent:
    known = {"shop_id": scene.shop_id, "buyer_id": "wang", "order_id": "o1", "type": PAID}
    return dispatch_pb2.OrderEvent(**{**known, **fields})


@pytest.mark.parametrize("kind", [CREATED, PAID, REFUNDED])
def test_an_order_is_kept_in_the_log_as_reported(scene: Scene, kind: dispatch_pb2.OrderEventType):
    scene.opens(["a"])
    reported = order(
        scene, type=kind, amount_cents=129_00, items=2, occurred_at_ms=scene.now - HOUR
    )
    (result,) = scene.orders(reported)
    assert not result.HasField("status") and not result.duplicate
    entry = scene.entries()[-1]
    assert entry.order == reported
    assert entry.facts[0].order_noted.at_ms == scene.now - HOUR


def test_an_order_changes_nothing_of_dispatch(scene: Scene):
    scene.opens(["a"])
    before = scene.state_hash()
    scene.orders(order(scene))
    assert scene.state_hash() == before


def test_a_time_not_given_is_now_and_one_in_the_future_is_moved_to_the_skew(scene: Scene):
    scene.opens(["a"])
    scene.orders(order(scene), order(scene, occurred_at_ms=scene.now + DAY))
    times = [entry.facts[0].order_noted.at_ms for entry in scene.entries()[-2:]]
    assert times == [scene.now, scene.now + 5 * MINUTE]


def test_a_repeated_order_event_counts_once_for_24_hours(scene: Scene):
    scene.opens(["a"])
    first, again = scene.orders(order(scene, event_id="e"), order(scene, event_id="e"))
    assert (first.duplicate, again.duplicate) == (False, True)
    kept = len(scene.entries())
    scene.after(DAY)
    assert scene.orders(order(scene, event_id="e"))[0].duplicate
    assert len(scene.entries()) == kept
    scene.after(1)
    assert not scene.orders(order(scene, event_id="e"))[0].duplicate


def test_orders_and_messages_do_not_share_event_ids(scene: Scene):
    scene.opens(["a"])
    scene.replies("wang", agent_id="a", event_id="e")
    assert not scene.orders(order(scene, event_id="e"))[0].duplicate


BAD = [
    ({"type": 0}, "type: required"),
    ({"type": 9}, "type: unknown value"),
    ({"buyer_id": ""}, "buyer_id: required"),
    ({"order_id": ""}, "order_id: required"),
    ({"shop_id": "nowhere"}, "shop_id: unknown shop"),
    ({"amount_cents": -1}, "amount_cents: must be within 0..9007199254740991"),
    ({"items": 1_000_000_001}, "items: must be within 0..1000000000"),
    ({"occurred_at_ms": -1}, "occurred_at_ms: must be within 0..9007199254740991"),
]


@pytest.mark.parametrize(("fields", "message"), BAD, ids=[message for _, message in BAD])
def test_a_bad_order_fails_alone(scene: Scene, fields: dict[str, Any], message: str):
    scene.opens(["a"])
    before = len(scene.entries())
    good, bad, after = scene.orders(order(scene), order(scene, **fields), order(scene))
    assert bad.status.message == message
    assert not good.HasField("status") and not after.HasField("status")
    assert len(scene.entries()) == before + 2


def test_a_batch_of_orders_has_its_limit(scene: Scene):
    scene.opens(["a"])
    with scene.refused("INVALID_FIELD", "orders", "at most 4096 elements"):
        scene.orders(*[dispatch_pb2.OrderEvent()] * 4097)
