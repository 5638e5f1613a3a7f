"""`fenliu diagnose`: why an agent received more than another, or than the mean, cause by cause."""

from __future__ import annotations

from pathlib import Path

import click

from fenliu.cli import diagnose_tables
from fenliu.cli.command import command, option
from fenliu.cli.diagnose_plot import draw
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
from fenliu.cli.tables import progress_of
from fenliu.cli.windows import answer_language, window_of, window_options
from fenliu.client import FenliuClient
from fenliu.v1 import insight_pb2, shop_pb2


@command(
    "diagnose",
    zh="为什么一位客服比另一位接得多：七个原因各占多少，怎么调整。\n\n只写一位客服，就与大家的平均比。默认是今天，时间都是北京时间。"
    "每个原因占多少，是把这段时间去掉这个原因重放一遍算出来的；各行相加正好是差。说明见 docs/insight.md。",
    en="Why one agent received more than another: the part of each of seven causes, and what to do.\n\n"
    "With one agent only, against the mean of all. Today unless a time is given; times are those of"
    " Asia/Shanghai. Each part is found by playing the window again without the cause; the rows add up"
    " exactly to the difference. More: docs/insight.md.",
)
@click.argument("agent", metavar="AGENT")
@click.argument("other", metavar="[OTHER]", required=False, default="")
@option("--shop", required=True, zh="店铺编号。", en="Shop id.")
@window_options
@csv_option
@option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    show_default=False,
    zh="另画一张瀑布图：从一位的接待数，经各原因，到另一位的。",
    en="Also draw a waterfall: from the receptions of the one, cause by cause, to the other's.",
)
@target_option
@json_option
def diagnose(
    agent: str,
    other: str,
    shop: str,
    day: str | None,
    start: str | None,
    end: str | None,
    as_csv: bool,
    plot: Path | None,
    target: str,
    as_json: bool,
) -> None:
    """Asks for the diagnosis and prints it."""
    check_formats(as_csv=as_csv, as_json=as_json)
    request = insight_pb2.DiagnoseImbalanceRequest(
        shop_id=shop,
        window=window_of(day, start, end),
        agent_id=agent,
        other_agent_id=other,
        language=answer_language(),
    )

    async def ask(
        client: FenliuClient,
    ) -> tuple[shop_pb2.Shop, insight_pb2.DiagnoseImbalanceResponse]:
        document = await client.get_shop(shop)
        with progress_of(words("诊断", "diagnosing")) as tell:
            return document, await client.diagnose_imbalance(
                request, lambda progress: tell(progress.done, progress.total)
            )

    document, response = with_client(target, ask)
    if as_json:
        print_json(as_dict(response))
    elif as_csv:
        click.echo("\ufeff" + diagnose_tables.as_csv(response), nl=False)
    else:
        diagnose_tables.show(response, document, request)
    if plot is not None:
        draw(plot, response, document, request)
        click.echo(words(f"图已写入 {plot}", f"picture written to {plot}"), err=True)
