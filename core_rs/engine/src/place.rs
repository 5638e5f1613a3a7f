//! Where shops are stored: heads and segments as a manifest names them, and the chunks at hand.
//! Searches segments; knows nothing of what a shop is.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::chunks::{Bad, Chunk, Lifetimes};
use crate::maps::{Map, Set};
use crate::proto::fenliu::engine::v1 as record;

/// The SHA-256 of a chunk's content.
pub type ChunkId = [u8; 32];

/// What a map, its key and a place cost beside a chunk's content, about.
const CHUNK_OVERHEAD: usize = 96;
const STORED_OVERHEAD: usize = 320;

/// A stored shop, as a manifest says.
#[derive(Default)]
pub struct Place {
    /// None: it is stored nowhere.
    pub head: Vec<ChunkId>,
    /// Newest first.
    pub segments: Vec<Segment>,
    pub next_due_ms: Option<i64>,
    pub session_ids: Vec<String>,
    pub deleted: bool,
    pub last_now_ms: i64,
    pub contact_lifetime_ms: i64,
    pub contacts_since_ms: i64,
}

/// Stored shops that are not in memory.
#[derive(Default)]
pub struct StoredShops {
    places: Map<Arc<str>, Place>,
    /// (next due time, shop).
    due: BTreeSet<(i64, Arc<str>)>,
    /// Shops where something is due already at their own last time.
    overdue: BTreeSet<Arc<str>>,
    bytes: usize,
}

impl StoredShops {
    pub fn get(&self, shop_id: &str) -> Option<&Place> {
        self.places.get(shop_id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Place)> {
        self.places.iter()
    }

    pub fn put(&mut self, shop_id: Arc<str>, place: Place) {
        self.take(&shop_id);
        self.bytes += place.memory();
        if let Some(due) = place.next_due_ms {
            self.due.insert((due, shop_id.clone()));
        }
        if place.is_overdue() {
            self.overdue.insert(shop_id.clone());
        }
        self.places.insert(shop_id, place);
    }

    pub fn take(&mut self, shop_id: &str) -> Option<Place> {
        let (id, place) = self.places.remove_entry(shop_id)?;
        self.bytes -= place.memory();
        self.overdue.remove(shop_id);
        if let Some(due) = place.next_due_ms {
            self.due.remove(&(due, id));
        }
        Some(place)
    }

    pub fn next_due(&self) -> Option<i64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Shops where a tick of this time has something to apply, the earliest due first.
    pub fn due(&self, now_ms: i64) -> Vec<Arc<str>> {
        let by_now = self.due.iter().take_while(|(due, _)| *due <= now_ms);
        let mut ids: Vec<Arc<str>> = by_now.map(|(_, id)| id.clone()).collect();
        let due_of = |id: &Arc<str>| self.places.get(id).and_then(|place| place.next_due_ms);
        let later = self.overdue.iter().filter(|id| due_of(id) > Some(now_ms));
        let mut later: Vec<Arc<str>> = later.cloned().collect();
        later.sort_by_key(due_of);
        ids.append(&mut later);
        ids
    }

    /// About how many bytes this takes.
    pub fn memory(&self) -> usize {
        self.bytes
    }
}

/// Its chunks in the order of their keys.
pub struct Segment {
    pub chunks: Vec<ChunkRef>,
}

pub struct ChunkRef {
    pub id: ChunkId,
    first_key: Box<[u8]>,
    pub newest_ms: i64,
}

impl Place {
    /// The place that a manifest's shop says, or what is wrong with it.
    pub fn read(stored: record::StoredShop) -> Result<Self, Bad> {
        let head = stored.head.iter().map(|id| chunk_id(id));
        let segments = stored.segments.into_iter().map(Segment::read);
        let place = Self {
            head: head.collect::<Result<_, _>>()?,
            segments: segments.collect::<Result<_, _>>()?,
            next_due_ms: stored.next_due_ms,
            session_ids: stored.session_ids,
            deleted: stored.deleted,
            last_now_ms: stored.last_now_ms,
            contact_lifetime_ms: stored.contact_lifetime_ms,
            contacts_since_ms: stored.contacts_since_ms,
        };
        if place.head.is_empty() {
            return Err("a shop without a head");
        }
        Ok(place)
    }

    /// How long what stands in the segments exists, seen from the shop's last time.
    pub fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            now: self.last_now_ms,
            contact_lifetime_ms: self.contact_lifetime_ms,
            contacts_since_ms: self.contacts_since_ms,
        }
    }

    /// Whether something is due at the shop's own last time.
    pub fn is_overdue(&self) -> bool {
        self.next_due_ms.is_some_and(|due| due <= self.last_now_ms)
    }

    /// About how many bytes this takes.
    pub fn memory(&self) -> usize {
        let chunks = self.segments.iter().map(|segment| segment.chunks.len());
        STORED_OVERHEAD + CHUNK_OVERHEAD * (self.head.len() + chunks.sum::<usize>())
    }
}

impl Segment {
    fn read(segment: record::Segment) -> Result<Self, Bad> {
        let read = |chunk: record::ChunkRef| {
            Ok(ChunkRef {
                id: chunk_id(&chunk.id)?,
                first_key: chunk.first_key.into(),
                newest_ms: chunk.newest_ms,
            })
        };
        let chunks: Vec<ChunkRef> = segment
            .chunks
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()?;
        if chunks.is_empty() {
            return Err("a segment without chunks");
        }
        if !chunks.is_sorted_by(|a, b| a.first_key < b.first_key) {
            return Err("a segment's chunks out of order");
        }
        Ok(Self { chunks })
    }

    /// The chunk that holds the key, if one does.
    fn holder(&self, key: &[u8]) -> Option<&ChunkRef> {
        let after = self
            .chunks
            .partition_point(|chunk| *chunk.first_key <= *key);
        self.chunks.get(after.checked_sub(1)?)
    }
}

pub fn chunk_id(bytes: &[u8]) -> Result<ChunkId, Bad> {
    bytes
        .try_into()
        .map_err(|_| "a chunk's id has not 32 bytes")
}

/// Ids of chunks that a call needs and has not been handed, each once.
#[derive(Default)]
pub struct Missing {
    ids: Vec<ChunkId>,
    known: Set<ChunkId>,
}

impl Missing {
    pub fn name(&mut self, id: ChunkId) {
        if self.known.insert(id) {
            self.ids.push(id);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// One behind the other.
    pub fn concat(&self) -> Vec<u8> {
        self.ids.concat()
    }
}

/// Chunks that have been handed in.
#[derive(Default)]
pub struct Chunks {
    at_hand: Map<ChunkId, AtHand>,
    bytes: usize,
}

struct AtHand {
    content: Arc<[u8]>,
    used: u64,
}

impl Chunks {
    /// `used`: the time of this use, in the engine's count of uses.
    pub fn put(&mut self, id: ChunkId, content: &[u8], used: u64) {
        self.forget(&id);
        self.bytes += content.len() + CHUNK_OVERHEAD;
        let content = content.into();
        self.at_hand.insert(id, AtHand { content, used });
    }

    pub fn forget(&mut self, id: &ChunkId) {
        if let Some(chunk) = self.at_hand.remove(id) {
            self.bytes -= chunk.content.len() + CHUNK_OVERHEAD;
        }
    }

    pub fn get(&mut self, id: &ChunkId, used: u64) -> Option<&Arc<[u8]>> {
        let chunk = self.at_hand.get_mut(id)?;
        chunk.used = used;
        Some(&chunk.content)
    }

    /// The chunk's content; this is no use.
    pub fn content(&self, id: &ChunkId) -> Option<&[u8]> {
        Some(&self.at_hand.get(id)?.content)
    }

    pub fn has(&self, id: &ChunkId) -> bool {
        self.at_hand.contains_key(id)
    }

    /// Names those of the chunks that are not there.
    pub fn name_missing<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a ChunkId>,
        missing: &mut Missing,
    ) {
        for id in ids {
            if !self.has(id) {
                missing.name(*id);
            }
        }
    }

    /// What a head's chunks hold together, if they are all there.
    pub fn head(&self, ids: &[ChunkId]) -> Option<Vec<u8>> {
        let mut head = Vec::new();
        for id in ids {
            head.extend_from_slice(&self.at_hand.get(id)?.content);
        }
        Some(head)
    }

    /// The newest entry of a key: its time and value. Names chunks that have to be looked in first.
    pub fn search(
        &mut self,
        segments: &[Segment],
        key: &[u8],
        used: u64,
        missing: &mut Missing,
    ) -> Result<Option<(i64, Vec<u8>)>, Bad> {
        let mut decided = true;
        for holder in segments.iter().filter_map(|segment| segment.holder(key)) {
            let Some(content) = self.get(&holder.id, used) else {
                missing.name(holder.id);
                decided = false;
                continue;
            };
            if let Some(entry) = Chunk::open(content)?.find(key)? {
                let found = (entry.at_ms, entry.value.to_vec());
                return Ok(decided.then_some(found));
            }
        }
        Ok(None)
    }

    /// Those at hand, with their last use and what forgetting them frees.
    pub fn uses(&self) -> impl Iterator<Item = (u64, &ChunkId)> {
        self.at_hand.iter().map(|(id, chunk)| (chunk.used, id))
    }

    /// About how many bytes the chunks take.
    pub fn memory(&self) -> usize {
        self.bytes
    }
}
