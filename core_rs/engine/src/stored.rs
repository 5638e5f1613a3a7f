//! Where shops are stored: heads and segments, as a manifest names them. Knows nothing of what is in
//! them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::chunks::{Bad, Lifetimes};
use crate::maps::Map;
use crate::proto::fenliu::engine::v1 as record;

/// The SHA-256 of a chunk's content.
pub type ChunkId = [u8; 32];

/// What a stored shop, and each chunk it names, cost in memory, about.
const SHOP_BYTES: usize = 320;
const CHUNK_BYTES: usize = 104;

/// A stored shop, as a manifest says.
#[derive(Default)]
pub struct Stored {
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
    shops: Map<Arc<str>, Stored>,
    /// (next due time, shop).
    due: BTreeSet<(i64, Arc<str>)>,
    /// Shops where something is due already at their own last time.
    overdue: BTreeSet<Arc<str>>,
    bytes: usize,
}

impl StoredShops {
    pub fn get(&self, shop_id: &str) -> Option<&Stored> {
        self.shops.get(shop_id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Stored)> {
        self.shops.iter()
    }

    pub fn put(&mut self, shop_id: Arc<str>, stored: Stored) {
        self.take(&shop_id);
        self.bytes += stored.memory();
        if let Some(due) = stored.next_due_ms {
            self.due.insert((due, shop_id.clone()));
        }
        if stored.is_overdue() {
            self.overdue.insert(shop_id.clone());
        }
        self.shops.insert(shop_id, stored);
    }

    pub fn take(&mut self, shop_id: &str) -> Option<Stored> {
        let (id, stored) = self.shops.remove_entry(shop_id)?;
        self.bytes -= stored.memory();
        self.overdue.remove(shop_id);
        if let Some(due) = stored.next_due_ms {
            self.due.remove(&(due, id));
        }
        Some(stored)
    }

    pub fn next_due(&self) -> Option<i64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// At most so many shops where a tick of this time has something to apply, the earliest due first.
    pub fn due(&self, now_ms: i64, most: usize) -> Vec<Arc<str>> {
        let by_now = self.due.iter().take_while(|(due, _)| *due <= now_ms);
        let mut ids: Vec<Arc<str>> = by_now.take(most).map(|(_, id)| id.clone()).collect();
        let due_of = |id: &Arc<str>| self.shops.get(id).and_then(|stored| stored.next_due_ms);
        let later = self.overdue.iter().filter(|id| due_of(id) > Some(now_ms));
        let mut later: Vec<Arc<str>> = later.cloned().collect();
        later.sort_by_key(due_of);
        later.truncate(most - ids.len());
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
    /// How the chunks' first keys begin, side by side, so that a search reads few lines of memory.
    beginnings: Vec<u64>,
}

pub struct ChunkRef {
    pub id: ChunkId,
    first_key: Box<[u8]>,
    pub newest_ms: i64,
}

impl Stored {
    /// What a manifest's shop says, or what is wrong with it.
    pub fn read(stored: record::StoredShop) -> Result<Self, Bad> {
        let head = stored.head.iter().map(|id| chunk_id(id));
        let segments = stored.segments.into_iter().map(Segment::read);
        let read = Self {
            head: head.collect::<Result<_, _>>()?,
            segments: segments.collect::<Result<_, _>>()?,
            next_due_ms: stored.next_due_ms,
            session_ids: stored.session_ids,
            deleted: stored.deleted,
            last_now_ms: stored.last_now_ms,
            contact_lifetime_ms: stored.contact_lifetime_ms,
            contacts_since_ms: stored.contacts_since_ms,
        };
        if read.head.is_empty() {
            return Err("a shop without a head");
        }
        Ok(read)
    }

    /// Of its segments' chunks.
    pub fn chunk_ids(&self) -> impl Iterator<Item = &ChunkId> {
        let chunks = self.segments.iter().flat_map(|segment| &segment.chunks);
        chunks.map(|chunk| &chunk.id)
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
        SHOP_BYTES + CHUNK_BYTES * (self.head.len() + chunks.sum::<usize>())
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
        let beginnings = chunks.iter().map(|chunk| beginning(&chunk.first_key));
        Ok(Self {
            beginnings: beginnings.collect(),
            chunks,
        })
    }

    /// The chunk that holds the key, if one does.
    pub fn holder(&self, key: &[u8]) -> Option<&ChunkRef> {
        let of = beginning(key);
        let first = self.beginnings.partition_point(|other| *other < of);
        let alike = self.beginnings[first..].partition_point(|other| *other == of);
        let alike = &self.chunks[first..first + alike];
        let after = first + alike.partition_point(|chunk| *chunk.first_key <= *key);
        self.chunks.get(after.checked_sub(1)?)
    }
}

/// The first bytes of a key as a number, in the same order as keys.
pub fn beginning(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = key.len().min(8);
    bytes[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(bytes)
}

pub fn chunk_id(bytes: &[u8]) -> Result<ChunkId, Bad> {
    bytes
        .try_into()
        .map_err(|_| "a chunk's id has not 32 bytes")
}
