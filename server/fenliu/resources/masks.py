"""Field masks: which fields an update names, and the update itself.

Paths are field names joined by dots, through messages that occur once ("settings.busy_threshold");
lists are replaced whole. `*` alone is every field. What names the resource (`fixed`) cannot be changed.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

_M = TypeVar("_M", bound=Message)


class MaskError(ValueError):
    """A path that cannot be updated; the text names it and what could be meant."""


def update(stored: _M, given: _M, mask: FieldMask, *, fixed: Collection[str]) -> None:
    """Gives `stored` the values that `given` has in the fields of the mask.

    A field of the mask that is not set in `given` is cleared. An empty mask names the fields that are
    set. Raises MaskError.
    """
    paths = list(mask.paths) or list(_set_paths(given, "", fixed))
    top = [field.name for field in given.DESCRIPTOR.fields if field.name not in fixed]
    if paths == ["*"]:
        paths = top
    known = list(_known_paths(given.DESCRIPTOR.fields, fixed))
    for path in paths:
        if path not in known:
            raise MaskError(_unknown(path, known, fixed))
    source = type(given)()
    source.CopyFrom(given)
    for path in paths:
        # What is not there has unset fields, which are to be cleared like any other.
        _parent(source, path).SetInParent()
    # Replacing lists and messages: a mask names the value that is to be there afterwards.
    FieldMask(paths=paths).MergeMessage(source, stored, True, True)


def _parent(message: Message, path: str) -> Message:
    for name in path.split(".")[:-1]:
        message = getattr(message, name)
    return message


def _set_paths(message: Message, prefix: str, fixed: Collection[str]) -> Iterator[str]:
    for field, value in message.ListFields():
        path = prefix + field.name
        if path in fixed:
            continue
        if field.message_type is not None and not field.is_repeated:
            yield from _set_paths(value, f"{path}.", fixed)
        else:
            yield path


def _known_paths(fields: Iterable[Any], fixed: Collection[str], prefix: str = "") -> Iterator[str]:
    for field in fields:
        path = prefix + field.name
        if path not in fixed:
            yield path
            if field.message_type is not None and not field.is_repeated:
                yield from _known_paths(field.message_type.fields, fixed, f"{path}.")


def _unknown(path: str, known: list[str], fixed: Collection[str]) -> str:
    if path in fixed:
        return f"{path} cannot be changed"
    if path == "*":
        return "* stands alone"
    near = difflib.get_close_matches(path, known, n=1, cutoff=0)
    return f"{path} is no field that can be changed; the nearest is {near[0]}"
