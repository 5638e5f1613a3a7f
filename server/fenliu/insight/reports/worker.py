"""The process that keeps `insight.db` up: `python -m fenliu.insight.reports.worker DIRECTORY`.

Apart from the server's, so that it takes none of dispatch's time; it gives way to it where processors are
short. Ends when its standard input does, as when the server is gone.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sqlite3
import sys
import time
from pathlib import Path

from fenliu.insight.giving_way import give_way
from fenliu.insight.reports.follow import Tables
from fenliu.insight.reports.schema import FILE, discard
from fenliu.journal import SqliteReader

PAUSE_S = 0.1
"""Looks for new records this often, or less often where looking takes long."""
_SHARE = 20

log = logging.getLogger(__name__)


def follow(directory: Path) -> None:
    """Keeps the tables of a data directory up until standard input ends.

    Damaged tables are made anew. Raises sqlite3.OperationalError (a full disk, for one), StorageError,
    LogUnreadable; whoever started this may start it again.
    """
    reader = SqliteReader(directory)
    path = directory / FILE
    while True:
        try:
            tables = Tables(path, reader, reader.data_id)
            try:
                _keep_up(tables)
                return
            finally:
                tables.close()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            log.warning("%s: %s; made anew from the log", path, error)
            discard(path)


def _keep_up(tables: Tables) -> None:
    while True:
        began = time.monotonic()
        grown = tables.catch_up()
        pause_s = 0.0 if grown else max(PAUSE_S, _SHARE * (time.monotonic() - began))
        readable, _, _ = select.select([sys.stdin], [], [], pause_s)
        if readable and not os.read(sys.stdin.fileno(), 1):
            return


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server
    give_way()
    follow(Path(sys.argv[1]))
