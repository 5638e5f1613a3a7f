"""Appends committed by a thread outside of the interpreter, told of on an event loop.

Beside a busy loop a thread of Python's waits for the interpreter's lock each time it comes back from SQLite, and
interrupts the loop for it. A core may have a thread that needs the lock for nothing. Knows no tables.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Protocol

from fenliu.journal.base import Append, Conflict
from fenliu.journal.errors import StorageError


class Appender(Protocol):
    """A thread that runs one statement for each group; a core's `_core.pyi` says what each call means."""

    def append(self, number: int, rows: list[tuple[int, int, bytes, bytes]]) -> bool: ...

    def collect(self) -> list[tuple[int, int, str | None]]: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def close(self) -> None: ...


class AppenderType(Protocol):
    """Starts one."""

    @property
    def SQLITE(self) -> Sequence[str]:  # noqa: N802 - a constant
        """Which functions of SQLite it calls, without their `sqlite3_`."""
        ...

    def __call__(
        self,
        addresses: Sequence[int],
        path: bytes,
        busy_ms: int,
        setup: str,
        insert: str,
        notify: int,
    ) -> Appender: ...


Outcomes = Callable[[Sequence[Append]], Future[list[int | Conflict]]]
"""Finds out what became of a group of which not all went in."""


def addresses(names: Sequence[str]) -> list[int] | None:
    """Where these functions of SQLite are, of the very copy that `sqlite3` uses.

    None: they cannot be found, as where it is a part of the interpreter, or not used by several threads.
    """
    path = getattr(importlib.import_module("_sqlite3"), "__file__", None)
    if path is None or sqlite3.threadsafety == 0:
        return None
    try:
        library = ctypes.CDLL(path)  # as it is loaded, and what it is linked to
        found = [
            ctypes.cast(getattr(library, f"sqlite3_{name}"), ctypes.c_void_p).value
            for name in names
        ]
    except (OSError, AttributeError):
        return None
    known = [address for address in found if address is not None]
    return known if len(known) == len(found) else None


class Outside:
    """The appends of one journal. All but `append` and `paused` are for the loop's thread."""

    def __init__(
        self,
        make: AppenderType,
        functions: Sequence[int],
        loop: asyncio.AbstractEventLoop,
        *,
        database: Path,
        busy_s: float,
        setup: str,
        insert: str,
        outcomes: Outcomes,
    ) -> None:
        """`functions`: the addresses of those it calls. `insert`: the statement, with "{rows}" for its values."""
        self._loop = loop
        self._directory = database.parent
        self._outcomes = outcomes
        self._numbers = count(1)
        self._asked: dict[int, tuple[Sequence[Append], Future[list[int | Conflict]]]] = {}
        self._notices, notify = os.pipe()
        self._pipe = (self._notices, notify)
        for end in self._pipe:
            os.set_blocking(end, False)
        self._appender = make(
            functions, os.fsencode(database), round(busy_s * 1000), setup, insert, notify
        )
        loop.add_reader(self._notices, self._collect)

    def append(self, group: Sequence[Append]) -> Future[list[int | Conflict]]:
        """As `Journal.append`, of no more records than fit into a statement. Done on the loop, as a rule."""
        appended: Future[list[int | Conflict]] = Future()
        appended.set_running_or_notify_cancel()  # nobody takes back what is on its way
        number = next(self._numbers)
        self._asked[number] = group, appended
        rows = [(item.partition, item.expected_seq, item.append_id, item.record) for item in group]
        if not self._appender.append(number, rows):
            del self._asked[number]
            appended.set_exception(StorageError(f"{self._directory}: closed"))
        return appended

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is appended meanwhile: whoever writes the database, too, takes turns so."""
        self._appender.pause()
        try:
            yield
        finally:
            self._appender.resume()

    def close(self) -> None:
        """Waits for what was handed in; nothing more may be."""
        self._loop.remove_reader(self._notices)
        self._appender.close()
        self._collect()
        for end in self._pipe:
            os.close(end)

    def _collect(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._notices, 4096)
        for number, rows, problem in self._appender.collect():
            group, appended = self._asked.pop(number)
            if problem is not None:
                error = StorageError(f"{self._directory}: {problem}")
                error.__cause__ = sqlite3.OperationalError(problem)
                appended.set_exception(error)
            elif rows == len(group):
                appended.set_result([item.expected_seq + 1 for item in group])
            else:
                self._outcomes(group).add_done_callback(_passed_on(appended))


def _passed_on(
    appended: Future[list[int | Conflict]],
) -> Callable[[Future[list[int | Conflict]]], None]:
    def pass_on(found: Future[list[int | Conflict]]) -> None:
        error = found.exception()
        if error is not None:
            appended.set_exception(error)
        else:
            appended.set_result(found.result())

    return pass_on
