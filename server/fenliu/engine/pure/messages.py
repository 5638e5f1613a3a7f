"""Message events (docs/engine.md section 5, second half)."""

from fenliu.engine.pure.conversation_ids import issued_number
from fenliu.engine.pure.refusals import Refusal, invalid
from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, types_pb2


def decide_message(turn: Turn, event: dispatch_pb2.MessageEvent) -> dispatch_pb2.MessageResult:
    """Notes a message: who wrote it, in which conversation, when."""
    shop = turn.shop
    # 1. The conversation named must have been issued, and be this buyer's.
    named = 0
    if event.conversation_id:
        named = issued_number(event.conversation_id, shop.last_conversation)
        conversation = shop.conversations.get(named)
        if conversation is not None and event.buyer_id not in ("", conversation.buyer_id):
            raise invalid("buyer_id", "not the conversation's buyer")
    else:
        conversation = shop.conversation_of_buyer.get(event.buyer_id)
    # 2. The agent named must be the shop's.
    written_for_agent = event.sender in (types_pb2.SENDER_AGENT, types_pb2.SENDER_AUTO_REPLY)
    author = event.agent_id if written_for_agent else ""
    if author and author not in shop.agents:
        raise Refusal("AGENT_NOT_FOUND", "agent_id")
    # 3. The conversation: the one named, else the buyer's open one, else none.
    number = named
    if conversation is not None:
        number = conversation.number
    # 4. The author: the one named, else the open conversation's agent.
    by_agent = event.sender == types_pb2.SENDER_AGENT
    if written_for_agent and not author:
        if conversation is not None:
            author = conversation.agent_id
        elif by_agent and not event.conversation_id:
            raise invalid("agent_id", "required")
    # 5. The time.
    sent = event.sent_at_ms or turn.now
    skew = shop.config.timestamp_skew_ms
    at_ms = min(max(sent, turn.now - skew), turn.now + skew)
    # 6. An agent's first word opens a conversation.
    opened = by_agent and not event.conversation_id and conversation is None
    if opened:
        number = shop.last_conversation + 1

    noted = engine_pb2.MessageNoted(
        conversation=number,
        at_ms=at_ms,
        clamped=at_ms != sent,
        agent_id=author,
        opened=opened,
    )
    turn.record(engine_pb2.Fact(message_noted=noted))
    return dispatch_pb2.MessageResult(clamped=noted.clamped)
