"""Both ways in which a journal commits appends: on its own thread, and on a core's outside of the interpreter."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from fenliu.journal import SqliteJournal
from model.cores import all_cores

Appends = Callable[[SqliteJournal], AbstractContextManager[SqliteJournal]]


@contextmanager
def inside(journal: SqliteJournal) -> Iterator[SqliteJournal]:
    """Closes it at the end."""
    try:
        yield journal
    finally:
        journal.close()


def outside(make) -> Appends:
    """Appends outside of the interpreter, told of on a loop that runs meanwhile."""

    @contextmanager
    def attached(journal: SqliteJournal) -> Iterator[SqliteJournal]:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()

        async def attach() -> None:
            journal.attach(loop, make)
            assert journal.outside, "the functions of sqlite3 were not found"

        async def detach() -> None:
            journal.detach()

        try:
            asyncio.run_coroutine_threadsafe(attach(), loop).result(10)
            with inside(journal):
                yield journal
                asyncio.run_coroutine_threadsafe(detach(), loop).result(10)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    return attached


WAYS: dict[str, Appends] = {"inside": inside}
for core in all_cores():
    if hasattr(core, "Appender"):
        WAYS["outside"] = outside(core.Appender)


@pytest.fixture(params=WAYS.values(), ids=WAYS.keys())
def appends(request) -> Appends:
    """Each way in turn: a context in which a journal commits so, and at whose end it is closed."""
    return request.param
