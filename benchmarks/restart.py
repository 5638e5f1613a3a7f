"""How soon a server answers after a start on much stored state, and how much memory it takes.

    .venv/bin/python -m benchmarks.restart [--shops 100000] [--contacts 10000000] [--memory-limit 512MiB]

Builds two data directories through the engine and the journal as a server would fill them: the contacts
spread over all shops, and all in one of them. Then starts `fenliu serve` on each and asks for buyers who
have been there. The file cache is dropped before where the system lets us.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
from rich.console import Console
from rich.table import Table

from fenliu.dispatch import Dispatcher, Keeping, TraceClock
from fenliu.engine import CommandKind, load_core
from fenliu.engine.v1 import engine_pb2
from fenliu.journal.sqlite import SqliteJournal
from fenliu.recovery import SnapshotWriter
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2

START_MS = 1_760_000_000_000
BATCH = 4096
AGENTS = 10
AT_WORK = 2
ROUTE = "/fenliu.v1.DispatchService/Route"
BATCH_ROUTE = "/fenliu.v1.DispatchService/RouteBatch"
ASKED = 2_000
MORE = 100_000
# The second on a directory that was kept from a run before.
KNOWN = (types_pb2.REASON_RECENT_CONTACT, types_pb2.REASON_OPEN_CONVERSATION)


def shop_id(number: int) -> str:
    return f"shop-{number:06}"


def buyer_id(number: int) -> str:
    return f"buyer-{number:010}"


def shop_of(contact: int, shops: int) -> int:
    """0 where all are in one shop."""
    return contact % shops


def document(number: int) -> bytes:
    agents = [
        shop_pb2.Agent(agent_id=f"agent-{one:02}", weight=1 + one % 5) for one in range(AGENTS)
    ]
    shop = shop_pb2.Shop(
        shop_id=shop_id(number),
        settings=shop_pb2.ShopSettings(idle_close_ms=60_000),
        agents=agents,
        groups=[shop_pb2.Group(group_id="all", agent_ids=[one.agent_id for one in agents])],
    )
    return shop_pb2.ApplyShopRequest(shop=shop).SerializeToString()


def online(number: int, agent: int) -> bytes:
    return presence_pb2.SetPresenceRequest(
        shop_id=shop_id(number),
        agent_id=f"agent-{agent:02}",
        status=types_pb2.PRESENCE_STATUS_ONLINE,
    ).SerializeToString()


def inquiries(contacts: int, spread_over: int) -> Iterator[bytes]:
    for first in range(0, contacts, BATCH):
        yield dispatch_pb2.RouteBatchRequest(
            requests=[
                dispatch_pb2.RouteRequest(
                    shop_id=shop_id(shop_of(one, spread_over)), buyer_id=buyer_id(one)
                )
                for one in range(first, min(first + BATCH, contacts))
            ]
        ).SerializeToString()


async def fill(data: Path, shops: int, contacts: int, spread_over: int) -> None:
    """Shops, their agents ONLINE, a contact for each buyer, all conversations ended."""
    core = load_core()
    journal = SqliteJournal.open(data, durability="relaxed")
    keeping = Keeping(
        snapshot_after=256 * 2**20
    )  # several a run, so that there is something to merge
    dispatcher = Dispatcher(core, journal, TraceClock(), keeping=keeping)
    await dispatcher.start()
    now = START_MS
    for number in range(shops):
        await dispatcher.command(CommandKind.APPLY_SHOP, document(number), now_ms=now)
        await dispatcher.commands(
            CommandKind.SET_PRESENCE,
            [online(number, agent) for agent in range(AT_WORK)],
            now_ms=now,
        )
    step = 3_600_000 * BATCH // contacts + 1  # all within an hour
    for batch in inquiries(contacts, spread_over):
        await dispatcher.batch(CommandKind.ROUTE, batch, now_ms=now)
        now += step
    now += 120_000
    for number in range(shops):
        tick = engine_pb2.Tick(shop_id=shop_id(number)).SerializeToString()
        await dispatcher.command(CommandKind.TICK, tick, now_ms=now)
    await dispatcher.close()
    writer = SnapshotWriter(journal, core)
    for partition, head in journal.heads().items():
        writer.write(partition, head.seq)
    journal.close()


def resident(pid: int) -> int:
    """Bytes of resident memory, the most there were so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


def measure(
    data: Path, contacts: int, spread_over: int, memory_limit: str
) -> tuple[float, float, float, int, int]:
    """Seconds from the start of the process to the first answer, median and worst of later first
    questions in ms, resident bytes at most: after these, and after many more in batches."""
    subprocess.run(["sync"], check=False)
    with suppress(OSError):
        Path("/proc/sys/vm/drop_caches").write_text("3")
    chance = random.Random(1)
    began = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "fenliu", "serve", "--listen", "127.0.0.1:0", "--data", str(data),
         "--clock", "trace", "--memory-limit", memory_limit],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        waits = []
        with grpc.insecure_channel(address) as channel:
            route = channel.unary_unary(ROUTE)
            for asked, contact in enumerate(chance.sample(range(contacts), ASKED)):
                request = dispatch_pb2.RouteRequest(
                    shop_id=shop_id(shop_of(contact, spread_over)), buyer_id=buyer_id(contact)
                )
                sent = time.perf_counter()
                answer = dispatch_pb2.RouteResponse.FromString(
                    route(
                        request.SerializeToString(),
                        metadata=(("fenliu-now-ms", str(START_MS + 3_600_000 * 2)),),
                        timeout=60,
                    )
                )
                assert answer.reason in KNOWN, answer
                if asked == 0:
                    first = time.perf_counter() - began
                else:
                    waits.append((time.perf_counter() - sent) * 1000)
            little = resident(server.pid)
            route_batch = channel.unary_unary(BATCH_ROUTE)
            for _ in range(0, MORE, 512):
                batch = dispatch_pb2.RouteBatchRequest(
                    requests=[
                        dispatch_pb2.RouteRequest(
                            shop_id=shop_id(shop_of(contact, spread_over)),
                            buyer_id=buyer_id(contact),
                        )
                        for contact in chance.sample(range(contacts), 512)
                    ]
                )
                route_batch(
                    batch.SerializeToString(),
                    metadata=(("fenliu-now-ms", str(START_MS + 3_600_000 * 2)),),
                    timeout=120,
                )
        median = sorted(waits)[len(waits) // 2]
        return first, median, max(waits), little, resident(server.pid)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shops", type=int, default=100_000)
    parser.add_argument("--contacts", type=int, default=10_000_000)
    parser.add_argument("--memory-limit", default="512MiB")
    parser.add_argument(
        "--keep", type=Path, help="where the data directories are, or are made to stay"
    )
    arguments = parser.parse_args()
    table = Table(
        title=f"{arguments.shops:,} shops, {arguments.contacts:,} contacts, {load_core().name} core"
    )
    for heading in (
        "contacts",
        "built in s",
        "on disk MiB",
        "first answer s",
        "median ms",
        "worst ms",
        f"MiB after {ASKED:,}",
        f"after {MORE:,}",
    ):
        table.add_column(heading, justify="right")
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.keep or Path(temporary)
        for name, spread_over in (("spread", arguments.shops), ("in one shop", 1)):
            data = root / name.replace(" ", "-")
            began = time.perf_counter()
            if not data.exists():
                asyncio.run(fill(data, arguments.shops, arguments.contacts, spread_over))
            built = time.perf_counter() - began
            size = sum(path.stat().st_size for path in data.iterdir())
            first, median, worst, little, most = measure(
                data, arguments.contacts, spread_over, arguments.memory_limit
            )
            table.add_row(
                name, f"{built:.0f}", f"{size / 2**20:,.0f}", f"{first:.2f}", f"{median:.2f}",
                f"{worst:.1f}", f"{little / 2**20:,.0f}", f"{most / 2**20:,.0f}",
            )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
