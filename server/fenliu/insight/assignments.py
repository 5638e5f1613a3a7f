"""What log entries say about who has which buyer: entries in, `WatchAssignmentsResponse`s out.

Pure: knows no journal, no position but a fact's place in its entry, and no rule of dispatch.

An event is: a decision that gave the buyer somebody or somewhere to wait, also one that no caller asked
for (out of the queue or the pool, after a timeout); an agent's first word to a buyer, which opens a
conversation without a decision; a waiting inquiry that was cancelled, by the buyer or with the shop. No
events are: a decision that left everything as it was (the open conversation goes on, the buyer waits on),
and a conversation's end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fenliu.engine.answers import conversation_id, route_response
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, types_pb2

_LEFT_AS_IT_WAS = frozenset({types_pb2.REASON_OPEN_CONVERSATION, types_pb2.REASON_STILL_WAITING})
_ENDED_BY_ITSELF = frozenset(
    {
        engine_pb2.CLOSE_CAUSE_IDLE,
        engine_pb2.CLOSE_CAUSE_REQUEST,
        engine_pb2.CLOSE_CAUSE_SHOP_DELETED,
    }
)


def command_of(entry: engine_pb2.Entry) -> Any:
    """The message in an entry's command that has the `shop_id`, and mostly a `buyer_id`."""
    name = entry.WhichOneof("command")
    match name:
        case None:
            raise ValueError("an entry without a command")
        case "apply_shop":
            return entry.apply_shop.shop
        case "update_presence":
            return entry.update_presence.update
        case _:
            return getattr(entry, name)


def events(entry: engine_pb2.Entry) -> Iterator[tuple[int, dispatch_pb2.WatchAssignmentsResponse]]:
    """The events of an entry, without tokens, each with its fact's place in the entry."""
    command = command_of(entry)
    named_buyer: str = getattr(command, "buyer_id", "")
    moved_from = 0  # the conversation that the fact just before has ended
    for place, fact in enumerate(entry.facts):
        event: dispatch_pb2.WatchAssignmentsResponse | None = None
        match fact.WhichOneof("fact"):
            case "decided":
                event = _decided(fact.decided, moved_from)
            case "message_noted":
                event = _first_word(fact.message_noted, moved_from)
            case "waiting_cancelled":
                cancelled = fact.waiting_cancelled
                event = dispatch_pb2.WatchAssignmentsResponse(buyer_id=cancelled.buyer_id)
        if event is not None:
            event.shop_id = command.shop_id
            event.buyer_id = event.buyer_id or named_buyer
            event.decided_at_ms = event.decided_at_ms or entry.now_ms
            yield place, event
        closed = fact.conversation_closed  # empty for other facts
        moved_from = closed.conversation if closed.cause not in _ENDED_BY_ITSELF else 0


def _decided(
    decided: engine_pb2.Decided, moved_from: int
) -> dispatch_pb2.WatchAssignmentsResponse | None:
    previous = decided.previous_conversation or moved_from
    if decided.reason in _LEFT_AS_IT_WAS and not previous:
        return None
    return dispatch_pb2.WatchAssignmentsResponse(
        buyer_id=decided.buyer_id,
        assignment=route_response(decided),
        decided_at_ms=decided.at_ms,
        previous_conversation_id=conversation_id(previous),
    )


def _first_word(
    noted: engine_pb2.MessageNoted, moved_from: int
) -> dispatch_pb2.WatchAssignmentsResponse | None:
    if not noted.opened:
        return None
    return dispatch_pb2.WatchAssignmentsResponse(
        buyer_id=noted.buyer_id,
        assignment=dispatch_pb2.RouteResponse(
            conversation_id=conversation_id(noted.conversation),
            outcome=types_pb2.OUTCOME_AGENT,
            agent_id=noted.agent_id,
        ),
        previous_conversation_id=conversation_id(moved_from),
    )
