"""Connections for what stays connected: each attempt is a channel, and so a connection, of its own."""

from __future__ import annotations

import grpc

_OPTIONS = (
    # Without this, channels of one process share connections and their pauses, and a new channel
    # would get the dead connection of the one before. When to try again is decided in retry.py.
    ("grpc.use_local_subchannel_pool", 1),
    # What was sent and is not acknowledged by the other machine for this long breaks the connection;
    # grpc sets that time only where pings are on, and servers allow one in five minutes.
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_time_ms", 310_000),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)


def new_channel(target: str) -> grpc.aio.Channel:
    """A channel to HOST:PORT that connects at its first call."""
    return grpc.aio.insecure_channel(target, options=_OPTIONS)
