"""Shops from and as YAML: one or several documents a file, keys as the proto's field names.

Enum values may leave out their enum's prefix. Whatever is wrong is named with file, line and the
place in the document; what values mean is the server's to judge.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from fenliu.cli.language import Words, words
from fenliu.v1 import shop_pb2

_NULL = "tag:yaml.org,2002:null"
_KIND = {
    FieldDescriptor.CPPTYPE_INT32: Words("整数", "a whole number"),
    FieldDescriptor.CPPTYPE_INT64: Words("整数", "a whole number"),
    FieldDescriptor.CPPTYPE_BOOL: Words("true 或 false", "true or false"),
    FieldDescriptor.CPPTYPE_STRING: Words("文字", "text"),
}


class ShopFileError(ValueError):
    """A shop file that cannot be read; the text names file, line, column and key."""


def read_shops(paths: Iterable[Path]) -> list[shop_pb2.Shop]:
    """All shops of these files, in order.

    Raises ShopFileError for what is no shop, and for a shop that occurs twice; OSError for a file
    that cannot be read.
    """
    shops: list[shop_pb2.Shop] = []
    where: dict[str, str] = {}
    for path in paths:
        for line, shop in shops_in(_text(path), str(path)):
            place = f"{path}:{line}"
            before = where.setdefault(shop.shop_id, place)
            if before != place:
                raise ShopFileError(
                    words(
                        f"{place}：店铺 {shop.shop_id} 已出现在 {before}",
                        f"{place}: shop {shop.shop_id} is at {before} already",
                    )
                )
            shops.append(shop)
    return shops


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ShopFileError(words(f"{path}：不是 UTF-8", f"{path}: not UTF-8")) from None


def shops_in(text: str, name: str) -> list[tuple[int, shop_pb2.Shop]]:
    """The shops of a text, each with its line; `name` is what the text is called in errors.

    Raises ShopFileError.
    """
    shops: list[tuple[int, shop_pb2.Shop]] = []
    not_yaml = words("不是合法的 YAML", "not YAML")
    try:
        loader = yaml.SafeLoader(text)
        reader = _Reader(name, loader)
        while loader.check_node():
            node = loader.get_node()
            if node is None or node.tag == _NULL:
                continue  # An empty document, as after a closing `---`.
            shop = shop_pb2.Shop()
            reader.fill(shop, node, "")
            if not shop.shop_id:
                raise reader.error(node, "shop_id", words("缺失", "is missing"))
            shops.append((node.start_mark.line + 1, shop))
    except yaml.MarkedYAMLError as error:
        raise ShopFileError(
            f"{_at(name, error.problem_mark)}: {not_yaml}: {error.problem}"
        ) from None
    except yaml.YAMLError as error:
        raise ShopFileError(f"{name}: {not_yaml}: {error}") from None
    if not shops:
        raise ShopFileError(words(f"{name}：里面没有店铺", f"{name}: no shop in it"))
    return shops


def _at(name: str, mark: yaml.Mark | None) -> str:
    return f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{name}:1"


class _Reader:
    """Maps YAML nodes to messages, keeping to where they stand in the file."""

    def __init__(self, name: str, loader: yaml.SafeLoader) -> None:
        self._name = name
        self._loader = loader

    def error(self, node: yaml.Node, place: str, problem: str) -> ShopFileError:
        return ShopFileError(f"{_at(self._name, node.start_mark)}: {place} {problem}")

    def fill(self, message: Message, node: yaml.Node, place: str) -> None:
        """Sets the message's fields from a mapping; `place` is the mapping's own, "" at the top."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error(
                node,
                place or words("店铺", "a shop"),
                words("必须是键与值的映射", "must be a mapping of keys to values"),
            )
        fields: Mapping[str, Any] = message.DESCRIPTOR.fields_by_name
        seen: set[str] = set()
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            here = f"{place}.{key}" if place else key
            if key not in fields:
                raise self.error(
                    key_node,
                    here,
                    words("不是已知的键", "is no known key") + _nearest(key, fields),
                )
            if key in seen:
                raise self.error(key_node, here, words("出现了两次", "occurs twice"))
            seen.add(key)
            if value.tag != _NULL:  # `key:` without a value is as good as absent.
                self._set(message, fields[key], value, here)

    def _set(self, message: Message, field: FieldDescriptor, node: yaml.Node, place: str) -> None:
        if not field.is_repeated:
            if field.message_type is not None:
                child = getattr(message, field.name)
                child.SetInParent()
                self.fill(child, node, place)
            else:
                message.MergeFrom(self._scalar(message, field, node, place))
            return
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(node, place, words("必须是列表", "must be a list"))
        values = getattr(message, field.name)
        for index, item in enumerate(node.value):
            if field.message_type is not None:
                self.fill(values.add(), item, f"{place}[{index}]")
            else:
                one = self._scalar(message, field, item, f"{place}[{index}]")
                values.extend(getattr(one, field.name))

    def _scalar(
        self, message: Message, field: FieldDescriptor, node: yaml.Node, place: str
    ) -> Message:
        """A message with this one field set."""
        if not isinstance(node, yaml.ScalarNode) or node.tag == _NULL:
            raise self.error(node, place, words("必须是单个值", "must be one value"))
        one = type(message)()
        try:
            if field.enum_type is not None:
                value: object = self._enum(field.enum_type, node, place)
            elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
                value = node.value  # As written: an id 007 stays 007.
            else:
                value = self._loader.construct_object(node)  # ValueError: a date that is none.
            json_format.ParseDict({field.name: [value] if field.is_repeated else value}, one)
        except ShopFileError:
            raise
        except (json_format.ParseError, ValueError):
            kind = _KIND[field.cpp_type]
            raise self.error(
                node,
                place,
                words(f"必须是{kind}，而不是 {node.value}", f"must be {kind}, not {node.value}"),
            ) from None
        return one

    def _enum(self, enum: EnumDescriptor, node: yaml.ScalarNode, place: str) -> str:
        prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
        names = [name.removeprefix(prefix) for name in enum.values_by_name]
        name = str(node.value).removeprefix(prefix)
        if name not in names:
            known = ", ".join(known for known in names if known != "UNSPECIFIED")
            raise self.error(
                node,
                place,
                words(
                    f"是 {node.value}：必须是 {known} 之一",
                    f"is {node.value}: must be one of {known}",
                ),
            )
        return prefix + name


def _nearest(key: str, known: Iterable[str]) -> str:
    """The nearest known key, or all when none is near."""
    known = list(known)
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return words(f"：是不是 {near[0]}？", f": did you mean {near[0]}?")
    listed = ", ".join(known)
    return words(f"：已知的有 {listed}", f": known are {listed}")


def shop_text(shop: shop_pb2.Shop) -> str:
    """A shop as a YAML document that `read_shops` reads back as it is."""
    return yaml.safe_dump(
        _plain(shop), allow_unicode=True, sort_keys=False, default_flow_style=None, width=80
    )


def _plain(message: Message) -> dict[str, Any]:
    """The fields that are set, as YAML's own types."""
    plain: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.is_repeated:
            plain[field.name] = [_plain_value(field, one) for one in value]
        else:
            plain[field.name] = _plain_value(field, value)
    return plain


def _plain_value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return _plain(value)
    if field.enum_type is not None:
        prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
        return field.enum_type.values_by_number[value].name.removeprefix(prefix)
    return value
