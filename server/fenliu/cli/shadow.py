"""`fenliu shadow`: a candidate configuration beside the live shop, what it decides otherwise, line by line."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from fenliu.cli.command import command, option
from fenliu.cli.language import words
from fenliu.cli.names import outcome_name, reason_name
from fenliu.cli.options import (
    PATIENCE_S,
    as_dict,
    json_option,
    patience_option,
    target_option,
    with_client,
)
from fenliu.cli.supposed import print_lint, print_supposed, supposed, supposed_options
from fenliu.cli.tables import fit, print_prose, slim_table
from fenliu.cli.windows import SHANGHAI, answer_language, moment
from fenliu.client import FenliuClient, FenliuError
from fenliu.v1 import insight_pb2, shop_pb2

# Time, buyer, what the live shop did, what the candidate does: 80 columns.
_WIDTHS = (8, 16, 26, 27)


@command(
    "shadow",
    zh="让另一套配置在线上流量旁边试运行：逐行输出结果不同的分流，直到 Ctrl-C，最后是汇总。\n\n"
    "线上不受影响，什么都不保存。线上的店铺中途被修改时，试运行的配置不变。用 --json 时每行一条消息。",
    en="Run another configuration beside the live traffic: print each decision that comes out otherwise,"
    " until Ctrl-C, and the sums at the end.\n\nThe live shop is not touched and nothing is stored. When the"
    " live shop is changed meanwhile, the candidate stays as it is. With --json a message a line.",
)
@option("--shop", required=True, zh="店铺编号。", en="Shop id.")
@supposed_options
@option(
    "--since",
    metavar="TIME",
    show_default=False,
    zh="从这时的店铺开始，先补上之后的记录；默认从现在开始。",
    en="Begin with the shop as it was then, and catch up; without, from now on.",
)
@option(
    "--seconds",
    type=click.FloatRange(min=0),
    show_default=False,
    zh="这么多秒之后结束；默认直到 Ctrl-C。",
    en="End after so many seconds; without, at Ctrl-C.",
)
@option(
    "--once",
    is_flag=True,
    zh="赶上日志就结束；与 --since 同用，回看一段。",
    en="End when it has caught up with the log; with --since, a look back.",
)
@patience_option
@target_option
@json_option
def shadow(
    shop: str,
    file: Path | None,
    weights: tuple[str, ...],
    settings: tuple[str, ...],
    more: tuple[str, ...],
    since: str | None,
    seconds: float | None,
    once: bool,
    patience: float,
    target: str,
    as_json: bool,
) -> None:
    """Prints what differs, then the sums."""
    document = with_client(
        target, lambda client: client.get_shop(shop), patience_s=min(patience, PATIENCE_S)
    )
    candidate = supposed(document, file, weights, settings, more) or document
    request = insight_pb2.WatchShadowRequest(
        candidate_shop=candidate,
        since_ms=moment(since) if since is not None else 0,
        language=answer_language(),
    )
    lines = _Lines()
    last = insight_pb2.ShadowSums()

    async def work(client: FenliuClient) -> None:
        first = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for message in client.watch_shadow(request):
                    last.CopyFrom(message.sums)
                    if as_json:
                        click.echo(json.dumps(as_dict(message), ensure_ascii=False))
                    elif first:
                        _print_head(document, candidate, message)
                    first = False
                    if message.live_changed and not as_json:
                        etag = message.sums.live_etag
                        print_prose(
                            words(
                                f"线上的店铺已被修改，现在是版本 {etag}；试运行的配置不变。",
                                f"The live shop was changed, it is at {etag} now; the candidate stays.",
                            )
                        )
                    for difference in [] if as_json else message.differences:
                        click.echo(lines.line(difference))
                    if once and message.caught_up:
                        return

    try:
        with_client(target, work, patience_s=patience)
    except FenliuError as error:
        print_lint(error.findings)
        raise
    except KeyboardInterrupt:
        pass
    finally:
        if not as_json and last.since_ms:
            _print_sums(document, candidate, last)


def _print_head(
    live: shop_pb2.Shop, candidate: shop_pb2.Shop, message: insight_pb2.WatchShadowResponse
) -> None:
    title = f"{live.display_name} · {live.shop_id}" if live.display_name else live.shop_id
    at = datetime.fromtimestamp(message.sums.since_ms // 1000, SHANGHAI)
    print_prose(
        words(f"{title}  从 {at:%Y-%m-%d %H:%M:%S} 起", f"{title}  since {at:%Y-%m-%d %H:%M:%S}"),
        style="bold",
    )
    before, after = (shop_pb2.Shop() for _ in range(2))
    before.CopyFrom(live)
    after.CopyFrom(candidate)
    for one in (before, after):
        one.ClearField("etag")
    print_supposed(before, after)
    print_lint(message.findings)
    heads = (
        words("时间", "Time"),
        words("买家", "Buyer"),
        words("线上", "Live"),
        words("试运行", "Shadow"),
    )
    click.echo(" ".join(map(fit, heads, _WIDTHS)).rstrip())


class _Lines:
    """Differences as lines of a table, a new day's first one behind its date."""

    def __init__(self) -> None:
        self._day = ""

    def line(self, difference: insight_pb2.ShadowDifference) -> str:
        at = datetime.fromtimestamp(difference.at_ms / 1000, SHANGHAI)
        columns = (
            f"{at:%H:%M:%S}",
            difference.buyer_id,
            _became(difference.live) if difference.HasField("live") else "–",
            _became(difference.shadow) if difference.HasField("shadow") else "–",
        )
        line = " ".join(map(fit, columns, _WIDTHS)).rstrip()
        day, before = f"{at:%Y-%m-%d}", self._day
        self._day = day
        return line if day == before else f"{day}\n{line}"


def _became(decision: insight_pb2.ShadowDecision) -> str:
    whom = decision.agent_id or outcome_name(decision.outcome)
    return f"{whom} {reason_name(decision.reason)}"


def _print_sums(
    live: shop_pb2.Shop, candidate: shop_pb2.Shop, sums: insight_pb2.ShadowSums
) -> None:
    counts = sums.inquiries
    click.echo()
    print_prose(
        words(
            f"{counts.inquiries} 次咨询：{counts.same} 次结果相同，{counts.other_receiver} 次换了接待方；"
            f"不同的分流共 {sums.differences} 次。",
            f"{counts.inquiries} inquiries: {counts.same} decided the same, {counts.other_receiver} with"
            f" another receiver; {sums.differences} decisions differ in all.",
        )
    )
    table = slim_table("")
    table.add_column("", overflow="fold")
    for title in (words("线上", "Live"), words("试运行", "Shadow"), words("相差", "Difference")):
        table.add_column(title, justify="right")
    names = {one.agent_id: one.display_name for shop in (live, candidate) for one in shop.agents}
    rows = [
        (escape(names.get(one.agent_id) or one.agent_id), one.live_received, one.shadow_received)
        for one in sums.agents
    ]
    rows.append((words("（机器人）", "(robot)"), sums.live_robot, sums.shadow_robot))
    rows.append((words("（等候）", "(waiting)"), sums.live_waiting, sums.shadow_waiting))
    for name, ours, theirs in rows:
        apart = f"{theirs - ours:+d}".replace("-", "−") if theirs != ours else "0"
        table.add_row(name, str(ours), str(theirs), apart)
    Console().print(table)
    left_out = sum(one.count for one in sums.left_out)
    if left_out:
        print_prose(
            words(
                f"有 {left_out} 件线上的事在试运行里不会发生（例如没有人接待那位买家），没有计入。",
                f"What happened and could not happen in the shadow (nobody has the buyer, for one) is left"
                f" out: {left_out}.",
            )
        )
