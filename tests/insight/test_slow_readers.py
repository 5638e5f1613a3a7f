"""Watchers who do not read: what they cost the server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType

import grpc
import pytest

from fenliu.client import FenliuClient
from fenliu.v1 import dispatch_pb2, shop_pb2
from support.watching import take

WATCH = "/fenliu.v1.DispatchService/WatchAssignments"
# Each with a connection and small windows of its own, so that it is the server that would have to
# keep what is not read.
SMALL_WINDOWS = (("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1))
WATCHERS = 20
INQUIRIES = 8_000
LONG = "买" * 40
BYTES_OF_AN_EVENT = 300
"""At least; LONG alone has 120, the token 90."""


def resident_bytes(process: subprocess.Popen[str]) -> int:
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def serve(core: ModuleType, data: Path) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "fenliu", "serve", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, "--core", core.CORE, "--data", str(data)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().split()[-1]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
async def test_memory_does_not_grow_with_what_slow_readers_leave_unread(
    core: ModuleType, tmp_path: Path
):
    process, target = serve(core, tmp_path / "data")
    try:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(FenliuClient(target))
            await client.apply_shop(shop_pb2.Shop(shop_id="s"))
            first = await anext(client.watch_assignments("s"))
            for start in range(0, INQUIRIES, 1000):
                await client.route_batch(
                    dispatch_pb2.RouteRequest(shop_id="s", buyer_id=f"{LONG}{start + number}")
                    for number in range(1000)
                )
            # Somebody who reads it all, so that what one watcher takes is there already.
            await take(client.watch_assignments("s", resume_token=first.resume_token), INQUIRIES)
            before = resident_bytes(process)

            request = dispatch_pb2.WatchAssignmentsRequest(
                shop_id="s", resume_token=first.resume_token
            ).SerializeToString()
            for _ in range(WATCHERS):
                channel = await stack.enter_async_context(
                    grpc.aio.insecure_channel(target, options=SMALL_WINDOWS)
                )
                assert await channel.unary_stream(WATCH)(request).read()
            # Dispatch goes on, and so does who reads.
            live = client.watch_assignments("s")
            await anext(live)
            for number in range(200):
                await client.route(dispatch_pb2.RouteRequest(shop_id="s", buyer_id=f"new-{number}"))
            events = await take(live, 200)
            assert [event.buyer_id for event in events] == [f"new-{n}" for n in range(200)]
            await asyncio.sleep(0.5)
            grown = resident_bytes(process) - before
            unread = WATCHERS * INQUIRIES * BYTES_OF_AN_EVENT
            assert grown < unread // 2, f"{grown:,} bytes more with {unread:,} unread"
    finally:
        process.terminate()
        process.communicate(timeout=20)
