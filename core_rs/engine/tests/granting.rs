//! Who may change a shop, and what orders leave behind.

mod support;

use fenliu_engine::proto::fenliu::engine::v1::CommandKind;
use fenliu_engine::proto::fenliu::v1 as api;
use prost::Message;
use support::{Desk, NOW, Refused, shop};

fn apply(desk: &mut Desk, actor: &str, shop: &api::Shop) -> Result<(), Refused> {
    desk.actor = actor.into();
    let request = api::ApplyShopRequest {
        shop: Some(shop.clone()),
    };
    let answer = desk.ask::<api::ApplyShopResponse>(CommandKind::ApplyShop, &request, NOW);
    desk.actor.clear();
    answer.map(drop)
}

#[test]
fn agents_need_a_grant_and_only_the_owner_gives_it() {
    let mut document = shop(&[("a", 5), ("b", 5)]);
    document.owner_agent_id = "boss".into();
    document.agents[0].permissions = vec!["dispatch.manage".into()];
    let mut desk = Desk::new();
    apply(&mut desk, "anybody", &document).unwrap();

    document.agents[1].weight = Some(7);
    let refusal = apply(&mut desk, "b", &document).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.message.as_str()),
        (7, "fenliu-actor: needs dispatch.manage")
    );
    apply(&mut desk, "a", &document).unwrap();

    document.agents[1].permissions = vec!["dispatch.manage".into()];
    let refusal = apply(&mut desk, "a", &document).unwrap_err();
    assert_eq!(
        refusal.message,
        "fenliu-actor: only the owner grants permissions"
    );
    apply(&mut desk, "boss", &document).unwrap();
    document.agents.pop();
    document.groups[0].agent_ids.pop();
    assert!(apply(&mut desk, "a", &document).is_err());
    apply(&mut desk, "", &document).unwrap();
    desk.check();
}

#[test]
fn orders_are_noted_and_never_from_the_future() {
    let mut desk = Desk::with_agents(&[("a", 5)]);
    let mut order = api::OrderEvent {
        shop_id: "s".into(),
        buyer_id: "x".into(),
        order_id: "o".into(),
        r#type: api::OrderEventType::Paid.into(),
        amount_cents: 100,
        items: 1,
        occurred_at_ms: NOW + 86_400_000,
        event_id: "e".into(),
    };
    let batch = api::ReportOrdersRequest {
        orders: vec![order.clone(), api::OrderEvent::default(), order.clone()],
    };
    let kind = CommandKind::Order as i64;
    let answer = desk
        .engine
        .decide_batch(kind, &batch.encode_to_vec(), NOW, 0, 9, 0)
        .unwrap();
    let results = api::ReportOrdersResponse::decode(answer.results.as_slice())
        .unwrap()
        .results;
    assert_eq!(results[0], api::OrderResult::default());
    assert_eq!(
        results[1].status.as_ref().unwrap().message,
        "shop_id: required"
    );
    assert!(results[2].duplicate);
    assert_eq!(answer.entries[0].count, 1);
    desk.log.extend(&answer.entries[0].entries);
    let snapshot = desk.snapshot();
    assert_eq!(snapshot.order_events.len(), 1);
    assert!(snapshot.events.is_empty());
    let noted = desk.facts_last();
    let at_ms = NOW + 300_000;
    use fenliu_engine::proto::fenliu::engine::v1::{OrderNoted, fact::Fact};
    assert_eq!(noted, [Fact::OrderNoted(OrderNoted { at_ms })]);
    desk.check();

    order.items = -1;
    let refusal = desk
        .ask::<api::OrderResult>(CommandKind::Order, &order, NOW)
        .unwrap_err();
    assert_eq!(refusal.message, "items: must be within 0..1000000000");
}
