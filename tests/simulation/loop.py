"""An event loop without time, threads or chance: time is virtual, and what runs next is drawn from a seed.

What asyncio would do in threads (`to_thread`, `run_in_executor`) runs here as one step at a drawn moment, and
its result arrives at a later one. Each callback belongs to a process (a context variable); those of a process
that was killed never run.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextvars import ContextVar
from random import Random
from typing import Any

PROCESS: ContextVar[Any] = ContextVar("PROCESS", default=None)
"""Whose code runs; None: nobody's, the world's. Has `killed`."""

THREAD_S = 0.004
"""A thread's work starts, and its result arrives, within this time each."""


class Stuck(AssertionError):
    """Nothing will ever happen any more, or nothing has come of too much."""


class ProcessKilled(BaseException):
    """The process ends here, in the middle of what it does."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one callback after the other; `shuffled`: those that are ready in any order."""

    def __init__(self, rng: Random, *, shuffled: bool, max_steps: int = 400_000) -> None:
        super().__init__()
        self.steps = 0
        self.tasks: list[asyncio.Task[Any]] = []
        """All there ever were, so that none is collected, and unwound, at a time that is not drawn."""
        self.in_thread = False
        """Whether what runs now would run beside the loop."""
        self.at_step: tuple[int, Callable[[], None]] | None = None
        """What is to be done before a step is taken."""
        self.on_killed: Callable[[Any], None] | None = None
        """Called with the process that has ended in one of its threads."""
        self._rng = rng
        self._shuffled = shuffled
        self._max_steps = max_steps
        self._now = 0.0
        self.set_task_factory(self._make_task)
        self.set_exception_handler(self._failed)
        self._unwinding = False
        self._dropped: list[Any] = []  # what was due in processes that were killed
        self.failure: BaseException | None = None
        """What has gone wrong where nobody waits for it."""

    def _make_task(self, loop: Any, work: Any, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=loop, **options)
        self.tasks.append(task)
        return task

    def _failed(self, _loop: Any, context: dict[str, Any]) -> None:
        self.failure = context.get("exception") or AssertionError(context["message"])

    def time(self) -> float:
        return self._now

    def run_in_executor(self, executor: Any, work: Callable[..., Any], *arguments: Any) -> Any:
        """Does it at a drawn moment, and tells it at a later one."""
        future = self.create_future()
        self.call_later(self._rng.random() * THREAD_S, self._in_thread, future, work, arguments)
        return future

    def _in_thread(self, future: asyncio.Future[Any], work: Any, arguments: Any) -> None:
        self.in_thread = True
        result, failure = None, None
        try:
            result = work(*arguments)
        except ProcessKilled:
            assert self.on_killed is not None
            self.on_killed(PROCESS.get())
            return
        except Exception as error:
            failure = error
        finally:
            self.in_thread = False
        self.call_later(self._rng.random() * THREAD_S, _tell, future, result, failure)

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_soon(callback, *args, context=context)

    def _run_once(self) -> None:
        ready: Any = self._ready  # type: ignore[attr-defined]
        if not ready:
            self._advance(ready)
        if self._shuffled and len(ready) > 1:
            ready.rotate(-self._rng.randrange(len(ready)))
        handle = ready.popleft()
        process = handle._context.get(PROCESS)
        if handle._cancelled:
            return
        if process is not None and process.killed and not self._unwinding:
            self._dropped.append(handle)
            return
        self.steps += 1
        if self.at_step is not None and self.steps >= self.at_step[0]:
            _, act = self.at_step
            self.at_step = None
            act()
            if process is not None and process.killed:
                self._dropped.append(handle)
                return
        handle._run()
        if self.failure is not None:
            raise self.failure
        if self.steps > self._max_steps:
            raise Stuck(f"{self.steps} steps have led nowhere")

    def _advance(self, ready: Any) -> None:
        """To the next moment at which something is to happen."""
        scheduled: Any = self._scheduled  # type: ignore[attr-defined]
        while not ready:
            if not scheduled:
                raise Stuck("everybody waits for something that will not happen")
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            if timer._cancelled:
                continue
            self._now = max(self._now, timer._when)
            ready.append(timer)
        while scheduled and scheduled[0]._when <= self._now:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            ready.append(timer)

    def _timer_handle_cancelled(self, handle: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _process_events(self, event_list: Any) -> None:
        pass

    def unwind(self) -> None:
        """Ends all tasks, also those of killed processes, so that nothing is left to be collected."""
        self.failure = self.at_step = None
        self.on_killed = lambda _process: None
        self.set_exception_handler(lambda _loop, _context: None)
        self._max_steps = self.steps + 100_000
        self._unwinding = True
        self._ready.extend(self._dropped)  # type: ignore[attr-defined]
        self._dropped.clear()
        while left := [task for task in self.tasks if not task.done()]:
            for task in left:
                task.cancel()
            self.run_until_complete(asyncio.wait(left, timeout=1))
        self.tasks.clear()


def _tell(future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
    if future.cancelled():
        return
    if failure is None:
        future.set_result(result)
    else:
        future.set_exception(failure)
