"""One shop of the naive model: plain lists, and every figure recomputed by scanning them.

Holds what a shop remembers, answers who may take a buyer and with what weight (sections 2 and 6), and
applies facts. It decides nothing; steps.py does. Numbers are unbounded integers and fractions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from copy import deepcopy
from fractions import Fraction
from math import floor
from typing import Any

from fenliu.v1 import presence_pb2, shop_pb2, types_pb2
from model.checks import DAY_MS, by_bytes

ONE = 2**64
HOUR_MS = 3_600_000
SHANGHAI_MS = 8 * HOUR_MS

ONLINE, SUSPENDED, OFFLINE = 1, 2, 3
BUYER, AGENT_WROTE, AUTO_REPLY = 1, 2, 4
R = types_pb2
AGENT, ROBOT, QUEUED = R.OUTCOME_AGENT, R.OUTCOME_ROBOT, R.OUTCOME_QUEUED
LEFT_MESSAGE, POOLED = R.OUTCOME_LEFT_MESSAGE, R.OUTCOME_POOLED

Pool = tuple[str, ...]
"""The sorted ids of a pool's groups."""

NO_INQUIRY: dict[str, Any] = {
    "order_status": 0,
    "product_id": "",
    "intent": "",
    "page_source": "",
    "dedicated_agent_id": "",
    "priority": 0,
    "exclude_agent_ids": [],
}


def day_of(t: int) -> int:
    return (t + SHANGHAI_MS) // DAY_MS


def hour_of(t: int) -> int:
    return (t + SHANGHAI_MS) // HOUR_MS


class NaiveShop:
    def __init__(self) -> None:
        self.document: Any = None
        self.deleted = False
        self.last_now = 0
        self.decisions = 0
        self.conversations_issued = 0
        self.facts: list[tuple[str, dict[str, Any]]] = []  # of the command being decided
        self.remember: list[tuple[list[dict[str, Any]], dict[str, Any]]] = []  # by that command
        self._begin()

    def _begin(self) -> None:
        """What a shop has anew each time it is made."""
        self.clamped = 0
        self.contacts_since = 0
        self.agents: dict[str, dict[str, Any]] = {}
        self.conversations: list[dict[str, Any]] = []  # open ones
        self.contacts: list[dict[str, Any]] = []  # also those that have expired
        self.waiting: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.order_events: list[dict[str, Any]] = []
        self.pools: dict[Pool, dict[str, Any]] = {}
        self.mixed: dict[str, int] = {}
        self.releases: list[int] = []

    # --- what there is ----------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        return self.document is not None and not self.deleted

    @property
    def settings(self) -> Any:
        return self.document.settings

    def everyone(self) -> Pool:
        return tuple(g.group_id for g in self.document.groups)

    def conversation(self, number: int) -> dict[str, Any] | None:
        """The conversation of this number, if it is open."""
        return next((c for c in self.conversations if c["conversation"] == number), None)

    def open_of(self, buyer_id: str) -> dict[str, Any] | None:
        mine = [c for c in self.conversations if c["buyer_id"] == buyer_id]
        assert len(mine) <= 1
        return mine[0] if mine else None

    def robots_of(self, buyer_id: str) -> dict[str, Any] | None:
        """The buyer's open conversation, if it is the robot's."""
        c = self.open_of(buyer_id)
        return c if c and c["robot"] else None

    def entry_of(self, buyer_id: str) -> dict[str, Any] | None:
        """The buyer's waiting entry."""
        return next((w for w in self.waiting if w["buyer_id"] == buyer_id), None)

    def queue(self) -> list[dict[str, Any]]:
        return in_queue_order([w for w in self.waiting if w["outcome"] == QUEUED])

    def contact_window(self) -> int:
        return max(self.settings.sticky_window_ms, self.settings.sticky_suspended_window_ms)

    def contact_exists(self, contact: dict[str, Any], t: int) -> bool:
        since = self.contacts_since
        return t - contact["at"] <= self.contact_window() and not (since and contact["at"] < since)

    def contact_of(self, buyer_id: str, t: int) -> dict[str, Any] | None:
        mine = [c for c in self.contacts if c["buyer_id"] == buyer_id]
        assert len(mine) <= 1
        return mine[0] if mine and self.contact_exists(mine[0], t) else None

    def remembered(self, kind: str, now: int) -> list[dict[str, Any]]:
        """`kind`: requests, events or order_events; those that exist at `now`."""
        return [r for r in getattr(self, kind) if now - r["at"] <= DAY_MS]

    # --- agents -----------------------------------------------------------------------------------

    def agent(self, agent_id: str) -> Any:
        """The agent in the document, or None."""
        return next((a for a in self.document.agents if a.agent_id == agent_id), None)

    def status(self, agent_id: str) -> int:
        """OFFLINE also for those who are not in the document."""
        return self.agents[agent_id]["status"] if self.agent(agent_id) else OFFLINE

    def groups_of(self, agent_id: str, among: Iterable[str] | None = None) -> list[str]:
        """The groups that have the agent, by (priority, id); of all groups or of `among`."""
        groups = [g for g in self.document.groups if among is None or g.group_id in among]
        groups.sort(key=lambda g: (g.priority, by_bytes(g.group_id)))
        return [g.group_id for g in groups if agent_id in g.agent_ids]

    def takes_part(self, agent_id: str) -> bool:
        return self.agent(agent_id) is not None and bool(self.groups_of(agent_id))

    def somebody_online(self) -> bool:
        """Some agent that takes part is ONLINE."""
        return any(
            self.takes_part(a.agent_id) and self.status(a.agent_id) == ONLINE
            for a in self.document.agents
        )

    def open_count(self, agent_id: str) -> int:
        return sum(1 for c in self.conversations if c["agent_id"] == agent_id)

    def awaiting(self, agent_id: str) -> int:
        absolute: int | None = self.agents[agent_id]["absolute_awaiting"]
        if absolute is not None:
            return absolute
        return sum(1 for c in self.conversations if c["agent_id"] == agent_id and c["awaiting"])

    def held_by_day(self, agent_id: str) -> bool:
        limit, counted = self.agent(agent_id).daily_limit, self.agents[agent_id]["received_today"]
        return bool(counted >= limit > 0)

    def held_by_hour(self, agent_id: str) -> bool:
        limit = self.agent(agent_id).hourly_limit
        return bool(self.agents[agent_id]["received_this_hour"] >= limit > 0)

    def effective_weight(self, agent_id: str) -> int:
        weight = self.agent(agent_id).weight
        if weight and self.settings.selection_mode == shop_pb2.SELECTION_MODE_EVEN:
            weight = 1
        awaiting, threshold = self.awaiting(agent_id), self.settings.busy_threshold
        if weight == 0 or awaiting <= threshold:
            return int(weight * 1024)
        return max(1, floor(Fraction(weight * 1024 * (threshold + 1), awaiting + 1)))

    def available(self, pool: Pool) -> dict[str, int]:
        """The agents who may take a new buyer in this pool, with their effective weights."""
        found = {}
        for agent in self.document.agents:
            a = agent.agent_id
            if (
                self.groups_of(a, pool)
                and self.status(a) == ONLINE
                and agent.weight > 0
                and (agent.cap == 0 or self.open_count(a) < agent.cap)
                and not self.held_by_day(a)
                and not self.held_by_hour(a)
            ):
                found[a] = self.effective_weight(a)
        return found

    def free(self) -> list[str]:
        """The agents to whom the pool may be given (section 10)."""
        most = max(1, self.settings.busy_threshold)
        return [
            a.agent_id
            for a in self.document.agents
            if self.takes_part(a.agent_id)
            and self.status(a.agent_id) == ONLINE
            and self.awaiting(a.agent_id) < most
        ]

    def agent_presence(self, agent_id: str, now: int) -> Any:
        """As the API shows it."""
        a = self.agents[agent_id]
        return presence_pb2.AgentPresence(
            agent_id=agent_id,
            status=a["status"],
            since_ms=a["since_ms"],
            cause=a["cause"],
            session_id=a["session_id"],
            awaiting=self.awaiting(agent_id),
            open_conversations=self.open_count(agent_id),
            effective_weight=self.effective_weight(agent_id),
            received_today=a["received_today"] if a["volume_day"] == day_of(now) else 0,
            received_this_hour=a["received_this_hour"] if a["volume_hour"] == hour_of(now) else 0,
        )

    # --- facts ------------------------------------------------------------------------------------

    def close(self, number: int, cause: int, at: int) -> None:
        self.facts.append(
            ("conversation_closed", {"conversation": number, "cause": cause, "at_ms": at})
        )
        [closed] = [c for c in self.conversations if c["conversation"] == number]
        self.conversations = [c for c in self.conversations if c is not closed]
        if not closed["robot"] and self.takes_part(closed["agent_id"]):
            self.releases.append(at)

    def open(self, buyer_id: str, agent_id: str, group_id: str, at: int, **more: Any) -> int:
        """Opens the next conversation; returns its number."""
        self.conversations_issued += 1
        self.conversations.append(
            {
                "conversation": self.conversations_issued,
                "buyer_id": buyer_id,
                "agent_id": agent_id,
                "group_id": group_id,
                "opened_at_ms": at,
                "last_activity_ms": at,
                "awaiting": False,
                "robot": False,
                "answered": False,
                "reply_timeout_spent": False,
                "reply_hops": 0,
                "transfer_hops": 0,
                "inquiry": NO_INQUIRY,
                **more,
            }
        )
        return self.conversations_issued

    def stop_waiting(self, buyer_id: str) -> None:
        self.waiting = [w for w in self.waiting if w["buyer_id"] != buyer_id]

    def meet(self, buyer_id: str, agent_id: str, at: int, number: int) -> None:
        """The buyer's contact from now on."""
        self.contacts = [c for c in self.contacts if c["buyer_id"] != buyer_id]
        self.contacts.append(
            {"buyer_id": buyer_id, "agent_id": agent_id, "at": at, "conversation": number}
        )

    def count_volume(self, agent_id: str, t: int) -> None:
        """A new buyer of the agent (section 7)."""
        a = self.agents[agent_id]
        self.new_day_and_hour(agent_id, t)
        a["received_today"] += 1
        a["received_this_hour"] += 1

    def new_day_and_hour(self, agent_id: str, t: int) -> None:
        a = self.agents[agent_id]
        if a["volume_day"] != day_of(t):
            a["volume_day"], a["received_today"] = day_of(t), 0
        if a["volume_hour"] != hour_of(t):
            a["volume_hour"], a["received_this_hour"] = hour_of(t), 0

    def apply_document(self, document: Any, now: int) -> None:
        self.facts.append(("shop_applied", {"shop": document}))
        old, self.document = self.document if self.exists else None, document
        self.deleted = False
        if old is not None:
            self._forget_what_the_change_ends(old, now)
        ids = [a.agent_id for a in document.agents]
        self.agents = {
            a: self.agents.get(a)
            or {
                "status": OFFLINE,
                "since_ms": now,
                "cause": 0,
                "session_id": "",
                "absolute_awaiting": None,
                "volume_day": 0,
                "received_today": 0,
                "volume_hour": 0,
                "received_this_hour": 0,
            }
            for a in ids
        }
        groups = self.everyone()
        self.pools = {p: s for p, s in self.pools.items() if all(g in groups for g in p)}
        for state in self.pools.values():
            state["members"] = {a: m for a, m in state["members"].items() if a in ids}

    def _forget_what_the_change_ends(self, old: Any, now: int) -> None:
        before, after = old.settings, self.document.settings
        windows = ("sticky_window_ms", "sticky_suspended_window_ms")
        if any(getattr(before, w) != getattr(after, w) for w in windows):
            window = max(getattr(before, w) for w in windows)
            self.contacts_since = max(self.contacts_since, now - window)
        for a in self.agents.values():
            if a["volume_day"] != day_of(now):
                a["volume_day"], a["received_today"] = 0, 0
            if a["volume_hour"] != hour_of(now):
                a["volume_hour"], a["received_this_hour"] = 0, 0
        percents = {"": after.robot_percent}
        percents |= {g.group_id: g.robot_percent for g in self.document.groups}
        once = {"": before.robot_percent} | {g.group_id: g.robot_percent for g in old.groups}
        self.mixed = {o: n for o, n in self.mixed.items() if percents.get(o) == once[o]}

    def delete(self, etag: str) -> None:
        self.facts.append(("shop_deleted", {"etag": etag}))
        self.document = shop_pb2.Shop(shop_id=self.document.shop_id, etag=etag)
        self.deleted = True
        self._begin()

    def set_weights(self, weights: list[tuple[str, int]], etag: str) -> None:
        self.facts.append(("weights_set", {"weights": weights, "etag": etag}))
        self.document = deepcopy(self.document)
        self.document.etag = etag
        for agent in self.document.agents:
            agent.weight = dict(weights).get(agent.agent_id, agent.weight)

    def set_status(
        self,
        agent_id: str,
        now: int,
        status: int,
        cause: int,
        session_id: str,
        awaiting: int | None,
    ) -> None:
        new = {"status": status, "cause": cause, "session_id": session_id}
        self.facts.append(("presence_changed", {"agent_id": agent_id, **new, "awaiting": awaiting}))
        a = self.agents[agent_id]
        if a["status"] != status:
            a["since_ms"] = now
        a.update(new)
        if awaiting is not None:
            a["absolute_awaiting"] = awaiting

    # --- selection (section 6) --------------------------------------------------------------------

    def pool(self, pool: Pool) -> dict[str, Any]:
        """The pool's state, which starts when it is asked for."""
        return self.pools.setdefault(pool, {"V": 0, "members": {}})

    def would_pick(self, pool: Pool, skipped: Collection[str]) -> str | None:
        """Whom a pick would take; nothing changes."""
        available = self.available(pool)
        if all(a in skipped for a in available):
            return None
        state = self.pools.get(pool, {"V": 0, "members": {}})
        return pick(deepcopy(state), available, skipped)

    def mean_release_ms(self, position: int) -> int:
        """The estimated wait at this position of the queue."""
        known = self.releases[-21:]
        if len(known) < 2:
            return 0
        return max(0, floor(Fraction(position * (known[-1] - known[0]), len(known) - 1)))


def in_queue_order(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(entries, key=lambda w: (-w["inquiry"]["priority"], w["since_ms"], w["decision"]))


def bring_up_to_date(pool: dict[str, Any], available: dict[str, int]) -> int:
    """Returns W."""
    v, members = pool["V"], pool["members"]
    for agent_id in {*members, *available}:
        w = available.get(agent_id)
        m = members.get(agent_id)
        if m is None:
            members[agent_id] = {"e": v, "w": w, "available": True}
        elif w is None:
            m["available"] = False
        else:
            if m["w"] != w:
                moved = floor(Fraction(abs(m["e"] - v) * m["w"], w))
                m["e"] = v + moved if m["e"] >= v else max(0, v - moved)
            if not m["available"]:
                m["e"] = max(m["e"], v)
            m["w"], m["available"] = w, True
    return sum(m["w"] for m in members.values() if m["available"])


def pick(pool: dict[str, Any], available: dict[str, int], skipped: Collection[str]) -> str:
    """Picks one of the available who is not skipped; there is one."""
    total = bring_up_to_date(pool, available)
    choice = {a: m for a, m in pool["members"].items() if m["available"] and a not in skipped}
    if not any(m["e"] <= pool["V"] for m in choice.values()):
        pool["V"] = min(m["e"] for m in choice.values())
    eligible = [a for a, m in choice.items() if m["e"] <= pool["V"]]
    picked = min(eligible, key=lambda a: (choice[a]["e"] + ONE // choice[a]["w"], by_bytes(a)))
    _take(pool, picked, total)
    return picked


def charge(pool: dict[str, Any], available: dict[str, int], agent_id: str) -> None:
    """The agent's share goes up as if it had been picked; V does not jump."""
    total = bring_up_to_date(pool, available)
    _take(pool, agent_id, total)


def _take(pool: dict[str, Any], agent_id: str, total: int) -> None:
    member = pool["members"][agent_id]
    member["e"] += ONE // member["w"]
    pool["V"] += ONE // total
