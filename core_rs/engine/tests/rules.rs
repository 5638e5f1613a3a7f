//! The rules around the pick: repeats, due effects, messages, presence, refusals.

mod support;

use fenliu_engine::Engine;
use fenliu_engine::proto::fenliu::engine::v1 as record;
use fenliu_engine::proto::fenliu::v1 as api;
use prost::Message;
use record::CommandKind;
use support::{Desk, NOW, Refused, event, inquiry, refused, shop};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

fn one_agent() -> Desk {
    Desk::with_agents(&[("a", 5)])
}

fn invalid(field: &str, rule: &str) -> Refused {
    Refused {
        code: 3,
        reason: "INVALID_FIELD".into(),
        message: format!("{field}: {rule}"),
        field: field.into(),
    }
}

#[test]
fn a_repeat_gets_the_same_answer_and_writes_nothing() {
    let mut desk = one_agent();
    let mut request = inquiry("x");
    request.request_id = "r1".into();
    let first = desk.route(&request, NOW).unwrap();
    let written = desk.log.len();
    assert_eq!(desk.route(&request, NOW + 5), Ok(first.clone()));
    assert_eq!(desk.log.len(), written);

    let mut other = request.clone();
    other.priority = 1;
    let refusal = desk.route(&other, NOW + 5).unwrap_err();
    assert_eq!(refusal.reason, "REQUEST_ID_REUSED");
    assert_eq!(
        refusal.message,
        "request_id: used within 24 h with another body"
    );
    desk.check();

    assert_eq!(desk.route(&request, NOW + DAY), Ok(first.clone()));
    let later = desk.route(&request, NOW + DAY + 1).unwrap();
    assert_ne!(later.decision_id, first.decision_id);
    desk.check();
}

#[test]
fn replies_survive_the_log() {
    let mut desk = one_agent();
    let mut request = inquiry("x");
    request.request_id = "r1".into();
    let routed = desk.route(&request, NOW).unwrap();
    let close = api::CloseConversationRequest {
        shop_id: "s".into(),
        conversation_id: "c1".into(),
        request_id: "r2".into(),
    };
    let closed: api::CloseConversationResponse = desk
        .ask(CommandKind::CloseConversation, &close, NOW)
        .unwrap();
    assert!(!closed.already_closed);

    desk.engine = desk.replayed();
    assert_eq!(desk.route(&request, NOW), Ok(routed));
    assert_eq!(
        desk.ask(CommandKind::CloseConversation, &close, NOW),
        Ok(closed)
    );
}

#[test]
fn idle_conversations_close_when_due() {
    let mut desk = one_agent();
    assert_eq!(desk.engine.next_due(), None);
    desk.route(&inquiry("x"), NOW).unwrap();
    desk.route(&inquiry("y"), NOW + MINUTE).unwrap();
    assert_eq!(desk.engine.next_due(), Some(NOW + 30 * MINUTE));

    // A message puts the close off.
    desk.message(&event(api::Sender::Buyer, "x"), NOW + 10 * MINUTE)
        .unwrap();
    assert_eq!(desk.engine.next_due(), Some(NOW + 31 * MINUTE));

    assert_eq!(desk.engine.tick(NOW + 31 * MINUTE - 1, 0, "").unwrap(), []);
    let ticked = desk.engine.tick(NOW + 50 * MINUTE, 0, "").unwrap();
    assert_eq!(ticked.len(), 1);
    assert_eq!(ticked[0].count, 1);
    let entry = record::Entry::decode_length_delimited(ticked[0].entries.as_slice()).unwrap();
    assert_eq!(entry.now_ms, NOW + 50 * MINUTE);
    let closed = |conversation, at_ms| {
        record::fact::Fact::ConversationClosed(record::ConversationClosed {
            conversation,
            cause: record::CloseCause::Idle.into(),
            at_ms,
        })
    };
    let facts: Vec<_> = entry.facts.into_iter().filter_map(|f| f.fact).collect();
    assert_eq!(
        facts,
        [closed(2, NOW + 31 * MINUTE), closed(1, NOW + 40 * MINUTE)]
    );
    desk.log.extend(&ticked[0].entries);
    assert_eq!(desk.engine.next_due(), None);
    assert!(desk.snapshot().conversations.is_empty());
    desk.check();
}

#[test]
fn a_refused_command_still_logs_what_was_due() {
    let mut desk = one_agent();
    desk.route(&inquiry("x"), NOW).unwrap();
    let before = desk.log.len();
    let mut request = inquiry("y");
    request.dedicated_agent_id = "nobody".into();
    let refusal = desk.route(&request, NOW + 30 * MINUTE).unwrap_err();
    assert_eq!(refusal.message, "dedicated_agent_id: unknown agent");
    let entry = record::Entry::decode_length_delimited(&desk.log[before..]).unwrap();
    assert!(matches!(
        entry.command,
        Some(record::entry::Command::Tick(_))
    ));
    assert_eq!(entry.facts.len(), 1);
    desk.check();
}

#[test]
fn an_idle_close_of_0_means_never() {
    let mut desk = one_agent();
    let mut never = shop(&[("a", 5)]);
    never.settings = Some(api::ShopSettings {
        idle_close_ms: Some(0),
        ..Default::default()
    });
    desk.apply_shop(never, NOW);
    for n in 0..200 {
        desk.receives(&inquiry(&format!("b{n}")), NOW);
    }
    desk.route(&inquiry("x"), NOW).unwrap();
    assert_eq!(desk.engine.next_due(), None);
    desk.apply_shop(shop(&[("a", 5)]), NOW);
    assert_eq!(desk.engine.next_due(), Some(NOW + 30 * MINUTE));
}

#[test]
fn recent_contacts_last_as_long_as_their_window_and_never_come_back() {
    let mut desk = Desk::with_agents(&[("a", 5), ("b", 5)]);
    assert_eq!(desk.receives(&inquiry("x"), NOW), "a");
    desk.receives(&inquiry("y"), NOW);
    let again = desk.route(&inquiry("x"), NOW + 3 * DAY).unwrap();
    assert_eq!(again.reason(), api::Reason::RecentContact);
    assert_eq!(again.agent_id, "a");

    // y's contact is over; a longer window does not bring it back.
    let mut longer = shop(&[("a", 5), ("b", 5)]);
    longer.settings = Some(api::ShopSettings {
        sticky_window_ms: Some(30 * DAY),
        ..Default::default()
    });
    desk.apply_shop(longer, NOW + 3 * DAY + 1);
    let fresh = desk.route(&inquiry("y"), NOW + 3 * DAY + 1).unwrap();
    assert_eq!(fresh.reason(), api::Reason::Weighted);
    desk.check();
}

#[test]
fn messages_move_awaiting_and_the_first_word_opens_a_conversation() {
    let mut desk = one_agent();
    desk.route(&inquiry("x"), NOW).unwrap();
    assert_eq!(
        desk.set_presence("a", api::PresenceStatus::Online, None, NOW)
            .awaiting,
        1
    );
    desk.message(&event(api::Sender::Agent, "x"), NOW + 1)
        .unwrap();
    let presence = desk.set_presence("a", api::PresenceStatus::Online, None, NOW + 1);
    assert_eq!((presence.awaiting, presence.open_conversations), (0, 1));

    let mut word = event(api::Sender::Agent, "y");
    assert_eq!(
        desk.message(&word, NOW + 2),
        Err(invalid("agent_id", "required"))
    );
    word.agent_id = "a".into();
    word.event_id = "e1".into();
    word.sent_at_ms = NOW - 10 * MINUTE;
    let result = desk.message(&word, NOW + 2).unwrap();
    assert!(result.clamped && !result.duplicate);
    assert!(desk.message(&word, NOW + 3).unwrap().duplicate);
    let snapshot = desk.snapshot();
    assert_eq!(snapshot.last_conversation, 2);
    assert_eq!(snapshot.clamped_timestamps, 1);
    assert_eq!(
        snapshot.conversations[1].last_activity_ms,
        NOW + 2 - 5 * MINUTE
    );
    desk.check();
}

#[test]
fn a_late_word_to_a_closed_conversation_renews_its_contact() {
    let mut desk = one_agent();
    desk.receives(&inquiry("x"), NOW);
    let late = api::MessageEvent {
        shop_id: "s".into(),
        conversation_id: "c1".into(),
        sender: api::Sender::Agent.into(),
        agent_id: "a".into(),
        ..Default::default()
    };
    desk.message(&late, NOW + MINUTE).unwrap();
    assert_eq!(desk.snapshot().contacts[0].consulted_at_ms, NOW + MINUTE);
    for (id, refusal) in [
        ("c2", true),
        ("c0", true),
        ("c01", true),
        ("1", true),
        ("c1", false),
    ] {
        let event = api::MessageEvent {
            conversation_id: id.into(),
            ..late.clone()
        };
        assert_eq!(desk.message(&event, NOW + MINUTE).is_err(), refusal, "{id}");
    }
    desk.check();
}

#[test]
fn an_expired_session_takes_its_agents_offline() {
    let mut desk = Desk::with_agents(&[("a", 5), ("b", 5)]);
    let update = record::UpdatePresence {
        session_id: "t".into(),
        update: Some(api::PresenceUpdate {
            update_id: "u1".into(),
            shop_id: "s".into(),
            agent_id: "a".into(),
            status: api::PresenceStatus::Online.into(),
            awaiting: None,
        }),
    };
    let ack: api::PresenceAck = desk.ask(CommandKind::UpdatePresence, &update, NOW).unwrap();
    assert_eq!((ack.update_id.as_str(), ack.status), ("u1", None));
    assert_eq!(desk.engine.sessions(), [("t".to_owned(), "s".to_owned())]);
    let expire = record::ExpireSession {
        shop_id: "s".into(),
        session_id: "t".into(),
    };
    let (code, reply) = desk.raw(CommandKind::ExpireSession, &expire.encode_to_vec(), NOW + 1);
    assert_eq!((code, reply.as_slice()), (0, [].as_slice()));
    let agents = desk.snapshot().agents;
    assert_eq!(agents[0].status(), api::PresenceStatus::Offline);
    assert_eq!(agents[0].cause(), api::PresenceCause::LeaseExpired);
    assert_eq!(agents[1].status(), api::PresenceStatus::Online);
    assert!(desk.engine.sessions().is_empty());
    desk.check();
}

#[test]
fn nobody_online_leaves_a_message_and_the_entry_stays() {
    let mut desk = Desk::new();
    let mut closed = shop(&[("a", 5)]);
    closed.owner_agent_id = "boss".into();
    closed.settings = Some(api::ShopSettings {
        offline_target: api::OfflineTarget::Proxy.into(),
        ..Default::default()
    });
    desk.apply_shop(closed, NOW);
    let first = desk.route(&inquiry("x"), NOW).unwrap();
    assert_eq!(first.reason(), api::Reason::OfflineOwner);
    assert_eq!(first.agent_id, "boss");
    assert_eq!(first.conversation_id, "");
    let still = desk.route(&inquiry("x"), NOW + 1).unwrap();
    assert_eq!(still.reason(), api::Reason::StillWaiting);
    assert_eq!(still.decision_id, "d2");
    desk.set_presence("a", api::PresenceStatus::Online, None, NOW + 2);
    assert_eq!(desk.route(&inquiry("x"), NOW + 3).unwrap().agent_id, "a");
    assert!(desk.snapshot().waiting.is_empty());
    desk.check();
}

#[test]
fn redeciding_an_entry_gives_it_again() {
    let mut desk = Desk::with_agents(&[("a", 5), ("b", 3)]);
    let mut before = desk.replayed();
    let start = desk.log.len();
    let mut request = inquiry("x");
    request.request_id = "r".into();
    let response = desk.route(&request, NOW + 1).unwrap();
    let mut log = Vec::new();
    let answer = before.redecide(&desk.log[start..], &mut log).unwrap();
    assert_eq!(answer.reply, response.encode_to_vec());
    assert_eq!(log, desk.log[start..]);
    assert!(before.redecide(&desk.log, &mut log).is_err());
}

#[test]
fn what_is_malformed_is_told_apart_from_bad_text() {
    let mut desk = one_agent();
    let mut told = |kind, bytes: &[u8]| {
        let (code, status) = desk.raw(kind, bytes, NOW);
        refused(code, &status)
    };
    let malformed = |name: &str| Refused {
        code: 3,
        reason: "MALFORMED_MESSAGE".into(),
        message: format!("not a {name}"),
        field: String::new(),
    };
    let route = "fenliu.v1.RouteRequest";
    for bytes in [
        b"\x0a\x05s".as_slice(),  // truncated
        b"\x08\x01",              // shop_id as a number
        b"\x0f",                  // wire type 7
        b"\x00\x00",              // field 0
        b"\x4a\x01\x01",          // priority as bytes
        b"\x80",                  // half a tag
        b"\x0a\x05s\x12\x01\xff", // truncated comes first
    ] {
        assert_eq!(
            told(CommandKind::Route, bytes),
            malformed(route),
            "{bytes:?}"
        );
    }
    assert_eq!(
        told(CommandKind::Route, b"\x0a\x01s\x12\x01\xff"),
        invalid("buyer_id", "must be UTF-8")
    );
    assert_eq!(
        told(CommandKind::Route, b"\x5a\x01a\x5a\x01\xff\x08"),
        invalid("exclude_agent_ids", "must be UTF-8")
    );
    // shop { agents { agent_id: bad } }
    assert_eq!(
        told(CommandKind::ApplyShop, b"\x0a\x05\x2a\x03\x0a\x01\xff"),
        invalid("shop.agents.agent_id", "must be UTF-8")
    );
    // The same, but the string is longer than the agent it is in.
    assert_eq!(
        told(CommandKind::ApplyShop, b"\x0a\x05\x2a\x02\x0a\x01\xff"),
        malformed("fenliu.v1.ApplyShopRequest")
    );
    assert_eq!(
        told(CommandKind::UpdatePresence, b"\x12\x03\x12\x01\xff"),
        invalid("update.shop_id", "must be UTF-8")
    );
    // Unknown fields are skipped, groups too; then the rules speak.
    assert_eq!(
        told(CommandKind::Route, b"\xa3\x06\x08\x01\xa4\x06\xf8\x07\x01"),
        invalid("shop_id", "required")
    );
}

#[test]
fn the_first_broken_rule_is_reported() {
    let mut desk = one_agent();
    let mut request = inquiry("x");
    request.exclude_agent_ids = vec!["a".into(), "b\u{85}".into()];
    assert_eq!(
        desk.route(&request, NOW),
        Err(invalid("exclude_agent_ids[1]", "no control characters"))
    );
    request.priority = 10;
    assert_eq!(
        desk.route(&request, NOW),
        Err(invalid("priority", "must be within 0..9"))
    );
    request.order_status = 7;
    assert_eq!(
        desk.route(&request, NOW),
        Err(invalid("order_status", "unknown value"))
    );
    request.buyer_id = "x".repeat(129);
    assert_eq!(
        desk.route(&request, NOW),
        Err(invalid("buyer_id", "at most 128 bytes"))
    );

    let mut bad = shop(&[("a", 5), ("b", 5), ("a", 5)]);
    let mut apply = |shop: &api::Shop| {
        let request = api::ApplyShopRequest {
            shop: Some(shop.clone()),
        };
        desk.ask::<api::ApplyShopResponse>(CommandKind::ApplyShop, &request, NOW)
            .unwrap_err()
    };
    assert_eq!(
        apply(&bad),
        invalid("shop.agents[2].agent_id", "named twice")
    );
    bad.agents.pop();
    assert_eq!(
        apply(&bad),
        invalid("shop.groups[0].agent_ids[2]", "named twice")
    );
    bad.groups[0].agent_ids[2] = "z".into();
    assert_eq!(
        apply(&bad),
        invalid("shop.groups[0].agent_ids[2]", "names an unknown agent")
    );
    bad.settings = Some(api::ShopSettings {
        queue_limit: 1,
        ..Default::default()
    });
    let refusal = apply(&bad);
    assert_eq!(
        refusal,
        invalid("shop.groups[0].agent_ids[2]", "names an unknown agent")
    );
    bad.groups[0].agent_ids.pop();
    assert_eq!(
        apply(&bad),
        invalid(
            "shop.settings.queue_limit",
            "needs an agent with a cap or a volume"
        )
    );
    let mut stale = shop(&[("a", 5)]);
    stale.etag = "7".into();
    assert_eq!(apply(&stale).message, "shop.etag: stale: the shop is at 1");
}

#[test]
fn applying_the_same_shop_again_changes_nothing() {
    let mut desk = Desk::with_agents(&[("b", 5), ("a", 5)]);
    let written = desk.log.len();
    let again = desk.apply_shop(shop(&[("a", 5), ("b", 5)]), NOW + 1);
    assert!(!again.changed);
    let stored = again.shop.unwrap();
    assert_eq!(stored.etag, "1");
    assert_eq!(stored.settings.unwrap().busy_threshold, Some(4));
    assert_eq!(desk.log.len(), written);
    let other = desk.apply_shop(shop(&[("a", 5)]), NOW + 1);
    assert!(other.changed);
    assert_eq!(other.shop.unwrap().etag, "2");
    desk.check();
}

#[test]
fn a_bad_element_fails_alone() {
    let mut desk = one_agent();
    let mut batch = api::RouteStreamRequest {
        requests: vec![inquiry("x"), inquiry(""), inquiry("y")],
        batch_id: 9,
    }
    .encode_to_vec();
    batch.extend(b"\x0a\x02\x0a\x05"); // A fourth element that is no request.
    let route = CommandKind::Route as i64;
    let answer = desk
        .engine
        .decide_batch(route, &batch, NOW, 0, 4096, 0)
        .unwrap();
    assert_eq!((answer.code, answer.total, answer.batch_id), (0, 4, 9));
    let results = api::RouteBatchResponse::decode(answer.results.as_slice()).unwrap();
    use api::route_result::Result::{Response, Status};
    let results: Vec<_> = results.results.into_iter().map(|r| r.result).collect();
    let [
        Some(Response(x)),
        Some(Status(empty)),
        Some(Response(y)),
        Some(Status(bad)),
    ] = results.as_slice()
    else {
        panic!("{results:?}");
    };
    assert_eq!(
        (x.decision_id.as_str(), y.decision_id.as_str()),
        ("d1", "d2")
    );
    assert_eq!(empty.message, "buyer_id: required");
    assert_eq!(bad.message, "not a fenliu.v1.RouteRequest");
    assert_eq!(answer.entries.len(), 1);
    assert_eq!(answer.entries[0].count, 2);

    // Slices concatenate to the whole.
    let mut other = one_agent().engine;
    let mut sliced = Vec::new();
    for first in 0..5 {
        sliced.extend(
            other
                .decide_batch(route, &batch, NOW, first, 1, 0)
                .unwrap()
                .results,
        );
    }
    assert_eq!(sliced, answer.results);
}

#[test]
fn a_batch_that_is_none_is_refused_whole() {
    let mut engine = one_agent().engine;
    let mut told = |kind: CommandKind, batch: &[u8]| {
        let answer = engine
            .decide_batch(kind as i64, batch, NOW, 0, 4096, 0)
            .unwrap();
        refused(answer.code, &answer.results)
    };
    assert_eq!(
        told(CommandKind::Route, &vec![0; 1_048_577]),
        invalid("requests", "at most 1048576 bytes")
    );
    assert_eq!(
        told(CommandKind::Message, &b"\x0a\x00".repeat(4097)),
        invalid("events", "at most 4096 elements")
    );
    assert_eq!(
        told(CommandKind::Message, b"\x0a").message,
        "not a fenliu.v1.ReportMessagesBatchRequest"
    );
    assert!(
        engine
            .decide_batch(CommandKind::Tick as i64, b"", NOW, 0, 1, 0)
            .is_err()
    );
}

#[test]
fn calls_that_make_no_sense_are_errors() {
    assert!(Engine::new(0).is_err());
    assert!(Engine::new(65_537).is_err());
    let mut engine = one_agent().engine;
    let mut log = Vec::new();
    for kind in [0, 3, 17, -1, 1 << 40] {
        assert!(engine.decide(kind, b"", NOW, "", 0, &mut log).is_err());
    }
    assert!(engine.query(0, b"").is_err());
    assert!(engine.snapshot("t").is_err());
    assert!(engine.load_snapshot(b"\x08\x01").is_err());
    assert!(engine.apply(b"\x05\x08", 0, "").is_err());
    assert!(engine.apply(b"\x00", 0, "").is_err());
}
