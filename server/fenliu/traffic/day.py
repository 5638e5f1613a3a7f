"""A shop's sale day, made up: the same seed gives the same day on every machine.

Arrivals follow the hours of a promotion day in Asia/Shanghai with its evening peak; buyers come back,
orders move on between visits, agents work shifts with breaks and answer at their own pace. Integers
only, so that no rounding differs. With `features` buyers also ask for a human, give up waiting, order and
pay, and agents hand them on; arrivals stay the same.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TypeVar

from fenliu.traffic.events import (
    AgentReply,
    BuyerMessage,
    Cancel,
    Close,
    Event,
    Order,
    Presence,
    Traffic,
    Transfer,
)
from fenliu.v1 import dispatch_pb2, shop_pb2, types_pb2

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
SHANGHAI_MS = 8 * HOUR_MS
"""Asia/Shanghai is UTC+8 the whole year."""

# Arrivals in each hour of a promotion day, as parts of the whole: quiet nights, a plateau by day,
# the peak from eight to ten in the evening.
ARRIVALS = (6, 3, 2, 1, 1, 2, 4, 8, 14, 22, 28, 26, 20, 22, 26, 26, 26, 28, 34, 48, 70, 80, 62, 30)

# Shifts in hours of the local day, taken in turn by the agents as the shop lists them: the first
# four are there around the clock, two or three of them at the peak.
SHIFTS = ((8, 18), (14, 24), (10, 22), (22, 33))

# Where orders stand when a buyer first asks, and what follows by the next visit.
FIRST_STATUS = (
    (types_pb2.ORDER_STATUS_NO_ACTIVE_ORDER, 55),
    (types_pb2.ORDER_STATUS_UNPAID, 10),
    (types_pb2.ORDER_STATUS_UNSHIPPED, 10),
    (types_pb2.ORDER_STATUS_SHIPPED, 12),
    (types_pb2.ORDER_STATUS_COMPLETED, 8),
    (types_pb2.ORDER_STATUS_REFUNDING, 5),
)
SLOWEST_PERMILLE = 3000
"""The slowest agents' replies take so many thousandths of the fastest agent's."""

NEXT_STATUS = {
    types_pb2.ORDER_STATUS_NO_ACTIVE_ORDER: types_pb2.ORDER_STATUS_UNPAID,
    types_pb2.ORDER_STATUS_UNPAID: types_pb2.ORDER_STATUS_UNSHIPPED,
    types_pb2.ORDER_STATUS_UNSHIPPED: types_pb2.ORDER_STATUS_UNSHIPPED,
    types_pb2.ORDER_STATUS_SHIPPED: types_pb2.ORDER_STATUS_COMPLETED,
    types_pb2.ORDER_STATUS_COMPLETED: types_pb2.ORDER_STATUS_REFUNDING,
    types_pb2.ORDER_STATUS_REFUNDING: types_pb2.ORDER_STATUS_REFUNDING,
}

# What buyers whose order stands there may do with it.
_CREATED = dispatch_pb2.ORDER_EVENT_TYPE_CREATED
_PAID = dispatch_pb2.ORDER_EVENT_TYPE_PAID
_ORDERS = {
    types_pb2.ORDER_STATUS_NO_ACTIVE_ORDER: (_CREATED, _PAID),
    types_pb2.ORDER_STATUS_UNPAID: (_PAID,),
    types_pb2.ORDER_STATUS_REFUNDING: (dispatch_pb2.ORDER_EVENT_TYPE_REFUNDED,),
}

_Item = TypeVar("_Item")


def example_shops(count: int, agents: int = 8, *, features: bool = False) -> list[shop_pb2.Shop]:
    """`count` shops of `agents` agents (at least 4) in pre-sale, after-sale and VIP groups.

    With `features`, every other shop has caps and a queue, the others a robot in mixed mode.
    """
    if agents < 4:
        raise ValueError("agents must be at least 4")
    shops = [_example_shop(f"shop-{number:04}", agents) for number in range(1, count + 1)]
    if features:
        for number, shop in enumerate(shops):
            if number % 2 == 0:
                shop.settings.queue_limit = 20
                for agent in shop.agents:
                    agent.cap = 3
            else:
                shop.settings.robot_id = "robot"
                shop.settings.reception_mode = shop_pb2.RECEPTION_MODE_MIXED
                shop.settings.robot_percent = 20
    return shops


def _example_shop(shop_id: str, agents: int) -> shop_pb2.Shop:
    agent_ids = [f"agent-{number:02}" for number in range(1, agents + 1)]
    presale, aftersale = agent_ids[: agents * 5 // 8], agent_ids[agents * 5 // 8 :]
    return shop_pb2.Shop(
        shop_id=shop_id,
        display_name=f"示例店 {shop_id[-4:]}",
        owner_agent_id="owner",
        agents=[
            shop_pb2.Agent(agent_id=agent_id, weight=(8, 5, 5, 3)[index % 4])
            for index, agent_id in enumerate(agent_ids)
        ],
        groups=[
            shop_pb2.Group(
                group_id="presale",
                display_name="售前",
                agent_ids=presale,
                priority=1,
                bindings=shop_pb2.Bindings(
                    order_statuses=[
                        types_pb2.ORDER_STATUS_NO_ACTIVE_ORDER,
                        types_pb2.ORDER_STATUS_UNPAID,
                    ]
                ),
            ),
            shop_pb2.Group(
                group_id="aftersale",
                display_name="售后",
                agent_ids=aftersale,
                priority=2,
                bindings=shop_pb2.Bindings(
                    order_statuses=[
                        types_pb2.ORDER_STATUS_UNSHIPPED,
                        types_pb2.ORDER_STATUS_SHIPPED,
                        types_pb2.ORDER_STATUS_COMPLETED,
                        types_pb2.ORDER_STATUS_REFUNDING,
                    ]
                ),
            ),
            shop_pb2.Group(
                group_id="vip",
                display_name="会员",
                agent_ids=[presale[0], aftersale[0]],
                bindings=shop_pb2.Bindings(intents=["vip"]),
            ),
        ],
    )


def sale_day(
    shops: Iterable[shop_pb2.Shop],
    *,
    seed: int,
    start_ms: int,
    end_ms: int,
    buyers: int,
    features: bool = False,
) -> Traffic:
    """What happens in these shops from `start_ms` up to `end_ms` (not included), Unix milliseconds.

    `buyers` come to each shop; about a third of them come again. A shop's day depends on the seed,
    the shop and the times, not on the other shops. `features`: see above. Raises ValueError when the
    window is empty.
    """
    if end_ms <= start_ms:
        raise ValueError("end_ms must be after start_ms")
    shops = tuple(shops)
    slowness: dict[tuple[str, str], int] = {}
    events: list[Event] = []
    for shop in shops:
        rng = random.Random(f"{seed}/{shop.shop_id}")  # noqa: S311 - a reproducible day, no secret
        events += _presence(rng, shop, start_ms, end_ms)
        for agent in shop.agents:
            slowness[shop.shop_id, agent.agent_id] = rng.randrange(1000, SLOWEST_PERMILLE + 1)
        visits = list(_visits(rng, shop, start_ms, end_ms, buyers))
        if features:
            # Numbers of its own, so that who comes when is as without.
            rng = random.Random(f"{seed}/{shop.shop_id}/features")  # noqa: S311 - as above
            visits = [more for event in visits for more in _features(rng, shop, event)]
        events += (event for event in visits if event.at_ms < end_ms)
    # Stable: at the same moment agents come before buyers ask.
    events.sort(key=lambda event: event.at_ms)
    return Traffic(shops, tuple(events), slowness)


def _presence(
    rng: random.Random, shop: shop_pb2.Shop, start_ms: int, end_ms: int
) -> Iterator[Presence]:
    """Shifts with one break each; who is at the desk at `start_ms` comes ONLINE then."""
    online = types_pb2.PRESENCE_STATUS_ONLINE
    suspended = types_pb2.PRESENCE_STATUS_SUSPENDED
    offline = types_pb2.PRESENCE_STATUS_OFFLINE
    first_day = (start_ms + SHANGHAI_MS) // DAY_MS - 1
    last_day = (end_ms + SHANGHAI_MS) // DAY_MS
    for index, agent in enumerate(shop.agents):
        from_hour, to_hour = SHIFTS[index % len(SHIFTS)]
        now = offline
        changes: list[tuple[int, types_pb2.PresenceStatus]] = []
        for day in range(first_day, last_day + 1):
            midnight = day * DAY_MS - SHANGHAI_MS
            comes = midnight + from_hour * HOUR_MS - rng.randrange(10 * MINUTE_MS)
            goes = midnight + to_hour * HOUR_MS + rng.randrange(10 * MINUTE_MS)
            pause = (comes + goes) // 2 + rng.randrange(-HOUR_MS, HOUR_MS)
            resumes = pause + rng.randrange(20 * MINUTE_MS, 45 * MINUTE_MS)
            changes += [(comes, online), (pause, suspended), (resumes, online), (goes, offline)]
        for at_ms, status in changes:
            if at_ms <= start_ms:
                now = status
        if now != offline:
            yield Presence(start_ms, shop.shop_id, agent.agent_id, now)
        for at_ms, status in changes:
            if start_ms < at_ms < end_ms:
                yield Presence(at_ms, shop.shop_id, agent.agent_id, status)


def _visits(
    rng: random.Random, shop: shop_pb2.Shop, start_ms: int, end_ms: int, buyers: int
) -> Iterator[Event]:
    """Buyers' visits with their messages, the replies to them, and closes."""
    hours = _hours(start_ms, end_ms)
    products = sorted({product for group in shop.groups for product in group.bindings.product_ids})
    intents = sorted({intent for group in shop.groups for intent in group.bindings.intents})
    pages = sorted({page for group in shop.groups for page in group.bindings.page_sources})
    number = 0
    for buyer in range(1, buyers + 1):
        hour_ms, length_ms = _weighted(rng, hours)
        visit_ms = hour_ms + rng.randrange(length_ms)
        status = _weighted(rng, FIRST_STATUS)
        # A bound value one time in six of each kind; else one nobody bound, or none.
        product = rng.choice(products) if products and _chance(rng, 17) else "product-other"
        intent = rng.choice(intents) if intents and _chance(rng, 17) else ""
        page = rng.choice(pages) if pages and _chance(rng, 17) else "item"
        while visit_ms < end_ms:
            asked_ms = visit_ms
            for _ in range(rng.randrange(1, 5)):
                answered_ms = asked_ms + rng.randrange(8_000, 60_000)
                ids = [f"{start_ms}-{number + offset}" for offset in range(3)]
                number += 3
                buyer_id = f"buyer-{buyer:05}"
                if asked_ms < end_ms:
                    yield BuyerMessage(
                        asked_ms, shop.shop_id, buyer_id, ids[0], status, product, intent, page
                    )
                # One message in ten is never answered. Whoever answers does so within the window.
                slowest_ms = asked_ms + (answered_ms - asked_ms) * SLOWEST_PERMILLE // 1000
                if slowest_ms < end_ms and not _chance(rng, 10):
                    yield AgentReply(answered_ms, shop.shop_id, buyer_id, ids[1], asked_ms)
                close_ms = answered_ms + rng.randrange(3 * MINUTE_MS, 8 * MINUTE_MS)
                asked_ms = answered_ms + rng.randrange(20_000, 180_000)
            # Most conversations are closed; the rest fall idle.
            if close_ms < end_ms and _chance(rng, 60):
                yield Close(close_ms, shop.shop_id, buyer_id, ids[2])
            if not _chance(rng, 30):
                break
            visit_ms = asked_ms + rng.randrange(HOUR_MS, 8 * HOUR_MS)
            status = NEXT_STATUS[status]


def _features(rng: random.Random, shop: shop_pb2.Shop, event: Event) -> Iterator[Event]:
    """The event and, at times, what else comes of it."""
    if not isinstance(event, BuyerMessage | AgentReply):
        yield event
        return
    name = f"{event.message_id}-{{}}".format
    shop_id, buyer_id, at_ms = event.shop_id, event.buyer_id, event.at_ms
    if isinstance(event, AgentReply):
        yield event
        if shop.groups and _chance(rng, 3):
            group = rng.choice(shop.groups).group_id
            handed_ms = at_ms + rng.randrange(MINUTE_MS, 3 * MINUTE_MS)
            yield Transfer(handed_ms, shop_id, buyer_id, name("transfer"), group)
        return
    yield replace(event, handoff=bool(shop.settings.robot_id) and _chance(rng, 25))
    if _chance(rng, 15):
        gives_up_ms = at_ms + rng.randrange(2 * MINUTE_MS, 15 * MINUTE_MS)
        yield Cancel(gives_up_ms, shop_id, buyer_id, name("cancel"))
    steps = _ORDERS.get(event.order_status, ())
    if steps and _chance(rng, 15):
        items = rng.randrange(1, 4)
        cents = items * rng.randrange(1_900, 40_000)
        for step in steps:
            at_ms += rng.randrange(MINUTE_MS, 10 * MINUTE_MS)
            ident = name(dispatch_pb2.OrderEventType.Name(step))
            order = f"order-{buyer_id}-{event.message_id}"
            yield Order(at_ms, shop_id, buyer_id, ident, order, step, cents, items)


def _hours(start_ms: int, end_ms: int) -> list[tuple[tuple[int, int], int]]:
    """Each local hour's part of the window as ((start, length), weight)."""
    hours: list[tuple[tuple[int, int], int]] = []
    at_ms = start_ms
    while at_ms < end_ms:
        local = at_ms + SHANGHAI_MS
        until_ms = min(at_ms + HOUR_MS - local % HOUR_MS, end_ms)
        weight = ARRIVALS[local // HOUR_MS % 24] * (until_ms - at_ms)
        hours.append(((at_ms, until_ms - at_ms), weight))
        at_ms = until_ms
    return hours


def _weighted(rng: random.Random, items: Sequence[tuple[_Item, int]]) -> _Item:
    sums = list(accumulate(weight for _, weight in items))
    return items[bisect_right(sums, rng.randrange(sums[-1]))][0]


def _chance(rng: random.Random, percent: int) -> bool:
    return rng.randrange(100) < percent
