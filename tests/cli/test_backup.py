"""`fenliu backup`, `restore` and `check` as an operator runs them, on a directory that is served."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cli.test_commands import SHOP, run, said, server
from end_to_end.processes import FENLIU, environment
from fenliu.client import FenliuClient, FenliuError
from fenliu.engine.partitions import partition_of
from fenliu.journal import SqliteReader, pack
from fenliu.v1 import presence_pb2

DEMO = partition_of("demo", 64)

# Not by preexec_fn: a fork of this process, with its gRPC threads, may say so on the child's stderr.
WITH_SMALL_FILES = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server that has routed five buyers of one shop: its address and its data directory."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "shop.yaml").write_text(SHOP, encoding="utf-8")
    with server(folder / "data") as (target, _):
        said(run("apply", folder / "shop.yaml", "--target", target))
        for buyer in range(5):
            said(run("route", "--shop", "demo", "--buyer", f"b{buyer}", "--target", target))
        yield target, folder / "data"


@pytest.fixture
def data(served: tuple[str, Path], tmp_path: Path) -> Path:
    """A directory of one's own with that log, for damaging."""
    said(run("backup", tmp_path / "first", "--data", served[1]))
    said(run("restore", tmp_path / "first", "--data", tmp_path / "mine"))
    return tmp_path / "mine"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def execute(data: Path, statement: str) -> None:
    with closing(sqlite3.connect(data / "fenliu.db", isolation_level=None)) as connection:
        connection.execute(statement.replace("DEMO", str(DEMO)))


def test_a_served_directory_is_backed_up_restored_and_checked(
    served: tuple[str, Path], tmp_path: Path
):
    target, data = served
    live = said(run("state-hash", "--target", target)).strip()
    backup, restored = tmp_path / "nightly", tmp_path / "restored"
    made = said(run("backup", backup, "--data", data))
    assert made.startswith(f"{backup}: 6 records, ")
    assert made.endswith(", checked\n")
    told = json.loads(said(run("restore", backup, "--data", restored, "--json")))
    assert told == {
        "path": str(restored),
        "records": 6,
        "bytes": (restored / "fenliu.db").stat().st_size,
    }
    for whole in (data, backup, restored):
        for core in ("python", "auto"):
            result = run("check", "--data", whole, "--deep", "--core", core)
            assert said(result) == (
                f"{whole}: whole (6 records, 6 entries, 1 shops read)\nstate {live}\n"
            )
            assert "12/12" in result.stderr  # The progress bar: each record twice.


def test_check_tells_programs_the_same(served: tuple[str, Path]):
    target, data = served
    live = said(run("state-hash", "--target", target)).strip()
    assert json.loads(said(run("check", "--data", data, "--json"))) == {
        "ok": True,
        "records": 6,
        "entries": 6,
        "shops": 1,
        "state_hash": live,
        "problems": [],
    }


def test_targets_and_directories_in_use_are_refused_in_one_line(
    served: tuple[str, Path], tmp_path: Path
):
    _, data = served
    backup = tmp_path / "nightly"
    said(run("backup", backup, "--data", data))
    before = backup.read_bytes()
    again = run("backup", backup, "--data", data)
    assert said(again, 1) == ""
    assert again.stderr == f"Error: {backup} exists; --force replaces it\n"
    assert backup.read_bytes() == before
    said(run("backup", backup, "--data", data, "--force"))
    result = run("restore", backup, "--data", data)
    assert said(result, 1) == ""
    assert result.stderr == (
        f"Error: {data} is not empty; restore into a new or an empty directory\n"
    )


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    served: tuple[str, Path], tmp_path: Path, command: str
):
    backup = tmp_path / "nightly"
    arguments = ["backup", backup, "--data", served[1]]
    left = []
    if command == "restore":
        said(run(*arguments))
        arguments = ["restore", backup, "--data", tmp_path / "restored"]
        left = ["nightly"]
    done = subprocess.run(
        [sys.executable, "-c", WITH_SMALL_FILES, *FENLIU, *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    what, made = ("backup to", backup) if command == "backup" else ("restoring to", arguments[-1])
    assert done.stderr.startswith(f"Error: {what} {made}: ")
    assert "disk" in done.stderr
    assert done.stderr.count("\n") == 1
    assert names(tmp_path) == left


async def session_token(target: str, token: str) -> str:
    """Opens a presence session, or resumes it; its token."""

    async def hello() -> AsyncIterator[presence_pb2.StreamPresenceRequest]:
        hello = presence_pb2.PresenceHello(session_id="s", resume_token=token)
        yield presence_pb2.StreamPresenceRequest(hello=hello)

    async with FenliuClient(target) as client:
        async for message in client.stream_presence(hello()):
            return message.welcome.resume_token
    raise AssertionError


def test_sessions_of_the_old_directory_are_refused_by_the_restored_one(
    served: tuple[str, Path], data: Path
):
    token = asyncio.run(session_token(served[0], ""))
    assert asyncio.run(session_token(served[0], token)) == token
    with server(data) as (target, _):
        with pytest.raises(FenliuError) as refused:
            asyncio.run(session_token(target, token))
        assert refused.value.reason == "RESUME_TOKEN_MISMATCH"
        assert asyncio.run(session_token(target, "")) not in ("", token)


def test_watchers_of_the_old_directory_are_refused_by_the_restored_one(
    served: tuple[str, Path], data: Path
):
    async def place(target: str, token: str) -> str:
        async with FenliuClient(target) as client:
            async for message in client.watch_assignments("demo", resume_token=token):
                return message.resume_token
        raise AssertionError

    token = asyncio.run(place(served[0], ""))
    assert asyncio.run(place(served[0], token))
    with server(data) as (target, _):
        with pytest.raises(FenliuError) as refused:
            asyncio.run(place(target, token))
        assert "from another server: start over with an empty token" in refused.value.message
        assert asyncio.run(place(target, ""))


# --- what check says ------------------------------------------------------------------------------


def flip_a_bit(data: Path) -> None:
    execute(
        data,
        "UPDATE records SET record = CAST(substr(record, 1, 90) || x'00' || substr(record, 92)"
        " AS BLOB) WHERE partition = DEMO AND seq = 3",
    )


def cut_the_file(data: Path) -> None:
    with (data / "fenliu.db").open("r+b") as file:
        file.truncate((data / "fenliu.db").stat().st_size - 8192)


def rewrite_last(data: Path, *, rules_version: int = 1, forget: bool = False) -> None:
    """The last record again, well-formed: of other rules, or with what the first inquiry led to."""
    *_, last = SqliteReader(data).read(DEMO)
    entries = next(SqliteReader(data).read(DEMO, 2)).entries if forget else last.entries
    record, _ = pack(
        rules_version=rules_version, append_id=last.append_id, writer=last.writer,
        now_ms=last.now_ms, count=last.count, seq=last.seq, partition=DEMO,
        predecessor=last.predecessor, entries=entries,
    )  # fmt: skip
    with closing(sqlite3.connect(data / "fenliu.db", isolation_level=None)) as connection:
        statement = "UPDATE records SET record = ? WHERE partition = ? AND seq = ?"
        connection.execute(statement, (record, DEMO, last.seq))


DAMAGE: dict[str, tuple[Callable[[Path], None], str | None, str, str]] = {
    "a flipped bit": (
        flip_a_bit,
        f"partition {DEMO}, record 3: ",
        "bits changed or it is cut off",
        "restore the newest backup that is whole",
    ),
    "a removed record": (
        lambda data: execute(data, "DELETE FROM records WHERE partition = DEMO AND seq = 3"),
        f"partition {DEMO}, record 3: ",
        "missing; the next one found is 4",
        "restore the newest backup that is whole",
    ),
    "a cut record": (
        lambda data: execute(
            data, "UPDATE records SET record = substr(record, 1, 50) WHERE seq = 2"
        ),
        f"partition {DEMO}, record 2: ",
        "only 50 bytes, shorter than a header",
        "restore the newest backup that is whole",
    ),
    "a cut file": (
        cut_the_file,
        "",
        "malformed",
        "restore the newest backup that is whole",
    ),
    "a misplaced partition": (
        lambda data: execute(data, "UPDATE records SET partition = 99"),
        "",
        "records of partition 99, where there are only 64",
        "restore the newest backup that is whole",
    ),
    "a newer schema": (
        lambda data: execute(data, "UPDATE meta SET value = 5 WHERE key = 'schema_version'"),
        "",
        "written by a newer version (schema 5; this one knows 4)",
        "use the version that wrote it",
    ),
    "a lost key": (
        lambda data: execute(data, "DELETE FROM meta WHERE key = 'data_id'"),
        "",
        "meta has lost data_id",
        "restore the newest backup that is whole",
    ),
    "an unknown format": (
        lambda data: execute(
            data,
            "UPDATE records SET record = CAST(substr(record, 1, 4) || x'0003' || substr(record, 7)"
            " AS BLOB) WHERE seq = 4",
        ),
        f"partition {DEMO}, record 4: ",
        "format 3; this program knows 2",
        "if a newer version wrote it: use the version that wrote it",
    ),
    "newer rules": (
        lambda data: rewrite_last(data, rules_version=2),
        f"partition {DEMO}, record 6: ",
        "written by rules version 2; this program knows 1",
        "if a newer version wrote it: use the version that wrote it",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_check_says_in_words_what_is_wrong_where_and_what_to_do(data: Path, damage: str):
    harm, where, what, to_do = DAMAGE[damage]
    harm(data)
    lines = said(run("check", "--data", data), 1).splitlines()
    assert lines[0].startswith(f"{data}: NOT whole (")
    assert lines[1].startswith(where)
    assert what in lines[1]
    assert lines[2].startswith("  what to do: ")
    assert to_do in lines[2]
    assert "state" not in lines[-1].split()[0]
    told = json.loads(said(run("check", "--data", data, "--json"), 1))
    assert (told["ok"], told["state_hash"]) == (False, "")
    assert what in told["problems"][0]["what"]
    assert to_do in told["problems"][0]["to_do"]
    found = told["problems"][0]["partition"], told["problems"][0]["seq"]
    assert found == ((DEMO, int(where.rstrip(": ").split()[-1])) if where else (None, None))


def test_a_log_that_is_not_what_would_be_decided_shows_only_when_looked_at_deeply(data: Path):
    rewrite_last(data, forget=True)
    assert ": whole (6 records" in said(run("check", "--data", data))
    for core in ("python", "auto"):
        result = said(run("check", "--data", data, "--deep", "--core", core), 1)
        assert (
            f"partition {DEMO}, record 6: entry 1 comes out otherwise when it is decided again"
            in result
        )
        assert "compare the versions and try the other core" in result


def test_check_names_every_damaged_partition(tmp_path: Path):
    with server(tmp_path / "data") as (target, _):
        (tmp_path / "shops.yaml").write_text(
            "---\n".join(SHOP.replace("demo", name) for name in ("one", "two", "three"))
        )
        said(run("apply", tmp_path / "shops.yaml", "--target", target))
    execute(tmp_path / "data", "UPDATE records SET append_id = x'00' WHERE partition <> DEMO")
    told = json.loads(said(run("check", "--data", tmp_path / "data", "--json"), 1))
    damaged = sorted({partition_of(name, 64) for name in ("one", "two", "three")})
    assert len(damaged) == 3
    assert [problem["partition"] for problem in told["problems"]] == damaged


def test_a_damaged_directory_is_not_backed_up_and_says_so(data: Path, tmp_path: Path):
    flip_a_bit(data)
    result = run("backup", tmp_path / "nightly", "--data", data)
    assert said(result, 1) == ""
    assert result.stderr.startswith(
        f"Error: no backup made, {data} is damaged: partition {DEMO}, record 3: checksum"
    )
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "nightly").exists()


def test_a_damaged_directory_is_not_served(data: Path):
    flip_a_bit(data)
    result = run("serve", "--data", data, "--listen", "127.0.0.1:0")
    assert said(result, 1) == ""
    assert f"partition {DEMO}, record 3: checksum" in result.stderr


def test_where_nothing_of_ours_is_check_says_so(tmp_path: Path):
    result = run("check", "--data", tmp_path)
    assert said(result, 1) == ""
    assert "no data directory (no fenliu.db in it)" in result.stderr
    said(run("check", "--data", tmp_path / "nowhere"), 2)


def test_checking_changes_nothing(data: Path, tmp_path: Path):
    shutil.copytree(data, tmp_path / "before")
    said(run("check", "--data", data, "--deep"))
    assert (data / "fenliu.db").read_bytes() == (tmp_path / "before" / "fenliu.db").read_bytes()
    assert names(data) == names(tmp_path / "before")
