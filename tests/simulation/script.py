"""What clients send: shops, inquiries, messages, transfers and the rest, drawn from a seed. Knows no rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from google.protobuf.message import Message

from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2

SHOPS = ("shop-1", "shop-2")
AGENTS = ("a", "b", "c", "d")
ONLINE, SUSPENDED, OFFLINE = 1, 2, 3


def shop_document(rng: Random, shop_id: str) -> shop_pb2.Shop:
    """A small shop in which much happens within seconds."""
    shop = shop_pb2.Shop(shop_id=shop_id, owner_agent_id="boss")
    for agent_id in AGENTS:
        shop.agents.add(
            agent_id=agent_id,
            weight=rng.choice((0, 1, 3, 5, 10)),
            cap=rng.choice((0, 1, 2, 3)),
            hourly_limit=rng.choice((0, 0, 0, 4)),
        )
    shop.agents[0].cap = rng.choice((1, 2))  # so that there can be a queue
    shop.groups.add(group_id="g1", agent_ids=AGENTS[:3], when_unavailable=rng.choice((0, 1, 2, 4)))
    shop.groups.add(group_id="g2", agent_ids=AGENTS[1:], priority=1)
    shop.groups[1].bindings.product_ids.append("p1")
    s = shop.settings
    s.busy_threshold = rng.choice((1, 2, 4))
    s.sticky_window_ms = rng.choice((0, 2000, 259_200_000))
    s.queue_limit = rng.choice((0, 2, 5))
    s.queue_timeout_ms = rng.choice((800, 5000))
    s.idle_close_ms = rng.choice((1500, 6000, 1_800_000))
    s.reply_timeout_ms = rng.choice((0, 1200, 4000))
    s.charge_sticky = rng.randrange(2) == 0
    if rng.randrange(3) == 0:
        s.robot_id = "robot"
        s.reception_mode = rng.choice((1, 2, 3))
        s.robot_percent = rng.choice((30, 50))
    return shop


@dataclass
class Call:
    """One call; sent again as it is until it is answered."""

    name: str
    """The command's, as in an entry."""
    messages: list[Message]
    """One, or a batch's."""
    buyers: list[str]
    """Whom it concerns, as far as they have an order to keep; one for each message, or none."""
    pipelined: bool = False
    bodies: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.bodies = [m.SerializeToString(deterministic=True) for m in self.messages]


class Script:
    """One client's calls. Its buyers are nobody else's, so what it sends about them has an order."""

    def __init__(self, rng: Random, client: int) -> None:
        self._rng = rng
        self._client = client
        self._ids = 0
        self._conversations: dict[tuple[str, str], str] = {}
        """The last known by (shop, buyer)."""

    def learned(self, shop_id: str, buyer_id: str, conversation_id: str) -> None:
        if conversation_id:
            self._conversations[shop_id, buyer_id] = conversation_id

    def next(self) -> Call:
        rng, turn = self._rng, self._rng.randrange(100)
        shop_id = SHOPS[0] if rng.randrange(3) else SHOPS[1]
        buyer_id = f"b{self._client}{rng.randrange(3)}"
        if turn < 34:
            return Call("route", [self._route(shop_id, buyer_id)], [buyer_id])
        if turn < 46:
            buyers = [f"b{self._client}{rng.randrange(3)}" for _ in range(rng.randrange(1, 5))]
            batch: list[Message] = [
                self._route(SHOPS[0] if rng.randrange(3) else SHOPS[1], b) for b in buyers
            ]
            return Call("route", batch, buyers, pipelined=rng.randrange(2) == 0)
        conversation_id = self._conversations.get((shop_id, buyer_id), "")
        if turn < 66:
            return self._message(shop_id, buyer_id, conversation_id)
        if turn < 78:
            return Call("update_presence", [self._presence(shop_id)], [])
        if turn < 82:
            return Call("cancel_inquiry", [self._cancel(shop_id, buyer_id)], [buyer_id])
        if turn < 86:
            weights = shop_pb2.SetWeightsRequest(shop_id=shop_id)
            weights.weights.add(agent_id=rng.choice(AGENTS), weight=rng.choice((0, 1, 5, 20)))
            return Call("set_weights", [weights], [])
        if turn < 88:
            return Call("apply_shop", [self.apply(shop_id)], [])
        if turn < 90:
            order = dispatch_pb2.OrderEvent(
                shop_id=shop_id, buyer_id=buyer_id, order_id=self._id("o"), type=1,
                amount_cents=100, items=1, occurred_at_ms=1, event_id=self._id("oe"),
            )  # fmt: skip
            return Call("order", [order], [buyer_id])
        if not conversation_id:
            return Call("route", [self._route(shop_id, buyer_id)], [buyer_id])
        if turn < 95:
            close = dispatch_pb2.CloseConversationRequest(
                shop_id=shop_id, conversation_id=conversation_id, request_id=self._id("r")
            )
            return Call("close_conversation", [close], [buyer_id])
        transfer = dispatch_pb2.TransferRequest(
            shop_id=shop_id,
            conversation_id=conversation_id,
            request_id=self._id("r"),
            reason="please",
            allow_offline=rng.randrange(2) == 0,
        )
        if rng.randrange(3):
            transfer.agent_id = rng.choice(AGENTS)
        else:
            transfer.group_id = "g2"
        return Call("transfer", [transfer], [buyer_id])

    def apply(self, shop_id: str, display_name: str = "") -> Message:
        shop = shop_document(self._rng, shop_id)
        shop.display_name = display_name
        return shop_pb2.ApplyShopRequest(shop=shop)

    def opening(self) -> list[Call]:
        """What the first client does before anybody comes."""
        calls = []
        for shop_id in SHOPS:
            calls.append(Call("apply_shop", [self.apply(shop_id)], []))
            calls += [
                Call("update_presence", [self._presence(shop_id, agent_id)], [])
                for agent_id in AGENTS[: self._rng.randrange(1, 5)]
            ]
        return calls

    def _id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}{self._client}-{self._ids}"

    def _route(self, shop_id: str, buyer_id: str) -> Message:
        rng = self._rng
        return dispatch_pb2.RouteRequest(
            shop_id=shop_id,
            buyer_id=buyer_id,
            request_id=self._id("r"),
            product_id=rng.choice(("", "", "p1")),
            priority=rng.choice((0, 0, 0, 5)),
            handoff=rng.randrange(5) == 0,
            exclude_agent_ids=[rng.choice(AGENTS)] if rng.randrange(8) == 0 else [],
        )

    def _cancel(self, shop_id: str, buyer_id: str) -> Message:
        return dispatch_pb2.CancelInquiryRequest(
            shop_id=shop_id, buyer_id=buyer_id, request_id=self._id("r")
        )

    def _message(self, shop_id: str, buyer_id: str, conversation_id: str) -> Call:
        rng = self._rng
        sender = rng.choice((1, 2, 2, 4))
        event = dispatch_pb2.MessageEvent(
            shop_id=shop_id, buyer_id=buyer_id, sender=sender, event_id=self._id("e")
        )
        if conversation_id and rng.randrange(2):
            event.conversation_id = conversation_id
            event.buyer_id = ""
        elif sender == 2:
            event.agent_id = rng.choice(AGENTS)
        return Call("message", [event], [buyer_id])

    def _presence(self, shop_id: str, agent_id: str = "") -> Message:
        rng = self._rng
        status = rng.choice((ONLINE, ONLINE, ONLINE, SUSPENDED, OFFLINE))
        update = presence_pb2.PresenceUpdate(
            update_id=self._id("u"),
            shop_id=shop_id,
            agent_id=agent_id or rng.choice(AGENTS),
            status=ONLINE if agent_id else status,
        )
        return engine_pb2.UpdatePresence(session_id=f"s{self._client}", update=update)
