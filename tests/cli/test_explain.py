"""`fenliu explain` against a real server in this process; docs/insight.md shows what it prints."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from rich.cells import cell_len

from fenliu.app import App
from fenliu.client import FenliuClient
from fenliu.config import ServerConfig
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2
from support.commands import run, said

PAGE = Path(__file__).parents[2] / "docs" / "insight.md"
EVENING = 1_762_862_400_000  # 2025-11-11 20:00 in Shanghai
ONLINE, SUSPENDED = types_pb2.PRESENCE_STATUS_ONLINE, types_pb2.PRESENCE_STATUS_SUSPENDED

SHOP = shop_pb2.Shop(
    shop_id="demo",
    display_name="演示店",
    agents=[
        shop_pb2.Agent(agent_id="a", display_name="小王", weight=5),
        shop_pb2.Agent(agent_id="b", display_name="小李", weight=5),
        shop_pb2.Agent(agent_id="c", display_name="小张", weight=3, cap=1),
        shop_pb2.Agent(agent_id="d", display_name="小赵", weight=5),
        shop_pb2.Agent(agent_id="e", display_name="小陈", weight=5),
        shop_pb2.Agent(agent_id="f", display_name="小孙", weight=5),
    ],
    groups=[
        shop_pb2.Group(
            group_id="presale",
            display_name="售前",
            agent_ids=["a", "b", "c", "d", "f"],
            bindings=shop_pb2.Bindings(order_statuses=[types_pb2.ORDER_STATUS_UNPAID]),
        ),
        shop_pb2.Group(group_id="aftersale", display_name="售后", agent_ids=["e"]),
    ],
)


async def an_evening(address: str) -> None:
    """小王 is busy, 小张 full, 小赵 away from the desk and 小孙 at home; buyers come one after another."""
    now = EVENING
    async with FenliuClient(address) as client:
        await client.apply_shop(SHOP, now_ms=now)
        for agent_id, status, awaiting in (
            ("a", ONLINE, 6), ("b", ONLINE, 1), ("c", ONLINE, 0), ("d", SUSPENDED, 2), ("e", ONLINE, 0)
        ):  # fmt: skip
            request = presence_pb2.SetPresenceRequest(
                shop_id="demo", agent_id=agent_id, status=status, awaiting=awaiting
            )
            await client.set_presence(request, now_ms=now)
        for number in range(1, 7):
            now += 20_000
            await client.route(
                dispatch_pb2.RouteRequest(
                    shop_id="demo",
                    buyer_id=f"buyer-{number}",
                    request_id=f"inquiry-{number}",
                    order_status=types_pb2.ORDER_STATUS_UNPAID,
                ),
                now_ms=now,
            )


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
def target(core: ModuleType, tmp_path: Path) -> Iterator[str]:
    """A server after that evening."""
    config = ServerConfig(
        listen="127.0.0.1:0", data=tmp_path / "data", core=core.CORE, clock="trace", grace_ms=200
    )
    with serving(config) as address:
        asyncio.run(an_evening(address))
        yield address


def explained(target: str, decision: str, *more: str, lang: str = "zh") -> str:
    arguments = ("explain", decision, "--shop", "demo", "--lang", lang, "--target", target)
    return said(run(*arguments, *more, COLUMNS="80"))


def test_the_page_shows_what_is_printed(target: str):
    """Each of these commands in docs/insight.md, run: `$ fenliu explain ...` and what follows it."""
    blocks = re.findall(
        r"^```console\n\$ (fenliu (?:explain|load) [^\n]*)\n(.*?)^```$",
        PAGE.read_text(),
        re.M | re.S,
    )
    assert len(blocks) == 5
    said(
        run("report", "--shop", "demo", "--day", "2025-11-11", "--target", target)
    )  # waits for the tables
    for command, shown in blocks:
        words = shlex.split(command)[1:]
        printed = said(run(*words, "--target", target, COLUMNS="80"))
        assert [line.rstrip() for line in printed.splitlines()] == shown.splitlines()


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("columns", [50, 80])
def test_it_fits_into_the_columns_there_are(target: str, lang: str, columns: int):
    arguments = ("explain", "d3", "--shop", "demo", "--why-not", "a", "--lang", lang)
    text = said(run(*arguments, "--target", target, COLUMNS=str(columns)))
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(cell_len, lines)) <= columns
    assert not [line for line in lines if line.lstrip().startswith(tuple("，。；：）"))]
    # Chinese is broken where the line is full, not where there happens to be a space.
    full = [line for line in lines if "小王" in line]
    assert all(cell_len(line) > columns - 15 for line in full if not line.endswith(("。", ".")))


def test_why_not_is_answered_first(target: str):
    text = explained(target, "d1", "--why-not", "a")
    answer = (
        "小王（a）：在线，权重 5，待回复 6 人，超过繁忙阈值 4，按 5/7 折算，排在第 2 位；"
        "分给了排在第 1 位的小李（b）。"
    )
    plain = text.replace("\n", "").replace(" ", "")
    assert 0 < plain.index(answer.replace(" ", "")) < plain.index("步骤")
    assert answer.replace(" ", "") not in explained(target, "d1").split("步骤")[0].replace(" ", "")


def test_the_language_is_that_of_the_locale_unless_said(target: str):
    arguments = ("explain", "d1", "--shop", "demo", "--target", target)
    chinese = said(run(*arguments, FENLIU_LANG="", LC_ALL="zh_CN.UTF-8"))
    english = said(run(*arguments, FENLIU_LANG="", LC_ALL="de_DE.UTF-8"))
    assert "轮到小李（b）接待" in chinese
    assert "it was the turn of 小李 (b)" in english.replace("\n", " ")
    assert said(run(*arguments, "--lang", "en", FENLIU_LANG="", LC_ALL="zh_CN.UTF-8")) == english
    assert said(run(*arguments, LC_ALL="C", FENLIU_LANG="zh")) == chinese


def test_json_has_the_whole_answer(target: str):
    answer = json.loads(explained(target, "d1", "--why-not", "d", "--json", lang="en"))
    assert answer["decision"]["decision_id"] == "d1"
    assert answer["decision"]["decided_at_ms"] == str(EVENING + 20_000)
    assert [step["step"] for step in answer["steps"]] == [1, 2, 3, 4, 5, 6, 7]
    assert [one["agent_id"] for one in answer["candidates"]] == ["a", "b", "c", "d", "e", "f"]
    assert answer["why_not"]["reason"] == "CANDIDATE_REASON_SUSPENDED"
    assert answer["why_not"] in answer["candidates"]


def test_what_cannot_be_explained_is_one_line(target: str):
    for decision, agent, message in (
        ("d7", "", "decision_id: never made (DECISION_NOT_FOUND)"),
        ("7", "", "decision_id: never made (DECISION_NOT_FOUND)"),
        ("d1", "nobody", "why_not_agent_id: unknown agent at the time of the decision (AGENT_NOT_FOUND)"),
    ):  # fmt: skip
        arguments = ("explain", decision, "--shop", "demo", "--why-not", agent)
        result = run(*arguments, "--target", target)
        assert said(result, 1) == ""
        assert result.stderr == f"Error: {message}\n"
    result = run("explain", "d1", "--shop", "no", "--target", target)
    assert result.stderr == "Error: shop_id: unknown shop (SHOP_NOT_FOUND)\n"


EVENING_OF = ("--from", "2025-11-11T20:00", "--to", "2025-11-11T21:00")


def many(target: str, *more: str, lang: str = "en", code: int = 0) -> str:
    result = run(
        "explain", "--shop", "demo", "--target", target, "--lang", lang, *more, COLUMNS="80"
    )
    said(result, code)
    return result.stderr if code else result.stdout


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_many_are_counted_listed_and_sampled(target: str, lang: str):
    everything = many(target, *EVENING_OF, lang=lang)
    sample = many(target, *EVENING_OF, "--sample", "2", "--seed", "3", lang=lang)
    for text in (everything, sample):
        assert max(map(cell_len, text.splitlines())) <= 80
        assert bool(re.search(r"[个的]", text)) == (lang == "zh")
    assert all(f" d{number} " in everything for number in range(1, 7))
    drawn = re.findall(r"^(d\d)  2025-11-11 20:", sample, re.M)
    assert len(drawn) == 2
    for decision in drawn:
        sentence = json.loads(explained(target, decision, "--json", lang=lang))["text"]
        assert sentence.replace(" ", "") in sample.replace("\n", "").replace(" ", "")


def test_many_can_be_filtered(target: str):
    answer = json.loads(many(target, *EVENING_OF, "--json", "--agent", "b", "--reason", "weighted"))
    assert {one["agent_id"] for one in answer["listed"]} == {"b"}
    assert answer["decisions"] == str(len(answer["listed"])) == answer["counts"][0]["decisions"]
    one = json.loads(many(target, *EVENING_OF, "--json", "--buyer", "buyer-4", "--sample", "5"))
    assert [each["decision_id"] for each in one["listed"]] == ["d4"]
    assert "it was the turn of" in one["listed"][0]["text"]
    assert "0 decisions." in many(target, *EVENING_OF, "--outcome", "pooled")
    assert "The first 2:" in many(target, *EVENING_OF, "--limit", "2")
    assert "The first" not in many(target, *EVENING_OF, "--limit", "0")


@pytest.mark.parametrize(
    ("lang", "head"), [("zh", "时间,决定,买家,结果"), ("en", "time,decision,")]
)
def test_many_as_csv(target: str, lang: str, head: str):
    text = many(target, *EVENING_OF, "--csv", lang=lang)
    assert text.startswith("\ufeff" + head)
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert len(rows) == 7 and {len(row) for row in rows} == {8}
    assert rows[1][:3] == ["2025-11-11 20:00:20", "d1", "buyer-1"]
    explained_too = many(target, *EVENING_OF, "--csv", "--sample", "3", lang=lang)
    rows = list(csv.reader(io.StringIO(explained_too.removeprefix("\ufeff"), newline="")))
    assert {len(row) for row in rows} == {9} and all(row[-1] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("d1", "--agent", "a"), 2, "there is nothing to filter"),
        (("--why-not", "a"), 2, "--why-not goes with a decision's id"),
        ((*EVENING_OF, "--csv", "--json"), 2, "choose --csv or --json"),
        (("--from", "2025-11-11"), 2, "--from and --to go together"),
        ((*EVENING_OF, "--agent", "x"), 1, "this shop never had the agent 'x'"),
        (("--day", "2025-11-12"), 1, "in the future"),
        ((*EVENING_OF, "--reason", "x"), 2, "'x' is not one of"),
    ],
)
def test_many_asked_wrongly(target: str, arguments: tuple[str, ...], code: int, text: str):
    assert text in " ".join(many(target, *arguments, code=code).split())
