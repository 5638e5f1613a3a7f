"""Both languages are whole: every text is said in both, and the choice is the caller's."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fenliu.cli import main
from fenliu.cli.errors import REASONS
from fenliu.cli.language import language
from fenliu.cli.names import outcome_name, reason_name
from fenliu.cli.wrapping import paragraphs, wrap
from fenliu.v1 import types_pb2
from support.commands import run, said

PROJECT = Path(__file__).resolve().parents[2]
CLI = PROJECT / "server" / "fenliu" / "cli"
CHINESE = re.compile(r"[㐀-鿿]")
# The callers of these give both languages.
SPOKEN = {"words", "Words", "command", "option"}


def commands(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, *path, name)


def command_at(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


COMMANDS = list(commands(main))


# --- which language -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "spoken"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "C"}, "en"),
        ({"LC_ALL": "zh_CN.UTF-8", "LC_MESSAGES": "C"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "FENLIU_LANG": "en"}, "en"),
        ({"LANG": "C", "FENLIU_LANG": "zh"}, "zh"),
    ],
)
def test_the_environment_says_which_language(
    environment: dict[str, str], spoken: str, monkeypatch: pytest.MonkeyPatch
):
    for name in ("FENLIU_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert language() == spoken
    assert ("用法" in said(run("--help"))) == (spoken == "zh")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--lang", "zh", "shop", "--help"],
        ["--lang=zh", "shop", "--help"],
        ["shop", "--lang", "zh", "--help"],
        ["shop", "--help", "--lang", "zh"],
        ["shop", "--help", "--lang=zh"],
    ],
)
def test_the_option_goes_first_wherever_it_stands(arguments: list[str]):
    assert "列出所有店铺" in said(run(*arguments, FENLIU_LANG="en"))
    # And is gone with its invocation.
    assert not CHINESE.search(said(run("shop", "--help", FENLIU_LANG="en")))


def test_wrong_usage_is_said_in_the_language_chosen():
    result = run("route", "--sho", "x", "--lang", "zh")
    said(result, 2)
    assert "没有选项 '--sho'" in result.stderr
    assert "FENLIU_LANG" in run("shop", "list", FENLIU_LANG="fr").stderr


def test_an_error_of_the_server_is_told_by_its_reason(tmp_path: Path):
    result = run("route", "--shop", "s", "--buyer", "b", "--target", "127.0.0.1:1", "--lang", "zh")
    assert result.stderr == "错误：127.0.0.1:1 上没有服务器；用 `fenliu serve` 启动\n"


# --- every text in both ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_is_chinese_in_chinese_and_english_in_english(path: tuple[str, ...]):
    command = command_at(path)
    english = said(run(*path, "--help", COLUMNS="80"))
    assert not CHINESE.search(english)
    chinese = said(run(*path, "--help", "--lang", "zh", COLUMNS="80"))
    assert max(map(cell_len, (english + chinese).splitlines())) <= 80
    assert not re.search(r"[Uu]sage|Options|Commands|default|env var|required", chinese)
    with click.Context(command, info_name="fenliu"):
        for param in command.params:
            if isinstance(param, click.Option):
                assert param.help and not CHINESE.search(param.help), param.name
    texts = chinese.replace("\n", "").replace(" ", "")
    for param in command.params:
        if isinstance(param, click.Option):
            zh = param._words.zh  # type: ignore[attr-defined]
            assert CHINESE.search(zh) and zh.replace(" ", "") in texts, param.name


def literals(tree: ast.Module) -> Iterator[tuple[ast.Constant, list[ast.AST]]]:
    """Every text that is no docstring, with what it stands in."""

    def walk(node: ast.AST, above: list[ast.AST]) -> Iterator[tuple[ast.Constant, list[ast.AST]]]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node, above
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        for child in ast.iter_child_nodes(node):
            yield from walk(child, [*above, node])

    yield from walk(tree, [])


def called(node: ast.AST) -> str:
    function = node.func if isinstance(node, ast.Call) else None
    return function.id if isinstance(function, ast.Name) else ""


@pytest.mark.parametrize("path", sorted(CLI.glob("*.py")), ids=lambda path: path.stem)
def test_no_text_escapes_the_two_languages(path: Path):
    for node, above in literals(ast.parse(path.read_text(encoding="utf-8"))):
        prose = CHINESE.search(node.value) or re.search(r"[A-Za-z]{2,} [a-z]{2,}", node.value)
        names = [ast.unparse(one.targets[0]) for one in above if isinstance(one, ast.Assign)]
        # Commands to type, the line that programs wait for, and the one table that is Chinese only:
        # the server's texts are English.
        typed = [one for one in above if isinstance(one, ast.JoinedStr)]
        first = ast.unparse(typed[0].values[0]) if typed else ""
        if not prose or first.startswith(("'fenliu ", "'listening on ")) or "REASONS" in names:
            continue
        assert any(called(one) in SPOKEN for one in above), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", sorted(CLI.glob("*.py")), ids=lambda path: path.stem)
def test_the_first_is_chinese_and_the_second_english(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if called(node) not in SPOKEN:
            continue
        assert isinstance(node, ast.Call)
        given = {word.arg: word.value for word in node.keywords if word.arg in ("zh", "en")}
        if called(node) in ("words", "Words"):
            given = dict(zip(("zh", "en"), node.args, strict=True))
        if not given or not all(map(_texts, given.values())):
            continue  # A helper that passes them on.
        assert CHINESE.search(_texts(given["zh"])) or not re.search("[a-z]", _texts(given["en"]))
        assert not CHINESE.search(_texts(given["en"])), f"{path.name}:{node.lineno}"


def _texts(node: ast.AST) -> str:
    parts = [one for one in ast.walk(node) if isinstance(one, ast.Constant)]
    return "".join(part.value for part in parts if isinstance(part.value, str))


def test_every_reason_of_the_gateways_table_has_its_chinese():
    table = (PROJECT / "docs" / "gateway.md").read_text(encoding="utf-8").partition("## Errors")[2]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row[2])}
    assert documented <= set(REASONS)
    assert all(CHINESE.search(meaning) for meaning in REASONS.values())


def test_every_outcome_and_reason_has_a_short_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FENLIU_LANG", "zh")
    for outcome in types_pb2.Outcome.values()[1:]:
        assert CHINESE.search(outcome_name(outcome))  # type: ignore[arg-type]
    for reason in types_pb2.Reason.values()[1:]:
        assert cell_len(reason_name(reason)) <= 12  # type: ignore[arg-type]
        assert CHINESE.search(reason_name(reason))  # type: ignore[arg-type]


# --- click's own texts ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = PROJECT / "scripts" / "generate_messages.py"
    spec = importlib.util.spec_from_file_location("generate_messages", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_compiled_catalogue_is_what_the_readable_one_says(script: ModuleType):
    messages = script.read((CLI / "locale" / "zh.po").read_text(encoding="utf-8"))
    assert script.MADE.read_bytes() == script.compiled(messages), "run scripts/generate_messages.py"


def test_every_message_of_the_catalogue_is_one_that_click_says(script: ModuleType):
    said_by_click = {
        node.value
        for path in Path(click.__file__).parent.glob("*.py")
        for node, _ in literals(ast.parse(path.read_text(encoding="utf-8")))
    }
    messages = script.read((CLI / "locale" / "zh.po").read_text(encoding="utf-8"))
    for message_id in filter(None, messages):
        assert set(message_id.split("\0")) <= said_by_click
        left = set(re.findall(r"{(\w+)", messages[message_id]))
        assert left <= set(re.findall(r"{(\w+)", message_id))


# --- wrapping -------------------------------------------------------------------------------------


@given(st.text(st.sampled_from("abc 店铺，。（）-"), max_size=60), st.integers(4, 20))
def test_wrapped_text_fits_and_is_whole(text: str, width: int):
    lines = wrap(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_lines_end_between_chinese_characters_and_english_words():
    assert wrap("用 fenliu apply 应用店铺，再看历史。", 14) == [
        "用 fenliu",
        "apply 应用店",
        "铺，再看历史。",
    ]
    assert paragraphs("one two\n\nthree", 7) == ["one two", "", "three"]
