"""Each logged command decided again by a shop with another document. Knows no journal.

Buyers come, write, cancel and are handed on as in the log, agents come and go as in it. What the log says of a
conversation is said of the one that the same buyer has here: an answer is given by whoever has the buyer. What
cannot happen here (nobody has the buyer, the agent or the group is not in this document) is left out and counted.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

from google.protobuf import proto
from google.rpc import error_details_pb2, status_pb2

from fenliu.engine import CommandKind, Engine
from fenliu.engine.answers import conversation_id
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.assignments import command_of
from fenliu.insight.errors import EngineRefused
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2

MISSING = -1  # the code with which an engine names chunks
KEPT = 500_000
"""So many buyers' last conversations are remembered, and so many conversations' buyers."""

_AGENTS = frozenset({types_pb2.SENDER_AGENT, types_pb2.SENDER_AUTO_REPLY})

Supply = Callable[[bytes], None]
"""Hands the engine the chunks whose ids it named."""


@dataclass(frozen=True, slots=True)
class _Has:
    """The conversation that a buyer has here, or had last."""

    number: int
    agent_id: str
    """Empty: the robot's."""
    open: bool


@dataclass(frozen=True, slots=True)
class _Logged:
    """A conversation in the log."""

    buyer_id: str
    agent_id: str
    here: int
    """What the buyer had here when it began; 0: nothing."""


class Candidate:
    """One shop with another document than it has, on an engine of its own."""

    def __init__(
        self,
        engine: Engine,
        head: engine_pb2.ShopSnapshot,
        document: shop_pb2.Shop | None,
        supply: Supply,
    ) -> None:
        """`engine` has the shop as `head` says; `document` is its candidate, None: what the log says."""
        self.left_out: Counter[tuple[str, str]] = Counter()
        """By command and reason ("": nobody has the buyer)."""
        self._engine = engine
        self._document = document
        self._supply = supply
        self._agents = {agent.agent_id for agent in (document or head.shop).agents}
        self._logged: OrderedDict[int, _Logged] = OrderedDict()
        self._last: dict[str, int] = {}
        """The last of these, by buyer."""
        self._has: OrderedDict[str, _Has] = OrderedDict()
        self._buyers: dict[int, str] = {}
        """Of the conversations that are open here."""
        for one in head.conversations:
            self._opened(one.buyer_id, one.conversation, one.agent_id)
            self._learn(one.conversation, one.buyer_id, one.agent_id)

    def begin(self, now_ms: int) -> engine_pb2.Entry | None:
        """Puts the candidate in force; what followed, if anything. Raises EngineRefused."""
        if self._document is None:
            return None
        return self._apply(self._document, now_ms)

    def set_presence(
        self, agent_id: str, status: types_pb2.PresenceStatus, shop_id: str, now_ms: int
    ) -> engine_pb2.Entry | None:
        """An agent comes or goes, though it is not in the log; what followed, if anything."""
        request = presence_pb2.SetPresenceRequest(shop_id=shop_id, agent_id=agent_id, status=status)
        _, _, entry = self._decide(CommandKind.SET_PRESENCE, request.SerializeToString(), now_ms)
        return self._noted(entry)

    def _apply(self, document: shop_pb2.Shop, now_ms: int) -> engine_pb2.Entry | None:
        request = shop_pb2.ApplyShopRequest(shop=document)
        request.shop.ClearField("etag")
        code, reply, entry = self._decide(
            CommandKind.APPLY_SHOP, request.SerializeToString(), now_ms
        )
        if code:
            raise EngineRefused(reply)
        self._agents = {agent.agent_id for agent in document.agents}
        return self._noted(entry)

    def take(self, logged: engine_pb2.Entry) -> engine_pb2.Entry | None:
        """What a logged command leads to here; None: to nothing."""
        # What is due by then comes first: it may decide who has the buyer whom the command is about.
        shop_id = command_of(logged).shop_id
        tick = engine_pb2.Tick(shop_id=shop_id).SerializeToString()
        _, _, prefixed = self._decide(CommandKind.TICK, tick, logged.now_ms)
        due = self._noted(prefixed)
        begun = [one for one in conversations_begun(logged) if one[0] not in self._logged]
        for one in begun:
            self._learn(*one)
        name = str(logged.WhichOneof("command"))
        request = self._request(name, logged)
        if request is None:
            return due
        code, reply, prefixed = self._decide(*request, logged.now_ms)
        if code:
            self.left_out[name, _reason(reply)] += 1
        entry = self._noted(prefixed)
        for one in begun:
            self._learn(*one)
        if due is None or entry is None:
            return entry or due
        due.facts.extend(entry.facts)
        del entry.facts[:]
        entry.facts.extend(due.facts)
        return entry

    def _request(self, name: str, logged: engine_pb2.Entry) -> tuple[int, bytes] | None:
        """The command as it is to be decided here; None: it is left out."""
        match name:
            case "apply_shop" | "set_weights" | "delete_shop" if self._document is None:
                return self._change(name, logged)
            case "apply_shop" | "set_weights" | "delete_shop" | "tick":
                return None
            case "order":
                order = dispatch_pb2.OrderEvent()
                order.CopyFrom(logged.order)
                order.ClearField("event_id")
                return CommandKind.ORDER, order.SerializeToString()
            case "route":
                route = dispatch_pb2.RouteRequest()
                route.CopyFrom(logged.route)
                route.ClearField("request_id")
                if route.dedicated_agent_id not in self._agents:
                    route.ClearField("dedicated_agent_id")
                return CommandKind.ROUTE, route.SerializeToString()
            case "message":
                return self._message(logged.message, logged)
            case "close_conversation" | "transfer":
                return self._of_the_buyer(name, logged)
            case "cancel_inquiry":
                cancel = dispatch_pb2.CancelInquiryRequest()
                cancel.CopyFrom(logged.cancel_inquiry)
                cancel.ClearField("request_id")
                return CommandKind.CANCEL_INQUIRY, cancel.SerializeToString()
            case _:
                command = getattr(logged, name)
                return int(CommandKind[name.upper()]), command.SerializeToString()

    def _change(self, name: str, logged: engine_pb2.Entry) -> tuple[int, bytes]:
        """A change of the shop; whoever made it, it was let through."""
        command = type(getattr(logged, name))()
        command.CopyFrom(getattr(logged, name))
        if isinstance(command, shop_pb2.ApplyShopRequest):
            command.shop.ClearField("etag")
            self._agents = {agent.agent_id for agent in command.shop.agents}
        else:
            command.ClearField("etag")
        return int(CommandKind[name.upper()]), command.SerializeToString()

    def _message(
        self, message: dispatch_pb2.MessageEvent, logged: engine_pb2.Entry
    ) -> tuple[int, bytes] | None:
        noted = next((f.message_noted for f in logged.facts if f.HasField("message_noted")), None)
        if noted is None:
            return None
        about = self._logged.get(noted.conversation)
        buyer_id = message.buyer_id or noted.buyer_id or (about.buyer_id if about else "")
        if not buyer_id:
            self._leave_out("message")
            return None
        said = dispatch_pb2.MessageEvent(
            shop_id=message.shop_id,
            buyer_id=buyer_id,
            sender=message.sender,
            sent_at_ms=message.sent_at_ms,
        )
        if about is not None and noted.conversation < self._last.get(buyer_id, 0):
            # Of what was over when the buyer's last conversation began.
            if not about.here:
                self._leave_out("message")
                return None
            said.ClearField("buyer_id")
            said.conversation_id = conversation_id(about.here)
            said.agent_id = message.agent_id if message.agent_id in self._agents else ""
        elif message.sender in _AGENTS:
            has = self._has.get(buyer_id)
            own = about is not None and noted.agent_id in ("", about.agent_id)
            if has is not None and has.agent_id and not noted.opened:
                said.conversation_id = conversation_id(has.number)
                if not has.open:  # the engine knows no buyer of what is closed
                    said.ClearField("buyer_id")
            elif not noted.opened:
                self._leave_out("message")
                return None
            said.agent_id = has.agent_id if has is not None and own else noted.agent_id
        return CommandKind.MESSAGE, said.SerializeToString()

    def _of_the_buyer(self, name: str, logged: engine_pb2.Entry) -> tuple[int, bytes] | None:
        """Closing or handing on, if that is what it did."""
        command = command_of(logged)
        number = int(command.conversation_id[1:])
        if not any(fact.conversation_closed.conversation == number for fact in logged.facts):
            return None
        about = self._logged.get(number)
        has = self._has.get(about.buyer_id) if about is not None else None
        if has is None or not has.open:
            self._leave_out(name)
            return None
        request = type(command)()
        request.CopyFrom(command)
        request.conversation_id = conversation_id(has.number)
        request.ClearField("request_id")
        return int(CommandKind[name.upper()]), request.SerializeToString()

    def _leave_out(self, name: str) -> None:
        self.left_out[name, ""] += 1

    def _decide(self, kind: int, request: bytes, now_ms: int) -> tuple[int, bytes, bytes]:
        while True:
            code, reply, _, entry = self._engine.decide(kind, request, now_ms)
            if code != MISSING:
                return code, reply, entry
            self._supply(reply)

    def _learn(self, number: int, buyer_id: str, agent_id: str) -> None:
        """A conversation that has begun in the log."""
        has = self._has.get(buyer_id)
        self._logged[number] = _Logged(buyer_id, agent_id, has.number if has is not None else 0)
        self._last[buyer_id] = number
        if len(self._logged) > KEPT:
            dropped, oldest = self._logged.popitem(last=False)
            if self._last.get(oldest.buyer_id) == dropped:
                del self._last[oldest.buyer_id]

    def _noted(self, prefixed: bytes) -> engine_pb2.Entry | None:
        """The entry decoded, and who has whom from then on."""
        if not prefixed:
            return None
        entry = proto.parse_length_prefixed(engine_pb2.Entry, BytesIO(prefixed))
        if entry is None:
            return None
        begun = {number: (buyer, agent) for number, buyer, agent in conversations_begun(entry)}
        for fact in entry.facts:
            self._closed(fact.conversation_closed.conversation)
            number = fact.decided.conversation or fact.message_noted.conversation
            if number in begun:
                buyer_id, agent_id = begun.pop(number)
                self._opened(buyer_id, number, agent_id)
        return entry

    def _opened(self, buyer_id: str, number: int, agent_id: str) -> None:
        self._has[buyer_id] = _Has(number, agent_id, open=True)
        self._has.move_to_end(buyer_id)
        self._buyers[number] = buyer_id
        while len(self._has) > KEPT:
            _, has = self._has.popitem(last=False)
            self._buyers.pop(has.number, None)

    def _closed(self, number: int) -> None:
        buyer_id = self._buyers.pop(number, "")
        has = self._has.get(buyer_id)
        if has is not None and has.number == number:
            self._has[buyer_id] = _Has(number, has.agent_id, open=False)


def conversations_begun(entry: engine_pb2.Entry) -> Iterator[tuple[int, str, str]]:
    """Each conversation that an entry begins: its number, its buyer, and its agent, empty for the robot.

    Among them may be one of the robot's that has begun before and goes on.
    """
    named: str = getattr(command_of(entry), "buyer_id", "")
    for fact in entry.facts:
        decided, noted = fact.decided, fact.message_noted  # empty for other facts
        if decided.conversation and decided.reason != types_pb2.REASON_OPEN_CONVERSATION:
            robot = decided.outcome == types_pb2.OUTCOME_ROBOT
            buyer_id = decided.buyer_id or named
            yield decided.conversation, buyer_id, "" if robot else decided.agent_id
        elif noted.opened:
            yield noted.conversation, noted.buyer_id or named, noted.agent_id


def _reason(status: bytes) -> str:
    info = error_details_pb2.ErrorInfo()
    for detail in status_pb2.Status.FromString(status).details:
        if detail.Unpack(info):
            break
    return info.reason
