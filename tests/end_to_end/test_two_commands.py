"""What `make run` starts: a sale day in the demo shops, the tables, and a server that goes on."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from types import ModuleType

import pytest
from rich.cells import cell_len

from end_to_end.processes import FENLIU, PROJECT, Serving, environment, free_address
from fenliu.cli.shopfile import read_shops
from fenliu.client import FenliuClient, FenliuError
from fenliu.journal import SqliteReader
from fenliu.v1 import dispatch_pb2, operator_pb2
from model.wire import parse_entry, split_entries

SHOPS = read_shops(sorted((PROJECT / "demo").glob("*.yaml")))


def demo(data: Path, *options: str) -> tuple[str, ...]:
    return ("demo", *options, "--listen", free_address(), "--data", str(data))


@pytest.mark.slow
def test_the_demo_once_prints_who_received_what_and_ends(core: ModuleType, tmp_path: Path):
    done = subprocess.run(
        [*FENLIU, *demo(tmp_path / "data", "--once")],
        env=environment(FENLIU_CORE=core.CORE),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(cell_len, lines)) <= 80
    for shop in SHOPS:
        title = lines.index(next(one for one in lines if f"· {shop.shop_id}" in one))
        header = lines[title + 2].split("  ")
        columns = [name.strip() for name in header if name.strip()]
        assert columns[:5] == ["Agent", "Weight", "Buyers", "Share", "Due"]
        assert {"open", "recent", "weighted"} <= set(columns)
        rows = {line.split()[0]: line.split() for line in lines[title + 4 :] if line.strip()}
        received = [int(rows[agent.display_name][2]) for agent in shop.agents]
        assert min(received) > 0


@pytest.mark.slow
async def test_the_demo_goes_on_serving_by_the_wall_clock_until_it_is_stopped(
    core: ModuleType, tmp_path: Path
):
    options = demo(tmp_path / "data", "--buyers", "40")
    with Serving(*options, env=environment(FENLIU_CORE=core.CORE), cwd=PROJECT) as server:
        before_ms = time.time_ns() // 1_000_000
        async with FenliuClient(server.address) as client:
            info = await client.get_server_info()
            assert (info.core, info.clock) == (core.CORE, operator_pb2.CLOCK_WALL)
            for shop in SHOPS:
                request = dispatch_pb2.RouteRequest(shop_id=shop.shop_id, buyer_id="afterwards")
                assert (await client.route(request)).decision_id
            with pytest.raises(FenliuError) as caught:
                await client.route(request, now_ms=before_ms)
            assert caught.value.field == "fenliu-now-ms"
        after_ms = time.time_ns() // 1_000_000
        assert server.terminate() == 0
    journal = SqliteReader(tmp_path / "data")
    entries = [
        parse_entry(entry)
        for partition in journal.heads()
        for record in journal.read(partition)
        for entry in split_entries(record.entries)
    ]
    times = [entry.now_ms for entry in entries if entry.route.buyer_id == "afterwards"]
    assert len(times) == len(SHOPS)
    # A second's grace: the server carries its clock on from its own start.
    assert all(before_ms - 1000 <= now_ms <= after_ms + 1000 for now_ms in times)
