"""How many calls of a kind are under way at once, so that looking back and configuring never starve Route.

A call that finds no room waits its turn, as long as its deadline and the line allow; the others are refused. May not
know what a call does. For one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import grpc

from fenliu.rpc.context import Context
from fenliu.rpc.errors import Refusal, refusal

Behaviour: TypeAlias = Callable[[bytes, Context], Coroutine[Any, Any, bytes]]

RETRY_MS = 1_000


class Limit:
    """One kind of calls: so many at once, so many that wait."""

    def __init__(self, kind: str, at_once: int, waiting: int) -> None:
        self._kind = kind
        self._free = asyncio.Semaphore(at_once)
        self._most = waiting
        self._waiting = 0

    def of(self, behaviour: Behaviour) -> Behaviour:
        """The behaviour within this limit."""

        async def limited(request: bytes, context: Context) -> bytes:
            await self._take(context)
            try:
                return await behaviour(request, context)
            finally:
                self._free.release()

        return limited

    async def _take(self, context: Context) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        if self._waiting >= self._most:
            raise self._refusal()
        self._waiting += 1
        try:
            # Whose deadline passes is cancelled by grpc; but it may notice late that it has passed.
            await self._free.acquire()
        finally:
            self._waiting -= 1
        left = context.time_remaining()
        if left is not None and left <= 0:
            self._free.release()
            raise refusal(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                "DEADLINE_GONE",
                "the deadline passed before the call's turn came",
            )

    def _refusal(self) -> Refusal:
        return refusal(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "OVERLOADED",
            f"too many calls that {self._kind} are waiting",
            retry_after_ms=RETRY_MS,
        )


INQUIRIES = (
    "/fenliu.v1.DispatchService/",
    "/fenliu.v1.PresenceService/",
    "/fenliu.v1.OperatorService/",
)
"""Beginnings of paths that no limit holds for: what buyers and agents wait for, and what says what is wrong."""
LOOKING_BACK = (
    "/fenliu.v1.InsightService/",
    "/fenliu.v1.ShopService/List",
    "/fenliu.v1.ShopService/LintShop",
)


def limits() -> Callable[[str], Limit | None]:
    """For a server: the limit of a method by its path; None: none."""
    looking_back = Limit("look back", at_once=8, waiting=64)
    configuring = Limit("change shops", at_once=64, waiting=1_024)

    def limit(path: str) -> Limit | None:
        if path.startswith(LOOKING_BACK):
            return looking_back
        return None if path.startswith(INQUIRIES) else configuring

    return limit
