"""Which chunks a command needs before it can be decided or applied (docs/engine.md section 13)."""

from typing import Any

from google.protobuf.message import Message

from fenliu.engine.kinds import CommandKind
from fenliu.engine.pure import repeats
from fenliu.engine.pure.commands import Command
from fenliu.engine.pure.conversation_ids import issued_number
from fenliu.engine.pure.refusals import Refusal
from fenliu.engine.pure.state import Shop
from fenliu.engine.pure.stored import Shops

NEEDS_CHUNKS = -1
"""Instead of a status code: the reply is the ids of chunks, and nothing has happened."""


def chunks(shops: Shops, command: Command, message: Message, *, ids: bool) -> list[bytes]:
    """Ids of those that are not there, each once, for a valid command.

    `ids`: also those that tell a repeat.
    """
    shop_id = command.shop_id(message)
    missing = shops.missing_head(shop_id)
    if missing:
        return missing
    shop = shops.find(shop_id)
    if shop is None or not shop.exists:
        return []
    return _of_loaded(shop, command.kind, message, ids=ids)


def _of_loaded(shop: Shop, kind: CommandKind, command: Any, *, ids: bool) -> list[bytes]:
    missing: list[bytes] = []
    key = repeats.key_of(kind, command) if ids else None
    if key is not None:
        missing += shop.learned.missing(key)
    if kind in (CommandKind.ROUTE, CommandKind.MESSAGE) and command.buyer_id:
        missing += shop.contacts.missing(command.buyer_id)
    if kind == CommandKind.MESSAGE:
        number = _closed_conversation(shop, command.conversation_id)
        missing += shop.contacts.missing_of_conversation(number) if number else []
    return list(dict.fromkeys(missing))


def _closed_conversation(shop: Shop, conversation_id: str) -> int:
    """The number of a conversation that is issued and not open; 0 for any other id."""
    try:
        number = issued_number(conversation_id, shop.last_conversation)
    except Refusal:
        return 0
    return 0 if number in shop.conversations else number
