"""Which chunks a command needs before it can be decided or applied (docs/engine.md section 13)."""

from typing import Any

from fenliu.engine.kinds import CommandKind
from fenliu.engine.pure import repeats
from fenliu.engine.pure.conversation_ids import issued_number
from fenliu.engine.pure.refusals import Refusal
from fenliu.engine.pure.state import Shop

NEEDS_CHUNKS = -1
"""Instead of a status code: the reply is the ids of chunks, and nothing has happened."""


def chunks(shop: Shop, kind: CommandKind, command: Any, *, ids: bool) -> list[bytes]:
    """Ids of those that are not there, each once. `ids`: also those that tell a repeat."""
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
