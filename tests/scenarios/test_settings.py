"""Settings: every default as the stored shop shows it, and every value that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from fenliu.v1 import shop_pb2
from support.scene import Scene, agent, group

DEFAULTS: dict[str, Any] = {
    "busy_threshold": 4,
    "selection_mode": "SELECTION_MODE_WEIGHTED",
    "sticky_window_ms": 72 * 3_600_000,
    "sticky_suspended_window_ms": 24 * 3_600_000,
    "charge_sticky": False,
    "binding_precedence": [
        "BINDING_DIMENSION_PRODUCT",
        "BINDING_DIMENSION_INTENT",
        "BINDING_DIMENSION_ORDER_STATUS",
        "BINDING_DIMENSION_PAGE_SOURCE",
    ],
    "reception_mode": "RECEPTION_MODE_HUMAN_FIRST",
    "reception_scope": "RECEPTION_SCOPE_SHOP",
    "robot_id": "",
    "robot_percent": 0,
    "offline_target": "OFFLINE_TARGET_POOL",
    "proxy_agent_id": "",
    "queue_limit": 0,
    "queue_timeout_ms": 600_000,
    "reply_timeout_ms": 0,
    "max_hops": 3,
    "idle_close_ms": 1_800_000,
    "timestamp_skew_ms": 300_000,
    "longest_wait_ms": 600_000,
    "slow_gap_ms": 120_000,
    "slow_count": 3,
    "buyer_agents": [],
}


def as_dict(message: Any) -> dict[str, Any]:
    """A message's fields by their proto names; 64-bit numbers as numbers."""
    values = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {name: int(v) if name.endswith("_ms") else v for name, v in values.items()}


def test_every_setting_has_its_default(scene: Scene):
    scene.opens(["a"], online=[])
    assert as_dict(scene.stored().settings) == DEFAULTS


def test_agents_and_groups_have_their_defaults(scene: Scene):
    scene.opens(["a"], online=[])
    stored = scene.stored()
    assert as_dict(stored.agents[0]) == {
        "agent_id": "a",
        "display_name": "",
        "weight": 5,
        "cap": 0,
        "daily_limit": 0,
        "hourly_limit": 0,
        "permissions": [],
    }
    assert as_dict(stored.groups[0]) == {
        "group_id": "all",
        "display_name": "",
        "agent_ids": ["a"],
        "priority": 0,
        "bindings": {"product_ids": [], "intents": [], "order_statuses": [], "page_sources": []},
        "when_unavailable": "UNAVAILABLE_POLICY_SPILL",
        "reception_mode": "RECEPTION_MODE_HUMAN_FIRST",
        "robot_percent": 0,
    }


def test_settings_of_the_reports_are_kept(scene: Scene):
    kept = {"longest_wait_ms": 1, "slow_gap_ms": 2, "slow_count": 0}
    scene.opens(["a"], online=[], **kept)
    assert as_dict(scene.stored().settings) == DEFAULTS | kept


def test_names_of_shop_agent_and_group_are_kept(scene: Scene):
    scene.opens(
        [agent("a", display_name="小王")], [group("all", "a", display_name="售前")], online=[]
    )
    scene.shop.display_name = "演示店"
    scene.apply(scene.shop)
    stored = scene.stored()
    names = (stored.display_name, stored.agents[0].display_name, stored.groups[0].display_name)
    assert names == ("演示店", "小王", "售前")


def test_applying_the_same_again_changes_nothing(scene: Scene):
    scene.opens(["a"], online=[])
    before = scene.state_hash()
    assert not scene.apply(scene.shop).changed
    assert not scene.apply(scene.stored()).changed
    assert scene.state_hash() == before


def test_a_stale_etag_is_refused(scene: Scene):
    scene.opens(["a"], online=[])
    stored = scene.stored()
    scene.weights(a=7)
    stored.display_name = "x"
    with scene.refused("STALE_ETAG", "shop.etag", "stale: the shop is at 2", code="ABORTED"):
        scene.apply(stored)


def test_an_unknown_shop_is_not_found(scene: Scene):
    with scene.refused("SHOP_NOT_FOUND", "shop_id", code="NOT_FOUND"):
        scene.route("wang")


_90_DAYS = 7_776_000_000
RANGES = {
    "busy_threshold": (0, 1_000_000),
    "sticky_window_ms": (0, _90_DAYS),
    "sticky_suspended_window_ms": (0, _90_DAYS),
    "robot_percent": (0, 100),
    "queue_limit": (0, 1_000_000),
    "queue_timeout_ms": (0, _90_DAYS),
    "reply_timeout_ms": (0, _90_DAYS),
    "max_hops": (0, 10),
    "idle_close_ms": (0, _90_DAYS),
    "timestamp_skew_ms": (0, 86_400_000),
    "longest_wait_ms": (0, 86_400_000),
    "slow_gap_ms": (0, 86_400_000),
    "slow_count": (0, 1000),
}


@pytest.mark.parametrize("setting", RANGES)
def test_a_setting_keeps_within_its_range(scene: Scene, setting: str):
    least, most = RANGES[setting]
    scene.opens([agent("a", cap=1)], online=[])
    for value in (least - 1, most + 1):
        with scene.refused(
            "INVALID_FIELD", f"shop.settings.{setting}", f"must be within {least}..{most}"
        ):
            scene.changes(**{setting: value})
    for value in (least, most):
        scene.changes(**{setting: value})
        assert as_dict(scene.stored().settings)[setting] == value


def weight(shop: shop_pb2.Shop) -> None:
    shop.agents[0].weight = 101


def cap(shop: shop_pb2.Shop) -> None:
    shop.agents[0].cap = -1


def daily(shop: shop_pb2.Shop) -> None:
    shop.agents[0].daily_limit = 1_000_001


def hourly(shop: shop_pb2.Shop) -> None:
    shop.agents[0].hourly_limit = -1


def same_agent(shop: shop_pb2.Shop) -> None:
    shop.agents.append(agent("a"))


def same_group(shop: shop_pb2.Shop) -> None:
    shop.groups.append(group("all"))


def same_member(shop: shop_pb2.Shop) -> None:
    shop.groups[0].agent_ids.append("a")


def unknown_member(shop: shop_pb2.Shop) -> None:
    shop.groups[0].agent_ids.append("nobody")


def group_percent(shop: shop_pb2.Shop) -> None:
    shop.groups[0].robot_percent = 101


def group_priority(shop: shop_pb2.Shop) -> None:
    shop.groups[0].priority = -1


def bound_twice(shop: shop_pb2.Shop) -> None:
    shop.groups[0].bindings.product_ids.extend(["p", "p"])


def status_bound_twice(shop: shop_pb2.Shop) -> None:
    shop.groups[0].bindings.order_statuses.extend([1, 1])


def bound_to_nothing(shop: shop_pb2.Shop) -> None:
    shop.groups[0].bindings.order_statuses.append(0)


def precedence_twice(shop: shop_pb2.Shop) -> None:
    shop.settings.binding_precedence.extend([1, 2, 1])


def precedence_of_nothing(shop: shop_pb2.Shop) -> None:
    shop.settings.binding_precedence.append(0)


def unknown_mode(shop: shop_pb2.Shop) -> None:
    shop.settings.reception_mode = 9  # type: ignore[assignment]


def unknown_policy(shop: shop_pb2.Shop) -> None:
    shop.groups[0].when_unavailable = 9  # type: ignore[assignment]


def mapping_to_nobody(shop: shop_pb2.Shop) -> None:
    shop.settings.buyer_agents.add(buyer_id="wang", agent_id="left-the-shop")


def mapped_twice(shop: shop_pb2.Shop) -> None:
    for _ in range(2):
        shop.settings.buyer_agents.add(buyer_id="wang", agent_id="a")


def proxy_beside_a_robot(shop: shop_pb2.Shop) -> None:
    shop.settings.robot_id = "robo"
    shop.settings.proxy_agent_id = "a"
    shop.settings.offline_target = shop_pb2.OFFLINE_TARGET_PROXY


def owner_beside_a_robot(shop: shop_pb2.Shop) -> None:
    shop.settings.robot_id = "robo"
    shop.settings.offline_target = shop_pb2.OFFLINE_TARGET_OWNER


def queue_without_a_cap(shop: shop_pb2.Shop) -> None:
    shop.settings.queue_limit = 1


def queue_policy_without_a_cap(shop: shop_pb2.Shop) -> None:
    shop.groups[0].when_unavailable = shop_pb2.UNAVAILABLE_POLICY_QUEUE


BAD: list[tuple[Callable[[shop_pb2.Shop], None], str, str]] = [
    (weight, "agents[0].weight", "must be within 0..100"),
    (cap, "agents[0].cap", "must be within 0..1000000"),
    (daily, "agents[0].daily_limit", "must be within 0..1000000"),
    (hourly, "agents[0].hourly_limit", "must be within 0..1000000"),
    (same_agent, "agents[1].agent_id", "named twice"),
    (same_group, "groups[1].group_id", "named twice"),
    (same_member, "groups[0].agent_ids[1]", "named twice"),
    (unknown_member, "groups[0].agent_ids[1]", "names an unknown agent"),
    (group_percent, "groups[0].robot_percent", "must be within 0..100"),
    (group_priority, "groups[0].priority", "must be within 0..1000000"),
    (bound_twice, "groups[0].bindings.product_ids[1]", "named twice"),
    (status_bound_twice, "groups[0].bindings.order_statuses[1]", "named twice"),
    (bound_to_nothing, "groups[0].bindings.order_statuses[0]", "unknown value"),
    (precedence_twice, "settings.binding_precedence[2]", "named twice"),
    (precedence_of_nothing, "settings.binding_precedence[0]", "unknown value"),
    (unknown_mode, "settings.reception_mode", "unknown value"),
    (unknown_policy, "groups[0].when_unavailable", "unknown value"),
    (mapping_to_nobody, "settings.buyer_agents[0].agent_id", "names an unknown agent"),
    (mapped_twice, "settings.buyer_agents[1].buyer_id", "named twice"),
    (proxy_beside_a_robot, "settings.offline_target", "not while a robot is configured"),
    (owner_beside_a_robot, "settings.offline_target", "not while a robot is configured"),
    (queue_without_a_cap, "settings.queue_limit", "needs an agent with a cap or a volume"),
    (
        queue_policy_without_a_cap,
        "groups[0].when_unavailable",
        "needs an agent with a cap or a volume",
    ),
]


@pytest.mark.parametrize(
    ("spoil", "field", "rule"), BAD, ids=[spoil.__name__ for spoil, _, _ in BAD]
)
def test_a_shop_that_cannot_be_is_refused_by_field_and_rule(
    scene: Scene, spoil: Callable[[shop_pb2.Shop], None], field: str, rule: str
):
    scene.opens(["a"], online=[])
    spoil(scene.shop)
    with scene.refused("INVALID_FIELD", f"shop.{field}", rule):
        scene.apply(scene.shop)


@pytest.mark.parametrize("limit", ["cap", "daily_limit", "hourly_limit"])
def test_a_queue_needs_one_agent_with_a_cap_or_a_volume(scene: Scene, limit: str):
    scene.opens([agent("a", **{limit: 1})], online=[], queue_limit=1)
    assert scene.stored().settings.queue_limit == 1


def test_the_robot_takes_the_place_of_proxy_and_owner_only_while_it_is_configured(scene: Scene):
    scene.opens(["a"], online=[], robot_id="robo", proxy_agent_id="a")
    scene.changes(robot_id=None, offline_target=shop_pb2.OFFLINE_TARGET_PROXY)
    assert scene.stored().settings.offline_target == shop_pb2.OFFLINE_TARGET_PROXY
