"""The table of methods: each method of the contract and what serves it.

A method of the proto files without a handler, or a handler without a method, ends the start: the contract
and the server cannot drift apart unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor

from fenliu.rpc.errors import sanitised
from fenliu.rpc.limits import Limit
from fenliu.v1 import dispatch_pb2, insight_pb2, operator_pb2, presence_pb2, shop_pb2

if TYPE_CHECKING:  # Only the stubs have it generic.
    Handler = grpc.RpcMethodHandler[Any, Any]

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


class Methods(grpc.GenericRpcHandler):
    """Every method of the contract in one table, each sanitised; raises ValueError for a path not in it or missing."""

    def __init__(
        self,
        handlers: Handlers,
        limit: Callable[[str], Limit | None] | None = None,
        *,
        some: bool = False,
    ) -> None:
        """`limit`: of a method's path; for unary methods only, a stream may stay open for ever.

        `some`: the others are served elsewhere.
        """
        unknown = set(handlers)
        self._table: dict[str, Handler] = {}
        for service in SERVICES:
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                unknown.discard(path)
                behaviour = handlers.get(path)
                if behaviour is None and some:
                    continue
                if behaviour is None:
                    raise ValueError(f"nothing serves {path}")
                streams = method.client_streaming or method.server_streaming
                held = limit(path) if limit is not None and not streams else None
                if held is not None:
                    behaviour = held.of(behaviour)
                self._table[path] = sanitised(_handler(method, behaviour))
        if unknown:
            raise ValueError(f"no such methods: {', '.join(sorted(unknown))}")

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """As grpc asks for it, once a call."""
        return self._table.get(handler_call_details.method)


class SanitisedServices:
    """Stands for the server where others' code registers a service: sanitises that, too."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, generic_handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """As grpc's server has it."""
        self._server.add_generic_rpc_handlers(tuple(map(_SanitisedService, generic_handlers)))

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """The same handlers once more, which would go before the sanitised ones: left out."""


class _SanitisedService(grpc.GenericRpcHandler):
    def __init__(self, service: grpc.GenericRpcHandler) -> None:
        self._service = service
        self._sanitised: dict[str, Handler] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        method = handler_call_details.method
        if method not in self._sanitised:
            handler = self._service.service(handler_call_details)
            if handler is None:
                return None
            self._sanitised[method] = sanitised(handler)
        return self._sanitised[method]


def _handler(method: MethodDescriptor, behaviour: Any) -> Handler:
    """A handler that takes and returns raw bytes: the engine reads requests itself."""
    match method.client_streaming, method.server_streaming:
        case False, False:
            return grpc.unary_unary_rpc_method_handler(behaviour)
        case True, False:
            return grpc.stream_unary_rpc_method_handler(behaviour)
        case False, True:
            return grpc.unary_stream_rpc_method_handler(behaviour)
        case _:
            return grpc.stream_stream_rpc_method_handler(behaviour)
