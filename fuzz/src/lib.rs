//! What is fuzzed, and what must hold of it. A target takes any bytes and panics when something does not hold.
//!
//! Targets are pure functions, so that the kept corpus (`fuzz/corpus`) is run by `cargo test` as well; every crash
//! that was found is kept there.
#![allow(clippy::unwrap_used, reason = "a target fails by panicking")]

mod decoders;
mod edge;
mod formats;
mod framing;
mod redaction;

/// Takes any bytes; panics when something does not hold.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("framing", framing::framing),
    ("template", framing::template),
    ("context", framing::context),
    ("formats", formats::formats),
    ("wire", decoders::wire),
    ("records", decoders::records),
    ("log", decoders::log),
    ("query", decoders::query),
    ("redaction", redaction::redaction),
    ("segment", decoders::segment),
    ("spill", decoders::spill),
    ("edge", edge::edge),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "the corpus is read")]
    use super::*;
    use std::fs;

    #[test]
    fn the_kept_corpus_holds() {
        for (name, target) in TARGETS {
            let folder = format!("{}/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
            let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            assert!(!files.is_empty(), "{name}: no corpus");
            for file in files {
                target(&fs::read(file).unwrap());
            }
            target(b"");
        }
    }
}
