//! The engine: its shops, and the calls that reach them.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::{Bound, Range};
use std::sync::Arc;

use prost::Message;
use sha2::{Digest, Sha256};

use crate::books::Books;
use crate::cache::{Chunks, Missing};
use crate::chunks::Bad;
use crate::command::{Answer, BEHIND, NEEDS_CHUNKS};
use crate::decode;
use crate::document::knows_its_agents;
use crate::draft::Scratch;
use crate::failing::{Failing, attempt, caught, reading};
use crate::logs::{Logs, PartitionEntries};
use crate::needs::Purpose;
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::refusal::{Reason, Refusal};
use crate::shops::Shops;
use crate::state::Shop;
use crate::stored::StoredShops;
use crate::validation;
use crate::views::{Command, Whole};
use api::Outcome;
use record::CommandKind;
use record::fact::Fact;

/// What became of a command, apart from the reply.
pub(crate) struct Ran {
    /// As in an `Answer`.
    pub code: i32,
    pub partition: Option<u32>,
}

/// How far `Engine::apply` came.
#[derive(Debug, PartialEq, Eq)]
pub struct Applied {
    /// How many entries were applied or passed over.
    pub count: usize,
    /// The offset behind the last of them.
    pub end: usize,
    /// Ids of the chunks that the next one needs.
    pub missing: Vec<u8>,
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

impl From<Bad> for Error {
    fn from(what: Bad) -> Self {
        Self::Value(what.to_owned())
    }
}

fn value_error<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error::Value(what.into()))
}

/// The partition a shop belongs to: CRC-32C of its id modulo `partitions`, which is above 0.
pub fn partition_of(shop_id: &str, partitions: u32) -> u32 {
    crc32c::crc32c(shop_id.as_bytes()) % partitions
}

/// The state of many shops and every rule of dispatch.
pub struct Engine {
    pub(crate) partitions: u32,
    /// Those in memory.
    pub(crate) shops: Shops,
    /// Those that are not.
    pub(crate) stored: StoredShops,
    pub(crate) chunks: Chunks,
    pub(crate) books: Books,
    pub(crate) scratch: Scratch,
    pub(crate) failing: Failing,
}

impl Engine {
    /// An engine without shops; `partitions` is 1..65536.
    pub fn new(partitions: u32) -> Result<Self, Error> {
        if !(1..=65_536).contains(&partitions) {
            return value_error("partitions must be within 1..65536");
        }
        Ok(Self {
            partitions,
            shops: Shops::default(),
            stored: StoredShops::default(),
            chunks: Chunks::default(),
            books: Books::new(partitions),
            scratch: Scratch::default(),
            failing: Failing::default(),
        })
    }

    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    pub(crate) fn partition_of(&self, shop_id: &str) -> u32 {
        partition_of(shop_id, self.partitions)
    }

    /// Decides one command; appends the entry to write, if any, to `log`. With more than about `most_due`
    /// effects due (0: any number) in the shop nothing happens.
    pub fn decide(
        &mut self,
        kind: i64,
        request: &[u8],
        now_ms: i64,
        actor: &str,
        most_due: usize,
        log: &mut Vec<u8>,
    ) -> Result<Answer, Error> {
        let kind = command_kind(kind)?;
        let ran = match caught(|| Ok(Command::read(kind, request))) {
            Ok(Some(command)) => self.run(&command, now_ms, actor, most_due, log),
            _ => self.run_other(kind, request, now_ms, actor, most_due, log),
        };
        Ok(self.answer(ran))
    }

    /// Decides what is no plain command that can be read in place.
    pub(crate) fn run_other(
        &mut self,
        kind: CommandKind,
        request: &[u8],
        now_ms: i64,
        actor: &str,
        most_due: usize,
        log: &mut Vec<u8>,
    ) -> Ran {
        match caught(|| Ok(decode::command(kind, request))) {
            Ok(Ok(command)) => self.run(&(&command).into(), now_ms, actor, most_due, log),
            Ok(Err(refusal)) => self.refuse(refusal, None),
            Err(what) => self.failed("", what),
        }
    }

    /// What a command that ran is answered.
    pub(crate) fn answer(&mut self, ran: Ran) -> Answer {
        Answer {
            code: ran.code,
            reply: std::mem::take(&mut self.scratch.reply),
            partition: ran.partition,
        }
    }

    /// The last reply.
    pub(crate) fn reply(&self) -> &[u8] {
        &self.scratch.reply
    }

    pub(crate) fn refuse(&mut self, refusal: Refusal, partition: Option<u32>) -> Ran {
        let code = refusal.code();
        self.scratch.reply = refusal.status();
        Ran { code, partition }
    }

    fn need(&mut self, missing: &Missing, partition: Option<u32>) -> Ran {
        self.scratch.reply = missing.concat();
        Ran {
            code: NEEDS_CHUNKS,
            partition,
        }
    }

    /// Decides a command. If that fails, the shop has failed with it, and nothing is logged.
    pub(crate) fn run(
        &mut self,
        command: &Command,
        now_ms: i64,
        actor: &str,
        most_due: usize,
        log: &mut Vec<u8>,
    ) -> Ran {
        let logged = log.len();
        caught(|| self.run_in_shop(command, now_ms, actor, most_due, log)).unwrap_or_else(|what| {
            log.truncate(logged);
            self.failed(command.shop_id(), what)
        })
    }

    /// Validates, finds the shop and lets it decide.
    fn run_in_shop(
        &mut self,
        command: &Command,
        now_ms: i64,
        actor: &str,
        most_due: usize,
        log: &mut Vec<u8>,
    ) -> Result<Ran, Error> {
        let shop_id = command.shop_id();
        if let Err(refusal) = validation::command(command) {
            let partition = (!shop_id.is_empty()).then(|| self.partition_of(shop_id));
            return Ok(self.refuse(refusal, partition));
        }
        let mut missing = Missing::default();
        let Some(shop) = self.shops.get_mut(shop_id) else {
            return self.run_elsewhere(command, now_ms, actor, most_due, log);
        };
        let partition = Some(shop.partition);
        self.books.begin(shop);
        if shop.has_segments() {
            fetch(
                shop,
                command,
                Purpose::Decide,
                &mut self.chunks,
                &mut missing,
            )?;
            if !missing.is_empty() {
                return Ok(self.need(&missing, partition));
            }
        }
        if shop
            .halfway(now_ms.max(shop.last_now_ms), most_due)
            .is_some()
        {
            shop.forget_fetched();
            self.scratch.reply = shop_id.into();
            return Ok(Ran {
                code: BEHIND,
                partition,
            });
        }
        let was_deleted = shop.deleted;
        let result = if was_deleted && !command.creates() {
            Err(Refusal::of(Reason::ShopNotFound, "shop_id"))
        } else {
            shop.run(command, now_ms, actor, &mut self.scratch, log)
        };
        shop.forget_fetched();
        self.books.watch(shop);
        if shop.deleted != was_deleted {
            self.books
                .ids
                .insert(shop.document.shop_id.as_str().into(), shop.deleted);
        }
        Ok(self.ran(result, partition))
    }

    /// Decides a valid command for a shop that is not in memory.
    #[cold]
    fn run_elsewhere(
        &mut self,
        command: &Command,
        now_ms: i64,
        actor: &str,
        most_due: usize,
        log: &mut Vec<u8>,
    ) -> Result<Ran, Error> {
        let shop_id = command.shop_id();
        let partition = self.partition_of(shop_id);
        if let Some(refusal) = self.unavailable(shop_id) {
            return Ok(self.refuse(refusal, Some(partition)));
        }
        let mut missing = Missing::default();
        if self.reach(shop_id, &mut missing)?.is_some() {
            return self.run_in_shop(command, now_ms, actor, most_due, log);
        }
        if !missing.is_empty() {
            return Ok(self.need(&missing, Some(partition)));
        }
        if !command.creates() {
            let refusal = Refusal::of(Reason::ShopNotFound, "shop_id");
            return Ok(self.refuse(refusal, Some(partition)));
        }
        let mut shop = Shop::new(partition);
        self.books.begin(&mut shop);
        let result = shop.run(command, now_ms, actor, &mut self.scratch, log);
        if result.is_ok() {
            self.put(shop);
        }
        Ok(self.ran(result, Some(partition)))
    }

    fn ran(&mut self, result: Result<(), Refusal>, partition: Option<u32>) -> Ran {
        match result {
            Ok(()) => Ran { code: 0, partition },
            Err(refusal) => self.refuse(refusal, partition),
        }
    }

    /// Names the chunks that deciding a command needs; a bad command needs none, nor does one that will fail.
    pub(crate) fn name_needs(&mut self, command: &Command, missing: &mut Missing) {
        let named = caught(|| {
            if validation::command(command).is_err() {
                return Ok(());
            }
            self.reach(command.shop_id(), missing)?;
            if let Some(shop) = self.shops.get_mut(command.shop_id()) {
                fetch(shop, command, Purpose::Decide, &mut self.chunks, missing)?;
                shop.forget_fetched();
            }
            Ok(())
        });
        if let Err(what) = named {
            self.fail(command.shop_id(), what);
        }
    }

    /// The shop, loaded if it is stored; names the chunks that takes.
    pub(crate) fn reach(
        &mut self,
        shop_id: &str,
        missing: &mut Missing,
    ) -> Result<Option<&mut Shop>, Error> {
        if let Some(place) = self.stored.get(shop_id) {
            match self.chunks.head(&place.head) {
                Some(head) => self.load(shop_id, &head)?,
                None => self.chunks.name_missing(&place.head, missing),
            }
        }
        Ok(self.shops.get_mut(shop_id))
    }

    /// Puts a shop in place in memory.
    pub(crate) fn put(&mut self, mut shop: Shop) {
        let id: Arc<str> = shop.document.shop_id.as_str().into();
        shop.scheduled = None;
        self.books.enter(id.clone(), shop.deleted, shop.partition);
        self.books.watch(&mut shop);
        self.stored.take(&id);
        self.failing.shops.remove(&id);
        self.shops.insert(&id, shop);
    }

    /// Takes a shop out of memory.
    pub(crate) fn take(&mut self, shop_id: &str) -> Option<Shop> {
        self.books.overdue.remove(shop_id);
        self.shops.remove(shop_id).map(|shop| *shop)
    }

    /// Applies what is due in every shop, or in the one with this id, the earliest first and about
    /// `most_due` effects (0: any number); by ascending partition, then shop id.
    pub fn tick(
        &mut self,
        now_ms: i64,
        most_due: usize,
        shop_id: &str,
    ) -> Result<Vec<PartitionEntries>, Error> {
        let mut entries = Vec::new();
        let mut ticked: Vec<(Arc<str>, u32, Range<usize>)> = Vec::new();
        if shop_id.is_empty() {
            // All are loaded before anything is changed.
            for id in self.stored.due(now_ms, usize::MAX) {
                if let Some(place) = self.stored.get(&id)
                    && let Some(head) = self.chunks.head(&place.head)
                    && let Err(what) = caught(|| self.load(&id, &head))
                {
                    self.fail(&id, what);
                }
            }
            let mut facts = 0;
            while let Some(id) = self.next_to_tick(now_ms) {
                let start = entries.len();
                if let Some(partition) = self.tick_one(&id, now_ms, most_due, &mut entries) {
                    ticked.push((id, partition, start..entries.len()));
                    facts += self.scratch.facts.len();
                }
                if most_due > 0 && facts >= most_due {
                    break;
                }
            }
            ticked.sort_by(|a, b| a.0.cmp(&b.0));
        } else if let Some(partition) = self.tick_one(shop_id, now_ms, most_due, &mut entries) {
            ticked.push((shop_id.into(), partition, 0..entries.len()));
        }
        let mut logs = Logs::default();
        for (_, partition, entry) in ticked {
            logs.add(partition, &entries[entry]);
        }
        Ok(logs.finish())
    }

    /// The shop in memory where something is due by then, or by its own last time, the earliest first.
    fn next_to_tick(&mut self, now_ms: i64) -> Option<Arc<str>> {
        match self.next_due_loaded() {
            Some((time, id)) if time <= now_ms => Some(id),
            _ => self.books.overdue.pop_first(),
        }
    }

    /// Ticks a shop in memory; its partition, if that made an entry. If that fails, the shop has failed.
    fn tick_one(
        &mut self,
        shop_id: &str,
        now_ms: i64,
        most_due: usize,
        entries: &mut Vec<u8>,
    ) -> Option<u32> {
        let before = entries.len();
        let ticked = attempt(|| self.tick_shop(shop_id, now_ms, most_due, entries));
        ticked.unwrap_or_else(|what| {
            entries.truncate(before);
            self.fail(shop_id, what);
            None
        })
    }

    fn tick_shop(
        &mut self,
        shop_id: &str,
        now_ms: i64,
        most_due: usize,
        entries: &mut Vec<u8>,
    ) -> Option<u32> {
        let shop = self.shops.get_mut(shop_id)?;
        let before = entries.len();
        let halfway = shop.halfway(now_ms.max(shop.last_now_ms), most_due);
        let tick = Whole::Tick(record::Tick {
            shop_id: shop_id.to_owned(),
        });
        self.books.overdue.remove(shop_id);
        self.books.begin(shop);
        // A tick of a known shop is never refused and has an empty reply.
        let _ = shop.run(
            &(&tick).into(),
            halfway.unwrap_or(now_ms),
            "",
            &mut self.scratch,
            entries,
        );
        shop.first_due();
        self.books.watch(shop);
        (entries.len() > before).then_some(shop.partition)
    }

    /// The earliest due time of all shops.
    pub fn next_due(&mut self) -> Option<i64> {
        let loaded = self.next_due_loaded().map(|(due, _)| due);
        let due = [loaded, self.stored.next_due()];
        due.into_iter().flatten().min()
    }

    fn next_due_loaded(&mut self) -> Option<(i64, Arc<str>)> {
        loop {
            let Reverse((time, id)) = self.books.schedule.peek()?;
            let time = *time;
            if let Some(shop) = self.shops.get_mut(id)
                && shop.scheduled == Some(time)
            {
                match caught(|| Ok(shop.first_due().is_some_and(|(due, _)| due == time))) {
                    Ok(true) => return Some((time, id.clone())),
                    Ok(false) => {
                        shop.scheduled = None;
                        self.books.schedule.pop();
                        self.books.watch(shop);
                    }
                    Err(what) => {
                        let id = id.clone();
                        self.fail(&id, what);
                    }
                }
            } else {
                self.books.schedule.pop();
            }
        }
    }

    /// Applies logged entries from `start` on, with a `shop_id` only that shop's.
    pub fn apply(&mut self, entries: &[u8], start: usize, shop_id: &str) -> Result<Applied, Error> {
        let Some(mut rest) = entries.get(start..) else {
            return value_error("start is behind the end");
        };
        let mut applied = Applied {
            count: 0,
            end: start,
            missing: Vec::new(),
        };
        while !rest.is_empty() {
            let mut entry = read_entry(&mut rest)?;
            let missing = match attempt(|| self.apply_entry(&mut entry, shop_id)) {
                Ok(missing) => missing?,
                Err(what) => {
                    let command = entry.command.as_ref().map(Command::from);
                    let of = command.map(|command| command.shop_id().to_owned());
                    let of = of.unwrap_or_default();
                    let text = format!("an entry of {of} that contradicts itself: {what}");
                    self.fail(&of, what);
                    return value_error(text);
                }
            };
            if !missing.is_empty() {
                applied.missing = missing.concat();
                break;
            }
            applied.count += 1;
            applied.end = entries.len() - rest.len();
        }
        Ok(applied)
    }

    /// Applies an entry, or names the chunks that takes. With `only` that shop's alone. The facts are gone then.
    fn apply_entry(&mut self, entry: &mut record::Entry, only: &str) -> Result<Missing, Error> {
        let Some(command) = &entry.command else {
            return value_error("an entry without a command");
        };
        for fact in &entry.facts {
            match &fact.fact {
                None => return value_error("an entry with an unknown fact"),
                Some(Fact::ShopApplied(applied))
                    if !applied.shop.as_ref().is_some_and(knows_its_agents) =>
                {
                    return value_error("an entry with a shop that names an unknown agent");
                }
                _ => {}
            }
        }
        let view = Command::from(command);
        let shop_id = view.shop_id();
        let mut missing = Missing::default();
        if !only.is_empty() && only != shop_id {
            return Ok(missing);
        }
        self.reach(shop_id, &mut missing)?;
        if !missing.is_empty() {
            return Ok(missing);
        }
        if let Some(shop) = self.shops.get_mut(shop_id) {
            self.books.begin(shop);
            if shop.has_segments() && !gives_a_contact(&entry.facts, &view) {
                fetch(shop, &view, Purpose::Apply, &mut self.chunks, &mut missing)?;
                if !missing.is_empty() {
                    return Ok(missing);
                }
            }
            let was_deleted = shop.deleted;
            shop.apply_entry(&view, std::mem::take(&mut entry.facts), entry.now_ms);
            shop.forget_fetched();
            self.books.watch(shop);
            if shop.deleted != was_deleted {
                self.books
                    .enter(shop_id.into(), shop.deleted, shop.partition);
            }
            return Ok(missing);
        }
        if self.failing.shops.contains_key(shop_id) {
            return value_error(format!("an entry of {shop_id}, which has failed"));
        }
        let creates = |fact: &record::Fact| {
            matches!(&fact.fact, Some(Fact::ShopApplied(applied))
                if applied.shop.as_ref().is_some_and(|shop| shop.shop_id == shop_id))
        };
        if !entry.facts.iter().any(creates) {
            return value_error(format!("an entry of the unknown shop {shop_id}"));
        }
        let mut shop = Shop::new(self.partition_of(shop_id));
        self.books.begin(&mut shop);
        shop.apply_entry(&view, std::mem::take(&mut entry.facts), entry.now_ms);
        self.put(shop);
        Ok(missing)
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
            Some(command) if entry.is_empty() => {
                let ran = self.run(&(&command).into(), now_ms, &actor, 0, log);
                Ok(self.answer(ran))
            }
            Some(_) => value_error("more than one entry"),
            None => value_error("an entry without a command"),
        }
    }

    /// All shops, by id; with `deleted` those that were deleted too.
    pub fn shop_ids(&self, deleted: bool) -> Vec<String> {
        let ids = self.books.ids.iter();
        ids.filter(|(_, is_deleted)| deleted || !**is_deleted)
            .map(|(id, _)| id.to_string())
            .collect()
    }

    /// At most `size` existing shops' ids behind this one, and whether they are the last.
    pub(crate) fn page(&self, after: &str, size: usize) -> (Vec<Arc<str>>, bool) {
        let after = match after {
            "" => Bound::Unbounded,
            last => Bound::Excluded(last),
        };
        let behind = self.books.ids.range::<str, _>((after, Bound::Unbounded));
        let mut existing = behind.filter(|(_, deleted)| !**deleted).map(|(id, _)| id);
        let ids = existing.by_ref().take(size).cloned().collect();
        (ids, existing.next().is_none())
    }

    /// (session, shop) of every presence session that still has agents, sorted.
    pub fn sessions(&self) -> Vec<(String, String)> {
        let mut sessions = BTreeSet::new();
        for shop in self.shops.iter() {
            for session in shop.session_ids() {
                sessions.insert((session.to_owned(), shop.document.shop_id.clone()));
            }
        }
        for (id, place) in self.stored.iter() {
            for session in &place.session_ids {
                sessions.insert((session.clone(), id.to_string()));
            }
        }
        for (id, of_failed) in &self.failing.shops {
            for session in of_failed {
                sessions.insert((session.clone(), id.to_string()));
            }
        }
        sessions.into_iter().collect()
    }

    /// A shop's canonical snapshot.
    pub fn snapshot(&mut self, shop_id: &str) -> Result<Vec<u8>, Error> {
        self.at(shop_id, |engine| {
            let mut missing = Missing::default();
            engine.reach(shop_id, &mut missing)?;
            match engine.shops.get(shop_id) {
                Some(shop) => Ok(shop.snapshot(&engine.chunks)?),
                None if missing.is_empty() => Err(engine.not_there(shop_id)),
                None => value_error("chunks of the shop are missing"),
            }
        })
    }

    /// Puts a shop in place as the snapshot says.
    pub fn load_snapshot(&mut self, snapshot: &[u8]) -> Result<(), Error> {
        let mut shop = reading("a snapshot", || {
            Shop::from_snapshot(snapshot, |id| {
                let partition = self.partition_of(id);
                (partition, self.books.generations[partition as usize])
            })
            .map_err(|what| Error::Value(format!("not a snapshot: {what}")))
        })?;
        self.books.begin(&mut shop);
        shop.keeping.changed_in = shop.keeping.generation;
        self.put(shop);
        Ok(())
    }

    /// A hash over the whole state.
    pub fn state_hash(&mut self) -> Result<[u8; 32], Error> {
        let mut hash = Sha256::new();
        for id in self.shop_ids(true) {
            hash.update(Sha256::digest(self.snapshot(&id)?));
        }
        Ok(hash.finalize().into())
    }
}

/// Whether an agent receives the buyer who asked: whatever the contact was, it is replaced.
fn gives_a_contact(facts: &[record::Fact], command: &Command) -> bool {
    matches!(command, Command::Route(_))
        && facts.iter().any(|fact| {
            matches!(&fact.fact, Some(Fact::Decided(decided))
                if decided.buyer_id.is_empty() && decided.outcome() == Outcome::Agent)
        })
}

/// Fetches what a command needs from the shop's segments. Forgets it again if that is not all there.
fn fetch(
    shop: &mut Shop,
    command: &Command,
    purpose: Purpose,
    chunks: &mut Chunks,
    missing: &mut Missing,
) -> Result<(), Error> {
    let fetched = shop.fetch(command, purpose, chunks, missing);
    if fetched.is_err() || !missing.is_empty() {
        shop.forget_fetched();
    }
    Ok(fetched?)
}

pub(crate) fn command_kind(kind: i64) -> Result<CommandKind, Error> {
    match i32::try_from(kind).map(CommandKind::try_from) {
        Ok(Ok(kind)) if kind != CommandKind::Unspecified => Ok(kind),
        _ => value_error(format!("unknown command kind {kind}")),
    }
}

fn read_entry(entries: &mut &[u8]) -> Result<record::Entry, Error> {
    record::Entry::decode_length_delimited(entries)
        .map_err(|error| Error::Value(format!("not an entry: {error}")))
}
