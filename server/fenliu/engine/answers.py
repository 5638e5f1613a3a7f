"""What a logged decision looks like to its caller: ids from numbers, `RouteResponse` from `Decided`.

One mapping for the Python core, which answers with it, and for those who read the log later.
"""

from fenliu.engine.v1.engine_pb2 import Decided
from fenliu.v1 import dispatch_pb2


def conversation_id(number: int) -> str:
    """The id; "" for 0, no conversation."""
    return f"c{number}" if number else ""


def decision_id(number: int) -> str:
    """The id of a decision; they are numbered from 1."""
    return f"d{number}"


def route_response(decided: Decided) -> dispatch_pb2.RouteResponse:
    """The answer that was given to the inquiry, or would have been."""
    return dispatch_pb2.RouteResponse(
        conversation_id=conversation_id(decided.conversation),
        decision_id=decision_id(decided.decision),
        outcome=decided.outcome,
        agent_id=decided.agent_id,
        group_id=decided.group_id,
        reason=decided.reason,
        queue_position=decided.queue_position,
        estimated_wait_ms=decided.estimated_wait_ms,
    )


def conversation_number(conversation: str) -> int:
    """The number in a conversation's id; 0: it has not the form of one."""
    digits = conversation.removeprefix("c")
    plain = digits.isascii() and digits.isdigit() and digits != conversation and digits[0] != "0"
    return int(digits) if plain else 0
