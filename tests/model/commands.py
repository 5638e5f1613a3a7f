"""Random commands, valid and not, drawn from a small world so that they meet each other often.

Everything is drawn from a `random.Random`, so that hypothesis can drive (and shrink) it and a fixed
seed gives the same walk every time.
"""

from __future__ import annotations

from random import Random
from typing import Any

from google.protobuf.message import Message

from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2
from model.wire import DAY, HOUR, MINUTE

SHOPS = ["s", "店", "t"]
AGENTS = ["a", "b", "c", "d", "é", "f"]
BUYERS = [f"buyer{i}" for i in range(6)]
GROUPS = ["g1", "g2", "g3"]
SESSIONS = ["x", "y", "z"]
REQUEST_IDS = ["r1", "r2", "r3", "r4"]
PRODUCTS, INTENTS, PAGES = ["p1", "p2"], ["refund", "size"], ["search", "cart"]

# Steps of time, most of them small; some back, some beyond each window.
JUMPS = [
    *[0] * 8,
    *[1, 100, 400, 600, 1000, 1001] * 2,
    5000,
    MINUTE,
    5 * MINUTE + 1,
    30 * MINUTE,
    30 * MINUTE + 1,
    24 * HOUR,
    24 * HOUR + 1,
    72 * HOUR + 1,
    91 * DAY,
    -1,
    -1000,
    -30 * MINUTE,
]

# Not ids, in the order of the id rule: empty, too long, a control character.
NO_IDS = ["", "x" * 129, "é" * 65, "a\nb", "\x00", "a\x7f", "b\x85"]


def some(rng: Random, values: list[Any], odds: int = 2, none: Any = "") -> Any:
    """One of the values, or `none` in one of `odds` cases."""
    return none if rng.randrange(odds) == 0 else rng.choice(values)


def rarely(rng: Random) -> bool:
    return rng.randrange(12) == 0


def subset(rng: Random, values: list[Any]) -> list[Any]:
    """Some of the values, in any order."""
    chosen = [v for v in values if rng.randrange(2)]
    rng.shuffle(chosen)
    return chosen


def shop_id(rng: Random) -> str:
    """Mostly the first shop; rarely one that does not exist or none at all."""
    if rarely(rng):
        return rng.choice([*SHOPS, "nowhere", *NO_IDS])
    return rng.choice([*SHOPS[:1] * 6, *SHOPS])


def identifier(rng: Random, values: list[str]) -> str:
    return rng.choice(NO_IDS) if rarely(rng) and rarely(rng) else rng.choice(values)


def conversation_id(rng: Random, issued: int) -> str:
    if rarely(rng):
        return rng.choice(
            [
                "c0",
                "c01",
                "c",
                "d1",
                "1",
                "C1",
                "c-1",
                "c+1",
                "c１",
                f"c{issued + 1}",
                "c" + "9" * 30,
            ]
        )
    return f"c{max(1, issued - rng.randrange(8))}"


def document(rng: Random, shop: str) -> shop_pb2.Shop:
    """A valid document of moderate size with settings that matter soon."""
    agents = subset(rng, AGENTS) if rng.randrange(3) == 0 else list(AGENTS)
    answer = shop_pb2.Shop(
        shop_id=shop,
        display_name="演示店",
        owner_agent_id=some(rng, ["boss", "boss", "b"], odds=4),
        settings=_settings(rng, agents),
    )
    for agent_id in agents:
        agent = answer.agents.add(agent_id=agent_id, cap=rng.choice([0, 0, 1, 1, 2]))
        if rng.randrange(3):
            agent.weight = rng.choice([0, 1, 3, 5, 10, 100])
        if rng.randrange(3) == 0:
            agent.hourly_limit = rng.choice([0, 1, 2])
            agent.daily_limit = rng.choice([0, 0, 1, 2, 3])
        if agent_id in "ab" or rarely(rng):
            agent.permissions.append("dispatch.manage")
    limited = any(a.cap or a.hourly_limit or a.daily_limit for a in answer.agents)
    for group_id in subset(rng, GROUPS) if rng.randrange(3) == 0 else GROUPS:
        group = answer.groups.add(
            group_id=group_id,
            agent_ids=subset(rng, agents),
            priority=rng.randrange(3),
            when_unavailable=rng.choice([0, 0, 1, 2 if limited else 1, 3, 4]),
            reception_mode=rng.choice([0, 1, 2, 3, 3]),
            robot_percent=rng.choice([0, 30, 50, 100]),
        )
        if rng.randrange(2):
            group.bindings.product_ids.extend(subset(rng, PRODUCTS))
            group.bindings.intents.extend(subset(rng, INTENTS))
            group.bindings.order_statuses.extend(subset(rng, [1, 4, 6]))
            group.bindings.page_sources.extend(subset(rng, PAGES))
    if not limited:
        answer.settings.queue_limit = 0
    return answer


def _settings(rng: Random, agents: list[str]) -> shop_pb2.ShopSettings:
    settings = shop_pb2.ShopSettings(
        selection_mode=rng.choice([0, 0, 1, 2]),
        binding_precedence=subset(rng, [1, 2, 3, 4]) if rng.randrange(2) else [],
        proxy_agent_id=some(rng, ["proxy", "a"]),
        charge_sticky=rng.randrange(3) == 0,
        queue_limit=rng.choice([0, 1, 2, 2, 3, 100]),
        reply_timeout_ms=rng.choice([0, 0, 300, 1000, MINUTE]),
    )
    if rng.randrange(2):
        settings.robot_id = rng.choice(["robot", "机器人"])
        settings.offline_target = rng.choice([0, 1])
        settings.reception_mode = rng.choice([0, 1, 1, 2, 3])
        settings.reception_scope = rng.choice([0, 1, 2])
        settings.robot_percent = rng.choice([0, 1, 30, 50, 99, 100])
    else:
        settings.offline_target = rng.choice([0, 1, 2, 3])
    for name, values in {
        "busy_threshold": [0, 1, 2, 4],
        "sticky_window_ms": [0, 500, 1000, MINUTE, 7_776_000_000],
        "sticky_suspended_window_ms": [0, 500, 1000, 2000],
        "queue_timeout_ms": [0, 300, 1000, 1000, MINUTE],
        "idle_close_ms": [0, 400, 1000, MINUTE],
        "timestamp_skew_ms": [0, 500, MINUTE],
        "max_hops": [0, 1, 2, 10],
        "slow_count": [0, 1000],
    }.items():
        if rng.randrange(2):
            setattr(settings, name, rng.choice(values))
    for buyer in subset(rng, BUYERS[:2]):
        if agents:
            settings.buyer_agents.add(buyer_id=buyer, agent_id=rng.choice(agents))
    return settings


def spoil(rng: Random, shop: shop_pb2.Shop) -> None:
    """Breaks one rule of a document (or, by chance, none)."""
    agent = shop.agents[-1] if shop.agents else shop.agents.add(agent_id="q")
    group = shop.groups[-1] if shop.groups else shop.groups.add(group_id="q")
    s = shop.settings
    number = rng.choice([-1, 11, 101, 1001, 1_000_001, -(2**31), 2**31 - 1])
    long_number = rng.choice([-1, DAY + 1, 7_776_000_001, 2**63 - 1])
    text = rng.choice(["x" * 257, "ü" * 129, "a\tb", "\u0080"])
    numbers = ["busy_threshold", "robot_percent", "queue_limit", "max_hops", "slow_count"]
    times = [
        "sticky_window_ms",
        "sticky_suspended_window_ms",
        "queue_timeout_ms",
        "reply_timeout_ms",
        "idle_close_ms",
        "timestamp_skew_ms",
        "longest_wait_ms",
        "slow_gap_ms",
    ]
    enums = ["selection_mode", "reception_mode", "reception_scope", "offline_target"]
    values = getattr(group.bindings, rng.choice(["product_ids", "intents", "page_sources"]))
    choices = [
        lambda: setattr(shop, "shop_id", rng.choice(NO_IDS)),
        lambda: setattr(shop, "display_name", text),
        lambda: setattr(shop, "owner_agent_id", rng.choice(NO_IDS)),
        lambda: setattr(s, rng.choice(numbers), number),
        lambda: setattr(s, rng.choice(times), long_number),
        lambda: setattr(s, rng.choice(enums), rng.choice([-1, 2, 3, 4, 99])),
        lambda: setattr(s, rng.choice(["robot_id", "proxy_agent_id"]), rng.choice(NO_IDS)),
        lambda: (setattr(s, "robot_id", "robot"), setattr(s, "offline_target", rng.choice([2, 3]))),
        lambda: _without_limits(rng, shop),
        lambda: agent.permissions.extend(rng.choice([["dispatch.manage"] * 2, ["x"], [""]])),
        lambda: s.binding_precedence.extend(rng.choice([[0], [7], [1, 1], [2, 3, 2]])),
        lambda: s.buyer_agents.add(buyer_id=rng.choice(BUYERS), agent_id="nobody"),
        lambda: s.buyer_agents.extend([shop_pb2.BuyerAgent(buyer_id="m", agent_id="a")] * 2),
        lambda: s.buyer_agents.add(buyer_id=rng.choice(NO_IDS), agent_id=rng.choice(NO_IDS)),
        lambda: setattr(agent, "agent_id", rng.choice([*NO_IDS, shop.agents[0].agent_id])),
        lambda: setattr(agent, rng.choice(["weight", "cap"]), number),
        lambda: setattr(
            agent, rng.choice(["daily_limit", "hourly_limit"]), rng.choice([-1, 1_000_001])
        ),
        lambda: setattr(agent, "display_name", text),
        lambda: shop.agents.append(shop.agents[0]),
        lambda: setattr(group, "group_id", rng.choice([*NO_IDS, shop.groups[0].group_id])),
        lambda: setattr(group, "display_name", text),
        lambda: group.agent_ids.append(rng.choice(["nobody", "", agent.agent_id, "a\nb"])),
        lambda: setattr(group, rng.choice(["priority", "robot_percent"]), number),
        lambda: setattr(group, "when_unavailable", rng.choice([-1, 2, 3, 4, 5])),
        lambda: setattr(group, "reception_mode", rng.choice([-1, 2, 3, 4])),
        lambda: group.bindings.order_statuses.extend(rng.choice([[0], [9], [1, 1]])),
        lambda: values.extend(rng.choice([["p1", "p1"], [""], ["a\nb"]])),
        lambda: shop.groups.append(shop.groups[0]),
    ]
    rng.choice(choices)()


def _without_limits(rng: Random, shop: shop_pb2.Shop) -> None:
    """A queue that nobody's cap or volume can fill."""
    for agent in shop.agents:
        agent.cap = agent.daily_limit = agent.hourly_limit = 0
    if rng.randrange(2):
        shop.settings.queue_limit = 1
    for group in shop.groups:
        group.when_unavailable = rng.choice([0, 1, 2])


def actor(rng: Random) -> str:
    """Mostly one who may: the operator, an owner, a manager; at times one who may not."""
    return rng.choice(["", "", "", "boss", "boss", "b", "a", "c", "stranger"])


def apply_shop(rng: Random, etags: list[str]) -> Message:
    if rarely(rng) and rarely(rng):
        return shop_pb2.ApplyShopRequest()
    shop = document(rng, rng.choice([*SHOPS[:1] * 3, *SHOPS]))
    shop.etag = some(rng, [*etags, "1", "0", "x"], odds=1 if rarely(rng) else 2)
    if rng.randrange(3) == 0:
        spoil(rng, shop)
    return shop_pb2.ApplyShopRequest(shop=shop)


def set_weights(rng: Random, etags: list[str]) -> Message:
    message = shop_pb2.SetWeightsRequest(
        shop_id=shop_id(rng), etag=some(rng, [*etags, "1", "x"]) if rng.randrange(2) else ""
    )
    for agent_id in subset(rng, AGENTS):
        weight = (
            rng.choice([-1, 101]) if rarely(rng) and rarely(rng) else rng.choice([0, 1, 2, 5, 100])
        )
        message.weights.add(agent_id=identifier(rng, [agent_id]), weight=weight)
    if message.weights and rarely(rng):
        message.weights.append(message.weights[0])
    return message


def shortened(rng: Random, stored: shop_pb2.Shop) -> Message:
    """The stored document with shorter times and lower limits: much falls due before the last command."""
    shop = shop_pb2.Shop()
    shop.CopyFrom(stored)
    shop.etag = ""
    s = shop.settings
    for name in ("idle_close_ms", "queue_timeout_ms", "reply_timeout_ms", "sticky_window_ms"):
        if rng.randrange(2):
            setattr(s, name, rng.choice([1, 50, 300]))
    if rng.randrange(2):
        s.sticky_suspended_window_ms = rng.choice([0, 50, 500])
    for agent in shop.agents:
        if rng.randrange(4) == 0:
            agent.hourly_limit = rng.choice([0, 1, 2])
            agent.daily_limit = rng.choice([0, 1, 2])
    if s.queue_limit or any(g.when_unavailable == 2 for g in shop.groups):
        shop.agents[0].cap = shop.agents[0].cap or 1
    return shop_pb2.ApplyShopRequest(shop=shop)


def with_long_memory(rng: Random, message: Any) -> None:
    """Makes a document one of a shop whose buyers come and go, and are known when they come again."""
    if not message.HasField("shop") or rng.randrange(4) == 0:
        return
    shop = message.shop
    shop.settings.sticky_window_ms = 30 * DAY
    shop.settings.sticky_suspended_window_ms = rng.choice([1000, DAY])
    shop.settings.idle_close_ms = rng.choice([300, 1000, 1000, 5000])
    shop.settings.queue_timeout_ms = 1000
    if rng.randrange(3):
        shop.settings.queue_limit = 0
        for agent in shop.agents:
            agent.cap = agent.daily_limit = agent.hourly_limit = 0
            agent.weight = agent.weight or 1
        for group in shop.groups:
            group.when_unavailable = group.when_unavailable if group.when_unavailable != 2 else 1


def delete_shop(rng: Random, etags: list[str]) -> Message:
    return shop_pb2.DeleteShopRequest(
        shop_id=shop_id(rng), etag=some(rng, [*etags, "x"], odds=2), force=rng.randrange(3) > 0
    )


def made_again(rng: Random, shop: str) -> Message:
    """A shop that was deleted, with people and groups of its own."""
    return shop_pb2.ApplyShopRequest(shop=document(rng, shop))


def route(rng: Random) -> Message:
    excluded = subset(rng, AGENTS) if rng.randrange(4) == 0 else []
    if rarely(rng) and rarely(rng):
        excluded = rng.choice([["a"] * 101, ["a", ""], ["nobody"] * 100])
    return dispatch_pb2.RouteRequest(
        shop_id=shop_id(rng),
        buyer_id=identifier(rng, BUYERS),
        request_id=identifier(rng, REQUEST_IDS) if rng.randrange(4) == 0 else "",
        order_status=rng.choice([0, 0, 1, 4, 6, 9 if rarely(rng) else 2]),
        product_id=some(rng, [*PRODUCTS, "p9"]),
        intent=some(rng, INTENTS),
        page_source=some(rng, [*PAGES, "x" * 129 if rarely(rng) else "home"]),
        dedicated_agent_id=some(rng, [*AGENTS, "nobody"]) if rng.randrange(4) == 0 else "",
        priority=rng.choice([-1, 10]) if rarely(rng) and rarely(rng) else rng.choice([0, 0, 9]),
        handoff=rng.randrange(4) == 0,
        exclude_agent_ids=excluded,
    )


def transfer(rng: Random, issued: int) -> Message:
    message = dispatch_pb2.TransferRequest(
        shop_id=shop_id(rng),
        conversation_id=identifier(rng, [conversation_id(rng, issued)]),
        request_id=identifier(rng, REQUEST_IDS) if rng.randrange(4) == 0 else "",
        reason="é" * 513 if rarely(rng) and rarely(rng) else some(rng, ["要退货\n", "x" * 1024]),
        allow_offline=rng.randrange(2) == 0,
    )
    if rng.randrange(3):
        message.agent_id = identifier(rng, [*AGENTS, "nobody" if rarely(rng) else "a"])
    elif not rarely(rng):
        message.group_id = identifier(rng, [*GROUPS, "nowhere" if rarely(rng) else "g1"])
    return message


def cancel_inquiry(rng: Random) -> Message:
    return dispatch_pb2.CancelInquiryRequest(
        shop_id=shop_id(rng),
        buyer_id=identifier(rng, BUYERS),
        request_id=identifier(rng, REQUEST_IDS) if rng.randrange(4) == 0 else "",
    )


def order(rng: Random, now: int) -> Message:
    return dispatch_pb2.OrderEvent(
        shop_id=shop_id(rng),
        buyer_id=identifier(rng, BUYERS),
        order_id=identifier(rng, ["o1", "o2"]),
        type=rng.choice([0, 4, -1]) if rarely(rng) else rng.choice([1, 2, 3]),
        amount_cents=rng.choice([-1, 2**53]) if rarely(rng) else rng.choice([0, 1, 2**53 - 1]),
        items=rng.choice([-1, 10**9 + 1]) if rarely(rng) else rng.choice([0, 1, 10**9]),
        occurred_at_ms=-1 if rarely(rng) else rng.choice([0, 1, now, now + DAY, 2**53 - 1]),
        event_id=identifier(rng, ["e1", "e2", "e3", "e4"]) if rng.randrange(3) == 0 else "",
    )


def close_conversation(rng: Random, issued: int) -> Message:
    return dispatch_pb2.CloseConversationRequest(
        shop_id=shop_id(rng),
        conversation_id=identifier(rng, [conversation_id(rng, issued)]),
        request_id=identifier(rng, REQUEST_IDS) if rng.randrange(4) == 0 else "",
    )


def message(rng: Random, issued: int, now: int) -> Message:
    by_id = rng.randrange(2) == 0
    return dispatch_pb2.MessageEvent(
        shop_id=shop_id(rng),
        conversation_id=conversation_id(rng, issued) if by_id else "",
        buyer_id=some(rng, BUYERS) if by_id else identifier(rng, BUYERS),
        sender=rng.choice([0, 5, -1]) if rarely(rng) else rng.choice([1, 1, 2, 2, 2, 3, 4]),
        agent_id=some(rng, [*AGENTS, "nobody" if rarely(rng) else "a"]),
        sent_at_ms=max(
            0,
            rng.choice(
                [0, 0, now, now - 400, now + 400, now - 10 * MINUTE, now + 10 * MINUTE, 1]
                + ([-1, 2**53] if rarely(rng) else [])
            )
            if not rarely(rng)
            else rng.choice([now - 500, now + 501]),
        ),
        event_id=identifier(rng, ["e1", "e2", "e3", "e4"]) if rng.randrange(3) == 0 else "",
    )


def _presence(rng: Random, made: Any) -> Any:
    if rng.randrange(3) == 0:
        made.awaiting = rng.choice([-1, 1_000_001]) if rarely(rng) else rng.choice([0, 1, 3, 9, 40])
    return made


def update_presence(rng: Random) -> Message:
    if rarely(rng) and rarely(rng):
        return engine_pb2.UpdatePresence(session_id="x")
    update = presence_pb2.PresenceUpdate(
        update_id=identifier(rng, ["u1", "u2"]),
        shop_id=shop_id(rng),
        agent_id=identifier(rng, [*AGENTS, "nobody" if rarely(rng) else "a"]),
        status=rng.choice([0, 4, -1]) if rarely(rng) else rng.choice([1, 1, 1, 1, 2, 3]),
    )
    return engine_pb2.UpdatePresence(
        session_id=identifier(rng, SESSIONS), update=_presence(rng, update)
    )


def set_presence(rng: Random) -> Message:
    made = presence_pb2.SetPresenceRequest(
        shop_id=shop_id(rng),
        agent_id=identifier(rng, AGENTS),
        status=rng.choice([0, 4]) if rarely(rng) else rng.choice([1, 1, 1, 2, 3]),
    )
    done: Message = _presence(rng, made)
    return done


def expire_session(rng: Random) -> Message:
    return engine_pb2.ExpireSession(
        shop_id=shop_id(rng), session_id=identifier(rng, [*SESSIONS, "nobody's"])
    )


def tick(rng: Random) -> Message:
    return engine_pb2.Tick(shop_id=shop_id(rng))


def any_command(rng: Random, issued: int, etags: list[str], now: int) -> tuple[str, Message, str]:
    """(name, message, actor): inquiries and messages most often, as in life."""
    turn = rng.randrange(100)
    if turn < 36:
        return "route", route(rng), ""
    if turn < 58:
        return "message", message(rng, issued, now), ""
    if turn < 70:
        return "update_presence", update_presence(rng), ""
    if turn < 75:
        return "set_presence", set_presence(rng), actor(rng)
    if turn < 82:
        return "close_conversation", close_conversation(rng, issued), ""
    if turn < 90:
        return "transfer", transfer(rng, issued), ""
    if turn < 92:
        return "cancel_inquiry", cancel_inquiry(rng), ""
    if turn < 94:
        return "order", order(rng, now), ""
    if turn < 95:
        return "expire_session", expire_session(rng), ""
    if turn < 97:
        return "apply_shop", apply_shop(rng, etags), actor(rng)
    if turn < 98:
        return "set_weights", set_weights(rng, etags), actor(rng)
    if turn < 99 and rng.randrange(3) == 0:
        return "delete_shop", delete_shop(rng, etags), actor(rng)
    return "tick", tick(rng), ""


def spoiled_bytes(rng: Random, message: Message) -> bytes:
    """An encoded message and something behind it that makes it unreadable."""
    body = message.SerializeToString(deterministic=True)
    tails = [
        b"\x0a\x05ab",  # truncated
        b"\x08\x01",  # field 1 with another wire type
        b"\x00",  # field number 0
        b"\x0f",  # wire type 7
        b"\xff" * 11,  # a varint too long
        b"\x0c",  # a group's end without its start
        b"\x0a",  # no length
    ]
    return body + rng.choice(tails)
