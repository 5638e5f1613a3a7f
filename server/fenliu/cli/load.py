"""`fenliu load`: a shop's load as it changes, for a screen; lines where there is none."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from fenliu.cli.command import command, option
from fenliu.cli.language import Words, words
from fenliu.cli.options import (
    PATIENCE_S,
    as_dict,
    json_option,
    patience_option,
    target_option,
    with_client,
)
from fenliu.cli.pictures import agent_names, drawn, legend_above, picture
from fenliu.cli.tables import slim_table
from fenliu.cli.windows import SHANGHAI
from fenliu.client import FenliuClient
from fenliu.v1 import insight_pb2, shop_pb2, types_pb2

_STATUSES = {
    types_pb2.PRESENCE_STATUS_ONLINE: (Words("在线", "online"), "green"),
    types_pb2.PRESENCE_STATUS_SUSPENDED: (Words("挂起", "suspended"), "yellow"),
    types_pb2.PRESENCE_STATUS_OFFLINE: (Words("离线", "offline"), "dim"),
}
_FIGURES_S = 20.0
"""So long --once waits for figures that are not known yet."""


@command(
    "load",
    zh="显示一家店铺此刻的负荷：每位客服、排队、消息池、每分钟来客、今日接待；变了就更新，直到 Ctrl-C。\n\n"
    "不在终端上时每次变化一行；用 --json 时每行一条消息。时间为北京时间。",
    en="Show a shop's load as it is now: each agent, queue, pool, arrivals per minute, today's reception;"
    " anew as it changes, until Ctrl-C.\n\nWithout a terminal each change is a line; with --json a message"
    " a line. Times are those of Asia/Shanghai.",
)
@option("--shop", required=True, zh="店铺编号。", en="Shop id.")
@option(
    "--interval",
    type=click.IntRange(1, 60),
    default=1,
    metavar="SECONDS",
    zh="最多几秒更新一次。",
    en="Seconds between two updates at least.",
)
@option("--once", is_flag=True, zh="只显示一次。", en="Show it once.")
@option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    show_default=False,
    zh="只显示一次，并画一张图：每位客服的会话、待回复和接待上限。",
    en="Show it once, and draw a picture: each agent's open conversations, awaiting ones and cap.",
)
@patience_option
@target_option
@json_option
def load(
    shop: str,
    interval: int,
    once: bool,
    plot: Path | None,
    patience: float,
    target: str,
    as_json: bool,
) -> None:
    """Shows what is watched."""
    once = once or plot is not None
    # A server that is not there at all is said soon, whatever the patience with one that goes away.
    document = with_client(
        target, lambda client: client.get_shop(shop), patience_s=min(patience, PATIENCE_S)
    )
    console = Console(highlight=False)
    screen = _Screen(document)

    async def work(client: FenliuClient) -> None:
        live: Live | None = None
        gives_up = time.monotonic() + _FIGURES_S
        try:
            async for message in client.watch_load(shop, interval_ms=1000 * interval):
                if once and not message.figures_as_of_ms and time.monotonic() < gives_up:
                    continue  # of a server that has just been started
                if not screen.knows(message):
                    screen.document = await client.get_shop(shop)
                if as_json:
                    click.echo(json.dumps(as_dict(message), ensure_ascii=False))
                elif once:
                    console.print(screen.table(message))
                if once:
                    if plot is not None:
                        _draw(plot, message, screen.document)
                        click.echo(
                            words(f"图已写入 {plot}", f"picture written to {plot}"), err=True
                        )
                    return
                if as_json:
                    continue
                if not console.is_terminal:
                    click.echo(_line(message))
                    continue
                if live is None:
                    live = Live(console=console, auto_refresh=False, screen=False)
                    live.start()
                live.update(screen.table(message), refresh=True)
        finally:
            if live is not None:
                live.stop()

    with suppress(KeyboardInterrupt):
        with_client(target, work, patience_s=patience)


class _Screen:
    """Messages as a table, with the names that the shop's document has."""

    def __init__(self, document: shop_pb2.Shop) -> None:
        self.document = document

    def knows(self, message: insight_pb2.WatchLoadResponse) -> bool:
        """Whether the document has every agent."""
        known = {one.agent_id for one in self.document.agents}
        return all(one.agent_id in known for one in message.agents)

    def table(self, message: insight_pb2.WatchLoadResponse) -> Group:
        """Heading, the shop's figures, a row for each agent: those at the desk first, the busiest first."""
        shop = self.document
        names = {one.agent_id: one.display_name or one.agent_id for one in shop.agents}
        caps = {one.agent_id: one.cap for one in shop.agents}
        title = f"{shop.display_name} · {shop.shop_id}" if shop.display_name else shop.shop_id
        table = slim_table("")
        table.add_column(words("客服", "Agent"), overflow="fold")
        table.add_column(words("状态", "Status"))
        for head in (
            words("待回复", "Awaiting"),
            words("会话", "Open"),
            words("咨询", "Consulted"),
            words("接待", "Received"),
            words("下单", "Ordered"),
            words("付款", "Paid"),
        ):
            table.add_column(head, justify="right")
        for one in sorted(
            message.agents, key=lambda one: (_RANKS.get(one.status, 9), -one.awaiting, one.agent_id)
        ):
            status, style = _STATUSES.get(one.status, (Words("未知", "unknown"), ""))
            cap = caps.get(one.agent_id, 0)
            table.add_row(
                escape(names.get(one.agent_id, one.agent_id)),
                Text(str(status), style),
                str(one.awaiting),
                f"{one.open_conversations}/{cap}" if cap else str(one.open_conversations),
                str(one.today.consulted),
                str(one.today.received),
                str(one.today.ordered),
                str(one.today.paid),
            )
        return Group(
            Text(f"{title}  {_said(message.at_ms)}", "bold"), Text(_figures(message)), table
        )


_RANKS = {status: rank for rank, status in enumerate(_STATUSES)}


def _draw(path: Path, message: insight_pb2.WatchLoadResponse, shop: shop_pb2.Shop) -> None:
    """A PNG: a pair of bars for each agent at the desk, the busiest on top. Raises as `picture`."""
    at_desk = [one for one in message.agents if one.status != types_pb2.PRESENCE_STATUS_OFFLINE]
    at_desk.sort(key=lambda one: (one.awaiting, one.open_conversations, one.agent_id))
    caps = {one.agent_id: one.cap for one in shop.agents}
    with picture(path, height=max(3.0, 1.5 + 0.4 * len(at_desk))) as (figure, chinese):
        axes = figure.subplots()
        places = list(range(len(at_desk)))
        for offset, label, counts in (
            (0.2, Words("会话", "open"), [one.open_conversations for one in at_desk]),
            (-0.2, Words("待回复", "awaiting"), [one.awaiting for one in at_desk]),
        ):
            axes.barh(
                [place + offset for place in places], counts, height=0.4,
                label=drawn(label, chinese=chinese),
            )  # fmt: skip
        capped = [(caps[one.agent_id], place) for place, one in enumerate(at_desk)
                  if caps.get(one.agent_id)]  # fmt: skip
        if capped:
            axes.scatter(
                [cap for cap, _ in capped], [place + 0.2 for _, place in capped], marker="|",
                s=200, color="black", label=drawn(Words("接待上限", "cap"), chinese=chinese),
            )  # fmt: skip
        ids = [one.agent_id for one in at_desk]
        axes.set_yticks(places, agent_names(ids, shop, chinese=chinese))
        axes.locator_params(axis="x", integer=True)
        axes.set_xlim(left=0)
        queued, pooled, at = message.queued, message.pooled, _said(message.at_ms)
        axes.set_title(
            drawn(
                Words(
                    f"{at}  排队 {queued}  池 {pooled}", f"{at}  {queued} queued  {pooled} pooled"
                ),
                chinese=chinese,
            ),
            loc="left",
        )
        legend_above(axes)


def _line(message: insight_pb2.WatchLoadResponse) -> str:
    return f"{_said(message.at_ms)}  {_figures(message)}"


def _figures(message: insight_pb2.WatchLoadResponse) -> str:
    """The shop's figures in a line."""
    online = sum(one.status == types_pb2.PRESENCE_STATUS_ONLINE for one in message.agents)
    waited = ""
    if message.queued_since_ms and message.at_ms >= message.queued_since_ms:
        minutes, seconds = divmod((message.at_ms - message.queued_since_ms) // 1000, 60)
        waited = f" ({minutes}:{seconds:02})"
    waiting = sum(one.awaiting for one in message.agents)
    today, arrivals = message.today, message.arrivals_last_minute
    return words(
        f"在线 {online}  待回复 {waiting}  排队 {message.queued}{waited}  池 {message.pooled}"
        f"  来客 {arrivals}/分  今日咨询 {today.consulted} 接待 {today.received}"
        f" 下单 {today.ordered} 付款 {today.paid}",
        f"{online} online  {waiting} awaiting  {message.queued} queued{waited}  {message.pooled} pooled"
        f"  {arrivals}/min  today: {today.consulted} consulted, {today.received} received,"
        f" {today.ordered} ordered, {today.paid} paid",
    )


def _said(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms // 1000, SHANGHAI):%H:%M:%S}"
