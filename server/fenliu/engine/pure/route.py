"""The decision, step by step (docs/engine.md section 8).

The steps' numbers are those of docs/rules.md; 1 (repeats) is done before. Those that find an agent are
in `assignment`, 6 in `robot`, 9 and 10 in `waiting`.
"""

from fenliu.engine.answers import route_response
from fenliu.engine.pure import decision, waiting
from fenliu.engine.pure.assignment import (
    Search,
    decided,
    dedicated,
    match,
    recent_contact,
    selected,
    spilled,
)
from fenliu.engine.pure.inquiry import inquiry_of
from fenliu.engine.pure.parts import Conversation
from fenliu.engine.pure.refusals import Refusal
from fenliu.engine.pure.robot import reception, to_robot
from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2
from fenliu.engine.v1.engine_pb2 import Decided
from fenliu.v1 import dispatch_pb2, shop_pb2, types_pb2


def decide_route(turn: Turn, request: dispatch_pb2.RouteRequest) -> dispatch_pb2.RouteResponse:
    """Decides who handles an inquiry."""
    shop = turn.shop
    if request.dedicated_agent_id and request.dedicated_agent_id not in shop.agents:
        raise Refusal("AGENT_NOT_FOUND", "dedicated_agent_id")
    search = Search(shop, request.buyer_id, inquiry_of(request), turn.now)
    conversation = shop.conversation_of_buyer.get(request.buyer_id)
    made = None
    previous = 0
    if conversation is not None:
        made = _open_conversation(turn, search, conversation, request.handoff)
        if conversation.number not in shop.conversations:
            previous = conversation.number
    if made is None:
        made = _steps_from_3(search, request.handoff)
    made = decision.record(
        turn,
        made,
        request.buyer_id,
        previous=previous,
        priority=request.priority,
        named=True,
    )
    return route_response(made)


def decide_again(turn: Turn, conversation: Conversation) -> Decided:
    """Steps 3 to 10 for the buyer of a conversation that has just ended under them."""
    inquiry = conversation.inquiry
    search = Search(turn.shop, conversation.buyer_id, inquiry, turn.now)
    return decision.record(
        turn,
        _steps_from_3(search, handoff=False),
        conversation.buyer_id,
        previous=conversation.number,
        priority=inquiry.priority,
    )


def _open_conversation(
    turn: Turn, search: Search, conversation: Conversation, handoff: bool
) -> Decided | None:
    """Step 2. Ends the conversation if it cannot go on."""
    shop = turn.shop
    if conversation.robot:
        if not shop.config.robot_id:
            turn.close(conversation.number, engine_pb2.CLOSE_CAUSE_HANDLER_OFFLINE)
            return None
        if handoff:
            return None
        made = to_robot(shop, types_pb2.REASON_OPEN_CONVERSATION)
        made.conversation = conversation.number
        return made
    agent = shop.agents.get(conversation.agent_id)
    if agent is None or agent.is_offline:
        turn.close(conversation.number, engine_pb2.CLOSE_CAUSE_HANDLER_OFFLINE)
        return None
    if agent.agent_id in search.excluded:
        turn.close(conversation.number, engine_pb2.CLOSE_CAUSE_HANDLER_EXCLUDED)
        return None
    return Decided(
        outcome=types_pb2.OUTCOME_AGENT,
        reason=types_pb2.REASON_OPEN_CONVERSATION,
        conversation=conversation.number,
        agent_id=conversation.agent_id,
        group_id=conversation.group_id,
    )


def _steps_from_3(search: Search, handoff: bool) -> Decided:
    """Steps 3 to 10, up to recording."""
    shop = search.shop
    found = recent_contact(search) or dedicated(search)
    if found is not None:
        return decided(search, found)
    matched = match(search)
    first = shop.config.first_of(matched)
    by_robot = reception(shop, first, handoff)
    if by_robot.reason is not None:
        made = to_robot(shop, by_robot.reason)
    else:
        made = _steps_from_7(search, matched, first, handoff)
    if by_robot.mixed_owner is not None:
        made.mixed_owner = by_robot.mixed_owner
    return made


def _steps_from_7(
    search: Search, matched: frozenset[str], first: shop_pb2.Group | None, handoff: bool
) -> Decided:
    shop = search.shop
    found = selected(search, matched) or spilled(search, matched)
    if found is not None:
        return decided(search, found)
    policy = first.when_unavailable if first is not None else None
    if policy == shop_pb2.UNAVAILABLE_POLICY_ROBOT and shop.config.robot_id and not handoff:
        return to_robot(shop, types_pb2.REASON_GROUP_ROBOT)
    queued = None
    if policy != shop_pb2.UNAVAILABLE_POLICY_OFFLINE:
        queued = waiting.queue(shop, search.buyer_id)
    entry = shop.waiting.get(search.buyer_id)
    return queued or waiting.otherwise(shop, search.buyer_id, entry, handoff)
