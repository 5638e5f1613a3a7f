"""The composition root: puts core, journal, dispatch and rpc together, runs them, ends them."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable

from fenliu.config import ServerConfig
from fenliu.dispatch import (
    FAILED,
    SHOP_UNAVAILABLE,
    Dispatcher,
    Dispatching,
    EngineFailure,
    Keeping,
    TraceClock,
    WallClock,
)
from fenliu.engine import CommandKind, Core, load_core
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.audit import AuditLog
from fenliu.insight.explain import Explainer
from fenliu.insight.jobs.jobs import Jobs
from fenliu.insight.reports.decisions import Decisions
from fenliu.insight.reports.load import LoadTables
from fenliu.insight.reports.reading import TableReader
from fenliu.insight.reports.reports import Reports
from fenliu.insight.reports.supervisor import Supervisor
from fenliu.insight.watch import AssignmentWatch
from fenliu.journal import SharedJournal, SqliteJournal
from fenliu.rpc.server import RpcServer
from fenliu.rpc.sessions import Sessions
from fenliu.workers.colleagues import Colleagues
from fenliu.workers.seat import Seat
from fenliu.workers.supervisor import Supervisor as Workers
from fenliu.workers.supervisor import worker_command

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
SWITCH_S = 0.000_5
"""How long a thread computes, at most, while another one wants to; Python's own figure is ten times that."""


class App:
    """A whole server in this process, or one worker of several. `start` and `stop` once each, on one event loop.

    Raises what its parts raise at start: ConfigError, CoreError, StorageError, RuntimeError (address
    in use).
    """

    def __init__(self, config: ServerConfig, seat: Seat | None = None) -> None:
        """`seat`: which worker it is; None: there are no others."""
        self._config = config
        self._seat = seat
        self.core = load_core(config.core if config.core != "auto" else None)
        self._journal: SqliteJournal | SharedJournal | None = None
        self._dispatcher: Dispatcher | None = None
        self._sessions: Sessions | None = None
        self._watch: AssignmentWatch | None = None
        self._audit: AuditLog | None = None
        self._explainer: Explainer | None = None
        self._tables: TableReader | None = None
        self._supervisor: Supervisor | None = None
        self._jobs: Jobs | None = None
        self._colleagues: Colleagues | None = None
        self._dispatching: Dispatching | None = None
        self._rpc: RpcServer | None = None
        self._looking: asyncio.Task[None] | None = None
        self._drained = False
        self._health_changes: set[asyncio.Task[None]] = set()

    async def start(self, before_listening: Callable[[], Awaitable[None]] | None = None) -> str:
        """Recovers the state and serves; returns the address as HOST:PORT.

        `before_listening` is awaited when the state is there and nothing has been taken yet.
        """
        config, seat = self._config, self._seat
        journal: SqliteJournal | SharedJournal
        if seat is None:
            journal = SqliteJournal.open(
                config.data_dir, partitions=config.partitions, durability=config.durability
            )
            if self.core.appender is not None:
                journal.attach(asyncio.get_running_loop(), self.core.appender)
        else:
            journal = SharedJournal(config.data_dir, seat.journal)
        self._journal = journal
        everything = frozenset(range(journal.partitions))
        own = everything if seat is None else seat.partitions(journal.partitions)
        clock = TraceClock() if config.clock == "trace" else WallClock()
        self._dispatcher = dispatcher = Dispatcher(
            self.core,
            journal,
            clock,
            keeping=Keeping(
                snapshot_after=config.snapshot_after,
                state_bytes=config.state_bytes,
                retention_ms=config.retention_days * DAY_MS or None,
            ),
            partitions=own,
            # With the Rust core deciding is no cost to speak of beside gRPC's, so holding calls gains nobody
            # anything (benchmarks/README.md, "Overload").
            fair=config.protection and self.core.name == "python",
            watch_load=True,
        )
        dispatcher.on_health_change = self._health_changed
        self._watch = AssignmentWatch(
            journal, data_id=journal.data_id, token_key=journal.token_key, others=everything - own
        )
        dispatcher.on_durable = self._watch.grown
        self._audit = AuditLog(journal, self.core)
        self._explainer = Explainer(journal, self.core)
        if seat is None:  # else the workers' own supervisor keeps the one that there is
            self._supervisor = Supervisor(config.data_dir)
        hurry = _nobody if self._supervisor is None else self._supervisor.hurry
        self._tables = tables = TableReader(config.data_dir, journal, journal.data_id, hurry)
        self._jobs = Jobs(config.data_dir, self.core.name)
        await dispatcher.start()
        if seat is not None:
            self._colleagues = Colleagues(seat, dispatcher, journal.partitions)
        self._dispatching = dispatcher if self._colleagues is None else self._colleagues.dispatching
        self._sessions = Sessions(
            token_key=journal.token_key,
            lease_ms=config.lease_ms,
            heartbeat_ms=config.heartbeat_ms,
            expire=self._expire_session,
        )
        self._rpc = RpcServer(
            self._dispatching,
            self._sessions,
            self._watch,
            self._audit,
            self._explainer,
            Reports(tables),
            Decisions(tables),
            self._jobs,
            LoadTables(tables, journal.partitions),
            listen=config.listen,
            slow_reader_ms=config.slow_reader_ms,
            core=self.core.name,
            partitions=journal.partitions,
            reflection_enabled=config.reflection,
            shared_port=seat is not None,
            wrap=None if self._colleagues is None else self._colleagues.public,
            protected=config.protection,
        )
        if self._colleagues is None:
            self._sessions.restore(dispatcher.sessions())
        else:
            await self._colleagues.start(self._sessions)
            self._looking = asyncio.get_running_loop().create_task(self._watch.keep_looking())
        if before_listening is not None:
            await before_listening()
        if self._colleagues is not None:
            await self._colleagues.connected()
        address = await self._rpc.start()
        if self._supervisor is not None:
            self._supervisor.start()
        return address

    async def drain(self) -> None:
        """Takes no more calls and answers those under way. Other workers' calls are still served."""
        if self._drained:
            return
        self._drained = True
        if self._colleagues is not None:
            self._colleagues.drain()
        if self._rpc is not None:
            await self._rpc.stop(self._config.grace_ms)

    async def stop(self) -> None:
        """Drains and closes whatever was started, in the reverse order."""
        await self.drain()
        if self._looking is not None:
            self._looking.cancel()
        if self._jobs is not None:
            await self._jobs.close()
        if self._sessions is not None:
            await self._sessions.close()
        if self._colleagues is not None:
            await self._colleagues.close()
        if self._dispatcher is not None:
            await self._dispatcher.close()
        if self._watch is not None:
            await asyncio.to_thread(self._watch.close)
        if self._audit is not None:
            await asyncio.to_thread(self._audit.close)
        if self._explainer is not None:
            await asyncio.to_thread(self._explainer.close)
        if self._supervisor is not None:
            await self._supervisor.close()
        if self._tables is not None:
            await asyncio.to_thread(self._tables.close)
        if isinstance(self._journal, SqliteJournal):
            self._journal.detach()
        if self._journal is not None:
            await asyncio.to_thread(self._journal.close)

    def follow_wall_clock(self) -> None:
        """From now on time is the machine's; for a server that has played a recorded day."""
        if self._dispatcher is not None:
            self._dispatcher.use_clock(WallClock())

    async def _expire_session(self, shop_id: str, session_id: str) -> None:
        """Raises EngineFailure, and as `Dispatching.command`, when it is to be tried again."""
        dispatcher = self._dispatching
        if dispatcher is None:
            return
        # In a replay nobody says what time it is now: the shop's own last time stands.
        replaying = isinstance(dispatcher.clock, TraceClock)
        answer = await dispatcher.command(
            CommandKind.EXPIRE_SESSION,
            engine_pb2.ExpireSession(shop_id=shop_id, session_id=session_id).SerializeToString(),
            now_ms=0 if replaying else None,
        )
        if answer.code in (FAILED, SHOP_UNAVAILABLE):
            raise EngineFailure

    def _health_changed(self, healthy: bool) -> None:
        if self._rpc is not None:
            task = asyncio.get_running_loop().create_task(self._rpc.set_serving(healthy))
            self._health_changes.add(task)
            task.add_done_callback(self._health_changes.discard)


def _nobody() -> None:
    """Who need not hurry."""


def serve(config: ServerConfig) -> int:
    """Runs a server until SIGTERM or SIGINT; prints one `listening on ...` line when ready.

    Returns the exit code, 0 after a clean drain.
    """
    return asyncio.run(_serve(config) if config.workers == 1 else _supervise(config))


def settle_down() -> None:
    """Once everything is there: what the interpreter does beside the work is set for serving.

    What is there now stays: the garbage collector need not look through it again and again. What a call leaves
    behind is freed without it, so it need not come every 700 objects. And who comes back from the disk does
    not wait for the interpreter's lock as long as a program that only computes would have it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    sys.setswitchinterval(SWITCH_S)


async def _serve(config: ServerConfig) -> int:
    stopping = _stop_signals()
    app = App(config)
    _print_notice(app.core)
    try:
        address = await app.start()
        settle_down()
        print(f"listening on {address}", flush=True)  # noqa: T201 - the one line promised
        await stopping.wait()
    finally:
        await app.stop()
    return 0


async def _supervise(config: ServerConfig) -> int:
    """As `_serve`, with workers."""
    stopping = _stop_signals()
    # Said once, here; and one that cannot be loaded ends the start at once.
    _print_notice(load_core(config.core if config.core != "auto" else None))
    supervisor = Workers(config, worker_command())
    clean = False
    try:
        address = await supervisor.start()
        print(f"listening on {address}", flush=True)  # noqa: T201 - the one line promised
        await stopping.wait()
    finally:
        clean = await supervisor.stop()
    return 0 if clean else 1


def _stop_signals() -> asyncio.Event:
    """Set when the process is asked to end."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


def _print_notice(core: Core) -> None:
    if core.notice:
        print(core.notice, file=sys.stderr, flush=True)  # noqa: T201 - the one line promised
