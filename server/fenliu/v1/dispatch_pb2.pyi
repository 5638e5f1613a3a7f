from fenliu.v1 import types_pb2 as _types_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OrderEventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_EVENT_TYPE_UNSPECIFIED: _ClassVar[OrderEventType]
    ORDER_EVENT_TYPE_CREATED: _ClassVar[OrderEventType]
    ORDER_EVENT_TYPE_PAID: _ClassVar[OrderEventType]
    ORDER_EVENT_TYPE_REFUNDED: _ClassVar[OrderEventType]
ORDER_EVENT_TYPE_UNSPECIFIED: OrderEventType
ORDER_EVENT_TYPE_CREATED: OrderEventType
ORDER_EVENT_TYPE_PAID: OrderEventType
ORDER_EVENT_TYPE_REFUNDED: OrderEventType

class RouteRequest(_message.Message):
    __slots__ = ("shop_id", "buyer_id", "request_id", "order_status", "product_id", "intent", "page_source", "dedicated_agent_id", "priority", "handoff", "exclude_agent_ids")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_STATUS_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SOURCE_FIELD_NUMBER: _ClassVar[int]
    DEDICATED_AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    HANDOFF_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_AGENT_IDS_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    buyer_id: str
    request_id: str
    order_status: _types_pb2.OrderStatus
    product_id: str
    intent: str
    page_source: str
    dedicated_agent_id: str
    priority: int
    handoff: bool
    exclude_agent_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, shop_id: _Optional[str] = ..., buyer_id: _Optional[str] = ..., request_id: _Optional[str] = ..., order_status: _Optional[_Union[_types_pb2.OrderStatus, str]] = ..., product_id: _Optional[str] = ..., intent: _Optional[str] = ..., page_source: _Optional[str] = ..., dedicated_agent_id: _Optional[str] = ..., priority: _Optional[int] = ..., handoff: _Optional[bool] = ..., exclude_agent_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class RouteResponse(_message.Message):
    __slots__ = ("conversation_id", "decision_id", "outcome", "agent_id", "group_id", "reason", "queue_position", "estimated_wait_ms")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    decision_id: str
    outcome: _types_pb2.Outcome
    agent_id: str
    group_id: str
    reason: _types_pb2.Reason
    queue_position: int
    estimated_wait_ms: int
    def __init__(self, conversation_id: _Optional[str] = ..., decision_id: _Optional[str] = ..., outcome: _Optional[_Union[_types_pb2.Outcome, str]] = ..., agent_id: _Optional[str] = ..., group_id: _Optional[str] = ..., reason: _Optional[_Union[_types_pb2.Reason, str]] = ..., queue_position: _Optional[int] = ..., estimated_wait_ms: _Optional[int] = ...) -> None: ...

class RouteBatchRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[RouteRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[RouteRequest, _Mapping]]] = ...) -> None: ...

class RouteBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RouteResult]
    def __init__(self, results: _Optional[_Iterable[_Union[RouteResult, _Mapping]]] = ...) -> None: ...

class RouteResult(_message.Message):
    __slots__ = ("response", "status")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    response: RouteResponse
    status: _status_pb2.Status
    def __init__(self, response: _Optional[_Union[RouteResponse, _Mapping]] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class RouteStreamRequest(_message.Message):
    __slots__ = ("requests", "batch_id")
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[RouteRequest]
    batch_id: int
    def __init__(self, requests: _Optional[_Iterable[_Union[RouteRequest, _Mapping]]] = ..., batch_id: _Optional[int] = ...) -> None: ...

class RouteStreamResponse(_message.Message):
    __slots__ = ("results", "batch_id")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RouteResult]
    batch_id: int
    def __init__(self, results: _Optional[_Iterable[_Union[RouteResult, _Mapping]]] = ..., batch_id: _Optional[int] = ...) -> None: ...

class TransferRequest(_message.Message):
    __slots__ = ("shop_id", "conversation_id", "request_id", "agent_id", "group_id", "reason", "allow_offline")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ALLOW_OFFLINE_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    conversation_id: str
    request_id: str
    agent_id: str
    group_id: str
    reason: str
    allow_offline: bool
    def __init__(self, shop_id: _Optional[str] = ..., conversation_id: _Optional[str] = ..., request_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., group_id: _Optional[str] = ..., reason: _Optional[str] = ..., allow_offline: _Optional[bool] = ...) -> None: ...

class TransferResponse(_message.Message):
    __slots__ = ("conversation_id", "decision_id", "outcome", "agent_id", "group_id", "reason")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    decision_id: str
    outcome: _types_pb2.Outcome
    agent_id: str
    group_id: str
    reason: _types_pb2.Reason
    def __init__(self, conversation_id: _Optional[str] = ..., decision_id: _Optional[str] = ..., outcome: _Optional[_Union[_types_pb2.Outcome, str]] = ..., agent_id: _Optional[str] = ..., group_id: _Optional[str] = ..., reason: _Optional[_Union[_types_pb2.Reason, str]] = ...) -> None: ...

class CloseConversationRequest(_message.Message):
    __slots__ = ("shop_id", "conversation_id", "request_id")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    conversation_id: str
    request_id: str
    def __init__(self, shop_id: _Optional[str] = ..., conversation_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CloseConversationResponse(_message.Message):
    __slots__ = ("conversation_id", "already_closed")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    ALREADY_CLOSED_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    already_closed: bool
    def __init__(self, conversation_id: _Optional[str] = ..., already_closed: _Optional[bool] = ...) -> None: ...

class CancelInquiryRequest(_message.Message):
    __slots__ = ("shop_id", "buyer_id", "request_id")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    buyer_id: str
    request_id: str
    def __init__(self, shop_id: _Optional[str] = ..., buyer_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CancelInquiryResponse(_message.Message):
    __slots__ = ("was_waiting",)
    WAS_WAITING_FIELD_NUMBER: _ClassVar[int]
    was_waiting: bool
    def __init__(self, was_waiting: _Optional[bool] = ...) -> None: ...

class MessageEvent(_message.Message):
    __slots__ = ("shop_id", "conversation_id", "buyer_id", "sender", "agent_id", "sent_at_ms", "event_id")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_MS_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    conversation_id: str
    buyer_id: str
    sender: _types_pb2.Sender
    agent_id: str
    sent_at_ms: int
    event_id: str
    def __init__(self, shop_id: _Optional[str] = ..., conversation_id: _Optional[str] = ..., buyer_id: _Optional[str] = ..., sender: _Optional[_Union[_types_pb2.Sender, str]] = ..., agent_id: _Optional[str] = ..., sent_at_ms: _Optional[int] = ..., event_id: _Optional[str] = ...) -> None: ...

class ReportMessagesRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[MessageEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[MessageEvent, _Mapping]]] = ...) -> None: ...

class ReportMessagesResponse(_message.Message):
    __slots__ = ("accepted", "duplicates", "clamped", "rejected", "first_rejection")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    CLAMPED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    FIRST_REJECTION_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    duplicates: int
    clamped: int
    rejected: int
    first_rejection: _status_pb2.Status
    def __init__(self, accepted: _Optional[int] = ..., duplicates: _Optional[int] = ..., clamped: _Optional[int] = ..., rejected: _Optional[int] = ..., first_rejection: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ReportMessagesBatchRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[MessageEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[MessageEvent, _Mapping]]] = ...) -> None: ...

class ReportMessagesBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[MessageResult]
    def __init__(self, results: _Optional[_Iterable[_Union[MessageResult, _Mapping]]] = ...) -> None: ...

class MessageResult(_message.Message):
    __slots__ = ("duplicate", "clamped", "status", "reassigned")
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    CLAMPED_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASSIGNED_FIELD_NUMBER: _ClassVar[int]
    duplicate: bool
    clamped: bool
    status: _status_pb2.Status
    reassigned: RouteResponse
    def __init__(self, duplicate: _Optional[bool] = ..., clamped: _Optional[bool] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., reassigned: _Optional[_Union[RouteResponse, _Mapping]] = ...) -> None: ...

class OrderEvent(_message.Message):
    __slots__ = ("shop_id", "buyer_id", "order_id", "type", "amount_cents", "items", "occurred_at_ms", "event_id")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_CENTS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    buyer_id: str
    order_id: str
    type: OrderEventType
    amount_cents: int
    items: int
    occurred_at_ms: int
    event_id: str
    def __init__(self, shop_id: _Optional[str] = ..., buyer_id: _Optional[str] = ..., order_id: _Optional[str] = ..., type: _Optional[_Union[OrderEventType, str]] = ..., amount_cents: _Optional[int] = ..., items: _Optional[int] = ..., occurred_at_ms: _Optional[int] = ..., event_id: _Optional[str] = ...) -> None: ...

class ReportOrdersRequest(_message.Message):
    __slots__ = ("orders",)
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[OrderEvent]
    def __init__(self, orders: _Optional[_Iterable[_Union[OrderEvent, _Mapping]]] = ...) -> None: ...

class ReportOrdersResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[OrderResult]
    def __init__(self, results: _Optional[_Iterable[_Union[OrderResult, _Mapping]]] = ...) -> None: ...

class OrderResult(_message.Message):
    __slots__ = ("duplicate", "status")
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    duplicate: bool
    status: _status_pb2.Status
    def __init__(self, duplicate: _Optional[bool] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class WatchAssignmentsRequest(_message.Message):
    __slots__ = ("shop_id", "resume_token")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    resume_token: str
    def __init__(self, shop_id: _Optional[str] = ..., resume_token: _Optional[str] = ...) -> None: ...

class WatchAssignmentsResponse(_message.Message):
    __slots__ = ("resume_token", "shop_id", "buyer_id", "assignment", "decided_at_ms", "previous_conversation_id")
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    resume_token: str
    shop_id: str
    buyer_id: str
    assignment: RouteResponse
    decided_at_ms: int
    previous_conversation_id: str
    def __init__(self, resume_token: _Optional[str] = ..., shop_id: _Optional[str] = ..., buyer_id: _Optional[str] = ..., assignment: _Optional[_Union[RouteResponse, _Mapping]] = ..., decided_at_ms: _Optional[int] = ..., previous_conversation_id: _Optional[str] = ...) -> None: ...
