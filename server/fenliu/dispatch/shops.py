"""Shops at which the engine failed: each is read back from the log by itself, while all others are served.

A shop that has failed is answered UNAVAILABLE by the engine, and nothing of it is logged, so what the log says of
it is whole once everything decided before is durable. Knows no rule and nothing of commits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Coroutine, Iterable, Set
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from fenliu.dispatch.errors import EngineFailure, JournalUnavailable
from fenliu.engine import Core, Engine, partition_of
from fenliu.journal import CorruptSnapshot, Journal
from fenliu.recovery import recover_shop

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.05
LAST_PAUSE_S = 5.0
HELD_S = 60.0
"""A shop that fails again within this time is read back after a pause, longer each time, so that a failure that
comes again and again costs little."""


class Host(Protocol):
    """Who decides and commits, as seen from here."""

    @property
    def engine(self) -> Engine: ...

    @property
    def losses(self) -> int: ...

    def run(self, work: Coroutine[Any, Any, None]) -> None: ...

    async def durable(self, partition: int) -> None:
        """Everything decided of the partition so far is durable. Raises JournalUnavailable."""
        ...

    def still(self, partition: int) -> AbstractAsyncContextManager[object]:
        """While no snapshot of the partition is made."""
        ...

    def unusable(self) -> Collection[tuple[int, int]]:
        """(partition, seq) of snapshots known to be damaged."""
        ...

    def engine_failed(self, error: BaseException) -> EngineFailure: ...

    def take_back(self, partitions: Set[int]) -> None: ...


class FailedShops:
    """Those of one engine. For one event loop."""

    def __init__(self, host: Host, journal: Journal, core: Core) -> None:
        self._host = host
        self._journal = journal
        self._core = core
        self._ids: set[str] = set()
        """Not served: being read back."""
        self._history: dict[str, tuple[int, float]] = {}
        """How often a shop has failed in a row, and when it was served again last."""

    def failed(self, failures: Iterable[tuple[str, str]]) -> None:
        """What the engine says of its failures: (shop id, "" for none; what happened)."""
        for shop_id, what in failures:
            where = f"at shop {shop_id!r}" if shop_id else "before it came to a shop"
            log.critical("the engine failed %s: %s", where, what)
            if shop_id and shop_id not in self._ids:
                self._ids.add(shop_id)
                self._host.run(self._read_back(shop_id))

    def replaced(self, partitions: Set[int]) -> None:
        """These partitions were read back as a whole, and their shops with them."""
        self._ids = {one for one in self._ids if self._partition_of(one) not in partitions}

    def _partition_of(self, shop_id: str) -> int:
        return partition_of(shop_id, self._journal.partitions)

    async def _read_back(self, shop_id: str) -> None:
        partition = self._partition_of(shop_id)
        now = asyncio.get_running_loop().time
        tries, served = self._history.get(shop_id, (0, 0.0))
        if now() - served > HELD_S:
            tries = 0
        while True:
            if tries:
                await asyncio.sleep(min(LAST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(tries - 1, 10)))
            tries += 1
            if shop_id not in self._ids:
                return  # it came with its partition
            if await self._was_read_back(shop_id, partition):
                break
        self._ids.discard(shop_id)
        self._history[shop_id] = tries, now()
        log.warning("shop %r is read back: serving it again", shop_id)

    async def _was_read_back(self, shop_id: str, partition: int) -> bool:
        try:
            await self._host.durable(partition)
            async with self._host.still(partition):
                losses = self._host.losses
                engine = await asyncio.to_thread(
                    recover_shop,
                    self._journal,
                    self._core,
                    shop_id,
                    unusable=tuple(self._host.unusable()),
                )
                if self._host.losses != losses or shop_id not in self._ids:
                    return False
                self._put(engine, shop_id)
        except JournalUnavailable:  # what was lost is taken back as a whole
            return False
        except CorruptSnapshot as error:
            log.error("shop %r cannot be read back by itself: %s", shop_id, error)
            self._host.take_back({partition})
            return False
        except EngineFailure:  # told where it arose
            return False
        except (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # an engine's panic is no Exception
            log.error("shop %r cannot be read back yet", shop_id, exc_info=error)
            return False
        return True

    def _put(self, engine: Engine, shop_id: str) -> None:
        try:
            self._host.engine.take_shop(engine, shop_id)
        except BaseException as error:
            raise self._host.engine_failed(error) from error
