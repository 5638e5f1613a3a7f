"""What a call says of itself in its metadata: who acts, and what time it is in a replay.

May not judge what the actor is allowed to do, nor whether the server takes a given time.
"""

from __future__ import annotations

from typing import Any

import grpc

from fenliu.config import is_loopback
from fenliu.rpc.errors import invalid

ACTOR = "fenliu-actor"
NOW = "fenliu-now-ms"
MAX_ACTOR_BYTES = 128

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


def actor(context: Context) -> str:
    """Who acts: until there are credentials, what a caller on this machine says; else empty."""
    for key, value in context.invocation_metadata() or ():
        if key == ACTOR:
            text = value if isinstance(value, str) else value.decode("utf-8", "replace")
            if len(text.encode()) > MAX_ACTOR_BYTES:
                raise invalid(ACTOR, f"at most {MAX_ACTOR_BYTES} bytes")
            return text if _from_this_machine(context) else ""
    return ""


def _from_this_machine(context: Context) -> bool:
    """Whether the peer is a loopback address ("ipv4:127.0.0.1:1234", "ipv6:%5B::1%5D:1234")."""
    kind, _, rest = context.peer().partition(":")
    host = rest.rpartition(":")[0].replace("%5B", "[").replace("%5D", "]")
    return kind == "unix" or is_loopback(host)
