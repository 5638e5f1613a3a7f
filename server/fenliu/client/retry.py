"""When to try again, and how long to wait first. One answer for all of the client."""

from __future__ import annotations

import random

import grpc

from fenliu.client.errors import FenliuError

# CANCELLED reaches us as an error only when the server's side gave the call up, as it does when a
# stop runs out of grace; our own cancellation is asyncio's.
_RETRIED = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
    }
)
# The caller has to know that it does not keep up.
_NOT_RETRIED = frozenset({"SLOW_READER"})

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0


def retried(error: FenliuError) -> bool:
    """Whether the same call may succeed later; the server's "do not" counts."""
    if error.pushback_ms is not None and error.pushback_ms < 0:
        return False
    return error.code in _RETRIED and error.reason not in _NOT_RETRIED


def pause_s(tries: int, pushback_ms: int | None = None) -> float:
    """Seconds to wait after `tries` failures in a row: exponential, with full jitter.

    Never shorter than the server asked for; the jitter then comes on top, so that those it sent
    away together do not come back together.
    """
    ceiling = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(tries - 1, 16))
    jitter = random.uniform(0, ceiling)  # noqa: S311 - spreads clients, no secret
    return jitter + (pushback_ms or 0) / 1_000
