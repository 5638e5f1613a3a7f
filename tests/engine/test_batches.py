"""Batches: elements decided one by one, limits of the whole, and slices."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from google.rpc import status_pb2

from fenliu.v1 import dispatch_pb2
from model.wire import (
    BUYER,
    MINUTE,
    ONLINE,
    T0,
    Desk,
    batch_bytes,
    document,
    parse_entry,
    refusal_of,
    split_entries,
    status_bytes,
)

ROUTE, MESSAGE, ORDER = 4, 6, 15


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    desk = Desk(core)
    for desk.shop in ("t", "s"):
        desk.apply(**document(["a", "b"]))
        desk.set_presence("a", ONLINE)
    return desk


def route(buyer: str, shop: str = "s", **fields: Any) -> bytes:
    message = dispatch_pb2.RouteRequest(shop_id=shop, buyer_id=buyer, **fields)
    return message.SerializeToString()


def results(data: bytes) -> Any:
    return dispatch_pb2.RouteBatchResponse.FromString(data).results


def test_one_bad_element_fails_alone(desk: Desk) -> None:
    items = [
        route("m"),
        b"\x0a\x05s",
        b"",
        b"\x0a\x01s\x12\x01\xff",
        route("n", "nowhere"),
        route("o", dedicated_agent_id="nobody"),
        route("p"),
    ]
    code, data, total, batch_id, entries, decided = desk.engine.decide_batch(
        ROUTE, batch_bytes(items, 9), T0
    )
    assert (code, total, batch_id, decided) == (0, 7, 9, 7)
    got = results(data)
    assert [r.WhichOneof("result") for r in got] == ["response", *["status"] * 5, "response"]
    assert [refusal_of(r.status) for r in got[1:6]] == [
        (3, "MALFORMED_MESSAGE", "", "not a fenliu.v1.RouteRequest"),
        (3, "INVALID_FIELD", "shop_id", "required"),
        (3, "INVALID_FIELD", "buyer_id", "must be UTF-8"),
        (5, "SHOP_NOT_FOUND", "shop_id", "unknown shop"),
        (5, "AGENT_NOT_FOUND", "dedicated_agent_id", "unknown agent"),
    ]
    assert [got[0].response.decision_id, got[6].response.decision_id] == ["d1", "d2"]
    [(partition, count, logged)] = entries
    assert (partition, count) == (desk.core.partition_of("s", desk.partitions), 2)
    assert [parse_entry(e).route.buyer_id for e in split_entries(logged)] == ["m", "p"]


def test_elements_are_decided_in_order_each_as_a_command_of_its_own(desk: Desk) -> None:
    one_by_one = Desk(desk.core)
    one_by_one.apply(**document(["a", "b"]))
    one_by_one.set_presence("a", ONLINE)
    requests = [("m", "r1"), ("n", ""), ("m", "r1"), ("m", "")]
    items = [route(b, request_id=r) for b, r in requests]
    _, data, _, _, [(_, _, logged)], _ = desk.engine.decide_batch(ROUTE, batch_bytes(items), T0)
    singles = [one_by_one.route(b, request_id=r) for b, r in requests]
    assert [r.response for r in results(data)] == [s.ok for s in singles]
    assert logged == b"".join(s.entry for s in singles)
    assert results(data)[2].response.decision_id == "d1"
    assert desk.engine.snapshot("s") == one_by_one.engine.snapshot("s")


def test_slices_concatenate_to_the_whole(desk: Desk) -> None:
    items = [route(f"m{n}", "st"[n % 2]) for n in range(11)]
    items[4] = b"\x0f"
    data = batch_bytes(items, 3)
    twin = Desk(desk.core)
    for twin.shop in ("t", "s"):
        twin.apply(**document(["a", "b"]))
        twin.set_presence("a", ONLINE)
    _, whole, _, _, logged, _ = twin.engine.decide_batch(ROUTE, data, T0)
    sliced, parts = b"", {}
    for first in range(0, 11, 3):
        answer = desk.engine.decide_batch(ROUTE, data, T0, first, 3)
        code, part, total, batch_id, entries, decided = answer
        assert (code, total, batch_id) == (0, 11, 3)
        assert len(results(part)) == decided == min(3, 11 - first)
        sliced += part
        for partition, count, entry in entries:
            n, all_of = parts.get(partition, (0, b""))
            parts[partition] = (n + count, all_of + entry)
    assert sliced == whole
    assert [(p, *parts[p]) for p in sorted(parts)] == logged
    assert desk.engine.state_hash() == twin.engine.state_hash()


def test_a_slice_beyond_the_end_is_empty(desk: Desk) -> None:
    before = desk.engine.state_hash()
    data = batch_bytes([route("m")])
    assert desk.engine.decide_batch(ROUTE, data, T0, 1, 5) == (0, b"", 1, 0, [], 0)
    assert desk.engine.decide_batch(ROUTE, data, T0, 9, 5) == (0, b"", 1, 0, [], 0)
    assert desk.engine.decide_batch(ROUTE, data, T0, 0, 0) == (0, b"", 1, 0, [], 0)
    assert desk.engine.decide_batch(ROUTE, b"", T0) == (0, b"", 0, 0, [], 0)
    assert desk.engine.state_hash() == before


def test_entries_come_by_ascending_partition(desk: Desk) -> None:
    shops = [f"shop{n}" for n in range(12)]
    for desk.shop in shops:
        desk.apply(**document(["a"]))
    items = [route("m", shop) for shop in [*shops, *shops]]
    _, _, _, _, entries, _ = desk.engine.decide_batch(ROUTE, batch_bytes(items), T0)
    partitions = [p for p, _, _ in entries]
    assert partitions == sorted(set(partitions))
    assert len(partitions) > 3
    for partition, count, data in entries:
        named = [parse_entry(e).route.shop_id for e in split_entries(data)]
        assert len(named) == count
        expected = [s for s in shops if desk.core.partition_of(s, desk.partitions) == partition]
        assert named == expected * 2


def test_message_batches_are_decided_the_same_way(desk: Desk) -> None:
    desk.route("m")
    items = [
        dispatch_pb2.MessageEvent(
            shop_id="s", buyer_id="m", sender=BUYER, event_id="e", sent_at_ms=1
        ).SerializeToString()
    ]
    items += [items[0], b"\x0f"]
    code, data, total, _, [(_, count, _)], _ = desk.engine.decide_batch(
        MESSAGE, batch_bytes(items), T0
    )
    assert (code, total, count) == (0, 3, 1)
    first, again, bad = dispatch_pb2.ReportMessagesBatchResponse.FromString(data).results
    assert (first.clamped, first.duplicate) == (True, False)
    assert (again.clamped, again.duplicate) == (False, True)
    rule = "not a fenliu.v1.MessageEvent"
    assert refusal_of(bad.status) == (3, "MALFORMED_MESSAGE", "", rule)


def test_an_uneventful_result_is_there_all_the_same(desk: Desk) -> None:
    event = dispatch_pb2.MessageEvent(shop_id="s", buyer_id="m", sender=BUYER)
    items = [event.SerializeToString()] * 3
    _, data, _, _, _, _ = desk.engine.decide_batch(MESSAGE, batch_bytes(items), T0)
    assert data == b"\x0a\x00" * 3


@pytest.mark.parametrize(
    ("kind", "field", "full_name"),
    [
        (ROUTE, "requests", "fenliu.v1.RouteBatchRequest"),
        (MESSAGE, "events", "fenliu.v1.ReportMessagesBatchRequest"),
        (ORDER, "orders", "fenliu.v1.ReportOrdersRequest"),
    ],
)
def test_the_whole_batch_has_limits(desk: Desk, kind: int, field: str, full_name: str) -> None:
    before = desk.engine.state_hash()

    def refused(data: bytes) -> tuple[int, str, str, str]:
        code, reply, total, batch_id, entries, decided = desk.engine.decide_batch(kind, data, T0)
        assert (total, batch_id, entries, decided) == (0, 0, [], 0)
        refusal = refusal_of(status_pb2.Status.FromString(reply))
        assert reply == status_bytes(refusal)
        assert refusal[0] == code
        return refusal

    too_big = (3, "INVALID_FIELD", field, "at most 1048576 bytes")
    too_many = (3, "INVALID_FIELD", field, "at most 4096 elements")
    no_such = (3, "MALFORMED_MESSAGE", "", f"not a {full_name}")
    assert refused(b"\xff" * 1048577) == too_big
    assert refused(b"\xff" * 1048576) == no_such
    assert refused(b"\x0a\x05ab") == no_such
    assert refused(b"\x08\x01") == no_such
    assert refused(b"\x12\x00") == no_such  # batch_id is no bytes
    assert refused(b"\x0a\x00" * 4097) == too_many
    assert refused(b"\x0a\x00" * 4097 + b"\x0f") == no_such
    code, _, total, _, _, _ = desk.engine.decide_batch(kind, b"\x0a\x00" * 4096, T0)
    assert (code, total) == (0, 4096)
    assert desk.engine.state_hash() == before


def test_unknown_fields_of_a_batch_are_skipped_and_the_last_batch_id_counts(desk: Desk) -> None:
    data = b"\x1a\x02hi" + batch_bytes([route("m")], 5) + b"\x20\x01" + b"\x10\x06"
    code, _, total, batch_id, _, _ = desk.engine.decide_batch(ROUTE, data, T0)
    assert (code, total, batch_id) == (0, 1, 6)


def test_a_batch_applies_what_is_due_once(desk: Desk) -> None:
    desk.route("m")
    items = [route("n"), route("o")]
    _, _, _, _, [(_, count, data)], _ = desk.engine.decide_batch(
        ROUTE, batch_bytes(items), T0 + 30 * MINUTE
    )
    assert count == 2
    first, second = (parse_entry(e) for e in split_entries(data))
    assert [f.WhichOneof("fact") for f in first.facts] == ["conversation_closed", "decided"]
    assert [f.WhichOneof("fact") for f in second.facts] == ["decided"]
