"""What happens by itself when its time has come (docs/engine.md section 9)."""

from collections.abc import Callable
from typing import Any, NamedTuple

from fenliu.engine.pure import decision, waiting
from fenliu.engine.pure.assignment import Search, decided, find_agent
from fenliu.engine.pure.deadlines import Deadlines
from fenliu.engine.pure.settle import settle
from fenliu.engine.pure.state import Shop
from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import types_pb2

NEVER: Deadlines[Any] = Deadlines()
"""Empty."""


class Due(NamedTuple):
    """An effect and when it is due, Unix ms."""

    at_ms: int
    kind: int
    of: Any  # the conversation's or decision's number, or the agent's id


def apply_due(turn: Turn) -> None:
    """Records every effect due up to and including the turn's time, in order."""
    while (due := next_due(turn.shop)) is not None and due.at_ms <= turn.now:
        # A shortened setting may have made it due in the past; time never goes back all the same.
        turn.due_ms = max(due.at_ms, turn.shop.last_now_ms)
        _EFFECTS[due.kind](turn, due.of)
        settle(turn)
    turn.due_ms = None


def halfway(shop: Shop, now: int, most: int) -> int | None:
    """When a tick is to end so that it applies about `most` effects (0: any number); None: at `now`."""
    if not most:
        return None
    ends = [
        end_ms + after_ms
        for since, after_ms in _lines(shop)
        if (end_ms := since.behind(most, now - after_ms)) is not None
    ]
    end_ms = max(min(ends, default=now), shop.last_now_ms)
    return end_ms if end_ms < now else None


def next_due(shop: Shop) -> Due | None:
    """The shop's next effect by (time, kind, id)."""
    found = [
        Due(first[0] + after_ms, kind, first[1])
        for kind, (since, after_ms) in enumerate(_lines(shop), 1)
        if (first := since.first()) is not None
    ]
    return min(found, default=None)  # no two have the same kind


def _lines(shop: Shop) -> tuple[tuple[Deadlines[Any], int], ...]:
    """What the effects of each kind are due after, and how long after it; kinds in their order."""
    config = shop.config
    return (
        (shop.idle_since if config.idle_close_ms else NEVER, config.idle_close_ms),
        (shop.queued_since if config.queue_timeout_ms else NEVER, config.queue_timeout_ms),
        (shop.unanswered_since if config.reply_timeout_ms else NEVER, config.reply_timeout_ms),
        (shop.volume_ends, 0),
    )


def _close_idle(turn: Turn, number: int) -> None:
    turn.close(number, engine_pb2.CLOSE_CAUSE_IDLE)


def _leave_queue(turn: Turn, number: int) -> None:
    """The buyer has waited in the queue for long enough: step 10 as if never queued."""
    entry = turn.shop.queued[number]
    made = waiting.otherwise(turn.shop, entry.buyer_id, entry=None, handoff=False)
    decision.record(turn, made, entry.buyer_id)


def _time_out(turn: Turn, number: int) -> None:
    """The agent has not answered: to another agent, if there is one."""
    shop = turn.shop
    conversation = shop.conversations[number]
    search = Search(
        shop,
        conversation.buyer_id,
        conversation.inquiry,
        turn.time,
        without=conversation.agent_id,
    )
    may_move = conversation.reply_hops < shop.config.max_hops
    found = find_agent(search) if may_move else None
    if found is None:
        timed_out = engine_pb2.ReplyTimedOut(conversation=number, at_ms=turn.time)
        turn.record(engine_pb2.Fact(reply_timed_out=timed_out))
        return
    turn.close(number, engine_pb2.CLOSE_CAUSE_REPLY_TIMEOUT)
    made = decided(search, found, types_pb2.REASON_REPLY_TIMEOUT)
    decision.record(turn, made, conversation.buyer_id, previous=number)


def _reset_volume(turn: Turn, agent_id: str) -> None:
    reset = engine_pb2.VolumeReset(agent_id=agent_id, at_ms=turn.time)
    turn.record(engine_pb2.Fact(volume_reset=reset))


_EFFECTS: dict[int, Callable[[Turn, Any], None]] = {
    1: _close_idle,
    2: _leave_queue,
    3: _time_out,
    4: _reset_volume,
}
