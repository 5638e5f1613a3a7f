"""Reception reports: which rows one has, and what each says.

Says what cannot be answered, and why. Knows no gRPC.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from fenliu.insight.errors import ReportRefused, SubjectNeverThere
from fenliu.insight.reports import figures
from fenliu.insight.reports.figures import Scope
from fenliu.insight.reports.kpis import DAY_MS, HOUR_MS, KPIS, kpis_of
from fenliu.insight.reports.reading import TableReader
from fenliu.insight.reports.windows import known_until
from fenliu.v1 import insight_pb2, types_pb2

MAX_ROWS = 20_000
ROWS_AT_ONCE = 256
"""Encoded in one piece, during which no other thread gets its turn."""

_SUBJECTS = {
    insight_pb2.REPORT_SUBJECT_UNSPECIFIED: figures.AGENT,
    insight_pb2.REPORT_SUBJECT_AGENT: figures.AGENT,
    insight_pb2.REPORT_SUBJECT_GROUP: figures.GROUP,
    insight_pb2.REPORT_SUBJECT_SHOP: figures.SHOP,
}
_PARTS = {
    insight_pb2.REPORT_GRAIN_UNSPECIFIED: 0,
    insight_pb2.REPORT_GRAIN_HOUR: HOUR_MS,
    insight_pb2.REPORT_GRAIN_DAY: DAY_MS,
    insight_pb2.REPORT_GRAIN_WINDOW: 0,
}


class Reports:
    """The reports of one data directory. For one event loop."""

    def __init__(self, tables: TableReader) -> None:
        self._tables = tables

    async def report(
        self,
        request: insight_pb2.GetReceptionReportRequest,
        now_ms: int,
        *,
        time_s: float | None = None,
    ) -> bytes:
        """The report of a shop that exists, of everything that was durable before the call, encoded.

        `now_ms`: the time it is; 0: that of the shop's last log entry. `time_s`: how long the caller waits.
        Raises ReportRefused, SubjectNeverThere, ReportsBehind, TookTooLong, LogUnreadable.
        """
        await self.come_up(request.shop_id)
        return await self._tables.read(
            lambda connections: _encoded(connections, request, now_ms),
            connections=figures.READERS,
            time_s=time_s,
        )

    async def come_up(self, shop_id: str) -> None:
        """As `TableReader.come_up`."""
        await self._tables.come_up(shop_id)

    async def known_until(self, shop_id: str, start_ms: int, end_ms: int, now_ms: int) -> int:
        """Up to when things are known of a shop, once the tables are as far as the log; refuses as `report` does.

        Raises ReportRefused, ReportsBehind, TookTooLong, LogUnreadable.
        """
        await self.come_up(shop_id)
        return await self._tables.read(
            lambda connections: known_until(connections[0], shop_id, start_ms, end_ms, now_ms)
        )


def report(
    connections: Sequence[sqlite3.Connection],
    request: insight_pb2.GetReceptionReportRequest,
    now_ms: int,
) -> insight_pb2.GetReceptionReportResponse:
    """The report, read by connections as `figures.figures` wants them.

    Raises ReportRefused, SubjectNeverThere, sqlite3.Error.
    """
    response = insight_pb2.GetReceptionReportResponse()
    for part in _parts(connections, request, now_ms):
        response.MergeFrom(part)
    return response


def _encoded(
    connections: Sequence[sqlite3.Connection],
    request: insight_pb2.GetReceptionReportRequest,
    now_ms: int,
) -> bytes:
    """As `report`, encoded. Messages one behind the other are one message."""
    parts = _parts(connections, request, now_ms)
    return b"".join(part.SerializeToString() for part in parts)


def _parts(
    connections: Sequence[sqlite3.Connection],
    request: insight_pb2.GetReceptionReportRequest,
    now_ms: int,
) -> Iterator[insight_pb2.GetReceptionReportResponse]:
    """As `report`, in parts that follow each other, each of a few rows."""
    connection = connections[0]
    window = request.window
    as_of_ms = known_until(connection, request.shop_id, window.start_ms, window.end_ms, now_ms)
    scope = Scope(
        shop_id=request.shop_id,
        subject=_SUBJECTS[request.subject],
        start_ms=window.start_ms,
        end_ms=window.end_ms,
        part_ms=_PARTS[request.grain],
        as_of_ms=as_of_ms,
    )
    _check_parts(scope)
    wanted = set(request.subject_ids)
    _check_subjects(connection, scope, request.subject_ids)
    found = figures.figures(connections, scope)
    keys = {
        key for key in {*found, *figures.staff(connection, scope)} if not wanted or key[0] in wanted
    }
    if len(keys) > MAX_ROWS:
        raise ReportRefused("grain", f"{len(keys)} rows, at most {MAX_ROWS}: ask for less at once")
    windows = {part: (start_ms, end_ms) for part, start_ms, end_ms in scope.parts()}
    response = insight_pb2.GetReceptionReportResponse(as_of_ms=as_of_ms)
    chinese = request.language != types_pb2.LANGUAGE_ENGLISH
    for kpi in KPIS:
        response.columns.add(name=kpi.name, title=kpi.zh if chinese else kpi.en, unit=kpi.unit)
    yield response
    response = insight_pb2.GetReceptionReportResponse()
    for subject_id, part in sorted(keys, key=lambda key: (key[1], key[0].encode())):
        start_ms, end_ms = windows[part]
        response.rows.add(
            subject_id=subject_id,
            window=insight_pb2.Window(start_ms=start_ms, end_ms=end_ms),
            kpis=kpis_of(found.get((subject_id, part), {}), end_ms, as_of_ms),
        )
        if len(response.rows) == ROWS_AT_ONCE:
            yield response
            response = insight_pb2.GetReceptionReportResponse()
    yield response


def _check_parts(scope: Scope) -> None:
    parts = scope.part_of(scope.end_ms - 1) - scope.part_of(scope.start_ms) + 1
    if parts > MAX_ROWS:
        raise ReportRefused("grain", f"{parts} rows, at most {MAX_ROWS}: ask for less at once")


def _check_subjects(
    connection: sqlite3.Connection, scope: Scope, subject_ids: Iterable[str]
) -> None:
    for number, subject_id in enumerate(subject_ids):
        known = connection.execute(
            "SELECT 1 FROM staff WHERE shop_id = ? AND kind = ? AND id = ?",
            (scope.shop_id, scope.subject, subject_id),
        ).fetchone()
        if known is None:
            raise SubjectNeverThere(f"subject_ids[{number}]", scope.subject, subject_id)
