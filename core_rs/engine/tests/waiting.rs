//! Who waits and how it ends: the queue, the pool, the robot's pool entry, volumes.

mod support;

use fenliu_engine::proto::fenliu::v1 as api;
use support::{Desk, HOUR, MINUTE, NOW, cancel, event, inquiry, settings, shop};

/// One ONLINE agent `a` with these limits, and this much room in the queue.
fn queueing(cap: i32, hourly_limit: i32, queue_limit: i32) -> Desk {
    let mut document = shop(&[("a", 5)]);
    document.agents[0].cap = cap;
    document.agents[0].hourly_limit = hourly_limit;
    document.settings = settings(|s| s.queue_limit = queue_limit);
    let mut desk = Desk::new();
    desk.apply_shop(document, NOW);
    desk.set_presence("a", api::PresenceStatus::Online, None, NOW);
    desk
}

#[test]
fn the_queue_is_left_by_priority_then_arrival() {
    let mut desk = queueing(1, 0, 3);
    let first = desk.route(&inquiry("w"), NOW).unwrap();
    assert_eq!(first.agent_id, "a");
    for (n, (buyer, priority, position)) in [("x", 0, 1), ("y", 0, 2), ("z", 3, 1)]
        .into_iter()
        .enumerate()
    {
        let mut request = inquiry(buyer);
        request.priority = priority;
        let response = desk.route(&request, NOW + n as i64).unwrap();
        assert_eq!(response.outcome(), api::Outcome::Queued);
        assert_eq!(response.reason(), api::Reason::QueuedAtCap);
        assert_eq!(response.queue_position, position, "{buyer}");
        assert_eq!(response.estimated_wait_ms, 0);
    }
    // No room for a fourth; who is there already keeps the place.
    let full = desk.route(&inquiry("v"), NOW + 9).unwrap();
    assert_eq!(full.reason(), api::Reason::NobodyFree);
    let again = desk.route(&inquiry("y"), NOW + 9).unwrap();
    assert_eq!(again.reason(), api::Reason::StillWaiting);
    assert_eq!(again.queue_position, 3);

    for (conversation, buyer) in [("c1", "z"), ("c2", "x"), ("c3", "y")] {
        desk.close(conversation, NOW + 10);
        let next = desk.decided_last();
        assert_eq!(next.reason(), api::Reason::LeftQueue);
        assert_eq!(
            (next.buyer_id.as_str(), next.agent_id.as_str()),
            (buyer, "a")
        );
    }
    desk.close("c4", NOW + 11);
    assert_eq!(desk.decided_last().reason(), api::Reason::LeftPool);
    assert!(desk.snapshot().waiting.is_empty());
    desk.check();
}

#[test]
fn the_wait_is_estimated_from_the_last_slot_releases() {
    let mut desk = queueing(1, 0, 9);
    for (n, at) in [0, 1000, 5000].into_iter().enumerate() {
        let response = desk.route(&inquiry(&format!("b{n}")), NOW + at).unwrap();
        desk.close(&response.conversation_id, NOW + at);
    }
    desk.route(&inquiry("w"), NOW + 5000).unwrap();
    desk.route(&inquiry("x"), NOW + 5000).unwrap();
    // Three releases within 5 s: 2.5 s each.
    let second = desk.route(&inquiry("y"), NOW + 5000).unwrap();
    assert_eq!((second.queue_position, second.estimated_wait_ms), (2, 5000));
    assert_eq!(desk.snapshot().slot_releases_ms.len(), 3);
    desk.check();
}

#[test]
fn who_queues_too_long_goes_on_to_the_pool_and_keeps_the_time() {
    let mut desk = queueing(1, 0, 9);
    desk.route(&inquiry("w"), NOW).unwrap();
    desk.route(&inquiry("x"), NOW + 1).unwrap();
    assert_eq!(desk.engine.next_due(), Some(NOW + 1 + 10 * MINUTE));
    desk.tick(NOW + 11 * MINUTE);
    let decided = desk.decided_last();
    assert_eq!(decided.reason(), api::Reason::NobodyFree);
    assert_eq!(decided.at_ms, NOW + 1 + 10 * MINUTE);
    let waiting = &desk.snapshot().waiting[0];
    assert_eq!(waiting.outcome(), api::Outcome::Pooled);
    assert_eq!((waiting.since_ms, waiting.decision), (NOW + 1, 2));
    desk.check();
}

#[test]
fn who_cancels_waits_no_more() {
    let mut desk = queueing(1, 0, 9);
    desk.route(&inquiry("w"), NOW).unwrap();
    desk.route(&inquiry("x"), NOW).unwrap();
    assert!(cancel(&mut desk, "x"));
    assert!(!cancel(&mut desk, "x"));
    desk.close("c1", NOW + 1);
    assert_eq!(desk.snapshot().last_decision, 2);
    desk.check();
}

#[test]
fn a_queued_buyer_goes_to_a_recent_contact_who_comes_back_suspended() {
    let mut document = shop(&[("a", 5), ("b", 5)]);
    document.agents[0].cap = 1;
    document.settings = settings(|s| s.queue_limit = 9);
    let mut desk = Desk::new();
    desk.apply_shop(document, NOW);
    desk.set_presence("b", api::PresenceStatus::Online, None, NOW);
    assert_eq!(desk.receives(&inquiry("x"), NOW), "b");
    desk.set_presence("b", api::PresenceStatus::Offline, None, NOW);
    desk.set_presence("a", api::PresenceStatus::Online, None, NOW);
    desk.route(&inquiry("w"), NOW).unwrap();
    let queued = desk.route(&inquiry("x"), NOW).unwrap();
    assert_eq!(queued.outcome(), api::Outcome::Queued);
    desk.set_presence("b", api::PresenceStatus::Suspended, None, NOW + 1);
    let decided = desk.decided_last();
    assert_eq!(decided.reason(), api::Reason::LeftQueue);
    assert_eq!(
        (decided.buyer_id.as_str(), decided.agent_id.as_str()),
        ("x", "b")
    );
    desk.check();
}

#[test]
fn volume_starts_again_at_the_hour_in_shanghai_and_the_queue_moves() {
    let mut desk = queueing(0, 2, 9);
    // 2023-11-14 22:13:20 UTC: the next hour starts in 46:40 min, there as here.
    let next_hour = NOW - NOW % HOUR + HOUR;
    desk.receives(&inquiry("v"), NOW);
    desk.receives(&inquiry("w"), NOW + 1);
    let queued = desk.route(&inquiry("x"), NOW + 2 * MINUTE).unwrap();
    assert_eq!(queued.outcome(), api::Outcome::Queued);
    // Returning buyers are none of the volume.
    let returning = desk.route(&inquiry("w"), NOW + 3 * MINUTE).unwrap();
    assert_eq!(returning.reason(), api::Reason::RecentContact);
    assert_eq!(desk.presence()[0].received_this_hour, 2);

    let document = {
        let mut document = desk.snapshot().shop.unwrap();
        document.settings.as_mut().unwrap().queue_timeout_ms = Some(0);
        document.settings.as_mut().unwrap().idle_close_ms = Some(0);
        document
    };
    desk.apply_shop(document, NOW + 3 * MINUTE);
    assert_eq!(desk.engine.next_due(), Some(next_hour));
    desk.tick(next_hour - 1);
    assert_eq!(desk.snapshot().last_decision, 4);
    desk.tick(next_hour + MINUTE);
    let decided = desk.decided_last();
    assert_eq!(decided.reason(), api::Reason::LeftQueue);
    assert_eq!(decided.at_ms, next_hour);
    let agent = &desk.snapshot().agents[0];
    assert_eq!((agent.received_today, agent.received_this_hour), (3, 1));
    desk.check();
}

#[test]
fn the_pool_gives_an_agent_no_more_than_can_be_answered() {
    let mut document = shop(&[("a", 5), ("b", 5)]);
    document.settings = settings(|s| s.busy_threshold = Some(2));
    let mut desk = Desk::new();
    desk.apply_shop(document, NOW);
    desk.set_presence("b", api::PresenceStatus::Online, None, NOW);
    assert_eq!(desk.receives(&inquiry("b4"), NOW), "b");
    desk.set_presence("b", api::PresenceStatus::Offline, None, NOW);
    for n in 0..5 {
        let pooled = desk.route(&inquiry(&format!("b{n}")), NOW + n).unwrap();
        assert_eq!(pooled.reason(), api::Reason::OfflinePool);
    }
    let waiting = |desk: &mut Desk| -> Vec<String> {
        let entries = desk.snapshot().waiting;
        entries.into_iter().map(|entry| entry.buyer_id).collect()
    };
    // The answer shows what settling made of it.
    let presence = desk.set_presence("a", api::PresenceStatus::Online, None, NOW + 9);
    assert_eq!((presence.awaiting, presence.open_conversations), (2, 2));
    assert_eq!(waiting(&mut desk), ["b2", "b3", "b4"]);
    desk.message(&event(api::Sender::Agent, "b0"), NOW + 10)
        .unwrap();
    assert_eq!(waiting(&mut desk), ["b3", "b4"]);
    // Whose recent contact comes, goes first.
    desk.set_presence("b", api::PresenceStatus::Online, Some(1), NOW + 11);
    assert_eq!(waiting(&mut desk), ["b3"]);
    let decided = desk.decided_last();
    assert_eq!(
        (decided.buyer_id.as_str(), decided.agent_id.as_str()),
        ("b4", "b")
    );
    desk.check();
}

#[test]
fn with_nobody_online_the_robot_answers_and_a_human_follows_up() {
    let mut document = shop(&[("a", 5)]);
    document.settings = settings(|s| s.robot_id = "bot".into());
    let mut desk = Desk::new();
    desk.apply_shop(document, NOW);
    let answered = desk.route(&inquiry("x"), NOW).unwrap();
    assert_eq!(answered.reason(), api::Reason::OfflineRobot);
    assert_eq!(
        (
            answered.agent_id.as_str(),
            answered.conversation_id.as_str()
        ),
        ("bot", "c1")
    );
    let again = desk.route(&inquiry("x"), NOW + 1).unwrap();
    assert_eq!(again.reason(), api::Reason::OpenConversation);
    assert_eq!(again.outcome(), api::Outcome::Robot);
    let mut human = inquiry("x");
    human.handoff = true;
    let kept = desk.route(&human, NOW + 2).unwrap();
    assert_eq!(kept.reason(), api::Reason::HandoffUnavailable);
    assert_eq!(kept.conversation_id, "c1");
    assert_eq!(desk.snapshot().waiting[0].since_ms, NOW);
    assert_eq!(desk.snapshot().waiting[0].agent_id, "");

    desk.set_presence("a", api::PresenceStatus::Online, None, NOW + 3);
    let decided = desk.decided_last();
    assert_eq!(decided.reason(), api::Reason::LeftPool);
    assert_eq!(decided.previous_conversation, 1);
    let snapshot = desk.snapshot();
    assert!(snapshot.waiting.is_empty());
    assert_eq!(snapshot.conversations.len(), 1);
    assert_eq!(snapshot.conversations[0].agent_id, "a");
    // The robot's slot is nobody's.
    assert!(snapshot.slot_releases_ms.is_empty());
    desk.check();
}

#[test]
fn an_agents_first_word_in_the_robots_conversation_takes_it_over() {
    let mut document = shop(&[("a", 5)]);
    document.settings = settings(|s| {
        s.robot_id = "bot".into();
        s.reception_mode = api::ReceptionMode::RobotFirst.into();
    });
    let mut desk = Desk::new();
    desk.apply_shop(document, NOW);
    let first = desk.route(&inquiry("x"), NOW).unwrap();
    assert_eq!(first.reason(), api::Reason::RobotFirst);
    let mut word = event(api::Sender::Agent, "");
    word.conversation_id = "c1".into();
    assert_eq!(
        desk.message(&word, NOW + 1).unwrap_err().message,
        "agent_id: required"
    );
    word.agent_id = "a".into();
    desk.message(&word, NOW + 1).unwrap();
    let snapshot = desk.snapshot();
    let [open] = snapshot.conversations.as_slice() else {
        panic!("one conversation");
    };
    assert_eq!((open.conversation, open.buyer_id.as_str()), (2, "x"));
    assert!(open.answered && !open.robot);
    desk.check();
}

#[test]
fn mixed_mode_gives_the_robot_its_percentage() {
    let mut document = shop(&[("a", 5)]);
    document.settings = settings(|s| {
        s.robot_id = "bot".into();
        s.reception_mode = api::ReceptionMode::Mixed.into();
        s.robot_percent = 40;
    });
    let mut desk = Desk::new();
    desk.apply_shop(document.clone(), NOW);
    desk.set_presence("a", api::PresenceStatus::Online, None, NOW);
    let turns: Vec<bool> = (0..5)
        .map(|n| {
            let response = desk.route(&inquiry(&format!("b{n}")), NOW).unwrap();
            response.reason() == api::Reason::MixedRobot
        })
        .collect();
    assert_eq!(turns, [false, false, true, false, true]);
    assert!(desk.snapshot().mixed.is_empty());
    desk.route(&inquiry("x"), NOW).unwrap();
    assert_eq!(desk.snapshot().mixed[0].accumulator, 40);
    // Another percentage starts from 0.
    document.settings.as_mut().unwrap().robot_percent = 60;
    desk.apply_shop(document, NOW);
    assert!(desk.snapshot().mixed.is_empty());
    desk.check();
}
