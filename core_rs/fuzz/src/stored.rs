//! Bytes that are nearly what a disk holds: entries, snapshots, manifests and chunks, and commands on what
//! they have made. What contradicts itself is refused, makes some state, or fails its shop; the shop beside
//! it knows nothing of that, and the harmed one can be brought anew.

use std::panic;
use std::sync::Once;

use fenliu_engine::proto::fenliu::engine::v1 as record;
use fenliu_engine::proto::fenliu::v1 as api;
use fenliu_engine::{Engine, filter_of, merge_chunks, partition_of};
use prost::Message;
use record::CommandKind as Kind;

use super::commands::{NOW, shop};
use super::input::Input;

const MOST_CALLS: usize = 60;
const CHUNK_ID: usize = 32;
const PARTITIONS: u32 = 2;
const HARMED: &str = "s";
const BESIDE: &str = "the-other-shop";

/// Takes the bytes as calls; panics when an engine does, or harm spreads.
pub fn run(data: &[u8]) {
    be_quiet();
    let mut input = Input::new(data);
    let setting = input.byte();
    let mut engine = opened(setting, HARMED);
    let mut beside = opened(1, BESIDE);
    engine.put_shop(BESIDE, opened(1, BESIDE).remove_shop(BESIDE));
    let mut harming = Harming {
        engine: &mut engine,
        now: NOW,
        beside_named: false,
    };
    for _ in 0..MOST_CALLS {
        let Some(turn) = input.next() else { break };
        harming.call(turn, &mut input);
    }
    let now = harming.now;
    if !harming.beside_named {
        assert!(same(&mut engine, &mut beside, BESIDE, now));
    }
    read_whole(&mut engine);
    let mut anew = opened(1, HARMED);
    engine.put_shop(HARMED, opened(1, HARMED).remove_shop(HARMED));
    assert!(same(&mut engine, &mut anew, HARMED, now));
}

/// Failures of a shop are panics that are caught; that they happen is what is looked for.
fn be_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // Those of this file are not caught.
            if info.location().is_some_and(|at| at.file().contains("fuzz")) {
                told(info);
            }
        }));
    });
}

/// Whether the shop is in both engines as it is in one, and they decide the same for it.
fn same(one: &mut Engine, other: &mut Engine, shop_id: &str, now: i64) -> bool {
    let mut said = [one, other].map(|engine| {
        let before = engine.snapshot(shop_id).unwrap();
        let route = api::RouteRequest {
            shop_id: shop_id.into(),
            buyer_id: "new".into(),
            ..Default::default()
        };
        let mut log = Vec::new();
        let request = route.encode_to_vec();
        let answer = engine
            .decide(Kind::Route as i64, &request, now, "", 0, &mut log)
            .unwrap();
        let after = engine.snapshot(shop_id).unwrap();
        (before, answer.code, answer.reply, log, after)
    });
    assert_eq!(said[0].1, 0);
    let [one, other] = &mut said;
    one == other
}

struct Harming<'a> {
    engine: &'a mut Engine,
    now: i64,
    /// The bytes were about the shop beside, too.
    beside_named: bool,
}

impl Harming<'_> {
    /// One call. That it is refused says nothing.
    fn call(&mut self, turn: u8, input: &mut Input) {
        match turn & 0xf {
            0..=3 => {
                let mut entries = Vec::new();
                for _ in 0..=turn >> 4 & 3 {
                    entries.extend_from_slice(&delimited(self.body(input)));
                }
                let shop_id = if turn > 0x7f { HARMED } else { "" };
                if let Ok(applied) = self.engine.apply(&entries, 0, shop_id) {
                    assert!(applied.end <= entries.len());
                }
            }
            4 => {
                let entry = delimited(self.body(input));
                drop(self.engine.redecide(&entry, &mut Vec::new()));
            }
            5 => {
                let snapshot = self.body(input);
                drop(self.engine.load_snapshot(snapshot));
            }
            6 => {
                let manifest = self.body(input);
                if let Ok(partition) = self.engine.load_manifest(manifest) {
                    self.beside_named |= partition == partition_of(BESIDE, PARTITIONS);
                }
            }
            7 => {
                let manifest = self.body(input);
                drop(self.engine.install(manifest));
            }
            8 => {
                // Seeds name chunks so.
                let id = [input.byte(); CHUNK_ID];
                let content = input.body();
                if turn > 0x7f {
                    drop(self.engine.put_filter(&id, content));
                    return;
                }
                self.engine.put_chunk(&id, content).unwrap();
                if let Ok(filter) = filter_of(content) {
                    self.engine.put_filter(&id, &filter).unwrap();
                }
            }
            9 => merge(turn, input),
            10 => self.engine.rotate(partition_of(HARMED, PARTITIONS)),
            11 => self.engine.shrink(0),
            12 => {
                self.now += input.pause_ms();
                self.tick();
            }
            13 => {
                let (kind, request) = (i64::from(turn >> 4 & 3), self.body(input));
                drop(self.engine.query(kind, request));
            }
            14 => {
                self.now += input.pause_ms();
                let (kind, request) = (i64::from(turn >> 4) + 4, self.body(input));
                let mut log = Vec::new();
                drop(self.engine.decide(kind, request, self.now, "", 0, &mut log));
            }
            _ => read_whole(self.engine),
        }
    }

    fn body<'b>(&mut self, input: &mut Input<'b>) -> &'b [u8] {
        let body = input.body();
        let mut parts = body.windows(BESIDE.len());
        self.beside_named |= parts.any(|part| part == BESIDE.as_bytes());
        body
    }

    fn tick(&mut self) {
        // What falls due for the shop beside is not in the way of comparing it.
        if self.engine.next_due().is_some_and(|due| due <= self.now) {
            self.beside_named = true;
        }
        self.engine.missing_due(self.now);
        let entries = self.engine.tick(self.now, 0, "").unwrap();
        self.engine.tidy();
        assert!(entries.iter().all(|one| one.count > 0));
    }
}

fn merge(turn: u8, input: &mut Input) {
    let sources: Vec<Vec<&[u8]>> = (0..=turn >> 4 & 3)
        .map(|_| (0..input.byte() & 3).map(|_| input.body()).collect())
        .collect();
    let (first, end) = (input.body(), input.body());
    let [now, lifetime, since] = [(); 3].map(|()| i64::from_be_bytes(input.array()));
    drop(merge_chunks(&sources, first, end, now, lifetime, since));
}

/// Everything that is only read of a state.
fn read_whole(engine: &mut Engine) {
    for shop_id in engine.shop_ids(true) {
        drop(engine.missing_of(&shop_id));
        drop(engine.snapshot(&shop_id));
        drop(engine.flush(&shop_id));
    }
    engine.touched();
    engine.sessions();
    engine.memory();
    engine.failures();
    drop(engine.state_hash());
}

fn delimited(entry: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encode_length_delimiter(entry.len(), &mut bytes).unwrap();
    bytes.extend_from_slice(entry);
    bytes
}

/// An engine with a shop in which something has happened, or without one.
fn opened(setting: u8, shop_id: &str) -> Engine {
    let mut engine = Engine::new(PARTITIONS).unwrap();
    let Some(mut shop) = shop(setting) else {
        return engine;
    };
    shop.shop_id = shop_id.into();
    let mut decide = |kind: Kind, request: Vec<u8>| {
        engine
            .decide(kind as i64, &request, NOW, "", 0, &mut Vec::new())
            .unwrap();
    };
    let apply = api::ApplyShopRequest { shop: Some(shop) };
    decide(Kind::ApplyShop, apply.encode_to_vec());
    for agent_id in ["a", "b"] {
        let presence = api::SetPresenceRequest {
            shop_id: shop_id.into(),
            agent_id: agent_id.into(),
            status: api::PresenceStatus::Online.into(),
            awaiting: None,
        };
        decide(Kind::SetPresence, presence.encode_to_vec());
    }
    for (number, buyer_id) in (0..).zip(["v", "w", "x", "y", "z"]) {
        let route = api::RouteRequest {
            shop_id: shop_id.into(),
            buyer_id: buyer_id.into(),
            request_id: format!("r{number}"),
            product_id: format!("{}", number % 3),
            ..Default::default()
        };
        decide(Kind::Route, route.encode_to_vec());
    }
    engine
}
