"""Reception reports: reads the tables as soon as they are as far as the log, off the event loop.

Says what cannot be answered, and why. Knows no gRPC.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from fenliu.engine import partition_of
from fenliu.insight.errors import (
    LogUnreadable,
    ReportRefused,
    ReportsBehind,
    SubjectNeverThere,
)
from fenliu.insight.reports import figures
from fenliu.insight.reports.figures import Scope
from fenliu.insight.reports.kpis import DAY_MS, HOUR_MS, KPIS, kpis_of
from fenliu.insight.reports.schema import FILE, close_all, open_at_one_moment, open_for_reading
from fenliu.insight.reports.windows import known_until
from fenliu.journal import Reader, StorageError
from fenliu.v1 import insight_pb2, types_pb2

READERS_AT_ONCE = 2
WAIT_S = 10.0
"""How long a report waits for the tables to come up with the log."""
MAX_ROWS = 20_000
_LOOK_AGAIN_S = 0.05
_RETRY_MS = 2_000

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

T = TypeVar("T")


class Reports:
    """The reports of one data directory. For one event loop."""

    def __init__(
        self,
        directory: Path,
        reader: Reader,
        data_id: bytes,
        hurry: Callable[[], None],
        *,
        wait_s: float = WAIT_S,
    ) -> None:
        """`hurry` is called when somebody waits for the tables."""
        self._path = directory / FILE
        self._reader = reader
        self._data_id = data_id
        self._hurry = hurry
        self._wait_s = wait_s
        self._threads = ThreadPoolExecutor(READERS_AT_ONCE, thread_name_prefix="fenliu-reports")

    def close(self) -> None:
        """Waits for the reads under way; not for the event loop."""
        self._threads.shutdown(cancel_futures=True)

    async def report(
        self, request: insight_pb2.GetReceptionReportRequest, now_ms: int
    ) -> insight_pb2.GetReceptionReportResponse:
        """The report of a shop that exists, of everything that was durable before the call.

        `now_ms`: the time it is; 0: that of the shop's last log entry. Raises ReportRefused,
        SubjectNeverThere, ReportsBehind, LogUnreadable.
        """
        await self.come_up(request.shop_id)
        return await self._off_the_loop(lambda: self._read(request, now_ms))

    async def come_up(self, shop_id: str) -> None:
        """Waits until the tables have everything of a shop that was durable before the call.

        Raises ReportsBehind, LogUnreadable.
        """
        partition = partition_of(shop_id, self._reader.partitions)
        heads = await self._off_the_loop(lambda: self._reader.heads([partition]))
        wanted = heads[partition].seq if partition in heads else 0
        deadline = asyncio.get_running_loop().time() + self._wait_s
        while (seq := await self._off_the_loop(lambda: self._position(partition))) < wanted:
            self._hurry()
            if asyncio.get_running_loop().time() >= deadline:
                raise ReportsBehind(f"{seq} of {wanted} records are read", _RETRY_MS)
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _off_the_loop(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except StorageError as error:
            raise LogUnreadable from error

    def _position(self, partition: int) -> int:
        """How many records are read; tables that cannot be read count as none: they are made anew."""
        try:
            connection = open_for_reading(self._path, self._data_id)
            if connection is None:
                return 0
            with closing(connection):
                row = connection.execute(
                    "SELECT seq FROM positions WHERE partition = ?", (partition,)
                ).fetchone()
        except sqlite3.Error:
            return 0
        return 0 if row is None else int(row[0])

    def _read(
        self, request: insight_pb2.GetReceptionReportRequest, now_ms: int
    ) -> insight_pb2.GetReceptionReportResponse:
        try:
            connections = open_at_one_moment(self._path, self._data_id, figures.READERS)
            if not connections:
                raise ReportsBehind("they are being made anew", _RETRY_MS)
            try:
                return report(connections, request, now_ms)
            finally:
                close_all(connections)
        except sqlite3.Error as error:
            raise ReportsBehind("the tables cannot be read", _RETRY_MS) from error


def report(
    connections: Sequence[sqlite3.Connection],
    request: insight_pb2.GetReceptionReportRequest,
    now_ms: int,
) -> insight_pb2.GetReceptionReportResponse:
    """The report, read by connections as `figures.figures` wants them.

    Raises ReportRefused, SubjectNeverThere, sqlite3.Error.
    """
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
    for subject_id, part in sorted(keys, key=lambda key: (key[1], key[0].encode())):
        start_ms, end_ms = windows[part]
        response.rows.add(
            subject_id=subject_id,
            window=insight_pb2.Window(start_ms=start_ms, end_ms=end_ms),
            kpis=kpis_of(found.get((subject_id, part), {}), end_ms, as_of_ms),
        )
    return response


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
