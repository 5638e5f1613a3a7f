//! Deleting a shop, and what a shortened setting makes due.

mod support;

use fenliu_engine::proto::fenliu::engine::v1 as record;
use fenliu_engine::proto::fenliu::v1 as api;
use record::fact::Fact;
use record::{CloseCause, CommandKind, QueryKind};
use support::{Desk, MINUTE, NOW, Refused, inquiry, settings, shop};

fn delete(desk: &mut Desk, etag: &str, force: bool) -> Result<String, Refused> {
    let request = api::DeleteShopRequest {
        shop_id: "s".into(),
        etag: etag.into(),
        force,
    };
    let response: Result<api::DeleteShopResponse, _> =
        desk.ask(CommandKind::DeleteShop, &request, NOW + 2);
    response.map(|response| response.etag)
}

fn exists(desk: &mut Desk) -> bool {
    use prost::Message;
    let request = api::GetShopRequest {
        shop_id: "s".into(),
    };
    let kind = QueryKind::GetShop as i64;
    let answer = desk.engine.query(kind, &request.encode_to_vec()).unwrap();
    answer.code == 0
}

#[test]
fn a_shop_in_use_is_deleted_only_by_force_and_by_its_owner() {
    let mut desk = Desk::with_agents(&[("a", 1)]);
    desk.route(&inquiry("x"), NOW).unwrap();
    desk.set_presence("a", api::PresenceStatus::Offline, None, NOW);
    desk.route(&inquiry("y"), NOW + 1).unwrap();
    desk.actor = "a".into();
    assert_eq!(
        delete(&mut desk, "", true).unwrap_err().message,
        "fenliu-actor: only the owner deletes the shop"
    );
    desk.actor.clear();
    assert_eq!(
        delete(&mut desk, "7", true).unwrap_err().message,
        "etag: stale: the shop is at 1"
    );
    let refused = delete(&mut desk, "1", false).unwrap_err();
    assert_eq!(
        (refused.code, refused.reason.as_str(), &*refused.field),
        (9, "SHOP_IN_USE", "force")
    );
    assert_eq!(delete(&mut desk, "1", true).unwrap(), "2");
    let facts = desk.facts_last();
    assert!(matches!(&facts[0], Fact::ConversationClosed(closed)
        if closed.cause() == CloseCause::ShopDeleted && closed.conversation == 1));
    assert!(matches!(&facts[1], Fact::WaitingCancelled(gone) if gone.buyer_id == "y"));
    assert!(matches!(&facts[2], Fact::ShopDeleted(deleted) if deleted.etag == "2"));
    assert_eq!(facts.len(), 3);
    desk.check();
}

#[test]
fn a_deleted_shop_does_not_exist_and_its_numbers_go_on() {
    let mut desk = Desk::with_agents(&[("a", 1)]);
    desk.route(&inquiry("x"), NOW + 9).unwrap();
    delete(&mut desk, "", true).unwrap();
    assert!(!exists(&mut desk));
    assert_eq!(
        (desk.engine.shop_ids(false).len(), desk.engine.next_due()),
        (0, None)
    );
    let refused = desk.route(&inquiry("x"), NOW + 10).unwrap_err();
    assert_eq!(refused.reason, "SHOP_NOT_FOUND");
    assert_eq!(
        delete(&mut desk, "", true).unwrap_err().reason,
        "SHOP_NOT_FOUND"
    );
    let left = desk.snapshot();
    let document = left.shop.unwrap();
    assert_eq!((&*document.shop_id, &*document.etag), ("s", "2"));
    assert_eq!(
        (left.last_now_ms, left.last_decision, left.last_conversation),
        (NOW + 9, 1, 1)
    );
    assert!(left.deleted && left.contacts.is_empty() && left.agents.is_empty());

    let mut again = shop(&[("a", 1)]);
    again.etag = "2".into();
    let request = api::ApplyShopRequest { shop: Some(again) };
    let stale: Result<api::ApplyShopResponse, _> =
        desk.ask(CommandKind::ApplyShop, &request, NOW + 11);
    assert_eq!(
        stale.unwrap_err().message,
        "shop.etag: stale: there is no such shop"
    );
    let applied = desk.apply_shop(shop(&[("a", 1)]), NOW);
    assert_eq!(applied.shop.unwrap().etag, "3");
    desk.set_presence("a", api::PresenceStatus::Online, None, NOW);
    let routed = desk.route(&inquiry("x"), NOW + 12).unwrap();
    assert_eq!(
        (&*routed.conversation_id, routed.reason()),
        ("c2", api::Reason::Weighted)
    );
    assert_eq!(desk.snapshot().contacts_since_ms, 0);
    desk.check();
}

#[test]
fn what_a_shortened_setting_makes_due_happens_no_earlier_than_the_last_entry() {
    let mut desk = Desk::with_agents(&[("a", 1)]);
    desk.route(&inquiry("x"), NOW).unwrap();
    let mut shorter = shop(&[("a", 1)]);
    shorter.settings = settings(|settings| settings.idle_close_ms = Some(MINUTE));
    desk.apply_shop(shorter, NOW + 5 * MINUTE);
    assert_eq!(desk.engine.next_due(), Some(NOW + MINUTE));
    desk.tick(NOW);
    assert_eq!(
        desk.facts_last(),
        [Fact::ConversationClosed(record::ConversationClosed {
            conversation: 1,
            cause: CloseCause::Idle.into(),
            at_ms: NOW + 5 * MINUTE,
        })]
    );
    desk.check();
}

#[test]
fn a_longer_window_brings_no_contact_back() {
    let mut desk = Desk::with_agents(&[("a", 1)]);
    let windows = |minutes: i64| {
        let mut document = shop(&[("a", 1)]);
        document.settings = settings(|settings| {
            settings.sticky_window_ms = Some(minutes * MINUTE);
            settings.sticky_suspended_window_ms = Some(0);
        });
        document
    };
    desk.apply_shop(windows(2), NOW);
    desk.receives(&inquiry("x"), NOW);
    desk.receives(&inquiry("y"), NOW + MINUTE);
    desk.apply_shop(windows(60), NOW + 3 * MINUTE);
    let state = desk.snapshot();
    assert_eq!(state.contacts_since_ms, NOW + MINUTE);
    let buyers: Vec<_> = state.contacts.iter().map(|c| &*c.buyer_id).collect();
    assert_eq!(buyers, ["y"]);
    desk.check();
}
