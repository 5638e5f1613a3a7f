"""The steps of a decision (docs/rules.md), walked once more: each notes what it found.

Whether a step decides is said by the rule itself; here is only why. Changes nothing but pools brought
up to date for the pick that was made, on a copy of the shop.
"""

from fenliu.engine.explanation import Finding, Step
from fenliu.engine.pure import robot, waiting
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
from fenliu.engine.pure.candidates import Verdict, in_line
from fenliu.engine.pure.document import Groups
from fenliu.engine.pure.inquiry import bound_value
from fenliu.engine.pure.parts import Conversation, Waiting
from fenliu.engine.pure.state import Shop
from fenliu.engine.v1.engine_pb2 import Decided
from fenliu.v1 import insight_pb2, shop_pb2, types_pb2

_OF_STEPS = (
    types_pb2.REASON_RECENT_CONTACT,
    types_pb2.REASON_DEDICATED,
    types_pb2.REASON_WEIGHTED,
    types_pb2.REASON_SPILLED,
)
"""Reasons that are the step's own; another one says what led to the step."""


class Steps:
    """The steps of one decision, as far as they were walked."""

    def __init__(self, shop: Shop, made: Decided, buyer_id: str, at_ms: int) -> None:
        """`made`: as logged."""
        self.shop = shop
        self.made = made
        self.buyer_id = buyer_id
        self.at_ms = at_ms
        self.steps: list[Step] = []
        self.verdict = Verdict()

    def note(
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

    # --- The steps, by their numbers ---

    def step_2(
        self, search: Search, conversation: Conversation | None, handoff: bool
    ) -> Decided | None:
        if conversation is None:
            self.note(2, Finding.NO_CONVERSATION)
            return None
        number = conversation.number
        if conversation.robot:
            robot_id = self.shop.config.robot_id
            if not robot_id:
                self.note(2, Finding.ROBOT_CONVERSATION_ENDED, conversation=number)
                return None
            if handoff:
                left = Finding.ROBOT_CONVERSATION_LEFT
                self.note(2, left, agent=robot_id, conversation=number)
                return None
            kept = Finding.ROBOT_CONVERSATION_OPEN
            self.note(2, kept, agent=robot_id, conversation=number, ends=True)
            self.instead(insight_pb2.CANDIDATE_REASON_ROBOT_COMES_FIRST)
            return robot.to_robot(self.shop, types_pb2.REASON_OPEN_CONVERSATION)
        agent_id = conversation.agent_id
        agent = self.shop.agents.get(agent_id)
        if agent is None:
            gone = Finding.CONVERSATION_AGENT_GONE
            self.note(2, gone, agent=agent_id, conversation=number)
            return None
        if agent.is_offline:
            offline = Finding.CONVERSATION_AGENT_OFFLINE
            self.note(2, offline, agent=agent_id, conversation=number)
            return None
        if agent_id in search.excluded:
            excluded = Finding.CONVERSATION_AGENT_EXCLUDED
            self.note(2, excluded, agent=agent_id, conversation=number)
            return None
        self.note(
            2,
            Finding.CONVERSATION_OPEN,
            agent=agent_id,
            conversation=number,
            status=agent.status,
            ends=True,
        )
        self.instead(insight_pb2.CANDIDATE_REASON_OTHER_HAS_CONVERSATION)
        return Decided(
            outcome=types_pb2.OUTCOME_AGENT,
            reason=types_pb2.REASON_OPEN_CONVERSATION,
            agent_id=agent_id,
            group_id=conversation.group_id,
        )

    def steps_from_3(self, search: Search, handoff: bool) -> Decided:
        found = self.step_3(search) or self.step_4(search)
        if found is not None:
            return found
        groups = self.step_5(search)
        found = self.step_6(groups, handoff) or self.step_7(search, groups)
        return found or self.step_8(search, groups) or self._from_policy(groups, handoff)

    def an_agent(self, search: Search, *, besides_contact: bool = False) -> Decided:
        """Steps 3, 4, 5, 7 and 8 for a buyer who is already known to wait."""
        found = None if besides_contact else self.step_3(search)
        found = found or self.step_4(search)
        if found is None:
            groups = self.step_5(search)
            found = self.step_7(search, groups) or self.step_8(search, groups)
        if found is None:
            raise ValueError("nobody whom the buyer was given to")
        return found

    def step_3(self, search: Search, *, only_with_time: bool = False) -> Decided | None:
        config = self.shop.config
        contact = self.shop.contact(self.buyer_id, self.at_ms)
        if contact is None:
            self.note(3, Finding.NO_CONTACT, window_ms=config.contact_lifetime_ms)
            return None
        agent_id, ago_ms = contact.agent_id, self.at_ms - contact.consulted_at_ms
        agent = self.shop.agents.get(agent_id)
        if agent is None:
            self.note(3, Finding.CONTACT_GONE, agent=agent_id)
            return None
        found = recent_contact(search)
        if found is not None and only_with_time and not agent.has_time:
            self.note(
                3,
                Finding.CONTACT_HAS_NO_TIME,
                agent=agent_id,
                awaiting=agent.awaiting,
                status=agent.status,
            )
            return None
        if found is not None:
            self.instead(insight_pb2.CANDIDATE_REASON_OTHER_IS_RECENT_CONTACT)
            self.note(
                3,
                Finding.CONTACT_FOUND,
                agent=agent_id,
                groups=found.pool or frozenset(),
                ago_ms=ago_ms,
                status=agent.status,
                ends=True,
            )
            return self.made_of(search, found)
        online = agent.is_online
        window_ms = config.sticky_window_ms if online else config.sticky_suspended_window_ms
        if not agent.takes_part:
            self.note(3, Finding.CONTACT_IN_NO_GROUP, agent=agent_id)
        elif agent_id in search.excluded:
            self.note(3, Finding.CONTACT_EXCLUDED, agent=agent_id)
        elif agent.is_offline:
            self.note(3, Finding.CONTACT_OFFLINE, agent=agent_id)
        elif window_ms == 0:
            self.note(3, Finding.CONTACT_OFF, agent=agent_id, status=agent.status)
        else:
            self.note(
                3,
                Finding.CONTACT_TOO_LONG_AGO,
                agent=agent_id,
                ago_ms=ago_ms,
                window_ms=window_ms,
                status=agent.status,
            )
        return None

    def step_4(self, search: Search) -> Decided | None:
        wanted = search.inquiry.dedicated_agent_id
        wanted = wanted or self.shop.config.buyer_agents.get(self.buyer_id, "")
        if not wanted:
            self.note(4, Finding.NO_DEDICATED)
            return None
        found = dedicated(search)
        if found is not None:
            self.instead(insight_pb2.CANDIDATE_REASON_OTHER_IS_DEDICATED)
            groups = found.pool or frozenset()
            self.note(4, Finding.DEDICATED_FOUND, agent=wanted, groups=groups, ends=True)
            return self.made_of(search, found)
        agent = self.shop.agents.get(wanted)
        if agent is None:
            self.note(4, Finding.DEDICATED_GONE, agent=wanted)
        elif not agent.takes_part:
            self.note(4, Finding.DEDICATED_IN_NO_GROUP, agent=wanted)
        elif wanted in search.excluded:
            self.note(4, Finding.DEDICATED_EXCLUDED, agent=wanted)
        elif not agent.is_online:
            self.note(4, Finding.DEDICATED_NOT_ONLINE, agent=wanted, status=agent.status)
        else:
            self.note(4, Finding.DEDICATED_HAS_NO_TIME, agent=wanted, awaiting=agent.awaiting)
        return None

    def step_5(self, search: Search) -> Groups:
        matched = match(search)
        if not matched:
            self.note(5, Finding.NO_GROUPS)
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
            self.note(5, Finding.BOUND, groups=matched, bound=bound)
        else:
            self.note(5, Finding.NOTHING_BOUND, groups=matched)
        return matched

    def step_6(self, matched: Groups, handoff: bool) -> Decided | None:
        config = self.shop.config
        if handoff:
            self.note(6, Finding.HUMAN_ASKED_FOR)
            return None
        if not config.robot_id:
            self.note(6, Finding.NO_ROBOT)
            return None
        first = config.first_of(matched)
        by_robot = robot.reception(self.shop, first, handoff)
        owner = frozenset((first.group_id,)) if config.reception_by_group and first else frozenset()
        robots = by_robot.reason is not None
        if by_robot.mixed_owner is not None:
            before = self.shop.mixed.get(by_robot.mixed_owner, 0)
            percent = config.robot_percent[by_robot.mixed_owner]
            self.note(
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
            self.note(6, Finding.ROBOT_FIRST, agent=config.robot_id, groups=owner, ends=True)
        else:
            self.note(6, Finding.HUMAN_FIRST, agent=config.robot_id, groups=owner)
        if by_robot.reason is None:
            return None
        self.instead(insight_pb2.CANDIDATE_REASON_ROBOT_COMES_FIRST)
        return robot.to_robot(self.shop, by_robot.reason)

    def step_7(self, search: Search, groups: Groups) -> Decided | None:
        self.asked(search, groups)
        found = selected(search, groups)
        if found is None:
            if not groups:
                self.note(7, Finding.NOBODY_WITHOUT_GROUPS)
            elif search.only_with_time:
                threshold = max(1, self.shop.config.busy_threshold)
                self.note(7, Finding.NOBODY_WITH_TIME, groups=groups, threshold=threshold)
            else:
                self.note(7, Finding.NOBODY_AVAILABLE, groups=groups)
            return None
        with_time = search.only_with_time
        finding = Finding.PICKED_WITH_TIME if with_time else Finding.PICKED
        return self.pick(7, finding, search, found)

    def step_8(self, search: Search, matched: Groups) -> Decided | None:
        """Where the first of the matched groups says SPILL."""
        config = self.shop.config
        first = config.first_of(matched)
        if first is None or first.when_unavailable != shop_pb2.UNAVAILABLE_POLICY_SPILL:
            return None
        if matched == config.all_groups:
            self.note(8, Finding.SPILL_NO_OTHERS, groups=matched)
            return None
        self.asked(search, config.all_groups)
        found = spilled(search, matched)
        if found is None:
            self.note(8, Finding.SPILL_NOBODY, groups=config.all_groups)
            return None
        with_time = search.only_with_time
        finding = Finding.SPILL_PICKED_WITH_TIME if with_time else Finding.SPILL_PICKED
        return self.pick(8, finding, search, found)

    def _from_policy(self, matched: Groups, handoff: bool) -> Decided:
        """The rest of step 8, and on."""
        config = self.shop.config
        entry = self.shop.waiting.get(self.buyer_id)
        first = config.first_of(matched)
        if first is None:
            self.note(8, Finding.POLICY_WITHOUT_GROUPS)
            return self.step_9() or self.step_10(entry, handoff)
        groups = frozenset((first.group_id,))
        match first.when_unavailable:
            case shop_pb2.UNAVAILABLE_POLICY_OFFLINE:
                self.note(8, Finding.POLICY_OFFLINE, groups=groups)
                return self.step_10(entry, handoff)
            case shop_pb2.UNAVAILABLE_POLICY_QUEUE:
                self.note(8, Finding.POLICY_QUEUE, groups=groups)
            case shop_pb2.UNAVAILABLE_POLICY_ROBOT if not config.robot_id:
                self.note(8, Finding.POLICY_ROBOT_MISSING, groups=groups)
            case shop_pb2.UNAVAILABLE_POLICY_ROBOT if handoff:
                self.note(8, Finding.POLICY_ROBOT_NOT_WANTED, groups=groups)
            case shop_pb2.UNAVAILABLE_POLICY_ROBOT:
                robots = Finding.POLICY_ROBOT
                self.note(8, robots, agent=config.robot_id, groups=groups, ends=True)
                return robot.to_robot(self.shop, types_pb2.REASON_GROUP_ROBOT)
        return self.step_9() or self.step_10(entry, handoff)

    def step_9(self) -> Decided | None:
        shop = self.shop
        found = waiting.queue(shop, self.buyer_id)
        if found is not None:
            position, wait_ms = self.made.queue_position, self.made.estimated_wait_ms
            if found.reason == types_pb2.REASON_STILL_WAITING:
                self.note(9, Finding.QUEUE_KEPT, ends=True, position=position)
            elif wait_ms:
                self.note(9, Finding.QUEUED, ends=True, position=position, wait_ms=wait_ms)
            else:
                self.note(9, Finding.QUEUED_WAIT_UNKNOWN, ends=True, position=position)
        elif self.buyer_id in shop.waiting:
            self.note(9, Finding.QUEUE_NOT_ENTERED)
        elif not shop.config.queue_limit:
            self.note(9, Finding.QUEUE_OFF)
        elif not shop.online_participants:
            self.note(9, Finding.QUEUE_NOBODY_ONLINE)
        else:
            self.note(9, Finding.QUEUE_FULL, limit=shop.config.queue_limit)
        return found

    def step_10(self, entry: Waiting | None, handoff: bool) -> Decided:
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
        self.note(10, finding, agent=found.agent_id, groups=groups, ends=True)
        return found

    # --- How steps end ---

    def instead(self, reason: insight_pb2.CandidateReason) -> None:
        self.verdict = self.verdict._replace(instead=reason)

    def asked(self, search: Search, groups: Groups) -> None:
        with_time = search.only_with_time
        self.verdict = self.verdict._replace(asked=groups, only_with_time=with_time)

    def made_of(
        self, search: Search, found: Found, reason: types_pb2.Reason | None = None
    ) -> Decided:
        if reason is None and self.made.reason not in _OF_STEPS:
            reason = self.made.reason
        return decided(search, found, reason)

    def pick(
        self,
        number: int,
        finding: Finding,
        search: Search,
        found: Found,
        reason: types_pb2.Reason | None = None,
    ) -> Decided:
        groups = found.pool or frozenset()
        made = self.made_of(search, found, reason)
        line = in_line(self.shop.pool(groups), search.skips)
        if line[0] != made.agent_id:
            raise ValueError("the line does not begin with who is picked")
        self.verdict = self.verdict._replace(line=line)
        facts: dict[str, object] = {"in_line": len(line)}
        if search.only_with_time:
            facts["threshold"] = max(1, self.shop.config.busy_threshold)
        self.note(number, finding, agent=made.agent_id, groups=groups, ends=True, **facts)
        return made
