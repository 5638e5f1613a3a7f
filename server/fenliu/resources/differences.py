"""What differs between two shop documents, in lines for people.

For stored documents, which have every default filled in. Etags do not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from fenliu.v1 import shop_pb2

_IDS = {"Agent": "agent_id", "Group": "group_id", "BuyerAgent": "buyer_id"}


@dataclass(frozen=True, slots=True)
class Difference:
    """A place, e.g. "agents[a].weight", and its values as text; None: it is not there."""

    place: str
    before: str | None
    after: str | None


def differences(before: shop_pb2.Shop, after: shop_pb2.Shop) -> list[Difference]:
    """In the order of the document; a part that is new or gone is one difference."""
    return list(_of_messages(before, after, ""))


def _of_messages(before: Message, after: Message, prefix: str) -> Iterator[Difference]:
    for field in before.DESCRIPTOR.fields:
        place = prefix + field.name
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old == new or place == "etag":
            continue
        if field.message_type is None:
            yield Difference(place, *(_text(field, value) or None for value in (old, new)))
        elif field.is_repeated:
            yield from _of_parts(old, new, place, _IDS[field.message_type.name])
        else:
            yield from _of_messages(old, new, f"{place}.")


def _of_parts(before: Any, after: Any, place: str, id_field: str) -> Iterator[Difference]:
    old = {getattr(part, id_field): part for part in before}
    new = {getattr(part, id_field): part for part in after}
    for part_id in sorted(old.keys() | new.keys()):
        here = f"{place}[{part_id}]"
        if part_id in old and part_id in new:
            yield from _of_messages(old[part_id], new[part_id], f"{here}.")
        else:
            texts = (_summary(parts.get(part_id), id_field) for parts in (old, new))
            yield Difference(here, *texts)


def _summary(part: Message | None, id_field: str, prefix: str = "") -> str | None:
    """A part's fields on one line."""
    if part is None:
        return None
    words = []
    for field, value in part.ListFields():
        name = prefix + field.name
        if field.message_type is not None:
            words.append(_summary(value, id_field, f"{name}.") or "")
        elif field.name != id_field:
            words.append(f"{name} {_text(field, value)}")
    return ", ".join(word for word in words if word)


def _text(field: Any, value: Any) -> str:
    if field.is_repeated:
        return f"[{', '.join(_scalar(field, one) for one in value)}]" if value else ""
    return _scalar(field, value)


def _scalar(field: Any, value: Any) -> str:
    if field.enum_type is not None:
        name = str(field.enum_type.values_by_number[value].name)
        prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
        return name.removeprefix(prefix)
    return str(value).lower() if isinstance(value, bool) else str(value)
