"""Reports of a day from tables with many conversations, and how fast the tables follow a log.

    python -m benchmarks.reports [--conversations 10000000] [--days 90] [--keep FILE]

The tables are filled directly: one shop, its conversations spread over the days, one in five buyers orders.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from google.protobuf import proto

from fenliu.engine import CommandKind, load_core
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.reports import decisions as listing
from fenliu.insight.reports import schema
from fenliu.insight.reports.figures import READERS
from fenliu.insight.reports.follow import BATCH_ENTRIES
from fenliu.insight.reports.kpis import DAY_MS
from fenliu.insight.reports.projection import Projection
from fenliu.insight.reports.reports import report
from fenliu.insight.reports.rows import Conversation
from fenliu.v1 import dispatch_pb2, insight_pb2, presence_pb2, shop_pb2, types_pb2

START_MS = 1_762_012_800_000  # midnight in Shanghai
SHOP = "shop"
AGENTS = [f"agent-{number:02}" for number in range(40)]
GROUPS = [f"group-{number}" for number in range(4)]
RUNS = 5


def conversations(count: int, days: int, rng: random.Random) -> Iterator[tuple[object, ...]]:
    """Rows of `conversations`; a buyer comes twice on average."""
    step = days * DAY_MS / count
    for number in range(count):
        at = START_MS + int(number * step)
        agent = rng.randrange(len(AGENTS))
        replies = rng.randrange(4)
        yield (
            SHOP, number + 1, f"buyer-{rng.randrange(count // 2):08}", AGENTS[agent],
            GROUPS[agent % len(GROUPS)], 0, "WEIGHTED", at, int(rng.random() < 0.2),
            at + 900_000 if rng.random() < 0.2 else None, 0, at + 600_000,
            "REQUEST", replies + 1, replies, replies, 20_000 if replies else None, replies * 25_000,
            replies, int(rng.random() < 0.05), None, 300_000, at + 400_000,
        )  # fmt: skip


def decisions(count: int, days: int, rng: random.Random) -> Iterator[tuple[object, ...]]:
    """Rows of `decisions`, one for each conversation; one in ten for one who came back."""
    step = days * DAY_MS / count
    for number in range(count):
        agent = rng.randrange(len(AGENTS))
        yield (
            SHOP, number + 1, START_MS + int(number * step), f"buyer-{rng.randrange(count // 2):08}", 1,
            "AGENT", "RECENT_CONTACT" if rng.random() < 0.1 else "WEIGHTED", AGENTS[agent],
            GROUPS[agent % len(GROUPS)], number + 1,
        )  # fmt: skip


def orders(count: int, days: int, rng: random.Random) -> Iterator[tuple[object, ...]]:
    """Rows of `orders`."""
    for number in range(count // 5):
        at = START_MS + rng.randrange(days * DAY_MS)
        buyer = f"buyer-{rng.randrange(count // 2):08}"
        yield (SHOP, f"order-{number}", buyer, at - 600_000, at, rng.randrange(100_000), 2, 0)


def fill(path: Path, count: int, days: int) -> None:
    """Makes the tables; indexes last."""
    rng = random.Random(1)
    connection = schema.open_tables(path, b"benchmark")
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    connection.execute("BEGIN")
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    marks = ", ".join("?" * len(Conversation.__slots__))
    connection.executemany(
        f"INSERT INTO conversations VALUES ({marks})", conversations(count, days, rng)
    )
    connection.executemany(
        "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", decisions(count, days, rng)
    )
    connection.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)", orders(count, days, rng)
    )
    connection.execute(
        "INSERT INTO shops VALUES (?, 0, ?, ?, 1, ?, 600000, 120000, 3)",
        (SHOP, START_MS, START_MS + days * DAY_MS, count),
    )
    for kind, ids in (("agent", AGENTS), ("group", GROUPS)):
        connection.executemany(
            "INSERT INTO staff VALUES (?, ?, ?, ?, NULL, 0)",
            [(SHOP, kind, one, START_MS) for one in ids],
        )
    for number, agent in enumerate(AGENTS):
        connection.execute(
            "INSERT INTO memberships VALUES (?, ?, ?, ?, NULL)",
            (SHOP, GROUPS[number % len(GROUPS)], agent, START_MS),
        )
        connection.executemany(
            "INSERT INTO presence VALUES (?, ?, 'ONLINE', ?, ?)",
            [
                (SHOP, agent, START_MS + day * DAY_MS + 1, START_MS + day * DAY_MS + DAY_MS // 3)
                for day in range(days)
            ],
        )
    for _, sql in indexes:
        connection.execute(sql)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def measure_reports(path: Path, days: int) -> None:
    """How long each kind of report of a day takes; on a busy machine the processor's time says more."""
    connections = schema.open_at_one_moment(path, b"benchmark", READERS)
    now_ms = START_MS + (days + 10) * DAY_MS
    for grain in ("WINDOW", "HOUR"):
        for by in ("AGENT", "GROUP", "SHOP"):
            took: list[float] = []
            cpu: list[float] = []
            for run in range(RUNS):
                start_ms = START_MS + (days * (run + 1) // (RUNS + 1)) * DAY_MS
                request = insight_pb2.GetReceptionReportRequest(
                    shop_id=SHOP,
                    window=insight_pb2.Window(start_ms=start_ms, end_ms=start_ms + DAY_MS),
                    subject=f"REPORT_SUBJECT_{by}",
                    grain=f"REPORT_GRAIN_{grain}",
                )
                began, worked = time.perf_counter(), time.process_time()
                response = report(connections, request, now_ms)
                took.append(time.perf_counter() - began)
                cpu.append(time.process_time() - worked)
            print(
                f"{by:6} by {grain:6}: {len(response.rows):4} rows, median"
                f" {1000 * statistics.median(took):5.0f} ms, of which processor"
                f" {1000 * statistics.median(cpu):5.0f} ms"
            )
    schema.close_all(connections)


def measure_decisions(path: Path, days: int) -> None:
    """How long a page and a summary of a day's decisions take, and what a live screen asks for."""
    connection = schema.open_for_reading(path, b"benchmark")
    assert connection is not None
    now_ms = START_MS + (days + 10) * DAY_MS
    start_ms = START_MS + days // 2 * DAY_MS
    window = insight_pb2.Window(start_ms=start_ms, end_ms=start_ms + DAY_MS)
    rare = insight_pb2.DecisionFilter(agent_ids=[AGENTS[0]], reasons=["REASON_RECENT_CONTACT"])
    page = insight_pb2.ListDecisionsRequest(
        shop_id=SHOP, window=window, filter=rare, page_size=1000
    )
    summed = insight_pb2.SummarizeDecisionsRequest(shop_id=SHOP, window=window, sample_size=20)
    for name, work in (
        ("a page of a day", lambda: listing.page(connection, page, now_ms)),
        ("a day counted, 20 drawn", lambda: listing.summary(connection, summed, now_ms)),
    ):
        took: list[float] = []
        for _ in range(RUNS):
            began = time.perf_counter()
            work()
            took.append(time.perf_counter() - began)
        print(f"decisions, {name}: median {1000 * statistics.median(took):5.0f} ms")
    connection.close()


def log(count: int) -> list[bytes]:
    """Entries of a day: inquiries, each with three messages."""
    engine = load_core(None).engine(1)
    shop = shop_pb2.Shop(
        shop_id=SHOP,
        agents=[shop_pb2.Agent(agent_id=agent) for agent in AGENTS],
        groups=[shop_pb2.Group(group_id="all", agent_ids=AGENTS)],
    )
    entries: list[bytes] = []

    def decide(kind: CommandKind, message: object, now_ms: int) -> None:
        code, body, _, entry = engine.decide(kind, message.SerializeToString(), now_ms, "")  # type: ignore[attr-defined]
        assert code == 0, body
        if entry:
            entries.append(entry)

    decide(CommandKind.APPLY_SHOP, shop_pb2.ApplyShopRequest(shop=shop), START_MS)
    for agent in AGENTS:
        online = presence_pb2.SetPresenceRequest(
            shop_id=SHOP, agent_id=agent, status=types_pb2.PRESENCE_STATUS_ONLINE
        )
        decide(CommandKind.SET_PRESENCE, online, START_MS)
    for number in range(count):
        now_ms, buyer = START_MS + 500 * number, f"b{number}"
        inquiry = dispatch_pb2.RouteRequest(shop_id=SHOP, buyer_id=buyer)
        decide(CommandKind.ROUTE, inquiry, now_ms)
        for sender in (types_pb2.SENDER_BUYER, types_pb2.SENDER_AGENT, types_pb2.SENDER_BUYER):
            event = dispatch_pb2.MessageEvent(shop_id=SHOP, buyer_id=buyer, sender=sender)
            decide(CommandKind.MESSAGE, event, now_ms)
    return entries


def measure_following(path: Path, inquiries: int) -> None:
    """Entries a second from a log into the tables."""
    entries = log(inquiries)
    connection = schema.open_tables(path, b"benchmark")
    began = time.perf_counter()
    for start in range(0, len(entries), BATCH_ENTRIES):
        connection.execute("BEGIN IMMEDIATE")
        projection = Projection(connection, 1)
        data = BytesIO(b"".join(entries[start : start + BATCH_ENTRIES]))
        while (entry := proto.parse_length_prefixed(engine_pb2.Entry, data)) is not None:
            projection.take(entry)
        projection.write()
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    print(
        f"following: {len(entries) / took:,.0f} entries/s ({inquiries / took:,.0f} conversations/s)"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--conversations", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure_following(Path(folder) / "followed.db", 5_000)
        path = given.keep or Path(folder) / schema.FILE
        if not path.exists():
            began = time.perf_counter()
            fill(path, given.conversations, given.days)
            print(
                f"filled in {time.perf_counter() - began:.0f} s, {path.stat().st_size / 1e9:.1f} GB"
            )
        measure_reports(path, given.days)
        measure_decisions(path, given.days)


if __name__ == "__main__":
    main()
