"""`fenliu replay`: sends a recorded day to a server."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TextIO

import click

from fenliu.cli import tables
from fenliu.cli.command import command, option
from fenliu.cli.language import words
from fenliu.cli.options import (
    PATIENCE_S,
    json_option,
    patience_option,
    print_json,
    target_option,
    with_client,
)
from fenliu.client import FenliuClient
from fenliu.traffic.events import Traffic
from fenliu.traffic.player import PlayReport, play
from fenliu.traffic.shares import receptions
from fenliu.traffic.trace import as_traffic, read_trace
from fenliu.v1 import operator_pb2, types_pb2


@command(
    "replay",
    zh="把记录下来的一天送到服务器，再显示谁接待了什么。\n\n买家的每条消息是一次咨询；记录里的每条回复算在接待该"
    "买家的客服名下。服务器用 --clock trace 时，这一天按它自己的时间全速进行。",
    en="Play a recorded day on a server, then show who received what.\n\nEach buyer's message is an inquiry;"
    " each recorded reply is reported for the agent the buyer was routed to. On a server with --clock trace"
    " the day passes in its own time, at full speed.",
)
@click.argument(
    "trace", metavar="TRACE.csv", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    zh="保持记录的间隔，按此倍速进行；真实时钟的服务器必填。",
    en="Keep the recorded distances, so many times faster. Required on a wall-clock server.",
)
@option(
    "--create-shops",
    is_flag=True,
    zh="先建立记录中的每家店铺（已有的被替换）：一个组，含出现过签名的客服，从首次签名前 30 分钟到末次后 30 分钟在线；"
    "没有签名的店铺是五位始终在线的客服。",
    en="First make each shop of the trace, replacing it if there is one: one group of the agents whose"
    " signatures occur, ONLINE from 30 minutes before the first to 30 minutes after the last; five"
    " agents, always ONLINE, where nobody signed.",
)
@patience_option
@option(
    "--acks",
    type=click.Path(dir_okay=False, path_type=Path),
    zh="每个回答一到就作为一行 JSON 追加到这个文件。",
    en="Append each answer to this file as a JSON line, as it arrives.",
)
@target_option
@json_option
def replay(
    trace: Path,
    speed: float | None,
    create_shops: bool,
    patience: float,
    acks: Path | None,
    target: str,
    as_json: bool,
) -> None:
    """Plays the day and prints the tables."""
    traffic = as_traffic(read_trace(trace), create_shops=create_shops)

    # A server that is not there at all is said soon, whatever the patience with one that goes away.
    server = with_client(target, FenliuClient.get_server_info, patience_s=min(patience, PATIENCE_S))
    if server.clock != operator_pb2.CLOCK_TRACE and speed is None:
        raise click.UsageError(
            words(
                "服务器使用真实时钟：请加 --speed X（1 为原速），或用 `fenliu serve --clock trace` 启动它",
                "the server goes by the wall clock: add --speed X (1: as recorded),"
                " or start it with `fenliu serve --clock trace`",
            )
        )

    async def work(client: FenliuClient) -> PlayReport:
        if not create_shops:
            await _check_shops(client, traffic)
        opened = acks.open("a", encoding="utf-8") if acks is not None else nullcontext()
        with opened as file, tables.progress(trace.name, len(traffic.events)) as step:
            lines: TextIO | None = file
            return await play(client, traffic, server.clock, speed=speed, acks=lines, on_event=step)

    report = with_client(target, work, patience_s=patience)
    if as_json:
        print_json(_as_json(report))
    else:
        shops = receptions(report.decisions)
        tables.print_agents(shops)
        tables.print_waiting(shops.values())
        replies = report.replies_without_conversation
        if replies:
            tables.print_prose(
                words(
                    f"没有效果：{replies} 条回复，对方没有人接待。",
                    f"Without effect: {replies} replies to buyers whom nobody had.",
                )
            )
        tables.print_failures(report)
    if report.failures:
        raise SystemExit(1)


async def _check_shops(client: FenliuClient, traffic: Traffic) -> None:
    known = {shop.shop_id for shop in await client.list_shops()}
    missing = sorted({event.shop_id for event in traffic.events} - known)
    if missing:
        shown = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        raise click.ClickException(
            words(
                f"服务器上没有店铺 {shown}（共 {len(missing)} 家）：请先 `fenliu apply`，或加 --create-shops",
                f"the server has no shop {shown} ({len(missing)} in all):"
                " `fenliu apply` them or add --create-shops",
            )
        )


def _as_json(report: PlayReport) -> dict[str, object]:
    return {
        "shops": {
            shop_id: {
                agent_id: {
                    "received": len(reception.buyers),
                    "reasons": {
                        types_pb2.Reason.Name(reason): count
                        for reason, count in sorted(reception.reasons.items())
                    },
                }
                for agent_id, reception in agents.items()
            }
            for shop_id, agents in receptions(report.decisions).items()
        },
        "decisions": len(report.decisions),
        "replies_without_conversation": report.replies_without_conversation,
        "failures": [
            {
                "shop_id": failure.shop_id,
                "message_id": failure.message_id,
                "code": failure.error.code.name,
                "reason": failure.error.reason,
                "message": failure.error.message,
            }
            for failure in report.failures
        ],
    }
