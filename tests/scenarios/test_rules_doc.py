"""docs/rules.md is complete: every field and value of the contract, every scenario, and nothing that is not there."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor

from fenliu.v1 import dispatch_pb2, shop_pb2, types_pb2
from scenarios.test_settings import DEFAULTS

TESTS = Path(__file__).resolve().parents[1]
DOC = (TESTS.parent / "docs" / "rules.md").read_text(encoding="utf-8")
SECTIONS = {
    section.partition("\n")[0].strip(): section
    for section in re.split(r"^#{2,3} ", DOC, flags=re.MULTILINE)
}
NAMED = set(re.findall(r"`((?:rpc/)?test_\w+::test_\w+)`", DOC))

MESSAGES: list[Descriptor] = [
    shop_pb2.Shop.DESCRIPTOR,
    shop_pb2.ShopSettings.DESCRIPTOR,
    shop_pb2.Agent.DESCRIPTOR,
    shop_pb2.Group.DESCRIPTOR,
    shop_pb2.Bindings.DESCRIPTOR,
]
ENUMS: list[EnumDescriptor] = [
    # The language of texts is no rule of dispatch.
    *(e for e in types_pb2.DESCRIPTOR.enum_types_by_name.values() if e.name != "Language"),
    shop_pb2.SelectionMode.DESCRIPTOR,
    shop_pb2.BindingDimension.DESCRIPTOR,
    shop_pb2.ReceptionMode.DESCRIPTOR,
    shop_pb2.ReceptionScope.DESCRIPTOR,
    shop_pb2.OfflineTarget.DESCRIPTOR,
    shop_pb2.UnavailablePolicy.DESCRIPTOR,
    dispatch_pb2.OrderEventType.DESCRIPTOR,
]


def rows(section: str) -> dict[str, list[str]]:
    """A section's table: the first cell's name -> all cells."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("| `")]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {cells[0].strip("`"): cells for cells in table}


def values(enum: EnumDescriptor) -> list[str]:
    """The values without the prefix of UNSPECIFIED, in order, itself left out."""
    prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
    return [value.name.removeprefix(prefix) for value in enum.values[1:]]


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {n.name for n in tree.body if isinstance(n, functions) and n.name.startswith("test_")}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: str(one.name))
def test_every_field_is_listed_in_order_and_proved(message: Descriptor):
    table = rows(message.name)
    assert list(table) == [field.name for field in message.fields]
    assert not [name for name, cells in table.items() if "::" not in cells[-1]]


@pytest.mark.parametrize("enum", ENUMS, ids=lambda one: str(one.name))
def test_every_value_is_listed_in_order_and_proved(enum: EnumDescriptor):
    table = rows(enum.name)
    assert list(table) == values(enum)
    assert not [name for name, cells in table.items() if "::" not in cells[-1]]


def test_every_default_of_a_setting_is_the_one_that_is_proved():
    told = {
        name: re.findall(r"`([^`]+)`", cells[1]) for name, cells in rows("ShopSettings").items()
    }
    assert told == {name: default_as_told(name, value) for name, value in DEFAULTS.items()}


def default_as_told(name: str, value: Any) -> list[str]:
    """As the table writes it: enum values without their prefix, nothing for empty."""
    field = shop_pb2.ShopSettings.DESCRIPTOR.fields_by_name[name]
    if field.enum_type is not None:
        prefix = field.enum_type.values[0].name.removesuffix("UNSPECIFIED")
        listed = value if isinstance(value, list) else [value]
        return [one.removeprefix(prefix) for one in listed]
    if isinstance(value, bool):
        return [str(value).lower()]
    return [str(value)] if isinstance(value, int) else []


def test_every_test_it_names_exists():
    missing = []
    for name in sorted(NAMED):
        file, _, test = name.partition("::")
        path = TESTS / f"{file if '/' in file else f'scenarios/{file}'}.py"
        if not path.exists() or test not in names_in(path):
            missing.append(name)
    assert not missing


def test_every_scenario_is_named():
    scenarios = {
        f"{path.stem}::{test}"
        for path in (TESTS / "scenarios").glob("test_*.py")
        if path != Path(__file__).resolve()
        for test in names_in(path)
    }
    assert len(scenarios) > 100
    assert not sorted(scenarios - NAMED)
