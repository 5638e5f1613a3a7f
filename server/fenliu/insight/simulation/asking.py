"""How a simulation is asked for across the pipe to its process."""

from __future__ import annotations

from fenliu.v1 import insight_pb2

_TIME_BYTES = 8


def asked(request: insight_pb2.SimulateRequest, as_of_ms: int) -> bytes:
    """For `read`: the request, and up to when things are known."""
    return as_of_ms.to_bytes(_TIME_BYTES, "big") + request.SerializeToString()


def read(asked: bytes) -> tuple[insight_pb2.SimulateRequest, int]:
    """What was given to `asked`."""
    request = insight_pb2.SimulateRequest.FromString(asked[_TIME_BYTES:])
    return request, int.from_bytes(asked[:_TIME_BYTES], "big")
