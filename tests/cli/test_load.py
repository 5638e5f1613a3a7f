"""`fenliu load`: once, as lines in a pipe, as JSON, and live on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from fenliu.engine import load_core
from support.commands import run, said
from support.scene import MINUTE, Scene, Server, agent, serving

CHINESE = re.compile(r"[㐀-鿿]")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    class Core:
        CORE = load_core().name

    with serving(Core, tmp_path_factory.mktemp("load") / "data") as server:  # type: ignore[arg-type]
        yield server


@pytest.fixture(scope="module")
def shop(server: Server) -> Scene:
    """One at the cap, one away, one at home, one who queues."""
    scene = Scene(server, "load").opens(
        [agent("wang", cap=1, display_name="名字很长很长很长很长很长的客服小王"), "li", "zhao"],
        online=["wang"],
        queue_limit=5,
    )
    scene.shop.display_name = "一家名字很长很长的旗舰店"
    scene.apply(scene.shop)
    for buyer in ("b1", "b2"):
        scene.route(buyer)
        scene.after(MINUTE + 5_000)
    scene.says("b1")
    scene.tick()
    return scene


def load(shop: Scene, *arguments: str, lang: str = "en") -> str:
    command = ("load", "--shop", shop.shop_id, "--target", shop.server.address, "--lang", lang)
    return said(run(*command, *arguments, COLUMNS="80"))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_once_is_a_table_that_fits(shop: Scene, lang: str):
    text = ""
    for _ in range(50):  # until the figures are there
        text = load(shop, "--once", lang=lang)
        if re.search(r"(接待 1|1 received)", text):
            break
        time.sleep(0.1)
    assert max(map(cell_len, text.splitlines())) <= 80
    names = shop.shop.display_name + "".join(one.display_name for one in shop.shop.agents)
    rest = "".join(character for character in text if character not in names)
    assert bool(CHINESE.search(rest)) == (lang == "zh")
    assert ("排队 1" if lang == "zh" else "1 queued") in text
    rows = [line.split() for line in text.splitlines()]
    assert ["1", "1/1", "1", "1", "0", "0"] in [row[2:] for row in rows]
    assert [row[0] for row in rows if row and row[0] in ("li", "zhao")] == ["li", "zhao"]


def test_json_is_a_message_a_line(shop: Scene):
    (line,) = load(shop, "--once", "--json").splitlines()
    message = json.loads(line)
    assert [one["agent_id"] for one in message["agents"]] == ["li", "wang", "zhao"]
    assert message["agents"][1]["status"] == "PRESENCE_STATUS_ONLINE"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_picture_is_a_png(shop: Scene, lang: str, tmp_path: Path):
    path = tmp_path / "load.png"
    text = load(shop, "--plot", str(path), lang=lang)
    assert "zhao" in text  # it is shown, too, once
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def command(shop: Scene, *more: str) -> list[str]:
    fixed = ["--shop", shop.shop_id, "--target", shop.server.address, "--lang", "en"]
    return [sys.executable, "-m", "fenliu", "load", *fixed, *more]


def test_in_a_pipe_each_change_is_a_line(server: Server):
    scene = Scene(server, "piped").opens(["a"])
    process = subprocess.Popen(
        command(scene), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert re.match(r"\d\d:\d\d:\d\d  1 online  0 awaiting  0 queued  0 pooled  0/min", first)
        scene.route("b")
        for line in process.stdout:
            if "1 awaiting" in line and "1/min" in line:
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.communicate()


def test_on_a_terminal_it_is_live(server: Server):
    scene = Scene(server, "live").opens(["a"])
    master, slave = pty.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    process = subprocess.Popen(command(scene), stdout=slave, stderr=slave, stdin=slave, env=env)
    os.close(slave)
    seen = b""
    try:
        routed = False
        deadline = time.monotonic() + 20
        while b"1 awaiting" not in seen:
            assert time.monotonic() < deadline, seen
            if select.select([master], [], [], 0.2)[0]:
                seen += os.read(master, 65536)
            if not routed and b"0 awaiting" in seen:
                routed = True
                scene.route("b")
        assert b"\x1b[" in seen and b"Awaiting" in seen
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--shop", "nowhere"), 1, "unknown shop"),
        (("--shop", "load", "--interval", "0"), 2, "1<=x<=60"),
        (("--shop", "load", "--target", "127.0.0.1:1", "--patience", "0"), 1, "no server answers"),
    ],
)
def test_what_cannot_be_shown_is_said(
    server: Server, arguments: tuple[str, ...], code: int, text: str
):
    given = arguments if "--target" in arguments else (*arguments, "--target", server.address)
    result = run("load", *given, "--lang", "en")
    said(result, code)
    assert text in result.stderr
