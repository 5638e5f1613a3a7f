"""The canonical state of a shop as bytes and back, and the hash over all (docs/engine.md sections 2, 12, 13)."""

import hashlib
from collections.abc import Iterable

from fenliu.engine.pure import due, keys, segments, wire
from fenliu.engine.pure.document import knows_its_agents
from fenliu.engine.pure.parts import Contact, Conversation, Remembered, Waiting
from fenliu.engine.pure.selection import Member, Pool
from fenliu.engine.pure.state import Shop
from fenliu.engine.pure.volume import Volume
from fenliu.engine.v1 import engine_pb2

RULES_VERSION = 1
"""Version of the arithmetic by which entries are applied."""


def state_hash(snapshots: Iterable[bytes]) -> bytes:
    """32 bytes over the whole state: every shop's snapshot, by shop id."""
    total = hashlib.sha256()
    for snapshot in snapshots:
        total.update(hashlib.sha256(snapshot).digest())
    return total.digest()


def take(shop: Shop) -> bytes:
    """The encoded `ShopSnapshot`; lists what exists at the shop's last time.

    Raises ValueError when a chunk that may hold something is missing.
    """
    snapshot = _head(shop)
    for key, entry in shop.learned.everything(shop.horizon(shop.last_now_ms)):
        kind, name = key[:1], key[1:]
        if kind == keys.CONTACT and (buyer_id := name.decode()) not in shop.contacts.live:
            snapshot.contacts.append(_contact_state(buyer_id, keys.contact_of(entry)))
        elif kind == keys.EVENT:
            snapshot.events.add(event_id=name.decode(), at_ms=entry[0])
        elif kind == keys.ORDER_EVENT:
            snapshot.order_events.add(event_id=name.decode(), at_ms=entry[0])
        elif kind == keys.REQUEST:
            request = keys.request_of(entry)
            snapshot.requests.add(
                request_id=name.decode(),
                digest=request.digest,
                at_ms=request.at_ms,
                reply=request.reply,
            )
    snapshot.contacts.sort(key=lambda contact: contact.buyer_id)
    return wire.encode(snapshot)


def flush(shop: Shop) -> tuple[bytes, bytes, list[bytes]]:
    """(`StoredShop` without places, head, contents of a segment's chunks) to store the shop by."""
    first = due.next_due(shop)
    stored = engine_pb2.StoredShop(
        shop_id=shop.shop_id,
        next_due_ms=None if first is None else first.at_ms,
        session_ids=sorted(shop.sessions),
        deleted=shop.deleted,
        last_decision=shop.last_decision,
        last_now_ms=shop.last_now_ms,
        contact_lifetime_ms=shop.config.contact_lifetime_ms,
        contacts_since_ms=shop.contacts_since_ms,
        fresh=shop.fresh,
    )
    learned = shop.contacts.to_store(shop.learned.as_one(shop.horizon(shop.last_now_ms)))
    return wire.encode(stored), wire.encode(_head(shop)), segments.cut(learned)


def _head(shop: Shop) -> engine_pb2.ShopSnapshot:
    """All that does not stand in segments."""
    now = shop.last_now_ms
    snapshot = engine_pb2.ShopSnapshot(
        rules_version=RULES_VERSION,
        shop=shop.document,
        last_now_ms=now,
        last_decision=shop.last_decision,
        last_conversation=shop.last_conversation,
        clamped_timestamps=shop.clamped_timestamps,
        contacts_since_ms=shop.contacts_since_ms,
        deleted=shop.deleted,
    )
    for agent_id, agent in sorted(shop.agents.items()):
        snapshot.agents.add(
            agent_id=agent_id,
            status=agent.status,
            since_ms=agent.since_ms,
            cause=agent.cause,
            session_id=agent.session_id,
            absolute_awaiting=agent.absolute_awaiting,
            volume_day=agent.volume.day,
            received_today=agent.volume.today,
            volume_hour=agent.volume.hour,
            received_this_hour=agent.volume.this_hour,
        )
    for number, conversation in sorted(shop.conversations.items()):
        snapshot.conversations.add(
            conversation=number,
            buyer_id=conversation.buyer_id,
            agent_id=conversation.agent_id,
            group_id=conversation.group_id,
            opened_at_ms=conversation.opened_at_ms,
            last_activity_ms=conversation.last_activity_ms,
            awaiting=conversation.awaiting,
            robot=conversation.robot,
            answered=conversation.answered,
            reply_timeout_spent=conversation.reply_timeout_spent,
            reply_hops=conversation.reply_hops,
            transfer_hops=conversation.transfer_hops,
            inquiry=_unless_empty(conversation.inquiry),
        )
    horizon = shop.horizon(now)
    for buyer_id, contact in sorted(shop.contacts.live.items()):
        if contact is not None and horizon.contact(contact.consulted_at_ms):
            snapshot.contacts.append(_contact_state(buyer_id, contact))
    for buyer_id, waiting in sorted(shop.waiting.items()):
        snapshot.waiting.add(
            buyer_id=buyer_id,
            outcome=waiting.outcome,
            agent_id=waiting.agent_id,
            since_ms=waiting.since_ms,
            decision=waiting.decision,
            inquiry=_unless_empty(waiting.inquiry),
            target_agent_id=waiting.target_agent_id,
            target_group_id=waiting.target_group_id,
            reply_hops=waiting.reply_hops,
            transfer_hops=waiting.transfer_hops,
        )
    for pool in sorted(shop.pools.values(), key=lambda pool: pool.group_ids):
        if pool.picked_from:
            _take_pool(snapshot.pools.add(), pool)
    for owner, accumulator in sorted(shop.mixed.items()):
        snapshot.mixed.add(owner=owner, accumulator=accumulator)
    snapshot.slot_releases_ms.extend(shop.slot_releases_ms)
    return snapshot


def _contact_state(buyer_id: str, contact: Contact) -> engine_pb2.ContactState:
    return engine_pb2.ContactState(
        buyer_id=buyer_id,
        agent_id=contact.agent_id,
        consulted_at_ms=contact.consulted_at_ms,
        conversation=contact.conversation,
    )


def _unless_empty(inquiry: engine_pb2.Inquiry) -> engine_pb2.Inquiry | None:
    return inquiry if inquiry.ByteSize() else None


def _take_pool(state: engine_pb2.PoolState, pool: Pool) -> None:
    state.group_ids.extend(pool.group_ids)
    state.virtual_time = pool.virtual_time.to_bytes(16, "big")
    for agent_id, member in sorted(pool.members.items()):
        state.members.add(
            agent_id=agent_id,
            eligible_at=member.eligible_at.to_bytes(16, "big"),
            weight=member.weight,
            available=member.available,
        )


def decode(data: bytes) -> engine_pb2.ShopSnapshot:
    """Raises ValueError if it cannot be a snapshot of this version."""
    try:
        snapshot = wire.decode(engine_pb2.ShopSnapshot, data)
    except (wire.MalformedError, wire.NotUtf8Error):
        raise ValueError("not a snapshot") from None
    if snapshot.rules_version != RULES_VERSION:
        raise ValueError(f"snapshot of rules version {snapshot.rules_version}")
    if not snapshot.shop.shop_id or not snapshot.shop.etag:
        raise ValueError("snapshot without a shop")
    return snapshot


def load(snapshot: engine_pb2.ShopSnapshot, shop: Shop) -> Shop:
    """Makes a new shop as the snapshot says. Raises ValueError if its parts do not fit together."""
    if not knows_its_agents(snapshot.shop):
        raise ValueError("the shop names an unknown agent")
    now = snapshot.last_now_ms
    shop.put_document(snapshot.shop, now)
    shop.last_decision = snapshot.last_decision
    shop.last_conversation = snapshot.last_conversation
    shop.clamped_timestamps = snapshot.clamped_timestamps
    shop.contacts_since_ms = snapshot.contacts_since_ms
    shop.deleted = snapshot.deleted
    for agent_state in snapshot.agents:
        agent = shop.agents.get(agent_state.agent_id)
        if agent is None:
            raise ValueError("snapshot with an agent who is not in its shop")
        shop.set_presence(agent, agent_state.status, agent_state.cause, agent_state.session_id)
        agent.since_ms = agent_state.since_ms
        if agent_state.HasField("absolute_awaiting"):
            agent.absolute_awaiting = agent_state.absolute_awaiting
        agent.volume = Volume(
            agent_state.volume_day,
            agent_state.received_today,
            agent_state.volume_hour,
            agent_state.received_this_hour,
        )
    for one in snapshot.conversations:
        shop.open_conversation(
            Conversation(
                one.conversation,
                one.buyer_id,
                one.agent_id,
                one.group_id,
                one.opened_at_ms,
                one.last_activity_ms,
                one.awaiting,
                one.robot,
                one.answered,
                one.reply_timeout_spent,
                one.reply_hops,
                one.transfer_hops,
                one.inquiry,
            )
        )
    for waiting in sorted(snapshot.waiting, key=lambda waiting: waiting.decision):
        shop.put_waiting(
            Waiting(
                waiting.buyer_id,
                waiting.outcome,
                waiting.agent_id,
                waiting.since_ms,
                waiting.decision,
                waiting.inquiry,
                waiting.target_agent_id,
                waiting.target_group_id,
                waiting.reply_hops,
                waiting.transfer_hops,
            )
        )
    for contact in snapshot.contacts:
        shop.contacts.put(
            contact.buyer_id,
            Contact(contact.agent_id, contact.consulted_at_ms, contact.conversation),
        )
    for request in snapshot.requests:
        entry = keys.request_entry(Remembered(request.digest, request.at_ms, request.reply))
        shop.learned.put(keys.of_request(request.request_id), entry)
    for event in snapshot.events:
        shop.learned.put(keys.of_event(event.event_id), (event.at_ms, b""))
    for event in snapshot.order_events:
        shop.learned.put(keys.of_order_event(event.event_id), (event.at_ms, b""))
    for mixed in snapshot.mixed:
        shop.mixed[mixed.owner] = mixed.accumulator
    shop.slot_releases_ms.extend(snapshot.slot_releases_ms)
    for pool_state in snapshot.pools:
        _load_pool(shop, pool_state)
    shop.refresh_all()
    return shop


def _load_pool(shop: Shop, state: engine_pb2.PoolState) -> None:
    groups = frozenset(state.group_ids)
    if not groups <= shop.config.all_groups:
        raise ValueError("snapshot with a pool of groups that are not in its shop")
    pool = shop.pools[groups] = Pool(groups)
    pool.restore(
        _uint128(state.virtual_time),
        {
            one.agent_id: Member(_uint128(one.eligible_at), one.weight, one.available)
            for one in state.members
        },
    )


def _uint128(data: bytes) -> int:
    if len(data) != 16:
        raise ValueError("not 16 bytes")
    return int.from_bytes(data, "big")
