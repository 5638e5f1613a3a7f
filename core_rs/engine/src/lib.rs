//! Fenliu's engine: the state of many shops and every rule of dispatch, as docs/engine.md says.
//!
//! A pure state machine: no I/O, no clock, no random numbers, no floating point, no dependence on
//! hash order. The files follow the document: refusals, decoding and validation, configuration,
//! state, applying facts, the life of a command, then one file for each group of rules.

#![forbid(unsafe_code)]

mod agent;
mod ahead;
mod apply;
mod batch;
mod books;
mod buyers;
mod cache;
mod chunks;
mod command;
mod config;
mod contacts;
mod decode;
mod document;
mod draft;
mod due;
mod engine;
mod entry;
mod facts;
mod failing;
mod filter;
mod hold;
mod ids;
mod index;
mod inquiry;
mod install;
mod keeping;
mod learned;
mod lines;
mod load;
mod logs;
mod maps;
mod messages;
mod names;
mod needs;
mod numbered;
mod orders;
mod permission;
mod play;
mod presence;
#[allow(clippy::all)]
pub mod proto;
mod query;
mod queue;
mod refusal;
mod remembered;
mod requests;
mod robot;
mod route;
mod selection;
mod settle;
mod shops;
mod short;
mod slots;
mod snapshot;
mod state;
mod steps;
mod storage;
mod stored;
mod supposed;
mod tape;
mod timeline;
mod transfer;
mod turns;
mod validation;
mod views;
mod volume;
mod waiting;
mod wire;

pub use batch::BatchAnswer;
pub use command::Answer;
pub use engine::{Applied, Engine, Error, partition_of};
pub use logs::PartitionEntries;
pub use storage::{Flushed, OneShop, Partition, filter_of, merge_chunks};

/// Version of the arithmetic by which entries are applied; written into records and snapshots.
pub const RULES_VERSION: u32 = 1;
