"""The shop document: its resolved form, how it changes, and its end (docs/engine.md section 4)."""

from fenliu.engine.pure.permissions import (
    require_manager,
    require_owner_for_deleting,
    require_owner_for_grants,
)
from fenliu.engine.pure.refusals import Refusal, stale
from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import shop_pb2


def resolve(shop: shop_pb2.Shop) -> shop_pb2.Shop:
    """The document with every default filled in and every list sorted; without etag."""
    resolved = shop_pb2.Shop()
    resolved.CopyFrom(shop)
    resolved.etag = ""
    _resolve_settings(resolved.settings)
    del resolved.agents[:]
    resolved.agents.extend(sorted(shop.agents, key=lambda agent: agent.agent_id))
    for agent in resolved.agents:
        if not agent.HasField("weight"):
            agent.weight = 5
        agent.permissions.sort()
    del resolved.groups[:]
    resolved.groups.extend(sorted(shop.groups, key=lambda group: group.group_id))
    for group in resolved.groups:
        _resolve_group(group)
    return resolved


_DEFAULTS = {
    "busy_threshold": 4,
    "sticky_window_ms": 259_200_000,
    "sticky_suspended_window_ms": 86_400_000,
    "queue_timeout_ms": 600_000,
    "max_hops": 3,
    "idle_close_ms": 1_800_000,
    "timestamp_skew_ms": 300_000,
    "longest_wait_ms": 600_000,
    "slow_gap_ms": 120_000,
    "slow_count": 3,
}


def _resolve_settings(settings: shop_pb2.ShopSettings) -> None:
    settings.SetInParent()
    for name, default in _DEFAULTS.items():
        if not settings.HasField(name):
            setattr(settings, name, default)
    settings.selection_mode = settings.selection_mode or shop_pb2.SELECTION_MODE_WEIGHTED
    settings.reception_mode = settings.reception_mode or shop_pb2.RECEPTION_MODE_HUMAN_FIRST
    settings.reception_scope = settings.reception_scope or shop_pb2.RECEPTION_SCOPE_SHOP
    settings.offline_target = settings.offline_target or shop_pb2.OFFLINE_TARGET_POOL
    if not settings.binding_precedence:
        settings.binding_precedence.extend(
            (
                shop_pb2.BINDING_DIMENSION_PRODUCT,
                shop_pb2.BINDING_DIMENSION_INTENT,
                shop_pb2.BINDING_DIMENSION_ORDER_STATUS,
                shop_pb2.BINDING_DIMENSION_PAGE_SOURCE,
            )
        )
    settings.buyer_agents.sort(key=lambda buyer_agent: buyer_agent.buyer_id)


def _resolve_group(group: shop_pb2.Group) -> None:
    group.agent_ids.sort()
    group.bindings.SetInParent()
    group.bindings.product_ids.sort()
    group.bindings.intents.sort()
    group.bindings.order_statuses.sort()
    group.bindings.page_sources.sort()
    group.when_unavailable = group.when_unavailable or shop_pb2.UNAVAILABLE_POLICY_SPILL
    group.reception_mode = group.reception_mode or shop_pb2.RECEPTION_MODE_HUMAN_FIRST


# --- Commands ----------------------------------------------------------------------------------


def decide_apply_shop(turn: Turn, request: shop_pb2.ApplyShopRequest) -> shop_pb2.ApplyShopResponse:
    """Makes the shop as the document says. The turn's shop may not exist yet."""
    shop = turn.shop
    stored = shop.document
    if shop.exists:
        require_manager(shop, turn.actor)
    etag = stored.etag if shop.exists else ""
    if request.shop.etag not in ("", etag):
        raise stale("shop.etag", etag)
    wanted = resolve(request.shop)
    wanted.etag = stored.etag
    if shop.exists:
        require_owner_for_grants(shop, turn.actor, wanted)
    changed = not shop.exists or wanted != stored
    if changed:
        wanted.etag = next_etag(stored.etag)
        turn.record(engine_pb2.Fact(shop_applied=engine_pb2.ShopApplied(shop=wanted)))
    return shop_pb2.ApplyShopResponse(shop=wanted, changed=changed)


def decide_set_weights(
    turn: Turn, request: shop_pb2.SetWeightsRequest
) -> shop_pb2.SetWeightsResponse:
    """Sets many agents' weights, all or none."""
    shop = turn.shop
    require_manager(shop, turn.actor)
    etag = shop.document.etag
    if request.etag and request.etag != etag:
        raise stale("etag", etag)
    for i, wanted in enumerate(request.weights):
        if wanted.agent_id not in shop.agents:
            raise Refusal("AGENT_NOT_FOUND", f"weights[{i}].agent_id")
    changed = sorted(
        (
            wanted
            for wanted in request.weights
            if shop.agents[wanted.agent_id].document.weight != wanted.weight
        ),
        key=lambda wanted: wanted.agent_id,
    )
    if changed:
        etag = next_etag(etag)
        turn.record(engine_pb2.Fact(weights_set=engine_pb2.WeightsSet(weights=changed, etag=etag)))
    return shop_pb2.SetWeightsResponse(etag=etag)


def decide_delete_shop(
    turn: Turn, request: shop_pb2.DeleteShopRequest
) -> shop_pb2.DeleteShopResponse:
    """Ends what is open, cancels who waits, and leaves nothing but numbers."""
    shop = turn.shop
    require_owner_for_deleting(shop, turn.actor)
    etag = shop.document.etag
    if request.etag not in ("", etag):
        raise stale("etag", etag)
    if (shop.conversations or shop.waiting) and not request.force:
        raise Refusal("SHOP_IN_USE", "force")
    for number in sorted(shop.conversations):
        turn.close(number, engine_pb2.CLOSE_CAUSE_SHOP_DELETED)
    for entry in sorted(shop.waiting.values(), key=lambda entry: (entry.since_ms, entry.decision)):
        cancelled = engine_pb2.WaitingCancelled(buyer_id=entry.buyer_id)
        turn.record(engine_pb2.Fact(waiting_cancelled=cancelled))
    etag = next_etag(etag)
    turn.record(engine_pb2.Fact(shop_deleted=engine_pb2.ShopDeleted(etag=etag)))
    return shop_pb2.DeleteShopResponse(etag=etag)


def next_etag(etag: str) -> str:
    """The etag of the revision after `etag`; "" is before the first."""
    return str(int(etag or "0") + 1)
