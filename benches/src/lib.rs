//! What benchmarks and tests write and measure: a seeded corpus of Carbon logs, and a writer that fills
//! log folders as running products do. Every text in here is our own; only layouts and package names are WSO2's.

pub mod by_regex;
pub mod corpus;
pub mod dice;
pub mod local_time;
pub mod measure;
pub mod stacks;
pub mod templates;
pub mod writer;
