//! Where shops are stored: heads and segments, as a manifest names them. Knows nothing of what is in
//! them.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use crate::cache::Handle;
use crate::chunks::{Bad, Lifetimes};
use crate::maps::Map;
use crate::proto::fenliu::engine::v1 as record;

/// The SHA-256 of a chunk's content.
pub type ChunkId = [u8; 32];

/// What a stored shop, and each chunk it names, cost in memory, about.
const SHOP_BYTES: usize = 320;
const CHUNK_BYTES: usize = 120;

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
    runs: Vec<Run>,
    /// How the chunks' first keys go on behind what those of their run begin with, side by side, so that a
    /// search reads few lines of memory.
    beginnings: Vec<u64>,
    /// Where the chunks stand in memory, as far as known.
    pub places: Vec<Handle>,
}

/// Chunks whose first keys have the same letter.
struct Run {
    /// None: an empty key.
    letter: Option<u8>,
    /// What all the first keys begin with, behind the letter.
    common: Box<[u8]>,
    chunks: Range<usize>,
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
        let mut runs = Vec::new();
        let mut beginnings = Vec::with_capacity(chunks.len());
        for alike in chunks.chunk_by(|a, b| a.letter() == b.letter()) {
            let run = Run::new(alike, beginnings.len());
            let rest = |chunk: &ChunkRef| beginning(&chunk.behind_letter()[run.common.len()..]);
            beginnings.extend(alike.iter().map(rest));
            runs.push(run);
        }
        Ok(Self {
            runs,
            beginnings,
            places: vec![Handle::default(); chunks.len()],
            chunks,
        })
    }

    /// The number of the chunk that holds the key with this letter, if one does.
    pub fn holder(&self, letter: u8, of: &[u8]) -> Option<usize> {
        let run = self.runs.iter().find(|run| run.letter == Some(letter));
        let after = match run {
            Some(run) => self.behind(run, of),
            None => {
                let before = |chunk: &ChunkRef| chunk.letter() < Some(letter);
                self.chunks.partition_point(before)
            }
        };
        after.checked_sub(1)
    }

    /// The number of the first chunk that begins behind a key of the run's letter.
    fn behind(&self, run: &Run, of: &[u8]) -> usize {
        let Range { start, end } = run.chunks;
        let common = &*run.common;
        // Comparing with nothing at all is slow: libc reads it, from no memory, under an empty mask.
        if !common.is_empty() && !of.starts_with(common) {
            return if of < common { start } else { end };
        }
        let rest = &of[common.len()..];
        let beginnings = &self.beginnings[start..end];
        let rest = beginning(rest);
        let first = beginnings.partition_point(|other| *other < rest);
        if beginnings.get(first) != Some(&rest) {
            return start + first;
        }
        let alike = beginnings[first..].partition_point(|other| *other == rest);
        let first = start + first;
        let alike = &self.chunks[first..first + alike];
        first + alike.partition_point(|chunk| chunk.behind_letter() <= of)
    }
}

impl ChunkRef {
    fn letter(&self) -> Option<u8> {
        self.first_key.first().copied()
    }

    fn behind_letter(&self) -> &[u8] {
        self.first_key.get(1..).unwrap_or_default()
    }
}

impl Run {
    /// Of these chunks, at least one, the first of which has this number.
    fn new(chunks: &[ChunkRef], first: usize) -> Self {
        let ends = [chunks.first(), chunks.last()].map(|chunk| {
            let chunk = chunk.expect("a run has a chunk");
            chunk.behind_letter()
        });
        // They are in order, so what the ends have in common all have.
        let pairs = ends[0].iter().zip(ends[1]);
        let common = pairs.take_while(|(a, b)| a == b).count();
        Self {
            letter: chunks[0].letter(),
            common: ends[0][..common].into(),
            chunks: first..first + chunks.len(),
        }
    }
}

/// The first bytes of a key as a number, in the same order as keys.
pub fn beginning(key: &[u8]) -> u64 {
    if let Some(bytes) = key.first_chunk() {
        return u64::from_be_bytes(*bytes);
    }
    let mut bytes = [0; 8];
    let length = key.len();
    bytes[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(bytes)
}

pub fn chunk_id(bytes: &[u8]) -> Result<ChunkId, Bad> {
    bytes
        .try_into()
        .map_err(|_| "a chunk's id has not 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::Segment;
    use crate::proto::fenliu::engine::v1 as record;

    fn segment(first_keys: &[&[u8]]) -> Segment {
        let chunk = |first_key: &&[u8]| record::ChunkRef {
            id: vec![7; 32],
            first_key: first_key.to_vec(),
            ..Default::default()
        };
        let chunks = first_keys.iter().map(chunk).collect();
        Segment::read(record::Segment { chunks }).unwrap()
    }

    #[test]
    fn a_key_is_looked_for_in_the_last_chunk_that_does_not_begin_behind_it() {
        let first_keys: [&[u8]; 16] = [
            b"",
            b"b",
            b"bbuyer-1",
            b"bbuyer-1\0",
            b"bbuyer-10000000",
            b"bbuyer-100000000",
            b"bbuyer-100000001",
            b"bbuyer-2",
            b"c\0\0\0\0\0\0\0\x01",
            b"e-same-beginning-a",
            b"e-same-beginning-aa",
            b"e-same-beginning-b",
            b"e-same-beginning-bb",
            b"e-same-beginning-c",
            b"rx",
            b"\xff",
        ];
        for from in 0..first_keys.len() {
            let first_keys = &first_keys[from..];
            let segment = segment(first_keys);
            let others: [&[u8]; 8] = [
                b"a",
                b"bbuyer",
                b"bc",
                b"bbuyer-11",
                b"d",
                b"e-same",
                b"ez",
                b"zz",
            ];
            let near = first_keys.iter().flat_map(|key| {
                let shorter = &key[..key.len().saturating_sub(1)];
                [
                    key.to_vec(),
                    [key, b"\0".as_slice()].concat(),
                    shorter.to_vec(),
                ]
            });
            let keys = near.chain(others.iter().map(|key| key.to_vec()));
            for key in keys.filter(|key| !key.is_empty()) {
                let wanted = first_keys.iter().rposition(|first| **first <= *key);
                assert_eq!(segment.holder(key[0], &key[1..]), wanted, "{key:?}");
            }
        }
    }
}
