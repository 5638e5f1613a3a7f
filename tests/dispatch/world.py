"""What the dispatch tests work with: requests, and the real journal with a hand on its writes."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from fenliu.dispatch import Dispatcher, TraceClock
from fenliu.engine import CommandKind, QueryKind
from fenliu.engine.v1 import engine_pb2
from fenliu.journal import Append, Conflict, SqliteJournal, StorageError
from fenliu.recovery import state_hash
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2

NOW = 1_700_000_000_000
PARTITIONS = 8
# Two shops of different partitions (see test_the_two_shops_lie_apart).
SHOP, OTHER_SHOP = "shop-1", "shop-2"


def apply_shop(shop_id: str = SHOP, **settings) -> bytes:
    shop = shop_pb2.Shop(
        shop_id=shop_id,
        settings=shop_pb2.ShopSettings(**settings),
        agents=[shop_pb2.Agent(agent_id="a", weight=5), shop_pb2.Agent(agent_id="b", weight=3)],
        groups=[shop_pb2.Group(group_id="g", agent_ids=["a", "b"])],
    )
    return shop_pb2.ApplyShopRequest(shop=shop).SerializeToString()


def set_presence(agent_id: str, shop_id: str = SHOP) -> bytes:
    return presence_pb2.SetPresenceRequest(
        shop_id=shop_id, agent_id=agent_id, status=types_pb2.PRESENCE_STATUS_ONLINE
    ).SerializeToString()


def route(buyer: str, shop_id: str = SHOP, **fields) -> bytes:
    return dispatch_pb2.RouteRequest(shop_id=shop_id, buyer_id=buyer, **fields).SerializeToString()


def routes(buyers: Sequence[str], shop_id: str = SHOP) -> bytes:
    request = dispatch_pb2.RouteStreamRequest(batch_id=7)
    for buyer in buyers:
        request.requests.add(shop_id=shop_id, buyer_id=buyer)
    return request.SerializeToString()


def routed(body: bytes) -> dispatch_pb2.RouteResponse:
    return dispatch_pb2.RouteResponse.FromString(body)


def results(results: bytes) -> list[dispatch_pb2.RouteResult]:
    return list(dispatch_pb2.RouteBatchResponse.FromString(results).results)


def get_shop(shop_id: str = SHOP) -> bytes:
    return shop_pb2.GetShopRequest(shop_id=shop_id).SerializeToString()


def update_presence(session: str, agent_id: str, shop_id: str = SHOP) -> bytes:
    update = presence_pb2.PresenceUpdate(
        update_id="u",
        shop_id=shop_id,
        agent_id=agent_id,
        status=types_pb2.PRESENCE_STATUS_ONLINE,
    )
    return engine_pb2.UpdatePresence(session_id=session, update=update).SerializeToString()


async def open_conversations(dispatcher: Dispatcher, now_ms: int | None = None) -> int:
    request = presence_pb2.ListPresenceRequest(shop_id=SHOP).SerializeToString()
    answer = await dispatcher.query(QueryKind.LIST_PRESENCE, request, now_ms=now_ms)
    agents = presence_pb2.ListPresenceResponse.FromString(answer.body).agents
    return sum(agent.open_conversations for agent in agents)


async def staffed(dispatcher: Dispatcher, *shop_ids: str, now_ms: int | None = NOW, **settings):
    """Shops with the agents a and b ONLINE."""
    for shop_id in shop_ids or (SHOP,):
        for kind, request in (
            (CommandKind.APPLY_SHOP, apply_shop(shop_id, **settings)),
            (CommandKind.SET_PRESENCE, set_presence("a", shop_id)),
            (CommandKind.SET_PRESENCE, set_presence("b", shop_id)),
        ):
            assert (await dispatcher.command(kind, request, now_ms=now_ms)).code == 0


class HandledJournal:
    """The SQLite journal; its appends can be held back or fail, before or after they went in."""

    def __init__(self, directory: Path) -> None:
        self.stored = SqliteJournal.open(directory, partitions=PARTITIONS)
        self.partitions = PARTITIONS
        self.groups: list[list[Append]] = []
        self.fail_before = self.fail_after = self.fail_reads = self.fail_probes = False
        self.failed_probes = 0
        self._gate = threading.Event()
        self._gate.set()
        self._hand = ThreadPoolExecutor(1)

    def hold(self) -> None:
        self._gate.clear()

    def release(self) -> None:
        self._gate.set()

    def append(self, group: Sequence[Append]) -> Future[list[int | Conflict]]:
        self.groups.append(list(group))
        return self._hand.submit(self._append, group)

    def _append(self, group: Sequence[Append]) -> list[int | Conflict]:
        self._gate.wait()
        if self.fail_before:
            raise StorageError("database or disk is full")
        result = self.stored.append(group).result()
        if self.fail_after:
            raise StorageError("disk I/O error")
        return result

    def probe(self) -> Future[None]:
        return self._hand.submit(self._probe)

    def _probe(self) -> None:
        if self.fail_probes:
            self.failed_probes += 1
            raise StorageError("database or disk is full")
        self.stored.probe().result()

    def heads(self, partitions=None):
        if self.fail_reads:
            raise StorageError("disk I/O error")
        return self.stored.heads(partitions)

    def read(self, partition, from_seq=1):
        return self.stored.read(partition, from_seq)

    def __getattr__(self, name: str):
        return getattr(self.stored, name)

    def close(self) -> None:
        self.release()
        self._hand.shutdown()
        self.stored.close()


def logged_hash(journal, core) -> bytes:
    """The state that the log gives."""
    return state_hash(journal, core)[0]


def trace_dispatcher(core, journal, **options) -> Dispatcher:
    return Dispatcher(core, journal, TraceClock(), **options)


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - of other threads, too
            await asyncio.sleep(0.005)
