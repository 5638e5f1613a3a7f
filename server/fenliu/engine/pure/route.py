"""The decision, step by step, and closing (docs/engine.md section 7).

The steps' numbers are those of docs/rules.md; 1 (repeats) is done before, 6 and 9 are not built.
"""

from collections.abc import Set

from fenliu.engine.pure.conversation_ids import conversation_id, decision_id, issued_number
from fenliu.engine.pure.document import Groups, inquiry_value
from fenliu.engine.pure.refusals import Refusal
from fenliu.engine.pure.state import Shop
from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2
from fenliu.engine.v1.engine_pb2 import Decided
from fenliu.v1 import dispatch_pb2, shop_pb2, types_pb2


def decide_route(turn: Turn, request: dispatch_pb2.RouteRequest) -> dispatch_pb2.RouteResponse:
    """Decides who handles an inquiry."""
    shop = turn.shop
    if request.dedicated_agent_id and request.dedicated_agent_id not in shop.agents:
        raise Refusal("AGENT_NOT_FOUND", "dedicated_agent_id")
    excluded = frozenset(request.exclude_agent_ids)
    decided = (
        _open_conversation(turn, request, excluded)
        or _recent_contact(turn, request, excluded)
        or _dedicated(shop, request, excluded)
        or _selected(shop, request, excluded)
        or _waits(shop, request)
    )
    decided.decision = shop.last_decision + 1
    if decided.outcome == types_pb2.OUTCOME_AGENT and not decided.conversation:
        decided.conversation = shop.last_conversation + 1
    turn.record(engine_pb2.Fact(decided=decided))
    return response(decided)


def response(decided: Decided) -> dispatch_pb2.RouteResponse:
    """The answer that a decision gives."""
    return dispatch_pb2.RouteResponse(
        conversation_id=conversation_id(decided.conversation),
        decision_id=decision_id(decided.decision),
        outcome=decided.outcome,
        agent_id=decided.agent_id,
        group_id=decided.group_id,
        reason=decided.reason,
    )


def _to_agent(reason: types_pb2.Reason, agent_id: str, group_id: str) -> Decided:
    return Decided(
        outcome=types_pb2.OUTCOME_AGENT, reason=reason, agent_id=agent_id, group_id=group_id
    )


def _open_conversation(
    turn: Turn, request: dispatch_pb2.RouteRequest, excluded: Set[str]
) -> Decided | None:
    """Step 2. Ends the conversation if its agent cannot go on with it."""
    conversation = turn.shop.conversation_of_buyer.get(request.buyer_id)
    if conversation is None:
        return None
    agent = turn.shop.agents.get(conversation.agent_id)
    there = agent is not None and agent.status != types_pb2.PRESENCE_STATUS_OFFLINE
    if there and conversation.agent_id not in excluded:
        decided = _to_agent(
            types_pb2.REASON_OPEN_CONVERSATION, conversation.agent_id, conversation.group_id
        )
        decided.conversation = conversation.number
        return decided
    closed = engine_pb2.ConversationClosed(
        conversation=conversation.number,
        cause=engine_pb2.CLOSE_CAUSE_HANDLER_EXCLUDED
        if there
        else engine_pb2.CLOSE_CAUSE_HANDLER_OFFLINE,
        at_ms=turn.now,
    )
    turn.record(engine_pb2.Fact(conversation_closed=closed))
    return None


def _recent_contact(
    turn: Turn, request: dispatch_pb2.RouteRequest, excluded: Set[str]
) -> Decided | None:
    """Step 3, whatever weight, page source, awaiting or cap."""
    config = turn.shop.config
    contact = turn.shop.contact(request.buyer_id, turn.now)
    agent = turn.shop.agents.get(contact.agent_id) if contact is not None else None
    if contact is None or agent is None or not agent.takes_part or agent.agent_id in excluded:
        return None
    if agent.status == types_pb2.PRESENCE_STATUS_ONLINE:
        window_ms = config.sticky_window_ms
    elif agent.status == types_pb2.PRESENCE_STATUS_SUSPENDED:
        window_ms = config.sticky_suspended_window_ms
    else:
        return None
    if window_ms == 0 or turn.now - contact.consulted_at_ms > window_ms:
        return None
    return _to_agent(types_pb2.REASON_RECENT_CONTACT, agent.agent_id, agent.groups[0])


def _dedicated(
    shop: Shop, request: dispatch_pb2.RouteRequest, excluded: Set[str]
) -> Decided | None:
    """Step 4: the request's, else the shop's for this buyer."""
    agent_id = request.dedicated_agent_id or shop.config.buyer_agents.get(request.buyer_id, "")
    agent = shop.agents.get(agent_id)
    if (
        agent is None
        or not agent.takes_part
        or agent.status != types_pb2.PRESENCE_STATUS_ONLINE
        or agent_id in excluded
    ):
        return None
    return _to_agent(types_pb2.REASON_DEDICATED, agent_id, agent.groups[0])


def _selected(shop: Shop, request: dispatch_pb2.RouteRequest, excluded: Set[str]) -> Decided | None:
    """Steps 5, 7 and 8: weighted selection among the matched groups, else among all."""
    matched = _match(shop, request)
    picked = _pick(shop, matched, types_pb2.REASON_WEIGHTED, excluded)
    if picked is None and matched != shop.config.all_groups:
        picked = _pick(shop, shop.config.all_groups, types_pb2.REASON_SPILLED, excluded)
    return picked


def _match(shop: Shop, request: dispatch_pb2.RouteRequest) -> Groups:
    """Step 5. A value that nobody bound leaves all groups in, also those bound to other values."""
    left = shop.config.all_groups
    for dimension, bound in shop.config.bound:
        value = inquiry_value(request, dimension)
        if value and value in bound:
            left = (left & bound[value]) or left
    return left


def _pick(
    shop: Shop, groups: Groups, reason: types_pb2.Reason, excluded: Set[str]
) -> Decided | None:
    pool = shop.pool(groups)
    if not pool.has_available(excluded, shop.agents):
        return None
    pool.bring_up_to_date(shop.agents)
    agent_id = pool.next_in_line(excluded)
    group_id = next(group for group in shop.agents[agent_id].groups if group in groups)
    decided = _to_agent(reason, agent_id, group_id)
    if groups == shop.config.all_groups:
        decided.pool_of_all_groups = True
    else:
        decided.pool_group_ids.extend(pool.group_ids)
    return decided


def _waits(shop: Shop, request: dispatch_pb2.RouteRequest) -> Decided:
    """Step 10. Nothing is ever dropped."""
    waiting = shop.waiting.get(request.buyer_id)
    if waiting is not None:
        return Decided(
            outcome=waiting.outcome,
            reason=types_pb2.REASON_STILL_WAITING,
            agent_id=waiting.agent_id,
        )
    if shop.online_participants:
        return Decided(outcome=types_pb2.OUTCOME_POOLED, reason=types_pb2.REASON_NOBODY_FREE)
    config = shop.config
    target = config.offline_target
    if target == shop_pb2.OFFLINE_TARGET_PROXY:
        if config.proxy_agent_id:
            return Decided(
                outcome=types_pb2.OUTCOME_LEFT_MESSAGE,
                reason=types_pb2.REASON_OFFLINE_PROXY,
                agent_id=config.proxy_agent_id,
            )
        target = shop_pb2.OFFLINE_TARGET_OWNER
    if target == shop_pb2.OFFLINE_TARGET_OWNER and config.owner_agent_id:
        return Decided(
            outcome=types_pb2.OUTCOME_LEFT_MESSAGE,
            reason=types_pb2.REASON_OFFLINE_OWNER,
            agent_id=config.owner_agent_id,
        )
    return Decided(outcome=types_pb2.OUTCOME_POOLED, reason=types_pb2.REASON_OFFLINE_POOL)


# --- Closing -----------------------------------------------------------------------------------


def decide_close(
    turn: Turn, request: dispatch_pb2.CloseConversationRequest
) -> dispatch_pb2.CloseConversationResponse:
    """Ends a conversation; closing a closed one changes nothing."""
    number = issued_number(request.conversation_id, turn.shop.last_conversation)
    already_closed = number not in turn.shop.conversations
    if not already_closed:
        closed = engine_pb2.ConversationClosed(
            conversation=number, cause=engine_pb2.CLOSE_CAUSE_REQUEST, at_ms=turn.now
        )
        turn.record(engine_pb2.Fact(conversation_closed=closed))
    return close_response(request, already_closed)


def close_response(
    request: dispatch_pb2.CloseConversationRequest, already_closed: bool
) -> dispatch_pb2.CloseConversationResponse:
    return dispatch_pb2.CloseConversationResponse(
        conversation_id=request.conversation_id, already_closed=already_closed
    )
