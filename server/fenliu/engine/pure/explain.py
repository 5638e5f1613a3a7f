"""Why a logged decision came out as it did: its steps walked again, each saying what it found.

Works on a copy of the shop's state just before the decision, with the rules that made it; what they
make must be what the log says. Decides nothing new and has no words: see `fenliu.engine.explanation`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fenliu.engine.explanation import Explanation, Finding
from fenliu.engine.pure import needed, snapshot
from fenliu.engine.pure.apply import apply_fact
from fenliu.engine.pure.assignment import (
    Found,
    Search,
    decided,
    match,
    selected,
)
from fenliu.engine.pure.candidates import candidates
from fenliu.engine.pure.document import Groups
from fenliu.engine.pure.entries import command_of, decode_entry, split_entries
from fenliu.engine.pure.inquiry import EMPTY, inquiry_of
from fenliu.engine.pure.parts import Conversation, Waiting
from fenliu.engine.pure.state import Shop
from fenliu.engine.pure.stored import Shops
from fenliu.engine.pure.walked_steps import Steps
from fenliu.engine.v1.engine_pb2 import Decided, Entry, Inquiry
from fenliu.v1 import dispatch_pb2, insight_pb2, shop_pb2, types_pb2

_WALKED = (
    "outcome",
    "reason",
    "agent_id",
    "group_id",
    "pool_of_all_groups",
    "pool_group_ids",
    "charged",
)
"""What the walk makes of a decision; the rest is numbers and times."""


Fetch = Callable[[list[bytes]], Mapping[bytes, bytes]]
"""Contents of chunks by their ids."""


def explain(shop_snapshot: bytes, entry: bytes, decision: int) -> Explanation:
    """Explains the decision of this number in an entry.

    `shop_snapshot`: the shop as it was before the entry, an encoded `ShopSnapshot`; `entry`: one
    entry, length-prefixed. Raises ValueError when these are not that, when the entry has no such
    decision, and when the rules would have decided otherwise.
    """
    return _explain(_load(shop_snapshot), _one_entry(entry), decision)


def explain_stored(
    partitions: int, manifest: bytes, entry: bytes, decision: int, fetch: Fetch
) -> Explanation:
    """As `explain`, of a shop that is stored, whose chunks are fetched as far as the entry needs them.

    `manifest`: the shop as it was before the entry, an encoded `Manifest`. Raises as `explain` and
    whatever `fetch` does.
    """
    logged = _one_entry(entry)
    command, message = command_of(logged)
    shops = Shops(partitions)
    shops.load_manifest(manifest)
    while missing := needed.chunks(shops, command, message, ids=False):
        for chunk_id, content in fetch(missing).items():
            shops.put_chunk(chunk_id, content)
    shop = shops.find(command.shop_id(message))
    if shop is None:
        raise ValueError("an entry of a shop that is not in the manifest")
    return _explain(shop, logged, decision)


def _one_entry(data: bytes) -> Entry:
    entries = list(split_entries(data))
    if len(entries) != 1:
        raise ValueError("not one entry")
    return decode_entry(entries[0][0])


def _load(data: bytes) -> Shop:
    state = snapshot.decode(data)
    # A snapshot is the whole shop: nothing is stored anywhere else. The partition makes no difference.
    shop = Shop(state.shop.shop_id, 0, state.last_now_ms, lambda _chunk_id: None)
    return snapshot.load(state, shop)


def _explain(shop: Shop, logged: Entry, decision: int) -> Explanation:
    """Takes the shop, as it was before the entry, on to the decision."""
    _, message = command_of(logged)
    ended: dict[int, Conversation] = {}
    for fact in logged.facts:
        if fact.decided.decision == decision:
            break
        number = fact.conversation_closed.conversation
        if number in shop.conversations:
            ended[number] = shop.conversations[number]
        apply_fact(shop, fact, logged.now_ms, message)
    else:
        raise ValueError(f"no decision {decision} in this entry")
    made = fact.decided
    walk = _Walk(shop, made, message, made.at_ms or logged.now_ms)
    walk.walk(ended.get(made.previous_conversation))
    return walk.explanation()


class _Walk(Steps):
    """One decision, from what led to it."""

    def __init__(self, shop: Shop, made: Decided, message: Any, at_ms: int) -> None:
        super().__init__(shop, made, made.buyer_id or message.buyer_id, at_ms)
        self.message = message
        self.waited_ms = 0

    def explanation(self) -> Explanation:
        taken = self.made.outcome in (types_pb2.OUTCOME_AGENT, types_pb2.OUTCOME_LEFT_MESSAGE)
        verdict = self.verdict._replace(taken=self.made.agent_id if taken else "")
        return Explanation(
            self.shop.document,
            self.made,
            self.buyer_id,
            self.at_ms,
            self.waited_ms,
            self.steps,
            candidates(self.shop, self.at_ms, verdict),
        )

    def walk(self, before: Conversation | None) -> None:
        """`before`: the conversation from which the buyer was moved."""
        reason = self.made.reason
        if not self.made.buyer_id:
            found = self._inquiry(self.message, before)
        elif reason == types_pb2.REASON_TRANSFER and before is not None:
            found = self._transfer(self.message, before)
        elif reason == types_pb2.REASON_REPLY_TIMEOUT and before is not None:
            found = self._reply_timeout(before)
        elif reason == types_pb2.REASON_LEFT_QUEUE:
            found = self._left_queue()
        elif reason == types_pb2.REASON_LEFT_POOL:
            found = self._left_pool()
        elif before is not None:
            found = self._message(before)
        else:
            found = self._queue_timeout()
        if any(getattr(found, name) != getattr(self.made, name) for name in _WALKED):
            raise ValueError(
                f"decision {self.made.decision} is not what the rules make of the state before it"
            )

    # --- What leads to a decision ---

    def _inquiry(self, request: dispatch_pb2.RouteRequest, before: Conversation | None) -> Decided:
        self.note(1, Finding.NO_REPEAT if request.request_id else Finding.NO_REQUEST_ID)
        search = self._search(inquiry_of(request))
        conversation = before or self.shop.conversation_of_buyer.get(self.buyer_id)
        found = self.step_2(search, conversation, request.handoff)
        return found or self.steps_from_3(search, request.handoff)

    def _message(self, before: Conversation) -> Decided:
        search = self._search(before.inquiry)
        self.step_2(search, before, handoff=False)
        return self.steps_from_3(search, handoff=False)

    def _transfer(self, request: dispatch_pb2.TransferRequest, before: Conversation) -> Decided:
        shop = self.shop
        finding = Finding.ROBOT_HANDED_ON if before.robot else Finding.HANDED_ON
        handed_on_by = shop.config.robot_id if before.robot else before.agent_id
        self.note(0, finding, agent=handed_on_by, conversation=before.number, note=request.reason)
        self.verdict = self.verdict._replace(handed_over=before.agent_id)
        search = Search(shop, self.buyer_id, EMPTY, self.at_ms, without=before.agent_id)
        left = Decided(
            outcome=types_pb2.OUTCOME_LEFT_MESSAGE,
            reason=types_pb2.REASON_TRANSFER,
            agent_id=request.agent_id,
            group_id=request.group_id,
        )
        if request.agent_id:
            self.instead(insight_pb2.CANDIDATE_REASON_OTHER_IS_RECEIVER)
            agent = shop.agents[request.agent_id]
            if agent.is_offline:
                self.note(0, Finding.RECEIVER_OFFLINE, agent=request.agent_id, ends=True)
                return left
            accepts = Finding.RECEIVER_ACCEPTS
            self.note(0, accepts, agent=request.agent_id, status=agent.status, ends=True)
            return decided(search, Found(types_pb2.REASON_TRANSFER, agent))
        groups = frozenset((request.group_id,))
        found = selected(search, groups)
        self.asked(search, groups)
        if found is None:
            self.note(0, Finding.RECEIVERS_UNAVAILABLE, groups=groups, ends=True)
            return left
        return self.pick(7, Finding.PICKED, search, found, types_pb2.REASON_TRANSFER)

    def _reply_timeout(self, before: Conversation) -> Decided:
        self.note(
            0,
            Finding.REPLY_TIMED_OUT,
            agent=before.agent_id,
            conversation=before.number,
            waited_ms=self.at_ms - before.opened_at_ms,
        )
        self.verdict = self.verdict._replace(
            handed_over=before.agent_id, excluded=frozenset(before.inquiry.exclude_agent_ids)
        )
        search = Search(
            self.shop, self.buyer_id, before.inquiry, self.at_ms, without=before.agent_id
        )
        return self.an_agent(search)

    def _left_queue(self) -> Decided:
        entry = self._entry()
        self.note(0, Finding.QUEUE_MOVES, waited_ms=self.waited_ms, priority=entry.inquiry.priority)
        return self.an_agent(self._search(entry.inquiry))

    def _left_pool(self) -> Decided:
        """First to whom the buyer waits for or knows, then to anybody; only to those with time."""
        shop, entry = self.shop, self._entry()
        threshold = max(1, shop.config.busy_threshold)
        search = self._search(entry.inquiry)
        narrowed = self._search(entry.inquiry, only_with_time=True)
        if entry.target_agent_id:
            self.instead(insight_pb2.CANDIDATE_REASON_OTHER_IS_RECEIVER)
            self.note(
                0,
                Finding.WAITED_FOR_AGENT,
                agent=entry.target_agent_id,
                waited_ms=self.waited_ms,
                ends=True,
            )
            agent = shop.agents[entry.target_agent_id]
            return decided(search, Found(types_pb2.REASON_LEFT_POOL, agent))
        groups = frozenset((entry.target_group_id,))
        if groups <= shop.config.all_groups:
            self.note(
                0,
                Finding.WAITED_FOR_GROUP,
                groups=groups,
                waited_ms=self.waited_ms,
                threshold=threshold,
            )
            found = self.step_7(narrowed, groups)
            if found is None:
                raise ValueError("nobody for whom the buyer waited")
            return found
        self.note(0, Finding.POOL_MOVES, waited_ms=self.waited_ms, threshold=threshold)
        by_contact = None if entry.has_target else self.step_3(search, only_with_time=True)
        return by_contact or self.an_agent(narrowed, besides_contact=True)

    def _queue_timeout(self) -> Decided:
        entry = self._entry()
        self._search(entry.inquiry)
        matched = self._groups_asked(entry.inquiry)
        self.verdict = self.verdict._replace(asked=matched)
        self.note(9, Finding.QUEUE_TIMED_OUT, waited_ms=self.waited_ms)
        self.waited_ms = 0
        return self.step_10(entry=None, handoff=False)

    def _groups_asked(self, inquiry: Inquiry) -> Groups:
        """Where an agent was looked for all the while the buyer waited."""
        config = self.shop.config
        matched = match(Search(self.shop, self.buyer_id, inquiry, self.at_ms))
        first = config.first_of(matched)
        spills = first is not None and (first.when_unavailable == shop_pb2.UNAVAILABLE_POLICY_SPILL)
        return config.all_groups if spills else matched

    def _entry(self) -> Waiting:
        entry = self.shop.waiting[self.buyer_id]
        self.waited_ms = self.at_ms - entry.since_ms
        return entry

    def _search(self, inquiry: Inquiry, *, only_with_time: bool = False) -> Search:
        """For the buyer, whose exclusions are those of the inquiry."""
        self.verdict = self.verdict._replace(excluded=frozenset(inquiry.exclude_agent_ids))
        return Search(self.shop, self.buyer_id, inquiry, self.at_ms, only_with_time=only_with_time)
