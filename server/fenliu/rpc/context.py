"""What a call says of itself in its metadata: who acts, and what time it is in a replay.

May not judge what the actor is allowed to do, nor whether the server takes a given time.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from fenliu.config import is_loopback
from fenliu.engine.ids import broken_id_rule
from fenliu.rpc.errors import invalid, not_allowed

ACTOR = "fenliu-actor"
NOW = "fenliu-now-ms"

Context = grpc.aio.ServicerContext[Any, Any]


def now_ms(context: Context) -> int | None:
    """The call's own time, Unix milliseconds; None: the server's clock. Raises Refusal for a non-number."""
    for key, value in context.invocation_metadata() or ():
        if key == NOW:
            text = value if isinstance(value, str) else value.decode("ascii", "replace")
            if not text.isascii() or not text.isdigit() or len(text) > 15:
                raise invalid(NOW, "must be Unix milliseconds")
            return int(text)
    return None


def deadline(context: Context) -> float | None:
    """When the caller stops waiting, on the loop's clock; None: never."""
    left: float | None = context.time_remaining()
    return None if left is None else asyncio.get_running_loop().time() + left


def actor(context: Context) -> str:
    """Who acts: until there are credentials, what a caller on this machine says; else empty.

    Raises Refusal for an actor named from elsewhere: taking the word for it, or taking it for the
    operator's, would both be wrong.
    """
    for key, value in context.invocation_metadata() or ():
        if key == ACTOR:
            text = value if isinstance(value, str) else value.decode("utf-8", "replace")
            if text and (rule := broken_id_rule(text)) is not None:
                raise invalid(ACTOR, rule)
            if not from_this_machine(context.peer()):
                raise not_allowed(ACTOR, "only callers on this machine may say who acts")
            return text
    return ""


def from_this_machine(peer: str) -> bool:
    """Whether grpc's peer is loopback ("ipv4:127.0.0.1:1234", "ipv6:%5B::1%5D:1234", "unix:")."""
    kind, _, rest = peer.partition(":")
    host = rest.rpartition(":")[0].replace("%5B", "[").replace("%5D", "]")
    return kind == "unix" or is_loopback(host)
