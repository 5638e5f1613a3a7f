"""What happens in a shop, as the traffic sources list it and the player sends it.

Times are Unix milliseconds. `message_id` names the event in its shop and becomes the request's and
the message event's id, so that sending it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from fenliu.v1 import dispatch_pb2, shop_pb2, types_pb2


@dataclass(frozen=True, slots=True)
class BuyerMessage:
    """A buyer writes: one inquiry to route, and its message event."""

    at_ms: int
    shop_id: str
    buyer_id: str
    message_id: str
    order_status: types_pb2.OrderStatus = types_pb2.ORDER_STATUS_UNSPECIFIED
    product_id: str = ""
    intent: str = ""
    page_source: str = ""
    handoff: bool = False
    """The buyer asks for a human."""


@dataclass(frozen=True, slots=True)
class AgentReply:
    """Whoever has the buyer answers; a buyer who waits is answered once somebody has them.

    `asked_at_ms` is set on generated traffic: `at_ms` is then when the fastest agent would answer,
    and the wait since `asked_at_ms` is stretched by the slowness of the agent it came to.
    """

    at_ms: int
    shop_id: str
    buyer_id: str
    message_id: str
    asked_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """The buyer's conversation is closed on request."""

    at_ms: int
    shop_id: str
    buyer_id: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Presence:
    """An agent comes, goes, or takes a break."""

    at_ms: int
    shop_id: str
    agent_id: str
    status: types_pb2.PresenceStatus


@dataclass(frozen=True, slots=True)
class Transfer:
    """The agent hands the buyer on to a group, or leaves it for the group when nobody is there."""

    at_ms: int
    shop_id: str
    buyer_id: str
    message_id: str
    group_id: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """A buyer who is still waiting gives up."""

    at_ms: int
    shop_id: str
    buyer_id: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Order:
    """An order is created, paid or refunded."""

    at_ms: int
    shop_id: str
    buyer_id: str
    message_id: str
    order_id: str
    type: dispatch_pb2.OrderEventType
    amount_cents: int
    items: int


Event: TypeAlias = BuyerMessage | AgentReply | Close | Presence | Transfer | Cancel | Order


@dataclass(frozen=True, slots=True)
class Traffic:
    """Shops to apply first, and events in the order of time.

    `slowness_permille`: by (shop id, agent id), how long this agent's replies take in thousandths of
    the fastest agent's, 1000 or more; 1000 where absent.
    """

    shops: tuple[shop_pb2.Shop, ...]
    events: tuple[Event, ...]
    slowness_permille: Mapping[tuple[str, str], int] = field(default_factory=dict)
