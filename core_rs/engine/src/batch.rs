//! Batches: elements decoded and decided one by one, so that a bad one fails alone.

use std::collections::BTreeMap;

use prost::Message;
use prost::bytes::Bytes;

use crate::decode::{self, Batch};
use crate::engine::{Engine, PartitionEntries};
use crate::proto::fenliu::engine::v1::CommandKind;
use crate::refusal::Refusal;

const MOST_BYTES: usize = 1_048_576;
const MOST_ELEMENTS: usize = 4096;

/// What became of a slice of a batch.
#[derive(Debug, PartialEq, Eq)]
pub struct BatchAnswer {
    /// A canonical gRPC code; with one other than 0 nothing was decided.
    pub code: i32,
    /// The slice of the response's `results` field, encoded, or a `google.rpc.Status`.
    pub results: Vec<u8>,
    /// How many elements the whole batch has.
    pub total: usize,
    pub batch_id: u64,
    /// By ascending partition.
    pub entries: Vec<PartitionEntries>,
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

impl Engine {
    pub(crate) fn run_batch(
        &mut self,
        kind: CommandKind,
        batch: &[u8],
        now_ms: i64,
        first: usize,
        count: usize,
    ) -> BatchAnswer {
        let batch = match open(kind, batch) {
            Ok(batch) => batch,
            Err(refusal) => {
                return BatchAnswer {
                    code: refusal.code(),
                    results: refusal.status(),
                    total: 0,
                    batch_id: 0,
                    entries: Vec::new(),
                };
            }
        };
        let mut results = Vec::new();
        let mut logs = Logs::default();
        let mut entry = Vec::new();
        for item in batch.items.iter().skip(first).take(count) {
            let answer = self.run(decode::command(kind, item), now_ms, "", &mut entry);
            if let Some(partition) = answer.partition
                && !entry.is_empty()
            {
                logs.add(partition, &entry);
                entry.clear();
            }
            put_result(&mut results, kind, answer.code, &answer.reply);
        }
        BatchAnswer {
            code: 0,
            results,
            total: batch.items.len(),
            batch_id: batch.batch_id,
            entries: logs.finish(),
        }
    }
}

fn open(kind: CommandKind, bytes: &[u8]) -> Result<Batch, Refusal> {
    let (field, name) = match kind {
        CommandKind::Message => ("events", "fenliu.v1.ReportMessagesBatchRequest"),
        CommandKind::Order => ("orders", "fenliu.v1.ReportOrdersRequest"),
        _ => ("requests", "fenliu.v1.RouteBatchRequest"),
    };
    if bytes.len() > MOST_BYTES {
        let rule = format_args!("at most {MOST_BYTES} bytes");
        return Err(Refusal::invalid(field, rule));
    }
    // One copy; the elements share it.
    let batch =
        Batch::decode(Bytes::copy_from_slice(bytes)).map_err(|_| Refusal::malformed(name))?;
    if batch.items.len() > MOST_ELEMENTS {
        let rule = format_args!("at most {MOST_ELEMENTS} elements");
        return Err(Refusal::invalid(field, rule));
    }
    Ok(batch)
}

/// One element of `results`, around the reply already encoded: `RouteResult.response` or `.status`,
/// `MessageResult` or `OrderResult` itself or its `.status`.
fn put_result(results: &mut Vec<u8>, kind: CommandKind, code: i32, reply: &[u8]) {
    const RESULTS: u32 = 1;
    let inner = match (kind, code) {
        (CommandKind::Message | CommandKind::Order, 0) => None,
        (CommandKind::Message, _) => Some(3),
        (CommandKind::Order, _) => Some(2),
        (_, 0) => Some(1),
        (_, _) => Some(2),
    };
    match inner {
        None => put_chunk_head(results, RESULTS, reply.len()),
        Some(field) => {
            let head = 1 + prost::length_delimiter_len(reply.len());
            put_chunk_head(results, RESULTS, head + reply.len());
            put_chunk_head(results, field, reply.len());
        }
    }
    results.extend_from_slice(reply);
}

/// Tag (below 16) and length of a length-delimited field.
fn put_chunk_head(out: &mut Vec<u8>, field: u32, length: usize) {
    const LENGTH_DELIMITED: u32 = 2;
    out.push((field << 3 | LENGTH_DELIMITED) as u8);
    prost::encode_length_delimiter(length, out).expect("a vector grows as needed");
}
