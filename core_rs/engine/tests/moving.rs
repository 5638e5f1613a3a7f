//! How buyers are moved on: reply timeouts, transfers, an agent who left; and what sticky buyers cost.

mod support;

use std::collections::BTreeMap;

use fenliu_engine::proto::fenliu::engine::v1 as record;
use fenliu_engine::proto::fenliu::v1 as api;
use record::CommandKind;
use support::{Desk, MINUTE, NOW, Refused, event, inquiry, settings, shop};

fn transfer(
    desk: &mut Desk,
    conversation: &str,
    to: Target,
    allow_offline: bool,
) -> Result<api::TransferResponse, Refused> {
    let target = match to {
        Target::Agent(id) => api::transfer_request::Target::AgentId(id.into()),
        Target::Group(id) => api::transfer_request::Target::GroupId(id.into()),
    };
    let request = api::TransferRequest {
        shop_id: "s".into(),
        conversation_id: conversation.into(),
        request_id: String::new(),
        target: Some(target),
        reason: "退款".into(),
        allow_offline,
    };
    desk.ask(CommandKind::Transfer, &request, NOW + MINUTE)
}

enum Target {
    Agent(&'static str),
    Group(&'static str),
}

fn with_reply_timeout(weights: &[(&str, i32)], max_hops: i32) -> Desk {
    let mut document = shop(weights);
    document.settings = settings(|s| {
        s.reply_timeout_ms = MINUTE;
        s.max_hops = Some(max_hops);
        s.idle_close_ms = Some(0);
    });
    let mut desk = Desk::new();
    desk.apply_shop(document, NOW);
    for (agent, _) in weights {
        desk.set_presence(agent, api::PresenceStatus::Online, None, NOW);
    }
    desk
}

#[test]
fn who_does_not_answer_passes_the_buyer_on_once_each() {
    let mut desk = with_reply_timeout(&[("a", 5), ("b", 5), ("c", 5)], 10);
    desk.route(&inquiry("x"), NOW).unwrap();
    assert_eq!(desk.engine.next_due(), Some(NOW + MINUTE));
    desk.tick(NOW + 10 * MINUTE);
    let snapshot = desk.snapshot();
    let [open] = snapshot.conversations.as_slice() else {
        panic!("one conversation");
    };
    // a, then b, then c, with whom it stays as nobody else is left.
    assert_eq!((open.agent_id.as_str(), open.reply_hops), ("c", 2));
    assert_eq!(open.opened_at_ms, NOW + 2 * MINUTE);
    assert!(open.reply_timeout_spent);
    let excluded = &open.inquiry.as_ref().unwrap().exclude_agent_ids;
    assert_eq!(*excluded, ["a", "b"]);
    assert_eq!(desk.decided_last().at_ms, NOW + 2 * MINUTE);
    assert_eq!(desk.decided_last().previous_conversation, 2);
    assert_eq!(desk.engine.next_due(), None);
    desk.check();
}

#[test]
fn the_chain_of_timeouts_ends_at_max_hops() {
    let mut desk = with_reply_timeout(&[("a", 5), ("b", 5), ("c", 5)], 1);
    desk.route(&inquiry("x"), NOW).unwrap();
    desk.tick(NOW + 10 * MINUTE);
    let open = &desk.snapshot().conversations[0];
    assert_eq!((open.agent_id.as_str(), open.reply_hops), ("b", 1));
    assert!(open.reply_timeout_spent);
    desk.check();
}

#[test]
fn an_answer_in_time_stops_the_timeout() {
    let mut desk = with_reply_timeout(&[("a", 5), ("b", 5)], 3);
    desk.route(&inquiry("x"), NOW).unwrap();
    desk.message(&event(api::Sender::Agent, "x"), NOW + 1)
        .unwrap();
    assert_eq!(desk.engine.next_due(), None);
    desk.message(&event(api::Sender::Buyer, "x"), NOW + 2)
        .unwrap();
    assert_eq!(desk.engine.next_due(), None);
    desk.check();
}

#[test]
fn a_transfer_opens_a_new_conversation_with_the_receiver() {
    let mut desk = Desk::with_agents(&[("a", 5), ("b", 5)]);
    let mut request = inquiry("x");
    request.intent = "size".into();
    assert_eq!(desk.route(&request, NOW).unwrap().agent_id, "a");
    desk.set_presence("b", api::PresenceStatus::Suspended, None, NOW);
    let moved = transfer(&mut desk, "c1", Target::Agent("b"), false).unwrap();
    assert_eq!(
        (moved.agent_id.as_str(), moved.conversation_id.as_str()),
        ("b", "c2")
    );
    assert_eq!(moved.reason(), api::Reason::Transfer);
    let snapshot = desk.snapshot();
    let open = &snapshot.conversations[0];
    assert_eq!((open.transfer_hops, open.reply_hops), (1, 0));
    assert_eq!(open.inquiry.as_ref().unwrap().intent, "size");
    assert_eq!(snapshot.contacts[0].agent_id, "b");

    let refusals = [
        ("c1", Target::Agent("a"), "CONVERSATION_CLOSED"),
        ("c3", Target::Agent("a"), "CONVERSATION_NOT_FOUND"),
        ("c2", Target::Agent("nobody"), "AGENT_NOT_FOUND"),
        ("c2", Target::Group("nowhere"), "GROUP_NOT_FOUND"),
        ("c2", Target::Agent("b"), "INVALID_FIELD"),
    ];
    for (conversation, to, reason) in refusals {
        let refusal = transfer(&mut desk, conversation, to, true).unwrap_err();
        assert_eq!(refusal.reason, reason);
    }
    desk.check();
}

#[test]
fn a_conversation_is_handed_on_ten_times_at_most() {
    let mut desk = Desk::with_agents(&[("a", 5), ("b", 5)]);
    desk.route(&inquiry("x"), NOW).unwrap();
    for n in 1..=10 {
        let to = if n % 2 == 0 { "a" } else { "b" };
        transfer(&mut desk, &format!("c{n}"), Target::Agent(to), false).unwrap();
    }
    let refusal = transfer(&mut desk, "c11", Target::Agent("b"), false).unwrap_err();
    assert_eq!(refusal.message, "conversation_id: at most 10 hops");
    desk.check();
}

#[test]
fn a_transfer_to_a_group_picks_inside_it_and_counts_no_new_buyer() {
    let mut document = shop(&[("a", 5), ("b", 5), ("c", 5)]);
    document.groups[0].agent_ids = vec!["a".into()];
    document.groups.push(api::Group {
        group_id: "h".into(),
        agent_ids: vec!["a".into(), "b".into(), "c".into()],
        ..Default::default()
    });
    let mut desk = Desk::new();
    desk.apply_shop(document, NOW);
    for agent in ["a", "b"] {
        desk.set_presence(agent, api::PresenceStatus::Online, None, NOW);
    }
    assert_eq!(desk.route(&inquiry("x"), NOW).unwrap().agent_id, "a");
    let refusal = transfer(&mut desk, "c1", Target::Group("g"), false).unwrap_err();
    assert_eq!(
        refusal.message,
        "group_id: nobody in the group may take a buyer"
    );
    let moved = transfer(&mut desk, "c1", Target::Group("h"), false).unwrap();
    assert_eq!(
        (moved.agent_id.as_str(), moved.group_id.as_str()),
        ("b", "h")
    );
    let snapshot = desk.snapshot();
    assert_eq!(snapshot.agents[1].received_today, 0);
    assert_eq!(snapshot.pools.len(), 2);
    desk.check();
}

#[test]
fn a_message_left_to_an_offline_agent_waits_for_that_agent() {
    let mut desk = Desk::with_agents(&[("a", 5), ("b", 5)]);
    desk.route(&inquiry("x"), NOW).unwrap();
    desk.set_presence("b", api::PresenceStatus::Offline, None, NOW);
    let refusal = transfer(&mut desk, "c1", Target::Agent("b"), false).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.message.as_str()),
        (9, "agent_id: the agent is OFFLINE")
    );
    let left = transfer(&mut desk, "c1", Target::Agent("b"), true).unwrap();
    assert_eq!(left.outcome(), api::Outcome::LeftMessage);
    assert_eq!(
        (left.conversation_id.as_str(), left.group_id.as_str()),
        ("", "")
    );
    // a is free, but the message is not for a.
    desk.set_presence("a", api::PresenceStatus::Suspended, None, NOW + 2 * MINUTE);
    desk.set_presence("a", api::PresenceStatus::Online, None, NOW + 2 * MINUTE);
    assert_eq!(desk.snapshot().waiting[0].target_agent_id, "b");
    desk.set_presence("b", api::PresenceStatus::Online, Some(9), NOW + 2 * MINUTE);
    assert_eq!(desk.snapshot().waiting.len(), 1);
    desk.set_presence("b", api::PresenceStatus::Online, Some(0), NOW + 3 * MINUTE);
    let snapshot = desk.snapshot();
    assert!(snapshot.waiting.is_empty());
    assert_eq!(snapshot.conversations[0].agent_id, "b");
    assert_eq!(snapshot.conversations[0].transfer_hops, 1);
    desk.check();
}

#[test]
fn a_buyer_who_writes_to_an_agent_who_left_is_routed_again() {
    let mut desk = Desk::with_agents(&[("a", 5), ("b", 5)]);
    assert_eq!(desk.route(&inquiry("x"), NOW).unwrap().agent_id, "a");
    desk.set_presence("a", api::PresenceStatus::Offline, None, NOW);
    let result = desk
        .message(&event(api::Sender::Buyer, "x"), NOW + 1)
        .unwrap();
    let reassigned = result.reassigned.unwrap();
    assert_eq!(reassigned.agent_id, "b");
    assert_eq!(reassigned.conversation_id, "c2");
    assert_eq!(desk.snapshot().conversations.len(), 1);
    assert_eq!(desk.snapshot().contacts[0].agent_id, "b");

    desk.set_presence("b", api::PresenceStatus::Offline, None, NOW + 2);
    let result = desk
        .message(&event(api::Sender::Buyer, "x"), NOW + 3)
        .unwrap();
    assert_eq!(
        result.reassigned.unwrap().reason(),
        api::Reason::OfflinePool
    );
    assert!(desk.snapshot().conversations.is_empty());
    desk.check();
}

#[test]
fn charged_sticky_buyers_count_for_the_shares() {
    let total = |charge_sticky: bool| {
        let mut document = shop(&[("a", 5), ("b", 5)]);
        document.settings = settings(|s| s.charge_sticky = charge_sticky);
        let mut desk = Desk::new();
        desk.apply_shop(document, NOW);
        desk.set_presence("a", api::PresenceStatus::Online, None, NOW);
        for n in 0..10 {
            desk.receives(&inquiry(&format!("old{n}")), NOW);
        }
        desk.set_presence("b", api::PresenceStatus::Online, None, NOW);
        let mut counts: BTreeMap<String, i32> = BTreeMap::new();
        // Every old buyer comes back to a, one new buyer with each.
        for n in 0..10 {
            for buyer in [format!("old{n}"), format!("new{n}")] {
                *counts
                    .entry(desk.receives(&inquiry(&buyer), NOW))
                    .or_default() += 1;
            }
        }
        desk.check();
        counts["a"]
    };
    assert_eq!(total(false), 15);
    assert_eq!(total(true), 10);
}
