"""What the reports' tables say for a plan: arrivals by the hour of the day, handling times by how many buyers the
agent then had, patience, who was online. Refuses what nothing can be planned from. Knows no model.
"""

from __future__ import annotations

import random
import sqlite3
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fenliu.insight.errors import ReportRefused
from fenliu.insight.reports.decisions import run_of as decisions_of
from fenliu.insight.reports.figures import AGENT, HEARD, RECEPTIONS, SHOP, Scope, desk
from fenliu.insight.reports.figures import run_of as conversations_of
from fenliu.insight.reports.kpis import HOUR_MS, SHANGHAI_MS
from fenliu.insight.reports.load import ARRIVALS
from fenliu.insight.staffing.chat import Times
from fenliu.v1 import insight_pb2

MOST_CONVERSATIONS = 500_000
ENOUGH = 20
"""So many of a kind are needed to draw from them, and so many who gave up to say how patient buyers are."""
_KEPT = 2_000
"""Of each kind so many are kept to draw from."""
LEAST_MS = HOUR_MS // 4
"""Of an hour of the day so much must be in the window."""
_HOURS = 24

_ARRIVED = f"""
SELECT (at_ms + {SHANGHAI_MS}) / {HOUR_MS} % {_HOURS}, count(*) FROM decisions
WHERE shop_id = ? AND decision BETWEEN ? AND ? AND {ARRIVALS} AND outcome != 'ROBOT' GROUP BY 1
"""  # noqa: S608
_CONVERSATIONS = f"""
SELECT agent_id, opened_at_ms, handling_ms, first_reply_ms {RECEPTIONS} AND {HEARD}
ORDER BY agent_id, opened_at_ms, conversation
"""
_QUEUED = """
SELECT coalesce(sum(ended = 'CANCELLED'), 0), coalesce(sum(min(until_ms, :as_of) - since_ms), 0) FROM waits
WHERE shop_id = :shop AND kind = 'QUEUED' AND until_ms IS NOT NULL
  AND since_ms >= :start AND since_ms < :end
"""


@dataclass(frozen=True, slots=True)
class Hours:
    """By hour of the day; hours that the window hardly touches are missing."""

    arrivals: dict[int, float]
    """In an hour, on average."""
    online: dict[int, float]
    """Agents ONLINE, on average."""


@dataclass(frozen=True, slots=True)
class Handling:
    """Conversations in which the agent answered: (handling, first reply) in ms."""

    by_buyers: dict[int, list[tuple[float, float]]]
    """By how many buyers the agent then had, this one included."""
    count: int

    @property
    def most_buyers(self) -> int:
        """As many as any agent had at once."""
        return max(self.by_buyers)

    def with_buyers(self, buyers: int) -> list[tuple[float, float]]:
        """Those to draw from for an agent with so many: of as many, else of the numbers next to it.

        Beyond what was recorded times grow in proportion to the number.
        """
        most = self.most_buyers
        around = min(buyers, most)
        found: list[tuple[float, float]] = []
        width = 0
        while True:
            found = [
                one
                for number in range(around - width, around + width + 1)
                for one in self.by_buyers.get(number, ())
            ]
            if len(found) >= min(ENOUGH, self.kept):
                break
            width += 1
        factor = max(1.0, buyers / most)
        return [(factor * takes, factor * replies) for takes, replies in found]

    @property
    def kept(self) -> int:
        """How many there are to draw from."""
        return sum(map(len, self.by_buyers.values()))

    def times(self, concurrency: int, factor: float) -> Times:
        """For agents with up to so many buyers; handling times stretched by `factor`."""
        return Times(
            [
                [(factor * takes, replies) for takes, replies in self.with_buyers(buyers)]
                for buyers in range(1, concurrency + 1)
            ]
        )


@dataclass(frozen=True, slots=True)
class Recorded:
    """All of it."""

    hours: Hours
    handling: Handling
    receptions_per_arrival: float
    """At least 1."""
    gave_up: int
    patience_ms: float | None
    """Mean, where at least ENOUGH gave up."""
    days: float
    """How long the window is, as far as it has passed."""


def recorded(
    connection: sqlite3.Connection, shop_id: str, window: insight_pb2.Window, as_of_ms: int
) -> Recorded:
    """Everything of a window that has begun by `as_of_ms`. Raises ReportRefused, sqlite3.Error."""
    scope = _scope(connection, shop_id, window, as_of_ms)
    first, last = conversations_of(connection, scope)
    if last - first + 1 > MOST_CONVERSATIONS:
        rule = f"{last - first + 1} conversations, at most {MOST_CONVERSATIONS}: ask for less"
        raise ReportRefused("window", rule)
    hours, arrived = _hours(connection, scope)
    if not arrived:
        raise ReportRefused("window", "no arrivals in it: nothing to plan for")
    rows = connection.execute(_CONVERSATIONS, {"shop": shop_id, "first": first, "last": last})
    handling = _handling(rows, random.Random(0))  # noqa: S311
    if not handling.count:
        raise ReportRefused("window", "no answered conversations in it: nothing to plan from")
    gave_up, waited_ms = connection.execute(
        _QUEUED,
        {"shop": shop_id, "start": scope.start_ms, "end": scope.end_ms, "as_of": as_of_ms},
    ).fetchone()
    return Recorded(
        hours=hours,
        handling=handling,
        receptions_per_arrival=max(1.0, handling.count / arrived),
        gave_up=gave_up,
        # Of exponential times cut off by service, the likeliest mean: all waiting over those who gave up.
        patience_ms=waited_ms / gave_up if gave_up >= ENOUGH and waited_ms else None,
        days=(scope.end_ms - scope.start_ms) / (_HOURS * HOUR_MS),
    )


def arrivals_of(
    connection: sqlite3.Connection, shop_id: str, window: insight_pb2.Window, as_of_ms: int
) -> dict[int, float]:
    """Arrivals in each hour of the day, on average. Raises ReportRefused (`shape_window`), sqlite3.Error."""
    hours, arrived = _hours(connection, _scope(connection, shop_id, window, as_of_ms))
    if not arrived:
        raise ReportRefused("shape_window", "no arrivals in it: it has no shape")
    return hours.arrivals


def _scope(
    connection: sqlite3.Connection, shop_id: str, window: insight_pb2.Window, as_of_ms: int
) -> Scope:
    """The window as far as the shop was there and time has passed."""
    (since_ms,) = connection.execute(
        "SELECT since_ms FROM shops WHERE shop_id = ?", (shop_id,)
    ).fetchone()
    start_ms = min(max(window.start_ms, since_ms), window.end_ms - 1)
    end_ms = max(min(window.end_ms, as_of_ms), start_ms + 1)
    return Scope(shop_id, AGENT, start_ms, end_ms, 0, as_of_ms)


def _hours(connection: sqlite3.Connection, scope: Scope) -> tuple[Hours, int]:
    covered_ms = _by_hour([(scope.start_ms, scope.end_ms)])
    # A few minutes at the window's ends say nothing of an hour, unless they are all there is.
    covered_ms = {hour: ms for hour, ms in covered_ms.items() if ms >= LEAST_MS} or covered_ms
    first, last = decisions_of(connection, scope.shop_id, scope.start_ms, scope.end_ms)
    counted = dict(connection.execute(_ARRIVED, (scope.shop_id, first, last)))
    whole_shop = Scope(scope.shop_id, SHOP, scope.start_ms, scope.end_ms, 0, scope.as_of_ms)
    online_ms = _by_hour(
        (start_ms, end_ms)
        for _, status, start_ms, end_ms in desk(connection, whole_shop)
        if status == "ONLINE" and start_ms < end_ms
    )
    hours = Hours(
        arrivals={
            hour: counted.get(hour, 0) * HOUR_MS / ms for hour, ms in sorted(covered_ms.items())
        },
        online={hour: online_ms.get(hour, 0) / ms for hour, ms in sorted(covered_ms.items())},
    )
    return hours, sum(counted.values())


def _by_hour(spans: Iterable[tuple[int, int]]) -> dict[int, int]:
    """How much of the spans lies in each hour of the day, in ms."""
    found: dict[int, int] = defaultdict(int)
    for start_ms, end_ms in spans:
        at_ms = start_ms
        while at_ms < end_ms:
            number = (at_ms + SHANGHAI_MS) // HOUR_MS
            until_ms = min((number + 1) * HOUR_MS - SHANGHAI_MS, end_ms)
            found[number % _HOURS] += until_ms - at_ms
            at_ms = until_ms
    return dict(found)


def _handling(rows: Iterable[tuple[str, int, int, int | None]], rng: random.Random) -> Handling:
    """Agent by agent, in the order of beginnings: a buyer takes an agent from the beginning on for the handling
    time, silences longer than `longest_wait_ms` left out."""
    by_buyers: dict[int, list[tuple[float, float]]] = defaultdict(list)
    seen: dict[int, int] = defaultdict(int)
    count = 0
    whose = ""
    ends: list[int] = []
    for agent_id, opened_ms, handling_ms, first_reply_ms in rows:
        if agent_id != whose:
            whose, ends = agent_id, []
        del ends[: bisect_left(ends, opened_ms + 1)]  # done by then
        buyers = len(ends) + 1
        insort(ends, opened_ms + handling_ms)
        if first_reply_ms is None:
            continue
        count += 1
        seen[buyers] += 1
        _keep(by_buyers[buyers], seen[buyers], (float(handling_ms), float(first_reply_ms)), rng)
    return Handling(dict(by_buyers), count)


def _keep(
    kept: list[tuple[float, float]], seen: int, one: tuple[float, float], rng: random.Random
) -> None:
    """A uniform sample of a stream (Vitter's algorithm R)."""
    if len(kept) < _KEPT:
        kept.append(one)
    elif (place := rng.randrange(seen)) < _KEPT:
        kept[place] = one


def quantiles(values: Sequence[float], count: int) -> list[float]:
    """So many equally likely values that stand for all: the middles of equal slices."""
    ordered = sorted(values)
    if len(ordered) <= count:
        return ordered
    return [ordered[int((place + 0.5) * len(ordered) / count)] for place in range(count)]
