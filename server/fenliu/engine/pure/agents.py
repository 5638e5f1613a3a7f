"""One agent of a shop: the document's figures, presence and load (docs/engine.md sections 2, 5, 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fenliu.v1 import presence_pb2, shop_pb2, types_pb2

if TYPE_CHECKING:
    from fenliu.engine.pure.document import Config
    from fenliu.engine.pure.selection import Pool

ONE_WEIGHT = 1024
"""An effective weight is in units of 1/1024 of a weight."""


class Agent:
    """An agent named by the shop's document."""

    __slots__ = (
        "absolute_awaiting",
        "agent_id",
        "available",
        "cap",
        "cause",
        "derived_awaiting",
        "document",
        "effective_weight",
        "groups",
        "open_conversations",
        "pools",
        "session_id",
        "since_ms",
        "status",
        "weight",
    )

    def __init__(self, agent_id: str, since_ms: int) -> None:
        """A new agent: OFFLINE since `since_ms`, and nobody has said so."""
        self.agent_id = agent_id
        # Presence.
        self.status = types_pb2.PRESENCE_STATUS_OFFLINE
        self.since_ms = since_ms
        self.cause = types_pb2.PRESENCE_CAUSE_UNSPECIFIED
        self.session_id = ""
        self.absolute_awaiting: int | None = None
        # Counted over the open conversations.
        self.open_conversations = 0
        self.derived_awaiting = 0
        # From the document.
        self.document = shop_pb2.Agent()
        self.weight = 0
        self.cap = 0
        self.groups: list[str] = []  # by (priority, id)
        # What the pools it belongs to go by; kept by `Shop.refresh`.
        self.pools: list[Pool] = []
        self.available = False
        self.effective_weight = 0

    @property
    def awaiting(self) -> int:
        """待回复人数."""
        if self.absolute_awaiting is not None:
            return self.absolute_awaiting
        return self.derived_awaiting

    @property
    def takes_part(self) -> bool:
        return bool(self.groups)

    def is_available(self) -> bool:
        """Whether it may take a new buyer."""
        return (
            self.status == types_pb2.PRESENCE_STATUS_ONLINE
            and self.weight > 0
            and (self.cap == 0 or self.open_conversations < self.cap)
        )

    def weigh(self, config: Config) -> int:
        """The effective weight now, in units of 1/1024: the busy get fewer buyers, never none."""
        if self.weight == 0:
            return 0
        weight = ONE_WEIGHT if config.even else self.weight * ONE_WEIGHT
        if self.awaiting <= config.busy_threshold:
            return weight
        return max(1, weight * (config.busy_threshold + 1) // (self.awaiting + 1))

    def presence(self) -> presence_pb2.AgentPresence:
        """As the API shows it."""
        return presence_pb2.AgentPresence(
            agent_id=self.agent_id,
            status=self.status,
            since_ms=self.since_ms,
            cause=self.cause,
            session_id=self.session_id,
            awaiting=self.awaiting,
            open_conversations=self.open_conversations,
            effective_weight=self.effective_weight,
        )
