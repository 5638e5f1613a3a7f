"""Every way to say no, in one table (docs/engine.md section 3). Knows no state."""

from typing import TypeVar

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from fenliu.engine.pure import wire
from fenliu.engine.pure.wire import encode

M = TypeVar("M", bound=Message)

_INVALID_ARGUMENT, _NOT_FOUND, _PERMISSION_DENIED, _FAILED_PRECONDITION, _ABORTED = 3, 5, 7, 9, 10
INTERNAL, _UNAVAILABLE = 13, 14

# reason: (canonical gRPC code, the rule's text; "" where the place that refuses says which)
_TABLE = {
    "MALFORMED_MESSAGE": (_INVALID_ARGUMENT, ""),
    "INVALID_FIELD": (_INVALID_ARGUMENT, ""),
    "REQUEST_ID_REUSED": (_INVALID_ARGUMENT, "used within 24 h with another body"),
    "SHOP_NOT_FOUND": (_NOT_FOUND, "unknown shop"),
    "AGENT_NOT_FOUND": (_NOT_FOUND, "unknown agent"),
    "CONVERSATION_NOT_FOUND": (_NOT_FOUND, "never issued"),
    "GROUP_NOT_FOUND": (_NOT_FOUND, "unknown group"),
    "NOT_ALLOWED": (_PERMISSION_DENIED, ""),
    "CONVERSATION_CLOSED": (_FAILED_PRECONDITION, "already closed"),
    "RECEIVER_UNAVAILABLE": (_FAILED_PRECONDITION, ""),
    "SHOP_IN_USE": (_FAILED_PRECONDITION, "conversations are open or buyers wait"),
    "HOP_LIMIT": (_FAILED_PRECONDITION, "at most 10 hops"),
    "STALE_ETAG": (_ABORTED, ""),
    "INTERNAL": (INTERNAL, "the engine failed"),
    "SHOP_UNAVAILABLE": (_UNAVAILABLE, "is being read back after a failure"),
}
_RETRY_DELAY_MS = 500
"""When to ask again for a shop that is being read back."""


class Refusal(Exception):
    """A command or query refused. `code` is a canonical gRPC code other than 0."""

    def __init__(self, reason: str, field: str, rule: str = "") -> None:
        self.code, fixed_rule = _TABLE[reason]
        self.reason = reason
        self.field = field
        self.rule = rule or fixed_rule
        super().__init__(f"{field}: {self.rule}" if field else self.rule)

    def status(self) -> bytes:
        """The encoded `google.rpc.Status`."""
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain="fenliu")
        if self.field:
            info.metadata["field"] = self.field
        info.metadata["rule"] = self.rule
        details = [_detail(info)]
        if self.code == _UNAVAILABLE:
            delay = duration_pb2.Duration()
            delay.FromMilliseconds(_RETRY_DELAY_MS)
            details.append(_detail(error_details_pb2.RetryInfo(retry_delay=delay)))
        return encode(status_pb2.Status(code=self.code, message=str(self), details=details))


def _detail(message: Message) -> any_pb2.Any:
    name = message.DESCRIPTOR.full_name
    return any_pb2.Any(type_url=f"type.googleapis.com/{name}", value=encode(message))


def malformed(message_name: str) -> Refusal:
    """The bytes are no such message. `message_name` is the full name."""
    return Refusal("MALFORMED_MESSAGE", "", f"not a {message_name}")


def invalid(field: str, rule: str) -> Refusal:
    """A field breaks a rule."""
    return Refusal("INVALID_FIELD", field, rule)


def stale(field: str, etag: str) -> Refusal:
    """The request's etag is not the stored one, which is `etag` ("": there is no such shop)."""
    rule = f"stale: the shop is at {etag}" if etag else "stale: there is no such shop"
    return Refusal("STALE_ETAG", field, rule)


def decode(message_type: type[M], data: bytes) -> M:
    """The message. Refuses bytes that are none."""
    try:
        return wire.decode(message_type, data)
    except wire.MalformedError:
        raise malformed(message_type.DESCRIPTOR.full_name) from None
    except wire.NotUtf8Error as error:
        raise invalid(error.path, "must be UTF-8") from None
