"""What each fact does to a shop: the only place where state changes. Refuses nothing, asks no rule.

The effects are named in docs/engine.md sections 4 (`ShopApplied`, `WeightsSet`,
`ShopDeleted`), 5 (`PresenceChanged`,
`MessageNoted`, `OrderNoted`), 8 (`Decided`, `ConversationClosed`, `WaitingCancelled`) and 9
(`ReplyTimedOut`, `VolumeReset`).
"""

from typing import Any, NamedTuple

from google.protobuf.message import Message

from fenliu.engine.pure.agents import Agent
from fenliu.engine.pure.inquiry import EMPTY, inquiry_of, without_agent
from fenliu.engine.pure.parts import Contact, Conversation, Waiting
from fenliu.engine.pure.state import Shop
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, shop_pb2, types_pb2


def apply_fact(shop: Shop, fact: engine_pb2.Fact, now: int, command: Message) -> None:
    """Applies a fact of an entry. `now`: the entry's; `command`: the one that led to the fact."""
    name = fact.WhichOneof("fact")
    if name is not None:
        _EFFECTS[name](shop, getattr(fact, name), now, command)


# --- Conversations and who waits ---------------------------------------------------------------


def _conversation_closed(
    shop: Shop, closed: engine_pb2.ConversationClosed, _now: int, _command: Message
) -> None:
    conversation = shop.conversations.get(closed.conversation)
    if conversation is None:
        return
    shop.close_conversation(conversation.number)
    agent = shop.agents.get(conversation.agent_id)
    if agent is not None and agent.takes_part:
        shop.slot_releases_ms.append(closed.at_ms)


def _decided(shop: Shop, decided: engine_pb2.Decided, now: int, command: Any) -> None:
    at_ms = decided.at_ms or now
    buyer_id = decided.buyer_id or command.buyer_id
    origin = _origin(shop, decided, command)
    shop.last_decision = decided.decision
    if decided.HasField("mixed_owner"):
        _advance_mixed(shop, decided.mixed_owner)
    _take_share(shop, decided, at_ms)

    to_agent = decided.outcome == types_pb2.OUTCOME_AGENT
    to_robot = decided.outcome == types_pb2.OUTCOME_ROBOT
    if (to_agent or to_robot) and decided.conversation > shop.last_conversation:
        agent = shop.agents.get(decided.agent_id) if to_agent else None
        if agent is not None and agent.absolute_awaiting is not None:
            agent.absolute_awaiting += 1
        shop.open_conversation(
            Conversation(
                decided.conversation,
                buyer_id,
                decided.agent_id if to_agent else "",
                decided.group_id,
                opened_at_ms=at_ms,
                last_activity_ms=at_ms,
                awaiting=to_agent,
                robot=to_robot,
                reply_hops=origin.reply_hops,
                transfer_hops=origin.transfer_hops,
                inquiry=origin.inquiry,
            )
        )
        if to_agent:
            shop.drop_waiting(buyer_id)
    else:
        conversation = shop.conversations.get(decided.conversation)
        if conversation is not None:
            conversation.last_activity_ms = max(conversation.last_activity_ms, at_ms)
            shop.watch(conversation)
    if to_agent:
        shop.contacts.put(buyer_id, Contact(decided.agent_id, at_ms, decided.conversation))
    elif not to_robot or decided.pool_entry:
        _wait(shop, decided, buyer_id, at_ms, origin)


class _Origin(NamedTuple):
    """What a decision hands on to the conversation or the waiting entry that it makes."""

    inquiry: engine_pb2.Inquiry
    reply_hops: int = 0
    transfer_hops: int = 0


def _origin(shop: Shop, decided: engine_pb2.Decided, command: Any) -> _Origin:
    if not decided.buyer_id:  # the Route's own
        return _Origin(inquiry_of(command))
    before = shop.last_closed
    if before is None or before.number != decided.previous_conversation:
        before = None
    if before is not None and decided.reason == types_pb2.REASON_TRANSFER:
        return _Origin(before.inquiry, before.reply_hops, before.transfer_hops + 1)
    if before is not None and decided.reason == types_pb2.REASON_REPLY_TIMEOUT:
        inquiry = without_agent(before.inquiry, before.agent_id)
        return _Origin(inquiry, before.reply_hops + 1, before.transfer_hops)
    entry = shop.waiting.get(decided.buyer_id)
    if entry is not None:
        return _Origin(entry.inquiry, entry.reply_hops, entry.transfer_hops)
    return _Origin(EMPTY if before is None else before.inquiry)


def _advance_mixed(shop: Shop, owner: str) -> None:
    accumulator = shop.mixed.pop(owner, 0) + shop.config.robot_percent.get(owner, 0)
    if accumulator >= 100:
        accumulator -= 100
    if accumulator:
        shop.mixed[owner] = accumulator


def _take_share(shop: Shop, decided: engine_pb2.Decided, at_ms: int) -> None:
    """The pool's share, and whether the agent has a new buyer."""
    if decided.pool_of_all_groups:
        groups = shop.config.all_groups
    elif decided.pool_group_ids:
        groups = frozenset(decided.pool_group_ids)
    else:
        return
    pool = shop.pool(groups)
    pool.bring_up_to_date(shop.agents)
    if decided.charged:
        pool.charge(decided.agent_id)
        return
    pool.pick(decided.agent_id)
    agent = shop.agents.get(decided.agent_id)
    if agent is not None and decided.reason != types_pb2.REASON_TRANSFER:
        agent.volume.count(at_ms)
        shop.refresh(agent)


def _wait(
    shop: Shop, decided: engine_pb2.Decided, buyer_id: str, at_ms: int, origin: _Origin
) -> None:
    to_robot = decided.outcome == types_pb2.OUTCOME_ROBOT
    entry = shop.waiting.get(buyer_id)
    if entry is None:
        entry = Waiting(
            buyer_id,
            decided.outcome,
            "",
            at_ms,
            decided.decision,
            origin.inquiry,
        )
    elif decided.reason == types_pb2.REASON_STILL_WAITING or (to_robot and not entry.is_queued):
        return
    entry.outcome = types_pb2.OUTCOME_POOLED if to_robot else decided.outcome
    entry.agent_id = "" if to_robot else decided.agent_id
    entry.reply_hops, entry.transfer_hops = origin.reply_hops, origin.transfer_hops
    entry.target_agent_id = entry.target_group_id = ""
    if decided.reason == types_pb2.REASON_TRANSFER:
        entry.target_agent_id = decided.agent_id
        entry.target_group_id = "" if decided.agent_id else decided.group_id
        shop.unsettled = True  # nobody has looked for whom it waits
    shop.put_waiting(entry)


def _waiting_cancelled(
    shop: Shop, cancelled: engine_pb2.WaitingCancelled, _now: int, command: Any
) -> None:
    shop.drop_waiting(cancelled.buyer_id or command.buyer_id)


def _reply_timed_out(
    shop: Shop, timed_out: engine_pb2.ReplyTimedOut, _now: int, _command: Message
) -> None:
    conversation = shop.conversations.get(timed_out.conversation)
    if conversation is not None:
        conversation.reply_timeout_spent = True
        shop.watch(conversation)


# --- Messages and orders -----------------------------------------------------------------------


def _message_noted(
    shop: Shop, noted: engine_pb2.MessageNoted, now: int, event: dispatch_pb2.MessageEvent
) -> None:
    number = noted.conversation
    author_id = noted.agent_id
    heard = min(noted.at_ms, now)
    by_agent = event.sender == types_pb2.SENDER_AGENT
    conversation = shop.conversations.get(number)  # None: closed, none at all, or opened by this

    if noted.opened:
        buyer_id = noted.buyer_id or event.buyer_id
        author = shop.agents.get(author_id)
        shop.open_conversation(
            Conversation(
                number,
                buyer_id,
                author_id,
                author.first_group if author is not None else "",
                opened_at_ms=now,
                last_activity_ms=noted.at_ms,
                awaiting=False,
                answered=True,
            )
        )
        shop.drop_waiting(buyer_id)
        _consulted(shop, buyer_id, author_id, heard, number, now)

    # Message events count from now on, no longer what a gateway reported.
    _derive_awaiting(shop, author_id)
    if conversation is not None:
        _derive_awaiting(shop, conversation.agent_id)

    if conversation is not None:
        buyer_id = conversation.buyer_id
        if event.sender == types_pb2.SENDER_BUYER and not conversation.robot:
            shop.set_awaiting(conversation, True)
            _consulted(shop, buyer_id, conversation.agent_id, heard, number, now)
        elif by_agent:
            if author_id == conversation.agent_id:
                shop.set_awaiting(conversation, False)
                conversation.answered = True
            _consulted(shop, buyer_id, author_id, heard, number, now)
        conversation.last_activity_ms = max(conversation.last_activity_ms, noted.at_ms)
        shop.watch(conversation)
    elif by_agent and not noted.opened:
        _spoke_after_the_close(shop, number, author_id, heard, now)

    if noted.clamped:
        shop.clamped_timestamps += 1


def _consulted(
    shop: Shop, buyer_id: str, agent_id: str, heard: int, conversation: int, now: int
) -> None:
    before = shop.contact(buyer_id, now)
    if before is None or heard >= before.consulted_at_ms:
        shop.contacts.put(buyer_id, Contact(agent_id, heard, conversation))


def _spoke_after_the_close(
    shop: Shop, conversation: int, author_id: str, heard: int, now: int
) -> None:
    buyer_id = shop.contacts.buyer_of(conversation)
    if buyer_id is None:
        return
    contact = shop.contact(buyer_id, now)
    if contact is None or (contact.conversation, contact.agent_id) != (conversation, author_id):
        return
    contact.consulted_at_ms = max(contact.consulted_at_ms, heard)
    shop.contacts.put(buyer_id, contact)
    if buyer_id in shop.waiting:
        shop.unsettled = True  # back within the sticky window, perhaps


def _derive_awaiting(shop: Shop, agent_id: str) -> None:
    agent = shop.agents.get(agent_id)
    if agent is not None and agent.absolute_awaiting is not None:
        agent.absolute_awaiting = None
        shop.refresh(agent)


def _order_noted(
    _shop: Shop, _noted: engine_pb2.OrderNoted, _now: int, _event: dispatch_pb2.OrderEvent
) -> None:
    """Reports read it from the log."""


# --- Agents and configuration ------------------------------------------------------------------


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
        shop.unsettled = True
    shop.set_presence(agent, changed.status, changed.cause, changed.session_id)
    if changed.HasField("awaiting"):
        agent.absolute_awaiting = changed.awaiting
    shop.refresh(agent)


def _counts_as_online(agent: Agent, status: types_pb2.PresenceStatus) -> bool:
    return agent.takes_part and status == types_pb2.PRESENCE_STATUS_ONLINE


def _volume_reset(shop: Shop, reset: engine_pb2.VolumeReset, _now: int, _command: Message) -> None:
    agent = shop.agents.get(reset.agent_id)
    if agent is not None:
        agent.volume.turn_to(reset.at_ms)
        shop.refresh(agent)


def _shop_applied(shop: Shop, applied: engine_pb2.ShopApplied, now: int, _command: Message) -> None:
    windows = _windows(applied.shop)
    if shop.exists and windows != _windows(shop.document):
        # A longer window must not bring back what was gone under the old ones.
        since_ms = now - shop.config.contact_lifetime_ms
        shop.contacts_since_ms = max(shop.contacts_since_ms, since_ms)
    shop.deleted = False
    for agent in shop.agents.values():
        agent.volume.forget_all_but(now)
    percent_before = shop.config.robot_percent
    shop.put_document(applied.shop, now)
    percent = shop.config.robot_percent
    for owner in list(shop.mixed):
        if percent.get(owner) != percent_before.get(owner):
            del shop.mixed[owner]


def _windows(shop: shop_pb2.Shop) -> tuple[int, int]:
    return shop.settings.sticky_window_ms, shop.settings.sticky_suspended_window_ms


def _shop_deleted(
    shop: Shop, deleted: engine_pb2.ShopDeleted, _now: int, _command: Message
) -> None:
    shop.delete(deleted.etag)


def _weights_set(
    shop: Shop, weights_set: engine_pb2.WeightsSet, _now: int, _command: Message
) -> None:
    shop.document.etag = weights_set.etag
    for one in weights_set.weights:
        agent = shop.agents.get(one.agent_id)
        if agent is not None:
            agent.document.weight = one.weight
            shop.refresh(agent)


_EFFECTS: dict[str, Any] = {
    "conversation_closed": _conversation_closed,
    "decided": _decided,
    "message_noted": _message_noted,
    "order_noted": _order_noted,
    "presence_changed": _presence_changed,
    "reply_timed_out": _reply_timed_out,
    "shop_applied": _shop_applied,
    "shop_deleted": _shop_deleted,
    "volume_reset": _volume_reset,
    "waiting_cancelled": _waiting_cancelled,
    "weights_set": _weights_set,
}
