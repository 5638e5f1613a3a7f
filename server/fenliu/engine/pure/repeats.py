"""Repeated requests and events (docs/engine.md section 1, *Repeats*)."""

import hashlib
from typing import Any

from google.protobuf.message import Message

from fenliu.engine.kinds import CommandKind
from fenliu.engine.pure import keys
from fenliu.engine.pure.parts import Remembered
from fenliu.engine.pure.refusals import Refusal
from fenliu.engine.pure.state import Shop
from fenliu.engine.pure.wire import encode
from fenliu.v1 import dispatch_pb2

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


def key_of(kind: CommandKind, command: Any) -> bytes | None:
    """The key under which the command's id is remembered; None: it has none."""
    known_id = id_of(kind, command)
    if not known_id:
        return None
    if kind in _REQUESTS:
        return keys.of_request(known_id)
    return keys.of_order_event(known_id) if kind == CommandKind.ORDER else keys.of_event(known_id)


def find(shop: Shop, kind: CommandKind, command: Message, now: int) -> bytes | None:
    """The reply to a repeat; None when the command is new. Refuses a request id used otherwise."""
    key = key_of(kind, command)
    entry = shop.learned.find(key) if key is not None else None
    if entry is None or not shop.horizon(now).remembered(entry[0]):
        return None
    if kind in _REQUESTS:
        request = keys.request_of(entry)
        if request.digest != _digest(kind, command):
            raise Refusal("REQUEST_ID_REUSED", "request_id")
        return request.reply
    if kind == CommandKind.ORDER:
        return encode(dispatch_pb2.OrderResult(duplicate=True))
    return encode(dispatch_pb2.MessageResult(duplicate=True))


def remember(shop: Shop, kind: CommandKind, command: Message, reply: bytes, now: int) -> None:
    """Remembers the command's id, if it has one."""
    key = key_of(kind, command)
    if key is None:
        return
    entry: keys.Entry = now, b""
    if kind in _REQUESTS:
        entry = keys.request_entry(Remembered(_digest(kind, command), now, reply))
    shop.learned.put(key, entry)


def _digest(kind: CommandKind, command: Message) -> bytes:
    return hashlib.sha256(bytes((kind,)) + encode(command)).digest()[:16]
