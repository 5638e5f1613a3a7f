"""`fenliu bench`: load on a running server, beside a no-op echo in the same run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import asdict

import click
import grpc
from rich.console import Console

from fenliu.cli.command import command, option
from fenliu.cli.language import words
from fenliu.cli.options import json_option, print_json, target_option, with_client
from fenliu.cli.tables import print_prose, progress, slim_table
from fenliu.client import FenliuClient
from fenliu.config import is_loopback
from fenliu.load.comparison import STEPS, Comparison, Sides, bench_shop, compare
from fenliu.load.workload import BATCH
from fenliu.v1 import operator_pb2

LATE_S = 0.005
"""A generator that sends later than this has no processor to itself."""


@command(
    "bench",
    zh="给运行中的服务器加负载，并在同一次运行里与什么都不做的 gRPC 回声服务器比较。\n\n用一家自己的店铺，"
    "结束时删除；别的店铺不受影响，但会变慢，日志里留下这家店铺的记录。比例比数字更说明问题：两边轮流测量，机器上别的事对两边一样。",
    en="Load a running server, and in the same run a gRPC echo that does nothing.\n\nUses a shop of its own and"
    " deletes it at the end. Other shops stay as they are, but are served more slowly meanwhile, and the log"
    " keeps this shop's entries. Ratios say more than counts: the two take turns, so whatever else the machine"
    " does meets both.",
)
@option(
    "--seconds",
    default=20.0,
    type=click.FloatRange(min=1, max=600),
    zh="测量大约用几秒（1..600）。",
    en="About how many seconds to measure for (1..600).",
)
@option(
    "--yes",
    is_flag=True,
    zh="也允许对别的机器上的服务器加负载。",
    en="Allow load on a server that is not on this machine.",
)
@target_option
@json_option
def bench(seconds: float, yes: bool, target: str, as_json: bool) -> None:
    """Measures and prints the table."""
    here = is_loopback(target.rpartition(":")[0])
    if not here and not yes:
        raise click.UsageError(
            words(
                f"{target} 不在本机：这会给它加满负载，确定的话请加 --yes",
                f"{target} is not on this machine, and is about to be given all the load it can take:"
                " add --yes if that is meant",
            )
        )

    async def work(client: FenliuClient) -> tuple[operator_pb2.GetServerInfoResponse, Comparison]:
        server = await client.get_server_info()
        if server.clock == operator_pb2.CLOCK_TRACE:
            raise click.ClickException(
                words(
                    "服务器使用 trace 时钟，请对真实时钟的服务器测量",
                    "the server is on the trace clock: measure one on the wall clock",
                )
            )
        async with bench_shop(client) as shop_id:
            with progress(words("测量", "measuring"), STEPS) as step:
                return server, await _beside(
                    lambda check: compare(target, shop_id, seconds, check), step
                )

    try:
        server, measured = with_client(target, work)
    except grpc.aio.AioRpcError as error:
        raise click.ClickException(
            f"{target}: {error.code().name}: {error.details() or ''}"
        ) from None
    if as_json:
        print_json({"version": server.version, "core": server.core, **_as_json(measured)})
        return
    _print(server, measured, here=here)


async def _beside(
    work: Callable[[Callable[[], None]], Comparison], step: Callable[[], None]
) -> Comparison:
    """Runs `work` in a thread; when this is cancelled it ends at its next step, and is waited for."""
    ended = threading.Event()

    def check() -> None:
        if ended.is_set():
            raise InterruptedError
        step()

    running = asyncio.create_task(asyncio.to_thread(work, check))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        ended.set()
        await asyncio.wait([running])
        raise


def _print(server: operator_pb2.GetServerInfoResponse, measured: Comparison, *, here: bool) -> None:
    table = slim_table(f"fenliu {server.version} · {server.core}")
    table.add_column("")
    for header in (words("回声", "echo"), "Fenliu", words("比例", "ratio")):
        table.add_column(header, justify="right")
    for name, sides, unit in (
        (words("逐个 Route，每秒", "Route, unary, per second"), measured.unary, 1.0),
        (
            words(
                f"每批 {BATCH} 个并回报回复，每秒咨询",
                f"batches of {BATCH} with replies, inquiries per second",
            ),
            measured.batches,
            1.0,
        ),
        (
            words(
                f"每秒 {measured.half:,.0f} 个时的中位延迟，毫秒",
                f"median latency at {measured.half:,.0f} per second, ms",
            ),
            measured.p50_s,
            1e3,
        ),
        (words("其 p99，毫秒", "its p99, ms"), measured.p99_s, 1e3),
    ):
        table.add_row(
            name, _number(sides.echo * unit), _number(sides.server * unit), f"{sides.ratio:.2f}"
        )
    Console().print(table)
    if measured.refused:
        print_prose(
            words(
                f"有 {measured.refused} 个请求没有得到回答，以上数字不可靠。",
                f"{measured.refused} calls were not answered: these figures are not to be trusted.",
            )
        )
    if measured.lag_s > LATE_S:
        late = f"{measured.lag_s * 1e3:.0f}"
        print_prose(
            words(
                f"负载发出晚了 {late} 毫秒（p99）：机器很忙，延迟偏大。",
                f"The load was sent up to {late} ms late (p99): the machine is busy, latencies are too long.",
            )
        )
    if not here:
        print_prose(
            words(
                "回声在本机，服务器不在：比例里有网络和两台机器的差别。",
                "The echo ran here and the server elsewhere: the ratios have the network and the machines in them.",
            )
        )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _as_json(measured: Comparison) -> dict[str, object]:
    told: dict[str, object] = asdict(measured)
    for name, value in told.items():
        sides = getattr(measured, name)
        if isinstance(sides, Sides) and isinstance(value, dict):
            value["ratio"] = sides.ratio
    return told
