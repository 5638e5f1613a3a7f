//! Chunks that have been handed in, and the search for keys in them. Knows nothing of what the keys
//! are for.

use std::sync::Arc;

use crate::chunks::{Bad, Chunk};
use crate::filter::{self, Filter};
use crate::maps::{Map, Set};
use crate::stored::{ChunkId, Segment, Stored};

/// What a chunk costs in memory beside its content, about.
const OVERHEAD: usize = 96;

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

/// Chunks that have been handed in, and filters of these and others, each with its last use in the engine's
/// count of uses.
#[derive(Default)]
pub struct Chunks {
    at_hand: Map<ChunkId, AtHand>,
    filters: Map<ChunkId, Kept>,
    bytes: usize,
}

struct AtHand {
    content: Arc<[u8]>,
    used: u64,
}

struct Kept {
    filter: Filter,
    used: u64,
}

impl Chunks {
    pub fn put(&mut self, id: ChunkId, content: &[u8], used: u64) {
        self.forget(&id);
        self.bytes += content.len() + OVERHEAD;
        let content = content.into();
        self.at_hand.insert(id, AtHand { content, used });
    }

    pub fn forget(&mut self, id: &ChunkId) {
        if let Some(chunk) = self.at_hand.remove(id) {
            self.bytes -= chunk.content.len() + OVERHEAD;
        }
    }

    pub fn put_filter(&mut self, id: ChunkId, filter: Filter, used: u64) {
        self.forget_filter(&id);
        self.bytes += filter.bytes() + OVERHEAD;
        self.filters.insert(id, Kept { filter, used });
    }

    pub fn forget_filter(&mut self, id: &ChunkId) {
        if let Some(kept) = self.filters.remove(id) {
            self.bytes -= kept.filter.bytes() + OVERHEAD;
        }
    }

    /// Forgets those of the chunks that `now` does not name any more, which nobody will look in again.
    pub fn leave<'a>(&mut self, before: impl Iterator<Item = &'a ChunkId>, now: &Stored) {
        let named: Set<&ChunkId> = now.chunk_ids().collect();
        for id in before.filter(|id| !named.contains(id)) {
            self.forget(id);
            self.forget_filter(id);
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

    /// Whether a filter says that the chunk does not hold the key.
    fn is_without(&mut self, id: &ChunkId, hash: filter::Hash, used: u64) -> Option<bool> {
        let kept = self.filters.get_mut(id)?;
        kept.used = used;
        Some(!kept.filter.may_hold(hash))
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
        let hash = filter::hash(key);
        for holder in segments.iter().filter_map(|segment| segment.holder(key)) {
            let without = self.is_without(&holder.id, hash, used);
            if without == Some(true) {
                continue;
            }
            let Some(content) = self.get(&holder.id, used) else {
                missing.name(holder.id);
                decided = false;
                continue;
            };
            let content = content.clone();
            let chunk = Chunk::open(&content)?;
            if let Some(entry) = chunk.find(key)? {
                let found = (entry.at_ms, entry.value.to_vec());
                return Ok(decided.then_some(found));
            }
            if without.is_none() {
                self.put_filter(holder.id, Filter::of(chunk)?, used);
            }
        }
        Ok(None)
    }

    /// Those at hand, with their last use.
    pub fn uses(&self) -> impl Iterator<Item = (u64, &ChunkId)> {
        self.at_hand.iter().map(|(id, chunk)| (chunk.used, id))
    }

    /// Those of which there is a filter, with its last use.
    pub fn filter_uses(&self) -> impl Iterator<Item = (u64, &ChunkId)> {
        self.filters.iter().map(|(id, kept)| (kept.used, id))
    }

    /// About how many bytes chunks and filters take.
    pub fn memory(&self) -> usize {
        self.bytes
    }
}
