"""Servers and other processes of a measurement: started, put on cores, watched, ended."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

ALL_CORES = frozenset(os.sched_getaffinity(0))
LOAD_CORES = frozenset(sorted(ALL_CORES)[:1])
"""Where the load comes from, in measurements that say so."""
SERVER_CORES = ALL_CORES - LOAD_CORES or ALL_CORES
"""And where what is measured runs. On a machine with one core both are the same."""


class Server:
    """A process that says `listening on HOST:PORT`."""

    def __init__(
        self,
        *arguments: str | Path,
        cores: frozenset[int] = ALL_CORES,
        env: dict[str, str] | None = None,
    ) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FENLIU_")}
        with on_cores(cores):  # a child has its parent's
            self.process = subprocess.Popen(
                [sys.executable, "-m", *map(str, arguments)],
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=kept | (env or {}),
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("listening on "):
                self.target = line.split()[-1]
                return
        raise SystemExit(f"{arguments}: did not start ({self.process.wait()})")

    @property
    def pid(self) -> int:
        return self.process.pid

    def cpu_s(self) -> float:
        """Processor time of the process, seconds; without what works out reports beside it."""
        return _cpu_s(self.pid)

    def stop(self) -> None:
        """Ends it in order, by force if it takes longer than half a minute."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def running(
    *arguments: str | Path,
    cores: frozenset[int] = ALL_CORES,
    env: dict[str, str] | None = None,
) -> Iterator[Server]:
    """A server as long as the block runs."""
    with stopped(Server(*arguments, cores=cores, env=env)) as server:
        yield server


@contextmanager
def stopped(server: Server) -> Iterator[Server]:
    """A server that is stopped behind the block."""
    try:
        yield server
    finally:
        server.stop()


def fenliu(
    data: Path,
    *options: str,
    core: str = "rust",
    cores: frozenset[int] = ALL_CORES,
    env: dict[str, str] | None = None,
) -> Server:
    """`fenliu serve` on a free port, its journal durable."""
    return Server(
        "fenliu", "serve", "--listen", "127.0.0.1:0", "--data", data, *options,
        cores=cores, env={"FENLIU_CORE": core} | (env or {}),
    )  # fmt: skip


def echo(cores: frozenset[int] = ALL_CORES) -> Server:
    """The no-op server."""
    return Server("fenliu.load.echo", cores=cores)


@contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """This thread, and what it starts, runs on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def resident_bytes(pid: int | None = None) -> int:
    """Resident memory of a process (this one) now."""
    status = Path(f"/proc/{pid or 'self'}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


def disk_bytes(folder: Path) -> int:
    """What the files of a data directory take."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def run_module(module: str, arguments: Sequence[str] = (), timeout_s: float = 600) -> str:
    """Runs `python -m module` to its end in a process of its own; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=PROJECT, capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{module} {' '.join(arguments)}: {done.returncode}\n{done.stderr}")
    return done.stdout


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
