//! Chunks that have been handed in, and the search for keys in them. Knows nothing of what the keys
//! are for.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::chunks::{self, Bad, Chunk};
use crate::filter::{self, Block, Filter};
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
    numbers: Map<ChunkId, u32>,
    places: Vec<Place>,
    /// Numbers of places where nothing is.
    free: Vec<u32>,
    bytes: usize,
}

/// What there is of a chunk: one cache line.
#[derive(Default)]
#[repr(align(64))]
struct Place {
    /// No other chunk has it, in no engine; 0: nothing is here.
    mark: u64,
    filter: Option<Filter>,
    filter_used: u64,
    content: Option<Arc<[u8]>>,
    used: u64,
}

/// Leads to a chunk's place without a look-up, for as long as there is anything of the chunk.
#[derive(Clone, Copy, Default)]
pub struct Handle {
    /// 0: leads nowhere.
    mark: u64,
    number: u32,
}

/// Since shops move from one engine to another, their handles with them.
static MARKS: AtomicU64 = AtomicU64::new(1);

impl Chunks {
    pub fn put(&mut self, id: ChunkId, content: &[u8], used: u64) {
        self.forget(&id);
        self.bytes += content.len() + OVERHEAD;
        let place = self.place(id);
        place.content = Some(content.into());
        place.used = used;
    }

    pub fn forget(&mut self, id: &ChunkId) {
        let Some(&number) = self.numbers.get(id) else {
            return;
        };
        if let Some(content) = self.places[number as usize].content.take() {
            self.bytes -= content.len() + OVERHEAD;
        }
        self.free_place(id, number);
    }

    pub fn put_filter(&mut self, id: ChunkId, filter: Filter, used: u64) {
        self.forget_filter(&id);
        self.bytes += filter.bytes() + OVERHEAD;
        let place = self.place(id);
        place.filter = Some(filter);
        place.filter_used = used;
    }

    pub fn forget_filter(&mut self, id: &ChunkId) {
        let Some(&number) = self.numbers.get(id) else {
            return;
        };
        if let Some(filter) = self.places[number as usize].filter.take() {
            self.bytes -= filter.bytes() + OVERHEAD;
        }
        self.free_place(id, number);
    }

    /// The chunk's place, made if need be.
    fn place(&mut self, id: ChunkId) -> &mut Place {
        let (places, free) = (&mut self.places, &mut self.free);
        let number = *self.numbers.entry(id).or_insert_with(|| {
            let number = free.pop().unwrap_or_else(|| {
                places.push(Place::default());
                u32::try_from(places.len() - 1).expect("fewer than 2^32 chunks in memory")
            });
            places[number as usize].mark = MARKS.fetch_add(1, Relaxed);
            number
        });
        &mut self.places[number as usize]
    }

    /// Frees the chunk's place if there is nothing of it any more.
    fn free_place(&mut self, id: &ChunkId, number: u32) {
        let place = &mut self.places[number as usize];
        if place.content.is_none() && place.filter.is_none() {
            place.mark = 0;
            self.numbers.remove(id);
            self.free.push(number);
        }
    }

    fn get(&self, id: &ChunkId) -> Option<&Place> {
        Some(&self.places[*self.numbers.get(id)? as usize])
    }

    /// Where the handle leads.
    fn at(&self, handle: Handle) -> Option<&Place> {
        let place = self.places.get(handle.number as usize)?;
        (place.mark == handle.mark && handle.mark != 0).then_some(place)
    }

    /// The place of a chunk, whose handle is put right.
    fn reach(&mut self, id: &ChunkId, handle: &mut Handle) -> Option<&mut Place> {
        if self.at(*handle).is_none() {
            let number = *self.numbers.get(id)?;
            let mark = self.places[number as usize].mark;
            *handle = Handle { mark, number };
        }
        self.places.get_mut(handle.number as usize)
    }

    /// Forgets those of the chunks that `now` does not name any more, which nobody will look in again.
    pub fn leave<'a>(&mut self, before: impl Iterator<Item = &'a ChunkId>, now: &Stored) {
        let named: Set<&ChunkId> = now.chunk_ids().collect();
        for id in before.filter(|id| !named.contains(id)) {
            self.forget(id);
            self.forget_filter(id);
        }
    }

    /// The chunk's content; this is no use.
    pub fn content(&self, id: &ChunkId) -> Option<&[u8]> {
        self.get(id)?.content.as_deref()
    }

    pub fn has(&self, id: &ChunkId) -> bool {
        self.content(id).is_some()
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
            head.extend_from_slice(self.content(id)?);
        }
        Some(head)
    }

    /// The newest entry of the key with this letter: its time and value. Names chunks that have to be looked
    /// in first.
    pub fn search(
        &mut self,
        segments: &mut [Segment],
        letter: u8,
        of: &[u8],
        used: u64,
        missing: &mut Missing,
    ) -> Result<Option<(i64, Vec<u8>)>, Bad> {
        let mut decided = true;
        let hash = filter::hash(letter, of);
        for segment in segments {
            let Some(at) = segment.holder(letter, of) else {
                continue;
            };
            let id = segment.chunks[at].id;
            let mut content = None;
            let mut filtered = false;
            if let Some(place) = self.reach(&id, &mut segment.places[at]) {
                if let Some(filter) = &place.filter {
                    place.filter_used = used;
                    if !filter.may_hold(hash) {
                        continue;
                    }
                    filtered = true;
                }
                if place.content.is_some() {
                    place.used = used;
                }
                content.clone_from(&place.content);
            }
            let Some(content) = content else {
                missing.name(id);
                decided = false;
                continue;
            };
            let chunk = Chunk::open(&content)?;
            if let Some(entry) = chunk.find(&chunks::key(letter, of))? {
                let found = (entry.at_ms, entry.value.to_vec());
                return Ok(decided.then_some(found));
            }
            if !filtered {
                self.put_filter(id, Filter::of(chunk)?, used);
            }
        }
        Ok(None)
    }

    /// What a search of a key with this hash reads of the filter of a segment's chunk, if that is at hand.
    pub fn look_for(&self, handle: Handle, hash: filter::Hash) -> Option<&Block> {
        self.at(handle)?.filter.as_ref()?.block(hash)
    }

    /// Those at hand, with their last use.
    pub fn uses(&self) -> impl Iterator<Item = (u64, &ChunkId)> {
        let places = self.each_place();
        places.filter_map(|(id, place)| place.content.as_ref().map(|_| (place.used, id)))
    }

    /// Those of which there is a filter, with its last use.
    pub fn filter_uses(&self) -> impl Iterator<Item = (u64, &ChunkId)> {
        let places = self.each_place();
        places.filter_map(|(id, place)| place.filter.as_ref().map(|_| (place.filter_used, id)))
    }

    fn each_place(&self) -> impl Iterator<Item = (&ChunkId, &Place)> {
        let numbers = self.numbers.iter();
        numbers.map(|(id, number)| (id, &self.places[*number as usize]))
    }

    /// About how many bytes chunks and filters take.
    pub fn memory(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{Chunks, Missing};
    use crate::chunks::{Chunk, Cutter, Entry};
    use crate::filter::Filter;
    use crate::proto::fenliu::engine::v1 as record;
    use crate::stored::{ChunkId, Segment, Stored};

    const OURS: ChunkId = [1; 32];
    const OTHER: ChunkId = [2; 32];

    /// A chunk's content: its keys are of the letter r.
    fn content(keys: &[&[u8]]) -> Vec<u8> {
        let mut cutter = Cutter::default();
        for of in keys {
            let entry = Entry {
                key: &[b"r", *of].concat(),
                at_ms: 7,
                value: of,
            };
            cutter.add(&entry).unwrap();
        }
        cutter.finish().remove(0)
    }

    fn put(chunks: &mut Chunks, id: ChunkId, content: &[u8]) {
        let filter = Filter::of(Chunk::open(content).unwrap()).unwrap();
        chunks.put(id, content, 1);
        chunks.put_filter(id, filter, 1);
    }

    /// One segment of one chunk, `OURS`.
    fn segments() -> Vec<Segment> {
        let stored = record::StoredShop {
            head: vec![vec![0; 32]],
            segments: vec![record::Segment {
                chunks: vec![record::ChunkRef {
                    id: OURS.to_vec(),
                    first_key: b"ra".to_vec(),
                    ..Default::default()
                }],
            }],
            ..Default::default()
        };
        Stored::read(stored).unwrap().segments
    }

    /// What is found of the key, and whether the chunk was named.
    fn search(chunks: &mut Chunks, segments: &mut [Segment], of: &[u8]) -> (bool, bool) {
        let mut missing = Missing::default();
        let found = chunks.search(segments, b'r', of, 2, &mut missing).unwrap();
        if let Some((at_ms, value)) = &found {
            assert_eq!((*at_ms, value.as_slice()), (7, of));
        }
        (found.is_some(), !missing.is_empty())
    }

    #[test]
    fn what_was_known_of_a_chunk_leads_to_no_other() {
        let (ours, other) = (content(&[b"a", b"c"]), content(&[b"b", b"d"]));
        let (mut chunks, mut segments) = (Chunks::default(), segments());
        put(&mut chunks, OURS, &ours);
        assert_eq!(search(&mut chunks, &mut segments, b"c"), (true, false));
        assert_eq!(search(&mut chunks, &mut segments, b"b"), (false, false));
        // The other one takes its place, here and in another engine.
        chunks.forget(&OURS);
        chunks.forget_filter(&OURS);
        assert_eq!(chunks.memory(), 0);
        put(&mut chunks, OTHER, &other);
        let mut elsewhere = Chunks::default();
        put(&mut elsewhere, OTHER, &other);
        for chunks in [&mut chunks, &mut elsewhere] {
            assert_eq!(search(chunks, &mut segments, b"c"), (false, true));
            assert_eq!(search(chunks, &mut segments, b"b"), (false, true));
            put(chunks, OURS, &ours);
            assert_eq!(search(chunks, &mut segments, b"c"), (true, false));
            assert_eq!(search(chunks, &mut segments, b"b"), (false, false));
        }
    }

    #[test]
    fn a_filter_says_no_without_the_chunk_and_a_chunk_makes_its_filter() {
        let ours = content(&[b"a", b"c"]);
        let (mut chunks, mut segments) = (Chunks::default(), segments());
        assert_eq!(search(&mut chunks, &mut segments, b"b"), (false, true));
        chunks.put(OURS, &ours, 1);
        assert_eq!(chunks.filter_uses().count(), 0);
        assert_eq!(search(&mut chunks, &mut segments, b"b"), (false, false));
        let uses: Vec<_> = chunks.filter_uses().chain(chunks.uses()).collect();
        assert_eq!(uses, [(2, &OURS), (2, &OURS)]);
        chunks.forget(&OURS);
        assert!(!chunks.has(&OURS));
        assert_eq!(search(&mut chunks, &mut segments, b"b"), (false, false));
        assert_eq!(search(&mut chunks, &mut segments, b"c"), (false, true));
    }
}
