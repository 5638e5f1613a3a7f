"""Plays traffic on a server through real gRPC calls and keeps what it answered.

Each shop's calls go one after another, as its gateway would send them; shops run side by side. Ids
come from the events, so that sending an event again repeats it and changes nothing.
"""

from __future__ import annotations

import asyncio
import heapq
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TextIO, TypeVar

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from fenliu.client import FenliuClient, FenliuError
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
from fenliu.v1 import dispatch_pb2, operator_pb2, presence_pb2, shop_pb2, types_pb2

_Response = TypeVar("_Response")

PARALLEL_CALLS = 64
"""At most so many calls are under way at once, over all shops."""

FIRST_PATIENCE_MS = 60_000
"""A reply to a buyer whom nobody has yet is tried again so much later, then after twice that, and so on."""

# Nobody has the buyer at the moment.
_WAITING = frozenset(
    {types_pb2.OUTCOME_QUEUED, types_pb2.OUTCOME_POOLED, types_pb2.OUTCOME_LEFT_MESSAGE}
)

# The server is gone or swamped for longer than the client was patient: no use going on. Anything
# else is a refusal of that one event.
_ENDS_PLAY = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


@dataclass(frozen=True, slots=True)
class Decision:
    """An inquiry, a transfer or a re-assignment and the server's answer; `at_ms` is the event's time."""

    at_ms: int
    shop_id: str
    buyer_id: str
    request_id: str
    response: dispatch_pb2.RouteResponse


@dataclass(frozen=True, slots=True)
class Failure:
    """An event the server refused."""

    shop_id: str
    message_id: str
    error: FenliuError


@dataclass(slots=True)
class PlayReport:
    """What came of the traffic; the decisions of one shop are in the order they were made."""

    decisions: list[Decision] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    replies_without_conversation: int = 0
    """Replies to buyers whom nobody had, not even later; they changed nothing."""
    transfers: int = 0
    cancelled: int = 0
    """Buyers who gave up waiting."""
    orders: int = 0


async def play(
    client: FenliuClient,
    traffic: Traffic,
    clock: operator_pb2.Clock,
    *,
    speed: float | None = None,
    acks: TextIO | None = None,
    on_event: Callable[[], None] | None = None,
) -> PlayReport:
    """Applies the shops, then plays the events.

    On the server's trace clock (`clock`, from `GetServerInfo`) events go out as fast as they are
    answered, each with its own time. On a wall clock `speed` is required: events go out at their
    distance in time divided by it, undated. `acks` gets a JSON line for every answer as it arrives,
    `on_event` is called after each event.

    A refused inquiry, message or close is kept as a failure and the rest goes on. Raises FenliuError
    when a shop or an agent's presence is refused or the server stays away longer than the client is
    patient, ValueError for a speed that cannot be.
    """
    if speed is None and clock != operator_pb2.CLOCK_TRACE:
        raise ValueError("a server on the wall clock needs a speed")
    if speed is not None and speed <= 0:
        raise ValueError("the speed must be above 0")
    return await _Play(client, traffic, clock, speed, acks, on_event).run()


class _Play:
    """One play of one traffic."""

    def __init__(
        self,
        client: FenliuClient,
        traffic: Traffic,
        clock: operator_pb2.Clock,
        speed: float | None,
        acks: TextIO | None,
        on_event: Callable[[], None] | None,
    ) -> None:
        self._client = client
        self._traffic = traffic
        self._recorded_time = clock == operator_pb2.CLOCK_TRACE
        self._speed = speed
        self._acks = acks
        self._on_event = on_event
        self._calls = asyncio.Semaphore(PARALLEL_CALLS)
        self._first_ms = min((event.at_ms for event in traffic.events), default=0)
        self._started_s = asyncio.get_running_loop().time()
        self._report = PlayReport()
        self._last_ms = max((event.at_ms for event in traffic.events), default=0)
        # The last answer about this buyer, by (shop id, buyer id).
        self._answers: dict[tuple[str, str], dispatch_pb2.RouteResponse] = {}

    async def run(self) -> PlayReport:
        shops = {shop.shop_id: shop for shop in self._traffic.shops}
        events: dict[str, list[Event]] = {shop_id: [] for shop_id in shops}
        for event in self._traffic.events:
            events.setdefault(event.shop_id, []).append(event)
        try:
            async with asyncio.TaskGroup() as tasks:
                for shop_id, shop_events in events.items():
                    tasks.create_task(self._play_shop(shops.get(shop_id), shop_events))
        except* FenliuError as group:
            # One shop's trouble has ended the others' tasks; the first says it all.
            raise _first(group) from None
        return self._report

    async def _play_shop(self, shop: shop_pb2.Shop | None, events: list[Event]) -> None:
        if shop is not None:
            first_ms = events[0].at_ms if events else self._first_ms
            await self._call(self._client.apply_shop(shop, now_ms=self._now_ms(first_ms)))
        # When, then in the order of the traffic; and how long a reply has been put off.
        agenda = [(event.at_ms, number, 0, event) for number, event in enumerate(events)]
        while agenda:
            at_ms, number, put_off_ms, event = heapq.heappop(agenda)
            if isinstance(event, AgentReply):
                reply = self._at_the_agents_pace(event)
                if reply.at_ms > at_ms:
                    heapq.heappush(agenda, (reply.at_ms, number, put_off_ms, reply))
                    continue
            await self._until_due(at_ms)
            if not await self._play_event(event):
                again_ms = at_ms + max(put_off_ms, FIRST_PATIENCE_MS)
                if again_ms <= self._last_ms:
                    later = replace(event, at_ms=again_ms)
                    heapq.heappush(agenda, (again_ms, number, 2 * (again_ms - at_ms), later))
                    continue
                self._report.replies_without_conversation += 1
            if self._on_event is not None:
                self._on_event()

    def _at_the_agents_pace(self, reply: AgentReply) -> AgentReply:
        """The reply when this buyer's agent gives it; replies with a recorded time stay as they are."""
        if reply.asked_at_ms is None:
            return reply
        answer = self._answers.get((reply.shop_id, reply.buyer_id))
        agent_id = answer.agent_id if answer is not None else ""
        slowness = self._traffic.slowness_permille.get((reply.shop_id, agent_id), 1000)
        wait_ms = (reply.at_ms - reply.asked_at_ms) * slowness // 1000
        return replace(reply, at_ms=reply.asked_at_ms + wait_ms, asked_at_ms=None)

    async def _until_due(self, at_ms: int) -> None:
        if self._speed is not None:
            due_s = self._started_s + (at_ms - self._first_ms) / 1000 / self._speed
            await asyncio.sleep(max(due_s - asyncio.get_running_loop().time(), 0))

    async def _play_event(self, event: Event) -> bool:
        """False: a reply for which it is too early, because nobody has the buyer yet."""
        if isinstance(event, Presence):
            request = presence_pb2.SetPresenceRequest(
                shop_id=event.shop_id, agent_id=event.agent_id, status=event.status
            )
            now_ms = self._now_ms(event.at_ms)
            await self._call(self._client.set_presence(request, now_ms=now_ms))
            return True
        try:
            match event:
                case BuyerMessage():
                    await self._ask(event)
                case AgentReply():
                    return await self._reply(event)
                case Close():
                    await self._close(event)
                case Transfer():
                    await self._transfer(event)
                case Cancel():
                    await self._cancel(event)
                case Order():
                    await self._order(event)
        except FenliuError as error:
            if error.code in _ENDS_PLAY:
                raise
            self._report.failures.append(Failure(event.shop_id, event.message_id, error))
        return True

    async def _ask(self, event: BuyerMessage) -> None:
        """Routes the buyer, then reports the message."""
        request = dispatch_pb2.RouteRequest(
            shop_id=event.shop_id,
            buyer_id=event.buyer_id,
            request_id=event.message_id,
            order_status=event.order_status,
            product_id=event.product_id,
            intent=event.intent,
            page_source=event.page_source,
            handoff=event.handoff,
        )
        response = await self._call(self._client.route(request, now_ms=self._now_ms(event.at_ms)))
        self._acknowledge("route", event.shop_id, event.message_id, response)
        self._decided(event, response)
        message = dispatch_pb2.MessageEvent(
            shop_id=event.shop_id,
            conversation_id=response.conversation_id,
            buyer_id=event.buyer_id,
            sender=types_pb2.SENDER_BUYER,
        )
        await self._report_message(event, message)

    async def _reply(self, event: AgentReply) -> bool:
        """Reports the reply of whoever has the buyer; False: nobody has."""
        answer = self._answers.get((event.shop_id, event.buyer_id))
        if answer is None:
            self._report.replies_without_conversation += 1
            return True
        message = dispatch_pb2.MessageEvent(
            shop_id=event.shop_id, buyer_id=event.buyer_id, sender=types_pb2.SENDER_AGENT
        )
        if answer.outcome == types_pb2.OUTCOME_AGENT:
            message.conversation_id = answer.conversation_id
            message.agent_id = answer.agent_id
        try:
            # Without an agent's name it is the reply of the one to whom the server has given the
            # buyer meanwhile.
            await self._report_message(event, message)
        except FenliuError as error:
            if answer.outcome == types_pb2.OUTCOME_AGENT or error.field != "agent_id":
                raise
            if answer.outcome in _WAITING:
                return False
            message.sender = types_pb2.SENDER_ROBOT
            await self._report_message(event, message)
        return True

    async def _report_message(
        self, event: BuyerMessage | AgentReply, message: dispatch_pb2.MessageEvent
    ) -> None:
        message.event_id = event.message_id
        message.sent_at_ms = self._now_ms(event.at_ms) or 0
        (result,) = await self._call(
            self._client.report_messages_batch([message], now_ms=self._now_ms(event.at_ms))
        )
        if result.status.code:
            raise FenliuError.from_status(result.status)
        self._acknowledge("message", event.shop_id, event.message_id, result)
        if result.HasField("reassigned"):
            self._decided(event, result.reassigned)

    async def _close(self, event: Close) -> None:
        answer = self._answers.get((event.shop_id, event.buyer_id))
        if answer is None or not answer.conversation_id:
            return
        request = dispatch_pb2.CloseConversationRequest(
            shop_id=event.shop_id,
            conversation_id=answer.conversation_id,
            request_id=event.message_id,
        )
        response = await self._call(
            self._client.close_conversation(request, now_ms=self._now_ms(event.at_ms))
        )
        self._acknowledge("close", event.shop_id, event.message_id, response)

    async def _transfer(self, event: Transfer) -> None:
        answer = self._answers.get((event.shop_id, event.buyer_id))
        if answer is None or answer.outcome != types_pb2.OUTCOME_AGENT:
            return
        request = dispatch_pb2.TransferRequest(
            shop_id=event.shop_id,
            conversation_id=answer.conversation_id,
            request_id=event.message_id,
            group_id=event.group_id,
            allow_offline=True,
        )
        response = await self._call(
            self._client.transfer(request, now_ms=self._now_ms(event.at_ms))
        )
        self._acknowledge("transfer", event.shop_id, event.message_id, response)
        self._report.transfers += 1
        self._decided(
            event,
            dispatch_pb2.RouteResponse(
                conversation_id=response.conversation_id,
                decision_id=response.decision_id,
                outcome=response.outcome,
                agent_id=response.agent_id,
                group_id=response.group_id,
                reason=response.reason,
            ),
        )

    async def _cancel(self, event: Cancel) -> None:
        answer = self._answers.get((event.shop_id, event.buyer_id))
        if answer is None or answer.outcome not in _WAITING:
            return
        request = dispatch_pb2.CancelInquiryRequest(
            shop_id=event.shop_id, buyer_id=event.buyer_id, request_id=event.message_id
        )
        response = await self._call(
            self._client.cancel_inquiry(request, now_ms=self._now_ms(event.at_ms))
        )
        self._acknowledge("cancel", event.shop_id, event.message_id, response)
        self._report.cancelled += response.was_waiting

    async def _order(self, event: Order) -> None:
        order = dispatch_pb2.OrderEvent(
            shop_id=event.shop_id,
            buyer_id=event.buyer_id,
            order_id=event.order_id,
            type=event.type,
            amount_cents=event.amount_cents,
            items=event.items,
            occurred_at_ms=self._now_ms(event.at_ms) or 0,
            event_id=event.message_id,
        )
        now_ms = self._now_ms(event.at_ms)
        (result,) = await self._call(self._client.report_orders([order], now_ms=now_ms))
        if result.status.code:
            raise FenliuError.from_status(result.status)
        self._acknowledge("order", event.shop_id, event.message_id, result)
        self._report.orders += 1

    def _decided(
        self, event: BuyerMessage | AgentReply | Transfer, response: dispatch_pb2.RouteResponse
    ) -> None:
        """Keeps what became of the buyer."""
        self._answers[event.shop_id, event.buyer_id] = response
        self._report.decisions.append(
            Decision(event.at_ms, event.shop_id, event.buyer_id, event.message_id, response)
        )

    def _now_ms(self, at_ms: int) -> int | None:
        """The time a call carries: the event's on a trace clock, else none."""
        return at_ms if self._recorded_time else None

    async def _call(self, call: Awaitable[_Response]) -> _Response:
        async with self._calls:
            return await call

    def _acknowledge(self, kind: str, shop_id: str, ident: str, response: Message) -> None:
        """Writes an answer down before anything else is sent for the shop."""
        if self._acks is not None:
            answer = MessageToDict(response, preserving_proto_field_name=True)
            line = {"kind": kind, "shop_id": shop_id, "id": ident, "response": answer}
            self._acks.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._acks.flush()


def _first(group: BaseExceptionGroup[FenliuError]) -> FenliuError:
    error: FenliuError | BaseExceptionGroup[FenliuError] = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
