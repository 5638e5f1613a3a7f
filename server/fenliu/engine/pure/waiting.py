"""Nobody takes the buyer: queue, robot, pool, left message (docs/engine.md section 8, steps 9 and 10)."""

from fenliu.engine.pure.parts import Waiting
from fenliu.engine.pure.robot import to_robot
from fenliu.engine.pure.state import Shop
from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2
from fenliu.engine.v1.engine_pb2 import Decided
from fenliu.v1 import dispatch_pb2, shop_pb2, types_pb2


def queue(shop: Shop, buyer_id: str) -> Decided | None:
    """Step 9."""
    entry = shop.waiting.get(buyer_id)
    if entry is not None:
        return _still_waiting(entry) if entry.is_queued else None
    if shop.online_participants and len(shop.queued) < shop.config.queue_limit:
        return Decided(outcome=types_pb2.OUTCOME_QUEUED, reason=types_pb2.REASON_QUEUED_AT_CAP)
    return None


def otherwise(shop: Shop, buyer_id: str, entry: Waiting | None, handoff: bool) -> Decided:
    """Step 10. `entry`: the buyer's, if it counts. Nothing is ever dropped."""
    config = shop.config
    conversation = shop.conversation_of_buyer.get(buyer_id)
    if conversation is not None and conversation.robot:
        decided = to_robot(shop, types_pb2.REASON_HANDOFF_UNAVAILABLE)
        decided.conversation = conversation.number
        decided.pool_entry = True
        return decided
    if config.robot_id and not shop.online_participants:
        decided = to_robot(
            shop,
            types_pb2.REASON_HANDOFF_UNAVAILABLE if handoff else types_pb2.REASON_OFFLINE_ROBOT,
        )
        decided.pool_entry = True
        return decided
    if entry is not None:
        return _still_waiting(entry)
    if shop.online_participants:
        return Decided(outcome=types_pb2.OUTCOME_POOLED, reason=types_pb2.REASON_NOBODY_FREE)
    target = config.offline_target
    if target == shop_pb2.OFFLINE_TARGET_PROXY:
        if config.proxy_agent_id:
            return _left_message(types_pb2.REASON_OFFLINE_PROXY, config.proxy_agent_id)
        target = shop_pb2.OFFLINE_TARGET_OWNER
    if target == shop_pb2.OFFLINE_TARGET_OWNER and config.owner_agent_id:
        return _left_message(types_pb2.REASON_OFFLINE_OWNER, config.owner_agent_id)
    return Decided(outcome=types_pb2.OUTCOME_POOLED, reason=types_pb2.REASON_OFFLINE_POOL)


def _still_waiting(entry: Waiting) -> Decided:
    return Decided(
        outcome=entry.outcome, reason=types_pb2.REASON_STILL_WAITING, agent_id=entry.agent_id
    )


def _left_message(reason: types_pb2.Reason, agent_id: str) -> Decided:
    return Decided(outcome=types_pb2.OUTCOME_LEFT_MESSAGE, reason=reason, agent_id=agent_id)


# --- The queue ---------------------------------------------------------------------------------


def in_queue_order(shop: Shop) -> list[Waiting]:
    """Who is queued, by (priority falling, since, decision)."""
    # Sorting keeps the order of decisions among equals.
    return sorted(shop.queued.values(), key=lambda entry: -entry.inquiry.priority)


def queue_position(shop: Shop, buyer_id: str, priority: int) -> int:
    """The buyer's place in the queue, from 1; of one who comes to it now, the last of the priority."""
    entry = shop.waiting.get(buyer_id)
    if entry is not None:
        priority = entry.inquiry.priority
    before = 0
    for other in shop.queued.values():
        if other.inquiry.priority > priority:
            before += 1
        elif other.inquiry.priority == priority:
            before += entry is None or other.decision < entry.decision
    return before + 1


def estimated_wait_ms(shop: Shop, position: int) -> int:
    """By the mean time between the last slot releases; 0 when that is not known."""
    releases = shop.slot_releases_ms
    if len(releases) < 2:
        return 0
    return max(0, position * (releases[-1] - releases[0]) // (len(releases) - 1))


# --- Cancelling --------------------------------------------------------------------------------


def decide_cancel(
    turn: Turn, request: dispatch_pb2.CancelInquiryRequest
) -> dispatch_pb2.CancelInquiryResponse:
    """Takes the buyer out of the queue or the pool."""
    was_waiting = request.buyer_id in turn.shop.waiting
    if was_waiting:
        turn.record(engine_pb2.Fact(waiting_cancelled=engine_pb2.WaitingCancelled()))
    return dispatch_pb2.CancelInquiryResponse(was_waiting=was_waiting)
