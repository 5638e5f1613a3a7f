"""The KPIs once more, from a log and nothing else, in plain SQL over sets: shares no code with the reports.

Reads docs/kpis.md its own way: the log as flat tables of what happened at which place, no running state.
For shops whose document stays and whose settings are the defaults.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, types_pb2

HOUR = 3_600_000
DAY = 24 * HOUR
ZONE = 8 * HOUR
UNDEFINED = "undefined"

_TABLES = """
CREATE TABLE document (shop, agent, grp);
CREATE TABLE moved (place, shop, agent, status, at);
CREATE TABLE opening (place, shop, conv, buyer, agent, grp, robot, at);
CREATE TABLE closed (place, shop, conv, cause, at);
CREATE TABLE told (place, shop, conv, buyer, sender, author, at);
CREATE TABLE cancelled (place, shop, buyer);
CREATE TABLE ordering (place, shop, ident, buyer, type, at, cents, items);
"""

_VIEWS = """
-- A conversation begins where its number is first named.
CREATE TABLE conv AS SELECT shop, conv, buyer, agent, grp, robot, at, min(place) AS place
  FROM opening GROUP BY shop, conv;
CREATE UNIQUE INDEX conv_key ON conv (shop, conv);
CREATE INDEX conv_buyer ON conv (shop, buyer);
CREATE TABLE heard AS SELECT told.place, told.shop, told.conv,
    coalesce(conv.buyer, told.buyer) AS buyer, sender, coalesce(nullif(author, ''), conv.agent) AS author, told.at
  FROM told LEFT JOIN conv USING (shop, conv);
CREATE INDEX heard_buyer ON heard (shop, buyer, place);
-- Places at which nothing said before is waiting for an answer any more.
CREATE TABLE cleared AS
  SELECT shop, buyer, place FROM heard WHERE sender = 'AGENT'
  UNION ALL SELECT shop, buyer, place FROM cancelled
  UNION ALL SELECT closed.shop, conv.buyer, closed.place FROM closed JOIN conv USING (shop, conv)
    WHERE cause IN ('IDLE', 'REQUEST', 'SHOP_DELETED');
CREATE INDEX cleared_buyer ON cleared (shop, buyer, place);
CREATE TABLE reception AS SELECT conv.*,
    (SELECT cause FROM closed WHERE closed.shop = conv.shop AND closed.conv = conv.conv) AS cause,
    EXISTS (SELECT 1 FROM heard WHERE heard.shop = conv.shop AND heard.buyer = conv.buyer
      AND sender = 'BUYER' AND heard.place < conv.place
      AND heard.place > coalesce((SELECT max(place) FROM cleared WHERE cleared.shop = conv.shop
        AND cleared.buyer = conv.buyer AND cleared.place < conv.place), -1)) AS carried,
    EXISTS (SELECT 1 FROM ordering WHERE ordering.shop = conv.shop AND ordering.buyer = conv.buyer
      AND ordering.at < conv.at) AS ordered
  FROM conv WHERE NOT robot;
-- What was said in a reception: 'B' the buyer (first what is carried into it), 'A' its own agent.
CREATE TABLE line AS
  SELECT shop, conv, 'B' AS who, at, place, 1 AS carried FROM reception WHERE carried
  UNION ALL
  SELECT heard.shop, heard.conv, CASE sender WHEN 'BUYER' THEN 'B' ELSE 'A' END, heard.at, heard.place, 0
  FROM heard JOIN reception USING (shop, conv)
  WHERE sender = 'BUYER' OR (sender = 'AGENT' AND heard.author = reception.agent);
CREATE INDEX line_key ON line (shop, conv, who, place);
CREATE TABLE round AS SELECT shop, conv, at AS asked,
    (SELECT at FROM line reply WHERE reply.shop = one.shop AND reply.conv = one.conv
      AND reply.who = 'A' AND reply.place > one.place ORDER BY place LIMIT 1) AS answered,
    row_number() OVER (PARTITION BY shop, conv ORDER BY place) AS number
  FROM (SELECT *, lag(who) OVER (PARTITION BY shop, conv ORDER BY place) AS before FROM line) one
  WHERE who = 'B' AND before IS NOT 'B';
CREATE TABLE handled AS SELECT shop, conv, sum(CASE WHEN gap BETWEEN 0 AND 600000 THEN gap ELSE 0 END) AS ms
  FROM (SELECT shop, conv, at - max(at) OVER (PARTITION BY shop, conv ORDER BY place
          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS gap
        FROM (SELECT shop, conv, at, place - 0.5 AS place FROM reception
              UNION ALL SELECT shop, conv, at, place FROM line WHERE NOT carried))
  GROUP BY shop, conv;
CREATE TABLE sale AS
  WITH one AS (SELECT shop, ident, min(place) AS place, min(at) FILTER (WHERE type != 'REFUNDED') AS made,
      min(at) FILTER (WHERE type = 'PAID') AS paid,
      coalesce(sum(cents) FILTER (WHERE type = 'PAID'), 0)
        - coalesce(sum(cents) FILTER (WHERE type = 'REFUNDED'), 0) AS cents,
      coalesce(sum(items) FILTER (WHERE type = 'PAID'), 0) AS items
    FROM ordering GROUP BY shop, ident),
  whose AS (SELECT one.*, ordering.buyer FROM one JOIN ordering USING (shop, ident, place)),
  ranked AS (SELECT whose.*, reception.agent, reception.grp, row_number() OVER (
      PARTITION BY whose.shop, whose.ident ORDER BY reception.at DESC, reception.conv DESC) AS rank
    FROM whose LEFT JOIN reception ON reception.shop = whose.shop AND reception.buyer = whose.buyer
      AND reception.at <= made AND reception.at >= made - 72 * 3600000
    WHERE paid IS NOT NULL)
  SELECT * FROM ranked WHERE rank = 1;
CREATE TABLE desk AS SELECT shop, agent, status, at AS since,
    lead(at) OVER (PARTITION BY shop, agent ORDER BY place) AS until FROM moved;
"""


class Judge:
    """All shops of a log."""

    def __init__(self, entries: Iterable[engine_pb2.Entry]) -> None:
        self.sql = sqlite3.connect(":memory:")
        self.sql.executescript(_TABLES)
        self.last: dict[str, int] = {}
        """The last time of each shop."""
        self.first: dict[str, int] = {}
        """The first."""
        place = 0
        for entry in entries:
            for fact in entry.facts or [engine_pb2.Fact()]:
                place += 10
                self._take(place, entry, fact)
        self.sql.executescript(_VIEWS)

    def _take(self, place: int, entry: engine_pb2.Entry, fact: engine_pb2.Fact) -> None:
        kind = entry.WhichOneof("command")
        command = getattr(entry, str(kind))
        command = command.shop if kind == "apply_shop" else command
        command = command.update if kind == "update_presence" else command
        shop = command.shop_id
        self.last[shop] = entry.now_ms
        self.first.setdefault(shop, entry.now_ms)
        buyer = getattr(command, "buyer_id", "")
        match fact.WhichOneof("fact"):
            case "shop_applied":
                self._put("document", *(
                    (shop, agent, group.group_id)
                    for group in fact.shop_applied.shop.groups
                    for agent in group.agent_ids
                ))  # fmt: skip
            case "presence_changed":
                moved = fact.presence_changed
                status = types_pb2.PresenceStatus.Name(moved.status).removeprefix(
                    "PRESENCE_STATUS_"
                )
                self._put("moved", (place, shop, moved.agent_id, status, entry.now_ms))
            case "decided" if fact.decided.conversation:
                made = fact.decided
                self._put("opening", (
                    place, shop, made.conversation, made.buyer_id or buyer, made.agent_id, made.group_id,
                    made.outcome == types_pb2.OUTCOME_ROBOT, made.at_ms or entry.now_ms,
                ))  # fmt: skip
            case "conversation_closed":
                closed = fact.conversation_closed
                cause = engine_pb2.CloseCause.Name(closed.cause).removeprefix("CLOSE_CAUSE_")
                self._put("closed", (place, shop, closed.conversation, cause, closed.at_ms))
            case "message_noted":
                noted = fact.message_noted
                buyer = noted.buyer_id or buyer
                if noted.opened:
                    self._put("opening", (
                        place - 1, shop, noted.conversation, buyer, noted.agent_id, "?", False, entry.now_ms,
                    ))  # fmt: skip
                sender = types_pb2.Sender.Name(entry.message.sender).removeprefix("SENDER_")
                self._put("told", (
                    place, shop, noted.conversation, buyer, sender, noted.agent_id, noted.at_ms,
                ))  # fmt: skip
            case "waiting_cancelled":
                self._put("cancelled", (place, shop, fact.waiting_cancelled.buyer_id or buyer))
            case "order_noted":
                order = entry.order
                type_ = dispatch_pb2.OrderEventType.Name(order.type).removeprefix(
                    "ORDER_EVENT_TYPE_"
                )
                self._put("ordering", (
                    place, shop, order.order_id, order.buyer_id, type_, min(fact.order_noted.at_ms, entry.now_ms),
                    order.amount_cents, order.items,
                ))  # fmt: skip

    def _put(self, table: str, *rows: tuple[Any, ...]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self.sql.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)

    def since(self, shop: str) -> int:
        """When the shop came to be."""
        return self.first[shop]

    def subjects(self, shop: str, by: str) -> list[str]:
        """All agents or groups that have members, or the shop."""
        column = {"AGENT": "agent", "GROUP": "grp", "SHOP": "shop"}[by]
        rows = self.sql.execute(f"SELECT DISTINCT {column} FROM document WHERE shop = ?", (shop,))
        return sorted(row[0] for row in rows)

    def figures(
        self, shop: str, by: str, subject: str, start: int, end: int, as_of: int
    ) -> dict[str, Any]:
        """Every KPI of a subject in a window."""
        mine = {"AGENT": "agent = :subject", "GROUP": "grp = :subject", "SHOP": "1"}[by]
        members = {
            "AGENT": "agent = :subject",
            "GROUP": "agent IN (SELECT agent FROM document WHERE shop = :shop AND grp = :subject)",
            "SHOP": "1",
        }[by]
        given = {"shop": shop, "subject": subject, "start": start, "end": end, "as_of": as_of}

        def ask(select: str, source: str, **more: int) -> int:
            row = self.sql.execute(
                f"{_OF.format(mine=mine)} SELECT {select} FROM {source}", given | more
            )
            return row.fetchone()[0] or 0

        def online(status: str) -> int:
            row = self.sql.execute(
                "SELECT sum(max(0, min(coalesce(until, :as_of), :as_of, :end) - max(since, :start))) "
                f"FROM desk WHERE shop = :shop AND {members} AND status = :status",
                given | {"status": status},
            )
            return row.fetchone()[0] or 0

        def ratio(above: int, below: int) -> Any:
            return Fraction(above, below) if below else UNDEFINED

        last_day = (end - 1 + ZONE) // DAY

        def later(days: int, known: Any) -> Any:
            at = (last_day + days + 1) * DAY - ZONE
            return known if as_of >= at else f"from {at}"

        consulted = ask("count(DISTINCT buyer)", "mine")
        received = ask("count(DISTINCT buyer)", "listened")
        replied = ask(
            "count(DISTINCT buyer)",
            "mine WHERE buyer IN (SELECT buyer FROM listened) AND EXISTS (SELECT 1 FROM line "
            "WHERE line.shop = mine.shop AND line.conv = mine.conv AND who = 'A')",
        )
        presale = ask("count(*)", "presale")
        paid = (
            "presale WHERE EXISTS (SELECT 1 FROM ordering WHERE ordering.shop = :shop AND type = 'PAID' "
            "AND ordering.buyer = presale.buyer AND ordering.at >= presale.at AND (ordering.at + 28800000) / 86400000 "
            "- (presale.at + 28800000) / 86400000 <= :days)"
        )
        answered = ask("count(*)", "rounds WHERE answered IS NOT NULL")
        late = ask(
            "count(*)",
            "rounds JOIN mine USING (conv) WHERE answered IS NULL AND asked < :as_of - 180000 "
            "AND cause IS NOT 'TRANSFER'",
        )
        took = "max(0, answered - asked)"
        first = "rounds WHERE number = 1 AND answered IS NOT NULL"
        cents, items = ask("sum(cents)", "sales"), ask("sum(items)", "sales")
        buyers = ask("count(DISTINCT buyer)", "sales")
        return {
            "consulted": consulted,
            "filtered": consulted - received,
            "received": received,
            "unreplied": received - replied,
            "presale_inquirers": later(1, presale),
            "answer_ratio": ratio(
                ask("count(*)", "lines WHERE who = 'A'"),
                ask("count(*)", "lines WHERE who = 'B' AND NOT carried"),
            ),
            "reply_rate": ratio(replied, received),
            "first_response": ratio(ask(f"sum({took})", first), ask("count(*)", first)),
            "average_response": ratio(
                ask(f"sum({took})", "rounds WHERE answered IS NOT NULL"), answered
            ),
            "handling_time": ratio(
                ask("sum(ms)", "listened JOIN handled USING (shop, conv)"), replied
            ),
            "slow_responses": ask(
                "count(DISTINCT buyer)",
                "(SELECT buyer FROM rounds JOIN mine USING (conv) WHERE answered - asked > 120000 "
                "GROUP BY buyer, (mine.at + 28800000) / 86400000 HAVING count(*) >= 3)",
            ),
            "prompt_rate": ratio(
                ask("count(*)", f"rounds WHERE answered IS NOT NULL AND {took} <= 180000"),
                answered + late,
            ),
            "online_time": online("ONLINE"),
            "suspended_time": online("SUSPENDED"),
            "sales_amount": cents,
            "sales_items": items,
            "sales_buyers": buyers,
            "amount_per_buyer": ratio(cents, buyers),
            "items_per_buyer": ratio(items, buyers),
            "next_day_conversion": later(1, ratio(ask("count(*)", paid, days=1), presale)),
            "final_conversion": later(4, ratio(ask("count(*)", paid, days=4), presale)),
        }


_OF = """
WITH mine AS (SELECT * FROM reception
    WHERE shop = :shop AND at >= :start AND at < :end AND {mine}),
  lines AS (SELECT line.* FROM line JOIN mine USING (shop, conv)),
  rounds AS (SELECT round.* FROM round JOIN mine USING (shop, conv)),
  listened AS (SELECT * FROM mine WHERE carried
    OR conv IN (SELECT conv FROM lines WHERE who = 'B')),
  presale AS (SELECT buyer, min(at) AS at FROM listened
    WHERE buyer NOT IN (SELECT buyer FROM (SELECT buyer, ordered, row_number() OVER (
      PARTITION BY buyer ORDER BY conv) AS n FROM listened) WHERE n = 1 AND ordered) GROUP BY buyer),
  sale_of AS (SELECT * FROM sale WHERE shop = :shop),
  sales AS (SELECT * FROM sale_of WHERE paid >= :start AND paid < :end AND agent IS NOT NULL AND {mine})
"""
