"""`fenliu report`: tables, CSV, JSON and pictures, in both languages, of a small day worked out by hand."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from fenliu.cli.report_tables import duration
from fenliu.engine import load_core
from fenliu.v1 import dispatch_pb2
from support.commands import run, said
from support.scene import DAY, MIDNIGHT, MINUTE, SECOND, Scene, Server, agent, group, serving

CHINESE = re.compile(r"[㐀-鿿]")
DAY_OF_SCENE = "2025-11-02"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    class Core:
        CORE = load_core().name

    with serving(Core, tmp_path_factory.mktemp("report") / "data") as server:  # type: ignore[arg-type]
        yield server


@pytest.fixture(scope="module")
def shop(server: Server) -> Scene:
    """A day of two agents, with sales; the Chinese names are long."""
    scene = Scene(server, "旗舰店").opens(
        [agent("wang", display_name="名字很长很长的客服小王"), agent("li", display_name="小李")],
        [
            group("presale", "wang", "li", display_name="售前咨询和导购组"),
            group("after", "li", display_name="售后"),
        ],
        online=["wang"],
    )
    scene.shop.display_name = "一家名字很长很长的旗舰店"
    scene.apply(scene.shop)
    for buyer, wait in (("b1", 20 * SECOND), ("b2", 4 * MINUTE)):
        scene.route(buyer)
        scene.says(buyer)
        scene.after(wait).replies(buyer)
    scene.route("b3")
    scene.orders(
        dispatch_pb2.OrderEvent(
            shop_id=scene.shop_id,
            buyer_id="b1",
            order_id="o",
            type=dispatch_pb2.ORDER_EVENT_TYPE_PAID,
            amount_cents=123_450,
            items=3,
        )
    )
    return scene


def report(shop: Scene, *arguments: str | Path, lang: str = "en", code: int = 0) -> str:
    given = [] if {"--day", "--from"} & set(arguments) else ["--day", DAY_OF_SCENE]
    result = run(
        *("report", "--shop", shop.shop_id, "--target", shop.server.address, "--lang", lang),
        *(*given, *arguments),
        COLUMNS="80",
    )
    said(result, code)
    return result.stderr if code else result.stdout


def line_of(text: str, name: str) -> list[list[str]]:
    """The cells behind a name, of each table."""
    return [line.split()[1:] for line in text.splitlines() if line.split()[:1] == [name]]


def test_tables_say_the_figures(shop: Scene):
    text = report(shop, "--lang", "zh", lang="zh")
    assert "2025-11-02 00:00 – 2025-11-03 00:00" in text
    assert line_of(text, "小李")[0] == ["0", "0", "0", "0", "…"]
    assert line_of(text, "小李")[1] == ["–"] * 5 + ["0"]
    flat = text.replace("\n", " ")
    assert "100.0%" in flat and "2:10" in flat and "50.0%" in flat and "1,234.50" in flat
    assert "「…」现在还不能知道，2025-11-07 00:00 起全部可知。" in text


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("by", ["agent", "group", "shop"])
@pytest.mark.parametrize("grain", ["window", "hour"])
def test_tables_fit_the_terminal_and_speak_one_language(
    shop: Scene, lang: str, by: str, grain: str
):
    text = report(shop, "--by", by, "--grain", grain, lang=lang)
    assert max(map(cell_len, text.splitlines())) <= 80
    titles = [line for line in text.splitlines() if line and "─" not in line]
    names = [shop.shop.display_name, *(one.display_name for one in shop.shop.agents)]
    names += [one.display_name for one in shop.shop.groups]
    rest = "".join(titles)
    for character in "".join(names) + shop.shop_id:
        rest = rest.replace(character, "")
    assert bool(CHINESE.search(rest)) == (lang == "zh"), rest


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_csv_is_what_excel_opens(shop: Scene, lang: str):
    text = report(shop, "--csv", lang=lang)
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    names = {"zh": ("编号", "首次响应时间（秒）", "销售额（元）", "客单价（元）", "询单人数"),
             "en": ("id", "First response (s)", "Sales (yuan)", "Amount per buyer (yuan)",
                    "Pre-sale inquirers")}  # fmt: skip
    figures = {row[names[lang][0]]: [row[name] for name in names[lang][1:]] for row in rows}
    nothing, later = {"zh": ("无定义", "尚不可知"), "en": ("undefined", "not yet known")}[lang]
    assert figures == {
        "wang": ["130", "1234.5", "1234.5", later],
        "li": [nothing, "0", nothing, later],
    }
    assert all(len(row) == len(rows[0]) for row in rows)


def test_csv_in_a_pipe_has_one_mark_and_plain_line_ends(shop: Scene):
    command = [sys.executable, "-m", "fenliu", "report", "--shop", shop.shop_id, "--csv"]
    more = ["--target", shop.server.address, "--day", DAY_OF_SCENE, "--lang", "zh"]
    done = subprocess.run([*command, *more], capture_output=True, check=True, timeout=60)
    assert done.stdout.startswith("\ufeff编号,名称,".encode())
    assert done.stdout.count("\ufeff".encode()) == 1
    assert done.stdout.count(b"\r\n") == 3 and b"\r\r" not in done.stdout


def test_json_is_the_answer_whole(shop: Scene):
    answer = json.loads(report(shop, "--json", "--only", "wang"))
    (row,) = answer["rows"]
    assert row["subject_id"] == "wang"
    kpis = {kpi["name"]: kpi for kpi in row["kpis"]}
    assert kpis["consulted"]["numerator"] == "3"
    assert kpis["filtered"]["numerator"] == "1"
    assert kpis["first_response"]["numerator"] == str(20 * SECOND + 4 * MINUTE)
    assert kpis["presale_inquirers"]["state"] == "KPI_STATE_NOT_YET_KNOWN"
    assert kpis["presale_inquirers"]["known_at_ms"] == str(MIDNIGHT + 2 * DAY)
    assert [column["name"] for column in answer["columns"]] == list(kpis)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_picture_is_a_png(shop: Scene, lang: str, tmp_path: Path):
    path = tmp_path / "day.png"
    result = run(
        *("report", "--shop", shop.shop_id, "--target", shop.server.address),
        *("--day", DAY_OF_SCENE, "--plot", path, "--lang", lang),
    )
    said(result)
    assert str(path) in result.stderr
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 600 and height > 600


def test_without_matplotlib_a_picture_says_what_is_missing(
    shop: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "fenliu[plot]" in report(shop, "--plot", tmp_path / "x.png", code=1)


def test_a_window_may_be_said_in_several_ways(shop: Scene):
    ways = (
        ("--from", "2025-11-02T09:00", "--to", "2025-11-02T10:00:00"),
        ("--from", "2025-11-02 09:00", "--to", "2025-11-02T02:00Z"),
        ("--from", str(MIDNIGHT + 9 * 3_600_000), "--to", str(MIDNIGHT + 10 * 3_600_000)),
    )
    answers = [json.loads(report(shop, "--json", *way)) for way in ways]
    assert answers[0]["rows"] and all(one == answers[0] for one in answers)


@pytest.mark.parametrize(
    ("arguments", "code", "english", "chinese"),
    [
        (("--from", "2025-11-03", "--to", "2025-11-02"), 2, "the window ends before it begins", "窗口的结束早于开始"),
        (("--from", "2025-11-02", "--to", "2025-11-02"), 2, "the window is empty", "窗口是空的"),
        (("--from", "2025-11-02"), 2, "--from and --to go together", "--from 和 --to 要一起给"),
        (("--day", "2.11."), 2, "'2.11.' is no date or time", "'2.11.' 不是日期或时间"),
        (("--day", "2025-13-01"), 2, "'2025-13-01' is no date or time", "不是日期或时间"),
        (("--day", "2025-11-02", "--from", "1", "--to", "2"), 2, "choose --day or", "只能选一个"),
        (("--json", "--csv"), 2, "choose --csv or --json", "只能选一个"),
        (("--day", "2025-11-20"), 1, "in the future: it is 2025-11-02", "有一项内容不合规则"),
        (("--day", "2025-10-01"), 1, "before the shop came to be", "有一项内容不合规则"),
        (("--only", "zhao"), 1, "this shop never had the agent 'zhao'", "没有这位客服"),
        (("--only", "x", "--by", "group"), 1, "this shop never had the group 'x'", "没有这个分流组"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    shop: Scene, arguments: tuple[str, ...], code: int, english: str, chinese: str
):
    assert english in report(shop, *arguments, code=code)
    assert chinese in report(shop, *arguments, lang="zh", code=code)


def test_an_unknown_shop_is_said(server: Server):
    result = run("report", "--shop", "nowhere", "--target", server.address, "--lang", "zh")
    said(result, 1)
    assert "没有这家店铺" in result.stderr


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (65, "1:05"), (3_599, "59:59"), (43_625, "12:07:05")]
)
def test_durations(seconds: int, text: str):
    assert duration(seconds) == text


def test_kpis_md_has_every_kpi(shop: Scene):
    """Names, titles and units of the page are those of the answer."""
    page = Path(__file__).resolve().parents[2] / "docs" / "kpis.md"
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.read_text(encoding="utf-8").splitlines()
        if re.match(r"\| `\w+` \| .* · .* \| .* \| .* \| [A-Z]+", line)
    ]
    documented = [(row[0].strip("`"), row[1], row[4].split(",")[0]) for row in rows]
    titles = {}
    for lang in ("zh", "en"):
        answer = json.loads(report(shop, "--json", lang=lang))
        for column in answer["columns"]:
            titles.setdefault((column["name"], column["unit"]), []).append(column["title"])
    assert documented == [
        (name, " · ".join(both), unit.removeprefix("KPI_UNIT_"))
        for (name, unit), both in titles.items()
    ]


def test_the_queries_of_kpis_md_run(shop: Scene):
    report(shop)
    page = Path(__file__).resolve().parents[2] / "docs" / "kpis.md"
    (block,) = re.findall(r"^```sql\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    queries = [query for query in block.split(";") if query.strip()]
    path = shop.server.data / "insight.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        answers = [connection.execute(query).fetchall() for query in queries]
    assert answers[1] == [(DAY_OF_SCENE, "wang", 1234.5)]
