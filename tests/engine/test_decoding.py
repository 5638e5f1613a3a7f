"""How bodies are read: what is no message, what is skipped, and where text is not text."""

from __future__ import annotations

from collections import Counter
from random import Random
from types import ModuleType

import pytest
from google.protobuf.message import DecodeError

from fenliu.v1 import dispatch_pb2, shop_pb2
from model import commands
from model.cores import both_cores
from model.wire import COMMANDS, ONLINE, QUERIES, T0, Desk, document, status_bytes


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    desk = Desk(core)
    desk.apply(**document(["a", "b"]))
    desk.set_presence("a", ONLINE)
    return desk


ROUTE = dispatch_pb2.RouteRequest(shop_id="s", buyer_id="b").SerializeToString()


def malformed(name: str) -> tuple[int, str, str, str]:
    full_name = COMMANDS[name][1].DESCRIPTOR.full_name
    return 3, "MALFORMED_MESSAGE", "", f"not a {full_name}"


@pytest.mark.parametrize("name", sorted(COMMANDS))
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x0a\x05s", id="truncated"),
        pytest.param(b"\x0a", id="no length"),
        pytest.param(b"\x0a\x80", id="half a length"),
        pytest.param(b"\x80", id="half a tag"),
        pytest.param(b"\x08\x01", id="field 1 with another wire type"),
        pytest.param(b"\x00\x01", id="field number 0"),
        pytest.param(b"\x0e", id="wire type 6"),
        pytest.param(b"\x0f", id="wire type 7"),
        pytest.param(b"\xff" * 10 + b"\x01", id="a varint of eleven bytes"),
        pytest.param(b"garbage: not a message", id="garbage"),
    ],
)
def test_what_is_no_such_message_is_refused(desk: Desk, name: str, body: bytes) -> None:
    before = desk.engine.state_hash()
    result = desk.raw(name, body)
    assert result.refusal == malformed(name)
    assert result.reply == status_bytes(malformed(name))
    assert (result.partition, result.entry) == (-1, b"")
    assert desk.engine.state_hash() == before


def test_a_cut_anywhere_is_refused_or_leaves_a_shorter_message(desk: Desk) -> None:
    whole = dispatch_pb2.RouteRequest(
        shop_id="s", buyer_id="b", order_status=3, priority=4, exclude_agent_ids=["a", "b"]
    ).SerializeToString()
    unreadable = 0
    for end in range(len(whole)):
        result = desk.raw("route", whole[:end])
        try:
            dispatch_pb2.RouteRequest.FromString(whole[:end])
        except DecodeError:
            assert result.refusal == malformed("route")
            unreadable += 1
        else:
            assert result.code == 0 or result.refusal[1] == "INVALID_FIELD"
    assert unreadable > 5


@pytest.mark.parametrize(
    ("name", "body", "path"),
    [
        ("route", b"\x0a\x01s\x12\x01\xff", "buyer_id"),
        ("route", b"\x0a\x02\xc3\x28\x12\x01\xff", "shop_id"),
        ("route", b"\x0a\x01s\x12\x01b\x5a\x01a\x5a\x02\xed\xa0", "exclude_agent_ids"),
        ("route", b"\x0a\x03\xed\xa0\x80", "shop_id"),  # a surrogate
        ("route", b"\x0a\x02\xc0\x80", "shop_id"),  # overlong
        ("route", b"\x0a\x04\xf4\x90\x80\x80", "shop_id"),  # above U+10FFFF
        ("apply_shop", b"\x0a\x05\x2a\x03\x0a\x01\xff", "shop.agents.agent_id"),
        ("apply_shop", b"\x0a\x07\x32\x05\x2a\x03\x0a\x01\xff", "shop.groups.bindings.product_ids"),
        (
            "apply_shop",
            b"\x0a\x08\x22\x06\xb2\x01\x03\x12\x01\xff",
            "shop.settings.buyer_agents.agent_id",
        ),
        ("update_presence", b"\x12\x03\x1a\x01\x80", "update.agent_id"),
        ("set_weights", b"\x12\x03\x0a\x01\x80", "weights.agent_id"),
        ("tick", b"\x0a\x01\x80", "shop_id"),
    ],
)
def test_text_that_is_not_utf8_is_named_by_its_path(
    desk: Desk, name: str, body: bytes, path: str
) -> None:
    expected = (3, "INVALID_FIELD", path, "must be UTF-8")
    assert desk.raw(name, body).refusal == expected


def test_the_first_thing_wrong_from_the_start_is_reported(desk: Desk) -> None:
    bad_text, truncated = b"\x12\x01\xff", b"\x0a\x05s"
    assert desk.raw("route", bad_text + truncated).refusal[1] == "INVALID_FIELD"
    wrong_type = b"\x08\x01"
    assert desk.raw("route", wrong_type + bad_text).refusal[1] == "MALFORMED_MESSAGE"


def test_text_in_unknown_fields_need_not_be_utf8(desk: Desk) -> None:
    assert desk.raw("route", ROUTE + b"\xa2\x06\x01\xff").code == 0


def test_unknown_fields_are_dropped_before_logging(desk: Desk) -> None:
    tail = b"\xa0\x06\x05" + b"\xa2\x06\x02hi" + b"\xa5\x06abcd" + b"\xa1\x06abcdefgh"
    twin = Desk(desk.core)
    twin.apply(**document(["a", "b"]))
    twin.set_presence("a", ONLINE)
    assert desk.raw("route", tail + ROUTE + tail).entry == twin.raw("route", ROUTE).entry
    assert desk.engine.state_hash() == twin.engine.state_hash()


def test_unknown_fields_do_not_make_a_repeat_another_body(desk: Desk) -> None:
    body = dispatch_pb2.RouteRequest(shop_id="s", buyer_id="b", request_id="r").SerializeToString()
    first = desk.raw("route", body)
    again = desk.raw("route", b"\xa0\x06\x05" + body)
    assert (again.code, again.reply) == (0, first.reply)


def test_fields_may_come_in_any_order_and_the_last_one_counts(desk: Desk) -> None:
    body = b"\x12\x05other\x12\x01b\x0a\x01s"
    assert desk.raw("route", body).logged.route == dispatch_pb2.RouteRequest.FromString(ROUTE)


def test_a_message_given_twice_is_merged(desk: Desk) -> None:
    one = shop_pb2.ApplyShopRequest(shop=shop_pb2.Shop(shop_id="n", agents=[{"agent_id": "a"}]))
    two = shop_pb2.ApplyShopRequest(
        shop=shop_pb2.Shop(display_name="two", agents=[{"agent_id": "b"}])
    )
    result = desk.raw("apply_shop", one.SerializeToString() + two.SerializeToString())
    assert [a.agent_id for a in result.ok.shop.agents] == ["a", "b"]
    assert (result.ok.shop.shop_id, result.ok.shop.display_name) == ("n", "two")


def test_repeated_numbers_may_be_packed_or_not(desk: Desk) -> None:
    packed = shop_pb2.ApplyShopRequest(
        shop=shop_pb2.Shop(shop_id="n", settings={"binding_precedence": [3, 1]})
    ).SerializeToString()
    settings = b"\x30\x03" + b"\x30\x01"
    shop = b"\x0a\x01n" + b"\x22" + bytes([len(settings)]) + settings
    unpacked = b"\x0a" + bytes([len(shop)]) + shop
    first = desk.raw("apply_shop", packed)
    assert list(first.ok.shop.settings.binding_precedence) == [3, 1]
    again = desk.raw("apply_shop", unpacked)
    assert not again.ok.changed
    mixed = b"\x30\x03" + b"\x32\x01\x01"
    shop = b"\x0a\x01n" + b"\x22" + bytes([len(mixed)]) + mixed
    assert not desk.raw("apply_shop", b"\x0a" + bytes([len(shop)]) + shop).ok.changed


def test_default_values_on_the_wire_are_not_logged(desk: Desk) -> None:
    plain = ROUTE + b"\x1a\x00" + b"\x20\x00" + b"\x48\x00" + b"\x50\x00"
    assert desk.raw("route", plain).logged.route.SerializeToString() == ROUTE


def test_numbers_are_cut_to_their_size_as_protobuf_does(desk: Desk) -> None:
    # priority is an int32: 2**32 + 3 is read as 3.
    body = ROUTE + b"\x48\x83\x80\x80\x80\x10"
    assert desk.raw("route", body).logged.route.priority == 3


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_queries_are_read_the_same_way(desk: Desk, name: str) -> None:
    kind, message, _ = QUERIES[name]
    code, reply, partition = desk.engine.query(kind, b"\x0f")
    rule = f"not a {message.DESCRIPTOR.full_name}"
    assert (code, partition) == (3, -1)
    assert reply == status_bytes((3, "MALFORMED_MESSAGE", "", rule))
    field, path = (b"\x12", "page_token") if name == "list_shops" else (b"\x0a", "shop_id")
    _, reply, _ = desk.engine.query(kind, field + b"\x01\xff")
    assert reply == status_bytes((3, "INVALID_FIELD", path, "must be UTF-8"))


def test_a_number_of_more_than_64_bits_is_malformed(desk: Desk) -> None:
    for last in (2, 0x41, 0x7F):
        body = ROUTE + b"\x48" + b"\xff" * 9 + bytes([last])
        assert desk.raw("route", body).refusal == malformed("route")
    minus_one = ROUTE + b"\x48" + b"\xff" * 9 + b"\x01"
    assert desk.raw("route", minus_one).refusal[2] == "priority"


@pytest.mark.parametrize("size", range(1, 11))
def test_lengths_and_tags_may_be_longer_than_they_need(desk: Desk, size: int) -> None:
    def padded(number: int) -> bytes:
        if size == 1:
            return bytes([number])
        return bytes([number | 0x80]) + b"\x80" * (size - 2) + b"\x00"

    body = padded(0x0A) + padded(1) + b"s" + padded(0x12) + padded(1) + b"b"
    result = desk.raw("route", body)
    assert result.code == 0
    assert result.logged.route.SerializeToString() == ROUTE


def test_a_body_may_be_empty(desk: Desk) -> None:
    assert desk.raw("route", b"", T0).refusal == (3, "INVALID_FIELD", "shop_id", "required")
    assert desk.raw("apply_shop", b"", T0).refusal == (3, "INVALID_FIELD", "shop", "required")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            14,
            b"3\x01s\x12\xbcbuye\xcd43\x01s\x12\xbcbuye\xcd43\x01s\x12\xbcbuye\xcd43\x01s\x12\xbcbuye\xcd4",
        ),
        (
            12,
            b"\n\x01t\x12\x06buye\xb80*\x02p22\x04\x80\x80\x80size:\x06searchP\x01Z!aZ\x01bZ\x01d",
        ),
    ],
)
def test_in_an_unknown_group_too_every_field_must_be_one(
    core: ModuleType, kind: int, body: bytes
) -> None:
    """Found by fuzzing: there is no field 0."""
    code, status, _, entry = core.Engine(4).decide(kind, body, T0)
    assert (code, entry) == (3, b"")
    assert b"MALFORMED_MESSAGE" in status


def mutated(rng: Random, body: bytes) -> bytes:
    """The body with one to three bytes changed, put in or left out, or cut off."""
    data = bytearray(body)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data) + 1)
        how = rng.randrange(5)
        if how == 0:
            data[at:at] = rng.choice(ODD_BYTES)
        elif how == 1:
            data = data[:at]
        elif at < len(data):
            if how == 2:
                del data[at]
            else:
                data[at] ^= 1 << rng.randrange(8)
    return bytes(data)


ODD_BYTES = [
    b"\x0b\x0c",  # a group of field 1
    b"\xa3\x06\x0a\x01a\xa4\x06",  # an unknown group
    b"\xa3\x06",  # one that does not end
    b"\xfa\xff\xff\xff\x0f\x00",  # the highest field number
    b"\x82\x80\x80\x80\x10\x00",  # one above it
    b"\x8a\x80\x00\x01s",  # field 1 with a longer tag than it needs
    b"\x80",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
    b"\xff",
]


def test_both_cores_read_damaged_bodies_the_same_way() -> None:
    found = both_cores()
    rng = Random(5)
    engines = [core.Engine(4) for core in found]
    shop = shop_pb2.Shop(shop_id="s", **document(["a", "b"]))
    body = shop_pb2.ApplyShopRequest(shop=shop).SerializeToString()
    for engine in engines:
        engine.decide(10, body, T0)
    codes: Counter[int] = Counter()
    for number in range(2500):
        name, message = rng.choice(
            [
                ("route", commands.route(rng)),
                ("message", commands.message(rng, 20, T0)),
                ("apply_shop", commands.apply_shop(rng, [])),
                ("update_presence", commands.update_presence(rng)),
                ("set_weights", commands.set_weights(rng, [])),
                ("close_conversation", commands.close_conversation(rng, 20)),
            ]
        )
        whole = message.SerializeToString()
        damaged = mutated(rng, whole)
        answers = [e.decide(COMMANDS[name][0], damaged, T0 + number) for e in engines]
        assert answers[0] == answers[1], f"{name} {damaged.hex()}"
        codes[answers[0][0]] += 1
    assert engines[0].state_hash() == engines[1].state_hash()
    assert codes[3] > 500
    assert codes[0] > 50
