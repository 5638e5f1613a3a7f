"""`fenliu watch` in a process of its own, as an operator runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rich.cells import cell_len

from fenliu.engine import load_core
from support.scene import DAY, MORNING, Scene, Server, agent, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    class Core:
        CORE = load_core().name

    with serving(Core, tmp_path_factory.mktemp("watch") / "data") as server:  # type: ignore[arg-type]
        yield server


class Watch:
    """A running `fenliu watch`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def lines(self, count: int) -> list[str]:
        assert self.process.stdout is not None
        return [self.process.stdout.readline().rstrip("\n") for _ in range(count)]

    def interrupted(self) -> str:
        """Ctrl-C; the token it names for going on."""
        self.process.send_signal(signal.SIGINT)
        rest, errors = self.process.communicate(timeout=20)
        assert (self.process.returncode, rest) == (0, ""), errors
        assert errors.startswith("to go on from here: --resume ")
        return errors.split()[-1]


@contextmanager
def watch(server: Server, *options: str) -> Iterator[Watch]:
    process = subprocess.Popen(
        [sys.executable, "-m", "fenliu", "watch", "--target", server.address, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        yield Watch(process)
    finally:
        process.kill()
        process.communicate()


def begin(server: Server, shop: str) -> str:
    """A token of now."""
    with watch(server, "--shop", shop, "--json") as watching:
        (first,) = watching.lines(1)
        token = json.loads(first)["resume_token"]
        assert json.loads(first)["buyer_id"] == ""
        assert watching.interrupted() == token
    return token


def test_each_assignment_is_a_line_that_fits_a_terminal(server: Server):
    scene = Scene(server, "一家名字很长很长的店").opens(
        [agent("客服小王", cap=1), "b"], queue_limit=5
    )
    token = begin(server, scene.shop_id)
    scene.offline("b")
    scene.route("王小姐来自一个很远很远的地方")
    scene.route("li")
    scene.cancel("li")
    scene.after(DAY)
    scene.online("b")
    with watch(server, "--shop", scene.shop_id, "--resume", token) as watching:
        scene.route("zhao")
        lines = watching.lines(6)
        last = watching.interrupted()
    assert all(cell_len(line) <= 80 for line in lines)
    assert [line.split() for line in lines] == [
        ["2025-11-02"],
        ["09:00:00", "一家名字很…", "王小姐来自一个…", "AGENT", "客服小王", "weighted"],
        ["09:00:00", "一家名字很…", "li", "QUEUED", "1", "queued", "at", "cap"],
        ["09:00:00", "一家名字很…", "li", "CANCELLED"],
        ["2025-11-03"],
        ["09:00:00", "一家名字很…", "zhao", *lines[5].split()[3:]],
    ]
    assert last != token


def test_json_has_a_message_a_line_and_goes_on_from_any_of_them(server: Server):
    scene = Scene(server, "json").opens(["a"])
    token = begin(server, "json")
    for number in range(3):
        scene.route(f"b{number}")
    with watch(server, "--shop", "json", "--resume", token, "--json") as watching:
        _, *events = (json.loads(line) for line in watching.lines(4))
    assert [event["buyer_id"] for event in events] == ["b0", "b1", "b2"]
    assert events[0]["assignment"]["agent_id"] == "a"
    assert events[0]["decided_at_ms"] == str(MORNING)
    with watch(server, "--resume", events[0]["resume_token"], "--shop", "json", "--json") as again:
        assert [json.loads(line) for line in again.lines(3)][1:] == events[1:]


def test_all_shops_are_watched_without_a_shop(server: Server):
    Scene(server, "one").opens(["a"])
    with watch(server, "--json") as watching:
        watching.lines(1)
        Scene(server, "one").route("wang")
        (event,) = map(json.loads, watching.lines(1))
    assert (event["shop_id"], event["buyer_id"]) == ("one", "wang")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--shop", "nowhere"), "unknown shop"),
        (("--resume", "x"), "not a resume token"),
        (("--target", "127.0.0.1:1", "--patience", "0"), "no server answers"),
    ],
)
def test_a_refusal_is_one_line(server: Server, options: tuple[str, ...], text: str):
    with watch(server, *options) as watching:
        out, errors = watching.process.communicate(timeout=20)
        assert (watching.process.returncode, out, errors.count("\n")) == (1, "", 1)
        assert text in errors
