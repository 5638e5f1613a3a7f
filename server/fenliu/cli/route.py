"""`fenliu route`: one inquiry."""

from __future__ import annotations

import click

from fenliu.cli.options import (
    as_dict,
    json_option,
    option,
    print_json,
    target_option,
    with_client,
)
from fenliu.v1 import dispatch_pb2, types_pb2

_STATUS = "ORDER_STATUS_"
_STATUSES = [name.removeprefix(_STATUS) for name in types_pb2.OrderStatus.keys()[1:]]


@click.command()
@option("--shop", required=True, help="Shop id.")
@option("--buyer", required=True, help="Buyer id.")
@option("--request-id", default="", help="A repeat within 24 h gets the same answer.")
@option(
    "--order-status",
    type=click.Choice(_STATUSES, case_sensitive=False),
    help="Where the buyer's newest order stands.",
)
@option("--product", default="", help="Product id.")
@option("--intent", default="", help="What the buyer wants.")
@option("--page-source", default="", help="Where the buyer came from.")
@option("--dedicated", default="", help="The dedicated agent's id.")
@option("--priority", default=0, help="0..9; higher leaves the queue earlier.")
@option("--handoff", is_flag=True, help="The buyer asks for a human.")
@option("--exclude", multiple=True, help="An agent not to take; may be repeated.")
@option("--now-ms", type=int, help="Recorded time, for a server on the trace clock.")
@target_option
@json_option
def route(
    shop: str,
    buyer: str,
    request_id: str,
    order_status: str | None,
    product: str,
    intent: str,
    page_source: str,
    dedicated: str,
    priority: int,
    handoff: bool,
    exclude: tuple[str, ...],
    now_ms: int | None,
    target: str,
    as_json: bool,
) -> None:
    """Send one inquiry and print who receives the buyer, and why."""
    request = dispatch_pb2.RouteRequest(
        shop_id=shop,
        buyer_id=buyer,
        request_id=request_id,
        order_status=_STATUS + order_status if order_status is not None else None,
        product_id=product,
        intent=intent,
        page_source=page_source,
        dedicated_agent_id=dedicated,
        priority=priority,
        handoff=handoff,
        exclude_agent_ids=exclude,
    )
    response = with_client(target, lambda client: client.route(request, now_ms=now_ms))
    if as_json:
        print_json(as_dict(response))
        return
    outcome = types_pb2.Outcome.Name(response.outcome).removeprefix("OUTCOME_")
    reason = types_pb2.Reason.Name(response.reason).removeprefix("REASON_")
    details = [
        f"{name} {value}"
        for name, value in (
            ("group", response.group_id),
            ("conversation", response.conversation_id),
            ("decision", response.decision_id),
            ("queue position", response.queue_position),
        )
        if value
    ]
    click.echo(" ".join(word for word in (outcome, response.agent_id) if word) + f": {reason}")
    click.echo(", ".join(details))
