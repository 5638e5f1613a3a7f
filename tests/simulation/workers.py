"""Workers that write through one process: the real `Together` over a `Handle`, and links that delay and break.

A link is what a socket is: in order, in its own time, and when either side ends the other one hears of it. What was
handed in by a worker that is gone is written all the same; what a writer that is gone had, may have been written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import Any

from fenliu.journal import StorageError
from fenliu.journal.asked import AskedWrites
from fenliu.journal.together import Together
from simulation.disk import Disk, Handle
from simulation.loop import PROCESS, ProcessKilled

LINK_S = 0.002
SLOW_S = 1.0


class Writer:
    """The process that writes for all: one life of it. Killed as others are."""

    slot = -1
    waiting: frozenset[Any] = frozenset()

    def __init__(self, disk: Disk, lost: Callable[[Writer], None]) -> None:
        """`lost`: told when it ends in the middle of what it does."""
        self.killed = False
        self.context = copy_context()
        self.context.run(PROCESS.set, self)
        self.handle = disk.open(self)
        self.together = Together(self.handle)
        self.links: list[SharedHandle] = []
        self.lost = lost

    def gone(self) -> None:
        """Whoever waits for it hears of it, some sooner than others."""
        for link in self.links:
            link.writer_gone()
        self.links.clear()


class SharedHandle(AskedWrites, Handle):
    """The `Journal` of a worker: reads for itself and has its writes written."""

    def __init__(self, disk: Disk, process: Any, writer: Writer | None) -> None:
        super().__init__(disk, process)
        self._writer = writer
        self._asked: deque[tuple[str, tuple[Any, ...], Future[Any]]] = deque()
        self._told: deque[tuple[Future[Any], Any, BaseException | None]] = deque()
        self._unanswered: set[Future[Any]] = set()
        if writer is not None:
            writer.links.append(self)

    # Asking

    def _ask(self, method: str, *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self._closed:
            return future  # a ghost's
        if self._writer is None:
            future.set_exception(_nobody())
            return future
        self._unanswered.add(future)
        self._asked.append((method, arguments, future))
        if self._loop.in_thread:
            self._wait_for(future)
        else:
            # Whatever becomes of who asked, it is on its way.
            self._loop.call_later(self._delay(), self._deliver, context=_NOBODY)
        return future

    def _delay(self) -> float:
        if self._rng.randrange(40) == 0:
            return self._rng.random() * SLOW_S
        return self._rng.random() * LINK_S

    def _deliver(self) -> None:
        """The first that was asked arrives."""
        if not self._asked or self._writer is None or self._writer.killed:
            return
        method, arguments, future = self._asked.popleft()
        reply = partial(self._reply, future)
        self._writer.context.run(self._writer.together.write, method, arguments, reply)

    def _wait_for(self, future: Future[Any]) -> None:
        """A thread waits: all that was asked before arrives, and the writer does all it has."""
        self._breathe()
        writer = self._writer
        try:
            while self._asked:
                self._deliver()
            if writer is not None:
                writer.context.run(writer.handle._flush)
        except ProcessKilled:  # in the middle of it; this process hears of it
            assert writer is not None
            writer.lost(writer)
        while not future.done() and self._told and not self._closed:
            self._hear()
        if not future.done():
            self._lose(future)

    # Being told

    def _reply(self, future: Future[Any], result: Any, error: BaseException | None) -> None:
        if self._closed or future not in self._unanswered:
            return
        self._told.append((future, result, error))
        self._loop.call_later(self._delay(), self._hear, context=self._process.context)

    def _hear(self) -> None:
        if self._closed or not self._told:
            return
        future, result, error = self._told.popleft()
        if future not in self._unanswered:
            return
        self._unanswered.discard(future)
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def writer_gone(self) -> None:
        """Answers that were sent may still arrive; then nothing does."""
        self._writer = None
        self._asked.clear()
        context = self._process.context
        self._loop.call_later(self._delay(), self._end_of_link, context=context)

    def _end_of_link(self) -> None:
        while self._told and not self._closed:
            self._hear()
        for future in list(self._unanswered):
            self._lose(future)

    def _lose(self, future: Future[Any]) -> None:
        self._unanswered.discard(future)
        if not self._closed and not future.done():
            future.set_exception(_nobody())


_NOBODY = copy_context()


def _nobody() -> StorageError:
    return StorageError("the process that writes to it is gone")
