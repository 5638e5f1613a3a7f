"""The `fenliu` command against a real server in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from rich.cells import cell_len

from fenliu import __version__
from fenliu.cli import main
from support.commands import run, said

SHOP = """\
shop_id: demo
display_name: 演示店
agents: [{agent_id: a}, {agent_id: b, weight: 3}]
groups: [{group_id: all, agent_ids: [a, b]}]
"""
HEADER = "sent_at_ms,shop_id,buyer_id,sender,agent_sign,message_id,in_reply_to\n"
START = 1_700_000_000_000


@contextmanager
def server(data: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "fenliu", "serve", "--listen", "127.0.0.1:0"]
    env = {key: value for key, value in os.environ.items() if key != "FENLIU_LISTEN"}
    process = subprocess.Popen(
        [*command, "--data", str(data), *options], stdout=subprocess.PIPE, text=True, env=env
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on "), line
        yield line.split()[-1], process
    finally:
        process.terminate()
        process.wait(timeout=20)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="module")
def wall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on the wall clock that has the demo shop, nobody ONLINE."""
    folder = tmp_path_factory.mktemp("wall")
    (folder / "shop.yaml").write_text(SHOP, encoding="utf-8")
    with server(folder / "data") as (target, _):
        said(run("apply", folder / "shop.yaml", "--target", target))
        yield target


@pytest.fixture
def trace(tmp_path: Path) -> Callable[..., Path]:
    """Writes a trace: shop, buyer, sender, signature of one message a second."""

    def write(*messages: tuple[str, str, str, str]) -> Path:
        path = tmp_path / "day.csv"
        lines = [
            f"{START + number * 1000},{shop},{buyer},{sender},{sign},m{number},\n"
            for number, (shop, buyer, sender, sign) in enumerate(messages)
        ]
        path.write_text(HEADER + "".join(lines))
        return path

    return write


def test_version_names_the_core():
    assert said(run("--version", FENLIU_CORE="python")) == f"fenliu {__version__} (python core)\n"


def test_a_core_that_cannot_be_is_one_line():
    result = run("--version", FENLIU_CORE="cobol")
    assert said(result, 1) == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


SHOP_COMMANDS = main.commands["shop"].commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted({*main.commands, *SHOP_COMMANDS} - {"shop"}))
def test_every_option_names_its_environment_variable(name: str):
    path = [name] if name in main.commands else ["shop", name]
    command = main.commands.get(name) or SHOP_COMMANDS[name]
    options = [one for one in command.params if isinstance(one, click.Option)]
    text = " ".join(said(run(*path, "--help")).split())
    assert text.count("env var: FENLIU_") == len(options) > 0


def test_apply_says_what_changed_and_again_that_nothing_did(wall: str, tmp_path: Path):
    path = tmp_path / "two.yaml"
    path.write_text(SHOP.replace("demo", "one") + "---\n" + SHOP.replace("demo", "two"))
    assert (
        said(run("apply", path, "--target", wall)) == "one: applied, etag 1\ntwo: applied, etag 1\n"
    )
    assert said(run("apply", path, FENLIU_TARGET=wall)) == (
        "one: unchanged, etag 1\ntwo: unchanged, etag 1\n"
    )
    again = json.loads(said(run("apply", path, "--target", wall, "--json")))
    assert again[0] == {"shop_id": "one", "changed": False, "etag": "1"}


def test_apply_reads_every_file_before_the_first_shop(wall: str, tmp_path: Path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(SHOP.replace("demo", "never"))
    bad.write_text("shop_id: x\nagent: []\n")
    result = run("apply", good, bad, "--target", wall)
    assert said(result, 1) == ""
    assert result.stderr == f"Error: {bad}:2:1: agent is no known key: did you mean agents?\n"
    assert (
        "SHOP_NOT_FOUND" in run("route", "--shop", "never", "--buyer", "b", "--target", wall).stderr
    )


def test_apply_names_the_shop_the_server_refuses(wall: str, tmp_path: Path):
    path = tmp_path / "shop.yaml"
    path.write_text("shop_id: x\nagents: [{agent_id: a, weight: 101}]\n")
    result = run("apply", path, "--target", wall)
    assert said(result, 1) == ""
    assert result.stderr == (
        "Error: shop x: shop.agents[0].weight: must be within 0..100 (INVALID_FIELD)\n"
    )


def test_route_prints_who_and_why(wall: str):
    text = said(run("route", "--shop", "demo", "--buyer", "wang", "--target", wall))
    assert text.startswith("POOLED: OFFLINE_POOL\ndecision d")
    answer: dict[str, Any] = json.loads(
        said(
            run(
                "route", "--shop", "demo", "--buyer", "wang", "--json", "--order-status", "unpaid",
                FENLIU_TARGET=wall,
            )
        )
    )  # fmt: skip
    assert answer["outcome"] == "OUTCOME_POOLED"
    assert answer["reason"] == "REASON_STILL_WAITING"
    assert answer["agent_id"] == ""


def test_a_refusal_is_one_line_and_exit_1(wall: str):
    result = run("route", "--shop", "nowhere", "--buyer", "b", "--target", wall)
    assert said(result, 1) == ""
    assert result.stderr == "Error: shop_id: unknown shop (SHOP_NOT_FOUND)\n"


def test_no_server_is_one_line_and_exit_1():
    result = run("route", "--shop", "s", "--buyer", "b", "--target", "127.0.0.1:1")
    assert said(result, 1) == ""
    assert result.stderr == ("Error: no server answers at 127.0.0.1:1; `fenliu serve` starts one\n")


@pytest.mark.alone
def test_a_server_that_is_just_starting_is_waited_for(tmp_path: Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{probe.getsockname()[1]}"
    options = ["--listen", target, "--data", str(tmp_path / "data")]
    process = subprocess.Popen(
        [sys.executable, "-m", "fenliu", "serve", *options], stdout=subprocess.DEVNULL
    )
    try:
        assert len(said(run("state-hash", "--target", target)).strip()) == 64
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.mark.parametrize(
    "arguments",
    [["route"], ["apply"], ["apply", "no-such.yaml"], ["replay"], ["serve", "--core", "c"]],
)
def test_wrong_usage_is_exit_2(arguments: list[str]):
    said(run(*arguments), 2)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--listen", "nowhere"], "listen: must be HOST:PORT"),
        (["--listen", "0.0.0.0:0", "--clock", "trace"], "listen must be a loopback address"),
        (["--lease-ms", "1"], "heartbeat_ms: must be at least 1 and shorter than lease_ms"),
    ],
)
def test_settings_that_cannot_be_are_one_line(options: list[str], problem: str, tmp_path: Path):
    result = run("serve", "--data", tmp_path / "data", *options)
    said(result, 1)
    assert problem in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_trace_goes_at_full_speed_on_a_trace_clock_and_the_state_can_be_compared(
    trace: Callable[..., Path], tmp_path: Path
):
    path = trace(
        ("brand", "1", "buyer", ""),
        ("brand", "1", "agent", "KO"),
        ("brand", "2", "buyer", ""),
        ("other", "1", "agent", ""),
        ("other", "1", "buyer", ""),
    )
    acks = tmp_path / "acks"
    with server(tmp_path / "data", "--clock", "trace") as (target, process):
        result = run("replay", path, "--create-shops", "--json", "--target", target, "--acks", acks)
        played = json.loads(said(result))
        live = said(run("state-hash", "--target", target))
        table = said(run("replay", path, "--target", target))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert played["shops"]["brand"] == {"KO": {"received": 2, "reasons": {"REASON_WEIGHTED": 2}}}
    assert sum(agent["received"] for agent in played["shops"]["other"].values()) == 1
    assert played["replies_without_conversation"] == 1
    assert played["failures"] == []
    assert "day.csv" in result.stderr  # The progress bar.
    assert len([line for line in acks.read_text().splitlines() if '"route"' in line]) == 3
    # A directory in the environment does not stand in the way of a target that is typed.
    mixed = run("state-hash", "--target", "127.0.0.1:1", FENLIU_DATA=str(tmp_path / "data"))
    assert "no server answers" in mixed.stderr
    said(run("state-hash", "--target", target, "--data", tmp_path / "data"), 2)
    for core in ("python", "auto"):
        assert said(run("state-hash", "--data", tmp_path / "data", "--core", core)) == live
    assert len(live.strip()) == 64
    assert "KO" in table
    assert "Without effect: 1 replies" in table
    assert max(map(cell_len, table.splitlines())) <= 80


def test_a_wall_clock_server_wants_a_speed(wall: str, trace: Callable[..., Path]):
    path = trace(("demo", "1", "buyer", ""))
    result = run("replay", path, "--target", wall)
    said(result, 2)
    assert "add --speed X (1: as recorded), or start it with" in result.stderr
    played = json.loads(said(run("replay", path, "--target", wall, "--speed", "9", "--json")))
    assert played["decisions"] == 1


def test_a_trace_of_unknown_shops_says_what_to_do(wall: str, trace: Callable[..., Path]):
    path = trace(("brand", "1", "buyer", ""))
    result = run("replay", path, "--target", wall, "--speed", "1000")
    assert said(result, 1) == ""
    assert "the server has no shop brand (1 in all)" in result.stderr
    assert "--create-shops" in result.stderr


def test_a_broken_trace_is_named_by_line(wall: str, trace: Callable[..., Path]):
    path = trace(("demo", "1", "buyer", ""), ("demo", "1", "cat", ""))
    result = run("replay", path, "--target", wall)
    assert said(result, 1) == ""
    assert result.stderr == f"Error: {path}: line 3: sender must be buyer or agent, not 'cat'\n"


def test_a_directory_without_a_state_has_no_hash(tmp_path: Path):
    result = run("state-hash", "--data", tmp_path)
    assert said(result, 1) == ""
    assert "no data directory" in result.stderr


def test_a_replay_goes_through_a_killed_server(trace: Callable[..., Path], tmp_path: Path):
    path = trace(*(("brand", str(number % 40), "buyer", "") for number in range(120)))
    acks = tmp_path / "acks"
    with server(tmp_path / "data", "--clock", "trace") as (target, process):
        command = [sys.executable, "-m", "fenliu", "replay", str(path), "--create-shops", "--json"]
        replay = subprocess.Popen(
            [*command, "--target", target, "--acks", str(acks)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            while not acks.exists() or len(acks.read_text().splitlines()) < 40:
                assert replay.poll() is None, replay.communicate()
                time.sleep(0.005)
            process.kill()
            process.wait()
            with server(tmp_path / "data", "--clock", "trace", "--listen", target):
                out, err = replay.communicate(timeout=60)
        finally:
            replay.kill()
            replay.communicate()
    assert replay.returncode == 0, err
    played = json.loads(out)
    assert played["decisions"] == 120
    assert played["failures"] == []
    answers = [json.loads(line) for line in acks.read_text().splitlines()]
    decisions = [one["response"]["decision_id"] for one in answers if one["kind"] == "route"]
    # Nothing acknowledged was lost, nothing was decided twice.
    assert decisions == [f"d{number}" for number in range(1, 121)]


def test_the_demo_plays_a_day_and_shows_shares_and_reasons(tmp_path: Path):
    shop = tmp_path / "shop.yaml"
    shop.write_text(SHOP, encoding="utf-8")
    demo = ("demo", shop, "--buyers", "8", "--listen", "127.0.0.1:0", "--data", tmp_path / "data")
    text = said(run(*demo, ONCE="1"))
    assert "演示店 · demo" in text
    assert " Due " in text
    assert "listening" not in text
    assert max(map(cell_len, text.splitlines())) <= 80
    # The next day goes to a copy: the first shop keeps its traffic.
    assert "演示店 · demo-2" in said(run(*demo, "--once"))


def test_the_demo_shows_what_the_robot_had_and_what_happened_besides(tmp_path: Path):
    shop = tmp_path / "shop.yaml"
    robot = "settings: {robot_id: robo, reception_mode: MIXED, robot_percent: 30}\n"
    shop.write_text(SHOP + robot, encoding="utf-8")
    demo = ("demo", shop, "--once", "--buyers", "60", "--listen", "127.0.0.1:0")
    text = said(run(*demo, "--data", tmp_path / "data"))
    assert "The robot had " in text
    assert "mixed robot" in text
    assert "order events" in text
    assert max(map(cell_len, text.splitlines())) <= 80
    plain = said(run(*demo, "--data", tmp_path / "plain", "--no-features"))
    assert "order events" not in plain


def test_the_demo_goes_on_serving_on_the_wall_clock(tmp_path: Path):
    shop = tmp_path / "shop.yaml"
    shop.write_text(SHOP, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "fenliu", "demo", str(shop), "--buyers", "3",
         "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data")],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        target = next(line.split()[-1] for line in lines if line.startswith("listening on "))
        answer = json.loads(
            said(run("route", "--shop", "demo", "--buyer", "new", "--target", target, "--json"))
        )
        process.terminate()
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert answer["decision_id"]
