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
from fenliu.engine.v1.engine_pb2 import Entry
from fenliu.v1 import types_pb2

NEEDS_CHUNKS = -1
"""Instead of a status code: the reply is the ids of chunks, and nothing has happened."""
BEHIND = -2
"""Likewise: the reply is the id of a shop that is to be ticked first."""


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


def to_apply(shops: Shops, command: Command, message: Message, entry: Entry) -> list[bytes]:
    """As `chunks` with `ids` false, for applying a logged entry with this command."""
    if _gives_a_contact(command.kind, entry):
        return shops.missing_head(command.shop_id(message))
    return chunks(shops, command, message, ids=False)


def _gives_a_contact(kind: CommandKind, entry: Entry) -> bool:
    """Whether an agent receives the buyer who asked: whatever the contact was, it is replaced."""
    return kind == CommandKind.ROUTE and any(
        fact.decided.outcome == types_pb2.OUTCOME_AGENT and not fact.decided.buyer_id
        for fact in entry.facts
    )


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
