"""Weighted selection (docs/engine.md section 6). Knows agents only by availability and weight.

Each pool runs a virtual clock `V`. A member's turn becomes eligible at `e`; among the eligible the one
whose turn would end first, at `e + ONE // w`, is picked. So with constant weights nobody is ever a
whole buyer off the exact share, and nobody catches up a backlog.
"""

from collections.abc import Callable, Mapping
from heapq import heapify, heappop, heappush
from typing import Protocol

from fenliu.engine.pure.document import Groups

ONE = 2**64

# (key, agent id, stamp): holds as long as the member still has the stamp. A pool gives each stamp
# once, so that no item of somebody who left the shop can pass for one of somebody who came back.
_HeapItem = tuple[int, str, int]


class Candidate(Protocol):
    """An agent, as far as selection knows one."""

    available: bool
    effective_weight: int


class Member:
    """An agent that is, or was, available at a pick of the pool."""

    __slots__ = ("available", "eligible_at", "stamp", "weight")

    def __init__(self, eligible_at: int, weight: int, available: bool) -> None:
        self.eligible_at = eligible_at  # e
        self.weight = weight  # w at the last pick at which it was available
        self.available = available  # at the last pick
        self.stamp = 0

    def reweigh(self, weight: int, virtual_time: int) -> None:
        """Stretches or shrinks the distance to the virtual time as the weight changes."""
        if weight == self.weight:
            return
        ahead = self.eligible_at - virtual_time
        if ahead >= 0:
            self.eligible_at = virtual_time + ahead * self.weight // weight
        else:
            self.eligible_at = max(0, virtual_time - -ahead * self.weight // weight)
        self.weight = weight


class Pool:
    """The selection state of one set of groups.

    A pool may be asked about before its first pick; it is part of the shop's state only from then on.
    """

    __slots__ = (
        "_eligible",
        "_last_stamp",
        "_waiting",
        "agent_ids",
        "available",
        "available_with_time",
        "changed",
        "group_ids",
        "members",
        "picked_from",
        "total_weight",
        "virtual_time",
    )

    def __init__(self, groups: Groups) -> None:
        self.group_ids = tuple(sorted(groups))
        self.agent_ids: set[str] = set()  # of all its groups
        # How many of these are available now, and how many of them have time; kept by the shop.
        self.available = 0
        self.available_with_time = 0
        self.changed: set[str] = set()  # who may be otherwise than at the last pick
        # The state.
        self.picked_from = False
        self.virtual_time = 0  # V
        self.members: dict[str, Member] = {}
        # Derived: W, and the available members in two heaps with lazy deletion. As V only grows,
        # an item moves from waiting (by e) to eligible (by e + ONE // w) and never back.
        self.total_weight = 0
        self._eligible: list[_HeapItem] = []
        self._waiting: list[_HeapItem] = []
        self._last_stamp = 0

    def bring_up_to_date(self, agents: Mapping[str, Candidate]) -> None:
        """Takes over availability and weights as they are now; only directly before a pick."""
        for agent_id in self.changed:
            agent = agents.get(agent_id)
            member = self.members.get(agent_id)
            available = agent is not None and agent.available and agent_id in self.agent_ids
            if agent is None or not available:
                if member is not None and member.available:
                    self.total_weight -= member.weight
                    member.available = False
                continue
            weight = agent.effective_weight
            if member is None:
                member = self.members[agent_id] = Member(self.virtual_time, weight, available=True)
            elif member.available:
                if member.weight == weight:
                    continue
                self.total_weight -= member.weight
                member.reweigh(weight, self.virtual_time)
            else:
                member.reweigh(weight, self.virtual_time)
                member.eligible_at = max(member.eligible_at, self.virtual_time)
                member.available = True
            self.total_weight += weight
            self._place(agent_id, member)
        self.changed.clear()

    def next_in_line(self, skips: Callable[[str], bool]) -> str:
        """Who is to be picked. The pool is up to date and has somebody who is not skipped."""
        skipped: list[tuple[list[_HeapItem], _HeapItem]] = []
        self._let_in(self.virtual_time)
        chosen = self._first(self._eligible, skips, skipped)
        if chosen is None:
            # Nobody has a turn: the clock will jump to the earliest (the pick sets it).
            earliest = self._first(self._waiting, skips, skipped)
            if earliest is not None:
                self._let_in(earliest[0])
                chosen = self._first(self._eligible, skips, skipped)
        for heap, item in skipped:
            heappush(heap, item)
        if chosen is None:
            raise LookupError("nobody is available")
        return chosen[1]

    def pick(self, agent_id: str) -> None:
        """Gives this available member its turn. The pool is up to date."""
        member = self.members.get(agent_id)
        if member is not None and member.available:
            self.virtual_time = max(self.virtual_time, member.eligible_at)
        self.charge(agent_id)

    def charge(self, agent_id: str) -> None:
        """Takes a share from this available member without a turn. The pool is up to date."""
        self.picked_from = True
        member = self.members.get(agent_id)
        if member is None or not member.available:
            return  # cannot be in a log of this engine; applying never refuses
        member.eligible_at += ONE // member.weight
        self.virtual_time += ONE // self.total_weight
        self._place(agent_id, member)

    def drop(self, agent_id: str) -> None:
        """The agent has left the shop."""
        member = self.members.pop(agent_id, None)
        if member is not None and member.available:
            self.total_weight -= member.weight

    def restore(self, virtual_time: int, members: Mapping[str, Member]) -> None:
        """Puts a stored state in place."""
        self.picked_from = True
        self.virtual_time = virtual_time
        self.members = dict(members)
        self.total_weight = sum(one.weight for one in members.values() if one.available)
        self._rebuild()

    # --- The two heaps ---

    def _place(self, agent_id: str, member: Member) -> None:
        self._last_stamp += 1
        member.stamp = self._last_stamp
        if len(self._eligible) + len(self._waiting) > 2 * len(self.members) + 64:
            self._rebuild()
        else:
            heappush(self._waiting, (member.eligible_at, agent_id, member.stamp))

    def _rebuild(self) -> None:
        self._eligible = []
        self._waiting = [
            (member.eligible_at, agent_id, member.stamp)
            for agent_id, member in self.members.items()
            if member.available
        ]
        heapify(self._waiting)

    def _let_in(self, virtual_time: int) -> None:
        """Moves who is eligible at this virtual time."""
        while self._waiting and self._waiting[0][0] <= virtual_time:
            item = heappop(self._waiting)
            if self._holds(item):
                eligible_at, agent_id, stamp = item
                turn_ends = eligible_at + ONE // self.members[agent_id].weight
                heappush(self._eligible, (turn_ends, agent_id, stamp))

    def _first(
        self,
        heap: list[_HeapItem],
        skips: Callable[[str], bool],
        skipped: list[tuple[list[_HeapItem], _HeapItem]],
    ) -> _HeapItem | None:
        """The first item that holds and is not skipped; those skipped before it are set aside."""
        while heap:
            item = heap[0]
            if self._holds(item):
                if not skips(item[1]):
                    return item
                skipped.append((heap, item))
            heappop(heap)
        return None

    def _holds(self, item: _HeapItem) -> bool:
        member = self.members.get(item[1])
        return member is not None and member.available and member.stamp == item[2]
