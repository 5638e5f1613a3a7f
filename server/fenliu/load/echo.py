"""The no-op server: answers of the usual size to what gateways call, and no work at all.

    python -m fenliu.load.echo

What it reaches is what gRPC itself allows on this machine. Prints `listening on HOST:PORT`; ends when its standard
input does.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import grpc

from fenliu.load.workload import BATCH
from fenliu.v1 import dispatch_pb2, types_pb2

_OPTIONS = (
    ("grpc.max_receive_message_length", 2**20 + 2**16),
    ("grpc.max_concurrent_streams", 4_096),
    ("grpc.so_reuseport", 0),
)
_ANSWER = dispatch_pb2.RouteResponse(
    conversation_id="c1000000",
    decision_id="d1000000",
    outcome=types_pb2.OUTCOME_AGENT,
    agent_id="agent-0000000000",
    group_id="presales-group-1",
    reason=types_pb2.REASON_WEIGHTED,
)
_ANSWER_BYTES = _ANSWER.SerializeToString()
_RESULTS = dispatch_pb2.RouteBatchResponse(
    results=[dispatch_pb2.RouteResult(response=_ANSWER)] * BATCH
).SerializeToString()
_REPORTED = dispatch_pb2.ReportMessagesBatchResponse(
    results=[dispatch_pb2.MessageResult()] * BATCH
).SerializeToString()


async def _route(_request: bytes, _context: object) -> bytes:
    return _ANSWER_BYTES


async def _route_batch(_request: bytes, _context: object) -> bytes:
    return _RESULTS


async def _report(_request: bytes, _context: object) -> bytes:
    return _REPORTED


async def _route_stream(requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
    async for _ in requests:
        yield _RESULTS


@contextmanager
def started_echo() -> Iterator[str]:
    """The echo as a process of its own as long as the block runs; its HOST:PORT.

    Raises OSError when it does not start.
    """
    process = subprocess.Popen(  # noqa: S603 - nothing of it comes from outside
        [sys.executable, "-P", "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        said = process.stdout.readline() if process.stdout is not None else ""
        if not said.startswith("listening on "):
            raise OSError("the no-op server did not start")
        yield said.split()[-1]
    finally:
        process.communicate()


async def serve() -> None:
    """Serves until standard input ends."""
    server = grpc.aio.server(options=_OPTIONS)
    table: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Route": grpc.unary_unary_rpc_method_handler(_route),
        "RouteBatch": grpc.unary_unary_rpc_method_handler(_route_batch),
        "RouteStream": grpc.stream_stream_rpc_method_handler(_route_stream),
        "ReportMessagesBatch": grpc.unary_unary_rpc_method_handler(_report),
    }
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("fenliu.v1.DispatchService", table),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"listening on 127.0.0.1:{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(serve())
