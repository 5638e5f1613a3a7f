"""OperatorService: what this server is, and a hash over its whole state."""

from __future__ import annotations

from typing import Any

import fenliu
from fenliu.dispatch import Dispatching, TraceClock
from fenliu.rpc.context import Context
from fenliu.v1 import operator_pb2


def handlers(dispatcher: Dispatching, *, core: str, partitions: int) -> dict[str, Any]:
    """The behaviours, by method path."""

    async def get_server_info(request: bytes, context: Context) -> bytes:
        trace = isinstance(dispatcher.clock, TraceClock)
        return operator_pb2.GetServerInfoResponse(
            version=fenliu.__version__,
            core=core,
            clock=operator_pb2.CLOCK_TRACE if trace else operator_pb2.CLOCK_WALL,
            partitions=partitions,
        ).SerializeToString()

    async def get_state_hash(request: bytes, context: Context) -> bytes:
        digest, shops = await dispatcher.state_hash()
        return operator_pb2.GetStateHashResponse(
            state_hash=digest.hex(), shops=shops
        ).SerializeToString()

    return {
        "/fenliu.v1.OperatorService/GetServerInfo": get_server_info,
        "/fenliu.v1.OperatorService/GetStateHash": get_state_hash,
    }
