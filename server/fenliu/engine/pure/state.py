"""The state of one shop (docs/engine.md section 2) and the bookkeeping that keeps its parts in step.

Changed only from `apply` (facts), `repeats` (ids), `snapshot` and `stored` (loading and storing). Decides
nothing.
"""

from collections import OrderedDict, deque

from fenliu.engine.pure.agents import Agent
from fenliu.engine.pure.contacts import Contacts
from fenliu.engine.pure.deadlines import Deadlines
from fenliu.engine.pure.document import Config, Groups
from fenliu.engine.pure.generations import Generations, GetChunk
from fenliu.engine.pure.keys import Horizon
from fenliu.engine.pure.parts import Contact, Conversation, Waiting
from fenliu.engine.pure.selection import Pool
from fenliu.engine.pure.supposed import NOTHING
from fenliu.v1 import shop_pb2, types_pb2

SLOT_RELEASES_KEPT = 21


class Shop:
    """Everything the engine knows of one shop."""

    __slots__ = (
        "agents",
        "begun_since_rotate",
        "changed",
        "changed_before_rotate",
        "clamped_timestamps",
        "config",
        "contacts",
        "contacts_since_ms",
        "conversation_of_buyer",
        "conversations",
        "deleted",
        "document",
        "fresh",
        "get_chunk",
        "idle_since",
        "last_closed",
        "last_conversation",
        "last_decision",
        "last_now_ms",
        "learned",
        "mixed",
        "online_participants",
        "partition",
        "pools",
        "queued",
        "queued_since",
        "sessions",
        "shop_id",
        "slot_releases_ms",
        "supposed",
        "unanswered_since",
        "unsettled",
        "volume_ends",
        "waiting",
    )

    def __init__(self, shop_id: str, partition: int, now_ms: int, get_chunk: GetChunk) -> None:
        """A shop that does not exist yet: it does once a document is in place."""
        self.shop_id = shop_id
        self.partition = partition
        self.get_chunk = get_chunk
        self.last_now_ms = now_ms
        self.last_decision = 0
        self.last_conversation = 0
        self.deleted = False
        # Against what is stored (docs/engine.md section 13). Changed since its partition was last
        # rotated; or before that and since the manifest.
        self.changed = False
        self.changed_before_rotate = False
        self.supposed = NOTHING  # while a script is played; not part of the state
        self._begin(shop_pb2.Shop())

    def _begin(self, document: shop_pb2.Shop) -> None:
        """Nothing is known besides the document, the times and the numbers."""
        self.document = document
        self.clamped_timestamps = 0
        self.contacts_since_ms = 0
        self.agents: dict[str, Agent] = {}
        self.conversations: dict[int, Conversation] = {}
        # By (since, decision): time and numbers only grow, and nobody who waits changes place.
        self.waiting: OrderedDict[str, Waiting] = OrderedDict()
        # The ids that are remembered, and contacts of buyers who are not live.
        self.learned = Generations(self.get_chunk)
        self.contacts = Contacts(self.learned)
        self.pools: dict[Groups, Pool] = {}
        self.mixed: dict[str, int] = {}  # owner: accumulator of mixed mode, above 0
        self.slot_releases_ms: deque[int] = deque(maxlen=SLOT_RELEASES_KEPT)
        # Derived.
        self.config = Config(self.document)
        self.conversation_of_buyer: dict[str, Conversation] = {}
        self.sessions: dict[str, set[str]] = {}  # session: its agents
        self.online_participants = 0
        self.queued: dict[int, Waiting] = {}  # decision: entry
        # From when on what may fall due is counted; see `due`.
        self.idle_since: Deadlines[int] = Deadlines()  # conversation
        self.queued_since: Deadlines[int] = Deadlines()  # decision
        self.unanswered_since: Deadlines[int] = Deadlines()  # conversation
        self.volume_ends: Deadlines[str] = Deadlines()  # agent at volume
        # Not part of the state. The conversation closed last: what follows in its entry may need it.
        self.last_closed: Conversation | None = None
        # Something has happened since the last look by which somebody who waits may be taken.
        self.unsettled = True
        # What segments known from before say does not count any more; since the last rotation, or not.
        self.fresh = True
        self.begun_since_rotate = True

    @property
    def exists(self) -> bool:
        return self.document.etag != "" and not self.deleted

    def delete(self, etag: str) -> None:
        """Only id, revision, times and numbers stay."""
        self._begin(shop_pb2.Shop(shop_id=self.shop_id, etag=etag))
        self.deleted = True

    def take_chunks_from(self, get_chunk: GetChunk) -> None:
        """The shop is another engine's now."""
        self.get_chunk = self.learned.get_chunk = get_chunk

    # --- Conversations ---

    def open_conversation(self, conversation: Conversation) -> None:
        self.contacts.comes_alive(conversation.buyer_id)
        self.conversations[conversation.number] = conversation
        self.conversation_of_buyer[conversation.buyer_id] = conversation
        self.last_conversation = max(self.last_conversation, conversation.number)
        self.watch(conversation)
        self._count(conversation, 1)

    def close_conversation(self, number: int) -> None:
        conversation = self.conversations.pop(number, None)
        if conversation is None:
            return
        if self.conversation_of_buyer.get(conversation.buyer_id) is conversation:
            del self.conversation_of_buyer[conversation.buyer_id]
        self.idle_since.set(number, None)
        self.unanswered_since.set(number, None)
        self.last_closed = conversation
        self._count(conversation, -1)
        self._may_have_left(conversation.buyer_id)

    def watch(self, conversation: Conversation) -> None:
        """Keeps what may fall due for an open conversation in step with it."""
        self.idle_since.set(conversation.number, conversation.last_activity_ms)
        on_reply = not (
            conversation.robot or conversation.answered or conversation.reply_timeout_spent
        )
        self.unanswered_since.set(
            conversation.number, conversation.opened_at_ms if on_reply else None
        )

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

    # --- Who waits ---

    def put_waiting(self, entry: Waiting) -> None:
        """Places an entry, behind all others, or keeps what hangs on a changed one in step."""
        self.contacts.comes_alive(entry.buyer_id)
        self.waiting[entry.buyer_id] = entry
        if entry.is_queued:
            self.queued[entry.decision] = entry
            self.queued_since.set(entry.decision, entry.since_ms)
        else:
            self._leave_queue(entry)

    def drop_waiting(self, buyer_id: str) -> None:
        entry = self.waiting.pop(buyer_id, None)
        if entry is not None:
            self._leave_queue(entry)
            self._may_have_left(buyer_id)

    def _leave_queue(self, entry: Waiting) -> None:
        self.queued.pop(entry.decision, None)
        self.queued_since.set(entry.decision, None)

    # --- Contacts ---

    def horizon(self, now: int) -> Horizon:
        """What exists at `now`."""
        return Horizon(now, self.config.contact_lifetime_ms, self.contacts_since_ms)

    def contact(self, buyer_id: str, now: int) -> Contact | None:
        """The buyer's contact, if it exists at `now`."""
        contact = self.contacts.of(buyer_id)
        if contact is None or not self.horizon(now).contact(contact.consulted_at_ms):
            return None
        return contact

    def _may_have_left(self, buyer_id: str) -> None:
        if buyer_id not in self.conversation_of_buyer and buyer_id not in self.waiting:
            self.contacts.leaves(buyer_id)

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
        """Tells the agent's pools, and who settles, what is otherwise about the agent now."""
        before = agent.available, agent.has_time, agent.effective_weight
        was_counted = agent.available and agent.has_time
        agent.derive(self.config, self.supposed)
        self.volume_ends.set(agent.agent_id, agent.held_until_ms)
        if before == (agent.available, agent.has_time, agent.effective_weight):
            return
        if agent.available > before[0] or agent.has_time > before[1]:
            self.unsettled = True
        for pool in agent.pools:
            pool.changed.add(agent.agent_id)
            pool.available += agent.available - before[0]
            pool.available_with_time += (agent.available and agent.has_time) - was_counted

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
        pool.available = pool.available_with_time = 0
        for agent_id in pool.agent_ids:
            agent = self.agents[agent_id]
            agent.pools.append(pool)
            pool.available += agent.available
            pool.available_with_time += agent.available and agent.has_time

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
            agent.groups = self.config.groups_of.get(one.agent_id, [])
            agent.open_conversations = 0
            agent.derived_awaiting = 0
        for gone in before.values():
            self.leave_session(gone)
            self.volume_ends.set(gone.agent_id, None)
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
        self.online_participants = sum(
            agent.takes_part and agent.is_online for agent in self.agents.values()
        )
        self.unsettled = True
