"""`fenliu route`: one inquiry."""

from __future__ import annotations

import click

from fenliu.cli.command import command, option
from fenliu.cli.language import words
from fenliu.cli.names import outcome_name, reason_name
from fenliu.cli.options import as_dict, json_option, print_json, target_option, with_client
from fenliu.v1 import dispatch_pb2, types_pb2

_STATUS = "ORDER_STATUS_"
_STATUSES = [name.removeprefix(_STATUS) for name in types_pb2.OrderStatus.keys()[1:]]


@command(
    "route",
    zh="发出一次咨询，显示由谁接待、为什么。",
    en="Send one inquiry and print who receives the buyer, and why.",
)
@option("--shop", required=True, zh="店铺编号。", en="Shop id.")
@option("--buyer", required=True, zh="买家编号。", en="Buyer id.")
@option(
    "--request-id",
    default="",
    show_default=False,
    zh="24 小时内重复同一编号，得到同一回答。",
    en="A repeat within 24 h gets the same answer.",
)
@option(
    "--order-status",
    type=click.Choice(_STATUSES, case_sensitive=False),
    zh="买家最近一笔订单的状态。",
    en="Where the buyer's newest order stands.",
)
@option("--product", default="", show_default=False, zh="商品编号。", en="Product id.")
@option("--intent", default="", show_default=False, zh="买家的意图。", en="What the buyer wants.")
@option(
    "--page-source",
    default="",
    show_default=False,
    zh="买家从哪个页面来。",
    en="Where the buyer came from.",
)
@option(
    "--dedicated",
    default="",
    show_default=False,
    zh="专属客服的编号。",
    en="The dedicated agent's id.",
)
@option(
    "--priority",
    default=0,
    zh="0..9；高者先离开队列。",
    en="0..9; higher leaves the queue earlier.",
)
@option("--handoff", is_flag=True, zh="买家要转人工。", en="The buyer asks for a human.")
@option(
    "--exclude",
    multiple=True,
    show_default=False,
    zh="不要这位客服；可重复。",
    en="An agent not to take; may be repeated.",
)
@option(
    "--now-ms",
    type=int,
    zh="记录中的时间（毫秒），用于 trace 时钟的服务器。",
    en="Recorded time in ms, for a server on the trace clock.",
)
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
    """Sends the inquiry and prints the answer."""
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
    details = [
        f"{name} {value}"
        for name, value in (
            (words("组", "group"), response.group_id),
            (words("会话", "conversation"), response.conversation_id),
            (words("决定", "decision"), response.decision_id),
            (words("排队第", "queue position"), response.queue_position),
        )
        if value
    ]
    outcome = f"{outcome_name(response.outcome)} {response.agent_id}".rstrip()
    reason = types_pb2.Reason.Name(response.reason).removeprefix("REASON_")
    why = reason_name(response.reason)
    click.echo(words(f"{outcome}：{why}（{reason}）", f"{outcome}: {reason}"))
    click.echo(words("，", ", ").join(details))
