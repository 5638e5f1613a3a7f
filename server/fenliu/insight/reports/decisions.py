"""Decisions as listed, counted and sampled, from the table that has one row for each (docs/insight.md).

Decisions are numbered in the order of time, so a window is a run of numbers and found by halving. A page looks
through so many rows and no more, and goes on behind them, whatever matches. Says what cannot be answered, and
why. Knows no gRPC.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import random
import sqlite3
import struct
from typing import NamedTuple

from fenliu.engine.answers import conversation_id, decision_id
from fenliu.insight.errors import PageTokenRefused, ReportRefused, SubjectNeverThere
from fenliu.insight.reports.reading import TableReader
from fenliu.insight.reports.windows import known_until
from fenliu.v1 import insight_pb2, types_pb2

DEFAULT_PAGE = 100
LOOKED_THROUGH = 500_000
"""A page looks through so many decisions at most: a fraction of a second."""
MOST_COUNTED = 5_000_000

_RECORD = "decision, at_ms, buyer_id, outcome, reason, agent_id, group_id, conversation"
_TOKEN = struct.Struct(">8sQ")

Summary = insight_pb2.SummarizeDecisionsResponse
Page = insight_pb2.ListDecisionsResponse


class Decisions:
    """The decisions of one data directory's shops. For one event loop."""

    def __init__(self, tables: TableReader) -> None:
        self._tables = tables

    async def page(
        self, request: insight_pb2.ListDecisionsRequest, now_ms: int, *, time_s: float | None = None
    ) -> Page:
        """A page, with everything that was durable before the call.

        `now_ms`, `time_s`: as of `Reports.report`. Raises what that raises, and PageTokenRefused.
        """
        await self._tables.come_up(request.shop_id)
        return await self._tables.read(
            lambda connections: page(connections[0], request, now_ms), time_s=time_s
        )

    async def summary(
        self,
        request: insight_pb2.SummarizeDecisionsRequest,
        now_ms: int,
        *,
        time_s: float | None = None,
    ) -> Summary:
        """Counts and a sample, likewise."""
        await self._tables.come_up(request.shop_id)
        return await self._tables.read(
            lambda connections: summary(connections[0], request, now_ms), time_s=time_s
        )


class _Run(NamedTuple):
    """Decisions by their numbers: from `first` to `last`, both included, of a shop."""

    shop_id: str
    first: int
    last: int


def page(
    connection: sqlite3.Connection, request: insight_pb2.ListDecisionsRequest, now_ms: int
) -> Page:
    """A page. Raises ReportRefused, SubjectNeverThere, PageTokenRefused, sqlite3.Error."""
    run = _run(connection, request.shop_id, request.window, request.filter, now_ms)
    asked = _asked(request)
    if request.page_token:
        run = run._replace(first=max(run.first, _behind(request.page_token, asked)))
    size = request.page_size or DEFAULT_PAGE
    # A buyer's are looked up; others are looked for.
    until = run.last if request.filter.buyer_id else min(run.last, run.first + LOOKED_THROUGH - 1)
    where, given = _where(run._replace(last=until), request.filter)
    rows = connection.execute(
        f"SELECT {_RECORD} FROM decisions WHERE {where} ORDER BY decision LIMIT ?",  # noqa: S608
        [*given, size + 1],
    ).fetchall()
    response = Page(decisions=map(_record, rows[:size]))
    following = rows[size][0] if len(rows) > size else until + 1
    if following <= run.last:
        response.next_page_token = _token(asked, following)
    return response


def summary(
    connection: sqlite3.Connection, request: insight_pb2.SummarizeDecisionsRequest, now_ms: int
) -> Summary:
    """Counts and a sample. Raises ReportRefused, SubjectNeverThere, sqlite3.Error."""
    run = _run(connection, request.shop_id, request.window, request.filter, now_ms)
    among = run.last - run.first + 1
    if among > MOST_COUNTED:
        raise ReportRefused("window", f"{among} decisions, at most {MOST_COUNTED}: ask for less")
    where, given = _where(run, request.filter)
    response = Summary()
    counted = connection.execute(
        f"SELECT agent_id, outcome, reason, count(*) FROM decisions WHERE {where} "  # noqa: S608
        "GROUP BY agent_id, outcome, reason",
        given,
    )
    for agent_id, outcome, reason, count in counted:
        response.counts.add(
            agent_id=agent_id,
            outcome=f"OUTCOME_{outcome}",
            reason=f"REASON_{reason}",
            decisions=count,
        )
        response.decisions += count
    response.counts.sort(key=lambda one: (one.agent_id.encode(), one.outcome, one.reason))
    size = min(request.sample_size, response.decisions)
    if size:
        places = random.Random(request.seed).sample(range(1, response.decisions + 1), size)  # noqa: S311
        drawn = connection.execute(  # the counting is SQLite's, beside the other threads
            f"SELECT {_RECORD} FROM (SELECT *, row_number() OVER (ORDER BY decision) AS place "  # noqa: S608
            f"FROM decisions WHERE {where}) WHERE place IN ({', '.join('?' * size)}) "
            "ORDER BY decision",
            [*given, *places],
        )
        response.sample.extend(map(_record, drawn))
    return response


def _run(
    connection: sqlite3.Connection,
    shop_id: str,
    window: insight_pb2.Window,
    wanted: insight_pb2.DecisionFilter,
    now_ms: int,
) -> _Run:
    """The window's decisions. Refuses a window or an agent of whom nothing can be said."""
    known_until(connection, shop_id, window.start_ms, window.end_ms, now_ms)
    for place, agent_id in enumerate(wanted.agent_ids):
        known = connection.execute(
            "SELECT 1 FROM staff WHERE shop_id = ? AND kind != 'group' AND id = ? LIMIT 1",
            (shop_id, agent_id),
        ).fetchone()
        if known is None:
            raise SubjectNeverThere(f"filter.agent_ids[{place}]", "agent", agent_id)
    first, last = run_of(connection, shop_id, window.start_ms, window.end_ms)
    return _Run(shop_id, first, last)


def run_of(
    connection: sqlite3.Connection, shop_id: str, start_ms: int, end_ms: int
) -> tuple[int, int]:
    """The numbers of the first and the last decision in a window; none: (1, 0)."""
    ends = connection.execute(
        "SELECT min(decision), max(decision) FROM decisions WHERE shop_id = ?", (shop_id,)
    ).fetchone()
    if ends[0] is None:
        return 1, 0
    first = _first_at(connection, shop_id, start_ms, *ends)
    behind = _first_at(connection, shop_id, end_ms, first, ends[1])
    return (first, behind - 1) if first < behind else (1, 0)


def _first_at(connection: sqlite3.Connection, shop_id: str, at_ms: int, low: int, high: int) -> int:
    """The first number from `low` on that is not before this time; none up to `high`: the one behind it."""
    while low <= high:
        middle = (low + high) // 2
        # Numbers may be missing where the log was cut off.
        number, made_ms = connection.execute(
            "SELECT decision, at_ms FROM decisions WHERE shop_id = ? AND decision >= ? "
            "ORDER BY decision LIMIT 1",
            (shop_id, middle),
        ).fetchone()
        if made_ms < at_ms:
            low = number + 1
        else:
            high = middle - 1
    return low


def _where(run: _Run, wanted: insight_pb2.DecisionFilter) -> tuple[str, list[str | int]]:
    """The condition, and what it is given."""
    where = "shop_id = ? AND decision BETWEEN ? AND ?"
    given: list[str | int] = [run.shop_id, run.first, run.last]
    listed = (
        ("agent_id", list(wanted.agent_ids)),
        ("reason", [types_pb2.Reason.Name(one)[len("REASON_") :] for one in wanted.reasons]),
        ("outcome", [types_pb2.Outcome.Name(one)[len("OUTCOME_") :] for one in wanted.outcomes]),
        ("buyer_id", [wanted.buyer_id] if wanted.buyer_id else []),
    )
    for column, values in listed:
        if values:
            # Only a buyer is looked up by an index: whatever else is asked for, a window is walked in its order.
            name = column if column == "buyer_id" else f"+{column}"
            where += f" AND {name} IN ({', '.join('?' * len(values))})"
            given += values
    return where, given


def _record(row: tuple[int, int, str, str, str, str, str, int]) -> insight_pb2.RouteResponseRecord:
    number, at_ms, buyer_id, outcome, reason, agent_id, group_id, conversation = row
    return insight_pb2.RouteResponseRecord(
        decision_id=decision_id(number),
        decided_at_ms=at_ms,
        buyer_id=buyer_id,
        outcome=f"OUTCOME_{outcome}",
        reason=f"REASON_{reason}",
        agent_id=agent_id,
        group_id=group_id,
        conversation_id=conversation_id(conversation),
    )


def _asked(request: insight_pb2.ListDecisionsRequest) -> bytes:
    """What a page token belongs to."""
    question = insight_pb2.ListDecisionsRequest(
        shop_id=request.shop_id, window=request.window, filter=request.filter
    )
    return hashlib.sha256(question.SerializeToString(deterministic=True)).digest()[:8]


def _token(asked: bytes, following: int) -> str:
    return base64.urlsafe_b64encode(_TOKEN.pack(asked, following)).decode().rstrip("=")


def _behind(token: str, asked: bytes) -> int:
    """The first decision of the page that a token stands for."""
    try:
        raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        given_for, following = _TOKEN.unpack(raw)
    except (UnicodeEncodeError, binascii.Error, struct.error):
        raise PageTokenRefused from None
    if given_for != asked or _token(asked, following) != token or following >= 2**63:
        raise PageTokenRefused
    return int(following)
