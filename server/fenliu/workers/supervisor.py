"""The process that starts the workers, starts those again that die, and ends them. Decides and serves nothing.

It holds the data directory and the port for them, and writes to the journal for all of them. A worker is a fresh
process; it and the supervisor say a few words to each other over its standard input and output (worker.py), and a
worker whose supervisor is gone ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from fenliu.config import ConfigError, ServerConfig
from fenliu.insight.reports.supervisor import Supervisor as ReportsSupervisor
from fenliu.journal import Committer, SqliteJournal
from fenliu.workers.port import SharedPort

log = logging.getLogger(__name__)

UP, LISTENING, DRAINED = "up", "listening", "drained"
"""What a worker says: its partitions are there; it takes calls; it has answered all it took."""
LISTEN, DRAIN, END = "listen", "drain", "end"
"""What it is told."""

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
WELL_S = 10.0
"""A worker that dies is started again at once, but with growing pauses when it had not lived so long."""
DRAIN_S = 10.0
"""How long after their grace workers may take to answer what they took ..."""
END_S = 30.0
"""... and then to write snapshots and end; whoever takes longer is killed, which loses nothing."""


class WorkerFailed(Exception):
    """A worker did not come up at the start; it has said why."""


class _Worker:
    """One place, and the process that has it now."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.process: asyncio.subprocess.Process | None = None
        self.said = {word: asyncio.Event() for word in (UP, LISTENING, DRAINED)}
        self.starts = 0

    def heard(self, word: str) -> None:
        """Takes note of what the process says."""
        if word in self.said:
            self.said[word].set()

    async def done(self, word: str) -> None:
        """Until what it was told, DRAIN or END, is done."""
        if word == DRAIN:
            await self.said[DRAINED].wait()
        elif self.process is not None:
            await self.process.wait()

    def tell(self, word: str) -> None:
        """Says something to the process, if there is one."""
        if self.process is not None and self.process.stdin is not None:
            with suppress(OSError, RuntimeError):  # it is just ending
                self.process.stdin.write(f"{word}\n".encode())


class Supervisor:
    """The workers of one data directory. `start` and `stop` once each; for one event loop."""

    def __init__(self, config: ServerConfig, command: Sequence[str]) -> None:
        """`command` runs a worker's process."""
        self._config = config
        self._command = command
        self._workers = [_Worker(index) for index in range(config.workers)]
        self._tasks: list[asyncio.Task[None]] = []
        self._journal: SqliteJournal | None = None
        self._committer: Committer | None = None
        self._port: SharedPort | None = None
        self._sockets: str | None = None
        self._reports = ReportsSupervisor(config.data_dir)
        self._serving = False
        self._stopping = False

    async def start(self) -> str:
        """Starts the workers; returns HOST:PORT when all of them listen.

        Raises DirectoryInUse, StorageError, ConfigError, RuntimeError (address in use), WorkerFailed.
        """
        config = self._config
        self._journal = journal = SqliteJournal.open(
            config.data_dir, partitions=config.partitions, durability=config.durability
        )
        if config.workers > journal.partitions:
            raise ConfigError(
                f"workers: at most as many as there are partitions ({journal.partitions})"
            )
        self._port = SharedPort(config.listen)
        self._sockets = tempfile.mkdtemp(prefix="fenliu-")
        self._committer = Committer(journal, Path(self._sockets) / "journal")
        self._tasks = [asyncio.create_task(self._keep(worker)) for worker in self._workers]
        await self._all(UP)
        for worker in self._workers:
            worker.tell(LISTEN)
        await self._all(LISTENING)
        self._serving = True
        self._reports.start()
        return self._port.address

    async def stop(self) -> bool:
        """Ends the workers, each after it has answered what it took; whether all did so in time."""
        self._stopping = True
        clean = not self._serving or await self._drain()
        await self._kill()
        await self._reports.close()
        if self._committer is not None:
            self._committer.close()
        if self._journal is not None:
            await asyncio.to_thread(self._journal.close)
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
        if self._port is not None:
            self._port.close()
        return clean

    async def _drain(self) -> bool:
        clean = True
        for word, limit_s in ((DRAIN, self._config.grace_ms / 1_000 + DRAIN_S), (END, END_S)):
            for worker in self._workers:
                worker.tell(word)
            waiting = [
                asyncio.create_task(worker.done(word))
                for worker in self._workers
                if worker.process is not None
            ]
            if waiting:
                _, late = await asyncio.wait(waiting, timeout=limit_s)
                clean = clean and not late
                for task in late:
                    task.cancel()
        return clean

    async def _kill(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in self._workers:
            process = worker.process
            if process is not None and process.returncode is None:
                if self._serving:
                    log.error("worker %d did not end by itself: killed", worker.index)
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def _all(self, word: str) -> None:
        """Waits until all workers have said it. Raises what ended the keeping of one of them."""
        said = [asyncio.create_task(worker.said[word].wait()) for worker in self._workers]
        everything: asyncio.Future[Any] = asyncio.gather(*said)
        ends: list[asyncio.Future[Any]] = [everything, *self._tasks]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            everything.cancel()
            await asyncio.gather(everything, return_exceptions=True)
        for task in self._tasks:
            if task.done():
                await task

    async def _keep(self, worker: _Worker) -> None:
        """Sees to it that there is a process. Raises WorkerFailed when there never was one that came up."""
        loop = asyncio.get_running_loop()
        pause_s = 0.0
        while not self._stopping:
            began_s = loop.time()
            try:
                code = f"exit code {await self._run(worker)}"
            except OSError as error:
                code = f"cannot be started: {error}"
            if self._stopping:
                return
            if worker.starts == 1 and not worker.said[UP].is_set():
                raise WorkerFailed(f"worker {worker.index} did not start ({code})")
            if loop.time() - began_s > WELL_S:
                pause_s = 0.0
            log.error("worker %d has ended (%s): started again", worker.index, code)
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, 2 * pause_s))

    async def _run(self, worker: _Worker) -> int:
        """One process from its start to its end; its exit code."""
        worker.starts += 1
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        worker.process = process
        worker.tell(self._said_first(worker))
        if worker.starts > 1:  # the others listen already
            worker.tell(LISTEN)
        assert process.stdout is not None  # noqa: S101 - a pipe
        async for line in process.stdout:
            worker.heard(line.decode().strip())
        code = await process.wait()
        worker.heard(DRAINED)  # as far as it could
        return code

    def _said_first(self, worker: _Worker) -> str:
        assert self._port is not None  # noqa: S101 - reserved before any worker starts
        config = self._config.of_one_worker(self._port.address)
        values: dict[str, Any] = {
            one.name: getattr(config, one.name) for one in fields(config) if one.init
        }
        values["data"] = str(config.data_dir.absolute())
        return json.dumps(
            {
                "config": values,
                "index": worker.index,
                "workers": len(self._workers),
                "sockets": self._sockets,
            }
        )


def config_of(said: dict[str, Any]) -> ServerConfig:
    """A worker's settings out of what it was told first."""
    values = said["config"]
    return ServerConfig(**{**values, "data": Path(values["data"])})


def worker_command() -> list[str]:
    """What runs a worker's process."""
    # -P: nothing is imported from wherever the server was started
    return [sys.executable, "-P", "-m", "fenliu.worker"]
