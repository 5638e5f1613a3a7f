//! What the engine keeps about its shops beside them: which there are, when to look at each, which
//! have changed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use crate::remembered::{FETCHED, Generation};
use crate::state::Shop;

pub struct Books {
    /// All shops in the order of their ids; whether they are deleted.
    pub ids: BTreeMap<Arc<str>, bool>,
    /// How many of them each partition has.
    members: Vec<usize>,
    /// (a time not after the shop's next due time, shop) of those in memory. Only the line under the
    /// shop's `scheduled` counts.
    pub schedule: BinaryHeap<Reverse<(i64, Arc<str>)>>,
    /// Shops in memory where something may be due already at their own last time: a tick of any time
    /// applies it.
    pub overdue: BTreeSet<Arc<str>>,
    /// Each partition's recent generation.
    pub generations: Vec<Generation>,
    /// Shops that have changed since their partition's manifest was loaded.
    pub touched: BTreeSet<Arc<str>>,
    /// Shops that may still have something of generations that were dropped.
    pub untidy: BTreeSet<Arc<str>>,
    /// Counts uses of shops and chunks, so that those unused for the longest go first.
    pub uses: u64,
}

impl Books {
    /// Of an engine without shops.
    pub fn new(partitions: u32) -> Self {
        Self {
            ids: BTreeMap::new(),
            members: vec![0; partitions as usize],
            schedule: BinaryHeap::new(),
            overdue: BTreeSet::new(),
            generations: vec![FETCHED + 1; partitions as usize],
            touched: BTreeSet::new(),
            untidy: BTreeSet::new(),
            uses: 0,
        }
    }

    /// There is this shop.
    pub fn enter(&mut self, id: Arc<str>, deleted: bool, partition: u32) {
        if self.ids.insert(id, deleted).is_none() {
            self.members[partition as usize] += 1;
        }
    }

    /// There is no such shop any more.
    pub fn strike(&mut self, id: &str, partition: u32) {
        if self.ids.remove(id).is_some() {
            self.members[partition as usize] -= 1;
        }
    }

    /// Whether a partition has no shops; said without looking for any.
    pub fn is_empty(&self, partition: u32) -> bool {
        self.members[partition as usize] == 0
    }

    /// A call uses the shop now.
    pub fn begin(&mut self, shop: &mut Shop) {
        self.uses += 1;
        shop.keeping.used = self.uses;
        shop.keeping.generation = self.generations[shop.partition as usize];
    }

    /// Sees to it that the engine looks at a shop in time, and knows what has become of it.
    pub fn watch(&mut self, shop: &mut Shop) {
        let id = || Arc::<str>::from(shop.document.shop_id.as_str());
        if shop.keeping.changed_in != 0 && !shop.keeping.touched {
            shop.keeping.touched = true;
            let known = self.ids.get_key_value(shop.document.shop_id.as_str());
            self.touched
                .insert(known.map_or_else(id, |(id, _)| id.clone()));
        }
        let Some(time) = shop.earliest_due() else {
            return;
        };
        if shop.scheduled.is_none_or(|scheduled| time < scheduled) {
            shop.scheduled = Some(time);
            self.schedule.push(Reverse((time, id())));
        }
        if time <= shop.last_now_ms {
            self.overdue.insert(id());
        }
    }
}
