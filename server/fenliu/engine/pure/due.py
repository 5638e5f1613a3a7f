"""What happens by itself when its time has come (docs/engine.md section 8)."""

from heapq import heappop, heapreplace

from fenliu.engine.pure.state import Shop
from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2


def apply_due(turn: Turn) -> None:
    """Records every effect due up to and including the turn's time, in order."""
    while (due := next_due(turn.shop)) is not None and due <= turn.now:
        closed = engine_pb2.ConversationClosed(
            conversation=turn.shop.idle[0][1], cause=engine_pb2.CLOSE_CAUSE_IDLE, at_ms=due
        )
        turn.record(engine_pb2.Fact(conversation_closed=closed))


def next_due(shop: Shop) -> int | None:
    """When the shop's next effect is due, Unix ms; then it is the first of `shop.idle`."""
    if not shop.config.idle_close_ms:
        return None
    while shop.idle:
        last_activity_ms, number = shop.idle[0]
        conversation = shop.conversations.get(number)
        if conversation is None:
            heappop(shop.idle)
        elif conversation.last_activity_ms != last_activity_ms:
            heapreplace(shop.idle, (conversation.last_activity_ms, number))
        else:
            return last_activity_ms + shop.config.idle_close_ms
    return None


def not_due_before(shop: Shop) -> int | None:
    """A time before which nothing is due, found without looking further; None: nothing ever."""
    if not shop.config.idle_close_ms or not shop.idle:
        return None
    return shop.idle[0][0] + shop.config.idle_close_ms
