"""`fenliu simulate` and `fenliu shadow` on the day that `fenliu demo --day` makes; docs/insight.md shows them."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from cli.test_explain import PAGE, serving
from fenliu.config import ServerConfig
from support.commands import run, said

DEMO = PAGE.parents[1] / "demo" / "shop.yaml"
DAY = "2025-11-11"
CHINESE = re.compile(r"[㐀-鿿]")
NAMES = set("云雾茶庄林晓小王赵敏陈默刘洋孙悦周舟吴桐售前后会员")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server after that day."""
    data = tmp_path_factory.mktemp("simulate") / "data"
    said(run("demo", DEMO, "--day", DAY, "--once", "--data", data, "--listen", "127.0.0.1:0"))
    with serving(ServerConfig(listen="127.0.0.1:0", data=data, grace_ms=200)) as address:
        yield address


def simulated(target: str, *arguments: str | Path, lang: str = "en", code: int = 0) -> str:
    result = run(
        *("simulate", "--shop", "demo", "--day", DAY, "--target", target, "--lang", lang),
        *arguments,
        COLUMNS="80",
    )
    text = said(result, code)
    return result.stderr + text if code else text


def shadowed(target: str, *arguments: str, lang: str = "en") -> str:
    return said(
        run(
            *("shadow", "--shop", "demo", "--target", target, "--lang", lang),
            *("--since", f"{DAY}T20:00", "--once", *arguments),
            COLUMNS="80",
        )
    )


def fits_and_speaks(text: str, lang: str) -> None:
    assert max(map(cell_len, text.splitlines())) <= 80
    rest = "".join(set(text) - NAMES)
    assert bool(CHINESE.search(rest)) == (lang == "zh"), rest


def test_the_page_shows_what_is_printed(target: str):
    """Each of these commands in docs/insight.md, run: `$ fenliu simulate ...`, and what follows it."""
    blocks = re.findall(
        r"^```console\n\$ (fenliu (?:simulate|shadow) [^\n]*)\n(.*?)^```$",
        PAGE.read_text(),
        re.M | re.S,
    )
    assert len(blocks) == 3
    for command, shown in blocks:
        printed = said(run(*shlex.split(command)[1:], "--target", target, COLUMNS="80"))
        assert [line.rstrip() for line in printed.splitlines()] == shown.splitlines()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_tables_fit_the_terminal_and_speak_one_language(target: str, lang: str):
    text = simulated(
        target,
        *("--weight", "lin=5", "--set", "robot_percent=50", "--shift", "zhao=09:00-12:00,22:00-02:00"),
        *("--replies", "drawn", "--repetitions", "3", "--by", "group", "--grain", "day"),
        *("--kpi", "received", "--kpi", "sales_amount", "--kpi", "online_time"),
        lang=lang,
    )  # fmt: skip
    fits_and_speaks(text, lang)
    assert "agents[lin].weight: 8 → 5" in text
    lines = [line.split() for line in text.splitlines() if line.startswith(" 11-11 00:00")]
    assert len(lines) == 9 and all(len(line) >= 5 for line in lines)


def test_without_changes_nothing_differs(target: str):
    text = simulated(target)
    differences = [
        line.split()[-1]
        for line in text.splitlines()
        if line[:1] == " " and "─" not in line and line.split()[-1:] not in ([], ["Difference"])
    ]
    assert len(differences) == 3 * 8 and set(differences) == {"0"}
    assert "437 inquiries: 437 decided the same, 0 with another receiver." in text


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_csv_is_what_excel_opens(target: str, lang: str):
    text = simulated(target, "--weight", "lin=5", "--csv", lang=lang)
    assert text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert all(len(row) == 10 for row in rows)
    title = {"zh": "接待人数", "en": "Received"}[lang]
    lin = next(row for row in rows if row[0] == "lin" and row[4] == title)
    assert lin[1] == "林晓" and int(lin[5]) + int(lin[7]) == int(lin[6])
    assert bool(CHINESE.search("".join(rows[0]))) == (lang == "zh")


def test_json_is_the_answer_whole(target: str):
    answer = json.loads(simulated(target, "--more", "new=zhao", "--json"))
    assert [row["subject_id"] for row in answer["recorded"]] == [
        row["subject_id"] for row in answer["differences"]
    ]
    received = {
        row["subject_id"]: kpi["numerator"]
        for row in answer["simulated"]
        for kpi in row["kpis"]
        if kpi["name"] == "received"
    }
    assert int(received["new"]) > 0
    assert answer["assumptions"] and answer["decisions"]["inquiries"] == "437"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_picture_is_a_png(target: str, lang: str, tmp_path: Path):
    path = tmp_path / "day.png"
    simulated(target, "--replies", "drawn", "--repetitions", "2", "--plot", path, lang=lang)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 600 and height > 600


def test_a_shop_from_a_file(target: str, tmp_path: Path):
    file = tmp_path / "shop.yaml"
    file.write_text(DEMO.read_text().replace("weight: 8", "weight: 1"), encoding="utf-8")
    assert "agents[lin].weight: 8 → 1" in simulated(target, "--file", file)
    file.write_text(DEMO.read_text().replace("shop_id: demo", "shop_id: other"), encoding="utf-8")
    assert "no shop demo" in simulated(target, "--file", file, code=2)


@pytest.mark.parametrize(
    ("arguments", "code", "english", "chinese"),
    [
        (("--weight", "lin"), 2, "write ONE=OTHER", "要写成"),
        (("--weight", "lin=x"), 2, "a whole number", "权重是整数"),
        (("--weight", "nobody=5"), 2, "has no agent nobody", "没有客服 nobody"),
        (("--weight", "lin=101"), 1, "must be within 0..100", "有一项内容不合规则"),
        (("--set", "robot_percnt=5"), 1, "did you mean robot_percent", "是不是 robot_percent"),
        (("--more", "sun=lin"), 2, "has an agent sun already", "已有客服 sun"),
        (("--shift", "lin=9-18"), 2, "write 09:00-18:00", "时间写作"),
        (("--shift", "lin=09:00-25:00"), 2, "no such time", "没有这样的时间"),
        (("--away", "nobody"), 1, "no such agent", "有一项内容不合规则"),
        (("--kpi", "x"), 2, "no figure x", "没有指标 x"),
        (("--csv", "--json"), 2, "choose --csv or --json", "只能选一个"),
        (("--replies", "drawn", "--repetitions", "500"), 1, "within 0..200", "有一项内容不合规则"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    target: str, arguments: tuple[str, ...], code: int, english: str, chinese: str
):
    assert english in simulated(target, *arguments, code=code)
    assert chinese in simulated(target, *arguments, lang="zh", code=code)


def test_what_lint_finds_in_an_invalid_shop_is_printed_too(target: str, tmp_path: Path):
    file = tmp_path / "shop.yaml"
    text = DEMO.read_text().replace("weight: 8", "weight: 101")
    file.write_text(f"{text}  - group_id: empty\n", encoding="utf-8")
    said = simulated(target, "--file", file, code=1)
    assert "must be within 0..100" in said and "UNSTAFFED_GROUP groups[3].agent_ids" in said


# --- shadow -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_shadow_prints_what_differs_and_the_sums(target: str, lang: str):
    text = shadowed(target, "--weight", "zhao=0", lang=lang)
    fits_and_speaks(text, lang)
    assert "agents[zhao].weight: 5 → 0" in text
    lines = [line for line in text.splitlines() if re.match(r"\d\d:\d\d:\d\d buyer-", line)]
    assert lines and any(line.split()[2] == "zhao" for line in lines)
    zhao = next(line.split() for line in text.splitlines() if line.split()[:1] == ["赵敏"])
    assert int(zhao[1]) > int(zhao[2]) and zhao[3].startswith("−")


def test_a_shadow_of_the_shop_itself_differs_in_nothing(target: str):
    text = shadowed(target)
    assert "decided the same, 0 with another receiver; 0 decisions differ in all." in text.replace(
        "\n", " "
    )
    assert not [line for line in text.splitlines() if re.match(r"\d\d:\d\d:\d\d buyer-", line)]


def test_a_shadow_as_json_is_a_message_a_line(target: str):
    messages = [json.loads(line) for line in shadowed(target, "--json").splitlines()]
    assert int(messages[-1]["sums"]["inquiries"]["inquiries"]) > 20
    assert not [one for message in messages for one in message["differences"]]
