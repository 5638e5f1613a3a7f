"""What there is to say about one decision: what each step found, and how each agent stood. No words.

Plain values, made by `fenliu.engine.pure.explain` and put into sentences by insight.
"""

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple

from fenliu.engine.v1.engine_pb2 import Decided
from fenliu.v1 import insight_pb2, shop_pb2


class Finding(Enum):
    """What a step found. Behind each: the `facts` it has besides the step's agent and groups."""

    # 0: what led to the decision, when it was not an inquiry.
    HANDED_ON = auto()  # conversation, note
    ROBOT_HANDED_ON = auto()  # conversation, note
    RECEIVER_ACCEPTS = auto()  # status
    RECEIVER_OFFLINE = auto()
    RECEIVERS_UNAVAILABLE = auto()
    REPLY_TIMED_OUT = auto()  # conversation, waited_ms
    QUEUE_MOVES = auto()  # waited_ms, priority
    POOL_MOVES = auto()  # waited_ms, threshold
    WAITED_FOR_AGENT = auto()  # waited_ms
    WAITED_FOR_GROUP = auto()  # waited_ms, threshold
    # 1: repeat.
    NO_REPEAT = auto()
    NO_REQUEST_ID = auto()
    # 2: open conversation.
    NO_CONVERSATION = auto()
    CONVERSATION_OPEN = auto()  # conversation, status
    CONVERSATION_AGENT_OFFLINE = auto()  # conversation
    CONVERSATION_AGENT_GONE = auto()  # conversation
    CONVERSATION_AGENT_EXCLUDED = auto()  # conversation
    ROBOT_CONVERSATION_OPEN = auto()  # conversation
    ROBOT_CONVERSATION_LEFT = auto()  # conversation
    ROBOT_CONVERSATION_ENDED = auto()  # conversation
    # 3: recent contact.
    NO_CONTACT = auto()  # window_ms
    CONTACT_FOUND = auto()  # ago_ms, status
    CONTACT_GONE = auto()
    CONTACT_IN_NO_GROUP = auto()
    CONTACT_EXCLUDED = auto()
    CONTACT_OFFLINE = auto()
    CONTACT_OFF = auto()  # status
    CONTACT_TOO_LONG_AGO = auto()  # ago_ms, window_ms, status
    CONTACT_HAS_NO_TIME = auto()  # awaiting, status
    # 4: dedicated agent.
    NO_DEDICATED = auto()
    DEDICATED_FOUND = auto()
    DEDICATED_GONE = auto()
    DEDICATED_IN_NO_GROUP = auto()
    DEDICATED_EXCLUDED = auto()
    DEDICATED_NOT_ONLINE = auto()  # status
    DEDICATED_HAS_NO_TIME = auto()  # awaiting
    # 5: group match.
    NO_GROUPS = auto()
    NOTHING_BOUND = auto()
    BOUND = auto()  # bound: (dimension, value) of each that narrowed
    # 6: robot.
    HUMAN_ASKED_FOR = auto()
    NO_ROBOT = auto()
    HUMAN_FIRST = auto()
    ROBOT_FIRST = auto()
    MIXED_ROBOTS_TURN = auto()  # percent, before, after
    MIXED_HUMANS_TURN = auto()  # percent, before, after
    # 7: selection.
    PICKED = auto()  # in_line
    PICKED_WITH_TIME = auto()  # in_line, threshold
    NOBODY_WITHOUT_GROUPS = auto()
    NOBODY_AVAILABLE = auto()
    NOBODY_WITH_TIME = auto()  # threshold
    # 8: when nobody is there.
    SPILL_PICKED = auto()  # in_line
    SPILL_PICKED_WITH_TIME = auto()  # in_line, threshold
    SPILL_NOBODY = auto()
    SPILL_NO_OTHERS = auto()
    POLICY_WITHOUT_GROUPS = auto()
    POLICY_QUEUE = auto()
    POLICY_ROBOT = auto()
    POLICY_ROBOT_NOT_WANTED = auto()
    POLICY_ROBOT_MISSING = auto()
    POLICY_OFFLINE = auto()
    # 9: queue.
    QUEUE_KEPT = auto()  # position
    QUEUED = auto()  # position, wait_ms
    QUEUED_WAIT_UNKNOWN = auto()  # position
    QUEUE_NOT_ENTERED = auto()
    QUEUE_OFF = auto()
    QUEUE_NOBODY_ONLINE = auto()
    QUEUE_FULL = auto()  # limit
    QUEUE_TIMED_OUT = auto()  # waited_ms
    # 10: otherwise.
    ROBOT_KEEPS = auto()
    ROBOT_WHILE_OFFLINE = auto()
    ROBOT_DESPITE_HANDOFF = auto()
    STILL_POOLED = auto()
    STILL_LEFT_MESSAGE = auto()
    STILL_WAITING_FOR_GROUP = auto()
    POOLED_NOBODY_FREE = auto()
    LEFT_WITH_PROXY = auto()
    LEFT_WITH_OWNER = auto()
    POOLED_NOBODY_ONLINE = auto()


class Step(NamedTuple):
    """A step that was walked, by its number in docs/rules.md; 0: what led to the decision."""

    number: int
    finding: Finding
    facts: Mapping[str, object]
    agent_id: str = ""  # the agent (or robot) it is about
    group_ids: Sequence[str] = ()  # the groups it is about; steps 3 and 4: whose pool is charged
    decided: bool = False


class Explanation(NamedTuple):
    """A decision with all that it rests on."""

    shop: shop_pb2.Shop  # as stored at that time
    decided: Decided
    buyer_id: str
    at_ms: int
    waited_ms: int  # in the queue or the pool, before it left; else 0
    steps: Sequence[Step]
    candidates: Sequence[insight_pb2.Candidate]  # by agent id; `text` is empty
