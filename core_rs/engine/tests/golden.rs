//! Replays the golden vectors that both cores must reproduce byte for byte.

use std::fs;
use std::path::Path;

use fenliu_engine::{Engine, PartitionEntries};
use serde_json::Value;

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
    let partitions = u32::try_from(number(&vector["partitions"])).unwrap();
    let mut engine = Engine::new(partitions).unwrap();
    let mut log = Vec::new();
    for (n, step) in vector["steps"].as_array().unwrap().iter().enumerate() {
        run(&mut engine, step, &mut log, &format!("{name}, step {n}"));
    }
    let next_due = vector["next_due"].as_i64();
    let state_hash = hex(&vector["state_hash"]);
    assert_eq!(engine.next_due(), next_due, "{name}");
    assert_eq!(engine.state_hash().unwrap(), *state_hash, "{name}");

    let mut loaded = Engine::new(partitions).unwrap();
    let snapshots = vector["snapshots"].as_object().unwrap();
    let mut shop_ids: Vec<_> = snapshots.keys().cloned().collect();
    shop_ids.sort();
    assert_eq!(engine.shop_ids(false), shop_ids, "{name}");
    for (shop_id, snapshot) in snapshots {
        let snapshot = hex(snapshot);
        assert_eq!(
            engine.snapshot(shop_id).unwrap(),
            snapshot,
            "{name}, {shop_id}"
        );
        loaded.load_snapshot(&snapshot).unwrap();
    }
    let mut applied = Engine::new(partitions).unwrap();
    applied.apply(&log, 0, "").unwrap();
    for (mut other, how) in [(loaded, "loaded"), (applied, "applied")] {
        assert_eq!(other.state_hash().unwrap(), *state_hash, "{name}, {how}");
        assert_eq!(other.next_due(), next_due, "{name}, {how}");
    }
}

fn run(engine: &mut Engine, step: &Value, log: &mut Vec<u8>, at: &str) {
    let kind = step["kind"].as_i64().unwrap_or_default();
    let code = step["code"].as_i64();
    match step["call"].as_str().unwrap() {
        "decide" => {
            let mut entry = Vec::new();
            let actor = step["actor"].as_str().unwrap();
            let request = hex(&step["request"]);
            let answer = engine
                .decide(kind, &request, number(&step["now_ms"]), actor, &mut entry)
                .unwrap();
            assert_eq!(Some(answer.code.into()), code, "{at}");
            assert_eq!(answer.reply, hex(&step["reply"]), "{at}");
            assert_eq!(
                partition(answer.partition),
                number(&step["partition"]),
                "{at}"
            );
            assert_eq!(entry, hex(&step["entry"]), "{at}");
            log.extend(entry);
        }
        "decide_batch" => {
            let size = |key: &str| usize::try_from(number(&step[key])).unwrap();
            let answer = engine
                .decide_batch(
                    kind,
                    &hex(&step["batch"]),
                    number(&step["now_ms"]),
                    size("first"),
                    size("count"),
                )
                .unwrap();
            assert_eq!(Some(answer.code.into()), code, "{at}");
            assert_eq!(answer.results, hex(&step["results"]), "{at}");
            assert_eq!(answer.total, size("total"), "{at}");
            assert_eq!(Some(answer.batch_id), step["batch_id"].as_u64(), "{at}");
            compare(&answer.entries, &step["entries"], log, at);
        }
        "tick" => compare(
            &engine.tick(number(&step["now_ms"])).unwrap(),
            &step["entries"],
            log,
            at,
        ),
        "query" => {
            let answer = engine.query(kind, &hex(&step["request"])).unwrap();
            assert_eq!(Some(answer.code.into()), code, "{at}");
            assert_eq!(answer.reply, hex(&step["reply"]), "{at}");
            assert_eq!(
                partition(answer.partition),
                number(&step["partition"]),
                "{at}"
            );
        }
        call => panic!("{at}: unknown call {call}"),
    }
}

fn compare(made: &[PartitionEntries], wanted: &Value, log: &mut Vec<u8>, at: &str) {
    let wanted = wanted.as_array().unwrap();
    assert_eq!(made.len(), wanted.len(), "{at}");
    for (made, wanted) in made.iter().zip(wanted) {
        assert_eq!(i64::from(made.partition), number(&wanted[0]), "{at}");
        assert_eq!(made.count as u64, wanted[1].as_u64().unwrap(), "{at}");
        assert_eq!(made.entries, hex(&wanted[2]), "{at}");
        log.extend(&made.entries);
    }
}

fn partition(partition: Option<u32>) -> i64 {
    partition.map_or(-1, i64::from)
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
