"""Buyers, agents and an honest book-keeper: asks a server that may be killed, and asks again until it answers.

Whatever was acknowledged is kept, to be held against the data directory afterwards (`audit`).
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import grpc
import grpc.aio

from end_to_end.processes import FENLIU, environment
from fenliu.engine import Core
from fenliu.engine.v1 import engine_pb2
from fenliu.journal import SqliteReader
from fenliu.recovery import replay, state_hash
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2
from simulation.judge import key_of, split_entries

SHOPS = ("north", "south", "east")
AGENTS = ("a", "b", "c", "d", "e")
TRY_AGAIN = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
)
ALONE = (("grpc.use_local_subchannel_pool", 1),)
"""A connection that is nobody else's."""
OPTIONS = (
    *ALONE,
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
)
"""Comes back soon. A connection has as little time to come about, so only where calls are sent again."""
ROUTE = "/fenliu.v1.DispatchService/Route"
CLOSE = "/fenliu.v1.DispatchService/CloseConversation"
MESSAGES = "/fenliu.v1.DispatchService/ReportMessagesBatch"
APPLY = "/fenliu.v1.ShopService/ApplyShop"
PRESENCE = "/fenliu.v1.PresenceService/SetPresence"

Key = tuple[str, str]


class Server:
    """`fenliu serve` on one address and directory, as often as it is ended."""

    def __init__(self, data: Path, address: str, core: str, *options: str, log: Path) -> None:
        self._command = [
            *FENLIU, "serve", "--data", str(data), "--listen", address, "--core", core, *options,
        ]  # fmt: skip
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def start(self, **settings: str) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._command,
                env=environment(**settings),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def ready(self) -> bool:
        """Waits until it says so; whether it has, or has ended before."""
        assert self.process.stdout is not None
        return any(line.startswith("listening on ") for line in self.process.stdout)

    def kill(self) -> int:
        """SIGKILL, unless it has ended; the exit code."""
        self.process.kill()
        return self.ended()

    def ended(self, timeout: float = 60) -> int:
        code = self.process.wait(timeout)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@dataclass
class Book:
    """What was acknowledged: the answers to what has a request id, and ids of message events."""

    replies: dict[Key, bytes] = field(default_factory=dict)
    events: set[Key] = field(default_factory=set)
    next_id: int = 0
    one_in: int = 1
    """Of so many keys one is written down: for traffic of hours."""

    def key(self, kind: str) -> Key:
        self.next_id += 1
        return kind, f"{kind}-{self.next_id}"

    def keep(self, key: Key, body: bytes) -> None:
        """Raises AssertionError when it was answered otherwise before."""
        if self._wanted(key):
            first = self.replies.setdefault(key, body)
            assert first == body, f"{key}: answered {first!r}, and when repeated {body!r}"

    def happened(self, key: Key) -> None:
        """An event was taken."""
        if self._wanted(key):
            self.events.add(key)

    def _wanted(self, key: Key) -> bool:
        return self.one_in == 1 or crc32(key[1].encode()) % self.one_in == 0

    def __len__(self) -> int:
        return len(self.replies) + len(self.events)


class Pace:
    """So many calls a second together, none of them hurried: time that was lost is not made up for."""

    def __init__(self, rate: float) -> None:
        self._between = 1 / rate
        self._next = 0.0

    async def turn(self) -> None:
        """Waits until it is one's turn."""
        now = time.monotonic()
        at = self._next = max(now, self._next + self._between)
        await asyncio.sleep(at - now)


class Traffic:
    """Several buyers at once against one address; `rate`: calls a second of all of them, None: any."""

    def __init__(
        self,
        address: str,
        book: Book,
        rng: Random,
        buyers: int = 12,
        *,
        shops: Sequence[str] = SHOPS,
        rate: float | None = None,
    ) -> None:
        self.address = address
        self.shops = shops
        self.calls = 0
        self._book = book
        self._rng = rng
        self._buyers = buyers
        self._pace = None if rate is None else Pace(rate)
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self.refused: Counter[str] = Counter()

    async def __aenter__(self) -> Traffic:
        self.channel = grpc.aio.insecure_channel(self.address, options=OPTIONS)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.channel.close()

    async def ask(self, method: str, request: Any) -> bytes:
        """One call, again and again until it is answered."""
        call = self.channel.unary_unary(method)
        body = request.SerializeToString()
        while True:
            await self.turn()
            try:
                answer: bytes = await call(body, timeout=10)
                return answer
            except grpc.aio.AioRpcError as error:
                if error.code() not in TRY_AGAIN:
                    raise
                self.refused[error.code().name] += 1
                await asyncio.sleep(0.02 + self._rng.random() * 0.05)

    def shop(self, shop_id: str) -> shop_pb2.Shop:
        """A shop as it is at first."""
        return shop_of(shop_id)

    async def turn(self) -> None:
        """Before each call."""
        self.calls += 1
        if self._pace is not None:
            await self._pace.turn()

    async def open_shops(self) -> None:
        for shop_id in self.shops:
            await self.ask(APPLY, shop_pb2.ApplyShopRequest(shop=self.shop(shop_id)))
            for agent_id in AGENTS:
                await self.ask(
                    PRESENCE,
                    presence_pb2.SetPresenceRequest(shop_id=shop_id, agent_id=agent_id, status=1),
                )

    def begin(self) -> None:
        self._stopping = False
        self._tasks = [asyncio.create_task(self._buyer(i)) for i in range(self._buyers)]

    def check(self) -> None:
        """Raises what ended somebody's work."""
        for task in self._tasks:
            if task.done():
                task.result()
                raise AssertionError(f"{task.get_name()} has ended")

    async def finish(self) -> None:
        """Lets everybody be answered, then ends."""
        self._stopping = True
        await asyncio.gather(*self._tasks)
        self._tasks = []

    async def _buyer(self, number: int) -> None:
        rng = self._rng
        while not self._stopping:
            shop_id = rng.choice(self.shops)
            buyer_id = f"buyer-{number}-{rng.randrange(200)}"
            key = self._book.key("request")
            request = dispatch_pb2.RouteRequest(
                shop_id=shop_id, buyer_id=buyer_id, request_id=key[1]
            )
            body = await self.ask(ROUTE, request)
            self._book.keep(key, body)
            if rng.randrange(10) == 0:  # a repeat
                assert await self.ask(ROUTE, request) == body, key
            answer = dispatch_pb2.RouteResponse.FromString(body)
            if not answer.conversation_id:
                continue
            key = self._book.key("message")
            event = dispatch_pb2.MessageEvent(
                shop_id=shop_id,
                conversation_id=answer.conversation_id,
                sender=2,
                agent_id=answer.agent_id,
                event_id=key[1],
            )
            batch = dispatch_pb2.ReportMessagesBatchRequest(events=[event])
            results = dispatch_pb2.ReportMessagesBatchResponse.FromString(
                await self.ask(MESSAGES, batch)
            ).results
            assert not results[0].HasField("status"), results
            self._book.happened(key)
            if rng.randrange(3):
                key = self._book.key("request")
                close = dispatch_pb2.CloseConversationRequest(
                    shop_id=shop_id, conversation_id=answer.conversation_id, request_id=key[1]
                )
                self._book.keep(key, await self.ask(CLOSE, close))


def shop_of(shop_id: str) -> shop_pb2.Shop:
    """The shop as the traffic wants it."""
    shop = shop_pb2.Shop(shop_id=shop_id)
    for agent_id in AGENTS:
        shop.agents.add(agent_id=agent_id, weight=1 + AGENTS.index(agent_id), cap=40)
    shop.groups.add(group_id="g", agent_ids=AGENTS)
    shop.settings.queue_limit = 20
    return shop


def logged(data: Path) -> Iterator[tuple[bytes, engine_pb2.Entry]]:
    """All entries of a data directory, behind their length and parsed; records are checked."""
    reader = SqliteReader(data)
    try:
        for partition in sorted(reader.heads()):
            for record in reader.read(partition):
                yield from split_entries(record.entries)
    finally:
        reader.close()


def audit(data: Path, core: Core, book: Book, *, strangers: bool = False) -> bytes:
    """Holds what was acknowledged against a data directory nobody serves; returns the state hash.

    Everything is there once, was decided as it was answered, and replaying gives what recovery gives. `strangers`:
    there are others' calls, too, and they may use an id for two things.
    """
    count: Counter[Key] = Counter()
    replies: dict[Key, bytes] = {}
    reader = SqliteReader(data)
    engine = core.engine(reader.partitions)
    for entry_bytes, entry in logged(data):
        name = entry.WhichOneof("command")
        assert name is not None
        code, reply, _, again = engine.redecide(entry_bytes)
        assert (code, again) == (0, entry_bytes), f"{name}: decided otherwise"
        key = key_of(name, getattr(entry, name))
        if key is not None:
            count[key] += 1
            if key in book.replies:
                replies[key] = reply
    lost = [key for key in (*book.replies, *book.events) if not count[key]]
    assert not lost, f"acknowledged and lost: {len(lost)}, {lost[:5]}"
    known = (key for key in count if not strangers or key in book.replies or key in book.events)
    doubled = [key for key in known if count[key] > 1]
    assert not doubled, f"doubled: {len(doubled)}, {doubled[:5]}"
    for key, given in book.replies.items():
        assert replies[key] == given, f"{key}: answered {given!r}, decided {replies[key]!r}"
    whole, _ = replay(reader, core)
    recovered, _ = state_hash(reader, core)
    assert whole.state_hash() == engine.state_hash() == recovered
    reader.close()
    return recovered


async def ready(server: Server, seconds: float = 60) -> bool:
    """Whether the server says that it listens, or ends before."""
    return await asyncio.wait_for(asyncio.to_thread(server.ready), seconds)


def children(pid: int) -> list[int]:
    """Processes that this one has started, and theirs."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [one for child in map(int, found) for one in (child, *children(child))]


async def until(condition: Any, seconds: float = 30) -> None:
    """Waits for something to become true; looks twenty times a second."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not come"
        await asyncio.sleep(0.05)


def running_hash(address: str) -> str:
    """What the running server says of its state."""
    done = subprocess.run(
        [sys.executable, "-m", "fenliu", "state-hash", "--target", address],
        env=environment(), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout.strip()


async def nobody_left(server: Server) -> None:
    with suppress(ProcessLookupError):
        server.kill()
