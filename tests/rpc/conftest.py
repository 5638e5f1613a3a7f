"""A whole server in this process on a real port, with real files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from fenliu.app import App
from fenliu.config import ServerConfig
from support.calls import ONLINE, Caller, Start, demo_shop


@pytest.fixture
def start(core: Any, tmp_path: Path) -> Start:
    """`async with start(lease_ms=...) as call`: a server on this test's data directory."""

    @asynccontextmanager
    async def starting(**settings: Any) -> AsyncIterator[Caller]:
        defaults = {"listen": "127.0.0.1:0", "data": tmp_path / "data", "grace_ms": 500}
        config = ServerConfig(core=core.CORE, **(defaults | settings))
        app = App(config)
        try:
            address = await app.start()
            async with grpc.aio.insecure_channel(address) as channel:
                yield Caller(channel, app, address)
        finally:
            await app.stop()

    return starting


@pytest.fixture
async def call(start: Start) -> AsyncIterator[Caller]:
    """A server with the demo shop, both agents ONLINE."""
    async with start() as caller:
        await caller.apply(demo_shop())
        await caller.set_presence("a", ONLINE)
        await caller.set_presence("b", ONLINE)
        yield caller
