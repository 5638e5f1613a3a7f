"""What calls are made to: a dispatcher, or what stands before several of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fenliu.dispatch.clock import Clock
from fenliu.engine import CommandKind, QueryKind

FAILED, SHOP_UNAVAILABLE = 13, 14
"""Codes of an answer by which nothing was decided though nothing was wrong with what was asked: the engine failed,
now or before at this shop, which is being read back."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code and the response, or with a code other than 0 the google.rpc.Status, encoded."""

    code: int
    body: bytes


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """As Answer for a whole batch: the encoded `results` field of its response, or the Status."""

    code: int
    results: bytes
    total: int
    batch_id: int


class BatchToCome(Protocol):
    """A batch that is decided."""

    async def answer(self) -> BatchAnswer:
        """The answer, once durable. Call at most once. Raises as `Dispatching.command`."""
        ...


class Dispatching(Protocol):
    """Decides commands and answers queries; all methods are for one event loop."""

    @property
    def clock(self) -> Clock:
        """Whose time commands get."""
        ...

    async def command(
        self,
        kind: CommandKind,
        request: bytes,
        *,
        actor: str = "",
        now_ms: int | None = None,
        deadline: float | None = None,
    ) -> Answer:
        """Decides one command; answers when that is durable. `now_ms`: the caller's time.

        `deadline`: on the loop's clock; when it has passed before the command's turn comes nothing is done.
        Raises Overloaded, DeadlineGone, JournalUnavailable, OwnerUnreachable, EngineFailure, ClockRefused.
        """
        ...

    async def commands(
        self, kind: CommandKind, requests: Sequence[bytes], *, now_ms: int | None = None
    ) -> list[Answer]:
        """Decides commands, those of a shop in order; answers when all are durable. Raises as `command`."""
        ...

    async def batch(
        self,
        kind: CommandKind,
        batch: bytes,
        *,
        now_ms: int | None = None,
        deadline: float | None = None,
    ) -> BatchAnswer:
        """Decides a batch; answers when it is durable. Raises as `command`."""
        ...

    async def begin_batch(
        self, kind: CommandKind, batch: bytes, *, now_ms: int | None = None
    ) -> BatchToCome:
        """Decides a batch without waiting until it is durable. Raises as `command`."""
        ...

    async def query(self, kind: QueryKind, request: bytes, *, now_ms: int | None = None) -> Answer:
        """Answers from durable state. Raises as `command`."""
        ...

    async def state_hash(self) -> tuple[bytes, int]:
        """32 bytes over the whole state as it is durable now, and the number of shops. Raises as `command`."""
        ...
