"""Jobs as the server sees them: a few at once, read as they go, ended when nobody wants them any more.

For one event loop. Whatever becomes of a job, dispatch does not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fenliu.insight.errors import JobFailed, JobsStopped, TooBusy
from fenliu.insight.jobs.frames import HEAD, Kind, frame, refused

READ_AHEAD_BYTES = 256 * 1024
"""What is read of a job before somebody takes it; then the job waits."""
_RETRY_MS = 5_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How many jobs of a task run at once, and how many more may wait for that."""

    at_once: int
    waiting: int = 0


LIMITS: Mapping[str, Limits] = {
    "simulate": Limits(at_once=1, waiting=8),
    "shadow": Limits(at_once=4),
    "plan": Limits(at_once=1, waiting=8),
    "diagnose": Limits(at_once=1, waiting=8),
}


class Jobs:
    """The jobs of one data directory."""

    def __init__(self, directory: Path, core: str) -> None:
        """`core`: the name of the core that is loaded."""
        self._directory = directory
        self._core = core
        self._stopped = False
        self._running: dict[asyncio.subprocess.Process, Path] = {}
        """With their directories."""
        self._ending: set[asyncio.Task[None]] = set()
        self._under_way = dict.fromkeys(LIMITS, 0)
        self._turns = {name: asyncio.Semaphore(limits.at_once) for name, limits in LIMITS.items()}

    def stop(self) -> None:
        """Ends all jobs and lets none begin: who waits for one gets JobsStopped."""
        self._stopped = True
        for process in self._running:
            _kill(process)

    async def close(self) -> None:
        """Waits until all are gone, with what they had on the disk."""
        self.stop()
        for process in list(self._running):
            self._end(process)
        await asyncio.gather(*self._ending)

    async def stream(self, task: str, request: bytes) -> AsyncGenerator[bytes, None]:
        """What a job sends, until it is done; it is ended when the iterator is closed.

        Raises TooBusy, JobsStopped, JobFailed, and what the task refuses.
        """
        limits = LIMITS[task]
        if self._under_way[task] >= limits.at_once + limits.waiting:
            raise TooBusy(_RETRY_MS)
        self._under_way[task] += 1
        try:
            async with self._turns[task]:
                if self._stopped:
                    raise JobsStopped
                async with contextlib.aclosing(self._run(task, request)) as messages:
                    async for message in messages:
                        yield message
        finally:
            self._under_way[task] -= 1

    async def _run(self, task: str, request: bytes) -> AsyncGenerator[bytes, None]:
        process = await self._started(task)
        try:
            assert process.stdin is not None and process.stdout is not None  # noqa: S101 - pipes, as asked for
            with contextlib.suppress(ConnectionError):  # it has ended already: read what it said
                process.stdin.write(frame(Kind.REQUEST, request))
                await process.stdin.drain()
            while True:
                kind, content = await _read(process.stdout)
                if kind == Kind.MESSAGE:
                    yield content
                elif kind == Kind.DONE:
                    return
                elif kind == Kind.REFUSED:
                    raise refused(content)
                else:
                    break
            if self._stopped:
                raise JobsStopped
            raise JobFailed(f"{task} ended with {await process.wait()}")
        finally:
            await asyncio.shield(self._end(process))

    async def _started(self, task: str) -> asyncio.subprocess.Process:
        scratch = Path(tempfile.mkdtemp(prefix=f"fenliu-{task}-"))
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # nothing is imported from wherever the server was started
                "-m",
                "fenliu.insight.jobs.worker",
                task,
                str(self._directory.absolute()),
                self._core,
                str(scratch),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=READ_AHEAD_BYTES,
            )
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        self._running[process] = scratch
        return process

    def _end(self, process: asyncio.subprocess.Process) -> asyncio.Future[None]:
        """Ends a process and takes its directory away, whoever waits for that or not."""
        _kill(process)
        scratch = self._running.pop(process, None)
        ending = asyncio.ensure_future(_cleared(process, scratch))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        return ending


async def _read(source: asyncio.StreamReader) -> tuple[int, bytes]:
    """The next frame; kind 0: there is none."""
    try:
        kind, length = HEAD.unpack(await source.readexactly(HEAD.size))
        return kind, await source.readexactly(length)
    except asyncio.IncompleteReadError:
        return 0, b""


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()


async def _cleared(process: asyncio.subprocess.Process, scratch: Path | None) -> None:
    """Waits for the end of a process that was killed, and takes its directory away."""
    if process.stdin is not None:
        process.stdin.close()
    while process.stdout is not None and await process.stdout.read(READ_AHEAD_BYTES):
        pass  # what it sent last
    await process.wait()
    if scratch is not None:
        await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
