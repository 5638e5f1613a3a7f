from fenliu.v1 import dispatch_pb2 as _dispatch_pb2
from fenliu.v1 import presence_pb2 as _presence_pb2
from fenliu.v1 import shop_pb2 as _shop_pb2
from fenliu.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CommandKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMMAND_KIND_UNSPECIFIED: _ClassVar[CommandKind]
    COMMAND_KIND_ROUTE: _ClassVar[CommandKind]
    COMMAND_KIND_CLOSE_CONVERSATION: _ClassVar[CommandKind]
    COMMAND_KIND_MESSAGE: _ClassVar[CommandKind]
    COMMAND_KIND_UPDATE_PRESENCE: _ClassVar[CommandKind]
    COMMAND_KIND_SET_PRESENCE: _ClassVar[CommandKind]
    COMMAND_KIND_EXPIRE_SESSION: _ClassVar[CommandKind]
    COMMAND_KIND_APPLY_SHOP: _ClassVar[CommandKind]
    COMMAND_KIND_SET_WEIGHTS: _ClassVar[CommandKind]
    COMMAND_KIND_TICK: _ClassVar[CommandKind]
    COMMAND_KIND_TRANSFER: _ClassVar[CommandKind]
    COMMAND_KIND_CANCEL_INQUIRY: _ClassVar[CommandKind]
    COMMAND_KIND_ORDER: _ClassVar[CommandKind]
    COMMAND_KIND_DELETE_SHOP: _ClassVar[CommandKind]

class QueryKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUERY_KIND_UNSPECIFIED: _ClassVar[QueryKind]
    QUERY_KIND_GET_SHOP: _ClassVar[QueryKind]
    QUERY_KIND_LIST_SHOPS: _ClassVar[QueryKind]
    QUERY_KIND_LIST_PRESENCE: _ClassVar[QueryKind]

class CloseCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLOSE_CAUSE_UNSPECIFIED: _ClassVar[CloseCause]
    CLOSE_CAUSE_IDLE: _ClassVar[CloseCause]
    CLOSE_CAUSE_REQUEST: _ClassVar[CloseCause]
    CLOSE_CAUSE_HANDLER_OFFLINE: _ClassVar[CloseCause]
    CLOSE_CAUSE_HANDLER_EXCLUDED: _ClassVar[CloseCause]
    CLOSE_CAUSE_TO_HUMAN: _ClassVar[CloseCause]
    CLOSE_CAUSE_TRANSFER: _ClassVar[CloseCause]
    CLOSE_CAUSE_REPLY_TIMEOUT: _ClassVar[CloseCause]
    CLOSE_CAUSE_SHOP_DELETED: _ClassVar[CloseCause]
COMMAND_KIND_UNSPECIFIED: CommandKind
COMMAND_KIND_ROUTE: CommandKind
COMMAND_KIND_CLOSE_CONVERSATION: CommandKind
COMMAND_KIND_MESSAGE: CommandKind
COMMAND_KIND_UPDATE_PRESENCE: CommandKind
COMMAND_KIND_SET_PRESENCE: CommandKind
COMMAND_KIND_EXPIRE_SESSION: CommandKind
COMMAND_KIND_APPLY_SHOP: CommandKind
COMMAND_KIND_SET_WEIGHTS: CommandKind
COMMAND_KIND_TICK: CommandKind
COMMAND_KIND_TRANSFER: CommandKind
COMMAND_KIND_CANCEL_INQUIRY: CommandKind
COMMAND_KIND_ORDER: CommandKind
COMMAND_KIND_DELETE_SHOP: CommandKind
QUERY_KIND_UNSPECIFIED: QueryKind
QUERY_KIND_GET_SHOP: QueryKind
QUERY_KIND_LIST_SHOPS: QueryKind
QUERY_KIND_LIST_PRESENCE: QueryKind
CLOSE_CAUSE_UNSPECIFIED: CloseCause
CLOSE_CAUSE_IDLE: CloseCause
CLOSE_CAUSE_REQUEST: CloseCause
CLOSE_CAUSE_HANDLER_OFFLINE: CloseCause
CLOSE_CAUSE_HANDLER_EXCLUDED: CloseCause
CLOSE_CAUSE_TO_HUMAN: CloseCause
CLOSE_CAUSE_TRANSFER: CloseCause
CLOSE_CAUSE_REPLY_TIMEOUT: CloseCause
CLOSE_CAUSE_SHOP_DELETED: CloseCause

class UpdatePresence(_message.Message):
    __slots__ = ("session_id", "update")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    update: _presence_pb2.PresenceUpdate
    def __init__(self, session_id: _Optional[str] = ..., update: _Optional[_Union[_presence_pb2.PresenceUpdate, _Mapping]] = ...) -> None: ...

class ExpireSession(_message.Message):
    __slots__ = ("shop_id", "session_id")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    session_id: str
    def __init__(self, shop_id: _Optional[str] = ..., session_id: _Optional[str] = ...) -> None: ...

class Tick(_message.Message):
    __slots__ = ("shop_id",)
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    def __init__(self, shop_id: _Optional[str] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("now_ms", "actor", "facts", "route", "close_conversation", "message", "update_presence", "set_presence", "expire_session", "apply_shop", "set_weights", "tick", "transfer", "cancel_inquiry", "order", "delete_shop")
    NOW_MS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    CLOSE_CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_PRESENCE_FIELD_NUMBER: _ClassVar[int]
    SET_PRESENCE_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_SESSION_FIELD_NUMBER: _ClassVar[int]
    APPLY_SHOP_FIELD_NUMBER: _ClassVar[int]
    SET_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    TICK_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    CANCEL_INQUIRY_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    DELETE_SHOP_FIELD_NUMBER: _ClassVar[int]
    now_ms: int
    actor: str
    facts: _containers.RepeatedCompositeFieldContainer[Fact]
    route: _dispatch_pb2.RouteRequest
    close_conversation: _dispatch_pb2.CloseConversationRequest
    message: _dispatch_pb2.MessageEvent
    update_presence: UpdatePresence
    set_presence: _presence_pb2.SetPresenceRequest
    expire_session: ExpireSession
    apply_shop: _shop_pb2.ApplyShopRequest
    set_weights: _shop_pb2.SetWeightsRequest
    tick: Tick
    transfer: _dispatch_pb2.TransferRequest
    cancel_inquiry: _dispatch_pb2.CancelInquiryRequest
    order: _dispatch_pb2.OrderEvent
    delete_shop: _shop_pb2.DeleteShopRequest
    def __init__(self, now_ms: _Optional[int] = ..., actor: _Optional[str] = ..., facts: _Optional[_Iterable[_Union[Fact, _Mapping]]] = ..., route: _Optional[_Union[_dispatch_pb2.RouteRequest, _Mapping]] = ..., close_conversation: _Optional[_Union[_dispatch_pb2.CloseConversationRequest, _Mapping]] = ..., message: _Optional[_Union[_dispatch_pb2.MessageEvent, _Mapping]] = ..., update_presence: _Optional[_Union[UpdatePresence, _Mapping]] = ..., set_presence: _Optional[_Union[_presence_pb2.SetPresenceRequest, _Mapping]] = ..., expire_session: _Optional[_Union[ExpireSession, _Mapping]] = ..., apply_shop: _Optional[_Union[_shop_pb2.ApplyShopRequest, _Mapping]] = ..., set_weights: _Optional[_Union[_shop_pb2.SetWeightsRequest, _Mapping]] = ..., tick: _Optional[_Union[Tick, _Mapping]] = ..., transfer: _Optional[_Union[_dispatch_pb2.TransferRequest, _Mapping]] = ..., cancel_inquiry: _Optional[_Union[_dispatch_pb2.CancelInquiryRequest, _Mapping]] = ..., order: _Optional[_Union[_dispatch_pb2.OrderEvent, _Mapping]] = ..., delete_shop: _Optional[_Union[_shop_pb2.DeleteShopRequest, _Mapping]] = ...) -> None: ...

class Fact(_message.Message):
    __slots__ = ("conversation_closed", "decided", "message_noted", "presence_changed", "shop_applied", "weights_set", "waiting_cancelled", "reply_timed_out", "volume_reset", "order_noted", "shop_deleted")
    CONVERSATION_CLOSED_FIELD_NUMBER: _ClassVar[int]
    DECIDED_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_NOTED_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_CHANGED_FIELD_NUMBER: _ClassVar[int]
    SHOP_APPLIED_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_SET_FIELD_NUMBER: _ClassVar[int]
    WAITING_CANCELLED_FIELD_NUMBER: _ClassVar[int]
    REPLY_TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    VOLUME_RESET_FIELD_NUMBER: _ClassVar[int]
    ORDER_NOTED_FIELD_NUMBER: _ClassVar[int]
    SHOP_DELETED_FIELD_NUMBER: _ClassVar[int]
    conversation_closed: ConversationClosed
    decided: Decided
    message_noted: MessageNoted
    presence_changed: PresenceChanged
    shop_applied: ShopApplied
    weights_set: WeightsSet
    waiting_cancelled: WaitingCancelled
    reply_timed_out: ReplyTimedOut
    volume_reset: VolumeReset
    order_noted: OrderNoted
    shop_deleted: ShopDeleted
    def __init__(self, conversation_closed: _Optional[_Union[ConversationClosed, _Mapping]] = ..., decided: _Optional[_Union[Decided, _Mapping]] = ..., message_noted: _Optional[_Union[MessageNoted, _Mapping]] = ..., presence_changed: _Optional[_Union[PresenceChanged, _Mapping]] = ..., shop_applied: _Optional[_Union[ShopApplied, _Mapping]] = ..., weights_set: _Optional[_Union[WeightsSet, _Mapping]] = ..., waiting_cancelled: _Optional[_Union[WaitingCancelled, _Mapping]] = ..., reply_timed_out: _Optional[_Union[ReplyTimedOut, _Mapping]] = ..., volume_reset: _Optional[_Union[VolumeReset, _Mapping]] = ..., order_noted: _Optional[_Union[OrderNoted, _Mapping]] = ..., shop_deleted: _Optional[_Union[ShopDeleted, _Mapping]] = ...) -> None: ...

class ConversationClosed(_message.Message):
    __slots__ = ("conversation", "cause", "at_ms")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    conversation: int
    cause: CloseCause
    at_ms: int
    def __init__(self, conversation: _Optional[int] = ..., cause: _Optional[_Union[CloseCause, str]] = ..., at_ms: _Optional[int] = ...) -> None: ...

class Decided(_message.Message):
    __slots__ = ("decision", "outcome", "reason", "conversation", "agent_id", "group_id", "pool_of_all_groups", "pool_group_ids", "charged", "buyer_id", "at_ms", "previous_conversation", "pool_entry", "mixed_owner", "queue_position", "estimated_wait_ms")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_OF_ALL_GROUPS_FIELD_NUMBER: _ClassVar[int]
    POOL_GROUP_IDS_FIELD_NUMBER: _ClassVar[int]
    CHARGED_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    POOL_ENTRY_FIELD_NUMBER: _ClassVar[int]
    MIXED_OWNER_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    decision: int
    outcome: _types_pb2.Outcome
    reason: _types_pb2.Reason
    conversation: int
    agent_id: str
    group_id: str
    pool_of_all_groups: bool
    pool_group_ids: _containers.RepeatedScalarFieldContainer[str]
    charged: bool
    buyer_id: str
    at_ms: int
    previous_conversation: int
    pool_entry: bool
    mixed_owner: str
    queue_position: int
    estimated_wait_ms: int
    def __init__(self, decision: _Optional[int] = ..., outcome: _Optional[_Union[_types_pb2.Outcome, str]] = ..., reason: _Optional[_Union[_types_pb2.Reason, str]] = ..., conversation: _Optional[int] = ..., agent_id: _Optional[str] = ..., group_id: _Optional[str] = ..., pool_of_all_groups: _Optional[bool] = ..., pool_group_ids: _Optional[_Iterable[str]] = ..., charged: _Optional[bool] = ..., buyer_id: _Optional[str] = ..., at_ms: _Optional[int] = ..., previous_conversation: _Optional[int] = ..., pool_entry: _Optional[bool] = ..., mixed_owner: _Optional[str] = ..., queue_position: _Optional[int] = ..., estimated_wait_ms: _Optional[int] = ...) -> None: ...

class MessageNoted(_message.Message):
    __slots__ = ("conversation", "at_ms", "clamped", "agent_id", "opened", "buyer_id")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    CLAMPED_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    conversation: int
    at_ms: int
    clamped: bool
    agent_id: str
    opened: bool
    buyer_id: str
    def __init__(self, conversation: _Optional[int] = ..., at_ms: _Optional[int] = ..., clamped: _Optional[bool] = ..., agent_id: _Optional[str] = ..., opened: _Optional[bool] = ..., buyer_id: _Optional[str] = ...) -> None: ...

class WaitingCancelled(_message.Message):
    __slots__ = ("buyer_id",)
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    buyer_id: str
    def __init__(self, buyer_id: _Optional[str] = ...) -> None: ...

class ReplyTimedOut(_message.Message):
    __slots__ = ("conversation", "at_ms")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    conversation: int
    at_ms: int
    def __init__(self, conversation: _Optional[int] = ..., at_ms: _Optional[int] = ...) -> None: ...

class VolumeReset(_message.Message):
    __slots__ = ("agent_id", "at_ms")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    at_ms: int
    def __init__(self, agent_id: _Optional[str] = ..., at_ms: _Optional[int] = ...) -> None: ...

class OrderNoted(_message.Message):
    __slots__ = ("at_ms",)
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    at_ms: int
    def __init__(self, at_ms: _Optional[int] = ...) -> None: ...

class PresenceChanged(_message.Message):
    __slots__ = ("agent_id", "status", "cause", "session_id", "awaiting")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    AWAITING_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    status: _types_pb2.PresenceStatus
    cause: _types_pb2.PresenceCause
    session_id: str
    awaiting: int
    def __init__(self, agent_id: _Optional[str] = ..., status: _Optional[_Union[_types_pb2.PresenceStatus, str]] = ..., cause: _Optional[_Union[_types_pb2.PresenceCause, str]] = ..., session_id: _Optional[str] = ..., awaiting: _Optional[int] = ...) -> None: ...

class ShopApplied(_message.Message):
    __slots__ = ("shop",)
    SHOP_FIELD_NUMBER: _ClassVar[int]
    shop: _shop_pb2.Shop
    def __init__(self, shop: _Optional[_Union[_shop_pb2.Shop, _Mapping]] = ...) -> None: ...

class ShopDeleted(_message.Message):
    __slots__ = ("etag",)
    ETAG_FIELD_NUMBER: _ClassVar[int]
    etag: str
    def __init__(self, etag: _Optional[str] = ...) -> None: ...

class WeightsSet(_message.Message):
    __slots__ = ("weights", "etag")
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    weights: _containers.RepeatedCompositeFieldContainer[_shop_pb2.AgentWeight]
    etag: str
    def __init__(self, weights: _Optional[_Iterable[_Union[_shop_pb2.AgentWeight, _Mapping]]] = ..., etag: _Optional[str] = ...) -> None: ...

class ShopSnapshot(_message.Message):
    __slots__ = ("rules_version", "shop", "last_now_ms", "last_decision", "last_conversation", "clamped_timestamps", "agents", "conversations", "contacts", "waiting", "requests", "events", "pools", "mixed", "slot_releases_ms", "order_events", "contacts_since_ms", "deleted")
    RULES_VERSION_FIELD_NUMBER: _ClassVar[int]
    SHOP_FIELD_NUMBER: _ClassVar[int]
    LAST_NOW_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_DECISION_FIELD_NUMBER: _ClassVar[int]
    LAST_CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    CLAMPED_TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    CONVERSATIONS_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    MIXED_FIELD_NUMBER: _ClassVar[int]
    SLOT_RELEASES_MS_FIELD_NUMBER: _ClassVar[int]
    ORDER_EVENTS_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    rules_version: int
    shop: _shop_pb2.Shop
    last_now_ms: int
    last_decision: int
    last_conversation: int
    clamped_timestamps: int
    agents: _containers.RepeatedCompositeFieldContainer[AgentState]
    conversations: _containers.RepeatedCompositeFieldContainer[ConversationState]
    contacts: _containers.RepeatedCompositeFieldContainer[ContactState]
    waiting: _containers.RepeatedCompositeFieldContainer[WaitingState]
    requests: _containers.RepeatedCompositeFieldContainer[RequestState]
    events: _containers.RepeatedCompositeFieldContainer[EventState]
    pools: _containers.RepeatedCompositeFieldContainer[PoolState]
    mixed: _containers.RepeatedCompositeFieldContainer[MixedState]
    slot_releases_ms: _containers.RepeatedScalarFieldContainer[int]
    order_events: _containers.RepeatedCompositeFieldContainer[EventState]
    contacts_since_ms: int
    deleted: bool
    def __init__(self, rules_version: _Optional[int] = ..., shop: _Optional[_Union[_shop_pb2.Shop, _Mapping]] = ..., last_now_ms: _Optional[int] = ..., last_decision: _Optional[int] = ..., last_conversation: _Optional[int] = ..., clamped_timestamps: _Optional[int] = ..., agents: _Optional[_Iterable[_Union[AgentState, _Mapping]]] = ..., conversations: _Optional[_Iterable[_Union[ConversationState, _Mapping]]] = ..., contacts: _Optional[_Iterable[_Union[ContactState, _Mapping]]] = ..., waiting: _Optional[_Iterable[_Union[WaitingState, _Mapping]]] = ..., requests: _Optional[_Iterable[_Union[RequestState, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[EventState, _Mapping]]] = ..., pools: _Optional[_Iterable[_Union[PoolState, _Mapping]]] = ..., mixed: _Optional[_Iterable[_Union[MixedState, _Mapping]]] = ..., slot_releases_ms: _Optional[_Iterable[int]] = ..., order_events: _Optional[_Iterable[_Union[EventState, _Mapping]]] = ..., contacts_since_ms: _Optional[int] = ..., deleted: _Optional[bool] = ...) -> None: ...

class AgentState(_message.Message):
    __slots__ = ("agent_id", "status", "since_ms", "cause", "session_id", "absolute_awaiting", "volume_day", "received_today", "volume_hour", "received_this_hour")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ABSOLUTE_AWAITING_FIELD_NUMBER: _ClassVar[int]
    VOLUME_DAY_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_TODAY_FIELD_NUMBER: _ClassVar[int]
    VOLUME_HOUR_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_THIS_HOUR_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    status: _types_pb2.PresenceStatus
    since_ms: int
    cause: _types_pb2.PresenceCause
    session_id: str
    absolute_awaiting: int
    volume_day: int
    received_today: int
    volume_hour: int
    received_this_hour: int
    def __init__(self, agent_id: _Optional[str] = ..., status: _Optional[_Union[_types_pb2.PresenceStatus, str]] = ..., since_ms: _Optional[int] = ..., cause: _Optional[_Union[_types_pb2.PresenceCause, str]] = ..., session_id: _Optional[str] = ..., absolute_awaiting: _Optional[int] = ..., volume_day: _Optional[int] = ..., received_today: _Optional[int] = ..., volume_hour: _Optional[int] = ..., received_this_hour: _Optional[int] = ...) -> None: ...

class ConversationState(_message.Message):
    __slots__ = ("conversation", "buyer_id", "agent_id", "group_id", "opened_at_ms", "last_activity_ms", "awaiting", "robot", "answered", "reply_timeout_spent", "reply_hops", "transfer_hops", "inquiry")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_ACTIVITY_MS_FIELD_NUMBER: _ClassVar[int]
    AWAITING_FIELD_NUMBER: _ClassVar[int]
    ROBOT_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    REPLY_TIMEOUT_SPENT_FIELD_NUMBER: _ClassVar[int]
    REPLY_HOPS_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_HOPS_FIELD_NUMBER: _ClassVar[int]
    INQUIRY_FIELD_NUMBER: _ClassVar[int]
    conversation: int
    buyer_id: str
    agent_id: str
    group_id: str
    opened_at_ms: int
    last_activity_ms: int
    awaiting: bool
    robot: bool
    answered: bool
    reply_timeout_spent: bool
    reply_hops: int
    transfer_hops: int
    inquiry: Inquiry
    def __init__(self, conversation: _Optional[int] = ..., buyer_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., group_id: _Optional[str] = ..., opened_at_ms: _Optional[int] = ..., last_activity_ms: _Optional[int] = ..., awaiting: _Optional[bool] = ..., robot: _Optional[bool] = ..., answered: _Optional[bool] = ..., reply_timeout_spent: _Optional[bool] = ..., reply_hops: _Optional[int] = ..., transfer_hops: _Optional[int] = ..., inquiry: _Optional[_Union[Inquiry, _Mapping]] = ...) -> None: ...

class Inquiry(_message.Message):
    __slots__ = ("order_status", "product_id", "intent", "page_source", "dedicated_agent_id", "priority", "exclude_agent_ids")
    ORDER_STATUS_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SOURCE_FIELD_NUMBER: _ClassVar[int]
    DEDICATED_AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_AGENT_IDS_FIELD_NUMBER: _ClassVar[int]
    order_status: _types_pb2.OrderStatus
    product_id: str
    intent: str
    page_source: str
    dedicated_agent_id: str
    priority: int
    exclude_agent_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, order_status: _Optional[_Union[_types_pb2.OrderStatus, str]] = ..., product_id: _Optional[str] = ..., intent: _Optional[str] = ..., page_source: _Optional[str] = ..., dedicated_agent_id: _Optional[str] = ..., priority: _Optional[int] = ..., exclude_agent_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class MixedState(_message.Message):
    __slots__ = ("owner", "accumulator")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    ACCUMULATOR_FIELD_NUMBER: _ClassVar[int]
    owner: str
    accumulator: int
    def __init__(self, owner: _Optional[str] = ..., accumulator: _Optional[int] = ...) -> None: ...

class ContactState(_message.Message):
    __slots__ = ("buyer_id", "agent_id", "consulted_at_ms", "conversation")
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    CONSULTED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    buyer_id: str
    agent_id: str
    consulted_at_ms: int
    conversation: int
    def __init__(self, buyer_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., consulted_at_ms: _Optional[int] = ..., conversation: _Optional[int] = ...) -> None: ...

class WaitingState(_message.Message):
    __slots__ = ("buyer_id", "outcome", "agent_id", "since_ms", "decision", "inquiry", "target_agent_id", "target_group_id", "reply_hops", "transfer_hops")
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    INQUIRY_FIELD_NUMBER: _ClassVar[int]
    TARGET_AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    REPLY_HOPS_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_HOPS_FIELD_NUMBER: _ClassVar[int]
    buyer_id: str
    outcome: _types_pb2.Outcome
    agent_id: str
    since_ms: int
    decision: int
    inquiry: Inquiry
    target_agent_id: str
    target_group_id: str
    reply_hops: int
    transfer_hops: int
    def __init__(self, buyer_id: _Optional[str] = ..., outcome: _Optional[_Union[_types_pb2.Outcome, str]] = ..., agent_id: _Optional[str] = ..., since_ms: _Optional[int] = ..., decision: _Optional[int] = ..., inquiry: _Optional[_Union[Inquiry, _Mapping]] = ..., target_agent_id: _Optional[str] = ..., target_group_id: _Optional[str] = ..., reply_hops: _Optional[int] = ..., transfer_hops: _Optional[int] = ...) -> None: ...

class RequestState(_message.Message):
    __slots__ = ("request_id", "digest", "at_ms", "reply")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    digest: bytes
    at_ms: int
    reply: bytes
    def __init__(self, request_id: _Optional[str] = ..., digest: _Optional[bytes] = ..., at_ms: _Optional[int] = ..., reply: _Optional[bytes] = ...) -> None: ...

class EventState(_message.Message):
    __slots__ = ("event_id", "at_ms")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    at_ms: int
    def __init__(self, event_id: _Optional[str] = ..., at_ms: _Optional[int] = ...) -> None: ...

class PoolState(_message.Message):
    __slots__ = ("group_ids", "virtual_time", "members")
    GROUP_IDS_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_TIME_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    group_ids: _containers.RepeatedScalarFieldContainer[str]
    virtual_time: bytes
    members: _containers.RepeatedCompositeFieldContainer[PoolMember]
    def __init__(self, group_ids: _Optional[_Iterable[str]] = ..., virtual_time: _Optional[bytes] = ..., members: _Optional[_Iterable[_Union[PoolMember, _Mapping]]] = ...) -> None: ...

class PoolMember(_message.Message):
    __slots__ = ("agent_id", "eligible_at", "weight", "available")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    ELIGIBLE_AT_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    eligible_at: bytes
    weight: int
    available: bool
    def __init__(self, agent_id: _Optional[str] = ..., eligible_at: _Optional[bytes] = ..., weight: _Optional[int] = ..., available: _Optional[bool] = ...) -> None: ...

class Manifest(_message.Message):
    __slots__ = ("rules_version", "partition", "seq", "shops")
    RULES_VERSION_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    SHOPS_FIELD_NUMBER: _ClassVar[int]
    rules_version: int
    partition: int
    seq: int
    shops: _containers.RepeatedCompositeFieldContainer[StoredShop]
    def __init__(self, rules_version: _Optional[int] = ..., partition: _Optional[int] = ..., seq: _Optional[int] = ..., shops: _Optional[_Iterable[_Union[StoredShop, _Mapping]]] = ...) -> None: ...

class StoredShop(_message.Message):
    __slots__ = ("shop_id", "head", "segments", "next_due_ms", "session_ids", "deleted", "last_decision", "last_now_ms", "contact_lifetime_ms", "contacts_since_ms", "fresh")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_DUE_MS_FIELD_NUMBER: _ClassVar[int]
    SESSION_IDS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    LAST_DECISION_FIELD_NUMBER: _ClassVar[int]
    LAST_NOW_MS_FIELD_NUMBER: _ClassVar[int]
    CONTACT_LIFETIME_MS_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    FRESH_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    head: _containers.RepeatedScalarFieldContainer[bytes]
    segments: _containers.RepeatedCompositeFieldContainer[Segment]
    next_due_ms: int
    session_ids: _containers.RepeatedScalarFieldContainer[str]
    deleted: bool
    last_decision: int
    last_now_ms: int
    contact_lifetime_ms: int
    contacts_since_ms: int
    fresh: bool
    def __init__(self, shop_id: _Optional[str] = ..., head: _Optional[_Iterable[bytes]] = ..., segments: _Optional[_Iterable[_Union[Segment, _Mapping]]] = ..., next_due_ms: _Optional[int] = ..., session_ids: _Optional[_Iterable[str]] = ..., deleted: _Optional[bool] = ..., last_decision: _Optional[int] = ..., last_now_ms: _Optional[int] = ..., contact_lifetime_ms: _Optional[int] = ..., contacts_since_ms: _Optional[int] = ..., fresh: _Optional[bool] = ...) -> None: ...

class Segment(_message.Message):
    __slots__ = ("chunks",)
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    chunks: _containers.RepeatedCompositeFieldContainer[ChunkRef]
    def __init__(self, chunks: _Optional[_Iterable[_Union[ChunkRef, _Mapping]]] = ...) -> None: ...

class ChunkRef(_message.Message):
    __slots__ = ("id", "first_key", "newest_ms", "size")
    ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_KEY_FIELD_NUMBER: _ClassVar[int]
    NEWEST_MS_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    first_key: bytes
    newest_ms: int
    size: int
    def __init__(self, id: _Optional[bytes] = ..., first_key: _Optional[bytes] = ..., newest_ms: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...

class ScriptEvent(_message.Message):
    __slots__ = ("now_ms", "route", "close_conversation", "message", "update_presence", "set_presence", "expire_session", "apply_shop", "set_weights", "tick", "transfer", "cancel_inquiry", "order", "delete_shop", "buyer_id", "delays_ms", "conversation", "begins", "draw", "sent_after_ms", "document")
    NOW_MS_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    CLOSE_CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_PRESENCE_FIELD_NUMBER: _ClassVar[int]
    SET_PRESENCE_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_SESSION_FIELD_NUMBER: _ClassVar[int]
    APPLY_SHOP_FIELD_NUMBER: _ClassVar[int]
    SET_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    TICK_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    CANCEL_INQUIRY_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    DELETE_SHOP_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    DELAYS_MS_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    BEGINS_FIELD_NUMBER: _ClassVar[int]
    DRAW_FIELD_NUMBER: _ClassVar[int]
    SENT_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    now_ms: int
    route: _dispatch_pb2.RouteRequest
    close_conversation: _dispatch_pb2.CloseConversationRequest
    message: _dispatch_pb2.MessageEvent
    update_presence: UpdatePresence
    set_presence: _presence_pb2.SetPresenceRequest
    expire_session: ExpireSession
    apply_shop: _shop_pb2.ApplyShopRequest
    set_weights: _shop_pb2.SetWeightsRequest
    tick: Tick
    transfer: _dispatch_pb2.TransferRequest
    cancel_inquiry: _dispatch_pb2.CancelInquiryRequest
    order: _dispatch_pb2.OrderEvent
    delete_shop: _shop_pb2.DeleteShopRequest
    buyer_id: str
    delays_ms: _containers.RepeatedScalarFieldContainer[int]
    conversation: int
    begins: bool
    draw: int
    sent_after_ms: int
    document: int
    def __init__(self, now_ms: _Optional[int] = ..., route: _Optional[_Union[_dispatch_pb2.RouteRequest, _Mapping]] = ..., close_conversation: _Optional[_Union[_dispatch_pb2.CloseConversationRequest, _Mapping]] = ..., message: _Optional[_Union[_dispatch_pb2.MessageEvent, _Mapping]] = ..., update_presence: _Optional[_Union[UpdatePresence, _Mapping]] = ..., set_presence: _Optional[_Union[_presence_pb2.SetPresenceRequest, _Mapping]] = ..., expire_session: _Optional[_Union[ExpireSession, _Mapping]] = ..., apply_shop: _Optional[_Union[_shop_pb2.ApplyShopRequest, _Mapping]] = ..., set_weights: _Optional[_Union[_shop_pb2.SetWeightsRequest, _Mapping]] = ..., tick: _Optional[_Union[Tick, _Mapping]] = ..., transfer: _Optional[_Union[_dispatch_pb2.TransferRequest, _Mapping]] = ..., cancel_inquiry: _Optional[_Union[_dispatch_pb2.CancelInquiryRequest, _Mapping]] = ..., order: _Optional[_Union[_dispatch_pb2.OrderEvent, _Mapping]] = ..., delete_shop: _Optional[_Union[_shop_pb2.DeleteShopRequest, _Mapping]] = ..., buyer_id: _Optional[str] = ..., delays_ms: _Optional[_Iterable[int]] = ..., conversation: _Optional[int] = ..., begins: _Optional[bool] = ..., draw: _Optional[int] = ..., sent_after_ms: _Optional[int] = ..., document: _Optional[int] = ...) -> None: ...

class Playing(_message.Message):
    __slots__ = ("shop_id", "start_ms", "end_ms", "documents", "agent_ids", "without_contacts", "never_busy", "delays", "want_entries", "without")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    AGENT_IDS_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_CONTACTS_FIELD_NUMBER: _ClassVar[int]
    NEVER_BUSY_FIELD_NUMBER: _ClassVar[int]
    DELAYS_FIELD_NUMBER: _ClassVar[int]
    WANT_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    start_ms: int
    end_ms: int
    documents: _containers.RepeatedCompositeFieldContainer[_shop_pb2.Shop]
    agent_ids: _containers.RepeatedScalarFieldContainer[str]
    without_contacts: bool
    never_busy: bool
    delays: _containers.RepeatedCompositeFieldContainer[AgentDelays]
    want_entries: bool
    without: _containers.RepeatedScalarFieldContainer[CommandKind]
    def __init__(self, shop_id: _Optional[str] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., documents: _Optional[_Iterable[_Union[_shop_pb2.Shop, _Mapping]]] = ..., agent_ids: _Optional[_Iterable[str]] = ..., without_contacts: _Optional[bool] = ..., never_busy: _Optional[bool] = ..., delays: _Optional[_Iterable[_Union[AgentDelays, _Mapping]]] = ..., want_entries: _Optional[bool] = ..., without: _Optional[_Iterable[_Union[CommandKind, str]]] = ...) -> None: ...

class AgentDelays(_message.Message):
    __slots__ = ("agent_id", "delays_ms")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    DELAYS_MS_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    delays_ms: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, agent_id: _Optional[str] = ..., delays_ms: _Optional[_Iterable[int]] = ...) -> None: ...

class Played(_message.Message):
    __slots__ = ("agents", "decisions", "happened", "refused", "contacts_met", "busy_met", "entries")
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    HAPPENED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_MET_FIELD_NUMBER: _ClassVar[int]
    BUSY_MET_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[AgentPlayed]
    decisions: int
    happened: int
    refused: int
    contacts_met: int
    busy_met: bool
    entries: bytes
    def __init__(self, agents: _Optional[_Iterable[_Union[AgentPlayed, _Mapping]]] = ..., decisions: _Optional[int] = ..., happened: _Optional[int] = ..., refused: _Optional[int] = ..., contacts_met: _Optional[int] = ..., busy_met: _Optional[bool] = ..., entries: _Optional[bytes] = ...) -> None: ...

class AgentPlayed(_message.Message):
    __slots__ = ("agent_id", "receptions")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    RECEPTIONS_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    receptions: int
    def __init__(self, agent_id: _Optional[str] = ..., receptions: _Optional[int] = ...) -> None: ...
