//! What libFuzzer's bytes, and the inputs that are kept, are fed to. Each target takes any bytes as a
//! sequence of calls and panics where the engine does not keep its word; so does every panic in it.
//!
//! `engine/tests/fuzzed.rs` runs what is kept through the same functions, without libFuzzer.

pub mod commands;
mod disk;
mod input;
pub mod stored;
