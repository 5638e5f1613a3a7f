"""Message events (docs/engine.md section 5, second half)."""

from fenliu.engine.answers import route_response
from fenliu.engine.pure import route
from fenliu.engine.pure.conversation_ids import issued_number
from fenliu.engine.pure.parts import Conversation
from fenliu.engine.pure.refusals import Refusal, invalid
from fenliu.engine.pure.state import Shop
from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, types_pb2


def decide_message(turn: Turn, event: dispatch_pb2.MessageEvent) -> dispatch_pb2.MessageResult:
    """Notes a message: who wrote it, in which conversation, when. A buyer left alone is moved."""
    shop = turn.shop
    # 1. The conversation named must have been issued, and be this buyer's.
    number = 0
    if event.conversation_id:
        number = issued_number(event.conversation_id, shop.last_conversation)
        conversation = shop.conversations.get(number)
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
    if conversation is not None:
        number = conversation.number
    # 6. An agent's first word to a buyer, or to one the robot has, opens a conversation.
    opened = event.sender == types_pb2.SENDER_AGENT and (
        conversation.robot if conversation is not None else not event.conversation_id
    )
    # 4. The author: the one named, else the open conversation's agent.
    if written_for_agent and not author:
        if opened:
            raise invalid("agent_id", "required")
        author = conversation.agent_id if conversation is not None else ""
    # 5. The time.
    sent = event.sent_at_ms or turn.now
    skew = shop.config.timestamp_skew_ms
    at_ms = min(max(sent, turn.now - skew), turn.now + skew)

    result = dispatch_pb2.MessageResult(clamped=at_ms != sent)
    noted = engine_pb2.MessageNoted(
        conversation=number, at_ms=at_ms, clamped=result.clamped, agent_id=author, opened=opened
    )
    if opened:
        if conversation is not None:
            noted.buyer_id = "" if event.buyer_id else conversation.buyer_id
            turn.close(number, engine_pb2.CLOSE_CAUSE_TO_HUMAN)
        noted.conversation = shop.last_conversation + 1
    # 7. A buyer whose agent has gone is moved.
    elif (
        event.sender == types_pb2.SENDER_BUYER
        and conversation is not None
        and _agent_is_gone(shop, conversation)
    ):
        turn.close(number, engine_pb2.CLOSE_CAUSE_HANDLER_OFFLINE)
        decided = route.decide_again(turn, conversation)
        noted.conversation = decided.conversation
        result.reassigned.CopyFrom(route_response(decided))
    turn.record(engine_pb2.Fact(message_noted=noted))
    return result


def _agent_is_gone(shop: Shop, conversation: Conversation) -> bool:
    if conversation.robot:
        return False
    agent = shop.agents.get(conversation.agent_id)
    return agent is None or agent.is_offline
