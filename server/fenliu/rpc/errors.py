"""Every error a caller can see, in one table, and how it crosses the wire.

Refusals of the engine arrive as an encoded google.rpc.Status and pass through. What goes wrong around
it (load, journal, drain, identity, our own bugs) is mapped here. No inner text ever leaves.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from fenliu.dispatch.errors import (
    ClockRefused,
    DeadlineGone,
    DispatchError,
    EngineFailure,
    JournalUnavailable,
    Overloaded,
    OwnerUnreachable,
)
from fenliu.insight.errors import (
    AgentNotThen,
    DecisionNotKept,
    DecisionNotMade,
    EngineRefused,
    InsightError,
    JobsStopped,
    LogUnreadable,
    PageTokenRefused,
    ReportRefused,
    ReportsBehind,
    SubjectNeverThere,
    TokenAhead,
    TokenRefused,
    TokenTooOld,
    TooBusy,
    TookTooLong,
)

log = logging.getLogger(__name__)

DOMAIN = "fenliu"
STATUS_METADATA = "grpc-status-details-bin"
PUSHBACK_METADATA = "grpc-retry-pushback-ms"
CODES = {code.value[0]: code for code in grpc.StatusCode}
if TYPE_CHECKING:  # Only the stubs have it generic.
    Handler = grpc.RpcMethodHandler[Any, Any]


class Refusal(Exception):
    """Ends the call with a status. `retry_after_ms`: when to try again, if that can help."""

    def __init__(self, status: status_pb2.Status, retry_after_ms: int | None = None) -> None:
        super().__init__(status.message)
        self.status = status
        self.retry_after_ms = retry_after_ms


def refusal(
    code: grpc.StatusCode,
    reason: str,
    message: str,
    *,
    field: str = "",
    rule: str = "",
    retry_after_ms: int | None = None,
    **metadata: str,
) -> Refusal:
    """A Refusal with ErrorInfo, and RetryInfo where the caller can retry."""
    if field:
        metadata["field"] = field
    if rule:
        metadata["rule"] = rule
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)
    status = status_pb2.Status(code=code.value[0], message=message)
    status.details.add().Pack(info)
    if retry_after_ms is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(retry_after_ms)
        status.details.append(any_pb2.Any())
        status.details[-1].Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return Refusal(status, retry_after_ms)


def invalid(field: str, rule: str) -> Refusal:
    """INVALID_ARGUMENT for what rpc itself reads (the engine says the same of what it reads)."""
    return refusal(
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELD",
        f"{field}: {rule}",
        field=field,
        rule=rule,
    )


def not_allowed(field: str, rule: str) -> Refusal:
    """PERMISSION_DENIED, as the engine says it of an actor without permission."""
    return refusal(
        grpc.StatusCode.PERMISSION_DENIED,
        "NOT_ALLOWED",
        f"{field}: {rule}",
        field=field,
        rule=rule,
    )


def _not_found(reason: str, field: str, rule: str) -> Refusal:
    return refusal(grpc.StatusCode.NOT_FOUND, reason, f"{field}: {rule}", field=field, rule=rule)


def malformed(message: str) -> Refusal:
    """INVALID_ARGUMENT for bytes that are no such message (its full name)."""
    rule = f"not a {message}"
    return refusal(grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE", rule, rule=rule)


def engine_refusal(status: bytes) -> Refusal:
    """A refusal the engine wrote, and when to try again, if it says that."""
    parsed = status_pb2.Status.FromString(status)
    retry = error_details_pb2.RetryInfo()
    for detail in parsed.details:
        if detail.Unpack(retry):
            return Refusal(parsed, retry.retry_delay.ToMilliseconds())
    return Refusal(parsed)


def draining() -> Refusal:
    """For calls and streams that meet a server on its way out."""
    return refusal(
        grpc.StatusCode.UNAVAILABLE, "DRAINING", "the server is stopping", retry_after_ms=1_000
    )


def of_exception(error: BaseException) -> Refusal:
    """The table: what a caller sees of each exception. Unknown ones become an id to look up."""
    match error:
        case Refusal():
            return error
        case Overloaded():
            return refusal(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "OVERLOADED",
                "too many calls are waiting",
                retry_after_ms=error.retry_after_ms,
            )
        case DeadlineGone():
            return refusal(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                "DEADLINE_GONE",
                "the deadline passed before the call's turn came",
            )
        case TooBusy():
            return refusal(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "OVERLOADED",
                error.rule,
                retry_after_ms=error.retry_after_ms,
            )
        case DecisionNotMade() | DecisionNotKept():
            return _not_found("DECISION_NOT_FOUND", "decision_id", error.rule)
        case AgentNotThen():
            return _not_found("AGENT_NOT_FOUND", "why_not_agent_id", error.rule)
        case PageTokenRefused():
            return invalid("page_token", error.rule)
        case TookTooLong():
            return refusal(
                grpc.StatusCode.DEADLINE_EXCEEDED, "TOOK_TOO_LONG", error.rule, rule=error.rule
            )
        case ReportRefused():
            return invalid(error.field, error.rule)
        case SubjectNeverThere():
            return _not_found(f"{error.kind.upper()}_NOT_FOUND", error.field, error.rule)
        case ReportsBehind():
            return refusal(
                grpc.StatusCode.UNAVAILABLE,
                "REPORTS_BEHIND",
                f"the reports are still reading the log: {error.rule}",
                retry_after_ms=error.retry_after_ms,
            )
        case TokenRefused():
            return invalid("resume_token", error.rule)
        case TokenAhead() | TokenTooOld():
            ahead = isinstance(error, TokenAhead)
            return refusal(
                grpc.StatusCode.OUT_OF_RANGE,
                "RESUME_TOKEN_AHEAD" if ahead else "RESUME_TOKEN_TOO_OLD",
                f"resume_token: {error.rule}",
                field="resume_token",
                rule=error.rule,
            )
        case EngineRefused():
            return engine_refusal(error.status)
        case JobsStopped():
            return draining()
        case JournalUnavailable() | LogUnreadable():
            return refusal(
                grpc.StatusCode.UNAVAILABLE,
                "JOURNAL_UNAVAILABLE",
                "the storage does not answer right now",
                retry_after_ms=500,
            )
        case OwnerUnreachable():
            return refusal(
                grpc.StatusCode.UNAVAILABLE,
                "OWNER_UNREACHABLE",
                "the worker that owns this shop is being started again",
                retry_after_ms=error.retry_after_ms,
            )
        case ClockRefused():
            return refusal(
                grpc.StatusCode.INVALID_ARGUMENT,
                "INVALID_FIELD",
                "fenliu-now-ms: only a server with --clock trace takes the time from callers",
                field="fenliu-now-ms",
                rule="only a server with --clock trace takes the time from callers",
            )
        case _:
            error_id = secrets.token_hex(8)
            kind = "engine" if isinstance(error, EngineFailure) else "internal"
            if isinstance(error, DispatchError | InsightError):
                log.error("%s failure %s", kind, error_id, exc_info=error)
            else:
                log.critical("unexpected failure %s", error_id, exc_info=error)
            return refusal(
                grpc.StatusCode.INTERNAL,
                "INTERNAL",
                f"{kind} failure {error_id}",
                error_id=error_id,
            )


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: BaseException) -> NoReturn:
    """Ends the call with what the table says of `error`."""
    refused = of_exception(error)
    trailing: list[tuple[str, str | bytes]] = [
        (STATUS_METADATA, refused.status.SerializeToString(deterministic=True))
    ]
    if refused.retry_after_ms is not None:
        trailing.append((PUSHBACK_METADATA, str(refused.retry_after_ms)))
    await context.abort(CODES[refused.status.code], refused.status.message, tuple(trailing))
    raise AssertionError("abort returned")


def sanitised(handler: Any) -> Handler:
    """The same handler; whatever it raises leaves through the table above.

    Around the handlers and not as an interceptor of grpc's, which costs each call some more turns of
    the loop. grpc's handler objects have no useful types.
    """
    inner = handler.unary_unary or handler.stream_unary
    inner_streaming = handler.unary_stream or handler.stream_stream
    if inner_streaming is not None and not inspect.isasyncgenfunction(inner_streaming):
        passed: Handler = handler
        return passed  # The health service's Watch writes through its context.

    async def unary(request: Any, context: Any) -> Any:
        try:
            return await inner(request, context)
        except (grpc.aio.AbortError, asyncio.CancelledError):
            raise
        except Exception as error:
            await abort(context, error)

    async def streaming(request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for response in inner_streaming(request, context):
                yield response
        except (grpc.aio.AbortError, asyncio.CancelledError):
            raise
        except Exception as error:
            await abort(context, error)

    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    behaviour: Any = streaming if handler.response_streaming else unary
    return make(behaviour, handler.request_deserializer, handler.response_serializer)
