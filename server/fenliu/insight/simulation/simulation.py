"""A whole simulation: the recorded day counted, played again and counted again, and both compared.

Runs in a process of its own. What it needs on the disk grows with the day, what it needs in memory does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from io import BytesIO
from itertools import islice
from pathlib import Path

from google.protobuf import proto

from fenliu.engine import CommandKind, Core
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.errors import EngineRefused, ReportRefused, ReportsBehind
from fenliu.insight.places import entries_from, first_at
from fenliu.insight.reports.schema import FILE, open_for_reading
from fenliu.insight.simulation.asking import read
from fenliu.insight.simulation.assumptions import Assumed, in_words
from fenliu.insight.simulation.compare import compare
from fenliu.insight.simulation.inquiries import Inquiries
from fenliu.insight.simulation.scratch import Frame, Scratch
from fenliu.insight.simulation.shifts import Change, changes, spans_of
from fenliu.insight.simulation.variant import delays, draws, moved
from fenliu.insight.whatif.playing import play
from fenliu.insight.whatif.recording import Recording, Span, record
from fenliu.insight.whatif.script import script
from fenliu.journal import SqliteReader
from fenliu.v1 import insight_pb2, shop_pb2

TAIL_MS = 3_600_000
"""So long after the window what is said in its conversations still counts."""
BATCH = 4_000
"""Entries counted in one transaction, and between two looks at the clock."""
TELL_EVERY_S = 0.25
_RETRY_MS = 2_000
_NEVER = "the shop had no such agent in the window"

Emit = Callable[[insight_pb2.SimulateStreamResponse], None]


def run(
    reader: SqliteReader, core: Core, asked: bytes, scratch: Path, emit: Callable[[bytes], None]
) -> None:
    """As `simulate`; `asked` is as asking.py has it, each message a SimulateStreamResponse."""
    request, as_of_ms = read(asked)
    simulation = Simulation(
        reader, core, request, as_of_ms, scratch, lambda step: emit(step.SerializeToString())
    )
    emit(insight_pb2.SimulateStreamResponse(result=simulation.simulate()).SerializeToString())


class Simulation:
    """One question being answered."""

    def __init__(
        self,
        reader: SqliteReader,
        core: Core,
        request: insight_pb2.SimulateRequest,
        as_of_ms: int,
        folder: Path,
        emit: Emit,
    ) -> None:
        """`folder`: an empty directory. `emit` is told how far it is."""
        self._reader = reader
        self._core = core
        self._request = request
        self._folder = folder
        self._emit = emit
        self._tables = reader.directory / FILE
        self._frame = self._framed(as_of_ms)
        self._end_ms = min(request.window.end_ms + TAIL_MS, as_of_ms + 1)
        self._repetitions = max(1, request.repetitions)
        self._document = request.changed_shop if request.HasField("changed_shop") else None
        self._assumed = Assumed(repetitions=self._repetitions)
        self._recorded = Inquiries(request.window.start_ms, request.window.end_ms)
        self._delays: list[engine_pb2.AgentDelays] = []
        self._entries = 0
        """Those that were recorded."""
        self._done = 0
        self._told_s = 0.0

    def simulate(self) -> insight_pb2.SimulateResponse:
        """The answer.

        Raises EngineRefused, ReportRefused, ReportsBehind, CorruptRecord, CorruptSnapshot, StorageError.
        """
        self._check_document()
        request = self._request
        recording = record(
            self._reader,
            self._core,
            request.shop_id,
            request.window.start_ms,
            self._end_ms,
            now_ms=self._frame.as_of_ms,
            orders=True,
        )
        base = Scratch(self._folder / "base.db", self._frame)
        if recording.start:
            base.begin(engine_pb2.ShopSnapshot.FromString(recording.start))
        real_tables = base.copy(self._folder / "recorded.db")
        self._count(real_tables, self._log())
        known = self._folder / "known.db"
        real_tables.know_orders(self._tables, known)
        real = self._reported(real_tables, known)
        recording = self._moved(recording, real_tables)
        real_tables.close()
        self._say(recording)
        simulated = []
        decided = insight_pb2.DecisionCounts()
        left_out = 0
        for number in range(self._repetitions):
            path = self._folder / f"{number}.db"
            tables = Scratch(self._folder / "base.db", self._frame).copy(path)
            played = self._played(recording, number)
            written = len(recording.events) + (
                self._document is not None and recording.starts_with_document
            )
            left_out += written - played.happened + played.refused
            inquiries = Inquiries(request.window.start_ms, request.window.end_ms)
            self._count(tables, _taken(inquiries, played.entries))
            simulated.append(self._reported(tables, known))
            tables.close()
            path.unlink()
            counts = self._recorded.compare(inquiries)
            decided.inquiries += counts.inquiries
            decided.same += counts.same
            decided.other_receiver += counts.other_receiver
        response = compare(real, simulated)
        response.decisions.CopyFrom(decided)
        response.left_out = self._assumed.left_out = left_out
        response.assumptions.extend(in_words(self._assumed, request.language))
        return response

    def _check_document(self) -> None:
        """Raises EngineRefused for one that the engine would not take."""
        if self._document is None:
            return
        apply = shop_pb2.ApplyShopRequest(shop=self._document)
        apply.shop.ClearField("etag")
        code, reply, _, _ = self._core.engine(1).decide(
            CommandKind.APPLY_SHOP, apply.SerializeToString(), 0
        )
        if code:
            raise EngineRefused(reply)

    def _framed(self, as_of_ms: int) -> Frame:
        request = self._request
        connection = open_for_reading(self._tables, self._reader.data_id)
        if connection is None:
            raise ReportsBehind("they are being made anew", _RETRY_MS)
        with closing(connection):
            since_ms, whole = connection.execute(
                "SELECT since_ms, whole FROM shops WHERE shop_id = ?", (request.shop_id,)
            ).fetchone()
        return Frame(
            shop_id=request.shop_id,
            start_ms=request.window.start_ms,
            end_ms=request.window.end_ms,
            as_of_ms=as_of_ms,
            since_ms=since_ms,
            whole=bool(whole),
            partitions=self._reader.partitions,
        )

    def _log(self) -> Iterator[engine_pb2.Entry]:
        """What was recorded, up to an hour behind the window."""
        shop_id, window = self._request.shop_id, self._request.window
        place = first_at(self._reader, self._core, shop_id, window.start_ms)
        for entry in entries_from(self._reader, self._core, shop_id, place):
            if entry.now_ms >= self._end_ms:
                return
            self._entries += 1
            self._recorded.take(entry)
            yield entry

    def _played(self, recording: Recording, repetition: int) -> engine_pb2.Played:
        request = self._request
        drawn = request.replies == insight_pb2.REPLY_MODEL_DRAWN
        documents = [] if self._document is None else [self._document] * len(recording.documents)
        written = script(
            recording,
            documents=self._document is not None,
            draws=draws(recording, request.seed, repetition) if drawn else None,
        )
        return play(
            self._core,
            recording,
            written,
            documents=documents,
            delays=self._delays if drawn else (),
            want_entries=True,
        )

    def _count(self, scratch: Scratch, entries: Iterator[engine_pb2.Entry]) -> None:
        while batch := list(islice(entries, BATCH)):
            scratch.take(batch)
            self._done += len(batch)
            self._tell(batch[-1].now_ms)

    def _tell(self, at_ms: int) -> None:
        """How far it is; until the log was read once, judged by the time it has come to."""
        now_s = time.monotonic()
        if now_s - self._told_s < TELL_EVERY_S:
            return
        self._told_s = now_s
        start_ms = self._request.window.start_ms
        passed = max(1, at_ms - start_ms) / max(1, self._end_ms - start_ms)
        once = self._entries if self._done > self._entries else round(self._done / passed)
        total = max(self._done, once * (1 + self._repetitions))
        self._emit(
            insight_pb2.SimulateStreamResponse(
                progress=insight_pb2.SimulateProgress(done=self._done, total=total)
            )
        )

    def _reported(self, scratch: Scratch, known: Path) -> insight_pb2.GetReceptionReportResponse:
        scratch.finish(known)
        request = self._request
        return scratch.report(
            insight_pb2.GetReceptionReportRequest(
                shop_id=request.shop_id,
                window=request.window,
                grain=request.grain,
                subject=request.subject,
                language=request.language,
            )
        )

    def _moved(self, recording: Recording, tables: Scratch) -> Recording:
        """The recording with agents at the desk at the times that are asked for."""
        window = self._request.window
        # A shop that was made within the window is not there before.
        begins_ms = window.start_ms
        if not recording.starts_with_document and recording.documents:
            begins_ms = recording.documents[0][0]
        known = tables.agents()
        found: list[Change] = []
        for number, shifts in enumerate(self._request.shifts):
            if self._document is None and shifts.agent_id not in known:
                raise ReportRefused(f"shifts[{number}].agent_id", _NEVER)
            spans: Sequence[Span] = spans_of(shifts)
            if shifts.as_agent_id:
                if shifts.as_agent_id not in known:
                    raise ReportRefused(f"shifts[{number}].as_agent_id", _NEVER)
                spans = recording.presence.get(shifts.as_agent_id, [])
            found += changes(shifts.agent_id, spans, begins_ms, window.end_ms)
        return moved(recording, {one.agent_id for one in self._request.shifts}, sorted(found))

    def _say(self, recording: Recording) -> None:
        """What is to be said of it, and what is drawn from."""
        request, assumed = self._request, self._assumed
        assumed.moved = [shifts.agent_id for shifts in request.shifts]
        shop = self._document
        if shop is not None:
            there = {*recording.presence, *assumed.moved}
            grouped = {one for group in shop.groups for one in group.agent_ids}
            assumed.never_there = sorted(grouped - there)
            first = 1 if recording.documents else 0
            assumed.changes_left_out = sum(
                at_ms < request.window.end_ms for at_ms, _ in recording.documents[first:]
            )
        elif recording.documents:
            shop = recording.documents[-1][1]
        if request.replies == insight_pb2.REPLY_MODEL_DRAWN and shop is not None:
            self._delays, without = delays(recording, shop)
            grouped = {one for group in shop.groups for one in group.agent_ids}
            assumed.seed = request.seed
            assumed.drawn_from_others = [one for one in without if one in grouped]


def _taken(inquiries: Inquiries, entries: bytes) -> Iterator[engine_pb2.Entry]:
    data = BytesIO(entries)
    while (entry := proto.parse_length_prefixed(engine_pb2.Entry, data)) is not None:
        inquiries.take(entry)
        yield entry
