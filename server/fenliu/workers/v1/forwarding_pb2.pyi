from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Shape(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SHAPE_UNSPECIFIED: _ClassVar[Shape]
    SHAPE_COMMAND: _ClassVar[Shape]
    SHAPE_COMMANDS: _ClassVar[Shape]
    SHAPE_BATCH: _ClassVar[Shape]
    SHAPE_QUERY: _ClassVar[Shape]

class Failure(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAILURE_UNSPECIFIED: _ClassVar[Failure]
    FAILURE_OVERLOADED: _ClassVar[Failure]
    FAILURE_JOURNAL_UNAVAILABLE: _ClassVar[Failure]
    FAILURE_ENGINE: _ClassVar[Failure]
    FAILURE_CLOCK_REFUSED: _ClassVar[Failure]
SHAPE_UNSPECIFIED: Shape
SHAPE_COMMAND: Shape
SHAPE_COMMANDS: Shape
SHAPE_BATCH: Shape
SHAPE_QUERY: Shape
FAILURE_UNSPECIFIED: Failure
FAILURE_OVERLOADED: Failure
FAILURE_JOURNAL_UNAVAILABLE: Failure
FAILURE_ENGINE: Failure
FAILURE_CLOCK_REFUSED: Failure

class ForwardRequest(_message.Message):
    __slots__ = ("hello", "calls")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    calls: _containers.RepeatedCompositeFieldContainer[Call]
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., calls: _Optional[_Iterable[_Union[Call, _Mapping]]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("sessions",)
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[Session]
    def __init__(self, sessions: _Optional[_Iterable[_Union[Session, _Mapping]]] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("session_id", "shop_id")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    shop_id: str
    def __init__(self, session_id: _Optional[str] = ..., shop_id: _Optional[str] = ...) -> None: ...

class Call(_message.Message):
    __slots__ = ("number", "shape", "kind", "requests", "actor", "now_ms", "tell_decided")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    NOW_MS_FIELD_NUMBER: _ClassVar[int]
    TELL_DECIDED_FIELD_NUMBER: _ClassVar[int]
    number: int
    shape: Shape
    kind: int
    requests: _containers.RepeatedScalarFieldContainer[bytes]
    actor: str
    now_ms: int
    tell_decided: bool
    def __init__(self, number: _Optional[int] = ..., shape: _Optional[_Union[Shape, str]] = ..., kind: _Optional[int] = ..., requests: _Optional[_Iterable[bytes]] = ..., actor: _Optional[str] = ..., now_ms: _Optional[int] = ..., tell_decided: _Optional[bool] = ...) -> None: ...

class ForwardResponse(_message.Message):
    __slots__ = ("welcome", "answers")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    welcome: bool
    answers: _containers.RepeatedCompositeFieldContainer[CallAnswer]
    def __init__(self, welcome: _Optional[bool] = ..., answers: _Optional[_Iterable[_Union[CallAnswer, _Mapping]]] = ...) -> None: ...

class CallAnswer(_message.Message):
    __slots__ = ("number", "decided", "failure", "retry_after_ms", "replies")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    DECIDED_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    number: int
    decided: bool
    failure: Failure
    retry_after_ms: int
    replies: _containers.RepeatedCompositeFieldContainer[Reply]
    def __init__(self, number: _Optional[int] = ..., decided: _Optional[bool] = ..., failure: _Optional[_Union[Failure, str]] = ..., retry_after_ms: _Optional[int] = ..., replies: _Optional[_Iterable[_Union[Reply, _Mapping]]] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("code", "body")
    CODE_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    code: int
    body: bytes
    def __init__(self, code: _Optional[int] = ..., body: _Optional[bytes] = ...) -> None: ...

class ShopRef(_message.Message):
    __slots__ = ("shop_id",)
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    def __init__(self, shop_id: _Optional[str] = ...) -> None: ...

class NestedShopRef(_message.Message):
    __slots__ = ("shop",)
    SHOP_FIELD_NUMBER: _ClassVar[int]
    shop: ShopRef
    def __init__(self, shop: _Optional[_Union[ShopRef, _Mapping]] = ...) -> None: ...

class PresenceRef(_message.Message):
    __slots__ = ("shop_id",)
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    def __init__(self, shop_id: _Optional[str] = ...) -> None: ...

class PresenceUpdateRef(_message.Message):
    __slots__ = ("update",)
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    update: PresenceRef
    def __init__(self, update: _Optional[_Union[PresenceRef, _Mapping]] = ...) -> None: ...

class ShopRefs(_message.Message):
    __slots__ = ("elements", "batch_id")
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    elements: _containers.RepeatedCompositeFieldContainer[ShopRef]
    batch_id: int
    def __init__(self, elements: _Optional[_Iterable[_Union[ShopRef, _Mapping]]] = ..., batch_id: _Optional[int] = ...) -> None: ...

class Elements(_message.Message):
    __slots__ = ("elements", "batch_id")
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    elements: _containers.RepeatedScalarFieldContainer[bytes]
    batch_id: int
    def __init__(self, elements: _Optional[_Iterable[bytes]] = ..., batch_id: _Optional[int] = ...) -> None: ...
