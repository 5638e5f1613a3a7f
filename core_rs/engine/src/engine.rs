//! The engine: its shops, and the calls that reach them.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;

use prost::Message;
use sha2::{Digest, Sha256};

use crate::batch::{BatchAnswer, Logs};
use crate::command::{self, Answer};
use crate::decode;
use crate::proto::fenliu::engine::v1 as record;
use crate::refusal::{Reason, Refusal};
use crate::state::{Map, Shop};
use crate::validation;
use record::entry::Command;
use record::fact::Fact;
use record::{CommandKind, QueryKind};

/// Entries to log in one partition.
#[derive(Debug, PartialEq, Eq)]
pub struct PartitionEntries {
    pub partition: u32,
    pub count: usize,
    /// Each an encoded `Entry` behind its length as a varint.
    pub entries: Vec<u8>,
}

/// A call that makes no sense, whatever the state.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// A value or bytes the call cannot take.
    Value(String),
    UnknownShop(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(what) => f.write_str(what),
            Self::UnknownShop(id) => f.write_str(id),
        }
    }
}

impl std::error::Error for Error {}

fn value_error<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error::Value(what.into()))
}

/// The partition a shop belongs to: CRC-32C of its id modulo `partitions`, which is above 0.
pub fn partition_of(shop_id: &str, partitions: u32) -> u32 {
    crc32c::crc32c(shop_id.as_bytes()) % partitions
}

/// The state of many shops and every rule of dispatch.
pub struct Engine {
    partitions: u32,
    shops: Map<Arc<str>, Shop>,
    /// The shops' ids in order.
    pub(crate) ids: BTreeSet<Arc<str>>,
    /// (a time not after the shop's next due time, shop). Only the line under the shop's
    /// `scheduled` counts.
    schedule: BinaryHeap<Reverse<(i64, Arc<str>)>>,
    /// Shops where something may be due already at their own last time: a tick of any time
    /// applies it.
    overdue: BTreeSet<Arc<str>>,
}

impl Engine {
    /// An engine without shops; `partitions` is 1..65536.
    pub fn new(partitions: u32) -> Result<Self, Error> {
        if !(1..=65_536).contains(&partitions) {
            return value_error("partitions must be within 1..65536");
        }
        Ok(Self {
            partitions,
            shops: Map::default(),
            ids: BTreeSet::new(),
            schedule: BinaryHeap::new(),
            overdue: BTreeSet::new(),
        })
    }

    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    pub(crate) fn partition_of(&self, shop_id: &str) -> u32 {
        partition_of(shop_id, self.partitions)
    }

    pub(crate) fn shop(&self, shop_id: &str) -> Option<&Shop> {
        self.shops.get(shop_id)
    }

    /// Decides one command; appends the entry to write, if any, to `log`.
    pub fn decide(
        &mut self,
        kind: i64,
        request: &[u8],
        now_ms: i64,
        actor: &str,
        log: &mut Vec<u8>,
    ) -> Result<Answer, Error> {
        let kind = command_kind(kind)?;
        Ok(self.run(decode::command(kind, request), now_ms, actor, log))
    }

    /// Decides elements of a batch, each by itself.
    pub fn decide_batch(
        &mut self,
        kind: i64,
        batch: &[u8],
        now_ms: i64,
        first: usize,
        count: usize,
    ) -> Result<BatchAnswer, Error> {
        match command_kind(kind)? {
            kind @ (CommandKind::Route | CommandKind::Message | CommandKind::Order) => {
                Ok(self.run_batch(kind, batch, now_ms, first, count))
            }
            _ => value_error("batches are of ROUTE, MESSAGE or ORDER"),
        }
    }

    /// Validates, finds the shop and lets it decide.
    pub(crate) fn run(
        &mut self,
        command: Result<Command, Refusal>,
        now_ms: i64,
        actor: &str,
        log: &mut Vec<u8>,
    ) -> Answer {
        let command = match command {
            Ok(command) => command,
            Err(refusal) => return Answer::new(Err(refusal), None),
        };
        let shop_id = command::shop_id(&command);
        let partition = (!shop_id.is_empty()).then(|| self.partition_of(shop_id));
        if let Err(refusal) = validation::command(&command) {
            return Answer::new(Err(refusal), partition);
        }
        let result = match self.shops.get_mut(shop_id) {
            Some(shop) => {
                let result = shop.run(command, now_ms, actor, log);
                watch(shop, &mut self.schedule, &mut self.overdue);
                result
            }
            None if matches!(command, Command::ApplyShop(_)) => {
                let mut shop = Shop::new(partition.unwrap_or_default());
                let result = shop.run(command, now_ms, actor, log);
                if result.is_ok() {
                    self.put(shop);
                }
                result
            }
            None => Err(Refusal::of(Reason::ShopNotFound, "shop_id")),
        };
        Answer::new(result, partition)
    }

    /// Puts a shop in place.
    fn put(&mut self, mut shop: Shop) {
        let id: Arc<str> = shop.document.shop_id.as_str().into();
        shop.scheduled = None;
        watch(&mut shop, &mut self.schedule, &mut self.overdue);
        self.ids.insert(id.clone());
        self.shops.insert(id, shop);
    }

    fn take(&mut self, shop_id: &str) -> Option<Shop> {
        self.ids.remove(shop_id);
        self.overdue.remove(shop_id);
        self.shops.remove(shop_id)
    }

    /// Applies what is due in every shop; by ascending partition, then shop id.
    pub fn tick(&mut self, now_ms: i64) -> Vec<PartitionEntries> {
        let mut shops = std::mem::take(&mut self.overdue);
        while let Some(Reverse((time, _))) = self.schedule.peek()
            && *time <= now_ms
        {
            let Some(Reverse((time, id))) = self.schedule.pop() else {
                break;
            };
            if let Some(shop) = self.shops.get_mut(&id)
                && shop.scheduled == Some(time)
            {
                shop.scheduled = None;
                shops.insert(id);
            }
        }
        let mut logs = Logs::default();
        let mut entry = Vec::new();
        for id in shops {
            let Some(shop) = self.shops.get_mut(&id) else {
                continue;
            };
            let shop_id = id.to_string();
            let tick = Command::Tick(record::Tick { shop_id });
            // A tick of a known shop is never refused and has an empty reply.
            let _ = shop.run(tick, now_ms, "", &mut entry);
            if !entry.is_empty() {
                logs.add(shop.partition, &entry);
                entry.clear();
            }
            shop.first_due();
            watch(shop, &mut self.schedule, &mut self.overdue);
        }
        logs.finish()
    }

    /// The earliest due time of all shops.
    pub fn next_due(&mut self) -> Option<i64> {
        loop {
            let Reverse((time, id)) = self.schedule.peek()?;
            let time = *time;
            if let Some(shop) = self.shops.get_mut(id)
                && shop.scheduled == Some(time)
            {
                if shop.first_due().is_some_and(|(due, _)| due == time) {
                    return Some(time);
                }
                shop.scheduled = None;
                self.schedule.pop();
                watch(shop, &mut self.schedule, &mut self.overdue);
            } else {
                self.schedule.pop();
            }
        }
    }

    /// Answers a query.
    pub fn query(&self, kind: i64, request: &[u8]) -> Result<Answer, Error> {
        match i32::try_from(kind).map(QueryKind::try_from) {
            Ok(Ok(kind)) if kind != QueryKind::Unspecified => Ok(self.answer(kind, request)),
            _ => value_error(format!("unknown query kind {kind}")),
        }
    }

    /// Applies logged entries; returns how many.
    pub fn apply(&mut self, mut entries: &[u8]) -> Result<usize, Error> {
        let mut count = 0;
        while !entries.is_empty() {
            let entry = read_entry(&mut entries)?;
            self.apply_entry(&entry)?;
            count += 1;
        }
        Ok(count)
    }

    fn apply_entry(&mut self, entry: &record::Entry) -> Result<(), Error> {
        let Some(command) = &entry.command else {
            return value_error("an entry without a command");
        };
        if entry.facts.iter().any(|fact| fact.fact.is_none()) {
            return value_error("an entry with an unknown fact");
        }
        let shop_id = command::shop_id(command);
        if let Some(shop) = self.shops.get_mut(shop_id) {
            shop.apply_entry(entry, command);
            watch(shop, &mut self.schedule, &mut self.overdue);
            return Ok(());
        }
        let creates = |fact: &record::Fact| {
            matches!(&fact.fact, Some(Fact::ShopApplied(applied))
                if applied.shop.as_ref().is_some_and(|shop| shop.shop_id == shop_id))
        };
        if !entry.facts.iter().any(creates) {
            return value_error(format!("an entry of the unknown shop {shop_id}"));
        }
        let mut shop = Shop::new(self.partition_of(shop_id));
        shop.apply_entry(entry, command);
        self.put(shop);
        Ok(())
    }

    /// Decides a logged entry's command again.
    pub fn redecide(&mut self, mut entry: &[u8], log: &mut Vec<u8>) -> Result<Answer, Error> {
        let record::Entry {
            now_ms,
            actor,
            command,
            ..
        } = read_entry(&mut entry)?;
        match command {
            Some(command) if entry.is_empty() => Ok(self.run(Ok(command), now_ms, &actor, log)),
            Some(_) => value_error("more than one entry"),
            None => value_error("an entry without a command"),
        }
    }

    /// All shops, by id.
    pub fn shop_ids(&self) -> Vec<String> {
        self.ids.iter().map(|id| id.to_string()).collect()
    }

    /// (session, shop) of every presence session that still has agents, sorted.
    pub fn sessions(&self) -> Vec<(String, String)> {
        let mut sessions = BTreeSet::new();
        for (id, shop) in &self.shops {
            for slot in shop.members() {
                let session = &shop.agent(slot).session_id;
                if !session.is_empty() {
                    sessions.insert((session.clone(), id.to_string()));
                }
            }
        }
        sessions.into_iter().collect()
    }

    /// A shop's canonical snapshot.
    pub fn snapshot(&self, shop_id: &str) -> Result<Vec<u8>, Error> {
        match self.shops.get(shop_id) {
            Some(shop) => Ok(shop.snapshot()),
            None => Err(Error::UnknownShop(shop_id.to_owned())),
        }
    }

    /// Puts a shop in place as the snapshot says.
    pub fn load_snapshot(&mut self, snapshot: &[u8]) -> Result<(), Error> {
        let shop = Shop::from_snapshot(snapshot, |id| self.partition_of(id))
            .map_err(|what| Error::Value(format!("not a snapshot: {what}")))?;
        self.put(shop);
        Ok(())
    }

    /// A hash over the whole state.
    pub fn state_hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for shop in self.ids.iter().filter_map(|id| self.shops.get(id)) {
            hash.update(Sha256::digest(shop.snapshot()));
        }
        hash.finalize().into()
    }

    /// Takes the shops of a partition out of this engine.
    pub fn remove_partition(&mut self, partition: u32) -> Vec<Shop> {
        let ids: Vec<Arc<str>> = self
            .shops
            .iter()
            .filter(|(_, shop)| shop.partition == partition)
            .map(|(id, _)| id.clone())
            .collect();
        ids.iter().filter_map(|id| self.take(id)).collect()
    }

    /// Replaces the shops of a partition by these, taken out of an engine with as many partitions.
    pub fn put_partition(&mut self, partition: u32, shops: Vec<Shop>) {
        self.remove_partition(partition);
        for shop in shops {
            self.put(shop);
        }
    }
}

/// Sees to it that the engine looks at a shop in time.
fn watch(
    shop: &mut Shop,
    schedule: &mut BinaryHeap<Reverse<(i64, Arc<str>)>>,
    overdue: &mut BTreeSet<Arc<str>>,
) {
    let Some(time) = shop.earliest_due() else {
        return;
    };
    if shop.scheduled.is_none_or(|scheduled| time < scheduled) {
        shop.scheduled = Some(time);
        schedule.push(Reverse((time, shop.document.shop_id.as_str().into())));
    }
    if time <= shop.last_now_ms {
        overdue.insert(shop.document.shop_id.as_str().into());
    }
}

fn command_kind(kind: i64) -> Result<CommandKind, Error> {
    match i32::try_from(kind).map(CommandKind::try_from) {
        Ok(Ok(kind)) if kind != CommandKind::Unspecified => Ok(kind),
        _ => value_error(format!("unknown command kind {kind}")),
    }
}

fn read_entry(entries: &mut &[u8]) -> Result<record::Entry, Error> {
    record::Entry::decode_length_delimited(entries)
        .map_err(|error| Error::Value(format!("not an entry: {error}")))
}
