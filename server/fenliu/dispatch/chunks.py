"""Fetches the chunks an engine names, off the event loop, each once however many wait for it.

Knows their ids only. For one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fenliu.journal import Reader
from fenliu.recovery import chunk_ids

READERS_AT_ONCE = 2
PUT_AT_ONCE = 2 * 2**20
"""Bytes that are put before the loop gets its turn."""


class Chunks:
    """A journal's chunks; `put` is called on the loop with each that was fetched."""

    def __init__(self, reader: Reader, put: Callable[[bytes, bytes], None]) -> None:
        self._reader = reader
        self._put = put
        self._under_way: dict[bytes, asyncio.Task[None]] = {}
        self._threads = ThreadPoolExecutor(READERS_AT_ONCE, thread_name_prefix="fenliu-chunks")

    async def fetch(self, ids: bytes) -> None:
        """Returns when all chunks of these ids have been put. Raises CorruptSnapshot, StorageError."""
        wanted = chunk_ids(ids)
        new = [one for one in wanted if one not in self._under_way]
        if new:
            task = asyncio.get_running_loop().create_task(self._fetch(new))
            self._under_way.update(dict.fromkeys(new, task))
        # Whoever stops waiting leaves it to the others.
        await asyncio.gather(
            *(asyncio.shield(task) for task in {self._under_way[one] for one in wanted})
        )

    def close(self) -> None:
        """Waits for the reads under way; not for the event loop."""
        self._threads.shutdown(cancel_futures=True)

    async def _fetch(self, ids: list[bytes]) -> None:
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._reader.chunks, None, ids
            )
            put = 0
            for chunk_id, content in found.items():
                self._put(chunk_id, content)
                put += len(content)
                if put >= PUT_AT_ONCE:
                    put = 0
                    await asyncio.sleep(0)
        finally:
            for one in ids:
                del self._under_way[one]
