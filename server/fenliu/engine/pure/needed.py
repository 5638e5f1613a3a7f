"""Which chunks a command needs before it can be decided or applied (docs/engine.md section 13)."""

from typing import Any

from fenliu.engine.kinds import CommandKind
from fenliu.engine.pure import keys, repeats
from fenliu.engine.pure.conversation_ids import issued_number
from fenliu.engine.pure.refusals import Refusal
from fenliu.engine.pure.state import Shop
from fenliu.v1 import dispatch_pb2


def chunks(shop: Shop, kind: CommandKind, command: Any, *, ids: bool) -> list[bytes]:
    """Ids of those that are not there, each once. `ids`: also those that tell a repeat."""
    missing: list[bytes] = []
    key = repeats.key_of(kind, command) if ids else None
    if key is not None:
        missing += shop.learned.missing(key)
    if kind == CommandKind.ROUTE:
        missing += _of_contact(shop, command.buyer_id)
    elif kind == CommandKind.MESSAGE:
        missing += _of_message(shop, command)
    return list(dict.fromkeys(missing))


def _of_contact(shop: Shop, buyer_id: str) -> list[bytes]:
    """A live buyer's contact is known."""
    return [] if shop.is_live(buyer_id) else shop.learned.missing(keys.of_buyer(buyer_id))


def _of_message(shop: Shop, event: dispatch_pb2.MessageEvent) -> list[bytes]:
    missing = _of_contact(shop, event.buyer_id) if event.buyer_id else []
    number = _closed_conversation(shop, event.conversation_id)
    if not number or number in shop.buyer_of_live_conversation:
        return missing
    of_conversation = shop.learned.missing(keys.of_conversation(number))
    if of_conversation:
        return missing + of_conversation
    buyer_id = shop.buyer_of_contact(number)
    return missing + (_of_contact(shop, buyer_id) if buyer_id is not None else [])


def _closed_conversation(shop: Shop, conversation_id: str) -> int:
    """The number of a conversation that is issued and not open; 0 for any other id."""
    try:
        number = issued_number(conversation_id, shop.last_conversation)
    except Refusal:
        return 0
    return 0 if number in shop.conversations else number
