"""Workers of one server in this process, each on a port of its own so that a test can choose whom it asks."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from fenliu.app import App
from fenliu.config import ServerConfig
from fenliu.journal import Committer, SqliteJournal
from fenliu.workers.seat import Seat
from support.calls import Caller


class Together:
    """The workers of one data directory; `caller[n]` asks worker n."""

    def __init__(self, data: Path, sockets: str, workers: int, settings: dict[str, Any]) -> None:
        self._config = ServerConfig(
            **({"listen": "127.0.0.1:0", "data": data, "grace_ms": 500} | settings)
        )
        self._seats = [Seat(index, workers, sockets) for index in range(workers)]
        self._apps: dict[int, App] = {}
        self.callers: dict[int, Caller] = {}

    async def start(self, *indexes: int) -> None:
        """Starts these workers, or all, at the same time as a supervisor does."""
        await asyncio.gather(*map(self._start, indexes or range(len(self._seats))))

    async def _start(self, index: int) -> None:
        app = self._apps[index] = App(self._config, self._seats[index])
        address = await app.start()
        channel = grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
        self.callers[index] = Caller(channel, app, address)

    async def stop(self, *indexes: int) -> None:
        """Stops these workers, or all: first none takes calls any more, then they end."""
        stopping = [(index, self._apps.pop(index)) for index in indexes or tuple(self._apps)]
        await asyncio.gather(*(app.drain() for _, app in stopping))
        await asyncio.gather(*(app.stop() for _, app in stopping))
        for index, _ in stopping:
            await self.callers.pop(index).channel.close()

    def __getitem__(self, index: int) -> Caller:
        return self.callers[index]


@pytest.fixture
def together(core: Any, tmp_path: Path) -> Any:
    """`async with together(workers=2, ...) as workers`: on this test's data directory."""

    @asynccontextmanager
    async def starting(workers: int = 2, **settings: Any) -> AsyncIterator[Together]:
        async with AsyncExitStack() as stack:
            journal = SqliteJournal.open(tmp_path / "data")
            stack.callback(journal.close)
            sockets = stack.enter_context(tempfile.TemporaryDirectory(prefix="fenliu-"))
            stack.callback(Committer(journal, Path(sockets) / "journal").close)
            them = Together(tmp_path / "data", sockets, workers, {"core": core.CORE} | settings)
            stack.push_async_callback(them.stop)
            await them.start()
            yield them

    return starting


@pytest.fixture
def alone(core: Any, tmp_path: Path) -> Any:
    """`async with alone(...) as caller`: a server without others, on another directory."""

    @asynccontextmanager
    async def starting(**settings: Any) -> AsyncIterator[Caller]:
        config = ServerConfig(
            core=core.CORE,
            **({"listen": "127.0.0.1:0", "data": tmp_path / "alone", "grace_ms": 500} | settings),
        )
        app = App(config)
        try:
            address = await app.start()
            async with grpc.aio.insecure_channel(address) as channel:
                yield Caller(channel, app, address)
        finally:
            await app.stop()

    return starting
