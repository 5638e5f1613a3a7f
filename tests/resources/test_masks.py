"""Masks: what an update takes over, for any document and any mask."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st

from fenliu.resources.masks import MaskError, update
from fenliu.v1 import shop_pb2

FIXED = {"shop_id", "etag"}
WORDS = st.text(alphabet="abc", max_size=2)
NUMBERS = st.none() | st.integers(0, 3)
SETTINGS = st.builds(
    shop_pb2.ShopSettings,
    busy_threshold=NUMBERS,
    sticky_window_ms=NUMBERS,
    queue_limit=st.integers(0, 3),
    charge_sticky=st.booleans(),
    robot_id=WORDS,
    binding_precedence=st.lists(st.integers(1, 4), max_size=2),
)
AGENTS = st.lists(st.builds(shop_pb2.Agent, agent_id=WORDS, weight=NUMBERS), max_size=2)
SHOPS = st.builds(
    shop_pb2.Shop,
    shop_id=st.just("s"),
    etag=WORDS,
    display_name=WORDS,
    settings=st.none() | SETTINGS,
    agents=AGENTS,
)
PATHS = [
    "display_name",
    "agents",
    "settings.busy_threshold",
    "settings.sticky_window_ms",
    "settings.queue_limit",
    "settings.charge_sticky",
    "settings.robot_id",
    "settings.binding_precedence",
]
MASKS = st.lists(st.sampled_from(PATHS), min_size=1, unique=True)


def value(shop: shop_pb2.Shop, path: str) -> tuple[Any, bool]:
    """A field's value, and whether it is set where that can be told."""
    message: Any = shop
    *parents, name = path.split(".")
    for parent in parents:
        message = getattr(message, parent)
    field = message.DESCRIPTOR.fields_by_name[name]
    found = getattr(message, name)
    found = list(found) if field.is_repeated else found
    return found, message.HasField(name) if field.has_presence else True


def updated(stored: shop_pb2.Shop, shop: shop_pb2.Shop, *paths: str) -> shop_pb2.Shop:
    copy = shop_pb2.Shop()
    copy.CopyFrom(stored)
    update(copy, shop, FieldMask(paths=paths), fixed=FIXED)
    return copy


@given(SHOPS, SHOPS, MASKS)
def test_fields_of_the_mask_are_as_given_and_all_others_as_stored(stored, shop, paths):
    after = updated(stored, shop, *paths)
    for path in PATHS:
        assert value(after, path) == value(shop if path in paths else stored, path)
    assert (after.shop_id, after.etag) == (stored.shop_id, stored.etag)


@given(SHOPS, SHOPS, MASKS)
def test_an_update_and_the_one_back_leave_everything_as_it_was(stored, shop, paths):
    there = updated(stored, shop, *paths)
    back = updated(there, stored, *paths)
    for path in PATHS:
        assert value(back, path) == value(stored, path)


@given(SHOPS, SHOPS)
def test_all_fields_are_named_by_a_star(stored, shop):
    after = updated(stored, shop, "*")
    after.shop_id, after.etag = shop.shop_id, shop.etag
    assert after == shop


@given(SHOPS, SHOPS)
def test_without_a_mask_what_is_not_set_stays(stored, shop):
    after = updated(stored, shop)
    merged = shop_pb2.Shop()
    merged.CopyFrom(stored)
    if shop.agents:
        del merged.agents[:]
    if shop.settings.binding_precedence:
        del merged.settings.binding_precedence[:]
    merged.MergeFrom(shop)
    for path in PATHS:
        assert value(after, path) == value(merged, path)


@given(SHOPS, SHOPS, MASKS)
def test_what_was_given_is_left_alone(stored, shop, paths):
    copy = shop_pb2.Shop()
    copy.CopyFrom(shop)
    updated(stored, shop, *paths)
    assert shop == copy


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("setings", "the nearest is settings"),
        ("settings.busy_treshold", "the nearest is settings.busy_threshold"),
        ("agents.weight", "is no field that can be changed"),
        ("", "is no field that can be changed"),
        ("etag", "etag cannot be changed"),
        ("shop_id", "shop_id cannot be changed"),
    ],
)
def test_a_path_that_is_none_is_named(path: str, says: str):
    stored = shop_pb2.Shop(display_name="x")
    with pytest.raises(MaskError) as caught:
        update(stored, shop_pb2.Shop(), FieldMask(paths=["display_name", path]), fixed=FIXED)
    assert path in str(caught.value) and says in str(caught.value)
    assert stored.display_name == "x"


def test_a_star_stands_alone():
    with pytest.raises(MaskError, match="alone"):
        updated(shop_pb2.Shop(), shop_pb2.Shop(), "*", "display_name")
