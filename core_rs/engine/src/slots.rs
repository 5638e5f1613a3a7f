//! An index of agents by id; the agents, under their slots, stand elsewhere.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::agent::Agent;
use crate::index::Index;

#[derive(Default)]
pub struct Slots {
    index: Index,
    hasher: RandomState,
}

impl Slots {
    fn hash(&self, id: &str) -> u32 {
        self.hasher.hash_one(id) as u32
    }

    pub fn find(&self, id: &str, agents: &[Agent]) -> Option<u32> {
        let is_it = |slot: u32| *agents[slot as usize].id == *id;
        self.index.find(self.hash(id), is_it)
    }

    /// An agent that is not there yet.
    pub fn insert(&mut self, id: &str, slot: u32) {
        self.index.insert(self.hash(id), slot);
    }
}
