"""A job's process: `python -m fenliu.insight.jobs.worker TASK DIRECTORY CORE SCRATCH`.

Takes one request on standard input and answers on standard output (frames.py). Gives way where processors are
short, may take so much memory and no more, and ends when standard input does, as when the server is gone.
"""

from __future__ import annotations

import logging
import os
import resource
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fenliu.engine import Core, load_core
from fenliu.insight.diagnosis import diagnose
from fenliu.insight.errors import InsightError, LogUnreadable
from fenliu.insight.giving_way import give_way
from fenliu.insight.jobs.frames import HEAD, Kind, frame, refusal
from fenliu.insight.shadow import task as shadow
from fenliu.insight.simulation import simulation
from fenliu.insight.staffing import task as staffing
from fenliu.journal import SqliteReader, StorageError

MEMORY_BYTES = 3 * 2**30

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """What a task is given."""

    reader: SqliteReader
    core: Core
    request: bytes
    scratch: Path
    """An empty directory, gone afterwards."""
    emit: Callable[[bytes], None]
    """Sends a message; waits until there is room for it."""


TASKS: Mapping[str, Callable[[Job], None]] = {
    "simulate": lambda job: simulation.run(
        job.reader, job.core, job.request, job.scratch, job.emit
    ),
    "shadow": lambda job: shadow.run(job.reader, job.core, job.request, job.emit),
    "plan": lambda job: staffing.run(job.reader, job.request, job.emit),
    "diagnose": lambda job: diagnose.run(job.reader, job.core, job.request, job.emit),
}


def main(name: str, directory: Path, core: str, scratch: Path) -> None:
    """Does one task. What goes wrong with it beside refusals is raised."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    request = _read(source)
    threading.Thread(target=_end_with, args=(source.fileno(), scratch), daemon=True).start()

    def send(kind: Kind, content: bytes = b"") -> None:
        sink.write(frame(kind, content))
        sink.flush()

    try:
        job = Job(
            SqliteReader(directory),
            load_core(core),
            request,
            scratch,
            lambda message: send(Kind.MESSAGE, message),
        )
        TASKS[name](job)
        send(Kind.DONE)
    except InsightError as error:
        send(Kind.REFUSED, refusal(error))
    except StorageError as error:
        log.error("%s: %s", name, error)
        send(Kind.REFUSED, refusal(LogUnreadable()))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)  # a server that was killed does not


def _read(source: BinaryIO) -> bytes:
    kind, length = HEAD.unpack(source.read(HEAD.size))
    if kind != Kind.REQUEST:
        raise ValueError(f"no request but a frame of kind {kind}")
    return source.read(length)


def _end_with(source: int, scratch: Path) -> None:
    os.read(source, 1)  # nothing more comes
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(0)


def _limit_memory() -> None:
    with suppress(ValueError, OSError):  # less was allowed already
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server
    give_way()
    _limit_memory()
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
