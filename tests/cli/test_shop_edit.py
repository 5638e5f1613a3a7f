"""`fenliu shop edit` and `fenliu shop delete` against a real server, with an editor that is a script."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from cli.test_shop import SHOP, serving
from fenliu.cli import main
from fenliu.config import ServerConfig
from support.commands import run, said

# Plays edits one after the other: a replacement in the text each; keeps what it was shown.
EDITOR = """\
import json, pathlib, sys
here, file = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
edits = json.loads((here / "edits").read_text())
shown = json.loads((here / "shown").read_text()) if (here / "shown").exists() else []
text = file.read_text(encoding="utf-8")
(here / "shown").write_text(json.dumps([*shown, text]))
old, new = edits[len(shown)]
if old:
    assert old in text, text
    file.write_text(text.replace(old, new), encoding="utf-8")
    import os
    os.utime(file, (1, len(shown) + 1))
if new == "exit":
    sys.exit(3)
"""


@pytest.fixture
def target(core: ModuleType, tmp_path: Path) -> Iterator[str]:
    config = ServerConfig(
        listen="127.0.0.1:0", data=tmp_path / "data", core=core.CORE, grace_ms=200
    )
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP, encoding="utf-8")
    with serving(config) as address:
        said(run("apply", path, "--target", address))
        yield address


class Editing:
    """What an edit did."""

    def __init__(self, result: Result, shown: list[str]) -> None:
        self.result = result
        self.shown = shown
        self.text = result.output

    def kept(self) -> str:
        """The text in the file that the end names."""
        assert "not applied; your text is in " in self.text
        path = Path(self.text.partition("your text is in ")[2].split()[0])
        try:
            return path.read_text(encoding="utf-8")
        finally:
            path.unlink()


@pytest.fixture
def edit(target: str, tmp_path: Path) -> Callable[..., Editing]:
    """`edit((old, new), ..., answers="y")`: each pair is what the editor does the next time."""

    def editing(*edits: tuple[str, str], answers: str = "", **env: str) -> Editing:
        script = tmp_path / "editor.py"
        script.write_text(EDITOR)
        (tmp_path / "edits").write_text(json.dumps(edits))
        (tmp_path / "shown").unlink(missing_ok=True)
        editor = shlex.join([sys.executable, str(script), str(tmp_path)])
        arguments = ["shop", "edit", "demo", "--target", target]
        result = CliRunner(env={"VISUAL": editor, **env}).invoke(
            main, arguments, input="".join(f"{one}\n" for one in answers)
        )
        shown = json.loads((tmp_path / "shown").read_text())
        assert len(shown) == len(edits), result.output
        return Editing(result, shown)

    return editing


def stored(target: str) -> dict[str, object]:
    return json.loads(said(run("shop", "show", "demo", "--json", "--target", target)))


def test_an_edit_is_shown_asked_for_and_applied(edit: Callable[..., Editing], target: str):
    done = edit(("weight: 3", "weight: 8"), answers="y")
    assert done.result.exit_code == 0, done.text
    assert done.shown[0].startswith("# yaml-language-server: $schema=file:///")
    assert "\nshop_id: demo\n" in done.shown[0] and "\netag: '1'\n" in done.shown[0]
    assert "  ~ agents[b].weight: 3 → 8\ndemo: nothing found\n" in done.text
    assert done.text.endswith("demo: applied, etag 2\n")
    assert stored(target)["agents"][1]["weight"] == 8  # type: ignore[index]


@pytest.mark.parametrize("edits", [("", ""), ("display_name", "display_name")])
def test_an_unchanged_file_does_nothing(
    edit: Callable[..., Editing], target: str, edits: tuple[str, str]
):
    done = edit(edits)
    assert (done.result.exit_code, done.text) == (0, "unchanged\n")
    assert stored(target)["etag"] == "1"


def test_who_says_no_changes_nothing_and_keeps_the_text(edit: Callable[..., Editing], target: str):
    done = edit(("weight: 3", "weight: 8"), answers="n")
    assert done.result.exit_code == 0
    assert "weight: 8" in done.kept()
    assert stored(target)["etag"] == "1"


def test_a_mistake_reopens_the_editor_with_the_message_on_top(edit: Callable[..., Editing]):
    done = edit(
        ("weight: 3", "wieght: 8  # 双十一"),
        ("wieght: 8", "weight: [8"),
        ("weight: [8", "weight: 108"),
        ("weight: 108", "weight: 8"),
        answers="y",
    )
    assert done.result.exit_code == 0, done.text
    key, syntax, refused = (shown.splitlines()[1] for shown in done.shown[1:])
    assert key.startswith("#! demo.yaml:")
    assert key.endswith("agents[1].wieght is no known key: did you mean weight?")
    assert syntax.startswith("#! demo.yaml:") and "not YAML" in syntax
    assert refused == "#! shop.agents[1].weight: must be within 0..100"
    # The place is that in the editor, and what was written is there still.
    line, column = map(int, key.split(":")[1:3])
    assert done.shown[1].splitlines()[line - 1][column - 1 :].startswith("wieght: 8")
    assert all("# 双十一" in shown for shown in done.shown[1:])
    assert done.text.endswith("demo: applied, etag 2\n")


def test_giving_up_a_mistake_ends_with_it_and_keeps_the_text(edit: Callable[..., Editing]):
    done = edit(("weight: 3", "wieght: 8"), ("", ""))
    assert done.result.exit_code == 1
    assert "is no known key" in done.result.stderr
    assert "wieght: 8" in done.kept()


def test_lint_speaks_before_the_question_and_the_text_can_be_edited_again(
    edit: Callable[..., Editing],
):
    done = edit(("agent_ids: [a, b]", "agent_ids: []"), ("[]", "[a]"), answers="ey")
    assert "UNSTAFFED_GROUP groups[0].agent_ids" in done.text
    assert done.text.endswith("demo: applied, etag 2\n")


def test_a_shop_that_others_changed_reopens_the_editor_with_what_they_did(
    edit: Callable[..., Editing], target: str, tmp_path: Path
):
    (tmp_path / "shop.yaml").write_text(SHOP.replace("weight: 3", "weight: 9"), encoding="utf-8")
    apply = f"{sys.executable} -m fenliu apply {tmp_path / 'shop.yaml'} --target {target}"
    # Somebody else applies while the editor is open.
    hook = tmp_path / "hook.py"
    hook.write_text(f"import subprocess, sys\nsubprocess.run({apply.split()!r}, check=True)\n")
    script = tmp_path / "editor.py"
    first = (
        "import pathlib, subprocess, sys\n"
        f"hook = pathlib.Path({str(hook)!r})\n"
        "if hook.exists():\n"
        "    subprocess.run([sys.executable, hook], check=True, stdout=subprocess.DEVNULL)\n"
        "    hook.unlink()\n"
    )
    (tmp_path / "edits").write_text(
        json.dumps([("display_name: 演示店", "display_name: 新店"), ("etag: '1'", "etag: '2'")])
    )
    script.write_text(first + EDITOR)
    editor = shlex.join([sys.executable, str(script), str(tmp_path)])
    result = CliRunner(env={"VISUAL": editor}).invoke(
        main, ["shop", "edit", "demo", "--target", target], input="y\ny\n"
    )
    shown = json.loads((tmp_path / "shown").read_text())
    assert "#! somebody else changed the shop, it is at 2 now." in shown[1]
    assert "#! ~ agents[b].weight: 3 → 9" in shown[1]
    assert "display_name: 新店" in shown[1]
    # What they did was not taken over: the difference says so before the second question.
    assert "~ agents[b].weight: 9 → 3" in result.output
    assert result.output.endswith("demo: applied, etag 3\n")


def test_another_shop_has_no_place_in_the_edit(edit: Callable[..., Editing]):
    done = edit(("shop_id: demo", "shop_id: other"), ("", ""))
    assert "only shop demo can be here" in done.result.stderr
    done.kept()


def test_an_editor_that_fails_is_one_line(edit: Callable[..., Editing]):
    done = edit(("", "exit"))
    assert done.result.exit_code == 1
    assert done.result.stderr.endswith("Editing failed\n")


def test_a_refusal_reopens_the_editor(edit: Callable[..., Editing], target: str):
    done = edit(("weight: 3", "weight: 8"), ("", ""), answers="y", FENLIU_ACTOR="a")
    assert done.result.exit_code == 1
    assert "needs dispatch.manage" in done.shown[1]
    assert "weight: 8" in done.kept()
    assert stored(target)["etag"] == "1"


# --- delete ---------------------------------------------------------------------------------------


def delete(target: str, *arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(
        main, ["shop", "delete", "demo", "--target", target, *arguments], input=answer
    )


def test_a_shop_is_deleted_when_that_is_what_is_wanted_and_comes_back(target: str):
    asked = delete(target, answer="n\n")
    assert asked.exit_code == 1
    assert asked.stdout.startswith(
        "demo 演示店\n  agents: 2, groups: 1\nDelete this shop? [y/N]: n"
    )
    assert stored(target)["etag"] == "1"
    done = delete(target, answer="y\n")
    assert done.exit_code == 0
    assert done.stdout.endswith("demo: deleted; `fenliu shop undo demo 2` makes it again\n")
    text = said(run("shop", "history", "demo", "--target", target))
    assert "(operator)  deleted" in text
    assert said(run("shop", "undo", "demo", "2", "--target", target)) == (
        "demo: change 2 undone, etag 3\n"
    )
    text = " ".join(said(run("shop", "history", "demo", "--target", target)).split())
    assert "(operator) undid 2 created" in text


def test_a_shop_in_use_needs_force(target: str):
    said(run("route", "--shop", "demo", "--buyer", "wang", "--target", target))
    refused = delete(target, "--yes")
    assert refused.exit_code == 1
    assert refused.stderr == ("Error: force: conversations are open or buyers wait (SHOP_IN_USE)\n")
    done = delete(target, "--yes", "--force", "--json")
    assert json.loads(done.stdout) == {"shop_id": "demo", "change_id": "2"}


def test_without_an_answer_nothing_is_deleted(target: str):
    assert delete(target).exit_code == 1
    assert stored(target)["etag"] == "1"
