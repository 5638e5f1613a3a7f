"""Handing a conversation on, to an agent or a group (docs/engine.md section 8, *Transfer*)."""

from fenliu.engine.pure import decision
from fenliu.engine.pure.assignment import Found, Search, decided, selected
from fenliu.engine.pure.conversation_ids import issued_number
from fenliu.engine.pure.inquiry import EMPTY
from fenliu.engine.pure.refusals import Refusal, invalid
from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2
from fenliu.engine.v1.engine_pb2 import Decided
from fenliu.v1 import dispatch_pb2, types_pb2

MAX_HOPS = 10


def decide_transfer(
    turn: Turn, request: dispatch_pb2.TransferRequest
) -> dispatch_pb2.TransferResponse:
    """Ends the conversation and opens one with the receiver, or leaves the receiver a message."""
    shop = turn.shop
    number = issued_number(request.conversation_id, shop.last_conversation)
    conversation = shop.conversations.get(number)
    if conversation is None:
        raise Refusal("CONVERSATION_CLOSED", "conversation_id")
    to_agent = request.WhichOneof("target") == "agent_id"
    if to_agent and request.agent_id not in shop.agents:
        raise Refusal("AGENT_NOT_FOUND", "agent_id")
    if not to_agent and request.group_id not in shop.config.all_groups:
        raise Refusal("GROUP_NOT_FOUND", "group_id")
    if to_agent and request.agent_id == conversation.agent_id:
        raise invalid("agent_id", "already has this conversation")
    if conversation.reply_hops + conversation.transfer_hops >= MAX_HOPS:
        raise Refusal("HOP_LIMIT", "conversation_id")

    # Nobody but the agent who hands on is excluded: a transfer says itself who is to have the buyer.
    search = Search(shop, conversation.buyer_id, EMPTY, turn.now, without=conversation.agent_id)
    found = _agent(search, request) if to_agent else _group(search, request)
    turn.close(number, engine_pb2.CLOSE_CAUSE_TRANSFER)
    if found is not None:
        made = decided(search, found)
    else:
        made = Decided(
            outcome=types_pb2.OUTCOME_LEFT_MESSAGE,
            reason=types_pb2.REASON_TRANSFER,
            agent_id=request.agent_id,
            group_id=request.group_id,
        )
    decision.record(turn, made, conversation.buyer_id, previous=number)
    return decision.transfer_response(made)


def _agent(search: Search, request: dispatch_pb2.TransferRequest) -> Found | None:
    """None: as a left message."""
    agent = search.shop.agents[request.agent_id]
    if not agent.is_offline:
        return Found(types_pb2.REASON_TRANSFER, agent)
    if not request.allow_offline:
        raise Refusal("RECEIVER_UNAVAILABLE", "agent_id", "the agent is OFFLINE")
    return None


def _group(search: Search, request: dispatch_pb2.TransferRequest) -> Found | None:
    """None: as a left message."""
    found = selected(search, frozenset((request.group_id,)))
    if found is not None:
        return found._replace(reason=types_pb2.REASON_TRANSFER)
    if not request.allow_offline:
        raise Refusal("RECEIVER_UNAVAILABLE", "group_id", "nobody in the group may take a buyer")
    return None
