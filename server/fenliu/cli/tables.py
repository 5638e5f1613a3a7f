"""Tables on standard output, and the progress bar on standard error."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction

import click
from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from fenliu.cli.errors import refused_text
from fenliu.cli.language import words
from fenliu.cli.names import reason_name
from fenliu.cli.wrapping import wrap
from fenliu.traffic.player import PlayReport
from fenliu.traffic.shares import DEFAULT_WEIGHT, Reception
from fenliu.v1 import shop_pb2, types_pb2

_FAILURES_SHOWN = 3


def slim_table(title: str) -> Table:
    """Slim, so that many reasons fit into 80 columns."""
    return Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar; call what it gives for each step done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


@contextmanager
def progress_of(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for what says itself how far it is: call what it gives with done and total."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_agents(shops: Mapping[str, Mapping[str, Reception]]) -> None:
    """A row for each agent: buyers received, and decisions by reason."""
    reasons = _reasons(agents for agents in shops.values())
    table = slim_table(
        words(
            "「接待」是买家人数，各原因是咨询次数。",
            "Received counts buyers; the reasons count inquiries.",
        )
    )
    table.add_column(words("店铺", "Shop"), overflow="fold")
    table.add_column(words("客服", "Agent"), overflow="fold")
    table.add_column(words("接待", "Received"), justify="right")
    for reason in reasons:
        table.add_column(reason_name(reason), justify="right")
    for shop_id, agents in shops.items():
        for agent_id, reception in agents.items():
            if agent_id:
                table.add_row(
                    escape(shop_id),
                    escape(agent_id),
                    str(len(reception.buyers)),
                    *_counts(reception, reasons),
                )
    Console().print(table)


def print_shares(
    shop: shop_pb2.Shop, agents: Mapping[str, Reception], expected: Mapping[str, Fraction]
) -> None:
    """A shop's table: each agent's weight, receptions, and share of new buyers beside the weights'."""
    reasons = _reasons([agents], shop.settings.robot_id)
    title = f"{shop.display_name} · {shop.shop_id}" if shop.display_name else shop.shop_id
    table = slim_table(escape(title))
    table.add_column(words("客服", "Agent"), overflow="fold")
    headers = (
        words("权重", "Weight"),
        words("买家", "Buyers"),
        words("份额", "Share"),
        words("应得", "Due"),
    )
    for header in (*headers, *map(reason_name, reasons)):
        table.add_column(header, justify="right")
    new = sum(reception.new_buyers for reception in agents.values())
    due = sum(expected.values())
    for agent in shop.agents:
        reception = agents.get(agent.agent_id, Reception())
        table.add_row(
            escape(agent.display_name or agent.agent_id),
            str(agent.weight if agent.HasField("weight") else DEFAULT_WEIGHT),
            str(len(reception.buyers)),
            _percent(reception.new_buyers, new),
            _percent(expected.get(agent.agent_id, 0), due),
            *_counts(reception, reasons),
        )
    Console().print(table)
    robot = agents.get(shop.settings.robot_id) if shop.settings.robot_id else None
    if robot is not None:
        buyers, why = len(robot.buyers), _listed(robot.reasons)
        print_prose(
            words(
                f"机器人接待了 {buyers} 位买家（{why}）。",
                f"The robot had {buyers} buyers ({why}).",
            )
        )
        Console().print()


def print_waiting(shops: Iterable[Mapping[str, Reception]]) -> None:
    """One line on the inquiries whose answer was to wait, when there were any."""
    waiting: Counter[types_pb2.Reason] = Counter()
    for agents in shops:
        waiting += agents[""].reasons if "" in agents else Counter()
    if waiting:
        total, why = waiting.total(), _listed(waiting)
        print_prose(
            words(f"等候：{total} 次咨询（{why}）。", f"Asked to wait: {total} inquiries ({why}).")
        )


def print_besides(report: PlayReport) -> None:
    """One line on what else happened, when something did."""
    counts = (
        (report.transfers, words("次转接", "handed on")),
        (report.cancelled, words("次放弃等候", "gave up waiting")),
        (report.orders, words("条订单事件", "order events")),
        (report.replies_without_conversation, words("条回复无人接待", "replies found nobody")),
    )
    if any(count for count, _ in counts):
        told = words("，", ", ").join(f"{count} {what}" for count, what in counts if count)
        print_prose(told + words("。", "."))


def print_failures(report: PlayReport) -> None:
    """On standard error: what was refused."""
    count = len(report.failures)
    if not count:
        return
    console = Console(stderr=True)
    print_prose(
        words(f"{count} 个事件被拒绝，前几个：", f"{count} events refused, the first ones:"),
        console,
    )
    for failure in report.failures[:_FAILURES_SHOWN]:
        shop, message, why = failure.shop_id, failure.message_id, refused_text(failure.error)
        line = words(
            f"店铺 {shop}，消息 {message}：{why}", f"shop {shop}, message {message}: {why}"
        )
        print_prose(line, console, indent=2)


def print_prose(
    text: str, console: Console | None = None, *, indent: int = 0, style: str = ""
) -> None:
    """A paragraph, wrapped to the width; on standard output unless a console is given."""
    console = console or Console()
    for line in wrap(text, console.width - indent):
        console.print(Text(" " * indent + line, style), highlight=False, soft_wrap=True)


def print_line(text: str, *, indent: int = 0) -> None:
    """What other programs read as one line; on a terminal, or with COLUMNS, it is wrapped."""
    if Console().is_terminal or "COLUMNS" in os.environ:
        print_prose(text, indent=indent)
    else:
        click.echo(" " * indent + text)


def _listed(reasons: Counter[types_pb2.Reason]) -> str:
    return words("，", ", ").join(
        f"{reason_name(reason)} {reasons[reason]}" for reason in sorted(reasons)
    )


def _reasons(
    shops: Iterable[Mapping[str, Reception]], robot_id: str = ""
) -> list[types_pb2.Reason]:
    """The reasons for which agents (not the robot) received somebody, in the API's order."""
    return sorted(
        {
            reason
            for agents in shops
            for agent_id, reception in agents.items()
            if agent_id not in ("", robot_id)
            for reason in reception.reasons
        }
    )


def _counts(reception: Reception, reasons: Iterable[types_pb2.Reason]) -> list[str]:
    return [str(reception.reasons[reason] or "") for reason in reasons]


def _percent(part: Fraction | int, whole: Fraction | int) -> str:
    return f"{float(100 * part / whole):.1f}%" if whole else "–"


def fit(text: str, width: int) -> str:
    """Exactly so many columns; Chinese characters take two."""
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1).rstrip() + "…"
    return set_cell_size(text, width)
