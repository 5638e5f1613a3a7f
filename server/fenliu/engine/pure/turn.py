"""One command being decided: its shop, its time, and the facts so far (docs/engine.md section 1)."""

from google.protobuf.message import Message

from fenliu.engine.pure.apply import apply_fact
from fenliu.engine.pure.state import Shop
from fenliu.engine.v1 import engine_pb2


class Turn:
    """Collects facts; each takes effect as it is recorded."""

    __slots__ = ("command", "facts", "now", "shop")

    def __init__(self, shop: Shop, now: int, command: Message) -> None:
        self.shop = shop
        self.now = now  # Unix ms, never below the shop's last
        self.command = command
        self.facts: list[engine_pb2.Fact] = []

    def record(self, fact: engine_pb2.Fact) -> None:
        self.facts.append(fact)
        apply_fact(self.shop, fact, self.now, self.command)
