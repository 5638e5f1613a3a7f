"""Watchers killed and servers killed, again and again, during a day: nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import grpc
import pytest

from fenliu.client import FenliuClient, FenliuError
from fenliu.traffic.day import HOUR_MS, example_shops, sale_day
from fenliu.traffic.player import play
from fenliu.v1 import dispatch_pb2, operator_pb2
from support.watching import Event, by_shop, logged

START = 1_762_048_800_000
RESTARTS = 10
KILLS = 100
LAST = "the last one"
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


class Servers:
    """One server after another on the same data and the same port."""

    def __init__(self, core: ModuleType, data: Path) -> None:
        self.data = data
        self._core = core
        self.target = "127.0.0.1:0"
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "fenliu", "serve", "--listen", self.target]
        process = subprocess.Popen(
            [*command, "--clock", "trace", "--core", self._core.CORE, "--data", str(self.data)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on "), line
        self.target = line.split()[-1]
        return process

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(by)
        self._process.wait(timeout=20)
        assert self._process.returncode == (0 if by == signal.SIGTERM else -by)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def restart(self, by: signal.Signals) -> None:
        self.stop(by)
        self._process = self._start()


class Watcher:
    """Writes down what it sees, each event together with its token; is killed every few events."""

    def __init__(self, servers: Servers, shop_id: str, lives: random.Random | None) -> None:
        self.shop_id = shop_id
        self.seen: list[Event] = []
        self.kills = 0
        self.began = asyncio.Event()
        self._servers = servers
        self._lives = lives
        self._token = ""

    async def run(self) -> None:
        while True:
            # One that is never killed is patient instead, and resumes within the client.
            patience_s = 0 if self._lives else 60
            async with FenliuClient(self._servers.target, patience_s=patience_s) as client:
                try:
                    await self._live(client)
                    self.kills += 1
                except FenliuError as error:
                    assert error.code in AWAY, error
                    await asyncio.sleep(0.05)

    async def reached(self, shops: set[str]) -> None:
        """Returns when it has seen the last word of these shops."""
        async with asyncio.timeout(20):
            while {one.shop_id for one in self.seen if one.buyer_id == LAST} != shops:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def _live(self, client: FenliuClient) -> None:
        left = self._lives.randrange(1, 8) if self._lives else sys.maxsize
        async for message in client.watch_assignments(self.shop_id, resume_token=self._token):
            if message.buyer_id:
                self.seen.append(message)
                left -= 1
            self._token = message.resume_token
            self.began.set()
            if not left:
                return  # whatever else was on its way is lost


@pytest.mark.slow
async def test_watchers_see_each_event_once_and_in_order_whoever_is_killed(
    core: ModuleType, tmp_path: Path
):
    shops = example_shops(6, agents=4)
    traffic = sale_day(shops, seed=3, start_ms=START, end_ms=START + 5 * HOUR_MS, buyers=70)
    servers = Servers(core, tmp_path / "data")
    async with FenliuClient(servers.target, patience_s=60) as client:
        for shop in shops:
            await client.apply_shop(shop, now_ms=START)
        watchers = [
            Watcher(servers, "", random.Random(1)),
            Watcher(servers, shops[0].shop_id, random.Random(2)),
            Watcher(servers, shops[1].shop_id, random.Random(3)),
            Watcher(servers, "", None),
        ]
        running = [asyncio.create_task(watcher.run()) for watcher in watchers]
        for watcher in watchers:
            await watcher.began.wait()

        played = 0
        due = asyncio.Event()

        def count() -> None:
            nonlocal played
            played += 1
            if played % (len(traffic.events) // (RESTARTS + 1)) == 0:
                due.set()

        async def restart() -> None:
            for number in range(RESTARTS):
                await due.wait()
                due.clear()
                by = signal.SIGKILL if number % 2 else signal.SIGTERM
                await asyncio.to_thread(servers.restart, by)

        restarting = asyncio.create_task(restart())
        report = await play(client, traffic, operator_pb2.CLOCK_TRACE, on_event=count)
        assert report.failures == []
        await restarting

        # The last word of each shop: with it, everything before must have been seen.
        for shop in shops:
            last = dispatch_pb2.RouteRequest(shop_id=shop.shop_id, buyer_id=LAST)
            await client.route(last, now_ms=traffic.events[-1].at_ms)
        expected = logged(servers.data)
        for watcher in watchers:
            await watcher.reached({watcher.shop_id} if watcher.shop_id else set(expected))
        for task in running:
            task.cancel()
        outcomes = await asyncio.gather(*running, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}
    servers.stop()

    assert sum(watcher.kills for watcher in watchers) >= KILLS
    assert sum(map(len, expected.values())) > 400
    for watcher in watchers:
        seen = by_shop(watcher.seen)
        for shop_id, events in seen.items():
            _assert_same(events, expected[shop_id])
        assert set(seen) == ({watcher.shop_id} if watcher.shop_id else set(expected))


def _assert_same(events: list[Event], expected: list[Event]) -> None:
    decisions = [event.assignment.decision_id for event in events]
    assert len(decisions) == len(set(decisions)), "doubled"
    assert decisions == [event.assignment.decision_id for event in expected], "lost or out of order"
    assert events == expected
