"""One agent of a shop: the document's figures, presence and load (docs/engine.md sections 2, 5, 6)."""

from fenliu.engine.pure.document import Config
from fenliu.engine.pure.selection import Pool
from fenliu.engine.pure.supposed import Supposed
from fenliu.engine.pure.volume import Volume
from fenliu.v1 import presence_pb2, shop_pb2, types_pb2

ONE_WEIGHT = 1024
"""An effective weight is in units of 1/1024 of a weight."""


class Agent:
    """An agent named by the shop's document."""

    __slots__ = (
        "absolute_awaiting",
        "agent_id",
        "available",
        "cause",
        "derived_awaiting",
        "document",
        "effective_weight",
        "groups",
        "has_time",
        "held_until_ms",
        "open_conversations",
        "pools",
        "session_id",
        "since_ms",
        "status",
        "volume",
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
        self.volume = Volume()
        # Counted over the open conversations.
        self.open_conversations = 0
        self.derived_awaiting = 0
        # From the document.
        self.document = shop_pb2.Agent()
        self.groups: list[str] = []  # by (priority, id)
        self.pools: list[Pool] = []
        # Derived from all these by `derive`.
        self.held_until_ms: int | None = None  # at volume, until then
        self.available = False  # may take a new buyer
        self.has_time = False  # may take one who has waited
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

    @property
    def first_group(self) -> str:
        """By (priority, id); "": takes no part."""
        return self.groups[0] if self.groups else ""

    @property
    def is_online(self) -> bool:
        return self.status == types_pb2.PRESENCE_STATUS_ONLINE

    @property
    def is_offline(self) -> bool:
        return self.status == types_pb2.PRESENCE_STATUS_OFFLINE

    def derive(self, config: Config, supposed: Supposed) -> None:
        """Finds anew what follows from the rest."""
        own = self.document
        self.held_until_ms = self.volume.held_until(own.daily_limit, own.hourly_limit)
        self.available = (
            self.is_online
            and own.weight > 0
            and (own.cap == 0 or self.open_conversations < own.cap)
            and self.held_until_ms is None
        )
        self.has_time = self.is_online and self.awaiting < max(1, config.busy_threshold)
        self.effective_weight = self._weigh(config, supposed)

    def _weigh(self, config: Config, supposed: Supposed) -> int:
        """The effective weight now, in units of 1/1024: the busy get fewer buyers, never none."""
        if self.document.weight == 0:
            return 0
        weight = ONE_WEIGHT if config.even else self.document.weight * ONE_WEIGHT
        if self.awaiting <= config.busy_threshold or supposed.is_at_ease(self.agent_id):
            return weight
        return max(1, weight * (config.busy_threshold + 1) // (self.awaiting + 1))

    def presence(self, now: int) -> presence_pb2.AgentPresence:
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
            received_today=self.volume.received_today(now),
            received_this_hour=self.volume.received_this_hour(now),
        )
