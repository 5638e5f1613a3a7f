"""What is known of an inquiry besides the buyer (docs/engine.md section 2), kept to decide it again.

An `Inquiry` is never changed once it is made; one with every field empty counts as absent.
"""

from fenliu.engine.v1.engine_pb2 import Inquiry
from fenliu.v1 import dispatch_pb2, shop_pb2

EMPTY = Inquiry()


def inquiry_of(request: dispatch_pb2.RouteRequest) -> Inquiry:
    return Inquiry(
        order_status=request.order_status,
        product_id=request.product_id,
        intent=request.intent,
        page_source=request.page_source,
        dedicated_agent_id=request.dedicated_agent_id,
        priority=request.priority,
        exclude_agent_ids=request.exclude_agent_ids,
    )


def without_agent(inquiry: Inquiry, agent_id: str) -> Inquiry:
    """The inquiry with the agent among its exclusions, once, at the end."""
    if agent_id in inquiry.exclude_agent_ids:
        return inquiry
    more = Inquiry()
    more.CopyFrom(inquiry)
    more.exclude_agent_ids.append(agent_id)
    return more


def bound_value(inquiry: Inquiry, dimension: shop_pb2.BindingDimension) -> str | int:
    """The inquiry's value in a binding dimension; "" or 0 when it has none."""
    if dimension == shop_pb2.BINDING_DIMENSION_PRODUCT:
        return inquiry.product_id
    if dimension == shop_pb2.BINDING_DIMENSION_INTENT:
        return inquiry.intent
    if dimension == shop_pb2.BINDING_DIMENSION_ORDER_STATUS:
        return inquiry.order_status
    return inquiry.page_source
