"""`fenliu shop` and `fenliu apply --dry-run` against a real server in this process."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fenliu.app import App
from fenliu.cli.shopfile import read_shops, shop_text
from fenliu.config import ServerConfig
from fenliu.offline import resolved
from fenliu.v1 import shop_pb2
from support.commands import run, said

SHOP = """\
shop_id: demo
display_name: 演示店
agents: [{agent_id: a}, {agent_id: b, weight: 3, permissions: [dispatch.manage]}]
groups: [{group_id: all, agent_ids: [a, b], bindings: {order_statuses: [UNPAID]}}]
"""


@contextmanager
def serving(config: ServerConfig) -> Iterator[str]:
    """A server on a loop of its own: commands run one themselves."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> tuple[App, str]:
        app = App(config)
        return app, await app.start()

    try:
        app, address = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
        try:
            yield address
        finally:
            asyncio.run_coroutine_threadsafe(app.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP, encoding="utf-8")
    return path


@pytest.fixture
def target(core: ModuleType, tmp_path: Path, file: Path) -> Iterator[str]:
    """A server with the shop of the file."""
    config = ServerConfig(
        listen="127.0.0.1:0", data=tmp_path / "data", core=core.CORE, grace_ms=200
    )
    with serving(config) as address:
        said(run("apply", file, "--target", address))
        yield address


def test_what_show_prints_is_taken_back_unchanged(target: str, tmp_path: Path):
    text = said(run("shop", "show", "demo", "--target", target))
    assert text.startswith("# etag 1\nshop_id: demo\n")
    path = tmp_path / "shown.yaml"
    path.write_text(text, encoding="utf-8")
    assert said(run("apply", path, "--target", target)) == "demo: unchanged, etag 1\n"
    assert said(run("apply", path, "--dry-run", "--target", target)) == "demo: unchanged\n"


IDS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=5)


@given(
    st.builds(
        shop_pb2.Shop,
        shop_id=IDS,
        display_name=st.sampled_from(["", "no", "007", "1.5", "a: b", "- x", "#", "null", "'\""]),
        settings=st.builds(
            shop_pb2.ShopSettings,
            busy_threshold=st.none() | st.integers(0, 9),
            idle_close_ms=st.none() | st.integers(0, 2**53),
            charge_sticky=st.booleans(),
            selection_mode=st.integers(0, 2),
            binding_precedence=st.lists(st.integers(1, 4), max_size=3),
        ),
        agents=st.lists(st.builds(shop_pb2.Agent, agent_id=IDS, display_name=IDS), max_size=2),
    )
)
def test_any_shop_is_read_back_as_it_was_written(tmp_path_factory, shop: shop_pb2.Shop):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(shop_text(shop), encoding="utf-8")
    assert read_shops([path]) == [shop]


def test_list_has_a_row_for_each_shop(target: str):
    text = said(run("shop", "list", "--target", target))
    assert [line.split() for line in text.splitlines() if "demo" in line] == [
        ["demo", "演示店", "2", "1", "1"]
    ]
    (row,) = json.loads(said(run("shop", "list", "--target", target, "--json")))
    assert (row["shop_id"], row["agents"]) == ("demo", 2)


def test_a_dry_run_shows_the_difference_and_changes_nothing(target: str, file: Path):
    text = SHOP.replace("weight: 3", "weight: 8").replace("演示店", "新店")
    text = text.replace("{agent_id: a}, ", "{agent_id: a}, {agent_id: c}, ")
    file.write_text(text + "---\nshop_id: other\nsettings: {queue_timeout_ms: 1000}\n")
    assert said(run("apply", file, "--dry-run", "--target", target)).splitlines() == [
        "demo: would change",
        "  ~ display_name: 演示店 → 新店",
        "  ~ agents[b].weight: 3 → 8",
        "  + agents[c]: weight 5",
        "other: would be new",
        "  ~ settings.queue_timeout_ms: 600000 → 1000",
    ]
    coloured = said(run("apply", file, "--dry-run", "--target", target, FORCE_COLOR="1"))
    assert "\x1b[3" in coloured
    found = json.loads(said(run("apply", file, "--dry-run", "--target", target, "--json")))
    assert [one["changed"] for one in found] == [True, True]
    assert found[0]["differences"][1] == {
        "place": "agents[b].weight",
        "before": "3",
        "after": "8",
    }
    assert [one["shop_id"] for one in json.loads(
        said(run("shop", "list", "--target", target, "--json"))
    )] == ["demo"]  # fmt: skip


def test_a_dry_run_refuses_what_would_be_refused(target: str, file: Path):
    file.write_text(SHOP.replace("weight: 3", "weight: 101"))
    result = run("apply", file, "--dry-run", "--target", target)
    assert said(result, 1) == ""
    assert result.stderr == "Error: shop demo: shop.agents[1].weight: must be within 0..100\n"
    file.write_text(SHOP + "etag: '7'\n")
    result = run("apply", file, "--dry-run", "--target", target)
    assert result.stderr == "Error: shop demo: shop.etag: stale: the shop is at 1\n"


def test_a_dry_run_fits_into_80_columns(target: str, file: Path):
    agents = ", ".join(f"{{agent_id: 客服{number}}}" for number in range(30))
    ids = ", ".join(f"客服{number}" for number in range(30))
    file.write_text(
        f"shop_id: demo\nagents: [{agents}]\ngroups: [{{group_id: 全店, agent_ids: [{ids}]}}]\n"
    )
    text = said(run("apply", file, "--dry-run", "--target", target, COLUMNS="80"))
    assert max(map(cell_len, text.splitlines())) <= 80
    assert "客服29" in text


def test_history_and_undo(target: str, file: Path):
    file.write_text(SHOP.replace("weight: 3", "weight: 8"))
    said(run("apply", file, "--target", target, "--actor", "b"))
    undone = said(run("shop", "undo", "demo", "2", "--target", target))
    assert undone == "demo: change 2 undone, etag 3\n"
    text = said(run("shop", "history", "demo", "--target", target, COLUMNS="80"))
    assert max(map(cell_len, text.splitlines())) <= 80
    words = " ".join(text.split())
    assert "(operator) undid 2 ~ agents[b].weight: 8 → 3" in words
    assert "b ~ agents[b].weight: 3 → 8" in words
    assert "(operator) created" in words
    entries = json.loads(
        said(run("shop", "history", "demo", "--limit", "2", "--target", target, "--json"))
    )
    assert [(one["change_id"], one["actor"]) for one in entries] == [("3", ""), ("2", "b")]
    again = run("shop", "undo", "demo", "2", "--target", target)
    assert said(again, 1) == ""
    assert "already undone by change 3" in again.stderr


def test_lint_names_findings_and_ends_with_1(target: str, file: Path):
    assert said(run("shop", "lint", "--target", target)) == "demo: nothing found\n"
    file.write_text(SHOP.replace("agent_ids: [a, b]", "agent_ids: []"))
    text = said(run("shop", "lint", "--file", file, "--target", target, COLUMNS="80"), 1)
    assert "UNSTAFFED_GROUP groups[0].agent_ids" in text
    assert max(map(cell_len, text.splitlines())) <= 80
    (finding,) = json.loads(
        said(run("shop", "lint", "--file", file, "--target", target, "--json"), 1)
    )
    assert finding["rule"] == "LINT_RULE_UNSTAFFED_GROUP"


def test_lint_of_a_file_needs_no_server(file: Path):
    assert said(run("shop", "lint", "--file", file, "--target", "127.0.0.1:1")) == (
        "demo: nothing found\n"
    )


def test_an_unknown_shop_is_one_line(target: str):
    for command in (("show", "no"), ("history", "no"), ("undo", "no", "1"), ("lint", "no")):
        result = run("shop", *command, "--target", target)
        assert said(result, 1) == ""
        assert result.stderr == "Error: shop_id: unknown shop (SHOP_NOT_FOUND)\n"


def test_a_document_is_resolved_as_the_server_stores_it(target: str, file: Path):
    (shop,) = read_shops([file])
    shown = json.loads(said(run("shop", "show", "demo", "--target", target, "--json")))
    assert shown["etag"] == "1"
    assert resolved(shop).settings.busy_threshold == shown["settings"]["busy_threshold"] == 4
    assert shop_text(resolved(shop)) == "".join(
        said(run("shop", "show", "demo", "--target", target)).splitlines(keepends=True)[1:]
    )
