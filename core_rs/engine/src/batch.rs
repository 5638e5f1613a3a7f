//! Batches: elements decoded and decided one by one, so that a bad one fails alone.

use crate::ahead::AHEAD;
use crate::cache::Missing;
use crate::command::{BEHIND, NEEDS_CHUNKS};
use crate::decode::{self, Batch};
use crate::engine::{Engine, Error, command_kind};
use crate::failing::caught;
use crate::logs::{Logs, PartitionEntries};
use crate::proto::fenliu::engine::v1::CommandKind;
use crate::refusal::Refusal;
use crate::views::Command;
use crate::wire::{self, HEAD};

const MOST_BYTES: usize = 1_048_576;
const MOST_ELEMENTS: usize = 4096;

/// What became of a slice of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BatchAnswer {
    /// A canonical gRPC code, -1 or -2; with one other than 0 nothing was decided.
    pub code: i32,
    /// The slice of the response's `results` field, encoded; or a `google.rpc.Status`; or with -1 the
    /// ids of the chunks that the slice needs; or with -2 the id of the shop to be ticked first.
    pub results: Vec<u8>,
    /// How many elements the whole batch has.
    pub total: usize,
    pub batch_id: u64,
    /// By ascending partition.
    pub entries: Vec<PartitionEntries>,
    /// How many elements of the slice were decided; the next one needs chunks or a tick first.
    pub decided: usize,
}

impl Engine {
    /// Decides elements of a batch, each by itself, up to the first that needs chunks, or in whose shop
    /// more than about `most_due` effects (0: any number) are due.
    pub fn decide_batch(
        &mut self,
        kind: i64,
        batch: &[u8],
        now_ms: i64,
        first: usize,
        count: usize,
        most_due: usize,
    ) -> Result<BatchAnswer, Error> {
        let kind = match command_kind(kind)? {
            kind @ (CommandKind::Route | CommandKind::Message | CommandKind::Order) => kind,
            _ => {
                return Err(Error::Value(
                    "batches are of ROUTE, MESSAGE or ORDER".into(),
                ));
            }
        };
        let batch = match open(kind, batch) {
            Ok(batch) => batch,
            Err(refusal) => {
                return Ok(BatchAnswer {
                    code: refusal.code(),
                    results: refusal.status(),
                    ..BatchAnswer::default()
                });
            }
        };
        let slice = batch.items.get(first..).unwrap_or_default();
        let slice = &slice[..count.min(slice.len())];
        let mut answer = BatchAnswer {
            total: batch.items.len(),
            batch_id: batch.batch_id,
            ..BatchAnswer::default()
        };
        // About what that many answers take.
        answer.results.reserve(96 * slice.len());
        let mut logs = Logs::default();
        let mut entry = Vec::new();
        let mut stopped = 0;
        'slice: for items in slice.chunks(AHEAD) {
            let read = || {
                let read = items.iter().map(|item| Command::read(kind, item));
                let commands: Vec<Option<Command>> = read.collect();
                self.look_ahead(&commands, now_ms);
                Ok(commands)
            };
            // Should that fail, each is read by itself.
            let commands = caught(read).unwrap_or_default();
            for (n, item) in items.iter().enumerate() {
                let one = match commands.get(n) {
                    Some(Some(command)) => self.run(command, now_ms, "", most_due, &mut entry),
                    _ => self.run_other(kind, item, now_ms, "", most_due, &mut entry),
                };
                if matches!(one.code, NEEDS_CHUNKS | BEHIND) {
                    stopped = one.code;
                    break 'slice;
                }
                if let Some(partition) = one.partition
                    && !entry.is_empty()
                {
                    logs.add(partition, &entry);
                    entry.clear();
                }
                put_result(&mut answer.results, kind, one.code, self.reply());
                answer.decided += 1;
            }
        }
        if answer.decided == 0 && stopped == BEHIND {
            answer.code = BEHIND;
            answer.results = self.reply().into();
        } else if answer.decided == 0 && !slice.is_empty() {
            let mut missing = Missing::default();
            for item in slice {
                if let Ok(Ok(command)) = caught(|| Ok(decode::command(kind, item))) {
                    self.name_needs(&(&command).into(), &mut missing);
                }
            }
            answer.code = NEEDS_CHUNKS;
            answer.results = missing.concat();
        }
        answer.entries = logs.finish();
        Ok(answer)
    }
}

fn open(kind: CommandKind, bytes: &[u8]) -> Result<Batch<'_>, Refusal> {
    let (field, name) = match kind {
        CommandKind::Message => ("events", "fenliu.v1.ReportMessagesBatchRequest"),
        CommandKind::Order => ("orders", "fenliu.v1.ReportOrdersRequest"),
        _ => ("requests", "fenliu.v1.RouteBatchRequest"),
    };
    if bytes.len() > MOST_BYTES {
        let rule = format_args!("at most {MOST_BYTES} bytes");
        return Err(Refusal::invalid(field, rule));
    }
    let batch = Batch::read(bytes).ok_or_else(|| Refusal::malformed(name))?;
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
    wire::write(results, 2 * HEAD + reply.len(), |pen| match inner {
        None => pen.bytes(RESULTS, reply),
        Some(field) => pen.message(RESULTS, |pen| pen.bytes(field, reply)),
    });
}
