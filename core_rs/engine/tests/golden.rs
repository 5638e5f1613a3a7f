//! Replays the golden vectors that both cores must reproduce byte for byte.
//!
//! Chunks are handed in as they are asked for; which ones that are is not part of a vector.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fenliu_engine::{Engine, Error, PartitionEntries, merge_chunks};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const NEEDS_CHUNKS: i32 = -1;

#[test]
fn golden_vectors_are_reproduced() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the folder of golden vectors")
        .map(|file| file.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    assert!(
        !files.is_empty(),
        "no golden vectors in {}",
        folder.display()
    );
    for file in files {
        replay(&serde_json::from_slice(&fs::read(&file).unwrap()).unwrap());
    }
}

fn replay(vector: &Value) {
    let name = vector["name"].as_str().unwrap();
    let mut player = Player::new(vector);
    for (n, step) in list(&vector["steps"]).iter().enumerate() {
        let got = player.play(step);
        for (key, value) in got.as_object().unwrap() {
            assert_eq!(*value, step[key], "{name}, step {n}: {key}");
        }
    }

    let next_due = vector["next_due"].as_i64();
    let state_hash = hex(&vector["state_hash"]);
    let mut main = player.take(&vector["main"]);
    assert_eq!(main.next_due(), next_due, "{name}");
    assert_eq!(json!(main.shop_ids(false)), vector["shop_ids"], "{name}");
    let snapshots = vector["snapshots"].as_object().unwrap();
    assert_eq!(main.shop_ids(true).len(), snapshots.len(), "{name}");
    let mut loaded = Engine::new(player.partitions).unwrap();
    for (shop_id, snapshot) in snapshots {
        let missing = main.missing_of(shop_id).unwrap();
        player.hand_in(&mut main, &missing);
        let snapshot = hex(snapshot);
        assert_eq!(
            main.snapshot(shop_id).unwrap(),
            snapshot,
            "{name}, {shop_id}"
        );
        loaded.load_snapshot(&snapshot).unwrap();
    }
    for engine in [&mut main, &mut loaded] {
        assert_eq!(engine.state_hash().unwrap(), *state_hash, "{name}");
        assert_eq!(engine.next_due(), next_due, "{name}");
    }
}

/// Makes the calls of a vector again.
struct Player {
    partitions: u32,
    /// By their ids.
    chunks: BTreeMap<Vec<u8>, Vec<u8>>,
    engines: BTreeMap<u64, Engine>,
}

impl Player {
    fn new(vector: &Value) -> Self {
        let chunks = list(&vector["chunks"]).iter().map(hex);
        Self {
            partitions: u32::try_from(number(&vector["partitions"])).unwrap(),
            chunks: chunks.map(|c| (Sha256::digest(&c).to_vec(), c)).collect(),
            engines: BTreeMap::new(),
        }
    }

    /// An engine by its number in the vector, 0 when it is not given.
    fn take(&mut self, number: &Value) -> Engine {
        self.engines
            .remove(&number.as_u64().unwrap_or(0))
            .unwrap_or_else(|| Engine::new(self.partitions).unwrap())
    }

    fn hand_in(&self, engine: &mut Engine, ids: &[u8]) {
        for id in ids.chunks(32) {
            engine.put_chunk(id, &self.chunks[id]).unwrap();
        }
    }

    /// Makes the call of a step; gives its results under the names of the file.
    fn play(&mut self, step: &Value) -> Value {
        let mut engine = self.take(&step["engine"]);
        let results = self.call(&mut engine, step).unwrap();
        let number = step["engine"].as_u64().unwrap_or(0);
        self.engines.insert(number, engine);
        results
    }

    fn call(&mut self, engine: &mut Engine, step: &Value) -> Result<Value, Error> {
        let partition = |value: &Value| u32::try_from(number(value)).unwrap();
        Ok(match text(&step["call"]) {
            "decide" => {
                let (kind, request) = (number(&step["kind"]), hex(&step["request"]));
                let (now_ms, actor) = (number(&step["now_ms"]), text(&step["actor"]));
                let mut entry = Vec::new();
                let answer = loop {
                    let answer = engine.decide(kind, &request, now_ms, actor, 0, &mut entry)?;
                    if answer.code != NEEDS_CHUNKS {
                        break answer;
                    }
                    self.hand_in(engine, &answer.reply);
                };
                json!({
                    "code": answer.code,
                    "reply": digits(&answer.reply),
                    "partition": answer.partition.map_or(-1, i64::from),
                    "entry": digits(&entry),
                })
            }
            "decide_batch" => self.decide_batch(engine, step)?,
            "tick" => {
                let now_ms = number(&step["now_ms"]);
                loop {
                    let missing = engine.missing_due(now_ms);
                    if missing.is_empty() {
                        break;
                    }
                    self.hand_in(engine, &missing);
                }
                json!({ "entries": listed(&engine.tick(now_ms, 0, "")?) })
            }
            "query" => {
                let (kind, request) = (number(&step["kind"]), hex(&step["request"]));
                let answer = loop {
                    let answer = engine.query(kind, &request)?;
                    if answer.code != NEEDS_CHUNKS {
                        break answer;
                    }
                    self.hand_in(engine, &answer.reply);
                };
                json!({
                    "code": answer.code,
                    "reply": digits(&answer.reply),
                    "partition": answer.partition.map_or(-1, i64::from),
                })
            }
            "apply" => {
                let (log, shop_id) = (hex(&step["log"]), text(&step["shop_id"]));
                let (mut count, mut end) = (0, size(&step["start"]));
                loop {
                    let applied = engine.apply(&log, end, shop_id)?;
                    (count, end) = (count + applied.count, applied.end);
                    if applied.missing.is_empty() {
                        break;
                    }
                    self.hand_in(engine, &applied.missing);
                }
                json!({ "applied": count, "end": end, "missing": "" })
            }
            "load_manifest" => {
                json!({ "partition": engine.load_manifest(&hex(&step["manifest"]))? })
            }
            "install" => {
                engine.install(&hex(&step["manifest"]))?;
                json!({})
            }
            "rotate" => {
                engine.rotate(partition(&step["partition"]));
                json!({})
            }
            "shrink" => {
                engine.shrink(size(&step["limit"]));
                json!({})
            }
            "touched" => json!({ "shop_ids": engine.touched() }),
            "flush" => {
                let flushed = engine.flush(text(&step["shop_id"]))?;
                json!({
                    "stored": digits(&flushed.shop),
                    "head": digits(&flushed.head),
                    "chunks": all_digits(&flushed.chunks),
                })
            }
            "take_partition" => {
                let partition = partition(&step["partition"]);
                let mut other = self.take(&step["other"]);
                engine.put_partition(partition, other.remove_partition(partition));
                let number = step["other"].as_u64().unwrap();
                self.engines.insert(number, other);
                json!({})
            }
            "merge_chunks" => {
                let sources: Vec<Vec<Vec<u8>>> = list(&step["sources"])
                    .iter()
                    .map(|source| list(source).iter().map(hex).collect())
                    .collect();
                let sources: Vec<Vec<&[u8]>> = sources
                    .iter()
                    .map(|source| source.iter().map(Vec::as_slice).collect())
                    .collect();
                let merged = merge_chunks(
                    &sources,
                    &hex(&step["first"]),
                    &hex(&step["end"]),
                    number(&step["now_ms"]),
                    number(&step["contact_lifetime_ms"]),
                    number(&step["contacts_since_ms"]),
                )?;
                json!({ "chunks": all_digits(&merged) })
            }
            call => panic!("unknown call {call}"),
        })
    }

    /// The slice as a whole, however often it takes more chunks.
    fn decide_batch(&mut self, engine: &mut Engine, step: &Value) -> Result<Value, Error> {
        let (kind, batch) = (number(&step["kind"]), hex(&step["batch"]));
        let (now_ms, first, count) = (
            number(&step["now_ms"]),
            size(&step["first"]),
            size(&step["count"]),
        );
        let (mut results, mut decided) = (Vec::new(), 0);
        let mut entries: BTreeMap<u32, (usize, Vec<u8>)> = BTreeMap::new();
        let answer = loop {
            let (at, rest) = (first + decided, count - decided);
            let answer = engine.decide_batch(kind, &batch, now_ms, at, rest, 0)?;
            if answer.code == NEEDS_CHUNKS {
                self.hand_in(engine, &answer.results);
                continue;
            }
            results.extend_from_slice(&answer.results);
            decided += answer.decided;
            for made in &answer.entries {
                let (count, log) = entries.entry(made.partition).or_default();
                *count += made.count;
                log.extend_from_slice(&made.entries);
            }
            if answer.code != 0 || first + decided >= answer.total.min(first + count) {
                break answer;
            }
        };
        let entries: Vec<PartitionEntries> = entries
            .into_iter()
            .map(|(partition, (count, entries))| PartitionEntries {
                partition,
                count,
                entries,
            })
            .collect();
        Ok(json!({
            "code": answer.code,
            "results": digits(&results),
            "total": answer.total,
            "batch_id": answer.batch_id,
            "entries": listed(&entries),
            "decided": decided,
        }))
    }
}

fn listed(entries: &[PartitionEntries]) -> Value {
    let one = |of: &PartitionEntries| json!([of.partition, of.count, digits(&of.entries)]);
    entries.iter().map(one).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

fn size(value: &Value) -> usize {
    usize::try_from(number(value)).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = text(value);
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn all_digits(all: &[Vec<u8>]) -> Vec<String> {
    all.iter().map(|bytes| digits(bytes)).collect()
}
