"""Refusals as the client raises them: the one place that reads error details off the wire."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from fenliu.v1 import shop_pb2

_CODES = {code.value[0]: code for code in grpc.StatusCode}

_BROKEN = "Internal error from Core"
"""What grpc.aio itself says, as INTERNAL, when a stream ends while something is being written to it."""


class FenliuError(Exception):
    """A call was refused or did not get through.

    `code` is the canonical gRPC code, `message` the server's text. `reason` (such as
    `SHOP_NOT_FOUND`), `field` and `rule` come from the `ErrorInfo` detail and are empty when the
    server sent none, as when it was never reached. `pushback_ms` is the server's word on retrying:
    milliseconds to wait, negative for "do not", None when it said nothing. `findings`: what lint finds in a
    shop that was refused where it was only supposed.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        reason: str = "",
        field: str = "",
        rule: str = "",
        pushback_ms: int | None = None,
        findings: Sequence[shop_pb2.LintFinding] = (),
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.reason = reason
        self.field = field
        self.rule = rule
        self.pushback_ms = pushback_ms
        self.findings = findings

    def __str__(self) -> str:
        return f"{self.message or 'no text'} ({self.reason or self.code.name})"

    def again(self) -> FenliuError:
        """The same for another caller: one exception raised in two places mixes up their tracebacks."""
        return FenliuError(
            self.code,
            self.message,
            reason=self.reason,
            field=self.field,
            rule=self.rule,
            pushback_ms=self.pushback_ms,
            findings=self.findings,
        )

    @classmethod
    def from_status(
        cls, status: status_pb2.Status, *, pushback_ms: int | None = None
    ) -> FenliuError:
        """From a `google.rpc.Status`, as batches carry it for an element that failed alone."""
        info = error_details_pb2.ErrorInfo()
        retry = error_details_pb2.RetryInfo()
        lint = shop_pb2.LintShopResponse()
        for detail in status.details:
            if detail.Unpack(lint):
                continue
            # A trailer says more than RetryInfo: it can also say "do not".
            if not detail.Unpack(info) and detail.Unpack(retry) and pushback_ms is None:
                pushback_ms = retry.retry_delay.ToMilliseconds()
        return cls(
            _CODES.get(status.code, grpc.StatusCode.UNKNOWN),
            status.message,
            reason=info.reason,
            field=info.metadata.get("field", ""),
            rule=info.metadata.get("rule", ""),
            pushback_ms=pushback_ms,
            findings=lint.findings,
        )

    @classmethod
    def from_rpc(cls, error: grpc.aio.AioRpcError) -> FenliuError:
        """From what a failed call raised."""
        trailers: dict[str, str | bytes] = dict(error.trailing_metadata() or ())
        pushback_ms = _pushback_ms(trailers.get("grpc-retry-pushback-ms"))
        details = trailers.get("grpc-status-details-bin")
        if isinstance(details, bytes):
            status = status_pb2.Status()
            try:
                status.ParseFromString(details)
            except DecodeError:
                pass  # A proxy's garbage must not hide the error itself.
            else:
                return cls.from_status(status, pushback_ms=pushback_ms)
        code, text = error.code(), error.details() or ""
        if (code, text) == (grpc.StatusCode.INTERNAL, _BROKEN):
            code, text = grpc.StatusCode.UNAVAILABLE, "the connection broke while sending"
        return cls(code, text, pushback_ms=pushback_ms)


def _pushback_ms(value: str | bytes | None) -> int | None:
    if value is None:
        return None
    try:
        return int(value)
    except ValueError:
        return -1  # As gRPC's retry design has it: unreadable means do not retry.
