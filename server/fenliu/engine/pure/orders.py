"""Order events (docs/engine.md section 5, end): noted for the reports, they change nothing."""

from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2


def decide_order(turn: Turn, event: dispatch_pb2.OrderEvent) -> dispatch_pb2.OrderResult:
    """Notes an order created, paid or refunded, not in the future."""
    latest = turn.now + turn.shop.config.timestamp_skew_ms
    noted = engine_pb2.OrderNoted(at_ms=min(event.occurred_at_ms or turn.now, latest))
    turn.record(engine_pb2.Fact(order_noted=noted))
    return dispatch_pb2.OrderResult()
