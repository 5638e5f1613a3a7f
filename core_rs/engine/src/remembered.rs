//! Ids that are remembered for a day, with what was answered, by the generation they were learned in.
//! Knows no shop.
//!
//! The ids stand on a tape in the order they were learned, which is that of generations and times, so
//! what goes is always the first. An index leads to their places there.

use crate::ids;
use crate::index::{Bucket, Index};
use crate::maps::Map;
use crate::tape::{Place, Tape};

/// How long request and event ids are remembered.
pub const REMEMBERED_MS: i64 = 86_400_000;

/// The number of a generation, from 1; what is of `FETCHED` was only read from a segment.
pub type Generation = u32;
pub const FETCHED: Generation = 0;

/// Whether an id remembered at `at_ms` still exists.
pub fn still_remembered(at_ms: i64, now: i64) -> bool {
    now.saturating_sub(at_ms) <= REMEMBERED_MS
}

/// The answer that a repeated request gets; as a value the one behind the other.
#[derive(Clone, Copy)]
pub struct Answered<'a> {
    pub digest: [u8; 16],
    pub reply: &'a [u8],
}

impl<'a> Answered<'a> {
    /// What a value says; none when it is too short for one.
    pub fn read(value: &'a [u8]) -> Option<Self> {
        let (&digest, reply) = value.split_first_chunk()?;
        Some(Self { digest, reply })
    }
}

/// Ids of one kind, each with a value.
#[derive(Default)]
pub struct Remembered {
    tape: Tape,
    /// The latest place of each id.
    index: Index,
    /// When the first on the tape was learned; means nothing while there is none.
    oldest_ms: i64,
    /// The generation of what was learned last.
    latest: Generation,
    /// Those up to this one are stored; what is still here of them waits to be freed.
    dropped: Generation,
    /// What segments say, for as long as one command takes.
    fetched: Map<Box<str>, (i64, Box<[u8]>)>,
}

/// What is on the tape.
struct Learned<'a> {
    generation: Generation,
    at_ms: i64,
    hash: u32,
    id: &'a [u8],
    value: &'a [u8],
}

const HEAD: usize = 20;

impl<'a> Learned<'a> {
    fn read(record: &'a [u8]) -> Option<Self> {
        let (head, rest) = record.split_first_chunk::<HEAD>()?;
        let number =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let at_ms = u64::from(number(4)) | u64::from(number(8)) << 32;
        let (id, value) = rest.split_at_checked(number(16) as usize)?;
        Some(Self {
            generation: number(0),
            at_ms: at_ms as i64,
            hash: number(12),
            id,
            value,
        })
    }
}

/// Whether this id stands at a place.
fn is_at<'a>(tape: &'a Tape, id: &'a str) -> impl Fn(Place) -> bool + 'a {
    move |place| Learned::read(tape.get(place)).is_some_and(|known| known.id == id.as_bytes())
}

impl Remembered {
    fn find(&self, id: &str, hash: u32) -> Option<Learned<'_>> {
        let place = self.index.find(hash, is_at(&self.tape, id))?;
        Learned::read(self.tape.get(place))
    }

    /// Where an id with this hash stands, if it is known, probably.
    pub fn bucket(&self, hash: u32) -> Option<&Bucket> {
        self.index.bucket(hash)
    }

    /// Has the tape's ends brought from memory; the number means nothing.
    pub fn look_at_ends(&self) -> u32 {
        self.tape.look_at_ends()
    }

    /// What is remembered of the id, which has this hash, if it exists at `now`.
    pub fn get(&self, id: &str, hash: u32, now: i64) -> Option<&[u8]> {
        let (at_ms, value) = match self.find(id, hash) {
            Some(known) => (known.at_ms, known.value),
            None if self.fetched.is_empty() => return None,
            None => {
                let (at_ms, value) = self.fetched.get(id)?;
                (*at_ms, &**value)
            }
        };
        still_remembered(at_ms, now).then_some(value)
    }

    /// Whether memory decides about the id, whatever it says.
    pub fn decides(&self, id: &str) -> bool {
        self.find(id, ids::hash(id.as_bytes())).is_some() || self.fetched.contains_key(id)
    }

    /// Learns an id, which has this hash; its value is given in two parts.
    pub fn remember(
        &mut self,
        id: &str,
        hash: u32,
        value: [&[u8]; 2],
        now: i64,
        generation: Generation,
    ) {
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&generation.to_le_bytes());
        head[4..12].copy_from_slice(&now.to_le_bytes());
        head[12..16].copy_from_slice(&hash.to_le_bytes());
        head[16..].copy_from_slice(&(id.len() as u32).to_le_bytes());
        self.latest = generation;
        if self.tape.is_empty() {
            self.oldest_ms = now;
        }
        let place = self.tape.push(&[&head, id.as_bytes(), value[0], value[1]]);
        self.index.put(hash, place, is_at(&self.tape, id));
    }

    /// Puts what a segment says in reach of one command.
    pub fn fetch(&mut self, id: &str, at_ms: i64, value: &[u8]) {
        self.fetched.insert(id.into(), (at_ms, value.into()));
    }

    /// Forgets what was only fetched.
    pub fn forget_fetched(&mut self, id: &str) {
        self.fetched.remove(id);
    }

    /// Frees one id if it has expired; whether it did.
    pub fn free_one(&mut self, now: i64) -> bool {
        let expired = !self.tape.is_empty() && !still_remembered(self.oldest_ms, now);
        if expired {
            self.free_first();
        }
        expired
    }

    /// The generations up to this one are stored: `free_dropped` frees them. Until then their ids lead
    /// to what segments say, too.
    pub fn drop_through(&mut self, generation: Generation) {
        self.dropped = self.dropped.max(generation);
    }

    /// Frees one id of a dropped generation; whether there was one.
    pub fn free_dropped(&mut self) -> bool {
        let first = self
            .tape
            .first()
            .and_then(|(_, record)| Learned::read(record));
        let dropped = first.is_some_and(|first| first.generation <= self.dropped);
        if dropped {
            self.free_first();
        }
        dropped
    }

    fn free_first(&mut self) {
        if let Some((place, record)) = self.tape.first()
            && let Some(Learned { hash, .. }) = Learned::read(record)
        {
            // Remembered again since, it has another place.
            self.index.remove(hash, |other| other == place);
        }
        self.tape.free_first();
        let first = self.tape.first();
        let first = first.and_then(|(_, record)| Learned::read(record));
        self.oldest_ms = first.map_or(0, |first| first.at_ms);
    }

    /// Those learned that exist, but for dropped generations: id, when remembered, and value.
    pub fn existing(&self, now: i64) -> impl Iterator<Item = (&[u8], i64, &[u8])> {
        self.tape.iter().filter_map(move |(place, record)| {
            let known = Learned::read(record).filter(|known| known.generation > self.dropped)?;
            let latest = self
                .index
                .find(known.hash, |other| other == place)
                .is_some();
            (latest && still_remembered(known.at_ms, now)).then_some((
                known.id,
                known.at_ms,
                known.value,
            ))
        })
    }

    /// Whether there is nothing but dropped generations.
    pub fn is_empty(&self) -> bool {
        self.tape.is_empty() || self.latest <= self.dropped
    }

    /// Bytes this takes.
    pub fn memory(&self) -> usize {
        self.tape.memory() + self.index.memory()
    }
}
