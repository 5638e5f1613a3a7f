"""The tables behind the reports: resumed, rebuilt, killed, damaged; and dispatch, which does not notice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest

from end_to_end.processes import Serving, free_address
from fenliu.client import FenliuClient
from fenliu.insight.reports import schema
from fenliu.insight.reports.follow import Tables
from fenliu.journal import SqliteReader
from fenliu.traffic.day import HOUR_MS, example_shops, sale_day
from fenliu.traffic.player import play
from fenliu.v1 import insight_pb2, operator_pb2
from support.reporting import request, row, told
from support.scene import HOUR, MINUTE, MORNING, Scene, Server, serving

START_MS = 1_762_790_400_000
TABLES = (
    "positions",
    "shops",
    "staff",
    "memberships",
    "presence",
    "conversations",
    "buyers",
    "orders",
)


@pytest.fixture
def server(core: ModuleType, tmp_path: Path) -> Iterator[Server]:
    with serving(core, tmp_path / "data") as server:
        yield server


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {
            name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in TABLES
        }


def made_anew(data: Path, path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What a first reading of the whole log gives."""
    reader = SqliteReader(data)
    tables = Tables(path, reader, reader.data_id)
    while tables.catch_up():
        pass
    tables.close()
    return content(path)


def workers(data: Path) -> list[int]:
    """The processes that keep up the tables of a directory."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"fenliu.insight.reports.worker" in words and str(data).encode() in words:
                found.append(int(process.name))
    return found


def wait_for_worker(data: Path) -> int:
    deadline = time.monotonic() + 20
    while not (found := workers(data)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found[0]


def test_what_is_told_is_never_behind_what_was_answered(server: Server):
    scene = Scene(server).opens(["a"])
    for number in range(1, 30):
        scene.after(1).route(f"b{number}")
        scene.says(f"b{number}")
        assert row(scene, "a")["received"] == number


def test_a_killed_worker_comes_back(server: Server):
    scene = Scene(server).opens(["a"])
    scene.route("b1")
    assert row(scene, "a")["consulted"] == 1
    os.kill(wait_for_worker(server.data), signal.SIGKILL)
    scene.route("b2")
    assert row(scene, "a")["consulted"] == 2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is only nicer than the server")
def test_the_worker_takes_no_processor_that_the_server_needs(server: Server):
    worker, deadline = wait_for_worker(server.data), time.monotonic() + 20
    while os.sched_getscheduler(worker) != os.SCHED_IDLE:  # it is still starting
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_worker_ends_with_the_server(core: ModuleType, tmp_path: Path):
    data = tmp_path / "data"
    server = Serving("serve", "--listen", free_address(), "--data", data, "--core", core.CORE)
    wait_for_worker(data)
    server.kill()
    deadline = time.monotonic() + 20
    while workers(data):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("damage", ["garbage", "cut", "gone", "other version", "other log"])
def test_tables_that_are_no_use_are_made_anew(core: ModuleType, tmp_path: Path, damage: str):
    data = tmp_path / "data"
    path = data / schema.FILE
    with serving(core, data) as server:
        scene = Scene(server).opens(["a"])
        for number in range(50):
            scene.after(MINUTE).route(f"b{number}")
        before = row(scene, "a")
    match damage:
        case "garbage":
            path.write_bytes(random.Random(1).randbytes(path.stat().st_size))
        case "cut":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        case "gone":
            path.unlink()
        case "other version":
            with contextlib.closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("UPDATE meta SET value = 99 WHERE key = 'schema_version'")
        case "other log":
            with contextlib.closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("UPDATE positions SET checksum = 1")
                connection.execute("DELETE FROM conversations")
    with serving(core, data) as server:
        again = scene.again(server)
        assert again.route("b0").agent_id == "a"  # dispatch does not need them
        if damage == "other log":
            # What was told from before stands until the worker has looked at it.
            wait_for_worker(data)
            deadline = time.monotonic() + 20
            while row(again, "a") != before and time.monotonic() < deadline:
                time.sleep(0.05)
        assert row(again, "a") == before


@pytest.mark.slow
def test_without_the_tables_reports_say_so_and_the_rest_goes_on(core: ModuleType, tmp_path: Path):
    data = tmp_path / "data"
    data.mkdir()
    (data / schema.FILE).mkdir()  # nothing can be written there
    with serving(core, data) as server:
        scene = Scene(server).opens(["a"])
        assert scene.route("b").agent_id == "a"
        with pytest.raises(grpc.RpcError) as caught:
            row(scene, "a")
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert "the reports are still reading the log" in caught.value.details()
        assert scene.route("b2").agent_id == "a"


def test_people_query_while_the_server_runs(server: Server):
    scene = Scene(server).opens(["a"])
    scene.route("b")
    scene.says("b")
    scene.after(MINUTE).replies("b")
    row(scene, "a")
    script = (
        "import sqlite3, sys; print(sqlite3.connect(sys.argv[1])"
        ".execute('SELECT buyer_id, agent_id, opened_at, replied FROM receptions').fetchall())"
    )
    command = [sys.executable, "-c", script, str(server.data / schema.FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout == "[('b', 'a', '2025-11-02 09:00:00', 1)]\n"


def test_a_log_without_its_beginning_is_reported_from_where_it_begins(
    core: ModuleType, tmp_path: Path
):
    """What was read before stays; who begins anew says what is not kept."""
    data = tmp_path / "data"
    with serving(core, data) as server:
        scene = Scene(server).opens(["a"])
        for _ in range(6):
            scene.route("early")
            scene.after(HOUR)
        scene.route("silent")
        whole = row(scene, "a")
        cut_at = scene.now
        ((partition, head),) = SqliteReader(data).heads().items()
        first = head.seq
        scene.route("late")
        scene.says("late")
        scene.after(MINUTE).replies("late")
    reader = SqliteReader(data)

    class Cut:
        """The journal as it is when the records before `first` have been dropped."""

        partitions = reader.partitions
        heads = staticmethod(reader.heads)

        def starts(self, partitions: Any = None) -> dict[int, int]:
            return {partition: first}

        def read(self, partition: int, from_seq: int = 1) -> Any:
            return reader.read(partition, max(from_seq, first))

    cut: Any = Cut()
    tables = Tables(data / schema.FILE, cut, reader.data_id)
    while tables.catch_up():
        pass
    tables.close()
    assert len(content(data / schema.FILE)["conversations"]) == 6 + 2

    tables = Tables(tmp_path / "new.db", cut, reader.data_id)
    while tables.catch_up():
        pass
    tables.close()
    (data / schema.FILE).unlink()
    shutil.copy(tmp_path / "new.db", data / schema.FILE)
    with serving(core, data) as server:
        again = scene.again(server)
        assert row(again, "a", start_ms=cut_at, end_ms=cut_at + HOUR)["received"] == 1
        rule = "before what is kept, which begins at 2025-11-02 15:00:00"
        with pytest.raises(grpc.RpcError) as caught:
            row(again, "a", start_ms=MORNING, end_ms=cut_at + HOUR)
        assert rule in caught.value.details()
    assert whole["consulted"] == 2


@pytest.mark.slow
async def test_servers_and_workers_killed_during_a_day_leave_what_an_undisturbed_reading_does(
    core: ModuleType, tmp_path: Path
):
    data, address = tmp_path / "data", free_address()
    serve = ("serve", "--listen", address, "--data", data, "--clock", "trace", "--core", core.CORE)
    shops = example_shops(4, agents=4, features=True)
    traffic = sale_day(
        shops, seed=3, start_ms=START_MS, end_ms=START_MS + 18 * HOUR_MS, buyers=160, features=True
    )
    server = Serving(*serve)
    rng = random.Random(8)
    kills = 0
    try:
        async with FenliuClient(address, patience_s=60) as client:
            playing = asyncio.create_task(play(client, traffic, operator_pb2.CLOCK_TRACE))
            while not playing.done():
                asked = request(shops[0].shop_id, START_MS, START_MS + 24 * HOUR_MS)
                with contextlib.suppress(Exception):  # has the worker begin at once
                    await asyncio.wait_for(client.get_reception_report(asked, now_ms=START_MS), 1)
                await asyncio.sleep(rng.uniform(0.05, 0.5))
                for worker in workers(data):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(worker, signal.SIGKILL)
                        kills += 1
                if kills % 3 == 0:
                    await asyncio.to_thread(server.kill)
                    server = await asyncio.to_thread(Serving, *serve)
            await playing
            assert kills >= 2
            reports = [
                told(await client.get_reception_report(one, now_ms=START_MS + 18 * HOUR_MS))
                for shop in shops
                for by in ("AGENT", "GROUP", "SHOP")
                for one in [request(shop.shop_id, START_MS, START_MS + 24 * HOUR_MS, by, "HOUR")]
            ]
            assert server.terminate() == 0
            reader = SqliteReader(data)
            tables = Tables(data / schema.FILE, reader, reader.data_id)
            while tables.catch_up():
                pass
            tables.close()
            assert content(data / schema.FILE) == made_anew(data, tmp_path / "anew.db")
            # And a server that begins with nothing tells the same.
            schema.discard(data / schema.FILE)
            server = await asyncio.to_thread(Serving, *serve)
            again: list[Any] = []
            for shop in shops:
                for by in ("AGENT", "GROUP", "SHOP"):
                    one = request(shop.shop_id, START_MS, START_MS + 24 * HOUR_MS, by, "HOUR")
                    response: insight_pb2.GetReceptionReportResponse
                    response = await client.get_reception_report(
                        one, now_ms=START_MS + 18 * HOUR_MS
                    )
                    again.append(told(response))
            assert again == reports
    finally:
        server.kill()
