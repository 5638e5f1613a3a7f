"""Which shop a request is for, read without looking at the rest of it; batches taken apart and put together.

What cannot be read names no shop. It is then for whoever has it: every engine refuses it in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from fenliu.engine import CommandKind
from fenliu.v1 import dispatch_pb2
from fenliu.workers.v1 import forwarding_pb2

MAX_ELEMENTS = 4_096
MAX_BATCH_BYTES = 1_048_576
"""A batch beyond these is refused as a whole, by any engine."""

_NESTED: dict[CommandKind, Callable[[bytes], str]] = {
    CommandKind.APPLY_SHOP: lambda data: forwarding_pb2.NestedShopRef.FromString(data).shop.shop_id,
    CommandKind.UPDATE_PRESENCE: lambda data: (
        forwarding_pb2.PresenceUpdateRef.FromString(data).update.shop_id
    ),
}
"""Where requests do not name their shop in field 1."""

RESULTS: dict[CommandKind, Any] = {
    CommandKind.ROUTE: dispatch_pb2.RouteResult,
    CommandKind.MESSAGE: dispatch_pb2.MessageResult,
    CommandKind.ORDER: dispatch_pb2.OrderResult,
}
"""An element's result, by what a batch is of; each has a `status`."""


def shop_of(request: bytes, kind: CommandKind | None = None) -> str:
    """The shop that a command (a query: None) names; "": none."""
    try:
        if kind in _NESTED:
            return _NESTED[kind](request)
        return forwarding_pb2.ShopRef.FromString(request).shop_id
    except DecodeError:
        return ""


def shops_of(batch: bytes) -> tuple[Sequence[str], int]:
    """The shop of each element of a batch, and its batch id; no shops when it is refused as a whole."""
    if len(batch) > MAX_BATCH_BYTES:
        return (), 0
    try:
        refs = forwarding_pb2.ShopRefs.FromString(batch)
        shops, batch_id = [one.shop_id for one in refs.elements], refs.batch_id
    except DecodeError:
        try:
            elements = forwarding_pb2.Elements.FromString(batch)
        except DecodeError:
            return (), 0
        # One element is bad, which fails alone.
        shops, batch_id = [shop_of(one) for one in elements.elements], elements.batch_id
    return (shops, batch_id) if len(shops) <= MAX_ELEMENTS else ((), 0)


def elements_of(batch: bytes) -> Sequence[bytes]:
    """The elements of a batch that can be read, or of the `results` of a response."""
    return forwarding_pb2.Elements.FromString(batch).elements


def joined(elements: Sequence[bytes]) -> bytes:
    """A batch, or the `results` of a response, of these elements."""
    return forwarding_pb2.Elements(elements=elements).SerializeToString()
