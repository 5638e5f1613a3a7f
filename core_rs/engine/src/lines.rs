//! The lines of those who wait: the queue, the pool, and who waits for which agent. Knows no shop.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::buyers::Key;
use crate::maps::Map;

/// The groups among whose agents selection runs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Sorted indexes; none: all groups.
    pub groups: Option<Box<[u32]>>,
    /// Whether step 8 goes on to all groups.
    pub spill: bool,
}

#[derive(Default)]
pub struct Lines {
    /// QUEUED entries, next one first.
    pub queue: VecDeque<Place>,
    /// POOLED entries and messages left to a group, oldest first.
    pub pool: VecDeque<Place>,
    /// QUEUED entries by (since, decision).
    pub queued_since: BTreeMap<(i64, u64), Key>,
    /// By agent: the pool's entries that this agent alone may take, or whose recent contact it is.
    pub wanted: Map<u32, BTreeMap<(i64, u64), Key>>,
    /// Entries that the same agents may take; numbers stay while anybody waits.
    pub classes: Vec<Arc<Class>>,
    pub class_numbers: Map<Arc<Class>, u32>,
}

/// An entry in its line.
#[derive(Clone)]
pub struct Place {
    pub order: Order,
    pub buyer: Key,
    pub class: u32,
    /// The dedicated agent, unless the entry waits for a group.
    pub dedicated: Option<u32>,
}

/// (priority falling, since, decision); in the pool all have one priority.
pub type Order = (Reverse<i32>, i64, u64);

/// What steps 5, 7 and 8 make of an entry, apart from who is available.
#[derive(PartialEq, Eq, Hash)]
pub struct Class {
    pub scope: Scope,
    /// Slots, sorted.
    pub excluded: Vec<u32>,
}

impl Lines {
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.pool.is_empty() && self.wanted.is_empty()
    }

    /// The place in the queue, from 1, of an entry that is or would be there.
    pub fn queue_position(&self, order: Order) -> usize {
        self.queue.partition_point(|place| place.order < order) + 1
    }

    pub fn class_number(&mut self, class: Class) -> u32 {
        if let Some(&number) = self.class_numbers.get(&class) {
            return number;
        }
        let number = u32::try_from(self.classes.len()).expect("fewer than 2^32 classes in a shop");
        let class = Arc::new(class);
        self.classes.push(class.clone());
        self.class_numbers.insert(class, number);
        number
    }

    pub fn want(&mut self, agent: u32, key: (i64, u64), buyer: Key) {
        self.wanted.entry(agent).or_default().insert(key, buyer);
    }

    pub fn want_no_more(&mut self, agent: u32, key: (i64, u64)) {
        if let Some(entries) = self.wanted.get_mut(&agent) {
            entries.remove(&key);
            if entries.is_empty() {
                self.wanted.remove(&agent);
            }
        }
    }
}

pub fn insert(line: &mut VecDeque<Place>, place: Place) {
    let at = line.partition_point(|other| other.order < place.order);
    line.insert(at, place);
}

pub fn remove(line: &mut VecDeque<Place>, order: Order) {
    if let Ok(at) = line.binary_search_by_key(&order, |place| place.order) {
        line.remove(at);
    }
}
