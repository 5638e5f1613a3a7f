"""The gRPC server: its options, services and orderly end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from fenliu.dispatch import Dispatching
from fenliu.insight.audit import AuditLog
from fenliu.insight.explain import Explainer
from fenliu.insight.jobs.jobs import Jobs
from fenliu.insight.reports.decisions import Decisions
from fenliu.insight.reports.load import LoadTables
from fenliu.insight.reports.reports import Reports
from fenliu.insight.watch import AssignmentWatch
from fenliu.rpc import operator, unary
from fenliu.rpc.decisions import DecisionMethods
from fenliu.rpc.diagnosis import DiagnosisMethods
from fenliu.rpc.insight import InsightMethods
from fenliu.rpc.limits import limits
from fenliu.rpc.load import LoadStreams
from fenliu.rpc.methods import SERVICE_NAMES, Handlers, Methods, SanitisedServices
from fenliu.rpc.presence import PresenceStreams
from fenliu.rpc.reports import ReportMethods
from fenliu.rpc.sessions import Sessions
from fenliu.rpc.shadow import ShadowStreams
from fenliu.rpc.shop_documents import Documents
from fenliu.rpc.shop_history import ShopHistoryMethods
from fenliu.rpc.shops import ShopMethods
from fenliu.rpc.simulate import SimulateMethods
from fenliu.rpc.staffing import StaffingMethods
from fenliu.rpc.streams import GatewayStreams
from fenliu.rpc.watch import WatchStreams

# A batch may have 1 MiB; a little more is let in, so that the refusal can name the rule.
MAX_MESSAGE_BYTES = 1_048_576 + 65_536
OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
    # Bounds what one connection can have under way. Far above what a gateway needs: near the limit
    # grpc's own clients do not wait but see their calls refused (UNAVAILABLE). Load is limited in dispatch.
    ("grpc.max_concurrent_streams", 4_096),
)
# Calls that gRPC has read and the loop has not come to: from the first number on some, from the second on all
# others are ended by gRPC itself (CANCELLED), which costs a tenth of what a refusal costs here.
PROTECTED = (
    ("grpc.server.max_pending_requests", 640),
    ("grpc.server.max_pending_requests_hard_limit", 1_280),
)
UNPROTECTED = tuple((name, 2**30) for name, _ in PROTECTED)


Wrap = Callable[[Handlers], Handlers]


class RpcServer:
    """One listening server. `start` raises RuntimeError when the address cannot be had."""

    def __init__(
        self,
        dispatcher: Dispatching,
        sessions: Sessions,
        watch: AssignmentWatch,
        audit: AuditLog,
        explainer: Explainer,
        reports: Reports,
        decisions: Decisions,
        jobs: Jobs,
        load: LoadTables,
        *,
        listen: str,
        slow_reader_ms: int,
        core: str,
        partitions: int,
        reflection_enabled: bool,
        protected: bool = True,
        shared_port: bool = False,
        wrap: Wrap | None = None,
    ) -> None:
        """`shared_port`: other processes listen on it, too. `wrap`: what stands before the behaviours."""
        self._listen = listen
        self._presence = PresenceStreams(dispatcher, sessions)
        self._streams = GatewayStreams(dispatcher)
        self._watches = WatchStreams(dispatcher, watch, slow_reader_ms=slow_reader_ms)
        # Two servers on one port see a part of the traffic each: for workers of one server only.
        reuse = ("grpc.so_reuseport", int(shared_port))
        limited = PROTECTED if protected else UNPROTECTED
        self._server = grpc.aio.server(options=(*OPTIONS, *limited, reuse))
        self._screens = LoadStreams(dispatcher, load, slow_reader_ms=slow_reader_ms)
        self._health = health.aio.HealthServicer()
        self._jobs = jobs
        simulating = SimulateMethods(dispatcher, reports, jobs, slow_reader_ms=slow_reader_ms)
        shadows = ShadowStreams(dispatcher, reports, jobs, slow_reader_ms=slow_reader_ms)
        diagnosis = DiagnosisMethods(dispatcher, reports, jobs, slow_reader_ms=slow_reader_ms)
        documents = Documents(dispatcher)
        handlers: Handlers = (
            unary.handlers(dispatcher)
            | self._streams.handlers()
            | self._presence.handlers()
            | self._watches.handlers()
            | self._screens.handlers()
            | ShopMethods(documents).handlers()
            | ShopHistoryMethods(documents, audit).handlers()
            | InsightMethods(dispatcher, explainer).handlers()
            | ReportMethods(dispatcher, reports).handlers()
            | DecisionMethods(dispatcher, decisions).handlers()
            | simulating.handlers()
            | StaffingMethods(dispatcher, reports, jobs).handlers()
            | shadows.handlers()
            | diagnosis.handlers()
            | operator.handlers(dispatcher, core=core, partitions=partitions)
        )
        if wrap is not None:
            handlers = wrap(handlers)
        methods = Methods(handlers, limits() if protected else None)
        self._server.add_generic_rpc_handlers((methods,))
        others: Any = SanitisedServices(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, others)
        if reflection_enabled:
            names = (*SERVICE_NAMES, health.SERVICE_NAME, reflection.SERVICE_NAME)
            add: Any = reflection_pb2_grpc.add_ServerReflectionServicer_to_server
            add(reflection.aio.ReflectionServicer(names), others)

    async def start(self) -> str:
        """Listens; returns HOST:PORT as bound."""
        host = self._listen.rpartition(":")[0]
        port = self._server.add_insecure_port(self._listen)
        await self._server.start()
        await self.set_serving(True)
        return f"{host}:{port}"

    async def set_serving(self, serving: bool) -> None:
        """What the health service says of every service, and of the server as a whole ("")."""
        status = (
            health_pb2.HealthCheckResponse.SERVING
            if serving
            else health_pb2.HealthCheckResponse.NOT_SERVING
        )
        for name in ("", *SERVICE_NAMES):
            await self._health.set(name, status)

    async def stop(self, grace_ms: int) -> None:
        """Drains: NOT_SERVING, `reconnect` on the streams, their end, then the running calls."""
        await self._health.enter_graceful_shutdown()
        self._presence.drain()
        self._streams.drain()
        self._watches.drain()
        self._jobs.stop()
        self._screens.drain()
        await self._server.stop(grace_ms / 1_000)
