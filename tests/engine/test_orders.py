"""Order events: noted in the log for the reports, and nothing else."""

from __future__ import annotations

from types import ModuleType

import pytest

from model.wire import AGENT, DAY, MINUTE, T0, Desk, batch_bytes, document, request

CREATED, PAID = 1, 2


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    desk = Desk(core)
    desk.apply(**document(["a"]))
    return desk


def test_an_order_is_noted_at_its_time(desk: Desk) -> None:
    result = desk.order("m", T0 + 5, type=PAID, amount_cents=1250, items=2, occurred_at_ms=T0 - DAY)
    assert result.reply == b""
    assert result.facts == [("order_noted", {"at_ms": T0 - DAY})]
    logged = result.logged.order
    assert (logged.order_id, logged.type, logged.amount_cents, logged.items) == ("o", PAID, 1250, 2)
    assert desk.state.last_now_ms == T0 + 5


@pytest.mark.parametrize(
    ("said", "noted"),
    [(0, T0), (1, 1), (T0 + 5 * MINUTE, T0 + 5 * MINUTE), (T0 + DAY, T0 + 5 * MINUTE)],
)
def test_an_order_is_not_of_the_future(desk: Desk, said: int, noted: int) -> None:
    result = desk.order("m", T0, occurred_at_ms=said)
    assert result.facts == [("order_noted", {"at_ms": noted})]
    assert desk.state.clamped_timestamps == 0


def test_a_repeat_within_24_hours_is_ignored_whatever_it_says(desk: Desk) -> None:
    desk.order("m", event_id="e")
    before = desk.engine.state_hash()
    again = desk.order("n", T0 + DAY, event_id="e", type=PAID, order_id="other")
    assert (again.ok.duplicate, again.entry) == (True, b"")
    assert desk.engine.state_hash() == before
    later = desk.order("m", T0 + DAY + 1, event_id="e")
    assert (later.ok.duplicate, len(later.facts)) == (False, 1)


def test_orders_and_messages_remember_apart(desk: Desk) -> None:
    desk.order("m", event_id="e")
    assert not desk.message(AGENT, buyer_id="m", agent_id="a", event_id="e").ok.duplicate
    assert [e.event_id for e in desk.state.events] == ["e"]
    assert [e.event_id for e in desk.state.order_events] == ["e"]


def test_an_order_changes_nothing_but_time(desk: Desk) -> None:
    desk.message(AGENT, buyer_id="m", agent_id="a")
    before = desk.state
    desk.order("m", T0 + 1)
    before.last_now_ms = T0 + 1
    assert desk.state == before


def test_orders_come_in_batches(desk: Desk) -> None:
    good = request("order", shop_id="s", buyer_id="m", order_id="o", type=CREATED, event_id="e")
    bad = request("order", shop_id="s", buyer_id="m", order_id="", type=CREATED)
    items = [good.SerializeToString(), bad.SerializeToString(), good.SerializeToString(), b"\x0f"]
    code, data, total, _, entries, _ = desk.engine.decide_batch(15, batch_bytes(items), T0)
    assert (code, total) == (0, 4)
    results = _results(data)
    assert [(r.duplicate, r.status.code) for r in results] == [
        (False, 0),
        (False, 3),
        (True, 0),
        (False, 3),
    ]
    [(_, count, _)] = entries
    assert count == 1


def _results(data: bytes):
    from fenliu.v1 import dispatch_pb2

    return dispatch_pb2.ReportOrdersResponse.FromString(data).results
