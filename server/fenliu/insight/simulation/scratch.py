"""The reports' tables once more, for one shop over one window, filled from entries that are in no journal.

So a day that never was is counted by what counts real ones. Begins with the shop as the engine had it when the
window began; what was ordered and paid, which no decision changes, is taken from the reports' own tables.

Known to be guessed: whether a buyer who was in a conversation or waiting at the beginning had written since a
person last answered (docs/kpis.md, "carried"). Guessed as yes where the engine says that the buyer waits.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fenliu.engine import partition_of
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.reports import figures
from fenliu.insight.reports.documents import Documents
from fenliu.insight.reports.projection import PAID_WITHIN_MS, Projection
from fenliu.insight.reports.reports import report
from fenliu.insight.reports.rows import Conversation, Rows, Shop
from fenliu.insight.reports.schema import close_all, open_at_one_moment, open_tables
from fenliu.v1 import insight_pb2

_DATA_ID = b"simulation"

_ORDERS = """
CREATE TABLE known.orders AS SELECT * FROM tables.orders
WHERE shop_id = :shop AND paid_at_ms >= :start AND paid_at_ms <= :end + :within;
CREATE INDEX known.orders_by_buyer ON orders (buyer_id, paid_at_ms);
CREATE TABLE known.first_orders (buyer_id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO known.first_orders SELECT b.buyer_id, b.first_order_ms
FROM main.buyers p CROSS JOIN tables.buyers b ON b.shop_id = p.shop_id AND b.buyer_id = p.buyer_id
WHERE b.first_order_ms IS NOT NULL;
CREATE TABLE known.conversations AS SELECT DISTINCT c.*
FROM known.orders o CROSS JOIN tables.conversations c ON c.shop_id = :shop AND c.buyer_id = o.buyer_id
  AND c.opened_at_ms BETWEEN o.ordered_at_ms - 259200000 AND o.ordered_at_ms
WHERE o.paid_at_ms < :end AND c.opened_at_ms < :start;
"""
_FINISH = """
UPDATE main.conversations SET ordered_before = 1
WHERE shop_id = :shop AND opened_at_ms >= :start AND EXISTS (
  SELECT 1 FROM known.first_orders f
  WHERE f.buyer_id = conversations.buyer_id AND f.at_ms < conversations.opened_at_ms);
UPDATE main.conversations SET next_paid_ms = coalesce(min(next_paid_ms, later), next_paid_ms, later)
FROM (
  SELECT c.conversation AS number, min(o.paid_at_ms) AS later
  FROM known.orders o CROSS JOIN main.conversations c ON c.shop_id = :shop AND c.buyer_id = o.buyer_id
    AND c.opened_at_ms BETWEEN o.paid_at_ms - :within AND o.paid_at_ms
  WHERE c.opened_at_ms >= :start GROUP BY 1)
WHERE shop_id = :shop AND conversation = number;
DELETE FROM main.orders;
INSERT INTO main.orders SELECT * FROM known.orders WHERE paid_at_ms < :end;
INSERT OR IGNORE INTO main.conversations SELECT * FROM known.conversations;
"""


@dataclass(frozen=True, slots=True)
class Frame:
    """What is simulated: which shop, when, as known at what time, and what the tables say of the shop."""

    shop_id: str
    start_ms: int
    end_ms: int
    """Not included."""
    as_of_ms: int
    since_ms: int
    """The shop's first log entry that is kept."""
    whole: bool
    """That one made the shop."""
    partitions: int


class Scratch:
    """Tables in a file of their own. Raises sqlite3.Error."""

    def __init__(self, path: Path, frame: Frame) -> None:
        """Begins with what is in the file, nothing if there is none."""
        self._path = path
        self._frame = frame
        self._connection = open_tables(path, _DATA_ID)
        # Of no use once the process is gone.
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")

    def close(self) -> None:
        """Gives the file free."""
        self._connection.close()

    def begin(self, head: engine_pb2.ShopSnapshot) -> None:
        """The shop as it was when the window began."""
        frame, before_ms = self._frame, self._frame.start_ms - 1
        with self._connection:
            self._connection.execute("BEGIN")
            rows = Rows(self._connection)
            shop = Shop(
                frame.shop_id,
                partition_of(frame.shop_id, frame.partitions),
                frame.since_ms,
                head.last_now_ms,
                int(frame.whole),
                head.last_conversation,
            )
            if not head.deleted:
                settings = head.shop.settings
                shop.longest_wait_ms = settings.longest_wait_ms
                shop.slow_gap_ms = settings.slow_gap_ms
                shop.slow_count = settings.slow_count
                documents = Documents(self._connection)
                documents.applied(head.shop, before_ms)
                for agent in head.agents:
                    documents.moved(frame.shop_id, agent.agent_id, agent.status, before_ms)
            rows.add_shop(shop)
            for open_now in head.conversations:
                rows.add_conversation(_conversation(frame.shop_id, open_now))
            for buyer_id in _unanswered(head):
                rows.buyer(frame.shop_id, buyer_id).unanswered = 1
            rows.write()

    def copy(self, path: Path) -> Scratch:
        """The same in another file, to be gone on from by itself; this one is closed."""
        self.close()
        shutil.copyfile(self._path, path)
        return Scratch(path, self._frame)

    def take(self, entries: Iterable[engine_pb2.Entry]) -> None:
        """Entries of the shop, in order."""
        with self._connection:
            self._connection.execute("BEGIN")
            projection = Projection(self._connection, self._frame.partitions)
            for entry in entries:
                projection.take(entry)
            projection.write()

    def agents(self) -> set[str]:
        """Who was in the shop at some time."""
        rows = self._connection.execute(
            "SELECT id FROM staff WHERE shop_id = ? AND kind = 'agent'", (self._frame.shop_id,)
        )
        return {agent_id for (agent_id,) in rows}

    def know_orders(self, tables: Path, known: Path) -> None:
        """Writes into the new file `known` what the reports' tables know of the orders of the buyers in here."""
        connection = self._connection
        connection.execute("ATTACH ? AS known", (str(known),))
        connection.execute("ATTACH ? AS tables", (f"{tables.absolute().as_uri()}?mode=ro",))
        self._script(_ORDERS)
        connection.execute("DETACH known")
        connection.execute("DETACH tables")

    def finish(self, known: Path) -> None:
        """Takes over what `know_orders` wrote; to be done once, at the end."""
        self._connection.execute("ATTACH ? AS known", (str(known),))
        self._script(_FINISH)
        self._connection.execute("DETACH known")

    def _script(self, script: str) -> None:
        values = {
            "shop": self._frame.shop_id,
            "start": self._frame.start_ms,
            "end": self._frame.end_ms,
            "within": PAID_WITHIN_MS,
        }
        with self._connection:
            self._connection.execute("BEGIN")
            for statement in script.split(";"):
                if statement.strip():
                    self._connection.execute(statement, values)

    def report(
        self, request: insight_pb2.GetReceptionReportRequest
    ) -> insight_pb2.GetReceptionReportResponse:
        """As of the shop's own log. Raises ReportRefused."""
        connections = open_at_one_moment(self._path, _DATA_ID, figures.READERS)
        try:
            return report(connections, request, self._frame.as_of_ms)
        finally:
            close_all(connections)


def _conversation(shop_id: str, state: engine_pb2.ConversationState) -> Conversation:
    """A conversation that began before; what was said in it counts in no report of the window."""
    return Conversation(
        shop_id=shop_id,
        conversation=state.conversation,
        buyer_id=state.buyer_id,
        agent_id=state.agent_id,
        group_id=state.group_id,
        robot=int(state.robot),
        reason="",
        opened_at_ms=state.opened_at_ms,
        ordered_before=0,
        next_paid_ms=None,
        carried=0,
        closed_at_ms=None,
        close_cause=None,
        buyer_messages=0,
        agent_messages=0,
        answered_rounds=0,
        first_reply_ms=None,
        reply_ms=0,
        prompt_rounds=0,
        slow_gaps=0,
        pending_since_ms=None,
        handling_ms=0,
        last_at_ms=state.last_activity_ms,
    )


def _unanswered(head: engine_pb2.ShopSnapshot) -> Iterable[str]:
    yield from (one.buyer_id for one in head.conversations if one.robot or one.awaiting)
    yield from (one.buyer_id for one in head.waiting)
