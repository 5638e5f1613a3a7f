"""`fenliu explain`: why a decision came out as it did, step by step and agent by agent; or many at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import click
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from fenliu.cli import decisions
from fenliu.cli.command import command, option
from fenliu.cli.errors import refused_text
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
from fenliu.cli.tables import progress, slim_table
from fenliu.cli.windows import SHANGHAI, answer_language, heading, window_of, window_options
from fenliu.cli.wrapping import wrap
from fenliu.client import FenliuClient, FenliuError
from fenliu.v1 import insight_pb2, shop_pb2, types_pb2


def _names(enum: EnumTypeWrapper) -> list[str]:
    """An enum's values as people type them: WEIGHTED."""
    return [name.partition("_")[2] for name, number in enum.items() if number]


_REASONS = _names(types_pb2.Reason)
_OUTCOMES = _names(types_pb2.Outcome)
_LISTED = 20
"""So many decisions a table lists unless said otherwise."""


@command(
    "explain",
    zh="说明一个决定（用编号指定，如 d42）：每一步、每位客服，都是当时的样子。\n\n不给编号时，按客服、原因、结果、"
    "买家和时间找出决定：各有多少、是哪些；用 --sample 随机抽出几个逐一说明。默认是今天。时间都是北京时间。",
    en="Explain a decision, named by its id such as d42: each step and agent.\n\nWithout an id, look up"
    " decisions by agent, reason, outcome, buyer and time: how many of each kind, and which; with --sample"
    " some drawn at random, each explained. Today unless a time is given. Times: Asia/Shanghai.",
)
@click.argument("decision", metavar="[DECISION]", required=False)
@option("--shop", required=True, zh="店铺编号。", en="Shop id.")
@option(
    "--why-not",
    default="",
    show_default=False,
    metavar="AGENT",
    zh="先回答为什么不是这位客服。",
    en="Answer first for this agent.",
)
@option(
    "--agent",
    "agents",
    multiple=True,
    metavar="ID",
    show_default=False,
    zh="只要给了这位客服的决定；可重复。",
    en="Only decisions for this agent; may be repeated.",
)
@option(
    "--reason",
    "reasons",
    multiple=True,
    type=click.Choice(_REASONS, case_sensitive=False),
    metavar="REASON",
    show_default=False,
    zh="只要这个原因的决定，如 WEIGHTED；可重复。",
    en="Only decisions for this reason, such as WEIGHTED; may be repeated.",
)
@option(
    "--outcome",
    "outcomes",
    multiple=True,
    type=click.Choice(_OUTCOMES, case_sensitive=False),
    metavar="OUTCOME",
    show_default=False,
    zh="只要这个结果的决定，如 POOLED；可重复。",
    en="Only decisions with this outcome, such as POOLED; may be repeated.",
)
@option(
    "--buyer", default="", show_default=False, zh="只要这位买家的决定。", en="Only this buyer's."
)
@window_options
@option(
    "--sample",
    type=click.IntRange(1, 1000),
    show_default=False,
    metavar="N",
    zh="随机抽出这么多个，逐一说明。",
    en="Draw so many at random and explain each.",
)
@option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    zh="同一个数抽出同样的决定。",
    en="The same number draws the same decisions.",
)
@option(
    "--limit",
    type=click.IntRange(0),
    show_default=False,
    metavar="N",
    zh=f"最多列出多少个；默认 {_LISTED} 个，用 --csv 或 --json 时全部。",
    en=f"List at most so many; {_LISTED} if not given, with --csv or --json all.",
)
@csv_option
@target_option
@json_option
def explain(
    decision: str | None,
    shop: str,
    why_not: str,
    agents: tuple[str, ...],
    reasons: tuple[str, ...],
    outcomes: tuple[str, ...],
    buyer: str,
    day: str | None,
    start: str | None,
    end: str | None,
    sample: int | None,
    seed: int,
    limit: int | None,
    as_csv: bool,
    target: str,
    as_json: bool,
) -> None:
    """Why a decision came out as it did, with the one agent that was asked for first; or many."""
    check_formats(as_csv=as_csv, as_json=as_json)
    chosen = insight_pb2.DecisionFilter(
        agent_ids=agents,
        reasons=[f"REASON_{one}" for one in reasons],
        outcomes=[f"OUTCOME_{one}" for one in outcomes],
        buyer_id=buyer,
    )
    many = chosen.ByteSize() > 0 or any((day, start, end, sample, limit is not None, as_csv))
    if decision is None:
        if why_not:
            raise click.UsageError(
                words("--why-not 要和决定的编号一起给", "--why-not goes with a decision's id")
            )
        asked = _Asked(shop, window_of(day, start, end), chosen, sample, seed, limit)
        _explain_many(asked, target, as_csv=as_csv, as_json=as_json)
        return
    if many:
        raise click.UsageError(
            words(
                "给了决定的编号，就不能再筛选、抽样或用 --csv",
                "with a decision's id there is nothing to filter, sample or list",
            )
        )
    request = insight_pb2.ExplainDecisionRequest(
        shop_id=shop,
        decision_id=decision,
        why_not_agent_id=why_not,
        language=answer_language(),
    )
    response = with_client(target, lambda client: client.explain_decision(request))
    if as_json:
        print_json(as_dict(response))
    else:
        _print(response)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which decisions, and what about them."""

    shop_id: str
    window: insight_pb2.Window
    filter: insight_pb2.DecisionFilter
    sample: int | None
    seed: int
    limit: int | None


def _explain_many(asked: _Asked, target: str, *, as_csv: bool, as_json: bool) -> None:
    whole = as_csv or as_json
    limit = asked.limit if asked.limit is not None or whole else _LISTED
    summed = insight_pb2.SummarizeDecisionsRequest(
        shop_id=asked.shop_id,
        window=asked.window,
        filter=asked.filter,
        sample_size=asked.sample,
        seed=asked.seed,
    )
    wanted = insight_pb2.ListDecisionsRequest(
        shop_id=asked.shop_id,
        window=asked.window,
        filter=asked.filter,
        page_size=1000 if limit is None else max(1, min(limit, 1000)),
    )

    async def work(client: FenliuClient) -> tuple[decisions.Found, shop_pb2.Shop]:
        shop = await client.get_shop(asked.shop_id)
        summary = await client.summarize_decisions(summed)
        if asked.sample:
            listed = list(summary.sample)
            texts = await _texts(client, asked.shop_id, listed)
            return decisions.Found(summary, listed, sampled=True, texts=texts), shop
        listed = []
        if limit != 0:
            async for one in client.list_decisions(wanted):
                listed.append(one)
                if len(listed) == limit:
                    break
        return decisions.Found(summary, listed, sampled=False), shop

    found, shop = with_client(target, work)
    if as_json:
        print_json(decisions.as_json(found))
    elif as_csv:
        decisions.print_csv(found.listed, found)
    else:
        names = {one.agent_id: one.display_name or one.agent_id for one in shop.agents}
        decisions.show(found, heading(shop, asked.window), names)


async def _texts(
    client: FenliuClient, shop_id: str, listed: list[insight_pb2.RouteResponseRecord]
) -> dict[str, str]:
    """What each decision comes to in words, or why that cannot be said any more."""
    texts: dict[str, str] = {}
    with progress(words("逐一说明", "explaining"), len(listed)) as step:
        for one in listed:
            request = insight_pb2.ExplainDecisionRequest(
                shop_id=shop_id, decision_id=one.decision_id, language=answer_language()
            )
            try:
                texts[one.decision_id] = (await client.explain_decision(request)).text
            except FenliuError as error:
                if error.reason != "DECISION_NOT_FOUND":
                    raise
                texts[one.decision_id] = refused_text(error)
            step()
    return texts


def _print(response: insight_pb2.ExplainDecisionResponse) -> None:
    console = Console(highlight=False)
    made = response.decision
    at = datetime.fromtimestamp(made.decided_at_ms / 1000, UTC).astimezone(SHANGHAI)
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
