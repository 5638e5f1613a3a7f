"""How long the diagnosis of a large day takes, with all seven causes acting, and how much memory.

    .venv/bin/python -m benchmarks.diagnose [--inquiries 100000] [--core rust] [--keep DIR]

Builds a data directory with the core itself: a shop of twenty agents, a day before with a quarter of the
inquiries, and a day of so many, each answered twice and closed. Then two agents are diagnosed who differ in
everything, in this process as a job of the server would. Wall time means little on a busy machine: processor
time stands beside it.
"""

from __future__ import annotations

import argparse
import heapq
import random
import resource
import tempfile
import time
from itertools import islice
from pathlib import Path

from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table

from fenliu.engine import CommandKind, Engine, load_core
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.diagnosis.diagnose import diagnose
from fenliu.insight.whatif.playing import play
from fenliu.insight.whatif.recording import record
from fenliu.insight.whatif.script import script
from fenliu.journal import Append, SqliteJournal, SqliteReader, pack
from fenliu.v1 import dispatch_pb2, insight_pb2, presence_pb2, shop_pb2, types_pb2

SHOP = "shop"
MIDNIGHT_MS = 1_762_012_800_000  # in Shanghai
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
AGENTS = [f"agent-{number:02}" for number in range(20)]
A, B = AGENTS[:2]
ENTRIES_A_RECORD = 256


def shop() -> shop_pb2.Shop:
    """A has more weight and a group of its own, B is the proxy."""
    weights = {A: 7, B: 3}
    return shop_pb2.Shop(
        shop_id=SHOP,
        agents=[shop_pb2.Agent(agent_id=one, weight=weights.get(one, 5)) for one in AGENTS],
        groups=[
            shop_pb2.Group(group_id="all", agent_ids=AGENTS),
            shop_pb2.Group(
                group_id="vip", agent_ids=[A], bindings=shop_pb2.Bindings(intents=["vip"])
            ),
        ],
        settings=shop_pb2.ShopSettings(
            proxy_agent_id=B, offline_target=shop_pb2.OFFLINE_TARGET_PROXY
        ),
    )


class Log:
    """What has happened, decided by an engine, gathered into records."""

    def __init__(self, engine: Engine, data: Path) -> None:
        self._engine = engine
        self._journal = SqliteJournal.open(data, partitions=1, durability="relaxed")
        self._entries: list[bytes] = []
        self._seq = self._checksum = 0

    def decide(self, kind: CommandKind, message: Message, at_ms: int) -> bytes:
        """Returns the reply."""
        while (due := self._engine.next_due()) is not None and due < at_ms:
            for _, _, entries in self._engine.tick(due):
                self._write(entries, due)
        _, reply, _, entry = self._engine.decide(kind, message.SerializeToString(), at_ms)
        if entry:
            self._write(entry, at_ms)
        return reply

    def _write(self, entry: bytes, at_ms: int) -> None:
        self._entries.append(entry)
        if len(self._entries) >= ENTRIES_A_RECORD:
            self.flush(at_ms)

    def flush(self, at_ms: int) -> None:
        append_id = self._seq.to_bytes(16, "big")
        record, self._checksum = pack(
            rules_version=1, append_id=append_id, writer=bytes(16), now_ms=at_ms,
            count=len(self._entries), seq=self._seq + 1, partition=0,
            predecessor=self._checksum, entries=b"".join(self._entries),
        )  # fmt: skip
        self._journal.append([Append(0, self._seq, append_id, record)]).result()
        self._seq += 1
        self._entries = []

    def close(self, at_ms: int) -> None:
        self.flush(at_ms)
        self._journal.close()


def fill(data: Path, inquiries: int) -> None:
    """Two days: B is off on the first, is there for less time on the second and answers slowly."""
    rng = random.Random(1)
    log = Log(load_core().engine(1), data)
    events: list[tuple[int, int, CommandKind, Message]] = []

    def at(at_ms: int, kind: CommandKind, message: Message) -> None:
        heapq.heappush(events, (at_ms, len(events) + rng.getrandbits(40), kind, message))

    at(MIDNIGHT_MS - DAY_MS, CommandKind.APPLY_SHOP, shop_pb2.ApplyShopRequest(shop=shop()))
    for day, number in ((MIDNIGHT_MS - DAY_MS, inquiries // 4), (MIDNIGHT_MS, inquiries)):
        for place, agent_id in enumerate(AGENTS):
            if agent_id == B and day < MIDNIGHT_MS:
                continue
            begins = day + 8 * HOUR_MS + place % 5 * HOUR_MS
            ends = begins + (8 if agent_id == B else 10) * HOUR_MS
            spans = ((types_pb2.PRESENCE_STATUS_ONLINE, begins),
                     (types_pb2.PRESENCE_STATUS_OFFLINE, ends))  # fmt: skip
            for status, time_ms in spans:
                request = presence_pb2.SetPresenceRequest(
                    shop_id=SHOP, agent_id=agent_id, status=status
                )
                at(time_ms, CommandKind.SET_PRESENCE, request)
        for _ in range(number):
            request = dispatch_pb2.RouteRequest(
                shop_id=SHOP, buyer_id=f"buyer-{rng.randrange(inquiries):07}",
                request_id=f"{rng.getrandbits(64):016x}", intent="vip" if rng.random() < 0.05 else "",
            )  # fmt: skip
            at(day + 7 * HOUR_MS + rng.randrange(15 * HOUR_MS), CommandKind.ROUTE, request)
    now_ms = 0
    while events:
        now_ms, _, kind, message = heapq.heappop(events)
        reply = log.decide(kind, message, now_ms)
        if kind == CommandKind.ROUTE:
            answer = dispatch_pb2.RouteResponse.FromString(reply)
            if answer.outcome == types_pb2.OUTCOME_AGENT:
                slow = 10 if answer.agent_id == B else 1
                first = now_ms + slow * rng.randrange(10_000, 60_000)
                for number, time_ms in enumerate((first, first + 45_000)):
                    word = dispatch_pb2.MessageEvent(
                        shop_id=SHOP, conversation_id=answer.conversation_id,
                        sender=types_pb2.SENDER_AGENT, sent_at_ms=time_ms,
                        event_id=f"{answer.decision_id}-{number}",
                    )  # fmt: skip
                    at(time_ms, CommandKind.MESSAGE, word)
                close = dispatch_pb2.CloseConversationRequest(
                    shop_id=SHOP, conversation_id=answer.conversation_id
                )
                at(first + 120_000, CommandKind.CLOSE_CONVERSATION, close)
            elif answer.outcome == types_pb2.OUTCOME_LEFT_MESSAGE:
                word = dispatch_pb2.MessageEvent(
                    shop_id=SHOP, buyer_id=message.buyer_id,  # type: ignore[attr-defined]
                    sender=types_pb2.SENDER_AGENT, agent_id=B, sent_at_ms=now_ms + HOUR_MS,
                )  # fmt: skip
                at(now_ms + HOUR_MS, CommandKind.MESSAGE, word)
    log.close(now_ms)


def measured(data: Path, core_name: str) -> Table:
    """A row for each part, then the whole diagnosis."""
    core, reader = load_core(core_name), SqliteReader(data)
    table = Table(title=f"{core.name} core")
    for heading in ("what", "of", "wall s", "processor s"):
        table.add_column(heading, justify="right")
    window = insight_pb2.Window(start_ms=MIDNIGHT_MS, end_ms=MIDNIGHT_MS + DAY_MS)

    def timed(what: str, work: object) -> object:
        wall, used = time.perf_counter(), time.process_time()
        found, of = work()  # type: ignore[operator]
        took = (time.perf_counter() - wall, time.process_time() - used)
        table.add_row(what, of, *(f"{one:.2f}" for one in took))
        return found

    def reading() -> tuple[object, str]:
        recording = record(reader, core, SHOP, window.start_ms, window.end_ms)
        return recording, f"{len(recording.events):,} events"

    recording = timed("reading the window", reading)
    written = timed(
        "its script", lambda: (found := script(recording), f"{len(found) / 2**20:.1f} MiB")
    )  # type: ignore[arg-type]

    def playing() -> tuple[object, str]:
        played: engine_pb2.Played = play(core, recording, written)  # type: ignore[arg-type]
        return played, f"{played.decisions:,} decisions"

    timed("one play", playing)

    def whole() -> tuple[object, str]:
        request = insight_pb2.DiagnoseImbalanceRequest(
            shop_id=SHOP, window=window, agent_id=A, other_agent_id=B
        )
        response = diagnose(reader, core, request, 0, lambda *_: None)
        return response, f"{response.plays} plays"

    response = timed("the whole diagnosis", whole)
    shares = ", ".join(
        f"{row.title} {row.share_numerator / row.share_denominator:+.0f}"
        for row in islice(response.shares, 8)  # type: ignore[attr-defined]
    )
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    table.caption = f"{shares}; {resident:,.0f} MiB resident at most"
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inquiries", type=int, default=100_000)
    parser.add_argument("--core", default="rust", choices=("rust", "python"))
    parser.add_argument("--keep", type=Path, help="where the data directory is, or is made to stay")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        data = arguments.keep or Path(temporary) / "data"
        if not data.exists():
            fill(data, arguments.inquiries)
        Console(width=140).print(measured(data, arguments.core))


if __name__ == "__main__":
    main()
