//! Ids that are remembered for a day, with what was answered, by the generation they were learned in.
//! Knows no shop.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::maps::Map;

/// How long request and event ids are remembered.
pub const REMEMBERED_MS: i64 = 86_400_000;

/// The number of a generation, from 1; what is of `FETCHED` was only read from a segment.
pub type Generation = u32;
pub const FETCHED: Generation = 0;

/// Whether an id remembered at `at_ms` still exists.
pub fn still_remembered(at_ms: i64, now: i64) -> bool {
    now.saturating_sub(at_ms) <= REMEMBERED_MS
}

/// The answer that a repeated request gets.
pub struct Answered {
    pub digest: [u8; 16],
    pub reply: Vec<u8>,
}

/// Ids of one kind.
pub struct Remembered<V> {
    known: Map<Arc<str>, Known<V>>,
    /// By generation and time; an id remembered again stands here twice.
    queue: VecDeque<(Generation, i64, Arc<str>)>,
}

struct Known<V> {
    generation: Generation,
    at_ms: i64,
    value: V,
}

impl<V> Default for Remembered<V> {
    fn default() -> Self {
        Self {
            known: Map::default(),
            queue: VecDeque::new(),
        }
    }
}

impl<V> Remembered<V> {
    /// What is remembered of the id, if it exists at `now`.
    pub fn get(&self, id: &str, now: i64) -> Option<&V> {
        let known = self.known.get(id)?;
        still_remembered(known.at_ms, now).then_some(&known.value)
    }

    /// Whether memory decides about the id, whatever it says.
    pub fn decides(&self, id: &str) -> bool {
        self.known.contains_key(id)
    }

    pub fn remember(&mut self, id: &str, value: V, now: i64, generation: Generation) {
        let id: Arc<str> = id.into();
        let known = Known {
            generation,
            at_ms: now,
            value,
        };
        self.known.insert(id.clone(), known);
        self.queue.push_back((generation, now, id));
    }

    /// Puts what a segment says in reach of one command.
    pub fn fetch(&mut self, id: &str, at_ms: i64, value: V) {
        let known = Known {
            generation: FETCHED,
            at_ms,
            value,
        };
        self.known.insert(id.into(), known);
    }

    /// Forgets what was only fetched.
    pub fn forget_fetched(&mut self, id: &str) {
        let fetched = |known: &Known<V>| known.generation == FETCHED;
        if self.known.get(id).is_some_and(fetched) {
            self.known.remove(id);
        }
    }

    /// Frees one id if it has expired.
    pub fn free_one(&mut self, now: i64) {
        if let Some(&(_, at_ms, _)) = self.queue.front()
            && !still_remembered(at_ms, now)
        {
            self.free_first();
        }
    }

    /// Forgets the generations up to this one: they are stored.
    pub fn drop_through(&mut self, generation: Generation) {
        while self.queue.front().is_some_and(|at| at.0 <= generation) {
            self.free_first();
        }
        if self.queue.is_empty() {
            *self = Self::default();
        }
    }

    fn free_first(&mut self) {
        if let Some((generation, at_ms, id)) = self.queue.pop_front()
            // Remembered again since, it has another place in the queue.
            && let Some(known) = self.known.get(&id)
            && (known.generation, known.at_ms) == (generation, at_ms)
        {
            self.known.remove(&id);
        }
    }

    /// Those learned that exist: id, when remembered, and what.
    pub fn existing(&self, now: i64) -> impl Iterator<Item = (&str, i64, &V)> {
        let learned = move |known: &Known<V>| {
            known.generation != FETCHED && still_remembered(known.at_ms, now)
        };
        self.known
            .iter()
            .filter(move |(_, known)| learned(known))
            .map(|(id, known)| (&**id, known.at_ms, &known.value))
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
