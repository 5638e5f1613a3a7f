"""How much memory shops and chunks take, about, and which were used last (docs/engine.md section 13)."""

from collections import OrderedDict
from typing import TypeAlias

from fenliu.engine.pure.state import Shop
from fenliu.engine.v1.engine_pb2 import StoredShop

Thing: TypeAlias = str | bytes
"""A loaded shop, by its id; or a chunk, by its id."""

# Bytes, measured roughly.
_SHOP, _PLACE, _CHUNK = 12_000, 700, 200
_AGENT, _GROUP, _BOUND_VALUE, _BUYER_AGENT = 1500, 800, 150, 200
_CONVERSATION, _WAITING, _CONTACT, _ENTRY, _MEMBER = 900, 600, 300, 250, 200


class Memory:
    """What is held, how big it is, and in which order it was last used."""

    __slots__ = ("_sizes", "total")

    def __init__(self) -> None:
        self._sizes: OrderedDict[Thing, int] = OrderedDict()  # unused for the longest first
        self.total = 0

    def hold(self, thing: Thing, size: int) -> None:
        """It is held, as used last, or has another size now."""
        self.total += size - self._sizes.get(thing, 0)
        self._sizes[thing] = size

    def use(self, thing: Thing) -> None:
        self._sizes.move_to_end(thing)

    def let_go(self, thing: Thing) -> None:
        self.total -= self._sizes.pop(thing, 0)

    def unused_first(self) -> list[Thing]:
        return list(self._sizes)


def of_shop(shop: Shop) -> int:
    """Of a loaded shop."""
    config = shop.config
    return (
        _SHOP
        + _AGENT * len(shop.agents)
        + _GROUP * len(config.groups)
        + _BOUND_VALUE * sum(len(values) for _, values in config.bound)
        + _BUYER_AGENT * len(config.buyer_agents)
        + _CONVERSATION * len(shop.conversations)
        + _WAITING * len(shop.waiting)
        + _CONTACT * len(shop.contacts.live)
        + _ENTRY * len(shop.learned)
        + _MEMBER * sum(len(pool.members) for pool in shop.pools.values())
    )


def of_place(stored: StoredShop) -> int:
    """Of what a manifest says of a shop."""
    refs = len(stored.head) + sum(len(segment.chunks) for segment in stored.segments)
    return _PLACE + _CHUNK * refs


def of_chunk(content: bytes) -> int:
    return _CHUNK + len(content)
