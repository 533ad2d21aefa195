//! Writes a corpus of Carbon logs and prints what it holds.
#![allow(clippy::print_stdout, reason = "a command line program")]
#![allow(clippy::disallowed_methods, reason = "a rim: it writes files")]

use anyhow::{Context as _, bail};
use benches::corpus::{BLOCK_BYTES, Corpus, Facts, Product, zstd_1_blocks};
use clap::Parser;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

/// Writes a seeded corpus of Carbon logs: the same seed and size give the same bytes.
#[derive(Parser)]
#[command(after_help = "Example:\n  corpus --out /tmp/corpus --bytes 1GiB --files 3")]
struct Arguments {
    /// Folder to write into; one sub-folder a product and file.
    #[arg(long)]
    out: PathBuf,
    /// Bytes in all, such as 64MiB or 1GiB.
    #[arg(long, default_value = "1GiB", value_parser = parse_bytes)]
    bytes: u64,
    /// Number of files, of the three products in turn.
    #[arg(long, default_value_t = 3)]
    files: u64,
    /// Seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        unit => return Err(format!("unknown unit `{unit}`: KiB, MiB or GiB expected")),
    };
    digits.parse::<u64>().map(|n| n << shift).map_err(|_| format!("`{text}` is not a size"))
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.files == 0 {
        bail!("--files must be at least 1");
    }
    let (mut facts, mut compressed) = (Facts::default(), 0);
    for index in 0..arguments.files {
        let product = Product::ALL[(index % 3) as usize];
        let folder = arguments.out.join(format!("{:03}-{}", index + 1, product.folder()));
        fs::create_dir_all(&folder).with_context(|| format!("failed to make folder `{}`", folder.display()))?;
        let path = folder.join("wso2carbon.log");
        let mut file = fs::File::create(&path).with_context(|| format!("failed to create `{}`", path.display()))?;
        let mut corpus = Corpus::new(product, arguments.seed + index);
        let mut block = Vec::with_capacity(2 * BLOCK_BYTES);
        while corpus.facts().bytes < arguments.bytes / arguments.files {
            corpus.append_bytes(BLOCK_BYTES - block.len(), &mut block);
            let rest = block.split_off(BLOCK_BYTES.min(block.len()));
            compressed += zstd_1_blocks(&block)?;
            file.write_all(&block).with_context(|| format!("failed to write `{}`", path.display()))?;
            block = rest;
        }
        compressed += zstd_1_blocks(&block)?;
        file.write_all(&block).with_context(|| format!("failed to write `{}`", path.display()))?;
        facts += corpus.facts();
    }
    println!(
        "{} bytes, {} events, {} lines; {:.1} % with a unique id, {:.1} % with a stack, {:.1} % long; \
         zstd -1 in 1 MiB blocks {:.2}",
        facts.bytes,
        facts.events,
        facts.lines,
        facts.percent(facts.unique_ids),
        facts.percent(facts.stacks),
        facts.percent(facts.long_lines),
        facts.bytes as f64 / compressed.max(1) as f64
    );
    Ok(())
}
