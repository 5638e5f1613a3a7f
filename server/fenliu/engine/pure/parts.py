"""What a shop's state consists of besides its agents and pools (docs/engine.md section 2)."""

from dataclasses import dataclass, field

from fenliu.engine.v1.engine_pb2 import Inquiry
from fenliu.v1 import types_pb2


@dataclass(slots=True)
class Conversation:
    """An open conversation: an agent's, or the robot's."""

    number: int
    buyer_id: str
    agent_id: str  # "": the robot's
    group_id: str
    opened_at_ms: int
    last_activity_ms: int
    awaiting: bool  # the buyer's last message is not answered
    robot: bool = False
    answered: bool = False  # the agent has written in it
    reply_timeout_spent: bool = False  # it has timed out and stayed
    reply_hops: int = 0  # reply timeouts along the chain before it
    transfer_hops: int = 0  # transfers along the chain before it
    inquiry: Inquiry = field(default_factory=Inquiry)


@dataclass(slots=True)
class Contact:
    """The agent a buyer consulted last."""

    agent_id: str
    consulted_at_ms: int
    conversation: int


@dataclass(slots=True)
class Waiting:
    """A buyer in the queue, in the pool, or left as a message."""

    buyer_id: str
    outcome: types_pb2.Outcome
    agent_id: str  # whose left message it is
    since_ms: int
    decision: int  # that made the buyer wait
    inquiry: Inquiry
    target_agent_id: str = ""  # waits for this agent only, or
    target_group_id: str = ""  # for this group only
    reply_hops: int = 0
    transfer_hops: int = 0

    @property
    def is_queued(self) -> bool:
        return self.outcome == types_pb2.OUTCOME_QUEUED

    @property
    def has_target(self) -> bool:
        return bool(self.target_agent_id or self.target_group_id)

    @property
    def in_pool(self) -> bool:
        """Whether agents who have time are to take the buyer."""
        return self.outcome == types_pb2.OUTCOME_POOLED or (
            self.outcome == types_pb2.OUTCOME_LEFT_MESSAGE and self.has_target
        )


@dataclass(slots=True)
class Remembered:
    """A request that was answered."""

    digest: bytes
    at_ms: int
    reply: bytes
