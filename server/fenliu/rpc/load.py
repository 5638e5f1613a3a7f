"""WatchLoad: a shop's load for live screens. However many watch a shop, it is looked at once.

Puts together what the agents are doing, which dispatch says, and the day's figures, which the reports' tables
say. A watcher gets the newest there is when its turn comes, so a slow one costs no memory and nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from fenliu.dispatch import Dispatching
from fenliu.engine import QueryKind
from fenliu.insight.errors import InsightError
from fenliu.insight.reports.load import DayFigures, LoadTables, Today
from fenliu.rpc.checks import check_id, check_within, decoded
from fenliu.rpc.context import Context
from fenliu.rpc.errors import draining, engine_refusal
from fenliu.rpc.insight import find_shop
from fenliu.rpc.slow_readers import cut_off_when_slow
from fenliu.v1 import insight_pb2, presence_pb2

LOOK_EVERY_S = 1.0
FIGURES_SHARE = 10
"""The figures are looked at again after so many times as long as that took, if that is longer."""
FIGURES_WAIT_S = 0.5
"""Figures that take longer are shown when they are there; what agents do is shown meanwhile."""
SHORTEST_MS, LONGEST_MS = 1_000, 60_000


class LoadStreams:
    """The screens of this process."""

    def __init__(self, dispatcher: Dispatching, tables: LoadTables, *, slow_reader_ms: int) -> None:
        self._dispatcher = dispatcher
        self._tables = tables
        self._slow_reader_ms = slow_reader_ms
        self._screens: dict[str, _Screen] = {}
        self._draining = False

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        return {"/fenliu.v1.InsightService/WatchLoad": self.watch_load}

    def drain(self) -> None:
        """Ends every stream with UNAVAILABLE, after the message it is at."""
        self._draining = True
        for screen in self._screens.values():
            screen.end(draining())

    async def watch_load(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """Messages until the client ends, the shop is deleted, the server drains, or the client does not read."""
        wanted = decoded(insight_pb2.WatchLoadRequest, request)
        check_id("shop_id", wanted.shop_id)
        if wanted.interval_ms:
            check_within("interval_ms", wanted.interval_ms, SHORTEST_MS, LONGEST_MS)
        await find_shop(self._dispatcher, wanted.shop_id, context)
        if self._draining:
            raise draining()
        pause_s = (wanted.interval_ms or SHORTEST_MS) / 1_000
        version = 0
        with (
            self._watched(wanted.shop_id) as screen,
            cut_off_when_slow(context, self._slow_reader_ms, "watch again") as offer,
        ):
            while True:
                version, message = await screen.newer_than(version)
                offer.begin()
                yield message
                offer.end()
                await screen.ended_within(pause_s)

    @contextmanager
    def _watched(self, shop_id: str) -> Iterator[_Screen]:
        """The shop's screen, which is there as long as anybody watches it."""
        screen = self._screens.get(shop_id)
        if screen is None or screen.over:
            screen = self._screens[shop_id] = _Screen(self._dispatcher, self._tables, shop_id)
        screen.watchers += 1
        try:
            yield screen
        finally:
            screen.watchers -= 1
            if not screen.watchers:
                screen.stop()
                if self._screens.get(shop_id) is screen:
                    del self._screens[shop_id]


class _Screen:
    """One shop as it is now, looked at every second."""

    def __init__(self, dispatcher: Dispatching, tables: LoadTables, shop_id: str) -> None:
        self.watchers = 0
        self._dispatcher = dispatcher
        self._tables = tables
        self._shop_id = shop_id
        self._version = 0
        self._message = b""
        self._shown: bytes | None = None
        self._failure: Exception | None = None
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._figures: DayFigures | None = None
        self._arrivals = 0
        self._figures_task: asyncio.Task[None] | None = None
        self._figures_due_s = 0.0
        self._task = asyncio.create_task(self._look_on())

    @property
    def over(self) -> bool:
        """Whether nothing more will be shown."""
        return self._over.is_set()

    def end(self, why: Exception) -> None:
        """Every watcher is told this."""
        if not self.over:
            self._failure = why
            self._over.set()
            self._news.set()

    def stop(self) -> None:
        """Nobody watches any more."""
        self._over.set()
        self._task.cancel()
        if self._figures_task is not None:
            self._figures_task.cancel()

    async def newer_than(self, version: int) -> tuple[int, bytes]:
        """The newest message and its version, as soon as there is a newer one; raises why it ended."""
        while self._version <= version and self._failure is None:
            await self._news.wait()
        if self._failure is not None:
            raise self._failure
        return self._version, self._message

    async def ended_within(self, seconds: float) -> None:
        """Lets time pass; less if the screen ends meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()

    async def _look_on(self) -> None:
        try:
            while not self.over:
                self._show(await self._look())
                await self.ended_within(LOOK_EVERY_S)
        except Exception as error:
            self.end(error)

    def _show(self, load: insight_pb2.WatchLoadResponse) -> None:
        """Publishes it if anything but the time is new."""
        message = load.SerializeToString()
        load.ClearField("at_ms")
        load.figures_as_of_ms = min(load.figures_as_of_ms, 1)  # known or not
        shown = load.SerializeToString()
        if shown != self._shown:
            self._shown, self._message = shown, message
            self._version += 1
            self._news.set()
            self._news = asyncio.Event()

    async def _look(self) -> insight_pb2.WatchLoadResponse:
        request = presence_pb2.ListPresenceRequest(shop_id=self._shop_id)
        answer = await self._dispatcher.query(QueryKind.LIST_PRESENCE, request.SerializeToString())
        if answer.code:
            raise engine_refusal(answer.body)
        agents = presence_pb2.ListPresenceResponse.FromString(answer.body).agents
        clock = self._dispatcher.clock
        await self._look_at_figures(clock.now_ms() if clock.runs else 0)
        figures = self._figures
        at_ms = clock.now_ms() if clock.runs else figures.as_of_ms if figures else 0
        load = insight_pb2.WatchLoadResponse(at_ms=at_ms)
        for one in agents:
            load.agents.add(
                agent_id=one.agent_id,
                status=one.status,
                awaiting=one.awaiting,
                open_conversations=one.open_conversations,
                since_ms=one.since_ms,
                effective_weight=one.effective_weight,
                today=_today(figures.agents.get(one.agent_id, Today()) if figures else Today()),
            )
        if figures is not None:
            load.queued = figures.queued
            load.pooled = figures.pooled
            load.left_messages = figures.left_messages
            load.queued_since_ms = figures.queued_since_ms
            load.arrivals_last_minute = self._arrivals
            load.today.CopyFrom(_today(figures.shop))
            load.figures_as_of_ms = figures.as_of_ms
        return load

    async def _look_at_figures(self, now_ms: int) -> None:
        """Looks at them if it is time to; waits a little for the answer."""
        task = self._figures_task
        if task is None and asyncio.get_running_loop().time() >= self._figures_due_s:
            task = self._figures_task = asyncio.create_task(self._read_figures(now_ms))
        if task is not None:
            done, _ = await asyncio.wait((task,), timeout=FIGURES_WAIT_S)
            if done:
                self._figures_task = None
                task.result()

    async def _read_figures(self, now_ms: int) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        # What cannot be read now is shown as it was known last.
        with suppress(InsightError):
            self._figures, self._arrivals = await self._tables.look(
                self._shop_id, now_ms, self._figures
            )
        self._figures_due_s = clock() + FIGURES_SHARE * (clock() - began)


def _today(of: Today) -> insight_pb2.TodaysReception:
    return insight_pb2.TodaysReception(
        consulted=of.consulted, received=of.received, ordered=of.ordered, paid=of.paid
    )
