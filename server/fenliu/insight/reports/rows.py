"""Rows of the tables as objects: read when first touched, written back together.

Knows the tables' columns and no rule.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any


@dataclass(slots=True)
class Shop:
    """A row of `shops`."""

    shop_id: str
    partition: int
    since_ms: int
    now_ms: int
    whole: int
    last_conversation: int = 0
    longest_wait_ms: int = 600_000
    slow_gap_ms: int = 120_000
    slow_count: int = 3


@dataclass(slots=True)
class Conversation:
    """A row of `conversations`."""

    shop_id: str
    conversation: int
    buyer_id: str
    agent_id: str
    group_id: str
    robot: int
    reason: str
    opened_at_ms: int
    ordered_before: int
    next_paid_ms: int | None
    carried: int
    closed_at_ms: int | None
    close_cause: str | None
    buyer_messages: int
    agent_messages: int
    answered_rounds: int
    first_reply_ms: int | None
    reply_ms: int
    prompt_rounds: int
    slow_gaps: int
    pending_since_ms: int | None
    handling_ms: int
    last_at_ms: int


@dataclass(slots=True)
class Buyer:
    """A row of `buyers`."""

    shop_id: str
    buyer_id: str
    unanswered: int = 0
    first_order_ms: int | None = None
    last_paid_ms: int | None = None
    wait: int | None = None
    waits_as: str | None = None


@dataclass(slots=True)
class Order:
    """A row of `orders`."""

    shop_id: str
    order_id: str
    buyer_id: str
    ordered_at_ms: int | None = None
    paid_at_ms: int | None = None
    paid_cents: int = 0
    paid_items: int = 0
    refunded_cents: int = 0


Row = Shop | Conversation | Buyer | Order

_KEYS: dict[type[Row], tuple[str, tuple[str, ...]]] = {
    Shop: ("shops", ("shop_id",)),
    Conversation: ("conversations", ("shop_id", "conversation")),
    Buyer: ("buyers", ("shop_id", "buyer_id")),
    Order: ("orders", ("shop_id", "order_id")),
}


def _select(kind: type[Row]) -> str:
    table, keys = _KEYS[kind]
    columns = ", ".join(field.name for field in fields(kind))
    return f"SELECT {columns} FROM {table} WHERE {' AND '.join(f'{key} = ?' for key in keys)}"  # noqa: S608


def _upsert(kind: type[Row]) -> str:
    """Sets what has changed; an index whose columns stay is not touched."""
    table, keys = _KEYS[kind]
    names = [field.name for field in fields(kind)]
    changed = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
    return (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "  # noqa: S608
        f"ON CONFLICT DO UPDATE SET {changed}"
    )


_SELECT = {kind: _select(kind) for kind in _KEYS}
_UPSERT = {kind: _upsert(kind) for kind in _KEYS}
_VALUES = {kind: attrgetter(*(field.name for field in fields(kind))) for kind in _KEYS}


class Rows:
    """The rows that one transaction touches."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._shops: dict[str, Shop | None] = {}
        self._conversations: dict[tuple[str, int], Conversation | None] = {}
        self._buyers: dict[tuple[str, str], Buyer] = {}
        self._orders: dict[tuple[str, str], Order] = {}

    def shop(self, shop_id: str) -> Shop | None:
        """A shop that is known."""
        if shop_id not in self._shops:
            row = self._row(Shop, shop_id)
            self._shops[shop_id] = None if row is None else Shop(*row)
        return self._shops[shop_id]

    def conversation(self, shop_id: str, number: int) -> Conversation | None:
        """A conversation whose beginning is known."""
        key = (shop_id, number)
        if key not in self._conversations:
            row = self._row(Conversation, *key)
            self._conversations[key] = None if row is None else Conversation(*row)
        return self._conversations[key]

    def buyer(self, shop_id: str, buyer_id: str) -> Buyer:
        """A buyer, known or not."""
        key = (shop_id, buyer_id)
        if key not in self._buyers:
            row = self._row(Buyer, *key)
            self._buyers[key] = Buyer(*key) if row is None else Buyer(*row)
        return self._buyers[key]

    def order(self, shop_id: str, order_id: str, buyer_id: str) -> Order:
        """An order, known or not; a known one keeps its buyer."""
        key = (shop_id, order_id)
        if key not in self._orders:
            row = self._row(Order, *key)
            self._orders[key] = Order(*key, buyer_id) if row is None else Order(*row)
        return self._orders[key]

    def add_shop(self, shop: Shop) -> None:
        """A new one."""
        self._shops[shop.shop_id] = shop

    def add_conversation(self, conversation: Conversation) -> None:
        """A new one."""
        self._conversations[conversation.shop_id, conversation.conversation] = conversation

    def write(self) -> None:
        """Writes back whatever was touched, and forgets it."""
        touched: dict[type[Row], list[Row]] = {
            Shop: [row for row in self._shops.values() if row is not None],
            Conversation: [row for row in self._conversations.values() if row is not None],
            Buyer: list(self._buyers.values()),
            Order: list(self._orders.values()),
        }
        for kind, rows in touched.items():
            self.connection.executemany(_UPSERT[kind], map(_VALUES[kind], rows))
        for cache in (self._shops, self._conversations, self._buyers, self._orders):
            cache.clear()

    def _row(self, kind: type[Row], *key: str | int) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self.connection.execute(_SELECT[kind], key).fetchone()
        return row
