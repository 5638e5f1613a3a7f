//! An engine whose shops are stored, loaded when needed and forgotten again does as one that keeps all.

#[path = "../../fuzz/src/disk.rs"]
mod disk;
mod support;

use disk::Disk;
use fenliu_engine::proto::fenliu::engine::v1 as record;
use fenliu_engine::proto::fenliu::v1 as api;
use fenliu_engine::{Answer, Engine};
use prost::Message;
use record::CommandKind as Kind;
use record::QueryKind;
use support::{Desk, HOUR, MINUTE, NOW, inquiry, settings, shop};

const PARTITIONS: u32 = 1;
const NEEDS_CHUNKS: i32 = -1;
const SHOPS: [&str; 3] = ["s", "t", "u"];

/// The engine that keeps everything, and the one that does not.
struct Pair {
    kept: Engine,
    stored: Engine,
    disk: Disk,
    /// Entries since the manifest.
    log: Vec<u8>,
    /// A manifest made, not yet installed, and the length of the log at its making.
    pending: Option<(Vec<u8>, usize)>,
    /// How often the stored one asked for chunks.
    asked: usize,
    now: i64,
    random: Random,
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % n
    }

    fn one_of<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len() as u64) as usize]
    }
}

impl Pair {
    fn new(seed: u64) -> Self {
        Self {
            kept: Engine::new(PARTITIONS).unwrap(),
            stored: Engine::new(PARTITIONS).unwrap(),
            disk: Disk::default(),
            log: Vec::new(),
            pending: None,
            asked: 0,
            now: NOW,
            random: Random(seed),
        }
    }

    fn decide(&mut self, kind: Kind, request: &impl Message) {
        let request = request.encode_to_vec();
        let mut wanted_entry = Vec::new();
        let kind = kind as i64;
        let wanted = self
            .kept
            .decide(kind, &request, self.now, "", 0, &mut wanted_entry)
            .unwrap();
        let mut entry = Vec::new();
        let before = self.stored.memory();
        let answer = loop {
            let answer = self
                .stored
                .decide(kind, &request, self.now, "", 0, &mut entry)
                .unwrap();
            if answer.code != NEEDS_CHUNKS {
                break answer;
            }
            assert!(entry.is_empty() && before > 0);
            self.disk.hand_in(&mut self.stored, &answer.reply);
            self.asked += 1;
        };
        assert_eq!((answer, &entry), (wanted, &wanted_entry));
        self.log.extend(entry);
    }

    fn decide_batch(&mut self, kind: Kind, items: Vec<Vec<u8>>) {
        let mut batch = Vec::new();
        for item in &items {
            prost::encoding::bytes::encode(1, item, &mut batch);
        }
        let kind = kind as i64;
        let wanted = self
            .kept
            .decide_batch(kind, &batch, self.now, 0, 4096, 0)
            .unwrap();
        let mut results = Vec::new();
        let mut log = Vec::new();
        let mut first = 0;
        while first < items.len() {
            let answer = self
                .stored
                .decide_batch(kind, &batch, self.now, first, 4096, 0)
                .unwrap();
            if answer.code == NEEDS_CHUNKS {
                assert_eq!((answer.decided, answer.entries.len()), (0, 0));
                self.disk.hand_in(&mut self.stored, &answer.results);
                self.asked += 1;
                continue;
            }
            assert!(answer.decided > 0);
            first += answer.decided;
            results.extend(answer.results);
            log.extend(answer.entries.into_iter().flat_map(|e| e.entries));
        }
        assert_eq!(results, wanted.results);
        let wanted_log: Vec<u8> = wanted.entries.into_iter().flat_map(|e| e.entries).collect();
        assert_eq!(log, wanted_log);
        self.log.extend(log);
    }

    fn query(&mut self, kind: QueryKind, request: &impl Message) {
        let request = request.encode_to_vec();
        let wanted = self.kept.query(kind as i64, &request).unwrap();
        assert_eq!(self.ask(kind, &request), wanted);
    }

    fn ask(&mut self, kind: QueryKind, request: &[u8]) -> Answer {
        loop {
            let answer = self.stored.query(kind as i64, request).unwrap();
            if answer.code != NEEDS_CHUNKS {
                return answer;
            }
            self.disk.hand_in(&mut self.stored, &answer.reply);
            self.asked += 1;
        }
    }

    fn tick(&mut self) {
        loop {
            let missing = self.stored.missing_due(self.now);
            if missing.is_empty() {
                break;
            }
            self.disk.hand_in(&mut self.stored, &missing);
            self.asked += 1;
        }
        let wanted = self.kept.tick(self.now, 0, "").unwrap();
        let ticked = self.stored.tick(self.now, 0, "").unwrap();
        assert_eq!(ticked, wanted);
        for logged in ticked {
            self.log.extend(logged.entries);
        }
    }

    fn store(&mut self) {
        let merging = self.random.below(3) == 0;
        let manifest = self.disk.next_manifest(&mut self.stored, merging);
        self.pending = Some((manifest, self.log.len()));
    }

    fn install(&mut self) {
        if let Some((manifest, at)) = self.pending.take() {
            self.stored.install(&manifest).unwrap();
            self.log.drain(..at);
        }
    }

    /// Another engine, from the last manifest and the log since.
    fn restart(&mut self) {
        self.install();
        self.stored = Engine::new(PARTITIONS).unwrap();
        let manifest = self.disk.manifest.encode_to_vec();
        if self.disk.manifest.seq > 0 {
            assert_eq!(self.stored.load_manifest(&manifest).unwrap(), 0);
        }
        let mut end = 0;
        while end < self.log.len() {
            let applied = self.stored.apply(&self.log, end, "").unwrap();
            end = applied.end;
            assert_eq!(end == self.log.len(), applied.missing.is_empty());
            self.disk.hand_in(&mut self.stored, &applied.missing);
        }
    }

    /// What is read without loading anything is the same, and every shop's snapshot.
    fn compare(&mut self) {
        assert_eq!(self.stored.next_due(), self.kept.next_due());
        assert_eq!(self.stored.sessions(), self.kept.sessions());
        let shop_ids = self.stored.shop_ids(true);
        assert_eq!(shop_ids, self.kept.shop_ids(true));
        assert_eq!(self.stored.shop_ids(false), self.kept.shop_ids(false));
        for shop in &shop_ids {
            let missing = self.stored.missing_of(shop).unwrap();
            if !missing.is_empty() {
                assert!(self.stored.snapshot(shop).is_err());
            }
            self.disk.hand_in(&mut self.stored, &missing);
            assert!(self.stored.missing_of(shop).unwrap().is_empty());
            let states = [&mut self.stored, &mut self.kept].map(|engine| {
                record::ShopSnapshot::decode(engine.snapshot(shop).unwrap().as_slice()).unwrap()
            });
            assert_eq!(states[0], states[1]);
        }
        assert_eq!(self.stored.state_hash(), self.kept.state_hash());
    }

    fn step(&mut self) {
        self.now += match self.random.below(40) {
            0 => 26 * HOUR,
            1 => 80 * HOUR,
            2..6 => 40 * MINUTE,
            _ => self.random.below(20_000) as i64,
        };
        match self.random.below(60) {
            0..2 => self.store(),
            2..4 => self.install(),
            4 => self.restart(),
            5..9 => {
                let limit = self.stored.memory() as u64 / 2;
                let limit = self.random.below(2) * self.random.below(limit.max(1)) * 2;
                self.stored.shrink(limit as usize);
            }
            9 => self.compare(),
            10..13 => self.tick(),
            13 => self.query(QueryKind::ListShops, &api::ListShopsRequest::default()),
            14 => {
                let shop_id = self.shop_id();
                self.query(
                    QueryKind::ListPresence,
                    &api::ListPresenceRequest { shop_id },
                );
            }
            15..17 => self.apply_shop(),
            17 if self.random.below(3) == 0 => {
                let request = api::DeleteShopRequest {
                    shop_id: self.shop_id(),
                    etag: String::new(),
                    force: self.random.below(4) > 0,
                };
                self.decide(Kind::DeleteShop, &request);
            }
            17..21 => self.set_presence(),
            21..24 => {
                let items = (0..6).map(|_| self.inquiry().encode_to_vec()).collect();
                self.decide_batch(Kind::Route, items);
            }
            24..26 => {
                let items = (0..6).map(|_| self.event().encode_to_vec()).collect();
                self.decide_batch(Kind::Message, items);
            }
            26..38 => {
                let request = self.inquiry();
                self.decide(Kind::Route, &request);
            }
            38..46 => {
                let event = self.event();
                self.decide(Kind::Message, &event);
            }
            46..53 => {
                let shop_id = self.shop_id();
                let request = api::CloseConversationRequest {
                    conversation_id: self.conversation_id(&shop_id),
                    shop_id,
                    request_id: self.id("q"),
                };
                self.decide(Kind::CloseConversation, &request);
            }
            53..55 => {
                let request = api::CancelInquiryRequest {
                    shop_id: self.shop_id(),
                    buyer_id: self.buyer_id(),
                    request_id: self.id("q"),
                };
                self.decide(Kind::CancelInquiry, &request);
            }
            55..58 => self.transfer(),
            _ => {
                let request = api::OrderEvent {
                    shop_id: self.shop_id(),
                    buyer_id: self.buyer_id(),
                    order_id: "o".into(),
                    r#type: 1,
                    event_id: self.id("e"),
                    ..Default::default()
                };
                self.decide(Kind::Order, &request);
            }
        }
    }

    fn shop_id(&mut self) -> String {
        self.random.one_of(&SHOPS).to_owned()
    }

    fn buyer_id(&mut self) -> String {
        format!("b{}", self.random.below(25))
    }

    /// Empty half of the time; seldom one used before.
    fn id(&mut self, prefix: &str) -> String {
        match self.random.below(4) {
            0..2 => String::new(),
            _ => format!("{prefix}{}", self.random.below(40)),
        }
    }

    fn state_of(&mut self, shop_id: &str) -> record::ShopSnapshot {
        let snapshot = self.kept.snapshot(shop_id).unwrap_or_default();
        record::ShopSnapshot::decode(snapshot.as_slice()).unwrap()
    }

    /// One of the last issued.
    fn conversation_id(&mut self, shop_id: &str) -> String {
        let last = self.state_of(shop_id).last_conversation;
        format!("c{}", last.saturating_sub(self.random.below(8)))
    }

    fn apply_shop(&mut self) {
        let mut document = shop(&[("a", 5), ("b", 3), ("c", 1)]);
        document.shop_id = self.shop_id();
        document.agents[0].cap = 2;
        if self.random.below(4) == 0 {
            document.agents.pop();
            document.groups[0].agent_ids.pop();
        }
        let hours = [0, 1, 30, 72, 100][self.random.below(5) as usize];
        let robot = self.random.below(4) == 0;
        let reply_timeout = self.random.below(2) as i64 * 5 * MINUTE;
        document.settings = settings(|settings| {
            settings.sticky_window_ms = Some(hours * HOUR);
            settings.sticky_suspended_window_ms = Some(hours * HOUR / 2);
            settings.queue_limit = 5;
            settings.reply_timeout_ms = reply_timeout;
            if robot {
                settings.robot_id = "r".into();
                settings.reception_mode = api::ReceptionMode::Mixed.into();
                settings.robot_percent = 60;
            }
        });
        let request = api::ApplyShopRequest {
            shop: Some(document),
        };
        self.decide(Kind::ApplyShop, &request);
    }

    fn set_presence(&mut self) {
        use api::PresenceStatus::{Offline, Online, Suspended};
        let status = *self
            .random
            .one_of(&[&Online, &Online, &Suspended, &Offline]);
        let update = api::PresenceUpdate {
            update_id: "u".into(),
            shop_id: self.shop_id(),
            agent_id: self.random.one_of(&["a", "b", "c"]).into(),
            status: status.into(),
            awaiting: None,
        };
        let request = record::UpdatePresence {
            session_id: self.random.one_of(&["x", "y"]).into(),
            update: Some(update),
        };
        self.decide(Kind::UpdatePresence, &request);
    }

    fn inquiry(&mut self) -> api::RouteRequest {
        api::RouteRequest {
            shop_id: self.shop_id(),
            buyer_id: self.buyer_id(),
            request_id: self.id("q"),
            handoff: self.random.below(4) == 0,
            ..Default::default()
        }
    }

    fn event(&mut self) -> api::MessageEvent {
        let shop_id = self.shop_id();
        let mut event = api::MessageEvent {
            sender: 1 + self.random.below(4) as i32,
            agent_id: self.random.one_of(&["", "a", "b", "c"]).into(),
            event_id: self.id("e"),
            ..Default::default()
        };
        match self.random.below(3) {
            0 => event.conversation_id = self.conversation_id(&shop_id),
            1 => event.buyer_id = self.buyer_id(),
            _ => {
                // A late word in a conversation that made a contact.
                let contacts = self.state_of(&shop_id).contacts;
                let at = self.random.below(contacts.len().max(1) as u64) as usize;
                let contact = contacts.get(at).cloned().unwrap_or_default();
                event.sender = api::Sender::Agent.into();
                event.agent_id = contact.agent_id;
                event.conversation_id = format!("c{}", contact.conversation);
            }
        }
        event.shop_id = shop_id;
        event
    }

    fn transfer(&mut self) {
        use api::transfer_request::Target;
        let target = match self.random.below(3) {
            0 => Target::GroupId("g".into()),
            _ => Target::AgentId(self.random.one_of(&["a", "b", "c"]).into()),
        };
        let shop_id = self.shop_id();
        let request = api::TransferRequest {
            conversation_id: self.conversation_id(&shop_id),
            shop_id,
            target: Some(target),
            allow_offline: self.random.below(2) == 0,
            ..Default::default()
        };
        self.decide(Kind::Transfer, &request);
    }
}

#[test]
fn what_is_stored_and_loaded_again_answers_as_what_never_was() {
    let mut asked = 0;
    for seed in 0..24 {
        let mut pair = Pair::new(seed);
        for _ in SHOPS {
            pair.apply_shop();
        }
        for _ in 0..500 {
            pair.step();
        }
        pair.compare();
        pair.store();
        pair.restart();
        pair.stored.shrink(0);
        pair.compare();
        asked += pair.asked;
    }
    assert!(asked > 1000, "only {asked} times were chunks asked for");
}

#[test]
fn what_expires_is_freed_though_nobody_rotates() {
    let mut desk = Desk::with_agents(&[("a", 1)]);
    let mut document = shop(&[("a", 1)]);
    document.settings = settings(|settings| {
        settings.sticky_window_ms = Some(24 * HOUR);
        settings.sticky_suspended_window_ms = Some(0);
    });
    desk.apply_shop(document, NOW);
    let mut memory = Vec::new();
    for n in 0..4000 {
        let mut request = inquiry(&format!("buyer {n}"));
        request.request_id = format!("request {n}");
        desk.receives(&request, NOW + n * HOUR / 10);
        if n % 1000 == 999 {
            memory.push(desk.engine.memory());
        }
    }
    assert!(memory[3] < memory[0] * 11 / 10, "{memory:?}");
}

#[test]
fn what_is_no_manifest_is_refused_and_changes_nothing() {
    let mut pair = Pair::new(1);
    pair.apply_shop();
    let manifest = pair.disk.next_manifest(&mut pair.stored, false);
    let good = record::Manifest::decode(manifest.as_slice()).unwrap();
    let before = pair.stored.state_hash().unwrap();
    let bad = |change: fn(&mut record::Manifest)| {
        let mut manifest = good.clone();
        change(&mut manifest);
        manifest.encode_to_vec()
    };
    for manifest in [
        b"\xff".to_vec(),
        bad(|manifest| manifest.rules_version += 1),
        bad(|manifest| manifest.partition = PARTITIONS),
        bad(|manifest| manifest.shops[0].head.clear()),
        bad(|manifest| manifest.shops[0].head[0].truncate(31)),
        bad(|manifest| manifest.shops.push(manifest.shops[0].clone())),
        bad(|manifest| manifest.shops[0].segments.push(record::Segment::default())),
    ] {
        assert!(pair.stored.load_manifest(&manifest).is_err());
        assert!(pair.stored.install(&manifest).is_err());
    }
    assert_eq!(pair.stored.state_hash().unwrap(), before);
    assert!(pair.stored.put_chunk(&[0; 31], b"").is_err());

    // A head that is none is told so, and the shop stays stored.
    pair.stored.load_manifest(&manifest).unwrap();
    let shop_id = good.shops[0].shop_id.clone();
    for id in &good.shops[0].head {
        pair.stored.put_chunk(id, b"\xff").unwrap();
    }
    assert!(pair.stored.snapshot(&shop_id).is_err());
    assert!(pair.stored.flush(&shop_id).is_err());
    pair.disk
        .hand_in(&mut pair.stored, &good.shops[0].head.concat());
    assert_eq!(pair.stored.state_hash().unwrap(), before);
}
