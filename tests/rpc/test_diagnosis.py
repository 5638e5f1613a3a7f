"""DiagnoseImbalance over a real port: unary and streamed, refused, cancelled, after a restart, many at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from fenliu.app import App
from fenliu.client import FenliuClient, FenliuError
from fenliu.config import ServerConfig
from fenliu.insight.jobs.jobs import LIMITS
from fenliu.v1 import insight_pb2, shop_pb2
from model.cores import all_cores
from support.recorded import PARTITIONS, RecordedDay
from support.scene import HOUR, MIDNIGHT, MORNING, agent, group

WINDOW = insight_pb2.Window(start_ms=MIDNIGHT, end_ms=MORNING + 9 * HOUR)
ASKED = insight_pb2.DiagnoseImbalanceRequest(
    shop_id="demo", window=WINDOW, agent_id="a", other_agent_id="b"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    day = RecordedDay(all_cores()[-1], tmp_path_factory.mktemp("diagnosis") / "data")
    agents = [agent("a", weight=5), agent("b", weight=3), agent("c")]
    everybody = group("g", "a", "b", "c")
    day.shop(MIDNIGHT, shop_pb2.Shop(shop_id="demo", agents=agents, groups=[everybody]))
    day.online("a", MORNING, MORNING + 9 * HOUR)
    day.online("b", MORNING + HOUR, MORNING + 8 * HOUR)
    day.arrivals(MORNING, MORNING + 9 * HOUR, 400)
    day.play()
    yield day.close()


def app(data: Path) -> App:
    return App(
        ServerConfig(
            listen="127.0.0.1:0", data=data, clock="trace", partitions=PARTITIONS, grace_ms=200
        )
    )


async def test_unary_and_streamed_it_is_the_same_also_after_a_restart(data: Path):
    answers = []
    for _ in range(2):
        server = app(data)
        async with FenliuClient(await server.start()) as client:
            told: list[tuple[int, int]] = []
            answer = await client.diagnose_imbalance(
                ASKED, lambda one, told=told: told.append((one.done, one.total))
            )
            assert told and told == sorted(told) and told[-1][0] <= told[-1][1]
            answers.append(answer)
            unary = client._connected().unary_unary(
                "/fenliu.v1.InsightService/DiagnoseImbalance",
                request_serializer=insight_pb2.DiagnoseImbalanceRequest.SerializeToString,
                response_deserializer=insight_pb2.DiagnoseImbalanceResponse.FromString,
            )
            answers.append(await unary(ASKED))
        await server.stop()
    assert answers[0].difference > 40
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"other_agent_id": "a"}, "other_agent_id", "the same agent twice"),
        ({"agent_id": ""}, "agent_id", "required"),
        ({"agent_id": "z"}, "agent_id", "this shop never had the agent 'z'"),
        ({"other_agent_id": "z"}, "other_agent_id", "this shop never had the agent 'z'"),
        (
            {"window": insight_pb2.Window(start_ms=2, end_ms=1)},
            "window.end_ms",
            "the window ends before it begins",
        ),
        (
            {"window": insight_pb2.Window(start_ms=1, end_ms=1)},
            "window.end_ms",
            "the window is empty: its end is not included",
        ),
        (
            {"window": insight_pb2.Window(start_ms=0, end_ms=32 * 24 * HOUR)},
            "window.end_ms",
            "at most 31 days after the beginning",
        ),
    ],
)
async def test_refusals_name_field_and_rule(
    data: Path, fields: dict[str, object], field: str, rule: str
):
    server = app(data)
    try:
        async with FenliuClient(await server.start()) as client:
            request = insight_pb2.DiagnoseImbalanceRequest()
            request.CopyFrom(ASKED)
            for name, value in fields.items():
                if isinstance(value, str):
                    setattr(request, name, value)
                else:
                    request.window.CopyFrom(value)
            with pytest.raises(FenliuError) as caught:
                await client.diagnose_imbalance(request)
            assert f"{field}: {rule}" in str(caught.value)
    finally:
        await server.stop()


async def test_when_too_many_ask_some_are_sent_away_and_cancelling_ends_the_work(data: Path):
    server = app(data)
    limits = LIMITS["diagnose"]
    try:
        address = await server.start()
        async with FenliuClient(address, patience_s=0) as client:
            many = [
                asyncio.create_task(client.diagnose_imbalance(ASKED))
                for _ in range(limits.at_once + limits.waiting + 2)
            ]
            done, rest = await asyncio.wait(many, return_when=asyncio.FIRST_COMPLETED)
            errors = [one.exception() for one in done if one.exception() is not None]
            assert errors
            assert all(
                isinstance(one, FenliuError) and one.code == grpc.StatusCode.RESOURCE_EXHAUSTED
                for one in errors
            )
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            for _ in range(100):
                if not running():
                    break
                await asyncio.sleep(0.1)
            assert not running()
    finally:
        await server.stop()


async def test_a_job_that_is_killed_is_an_error_and_the_next_one_works(data: Path):
    server = app(data)
    try:
        async with FenliuClient(await server.start(), patience_s=0) as client:
            task = asyncio.create_task(client.diagnose_imbalance(ASKED))
            for _ in range(200):
                if jobs := running():
                    break
                await asyncio.sleep(0.02)
            os.kill(jobs[0], signal.SIGKILL)
            with pytest.raises(FenliuError) as caught:
                await task
            assert caught.value.code == grpc.StatusCode.INTERNAL
            assert (await client.diagnose_imbalance(ASKED)).difference > 40
    finally:
        await server.stop()


def running() -> list[int]:
    """This process's jobs that diagnose."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            status = (process / "status").read_text()
        except OSError:
            continue
        ours = f"PPid:\t{os.getpid()}\n" in status
        if ours and b"fenliu.insight.jobs.worker" in words and b"diagnose" in words:
            found.append(int(process.name))
    return found
