"""What each fact does to a shop: the only place where state changes. Refuses nothing, asks no rule.

The effects are named in docs/engine.md sections 4 (`ShopApplied`, `WeightsSet`), 5 (`PresenceChanged`,
`MessageNoted`) and 7 (`Decided`, `ConversationClosed`).
"""

from typing import Any

from google.protobuf.message import Message

from fenliu.engine.pure.agents import Agent
from fenliu.engine.pure.state import Contact, Conversation, Shop, Waiting
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, types_pb2


def apply_fact(shop: Shop, fact: engine_pb2.Fact, now: int, command: Message) -> None:
    """Applies a fact of an entry. `now`: the entry's; `command`: the one that led to the fact."""
    name = fact.WhichOneof("fact")
    if name is not None:
        _EFFECTS[name](shop, getattr(fact, name), now, command)


def _conversation_closed(
    shop: Shop, closed: engine_pb2.ConversationClosed, _now: int, _command: Message
) -> None:
    shop.close_conversation(closed.conversation)


def _decided(
    shop: Shop, decided: engine_pb2.Decided, now: int, request: dispatch_pb2.RouteRequest
) -> None:
    buyer_id = request.buyer_id
    shop.last_decision = decided.decision
    if decided.pool_of_all_groups or decided.pool_group_ids:
        groups = (
            shop.config.all_groups
            if decided.pool_of_all_groups
            else frozenset(decided.pool_group_ids)
        )
        pool = shop.pool(groups)
        pool.bring_up_to_date(shop.agents)
        pool.pick(decided.agent_id)
    if decided.outcome != types_pb2.OUTCOME_AGENT:
        if buyer_id not in shop.waiting:
            shop.waiting[buyer_id] = Waiting(
                decided.outcome, decided.agent_id, now, decided.decision
            )
        return
    if decided.conversation > shop.last_conversation:
        agent = shop.agents.get(decided.agent_id)
        if agent is not None and agent.absolute_awaiting is not None:
            agent.absolute_awaiting += 1
        shop.open_conversation(
            Conversation(
                decided.conversation,
                buyer_id,
                decided.agent_id,
                decided.group_id,
                opened_at_ms=now,
                last_activity_ms=now,
                awaiting=True,
            )
        )
        shop.waiting.pop(buyer_id, None)
    else:
        conversation = shop.conversations.get(decided.conversation)
        if conversation is not None:
            conversation.last_activity_ms = max(conversation.last_activity_ms, now)
    shop.set_contact(buyer_id, Contact(decided.agent_id, now, decided.conversation), now)


def _message_noted(
    shop: Shop, noted: engine_pb2.MessageNoted, now: int, event: dispatch_pb2.MessageEvent
) -> None:
    number = noted.conversation
    author_id = noted.agent_id
    heard = min(noted.at_ms, now)
    by_buyer = event.sender == types_pb2.SENDER_BUYER
    by_agent = event.sender == types_pb2.SENDER_AGENT
    conversation = shop.conversations.get(number)  # None: closed, none at all, or opened by this

    if noted.opened:
        author = shop.agents.get(author_id)
        shop.open_conversation(
            Conversation(
                number,
                event.buyer_id,
                author_id,
                author.groups[0] if author is not None and author.groups else "",
                opened_at_ms=now,
                last_activity_ms=noted.at_ms,
                awaiting=False,
            )
        )
        shop.waiting.pop(event.buyer_id, None)
        _consulted(shop, event.buyer_id, author_id, heard, number, now)

    # Message events count from now on, no longer what a gateway reported.
    _derive_awaiting(shop, author_id)
    if conversation is not None:
        _derive_awaiting(shop, conversation.agent_id)

    if conversation is not None and by_buyer:
        shop.set_awaiting(conversation, True)
        _consulted(shop, conversation.buyer_id, conversation.agent_id, heard, number, now)
    elif conversation is not None and by_agent:
        if author_id == conversation.agent_id:
            shop.set_awaiting(conversation, False)
        _consulted(shop, conversation.buyer_id, author_id, heard, number, now)
    elif by_agent and not noted.opened:
        _spoke_after_the_close(shop, number, author_id, heard, now)

    if conversation is not None:
        conversation.last_activity_ms = max(conversation.last_activity_ms, noted.at_ms)
    if noted.clamped:
        shop.clamped_timestamps += 1


def _consulted(
    shop: Shop, buyer_id: str, agent_id: str, heard: int, conversation: int, now: int
) -> None:
    before = shop.contact(buyer_id, now)
    if before is None or heard >= before.consulted_at_ms:
        shop.set_contact(buyer_id, Contact(agent_id, heard, conversation), now)


def _spoke_after_the_close(
    shop: Shop, conversation: int, author_id: str, heard: int, now: int
) -> None:
    buyer_id = shop.contact_of_conversation.get(conversation)
    contact = shop.contact(buyer_id, now) if buyer_id is not None else None
    if contact is not None and contact.agent_id == author_id:
        contact.consulted_at_ms = max(contact.consulted_at_ms, heard)


def _derive_awaiting(shop: Shop, agent_id: str) -> None:
    agent = shop.agents.get(agent_id)
    if agent is not None and agent.absolute_awaiting is not None:
        agent.absolute_awaiting = None
        shop.refresh(agent)


def _presence_changed(
    shop: Shop, changed: engine_pb2.PresenceChanged, now: int, _command: Message
) -> None:
    agent = shop.agents.get(changed.agent_id)
    if agent is None:
        return
    if changed.status != agent.status:
        agent.since_ms = now
        shop.online_participants += _counts_as_online(agent, changed.status)
        shop.online_participants -= _counts_as_online(agent, agent.status)
    shop.set_presence(agent, changed.status, changed.cause, changed.session_id)
    if changed.HasField("awaiting"):
        agent.absolute_awaiting = changed.awaiting
    shop.refresh(agent)


def _counts_as_online(agent: Agent, status: types_pb2.PresenceStatus) -> bool:
    return agent.takes_part and status == types_pb2.PRESENCE_STATUS_ONLINE


def _shop_applied(shop: Shop, applied: engine_pb2.ShopApplied, now: int, _command: Message) -> None:
    # A longer window must not bring back what was gone under the old ones.
    shop.drop_expired_contacts(now)
    shop.put_document(applied.shop, now)


def _weights_set(
    shop: Shop, weights_set: engine_pb2.WeightsSet, _now: int, _command: Message
) -> None:
    shop.document.etag = weights_set.etag
    for one in weights_set.weights:
        agent = shop.agents.get(one.agent_id)
        if agent is not None:
            agent.weight = agent.document.weight = one.weight
            shop.refresh(agent)


_EFFECTS: dict[str, Any] = {
    "conversation_closed": _conversation_closed,
    "decided": _decided,
    "message_noted": _message_noted,
    "presence_changed": _presence_changed,
    "shop_applied": _shop_applied,
    "weights_set": _weights_set,
}
