//! Commands, batches, queries and ticks of any bytes, on an engine that now and then stores and forgets
//! what it can. What it logs, applied by another engine, makes the same state.

use fenliu_engine::proto::fenliu::engine::v1 as record;
use fenliu_engine::proto::fenliu::v1 as api;
use fenliu_engine::{Answer, Engine, PartitionEntries};
use prost::Message;
use record::CommandKind as Kind;

use super::disk::Disk;
use super::input::Input;

pub const NOW: i64 = 1_717_207_200_000;
/// No caller can name a later time.
const LATEST: i64 = 999_999_999_999_999;
const MOST_CALLS: usize = 200;
/// States are compared after so many calls, and at the end.
const COMPARED: usize = 16;
const NEEDS_CHUNKS: i32 = -1;
const BEHIND: i32 = -2;
/// One call may ask for chunks so often.
const MOST_ASKED: usize = 16;
const BATCHES: [Kind; 3] = [Kind::Route, Kind::Message, Kind::Order];
const ACTORS: [&str; 4] = ["", "", "a", "boss"];

/// Takes the bytes as calls; panics when an engine does, or states differ.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut pair = Pair::open(input.byte());
    for calls in 1..=MOST_CALLS {
        let Some(turn) = input.next() else { break };
        pair.call(turn, &mut input);
        if calls.is_multiple_of(COMPARED) {
            pair.compare();
        }
    }
    pair.compare();
}

/// The engine that decides, and the one that applies what that has logged and keeps all in memory.
struct Pair {
    deciding: Engine,
    applying: Engine,
    disk: Disk,
    /// A manifest made and not installed yet.
    pending: Option<Vec<u8>>,
    now: i64,
    /// Of effects, in one call; 0: any number.
    most_due: usize,
    /// Logged, not applied yet.
    log: Vec<u8>,
    entries: usize,
}

impl Pair {
    fn open(setting: u8) -> Self {
        let mut pair = Self {
            deciding: Engine::new(1).unwrap(),
            applying: Engine::new(1).unwrap(),
            disk: Disk::default(),
            pending: None,
            now: NOW,
            most_due: usize::from(setting >> 6),
            log: Vec::new(),
            entries: 0,
        };
        if let Some(shop) = shop(setting) {
            let request = api::ApplyShopRequest { shop: Some(shop) };
            pair.decide(Kind::ApplyShop as i64, &request.encode_to_vec(), "");
            for agent in ["a", "b"] {
                pair.decide(Kind::SetPresence as i64, &online(agent), "");
            }
        }
        pair
    }

    fn call(&mut self, turn: u8, input: &mut Input) {
        self.now = (self.now + input.pause_ms()).min(LATEST);
        match turn & 0x1f {
            0..=15 => {
                let actor = ACTORS[usize::from(turn >> 5 & 3)];
                self.decide(i64::from(turn & 0xf) + 4, input.body(), actor);
            }
            16..=19 => self.decide_batch(turn, input),
            20..=22 => {
                let (kind, request) = (i64::from(turn & 0x1f) - 19, input.body());
                self.ask(|engine| engine.query(kind, request).unwrap());
            }
            23..=25 => self.tick(),
            26 => self.pending = Some(self.disk.next_manifest(&mut self.deciding, turn > 0x7f)),
            27 => {
                if let Some(manifest) = self.pending.take() {
                    self.deciding.install(&manifest).unwrap();
                }
            }
            28 => self.deciding.shrink(usize::from(input.byte()) << 8),
            // Far ahead, as after a long pause; or back, which no engine follows.
            29 => self.now = (self.now + (i64::from(input.byte()) << 32)).min(LATEST),
            30 => self.now = i64::from(input.byte()) << 24,
            _ => self.compare(),
        }
    }

    fn decide(&mut self, kind: i64, request: &[u8], actor: &str) {
        let (now, most_due, mut entry) = (self.now, self.most_due, Vec::new());
        let mut asked = 0;
        while asked < MOST_ASKED {
            let Ok(answer) = self
                .deciding
                .decide(kind, request, now, actor, most_due, &mut entry)
            else {
                assert!(entry.is_empty());
                return; // no such kind
            };
            if answer.code == BEHIND {
                self.tick_shop(&answer.reply);
                continue;
            }
            if answer.code != NEEDS_CHUNKS {
                self.log.extend_from_slice(&entry);
                self.entries += usize::from(!entry.is_empty());
                return;
            }
            assert!(entry.is_empty());
            asked += 1;
            self.disk.hand_in(&mut self.deciding, &answer.reply);
        }
        panic!("there is no end of chunks that a command needs");
    }

    fn decide_batch(&mut self, turn: u8, input: &mut Input) {
        let kind = BATCHES[usize::from(turn & 3) % BATCHES.len()] as i64;
        let (mut first, batch) = (usize::from(turn >> 6 & 1), input.body());
        let mut asked = 0;
        loop {
            let answer = self
                .deciding
                .decide_batch(kind, batch, self.now, first, 20, self.most_due)
                .unwrap();
            if answer.code == BEHIND {
                self.tick_shop(&answer.results);
                continue;
            }
            if answer.code == NEEDS_CHUNKS {
                asked += 1;
                assert!(asked < MOST_ASKED * (batch.len() + 1));
                self.disk.hand_in(&mut self.deciding, &answer.results);
                continue;
            }
            self.logged(&answer.entries);
            first += answer.decided;
            if answer.code != 0 || answer.decided == 0 || first >= answer.total {
                return;
            }
        }
    }

    fn tick(&mut self) {
        let missing = self.deciding.missing_due(self.now);
        self.disk.hand_in(&mut self.deciding, &missing);
        let entries = self.deciding.tick(self.now, self.most_due, "").unwrap();
        self.logged(&entries);
        self.deciding.tidy();
    }

    /// What is due in one shop, of which the engine says that it must come first.
    fn tick_shop(&mut self, shop_id: &[u8]) {
        let shop_id = std::str::from_utf8(shop_id).unwrap();
        let entries = self
            .deciding
            .tick(self.now, self.most_due, shop_id)
            .unwrap();
        assert!(!entries.is_empty());
        self.logged(&entries);
    }

    fn ask(&mut self, question: impl Fn(&mut Engine) -> Answer) {
        for _ in 0..MOST_ASKED {
            let answer = question(&mut self.deciding);
            if answer.code != NEEDS_CHUNKS {
                return;
            }
            self.disk.hand_in(&mut self.deciding, &answer.reply);
        }
        panic!("there is no end of chunks that a query needs");
    }

    fn logged(&mut self, logged: &[PartitionEntries]) {
        for one in logged {
            self.log.extend_from_slice(&one.entries);
            self.entries += one.count;
        }
    }

    fn compare(&mut self) {
        let failures = self.deciding.failures();
        assert!(failures.is_empty(), "{failures:?}");
        let applied = self.applying.apply(&self.log, 0, "").unwrap();
        assert_eq!(applied.count, self.entries);
        self.log.clear();
        self.entries = 0;
        for shop_id in self.deciding.shop_ids(true) {
            let missing = self.deciding.missing_of(&shop_id).unwrap();
            self.disk.hand_in(&mut self.deciding, &missing);
            let [ours, theirs] =
                [&mut self.deciding, &mut self.applying].map(|engine| engine.snapshot(&shop_id));
            assert!(ours == theirs, "{ours:?}\nand applied\n{theirs:?}");
        }
        let ids = |engine: &Engine| engine.shop_ids(true);
        assert_eq!(ids(&self.deciding), ids(&self.applying));
        assert_eq!(self.deciding.next_due(), self.applying.next_due());
        assert_eq!(self.deciding.sessions(), self.applying.sessions());
    }
}

fn online(agent_id: &str) -> Vec<u8> {
    api::SetPresenceRequest {
        shop_id: "s".into(),
        agent_id: agent_id.into(),
        status: api::PresenceStatus::Online.into(),
        awaiting: None,
    }
    .encode_to_vec()
}

/// One of several shops to begin with, or none.
pub fn shop(setting: u8) -> Option<api::Shop> {
    let agent = |id: &str, weight, cap, daily_limit| api::Agent {
        agent_id: id.into(),
        weight: Some(weight),
        cap,
        daily_limit,
        ..Default::default()
    };
    let group = |id: &str, agents: &[&str], product: &str, unavailable: api::UnavailablePolicy| {
        let bindings = api::Bindings {
            product_ids: vec![product.into()],
            ..Default::default()
        };
        api::Group {
            group_id: id.into(),
            agent_ids: agents.iter().map(|&id| id.into()).collect(),
            bindings: Some(bindings),
            when_unavailable: unavailable.into(),
            ..Default::default()
        }
    };
    let settings = match setting & 3 {
        0 => return None,
        1 => api::ShopSettings::default(),
        2 => api::ShopSettings {
            queue_limit: 2,
            reply_timeout_ms: 60_000,
            charge_sticky: true,
            ..Default::default()
        },
        _ => api::ShopSettings {
            robot_id: "r".into(),
            reception_mode: api::ReceptionMode::Mixed.into(),
            robot_percent: 40,
            queue_limit: 3,
            ..Default::default()
        },
    };
    Some(api::Shop {
        shop_id: "s".into(),
        settings: Some(settings),
        agents: vec![
            agent("a", 5, 2, 0),
            agent("b", 3, 1, 4),
            agent("c", 1, 0, 0),
        ],
        groups: vec![
            group("g", &["a", "c"], "1", api::UnavailablePolicy::Spill),
            group("h", &["b", "c"], "2", api::UnavailablePolicy::Queue),
        ],
        owner_agent_id: "a".into(),
        ..Default::default()
    })
}
