"""`fenliu serve --workers N` as processes: starting, killing one or all, stopping, another N."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from end_to_end.processes import FENLIU, Serving, environment, fenliu
from fenliu.client import FenliuClient, Router
from fenliu.engine import partition_of
from fenliu.journal import SqliteReader
from fenliu.v1 import presence_pb2
from support.calls import ONLINE
from support.scene import entries_of
from support.several import inquiry, owner, shop, shop_of

ANYWHERE = ("--listen", "127.0.0.1:0")
SHOPS = [shop_of(0), shop_of(1), shop_of(0, 1), shop_of(1, 1)]


def serving(data: Path, workers: int, *more: str, core: str = "auto") -> Serving:
    return Serving(
        "serve", *ANYWHERE, "--data", data, "--workers", str(workers), "--core", core, *more
    )


def processes(supervisor: int) -> list[int]:
    """The workers' processes, oldest first."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [int(pid) for pid in children if b"fenliu.worker\0" in commands(int(pid))]


def commands(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def until(true: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


async def staff(address: str) -> None:
    async with FenliuClient(address, patience_s=20) as client:
        for shop_id in SHOPS:
            await client.apply_shop(shop(shop_id))
            await client.set_presence(
                presence_pb2.SetPresenceRequest(shop_id=shop_id, agent_id="a", status=ONLINE)
            )


def logged_requests(data: Path) -> Counter[str]:
    reader = SqliteReader(data)
    return Counter(
        entry.route.request_id
        for partition in reader.heads()
        for record in reader.read(partition)
        for entry in entries_of(record.entries)
        if entry.HasField("route")
    )


def state_hash(address: str) -> str:
    return fenliu("state-hash", "--target", address).strip()


def test_it_says_once_that_it_listens_serves_and_ends_with_nothing_left(tmp_path: Path):
    data = tmp_path / "data"
    with serving(data, 2) as server:
        workers = processes(server.pid)
        assert len(workers) == 2
        asyncio.run(staff(server.address))
        assert fenliu("shop", "list", "--target", server.address, "--json").count("shop-") >= 4
        fenliu("backup", tmp_path / "copy", "--data", data)
        report = ("report", "--shop", SHOPS[1], "--target", server.address, "--json")
        assert json.loads(fenliu(*report))["rows"]
        server._process.terminate()
        assert server._process.stdout is not None
        rest = server._process.stdout.read()
        assert server.end() == 0
        assert server.said + rest.splitlines() == [f"listening on {server.address}"]
    assert not any(map(commands, workers))
    for source in (data, tmp_path / "copy"):
        fenliu("check", "--data", source)


@pytest.mark.slow
def test_another_number_of_workers_finds_everything(tmp_path: Path):
    data = tmp_path / "data"
    answers = {}
    before = ""
    for turn, workers in enumerate((2, 3, 1)):
        with serving(data, workers) as server:
            if turn == 0:
                asyncio.run(staff(server.address))
            else:
                assert state_hash(server.address) == before

            async def ask(address: str = server.address, turn: int = turn) -> None:
                async with FenliuClient(address) as client:
                    for number in range(12):
                        request = inquiry(SHOPS[number % 4], f"b{number}", f"r{turn}-{number}")
                        answers[turn, number] = await client.route(request)
                    for number in range(12 if turn else 0):
                        request = inquiry(SHOPS[number % 4], f"b{number}", f"r0-{number}")
                        assert await client.route(request) == answers[0, number]

            asyncio.run(ask())
            before = state_hash(server.address)
            assert server.terminate() == 0
        assert fenliu("state-hash", "--data", data).strip() == before
    assert fenliu("check", "--deep", "--data", data)


def refusal(*arguments: str | Path) -> str:
    done = subprocess.run(
        [*FENLIU, "serve", *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.slow
def test_a_directory_or_a_port_in_use_is_refused(tmp_path: Path):
    with serving(tmp_path / "data", 2) as server:
        told = refusal(*ANYWHERE, "--data", tmp_path / "data", "--workers", "2")
        assert f"another server (process {server.pid}) uses it" in told
        assert "another server" in refusal(*ANYWHERE, "--data", tmp_path / "data")
        other = ("--listen", server.address, "--data", tmp_path / "other")
        assert "listen" in refusal(*other, "--workers", "2")
        refusal(*other)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        told = refusal("--listen", address, "--data", tmp_path / "data", "--workers", "2")
        assert f"cannot listen on {address}" in told


@pytest.mark.slow
def test_what_keeps_a_worker_from_starting_is_said_and_ends_the_start(tmp_path: Path):
    told = refusal(*ANYWHERE, "--data", tmp_path / "few", "--partitions", "2", "--workers", "3")
    assert "workers: at most as many as there are partitions (2)" in told
    assert "workers: must be within" in refusal("--workers", "0")
    data = tmp_path / "data"
    with serving(data, 2) as server:
        asyncio.run(staff(server.address))
        assert server.terminate() == 0
    with sqlite3.connect(data / "fenliu.db") as damaged:
        partition = partition_of(SHOPS[1], 64)
        damaged.execute(
            "UPDATE records SET record = zeroblob(40) WHERE partition = ?", (partition,)
        )
    told = refusal(*ANYWHERE, "--data", data, "--workers", "2")
    assert f"partition {partition}" in told
    assert "worker 1 did not start" in told


@pytest.mark.slow
def test_workers_end_with_a_supervisor_that_is_killed_and_the_directory_is_free(tmp_path: Path):
    with serving(tmp_path / "data", 2) as server:
        asyncio.run(staff(server.address))
        before = state_hash(server.address)
        workers = processes(server.pid)
        server.kill()
    with serving(tmp_path / "data", 2) as server:  # waits for them, if need be
        assert not any(map(commands, workers))
        assert state_hash(server.address) == before
        assert server.terminate() == 0


@pytest.fixture
def killing(core: ModuleType, tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "data", 2, "--snapshot-after", "4KiB", core=core.CORE) as server:
        yield server


@pytest.mark.slow
def test_workers_killed_under_load_lose_and_double_nothing(killing: Serving, tmp_path: Path):
    address, answers = killing.address, {}
    back: list[float] = []

    async def ask(router: Router, number: int) -> None:
        request = inquiry(SHOPS[number % 4], f"b{number % 300}", f"r{number}")
        answers[f"r{number}"] = await router.route(request, timeout_s=60)

    async def kill(clients: list[FenliuClient]) -> None:
        for turn in range(4):
            await asyncio.sleep(0.6)
            seen = processes(killing.pid)
            os.kill(seen[turn % 2], signal.SIGKILL)
            began = time.monotonic()
            # Each of its shops is served again; all through whoever takes the call.
            probes = (client.get_shop(shop_id) for client in clients for shop_id in SHOPS)
            await asyncio.gather(*probes)
            back.append(time.monotonic() - began)

    async def everything() -> None:
        await staff(address)
        async with (
            Router(address) as one,
            Router(address) as two,
            FenliuClient(address, patience_s=30) as three,
            FenliuClient(address, patience_s=30) as four,
        ):
            killer = asyncio.create_task(kill([three, four]))
            number = 0
            while not killer.done():
                tasks = [ask((one, two)[n % 2], n) for n in range(number, number + 40)]
                await asyncio.gather(*tasks)
                number += 40
            await killer
        # Asked again, each gets the answer that it got.
        async with FenliuClient(address, patience_s=30) as client:
            for repeated in range(0, number, 17):
                request = inquiry(SHOPS[repeated % 4], f"b{repeated % 300}", f"r{repeated}")
                assert await client.route(request) == answers[f"r{repeated}"]

    asyncio.run(everything())
    print(f"served again after {', '.join(f'{seconds:.2f}' for seconds in back)} s")
    until(lambda: len(processes(killing.pid)) == 2, "both workers are there again")
    running = state_hash(address)
    assert killing.terminate() == 0
    assert logged_requests(tmp_path / "data") == Counter(dict.fromkeys(answers, 1))
    assert fenliu("state-hash", "--data", tmp_path / "data").strip() == running
    assert fenliu("check", "--deep", "--data", tmp_path / "data")
    assert {owner(shop_id) for shop_id in SHOPS} == {0, 1}


def _replaced(supervisor: int, victim: int) -> bool:
    found = processes(supervisor)
    return len(found) == 2 and victim not in found


@pytest.mark.slow
def test_a_worker_that_is_killed_again_and_again_is_started_each_time(tmp_path: Path):
    with serving(tmp_path / "data", 2) as server:
        asyncio.run(staff(server.address))
        for _ in range(3):
            victim = processes(server.pid)[0]
            os.kill(victim, signal.SIGKILL)
            until(partial(_replaced, server.pid, victim), "a new one")

        async def ask() -> None:
            async with FenliuClient(server.address, patience_s=30) as client:
                for number, shop_id in enumerate(SHOPS):
                    await client.route(inquiry(shop_id, f"b{number}"))
                assert len(await client.list_shops()) == len(SHOPS)

        asyncio.run(ask())
        assert server.terminate() == 0
