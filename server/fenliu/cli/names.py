"""Short names of outcomes and reasons, for tables and lines: both languages, one table each.

What they mean in full: docs/rules.md. Codes are what `--json` and the API have.
"""

from __future__ import annotations

from fenliu.cli.language import Words
from fenliu.v1 import types_pb2

_OUTCOMES = {
    types_pb2.OUTCOME_AGENT: Words("客服", "AGENT"),
    types_pb2.OUTCOME_ROBOT: Words("机器人", "ROBOT"),
    types_pb2.OUTCOME_QUEUED: Words("排队", "QUEUED"),
    types_pb2.OUTCOME_LEFT_MESSAGE: Words("留言", "LEFT_MESSAGE"),
    types_pb2.OUTCOME_POOLED: Words("进消息池", "POOLED"),
}
# English: the code in small letters, but for those that most tables have.
_REASONS = {
    types_pb2.REASON_OPEN_CONVERSATION: Words("会话中", "open"),
    types_pb2.REASON_RECENT_CONTACT: Words("最近联系", "recent"),
    types_pb2.REASON_DEDICATED: Words("专属", "dedicated"),
    types_pb2.REASON_WEIGHTED: Words("按权重", "weighted"),
    types_pb2.REASON_SPILLED: Words("转所有组", "spilled"),
    types_pb2.REASON_ROBOT_FIRST: Words("机器人优先", "robot first"),
    types_pb2.REASON_MIXED_ROBOT: Words("混合模式", "mixed robot"),
    types_pb2.REASON_GROUP_ROBOT: Words("组内机器人", "group robot"),
    types_pb2.REASON_QUEUED_AT_CAP: Words("满额排队", "queued at cap"),
    types_pb2.REASON_STILL_WAITING: Words("仍在等候", "still waiting"),
    types_pb2.REASON_NOBODY_FREE: Words("无人能接", "nobody free"),
    types_pb2.REASON_OFFLINE_ROBOT: Words("无人在线", "offline robot"),
    types_pb2.REASON_OFFLINE_PROXY: Words("留言代理账号", "offline proxy"),
    types_pb2.REASON_OFFLINE_OWNER: Words("留言主账号", "offline owner"),
    types_pb2.REASON_OFFLINE_POOL: Words("无人在线", "offline pool"),
    types_pb2.REASON_HANDOFF_UNAVAILABLE: Words("转人工无人", "handoff unavailable"),
    types_pb2.REASON_TRANSFER: Words("转接", "handed"),
    types_pb2.REASON_REPLY_TIMEOUT: Words("回复超时", "reply timeout"),
    types_pb2.REASON_LEFT_QUEUE: Words("排到", "left queue"),
    types_pb2.REASON_LEFT_POOL: Words("出池", "left pool"),
}


def outcome_name(outcome: types_pb2.Outcome) -> str:
    """As lines begin: POOLED, 进消息池."""
    return str(_OUTCOMES[outcome]) if outcome in _OUTCOMES else str(outcome)


def reason_name(reason: types_pb2.Reason) -> str:
    """As tables' headings have it: "recent", "最近联系"."""
    return str(_REASONS[reason]) if reason in _REASONS else str(reason)
