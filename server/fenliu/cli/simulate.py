"""`fenliu simulate`: a recorded window under another configuration, beside what really was."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from fenliu.cli import simulate_tables
from fenliu.cli.command import command, option
from fenliu.cli.language import words
from fenliu.cli.options import as_dict, json_option, print_json, target_option, with_client
from fenliu.cli.report import REPORT_GRAINS, REPORT_SUBJECTS, names_by_id
from fenliu.cli.simulate_plot import draw
from fenliu.cli.supposed import pair_of, print_lint, supposed, supposed_options
from fenliu.cli.tables import progress_of
from fenliu.cli.windows import SHANGHAI, answer_language, window_of, window_options
from fenliu.client import FenliuClient, FenliuError
from fenliu.v1 import insight_pb2, shop_pb2

_MODELS = {
    "recorded": insight_pb2.REPLY_MODEL_AS_RECORDED,
    "drawn": insight_pb2.REPLY_MODEL_DRAWN,
}
_DAY = timedelta(days=1)


@command(
    "simulate",
    zh="同一天换一套配置会怎样：接待报表与真实的并排，每位客服差多少。\n\n配置来自文件，或现在的店铺加几处改动；什么都不给就按"
    "原样重放，结果与记录相同。店铺本身不会改变。用了哪些假设，写在最后。",
    en="What the same day would have been under another configuration: its reception report beside the"
    " real one, and each agent's difference.\n\nThe configuration comes from a file, or is the shop as it is"
    " with a few changes; without any the day is played as it was, which gives what was recorded. The shop"
    " itself is not changed. What is taken for granted stands at the end.",
)
@option("--shop", required=True, zh="店铺编号。", en="Shop id.")
@window_options
@supposed_options
@option(
    "--shift",
    "shifts",
    multiple=True,
    metavar="AGENT=HH:MM-HH:MM[,…]",
    show_default=False,
    zh="客服每天在线的时间，代替记录；可重复。",
    en="When an agent is ONLINE each day, in place of what was recorded; may be repeated.",
)
@option(
    "--away",
    multiple=True,
    metavar="AGENT",
    show_default=False,
    zh="这位客服一直不在；可重复。",
    en="This agent is not there at all; may be repeated.",
)
@option(
    "--replies",
    type=click.Choice(tuple(_MODELS)),
    default="recorded",
    zh="回复用时和记录一样，或从每位客服自己的用时中抽取。",
    en="Reply times as recorded, or drawn from each agent's own.",
)
@option("--seed", default=1, zh="抽取用的种子。", en="Of what is drawn.")
@option(
    "--repetitions",
    default=20,
    zh="抽取时重复几次，给出区间。",
    en="How often the day is drawn; gives intervals.",
)
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
@option(
    "--kpi",
    "kpis",
    multiple=True,
    metavar="NAME",
    show_default=False,
    zh="表里要哪些指标（docs/kpis.md 里的名字）；可重复。默认接待、首次响应、3分钟响应率。",
    en="Which figures the table has (names of docs/kpis.md); may be repeated. Without: received, first"
    " response, within 3 minutes.",
)
@option(
    "--csv",
    "as_csv",
    is_flag=True,
    zh="改为输出 CSV，含所有指标，Excel 可直接打开。",
    en="Print CSV for Excel, with all figures.",
)
@option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    show_default=False,
    zh="另画一张图：每位客服的接待和首次响应，记录与模拟。",
    en="Also draw a picture: receptions and first responses of each, recorded and simulated.",
)
@target_option
@json_option
def simulate(
    shop: str,
    day: str | None,
    start: str | None,
    end: str | None,
    file: Path | None,
    weights: tuple[str, ...],
    settings: tuple[str, ...],
    more: tuple[str, ...],
    shifts: tuple[str, ...],
    away: tuple[str, ...],
    replies: str,
    seed: int,
    repetitions: int,
    by: str,
    grain: str,
    kpis: tuple[str, ...],
    as_csv: bool,
    plot: Path | None,
    target: str,
    as_json: bool,
) -> None:
    """Asks for the simulation and prints it."""
    if as_csv and as_json:
        raise click.UsageError(words("--csv 和 --json 只能选一个", "choose --csv or --json"))
    drawn = replies == "drawn"
    request = insight_pb2.SimulateRequest(
        shop_id=shop,
        window=window_of(day, start, end),
        replies=_MODELS[replies],
        seed=seed if drawn else 0,
        repetitions=repetitions if drawn else 1,
        subject=f"REPORT_SUBJECT_{by.upper()}",
        grain=f"REPORT_GRAIN_{grain.upper()}",
        language=answer_language(),
    )
    request.shifts.extend(_shifts(request.window, shifts, away, more))

    async def ask(
        client: FenliuClient,
    ) -> tuple[shop_pb2.Shop, insight_pb2.SimulateResponse]:
        document = await client.get_shop(shop)
        changed = supposed(document, file, weights, settings, more)
        if changed is not None:
            request.changed_shop.CopyFrom(changed)
        with progress_of(words("模拟", "simulating")) as tell:
            return document, await client.simulate(
                request, lambda progress: tell(progress.done, progress.total)
            )

    try:
        document, response = with_client(target, ask)
    except FenliuError as error:
        print_lint(error.findings)
        raise
    changed = request.changed_shop if request.HasField("changed_shop") else document
    names = names_by_id(document, by) | names_by_id(changed, by)
    if as_json:
        print_json(as_dict(response))
    elif as_csv:
        click.echo("\ufeff" + simulate_tables.as_csv(response, names), nl=False)
    else:
        simulate_tables.show(response, names, document, request, kpis)
    if plot is not None:
        draw(plot, response, names)
        click.echo(words(f"图已写入 {plot}", f"picture written to {plot}"), err=True)


def _shifts(
    window: insight_pb2.Window, shifts: Sequence[str], away: Sequence[str], more: Sequence[str]
) -> Iterator[insight_pb2.AgentShifts]:
    """Presence in place of what was recorded; who is new comes as the one they are like."""
    given: dict[str, insight_pb2.AgentShifts] = {}
    for text in shifts:
        agent_id, times = pair_of(text, "--shift")
        own = given.setdefault(agent_id, insight_pb2.AgentShifts(agent_id=agent_id))
        for time in times.split(","):
            own.online.extend(_daily(window, time, text))
    for agent_id in away:
        given[agent_id] = insight_pb2.AgentShifts(agent_id=agent_id)
    for text in more:
        new, like = pair_of(text, "--more")
        given.setdefault(new, insight_pb2.AgentShifts(agent_id=new, as_agent_id=like))
    yield from given.values()


def _daily(window: insight_pb2.Window, time: str, said: str) -> Iterable[insight_pb2.Window]:
    """The same time of each day, as far as it lies in the window; 22:00-02:00 goes over midnight."""
    found = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)", time.strip(), re.ASCII)
    if found is None:
        raise click.UsageError(
            words(f"--shift {said}：时间写作 09:00-18:00", f"--shift {said}: write 09:00-18:00")
        )
    hours = [int(part) for part in found.groups()]
    begins, ends = (timedelta(hours=hours[at], minutes=hours[at + 1]) for at in (0, 2))
    if max(begins, ends) > _DAY or hours[1] > 59 or hours[3] > 59 or begins == ends:
        raise click.UsageError(
            words(f"--shift {said}：没有这样的时间", f"--shift {said}: no such time of day")
        )
    if ends < begins:
        ends += _DAY
    first = datetime.fromtimestamp(window.start_ms // 1000, SHANGHAI)
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0) - _DAY
    while (at_ms := _ms(midnight)) < window.end_ms:
        start_ms = max(window.start_ms, at_ms + begins // timedelta(milliseconds=1))
        end_ms = min(window.end_ms, at_ms + ends // timedelta(milliseconds=1))
        if start_ms < end_ms:
            yield insight_pb2.Window(start_ms=start_ms, end_ms=end_ms)
        midnight += _DAY


def _ms(at: datetime) -> int:
    return (at - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
