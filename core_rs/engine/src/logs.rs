//! Entries to log, by partition.

use std::collections::BTreeMap;

/// Entries to log in one partition.
#[derive(Debug, PartialEq, Eq)]
pub struct PartitionEntries {
    pub partition: u32,
    pub count: usize,
    /// Each an encoded `Entry` behind its length as a varint.
    pub entries: Vec<u8>,
}

/// Entries of several partitions, each in the order they were made.
#[derive(Default)]
pub struct Logs {
    logs: Vec<PartitionEntries>,
    /// Places in `logs`.
    places: BTreeMap<u32, usize>,
    last: usize,
}

impl Logs {
    pub fn add(&mut self, partition: u32, entry: &[u8]) {
        let last = self.logs.get(self.last);
        if last.is_none_or(|last| last.partition != partition) {
            self.last = *self.places.entry(partition).or_insert(self.logs.len());
            if self.last == self.logs.len() {
                self.logs.push(PartitionEntries {
                    partition,
                    count: 0,
                    entries: Vec::new(),
                });
            }
        }
        let log = &mut self.logs[self.last];
        log.count += 1;
        log.entries.extend_from_slice(entry);
    }

    pub fn finish(mut self) -> Vec<PartitionEntries> {
        self.logs.sort_unstable_by_key(|log| log.partition);
        self.logs
    }
}
