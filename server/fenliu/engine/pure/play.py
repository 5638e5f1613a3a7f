"""Playing a script: recorded commands again, each bound to whoever has its buyer now (docs/engine.md section 14).

Says when what happens, and what is bound to whom; what comes of it the engine decides, as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, NamedTuple

from google.protobuf.message import Message

from fenliu.engine.answers import conversation_id
from fenliu.engine.kinds import CommandKind
from fenliu.engine.pure import due, wire
from fenliu.engine.pure.commands import COMMANDS
from fenliu.engine.pure.entries import decode_entry, split_entries
from fenliu.engine.pure.needed import NEEDS_CHUNKS
from fenliu.engine.pure.state import Shop
from fenliu.engine.pure.supposed import NOTHING, Supposed
from fenliu.engine.v1 import engine_pb2
from fenliu.engine.v1.engine_pb2 import Played, Playing, ScriptEvent
from fenliu.v1 import shop_pb2, types_pb2

Decide = Callable[[CommandKind, Message, int], tuple[int, bytes, int, bytes]]
"""Decides a command at a time, as the engine's `decide`."""

_BY_AGENTS = (types_pb2.SENDER_AGENT, types_pb2.SENDER_AUTO_REPLY)
_NOT_BY_CONTACT = (types_pb2.REASON_DEDICATED, types_pb2.REASON_TRANSFER)
_NAMES_BUYER = ("route", "message", "cancel_inquiry")
_ABOUT_CONVERSATION = ("message", "close_conversation", "transfer")


class _Has(NamedTuple):
    """Who has a buyer: an agent (in a conversation, or who was left the message), the robot, or nobody."""

    outcome: int = types_pb2.OUTCOME_UNSPECIFIED
    agent_id: str = ""
    conversation: int = 0


_NOBODY = _Has()


class _Buyer:
    """A buyer whose events are played."""

    __slots__ = ("answer", "at", "conversations", "events", "has", "last_ms", "moves", "since_ms")

    def __init__(self, start_ms: int) -> None:
        self.events: list[int] = []  # places in the script
        self.at = 0  # of the first one that is still to come
        self.conversations: list[int] = []
        self.has = _NOBODY
        self.since_ms = start_ms
        self.last_ms = start_ms  # when the last event happened
        self.moves = 0
        self.answer: tuple[int, int] | None = None  # (when, place) of the answer that is next


def play(
    script: bytes, playing: bytes, find: Callable[[str], Shop | None], decide: Decide
) -> Played:
    """Plays a script on a shop. Raises ValueError for what is no script, or needs chunks."""
    try:
        return _Play(script, wire.decode(Playing, playing), find, decide).run()
    except (wire.MalformedError, wire.NotUtf8Error):
        raise ValueError("not a script, or not how to play one") from None


class _Play:
    def __init__(
        self, script: bytes, playing: Playing, find: Callable[[str], Shop | None], decide: Decide
    ) -> None:
        self._playing = playing
        self._find = find
        self._decide = decide
        self._supposed = Supposed(
            frozenset(playing.agent_ids),
            without_contacts=playing.without_contacts,
            never_busy=playing.never_busy,
        )
        self._delays = {one.agent_id: list(one.delays_ms) for one in playing.delays}
        self._events = [wire.decode(ScriptEvent, data) for data, _ in wire.split_delimited(script)]
        self._done = bytearray(len(self._events))  # happened, or never will
        self._buyers: dict[str, _Buyer] = {}
        self._answers: list[tuple[int, int]] = []  # (when, place); those of `_Buyer.answer` count
        self._now = playing.start_ms
        self._last_conversation = 0
        self._receptions: dict[str, int] = {}
        self._entries: list[bytes] = []
        self._played = Played()

    def run(self) -> Played:
        self._sort_out()
        shop = self._suppose()
        if shop is not None:
            self._begin(shop)
        own = 0  # the next event that is no answer
        end_ms = self._playing.end_ms
        while True:
            while own < len(self._events) and (self._done[own] or self._is_answer(own)):
                own += 1
            while self._answers and not self._stands(self._answers[0]):
                heappop(self._answers)
            candidates = [self._answers[0]] if self._answers else []
            if own < len(self._events):
                candidates.append((self._events[own].now_ms, own))
            at_ms, place = min(candidates, default=(end_ms, 0))
            due_ms = self._next_due()
            if due_ms is not None and due_ms < min(at_ms, end_ms):
                self._tick(due_ms)
            elif at_ms < end_ms:
                self._now = max(self._now, at_ms)
                self._happen(place, at_ms)
            else:
                return self._result()

    def _sort_out(self) -> None:
        """Which events are whose, and which never happen."""
        without = {
            engine_pb2.Entry.DESCRIPTOR.fields_by_number[k].name for k in self._playing.without
        }
        before_ms = 0
        for place, event in enumerate(self._events):
            if event.now_ms < before_ms:
                raise ValueError("a script goes by time")
            before_ms = event.now_ms
            if event.document > len(self._playing.documents):
                raise ValueError("a script names a document that is not there")
            kind = "apply_shop" if event.document else event.WhichOneof("command")
            if kind is None or kind in without:
                self._done[place] = True
            elif event.buyer_id:
                buyer = self._buyers.get(event.buyer_id)
                if buyer is None:
                    buyer = self._buyers[event.buyer_id] = _Buyer(self._playing.start_ms)
                buyer.events.append(place)

    def _suppose(self) -> Shop | None:
        """Supposes what is to be supposed of the shop, once it is there."""
        shop = self._find(self._playing.shop_id)
        if shop is not None and shop.supposed is not self._supposed:
            shop.supposed = self._supposed
            for agent_id in sorted(self._supposed.agent_ids & shop.agents.keys()):
                shop.refresh(shop.agents[agent_id])
        return shop

    def _begin(self, shop: Shop) -> None:
        self._last_conversation = shop.last_conversation
        for buyer_id, buyer in self._buyers.items():
            conversation = shop.conversation_of_buyer.get(buyer_id)
            entry = shop.waiting.get(buyer_id)
            if conversation is not None:
                outcome = types_pb2.OUTCOME_ROBOT if conversation.robot else types_pb2.OUTCOME_AGENT
                buyer.has = _Has(outcome, conversation.agent_id, conversation.number)
                buyer.conversations.append(conversation.number)
            elif entry is not None and entry.agent_id:
                buyer.has = _Has(types_pb2.OUTCOME_LEFT_MESSAGE, entry.agent_id)
            self._find_answer(buyer)

    def _next_due(self) -> int | None:
        shop = self._find(self._playing.shop_id)
        if shop is None:
            return None
        first = due.next_due(shop)
        return None if first is None else max(first.at_ms, shop.last_now_ms)

    # --- What happens ---

    def _tick(self, at_ms: int) -> None:
        self._now = max(self._now, at_ms)
        tick = engine_pb2.Tick(shop_id=self._playing.shop_id)
        self._run(CommandKind.TICK, tick, at_ms, "")

    def _happen(self, place: int, at_ms: int) -> None:
        event = self._events[place]
        self._done[place] = True
        buyer = self._buyers.get(event.buyer_id)
        if event.document:
            shop = self._playing.documents[event.document - 1]
            kind, request = CommandKind.APPLY_SHOP, shop_pb2.ApplyShopRequest(shop=shop)
            request.shop.etag = ""
            bound: Message | None = request
        else:
            name = event.WhichOneof("command") or ""
            kind = CommandKind(ScriptEvent.DESCRIPTOR.fields_by_name[name].number)
            bound = self._bound(event, getattr(event, name), name, buyer, at_ms)
        if bound is not None and COMMANDS[kind].shop_id(bound) == self._playing.shop_id:
            self._played.happened += 1
            named = getattr(bound, "buyer_id", "")
            self._played.refused += self._run(kind, bound, at_ms, named) > 0
            if buyer is not None:
                buyer.last_ms = at_ms
                buyer.moves = 0
                if event.begins:
                    self._let_lapse(buyer, place)
        if buyer is not None:
            self._find_answer(buyer)

    def _bound(
        self, event: ScriptEvent, request: Any, name: str, buyer: _Buyer | None, at_ms: int
    ) -> Message | None:
        """The command as it is given now; None: there is nothing that it could be about."""
        if name in ("route", "close_conversation", "transfer", "cancel_inquiry"):
            request.request_id = ""
        elif name in ("message", "order"):
            request.event_id = ""
        elif name == "apply_shop":
            request.shop.etag = ""
        elif name in ("set_weights", "delete_shop"):
            request.etag = ""
            if name == "delete_shop":
                request.force = True
        if buyer is None:
            return request  # type: ignore[no-any-return]
        if name in _NAMES_BUYER:
            request.buyer_id = event.buyer_id
        answers = bool(event.delays_ms)
        if name == "message" and event.sent_after_ms:
            request.sent_at_ms = max(0, at_ms + event.sent_after_ms)
        by_agent = answers and name == "message" and request.sender in _BY_AGENTS
        if by_agent and buyer.has.outcome == types_pb2.OUTCOME_LEFT_MESSAGE:
            request.conversation_id = ""
            request.agent_id = request.agent_id or buyer.has.agent_id
        elif 0 < event.conversation <= len(buyer.conversations):
            if name not in _ABOUT_CONVERSATION:
                return request  # type: ignore[no-any-return]
            number = buyer.conversations[-event.conversation]
            request.conversation_id = conversation_id(number)
            shop = self._find(self._playing.shop_id)
            if by_agent and (shop is None or number not in shop.conversations):
                request.agent_id = request.agent_id or buyer.has.agent_id
        elif event.conversation and (answers or name in ("close_conversation", "transfer")):
            return None
        return request  # type: ignore[no-any-return]

    def _let_lapse(self, buyer: _Buyer, place: int) -> None:
        for earlier in buyer.events[buyer.at :]:
            if earlier >= place:
                return
            if self._is_answer(earlier):
                self._done[earlier] = True

    def _run(self, kind: CommandKind, request: Message, at_ms: int, named_buyer: str) -> int:
        code, _, _, entry = self._decide(kind, request, at_ms)
        if code == NEEDS_CHUNKS:
            raise ValueError("the shop is not loaded")
        if self._playing.want_entries:
            self._entries.append(entry)
        self._suppose()
        for data, _ in split_entries(entry):
            logged = decode_entry(data)
            for fact in logged.facts:
                self._note(fact, logged.now_ms, named_buyer)
        return code

    # --- Who has whom ---

    def _note(self, fact: engine_pb2.Fact, now_ms: int, named_buyer: str) -> None:
        match fact.WhichOneof("fact"):
            case "decided":
                self._note_decided(fact.decided, now_ms, named_buyer)
            case "message_noted" if fact.message_noted.opened:
                noted = fact.message_noted
                self._last_conversation = noted.conversation
                self._receive(noted.agent_id, now_ms)
                has = _Has(types_pb2.OUTCOME_AGENT, noted.agent_id, noted.conversation)
                self._has_now(noted.buyer_id or named_buyer, has, now_ms)
            case "waiting_cancelled":
                buyer_id = fact.waiting_cancelled.buyer_id or named_buyer
                self._has_now(buyer_id, _NOBODY, now_ms)

    def _note_decided(self, decided: engine_pb2.Decided, now_ms: int, named_buyer: str) -> None:
        at_ms = decided.at_ms or now_ms
        outcome = decided.outcome
        opens = decided.conversation > self._last_conversation
        if opens:
            self._last_conversation = decided.conversation
        if at_ms >= self._playing.start_ms:
            self._played.decisions += 1
        if opens and outcome == types_pb2.OUTCOME_AGENT:
            self._receive(decided.agent_id, at_ms)
            picked = (decided.pool_of_all_groups or decided.pool_group_ids) and not decided.charged
            if (
                decided.agent_id in self._supposed.agent_ids
                and not picked
                and decided.reason not in _NOT_BY_CONTACT
            ):
                self._played.contacts_met += 1
        has = _NOBODY
        if outcome in (types_pb2.OUTCOME_AGENT, types_pb2.OUTCOME_ROBOT):
            agent_id = decided.agent_id if outcome == types_pb2.OUTCOME_AGENT else ""
            has = _Has(outcome, agent_id, decided.conversation)
        elif outcome == types_pb2.OUTCOME_LEFT_MESSAGE and decided.agent_id:
            has = _Has(outcome, decided.agent_id)
        self._has_now(decided.buyer_id or named_buyer, has, at_ms)

    def _receive(self, agent_id: str, at_ms: int) -> None:
        if at_ms >= self._playing.start_ms:
            self._receptions[agent_id] = self._receptions.get(agent_id, 0) + 1

    def _has_now(self, buyer_id: str, has: _Has, at_ms: int) -> None:
        buyer = self._buyers.get(buyer_id)
        if buyer is None or has == buyer.has:
            return
        if has.conversation and has.conversation not in buyer.conversations[-1:]:
            buyer.conversations.append(has.conversation)
        if has is not _NOBODY:
            buyer.moves += buyer.has is not _NOBODY
            buyer.since_ms = at_ms
        buyer.has = has
        self._find_answer(buyer)

    # --- Answers ---

    def _is_answer(self, place: int) -> bool:
        event = self._events[place]
        return bool(event.buyer_id and event.delays_ms)

    def _stands(self, answer: tuple[int, int]) -> bool:
        return self._buyers[self._events[answer[1]].buyer_id].answer == answer

    def _find_answer(self, buyer: _Buyer) -> None:
        """When the buyer's next answer comes, as things are now."""
        while buyer.at < len(buyer.events) and self._done[buyer.events[buyer.at]]:
            buyer.at += 1
        buyer.answer = None
        if buyer.at == len(buyer.events) or not self._is_answer(buyer.events[buyer.at]):
            return
        place = buyer.events[buyer.at]
        event = self._events[place]
        if not _can_give(buyer.has, event):
            return
        delay_ms = event.delays_ms[min(buyer.moves, len(event.delays_ms) - 1)]
        own = self._delays.get(buyer.has.agent_id)
        if own and event.draw:
            delay_ms = own[event.draw % len(own)]
        at_ms = max(self._now, max(buyer.last_ms, buyer.since_ms) + delay_ms)
        buyer.answer = at_ms, place
        heappush(self._answers, buyer.answer)

    def _result(self) -> Played:
        self._supposed, met = NOTHING, self._supposed
        shop = self._find(self._playing.shop_id)
        if shop is not None:
            shop.supposed = NOTHING
            for agent_id in sorted(met.agent_ids & shop.agents.keys()):
                shop.refresh(shop.agents[agent_id])
        played = self._played
        for agent_id, receptions in sorted(self._receptions.items()):
            played.agents.add(agent_id=agent_id, receptions=receptions)
        played.busy_met = met.busy_met
        played.entries = b"".join(self._entries)
        return played


def _can_give(has: _Has, event: ScriptEvent) -> bool:
    """Whether who has the buyer can give this answer."""
    if event.WhichOneof("command") == "message" and event.message.sender in _BY_AGENTS:
        return has.outcome in (types_pb2.OUTCOME_AGENT, types_pb2.OUTCOME_LEFT_MESSAGE)
    return has.outcome in (types_pb2.OUTCOME_AGENT, types_pb2.OUTCOME_ROBOT)
