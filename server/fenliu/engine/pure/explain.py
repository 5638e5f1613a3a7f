"""Why a logged decision came out as it did: its steps walked again, each saying what it found.

Works on a copy of the shop's state just before the decision, with the rules that made it; what they
make must be what the log says. Decides nothing new and has no words: see `fenliu.engine.explanation`.
"""

from typing import Any

from google.protobuf.message import Message

from fenliu.engine.explanation import Explanation, Finding, Step
from fenliu.engine.partitions import partition_of
from fenliu.engine.pure import robot, snapshot, waiting, wire
from fenliu.engine.pure.apply import apply_fact
from fenliu.engine.pure.assignment import (
    Found,
    Search,
    decided,
    dedicated,
    match,
    recent_contact,
    selected,
    spilled,
)
from fenliu.engine.pure.candidates import Verdict, candidates, in_line
from fenliu.engine.pure.document import Groups
from fenliu.engine.pure.entries import command_of, decode_entry, split_entries
from fenliu.engine.pure.inquiry import EMPTY, bound_value, inquiry_of
from fenliu.engine.pure.parts import Conversation
from fenliu.engine.pure.state import Shop
from fenliu.engine.v1 import engine_pb2
from fenliu.engine.v1.engine_pb2 import Decided, Inquiry
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


def explain(shop_snapshot: bytes, entry: bytes, decision: int) -> Explanation:
    """Explains the decision of this number in an entry.

    `shop_snapshot`: the shop as it was before the entry, an encoded `ShopSnapshot`; `entry`: one
    entry, length-prefixed. Raises ValueError when these are not that, when the entry has no such decision, and when
    the rules would have decided otherwise.
    """
    data = list(split_entries(entry))
    if len(data) != 1:
        raise ValueError("not one entry")
    logged = decode_entry(data[0])
    _, message = command_of(logged)
    shop = _load(shop_snapshot)
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


def _load(data: bytes) -> Shop:
    try:
        state = wire.decode(engine_pb2.ShopSnapshot, data)
    except (wire.MalformedError, wire.NotUtf8Error):
        raise ValueError("not a snapshot") from None
    # In which partition the shop is makes no difference here.
    return snapshot.load(state, partition_of(state.shop.shop_id, 1))


class _Walk:
    """One decision being walked."""

    def __init__(self, shop: Shop, made: Decided, message: Message, at_ms: int) -> None:
        self.shop = shop
        self.made = made
        self.message: Any = message
        self.at_ms = at_ms
        self.buyer_id: str = made.buyer_id or self.message.buyer_id
        self.waited_ms = 0
        self.steps: list[Step] = []
        self.verdict = Verdict()

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

    def _note(
        self,
        number: int,
        finding: Finding,
        *,
        agent: str = "",
        groups: Groups = frozenset(),
        ends: bool = False,
        **facts: object,
    ) -> None:
        self.steps.append(Step(number, finding, facts, agent, sorted(groups), ends))

    # --- What leads to a decision ---

    def _inquiry(
        self, request: dispatch_pb2.RouteRequest, before: Conversation | None
    ) -> Decided:
        self._note(1, Finding.NO_REPEAT if request.request_id else Finding.NO_REQUEST_ID)
        search = self._search(inquiry_of(request))
        conversation = before or self.shop.conversation_of_buyer.get(self.buyer_id)
        found = self._step_2(search, conversation, request.handoff)
        return found or self._steps_from_3(search, request.handoff)

    def _message(self, before: Conversation) -> Decided:
        search = self._search(before.inquiry)
        self._step_2(search, before, handoff=False)
        return self._steps_from_3(search, handoff=False)

    def _transfer(self, request: dispatch_pb2.TransferRequest, before: Conversation) -> Decided:
        shop = self.shop
        finding = Finding.ROBOT_HANDED_ON if before.robot else Finding.HANDED_ON
        handed_on_by = shop.config.robot_id if before.robot else before.agent_id
        self._note(
            0, finding, agent=handed_on_by, conversation=before.number, note=request.reason
        )
        self.verdict = self.verdict._replace(handed_over=before.agent_id)
        search = Search(shop, self.buyer_id, EMPTY, self.at_ms, without=before.agent_id)
        left = Decided(
            outcome=types_pb2.OUTCOME_LEFT_MESSAGE,
            reason=types_pb2.REASON_TRANSFER,
            agent_id=request.agent_id,
            group_id=request.group_id,
        )
        if request.agent_id:
            self._instead(insight_pb2.CANDIDATE_REASON_OTHER_IS_RECEIVER)
            agent = shop.agents[request.agent_id]
            if agent.is_offline:
                self._note(0, Finding.RECEIVER_OFFLINE, agent=request.agent_id, ends=True)
                return left
            accepts = Finding.RECEIVER_ACCEPTS
            self._note(0, accepts, agent=request.agent_id, status=agent.status, ends=True)
            return decided(search, Found(types_pb2.REASON_TRANSFER, agent))
        groups = frozenset((request.group_id,))
        found = selected(search, groups)
        self._asked(search, groups)
        if found is None:
            self._note(0, Finding.RECEIVERS_UNAVAILABLE, groups=groups, ends=True)
            return left
        return self._pick(7, Finding.PICKED, search, found, types_pb2.REASON_TRANSFER)

    def _reply_timeout(self, before: Conversation) -> Decided:
        self._note(
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
        return self._an_agent(search)

    def _left_queue(self) -> Decided:
        entry = self._entry()
        self._note(
            0, Finding.QUEUE_MOVES, waited_ms=self.waited_ms, priority=entry.inquiry.priority
        )
        return self._an_agent(self._search(entry.inquiry))

    def _left_pool(self) -> Decided:
        """First to whom the buyer waits for or knows, then to anybody; only to those with time."""
        shop, entry = self.shop, self._entry()
        threshold = max(1, shop.config.busy_threshold)
        search = self._search(entry.inquiry)
        narrowed = self._search(entry.inquiry, only_with_time=True)
        if entry.target_agent_id:
            self._instead(insight_pb2.CANDIDATE_REASON_OTHER_IS_RECEIVER)
            self._note(
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
            self._note(
                0,
                Finding.WAITED_FOR_GROUP,
                groups=groups,
                waited_ms=self.waited_ms,
                threshold=threshold,
            )
            found = self._step_7(narrowed, groups)
            if found is None:
                raise ValueError("nobody for whom the buyer waited")
            return found
        self._note(0, Finding.POOL_MOVES, waited_ms=self.waited_ms, threshold=threshold)
        by_contact = None if entry.has_target else self._step_3(search, only_with_time=True)
        return by_contact or self._an_agent(narrowed, besides_contact=True)

    def _queue_timeout(self) -> Decided:
        entry = self._entry()
        self._search(entry.inquiry)
        matched = self._groups_asked(entry.inquiry)
        self.verdict = self.verdict._replace(asked=matched)
        self._note(9, Finding.QUEUE_TIMED_OUT, waited_ms=self.waited_ms)
        self.waited_ms = 0
        return self._step_10(entry=None, handoff=False)

    def _groups_asked(self, inquiry: Inquiry) -> Groups:
        """Where an agent was looked for all the while the buyer waited."""
        config = self.shop.config
        matched = match(Search(self.shop, self.buyer_id, inquiry, self.at_ms))
        first = config.first_of(matched)
        spills = first is not None and (
            first.when_unavailable == shop_pb2.UNAVAILABLE_POLICY_SPILL
        )
        return config.all_groups if spills else matched

    def _entry(self) -> waiting.Waiting:
        entry = self.shop.waiting[self.buyer_id]
        self.waited_ms = self.at_ms - entry.since_ms
        return entry

    def _search(self, inquiry: Inquiry, *, only_with_time: bool = False) -> Search:
        """For the buyer, whose exclusions are those of the inquiry."""
        self.verdict = self.verdict._replace(excluded=frozenset(inquiry.exclude_agent_ids))
        return Search(
            self.shop, self.buyer_id, inquiry, self.at_ms, only_with_time=only_with_time
        )

    # --- The steps, by their numbers ---

    def _step_2(
        self, search: Search, conversation: Conversation | None, handoff: bool
    ) -> Decided | None:
        if conversation is None:
            self._note(2, Finding.NO_CONVERSATION)
            return None
        number = conversation.number
        if conversation.robot:
            robot_id = self.shop.config.robot_id
            if not robot_id:
                self._note(2, Finding.ROBOT_CONVERSATION_ENDED, conversation=number)
                return None
            if handoff:
                left = Finding.ROBOT_CONVERSATION_LEFT
                self._note(2, left, agent=robot_id, conversation=number)
                return None
            kept = Finding.ROBOT_CONVERSATION_OPEN
            self._note(2, kept, agent=robot_id, conversation=number, ends=True)
            self._instead(insight_pb2.CANDIDATE_REASON_ROBOT_COMES_FIRST)
            return robot.to_robot(self.shop, types_pb2.REASON_OPEN_CONVERSATION)
        agent_id = conversation.agent_id
        agent = self.shop.agents.get(agent_id)
        if agent is None:
            gone = Finding.CONVERSATION_AGENT_GONE
            self._note(2, gone, agent=agent_id, conversation=number)
            return None
        if agent.is_offline:
            offline = Finding.CONVERSATION_AGENT_OFFLINE
            self._note(2, offline, agent=agent_id, conversation=number)
            return None
        if agent_id in search.excluded:
            excluded = Finding.CONVERSATION_AGENT_EXCLUDED
            self._note(2, excluded, agent=agent_id, conversation=number)
            return None
        self._note(
            2,
            Finding.CONVERSATION_OPEN,
            agent=agent_id,
            conversation=number,
            status=agent.status,
            ends=True,
        )
        self._instead(insight_pb2.CANDIDATE_REASON_OTHER_HAS_CONVERSATION)
        return Decided(
            outcome=types_pb2.OUTCOME_AGENT,
            reason=types_pb2.REASON_OPEN_CONVERSATION,
            agent_id=agent_id,
            group_id=conversation.group_id,
        )

    def _steps_from_3(self, search: Search, handoff: bool) -> Decided:
        found = self._step_3(search) or self._step_4(search)
        if found is not None:
            return found
        groups = self._step_5(search)
        found = self._step_6(groups, handoff) or self._step_7(search, groups)
        return found or self._step_8(search, groups) or self._from_policy(groups, handoff)

    def _an_agent(self, search: Search, *, besides_contact: bool = False) -> Decided:
        """Steps 3, 4, 5, 7 and 8 for a buyer who is already known to wait."""
        found = None if besides_contact else self._step_3(search)
        found = found or self._step_4(search)
        if found is None:
            groups = self._step_5(search)
            found = self._step_7(search, groups) or self._step_8(search, groups)
        if found is None:
            raise ValueError("nobody whom the buyer was given to")
        return found

    def _step_3(self, search: Search, *, only_with_time: bool = False) -> Decided | None:
        config = self.shop.config
        contact = self.shop.contact(self.buyer_id, self.at_ms)
        if contact is None:
            self._note(3, Finding.NO_CONTACT, window_ms=config.contact_lifetime_ms)
            return None
        agent_id, ago_ms = contact.agent_id, self.at_ms - contact.consulted_at_ms
        agent = self.shop.agents.get(agent_id)
        if agent is None:
            self._note(3, Finding.CONTACT_GONE, agent=agent_id)
            return None
        found = recent_contact(search)
        if found is not None and only_with_time and not agent.has_time:
            self._note(
                3,
                Finding.CONTACT_HAS_NO_TIME,
                agent=agent_id,
                awaiting=agent.awaiting,
                status=agent.status,
            )
            return None
        if found is not None:
            self._instead(insight_pb2.CANDIDATE_REASON_OTHER_IS_RECENT_CONTACT)
            self._note(
                3,
                Finding.CONTACT_FOUND,
                agent=agent_id,
                groups=found.pool or frozenset(),
                ago_ms=ago_ms,
                status=agent.status,
                ends=True,
            )
            return self._made(search, found)
        online = agent.is_online
        window_ms = config.sticky_window_ms if online else config.sticky_suspended_window_ms
        if not agent.takes_part:
            self._note(3, Finding.CONTACT_IN_NO_GROUP, agent=agent_id)
        elif agent_id in search.excluded:
            self._note(3, Finding.CONTACT_EXCLUDED, agent=agent_id)
        elif agent.is_offline:
            self._note(3, Finding.CONTACT_OFFLINE, agent=agent_id)
        elif window_ms == 0:
            self._note(3, Finding.CONTACT_OFF, agent=agent_id, status=agent.status)
        else:
            self._note(
                3,
                Finding.CONTACT_TOO_LONG_AGO,
                agent=agent_id,
                ago_ms=ago_ms,
                window_ms=window_ms,
                status=agent.status,
            )
        return None

    def _step_4(self, search: Search) -> Decided | None:
        wanted = search.inquiry.dedicated_agent_id
        wanted = wanted or self.shop.config.buyer_agents.get(self.buyer_id, "")
        if not wanted:
            self._note(4, Finding.NO_DEDICATED)
            return None
        found = dedicated(search)
        if found is not None:
            self._instead(insight_pb2.CANDIDATE_REASON_OTHER_IS_DEDICATED)
            groups = found.pool or frozenset()
            self._note(4, Finding.DEDICATED_FOUND, agent=wanted, groups=groups, ends=True)
            return self._made(search, found)
        agent = self.shop.agents.get(wanted)
        if agent is None:
            self._note(4, Finding.DEDICATED_GONE, agent=wanted)
        elif not agent.takes_part:
            self._note(4, Finding.DEDICATED_IN_NO_GROUP, agent=wanted)
        elif wanted in search.excluded:
            self._note(4, Finding.DEDICATED_EXCLUDED, agent=wanted)
        elif not agent.is_online:
            self._note(4, Finding.DEDICATED_NOT_ONLINE, agent=wanted, status=agent.status)
        else:
            self._note(4, Finding.DEDICATED_HAS_NO_TIME, agent=wanted, awaiting=agent.awaiting)
        return None

    def _step_5(self, search: Search) -> Groups:
        matched = match(search)
        if not matched:
            self._note(5, Finding.NO_GROUPS)
            return matched
        bound: list[tuple[shop_pb2.BindingDimension, str | int]] = []
        left = self.shop.config.all_groups
        for dimension, groups_of in self.shop.config.bound:
            value = bound_value(search.inquiry, dimension)
            kept = left & groups_of.get(value, frozenset()) if value else frozenset()
            if kept:
                bound.append((dimension, value))
                left = kept
        if bound:
            self._note(5, Finding.BOUND, groups=matched, bound=bound)
        else:
            self._note(5, Finding.NOTHING_BOUND, groups=matched)
        return matched

    def _step_6(self, matched: Groups, handoff: bool) -> Decided | None:
        config = self.shop.config
        if handoff:
            self._note(6, Finding.HUMAN_ASKED_FOR)
            return None
        if not config.robot_id:
            self._note(6, Finding.NO_ROBOT)
            return None
        first = config.first_of(matched)
        by_robot = robot.reception(self.shop, first, handoff)
        owner = frozenset((first.group_id,)) if config.reception_by_group and first else frozenset()
        robots = by_robot.reason is not None
        if by_robot.mixed_owner is not None:
            before = self.shop.mixed.get(by_robot.mixed_owner, 0)
            percent = config.robot_percent[by_robot.mixed_owner]
            self._note(
                6,
                Finding.MIXED_ROBOTS_TURN if robots else Finding.MIXED_HUMANS_TURN,
                agent=config.robot_id,
                groups=owner,
                ends=robots,
                percent=percent,
                before=before,
                after=(before + percent) % 100,
            )
        elif robots:
            self._note(6, Finding.ROBOT_FIRST, agent=config.robot_id, groups=owner, ends=True)
        else:
            self._note(6, Finding.HUMAN_FIRST, agent=config.robot_id, groups=owner)
        if by_robot.reason is None:
            return None
        self._instead(insight_pb2.CANDIDATE_REASON_ROBOT_COMES_FIRST)
        return robot.to_robot(self.shop, by_robot.reason)

    def _step_7(self, search: Search, groups: Groups) -> Decided | None:
        self._asked(search, groups)
        found = selected(search, groups)
        if found is None:
            if search.only_with_time:
                threshold = max(1, self.shop.config.busy_threshold)
                self._note(7, Finding.NOBODY_WITH_TIME, groups=groups, threshold=threshold)
            else:
                self._note(7, Finding.NOBODY_AVAILABLE, groups=groups)
            return None
        with_time = search.only_with_time
        finding = Finding.PICKED_WITH_TIME if with_time else Finding.PICKED
        return self._pick(7, finding, search, found)

    def _step_8(self, search: Search, matched: Groups) -> Decided | None:
        """Where the first of the matched groups says SPILL."""
        config = self.shop.config
        first = config.first_of(matched)
        if first is None or first.when_unavailable != shop_pb2.UNAVAILABLE_POLICY_SPILL:
            return None
        if matched == config.all_groups:
            self._note(8, Finding.SPILL_NO_OTHERS, groups=matched)
            return None
        self._asked(search, config.all_groups)
        found = spilled(search, matched)
        if found is None:
            self._note(8, Finding.SPILL_NOBODY, groups=config.all_groups)
            return None
        with_time = search.only_with_time
        finding = Finding.SPILL_PICKED_WITH_TIME if with_time else Finding.SPILL_PICKED
        return self._pick(8, finding, search, found)

    def _from_policy(self, matched: Groups, handoff: bool) -> Decided:
        """The rest of step 8, and on."""
        config = self.shop.config
        entry = self.shop.waiting.get(self.buyer_id)
        first = config.first_of(matched)
        if first is None:
            self._note(8, Finding.POLICY_WITHOUT_GROUPS)
            return self._step_9() or self._step_10(entry, handoff)
        groups = frozenset((first.group_id,))
        match first.when_unavailable:
            case shop_pb2.UNAVAILABLE_POLICY_OFFLINE:
                self._note(8, Finding.POLICY_OFFLINE, groups=groups)
                return self._step_10(entry, handoff)
            case shop_pb2.UNAVAILABLE_POLICY_QUEUE:
                self._note(8, Finding.POLICY_QUEUE, groups=groups)
            case shop_pb2.UNAVAILABLE_POLICY_ROBOT if not config.robot_id:
                self._note(8, Finding.POLICY_ROBOT_MISSING, groups=groups)
            case shop_pb2.UNAVAILABLE_POLICY_ROBOT if handoff:
                self._note(8, Finding.POLICY_ROBOT_NOT_WANTED, groups=groups)
            case shop_pb2.UNAVAILABLE_POLICY_ROBOT:
                robots = Finding.POLICY_ROBOT
                self._note(8, robots, agent=config.robot_id, groups=groups, ends=True)
                return robot.to_robot(self.shop, types_pb2.REASON_GROUP_ROBOT)
        return self._step_9() or self._step_10(entry, handoff)

    def _step_9(self) -> Decided | None:
        shop = self.shop
        found = waiting.queue(shop, self.buyer_id)
        if found is not None:
            position, wait_ms = self.made.queue_position, self.made.estimated_wait_ms
            queued = found.reason == types_pb2.REASON_QUEUED_AT_CAP
            finding = Finding.QUEUED if queued else Finding.QUEUE_KEPT
            self._note(9, finding, ends=True, position=position, wait_ms=wait_ms)
        elif self.buyer_id in shop.waiting:
            self._note(9, Finding.QUEUE_NOT_ENTERED)
        elif not shop.config.queue_limit:
            self._note(9, Finding.QUEUE_OFF)
        elif not shop.online_participants:
            self._note(9, Finding.QUEUE_NOBODY_ONLINE)
        else:
            self._note(9, Finding.QUEUE_FULL, limit=shop.config.queue_limit)
        return found

    def _step_10(self, entry: waiting.Waiting | None, handoff: bool) -> Decided:
        found = waiting.otherwise(self.shop, self.buyer_id, entry, handoff)
        groups: Groups = frozenset()
        match found.reason:
            case types_pb2.REASON_HANDOFF_UNAVAILABLE if found.conversation:
                finding = Finding.ROBOT_KEEPS
            case types_pb2.REASON_HANDOFF_UNAVAILABLE:
                finding = Finding.ROBOT_DESPITE_HANDOFF
            case types_pb2.REASON_OFFLINE_ROBOT:
                finding = Finding.ROBOT_WHILE_OFFLINE
            case types_pb2.REASON_NOBODY_FREE:
                finding = Finding.POOLED_NOBODY_FREE
            case types_pb2.REASON_OFFLINE_PROXY:
                finding = Finding.LEFT_WITH_PROXY
            case types_pb2.REASON_OFFLINE_OWNER:
                finding = Finding.LEFT_WITH_OWNER
            case types_pb2.REASON_OFFLINE_POOL:
                finding = Finding.POOLED_NOBODY_ONLINE
            case _ if found.agent_id:
                finding = Finding.STILL_LEFT_MESSAGE
            case _ if entry is not None and entry.target_group_id:
                finding = Finding.STILL_WAITING_FOR_GROUP
                groups = frozenset((entry.target_group_id,))
            case _:
                finding = Finding.STILL_POOLED
        self._note(10, finding, agent=found.agent_id, groups=groups, ends=True)
        return found

    # --- How steps end ---

    def _instead(self, reason: insight_pb2.CandidateReason) -> None:
        self.verdict = self.verdict._replace(instead=reason)

    def _asked(self, search: Search, groups: Groups) -> None:
        with_time = search.only_with_time
        self.verdict = self.verdict._replace(asked=groups, only_with_time=with_time)

    def _made(
        self, search: Search, found: Found, reason: types_pb2.Reason | None = None
    ) -> Decided:
        by_step = types_pb2.REASON_RECENT_CONTACT, types_pb2.REASON_DEDICATED
        by_step += types_pb2.REASON_WEIGHTED, types_pb2.REASON_SPILLED
        if reason is None and self.made.reason not in by_step:
            reason = self.made.reason  # The reason is what led here; the step says the rest.
        return decided(search, found, reason)

    def _pick(
        self,
        number: int,
        finding: Finding,
        search: Search,
        found: Found,
        reason: types_pb2.Reason | None = None,
    ) -> Decided:
        groups = found.pool or frozenset()
        made = self._made(search, found, reason)
        line = in_line(self.shop.pool(groups), search.skips)
        if line[0] != made.agent_id:
            raise ValueError("the line does not begin with who is picked")
        self.verdict = self.verdict._replace(line=line)
        facts: dict[str, object] = {"in_line": len(line)}
        if search.only_with_time:
            facts["threshold"] = max(1, self.shop.config.busy_threshold)
        self._note(number, finding, agent=made.agent_id, groups=groups, ends=True, **facts)
        return made
