"""`fenliu explain`: why a decision came out as it did, step by step and agent by agent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import click
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from fenliu.cli.command import command, option
from fenliu.cli.language import Language, language, words
from fenliu.cli.options import as_dict, json_option, print_json, target_option, with_client
from fenliu.cli.tables import slim_table
from fenliu.cli.wrapping import wrap
from fenliu.v1 import insight_pb2, types_pb2

_SHANGHAI = timezone(timedelta(hours=8))
_LANGUAGES: dict[Language, types_pb2.Language] = {
    "zh": types_pb2.LANGUAGE_CHINESE,
    "en": types_pb2.LANGUAGE_ENGLISH,
}


@command(
    "explain",
    zh="说明一个决定（用编号指定，如 d42）：每一步、每位客服，都是当时的样子。时间为北京时间。",
    en="Explain a decision, named by its id such as d42: each step and agent. Times: Asia/Shanghai.",
)
@click.argument("decision", metavar="DECISION")
@option("--shop", required=True, zh="店铺编号。", en="Shop id.")
@option(
    "--why-not",
    default="",
    show_default=False,
    metavar="AGENT",
    zh="先回答为什么不是这位客服。",
    en="Answer first for this agent.",
)
@target_option
@json_option
def explain(decision: str, shop: str, why_not: str, target: str, as_json: bool) -> None:
    """Why a decision came out as it did, with the one agent that was asked for first."""
    request = insight_pb2.ExplainDecisionRequest(
        shop_id=shop,
        decision_id=decision,
        why_not_agent_id=why_not,
        language=_LANGUAGES[language()],
    )
    response = with_client(target, lambda client: client.explain_decision(request))
    if as_json:
        print_json(as_dict(response))
    else:
        _print(response)


def _print(response: insight_pb2.ExplainDecisionResponse) -> None:
    console = Console(highlight=False)
    made = response.decision
    at = datetime.fromtimestamp(made.decided_at_ms / 1000, UTC).astimezone(_SHANGHAI)
    console.print(Text(f"{made.decision_id}  {at:%Y-%m-%d %H:%M:%S}", "bold"))
    console.print(Text("\n".join(wrap(response.text, console.width))))
    if response.HasField("why_not"):
        console.print()
        console.print(Text("\n".join(wrap(response.why_not.text, console.width)), "yellow"))
    steps = [
        (f"{'→ ' if step.decided else ''}{step.step}", step.text, "bold" if step.decided else "")
        for step in response.steps
    ]
    # Those in line first, in its order; then the others as the shop lists them.
    last = len(response.candidates) + 1
    agents = [
        (
            f"{'→ ' if one.chosen else ''}{one.place or ''}".rstrip(),
            one.text,
            "bold" if one.chosen else "yellow" if one.agent_id == response.why_not.agent_id else "",
        )
        for one in sorted(response.candidates, key=lambda one: one.place or last)
    ]
    for number, text, rows in (
        (words("步骤", "Step"), words("结果", "Found"), steps),
        (words("位次", "Place"), words("客服", "Agent"), agents),
    ):
        table = slim_table("")
        table.add_column(number, justify="right")
        table.add_column(text)
        width = console.width - max(cell_len(one) for one in (number, *(row[0] for row in rows)))
        for mark, sentence, style in rows:
            table.add_row(Text(mark, style), Text("\n".join(wrap(sentence, width - _FRAME)), style))
        console.print(table)


_FRAME = 4
"""Columns of a slim table of two that belong to neither."""
