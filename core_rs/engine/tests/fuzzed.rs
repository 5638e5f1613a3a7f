//! Inputs that fuzzers have found and that are kept (`fuzz/kept`, `fuzz/crashes`), each through the
//! function that the fuzzers run.

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::Path;

/// Runs what is kept for a target; a panic tells the file.
fn run_kept(target: &str, run: impl Fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let mut inputs = 0;
    for folder in ["kept", "crashes"] {
        let Ok(files) = fs::read_dir(root.join(folder).join(target)) else {
            continue; // no crash is known
        };
        for file in files {
            let path = file.unwrap().path();
            let name = path.display().to_string();
            let told = Told(&name);
            run(&fs::read(&path).unwrap());
            std::mem::forget(told);
            inputs += 1;
        }
    }
    assert!(inputs > 20, "{inputs} inputs in {}", root.display());
}

/// Tells which file it was when a panic passes.
struct Told<'a>(&'a str);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        eprintln!("at {}", self.0);
    }
}

#[test]
fn inputs_kept_for_commands_keep_every_promise() {
    run_kept("commands", fuzz::commands::run);
}

#[test]
fn inputs_kept_for_what_is_stored_make_no_panic() {
    run_kept("stored", fuzz::stored::run);
}
