"""Bytes nobody should send, every method to send them to, and what a process takes meanwhile."""

from __future__ import annotations

from pathlib import Path
from random import Random

import grpc
import grpc.aio

from faults.traffic import SHOPS, Server
from fenliu.v1 import dispatch_pb2, insight_pb2, presence_pb2, shop_pb2

ANSWERS = {
    grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED, grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.PERMISSION_DENIED,
}  # fmt: skip
"""What bytes may be answered with. UNKNOWN and INTERNAL would be an error nobody has thought of."""


_ALL = ANSWERS | {grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.ALREADY_EXISTS}
_LATE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


def in_the_table(method: str, code: grpc.StatusCode) -> bool:
    """Whether a healthy server may answer this; who looks back may hear that it is behind, or that it took too long."""
    return code in (_ALL | _LATE if "InsightService" in method else _ALL)


def methods() -> list[str]:
    """Every unary method of the public services."""
    return [
        f"/{service.full_name}/{method.name}"
        for file in (dispatch_pb2, presence_pb2, shop_pb2, insight_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if not method.client_streaming and not method.server_streaming
    ]


def resident_kib(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def open_files(server: Server) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


async def code_of(call: grpc.aio.UnaryUnaryMultiCallable, body: bytes) -> grpc.StatusCode:
    try:
        await call(body, timeout=20)
    except grpc.aio.AioRpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def bodies(rng: Random) -> list[bytes]:
    """Random bytes, and messages that are nearly right."""
    good = [
        dispatch_pb2.RouteRequest(shop_id=SHOPS[0], buyer_id="x", request_id="y", priority=3),
        dispatch_pb2.TransferRequest(shop_id=SHOPS[0], conversation_id="c1", agent_id="a"),
        dispatch_pb2.RouteBatchRequest(requests=[dispatch_pb2.RouteRequest(shop_id="s")] * 3),
        shop_pb2.ApplyShopRequest(shop=shop_pb2.Shop(shop_id="other")),
        presence_pb2.SetPresenceRequest(shop_id=SHOPS[0], agent_id="a", status=1),
    ]
    made = [rng.randbytes(rng.randrange(200)) for _ in range(6)]
    for message in good:
        for _ in range(4):
            body = bytearray(message.SerializeToString())
            for _ in range(rng.randrange(1, 4)):
                body[rng.randrange(len(body))] = rng.randrange(256)
            made.append(bytes(body[: rng.randrange(1, len(body) + 1)]))
    return made
