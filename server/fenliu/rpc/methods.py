"""The table of methods: each method of the contract and what serves it.

Every method of the proto files is registered. Those without a handler here answer UNIMPLEMENTED, so
that the contract and the server cannot drift apart unseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import grpc
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor

from fenliu.rpc.context import Context
from fenliu.rpc.errors import not_built
from fenliu.v1 import dispatch_pb2, insight_pb2, operator_pb2, presence_pb2, shop_pb2

PUBLIC_FILES: tuple[FileDescriptor, ...] = (
    dispatch_pb2.DESCRIPTOR,
    presence_pb2.DESCRIPTOR,
    shop_pb2.DESCRIPTOR,
    insight_pb2.DESCRIPTOR,
    operator_pb2.DESCRIPTOR,
)
SERVICES = tuple(service for file in PUBLIC_FILES for service in file.services_by_name.values())
SERVICE_NAMES = tuple(service.full_name for service in SERVICES)

Handlers = Mapping[str, Any]
"""Method path ("/package.Service/Method") -> its behaviour, an async function of raw bytes."""


def generic_handlers(handlers: Handlers) -> list[grpc.GenericRpcHandler]:
    """Handlers for every service of the contract; raises ValueError for a path not in it."""
    unknown = set(handlers)
    generics: list[grpc.GenericRpcHandler] = []
    for service in SERVICES:
        table = {}
        for method in service.methods:
            path = f"/{service.full_name}/{method.name}"
            unknown.discard(path)
            table[method.name] = _handler(method, handlers.get(path))
        generics.append(grpc.method_handlers_generic_handler(service.full_name, table))
    if unknown:
        raise ValueError(f"no such methods: {', '.join(sorted(unknown))}")
    return generics


def _handler(method: MethodDescriptor, behaviour: Any) -> grpc.RpcMethodHandler[Any, Any]:
    """A handler that takes and returns raw bytes: the engine reads requests itself."""
    name = str(method.full_name)

    async def unary_unimplemented(request: Any, context: Context) -> NoReturn:
        raise not_built(name)

    async def stream_unimplemented(request: Any, context: Context) -> Any:
        raise not_built(name)
        yield b""  # An async generator, as grpc wants of streaming handlers.

    match method.client_streaming, method.server_streaming:
        case False, False:
            return grpc.unary_unary_rpc_method_handler(behaviour or unary_unimplemented)
        case True, False:
            return grpc.stream_unary_rpc_method_handler(behaviour or unary_unimplemented)
        case False, True:
            return grpc.unary_stream_rpc_method_handler(behaviour or stream_unimplemented)
        case _:
            return grpc.stream_stream_rpc_method_handler(behaviour or stream_unimplemented)
