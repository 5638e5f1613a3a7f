"""A journal that several processes share: what they hand in at once is one commit, each is told of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from fenliu.journal import (
    Append,
    ChangeRefused,
    Committer,
    Conflict,
    SharedJournal,
    SqliteJournal,
    StorageError,
    pack,
)


def record(partition: int, seq: int, text: str = "entries", predecessor: int = 0) -> Append:
    append_id = f"{partition}-{seq}-{text}".encode().rjust(16, b"-")[:16]
    packed, _ = pack(
        rules_version=1,
        append_id=append_id,
        writer=b"w" * 16,
        now_ms=1,
        count=1,
        seq=seq,
        partition=partition,
        predecessor=predecessor,
        entries=text.encode(),
    )
    return Append(partition, seq - 1, append_id, packed)


class Held(SqliteJournal):
    """Notes the groups; begins none before it may."""

    groups: list[list[int]]
    may: threading.Event

    def append(self, group: Sequence[Append]) -> Future[list[int | Conflict]]:
        self.groups.append([one.partition for one in group])
        self._writer.submit(self.may.wait)
        return super().append(group)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Held]:
    journal = Held.open(tmp_path / "data")
    journal.groups, journal.may = [], threading.Event()
    journal.may.set()
    yield journal
    journal.may.set()
    journal.close()


@pytest.fixture
def committer(journal: Held, tmp_path: Path) -> Iterator[Committer]:
    committer = Committer(journal, tmp_path / "socket")
    yield committer
    committer.close()


@pytest.fixture
def shared(committer: Committer, journal: Held, tmp_path: Path) -> Iterator[list[SharedJournal]]:
    journals = [SharedJournal(journal.directory, tmp_path / "socket") for _ in range(2)]
    yield journals
    journal.may.set()
    for one in journals:
        one.close()


def test_what_several_hand_in_during_a_commit_goes_into_the_next_together(
    shared: list[SharedJournal], journal: Held
):
    one, two = shared
    journal.may.clear()
    first = one.append([record(0, 1)])
    while not journal.groups:
        pass
    later = [one.append([record(2, 1)]), two.append([record(1, 1), record(3, 1)])]
    threading.Event().wait(0.2)
    assert journal.groups == [[0]]
    journal.may.set()
    assert first.result(10) == [1]
    assert [future.result(10) for future in later] == [[1], [1, 1]]
    assert len(journal.groups) == 2
    assert sorted(journal.groups[1]) == [1, 2, 3]
    assert one.heads().keys() == two.heads().keys() == {0, 1, 2, 3}


def test_two_who_both_believe_they_own_a_partition_stay_right(
    shared: list[SharedJournal], journal: Held
):
    one, two = shared
    journal.may.clear()
    mine, others = one.append([record(5, 1, "mine")]), two.append([record(5, 1, "others")])
    beside = two.append([record(6, 1)])
    journal.may.set()
    results = [mine.result(10), others.result(10)]
    assert sorted(results, key=str) == sorted([[1], [Conflict(1)]], key=str)
    assert beside.result(10) == [1]
    (stored,) = one.read(5)
    assert stored.entries == (b"mine" if results[0] == [1] else b"others")


def test_refusals_come_back_as_they_are(shared: list[SharedJournal]):
    one, _ = shared
    one.probe().result(10)
    with pytest.raises(ChangeRefused, match="no snapshot of record 3"):
        one.put_manifest(0, 3, 1, 1, b"").result(10)
    with pytest.raises(ValueError, match="not the SHA-256"):
        one.put_chunks(0, {b"x" * 32: b"content"}, 1).result(10)
    assert one.append([record(0, 1)]).result(10) == [1]
    with pytest.raises(ChangeRefused, match="must stay"):
        one.drop_records(0, 1, 9).result(10)


WRITER = """
import sys
from pathlib import Path
from fenliu.journal import Committer, SqliteJournal
folder = Path(sys.argv[1])
committer = Committer(SqliteJournal.open(folder / "other"), folder / "gone")
print(flush=True)
sys.stdin.read()
"""


def test_without_its_writer_everything_fails_and_nothing_hangs(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdout.readline()
    shared = SharedJournal(tmp_path / "other", tmp_path / "gone")
    assert shared.append([record(0, 1)]).result(10) == [1]
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)  # until it really stands still
    under_way = shared.append([record(0, 2)])
    process.kill()
    with pytest.raises(StorageError, match="the process that writes to it is gone"):
        under_way.result(10)
    with pytest.raises(StorageError):
        shared.append([record(0, 2)]).result(10)
    assert shared.heads()[0].seq == 1
    shared.close()
    process.wait()
    process.stdin.close()
    process.stdout.close()
