"""Who was in a shop, in which group and at the desk, and when: as spans of time in the tables.

A span begins with the entry that says so and ends, not included, with the one that ends it. Empty ones are
not kept. Knows no conversations.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Set

from fenliu.v1 import shop_pb2, types_pb2

_DESK = {
    types_pb2.PRESENCE_STATUS_ONLINE: "ONLINE",
    types_pb2.PRESENCE_STATUS_SUSPENDED: "SUSPENDED",
}
_STAFF = ("staff", "kind", "id")
_MEMBERSHIPS = ("memberships", "group_id", "agent_id")
_PRESENCE = ("presence", "agent_id", "status")

Pair = tuple[str, str]


class Documents:
    """The spans, by one connection, within a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._met: set[tuple[str, str, str]] = set()

    def applied(self, document: shop_pb2.Shop, at_ms: int) -> None:
        """The shop's document is this from now on."""
        shop_id = document.shop_id
        agents = {agent.agent_id for agent in document.agents}
        groups = {group.group_id for group in document.groups}
        staff = {("agent", one) for one in agents} | {("group", one) for one in groups}
        others = (
            ("robot", document.settings.robot_id),
            ("proxy", document.settings.proxy_agent_id),
            ("owner", document.owner_agent_id),
        )
        staff |= {other for other in others if other[1]}
        self._become(_STAFF, shop_id, staff, at_ms)
        members = {(one.group_id, agent) for one in document.groups for agent in one.agent_ids}
        self._become(_MEMBERSHIPS, shop_id, members, at_ms)
        self._connection.executemany(
            "UPDATE staff SET priority = ? "
            "WHERE shop_id = ? AND kind = 'group' AND id = ? AND until_ms IS NULL",
            [(group.priority, shop_id, group.group_id) for group in document.groups],
        )
        desks = self._now(_PRESENCE, shop_id)
        self._end(_PRESENCE, shop_id, (desk for desk in desks if desk[0] not in agents), at_ms)

    def deleted(self, shop_id: str, at_ms: int) -> None:
        """There is no such shop any more."""
        self.applied(shop_pb2.Shop(shop_id=shop_id), at_ms)

    def moved(
        self, shop_id: str, agent_id: str, status: types_pb2.PresenceStatus, at_ms: int
    ) -> None:
        """The agent's status is this from now on."""
        before = self._now(_PRESENCE, shop_id, agent_id)
        after = {(agent_id, _DESK[status])} if status in _DESK else set()
        self._end(_PRESENCE, shop_id, before - after, at_ms)
        self._begin(_PRESENCE, shop_id, after - before, at_ms)

    def met(self, shop_id: str, agent_id: str, group_id: str, at_ms: int) -> None:
        """Makes sure of an agent and a group that a log without its beginning did not introduce."""
        for pair in (("agent", agent_id), ("group", group_id)):
            if pair[1] and (shop_id, *pair) not in self._met:
                self._met.add((shop_id, *pair))
                known = self._connection.execute(
                    "SELECT 1 FROM staff WHERE shop_id = ? AND kind = ? AND id = ?",
                    (shop_id, *pair),
                ).fetchone()
                if known is None:
                    self._begin(_STAFF, shop_id, {pair}, at_ms)

    def first_group(self, shop_id: str, agent_id: str) -> str:
        """The first group by (priority, id) that has the agent now; "": none."""
        row: tuple[str] | None = self._connection.execute(
            "SELECT group_id FROM memberships JOIN staff "
            "ON staff.shop_id = memberships.shop_id AND kind = 'group' AND id = group_id "
            "WHERE memberships.shop_id = ? AND agent_id = ? "
            "AND memberships.until_ms IS NULL AND staff.until_ms IS NULL "
            "ORDER BY priority, group_id LIMIT 1",
            (shop_id, agent_id),
        ).fetchone()
        return row[0] if row is not None else ""

    def _become(
        self, table: tuple[str, str, str], shop_id: str, after: Set[Pair], at_ms: int
    ) -> None:
        before = self._now(table, shop_id)
        self._end(table, shop_id, before - after, at_ms)
        self._begin(table, shop_id, after - before, at_ms)

    def _now(
        self, table: tuple[str, str, str], shop_id: str, first: str | None = None
    ) -> set[Pair]:
        name, one, two = table
        sql = f"SELECT {one}, {two} FROM {name} WHERE shop_id = ? AND until_ms IS NULL"  # noqa: S608
        if first is None:
            return set(self._connection.execute(sql, (shop_id,)))
        return set(self._connection.execute(f"{sql} AND {one} = ?", (shop_id, first)))

    def _begin(
        self, table: tuple[str, str, str], shop_id: str, pairs: Iterable[Pair], at_ms: int
    ) -> None:
        name, one, two = table
        self._connection.executemany(
            f"INSERT INTO {name} (shop_id, {one}, {two}, from_ms) VALUES (?, ?, ?, ?) "  # noqa: S608
            # The same began and ended at this moment before.
            "ON CONFLICT DO UPDATE SET until_ms = NULL",
            [(shop_id, *pair, at_ms) for pair in sorted(pairs)],
        )

    def _end(
        self, table: tuple[str, str, str], shop_id: str, pairs: Iterable[Pair], at_ms: int
    ) -> None:
        name, one, two = table
        now = f"shop_id = ? AND {one} = ? AND {two} = ? AND until_ms IS NULL"
        ended = [(shop_id, *pair) for pair in pairs]
        self._connection.executemany(
            f"DELETE FROM {name} WHERE {now} AND from_ms = ?",  # noqa: S608
            [(*one, at_ms) for one in ended],
        )
        self._connection.executemany(
            f"UPDATE {name} SET until_ms = ? WHERE {now}",  # noqa: S608
            [(at_ms, *one) for one in ended],
        )
