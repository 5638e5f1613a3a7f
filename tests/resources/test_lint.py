"""Lint: each rule finds what it is for, and nothing in a shop that works."""

from __future__ import annotations

from pathlib import Path

import pytest

from fenliu.cli.shopfile import read_shops
from fenliu.resources.lint import lint
from fenliu.v1 import shop_pb2, types_pb2

PROJECT = Path(__file__).resolve().parents[2]
STATUSES = sorted(set(types_pb2.OrderStatus.values()) - {0})
Agent, Bindings, Group, Settings = (
    shop_pb2.Agent,
    shop_pb2.Bindings,
    shop_pb2.Group,
    shop_pb2.ShopSettings,
)
STATUS_ONLY = [shop_pb2.BINDING_DIMENSION_ORDER_STATUS]


def group(group_id: str = "g", **fields: object) -> shop_pb2.Group:
    return Group(**({"group_id": group_id, "agent_ids": ["a"]} | fields))


def found(
    *groups: shop_pb2.Group, agents: tuple[shop_pb2.Agent, ...] = (), **settings: object
) -> list[tuple[str, str]]:
    """Rule and field of each finding, in a shop with an agent "a" and these."""
    shop = shop_pb2.Shop(
        shop_id="s",
        settings=Settings(**settings),
        agents=[Agent(agent_id="a"), *agents],
        groups=groups,
    )
    findings = lint(shop)
    for finding in findings:
        # What is wrong; what to do.
        assert "; " in finding.message and "；请" in finding.message_zh.replace(
            "；如非本意，", "；请"
        )
    return [
        (shop_pb2.LintRule.Name(finding.rule).removeprefix("LINT_RULE_"), finding.field)
        for finding in findings
    ]


@pytest.mark.parametrize("path", sorted((PROJECT / "demo").glob("*.yaml")), ids=lambda p: p.name)
def test_nothing_is_found_in_the_demo_shops(path: Path):
    for shop in read_shops([path]):
        assert lint(shop) == []


def test_a_shop_without_anything_has_no_findings():
    assert lint(shop_pb2.Shop(shop_id="s")) == []


def test_a_group_bound_only_by_what_does_not_match_is_unreachable():
    bound = group(bindings=Bindings(intents=["x"]))
    assert found(bound, binding_precedence=STATUS_ONLY) == [
        ("UNREACHABLE_GROUP", "groups[0].bindings")
    ]
    assert found(bound) == []
    both = group(bindings=Bindings(intents=["x"], order_statuses=[1]))
    assert found(both, binding_precedence=STATUS_ONLY) == []


def test_a_group_beside_others_bound_to_every_order_status_is_unreachable():
    all_statuses = group("all", bindings=Bindings(order_statuses=STATUSES))
    assert found(all_statuses, group("rest")) == [("UNREACHABLE_GROUP", "groups[1].bindings")]
    most = group("all", bindings=Bindings(order_statuses=STATUSES[1:]))
    assert found(most, group("rest")) == []


def test_what_is_bound_before_order_statuses_is_reached():
    all_statuses = group("all", bindings=Bindings(order_statuses=STATUSES))
    earlier = group("rest", bindings=Bindings(product_ids=["p"]))
    later = group("rest", bindings=Bindings(page_sources=["p"]))
    assert found(all_statuses, earlier) == []
    assert found(all_statuses, later) == [("UNREACHABLE_GROUP", "groups[1].bindings")]


def test_a_group_nobody_can_be_selected_in_is_unstaffed():
    nobody = ("UNSTAFFED_GROUP", "groups[0].agent_ids")
    assert found(group(agent_ids=[])) == [nobody]
    idle = Agent(agent_id="b", weight=0)
    assert found(group(agent_ids=["b"]), agents=(idle,)) == [nobody]
    assert found(group(agent_ids=["a", "b"]), agents=(idle,)) == []


def test_a_value_that_is_none_is_named_as_it_is():
    bindings = Bindings()
    bindings.order_statuses.append(99)  # type: ignore[arg-type]
    assert found(group("a", bindings=bindings), group("b", bindings=bindings)) == [
        ("OVERLAPPING_BINDINGS", "groups[1].bindings.order_statuses")
    ]


def test_a_value_bound_to_two_groups_overlaps():
    one = group("one", bindings=Bindings(product_ids=["p", "q"], order_statuses=[1]))
    two = group("two", bindings=Bindings(product_ids=["p", "q"], order_statuses=[2]))
    assert found(one, two) == [("OVERLAPPING_BINDINGS", "groups[1].bindings.product_ids")]
    intent = group("two", bindings=Bindings(intents=["p"]))  # The same word for something else.
    assert found(one, intent) == []


def test_a_mode_that_needs_a_robot_wants_one():
    mixed = {"reception_mode": shop_pb2.RECEPTION_MODE_MIXED}
    assert found(**mixed) == [("MODE_WITHOUT_ROBOT", "settings.reception_mode")]
    assert found(robot_id="r", **mixed) == []
    by_group = {"reception_scope": shop_pb2.RECEPTION_SCOPE_GROUP}
    first = group(reception_mode=shop_pb2.RECEPTION_MODE_ROBOT_FIRST)
    assert found(first, **by_group) == [("MODE_WITHOUT_ROBOT", "groups[0].reception_mode")]
    assert found(first) == []  # Not the group's own mode counts.
    assert found(**by_group, **mixed) == []
    leaves = group(when_unavailable=shop_pb2.UNAVAILABLE_POLICY_ROBOT)
    assert found(leaves) == [("MODE_WITHOUT_ROBOT", "groups[0].when_unavailable")]
    assert found(leaves, robot_id="r") == []


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"cap": 11, "daily_limit": 10}, "cap"),
        ({"hourly_limit": 11, "daily_limit": 10}, "hourly_limit"),
        ({"hourly_limit": 1, "daily_limit": 25}, "daily_limit"),
        ({"cap": 5, "weight": 0}, "cap"),
        ({"cap": 10, "hourly_limit": 2, "daily_limit": 10}, None),
        ({"hourly_limit": 1, "daily_limit": 24}, None),
        ({"weight": 0}, None),
    ],
)
def test_a_limit_that_is_never_met_is_named(limits: dict[str, int], field: str | None):
    agent = Agent(agent_id="b", **limits)
    expected = [("IMPOSSIBLE_CAP", f"agents[1].{field}")] if field else []
    assert found(group(agent_ids=["a", "b"]), agents=(agent,)) == expected


def test_a_limit_of_an_agent_in_no_group_is_never_met():
    agent = Agent(agent_id="b", daily_limit=5)
    assert found(agents=(agent,)) == [("IMPOSSIBLE_CAP", "agents[1].daily_limit")]
