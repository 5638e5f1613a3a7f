//! Chunks that have been handed in, and the search for keys in them. Knows nothing of what the keys
//! are for.

use std::sync::Arc;

use crate::chunks::{Bad, Chunk};
use crate::maps::{Map, Set};
use crate::stored::{ChunkId, Segment};

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

/// Chunks that have been handed in, each with its last use in the engine's count of uses.
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
