"""Before a worker's dispatcher: what is for its own partitions it decides, the rest the owners do.

Calls cross as they came. A batch is taken apart by owner and its results put together again in its order; the
elements of an owner that gives no answer fail alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from fenliu.dispatch import (
    Answer,
    BatchAnswer,
    BatchToCome,
    Clock,
    DeadlineGone,
    Dispatcher,
    DispatchError,
)
from fenliu.engine import CommandKind, QueryKind, partition_of
from fenliu.rpc.errors import of_exception
from fenliu.v1 import shop_pb2
from fenliu.workers.naming import RESULTS, elements_of, joined, shop_of, shops_of
from fenliu.workers.peer import Peer
from fenliu.workers.seat import Seat, owner_of
from fenliu.workers.v1 import forwarding_pb2

OWNERS_REMEMBERED = 65_536
"""Shops whose owner is not worked out again."""
DEFAULT_PAGE_SIZE = 100

T = TypeVar("T")


class Forwarding:
    """A worker's `Dispatching`. For one event loop."""

    def __init__(
        self, local: Dispatcher, seat: Seat, partitions: int, peers: Mapping[int, Peer]
    ) -> None:
        """`peers`: the other workers."""
        self._local = local
        self._index = seat.index
        self._workers = seat.workers
        self._peers = peers
        # What names no shop stays here.
        self._owner_of: Callable[[str], int] = lru_cache(OWNERS_REMEMBERED)(
            lambda shop_id: (
                owner_of(partition_of(shop_id, partitions), seat.workers) if shop_id else seat.index
            )
        )

    @property
    def clock(self) -> Clock:
        """As `Dispatching.clock`; every worker's is of this kind."""
        return self._local.clock

    async def command(
        self,
        kind: CommandKind,
        request: bytes,
        *,
        actor: str = "",
        now_ms: int | None = None,
        deadline: float | None = None,
    ) -> Answer:
        """As `Dispatching.command`."""
        _check(deadline)
        peer = self._peer(shop_of(request, kind))
        if peer is None:
            return await self._local.command(
                kind, request, actor=actor, now_ms=now_ms, deadline=deadline
            )
        (answer,) = await peer.ask(
            forwarding_pb2.SHAPE_COMMAND, kind, [request], actor=actor, now_ms=now_ms
        )
        return answer

    async def commands(
        self, kind: CommandKind, requests: Sequence[bytes], *, now_ms: int | None = None
    ) -> list[Answer]:
        """As `Dispatching.commands`."""
        shares = self._shares([shop_of(request, kind) for request in requests])

        async def part(owner: int, places: Sequence[int]) -> list[Answer]:
            own = [requests[place] for place in places]
            if owner == self._index:
                return await self._local.commands(kind, own, now_ms=now_ms)
            return await self._peers[owner].ask(
                forwarding_pb2.SHAPE_COMMANDS, kind, own, now_ms=now_ms
            )

        parts = await _all([part(*share) for share in shares.items()])
        return _in_order(shares.values(), parts)

    async def batch(
        self,
        kind: CommandKind,
        batch: bytes,
        *,
        now_ms: int | None = None,
        deadline: float | None = None,
    ) -> BatchAnswer:
        """As `Dispatching.batch`."""
        _check(deadline)
        return await (await self._begin(kind, batch, now_ms, decided=False)).answer()

    async def begin_batch(
        self, kind: CommandKind, batch: bytes, *, now_ms: int | None = None
    ) -> BatchToCome:
        """As `Dispatching.begin_batch`."""
        return await self._begin(kind, batch, now_ms, decided=True)

    async def _begin(
        self, kind: CommandKind, batch: bytes, now_ms: int | None, *, decided: bool
    ) -> BatchToCome:
        """`decided`: only returns when it is, also by others."""
        shops, batch_id = shops_of(batch)
        shares = self._shares(shops)
        if shares.keys() <= {self._index}:
            return await self._local.begin_batch(kind, batch, now_ms=now_ms)
        if len(shares) == 1:
            parts = dict.fromkeys(shares, batch)
        else:
            elements = elements_of(batch)
            parts = {
                owner: joined([elements[place] for place in places])
                for owner, places in shares.items()
            }
        begun = await asyncio.gather(
            *(
                self._begin_part(owner, kind, part, now_ms, decided)
                for owner, part in parts.items()
            ),
            return_exceptions=True,
        )
        return _Parts(kind, list(shares.values()), begun, len(shops), batch_id)

    async def query(self, kind: QueryKind, request: bytes, *, now_ms: int | None = None) -> Answer:
        """As `Dispatching.query`."""
        if kind == QueryKind.LIST_SHOPS:
            return await self._list_shops(request, now_ms)
        return await self._query_of(self._owner_of(shop_of(request)), kind, request, now_ms)

    async def state_hash(self) -> tuple[bytes, int]:
        """As `Dispatching.state_hash`: the journal has it all."""
        return await self._local.state_hash()

    # Owners

    def _peer(self, shop_id: str) -> Peer | None:
        owner = self._owner_of(shop_id)
        return None if owner == self._index else self._peers[owner]

    def _shares(self, shops: Sequence[str]) -> dict[int, list[int]]:
        """Which of these are whose."""
        owners = list(map(self._owner_of, shops))
        return {
            owner: [place for place, one in enumerate(owners) if one == owner]
            for owner in dict.fromkeys(owners)
        }

    async def _begin_part(
        self, owner: int, kind: CommandKind, part: bytes, now_ms: int | None, decided: bool
    ) -> BatchToCome:
        if owner == self._index:
            return await self._local.begin_batch(kind, part, now_ms=now_ms)
        peer = self._peers[owner]
        return _Elsewhere(await peer.begin_batch(kind, part, now_ms, decided=decided))

    # Queries

    async def _query_of(
        self, owner: int, kind: QueryKind, request: bytes, now_ms: int | None
    ) -> Answer:
        if owner == self._index:
            return await self._local.query(kind, request, now_ms=now_ms)
        (answer,) = await self._peers[owner].ask(
            forwarding_pb2.SHAPE_QUERY, kind, [request], now_ms=now_ms
        )
        return answer

    async def _list_shops(self, request: bytes, now_ms: int | None) -> Answer:
        """A page out of each worker's page from the same place on."""
        answers = await _all(
            [
                self._query_of(owner, QueryKind.LIST_SHOPS, request, now_ms)
                for owner in range(self._workers)
            ]
        )
        for answer in answers:
            if answer.code:
                return answer
        pages = [shop_pb2.ListShopsResponse.FromString(answer.body) for answer in answers]
        size = shop_pb2.ListShopsRequest.FromString(request).page_size or DEFAULT_PAGE_SIZE
        shops = sorted((shop for page in pages for shop in page.shops), key=lambda one: one.shop_id)
        more = len(shops) > size or any(page.next_page_token for page in pages)
        shops = shops[:size]
        response = shop_pb2.ListShopsResponse(
            shops=shops, next_page_token=shops[-1].shop_id if more else ""
        )
        return Answer(0, response.SerializeToString())


def _check(deadline: float | None) -> None:
    if deadline is not None and asyncio.get_running_loop().time() >= deadline:
        raise DeadlineGone


class _Elsewhere:
    """A batch that another worker has decided."""

    def __init__(self, answer: asyncio.Future[list[Answer]]) -> None:
        self._answer = answer

    async def answer(self) -> BatchAnswer:
        (answer,) = await self._answer
        return BatchAnswer(answer.code, answer.body, 0, 0)


class _Parts:
    """A batch whose parts are decided, each by its owner."""

    def __init__(
        self,
        kind: CommandKind,
        places: Sequence[Sequence[int]],
        begun: Sequence[BatchToCome | BaseException],
        total: int,
        batch_id: int,
    ) -> None:
        """`places`: of each part's elements in the batch."""
        self._kind = kind
        self._places = places
        self._begun = begun
        self._total = total
        self._batch_id = batch_id

    async def answer(self) -> BatchAnswer:
        """The answer, all parts durable. Raises when none of them is answered."""
        answers = await asyncio.gather(
            *(_answer_of(one) for one in self._begun), return_exceptions=True
        )
        failed = [one for one in answers if isinstance(one, BaseException)]
        for error in failed:
            if len(failed) == len(answers) or not isinstance(error, DispatchError):
                raise error
        answered = [one for one in answers if isinstance(one, BatchAnswer)]
        for whole in answered:
            if whole.code or len(answers) == 1:  # refused as a whole, or all of one owner's
                return BatchAnswer(whole.code, whole.results, self._total, self._batch_id)
        parts = [
            self._failed(answer, len(places))
            if isinstance(answer, BaseException)
            else elements_of(answer.results)
            for answer, places in zip(answers, self._places, strict=True)
        ]
        results = joined(_in_order(self._places, parts))
        return BatchAnswer(0, results, self._total, self._batch_id)

    def _failed(self, error: BaseException, count: int) -> list[bytes]:
        """The results of elements whose owner gave none."""
        result: Any = RESULTS[self._kind](status=of_exception(error).status)
        return [result.SerializeToString()] * count


async def _answer_of(begun: BatchToCome | BaseException) -> BatchAnswer:
    if isinstance(begun, BaseException):
        raise begun
    return await begun.answer()


async def _all(parts: Sequence[Awaitable[T]]) -> list[T]:
    """What all of them give, each brought to its end; raises what the first of them raised."""
    results = await asyncio.gather(*parts, return_exceptions=True)
    done: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


def _in_order(places: Iterable[Sequence[int]], parts: Sequence[Sequence[T]]) -> list[T]:
    """The parts' elements, each at its place."""
    found: dict[int, T] = {}
    for own, part in zip(places, parts, strict=True):
        found.update(zip(own, part, strict=True))
    return list(map(found.__getitem__, range(len(found))))
