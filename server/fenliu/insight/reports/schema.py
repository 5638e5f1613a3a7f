"""The tables of `insight.db`, made for reports and for people with plain SQL (docs/kpis.md, "Tables").

SQLite: in Python already, crash-safe, one file, and anybody may query it while it is written. Made from the
journal alone, so a file of another version, of another journal, or a damaged one is thrown away.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

FILE = "insight.db"
SCHEMA_VERSION = 3
_BUSY_SECONDS = 10.0

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- The last record read of each log.
CREATE TABLE positions (
  partition INTEGER PRIMARY KEY,
  seq       INTEGER NOT NULL,
  checksum  INTEGER NOT NULL
);

CREATE TABLE shops (
  shop_id           TEXT PRIMARY KEY,
  partition         INTEGER NOT NULL,
  since_ms          INTEGER NOT NULL, -- its first log entry that was read
  now_ms            INTEGER NOT NULL, -- its last one
  whole             INTEGER NOT NULL, -- the first one made the shop: nothing came before
  last_conversation INTEGER NOT NULL DEFAULT 0,
  longest_wait_ms   INTEGER NOT NULL DEFAULT 600000,
  slow_gap_ms       INTEGER NOT NULL DEFAULT 120000,
  slow_count        INTEGER NOT NULL DEFAULT 3
) WITHOUT ROWID;

-- When agents ('agent') and groups ('group') were in the shop's document, and who were its 'robot', 'proxy'
-- and 'owner'; until_ms NULL: they still are.
CREATE TABLE staff (
  shop_id TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
  from_ms INTEGER NOT NULL, until_ms INTEGER,
  priority INTEGER NOT NULL DEFAULT 0, -- a group's
  PRIMARY KEY (shop_id, kind, id, from_ms)
) WITHOUT ROWID;

CREATE TABLE memberships (
  shop_id TEXT NOT NULL, group_id TEXT NOT NULL, agent_id TEXT NOT NULL,
  from_ms INTEGER NOT NULL, until_ms INTEGER,
  PRIMARY KEY (shop_id, group_id, agent_id, from_ms)
) WITHOUT ROWID;

-- Times ONLINE and SUSPENDED; until_ms NULL: still so.
CREATE TABLE presence (
  shop_id TEXT NOT NULL, agent_id TEXT NOT NULL, status TEXT NOT NULL,
  from_ms INTEGER NOT NULL, until_ms INTEGER,
  PRIMARY KEY (shop_id, agent_id, status, from_ms)
) WITHOUT ROWID;

-- Each decision, numbered in the order of time.
CREATE TABLE decisions (
  shop_id      TEXT NOT NULL,
  decision     INTEGER NOT NULL, -- d42 is 42
  at_ms        INTEGER NOT NULL,
  buyer_id     TEXT NOT NULL,
  inquiry      INTEGER NOT NULL, -- an inquiry's answer; else a transfer, a timeout, a turn in queue or pool
  outcome      TEXT NOT NULL,
  reason       TEXT NOT NULL,
  agent_id     TEXT NOT NULL,    -- whom it named; '' : nobody
  group_id     TEXT NOT NULL,
  conversation INTEGER NOT NULL, -- 0 : none
  PRIMARY KEY (shop_id, decision)
) WITHOUT ROWID;
CREATE INDEX decisions_by_buyer ON decisions (shop_id, buyer_id);

-- Each time a buyer waited: 'QUEUED', 'POOLED', 'LEFT_MESSAGE'; one for another as the one turns into the other.
CREATE TABLE waits (
  shop_id  TEXT NOT NULL,
  decision INTEGER NOT NULL, -- with which it began
  buyer_id TEXT NOT NULL,
  kind     TEXT NOT NULL,
  since_ms INTEGER NOT NULL,
  until_ms INTEGER,          -- NULL : still
  ended    TEXT,             -- 'AGENT', 'CANCELLED', or as what else the buyer waits on
  PRIMARY KEY (shop_id, decision)
) WITHOUT ROWID;
CREATE INDEX waits_open ON waits (shop_id, kind, since_ms) WHERE until_ms IS NULL;

-- Each conversation with an agent, or with the robot (robot = 1: in no KPI).
CREATE TABLE conversations (
  shop_id         TEXT NOT NULL,
  conversation    INTEGER NOT NULL,           -- c42 is 42
  buyer_id        TEXT NOT NULL,
  agent_id        TEXT NOT NULL,
  group_id        TEXT NOT NULL,              -- '' : none
  robot           INTEGER NOT NULL,
  reason          TEXT NOT NULL,              -- of the decision; '' : an agent's first word
  opened_at_ms    INTEGER NOT NULL,
  ordered_before  INTEGER NOT NULL,           -- the buyer had ordered before it
  next_paid_ms    INTEGER,                    -- the buyer's first payment in it or within 5 days after
  carried         INTEGER NOT NULL,           -- it began with an unanswered word of the buyer's
  closed_at_ms    INTEGER,
  close_cause     TEXT,
  buyer_messages  INTEGER NOT NULL DEFAULT 0,
  agent_messages  INTEGER NOT NULL DEFAULT 0, -- by its own agent
  answered_rounds INTEGER NOT NULL DEFAULT 0,
  first_reply_ms  INTEGER,                    -- how long the first round took
  reply_ms        INTEGER NOT NULL DEFAULT 0, -- how long all answered rounds took
  prompt_rounds   INTEGER NOT NULL DEFAULT 0, -- answered within 3 minutes
  slow_gaps       INTEGER NOT NULL DEFAULT 0, -- answered later than slow_gap_ms
  pending_since_ms INTEGER,                   -- the round that waits for an answer
  handling_ms     INTEGER NOT NULL DEFAULT 0,
  last_at_ms      INTEGER NOT NULL,           -- the last message, or the beginning
  PRIMARY KEY (shop_id, conversation)
) WITHOUT ROWID;
CREATE INDEX conversations_by_time ON conversations (shop_id, opened_at_ms);
CREATE INDEX conversations_by_buyer ON conversations (shop_id, buyer_id, opened_at_ms);

CREATE TABLE buyers (
  shop_id        TEXT NOT NULL,
  buyer_id       TEXT NOT NULL,
  unanswered     INTEGER NOT NULL, -- has written since a person last answered
  first_order_ms INTEGER,
  last_paid_ms   INTEGER,
  wait           INTEGER,          -- waits for somebody since this decision, as
  waits_as       TEXT,             -- a kind of `waits`
  PRIMARY KEY (shop_id, buyer_id)
) WITHOUT ROWID;

CREATE TABLE orders (
  shop_id        TEXT NOT NULL,
  order_id       TEXT NOT NULL,
  buyer_id       TEXT NOT NULL,
  ordered_at_ms  INTEGER,          -- created, or paid if that is earlier
  paid_at_ms     INTEGER,          -- the first payment
  paid_cents     INTEGER NOT NULL DEFAULT 0,
  paid_items     INTEGER NOT NULL DEFAULT 0,
  refunded_cents INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (shop_id, order_id)
) WITHOUT ROWID;
CREATE INDEX orders_by_time ON orders (shop_id, paid_at_ms);
CREATE INDEX orders_made ON orders (shop_id, ordered_at_ms);

-- For people: local times, and only conversations with agents.
CREATE VIEW receptions AS SELECT
  shop_id, 'c' || conversation AS conversation_id, buyer_id, agent_id, group_id, reason,
  datetime(opened_at_ms / 1000 + 28800, 'unixepoch') AS opened_at,
  datetime(closed_at_ms / 1000 + 28800, 'unixepoch') AS closed_at, close_cause,
  buyer_messages = 0 AND NOT carried AS filtered, agent_messages > 0 AS replied,
  buyer_messages, agent_messages, answered_rounds, first_reply_ms, reply_ms, prompt_rounds, slow_gaps,
  pending_since_ms IS NOT NULL AS awaiting, handling_ms
FROM conversations WHERE NOT robot;

-- Orders and who is credited with them; agent_id NULL: nobody.
CREATE VIEW credits AS SELECT
  o.shop_id, o.order_id, o.buyer_id, c.agent_id, c.group_id, o.ordered_at_ms, o.paid_at_ms,
  o.paid_cents - o.refunded_cents AS cents, o.paid_items AS items
FROM orders o LEFT JOIN conversations c ON c.shop_id = o.shop_id AND c.conversation = (
  SELECT conversation FROM conversations last
  WHERE last.shop_id = o.shop_id AND last.buyer_id = o.buyer_id AND NOT last.robot
    AND last.opened_at_ms BETWEEN o.ordered_at_ms - 259200000 AND o.ordered_at_ms
  ORDER BY last.opened_at_ms DESC, last.conversation DESC LIMIT 1);

-- The paid ones.
CREATE VIEW sales AS SELECT
  shop_id, order_id, buyer_id, agent_id, group_id, paid_at_ms,
  datetime(paid_at_ms / 1000 + 28800, 'unixepoch') AS paid_at, cents, items
FROM credits WHERE paid_at_ms IS NOT NULL;
"""


def open_tables(path: Path, data_id: bytes) -> sqlite3.Connection:
    """A connection for writing to the tables of this journal, begun from nothing where they are no use.

    Raises sqlite3.Error.
    """
    connection = _open(path)
    if not _usable(connection, data_id):
        connection.close()
        discard(path)
        connection = _open(path)
        connection.executescript(f"BEGIN IMMEDIATE;{_TABLES}")
        rows = [("schema_version", SCHEMA_VERSION), ("data_id", data_id)]
        connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
        connection.execute("COMMIT")
    return connection


def open_for_reading(path: Path, data_id: bytes) -> sqlite3.Connection | None:
    """A connection for reading; None: there are no such tables of this journal yet. Raises sqlite3.Error."""
    if not path.is_file():
        return None
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False
    )
    if not _usable(connection, data_id):
        connection.close()
        return None
    # What is sorted on the way stays in memory.
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def open_at_one_moment(path: Path, data_id: bytes, count: int) -> list[sqlite3.Connection]:
    """So many connections for reading that all see the same; none if there are no such tables yet.

    Raises sqlite3.Error.
    """
    connections: list[sqlite3.Connection] = []
    try:
        while len(connections) < count:
            connection = open_for_reading(path, data_id)
            if connection is None:
                break
            connections.append(connection)
        else:
            while not _begin_together(connections):
                pass  # something was written in between
            return connections
    except BaseException:
        close_all(connections)
        raise
    close_all(connections)
    return []


def close_all(connections: Iterable[sqlite3.Connection]) -> None:
    """Closes them."""
    for connection in connections:
        connection.close()


def _begin_together(connections: list[sqlite3.Connection]) -> bool:
    seen = []
    for connection in connections:
        connection.execute("BEGIN")
        seen.append(connection.execute("SELECT * FROM positions").fetchall())
    if all(one == seen[0] for one in seen):
        return True
    for connection in connections:
        connection.execute("ROLLBACK")
    return False


def discard(path: Path) -> None:
    """Throws the tables away: they can be made again."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _open(path: Path) -> sqlite3.Connection:
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # After a power cut the last commits may be missing, whole: they are made again.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -65536")
    except BaseException:
        connection.close()
        raise
    return connection


def _usable(connection: sqlite3.Connection, data_id: bytes) -> bool:
    """Whether these are tables of this version made from this journal."""
    try:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
    except sqlite3.OperationalError:  # no such table
        return False
    return meta == {"schema_version": SCHEMA_VERSION, "data_id": data_id}
