#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fenliu_fuzz::stored::run(data));
