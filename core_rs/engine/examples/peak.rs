//! A shop at its peak, for a profiler: batches of ROUTE from a million buyers of whom some are new,
//! and batches of MESSAGE with the agents' replies. Bytes in, bytes out, encoded beforehand.
//!
//!     cargo run --release -p fenliu-engine --example peak [AGENTS [ROUNDS [BUYERS [SHOPS [SEGMENTS]]]]]
//!
//! With more than one shop each has AGENTS agents, and BUYERS are spread over all of them. With SEGMENTS the
//! shops are stored so often before the measurement: half of the first buyers, half of the rest ..., and all that is left.

#[path = "../../fuzz/src/disk.rs"]
mod disk;

use std::error::Error;
use std::time::Duration;

use disk::Disk;
use fenliu_engine::Engine;
use fenliu_engine::proto::fenliu::engine::v1 as record;
use fenliu_engine::proto::fenliu::v1 as api;
use prost::Message;
use record::CommandKind;

const INQUIRIES: u64 = 512;
const START_MS: i64 = 1_762_000_000_000;
/// Between two batches: so long that conversations fall idle as fast as new ones begin.
const STEP_MS: i64 = 2_000;
/// Batches encoded at a time, outside of the measured time.
const ROUND: usize = 100;

/// Inquiries, encoded, and the shop of each.
struct Batch {
    bytes: Vec<u8>,
    shops: Vec<String>,
}

struct Peak {
    engine: Engine,
    disk: Disk,
    /// Buyers who have been here before the measurement begins.
    known: u64,
    shops: u64,
    now_ms: i64,
    requests: u64,
    buyers: u64,
    events: u64,
    /// Over everything the engine has said.
    sum: u32,
    routing: Duration,
    reporting: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let agents = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let rounds = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let known = arguments
        .next()
        .map_or(Ok(1_000_000_u64), |text| text.parse())?;
    let shops = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let segments = arguments.next().map_or(Ok(0), |text| text.parse())?;
    let mut peak = Peak::open(agents, known, shops)?;
    let before = peak.engine.memory();
    let first = known.div_ceil(INQUIRIES * ROUND as u64);
    let mut stored = 0;
    for left in (0..first).rev() {
        peak.round(100)?;
        if stored < segments && left <= first >> (stored + 1) {
            stored += 1;
            peak.store()?;
        }
    }
    println!("first {} buyers: {peak}", peak.buyers);
    let bytes = peak.engine.memory() - before;
    println!(
        "{} bytes a buyer, as the engine says",
        bytes as u64 / peak.buyers
    );
    if segments > 0 {
        peak.store()?;
        peak.round(30)?; // which makes the filters
    }
    (peak.routing, peak.reporting) = (Duration::ZERO, Duration::ZERO);
    let first = peak.requests;
    for _ in 0..rounds {
        peak.round(30)?;
    }
    let decisions = (peak.requests - first) as f64;
    println!("then, 30 % new: {peak}");
    println!(
        "ROUTE alone: {:.0}/s",
        decisions / peak.routing.as_secs_f64()
    );
    let both = peak.routing + peak.reporting;
    println!(
        "ROUTE with a MESSAGE each: {:.0}/s",
        decisions / both.as_secs_f64()
    );
    Ok(())
}

impl std::fmt::Display for Peak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            requests,
            sum,
            routing,
            reporting,
            ..
        } = self;
        write!(
            f,
            "{requests} requests, ROUTE {routing:?}, MESSAGE {reporting:?}, sum {sum:08x}"
        )
    }
}

impl Peak {
    fn open(agents: usize, known: u64, shops: u64) -> Result<Self, Box<dyn Error>> {
        // As many as `Disk` knows.
        let mut engine = Engine::new(1)?;
        for number in 0..shops {
            open_shop(&mut engine, &shop_id(number), agents)?;
        }
        Ok(Self {
            engine,
            disk: Disk::default(),
            known,
            shops,
            now_ms: START_MS,
            requests: 0,
            buyers: 0,
            events: 0,
            sum: 0,
            routing: Duration::ZERO,
            reporting: Duration::ZERO,
        })
    }

    /// Stores what was learned since the last time, and hands its chunks in.
    fn store(&mut self) -> Result<(), Box<dyn Error>> {
        let manifest = self.disk.next_manifest(&mut self.engine, false);
        self.engine.install(&manifest)?;
        while self.engine.tidy() {}
        let shops = self.disk.manifest.shops.iter();
        let newest = shops.filter_map(|shop| shop.segments.first());
        for chunk in newest.flat_map(|segment| &segment.chunks) {
            self.disk.hand_in(&mut self.engine, &chunk.id);
        }
        Ok(())
    }

    /// Some batches, of whose buyers `new` percent were never here before.
    fn round(&mut self, new: u64) -> Result<(), Box<dyn Error>> {
        let batches: Vec<Batch> = (0..ROUND).map(|_| self.inquiries(new)).collect();
        let mut results: Vec<(Vec<u8>, &Batch)> = Vec::with_capacity(ROUND);
        let start = self.now_ms;
        for batch in &batches {
            self.now_ms += STEP_MS;
            let begun = cpu();
            let answer = self.engine.decide_batch(
                CommandKind::Route as i64,
                &batch.bytes,
                self.now_ms,
                0,
                4096,
                0,
            )?;
            self.routing += cpu() - begun;
            self.add_up(&answer.results, &answer.entries);
            results.push((answer.results, batch));
            // The agents answer some batches later.
            if results.len().is_multiple_of(10) {
                let tenth: Vec<Vec<u8>> = results[results.len() - 10..]
                    .iter()
                    .map(|(results, batch)| self.replies(results, batch))
                    .collect::<Result<_, _>>()?;
                for events in tenth {
                    let begun = cpu();
                    let answer = self.engine.decide_batch(
                        CommandKind::Message as i64,
                        &events,
                        self.now_ms,
                        0,
                        4096,
                        0,
                    )?;
                    self.reporting += cpu() - begun;
                    self.add_up(&answer.results, &answer.entries);
                }
            }
        }
        assert!(self.now_ms > start);
        Ok(())
    }

    fn add_up(&mut self, results: &[u8], entries: &[fenliu_engine::PartitionEntries]) {
        self.sum = crc32c::crc32c_append(self.sum, results);
        for logged in entries {
            self.sum = crc32c::crc32c_append(self.sum, &logged.entries);
        }
    }

    fn inquiries(&mut self, new: u64) -> Batch {
        let mut shops = Vec::new();
        let mut requests = Vec::new();
        for _ in 0..INQUIRIES {
            self.requests += 1;
            let n = self.requests;
            let buyer = if n * 7 % 100 < new {
                self.buyers += 1;
                self.buyers
            } else {
                // Each once before any comes again, in no order that memory could know.
                n * 611_953 % self.known + 1
            };
            shops.push(shop_id(buyer % self.shops));
            requests.push(api::RouteRequest {
                shop_id: shop_id(buyer % self.shops),
                buyer_id: format!("buyer-{buyer:010}"),
                request_id: uuid(n, 0x4e7f),
                ..Default::default()
            });
        }
        let bytes = api::RouteBatchRequest { requests }.encode_to_vec();
        Batch { bytes, shops }
    }

    fn replies(&mut self, results: &[u8], batch: &Batch) -> Result<Vec<u8>, prost::DecodeError> {
        use api::route_result::Result::Response;
        let results = api::RouteBatchResponse::decode(results)?.results;
        let mut events = Vec::new();
        for (result, shop_id) in results.into_iter().zip(&batch.shops) {
            let Some(Response(response)) = result.result else {
                continue;
            };
            self.events += 1;
            events.push(api::MessageEvent {
                shop_id: shop_id.clone(),
                conversation_id: response.conversation_id,
                sender: api::Sender::Agent.into(),
                event_id: uuid(self.events, 0x4b01),
                ..Default::default()
            });
        }
        Ok(api::ReportMessagesBatchRequest { events }.encode_to_vec())
    }
}

fn shop_id(number: u64) -> String {
    format!("flagship-shop-{:02}", number + 1)
}

/// A shop of that many agents in one group, all ONLINE.
fn open_shop(engine: &mut Engine, shop_id: &str, agents: usize) -> Result<(), Box<dyn Error>> {
    let ids: Vec<String> = (0..agents).map(|n| format!("agent-{n:010}")).collect();
    let shop = api::Shop {
        shop_id: shop_id.into(),
        agents: (1..)
            .zip(&ids)
            .map(|(n, id)| api::Agent {
                agent_id: id.clone(),
                weight: Some(n % 9 + 1),
                ..Default::default()
            })
            .collect(),
        groups: vec![api::Group {
            group_id: "presales-group-1".into(),
            agent_ids: ids.clone(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut log = Vec::new();
    let apply = api::ApplyShopRequest { shop: Some(shop) }.encode_to_vec();
    engine.decide(
        CommandKind::ApplyShop as i64,
        &apply,
        START_MS,
        "",
        0,
        &mut log,
    )?;
    for agent_id in ids {
        let presence = api::SetPresenceRequest {
            shop_id: shop_id.into(),
            agent_id,
            status: api::PresenceStatus::Online.into(),
            ..Default::default()
        };
        let presence = presence.encode_to_vec();
        engine.decide(
            CommandKind::SetPresence as i64,
            &presence,
            START_MS,
            "",
            0,
            &mut log,
        )?;
    }
    Ok(())
}

/// Time this process has had a processor: what else the machine does counts little.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let first = text
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok());
    Duration::from_nanos(first.expect("/proc/self/schedstat, which Linux has"))
}

fn uuid(number: u64, kind: u16) -> String {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (high, low) = ((mixed >> 32) as u32, mixed as u32 as u16);
    format!("{high:08x}-{low:04x}-{kind:04x}-8a9b-{number:012x}")
}
