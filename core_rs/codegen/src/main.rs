//! Generates the committed Rust types of the engine's messages.
//!
//! Usage: `fenliu-codegen DESCRIPTORS OUT_DIR`, where DESCRIPTORS is a serialised
//! `FileDescriptorSet` with imports. Only the files that the engine's own messages need are kept.

use std::collections::BTreeSet;
use std::error::Error;
use std::{env, fs};

use prost::Message;
use prost_types::FileDescriptorSet;

const ROOTS: [&str; 2] = [
    "fenliu/engine/v1/engine.proto",
    "google/rpc/error_details.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [descriptors, out_dir] = arguments.as_slice() else {
        return Err("usage: fenliu-codegen DESCRIPTORS OUT_DIR".into());
    };
    let set = needed(FileDescriptorSet::decode(
        fs::read(descriptors)?.as_slice(),
    )?);
    prost_build::Config::new()
        .out_dir(out_dir)
        .include_file("mod.rs")
        .btree_map(["."])
        .disable_comments(["."])
        // A whole shop is rare among facts and commands; boxed, the common ones stay small.
        .boxed("fenliu.engine.v1.Fact.fact.shop_applied")
        .boxed("fenliu.engine.v1.Entry.command.apply_shop")
        .compile_fds(set)?;
    Ok(())
}

/// The roots and what they import, the error details reduced to those the engine uses.
fn needed(mut set: FileDescriptorSet) -> FileDescriptorSet {
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> = ROOTS.map(String::from).to_vec();
    while let Some(name) = open.pop() {
        if let Some(file) = set.file.iter().find(|file| file.name() == name)
            && wanted.insert(name)
        {
            open.extend(file.dependency.iter().cloned());
        }
    }
    set.file.retain(|file| wanted.contains(file.name()));
    for file in &mut set.file {
        file.service.clear();
        if file.name() == ROOTS[1] {
            file.message_type
                .retain(|message| matches!(message.name(), "ErrorInfo" | "RetryInfo"));
        }
    }
    set
}
