"""The corpus of the gRPC face's fuzzing is sent each time; and a short form of the fuzzing itself."""

from __future__ import annotations

from pathlib import Path
from random import Random

import grpc
import pytest

from faults.calls import JOBS, METHODS, Call, Maker, Outcome, Words
from faults.fuzz_calls import CORPUS, Corpus, Finding, Fuzz, judged, send_all, served


def corpus() -> list[Call]:
    known = Corpus()
    known.read(CORPUS)
    return [call for calls in known.calls.values() for call in calls]


async def test_everything_that_was_found_worth_keeping_is_answered_by_the_table(tmp_path: Path):
    calls = [call for call in corpus() if call.method not in JOBS]
    seen = Corpus()
    assert await send_all(tmp_path, calls, seen) == len(calls) > 200
    done = {method for method in METHODS if f"{method} OK" in seen.words}
    assert len(done) > 25, sorted(done)


@pytest.mark.faults
async def test_the_corpus_of_what_takes_a_process_is_answered_by_the_table(tmp_path: Path):
    calls = [call for call in corpus() if call.method in JOBS]
    assert await send_all(tmp_path, calls, Corpus()) == len(calls) > 0


@pytest.mark.faults
async def test_damaged_calls_of_every_method_harm_nobody_else(tmp_path: Path):
    (tmp_path / "corpus").mkdir()
    known = Corpus()
    known.read(CORPUS)
    async with served(tmp_path) as (traffic, watcher):
        fuzz = Fuzz(known, tmp_path, Random(1))
        await fuzz.run(traffic, watcher, 20)
    assert fuzz.calls > 500
    assert fuzz.codes["OK"] > 50


def test_a_line_of_the_corpus_is_the_call():
    maker = Maker(Random(3), Words())
    for method in METHODS:
        call = maker.call(method)
        for _ in range(5):
            call = maker.changed(call)
            assert Call.of_line(method, call.line()) == call


def test_what_is_in_no_table_is_a_finding():
    route, report = (
        Call("DispatchService/Route", (b"",)),
        Call("InsightService/ListDecisions", (b"",)),
    )
    for call, code, found in (
        (route, grpc.StatusCode.INTERNAL, True),
        (route, grpc.StatusCode.UNKNOWN, True),
        (route, grpc.StatusCode.DEADLINE_EXCEEDED, True),
        (route, grpc.StatusCode.NOT_FOUND, False),
        (report, grpc.StatusCode.UNAVAILABLE, False),
        (report, grpc.StatusCode.INTERNAL, True),
    ):
        outcome = Outcome(code, "", set(), 0.0)
        if found:
            with pytest.raises(Finding):
                judged(call, outcome)
        else:
            judged(call, outcome)
