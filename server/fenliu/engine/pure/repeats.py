"""Repeated requests and events (docs/engine.md section 1, *Repeats*)."""

import hashlib
from collections import OrderedDict
from typing import Any

from google.protobuf.message import Message

from fenliu.engine.kinds import CommandKind
from fenliu.engine.pure.parts import Remembered
from fenliu.engine.pure.refusals import Refusal
from fenliu.engine.pure.state import Shop
from fenliu.engine.pure.wire import encode
from fenliu.v1 import dispatch_pb2

LIFETIME_MS = 86_400_000

_REQUESTS = frozenset(
    (
        CommandKind.ROUTE,
        CommandKind.CLOSE_CONVERSATION,
        CommandKind.TRANSFER,
        CommandKind.CANCEL_INQUIRY,
    )
)


def id_of(kind: CommandKind, command: Any) -> str:
    """The command's `request_id` or `event_id`; "" when it has none."""
    known_id: str = ""
    if kind in _REQUESTS:
        known_id = command.request_id
    elif kind in (CommandKind.MESSAGE, CommandKind.ORDER):
        known_id = command.event_id
    return known_id


def find(shop: Shop, kind: CommandKind, command: Message, now: int) -> bytes | None:
    """The reply to a repeat; None when the command is new. Refuses a request id used otherwise."""
    known_id = id_of(kind, command)
    if not known_id:
        return None
    if kind in _REQUESTS:
        request = shop.requests.get(known_id)
        if request is None or not exists(request.at_ms, now):
            return None
        if request.digest != _digest(kind, command):
            raise Refusal("REQUEST_ID_REUSED", "request_id")
        return request.reply
    at_ms = _events(shop, kind).get(known_id)
    if at_ms is None or not exists(at_ms, now):
        return None
    if kind == CommandKind.ORDER:
        return encode(dispatch_pb2.OrderResult(duplicate=True))
    return encode(dispatch_pb2.MessageResult(duplicate=True))


def remember(shop: Shop, kind: CommandKind, command: Message, reply: bytes, now: int) -> None:
    """Remembers the command's id, if it has one, and forgets what expired."""
    new_id = id_of(kind, command)
    if not new_id:
        return
    if kind in _REQUESTS:
        shop.requests[new_id] = Remembered(_digest(kind, command), now, reply)
        shop.requests.move_to_end(new_id)
        while not exists(next(iter(shop.requests.values())).at_ms, now):
            shop.requests.popitem(last=False)
        return
    events = _events(shop, kind)
    events[new_id] = now
    events.move_to_end(new_id)
    while not exists(next(iter(events.values())), now):
        events.popitem(last=False)


def exists(at_ms: int, now: int) -> bool:
    """Whether an id remembered at `at_ms` still is."""
    return now - at_ms <= LIFETIME_MS


def _events(shop: Shop, kind: CommandKind) -> OrderedDict[str, int]:
    """Those of orders are apart."""
    return shop.order_events if kind == CommandKind.ORDER else shop.events


def _digest(kind: CommandKind, command: Message) -> bytes:
    return hashlib.sha256(bytes((kind,)) + encode(command)).digest()[:16]
