"""The state of one shop (docs/engine.md section 2) and the bookkeeping that keeps its parts in step.

Changed only from `apply` (facts), `repeats` (ids) and `snapshot` (loading). Decides nothing.
"""

from collections import deque
from heapq import heapify, heappush

from fenliu.engine.pure.agents import Agent
from fenliu.engine.pure.document import Config, Groups
from fenliu.engine.pure.selection import Pool
from fenliu.v1 import shop_pb2, types_pb2


class Conversation:
    """An open conversation."""

    __slots__ = (
        "agent_id",
        "awaiting",
        "buyer_id",
        "group_id",
        "last_activity_ms",
        "number",
        "opened_at_ms",
    )

    def __init__(
        self,
        number: int,
        buyer_id: str,
        agent_id: str,
        group_id: str,
        opened_at_ms: int,
        last_activity_ms: int,
        awaiting: bool,
    ) -> None:
        self.number = number
        self.buyer_id = buyer_id
        self.agent_id = agent_id
        self.group_id = group_id
        self.opened_at_ms = opened_at_ms
        self.last_activity_ms = last_activity_ms
        self.awaiting = awaiting  # the buyer's last message is not answered


class Contact:
    """The agent a buyer consulted last."""

    __slots__ = ("agent_id", "consulted_at_ms", "conversation")

    def __init__(self, agent_id: str, consulted_at_ms: int, conversation: int) -> None:
        self.agent_id = agent_id
        self.consulted_at_ms = consulted_at_ms
        self.conversation = conversation


class Waiting:
    """A buyer in the offline pool, or left as a message."""

    __slots__ = ("agent_id", "decision", "outcome", "since_ms")

    def __init__(
        self, outcome: types_pb2.Outcome, agent_id: str, since_ms: int, decision: int
    ) -> None:
        self.outcome = outcome
        self.agent_id = agent_id
        self.since_ms = since_ms
        self.decision = decision


class Remembered:
    """A request that was answered."""

    __slots__ = ("at_ms", "digest", "reply")

    def __init__(self, digest: bytes, at_ms: int, reply: bytes) -> None:
        self.digest = digest
        self.at_ms = at_ms
        self.reply = reply


class Shop:
    """Everything the engine knows of one shop."""

    __slots__ = (
        "_sweep_contacts_at",
        "agents",
        "clamped_timestamps",
        "config",
        "contact_of_conversation",
        "contacts",
        "conversation_of_buyer",
        "conversations",
        "document",
        "event_order",
        "events",
        "idle",
        "last_conversation",
        "last_decision",
        "last_now_ms",
        "online_participants",
        "partition",
        "pools",
        "request_order",
        "requests",
        "sessions",
        "shop_id",
        "waiting",
    )

    def __init__(self, shop_id: str, partition: int, now_ms: int) -> None:
        """A shop that does not exist yet: it does once a document is in place."""
        self.shop_id = shop_id
        self.partition = partition
        self.last_now_ms = now_ms
        self.document = shop_pb2.Shop()
        self.last_decision = 0
        self.last_conversation = 0
        self.clamped_timestamps = 0
        self.agents: dict[str, Agent] = {}
        self.conversations: dict[int, Conversation] = {}
        self.contacts: dict[str, Contact] = {}
        self.waiting: dict[str, Waiting] = {}
        self.requests: dict[str, Remembered] = {}
        self.events: dict[str, int] = {}  # event id: when
        self.pools: dict[Groups, Pool] = {}
        # Derived.
        self.config = Config(self.document)
        self.conversation_of_buyer: dict[str, Conversation] = {}
        self.contact_of_conversation: dict[int, str] = {}  # conversation: buyer
        self.sessions: dict[str, set[str]] = {}  # session: its agents
        self.online_participants = 0
        # (last activity, conversation) of every open conversation, possibly out of date: see `due`.
        self.idle: list[tuple[int, int]] = []
        # Ids in the order in which they will be forgotten.
        self.request_order: deque[tuple[int, str]] = deque()
        self.event_order: deque[tuple[int, str]] = deque()
        self._sweep_contacts_at = 1024

    @property
    def exists(self) -> bool:
        return self.document.etag != ""

    # --- Conversations ---

    def open_conversation(self, conversation: Conversation) -> None:
        self.conversations[conversation.number] = conversation
        self.conversation_of_buyer[conversation.buyer_id] = conversation
        self.last_conversation = max(self.last_conversation, conversation.number)
        heappush(self.idle, (conversation.last_activity_ms, conversation.number))
        if len(self.idle) > 2 * len(self.conversations) + 64:
            self.idle = [(one.last_activity_ms, one.number) for one in self.conversations.values()]
            heapify(self.idle)
        self._count(conversation, 1)

    def close_conversation(self, number: int) -> None:
        conversation = self.conversations.pop(number, None)
        if conversation is None:
            return
        if self.conversation_of_buyer.get(conversation.buyer_id) is conversation:
            del self.conversation_of_buyer[conversation.buyer_id]
        self._count(conversation, -1)

    def set_awaiting(self, conversation: Conversation, awaiting: bool) -> None:
        if conversation.awaiting == awaiting:
            return
        conversation.awaiting = awaiting
        agent = self.agents.get(conversation.agent_id)
        if agent is not None:
            agent.derived_awaiting += 1 if awaiting else -1
            self.refresh(agent)

    def _count(self, conversation: Conversation, by: int) -> None:
        agent = self.agents.get(conversation.agent_id)
        if agent is not None:
            agent.open_conversations += by
            if conversation.awaiting:
                agent.derived_awaiting += by
            self.refresh(agent)

    # --- Contacts ---

    def contact(self, buyer_id: str, now: int) -> Contact | None:
        """The buyer's contact, if it exists at `now`."""
        contact = self.contacts.get(buyer_id)
        if contact is None or not self.contact_exists(contact, now):
            return None
        return contact

    def contact_exists(self, contact: Contact, now: int) -> bool:
        return now - contact.consulted_at_ms <= self.config.contact_lifetime_ms

    def set_contact(self, buyer_id: str, contact: Contact, now: int) -> None:
        before = self.contacts.get(buyer_id)
        if before is not None:
            self.contact_of_conversation.pop(before.conversation, None)
        self.contacts[buyer_id] = contact
        self.contact_of_conversation[contact.conversation] = buyer_id
        if len(self.contacts) > self._sweep_contacts_at:
            self.drop_expired_contacts(now)
            self._sweep_contacts_at = max(1024, 2 * len(self.contacts))

    def drop_expired_contacts(self, now: int) -> None:
        gone = [
            (buyer_id, contact.conversation)
            for buyer_id, contact in self.contacts.items()
            if not self.contact_exists(contact, now)
        ]
        for buyer_id, conversation in gone:
            del self.contacts[buyer_id]
            self.contact_of_conversation.pop(conversation, None)

    # --- Agents and pools ---

    def set_presence(
        self,
        agent: Agent,
        status: types_pb2.PresenceStatus,
        cause: types_pb2.PresenceCause,
        session_id: str,
    ) -> None:
        """Sets what is said of an agent, except since when and awaiting."""
        agent.status = status
        agent.cause = cause
        if session_id != agent.session_id:
            self.leave_session(agent)
            agent.session_id = session_id
            if session_id:
                self.sessions.setdefault(session_id, set()).add(agent.agent_id)

    def leave_session(self, agent: Agent) -> None:
        if not agent.session_id:
            return
        agents = self.sessions[agent.session_id]
        agents.discard(agent.agent_id)
        if not agents:
            del self.sessions[agent.session_id]
        agent.session_id = ""

    def refresh(self, agent: Agent) -> None:
        """Tells the agent's pools if its availability or effective weight is another now."""
        was_available, was_weight = agent.available, agent.effective_weight
        agent.available = agent.is_available()
        agent.effective_weight = agent.weigh(self.config)
        if agent.available != was_available:
            by = 1 if agent.available else -1
            for pool in agent.pools:
                pool.available += by
                pool.changed.add(agent.agent_id)
        elif agent.effective_weight != was_weight:
            for pool in agent.pools:
                pool.changed.add(agent.agent_id)

    def pool(self, groups: Groups) -> Pool:
        """The pool of these groups."""
        pool = self.pools.get(groups)
        if pool is None:
            pool = self.pools[groups] = Pool(groups)
            self._fill(pool)
        return pool

    def _fill(self, pool: Pool) -> None:
        """Says who is in the pool's groups; everybody counts as changed."""
        pool.agent_ids = {
            agent_id
            for group_id in pool.group_ids
            for agent_id in self.config.group_members.get(group_id, ())
            if agent_id in self.agents
        }
        pool.changed.update(pool.agent_ids, pool.members)
        pool.available = 0
        for agent_id in pool.agent_ids:
            agent = self.agents[agent_id]
            agent.pools.append(pool)
            pool.available += agent.available

    def put_document(self, document: shop_pb2.Shop, now: int) -> None:
        """Replaces the document and derives anew all that hangs on it."""
        self.document.CopyFrom(document)
        self.config = Config(self.document)
        before = self.agents
        self.agents = {}
        for one in self.document.agents:
            agent = before.pop(one.agent_id, None) or Agent(one.agent_id, now)
            self.agents[one.agent_id] = agent
            agent.document = one
            agent.weight = one.weight
            agent.cap = one.cap
            agent.groups = self.config.groups_of.get(one.agent_id, [])
            agent.pools = []
            agent.open_conversations = 0
            agent.derived_awaiting = 0
        for gone in before.values():
            self.leave_session(gone)
            for pool in self.pools.values():
                pool.drop(gone.agent_id)
        for conversation in self.conversations.values():
            holder = self.agents.get(conversation.agent_id)
            if holder is not None:
                holder.open_conversations += 1
                holder.derived_awaiting += conversation.awaiting
        self.pools = {
            groups: pool
            for groups, pool in self.pools.items()
            if pool.picked_from and groups <= self.config.all_groups
        }
        self.refresh_all()

    def refresh_all(self) -> None:
        """Derives the agents' and the pools' figures from scratch."""
        for agent in self.agents.values():
            agent.pools = []
            self.refresh(agent)
        for pool in self.pools.values():
            self._fill(pool)
        self.count_online_participants()

    def count_online_participants(self) -> None:
        self.online_participants = sum(
            agent.takes_part and agent.status == types_pb2.PRESENCE_STATUS_ONLINE
            for agent in self.agents.values()
        )
