//! One target under libFuzzer; which one says `FUZZ_TARGET`. `scripts/fuzz` builds it with coverage and runs it.
#![no_main]
#![allow(unsafe_code, reason = "the engine calls by C; its macro writes the functions")]

use std::sync::OnceLock;

static TARGET: OnceLock<fuzz::Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names the target");
        let known = fuzz::TARGETS.iter().find(|(known, _)| *known == name);
        known.unwrap_or_else(|| panic!("no target is called `{name}`")).1
    });
    target(bytes);
});
