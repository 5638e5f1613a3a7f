"""Keeps the worker process running beside the server. For one event loop.

It is started a little after the server, or when a report is first asked for, and again when it ends by
itself, less and less often. Whatever becomes of it, dispatch does not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from pathlib import Path

START_AFTER_S = 2.0
"""A start or a recovery is not disturbed."""
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_END_S = 2.0

log = logging.getLogger(__name__)


class Supervisor:
    """The worker of one data directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins; returns at once."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def hurry(self) -> None:
        """Somebody wants a report."""
        self._wanted.set()

    async def close(self) -> None:
        """Ends the worker, after the batch it is at if that does not take long."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wanted.wait(), START_AFTER_S)
        pause_s = _FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            try:
                code = await self._work()
                log.error("the worker of the reports ended with %s", code)
            except OSError as error:
                log.error("the worker of the reports cannot be started: %s", error)
            if loop.time() - began_s > _LONGEST_PAUSE_S:  # it had been well
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _work(self) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # nothing is imported from wherever the server was started
            "-m",
            "fenliu.insight.reports.worker",
            str(self._directory.absolute()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            return await process.wait()
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), _END_S)
            except TimeoutError:
                process.kill()
                await process.wait()
