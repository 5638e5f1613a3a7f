"""What a live screen shows of a shop's day so far, from the tables: reception, orders, who waits, arrivals.

What is said of buyers received and of those who paid is what the reports say (docs/kpis.md). Knows no live
engine and no gRPC.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from fenliu.engine import partition_of
from fenliu.insight.errors import ReportsBehind
from fenliu.insight.reports.decisions import run_of as decisions_of
from fenliu.insight.reports.figures import AGENT, HEARD, RECEPTIONS, Scope
from fenliu.insight.reports.figures import run_of as conversations_of
from fenliu.insight.reports.kpis import DAY_MS, day_of, day_start_ms
from fenliu.insight.reports.reading import TableReader

ARRIVALS_MS = 60_000
ARRIVALS = "inquiry AND reason NOT IN ('OPEN_CONVERSATION', 'STILL_WAITING')"
"""Of `decisions`: a buyer who came, not one who asks on."""

_CONSULTED = f"SELECT {{}}, count(DISTINCT buyer_id) {RECEPTIONS} GROUP BY 1"
_RECEIVED = f"SELECT {{}}, count(DISTINCT buyer_id) {RECEPTIONS} AND {HEARD} GROUP BY 1"
_CREDITED = """
SELECT {}, count(DISTINCT buyer_id) FROM credits
WHERE shop_id = :shop AND {} >= :start AND {} < :end AND agent_id IS NOT NULL GROUP BY 1
"""
_WAITING = """
SELECT kind, count(*), min(since_ms) FROM waits WHERE shop_id = :shop AND until_ms IS NULL GROUP BY kind
"""
_ARRIVED = "SELECT count(*) FROM decisions WHERE shop_id = ? AND decision BETWEEN ? AND ? AND {}"


@dataclass(frozen=True, slots=True)
class Today:
    """Of an agent or the shop: buyers who asked, who were received, whose orders of today and whose payments
    are credited."""

    consulted: int = 0
    received: int = 0
    ordered: int = 0
    paid: int = 0


@dataclass(frozen=True, slots=True)
class DayFigures:
    """What changes only as the log grows."""

    read: int
    """How many records of the shop's partition are in the tables."""
    day: int
    as_of_ms: int
    agents: dict[str, Today] = field(default_factory=dict)
    shop: Today = Today()
    queued: int = 0
    pooled: int = 0
    left_messages: int = 0
    queued_since_ms: int = 0
    """Since when the first one in the queue waits; 0: nobody does."""


class LoadTables:
    """The figures of one data directory. For one event loop."""

    def __init__(self, tables: TableReader, partitions: int) -> None:
        self._tables = tables
        self._partitions = partitions

    async def look(
        self, shop_id: str, now_ms: int, known: DayFigures | None
    ) -> tuple[DayFigures | None, int]:
        """Today's figures as the tables have them now, and how many buyers came within a minute.

        `now_ms`: the time it is; 0: that of the shop's last log entry. `known`: the answer before, given back
        when it still holds. None: nothing of the shop is in the tables yet. Raises ReportsBehind, TookTooLong,
        LogUnreadable.
        """
        partition = partition_of(shop_id, self._partitions)

        def work(connections: Sequence[sqlite3.Connection]) -> tuple[DayFigures | None, int]:
            figures = _day(connections[0], shop_id, partition, now_ms, known)
            if figures is None:
                return None, 0
            return figures, _arrivals(connections[0], shop_id, now_ms or figures.as_of_ms)

        try:
            found = await self._tables.read(work)
        except ReportsBehind:
            self._tables.hurry()
            raise
        if found[0] is None:
            self._tables.hurry()
        return found


def _day(
    connection: sqlite3.Connection,
    shop_id: str,
    partition: int,
    now_ms: int,
    known: DayFigures | None,
) -> DayFigures | None:
    shop = connection.execute("SELECT now_ms FROM shops WHERE shop_id = ?", (shop_id,)).fetchone()
    if shop is None:
        return None
    as_of_ms = int(shop[0])
    day = day_of(max(now_ms, as_of_ms))
    (read,) = connection.execute(
        "SELECT seq FROM positions WHERE partition = ?", (partition,)
    ).fetchone()
    if known is not None and (known.read, known.day) == (read, day):
        return known
    return _figures(connection, shop_id, read, day, as_of_ms)


def _figures(
    connection: sqlite3.Connection, shop_id: str, read: int, day: int, as_of_ms: int
) -> DayFigures:
    start_ms = day_start_ms(day)
    scope = Scope(shop_id, AGENT, start_ms, start_ms + DAY_MS, 0, as_of_ms)
    first, last = conversations_of(connection, scope)
    given = {"shop": shop_id, "start": start_ms, "end": scope.end_ms, "first": first, "last": last}
    queries = {
        "consulted": _CONSULTED,
        "received": _RECEIVED,
        "ordered": _CREDITED.format("{}", *["ordered_at_ms"] * 2),
        "paid": _CREDITED.format("{}", *["paid_at_ms"] * 2),
    }
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for name, query in queries.items():
        for subject in ("agent_id", "shop_id"):
            for subject_id, count in connection.execute(query.format(subject), given):
                key = subject_id if subject == "agent_id" else ""  # no agent's id is empty
                counts[key][name] = count
    waiting = {kind: rest for kind, *rest in connection.execute(_WAITING, given)}
    queued, queued_since_ms = waiting.get("QUEUED", (0, 0))
    return DayFigures(
        read=read,
        day=day,
        as_of_ms=as_of_ms,
        agents={agent_id: Today(**of) for agent_id, of in counts.items() if agent_id},
        shop=Today(**counts[""]),
        queued=queued,
        pooled=waiting.get("POOLED", (0,))[0],
        left_messages=waiting.get("LEFT_MESSAGE", (0,))[0],
        queued_since_ms=queued_since_ms,
    )


def _arrivals(connection: sqlite3.Connection, shop_id: str, now_ms: int) -> int:
    first, last = decisions_of(connection, shop_id, now_ms - ARRIVALS_MS + 1, now_ms + 1)
    (count,) = connection.execute(_ARRIVED.format(ARRIVALS), (shop_id, first, last)).fetchone()
    return int(count)
