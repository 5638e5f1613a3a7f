"""`fenliu demo`: a server with demo shops that has just had a sale day (`make run`)."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import click

from fenliu.app import App
from fenliu.cli import tables
from fenliu.cli.command import command, option
from fenliu.cli.language import words
from fenliu.cli.serve import core_option, data_option, listen_option
from fenliu.cli.shopfile import read_shops
from fenliu.cli.windows import window_of
from fenliu.client import FenliuClient
from fenliu.config import CoreChoice, ServerConfig
from fenliu.traffic.day import DAY_MS, example_shops, sale_day
from fenliu.traffic.player import PlayReport, play
from fenliu.traffic.shares import expected_by_weight, receptions
from fenliu.v1 import operator_pb2, shop_pb2

_DEMO_FILES = Path("demo")


@command(
    "demo",
    zh="演一遍大促日，看谁接待了哪些买家、为什么，然后继续服务。\n\n这一天是生成的，到此刻为止，经真实的 gRPC"
    " 送到本进程里的服务器。店铺来自 FILE，否则来自当前目录的 demo/*.yaml，再否则也是生成的。数据目录里已有的"
    "店铺保留原有记录，新的一天进带编号的副本。",
    en="Play a sale day, show who received what and why, go on serving.\n\nThe day is made up and ends now;"
    " it goes through real gRPC to a server in this process. Its shops come from the FILEs, else from"
    " demo/*.yaml here, else they are made up too. A shop that is in the data directory already keeps its"
    " traffic: the new day then goes to a numbered copy.",
)
@click.argument(
    "files",
    metavar="[FILE...]",
    nargs=-1,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@option(
    "--buyers",
    default=150,
    zh="大促日每家店铺来多少买家。",
    en="Buyers who come to each shop on the sale day.",
)
@option("--seed", default=1, zh="换一个数，换一天。", en="Another number, another day.")
@option(
    "--day",
    metavar="YYYY-MM-DD",
    show_default=False,
    envvar="FENLIU_DEMO_DAY",
    zh="演在这一天；默认是到此刻为止的 24 小时。",
    en="On which day it is; without, the 24 hours up to now.",
)
@option(
    "--features/--no-features",
    default=True,
    zh="买家也会转人工、放弃等候、下单，客服也会转接。",
    en="Buyers also ask for a human, give up waiting and order; agents hand them on.",
)
@option(
    "--once",
    is_flag=True,
    envvar=["FENLIU_ONCE", "ONCE"],
    zh="显示表格后结束，不继续服务。",
    en="End after the table instead of going on serving.",
)
@listen_option
@data_option
@core_option
def demo(
    files: tuple[Path, ...],
    buyers: int,
    seed: int,
    day: str | None,
    features: bool,
    once: bool,
    listen: str,
    data: Path,
    core: CoreChoice,
) -> None:
    """Plays the day and serves on."""
    files = files or tuple(sorted(_DEMO_FILES.glob("*.yaml")))
    shops = read_shops(files) if files else example_shops(2, features=features)
    config = ServerConfig(listen=listen, data=data, core=core, clock="trace", reflection=True)
    end_ms = time.time_ns() // 1_000_000
    if day is not None:
        end_ms = window_of(day, None, None).end_ms
    asyncio.run(_demo(config, shops, buyers, seed, end_ms, features, once))


async def _demo(
    config: ServerConfig,
    shops: list[shop_pb2.Shop],
    buyers: int,
    seed: int,
    end_ms: int,
    features: bool,
    once: bool,
) -> None:
    app = App(config)
    if app.core.notice:
        click.echo(app.core.notice, err=True)
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - asyncio.run made one
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        address = await app.start()
        await _play_day(address, shops, buyers, seed, end_ms, features)
        if once:
            return
        app.follow_wall_clock()
        click.echo(f"listening on {address}")
        call = f"fenliu route --shop {shops[0].shop_id} --buyer wang --target {address}"
        click.echo(words(f"试一试：{call}", f"try: {call}"))
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        pass  # SIGTERM or Ctrl-C: the usual end.
    finally:
        await app.stop()


async def _play_day(
    address: str,
    shops: list[shop_pb2.Shop],
    buyers: int,
    seed: int,
    end_ms: int,
    features: bool,
) -> None:
    async with FenliuClient(address, patience_s=10) as client:
        _number_copies(shops, {shop.shop_id for shop in await client.list_shops()})
        traffic = sale_day(
            shops,
            seed=seed,
            start_ms=end_ms - DAY_MS,
            end_ms=end_ms,
            buyers=buyers,
            features=features,
        )
        with tables.progress(words("大促日", "a sale day"), len(traffic.events)) as step:
            report: PlayReport = await play(
                client, traffic, operator_pb2.CLOCK_TRACE, on_event=step
            )
    received = receptions(report.decisions)
    for shop in shops:
        expected = expected_by_weight(shop, report.decisions, traffic.events)
        tables.print_shares(shop, received.get(shop.shop_id, {}), expected)
    tables.print_waiting(received.values())
    tables.print_besides(report)
    tables.print_prose(
        words(
            "「买家」是人数，各原因是咨询次数。「份额」是该客服在新买家（按权重、转所有组）中所占的部分；"
            "「应得」是当时在岗者单凭权重应得的部分。繁忙的少接，但不会不接。",
            "Buyers counts people, the reasons count inquiries. Share is an agent's part of the new buyers"
            " (weighted, spilled); Due is what the weights alone give those at the desk. The busy get"
            " fewer, never none.",
        )
    )
    tables.print_failures(report)


def _number_copies(shops: list[shop_pb2.Shop], taken: set[str]) -> None:
    """Renames the shops `...-2`, `...-3` and so on when one of them is there already."""
    ids = [shop.shop_id for shop in shops]
    number = 1
    while not taken.isdisjoint(shop.shop_id for shop in shops):
        number += 1
        for shop, shop_id in zip(shops, ids, strict=True):
            shop.shop_id = f"{shop_id}-{number}"
