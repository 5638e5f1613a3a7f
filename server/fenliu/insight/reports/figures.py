"""The sums behind the KPIs, by subject and part of a window, from the tables; docs/kpis.md says what counts.

A part is an hour or a day of Asia/Shanghai by its number, or the whole window as part 0. All figures are
integers. Knows no KPI.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fenliu.insight.reports.kpis import DAY_MS, FINALLY, NEXT_DAY, SHANGHAI_MS
from fenliu.insight.reports.projection import PROMPT_MS

AGENT, GROUP, SHOP = "agent", "group", "shop"

Key = tuple[str, int]
"""Subject id and part."""
Figures = dict[Key, dict[str, int]]

# What a subject is in `conversations` and `sales`. A conversation without a group is no group's.
_SUBJECTS = {AGENT: "agent_id", GROUP: "nullif(group_id, '')", SHOP: "shop_id"}


@dataclass(frozen=True, slots=True)
class Scope:
    """What figures are asked for: of which shop and subjects, when, as known at what time."""

    shop_id: str
    subject: str
    """AGENT, GROUP or SHOP."""
    start_ms: int
    end_ms: int
    """Not included."""
    part_ms: int
    """The length of a part: an hour or a day; 0: the whole window is one."""
    as_of_ms: int

    def part_of(self, at_ms: int) -> int:
        """The part in which a moment of the window lies."""
        return (at_ms + SHANGHAI_MS) // self.part_ms if self.part_ms else 0

    def parts(self) -> Iterator[tuple[int, int, int]]:
        """Each part with its beginning and its end (not included) within the window."""
        for part in range(self.part_of(self.start_ms), self.part_of(self.end_ms - 1) + 1):
            if self.part_ms:
                begins_ms = part * self.part_ms - SHANGHAI_MS
                ends_ms = begins_ms + self.part_ms
                yield part, max(begins_ms, self.start_ms), min(ends_ms, self.end_ms)
            else:
                yield part, self.start_ms, self.end_ms


# Conversations are numbered in the order of their beginnings, so a window is a run of numbers; read as one,
# it is read in the order in which it lies on the disk.
_RUN = "SELECT conversation FROM conversations WHERE shop_id = :shop AND opened_at_ms {}"
RECEPTIONS = """
FROM conversations WHERE shop_id = :shop AND conversation BETWEEN :first AND :last AND NOT robot
"""
HEARD = "(buyer_messages > 0 OR carried)"
_SUMS = """
SELECT {subject} AS subject, {part} AS part,
  sum(buyer_messages) AS buyer_messages, sum(agent_messages) AS agent_messages,
  count(first_reply_ms) AS first_replies, coalesce(sum(first_reply_ms), 0) AS first_reply_ms,
  sum(answered_rounds) AS answered_rounds, sum(reply_ms) AS reply_ms,
  sum(prompt_rounds) AS prompt_rounds,
  sum(answered_rounds + (pending_since_ms IS NOT NULL AND pending_since_ms < :as_of - :prompt
    AND close_cause IS NOT 'TRANSFER')) AS rounds,
  sum(CASE WHEN {heard} THEN handling_ms ELSE 0 END) AS handling_ms
{receptions} GROUP BY 1, 2
"""
# `heard`: the buyer is received, not filtered. What is asked of the first conversation in which a buyer was
# heard is the least over all: who had ordered before it had before the others, and is paid no later.
_BUYERS = """
SELECT subject, part,
  count(*) AS consulted, sum(NOT heard) AS filtered, sum(heard) AS received,
  sum(heard AND NOT said) AS unreplied, sum(heard AND said) AS replied,
  sum(heard AND NOT ordered) AS presale,
  coalesce(sum(NOT ordered AND paid_after <= {next_day}), 0) AS paid_next_day,
  coalesce(sum(NOT ordered AND paid_after <= {finally_}), 0) AS paid_finally
FROM (
  SELECT {subject} AS subject, {part} AS part,
    max({heard}) AS heard, max(agent_messages) > 0 AS said,
    min(CASE WHEN {heard} THEN ordered_before END) AS ordered,
    (min(CASE WHEN {heard} THEN next_paid_ms END) + {zone}) / {day}
      - (min(CASE WHEN {heard} THEN opened_at_ms END) + {zone}) / {day} AS paid_after
  {receptions} GROUP BY buyer_id, 1, 2
) GROUP BY 1, 2
"""
_SLOW = """
SELECT subject, part, count(DISTINCT buyer_id) AS slow FROM (
  SELECT {subject} AS subject, {part} AS part, buyer_id {receptions} AND slow_gaps > 0
  GROUP BY buyer_id, 1, 2, (opened_at_ms + {zone}) / {day}
  HAVING sum(slow_gaps) >= max(1, (SELECT slow_count FROM shops WHERE shop_id = :shop))
) GROUP BY 1, 2
"""
_SALES = """
SELECT subject, part, sum(cents) AS sales_cents, sum(items) AS sales_items,
  count(DISTINCT buyer_id) AS sales_buyers
FROM (
  SELECT {subject} AS subject, {part} AS part, buyer_id, cents, items FROM sales
  WHERE shop_id = :shop AND paid_at_ms >= :start AND paid_at_ms < :end AND agent_id IS NOT NULL
) GROUP BY 1, 2
"""
# What is read side by side: the first takes about as long as the others together. SQLite works without
# holding up this process's other threads.
_QUERIES = (
    ((_BUYERS, "opened_at_ms"),),
    ((_SUMS, "opened_at_ms"), (_SLOW, "opened_at_ms"), (_SALES, "paid_at_ms")),
)
_PRESENCE = """
SELECT agent_id, status, from_ms, until_ms FROM presence
WHERE shop_id = :shop AND from_ms < :end AND (until_ms > :start OR until_ms IS NULL)
"""
_MEMBERSHIPS = """
SELECT agent_id, group_id, from_ms, until_ms FROM memberships
WHERE shop_id = :shop AND from_ms < :end AND (until_ms > :start OR until_ms IS NULL)
"""
_STAFF = """
SELECT id, from_ms, until_ms FROM staff
WHERE shop_id = :shop AND kind = :subject
  AND from_ms < :end AND (until_ms > :start OR until_ms IS NULL)
"""
_SHOP = "SELECT shop_id, since_ms, NULL FROM shops WHERE shop_id = :shop"


READERS = len(_QUERIES)
"""How many connections a report reads by, side by side."""


def figures(connections: Sequence[sqlite3.Connection], scope: Scope) -> Figures:
    """Every subject's figures in every part in which it has any. Raises sqlite3.Error.

    `connections`: READERS of them that see the same.
    """
    connection = connections[0]
    first, last = run_of(connection, scope)
    parameters = _parameters(scope) | {"first": first, "last": last}
    found: Figures = defaultdict(lambda: defaultdict(int))
    with ThreadPoolExecutor(READERS) as threads:
        for rows in threads.map(
            lambda one, queries: list(_sums(one, queries, scope, parameters)), connections, _QUERIES
        ):
            for key, figures_of in rows:
                found[key].update(figures_of)
    for subject, status, from_ms, until_ms in desk(connection, scope):
        for part, start_ms, end_ms in _overlaps(scope, from_ms, until_ms):
            name = "online_ms" if status == "ONLINE" else "suspended_ms"
            found[subject, part][name] += end_ms - start_ms
    return found


def run_of(connection: sqlite3.Connection, scope: Scope) -> tuple[int, int]:
    """The first and the last conversation that began in the window; none: a run that is empty."""
    ends = []
    for where, order in ((">= :start", ""), ("< :end", " DESC")):
        sql = f"{_RUN.format(where)} ORDER BY opened_at_ms{order}, conversation{order} LIMIT 1"
        row = connection.execute(sql, _parameters(scope)).fetchone()
        if row is None:
            return 1, 0
        ends.append(row[0])
    return ends[0], ends[1]


def staff(connection: sqlite3.Connection, scope: Scope) -> set[Key]:
    """Which subjects were in the shop in which parts. Raises sqlite3.Error."""
    query = _SHOP if scope.subject == SHOP else _STAFF
    return {
        (subject, part)
        for subject, from_ms, until_ms in connection.execute(query, _parameters(scope))
        for part, _, _ in _overlaps(scope, from_ms, until_ms)
    }


def _sums(
    connection: sqlite3.Connection,
    queries: Sequence[tuple[str, str]],
    scope: Scope,
    parameters: Mapping[str, str | int],
) -> Iterator[tuple[Key, dict[str, int]]]:
    for query, time in queries:
        cursor = connection.execute(_sql(query, time, scope), parameters)
        names = [column[0] for column in cursor.description[2:]]
        for subject, part, *values in cursor:
            if subject is not None:  # what is no group's
                yield (subject, part), dict(zip(names, values, strict=True))


def _sql(query: str, time: str, scope: Scope) -> str:
    part = f"({time} + {SHANGHAI_MS}) / {scope.part_ms}" if scope.part_ms else "0"
    return query.format(
        subject=_SUBJECTS[scope.subject],
        part=part,
        heard=HEARD,
        receptions=RECEPTIONS,
        zone=SHANGHAI_MS,
        day=DAY_MS,
        next_day=NEXT_DAY,
        finally_=FINALLY,
    )


def _parameters(scope: Scope) -> dict[str, str | int]:
    return {
        "shop": scope.shop_id,
        "subject": scope.subject,
        "start": scope.start_ms,
        "end": scope.end_ms,
        "as_of": scope.as_of_ms,
        "prompt": PROMPT_MS,
    }


def desk(connection: sqlite3.Connection, scope: Scope) -> Iterator[tuple[str, str, int, int]]:
    """Spans of presence by subject: a group's are those of its agents while they were in it."""
    of_group = defaultdict(list)
    if scope.subject == GROUP:
        for agent_id, group_id, *span in connection.execute(_MEMBERSHIPS, _parameters(scope)):
            of_group[agent_id].append((group_id, _span(scope, *span)))
    for agent_id, status, *span in connection.execute(_PRESENCE, _parameters(scope)):
        start_ms, end_ms = _span(scope, *span)
        if scope.subject != GROUP:
            subject = agent_id if scope.subject == AGENT else scope.shop_id
            yield subject, status, start_ms, end_ms
        for group_id, (joined_ms, left_ms) in of_group[agent_id]:
            yield group_id, status, max(start_ms, joined_ms), min(end_ms, left_ms)


def _span(scope: Scope, from_ms: int, until_ms: int | None) -> tuple[int, int]:
    """What of a span lies in the window and has passed already."""
    last_ms = min(scope.end_ms, max(scope.as_of_ms, scope.start_ms))
    return max(from_ms, scope.start_ms), last_ms if until_ms is None else min(until_ms, last_ms)


def _overlaps(scope: Scope, from_ms: int, until_ms: int | None) -> Iterator[tuple[int, int, int]]:
    """The parts that a span reaches into, and what of it lies there."""
    start_ms = max(from_ms, scope.start_ms)
    end_ms = scope.end_ms if until_ms is None else min(until_ms, scope.end_ms)
    while start_ms < end_ms:
        part = scope.part_of(start_ms)
        ends_ms = (part + 1) * scope.part_ms - SHANGHAI_MS if scope.part_ms else scope.end_ms
        yield part, start_ms, min(ends_ms, end_ms)
        start_ms = ends_ms
