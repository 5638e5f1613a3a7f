"""Repeated requests and events (docs/engine.md section 1, *Repeats*)."""

import hashlib

from google.protobuf.message import Message

from fenliu.engine.kinds import CommandKind
from fenliu.engine.pure.refusals import Refusal
from fenliu.engine.pure.state import Remembered, Shop
from fenliu.engine.pure.wire import encode
from fenliu.v1 import dispatch_pb2

LIFETIME_MS = 86_400_000


def id_of(command: Message) -> str:
    """The command's `request_id` or `event_id`; "" when it has none."""
    if isinstance(command, dispatch_pb2.RouteRequest | dispatch_pb2.CloseConversationRequest):
        return command.request_id
    if isinstance(command, dispatch_pb2.MessageEvent):
        return command.event_id
    return ""


def find(shop: Shop, kind: CommandKind, command: Message, now: int) -> bytes | None:
    """The reply to a repeat; None when the command is new. Refuses a request id used otherwise."""
    known_id = id_of(command)
    if not known_id:
        return None
    if kind == CommandKind.MESSAGE:
        at_ms = shop.events.get(known_id)
        if at_ms is None or not exists(at_ms, now):
            return None
        return encode(dispatch_pb2.MessageResult(duplicate=True))
    request = shop.requests.get(known_id)
    if request is None or not exists(request.at_ms, now):
        return None
    if request.digest != _digest(kind, command):
        raise Refusal("REQUEST_ID_REUSED", "request_id")
    return request.reply


def remember(shop: Shop, kind: CommandKind, command: Message, reply: bytes, now: int) -> None:
    """Remembers the command's id, if it has one, and forgets what expired."""
    new_id = id_of(command)
    if not new_id:
        return
    if kind == CommandKind.MESSAGE:
        shop.events[new_id] = now
        shop.event_order.append((now, new_id))
        while not exists(shop.event_order[0][0], now):
            at_ms, old_id = shop.event_order.popleft()
            if shop.events.get(old_id) == at_ms:
                del shop.events[old_id]
        return
    shop.requests[new_id] = Remembered(_digest(kind, command), now, reply)
    shop.request_order.append((now, new_id))
    while not exists(shop.request_order[0][0], now):
        at_ms, old_id = shop.request_order.popleft()
        old = shop.requests.get(old_id)
        if old is not None and old.at_ms == at_ms:
            del shop.requests[old_id]


def exists(at_ms: int, now: int) -> bool:
    """Whether an id remembered at `at_ms` still is."""
    return now - at_ms <= LIFETIME_MS


def _digest(kind: CommandKind, command: Message) -> bytes:
    return hashlib.sha256(bytes((kind,)) + encode(command)).digest()[:16]
