//! Replays the golden vectors that both cores must reproduce byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fenliu_engine::{Answer, Engine, PartitionEntries, merge_chunks};
use serde_json::Value;
use sha2::{Digest, Sha256};

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
    let mut player = Player {
        partitions: u32::try_from(number(&vector["partitions"])).unwrap(),
        engines: BTreeMap::new(),
        chunks: list(&vector["chunks"])
            .map(|content| (Sha256::digest(&content).to_vec(), content))
            .collect(),
        log: Vec::new(),
    };
    for (n, step) in vector["steps"].as_array().unwrap().iter().enumerate() {
        player.play(step, &format!("{name}, step {n}"));
    }
    let next_due = vector["next_due"].as_i64();
    let state_hash = hex(&vector["state_hash"]);
    let snapshots = vector["snapshots"].as_object().unwrap();
    let mut shop_ids: Vec<_> = snapshots.keys().cloned().collect();
    shop_ids.sort();
    let mut loaded = Engine::new(player.partitions).unwrap();
    for snapshot in snapshots.values() {
        loaded.load_snapshot(&hex(snapshot)).unwrap();
    }
    let mut applied = Engine::new(player.partitions).unwrap();
    applied.apply(&player.log, 0, "").unwrap();
    let mut main = player.take(number(&vector["main"]));
    for shop_id in &shop_ids {
        player.hand_in(&mut main, |engine| engine.missing_of(shop_id).unwrap());
    }
    for (mut engine, how) in [(main, "main"), (loaded, "loaded"), (applied, "applied")] {
        assert_eq!(engine.shop_ids(true), shop_ids, "{name}, {how}");
        assert_eq!(
            engine.shop_ids(false),
            strings(&vector["shop_ids"]),
            "{name}, {how}"
        );
        for (shop_id, snapshot) in snapshots {
            let made = engine.snapshot(shop_id).unwrap();
            assert_eq!(made, hex(snapshot), "{name}, {how}, {shop_id}");
        }
        assert_eq!(engine.state_hash().unwrap(), *state_hash, "{name}, {how}");
        assert_eq!(engine.next_due(), next_due, "{name}, {how}");
    }
}

/// Makes the calls of a vector; chunks are handed in as they are asked for.
struct Player {
    partitions: u32,
    engines: BTreeMap<i64, Engine>,
    chunks: BTreeMap<Vec<u8>, Vec<u8>>,
    log: Vec<u8>,
}

impl Player {
    /// The engine of this number, out of the player; a new one when it was not there yet.
    fn take(&mut self, number: i64) -> Engine {
        self.engines
            .remove(&number)
            .unwrap_or_else(|| Engine::new(self.partitions).unwrap())
    }

    /// Hands in what `missing` names, until it names nothing more.
    fn hand_in(&self, engine: &mut Engine, missing: impl Fn(&mut Engine) -> Vec<u8>) {
        loop {
            let ids = missing(engine);
            if ids.is_empty() {
                return;
            }
            self.put(engine, &ids);
        }
    }

    fn put(&self, engine: &mut Engine, ids: &[u8]) {
        for id in ids.chunks(32) {
            engine.put_chunk(id, &self.chunks[id]).unwrap();
        }
    }

    fn play(&mut self, step: &Value, at: &str) {
        if step["call"] == "merge_chunks" {
            return merge(step, at);
        }
        let which = step["engine"].as_i64().unwrap_or_default();
        let mut engine = self.take(which);
        self.call(&mut engine, step, at);
        self.engines.insert(which, engine);
    }

    fn call(&mut self, engine: &mut Engine, step: &Value, at: &str) {
        match step["call"].as_str().unwrap() {
            "decide" => self.decide(engine, step, at),
            "decide_batch" => self.decide_batch(engine, step, at),
            "tick" => {
                let now_ms = number(&step["now_ms"]);
                self.hand_in(engine, |engine| engine.missing_due(now_ms));
                let entries = engine.tick(now_ms).unwrap();
                self.log_all(&listed(entries), &step["entries"], at);
            }
            "query" => {
                let kind = number(&step["kind"]);
                let answer = loop {
                    let answer = engine.query(kind, &hex(&step["request"])).unwrap();
                    if answer.code != -1 {
                        break answer;
                    }
                    self.put(engine, &answer.reply);
                };
                compare(&answer, step, at);
            }
            "apply" => self.apply(engine, step, at),
            "load_manifest" => {
                let partition = engine.load_manifest(&hex(&step["manifest"])).unwrap();
                assert_eq!(i64::from(partition), number(&step["partition"]), "{at}");
            }
            "install" => engine.install(&hex(&step["manifest"])).unwrap(),
            "rotate" => engine.rotate(partition_of(step)),
            "shrink" => engine.shrink(size(step, "limit")),
            "touched" => assert_eq!(engine.touched(), strings(&step["shop_ids"]), "{at}"),
            "flush" => {
                let flushed = engine.flush(step["shop_id"].as_str().unwrap()).unwrap();
                assert_eq!(flushed.shop, hex(&step["stored"]), "{at}");
                assert_eq!(flushed.head, hex(&step["head"]), "{at}");
                let chunks: Vec<_> = list(&step["chunks"]).collect();
                assert_eq!(flushed.chunks, chunks, "{at}");
            }
            "take_partition" => {
                let mut other = self.take(number(&step["other"]));
                let shops = other.remove_partition(partition_of(step));
                engine.put_partition(partition_of(step), shops);
            }
            call => panic!("{at}: unknown call {call}"),
        }
    }

    fn decide(&mut self, engine: &mut Engine, step: &Value, at: &str) {
        let (kind, now_ms) = (number(&step["kind"]), number(&step["now_ms"]));
        let actor = step["actor"].as_str().unwrap();
        let request = hex(&step["request"]);
        loop {
            let mut entry = Vec::new();
            let answer = engine
                .decide(kind, &request, now_ms, actor, &mut entry)
                .unwrap();
            if answer.code == -1 {
                self.put(engine, &answer.reply);
                continue;
            }
            compare(&answer, step, at);
            assert_eq!(entry, hex(&step["entry"]), "{at}");
            self.log.extend(entry);
            return;
        }
    }

    fn decide_batch(&mut self, engine: &mut Engine, step: &Value, at: &str) {
        let (kind, now_ms) = (number(&step["kind"]), number(&step["now_ms"]));
        let (first, wanted) = (size(step, "first"), size(step, "decided"));
        let count = size(step, "count");
        let (mut results, mut entries, mut decided) = (Vec::new(), BTreeMap::new(), 0);
        loop {
            let answer = engine
                .decide_batch(
                    kind,
                    &hex(&step["batch"]),
                    now_ms,
                    first + decided,
                    count - decided,
                )
                .unwrap();
            if answer.code == -1 {
                self.put(engine, &answer.results);
                continue;
            }
            assert_eq!(Some(answer.code.into()), step["code"].as_i64(), "{at}");
            assert_eq!(answer.total, size(step, "total"), "{at}");
            assert_eq!(Some(answer.batch_id), step["batch_id"].as_u64(), "{at}");
            results.extend(answer.results);
            decided += answer.decided;
            for (partition, (more, data)) in listed(answer.entries) {
                let (count, all) = entries.entry(partition).or_insert((0, Vec::new()));
                *count += more;
                all.extend(data);
            }
            if decided >= wanted {
                break;
            }
        }
        assert_eq!(decided, wanted, "{at}");
        assert_eq!(results, hex(&step["results"]), "{at}");
        self.log_all(&entries, &step["entries"], at);
    }

    fn apply(&mut self, engine: &mut Engine, step: &Value, at: &str) {
        let (log, shop_id) = (hex(&step["log"]), step["shop_id"].as_str().unwrap());
        let (mut applied, mut start) = (0, size(step, "start"));
        loop {
            let done = engine.apply(&log, start, shop_id).unwrap();
            applied += done.count;
            start = done.end;
            if done.missing.is_empty() {
                break;
            }
            self.put(engine, &done.missing);
        }
        assert_eq!(applied, size(step, "applied"), "{at}");
        assert_eq!(start, size(step, "end"), "{at}");
    }

    fn log_all(&mut self, made: &Entries, wanted: &Value, at: &str) {
        let wanted = wanted.as_array().unwrap();
        assert_eq!(made.len(), wanted.len(), "{at}");
        for ((partition, (count, entries)), wanted) in made.iter().zip(wanted) {
            assert_eq!(*partition, number(&wanted[0]), "{at}");
            assert_eq!(*count as u64, wanted[1].as_u64().unwrap(), "{at}");
            assert_eq!(*entries, hex(&wanted[2]), "{at}");
            self.log.extend(entries);
        }
    }
}

/// How many entries of a partition, and the entries.
type Entries = BTreeMap<i64, (usize, Vec<u8>)>;

fn listed(made: Vec<PartitionEntries>) -> Entries {
    made.into_iter()
        .map(|made| (i64::from(made.partition), (made.count, made.entries)))
        .collect()
}

fn merge(step: &Value, at: &str) {
    let sources: Vec<Vec<Vec<u8>>> = step["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| list(source).collect())
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
    )
    .unwrap();
    assert_eq!(merged, list(&step["chunks"]).collect::<Vec<_>>(), "{at}");
}

fn compare(answer: &Answer, step: &Value, at: &str) {
    assert_eq!(Some(answer.code.into()), step["code"].as_i64(), "{at}");
    assert_eq!(answer.reply, hex(&step["reply"]), "{at}");
    let partition = answer.partition.map_or(-1, i64::from);
    assert_eq!(partition, number(&step["partition"]), "{at}");
}

fn partition_of(step: &Value) -> u32 {
    u32::try_from(number(&step["partition"])).unwrap()
}

fn size(step: &Value, key: &str) -> usize {
    usize::try_from(number(&step[key])).unwrap()
}

fn list(values: &Value) -> impl Iterator<Item = Vec<u8>> + '_ {
    values.as_array().unwrap().iter().map(hex)
}

fn strings(values: &Value) -> Vec<String> {
    let strings = values.as_array().unwrap().iter();
    strings.map(|one| one.as_str().unwrap().into()).collect()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}
