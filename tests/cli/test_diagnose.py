"""`fenliu diagnose` on a real server: tables, CSV, JSON and pictures in both languages; and what is refused.

docs/insight.md shows what it prints.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from rich.cells import cell_len

from fenliu.engine import load_core
from fenliu.v1 import shop_pb2
from model.cores import all_cores
from support.commands import run, said
from support.recorded import RecordedDay
from support.scene import DAY, HOUR, MIDNIGHT, MORNING, Server, agent, group, serving

PAGE = Path(__file__).parents[2] / "docs" / "insight.md"
CHINESE = re.compile(r"[㐀-鿿]")
CAUSES = [
    "ONLINE_TIME",
    "TIME_SLOT",
    "WEIGHT",
    "GROUPS",
    "RECENT_CONTACTS",
    "PROXY",
    "BUSYNESS",
    "REST",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on a shop with a day off before, other weights and another group."""
    core = all_cores()[-1]
    day = RecordedDay(core, tmp_path_factory.mktemp("diagnose") / "data")
    day.shop(
        MIDNIGHT - DAY,
        shop_pb2.Shop(
            shop_id="demo",
            display_name="演示店",
            owner_agent_id="boss",
            agents=[
                agent("wang", weight=5, display_name="小王"),
                agent("li", weight=3, display_name="小李"),
                agent("chen", weight=4, display_name="小陈"),
            ],
            groups=[
                group("presale", "wang", "li", "chen", display_name="售前"),
                group("vip", "wang", display_name="会员", intents=["vip"]),
            ],
        ),
    )
    day.online("wang", MORNING - DAY, MORNING - DAY + 9 * HOUR)
    day.arrivals(MORNING - DAY, MORNING - DAY + 9 * HOUR, 30)
    day.online("wang", MORNING, MORNING + 9 * HOUR)
    day.online("li", MORNING + HOUR, MORNING + 9 * HOUR)
    day.online("chen", MORNING, MORNING + 9 * HOUR)
    day.arrivals(MORNING, MORNING + 9 * HOUR, 90)
    day.arrivals(MORNING, MORNING + 9 * HOUR, 12, prefix="vip", intent="vip")
    day.play()

    class Core:
        CORE = load_core().name

    with serving(Core, day.close()) as server:  # type: ignore[arg-type]
        yield server


def diagnose(server: Server, *arguments: str | Path, lang: str = "en", code: int = 0) -> str:
    given = [] if {"--day", "--from"} & set(arguments) else ["--day", "2025-11-02"]
    shop = [] if "--shop" in arguments else ["--shop", "demo"]
    result = run(
        *("diagnose", *shop, "--target", server.address, "--lang", lang),
        *(*given, *arguments),
        COLUMNS="80",
    )
    said(result, code)
    return result.stderr if code else result.stdout


def test_the_page_shows_what_is_printed(server: Server):
    """Each of these commands in docs/insight.md, run: `$ fenliu diagnose ...` and what follows it."""
    blocks = re.findall(
        r"^```console\n\$ (fenliu diagnose [^\n]*)\n(.*?)^```$", PAGE.read_text(), re.M | re.S
    )
    assert len(blocks) == 2
    for command, shown in blocks:
        words = shlex.split(command)[1:]
        printed = said(run(*words, "--target", server.address, COLUMNS="80"))
        assert [line.rstrip() for line in printed.splitlines()] == shown.splitlines()


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("agents", [("wang", "li"), ("li",)])
def test_tables_fit_the_terminal_and_speak_one_language(
    server: Server, lang: str, agents: tuple[str, ...]
):
    text = diagnose(server, *agents, lang=lang)
    assert max(map(cell_len, text.splitlines())) <= 80
    rest = re.sub("[小王李陈演示店会员]", "", text) if lang == "en" else text
    assert bool(CHINESE.search(rest)) == (lang == "zh"), rest
    assert {"zh": "最近联系人", "en": "Recent contacts"}[lang] in text
    assert {"zh": "合计", "en": "Together"}[lang] in text


def test_csv_json_and_table_say_the_same(server: Server):
    answer = json.loads(diagnose(server, "wang", "li", "--json"))
    shares = [
        Fraction(int(row["share_numerator"]), int(row["share_denominator"]))
        for row in answer["shares"]
    ]
    assert sum(shares) == int(answer["difference"])
    assert int(answer["receptions"]) - int(answer["other_receptions"]) == sum(shares)
    text = diagnose(server, "wang", "li", "--csv", lang="zh")
    assert text.startswith("\ufeff原因,名称,")
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))[1:]
    assert [row[0] for row in rows] == CAUSES
    assert [Fraction(row[3]) for row in rows] == shares
    table = diagnose(server, "wang", "li")
    assert "Set 小李 (li)'s weight from 3 to 5." in table
    assert "Add 小李 (li) to 会员 (vip)." in table
    assert "day off" in " ".join(table.split())


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_picture_is_a_png(server: Server, lang: str, tmp_path: Path):
    path = tmp_path / "causes.png"
    diagnose(server, "wang", "--plot", path, lang=lang)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 600 and height > 400


@pytest.mark.parametrize(
    ("arguments", "code", "english", "chinese"),
    [
        (("wang", "wang"), 1, "other_agent_id: the same agent twice", "有一项内容不合规则"),
        (("wang", "zhao"), 1, "this shop never had the agent 'zhao'", "没有这位客服"),
        (("wang", "li", "--day", "2025-11-20"), 1, "in the future: it is 2025-11-02", "有一项内容"),
        (("wang", "li", "--day", "2025-10-01"), 1, "before the shop came to be", "有一项内容"),
        (("wang", "li", "--shop", "none"), 1, "unknown shop", "没有这家店铺"),
        (("wang", "li", "--from", "2025-11-03", "--to", "2025-11-02"), 2, "ends before it begins", "早于开始"),
        (("wang", "li", "--json", "--csv"), 2, "choose --csv or --json", "只能选一个"),
    ],
)  # fmt: skip
def test_what_cannot_be_diagnosed_is_said(
    server: Server, arguments: tuple[str, ...], code: int, english: str, chinese: str
):
    assert english in " ".join(diagnose(server, *arguments, code=code).split())
    assert chinese in diagnose(server, *arguments, lang="zh", code=code)
