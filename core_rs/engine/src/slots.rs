//! An index of agents by id; the agents, under their slots, stand elsewhere.

use crate::agent::Agent;
use crate::ids;
use crate::index::Index;

#[derive(Default)]
pub struct Slots {
    index: Index,
}

impl Slots {
    pub fn find(&self, id: &str, agents: &[Agent]) -> Option<u32> {
        let is_it = |slot: u32| *agents[slot as usize].id == *id;
        self.index.find(ids::hash(id.as_bytes()), is_it)
    }

    /// An agent that is not there yet.
    pub fn insert(&mut self, id: &str, slot: u32) {
        self.index.insert(ids::hash(id.as_bytes()), slot);
    }
}
