"""The steps of a decision before selection: repeat, open conversation, recent contact, dedicated, groups."""

from __future__ import annotations

import pytest

from fenliu.v1 import shop_pb2, types_pb2
from support.scene import (
    DAY,
    HOUR,
    MINUTE,
    NEVER_BUSY,
    OFFLINE,
    SUSPENDED,
    Scene,
    agent,
    brief,
    group,
)

PRODUCT = shop_pb2.BINDING_DIMENSION_PRODUCT
INTENT = shop_pb2.BINDING_DIMENSION_INTENT
ORDER_STATUS = shop_pb2.BINDING_DIMENSION_ORDER_STATUS
PAGE_SOURCE = shop_pb2.BINDING_DIMENSION_PAGE_SOURCE
UNPAID = types_pb2.ORDER_STATUS_UNPAID
SHIPPED = types_pb2.ORDER_STATUS_SHIPPED


# Repeats


def test_a_repeat_gets_the_same_answer_for_24_hours(scene: Scene):
    scene.opens(["a", "b"])
    first = scene.route("wang", request_id="r")
    scene.offline("a")
    scene.after(DAY)
    assert scene.route("wang", request_id="r") == first
    scene.after(1)
    assert brief(scene.route("wang", request_id="r")) == "AGENT b WEIGHTED"


def test_a_repeat_with_another_body_is_refused(scene: Scene):
    scene.opens(["a"])
    scene.route("wang", request_id="r")
    with scene.refused("REQUEST_ID_REUSED", "request_id", "used within 24 h with another body"):
        scene.route("li", request_id="r")


# Open conversation


def test_an_open_conversation_keeps_its_agent(scene: Scene):
    scene.opens(["a", "b"])
    first = scene.route("wang")
    again = scene.route("wang")
    assert brief(again) == "AGENT a OPEN_CONVERSATION"
    assert (again.conversation_id, again.group_id) == (first.conversation_id, first.group_id)


def test_an_open_conversation_keeps_a_suspended_agent(scene: Scene):
    scene.opens(["a", "b"])
    scene.route("wang")
    scene.presence("a", SUSPENDED)
    assert brief(scene.route("wang")) == "AGENT a OPEN_CONVERSATION"


def test_an_open_conversation_ends_when_its_agent_is_offline(scene: Scene):
    scene.opens(["a", "b"])
    first = scene.route("wang")
    scene.offline("a")
    assert brief(scene.route("wang")) == "AGENT b WEIGHTED"
    assert scene.closes(first).already_closed


def test_an_open_conversation_ends_when_its_agent_is_excluded(scene: Scene):
    scene.opens(["a", "b"])
    first = scene.route("wang")
    assert brief(scene.route("wang", exclude_agent_ids=["a"])) == "AGENT b WEIGHTED"
    assert scene.closes(first).already_closed


# Recent contact


@pytest.mark.parametrize(
    ("status", "window"),
    [(None, 72 * HOUR), (SUSPENDED, 24 * HOUR)],
    ids=["online-72-hours", "suspended-24-hours"],
)
def test_recent_contact_holds_up_to_and_including_its_window(
    scene: Scene, status: types_pb2.PresenceStatus | None, window: int
):
    scene.opens(["a", "b"])
    scene.route("wang")
    scene.route("li")  # b's
    if status:
        scene.presence("a", status)
    scene.after(window)
    assert brief(scene.route("wang")) == "AGENT a RECENT_CONTACT"
    scene.after(window + 1)
    assert scene.route("wang").reason == types_pb2.REASON_WEIGHTED


def test_recent_contact_windows_are_settings_and_0_is_off(scene: Scene):
    scene.opens(["a", "b"], sticky_window_ms=HOUR, sticky_suspended_window_ms=0)
    scene.route("wang")
    scene.after(HOUR)
    assert brief(scene.route("wang")) == "AGENT a RECENT_CONTACT"
    scene.after(31 * MINUTE).presence("a", SUSPENDED)
    assert brief(scene.route("wang")) == "AGENT b WEIGHTED"
    scene.changes(sticky_window_ms=0)
    scene.online("a")
    scene.after(31 * MINUTE)
    assert scene.route("wang").reason == types_pb2.REASON_WEIGHTED


def test_a_longer_window_brings_no_old_contact_back(scene: Scene):
    scene.opens(["a", "b"], sticky_window_ms=HOUR, sticky_suspended_window_ms=0)
    scene.replies("wang", agent_id="b")
    scene.after(HOUR + 1).changes(sticky_window_ms=2 * HOUR)
    assert brief(scene.route("wang")) == "AGENT a WEIGHTED"


def test_only_the_last_consulted_agent_is_the_recent_contact(scene: Scene):
    scene.opens(["a", "b", "c"])
    scene.replies("wang", agent_id="b")
    scene.after(31 * MINUTE).replies("wang", agent_id="c")
    scene.after(31 * MINUTE).offline("c")
    assert brief(scene.route("wang")) == "AGENT a WEIGHTED"


def test_recent_contact_asks_neither_weight_nor_cap_nor_volume_nor_load(scene: Scene):
    scene.opens([agent("a", weight=0, cap=1, daily_limit=1, hourly_limit=1), "b"])
    for buyer in ("wang", "li", "zhao"):
        scene.replies(buyer, agent_id="a")
    scene.after(31 * MINUTE).presence("a", types_pb2.PRESENCE_STATUS_ONLINE, awaiting=99)
    told = [brief(scene.route(buyer)) for buyer in ("wang", "li", "zhao")]
    assert told == ["AGENT a RECENT_CONTACT"] * 3


def test_recent_contact_asks_not_for_the_page_the_buyer_came_from(scene: Scene):
    scene.opens(["a", "b"], [group("g1", "a"), group("g2", "b", pages=["live"])], online=["a", "b"])
    scene.replies("wang", agent_id="a")
    scene.after(31 * MINUTE)
    answer = scene.route("wang", page_source="live")
    assert brief(answer) == "AGENT a RECENT_CONTACT"
    assert answer.group_id == "g1"


def test_an_agent_who_left_all_groups_gets_neither_new_nor_returning_buyers(scene: Scene):
    scene.opens(["a", "b"])
    scene.replies("wang", agent_id="a")
    scene.after(31 * MINUTE)
    del scene.shop.groups[0].agent_ids[:]
    scene.shop.groups[0].agent_ids.append("b")
    scene.apply(scene.shop)
    assert brief(scene.route("wang")) == "AGENT b WEIGHTED"
    assert {brief(one) for one in scene.routes(["x", "y"])} == {"AGENT b WEIGHTED"}


# Dedicated agent


def test_the_requests_dedicated_agent_is_taken_when_online(scene: Scene):
    scene.opens([agent("a", weight=100), agent("b", weight=0, cap=1)])
    scene.route("li", dedicated_agent_id="b")
    assert brief(scene.route("wang", dedicated_agent_id="b")) == "AGENT b DEDICATED"


@pytest.mark.parametrize("status", [SUSPENDED, OFFLINE])
def test_a_dedicated_agent_who_is_not_online_is_passed_over(
    scene: Scene, status: types_pb2.PresenceStatus
):
    scene.opens(["a", "b"])
    scene.presence("b", status)
    assert brief(scene.route("wang", dedicated_agent_id="b")) == "AGENT a WEIGHTED"


def test_the_shops_mapping_names_a_buyers_dedicated_agent_and_the_request_goes_before_it(
    scene: Scene,
):
    mapping = [shop_pb2.BuyerAgent(buyer_id="wang", agent_id="b")]
    scene.opens(["a", "b", "c"], buyer_agents=mapping)
    assert brief(scene.route("wang")) == "AGENT b DEDICATED"
    assert brief(scene.route("li")) == "AGENT a WEIGHTED"
    scene.opens(["a", "b", "c"], buyer_agents=[*mapping, {"buyer_id": "zhao", "agent_id": "b"}])
    assert brief(scene.route("zhao", dedicated_agent_id="c")) == "AGENT c DEDICATED"


def test_a_dedicated_agent_who_left_the_groups_is_passed_over(scene: Scene):
    mapping = [shop_pb2.BuyerAgent(buyer_id="wang", agent_id="b")]
    scene.opens(["a", "b"], [group("all", "a")], buyer_agents=mapping, online=["a", "b"])
    assert brief(scene.route("wang")) == "AGENT a WEIGHTED"


def test_an_unknown_dedicated_agent_is_not_found(scene: Scene):
    scene.opens(["a"])
    with scene.refused("AGENT_NOT_FOUND", "dedicated_agent_id", code="NOT_FOUND"):
        scene.route("wang", dedicated_agent_id="nobody")


# Group match


BOUND = {
    PRODUCT: ({"products": ["v"]}, {"product_id": "v"}),
    INTENT: ({"intents": ["v"]}, {"intent": "v"}),
    ORDER_STATUS: ({"statuses": [UNPAID]}, {"order_status": UNPAID}),
    PAGE_SOURCE: ({"pages": ["v"]}, {"page_source": "v"}),
}


@pytest.mark.parametrize("dimension", BOUND, ids=shop_pb2.BindingDimension.Name)
def test_a_group_bound_to_the_inquirys_value_takes_it(
    scene: Scene, dimension: shop_pb2.BindingDimension
):
    bindings, value = BOUND[dimension]
    scene.opens(["a", "b"], [group("g1", "a"), group("g2", "b", **bindings)], online=["a", "b"])
    answers = [scene.route(f"x{number}", **value) for number in range(4)]
    assert [brief(one) for one in answers] == ["AGENT b WEIGHTED"] * 4
    assert {one.group_id for one in answers} == {"g2"}


def test_every_order_status_can_be_bound(scene: Scene):
    statuses = [status for status in types_pb2.OrderStatus.values() if status]
    ids = [f"a{status}" for status in statuses]
    groups = [group(f"g{s}", f"a{s}", statuses=[s]) for s in statuses]
    scene.opens(ids, groups, online=ids)
    told = [scene.route(f"b{status}", order_status=status).agent_id for status in statuses]
    assert told == ids


def test_a_value_nobody_bound_leaves_all_groups_in(scene: Scene):
    scene.opens(
        ["a", "b"],
        [group("g1", "a", products=["p"]), group("g2", "b")],
        busy_threshold=NEVER_BUSY,
        online=["a", "b"],
    )
    told = [scene.route(f"x{number}", product_id="other").agent_id for number in range(10)]
    assert (told.count("a"), told.count("b")) == (5, 5)


def test_several_groups_may_bind_one_value_and_all_of_them_match(scene: Scene):
    scene.opens(
        ["a", "b", "c"],
        [group("g1", "a", products=["p"]), group("g2", "b", products=["p"]), group("g3", "c")],
        busy_threshold=NEVER_BUSY,
        online=["a", "b", "c"],
    )
    told = [scene.route(f"x{number}", product_id="p").agent_id for number in range(10)]
    assert (told.count("a"), told.count("b")) == (5, 5)


def test_an_agent_in_several_matched_groups_counts_once(scene: Scene):
    scene.opens(
        ["a", "b"],
        [group("g1", "a", priority=1), group("g2", "a", "b"), group("g3", "a", priority=2)],
        busy_threshold=NEVER_BUSY,
        online=["a", "b"],
    )
    answers = scene.routes(f"x{number}" for number in range(10))
    assert sum(one.agent_id == "a" for one in answers) == 5
    assert {one.group_id for one in answers} == {"g2"}  # The first by priority that has the agent.


def test_precedence_is_product_intent_order_status_page_source(scene: Scene):
    groups = [
        group("g1", "a", products=["v"]),
        group("g2", "b", intents=["v"]),
        group("g3", "c", statuses=[UNPAID]),
        group("g4", "d", pages=["v"]),
    ]
    scene.opens(["a", "b", "c", "d"], groups, online=["a", "b", "c", "d"])
    values = [value for _, value in BOUND.values()]
    told = []
    for first in range(4):
        fields = {name: v for value in values[first:] for name, v in value.items()}
        told.append(scene.route(f"x{first}", **fields).agent_id)
    assert told == ["a", "b", "c", "d"]


def test_precedence_is_a_setting(scene: Scene):
    scene.opens(
        ["a", "b"],
        [group("g1", "a", products=["v"]), group("g2", "b", pages=["v"])],
        binding_precedence=[PAGE_SOURCE, PRODUCT],
        online=["a", "b"],
    )
    assert scene.route("wang", product_id="v", page_source="v").agent_id == "b"
    assert scene.route("li", product_id="v", page_source="other").agent_id == "a"


def test_a_dimension_left_out_of_the_precedence_does_not_match(scene: Scene):
    scene.opens(
        ["a", "b"],
        [group("g1", "a", products=["v"]), group("g2", "b")],
        binding_precedence=[INTENT],
        busy_threshold=NEVER_BUSY,
        online=["a", "b"],
    )
    told = [scene.route(f"x{number}", product_id="v").agent_id for number in range(10)]
    assert (told.count("a"), told.count("b")) == (5, 5)


def test_later_dimensions_narrow_what_earlier_ones_left(scene: Scene):
    scene.opens(
        ["a", "b", "c"],
        [
            group("g1", "a", products=["v"]),
            group("g2", "b", products=["v"], statuses=[SHIPPED]),
            group("g3", "c", statuses=[SHIPPED]),
        ],
        online=["a", "b", "c"],
    )
    assert scene.route("wang", product_id="v", order_status=SHIPPED).agent_id == "b"


def test_excluded_agents_are_not_taken_in_any_step(scene: Scene):
    mapping = [shop_pb2.BuyerAgent(buyer_id="wang", agent_id="a")]
    scene.opens(["a", "b"], [group("g1", "a"), group("g2", "b", products=["p"])],
                buyer_agents=mapping, online=["a", "b"])  # fmt: skip
    scene.replies("wang", agent_id="a")
    scene.after(31 * MINUTE)
    assert brief(scene.route("wang", exclude_agent_ids=["a"])) == "AGENT b WEIGHTED"
    excluded = scene.route("li", product_id="p", exclude_agent_ids=["b"])
    assert brief(excluded) == "AGENT a SPILLED"
