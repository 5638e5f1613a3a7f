"""The main screens in both languages and 80 columns, with Chinese names and with English ones."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from cli.test_shop import serving
from fenliu.cli import main
from fenliu.config import ServerConfig

WIDTH = 80
CHINESE = re.compile(r"[㐀-鿿]")
NAMES = {
    "chinese": ("旗舰店一号", "一家名字很长很长很长很长很长很长的旗舰店", "客服小王", "售前咨询"),
    "english": ("flagship", "A shop with a name that is rather long indeed", "wang", "presale"),
}
# Lines with paths or ids that cannot be broken: for whoever copies them.
UNBROKEN = re.compile(r"/\S{20,}|[0-9a-f]{64}")


def document(names: tuple[str, str, str, str], weight: int = 3) -> str:
    shop, name, agent, group = names
    return f"""\
shop_id: {shop}
display_name: {name}
owner_agent_id: boss
agents:
- {{agent_id: {agent}, weight: {weight}, cap: 2}}
- {{agent_id: {agent}2}}
- {{agent_id: {agent}3, cap: 3}}
groups:
- {{group_id: {group}, agent_ids: [{agent}, {agent}2], bindings: {{intents: [x, y]}}}}
- {{group_id: {group}2, bindings: {{intents: [x, y]}}}}
"""


class Tour:
    """Runs commands one after the other and keeps what they say."""

    def __init__(self, language: str, target: str) -> None:
        self.screens: dict[str, str] = {}
        self._runner = CliRunner(
            env={"FENLIU_LANG": language, "COLUMNS": str(WIDTH), "FENLIU_TARGET": target}
        )

    def sees(self, name: str, *arguments: str | Path, answers: str = "", **env: str) -> None:
        result = self._runner.invoke(main, [str(one) for one in arguments], input=answers, env=env)
        assert isinstance(result.exception, SystemExit | None), result.exception
        assert result.output.strip()
        self.screens[name] = result.output


def tour(language: str, names: tuple[str, str, str, str], target: str, folder: Path) -> Tour:
    """Through all commands that end."""
    shop, _, agent, _ = names
    file, changed, wrong = (folder / name for name in ("a.yaml", "b.yaml", "c.yaml"))
    file.write_text(document(names), encoding="utf-8")
    changed.write_text(document((shop, names[1][::-1], *names[2:]), 8), encoding="utf-8")
    wrong.write_text(document(names).replace("weight", "wieght"), encoding="utf-8")
    replace = (
        "import sys; p = sys.argv[1]; t = open(p).read(); open(p, 'w').write(t.replace({!r}, {!r}))"
    )
    command = replace.format("weight: 3", "weight: 9") + "; import os; os.utime(p, (1, 1))"
    editor = shlex.join([sys.executable, "-c", command])
    day = folder / "day.csv"
    header = "sent_at_ms,shop_id,buyer_id,sender,agent_sign,message_id,in_reply_to\n"
    day.write_text(f"{header}1700000000000,{shop},b,buyer,,m,\n", encoding="utf-8")

    here = Tour(language, target)
    here.sees("apply", "apply", file)
    here.sees("dry run", "apply", changed, "--dry-run")
    here.sees("apply changes", "apply", changed, "--actor", "boss")
    here.sees("list", "shop", "list")
    here.sees("lint", "shop", "lint")
    here.sees("undo", "shop", "undo", shop, "2")
    here.sees("edit", "shop", "edit", shop, answers="y\n", VISUAL=editor)
    here.sees("route", "route", "--shop", shop, "--buyer", agent)
    here.sees("delete", "shop", "delete", shop, "--force", answers="y\n")
    here.sees("history", "shop", "history", shop)
    here.sees("bring back", "shop", "undo", shop, "5")
    here.sees("replay", "replay", day, "--speed", "1000")
    here.sees("demo", "demo", file, "--once", "--buyers", "30", "--listen", "127.0.0.1:0",
              "--data", folder / "demo")  # fmt: skip
    here.sees("backup", "backup", folder / "kept", "--data", folder / "demo")
    here.sees("restore", "restore", folder / "kept", "--data", folder / "back")
    here.sees("check", "check", "--data", folder / "kept")
    here.sees("damaged", "check", "--data", file)
    here.sees("wrong file", "apply", wrong)
    here.sees("refused", "route", "--shop", "nowhere", "--buyer", "b")
    here.sees("usage", "shop", "histroy")
    return here


@pytest.fixture
def target(core: ModuleType, tmp_path: Path) -> Iterator[str]:
    config = ServerConfig(
        listen="127.0.0.1:0", data=tmp_path / "data", core=core.CORE, grace_ms=200
    )
    with serving(config) as address:
        yield address


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("names", NAMES)
def test_the_screens_fit_and_speak_one_language(
    language: str, names: str, target: str, tmp_path: Path
):
    seen = tour(language, NAMES[names], target, tmp_path)
    for name, text in seen.screens.items():
        for line in text.splitlines():
            assert cell_len(line) <= WIDTH or UNBROKEN.search(line), (name, line)
        if names == "english":
            assert bool(CHINESE.search(text)) == (language == "zh"), (name, text)
