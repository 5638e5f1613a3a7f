"""From bytes to messages and back (docs/engine.md section 3, *Decoding* and *Batches*).

Knows protobuf and nothing of the messages' meaning. The library decodes; this module adds what the
rules ask beyond it: a known field with another wire type is an error (the library keeps it as an
unknown field), a varint has at most ten bytes and 64 bits wherever it stands, and a string that is
not UTF-8 is told apart, by its path, from any other fault.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple, TypeVar, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

M = TypeVar("M", bound=Message)

_VARINT, _FIXED64, _LENGTH, _START_GROUP, _END_GROUP, _FIXED32 = range(6)
_MAX_TAG = 2**32 - 1
_MAX_VARINT = 2**64 - 1
# What may be a varint of more than 64 bits, whose excess the library cuts off.
_LONG_VARINT = re.compile(rb"[\x80-\xff]{9}[\x02-\x7f]")
_MAX_GROUP_DEPTH = 100
_LENGTH_TYPES = {
    FieldDescriptor.TYPE_STRING,
    FieldDescriptor.TYPE_BYTES,
    FieldDescriptor.TYPE_MESSAGE,
}


class MalformedError(Exception):
    """The bytes are no such message."""


class NotUtf8Error(Exception):
    """The first thing wrong is a string that is not UTF-8. `path`: dotted field names, no indexes."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def encode(message: Message) -> bytes:
    """Fields in number order, map entries by key."""
    return message.SerializeToString(deterministic=True)


def decode(message_type: type[M], data: bytes) -> M:
    """The message, without unknown fields. Raises MalformedError or NotUtf8Error."""
    message = message_type()
    try:
        message.ParseFromString(data)
    except DecodeError:
        message.ParseFromString(_reread(data, message))
    else:
        if _LONG_VARINT.search(data):
            _reread(data, message)
    if _has_unknown(message):
        _reread(data, message)  # in an unknown group the library lets more pass
        message.DiscardUnknownFields()
    return message


def decode_own(message_type: type[M], data: bytes) -> M:
    """The same for what this program wrote and keeps under a checksum: as the library reads it, faster.

    Raises MalformedError.
    """
    message = message_type()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise MalformedError from None
    return message


def varint(value: int) -> bytes:
    """A number of at most 64 bits, not negative."""
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def delimited(data: bytes) -> bytes:
    """The bytes behind their length as a varint."""
    return varint(len(data)) + data


def split_delimited(data: bytes, at: int = 0) -> Iterator[tuple[bytes, int]]:
    """The parts of a run of delimited parts from `at` on, each with the place behind it.

    Raises MalformedError where the run breaks off.
    """
    while at < len(data):
        length, at = _varint(data, at, len(data))
        if length > len(data) - at:
            raise MalformedError
        at += length
        yield data[at - length : at], at


def split_batch(data: bytes) -> tuple[list[bytes], int]:
    """Reads `{repeated bytes items = 1; uint64 batch_id = 2}`. Raises MalformedError."""
    items: list[bytes] = []
    batch_id = 0
    for field in _fields(data, 0, len(data)):
        if field.number == 1:
            if field.wire_type != _LENGTH:
                raise MalformedError
            items.append(data[field.start : field.end])
        elif field.number == 2:
            if field.wire_type != _VARINT:
                raise MalformedError
            batch_id = field.value
    return items, batch_id


class _Field(NamedTuple):
    number: int
    wire_type: int
    value: int  # of a varint
    start: int  # of the content of a length-delimited field
    end: int


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > _MAX_VARINT:
                break
            return value, at
        shift += 7
    raise MalformedError


def _fields(data: bytes, at: int, end: int) -> Iterator[_Field]:
    while at < end:
        tag, at = _varint(data, at, end)
        number, wire_type = tag >> 3, tag & 7
        if number == 0 or tag > _MAX_TAG:
            raise MalformedError
        start, value = at, 0
        if wire_type == _VARINT:
            value, at = _varint(data, at, end)
        elif wire_type == _LENGTH:
            length, start = _varint(data, at, end)
            at = start + length
        elif wire_type == _FIXED64:
            at += 8
        elif wire_type == _FIXED32:
            at += 4
        elif wire_type == _START_GROUP:
            at = _skip_group(data, at, end, number)
        else:  # an end without a start, or no wire type at all
            raise MalformedError
        if at > end:
            raise MalformedError
        yield _Field(number, wire_type, value, start, at)


def _skip_group(data: bytes, at: int, end: int, number: int) -> int:
    """Where an unknown group ends; `at` is behind its start tag."""
    open_groups = [number]
    while open_groups:
        tag, at = _varint(data, at, end)
        number, wire_type = tag >> 3, tag & 7
        if number == 0 or tag > _MAX_TAG:
            raise MalformedError
        if wire_type == _VARINT:
            _, at = _varint(data, at, end)
        elif wire_type == _LENGTH:
            length, at = _varint(data, at, end)
            at += length
        elif wire_type == _FIXED64:
            at += 8
        elif wire_type == _FIXED32:
            at += 4
        elif wire_type == _START_GROUP:
            open_groups.append(number)
        elif wire_type != _END_GROUP or open_groups.pop() != number:
            raise MalformedError
        if at > end or len(open_groups) > _MAX_GROUP_DEPTH:
            raise MalformedError
    return at


def _reread(data: bytes, message: Message) -> bytes:
    """Reads the bytes again by the letter: raises for the first thing wrong, else rewrites them.

    The library is stricter than the rules with tags and lengths written longer than need be, so
    what it could not read may be right after all; in the rewritten bytes it finds nothing of that.
    """
    return _rewrite(data, 0, len(data), cast(Descriptor, message.DESCRIPTOR), "")


def _rewrite(data: bytes, start: int, end: int, descriptor: Descriptor, prefix: str) -> bytes:
    """The known fields from `start` to `end`, each number as short as can be."""
    rewritten = bytearray()
    for found in _fields(data, start, end):
        field = descriptor.fields_by_number.get(found.number)
        if field is None:
            continue
        rewritten += varint(found.number << 3 | found.wire_type)
        if found.wire_type != _LENGTH:
            if field.type in _LENGTH_TYPES or found.wire_type != _VARINT:
                raise MalformedError
            rewritten += varint(found.value)
            continue
        content = data[found.start : found.end]
        if field.type == FieldDescriptor.TYPE_STRING:
            try:
                content.decode()
            except UnicodeDecodeError:
                raise NotUtf8Error(prefix + field.name) from None
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            nested = cast(Descriptor, field.message_type)
            content = _rewrite(data, found.start, found.end, nested, f"{prefix}{field.name}.")
        elif field.type != FieldDescriptor.TYPE_BYTES:
            if not field.is_repeated:
                raise MalformedError
            at, numbers = found.start, bytearray()
            while at < found.end:  # packed numbers; the API has no other than varints
                value, at = _varint(data, at, found.end)
                numbers += varint(value)
            content = bytes(numbers)
        rewritten += delimited(content)
    return bytes(rewritten)


@cache
def _message_fields(descriptor: Descriptor) -> tuple[tuple[str, bool], ...]:
    """Name and whether repeated, of the fields that hold messages."""
    return tuple(
        (field.name, field.is_repeated)
        for field in descriptor.fields
        if field.type == FieldDescriptor.TYPE_MESSAGE
    )


def _has_unknown(message: Message) -> bool:
    """Whether unknown fields are to be dropped. Raises MalformedError if one is known after all."""
    unknown = UnknownFieldSet(message)
    has_unknown = len(unknown) > 0
    if has_unknown:
        known = message.DESCRIPTOR.fields_by_number
        # Known by its number, but the library could not read it: another wire type.
        if any(unknown[i].field_number in known for i in range(len(unknown))):
            raise MalformedError
    for name, repeated in _message_fields(message.DESCRIPTOR):
        if repeated:
            for element in getattr(message, name):
                has_unknown |= _has_unknown(element)
        elif message.HasField(name):
            has_unknown |= _has_unknown(getattr(message, name))
    return has_unknown
