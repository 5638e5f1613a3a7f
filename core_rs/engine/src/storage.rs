//! Stored state: manifests, chunks handed in, what is flushed, and what may be forgotten.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use prost::Message;

use crate::RULES_VERSION;
use crate::cache::Missing;
use crate::chunks::{self, Chunk, Cutter, Lifetimes};
use crate::engine::{Engine, Error, partition_of};
use crate::failing::reading;
use crate::filter::Filter;
use crate::proto::fenliu::engine::v1 as record;
use crate::remembered::Generation;
use crate::state::Shop;
use crate::stored::{ChunkId, Stored, chunk_id};

/// Of how many stored shops `missing_due` names the chunks.
const DUE_AT_ONCE: usize = 64;

/// How many ids, contacts and shops one `tidy` sees to: a millisecond or so.
const TIDIED_AT_ONCE: u32 = 4096;

/// A stored shop under its id.
type Named = (Arc<str>, Stored);

/// The shops of a partition, out of an engine.
pub struct Partition {
    loaded: Vec<Shop>,
    stored: Vec<Named>,
    touched: Vec<Arc<str>>,
    generation: Generation,
    /// Those at which the engine failed, with their presence sessions.
    failed: BTreeMap<Arc<str>, Vec<String>>,
}

/// One shop, out of an engine.
pub struct OneShop {
    place: Place,
    touched: bool,
    generation: Generation,
}

enum Place {
    Loaded(Box<Shop>),
    Stored(Stored),
    Nowhere,
}

/// What a loaded shop gives to be stored.
pub struct Flushed {
    /// An encoded `StoredShop` without places.
    pub shop: Vec<u8>,
    pub head: Vec<u8>,
    /// The contents of a segment's chunks.
    pub chunks: Vec<Vec<u8>>,
}

fn no_manifest(what: impl std::fmt::Display) -> Error {
    Error::Value(format!("not a manifest: {what}"))
}

impl Engine {
    /// Puts a manifest's shops in place of its partition's, stored; returns the partition.
    pub fn load_manifest(&mut self, manifest: &[u8]) -> Result<u32, Error> {
        let (partition, shops) = self.read_manifest(manifest)?;
        self.remove_partition(partition);
        for (id, stored) in shops {
            self.books.enter(id.clone(), stored.deleted, partition);
            self.stored.put(id, stored);
        }
        Ok(partition)
    }

    /// Says where the partition, as it was at its last `rotate`, is stored now.
    pub fn install(&mut self, manifest: &[u8]) -> Result<(), Error> {
        let (partition, shops) = self.read_manifest(manifest)?;
        let unknown = |(id, _): &&Named| !self.books.ids.contains_key(id);
        if let Some((id, _)) = shops.iter().find(unknown) {
            return Err(Error::Value(format!(
                "a manifest with the unknown shop {id}"
            )));
        }
        let recent = self.books.generations[partition as usize];
        for (id, mut stored) in shops {
            if self.failing.shops.contains_key(&id) {
                continue; // brought anew, it is read from a manifest
            }
            let Some(shop) = self.shops.get_mut(&id) else {
                let before = self.stored.take(&id);
                self.chunks
                    .leave(before.iter().flat_map(Stored::chunk_ids), &stored);
                self.stored.put(id, stored);
                continue;
            };
            let keeping = &mut shop.keeping;
            keeping.fresh = keeping.deleted_in >= recent;
            if keeping.fresh {
                stored.segments.clear();
            }
            let before = std::mem::replace(&mut keeping.stored, stored);
            self.chunks.leave(before.chunk_ids(), &keeping.stored);
            keeping.stored_before = recent;
            shop.drop_generations_through(recent - 1);
            self.books.untidy.insert(id);
        }
        Ok(())
    }

    /// Frees some of what `install` dropped; whether there is more.
    pub fn tidy(&mut self) -> bool {
        let mut left = TIDIED_AT_ONCE;
        while left > 0
            && let Some(id) = self.books.untidy.first().cloned()
        {
            if let Some(shop) = self.shops.get_mut(&id) {
                while left > 0 && shop.free_dropped() {
                    left -= 1;
                }
            }
            if left > 0 {
                self.books.untidy.remove(&id);
                left -= 1;
            }
        }
        !self.books.untidy.is_empty()
    }

    /// Closes the recent generations of the partition's shops.
    pub fn rotate(&mut self, partition: u32) {
        if let Some(generation) = self.books.generations.get_mut(partition as usize) {
            *generation += 1;
        }
    }

    /// Hands in a chunk's content.
    pub fn put_chunk(&mut self, id: &[u8], content: &[u8]) -> Result<(), Error> {
        self.books.uses += 1;
        self.chunks.put(chunk_id(id)?, content, self.books.uses);
        Ok(())
    }

    /// Hands in a chunk's filter, made by `filter_of`.
    pub fn put_filter(&mut self, id: &[u8], filter: &[u8]) -> Result<(), Error> {
        let (id, filter) = (chunk_id(id)?, Filter::read(filter)?);
        self.chunks.put_filter(id, filter, self.books.uses);
        Ok(())
    }

    /// The shops changed since their partition's manifest was loaded, sorted.
    pub fn touched(&self) -> Vec<String> {
        self.books.touched.iter().map(ToString::to_string).collect()
    }

    /// What is to be stored of a loaded shop.
    pub fn flush(&mut self, shop_id: &str) -> Result<Flushed, Error> {
        self.at(shop_id, |engine| engine.flush_loaded(shop_id))
    }

    fn flush_loaded(&mut self, shop_id: &str) -> Result<Flushed, Error> {
        let Some(shop) = self.shops.get_mut(shop_id) else {
            return Err(self.not_there(shop_id));
        };
        let stored = record::StoredShop {
            shop_id: shop_id.to_owned(),
            next_due_ms: shop.first_due().map(|(due, _)| due),
            session_ids: shop.session_ids().into_iter().map(String::from).collect(),
            deleted: shop.deleted,
            last_decision: shop.last_decision,
            last_now_ms: shop.last_now_ms,
            contact_lifetime_ms: shop.lookup.contact_lifetime_ms(),
            contacts_since_ms: shop.contacts_since_ms,
            fresh: shop.keeping.fresh,
            ..Default::default()
        };
        let mut cutter = Cutter::default();
        shop.each_learned(|entry| cutter.add(&entry))?;
        Ok(Flushed {
            shop: stored.encode_to_vec(),
            head: shop.head(),
            chunks: cutter.finish(),
        })
    }

    /// Ids of the chunks that `snapshot` of a shop needs and that are not there.
    pub fn missing_of(&self, shop_id: &str) -> Result<Vec<u8>, Error> {
        let mut missing = Missing::default();
        let (stored, lifetimes) = match (self.shops.get(shop_id), self.stored.get(shop_id)) {
            (Some(shop), _) => (&shop.keeping.stored, shop.lifetimes(shop.last_now_ms)),
            (None, Some(stored)) => {
                self.chunks.name_missing(&stored.head, &mut missing);
                (stored, stored.lifetimes())
            }
            (None, None) => return Err(self.not_there(shop_id)),
        };
        let refs = stored.segments.iter().flat_map(|segment| &segment.chunks);
        let needed = refs.filter(|chunk| lifetimes.anything(chunk.newest_ms));
        self.chunks
            .name_missing(needed.map(|chunk| &chunk.id), &mut missing);
        Ok(missing.concat())
    }

    /// Ids of the chunks that `tick` needs for the earliest stored shops due by then.
    pub fn missing_due(&self, now_ms: i64) -> Vec<u8> {
        let mut missing = Missing::default();
        for id in self.stored.due(now_ms, DUE_AT_ONCE) {
            if let Some(stored) = self.stored.get(&id) {
                self.chunks.name_missing(&stored.head, &mut missing);
            }
        }
        missing.concat()
    }

    /// Loads a stored shop, whose head this is. Its head's chunks are not kept.
    pub(crate) fn load(&mut self, shop_id: &str, head: &[u8]) -> Result<(), Error> {
        let bad = |what: &str| Error::Value(format!("not the head of {shop_id}: {what}"));
        let partition = self.partition_of(shop_id);
        let generation = self.books.generations[partition as usize];
        let mut shop =
            Shop::from_snapshot(head, |_| (partition, generation)).map_err(|what| bad(&what))?;
        if shop.document.shop_id != shop_id {
            return Err(bad("it is another shop's"));
        }
        let Some(stored) = self.stored.take(shop_id) else {
            return Ok(());
        };
        for id in &stored.head {
            self.chunks.forget(id);
        }
        self.books.uses += 1;
        shop.keeping.used = self.books.uses;
        shop.keeping.stored = stored;
        shop.keeping.fresh = false;
        shop.keeping.stored_before = generation;
        shop.keeping.touched = self.books.touched.contains(shop_id);
        self.put(shop);
        Ok(())
    }

    /// About how many bytes shops and chunks take.
    pub fn memory(&self) -> usize {
        let shops = self.shops.iter().map(|shop| shop.memory());
        shops.sum::<usize>() + self.stored.memory() + self.chunks.memory()
    }

    /// Forgets chunks and unloads shops that are as they are stored, those unused for the longest
    /// first, until `memory` is at most `limit` or nothing can go.
    pub fn shrink(&mut self, limit: usize) {
        enum Unused {
            Chunk(ChunkId),
            Filter(ChunkId),
            Shop(Arc<str>),
        }
        let mut memory = self.memory();
        if memory <= limit {
            return;
        }
        let mut unused = Vec::new();
        for (used, id) in self.chunks.uses() {
            unused.push((used, Unused::Chunk(*id)));
        }
        for (used, id) in self.chunks.filter_uses() {
            unused.push((used, Unused::Filter(*id)));
        }
        for shop in self.shops.iter() {
            if shop.is_stored() {
                let id = shop.document.shop_id.as_str().into();
                unused.push((shop.keeping.used, Unused::Shop(id)));
            }
        }
        let order = (0..)
            .zip(&unused)
            .map(|(at, (used, _))| Reverse((*used, at)));
        let mut order: BinaryHeap<Reverse<(u64, usize)>> = order.collect();
        while memory > limit
            && let Some(Reverse((_, at))) = order.pop()
        {
            match &unused[at].1 {
                Unused::Chunk(id) => {
                    let before = self.chunks.memory();
                    self.chunks.forget(id);
                    memory -= before - self.chunks.memory();
                }
                Unused::Filter(id) => {
                    let before = self.chunks.memory();
                    self.chunks.forget_filter(id);
                    memory -= before - self.chunks.memory();
                }
                Unused::Shop(id) => {
                    if let Some(shop) = self.take(id) {
                        memory -= shop.memory();
                        memory += shop.keeping.stored.memory();
                        self.stored.put(id.clone(), shop.keeping.stored);
                    }
                }
            }
        }
    }

    /// Takes the shops of a partition out of this engine.
    pub fn remove_partition(&mut self, partition: u32) -> Partition {
        let all = self.books.ids.keys();
        let ids: Vec<Arc<str>> = if self.books.is_empty(partition) {
            Vec::new()
        } else {
            all.filter(|id| self.partition_of(id) == partition)
                .cloned()
                .collect()
        };
        let mut taken = Partition {
            loaded: Vec::new(),
            stored: Vec::new(),
            touched: Vec::new(),
            generation: self.books.generations[partition as usize],
            failed: BTreeMap::new(),
        };
        let partitions = self.partitions;
        let of_it = |id: &Arc<str>| partition_of(id, partitions) == partition;
        taken.failed = self.failing.take(of_it);
        for id in ids {
            self.books.strike(&id, partition);
            if let Some(id) = self.books.touched.take(&id) {
                taken.touched.push(id);
            }
            if let Some(shop) = self.take(&id) {
                taken.loaded.push(shop);
            } else if let Some(stored) = self.stored.take(&id) {
                taken.stored.push((id, stored));
            }
        }
        taken
    }

    /// Replaces the shops of a partition by these, taken out of an engine with as many partitions.
    pub fn put_partition(&mut self, partition: u32, shops: Partition) {
        self.remove_partition(partition);
        self.books.generations[partition as usize] = shops.generation;
        self.books.touched.extend(shops.touched);
        for mut shop in shops.loaded {
            self.books.uses += 1;
            shop.keeping.used = self.books.uses;
            self.put(shop);
        }
        for (id, stored) in shops.stored {
            self.books.enter(id.clone(), stored.deleted, partition);
            self.stored.put(id, stored);
        }
        self.failing.shops.extend(shops.failed);
    }

    /// Takes one shop out of this engine.
    pub fn remove_shop(&mut self, shop_id: &str) -> OneShop {
        let partition = self.partition_of(shop_id);
        self.failing.shops.remove(shop_id);
        self.books.strike(shop_id, partition);
        let touched = self.books.touched.remove(shop_id);
        let place = match (self.take(shop_id), self.stored.take(shop_id)) {
            (Some(shop), _) => Place::Loaded(shop.into()),
            (None, Some(stored)) => Place::Stored(stored),
            (None, None) => Place::Nowhere,
        };
        OneShop {
            place,
            touched,
            generation: self.books.generations[partition as usize],
        }
    }

    /// Replaces a shop by that of another engine, where it was not looked for between a `rotate` and the
    /// `install` that follows from it.
    pub fn put_shop(&mut self, shop_id: &str, one: OneShop) {
        self.remove_shop(shop_id);
        let partition = self.partition_of(shop_id);
        let id: Arc<str> = shop_id.into();
        // What the shop has learned is of earlier generations then, or of the recent one.
        let generation = &mut self.books.generations[partition as usize];
        *generation = one.generation.max(*generation);
        if one.touched {
            self.books.touched.insert(id.clone());
        }
        match one.place {
            Place::Loaded(mut shop) => {
                self.books.uses += 1;
                shop.keeping.used = self.books.uses;
                self.put(*shop);
            }
            Place::Stored(stored) => {
                self.books.enter(id.clone(), stored.deleted, partition);
                self.stored.put(id, stored);
            }
            Place::Nowhere => {}
        }
    }

    /// The partition and where its shops are stored, in order.
    fn read_manifest(&self, manifest: &[u8]) -> Result<(u32, Vec<Named>), Error> {
        reading("a manifest", || self.shops_of_manifest(manifest))
    }

    fn shops_of_manifest(&self, manifest: &[u8]) -> Result<(u32, Vec<Named>), Error> {
        let manifest = record::Manifest::decode(manifest).map_err(no_manifest)?;
        let (version, partition) = (manifest.rules_version, manifest.partition);
        if version != RULES_VERSION {
            return Err(no_manifest(format_args!(
                "rules version {version} is not known"
            )));
        }
        if partition >= self.partitions {
            return Err(no_manifest(format_args!(
                "there is no partition {partition}"
            )));
        }
        let mut shops: Vec<Named> = Vec::with_capacity(manifest.shops.len());
        for stored in manifest.shops {
            let id: Arc<str> = stored.shop_id.as_str().into();
            if self.partition_of(&id) != partition {
                return Err(no_manifest(format_args!("{id} is of another partition")));
            }
            if shops.last().is_some_and(|(before, _)| *before >= id) {
                return Err(no_manifest("its shops are out of order"));
            }
            shops.push((id, Stored::read(stored).map_err(no_manifest)?));
        }
        Ok((partition, shops))
    }
}

impl Shop {
    /// Counts these generations as forgotten: they are in the shop's `stored`.
    fn drop_generations_through(&mut self, generation: Generation) {
        self.requests.drop_through(generation);
        self.message_events.drop_through(generation);
        self.order_events.drop_through(generation);
        self.leavers.drop_through(generation);
    }

    /// Frees something of a generation that was dropped; whether there was anything.
    fn free_dropped(&mut self) -> bool {
        self.requests.free_dropped()
            || self.message_events.free_dropped()
            || self.order_events.free_dropped()
            || self.free_dropped_contact()
    }

    /// Whether all there is is in the shop's `stored`.
    fn is_stored(&self) -> bool {
        self.keeping.is_stored()
            && self.requests.is_empty()
            && self.message_events.is_empty()
            && self.order_events.is_empty()
            && self.leavers.is_empty()
    }

    /// About how many bytes the shop takes.
    fn memory(&self) -> usize {
        const SHOP: usize = 4096;
        const AGENT: usize = 512;
        SHOP + 4 * self.document_bytes
            + self.keeping.stored.memory()
            + AGENT * self.agents.len()
            + self.buyers.memory()
            + self.leavers.memory()
            + self.conversations.memory()
            + self.contact_buyers.memory()
            + self.requests.memory()
            + self.message_events.memory()
            + self.order_events.memory()
    }
}

/// The filter of a segment's chunk, for `put_filter` in this process.
pub fn filter_of(content: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(Filter::of(Chunk::open(content)?)?.to_bytes())
}

/// One segment's chunks out of several segments' (newest first, each the contents of its chunks), for
/// keys `first <= key < end`; an empty `end` is no end.
pub fn merge_chunks(
    sources: &[Vec<&[u8]>],
    first: &[u8],
    end: &[u8],
    now_ms: i64,
    contact_lifetime_ms: i64,
    contacts_since_ms: i64,
) -> Result<Vec<Vec<u8>>, Error> {
    let lifetimes = Lifetimes {
        now: now_ms,
        contact_lifetime_ms,
        contacts_since_ms,
    };
    reading("a segment", || {
        Ok(chunks::merge(sources, first, end, lifetimes)?)
    })
}
