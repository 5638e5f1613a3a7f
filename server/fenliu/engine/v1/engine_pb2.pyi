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
QUERY_KIND_UNSPECIFIED: QueryKind
QUERY_KIND_GET_SHOP: QueryKind
QUERY_KIND_LIST_SHOPS: QueryKind
QUERY_KIND_LIST_PRESENCE: QueryKind
CLOSE_CAUSE_UNSPECIFIED: CloseCause
CLOSE_CAUSE_IDLE: CloseCause
CLOSE_CAUSE_REQUEST: CloseCause
CLOSE_CAUSE_HANDLER_OFFLINE: CloseCause
CLOSE_CAUSE_HANDLER_EXCLUDED: CloseCause

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
    __slots__ = ("now_ms", "actor", "facts", "route", "close_conversation", "message", "update_presence", "set_presence", "expire_session", "apply_shop", "set_weights", "tick")
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
    def __init__(self, now_ms: _Optional[int] = ..., actor: _Optional[str] = ..., facts: _Optional[_Iterable[_Union[Fact, _Mapping]]] = ..., route: _Optional[_Union[_dispatch_pb2.RouteRequest, _Mapping]] = ..., close_conversation: _Optional[_Union[_dispatch_pb2.CloseConversationRequest, _Mapping]] = ..., message: _Optional[_Union[_dispatch_pb2.MessageEvent, _Mapping]] = ..., update_presence: _Optional[_Union[UpdatePresence, _Mapping]] = ..., set_presence: _Optional[_Union[_presence_pb2.SetPresenceRequest, _Mapping]] = ..., expire_session: _Optional[_Union[ExpireSession, _Mapping]] = ..., apply_shop: _Optional[_Union[_shop_pb2.ApplyShopRequest, _Mapping]] = ..., set_weights: _Optional[_Union[_shop_pb2.SetWeightsRequest, _Mapping]] = ..., tick: _Optional[_Union[Tick, _Mapping]] = ...) -> None: ...

class Fact(_message.Message):
    __slots__ = ("conversation_closed", "decided", "message_noted", "presence_changed", "shop_applied", "weights_set")
    CONVERSATION_CLOSED_FIELD_NUMBER: _ClassVar[int]
    DECIDED_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_NOTED_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_CHANGED_FIELD_NUMBER: _ClassVar[int]
    SHOP_APPLIED_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_SET_FIELD_NUMBER: _ClassVar[int]
    conversation_closed: ConversationClosed
    decided: Decided
    message_noted: MessageNoted
    presence_changed: PresenceChanged
    shop_applied: ShopApplied
    weights_set: WeightsSet
    def __init__(self, conversation_closed: _Optional[_Union[ConversationClosed, _Mapping]] = ..., decided: _Optional[_Union[Decided, _Mapping]] = ..., message_noted: _Optional[_Union[MessageNoted, _Mapping]] = ..., presence_changed: _Optional[_Union[PresenceChanged, _Mapping]] = ..., shop_applied: _Optional[_Union[ShopApplied, _Mapping]] = ..., weights_set: _Optional[_Union[WeightsSet, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("decision", "outcome", "reason", "conversation", "agent_id", "group_id", "pool_of_all_groups", "pool_group_ids")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_OF_ALL_GROUPS_FIELD_NUMBER: _ClassVar[int]
    POOL_GROUP_IDS_FIELD_NUMBER: _ClassVar[int]
    decision: int
    outcome: _types_pb2.Outcome
    reason: _types_pb2.Reason
    conversation: int
    agent_id: str
    group_id: str
    pool_of_all_groups: bool
    pool_group_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, decision: _Optional[int] = ..., outcome: _Optional[_Union[_types_pb2.Outcome, str]] = ..., reason: _Optional[_Union[_types_pb2.Reason, str]] = ..., conversation: _Optional[int] = ..., agent_id: _Optional[str] = ..., group_id: _Optional[str] = ..., pool_of_all_groups: _Optional[bool] = ..., pool_group_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class MessageNoted(_message.Message):
    __slots__ = ("conversation", "at_ms", "clamped", "agent_id", "opened")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    CLAMPED_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    conversation: int
    at_ms: int
    clamped: bool
    agent_id: str
    opened: bool
    def __init__(self, conversation: _Optional[int] = ..., at_ms: _Optional[int] = ..., clamped: _Optional[bool] = ..., agent_id: _Optional[str] = ..., opened: _Optional[bool] = ...) -> None: ...

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

class WeightsSet(_message.Message):
    __slots__ = ("weights", "etag")
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    weights: _containers.RepeatedCompositeFieldContainer[_shop_pb2.AgentWeight]
    etag: str
    def __init__(self, weights: _Optional[_Iterable[_Union[_shop_pb2.AgentWeight, _Mapping]]] = ..., etag: _Optional[str] = ...) -> None: ...

class ShopSnapshot(_message.Message):
    __slots__ = ("rules_version", "shop", "last_now_ms", "last_decision", "last_conversation", "clamped_timestamps", "agents", "conversations", "contacts", "waiting", "requests", "events", "pools")
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
    def __init__(self, rules_version: _Optional[int] = ..., shop: _Optional[_Union[_shop_pb2.Shop, _Mapping]] = ..., last_now_ms: _Optional[int] = ..., last_decision: _Optional[int] = ..., last_conversation: _Optional[int] = ..., clamped_timestamps: _Optional[int] = ..., agents: _Optional[_Iterable[_Union[AgentState, _Mapping]]] = ..., conversations: _Optional[_Iterable[_Union[ConversationState, _Mapping]]] = ..., contacts: _Optional[_Iterable[_Union[ContactState, _Mapping]]] = ..., waiting: _Optional[_Iterable[_Union[WaitingState, _Mapping]]] = ..., requests: _Optional[_Iterable[_Union[RequestState, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[EventState, _Mapping]]] = ..., pools: _Optional[_Iterable[_Union[PoolState, _Mapping]]] = ...) -> None: ...

class AgentState(_message.Message):
    __slots__ = ("agent_id", "status", "since_ms", "cause", "session_id", "absolute_awaiting")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ABSOLUTE_AWAITING_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    status: _types_pb2.PresenceStatus
    since_ms: int
    cause: _types_pb2.PresenceCause
    session_id: str
    absolute_awaiting: int
    def __init__(self, agent_id: _Optional[str] = ..., status: _Optional[_Union[_types_pb2.PresenceStatus, str]] = ..., since_ms: _Optional[int] = ..., cause: _Optional[_Union[_types_pb2.PresenceCause, str]] = ..., session_id: _Optional[str] = ..., absolute_awaiting: _Optional[int] = ...) -> None: ...

class ConversationState(_message.Message):
    __slots__ = ("conversation", "buyer_id", "agent_id", "group_id", "opened_at_ms", "last_activity_ms", "awaiting")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_ACTIVITY_MS_FIELD_NUMBER: _ClassVar[int]
    AWAITING_FIELD_NUMBER: _ClassVar[int]
    conversation: int
    buyer_id: str
    agent_id: str
    group_id: str
    opened_at_ms: int
    last_activity_ms: int
    awaiting: bool
    def __init__(self, conversation: _Optional[int] = ..., buyer_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., group_id: _Optional[str] = ..., opened_at_ms: _Optional[int] = ..., last_activity_ms: _Optional[int] = ..., awaiting: _Optional[bool] = ...) -> None: ...

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
    __slots__ = ("buyer_id", "outcome", "agent_id", "since_ms", "decision")
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    buyer_id: str
    outcome: _types_pb2.Outcome
    agent_id: str
    since_ms: int
    decision: int
    def __init__(self, buyer_id: _Optional[str] = ..., outcome: _Optional[_Union[_types_pb2.Outcome, str]] = ..., agent_id: _Optional[str] = ..., since_ms: _Optional[int] = ..., decision: _Optional[int] = ...) -> None: ...

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
