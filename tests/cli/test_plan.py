"""`fenliu plan`: table, CSV, JSON and picture in both languages; docs/insight.md shows what it prints."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import shlex
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from fenliu.cli import pictures
from fenliu.engine import load_core
from fenliu.v1 import types_pb2
from support.commands import run, said
from support.scene import HOUR, MIDNIGHT, SECOND, Scene, Server, agent, serving

PAGE = Path(__file__).parents[2] / "docs" / "insight.md"
CHINESE = re.compile(r"[㐀-鿿]")
DAY_OF_SCENE = "2025-11-02"
PER_HOUR = {9: 20, 10: 30, 14: 25, 20: 60, 21: 40}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    class Core:
        CORE = load_core().name

    with serving(Core, tmp_path_factory.mktemp("plan") / "data") as server:  # type: ignore[arg-type]
        yield server


@pytest.fixture(scope="module")
def shop(server: Server) -> Scene:
    """A day of five agents, the evening busy: seeded, so that the page can show it."""
    agents = [agent(f"a{number}", display_name=name) for number, name in enumerate("王李张赵陈")]
    scene = Scene(server, "demo").opens(agents, sticky_window_ms=0)
    scene.shop.display_name = "演示店"
    scene.apply(scene.shop)
    rng = random.Random(5)
    events: list[tuple[int, str, str]] = []
    for hour, count in PER_HOUR.items():
        for number in range(count):
            at_ms = MIDNIGHT + hour * HOUR + rng.randrange(HOUR)
            buyer = f"b{hour}-{number}"
            reply_ms = at_ms + rng.randrange(4, 25) * SECOND
            events += [(at_ms, "comes", buyer), (reply_ms, "answered", buyer)]
            events.append((reply_ms + rng.randrange(60, 400) * SECOND, "last", buyer))
    for at_ms, what, buyer in sorted(events):
        scene.now = max(scene.now, at_ms)
        if what == "comes":
            scene.route(buyer)
            scene.says(buyer)
        else:
            scene.message(
                types_pb2.SENDER_AGENT if what == "answered" else types_pb2.SENDER_BUYER, buyer
            )
    scene.now = MIDNIGHT + 23 * HOUR
    scene.offline(*(one.agent_id for one in agents))
    return scene


def plan(shop: Scene, *arguments: str | Path, lang: str = "en", code: int = 0) -> str:
    given = [] if {"--day", "--from"} & set(arguments) else ["--day", DAY_OF_SCENE]
    result = run(
        *("plan", "--shop", shop.shop_id, "--target", shop.server.address, "--lang", lang),
        *(*given, *arguments),
        COLUMNS="80",
    )
    said(result, code)
    return result.stderr if code else result.stdout


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("concurrency", ["1", "3"])
def test_the_table_fits_and_speaks_one_language(shop: Scene, lang: str, concurrency: str):
    text = plan(shop, "--concurrency", concurrency, "--multiplier", "1500", lang=lang)
    assert max(map(cell_len, text.splitlines())) <= 80
    rest = "".join(one for one in text if one not in shop.shop.display_name)
    assert bool(CHINESE.search(rest)) == (lang == "zh")
    rows = [line.split() for line in text.splitlines() if re.match(r" \d\d:00 ", line)]
    assert [row[0] for row in rows] == [f"{hour:02}:00" for hour in range(9, 23)]
    assert {row[1] for row in rows if row[0] == "20:00"} == {"900"}


def test_json_is_the_answer_whole(shop: Scene):
    answer = json.loads(plan(shop, "--json"))
    by_hour = {hour["hour"]: hour for hour in answer["hours"]}
    assert {hour: one["arrivals"] for hour, one in by_hour.items() if one["arrivals"]} == PER_HOUR
    assert answer["model"] == "STAFFING_MODEL_ERLANG_C"
    assert answer["peak_agents"] == by_hour[20]["agents"] > by_hour[14]["agents"]
    assert all(one["reached_percent"] >= 80 for one in by_hour.values())


@pytest.mark.parametrize(("lang", "head"), [("zh", "时段,来客,客服"), ("en", "hour,buyers,agents")])
def test_csv_is_what_excel_opens(shop: Scene, lang: str, head: str):
    text = plan(shop, "--csv", lang=lang)
    assert text.startswith("\ufeff" + head)
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert len(rows) == 15 and {len(row) for row in rows} == {10}
    assert rows[12][:2] == ["20:00", "60.00"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_picture_is_a_png(shop: Scene, lang: str, tmp_path: Path):
    path = tmp_path / "plan.png"
    plan(shop, "--plot", path, lang=lang)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 600 and height > 400


def test_without_matplotlib_a_picture_says_what_is_missing(
    shop: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "fenliu[plot]" in plan(shop, "--plot", tmp_path / "x.png", code=1)


@pytest.mark.parametrize(
    ("arguments", "code", "english", "chinese"),
    [
        (("--csv", "--json"), 2, "choose --csv or --json", "只能选一个"),
        (("--model", "erlang-c", "--concurrency", "2"), 2, "one buyer at a time", "只适用于一次接待一位"),
        (("--shape-day", "2.11."), 2, "is no date or time", "不是日期或时间"),
        (("--target-percent", "100"), 2, "1<=x<=99", "1<=x<=99"),
        (("--within", "1"), 1, "not reached with any number of agents", "有一项内容不合规则"),
        (("--most-agents", "1"), 1, "not reached with 1 agents: from 9:00", "有一项内容不合规则"),
        (("--day", "2025-11-20"), 1, "in the future", "有一项内容不合规则"),
        (("--model", "erlang-a"), 1, "too few gave up waiting", "有一项内容不合规则"),
        (("--from", "2025-11-02T22:00", "--to", "2025-11-02T23:00"), 1, "no arrivals in it", "有一项内容不合规则"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    shop: Scene, arguments: tuple[str, ...], code: int, english: str, chinese: str
):
    assert english in plan(shop, *arguments, code=code)
    assert chinese in plan(shop, *arguments, lang="zh", code=code)


def test_without_a_window_it_is_the_week_before_today(shop: Scene):
    # Of a day long gone: refused, and the refusal says which window was asked for.
    result = run("plan", "--shop", shop.shop_id, "--target", shop.server.address, "--lang", "en")
    said(result, 1)
    assert "window.start_ms: in the future" in result.stderr


def test_the_page_shows_what_is_printed(shop: Scene):
    """Each of these commands in docs/insight.md, run: `$ fenliu plan ...` and what follows it."""
    blocks = re.findall(
        r"^```console\n\$ (fenliu plan [^\n]*)\n(.*?)^```$", PAGE.read_text(), re.M | re.S
    )
    assert len(blocks) == 2
    for command, shown in blocks:
        words = shlex.split(command)[1:]
        printed = said(run(*words, "--target", shop.server.address, COLUMNS="80"))
        assert [line.rstrip() for line in printed.splitlines()] == shown.splitlines()


def test_without_a_chinese_font_the_picture_is_in_english_and_says_how_to_get_one(
    shop: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pictures, "_CHINESE_FONTS", ("No Such Font",))
    said_of: dict[str, str] = {}
    for lang in ("zh", "en"):
        result = run(
            *("plan", "--shop", shop.shop_id, "--target", shop.server.address, "--lang", lang),
            *("--day", DAY_OF_SCENE, "--plot", str(tmp_path / f"{lang}.png")),
        )
        said(result)
        said_of[lang] = result.stderr
    assert all("Noto Sans CJK" in text for text in said_of.values())
