from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Clock(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLOCK_UNSPECIFIED: _ClassVar[Clock]
    CLOCK_WALL: _ClassVar[Clock]
    CLOCK_TRACE: _ClassVar[Clock]
CLOCK_UNSPECIFIED: Clock
CLOCK_WALL: Clock
CLOCK_TRACE: Clock

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("version", "core", "clock", "partitions")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CORE_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    version: str
    core: str
    clock: Clock
    partitions: int
    def __init__(self, version: _Optional[str] = ..., core: _Optional[str] = ..., clock: _Optional[_Union[Clock, str]] = ..., partitions: _Optional[int] = ...) -> None: ...

class GetStateHashRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStateHashResponse(_message.Message):
    __slots__ = ("state_hash", "shops")
    STATE_HASH_FIELD_NUMBER: _ClassVar[int]
    SHOPS_FIELD_NUMBER: _ClassVar[int]
    state_hash: str
    shops: int
    def __init__(self, state_hash: _Optional[str] = ..., shops: _Optional[int] = ...) -> None: ...
