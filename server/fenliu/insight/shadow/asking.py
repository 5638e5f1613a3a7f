"""How a shadow is asked for across the pipe to its process."""

from __future__ import annotations

from fenliu.v1 import insight_pb2

_TIME_BYTES = 8


def asked(request: insight_pb2.WatchShadowRequest, now_ms: int) -> bytes:
    """For `read`: the request, and the time it is."""
    return now_ms.to_bytes(_TIME_BYTES, "big") + request.SerializeToString()


def read(asked: bytes) -> tuple[insight_pb2.WatchShadowRequest, int]:
    """What was given to `asked`."""
    request = insight_pb2.WatchShadowRequest.FromString(asked[_TIME_BYTES:])
    return request, int.from_bytes(asked[:_TIME_BYTES], "big")
