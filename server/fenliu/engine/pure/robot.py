"""When the robot receives a buyer: step 6 (docs/engine.md section 8)."""

from typing import NamedTuple

from fenliu.engine.pure.state import Shop
from fenliu.engine.v1.engine_pb2 import Decided
from fenliu.v1 import shop_pb2, types_pb2


class Reception(NamedTuple):
    """What step 6 says."""

    reason: types_pb2.Reason | None = None  # why the robot receives; None: it does not
    mixed_owner: str | None = None  # whose accumulator advances, whatever comes of it


def reception(shop: Shop, first: shop_pb2.Group | None, handoff: bool) -> Reception:
    """Step 6. `first`: of the matched groups."""
    config = shop.config
    if handoff or not config.robot_id:
        return Reception()
    if not config.reception_by_group:
        owner, mode = "", config.reception_mode
    elif first is not None:
        owner, mode = first.group_id, first.reception_mode
    else:
        return Reception()
    if mode == shop_pb2.RECEPTION_MODE_ROBOT_FIRST:
        return Reception(types_pb2.REASON_ROBOT_FIRST)
    if mode == shop_pb2.RECEPTION_MODE_MIXED:
        has_turn = shop.mixed.get(owner, 0) + config.robot_percent[owner] >= 100
        return Reception(types_pb2.REASON_MIXED_ROBOT if has_turn else None, owner)
    return Reception()


def to_robot(shop: Shop, reason: types_pb2.Reason) -> Decided:
    return Decided(outcome=types_pb2.OUTCOME_ROBOT, reason=reason, agent_id=shop.config.robot_id)
