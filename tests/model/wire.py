"""Bytes in and out of an engine, for tests: commands by name, replies and entries as plain values.

Knows the messages and the engine's face, no rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2

# The time all scenarios start at: 2024-06-01 10:00 in Shanghai.
T0 = 1_717_207_200_000
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000

ONLINE, SUSPENDED, OFFLINE = 1, 2, 3
BUYER, AGENT, ROBOT, AUTO_REPLY = 1, 2, 3, 4

# By the name of the command's field in an entry: kind, request, reply (None: empty bytes).
COMMANDS: dict[str, tuple[int, type[Message], type[Message] | None]] = {
    "route": (4, dispatch_pb2.RouteRequest, dispatch_pb2.RouteResponse),
    "close_conversation": (
        5,
        dispatch_pb2.CloseConversationRequest,
        dispatch_pb2.CloseConversationResponse,
    ),
    "message": (6, dispatch_pb2.MessageEvent, dispatch_pb2.MessageResult),
    "update_presence": (7, engine_pb2.UpdatePresence, presence_pb2.PresenceAck),
    "set_presence": (8, presence_pb2.SetPresenceRequest, presence_pb2.SetPresenceResponse),
    "expire_session": (9, engine_pb2.ExpireSession, None),
    "apply_shop": (10, shop_pb2.ApplyShopRequest, shop_pb2.ApplyShopResponse),
    "set_weights": (11, shop_pb2.SetWeightsRequest, shop_pb2.SetWeightsResponse),
    "tick": (12, engine_pb2.Tick, None),
    "transfer": (13, dispatch_pb2.TransferRequest, dispatch_pb2.TransferResponse),
    "cancel_inquiry": (14, dispatch_pb2.CancelInquiryRequest, dispatch_pb2.CancelInquiryResponse),
    "order": (15, dispatch_pb2.OrderEvent, dispatch_pb2.OrderResult),
    "delete_shop": (16, shop_pb2.DeleteShopRequest, shop_pb2.DeleteShopResponse),
}
QUERIES: dict[str, tuple[int, type[Message], type[Message]]] = {
    "get_shop": (1, shop_pb2.GetShopRequest, shop_pb2.GetShopResponse),
    "list_shops": (2, shop_pb2.ListShopsRequest, shop_pb2.ListShopsResponse),
    "list_presence": (3, presence_pb2.ListPresenceRequest, presence_pb2.ListPresenceResponse),
}

Refusal = tuple[int, str, str, str]
"""(code, reason, field, rule)."""


def refusal_of(status: status_pb2.Status) -> Refusal:
    """Takes a Status apart and checks that it is put together as every refusal is."""
    [detail] = status.details
    assert detail.type_url == "type.googleapis.com/google.rpc.ErrorInfo"
    info = error_details_pb2.ErrorInfo()
    assert detail.Unpack(info)
    assert info.domain == "fenliu"
    field, rule = info.metadata.get("field", ""), info.metadata["rule"]
    assert set(info.metadata) == ({"field", "rule"} if field else {"rule"})
    assert status.message == (f"{field}: {rule}" if field else rule)
    return status.code, info.reason, field, rule


def status_bytes(refusal: Refusal) -> bytes:
    """The encoded Status of a refusal, put together by hand: the map sorted by key."""
    code, reason, field, rule = refusal
    info = _text(1, reason) + _text(2, "fenliu")
    if field:
        info += _bytes(3, _text(1, "field") + _text(2, field))
    info += _bytes(3, _text(1, "rule") + _text(2, rule))
    detail = _text(1, "type.googleapis.com/google.rpc.ErrorInfo") + _bytes(2, info)
    return (
        b"\x08" + varint(code) + _text(2, f"{field}: {rule}" if field else rule) + _bytes(3, detail)
    )


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _bytes(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode())


def batch_bytes(items: Sequence[bytes], batch_id: int = 0) -> bytes:
    """A batch of encoded elements; batch_id only when it is not 0."""
    data = b"".join(_bytes(1, item) for item in items)
    return data + (b"\x10" + varint(batch_id) if batch_id else b"")


def split_entries(data: bytes) -> list[bytes]:
    """The length-prefixed entries in `data`, each with its prefix."""
    entries, at = [], 0
    while at < len(data):
        start, length, shift = at, 0, 0
        while True:
            byte = data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        at += length
        assert at <= len(data)
        assert data[start : at - length] == varint(length), "the shortest varint"
        entries.append(data[start:at])
    return entries


def parse_entry(data: bytes) -> engine_pb2.Entry:
    """One length-prefixed entry; it must be encoded canonically."""
    [whole] = split_entries(data)
    prefix = next(n for n in range(1, 6) if whole[n - 1] < 0x80)
    body = whole[prefix:]
    entry = engine_pb2.Entry.FromString(body)
    assert entry.SerializeToString(deterministic=True) == body
    return entry


def plain(message: Message) -> dict[str, Any]:
    """A flat message's fields as values; absent optional fields are None."""
    values = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.has_presence and field.message_type is None and not message.HasField(field.name):
            value = None
        elif field.is_repeated:
            value = list(value)
        values[field.name] = value
    return values


def plain_facts(entry: engine_pb2.Entry) -> list[tuple[str, dict[str, Any]]]:
    facts = []
    for fact in entry.facts:
        name = fact.WhichOneof("fact")
        assert name is not None
        values = plain(getattr(fact, name))
        if name == "weights_set":
            values["weights"] = [(w.agent_id, w.weight) for w in values["weights"]]
        facts.append((name, values))
    return facts


@dataclass(frozen=True)
class Result:
    """What `decide` returned."""

    name: str
    code: int
    reply: bytes
    partition: int
    entry: bytes

    @property
    def ok(self) -> Any:
        """The reply message; the command must have been accepted."""
        assert self.code == 0, self.refusal
        reply = COMMANDS[self.name][2]
        assert reply is not None
        return reply.FromString(self.reply)

    @property
    def refusal(self) -> Refusal:
        assert self.code != 0
        status = status_pb2.Status.FromString(self.reply)
        assert status.code == self.code
        return refusal_of(status)

    @property
    def logged(self) -> engine_pb2.Entry:
        return parse_entry(self.entry)

    @property
    def facts(self) -> list[tuple[str, dict[str, Any]]]:
        return plain_facts(self.logged) if self.entry else []

    def named(self, name: str) -> list[dict[str, Any]]:
        """The facts of one kind, in order."""
        return [fact for kind, fact in self.facts if kind == name]

    @property
    def said(self) -> tuple[str, str, str, str]:
        """(outcome, reason, agent, group) of the answer, by name."""
        answer = self.ok
        return said(answer)


def said(answer: Any) -> tuple[str, str, str, str]:
    """(outcome, reason, agent, group) of a RouteResponse, a TransferResponse."""
    outcome = types_pb2.Outcome.Name(answer.outcome).removeprefix("OUTCOME_")
    reason = types_pb2.Reason.Name(answer.reason).removeprefix("REASON_")
    assert (answer.conversation_id != "") == (outcome in ("AGENT", "ROBOT"))
    return outcome, reason, answer.agent_id, answer.group_id


def moves(facts: Sequence[tuple[str, dict[str, Any]]]) -> list[tuple[str, str, str]]:
    """(buyer, reason, agent) of every decision made for a buyer who was not asking."""
    return [
        (f["buyer_id"], types_pb2.Reason.Name(f["reason"]).removeprefix("REASON_"), f["agent_id"])
        for name, f in facts
        if name == "decided" and f["buyer_id"]
    ]


def request(name: str, **fields: Any) -> Message:
    return COMMANDS[name][1](**fields)


class Desk:
    """One engine of one core, driven by name. `shop` is filled in as shop_id where it fits."""

    def __init__(self, core: ModuleType, partitions: int = 16, shop: str = "s") -> None:
        self.core, self.partitions, self.shop = core, partitions, shop
        self.engine = core.Engine(partitions)
        self.log: list[bytes] = []
        self.now = T0

    def raw(self, name: str, body: bytes, now: int | None = None, actor: str = "") -> Result:
        at = self.now if now is None else now
        result = Result(name, *self.engine.decide(COMMANDS[name][0], body, at, actor))
        if result.entry:
            self.log.append(result.entry)
        return result

    def do(self, name: str, message: Message, now: int | None = None, actor: str = "") -> Result:
        return self.raw(name, message.SerializeToString(), now, actor)

    def apply(self, now: int | None = None, actor: str = "", **shop: Any) -> Result:
        document = shop_pb2.Shop(**{"shop_id": self.shop, **shop})
        return self.do("apply_shop", shop_pb2.ApplyShopRequest(shop=document), now, actor)

    def open(self, agents: Any, groups: Any = None, now: int | None = None, **more: Any) -> None:
        """Applies a shop (see `document`) and puts everybody at their desks."""
        owner = more.pop("owner", "")
        assert self.apply(now, owner_agent_id=owner, **document(agents, groups, **more)).code == 0
        for agent in agents:
            assert self.set_presence(agent, ONLINE, now).code == 0

    def route(self, buyer: str, now: int | None = None, **fields: Any) -> Result:
        return self.do(
            "route", request("route", **{"shop_id": self.shop, "buyer_id": buyer, **fields}), now
        )

    def close(self, conversation: str, now: int | None = None, **fields: Any) -> Result:
        fields = {"shop_id": self.shop, "conversation_id": conversation, **fields}
        return self.do("close_conversation", request("close_conversation", **fields), now)

    def message(self, sender: int, now: int | None = None, **fields: Any) -> Result:
        fields = {"shop_id": self.shop, "sender": sender, **fields}
        return self.do("message", request("message", **fields), now)

    def transfer(
        self, conversation: str, now: int | None = None, actor: str = "", **fields: Any
    ) -> Result:
        fields = {"shop_id": self.shop, "conversation_id": conversation, **fields}
        return self.do("transfer", request("transfer", **fields), now, actor)

    def cancel(self, buyer: str, now: int | None = None, **fields: Any) -> Result:
        fields = {"shop_id": self.shop, "buyer_id": buyer, **fields}
        return self.do("cancel_inquiry", request("cancel_inquiry", **fields), now)

    def order(self, buyer: str, now: int | None = None, **fields: Any) -> Result:
        fields = {
            "shop_id": self.shop, "buyer_id": buyer, "order_id": "o", "type": 1, **fields
        }  # fmt: skip
        return self.do("order", request("order", **fields), now)

    def set_presence(
        self, agent: str, status: int, now: int | None = None, actor: str = "", **fields: Any
    ) -> Result:
        fields = {"shop_id": self.shop, "agent_id": agent, "status": status, **fields}
        return self.do("set_presence", request("set_presence", **fields), now, actor)

    def update(
        self, session: str, agent: str, status: int, now: int | None = None, **fields: Any
    ) -> Result:
        update = presence_pb2.PresenceUpdate(
            **{
                "update_id": "u",
                "shop_id": self.shop,
                "agent_id": agent,
                "status": status,
                **fields,
            }
        )
        message = engine_pb2.UpdatePresence(session_id=session, update=update)
        return self.do("update_presence", message, now)

    def expire(self, session: str, now: int | None = None) -> Result:
        message = engine_pb2.ExpireSession(shop_id=self.shop, session_id=session)
        return self.do("expire_session", message, now)

    def tick_shop(self, now: int) -> Result:
        return self.do("tick", engine_pb2.Tick(shop_id=self.shop), now)

    def set_weights(
        self, weights: dict[str, int], now: int | None = None, etag: str = "", actor: str = ""
    ) -> Result:
        message = shop_pb2.SetWeightsRequest(shop_id=self.shop, etag=etag)
        for agent_id, weight in weights.items():
            message.weights.add(agent_id=agent_id, weight=weight)
        return self.do("set_weights", message, now, actor)

    def delete(
        self, now: int | None = None, etag: str = "", force: bool = False, actor: str = ""
    ) -> Result:
        message = shop_pb2.DeleteShopRequest(shop_id=self.shop, etag=etag, force=force)
        return self.do("delete_shop", message, now, actor)

    def query(self, name: str, **fields: Any) -> Any:
        kind, message, answer = QUERIES[name]
        code, reply, _ = self.engine.query(kind, message(**fields).SerializeToString())
        assert code == 0, refusal_of(status_pb2.Status.FromString(reply))
        return answer.FromString(reply)

    def refused_query(self, name: str, **fields: Any) -> Refusal:
        kind, message, _ = QUERIES[name]
        code, reply, _ = self.engine.query(kind, message(**fields).SerializeToString())
        status = status_pb2.Status.FromString(reply)
        assert code == status.code != 0
        return refusal_of(status)

    def presence(self, agent: str) -> presence_pb2.AgentPresence:
        listed = self.query("list_presence", shop_id=self.shop)
        [found] = [a for a in listed.agents if a.agent_id == agent]
        return found

    @property
    def state(self) -> engine_pb2.ShopSnapshot:
        """The shop's snapshot, which must be encoded canonically."""
        data = self.engine.snapshot(self.shop)
        snapshot = engine_pb2.ShopSnapshot.FromString(data)
        assert snapshot.SerializeToString(deterministic=True) == data
        return snapshot


def document(
    agents: dict[str, int] | Sequence[str],
    groups: dict[str, Sequence[str]] | None = None,
    *,
    caps: dict[str, int] | None = None,
    hourly: dict[str, int] | None = None,
    daily: dict[str, int] | None = None,
    managers: Sequence[str] = (),
    policies: dict[str, int] | None = None,
    modes: dict[str, tuple[int, int]] | None = None,
    bindings: dict[str, dict[str, list[Any]]] | None = None,
    priorities: dict[str, int] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """The fields of a Shop: agents with weights, and groups (default: one, "g", of everybody).

    `modes`: a group's reception mode and the robot's percentage.
    """
    weights = agents if isinstance(agents, dict) else dict.fromkeys(agents, 5)
    groups = {"g": list(weights)} if groups is None else groups
    return {
        "agents": [
            shop_pb2.Agent(
                agent_id=a,
                weight=w,
                cap=(caps or {}).get(a, 0),
                hourly_limit=(hourly or {}).get(a, 0),
                daily_limit=(daily or {}).get(a, 0),
                permissions=["dispatch.manage"] if a in managers else [],
            )
            for a, w in weights.items()
        ],
        "groups": [
            shop_pb2.Group(
                group_id=g,
                agent_ids=list(members),
                priority=(priorities or {}).get(g, 0),
                when_unavailable=(policies or {}).get(g, 0),
                reception_mode=(modes or {}).get(g, (0, 0))[0],
                robot_percent=(modes or {}).get(g, (0, 0))[1],
                bindings=shop_pb2.Bindings(**(bindings or {}).get(g, {})),
            )
            for g, members in groups.items()
        ],
        "settings": shop_pb2.ShopSettings(**settings),
    }
