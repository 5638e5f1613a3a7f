"""Recorded days: the trace CSV, and shops made from what it shows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fenliu.traffic.events import AgentReply, BuyerMessage, Event, Presence, Traffic
from fenliu.v1 import shop_pb2, types_pb2

COLUMNS = (
    "sent_at_ms",
    "shop_id",
    "buyer_id",
    "sender",
    "agent_sign",
    "message_id",
    "in_reply_to",
)
MARGIN_MS = 30 * 60 * 1000
"""An agent is taken to be ONLINE this long before the first signature and after the last one."""
UNSIGNED_AGENTS = 5
"""How many agents a shop gets whose replies are never signed."""


class TraceError(ValueError):
    """A trace that cannot be read; the text names the file and, where there is one, the line."""


@dataclass(frozen=True, slots=True)
class Row:
    """One message of a trace; `agent_sign` may be empty, `sent_at_ms` is Unix milliseconds."""

    sent_at_ms: int
    shop_id: str
    buyer_id: str
    from_buyer: bool
    agent_sign: str
    message_id: str
    in_reply_to: str


def read_trace(path: Path) -> list[Row]:
    """The rows of a trace by time; rows of the same time stay in the file's order.

    Raises TraceError for a broken line and OSError when the file cannot be read.
    """
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TraceError(f"{path}: line {line}: not UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    lines: dict[tuple[str, str], int] = {}
    try:
        if tuple(next(reader, ())) != COLUMNS:
            raise TraceError(f"the header must be {','.join(COLUMNS)}")
        for values in reader:
            if values:
                row = _row(values)
                before = lines.setdefault((row.shop_id, row.message_id), reader.line_num)
                if before != reader.line_num:
                    raise TraceError(f"message_id {row.message_id} is on line {before} already")
                rows.append(row)
    except (TraceError, csv.Error) as error:
        raise TraceError(f"{path}: line {max(reader.line_num, 1)}: {error}") from None
    rows.sort(key=lambda row: row.sent_at_ms)
    return rows


def _row(values: list[str]) -> Row:
    if len(values) != len(COLUMNS):
        raise TraceError(f"{len(COLUMNS)} columns expected, not {len(values)}")
    sent_at, shop_id, buyer_id, sender, agent_sign, message_id, in_reply_to = values
    if not (sent_at.isascii() and sent_at.isdigit()):
        raise TraceError(f"sent_at_ms must be Unix milliseconds, not {sent_at!r}")
    for name, value in (("shop_id", shop_id), ("buyer_id", buyer_id), ("message_id", message_id)):
        if not value:
            raise TraceError(f"{name} is empty")
    if sender not in ("buyer", "agent"):
        raise TraceError(f"sender must be buyer or agent, not {sender!r}")
    return Row(
        int(sent_at), shop_id, buyer_id, sender == "buyer", agent_sign, message_id, in_reply_to
    )


def as_traffic(rows: Iterable[Row], *, create_shops: bool = False) -> Traffic:
    """The rows as traffic: a buyer's message asks, an agent's answers.

    With `create_shops`, shops and presence come from `shops_of` and `presence_of`; else the server
    must know the shops and somebody else moves their agents.
    """
    rows = list(rows)
    messages: list[Event] = [
        BuyerMessage(row.sent_at_ms, row.shop_id, row.buyer_id, row.message_id)
        if row.from_buyer
        else AgentReply(row.sent_at_ms, row.shop_id, row.buyer_id, row.message_id)
        for row in rows
    ]
    if not create_shops:
        return Traffic(shops=(), events=tuple(messages))
    events: list[Event] = [*presence_of(rows), *messages]
    events.sort(key=lambda event: event.at_ms)
    return Traffic(shops=tuple(shops_of(rows)), events=tuple(events))


def shops_of(rows: Iterable[Row]) -> list[shop_pb2.Shop]:
    """Each brand as a shop with one group: the agents whose signatures occur, or five agents."""
    return [
        shop_pb2.Shop(
            shop_id=shop_id,
            agents=[shop_pb2.Agent(agent_id=agent_id) for agent_id in agent_ids],
            groups=[shop_pb2.Group(group_id="all", agent_ids=agent_ids)],
        )
        for shop_id, agent_ids in _agents_of(rows).items()
    ]


def presence_of(rows: Iterable[Row]) -> list[Presence]:
    """ONLINE from the first to the last signature with a margin; unsigned shops' agents always."""
    rows = list(rows)
    shop_start: dict[str, int] = {}
    signed: dict[tuple[str, str], tuple[int, int]] = {}
    for row in rows:
        shop_start.setdefault(row.shop_id, row.sent_at_ms)
        if not row.from_buyer and row.agent_sign:
            key = (row.shop_id, row.agent_sign)
            first, _ = signed.get(key, (row.sent_at_ms, 0))
            signed[key] = (first, row.sent_at_ms)
    presence: list[Presence] = []
    for shop_id, agent_ids in _agents_of(rows).items():
        for agent_id in agent_ids:
            online, offline = types_pb2.PRESENCE_STATUS_ONLINE, types_pb2.PRESENCE_STATUS_OFFLINE
            if (shop_id, agent_id) not in signed:
                start_ms = max(shop_start[shop_id] - MARGIN_MS, 0)
                presence.append(Presence(start_ms, shop_id, agent_id, online))
                continue
            first, last = signed[shop_id, agent_id]
            presence.append(Presence(max(first - MARGIN_MS, 0), shop_id, agent_id, online))
            presence.append(Presence(last + MARGIN_MS, shop_id, agent_id, offline))
    presence.sort(key=lambda event: event.at_ms)
    return presence


def _agents_of(rows: Iterable[Row]) -> dict[str, list[str]]:
    """Agent ids of each shop, both sorted."""
    signs: dict[str, set[str]] = {}
    for row in rows:
        shop = signs.setdefault(row.shop_id, set())
        if not row.from_buyer and row.agent_sign:
            shop.add(row.agent_sign)
    unsigned = [f"agent{number}" for number in range(1, UNSIGNED_AGENTS + 1)]
    return {shop_id: sorted(signs[shop_id]) or unsigned for shop_id in sorted(signs)}
