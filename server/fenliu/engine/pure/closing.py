"""Closing a conversation on request (docs/engine.md section 8, *Close*)."""

from fenliu.engine.pure.conversation_ids import issued_number
from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2


def decide_close(
    turn: Turn, request: dispatch_pb2.CloseConversationRequest
) -> dispatch_pb2.CloseConversationResponse:
    """Ends a conversation; closing a closed one changes nothing."""
    number = issued_number(request.conversation_id, turn.shop.last_conversation)
    already_closed = number not in turn.shop.conversations
    if not already_closed:
        turn.close(number, engine_pb2.CLOSE_CAUSE_REQUEST)
    return close_response(request, already_closed)


def close_response(
    request: dispatch_pb2.CloseConversationRequest, already_closed: bool
) -> dispatch_pb2.CloseConversationResponse:
    return dispatch_pb2.CloseConversationResponse(
        conversation_id=request.conversation_id, already_closed=already_closed
    )
