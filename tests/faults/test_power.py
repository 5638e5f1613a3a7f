"""The power is cut: of the file system only what reached the device is left, and nothing acknowledged is missing.

The data directory is on a file system in a file. The server is stopped dead, the file copied (what lies in the
inner file system's page cache is not in it), and the copy mounted as a machine would after a restart.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from contextlib import ExitStack
from random import Random

import pytest

from end_to_end.processes import free_address
from faults.disks import loop, make_image
from faults.kills import SNAPSHOT_AFTER
from faults.traffic import Book, Server, Traffic, audit, ready
from fenliu.engine import load_core

pytestmark = pytest.mark.faults

CUTS = 3


async def test_after_the_power_was_cut_everything_acknowledged_is_there(tmp_path):
    core, rng, book, address = load_core(), Random(5), Book(), free_address()
    log = tmp_path / "log"
    images = [tmp_path / f"disk-{n}" for n in range(CUTS + 1)]
    make_image(images[0], 64)
    async with Traffic(address, book, rng) as traffic:
        for n in range(CUTS):
            with ExitStack() as stack:
                disk = stack.enter_context(loop(images[n], tmp_path / f"at-{n}"))
                server = Server(
                    disk / "data", address, core.name, "--snapshot-after", SNAPSHOT_AFTER, log=log
                )
                server.start()
                stack.callback(server.kill)
                assert await ready(server)
                if n == 0:
                    await traffic.open_shops()
                    traffic.begin()
                before = len(book)
                await asyncio.sleep(1 + rng.random())
                assert len(book) > before
                server.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(0.1)
                acknowledged = Book(dict(book.replies), set(book.events))
                await asyncio.to_thread(shutil.copyfile, images[n], images[n + 1])
            images[n].unlink()
            with loop(images[n + 1], tmp_path / "look") as disk:
                await asyncio.to_thread(audit, disk / "data", core, acknowledged)
