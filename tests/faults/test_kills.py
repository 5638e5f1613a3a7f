"""SIGKILL at every named place of the commit path and at random under load, on the real server."""

from __future__ import annotations

import asyncio
import signal
from random import Random

import pytest

from end_to_end.processes import free_address
from faults.kills import SNAPSHOT_AFTER, kill_again_and_again
from faults.traffic import Book, Server, Traffic, audit, ready, running_hash
from fenliu import failpoints
from fenliu.engine import load_core
from model.cores import all_cores


@pytest.mark.slow
async def test_killed_at_each_failpoint_nothing_is_lost_or_doubled(tmp_path):
    """One data directory lives through all of them."""
    core = load_core()
    rng, book, address = Random(1), Book(), free_address()
    server = Server(
        tmp_path / "data", address, core.name, "--snapshot-after", SNAPSHOT_AFTER,
        log=tmp_path / "server.log",
    )  # fmt: skip
    async with Traffic(address, book, rng) as traffic:
        server.start()
        await ready(server)
        await traffic.open_shops()
        traffic.begin()
        for name in failpoints.NAMES:
            server.kill()
            times = 1 if name == "probe-written" else rng.randrange(1, 6)
            server.start(FENLIU_FAILPOINT=f"{name}:{times}")
            code = await asyncio.to_thread(server.ended)
            assert code == -signal.SIGKILL, f"{name} is not reached: {code}"
            server.start()
            await ready(server)
        await traffic.finish()
        running = await asyncio.to_thread(running_hash, address)
        server.kill()
    assert len(book) > len(failpoints.NAMES)
    for module in all_cores():
        assert audit(tmp_path / "data", load_core(module.CORE), book).hex() == running


@pytest.mark.faults
async def test_killed_at_random_under_load_nothing_is_lost_or_doubled(tmp_path):
    done, book = await kill_again_and_again(tmp_path, 10, load_core().name, seed=7)
    assert done == 10
    assert len(book) > 100


def test_an_unknown_failpoint_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no failpoint 'nowhere'; there are commit-begins"):
        failpoints._end_at("nowhere:1")
