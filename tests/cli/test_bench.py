"""`fenliu bench` over a real server: it fills its table, and nothing is left of it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from cli.test_shop import serving
from end_to_end.processes import FENLIU, environment
from fenliu.config import ServerConfig
from support.commands import run, said

SHOP = """\
shop_id: demo
agents: [{agent_id: a}]
groups: [{group_id: all, agent_ids: [a]}]
"""


def shops(target: str) -> list[str]:
    listed = json.loads(said(run("shop", "list", "--json", "--target", target)))
    return [shop["shop_id"] for shop in listed]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with one shop, which is to stay."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "shop.yaml").write_text(SHOP, encoding="utf-8")
    config = ServerConfig(listen="127.0.0.1:0", data=folder / "data", grace_ms=200)
    with serving(config) as address:
        said(run("apply", folder / "shop.yaml", "--target", address))
        yield address


def test_it_compares_with_the_echo_and_removes_its_shop(target: str):
    told = json.loads(said(run("bench", "--seconds", "1", "--json", "--target", target)))
    assert shops(target) == ["demo"]
    assert told["core"] in ("rust", "python")
    assert told["refused"] == 0
    for name in ("unary", "batches", "p50_s", "p99_s"):
        sides = told[name]
        assert sides["echo"] > 0, name
        assert sides["server"] > 0, name
        assert sides["ratio"] == pytest.approx(sides["server"] / sides["echo"])
    # Batches are of hundreds of inquiries: slower than a call, much faster than as many calls.
    assert told["batches"]["echo"] > 10 * told["unary"]["echo"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_table_fits_into_80_columns(target: str, language: str):
    text = said(
        run("bench", "--seconds", "1", "--target", target, "--lang", language, COLUMNS="80")
    )
    assert max(map(cell_len, text.splitlines())) <= 80
    assert bool(re.search("[㐀-鿿]", text)) == (language == "zh")
    assert len(re.findall(r"\d\.\d\d *$", text, re.M)) == 4


def test_another_machine_is_not_loaded_unasked():
    result = run("bench", "--target", "192.0.2.1:50051", "--seconds", "1")
    assert result.exit_code == 2
    assert "--yes" in result.stderr


def test_no_server_is_said_in_a_line():
    result = run("bench", "--target", "127.0.0.1:1", "--seconds", "1")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no server answers at 127.0.0.1:1")


def test_a_server_on_recorded_time_is_refused(tmp_path: Path):
    config = ServerConfig(listen="127.0.0.1:0", data=tmp_path / "data", clock="trace", grace_ms=200)
    with serving(config) as address:
        result = run("bench", "--target", address, "--seconds", "1")
    assert result.exit_code == 1
    assert "trace clock" in result.stderr


def test_the_shop_goes_when_the_measurement_is_interrupted(target: str):
    process = subprocess.Popen(
        [*FENLIU, "bench", "--seconds", "30", "--target", target],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    while len(shops(target)) == 1:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 1
    assert shops(target) == ["demo"]
