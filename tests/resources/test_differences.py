"""Differences: every changed place is told once, with what it was and is."""

from __future__ import annotations

from fenliu.resources.differences import Difference, differences
from fenliu.v1 import shop_pb2


def shop(**fields: object) -> shop_pb2.Shop:
    return shop_pb2.Shop(**({"shop_id": "s"} | fields))


def test_equal_documents_differ_in_nothing_whatever_their_etags():
    assert differences(shop(etag="1"), shop(etag="2")) == []


def test_changed_fields_are_named_by_their_part():
    before = shop(
        settings=shop_pb2.ShopSettings(busy_threshold=4),
        agents=[shop_pb2.Agent(agent_id="a", weight=5)],
        groups=[shop_pb2.Group(group_id="g", agent_ids=["a"])],
    )
    after = shop(
        display_name="店",
        settings=shop_pb2.ShopSettings(
            busy_threshold=0, selection_mode=shop_pb2.SELECTION_MODE_EVEN, charge_sticky=True
        ),
        agents=[shop_pb2.Agent(agent_id="a", weight=7)],
        groups=[shop_pb2.Group(group_id="g", bindings=shop_pb2.Bindings(order_statuses=[1]))],
    )
    assert differences(before, after) == [
        Difference("display_name", None, "店"),
        Difference("settings.busy_threshold", "4", "0"),
        Difference("settings.selection_mode", "UNSPECIFIED", "EVEN"),
        Difference("settings.charge_sticky", "false", "true"),
        Difference("agents[a].weight", "5", "7"),
        Difference("groups[g].agent_ids", "[a]", None),
        Difference("groups[g].bindings.order_statuses", None, "[NO_ACTIVE_ORDER]"),
    ]


def test_a_part_that_comes_or_goes_is_one_difference():
    before = shop(agents=[shop_pb2.Agent(agent_id="a", weight=5, cap=2)])
    after = shop(agents=[shop_pb2.Agent(agent_id="b", weight=1)])
    assert differences(before, after) == [
        Difference("agents[a]", "weight 5, cap 2", None),
        Difference("agents[b]", None, "weight 1"),
    ]
