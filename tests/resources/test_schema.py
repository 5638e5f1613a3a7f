"""The JSON schema of shop files: what it takes the server takes, and what it names the server refuses."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from fenliu.cli.shopfile import shops_in
from fenliu.offline import resolved
from fenliu.resources.schema import modeline, schema_text
from support.commands import run, said

PROJECT = Path(__file__).resolve().parents[2]
DEMO = sorted((PROJECT / "demo").glob("*.yaml"))
SCHEMA = json.loads(schema_text())
VALID = jsonschema.Draft7Validator(SCHEMA)


def takes(text: str) -> bool:
    return all(VALID.is_valid(document) for document in yaml.safe_load_all(text))


def server_takes(text: str) -> bool:
    try:
        for _, shop in shops_in(text, "shop.yaml"):
            resolved(shop)
    except ValueError:
        return False
    return True


def fields(schema: dict[str, Any], path: str = "") -> dict[str, dict[str, Any]]:
    """Every field of the schema by its path, those of list elements as "agents[].weight"."""
    found = {}
    for name, field in schema.get("properties", {}).items():
        here = f"{path}{name}"
        found[here] = field
        found |= fields(field, f"{here}.")
        found |= fields(field.get("items", {}), f"{here}[].")
    return found


def shop_with(path: str, value: Any) -> str:
    """A shop file that has the value at a path of `fields`."""
    shop: dict[str, Any] = {
        "shop_id": "s",
        "settings": {"buyer_agents": [{"buyer_id": "b", "agent_id": "a"}]},
        "agents": [{"agent_id": "a", "cap": 1}],
        "groups": [{"group_id": "g", "bindings": {}}],
    }
    part = shop
    *parents, name = path.split(".")
    for parent in parents:
        inner = part[parent.removesuffix("[]")]
        part = inner[0] if parent.endswith("[]") else inner
    part[name] = value
    return yaml.safe_dump(shop)


FIELDS = fields(SCHEMA)
NUMBERS = {path: field for path, field in FIELDS.items() if "maximum" in field}
TEXTS = {
    path: field
    for path, field in FIELDS.items()
    if "maxLength" in field and path != "settings.buyer_agents[].agent_id"
}
CHOICES = {path: field for path, field in FIELDS.items() if "anyOf" in field}


def test_the_schema_is_what_the_messages_the_rules_and_the_engine_give():
    path = PROJECT / "scripts" / "generate_schema.py"
    spec = importlib.util.spec_from_file_location("generate_schema", path)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = script.text()
    for made_path in script.MADE:
        assert made_path.read_text(encoding="utf-8") == made, "run scripts/generate_schema.py"


def test_it_is_a_schema_and_a_command_prints_it():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert said(run("shop", "schema")) == schema_text()


@pytest.mark.parametrize("path", DEMO, ids=lambda path: path.name)
def test_the_demo_files_are_taken_and_name_the_schema(path: Path):
    text = path.read_text(encoding="utf-8")
    assert takes(text)
    named = re.match(r"# yaml-language-server: \$schema=(.*)\n", text)
    assert named is not None
    assert json.loads((path.parent / named[1]).read_text(encoding="utf-8")) == SCHEMA


def test_the_line_that_names_it_leads_to_a_file():
    uri = modeline().partition("$schema=")[2]
    assert json.loads(Path(uri.removeprefix("file://")).read_text(encoding="utf-8")) == SCHEMA


@pytest.mark.parametrize(
    "text",
    [
        "shop_id: s\n",
        "shop_id: 007\nsettings:\nagents:\n- agent_id: 3.5\n  display_name: true\n",
        "shop_id: s\nsettings: {selection_mode: SELECTION_MODE_EVEN, charge_sticky: yes}\n",
        "shop_id: s\netag: '4'\ngroups: [{group_id: g, bindings:, when_unavailable: UNSPECIFIED}]\n",
        "shop_id: a\n---\nshop_id: b\nagents: [{agent_id: x, permissions: [dispatch.manage]}]\n",
    ],
)
def test_files_that_the_server_takes_are_taken(text: str):
    assert server_takes(text.replace("etag: '4'\n", ""))
    assert takes(text)


@pytest.mark.parametrize(
    "text",
    [
        "shop_id: s\nagent: []\n",
        "shop_id: s\nsettings: {busy_treshold: 4}\n",
        "display_name: x\n",
        "shop_id: ''\n",
        "shop_id: s\nagents: [{weight: 3}]\n",
        "shop_id: s\nagents: {agent_id: x}\n",
        "shop_id: s\nagents: [x]\n",
        "shop_id: s\nagents: [{agent_id: a, weight: heavy}]\n",
        "shop_id: s\nagents: [{agent_id: a, weight: 1.5}]\n",
        "shop_id: s\nagents: [{agent_id: a, permissions: [all]}]\n",
        "shop_id: s\nsettings: {charge_sticky: 3}\n",
        "shop_id: s\nsettings: {binding_precedence: [INTENT, INTENT]}\n",
        "shop_id: s\nagents: [{agent_id: a}]\ngroups: [{group_id: g, agent_ids: [a, a]}]\n",
        "shop_id: s\ngroups: [{group_id: g, bindings: {order_statuses: [LOST]}}]\n",
    ],
)
def test_what_the_server_refuses_is_refused(text: str):
    assert not server_takes(text)
    assert not takes(text)


@pytest.mark.parametrize("path", NUMBERS)
def test_a_number_has_the_servers_range(path: str):
    low, high = NUMBERS[path]["minimum"], NUMBERS[path]["maximum"]
    for value in (low - 1, low, high, high + 1):
        text = shop_with(path, value)
        assert takes(text) == server_takes(text) == (low <= value <= high), value


@pytest.mark.parametrize("path", TEXTS)
def test_a_text_has_the_servers_length(path: str):
    length = TEXTS[path]["maxLength"]
    # An agent that a group or a buyer names must be there, too: only the lengths are compared.
    text = shop_with(path, "x" * (length + 1))
    assert not takes(text) and not server_takes(text)
    assert takes(shop_with(path, "x" * length))


@pytest.mark.parametrize("path", CHOICES)
def test_a_choice_has_the_servers_values(path: str):
    known = [one["const"] for one in CHOICES[path]["anyOf"] if "const" in one]
    assert len(known) > 1
    for value in (*known, "OTHER"):
        text = shop_with(path, value)
        assert takes(text) == server_takes(text) == (value in known), value


def test_every_field_says_what_it_is_in_chinese_and_english():
    assert len(FIELDS) > 40
    for path, field in FIELDS.items():
        text = field["description"]
        assert re.search(r"[㐀-鿿]", text) and re.search(r"[a-z]{2}", text), path
