from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class OrderStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_STATUS_UNSPECIFIED: _ClassVar[OrderStatus]
    ORDER_STATUS_NO_ACTIVE_ORDER: _ClassVar[OrderStatus]
    ORDER_STATUS_UNPAID: _ClassVar[OrderStatus]
    ORDER_STATUS_UNSHIPPED: _ClassVar[OrderStatus]
    ORDER_STATUS_SHIPPED: _ClassVar[OrderStatus]
    ORDER_STATUS_COMPLETED: _ClassVar[OrderStatus]
    ORDER_STATUS_REFUNDING: _ClassVar[OrderStatus]

class PresenceStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRESENCE_STATUS_UNSPECIFIED: _ClassVar[PresenceStatus]
    PRESENCE_STATUS_ONLINE: _ClassVar[PresenceStatus]
    PRESENCE_STATUS_SUSPENDED: _ClassVar[PresenceStatus]
    PRESENCE_STATUS_OFFLINE: _ClassVar[PresenceStatus]

class PresenceCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRESENCE_CAUSE_UNSPECIFIED: _ClassVar[PresenceCause]
    PRESENCE_CAUSE_SESSION: _ClassVar[PresenceCause]
    PRESENCE_CAUSE_MANAGER: _ClassVar[PresenceCause]
    PRESENCE_CAUSE_LEASE_EXPIRED: _ClassVar[PresenceCause]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_AGENT: _ClassVar[Outcome]
    OUTCOME_ROBOT: _ClassVar[Outcome]
    OUTCOME_QUEUED: _ClassVar[Outcome]
    OUTCOME_LEFT_MESSAGE: _ClassVar[Outcome]
    OUTCOME_POOLED: _ClassVar[Outcome]

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_OPEN_CONVERSATION: _ClassVar[Reason]
    REASON_RECENT_CONTACT: _ClassVar[Reason]
    REASON_DEDICATED: _ClassVar[Reason]
    REASON_WEIGHTED: _ClassVar[Reason]
    REASON_SPILLED: _ClassVar[Reason]
    REASON_ROBOT_FIRST: _ClassVar[Reason]
    REASON_MIXED_ROBOT: _ClassVar[Reason]
    REASON_GROUP_ROBOT: _ClassVar[Reason]
    REASON_QUEUED_AT_CAP: _ClassVar[Reason]
    REASON_STILL_WAITING: _ClassVar[Reason]
    REASON_NOBODY_FREE: _ClassVar[Reason]
    REASON_OFFLINE_ROBOT: _ClassVar[Reason]
    REASON_OFFLINE_PROXY: _ClassVar[Reason]
    REASON_OFFLINE_OWNER: _ClassVar[Reason]
    REASON_OFFLINE_POOL: _ClassVar[Reason]
    REASON_HANDOFF_UNAVAILABLE: _ClassVar[Reason]
    REASON_TRANSFER: _ClassVar[Reason]
    REASON_REPLY_TIMEOUT: _ClassVar[Reason]
    REASON_LEFT_QUEUE: _ClassVar[Reason]
    REASON_LEFT_POOL: _ClassVar[Reason]

class Sender(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SENDER_UNSPECIFIED: _ClassVar[Sender]
    SENDER_BUYER: _ClassVar[Sender]
    SENDER_AGENT: _ClassVar[Sender]
    SENDER_ROBOT: _ClassVar[Sender]
    SENDER_AUTO_REPLY: _ClassVar[Sender]

class Language(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LANGUAGE_UNSPECIFIED: _ClassVar[Language]
    LANGUAGE_CHINESE: _ClassVar[Language]
    LANGUAGE_ENGLISH: _ClassVar[Language]
ORDER_STATUS_UNSPECIFIED: OrderStatus
ORDER_STATUS_NO_ACTIVE_ORDER: OrderStatus
ORDER_STATUS_UNPAID: OrderStatus
ORDER_STATUS_UNSHIPPED: OrderStatus
ORDER_STATUS_SHIPPED: OrderStatus
ORDER_STATUS_COMPLETED: OrderStatus
ORDER_STATUS_REFUNDING: OrderStatus
PRESENCE_STATUS_UNSPECIFIED: PresenceStatus
PRESENCE_STATUS_ONLINE: PresenceStatus
PRESENCE_STATUS_SUSPENDED: PresenceStatus
PRESENCE_STATUS_OFFLINE: PresenceStatus
PRESENCE_CAUSE_UNSPECIFIED: PresenceCause
PRESENCE_CAUSE_SESSION: PresenceCause
PRESENCE_CAUSE_MANAGER: PresenceCause
PRESENCE_CAUSE_LEASE_EXPIRED: PresenceCause
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_AGENT: Outcome
OUTCOME_ROBOT: Outcome
OUTCOME_QUEUED: Outcome
OUTCOME_LEFT_MESSAGE: Outcome
OUTCOME_POOLED: Outcome
REASON_UNSPECIFIED: Reason
REASON_OPEN_CONVERSATION: Reason
REASON_RECENT_CONTACT: Reason
REASON_DEDICATED: Reason
REASON_WEIGHTED: Reason
REASON_SPILLED: Reason
REASON_ROBOT_FIRST: Reason
REASON_MIXED_ROBOT: Reason
REASON_GROUP_ROBOT: Reason
REASON_QUEUED_AT_CAP: Reason
REASON_STILL_WAITING: Reason
REASON_NOBODY_FREE: Reason
REASON_OFFLINE_ROBOT: Reason
REASON_OFFLINE_PROXY: Reason
REASON_OFFLINE_OWNER: Reason
REASON_OFFLINE_POOL: Reason
REASON_HANDOFF_UNAVAILABLE: Reason
REASON_TRANSFER: Reason
REASON_REPLY_TIMEOUT: Reason
REASON_LEFT_QUEUE: Reason
REASON_LEFT_POOL: Reason
SENDER_UNSPECIFIED: Sender
SENDER_BUYER: Sender
SENDER_AGENT: Sender
SENDER_ROBOT: Sender
SENDER_AUTO_REPLY: Sender
LANGUAGE_UNSPECIFIED: Language
LANGUAGE_CHINESE: Language
LANGUAGE_ENGLISH: Language
