"""`fenliu report`: the KPIs of agents, groups or the shop, as tables, CSV, JSON and a picture."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from fenliu.cli import report_tables
from fenliu.cli.command import command, option
from fenliu.cli.language import words
from fenliu.cli.options import (
    as_dict,
    check_formats,
    csv_option,
    json_option,
    print_json,
    target_option,
    with_client,
)
from fenliu.cli.report_plot import Day, draw
from fenliu.cli.windows import answer_language, window_of, window_options
from fenliu.client import FenliuClient
from fenliu.v1 import insight_pb2, shop_pb2

REPORT_SUBJECTS = ("agent", "group", "shop")
REPORT_GRAINS = ("window", "day", "hour")
_HOURS_DRAWN = timedelta(days=3)


@command(
    "report",
    zh="显示客服、分流组或店铺的接待报表：咨询、回复、时长、销售、转化。\n\n默认是今天。时间都是北京时间；窗口不含结束的那一刻。"
    "「–」是没有定义（分母为零），「…」是现在还不能知道。每个指标的定义见 docs/kpis.md。",
    en="Print the reception report of agents, groups or the shop: inquiries, replies, times, sales,"
    " conversions.\n\nToday unless a time is given. Times are those of Asia/Shanghai; a window does not"
    " include its end. A dash is undefined (a zero denominator), an ellipsis not yet known. What each"
    " figure means: docs/kpis.md.",
)
@option("--shop", required=True, zh="店铺编号。", en="Shop id.")
@option(
    "--by",
    type=click.Choice(REPORT_SUBJECTS),
    default="agent",
    zh="每位客服、每个分流组，或整个店铺。",
    en="Each agent, each group, or the shop.",
)
@option(
    "--grain",
    type=click.Choice(REPORT_GRAINS),
    default="window",
    zh="整个窗口一行，或每天、每小时一行。",
    en="One row for the window, or one for each day or hour.",
)
@window_options
@option(
    "--only",
    multiple=True,
    metavar="ID",
    show_default=False,
    zh="只要这位客服或这个组；可重复。",
    en="Only this agent or group; may be repeated.",
)
@csv_option
@option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    show_default=False,
    zh="另画一张图：一天里的咨询和负荷，各客服的份额和权重。",
    en="Also draw a picture: arrivals and load over the day, shares against weights.",
)
@target_option
@json_option
def report(
    shop: str,
    by: str,
    grain: str,
    day: str | None,
    start: str | None,
    end: str | None,
    only: tuple[str, ...],
    as_csv: bool,
    plot: Path | None,
    target: str,
    as_json: bool,
) -> None:
    """Asks for the report and prints it."""
    check_formats(as_csv=as_csv, as_json=as_json)
    window = window_of(day, start, end)
    request = insight_pb2.GetReceptionReportRequest(
        shop_id=shop,
        window=window,
        subject=f"REPORT_SUBJECT_{by.upper()}",
        grain=f"REPORT_GRAIN_{grain.upper()}",
        subject_ids=only,
        language=answer_language(),
    )

    async def ask(
        client: FenliuClient,
    ) -> tuple[insight_pb2.GetReceptionReportResponse, shop_pb2.Shop, Day | None]:
        return (
            await client.get_reception_report(request),
            await client.get_shop(shop),
            await _day(client, request) if plot is not None else None,
        )

    response, document, drawn = with_client(target, ask)
    names = names_by_id(document, by)
    if as_json:
        print_json(as_dict(response))
    elif as_csv:
        click.echo("\ufeff" + report_tables.as_csv(response, names), nl=False)
    else:
        report_tables.show(response, names, document, request)
    if plot is not None and drawn is not None:
        draw(plot, drawn, document)
        click.echo(words(f"图已写入 {plot}", f"picture written to {plot}"), err=True)


async def _day(client: FenliuClient, request: insight_pb2.GetReceptionReportRequest) -> Day:
    """What the picture shows: the shop over time, and its agents over the whole window."""
    over_time, agents = (insight_pb2.GetReceptionReportRequest() for _ in range(2))
    for one in (over_time, agents):
        one.CopyFrom(request)
        del one.subject_ids[:]
    length = timedelta(milliseconds=request.window.end_ms - request.window.start_ms)
    by_hour = length <= _HOURS_DRAWN
    over_time.subject = insight_pb2.REPORT_SUBJECT_SHOP
    over_time.grain = insight_pb2.REPORT_GRAIN_HOUR if by_hour else insight_pb2.REPORT_GRAIN_DAY
    agents.subject = insight_pb2.REPORT_SUBJECT_AGENT
    agents.grain = insight_pb2.REPORT_GRAIN_WINDOW
    return Day(
        over_time=await client.get_reception_report(over_time),
        agents=await client.get_reception_report(agents),
        by_hour=by_hour,
    )


def names_by_id(document: shop_pb2.Shop, by: str) -> dict[str, str]:
    """Display names by id."""
    if by == "shop":
        return {document.shop_id: document.display_name or document.shop_id}
    if by == "agent":
        return {one.agent_id: one.display_name or one.agent_id for one in document.agents}
    return {one.group_id: one.display_name or one.group_id for one in document.groups}
