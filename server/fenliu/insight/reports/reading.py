"""Reads the reports' tables as soon as they are as far as the log, off the event loop.

Whoever asks brings the work to be done on the connections. Knows no table but that of the positions.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import TypeVar

from fenliu.engine import partition_of
from fenliu.insight.errors import LogUnreadable, ReportsBehind, TookTooLong
from fenliu.insight.reports.schema import FILE, close_all, open_at_one_moment, open_for_reading
from fenliu.journal import Reader, StorageError

READERS_AT_ONCE = 2
WAIT_S = 10.0
"""How long a question waits for the tables to come up with the log."""
WORK_S = 30.0
"""How long one may take behind that, whatever time its caller has."""
_LOOK_AGAIN_S = 0.05
_RETRY_MS = 2_000
_STEPS = 20_000
"""So many steps of SQLite's machine (a millisecond or so) go by between looks at the time."""

T = TypeVar("T")


class TableReader:
    """The tables of one data directory. For one event loop."""

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
        self.hurry = hurry
        self._wait_s = wait_s
        self._threads = ThreadPoolExecutor(READERS_AT_ONCE, thread_name_prefix="fenliu-reports")

    def close(self) -> None:
        """Waits for the reads under way; not for the event loop."""
        self._threads.shutdown(cancel_futures=True)

    async def read(
        self,
        work: Callable[[Sequence[sqlite3.Connection]], T],
        *,
        connections: int = 1,
        time_s: float | None = None,
    ) -> T:
        """What `work` gives, done with so many connections that see the same, as the tables are now.

        `time_s`: how long the caller waits for it; None: as long as it takes. Raises ReportsBehind (there
        are no tables, or they cannot be read), TookTooLong, LogUnreadable, and what `work` raises.
        """
        gives_up = time.monotonic() + min(WORK_S, WORK_S if time_s is None else time_s)
        gone = Event()

        def over() -> bool:
            return gone.is_set() or time.monotonic() > gives_up

        try:
            return await self._off_the_loop(lambda: self._read(work, connections, over))
        finally:
            gone.set()  # nobody waits any more

    async def come_up(self, shop_id: str) -> None:
        """Waits until the tables have everything of a shop that was durable before the call.

        Raises ReportsBehind, LogUnreadable.
        """
        partition = partition_of(shop_id, self._reader.partitions)
        heads = await self._off_the_loop(lambda: self._reader.heads([partition]))
        wanted = heads[partition].seq if partition in heads else 0
        deadline = asyncio.get_running_loop().time() + self._wait_s
        while (seq := await self._off_the_loop(lambda: self._position(partition))) < wanted:
            self.hurry()
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
        self,
        work: Callable[[Sequence[sqlite3.Connection]], T],
        count: int,
        over: Callable[[], bool],
    ) -> T:
        if over():
            raise TookTooLong
        try:
            connections = open_at_one_moment(self._path, self._data_id, count)
            if not connections:
                raise ReportsBehind("they are being made anew", _RETRY_MS)
            try:
                for connection in connections:
                    connection.set_progress_handler(over, _STEPS)
                return work(connections)
            finally:
                close_all(connections)
        except sqlite3.Error as error:
            if over():
                raise TookTooLong from error
            raise ReportsBehind("the tables cannot be read", _RETRY_MS) from error
