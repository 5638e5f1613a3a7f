"""Conversation ids as callers give them (docs/engine.md section 1, *Ids*)."""

import re

from fenliu.engine.pure.refusals import Refusal

_CONVERSATION_ID = re.compile(r"c([1-9][0-9]*)")


def issued_number(conversation_id: str, last: int) -> int:
    """The number of a conversation issued so far. Refuses any other id."""
    match = _CONVERSATION_ID.fullmatch(conversation_id)
    if match is None or int(match[1]) > last:
        raise Refusal("CONVERSATION_NOT_FOUND", "conversation_id")
    return int(match[1])
