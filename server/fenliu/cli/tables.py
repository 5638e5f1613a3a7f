"""Tables on standard output, and the progress bar on standard error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fenliu.traffic.player import PlayReport
from fenliu.traffic.shares import DEFAULT_WEIGHT, Reception
from fenliu.v1 import shop_pb2, types_pb2

_FAILURES_SHOWN = 3


_SHORT = {"open conversation": "open", "recent contact": "recent", "transfer": "handed"}


def reason_name(reason: types_pb2.Reason) -> str:
    """REASON_STILL_WAITING as "still waiting"; those that most tables have are cut short."""
    name = types_pb2.Reason.Name(reason).removeprefix("REASON_").replace("_", " ").lower()
    return _SHORT.get(name, name)


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


def print_agents(shops: Mapping[str, Mapping[str, Reception]]) -> None:
    """A row for each agent: buyers received, and decisions by reason."""
    reasons = _reasons(agents for agents in shops.values())
    table = slim_table("Received counts buyers; the reasons count inquiries.")
    table.add_column("Shop", overflow="fold")
    table.add_column("Agent", overflow="fold")
    table.add_column("Received", justify="right")
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
    table.add_column("Agent", overflow="fold")
    for header in ("Weight", "Buyers", "Share", "Due", *map(reason_name, reasons)):
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
        _print_line(f"The robot had {len(robot.buyers)} buyers ({_listed(robot.reasons)}).")
        Console().print()


def print_waiting(shops: Iterable[Mapping[str, Reception]]) -> None:
    """One line on the inquiries whose answer was to wait, when there were any."""
    waiting: Counter[types_pb2.Reason] = Counter()
    for agents in shops:
        waiting += agents[""].reasons if "" in agents else Counter()
    if waiting:
        _print_line(f"Asked to wait: {waiting.total()} inquiries ({_listed(waiting)}).")


def print_besides(report: PlayReport) -> None:
    """One line on what else happened, when something did."""
    counts = (
        (report.transfers, "handed on"),
        (report.cancelled, "gave up waiting"),
        (report.orders, "order events"),
        (report.replies_without_conversation, "replies found nobody"),
    )
    if any(count for count, _ in counts):
        _print_line(", ".join(f"{count} {what}" for count, what in counts if count) + ".")


def print_failures(report: PlayReport) -> None:
    """On standard error: what was refused."""
    console = Console(stderr=True, highlight=False)
    if report.failures:
        console.print(f"{len(report.failures)} events refused, the first ones:")
        for failure in report.failures[:_FAILURES_SHOWN]:
            text = f"  shop {failure.shop_id}, message {failure.message_id}: {failure.error}"
            console.print(text, markup=False)


def _print_line(text: str) -> None:
    """A line of prose, wrapped to the width."""
    Console(highlight=False).print(text, markup=False)


def _listed(reasons: Counter[types_pb2.Reason]) -> str:
    return ", ".join(f"{reason_name(reason)} {reasons[reason]}" for reason in sorted(reasons))


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
