//! Weighted selection: shares, order, changes of weight, exclusions.

mod support;

use std::collections::BTreeMap;

use fenliu_engine::proto::fenliu::v1 as api;
use support::{Desk, NOW, inquiry, shop};

fn receivers(desk: &mut Desk, from: usize, count: usize) -> Vec<String> {
    (from..from + count)
        .map(|n| desk.receives(&inquiry(&format!("b{n}")), NOW))
        .collect()
}

fn counts(receivers: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for agent in receivers {
        *counts.entry(agent.as_str()).or_default() += 1;
    }
    counts
}

fn longest_run(receivers: &[String]) -> usize {
    receivers
        .chunk_by(|a, b| a == b)
        .map(<[String]>::len)
        .max()
        .unwrap()
}

#[test]
fn every_count_stays_within_one_of_its_exact_share() {
    let weights = [("a", 7), ("b", 1), ("c", 3), ("d", 100), ("e", 13)];
    let total: i32 = weights.iter().map(|(_, weight)| weight).sum();
    let mut desk = Desk::with_agents(&weights);
    let received = receivers(&mut desk, 0, 1000);
    let mut so_far: BTreeMap<&str, i32> = BTreeMap::new();
    for (picks, agent) in (1..).zip(&received) {
        *so_far.entry(agent).or_default() += 1;
        for (id, weight) in weights {
            let count = so_far.get(id).copied().unwrap_or(0);
            // |count - picks * weight / total| < 1, in integers.
            assert!(
                (count * total - picks * weight).abs() < total,
                "{id} has {count} of {picks}"
            );
        }
    }
    desk.check();
}

#[test]
fn five_to_three_never_runs_to_five() {
    let mut desk = Desk::with_agents(&[("a", 5), ("b", 3)]);
    let received = receivers(&mut desk, 0, 400);
    assert_eq!(counts(&received), BTreeMap::from([("a", 250), ("b", 150)]));
    assert!(longest_run(&received) <= 2);
}

#[test]
fn a_ten_beside_ten_ones_takes_every_other_turn() {
    let ones: Vec<String> = (0..10).map(|n| format!("n{n}")).collect();
    let mut weights: Vec<(&str, i32)> = ones.iter().map(|id| (id.as_str(), 1)).collect();
    weights.push(("big", 10));
    let mut desk = Desk::with_agents(&weights);
    let received = receivers(&mut desk, 0, 200);
    assert_eq!(counts(&received)["big"], 100);
    assert!(longest_run(&received) <= 2);
    for id in &ones {
        assert_eq!(counts(&received)[id.as_str()], 10);
    }
}

#[test]
fn equal_agents_take_turns_by_id() {
    let mut desk = Desk::with_agents(&[("b", 5), ("a", 5), ("é", 5), ("Z", 5)]);
    let received = receivers(&mut desk, 0, 8);
    assert_eq!(received, ["Z", "a", "b", "é", "Z", "a", "b", "é"]);
}

#[test]
fn a_new_weight_counts_from_the_next_pick_without_catching_up() {
    let mut desk = Desk::with_agents(&[("a", 1), ("b", 1)]);
    receivers(&mut desk, 0, 40);
    desk.apply_shop(shop(&[("a", 3), ("b", 1)]), NOW);
    let received = receivers(&mut desk, 40, 80);
    let of_a = counts(&received)["a"].abs_diff(60);
    assert!(of_a <= 1);
    assert!(longest_run(&received) <= 4);
    desk.check();
}

#[test]
fn who_comes_back_starts_level() {
    let mut desk = Desk::with_agents(&[("a", 5), ("b", 5)]);
    desk.set_presence("b", api::PresenceStatus::Offline, None, NOW);
    receivers(&mut desk, 0, 50);
    desk.set_presence("b", api::PresenceStatus::Online, None, NOW);
    let received = receivers(&mut desk, 50, 40);
    assert!(counts(&received)["b"].abs_diff(20) <= 1);
    desk.check();
}

#[test]
fn excluded_agents_are_passed_over_and_keep_their_turn() {
    let mut desk = Desk::with_agents(&[("a", 1), ("b", 1), ("c", 1)]);
    let mut request = inquiry("x");
    request.exclude_agent_ids = vec!["a".into(), "b".into(), "nobody".into(), "a".into()];
    assert_eq!(desk.receives(&request, NOW), "c");
    assert_eq!(receivers(&mut desk, 0, 2), ["a", "b"]);

    request = inquiry("y");
    request.exclude_agent_ids = ["a", "b", "c"].map(String::from).into();
    let response = desk.route(&request, NOW).unwrap();
    assert_eq!(response.outcome(), api::Outcome::Pooled);
    assert_eq!(response.reason(), api::Reason::NobodyFree);
    desk.check();
}

#[test]
fn the_busy_get_fewer() {
    let mut desk = Desk::with_agents(&[("a", 5), ("b", 5)]);
    // 5 * 5 / (9 + 1): half of the full weight.
    let presence = desk.set_presence("b", api::PresenceStatus::Online, Some(9), NOW);
    assert_eq!(presence.effective_weight, 2560);
    // Each assignment adds one to what was reported: report again to hold it.
    let mut received = Vec::new();
    for n in 0..30 {
        received.push(desk.receives(&inquiry(&format!("b{n}")), NOW));
        desk.set_presence("b", api::PresenceStatus::Online, Some(9), NOW);
    }
    assert_eq!(counts(&received), BTreeMap::from([("a", 20), ("b", 10)]));
    desk.check();
}

#[test]
fn the_cap_keeps_new_buyers_away() {
    let mut capped = shop(&[("a", 5), ("b", 5)]);
    capped.agents[0].cap = 1;
    let mut desk = Desk::new();
    desk.apply_shop(capped, NOW);
    for agent in ["a", "b"] {
        desk.set_presence(agent, api::PresenceStatus::Online, None, NOW);
    }
    let agents: Vec<String> = (0..4)
        .map(|n| {
            desk.route(&inquiry(&format!("b{n}")), NOW)
                .unwrap()
                .agent_id
        })
        .collect();
    assert_eq!(agents, ["a", "b", "b", "b"]);
    desk.check();
}

#[test]
fn bound_groups_are_matched_and_spill_to_all() {
    let mut two = shop(&[("a", 5), ("b", 5)]);
    two.groups[0].agent_ids = vec!["a".into()];
    two.groups.push(api::Group {
        group_id: "h".into(),
        agent_ids: vec!["b".into()],
        bindings: Some(api::Bindings {
            product_ids: vec!["p".into()],
            ..Default::default()
        }),
        ..Default::default()
    });
    let mut desk = Desk::new();
    desk.apply_shop(two, NOW);
    for agent in ["a", "b"] {
        desk.set_presence(agent, api::PresenceStatus::Online, None, NOW);
    }
    let mut request = inquiry("x");
    request.product_id = "p".into();
    let response = desk.route(&request, NOW).unwrap();
    assert_eq!(
        (response.agent_id.as_str(), response.group_id.as_str()),
        ("b", "h")
    );
    assert_eq!(response.reason(), api::Reason::Weighted);

    desk.set_presence("b", api::PresenceStatus::Suspended, None, NOW);
    request.buyer_id = "y".into();
    let response = desk.route(&request, NOW).unwrap();
    assert_eq!(
        (response.agent_id.as_str(), response.group_id.as_str()),
        ("a", "g")
    );
    assert_eq!(response.reason(), api::Reason::Spilled);
    assert_eq!(desk.snapshot().pools.len(), 2);
    desk.check();
}
