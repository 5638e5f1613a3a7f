"""`fenliu plan`: how many agents each hour of a day needs, as a table, CSV, JSON and a picture."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from fenliu.cli import plan_tables
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
from fenliu.cli.windows import SHANGHAI, answer_language, moment, window_of, window_options
from fenliu.client import FenliuClient
from fenliu.v1 import insight_pb2, shop_pb2

_MODELS = {
    "auto": insight_pb2.STAFFING_MODEL_UNSPECIFIED,
    "erlang-c": insight_pb2.STAFFING_MODEL_ERLANG_C,
    "erlang-a": insight_pb2.STAFFING_MODEL_ERLANG_A,
    "simulation": insight_pb2.STAFFING_MODEL_SIMULATION,
}
_DAYS = 7
_TIMEOUT_S = 300.0


@command(
    "plan",
    zh="算出一天里每小时要几位客服，才能让足够多的买家及时得到首次响应。\n\n来客、接待时长和耐心取自录得的窗口"
    "（默认是今天以前的 7 天）；"
    "大促用 --multiplier 放大，或用 --shape-day 借用往年那天的形状。时间都是北京时间。",
    en="Work out how many agents each hour of a day needs so that enough buyers get a first reply in"
    " time.\n\nArrivals, handling times and patience are those recorded in a window (the 7 days before today"
    " unless one is given); for a promotion --multiplier makes more of them, and --shape-day spreads them as on a"
    " day of the past. Times are those of Asia/Shanghai.",
)
@option("--shop", required=True, zh="店铺编号。", en="Shop id.")
@window_options
@option(
    "--target-percent",
    type=click.IntRange(1, 99),
    default=80,
    zh="要有百分之几的首次响应及时。",
    en="How many first replies in a hundred must be in time.",
)
@option(
    "--within",
    type=click.FloatRange(0.001, 86_400),
    default=30.0,
    metavar="SECONDS",
    zh="几秒以内算及时，从买家来时算起。",
    en="In time is so soon after the buyer came.",
)
@option(
    "--concurrency",
    type=click.IntRange(1, 100),
    default=1,
    zh="一位客服同时接待几位买家。",
    en="Buyers one agent serves at once.",
)
@option(
    "--multiplier",
    type=click.IntRange(1, 10_000),
    default=100,
    metavar="PERCENT",
    zh="来客是录得的百分之几：大促三倍写 300。",
    en="Arrivals in percent of those recorded: 300 for three times as many.",
)
@option(
    "--shape-day",
    metavar="YYYY-MM-DD",
    show_default=False,
    zh="来客在一天里的分布取自这一天，例如上次大促。",
    en="Spread the arrivals over the day as on this one, such as the last promotion.",
)
@option(
    "--patience",
    type=click.FloatRange(0.001, 86_400),
    show_default=False,
    metavar="SECONDS",
    zh="买家平均排队多久后放弃；默认按录得的放弃估计。",
    en="How long a buyer waits in line on average; else as recorded.",
)
@option(
    "--model",
    type=click.Choice(list(_MODELS)),
    default="auto",
    zh="算法：一次一位用 Erlang 公式，多位用模拟。",
    en="Formulas for one buyer at a time, simulation for several.",
)
@option(
    "--most-agents",
    type=click.IntRange(1, 2000),
    default=200,
    zh="任何一小时最多几位客服。",
    en="At most so many agents in any hour.",
)
@option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    zh="模拟用的随机数种子。",
    en="Of the simulation's random numbers.",
)
@option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    show_default=False,
    zh="另画一张图：各小时的来客和所需客服。",
    en="Also draw a picture: arrivals and the agents they need, hour by hour.",
)
@csv_option
@target_option
@json_option
def plan(
    shop: str,
    day: str | None,
    start: str | None,
    end: str | None,
    target_percent: int,
    within: float,
    concurrency: int,
    multiplier: int,
    shape_day: str | None,
    patience: float | None,
    model: str,
    most_agents: int,
    seed: int,
    plot: Path | None,
    as_csv: bool,
    target: str,
    as_json: bool,
) -> None:
    """Asks for the plan and prints it."""
    check_formats(as_csv=as_csv, as_json=as_json)
    if model.startswith("erlang") and concurrency > 1:
        raise click.UsageError(
            words(
                "Erlang 公式只适用于一次接待一位：--concurrency 1",
                "the Erlang formulas are for one buyer at a time: --concurrency 1",
            )
        )
    request = insight_pb2.PlanStaffingRequest(
        shop_id=shop,
        window=window_of(day, start, end) if day or start or end else _days_before_today(),
        target_percent=target_percent,
        target_ms=round(1000 * within) or 1,
        concurrency=concurrency,
        multiplier_percent=multiplier,
        patience_ms=round(1000 * patience) or 1 if patience is not None else 0,
        model=_MODELS[model],
        most_agents=most_agents,
        seed=seed,
        language=answer_language(),
    )
    if shape_day is not None:
        request.shape_window.CopyFrom(window_of(shape_day, None, None))

    async def ask(
        client: FenliuClient,
    ) -> tuple[insight_pb2.PlanStaffingResponse, shop_pb2.Shop]:
        return await client.plan_staffing(request), await client.get_shop(shop)

    response, document = with_client(target, ask, timeout_s=_TIMEOUT_S)
    if as_json:
        print_json(as_dict(response))
    elif as_csv:
        click.echo("\ufeff" + plan_tables.as_csv(response), nl=False)
    else:
        plan_tables.show(response, document, request)
    if plot is not None:
        plan_tables.draw(plot, response)
        click.echo(words(f"图已写入 {plot}", f"picture written to {plot}"), err=True)


def _days_before_today() -> insight_pb2.Window:
    today = datetime.fromtimestamp(time.time(), UTC).astimezone(SHANGHAI)
    first = today - timedelta(days=_DAYS)
    return insight_pb2.Window(
        start_ms=moment(f"{first:%Y-%m-%d}"), end_ms=moment(f"{today:%Y-%m-%d}")
    )
