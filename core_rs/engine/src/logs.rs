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
pub struct Logs(BTreeMap<u32, (usize, Vec<u8>)>);

impl Logs {
    pub fn add(&mut self, partition: u32, entry: &[u8]) {
        let (count, entries) = self.0.entry(partition).or_default();
        *count += 1;
        entries.extend_from_slice(entry);
    }

    pub fn finish(self) -> Vec<PartitionEntries> {
        self.0
            .into_iter()
            .map(|(partition, (count, entries))| PartitionEntries {
                partition,
                count,
                entries,
            })
            .collect()
    }
}
