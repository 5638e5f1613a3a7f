"""Makes the JSON schema of a shop's YAML: docs/shop.schema.json, and the same beside the code that prints it.

Keys and types come from the messages, what they mean from the tables of docs/rules.md, and ranges and
defaults from the engine itself: it is asked for what it refuses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from fenliu.engine.pure.document import MANAGE
from fenliu.offline import resolved
from fenliu.v1 import shop_pb2

PROJECT = Path(__file__).resolve().parent.parent
MADE = (
    PROJECT / "docs" / "shop.schema.json",
    PROJECT / "server" / "fenliu" / "resources" / "shop.schema.json",
)
NO_CONTROL = r"^[^\u0000-\u001f\u007f-\u009f]*$"
TOO_MANY = 100_001
# What docs/rules.md has no table for.
BUYER_AGENT = {"buyer_id": "买家编号 · the buyer's id", "agent_id": "客服编号 · the agent's id"}


def schema() -> dict[str, Any]:
    """The whole schema, of one shop."""
    shop = _message(shop_pb2.Shop.DESCRIPTOR)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "店铺 · Shop",
        **shop,
    }


def text() -> str:
    """As it is written."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


def _message(message: Descriptor) -> dict[str, Any]:
    meanings = BUYER_AGENT if message.name == "BuyerAgent" else _meanings(message.name)
    properties = {
        field.name: _field(field) | {"description": meanings[field.name]}
        for field in message.fields
    }
    required = [field.name for field in message.fields if _refused(field, None) == "required"]
    made = {"type": "object", "properties": properties, "additionalProperties": False}
    return made | {"required": required} if required else made


def _field(field: FieldDescriptor) -> dict[str, Any]:
    if not field.is_repeated:
        one = _value(field)
        if _refused(field, None) == "required":
            return one
        default = _default(field)
        return _or_null(one) if default is None else _or_null(one) | {"default": default}
    made: dict[str, Any] = {"type": ["array", "null"], "items": _value(field)}
    found = re.fullmatch(r"at most (\d+) elements", _refused(field, TOO_MANY))
    if found:
        made["maxItems"] = int(found[1])
    if field.message_type is None:
        made["uniqueItems"] = True
    default = _default(field)
    return made | {"default": default} if default else made


def _or_null(one: dict[str, Any]) -> dict[str, Any]:
    """`key:` without a value is as good as absent."""
    if "anyOf" in one:
        return {"anyOf": [*one["anyOf"], {"type": "null"}]}
    kinds = one["type"] if isinstance(one["type"], list) else [one["type"]]
    return one | {"type": [*kinds, "null"]}


def _value(field: FieldDescriptor) -> dict[str, Any]:
    """One value of the field."""
    if field.message_type is not None:
        return _message(field.message_type)
    if field.enum_type is not None:
        return _enum(field.enum_type, listed=field.is_repeated)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return {"type": "boolean"}
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return _string(field)
    low, high = re.findall(r"\d+", _refused(field, 2**31 - 1 if _is_int32(field) else 2**63 - 1))
    return {"type": "integer", "minimum": int(low), "maximum": int(high)}


def _string(field: FieldDescriptor) -> dict[str, Any]:
    if field.name == "permissions":
        return {"type": "string", "enum": [MANAGE]}
    # As written: an id 007 needs no quotes.
    made: dict[str, Any] = {"type": ["string", "number", "boolean"]}
    found = re.fullmatch(r"at most (\d+) bytes", _refused(field, "x" * 10_000))
    if found:
        made |= {"maxLength": int(found[1]), "pattern": NO_CONTROL}
    if field.is_repeated or _refused(field, None) == "required":
        made["minLength"] = 1
    return made


def _enum(enum: EnumDescriptor, *, listed: bool) -> dict[str, Any]:
    """The names without their enum's prefix; with it is right, too, but not proposed."""
    prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
    names = [value.name.removeprefix(prefix) for value in enum.values[1:]]
    meanings = _meanings(enum.name)
    known = "|".join(names if listed else [*names, "UNSPECIFIED"])
    return {
        "anyOf": [
            *({"const": name, "description": meanings[name]} for name in names),
            {"type": "string", "pattern": f"^({prefix})?({known})$"},
        ]
    }


def _is_int32(field: FieldDescriptor) -> bool:
    return field.cpp_type == FieldDescriptor.CPPTYPE_INT32


# What the engine says


def _shop() -> tuple[shop_pb2.Shop, Mapping[str, Any]]:
    """A shop with one part of each kind, and the parts by their message's name."""
    shop = shop_pb2.Shop(shop_id="s")
    shop.settings.SetInParent()
    agent = shop.agents.add(agent_id="a")
    group = shop.groups.add(group_id="g")
    buyer_agent = shop.settings.buyer_agents.add(buyer_id="b", agent_id="a")
    parts = (shop, shop.settings, agent, group, group.bindings, buyer_agent)
    return shop, {part.DESCRIPTOR.name: part for part in parts}


def _refused(field: FieldDescriptor, value: Any) -> str:
    """The rule that a value breaks, "" if none; None: the field is empty. Of a list, TOO_MANY or one."""
    shop, parts = _shop()
    part = parts[field.containing_type.name]
    part.ClearField(field.name)
    if value is not None and not field.is_repeated:
        setattr(part, field.name, value)
    elif value == TOO_MANY and field.message_type is not None:
        for _ in range(TOO_MANY):
            getattr(part, field.name).add()
    elif value == TOO_MANY:
        one = "x" if field.cpp_type == FieldDescriptor.CPPTYPE_STRING else 1
        getattr(part, field.name).extend([one] * TOO_MANY)
    elif value is not None:
        getattr(part, field.name).append(value)
    try:
        resolved(shop)
    except ValueError as error:
        return str(error).rpartition(": ")[2]
    return ""


def _default(field: FieldDescriptor) -> Any:
    """What the engine puts where nothing is; None: nothing that is worth saying."""
    shop, _ = _shop()
    stored = resolved(shop)
    group = stored.groups[0]
    parts = (stored, stored.settings, stored.agents[0], group, group.bindings)
    by_name: dict[str, Any] = {part.DESCRIPTOR.name: part for part in parts}
    name = field.containing_type.name
    if field.message_type is not None or name not in by_name:
        return None
    value = getattr(by_name[name], field.name)
    if field.enum_type is not None:
        prefix = field.enum_type.values[0].name.removesuffix("UNSPECIFIED")
        names = {one.number: one.name.removeprefix(prefix) for one in field.enum_type.values}
        return [names[one] for one in value] if field.is_repeated else names[value]
    return None if field.is_repeated or isinstance(value, str) else value


# What docs/rules.md says


def _meanings(section: str) -> dict[str, str]:
    """What each row of a section's table means, in both languages."""
    rules = (PROJECT / "docs" / "rules.md").read_text(encoding="utf-8")
    found = re.search(rf"^### {section}\n(.*?)(?=^#|\Z)", rules, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"docs/rules.md has no section {section}")
    rows = (line.strip("|").split("|") for line in found[1].splitlines() if line.startswith("| `"))
    # The column before the last: the last names the tests.
    return {cells[0].strip(" `"): cells[-2].strip().replace("`", "") for cells in rows}


def main() -> None:
    made = text()
    for path in MADE:
        path.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
