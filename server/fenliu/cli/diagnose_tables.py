"""Diagnoses as a table that fits a terminal, and as CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
from fractions import Fraction

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from fenliu.cli.language import words
from fenliu.cli.tables import print_prose, slim_table
from fenliu.cli.windows import heading
from fenliu.cli.wrapping import wrap
from fenliu.v1 import insight_pb2, shop_pb2

_FRAME = 6
"""Columns of a slim table of three that belong to none of them."""


def show(
    response: insight_pb2.DiagnoseImbalanceResponse,
    shop: shop_pb2.Shop,
    request: insight_pb2.DiagnoseImbalanceRequest,
) -> None:
    """On standard output: the summary, then a row for each cause with what it rested on and what to do."""
    console = Console(highlight=False)
    print_prose(heading(shop, request.window), style="bold")
    print_prose(response.summary)
    rows = [(row.title, signed(share_of(row)), row.finding, row.advice) for row in response.shares]
    total = words("合计", "Together"), signed(difference_of(response))
    head = (
        words("原因", "Cause"),
        words("差", "Part"),
        words("依据和办法", "Rests on, and what to do"),
    )
    widths = [max(cell_len(row[at]) for row in (*rows, total, head)) for at in (0, 1)]
    table = slim_table("")
    table.add_column(head[0], no_wrap=True)
    table.add_column(head[1], justify="right", no_wrap=True)
    table.add_column(head[2])
    width = max(20, console.width - sum(widths) - _FRAME)
    for title, part, finding, advice in rows:
        text = Text("\n".join(wrap(finding, width)))
        if advice:
            told = "\n".join(
                f"{'→ ' if at == 0 else '  '}{line}"
                for at, line in enumerate(wrap(advice, width - 2))
            )
            text.append("\n" + told, "bold")
        table.add_row(Text(title), Text(part), text)
    table.add_section()
    table.add_row(Text(total[0], "bold"), Text(total[1], "bold"), Text(""))
    console.print(table)


def as_csv(response: insight_pb2.DiagnoseImbalanceResponse) -> str:
    """A line for each cause; its part as a decimal and as the exact fraction."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(
        [
            words("原因", "cause"),
            words("名称", "title"),
            words("差", "part"),
            words("差（分数）", "part as a fraction"),
            words("依据", "rests on"),
            words("办法", "what to do"),
        ]
    )
    for row in response.shares:
        share = share_of(row)
        writer.writerow(
            [
                insight_pb2.ImbalanceCause.Name(row.cause).removeprefix("IMBALANCE_CAUSE_"),
                row.title,
                f"{float(share):.2f}",
                share,
                row.finding,
                row.advice,
            ]
        )
    return file.getvalue()


def share_of(row: insight_pb2.CauseShare) -> Fraction:
    """A cause's part, in receptions."""
    return Fraction(row.share_numerator, row.share_denominator)


def difference_of(response: insight_pb2.DiagnoseImbalanceResponse) -> Fraction:
    """The whole difference."""
    return Fraction(response.difference, response.difference_denominator)


def signed(value: Fraction) -> str:
    """With one digit behind the point unless it is whole; "0" for what would be shown as that."""
    shown = f"{float(value):+.1f}" if value.denominator > 1 else f"{value.numerator:+}"
    return "0" if shown in ("+0", "+0.0", "-0.0") else shown.replace("-", "−")
