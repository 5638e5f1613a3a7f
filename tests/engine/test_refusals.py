"""Every refusal there is: code, reason, field and rule; and that a refusal leaves no trace."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import presence_pb2, shop_pb2
from model.wire import AGENT, BUYER, ONLINE, T0, Desk, Refusal, document, request, status_bytes

REQUIRED = "required"
TOO_LONG = "at most 128 bytes"
CONTROL = "no control characters"
UNKNOWN = "unknown value"

# The id rule, in its order: value, rule.
BAD_IDS = [("x" * 129, TOO_LONG), ("é" * 65, TOO_LONG), ("\n" * 129, TOO_LONG)]
BAD_IDS += [("a\tb", CONTROL), ("\x7f", CONTROL), ("\x85", CONTROL), ("\x00", CONTROL)]
GOOD_IDS = ["x", "é" * 64, "x" * 128, "买家 1", "\u200b", "\u2028", "\U0001f600"]

INT32 = [-(2**31), 2**31 - 1]


def invalid(field: str, rule: str) -> Refusal:
    return 3, "INVALID_FIELD", field, rule


def within(low: int, high: int) -> str:
    return f"must be within {low}..{high}"


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    desk = Desk(core)
    assert desk.apply(**document(["a", "b"])).code == 0
    assert desk.set_presence("a", ONLINE).code == 0
    return desk


def refused(desk: Desk, name: str, message: Any) -> Refusal:
    """Sends a command that must be refused and leave no trace; returns why."""
    before = desk.engine.state_hash()
    result = desk.do(name, message, T0)
    assert result.entry == b""
    assert desk.engine.state_hash() == before
    assert result.reply == status_bytes(result.refusal)
    return result.refusal


BASES: dict[str, dict[str, Any]] = {
    "route": {"shop_id": "s", "buyer_id": "buyer"},
    "close_conversation": {"shop_id": "s", "conversation_id": "c1"},
    "message": {"shop_id": "s", "buyer_id": "buyer", "sender": BUYER},
    "set_presence": {"shop_id": "s", "agent_id": "a", "status": ONLINE},
    "expire_session": {"shop_id": "s", "session_id": "x"},
    "tick": {"shop_id": "s"},
    "transfer": {"shop_id": "s", "conversation_id": "c1", "agent_id": "b"},
    "cancel_inquiry": {"shop_id": "s", "buyer_id": "buyer"},
    "order": {"shop_id": "s", "buyer_id": "buyer", "order_id": "o", "type": 1},
}

IDS = [
    ("route", "shop_id", True),
    ("route", "buyer_id", True),
    ("route", "request_id", False),
    ("route", "product_id", False),
    ("route", "intent", False),
    ("route", "page_source", False),
    ("route", "dedicated_agent_id", False),
    ("close_conversation", "shop_id", True),
    ("close_conversation", "conversation_id", True),
    ("close_conversation", "request_id", False),
    ("message", "shop_id", True),
    ("message", "conversation_id", False),
    ("message", "buyer_id", False),
    ("message", "agent_id", False),
    ("message", "event_id", False),
    ("set_presence", "shop_id", True),
    ("set_presence", "agent_id", True),
    ("expire_session", "shop_id", True),
    ("expire_session", "session_id", True),
    ("tick", "shop_id", True),
    ("transfer", "shop_id", True),
    ("transfer", "conversation_id", True),
    ("transfer", "request_id", False),
    ("transfer", "agent_id", True),
    ("transfer", "group_id", True),
    ("cancel_inquiry", "shop_id", True),
    ("cancel_inquiry", "buyer_id", True),
    ("cancel_inquiry", "request_id", False),
    ("order", "shop_id", True),
    ("order", "buyer_id", True),
    ("order", "order_id", True),
    ("order", "event_id", False),
]


@pytest.mark.parametrize(("name", "field", "needed"), IDS)
def test_ids_obey_the_id_rule(desk: Desk, name: str, field: str, needed: bool) -> None:
    for value, rule in [*BAD_IDS, *([("", REQUIRED)] if needed else [])]:
        message = request(name, **{**BASES[name], field: value})
        assert refused(desk, name, message) == invalid(field, rule)
    for value in GOOD_IDS:
        result = desk.do(name, request(name, **{**BASES[name], field: value}))
        # It may name what does not exist, but it is an id.
        assert result.code == 0 or result.refusal[1] != "INVALID_FIELD"


@pytest.mark.parametrize(
    ("name", "field", "value", "rule"),
    [
        ("route", "order_status", 7, UNKNOWN),
        ("route", "order_status", -1, UNKNOWN),
        ("route", "priority", -1, within(0, 9)),
        ("route", "priority", 10, within(0, 9)),
        ("message", "sender", 0, REQUIRED),
        ("message", "sender", 5, UNKNOWN),
        ("message", "sender", -1, UNKNOWN),
        ("message", "sent_at_ms", -1, within(0, 9007199254740991)),
        ("message", "sent_at_ms", 9007199254740992, within(0, 9007199254740991)),
        ("set_presence", "status", 0, REQUIRED),
        ("set_presence", "status", 4, UNKNOWN),
        ("set_presence", "awaiting", -1, within(0, 1000000)),
        ("set_presence", "awaiting", 1000001, within(0, 1000000)),
        ("transfer", "reason", "x" * 1025, "at most 1024 bytes"),
        ("transfer", "reason", "é" * 513, "at most 1024 bytes"),
        ("order", "type", 0, REQUIRED),
        ("order", "type", 4, UNKNOWN),
        ("order", "amount_cents", -1, within(0, 9007199254740991)),
        ("order", "amount_cents", 9007199254740992, within(0, 9007199254740991)),
        ("order", "items", -1, within(0, 1000000000)),
        ("order", "items", 1000000001, within(0, 1000000000)),
        ("order", "occurred_at_ms", -1, within(0, 9007199254740991)),
        ("order", "occurred_at_ms", 9007199254740992, within(0, 9007199254740991)),
    ],
)
def test_numbers_and_enums_have_limits(
    desk: Desk, name: str, field: str, value: Any, rule: str
) -> None:
    message = request(name, **{**BASES[name], field: value})
    assert refused(desk, name, message) == invalid(field, rule)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("route", "order_status", 6),
        ("route", "priority", 0),
        ("route", "priority", 9),
        ("message", "sent_at_ms", 9007199254740991),
        ("set_presence", "awaiting", 0),
        ("set_presence", "awaiting", 1000000),
        ("transfer", "reason", "a\nb" + "é" * 510),
        ("order", "type", 3),
        ("order", "amount_cents", 9007199254740991),
        ("order", "items", 1000000000),
        ("order", "occurred_at_ms", 9007199254740991),
    ],
)
def test_limits_are_inclusive(desk: Desk, name: str, field: str, value: Any) -> None:
    if name == "transfer":
        desk.route("buyer")
        desk.set_presence("b", ONLINE)
    assert desk.do(name, request(name, **{**BASES[name], field: value})).code == 0


def test_a_message_needs_a_conversation_or_a_buyer(desk: Desk) -> None:
    message = request("message", shop_id="s", sender=0)
    assert refused(desk, "message", message) == invalid("conversation_id", REQUIRED)


def test_at_most_a_hundred_agents_are_excluded_each_an_id(desk: Desk) -> None:
    base = BASES["route"]
    message = request("route", **base, exclude_agent_ids=[""] * 101)
    assert refused(desk, "route", message) == invalid("exclude_agent_ids", "at most 100 elements")
    message = request("route", **base, exclude_agent_ids=["a"] * 3 + ["", "\n"])
    assert refused(desk, "route", message) == invalid("exclude_agent_ids[3]", REQUIRED)
    assert desk.route("buyer", exclude_agent_ids=["nobody"] * 100).code == 0


def test_the_first_broken_rule_is_reported_in_the_order_given(desk: Desk) -> None:
    message = request("route", request_id="\n", order_status=9, priority=-1)
    assert refused(desk, "route", message)[2] == "shop_id"
    message.shop_id = "nowhere"
    assert refused(desk, "route", message)[2] == "buyer_id"
    message.buyer_id = "b"
    assert refused(desk, "route", message)[2] == "request_id"
    message.request_id = ""
    assert refused(desk, "route", message)[2] == "order_status"
    message.order_status = 0
    assert refused(desk, "route", message)[2] == "priority"
    message.priority = 0
    assert refused(desk, "route", message) == (5, "SHOP_NOT_FOUND", "shop_id", "unknown shop")


@pytest.mark.parametrize("name", sorted(BASES))
def test_an_unknown_shop_is_not_found(desk: Desk, name: str) -> None:
    message = request(name, **{**BASES[name], "shop_id": "nowhere"})
    assert refused(desk, name, message) == (5, "SHOP_NOT_FOUND", "shop_id", "unknown shop")


def test_a_refusal_knows_its_partition_when_the_shop_id_could_be_read(desk: Desk) -> None:
    of = desk.core.partition_of
    result = desk.do("route", request("route", shop_id="nowhere", buyer_id="b"))
    assert result.partition == of("nowhere", desk.partitions)
    result = desk.do("route", request("route", shop_id="nowhere"))
    assert result.partition == of("nowhere", desk.partitions)
    assert desk.raw("route", b"\x0a").partition == -1


def test_updates_of_presence_are_named_without_prefix(desk: Desk) -> None:
    def update(session_id: str = "x", **fields: Any) -> Refusal:
        base = {"update_id": "u", "shop_id": "s", "agent_id": "a", "status": 1}
        made = presence_pb2.PresenceUpdate(**{**base, **fields})
        message = engine_pb2.UpdatePresence(session_id=session_id, update=made)
        return refused(desk, "update_presence", message)

    assert update(session_id="") == invalid("session_id", REQUIRED)
    empty = engine_pb2.UpdatePresence(session_id="x")
    assert refused(desk, "update_presence", empty) == invalid("update", REQUIRED)
    assert update(update_id="", shop_id="") == invalid("update_id", REQUIRED)
    assert update(shop_id="", agent_id="") == invalid("shop_id", REQUIRED)
    assert update(agent_id="", status=0) == invalid("agent_id", REQUIRED)
    assert update(status=0, awaiting=-1) == invalid("status", REQUIRED)
    assert update(status=4, awaiting=-1) == invalid("status", UNKNOWN)
    assert update(awaiting=-1) == invalid("awaiting", within(0, 1000000))
    assert update(shop_id="nowhere") == (5, "SHOP_NOT_FOUND", "shop_id", "unknown shop")
    assert update(agent_id="nobody") == (5, "AGENT_NOT_FOUND", "agent_id", "unknown agent")


def test_unknown_agents_and_conversations_are_not_found(desk: Desk) -> None:
    unknown = (5, "AGENT_NOT_FOUND")
    message = request("route", **BASES["route"], dedicated_agent_id="nobody")
    assert refused(desk, "route", message) == (*unknown, "dedicated_agent_id", "unknown agent")
    message = request("set_presence", shop_id="s", agent_id="nobody", status=1)
    assert refused(desk, "set_presence", message) == (*unknown, "agent_id", "unknown agent")
    message = request("message", shop_id="s", buyer_id="b", sender=AGENT, agent_id="nobody")
    assert refused(desk, "message", message) == (*unknown, "agent_id", "unknown agent")


@pytest.mark.parametrize(
    "never",
    ["c2", "c0", "c01", "c", "d1", "1", "C1", "c-1", "c+1", "c 1", "c１", "c18446744073709551617"],
)
def test_an_id_never_issued_is_not_found(desk: Desk, never: str) -> None:
    assert desk.route("buyer").ok.conversation_id == "c1"
    expected = (5, "CONVERSATION_NOT_FOUND", "conversation_id", "never issued")
    message = request("close_conversation", shop_id="s", conversation_id=never)
    assert refused(desk, "close_conversation", message) == expected
    message = request("message", shop_id="s", conversation_id=never, sender=BUYER)
    assert refused(desk, "message", message) == expected


def test_a_message_must_fit_its_conversation(desk: Desk) -> None:
    desk.route("buyer")
    message = request("message", shop_id="s", conversation_id="c1", buyer_id="other", sender=BUYER)
    assert refused(desk, "message", message) == invalid("buyer_id", "not the conversation's buyer")
    message = request("message", shop_id="s", buyer_id="other", sender=AGENT)
    assert refused(desk, "message", message) == invalid("agent_id", REQUIRED)


def test_weights_are_checked_one_by_one(desk: Desk) -> None:
    def weights(*pairs: tuple[str, int], etag: str = "", shop: str = "s") -> Refusal:
        message = shop_pb2.SetWeightsRequest(shop_id=shop, etag=etag)
        for agent_id, weight in pairs:
            message.weights.add(agent_id=agent_id, weight=weight)
        return refused(desk, "set_weights", message)

    count = "must have 1..20000 elements"
    assert weights(shop="") == invalid("shop_id", REQUIRED)
    assert weights() == invalid("weights", count)
    assert weights(*[("a", 1)] * 20001) == invalid("weights", count)
    assert weights(("a", 1), ("", 101)) == invalid("weights[1].agent_id", REQUIRED)
    assert weights(("a", 101)) == invalid("weights[0].weight", within(0, 100))
    assert weights(("a", -1)) == invalid("weights[0].weight", within(0, 100))
    assert weights(("a", 1), ("a", 101)) == invalid("weights[1].weight", within(0, 100))
    assert weights(("a", 1), ("b", 1), ("a", 1)) == invalid("weights[2].agent_id", "named twice")
    assert weights(("a", 1), shop="nowhere")[1] == "SHOP_NOT_FOUND"
    stale = (10, "STALE_ETAG", "etag", "stale: the shop is at 1")
    assert weights(("nobody", 1), etag="2") == stale
    unknown = (5, "AGENT_NOT_FOUND", "weights[1].agent_id", "unknown agent")
    assert weights(("a", 1), ("nobody", 1), etag="1") == unknown


# --- documents ------------------------------------------------------------------------------------


def spoiled(desk: Desk, change: Any) -> Refusal:
    """The refusal of a good document after `change` was done to it."""
    shop = shop_pb2.Shop(shop_id="s", **document(["a", "b"]))
    change(shop)
    return refused(desk, "apply_shop", shop_pb2.ApplyShopRequest(shop=shop))


def test_a_shop_is_required(desk: Desk) -> None:
    assert refused(desk, "apply_shop", shop_pb2.ApplyShopRequest()) == invalid("shop", REQUIRED)


TEXTS = [
    ("x" * 257, "at most 256 bytes"),
    ("\n" * 257, "at most 256 bytes"),
    ("é" * 129, "at most 256 bytes"),
    ("a\nb", CONTROL),
]


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("shop_id", True),
        ("owner_agent_id", False),
        ("settings.proxy_agent_id", False),
        ("settings.robot_id", False),
        ("settings.buyer_agents[0].buyer_id", True),
        ("settings.buyer_agents[0].agent_id", True),
        ("agents[1].agent_id", True),
        ("groups[0].group_id", True),
        ("groups[0].agent_ids[1]", True),
        ("groups[0].bindings.product_ids[1]", True),
        ("groups[0].bindings.intents[0]", True),
        ("groups[0].bindings.page_sources[0]", True),
    ],
)
def test_ids_in_documents_obey_the_id_rule(desk: Desk, path: str, needed: bool) -> None:
    for value, rule in [*BAD_IDS, *([("", REQUIRED)] if needed else [])]:
        assert spoiled(desk, lambda s, v=value: put(s, path, v)) == invalid(f"shop.{path}", rule)


@pytest.mark.parametrize(
    "path", ["display_name", "agents[1].display_name", "groups[0].display_name"]
)
def test_names_are_short_texts(desk: Desk, path: str) -> None:
    for value, rule in TEXTS:
        assert spoiled(desk, lambda s, v=value: put(s, path, v)) == invalid(f"shop.{path}", rule)
    fine = shop_pb2.Shop(shop_id="s", **document(["a", "b"]))
    put(fine, path, "é" * 128)
    assert desk.do("apply_shop", shop_pb2.ApplyShopRequest(shop=fine)).code == 0


NINETY_DAYS, DAY = 7776000000, 86400000
RANGES = [
    ("settings.busy_threshold", 0, 1000000),
    ("settings.sticky_window_ms", 0, NINETY_DAYS),
    ("settings.sticky_suspended_window_ms", 0, NINETY_DAYS),
    ("settings.robot_percent", 0, 100),
    ("settings.queue_limit", 0, 1000000),
    ("settings.queue_timeout_ms", 0, NINETY_DAYS),
    ("settings.reply_timeout_ms", 0, NINETY_DAYS),
    ("settings.max_hops", 0, 10),
    ("settings.idle_close_ms", 0, NINETY_DAYS),
    ("settings.timestamp_skew_ms", 0, DAY),
    ("settings.longest_wait_ms", 0, DAY),
    ("settings.slow_gap_ms", 0, DAY),
    ("settings.slow_count", 0, 1000),
    ("agents[1].weight", 0, 100),
    ("agents[1].cap", 0, 1000000),
    ("agents[1].daily_limit", 0, 1000000),
    ("agents[1].hourly_limit", 0, 1000000),
    ("groups[0].priority", 0, 1000000),
    ("groups[0].robot_percent", 0, 100),
]


@pytest.mark.parametrize(("path", "low", "high"), RANGES)
def test_numbers_in_documents_have_limits(desk: Desk, path: str, low: int, high: int) -> None:
    for value in (low - 1, high + 1):
        expected = invalid(f"shop.{path}", within(low, high))
        assert spoiled(desk, lambda s, v=value: put(s, path, v)) == expected
    for value in (low, high):
        fine = shop_pb2.Shop(shop_id="s", **document(["a", "b"]))
        put(fine, path, value)
        result = desk.do("apply_shop", shop_pb2.ApplyShopRequest(shop=fine))
        assert result.code == 0 or result.refusal[3] == NEEDS_LIMIT


@pytest.mark.parametrize(
    ("path", "zero_is_a_value"),
    [
        ("settings.selection_mode", True),
        ("settings.binding_precedence[0]", False),
        ("settings.reception_mode", True),
        ("settings.reception_scope", True),
        ("settings.offline_target", True),
        ("groups[0].bindings.order_statuses[1]", False),
        ("groups[0].when_unavailable", True),
        ("groups[0].reception_mode", True),
    ],
)
def test_enums_in_documents_are_known(desk: Desk, path: str, zero_is_a_value: bool) -> None:
    for value in [-1, 7, *INT32, *([] if zero_is_a_value else [0])]:
        expected = invalid(f"shop.{path}", UNKNOWN)
        assert spoiled(desk, lambda s, v=value: put(s, path, v)) == expected


@pytest.mark.parametrize("target", [2, 3])
def test_proxy_and_owner_are_no_targets_beside_a_robot(desk: Desk, target: int) -> None:
    def change(shop: shop_pb2.Shop) -> None:
        shop.settings.robot_id = "robot"
        shop.settings.offline_target = target

    rule = "not while a robot is configured"
    assert spoiled(desk, change) == invalid("shop.settings.offline_target", rule)


NEEDS_LIMIT = "needs an agent with a cap or a volume"


def test_a_queue_needs_somebody_who_can_be_full(desk: Desk) -> None:
    def limit(shop: shop_pb2.Shop) -> None:
        shop.settings.queue_limit = 1

    assert spoiled(desk, limit) == invalid("shop.settings.queue_limit", NEEDS_LIMIT)
    rule = invalid("shop.groups[1].when_unavailable", NEEDS_LIMIT)
    assert spoiled(desk, lambda s: s.groups.add(group_id="h", when_unavailable=2)) == rule
    for name in ("cap", "daily_limit", "hourly_limit"):
        fine = shop_pb2.Shop(shop_id="s", **document(["a", "b"], {"g": []}, policies={"g": 2}))
        limit(fine)
        setattr(fine.agents[1], name, 1)
        assert desk.do("apply_shop", shop_pb2.ApplyShopRequest(shop=fine)).code == 0


def test_what_must_fit_together_is_checked_last(desk: Desk) -> None:
    def change(shop: shop_pb2.Shop) -> None:
        shop.groups[0].when_unavailable = 2
        shop.settings.queue_limit = 1
        shop.settings.robot_id = "robot"
        shop.settings.offline_target = 2
        shop.settings.buyer_agents.add(buyer_id="m", agent_id="nobody")

    shop = shop_pb2.Shop(shop_id="s", **document(["a", "b"]))
    change(shop)
    fields = []
    for mend in (
        lambda: setattr(shop.settings.buyer_agents[0], "agent_id", "a"),
        lambda: setattr(shop.settings, "offline_target", 1),
        lambda: setattr(shop.settings, "queue_limit", 0),
        lambda: setattr(shop.groups[0], "when_unavailable", 1),
    ):
        message = shop_pb2.ApplyShopRequest(shop=shop)
        fields.append(refused(desk, "apply_shop", message)[2].removeprefix("shop."))
        mend()
    assert fields == [
        "settings.buyer_agents[0].agent_id",
        "settings.offline_target",
        "settings.queue_limit",
        "groups[0].when_unavailable",
    ]
    assert desk.do("apply_shop", shop_pb2.ApplyShopRequest(shop=shop)).code == 0


def test_permissions_are_known_and_named_once(desk: Desk) -> None:
    def permit(*names: str) -> Refusal:
        return spoiled(desk, lambda s: s.agents[1].permissions.extend(names))

    manage = "dispatch.manage"
    for wrong in ("", "dispatch.read", "DISPATCH.MANAGE", "dispatch.manage "):
        assert permit(manage, wrong) == invalid("shop.agents[1].permissions[1]", UNKNOWN)
    assert permit(manage, manage) == invalid("shop.agents[1].permissions[1]", "named twice")
    # An agent's permissions come before its name is compared with the others'.
    assert spoiled(desk, lambda s: s.agents.add(agent_id="a", permissions=["x"])) == invalid(
        "shop.agents[2].permissions[0]", UNKNOWN
    )


def test_a_transfer_needs_a_target(desk: Desk) -> None:
    message = request("transfer", shop_id="s", conversation_id="c1", reason="x" * 1025)
    assert refused(desk, "transfer", message) == invalid("agent_id", REQUIRED)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("settings.binding_precedence[1]", 3),
        ("settings.buyer_agents[1].buyer_id", "m"),
        ("agents[1].agent_id", "a"),
        ("groups[0].agent_ids[1]", "a"),
        ("groups[0].bindings.product_ids[1]", "p"),
        ("groups[0].bindings.intents[1]", "i"),
        ("groups[0].bindings.order_statuses[1]", 2),
        ("groups[0].bindings.page_sources[1]", "h"),
        ("groups[1].group_id", "g"),
    ],
)
def test_nothing_is_named_twice(desk: Desk, path: str, value: Any) -> None:
    def twice(shop: shop_pb2.Shop) -> None:
        shop.settings.binding_precedence.extend([3])
        shop.settings.buyer_agents.add(buyer_id="m", agent_id="a")
        bindings = shop.groups[0].bindings
        bindings.product_ids.append("p")
        bindings.intents.append("i")
        bindings.order_statuses.append(2)
        bindings.page_sources.append("h")
        put(shop, path, value)

    assert spoiled(desk, twice) == invalid(f"shop.{path}", "named twice")


def test_groups_and_buyers_name_agents_of_the_shop(desk: Desk) -> None:
    rule = "names an unknown agent"
    assert spoiled(desk, lambda s: s.groups[0].agent_ids.append("nobody")) == invalid(
        "shop.groups[0].agent_ids[2]", rule
    )
    assert spoiled(
        desk, lambda s: s.settings.buyer_agents.add(buyer_id="m", agent_id="nobody")
    ) == invalid("shop.settings.buyer_agents[0].agent_id", rule)
    # In one element: an id first, then known, then not named twice.
    assert spoiled(desk, lambda s: s.groups[0].agent_ids.extend(["nobody", "nobody"])) == invalid(
        "shop.groups[0].agent_ids[2]", rule
    )


def test_buyers_agents_are_looked_up_last(desk: Desk) -> None:
    def change(shop: shop_pb2.Shop) -> None:
        shop.settings.buyer_agents.add(buyer_id="m", agent_id="nobody")
        shop.groups[0].priority = -1

    assert spoiled(desk, change)[2] == "shop.groups[0].priority"


def test_an_element_is_checked_whole_before_it_may_be_named_twice(desk: Desk) -> None:
    def agent(shop: shop_pb2.Shop) -> None:
        shop.agents.add(agent_id="a", weight=101)

    assert spoiled(desk, agent) == invalid("shop.agents[2].weight", within(0, 100))

    def group(shop: shop_pb2.Shop) -> None:
        shop.groups.add(group_id="g", robot_percent=101)

    assert spoiled(desk, group) == invalid("shop.groups[1].robot_percent", within(0, 100))


def test_settings_come_before_agents_and_agents_before_groups(desk: Desk) -> None:
    def change(shop: shop_pb2.Shop) -> None:
        shop.groups[0].group_id = ""
        shop.agents[0].weight = -1
        shop.settings.queue_limit = -1

    assert spoiled(desk, change)[2] == "shop.settings.queue_limit"


@pytest.mark.parametrize(
    ("field", "most"),
    [
        ("shop.agents", 20000),
        ("shop.groups", 1000),
        ("shop.groups[0].agent_ids", 20000),
        ("shop.groups[0].bindings.product_ids", 10000),
        ("shop.groups[0].bindings.intents", 10000),
        ("shop.groups[0].bindings.order_statuses", 10000),
        ("shop.groups[0].bindings.page_sources", 10000),
        ("shop.settings.buyer_agents", 100000),
    ],
)
def test_lists_have_limits(desk: Desk, field: str, most: int) -> None:
    def fill(shop: shop_pb2.Shop) -> None:
        *parents, last = field.removeprefix("shop.").replace("[0]", "").split(".")
        holder: Any = shop
        for name in parents:
            holder = getattr(holder, name)
            holder = holder[0] if name == "groups" else holder
        values = getattr(holder, last)
        del values[:]
        if last == "order_statuses":
            values.extend([1] * (most + 1))
        elif last.endswith("s") and hasattr(values, "add"):
            for _ in range(most + 1):
                values.add()
        else:
            values.extend([""] * (most + 1))

    assert spoiled(desk, fill) == invalid(field, f"at most {most} elements")


def put(shop: Any, path: str, value: Any) -> None:
    """Sets `a.b[1].c`, growing lists as needed."""
    holder = shop
    *parents, last = path.split(".")
    for part in parents:
        name, _, index = part.partition("[")
        holder = getattr(holder, name)
        if index:
            at = int(index[:-1])
            while len(holder) <= at:
                holder.add()
            holder = holder[at]
    name, _, index = last.partition("[")
    if index:
        at, values = int(index[:-1]), getattr(holder, name)
        fillers: Any = [3, 1, 4] if isinstance(value, int) else ["a", "b", "q"]
        while len(values) <= at:
            values.append(fillers[len(values)])
        values[at] = value
    else:
        setattr(holder, name, value)
    for pair in shop.settings.buyer_agents:
        # Fill what the case is not about, so that it is the only broken rule.
        if not path.endswith("agent_id") and not pair.agent_id:
            pair.agent_id = "a"
        if not path.endswith("buyer_id") and not pair.buyer_id:
            pair.buyer_id = "m"


def test_a_stale_etag_is_refused(desk: Desk) -> None:
    rule = "stale: the shop is at 1"
    for etag in ("0", "2", "01", "x"):
        stale = (10, "STALE_ETAG", "shop.etag", rule)
        assert spoiled(desk, lambda s, e=etag: setattr(s, "etag", e)) == stale
    shop = shop_pb2.Shop(shop_id="new", etag="1")
    assert refused(desk, "apply_shop", shop_pb2.ApplyShopRequest(shop=shop)) == (
        10,
        "STALE_ETAG",
        "shop.etag",
        "stale: there is no such shop",
    )
    assert desk.engine.shop_ids() == ["s"]


def test_an_unknown_kind_is_a_mistake_of_the_caller(desk: Desk) -> None:
    for kind in (0, 1, 3, 17, -1, 99):
        with pytest.raises(ValueError, match=r".+"):
            desk.engine.decide(kind, b"", T0)
    for kind in (0, 4, -1):
        with pytest.raises(ValueError, match=r".+"):
            desk.engine.query(kind, b"")
    for kind in (0, 5, 10, 13, 14):
        with pytest.raises(ValueError, match=r".+"):
            desk.engine.decide_batch(kind, b"", T0)


@pytest.mark.parametrize("partitions", [0, -1, 65537])
def test_an_engine_has_between_1_and_65536_partitions(core: ModuleType, partitions: int) -> None:
    with pytest.raises((ValueError, OverflowError)):
        core.Engine(partitions)
    assert core.Engine(1).shop_ids() == core.Engine(65536).shop_ids() == []
