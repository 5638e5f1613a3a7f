"""One command being decided: its shop, its time, and the facts so far (docs/engine.md section 1)."""

from google.protobuf.message import Message

from fenliu.engine.pure.apply import apply_fact
from fenliu.engine.pure.state import Shop
from fenliu.engine.v1 import engine_pb2


class Turn:
    """Collects facts; each takes effect as it is recorded."""

    __slots__ = ("actor", "command", "due_ms", "facts", "now", "shop")

    def __init__(self, shop: Shop, now: int, command: Message, actor: str = "") -> None:
        self.shop = shop
        self.now = now  # Unix ms, never below the shop's last
        self.command = command
        self.actor = actor
        self.due_ms: int | None = None  # while a due effect is applied: its time
        self.facts: list[engine_pb2.Fact] = []

    @property
    def time(self) -> int:
        """The time at which is decided: that of a due effect, or the command's."""
        return self.now if self.due_ms is None else self.due_ms

    def record(self, fact: engine_pb2.Fact) -> None:
        self.facts.append(fact)
        apply_fact(self.shop, fact, self.now, self.command)

    def close(self, conversation: int, cause: engine_pb2.CloseCause) -> None:
        closed = engine_pb2.ConversationClosed(
            conversation=conversation, cause=cause, at_ms=self.time
        )
        self.record(engine_pb2.Fact(conversation_closed=closed))
