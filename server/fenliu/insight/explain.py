"""Why a decision came out as it did: found in the log, walked again on the state of then, put into words.

The state is rebuilt by whichever core is loaded and handed to the readable one, which walks: one way of
telling, the same text on both. Works off the event loop, a few at once.

What one costs: reading the log from the snapshot before the decision to the decision (docs/insight.md has
figures), twice at most; the core applies it, without holding up other threads. Of the shop the readable core
loads the head and the few chunks that the decision's entry needs, however many contacts there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TypeVar

from google.protobuf import proto

from fenliu.engine import Core
from fenliu.engine.answers import conversation_id, decision_id
from fenliu.engine.explanation import Explanation
from fenliu.engine.pure.explain import explain_stored
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.decisions import DecisionIndex
from fenliu.insight.errors import AgentNotThen, DecisionNotMade, LogUnreadable, TooBusy
from fenliu.insight.explanations import CATALOGUES, Sentences
from fenliu.journal import CorruptSnapshot, DroppedRecord, Reader, StorageError
from fenliu.recovery import manifest_before
from fenliu.v1 import insight_pb2, types_pb2

AT_ONCE = 2
"""So many explanations are worked out at the same time."""
MOST_WAITING = 32
"""So many more may wait for their turn; others are refused."""
RETRY_AFTER_MS = 1_000

T = TypeVar("T")


class Explainer:
    """Explains the decisions of one journal. For one event loop."""

    def __init__(self, reader: Reader, core: Core) -> None:
        self._reader = reader
        self._core = core
        self._index = DecisionIndex(reader)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fenliu-explain")
        self._under_way = 0

    def close(self) -> None:
        """Waits for the explanations under way; not for the event loop."""
        self._threads.shutdown(cancel_futures=True)

    async def explain(
        self, shop_id: str, decision: str, why_not: str, language: types_pb2.Language
    ) -> insight_pb2.ExplainDecisionResponse:
        """A decision by its id, with the answer for one agent (`why_not` empty: none).

        Raises DecisionNotMade, DecisionNotKept, AgentNotThen, TooBusy, LogUnreadable.
        """
        number = _number_of(decision)
        return await self._off_the_loop(lambda: self._response(shop_id, number, why_not, language))

    async def _off_the_loop(self, work: Callable[[], T]) -> T:
        if self._under_way >= AT_ONCE + MOST_WAITING:
            raise TooBusy(RETRY_AFTER_MS)
        self._under_way += 1
        loop = asyncio.get_running_loop()
        try:
            try:
                return await loop.run_in_executor(self._threads, work)
            except (DroppedRecord, CorruptSnapshot):  # what is old may have just been dropped
                return await loop.run_in_executor(self._threads, work)
        except StorageError as error:
            raise LogUnreadable from error
        finally:
            self._under_way -= 1

    def _response(
        self, shop_id: str, decision: int, why_not: str, language: types_pb2.Language
    ) -> insight_pb2.ExplainDecisionResponse:
        record, (*earlier, entry) = self._index.find(shop_id, decision)
        manifest, made = manifest_before(
            self._reader, self._core, shop_id, record.seq, _prefixed(earlier)
        )

        def fetch(ids: list[bytes]) -> dict[bytes, bytes]:
            here = {one: made[one] for one in ids if one in made}
            return here | self._reader.chunks(None, [one for one in ids if one not in here])

        explained = explain_stored(
            self._reader.partitions, manifest, _prefixed([entry]), decision, fetch
        )
        return _in_words(explained, why_not, language)


def _number_of(decision: str) -> int:
    digits = decision.removeprefix("d")
    number = int(digits) if digits.isascii() and digits.isdigit() else 0
    if decision_id(number) != decision:
        raise DecisionNotMade
    return number


def _prefixed(entries: Sequence[engine_pb2.Entry]) -> bytes:
    buffer = BytesIO()
    for entry in entries:
        proto.serialize_length_prefixed(entry, buffer)
    return buffer.getvalue()


def _in_words(
    explained: Explanation, why_not: str, language: types_pb2.Language
) -> insight_pb2.ExplainDecisionResponse:
    made = explained.decided
    say = Sentences(CATALOGUES[language or types_pb2.LANGUAGE_CHINESE], explained)
    response = insight_pb2.ExplainDecisionResponse(
        decision=insight_pb2.RouteResponseRecord(
            decision_id=decision_id(made.decision),
            decided_at_ms=explained.at_ms,
            buyer_id=explained.buyer_id,
            outcome=made.outcome,
            reason=made.reason,
            agent_id=made.agent_id,
            group_id=made.group_id,
            conversation_id=conversation_id(made.conversation),
        ),
        steps=[
            insight_pb2.DecisionStep(
                step=step.number,
                decided=step.decided,
                text=say.step(step),
                group_ids=step.group_ids,
                agent_id=step.agent_id,
            )
            for step in explained.steps
        ],
        candidates=explained.candidates,
        text=say.decision(),
    )
    for one in response.candidates:
        one.text = say.candidate(one)
        if why_not and one.agent_id == why_not:
            response.why_not.CopyFrom(one)
    if why_not and not response.HasField("why_not"):
        raise AgentNotThen
    return response
