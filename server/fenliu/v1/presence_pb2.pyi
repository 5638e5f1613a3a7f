from fenliu.v1 import types_pb2 as _types_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StreamPresenceRequest(_message.Message):
    __slots__ = ("hello", "updates", "heartbeat")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    hello: PresenceHello
    updates: _containers.RepeatedCompositeFieldContainer[PresenceUpdate]
    heartbeat: PresenceHeartbeat
    def __init__(self, hello: _Optional[_Union[PresenceHello, _Mapping]] = ..., updates: _Optional[_Iterable[_Union[PresenceUpdate, _Mapping]]] = ..., heartbeat: _Optional[_Union[PresenceHeartbeat, _Mapping]] = ...) -> None: ...

class PresenceHello(_message.Message):
    __slots__ = ("session_id", "resume_token")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    resume_token: str
    def __init__(self, session_id: _Optional[str] = ..., resume_token: _Optional[str] = ...) -> None: ...

class PresenceUpdate(_message.Message):
    __slots__ = ("update_id", "shop_id", "agent_id", "status", "awaiting")
    UPDATE_ID_FIELD_NUMBER: _ClassVar[int]
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    AWAITING_FIELD_NUMBER: _ClassVar[int]
    update_id: str
    shop_id: str
    agent_id: str
    status: _types_pb2.PresenceStatus
    awaiting: int
    def __init__(self, update_id: _Optional[str] = ..., shop_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., status: _Optional[_Union[_types_pb2.PresenceStatus, str]] = ..., awaiting: _Optional[int] = ...) -> None: ...

class PresenceHeartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StreamPresenceResponse(_message.Message):
    __slots__ = ("welcome", "acks", "reconnect")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ACKS_FIELD_NUMBER: _ClassVar[int]
    RECONNECT_FIELD_NUMBER: _ClassVar[int]
    welcome: PresenceWelcome
    acks: _containers.RepeatedCompositeFieldContainer[PresenceAck]
    reconnect: PresenceReconnect
    def __init__(self, welcome: _Optional[_Union[PresenceWelcome, _Mapping]] = ..., acks: _Optional[_Iterable[_Union[PresenceAck, _Mapping]]] = ..., reconnect: _Optional[_Union[PresenceReconnect, _Mapping]] = ...) -> None: ...

class PresenceWelcome(_message.Message):
    __slots__ = ("lease_ms", "heartbeat_ms", "resume_token", "resumed")
    LEASE_MS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_MS_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    lease_ms: int
    heartbeat_ms: int
    resume_token: str
    resumed: bool
    def __init__(self, lease_ms: _Optional[int] = ..., heartbeat_ms: _Optional[int] = ..., resume_token: _Optional[str] = ..., resumed: _Optional[bool] = ...) -> None: ...

class PresenceAck(_message.Message):
    __slots__ = ("update_id", "status")
    UPDATE_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    update_id: str
    status: _status_pb2.Status
    def __init__(self, update_id: _Optional[str] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class PresenceReconnect(_message.Message):
    __slots__ = ("delay_ms",)
    DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    delay_ms: int
    def __init__(self, delay_ms: _Optional[int] = ...) -> None: ...

class SetPresenceRequest(_message.Message):
    __slots__ = ("shop_id", "agent_id", "status", "awaiting")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    AWAITING_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    agent_id: str
    status: _types_pb2.PresenceStatus
    awaiting: int
    def __init__(self, shop_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., status: _Optional[_Union[_types_pb2.PresenceStatus, str]] = ..., awaiting: _Optional[int] = ...) -> None: ...

class SetPresenceResponse(_message.Message):
    __slots__ = ("presence",)
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    presence: AgentPresence
    def __init__(self, presence: _Optional[_Union[AgentPresence, _Mapping]] = ...) -> None: ...

class ListPresenceRequest(_message.Message):
    __slots__ = ("shop_id",)
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    def __init__(self, shop_id: _Optional[str] = ...) -> None: ...

class ListPresenceResponse(_message.Message):
    __slots__ = ("agents",)
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[AgentPresence]
    def __init__(self, agents: _Optional[_Iterable[_Union[AgentPresence, _Mapping]]] = ...) -> None: ...

class AgentPresence(_message.Message):
    __slots__ = ("agent_id", "status", "since_ms", "cause", "session_id", "awaiting", "open_conversations", "effective_weight", "received_today", "received_this_hour")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    AWAITING_FIELD_NUMBER: _ClassVar[int]
    OPEN_CONVERSATIONS_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_TODAY_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_THIS_HOUR_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    status: _types_pb2.PresenceStatus
    since_ms: int
    cause: _types_pb2.PresenceCause
    session_id: str
    awaiting: int
    open_conversations: int
    effective_weight: int
    received_today: int
    received_this_hour: int
    def __init__(self, agent_id: _Optional[str] = ..., status: _Optional[_Union[_types_pb2.PresenceStatus, str]] = ..., since_ms: _Optional[int] = ..., cause: _Optional[_Union[_types_pb2.PresenceCause, str]] = ..., session_id: _Optional[str] = ..., awaiting: _Optional[int] = ..., open_conversations: _Optional[int] = ..., effective_weight: _Optional[int] = ..., received_today: _Optional[int] = ..., received_this_hour: _Optional[int] = ...) -> None: ...
