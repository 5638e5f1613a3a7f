"""The seven causes, and the recorded window in the worlds without some of them (docs/insight.md).

What changes nothing is found out: a cause that cannot act in this window, and a supposition that met nobody,
are not played again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

from fenliu.engine import Core
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.whatif.playing import play
from fenliu.insight.whatif.recording import Recording
from fenliu.insight.whatif.script import script
from fenliu.v1 import insight_pb2, shop_pb2, types_pb2

CAUSES = (
    insight_pb2.IMBALANCE_CAUSE_ONLINE_TIME,
    insight_pb2.IMBALANCE_CAUSE_TIME_SLOT,
    insight_pb2.IMBALANCE_CAUSE_WEIGHT,
    insight_pb2.IMBALANCE_CAUSE_GROUPS,
    insight_pb2.IMBALANCE_CAUSE_RECENT_CONTACTS,
    insight_pb2.IMBALANCE_CAUSE_PROXY,
    insight_pb2.IMBALANCE_CAUSE_BUSYNESS,
)
"""In the order of their bits."""
ONLINE_TIME, TIME_SLOT, WEIGHT, GROUPS, RECENT_CONTACTS, PROXY, BUSYNESS = (
    1 << number for number in range(len(CAUSES))
)
_BY_INPUT = ONLINE_TIME | TIME_SLOT | WEIGHT | GROUPS | PROXY
_IN_DOCUMENTS = WEIGHT | GROUPS | PROXY

AT_ONCE = 2
"""Windows played at the same time, where the core lets others run meanwhile."""

Times = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a world."""

    receptions: dict[str, int]
    contacts_met: bool
    busy_met: bool


class Worlds:
    """A recording without some of the causes, for the agents compared."""

    def __init__(self, core: Core, recording: Recording, agent_ids: Sequence[str]) -> None:
        self._core = core
        self._recording = recording
        self._agent_ids = tuple(agent_ids)
        self._once = threading.Lock()
        self.plays = 0
        """How often the window has been played."""
        self.leaving = self._leaving()
        """When agents go in the world without different online times; those who stay are not named."""
        self.acting = self._acting()
        """Causes that can act here, of those that change what is played."""
        self._script = cache(self._written)
        self._documents = cache(self._changed)

    def bases(self) -> list[int]:
        """The worlds that differ in what is played: sets of causes removed, as bits."""
        return [one for one in range(1 << len(CAUSES)) if one & self.acting == one]

    def outcomes(self, progress: Callable[[int, int], None]) -> list[Outcome]:
        """What comes of each of the 128 worlds, by the set of causes removed."""
        bases = self.bases()
        found: dict[int, Outcome] = {}
        done = 0
        total = 4 * len(bases)
        threads = AT_ONCE if self._core.name == "rust" else 1
        with ThreadPoolExecutor(threads, thread_name_prefix="fenliu-diagnose") as pool:
            try:
                for four in pool.map(self._without_and_with, bases):
                    found.update(four)
                    done += 4
                    progress(done, total)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        kept = self.acting | RECENT_CONTACTS | BUSYNESS
        return [found[world & kept] for world in range(1 << len(CAUSES))]

    def _without_and_with(self, base: int) -> dict[int, Outcome]:
        """A world, and it without the causes that a play can tell whether they acted."""
        plain = self._play(base)
        contacts = self._play(base | RECENT_CONTACTS) if plain.contacts_met else plain
        busy = self._play(base | BUSYNESS) if plain.busy_met else plain
        if not contacts.busy_met:
            both = contacts
        elif not busy.contacts_met:
            both = busy
        else:
            both = self._play(base | RECENT_CONTACTS | BUSYNESS)
        return {
            base: plain,
            base | RECENT_CONTACTS: contacts,
            base | BUSYNESS: busy,
            base | RECENT_CONTACTS | BUSYNESS: both,
        }

    def _play(self, removed: int) -> Outcome:
        changed = removed & _IN_DOCUMENTS
        with self._once:
            self.plays += 1
            events = self._script(bool(removed & ONLINE_TIME), bool(removed & TIME_SLOT))
            documents = self._documents(changed)
        played: engine_pb2.Played = play(
            self._core,
            self._recording,
            events,
            documents=documents,
            agent_ids=self._agent_ids,
            without_contacts=bool(removed & RECENT_CONTACTS),
            never_busy=bool(removed & BUSYNESS),
        )
        return Outcome(
            {one.agent_id: one.receptions for one in played.agents},
            played.contacts_met > 0,
            played.busy_met,
        )

    # --- What is changed ---

    def _acting(self) -> int:
        acting = sum(
            one for one in (WEIGHT, GROUPS, PROXY) if self._changed(one) != self._changed(0)
        )
        if self.leaving:
            acting |= ONLINE_TIME
        for leaving in {}, self.leaving:
            if any(event.begins for event in self._recording.events) and self._online(leaving):
                acting |= TIME_SLOT
        return acting

    def _written(self, same_time: bool, even: bool) -> bytes:
        leaving = self.leaving if same_time else {}
        return script(
            self._recording,
            documents=True,
            leaving=leaving,
            arriving=self._online(leaving) if even else None,
        )

    def online_of(self, agent_id: str) -> Times:
        """When the agent was ONLINE."""
        return [
            (span.start_ms, span.end_ms)
            for span in self._recording.presence.get(agent_id, [])
            if span.status == types_pb2.PRESENCE_STATUS_ONLINE
        ]

    def _leaving(self) -> dict[str, int]:
        """Presence trimmed from the end to the shortest total."""
        online = {agent_id: self.online_of(agent_id) for agent_id in self._agent_ids}
        shortest = min(map(length, online.values()))
        return {
            agent_id: _after(times, shortest)
            for agent_id, times in online.items()
            if length(times) > shortest
        }

    def _online(self, leaving: dict[str, int]) -> Times:
        """When any of the agents is ONLINE."""
        times = sorted(
            (start, min(end, leaving.get(agent_id, end)))
            for agent_id in self._agent_ids
            for start, end in self.online_of(agent_id)
            if start < leaving.get(agent_id, end)
        )
        united: Times = []
        for start, end in times:
            if united and start <= united[-1][1]:
                united[-1] = united[-1][0], max(united[-1][1], end)
            else:
                united.append((start, end))
        return united

    def _changed(self, removed: int) -> tuple[shop_pb2.Shop, ...]:
        """The recording's documents in the world without these causes."""
        if not removed:
            return tuple(document for _, document in self._recording.documents)
        return tuple(
            changed(document, self._agent_ids, removed) for _, document in self._recording.documents
        )


def changed(document: shop_pb2.Shop, agent_ids: Iterable[str], removed: int) -> shop_pb2.Shop:
    """A shop in the world without these causes: one weight, the same groups, none of them left messages."""
    made = shop_pb2.Shop()
    made.CopyFrom(document)
    meant = [agent for agent in made.agents if agent.agent_id in set(agent_ids)]
    ids = {agent.agent_id for agent in meant}
    if removed & WEIGHT and meant:
        largest = max(agent.weight for agent in meant)
        for agent in meant:
            agent.weight = largest
    if removed & GROUPS:
        for group in made.groups:
            if not ids.isdisjoint(group.agent_ids):
                group.agent_ids[:] = sorted({*group.agent_ids, *ids})
    if removed & PROXY:
        while left_to(made) in set(agent_ids):
            if left_to(made) == made.settings.proxy_agent_id:
                made.settings.proxy_agent_id = ""
            else:
                made.settings.offline_target = shop_pb2.OFFLINE_TARGET_POOL
    return made


def left_to(document: shop_pb2.Shop) -> str:
    """Who receives what comes while nobody is ONLINE: the proxy, else the owner; "": nobody."""
    settings = document.settings
    if settings.offline_target == shop_pb2.OFFLINE_TARGET_PROXY:
        return settings.proxy_agent_id or document.owner_agent_id
    if settings.offline_target == shop_pb2.OFFLINE_TARGET_OWNER:
        return document.owner_agent_id
    return ""


def length(times: Times) -> int:
    """How long they are together, ms."""
    return sum(end - start for start, end in times)


def _after(times: Times, passed: int) -> int:
    """The moment until which so much of these times has passed."""
    for start, end in times:
        if passed <= end - start:
            return start + passed
        passed -= end - start
    raise ValueError("so much time there is not")
