"""Harm to one shop of an engine, so that the engine itself fails at it. Nothing is put into the product for that."""

from __future__ import annotations

from typing import Any

from fenliu.engine import CommandKind
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2

FIRST = 1_000_000


def harm(engine: Any, shop_id: str, due_ms: int) -> None:
    """Whatever is decided for the shop at `due_ms`, which is after its last time, or later, a tick too, fails.

    The shop has agents, and a queue timeout.
    """
    if hasattr(engine, "_shops"):
        _harm_python(engine, shop_id, due_ms)
    else:
        _harm_rust(engine, shop_id, due_ms)


def _harm_python(engine: Any, shop_id: str, due_ms: int) -> None:
    """Somebody is to leave the queue who is not in it."""
    shop = engine._shops.find(shop_id)
    shop.queued_since.set(FIRST, due_ms - shop.config.queue_timeout_ms)
    engine._shops._hold(shop)


def _harm_rust(engine: Any, shop_id: str, due_ms: int) -> None:
    """State that contradicts itself, which no command makes: the only buyer has two open conversations, and is
    gone with the first.
    """
    snapshot = engine_pb2.ShopSnapshot.FromString(engine.snapshot(shop_id))
    for others in ("conversations", "waiting", "contacts"):
        snapshot.ClearField(others)
    idle_ms = snapshot.shop.settings.idle_close_ms
    for number in (FIRST, FIRST + 1):
        snapshot.conversations.add(
            conversation=number,
            buyer_id="twice there",
            agent_id=snapshot.agents[0].agent_id,
            opened_at_ms=snapshot.last_now_ms,
            last_activity_ms=due_ms - idle_ms + (FIRST + 1 - number),
            answered=True,
        )
    snapshot.last_conversation = FIRST + 1
    engine.load_snapshot(snapshot.SerializeToString(deterministic=True))
    request = dispatch_pb2.CloseConversationRequest(shop_id=shop_id, conversation_id=f"c{FIRST}")
    code, _, _, _ = engine.decide(
        CommandKind.CLOSE_CONVERSATION, request.SerializeToString(), snapshot.last_now_ms
    )
    assert code == 0


class HarmedCore:
    """A core whose engines are real. A request with `poison` in it, or while `ticking` a tick, first harms a shop."""

    def __init__(self, core: Any, shop_id: str) -> None:
        self._core = core
        self.shop_id = shop_id
        self.ticking = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)

    def engine(self, partitions: int) -> Any:
        return _HarmedEngine(self._core.engine(partitions), self)


class _HarmedEngine:
    def __init__(self, engine: Any, core: HarmedCore) -> None:
        self._engine = engine
        self._core = core

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def decide(self, kind: int, request: bytes, now_ms: int, *more: Any, **named: Any) -> Any:
        return self._engine.decide(kind, request, self._harmed(request, now_ms), *more, **named)

    def decide_batch(self, kind: int, batch: bytes, now_ms: int, *more: Any, **named: Any) -> Any:
        return self._engine.decide_batch(kind, batch, self._harmed(batch, now_ms), *more, **named)

    def next_due(self) -> Any:
        if self._core.ticking and self._is_there():
            snapshot = engine_pb2.ShopSnapshot.FromString(self._engine.snapshot(self._core.shop_id))
            harm(self._engine, self._core.shop_id, snapshot.last_now_ms + 1)
        return self._engine.next_due()

    def take_shop(self, other: Any, shop_id: str) -> None:
        self._engine.take_shop(other._engine, shop_id)

    def take_partition(self, other: Any, partition: int) -> None:
        self._engine.take_partition(other._engine, partition)

    def _harmed(self, request: bytes, now_ms: int) -> int:
        """The time of the request, which fails then if it is poison."""
        if b"poison" not in request or not self._is_there():
            return now_ms
        harm(self._engine, self._core.shop_id, now_ms + 1)
        return now_ms + 1

    def _is_there(self) -> bool:
        """Whether the shop is, and has not failed."""
        try:
            self._engine.snapshot(self._core.shop_id)
        except (KeyError, ValueError):
            return False
        return True
