"""README and docs say what is so: their commands are run, their links followed, their lists compared.

The pages' default address and directories are replaced by free ones; nothing else is.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click
import grpc
import pytest
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import Message

from end_to_end.processes import PROJECT, Serving, environment, free_address
from fenliu.cli import main
from fenliu.config import DEFAULT_LISTEN
from fenliu.v1 import dispatch_pb2, presence_pb2, types_pb2

README = PROJECT / "README.md"
DOCS = sorted((PROJECT / "docs").glob("*.md"))
PAGES = [README, *DOCS]
RULES = PROJECT / "docs" / "rules.md"
DEPENDENCIES = PROJECT / "docs" / "dependencies.md"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    language: str
    text: str


def blocks(*pages: Path) -> list[Block]:
    return [
        Block(page.name, language, text)
        for page in pages
        for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.M | re.S)
    ]


def first_words(block: Block) -> str:
    return " ".join(block.text.split()[:2])


def rows(page: Path, *, under: str = "") -> list[list[str]]:
    """The cells of the page's table rows, below a heading if one is given, heads and rules left out."""
    text = page.read_text()
    if under:
        text = re.split(rf"^## .*{re.escape(under)}.*$", text, flags=re.M)[1]
        text = re.split(r"^## ", text, flags=re.M)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    heads = {i - 1 for i, line in enumerate(lines) if set(line) <= set("|-: ")}
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for i, line in enumerate(lines)
        if i not in heads and not set(line) <= set("|-: ")
    ]


# --- what is run ----------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder as a reader has it: `demo/`, `.venv/bin/fenliu`."""
    (tmp_path / "demo").symlink_to(PROJECT / "demo")
    launcher = tmp_path / ".venv" / "bin" / "fenliu"
    launcher.parent.mkdir(parents=True)
    launcher.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m fenliu "$@"\n')
    launcher.chmod(0o755)
    return tmp_path


@contextmanager
def pasted(text: str, folder: Path, address: str) -> Iterator[str]:
    """Pastes a block into a shell; gives what it printed when its last command has ended.

    What runs in the background goes on until the block of the `with` ends.
    """
    script = f"trap : TERM\nset -e\n{text}\ntouch done\nset +e\nwait\nwait\n"
    path = f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = environment(PATH=path, FENLIU_LISTEN=address, FENLIU_TARGET=address)
    done, out = folder / "done", folder / "out"
    with out.open("w") as file:
        shell = subprocess.Popen(
            ["sh", "-c", script],
            cwd=folder,
            env=env,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        while not done.exists():
            assert shell.poll() is None, out.read_text()
            time.sleep(0.01)
        yield out.read_text()
        os.killpg(shell.pid, signal.SIGTERM)
        shell.wait(timeout=30)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
        done.unlink(missing_ok=True)


def grpcurl(block: Block, address: str) -> Message:
    """What a grpcurl command does, without it: the JSON as the method's request, sent to `address`."""
    words = shlex.split(block.text.replace("\\\n", " "))
    assert words[:2] == ["grpcurl", "-plaintext"]
    assert words[-2] == DEFAULT_LISTEN
    service, _, method = words[-1].partition("/")
    found = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(method)
    request = message_factory.GetMessageClass(found.input_type)()
    json_format.Parse(words[words.index("-d") + 1], request)
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(
            f"/{words[-1]}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(found.output_type).FromString,
        )
        answer: Message = call(request, timeout=20)
        return answer


def test_every_block_is_run_or_checked_below():
    run = [(block.page, first_words(block)) for block in blocks(*PAGES) if block.language == "sh"]
    assert run == [
        ("README.md", "make run"),
        ("README.md", ".venv/bin/fenliu serve"),
        ("README.md", "grpcurl -plaintext"),
        ("README.md", "grpcurl -plaintext"),
        ("gateway.md", ".venv/bin/fenliu serve"),
        ("insight.md", "fenliu demo"),
        ("managers.md", "fenliu shop"),
        ("managers.md", "fenliu load"),
        ("managers.md", "fenliu simulate"),
        ("operators.md", "fenliu serve"),
        ("operators.md", "fenliu serve"),
        ("operators.md", "fenliu backup"),
        ("operators.md", "fenliu check"),
        ("operators.md", "fenliu state-hash"),
        ("operators.md", "fenliu serve"),
    ]
    other = {(block.page, block.language) for block in blocks(*PAGES)} - {
        (page, "sh") for page, _ in run
    }
    assert other == {
        ("README.md", "python"),
        ("README.md", ""),
        ("formats.md", "sql"),
        ("insight.md", "console"),  # tests/cli runs them
        ("gateway.md", "python"),
        ("kpis.md", "sql"),
    }


def test_the_readmes_first_call_works_as_written(desk: Path):
    address = free_address()
    shell, first, second = (b for b in blocks(README)[1:] if b.language == "sh")
    (snippet,) = (b for b in blocks(README) if b.language == "python")
    with pasted(shell.text, desk, address) as printed:
        assert "demo: applied, etag 1" in printed
        assert "ROBOT xiaocha: OFFLINE_ROBOT" in printed
        done = subprocess.run(
            [sys.executable, "-c", snippet.text.replace(DEFAULT_LISTEN, address)],
            env=environment(), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["OUTCOME_ROBOT", "xiaocha", "d2"]
        # "Until somebody is ONLINE the answer is OUTCOME_ROBOT", and then it is not.
        routed = grpcurl(first, address)
        assert isinstance(routed, dispatch_pb2.RouteResponse)
        assert routed.outcome == types_pb2.OUTCOME_ROBOT
        present = grpcurl(second, address)
        assert isinstance(present, presence_pb2.SetPresenceResponse)
        assert present.presence.status == types_pb2.PRESENCE_STATUS_ONLINE
        request = Block("", "", first.text.replace("inquiry-2", "inquiry-3"))
        again = grpcurl(request, address)
        assert isinstance(again, dispatch_pb2.RouteResponse)
        assert (again.outcome, again.agent_id) == (types_pb2.OUTCOME_AGENT, "xiaowang")


def test_the_gateways_first_program_works_as_written(desk: Path):
    page = blocks(PROJECT / "docs" / "gateway.md")
    (shell,) = (b for b in page if b.language == "sh")
    program, next_step = (b.text for b in page if b.language == "python")
    # What comes next stands inside of the program, as a reader would put it.
    inside = "        answer = answers[0]\n" + "".join(
        f"        {line}\n" for line in next_step.splitlines()
    )
    longer = program.replace("import Presence,", "import FenliuClient, Presence,")
    longer = longer.replace("\n\n\nasyncio.run", f"\n{inside}\n\nasyncio.run")
    assert longer.count("answer = answers[0]") == 1
    address = free_address()
    with pasted(shell.text, desk, address) as printed:
        assert "demo: applied, etag 1" in printed
        for text in (program, longer):
            done = subprocess.run(
                [sys.executable, "-c", text.replace(DEFAULT_LISTEN, address)],
                env=environment(), capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            assert done.stdout.split() == ["xiaowang", "1000"]


def test_the_operators_commands_work_as_written(desk: Path):
    serve, workers, backup, check, compare, replay = (
        block.text.replace("/var/lib/fenliu", str(desk / "data"))
        for block in blocks(PROJECT / "docs" / "operators.md")
    )
    address = free_address()
    with Serving(*shlex.split(serve.replace(DEFAULT_LISTEN, address))[1:]) as server:
        with pasted(compare.replace(DEFAULT_LISTEN, address), desk, address) as printed:
            from_log, from_server = printed.split()
            assert from_log == from_server
            assert re.fullmatch("[0-9a-f]{64}", from_log)
        with pasted(backup, desk, address) as printed:
            for line in (
                r"nightly\.fenliu: \d+ records, .*, checked",
                r"nightly\.fenliu: whole \(.*\)",
                f"state {from_log}",
                r"restored-data: \d+ records, .*, checked",
            ):
                assert re.search(f"^{line}$", printed, re.M)
        with pasted(check, desk, address) as printed:
            assert printed.count(f"state {from_log}\n") == 2
        assert server.terminate() == 0
    with Serving(*shlex.split(workers.replace(DEFAULT_LISTEN, address))[1:]) as server:
        with pasted(compare.replace(DEFAULT_LISTEN, address), desk, address) as printed:
            assert printed.split() == [from_log, from_log]
        assert server.terminate() == 0
    day = [
        "sent_at_ms,shop_id,buyer_id,sender,agent_sign,message_id,in_reply_to",
        "1700000000000,tea,wang,buyer,,1,",
        "1700000060000,tea,wang,agent,KO,2,1",
        "1700000090000,tea,li,buyer,,3,",
    ]
    (desk / "day.csv").write_text("\n".join(day) + "\n")
    with pasted(replay, desk, free_address()) as printed:
        assert re.search(r"tea\s+KO\s+2\s", printed)


def test_the_managers_commands_work_as_written(desk: Path):
    changing, looking, _ = blocks(PROJECT / "docs" / "managers.md")
    address = free_address()
    data = str(desk / "data")
    with Serving("serve", "--listen", address, "--data", data) as server:
        with pasted("fenliu apply demo/shop.yaml", desk, address):
            pass
        with pasted(changing.text, desk, address) as printed:
            assert "demo: nothing found" in printed
            assert printed.count("demo: unchanged") == 2
            assert "(operator)  created" in printed
        with pasted(looking.text, desk, address) as printed:
            assert "0 queued" in printed and "Pre-sale" in printed and "0 decisions." in printed
        assert server.terminate() == 0


@pytest.mark.slow
def test_trying_a_change_works_as_written(desk: Path):
    (making,) = (b for b in blocks(PROJECT / "docs" / "insight.md") if b.language == "sh")
    _, _, trying = blocks(PROJECT / "docs" / "managers.md")
    address = free_address()
    demo, serve = making.text.removesuffix(" &\n").splitlines()
    with pasted(demo, desk, address):
        pass
    command = shlex.split(serve.replace("demo-data", str(desk / "demo-data")))[1:]
    with (
        Serving(*command, "--listen", address) as server,
        pasted(trying.text.replace("--seconds 60", "--seconds 2"), desk, address) as printed,
    ):
        assert printed.count("~ agents[lin].weight: 8 → 5") == 2
        assert "+ agents[xiaoli]: weight 5" in printed
        assert (desk / "day.png").stat().st_size > 10_000
        assert server.terminate() == 0


def test_every_make_target_named_is_in_the_makefile():
    targets = set(re.findall(r"^(\w+):", (PROJECT / "Makefile").read_text(), re.M))
    code = [text for page in PAGES for text in re.findall(r"`([^`\n]+)`", page.read_text())]
    code += [line for block in blocks(*PAGES) for line in block.text.splitlines()]
    named = {match[1] for text in code if (match := re.match(r"make (\w+)", text))}
    assert {"run", "test", "check"} <= named <= targets


def test_every_option_named_is_one_of_the_commands():
    shop = main.commands["shop"]
    assert isinstance(shop, click.Group)
    commands = [main, *main.commands.values(), *shop.commands.values()]
    known = {name for command in commands for option in command.params for name in option.opts} | {
        "--help"
    }
    assert all(isinstance(command, click.Command) for command in commands)
    for page in PAGES:
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page.read_text()))
        assert named <= known, page.name


# --- what is compared -----------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page: Path):
    links = re.findall(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    relative = [link for link in links if "://" not in link]
    broken = [link for link in relative if not (page.parent / link).exists()]
    assert not broken


def test_every_reason_of_an_error_is_in_the_gateways_table_and_no_other():
    sources = [*(PROJECT / "server" / "fenliu" / "rpc").rglob("*.py")]
    sources += (PROJECT / "server" / "fenliu" / "engine" / "pure").rglob("*.py")
    code = "".join(path.read_text() for path in sources)
    table = rows(PROJECT / "docs" / "gateway.md", under="Errors")
    codes = {row[0].strip("`") for row in table}
    assert codes <= {code.name for code in grpc.StatusCode}
    documented = {name for row in table for name in re.findall(r"`([A-Z_]+)`", row[1])}
    unknown = {name for name in documented if f'"{name}"' not in code}
    assert not unknown
    given = set(re.findall(r'reason="([A-Z_]+)"', code))
    assert given <= documented


def test_every_dependency_has_its_line_and_every_line_its_dependency():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    crates = [PROJECT / "core_rs" / "Cargo.toml", *(PROJECT / "core_rs").glob("*/Cargo.toml")]
    rust: set[str] = set()
    for path in crates:
        manifest = tomllib.loads(path.read_text())
        for kind in ("dependencies", "dev-dependencies", "build-dependencies"):
            rust |= {
                name
                for name, wanted in manifest.get(kind, {}).items()
                if isinstance(wanted, str) or "path" not in wanted
            }
    python = {
        _bare(wanted)
        for wanted in (*project["project"]["dependencies"], *project["dependency-groups"]["dev"])
    }
    named = [
        name.strip() for row in rows(DEPENDENCIES) for name in row[0].split(",") if name.strip()
    ]
    assert sorted(named) == sorted(python | rust)


def _bare(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return found[0]
