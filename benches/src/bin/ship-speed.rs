//! What the shipper costs, measured on the real program with an indexer that only says yes ([`benches::measure::sink`]):
//! speed per core beside `zstd -1` and where the time goes, the agent at 10 MB/s, 20,000 files, and the time from an append
//! until it is sent.
//!
//! Processor time, not the clock; each pair in turn, several times. So the ratios hold on a busy machine too.
#![allow(clippy::print_stdout, reason = "a command line program")]
#![allow(clippy::disallowed_methods, reason = "a rim: it writes files, starts processes and reads the clock")]

use anyhow::{Context as _, bail, ensure};
use axum::body::Bytes;
use benches::corpus::{BLOCK_BYTES, Corpus, Product};
use benches::dice::Dice;
use benches::measure::process::Process;
use benches::measure::sink::Sink;
use benches::measure::yardsticks::{append_and_sync, thread_seconds};
use benches::measure::{percentile, sorted};
use clap::Parser as _;
use parsers::{Context, FileFacts, Offset};
use std::collections::HashMap;
use std::fs;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use wire::{Fate, Message, Request};

/// Measures the shipper.
#[derive(clap::Parser)]
#[command(after_help = "Example:\n  ship-speed --carbontrail target/release/carbontrail --mib 192 --rounds 3")]
struct Arguments {
    /// The carbontrail binary.
    #[arg(long)]
    carbontrail: PathBuf,
    /// Corpus, in MiB.
    #[arg(long, default_value_t = 192)]
    mib: usize,
    /// How often each measurement is made; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each measurement over time.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Folder to work in; emptied before and after.
    #[arg(long, default_value = "target/ship-speed")]
    folder: PathBuf,
    /// Only these parts: speed, stages, steady, many, latency.
    #[arg(long)]
    only: Vec<String>,
}

const LIMIT: Duration = Duration::from_secs(600);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.folder.exists() {
        fs::remove_dir_all(&arguments.folder)?;
    }
    fs::create_dir_all(&arguments.folder)?;
    println!("| what | figure | beside it |\n|---|---|---|");
    let wants = |part: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == part);
    if wants("speed") || wants("stages") {
        speed(&arguments, wants("stages"))?;
    }
    if wants("steady") {
        steady(&arguments)?;
    }
    if wants("many") {
        many(&arguments)?;
    }
    if wants("latency") {
        latency(&arguments)?;
    }
    fs::remove_dir_all(&arguments.folder)?;
    Ok(())
}

fn row(what: &str, figure: String, beside: String) {
    println!("| {what} | {figure} | {beside} |");
}

fn median(values: Vec<f64>) -> f64 {
    percentile(&sorted(values), 50.0)
}

/// A shipper of `logs` that sends to `sink`.
fn ship(arguments: &Arguments, sink: &Sink, logs: &Path, state: &str, more: &[&str]) -> anyhow::Result<Process> {
    let (logs, state) = (logs.display().to_string(), arguments.folder.join(state).display().to_string());
    let mut line = vec!["ship", &logs, "--to", sink.url(), "--state", &state, "--since", "36500d"];
    line.extend(more);
    Process::start(&arguments.carbontrail, &line)
}

/// Three products, a folder and a file each.
fn corpus(folder: &Path, bytes: usize) -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for product in Product::ALL {
        let folder = folder.join(product.folder());
        fs::create_dir_all(&folder)?;
        let path = folder.join("wso2carbon.log");
        let mut text = Vec::new();
        Corpus::new(product, 1).append_bytes(bytes / 3, &mut text);
        fs::write(&path, &text)?;
        files.push((path, text));
    }
    Ok(files)
}

fn compress(compressor: &mut zstd::bulk::Compressor<'_>, bytes: &[u8], block: usize) -> anyhow::Result<usize> {
    let mut out = Vec::with_capacity(zstd::zstd_safe::compress_bound(block));
    bytes.chunks(block).try_fold(0, |sum, block| {
        out.clear();
        Ok(sum + compressor.compress_to_buffer(block, &mut out)?)
    })
}

/// Processor seconds of `work`, on this thread.
fn seconds_of<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<f64> {
    let begun = thread_seconds()?;
    black_box(work()?);
    Ok(thread_seconds()? - begun)
}

/// All of a corpus, from its files to the indexer's yes, per processor second.
fn speed(arguments: &Arguments, stages: bool) -> anyhow::Result<()> {
    let logs = arguments.folder.join("corpus");
    let files = corpus(&logs, arguments.mib << 20)?;
    let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
    let redacting = arguments.folder.join("redact.toml");
    fs::write(&redacting, "[redact]\nclasses = [\"secrets\"]\n")?;
    let redacting = ["--until-idle", "--config", redacting.to_str().context("the folder's name is not UTF-8")?];
    let (mut yardstick, mut plain, mut redacted, mut packed) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let requests = Arc::new(Mutex::new(Vec::new()));
    let mut seen = None;
    for round in 0..arguments.rounds {
        let mut compressor = zstd::bulk::Compressor::new(1)?;
        yardstick.push(seconds_of(|| {
            packed = files
                .iter()
                .try_fold(0, |sum, (_, text)| anyhow::Ok(sum + compress(&mut compressor, text, BLOCK_BYTES)?))?;
            Ok(())
        })?);
        let kept = (round == 0 && stages).then(|| Arc::clone(&requests));
        let sink = Sink::start(Box::new(move |request, body| {
            if let Some(kept) = &kept {
                kept.lock().expect("no panic while it is kept").push((request.clone(), body.clone()));
            }
        }))?;
        plain.push(ship_all(arguments, &sink, &logs, &format!("plain{round}"), &["--until-idle"], bytes)?);
        seen = Some(sink.seen());
        let sink = Sink::start(Box::new(|_, _| {}))?;
        redacted.push(ship_all(arguments, &sink, &logs, &format!("redacted{round}"), &redacting, bytes)?);
    }
    let mb = bytes as f64 / 1e6;
    let (yardstick, plain, redacted) = (median(yardstick), median(plain), median(redacted));
    let seen = seen.context("no round was run")?;
    row(
        "yardstick: `zstd -1` of the same bytes in blocks of 1 MiB",
        format!("{:.0} MB/s", mb / yardstick),
        format!("{mb:.0} MB, ratio {:.2}", bytes as f64 / packed as f64),
    );
    row(
        "shipped per processor second, redaction off",
        format!("{:.0} MB/s", mb / plain),
        format!(
            "**{:.2}** × the yardstick; {} requests, {} events, ratio {:.2} with the parse",
            yardstick / plain,
            seen.requests,
            seen.events,
            bytes as f64 / seen.body_bytes as f64
        ),
    );
    row(
        "the same, redaction of secrets on",
        format!("{:.0} MB/s", mb / redacted),
        format!("{:.2} × that without", plain / redacted),
    );
    if stages {
        let requests = std::mem::take(&mut *requests.lock().expect("no panic while it is kept"));
        table(&files, &requests, plain, mb)?;
    }
    Ok(())
}

/// Processor seconds of a shipper that ships all there is.
fn ship_all(
    arguments: &Arguments,
    sink: &Sink,
    logs: &Path,
    state: &str,
    more: &[&str],
    bytes: usize,
) -> anyhow::Result<f64> {
    let (status, seconds) = ship(arguments, sink, logs, state, more)?.finish(LIMIT)?;
    ensure!(status.success(), "ship ended with {status}");
    let seen = sink.seen();
    // Redaction changes the number of bytes.
    ensure!(more.len() > 1 || seen.event_bytes == bytes as u64, "{} of {bytes} bytes came", seen.event_bytes);
    Ok(seconds)
}

/// Processor seconds a GB by stage: the same library calls on the same bytes, one after the other; the rest is what is
/// left of the whole.
fn table(files: &[(PathBuf, Vec<u8>)], requests: &[(Request, Bytes)], whole: f64, mb: f64) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    let mut buffer = vec![0; 256 << 10];
    let read = || {
        for (path, _) in files {
            let mut file = fs::File::open(path)?;
            while file.read(&mut buffer)? > 0 {}
        }
        Ok(())
    };
    rows.push(("read", seconds_of(read)?));
    let parse = || Ok(files.iter().map(|(_, text)| parse(text)).sum::<u64>());
    rows.push(("frame and parse", seconds_of(parse)?));
    let hash = || Ok(requests.iter().map(|(request, _)| ledger(request)).fold(0, u128::wrapping_add));
    rows.push(("ledger and head hashes", seconds_of(hash)?));
    let encode =
        seconds_of(|| Ok(requests.iter().map(|(request, _)| wire::encode_request(request).len()).sum::<usize>()))?;
    // Behind 20 bytes of header stands one frame.
    let bodies: Vec<Vec<u8>> = requests
        .iter()
        .map(|(_, body)| zstd::bulk::decompress(&body[20..], 32 << 20).context("a body is not zstd"))
        .collect::<Result<_, _>>()?;
    let mut compressor = zstd::bulk::Compressor::new(1)?;
    let pack = seconds_of(|| {
        bodies.iter().try_fold(0, |sum, body| Ok(sum + compress(&mut compressor, body, body.len().max(1))?))
    })?;
    rows.push(("encode", encode - pack));
    rows.push(("compress", pack));
    let known: f64 = rows.iter().map(|(_, seconds)| seconds).sum();
    rows.push(("the rest: batches, sockets, marks, state files, start", whole - known));
    for (what, seconds) in rows {
        row(
            &format!("— {what}"),
            format!("{:.2} s/GB", seconds / mb * 1e3),
            format!("{:.0} %", seconds / whole * 100.0),
        );
    }
    let decoded: usize = bodies.iter().map(Vec::len).sum();
    row(
        "— all of it",
        format!("{:.2} s/GB", whole / mb * 1e3),
        format!("{:.2} bytes encoded for each byte of log", decoded as f64 / 1e6 / mb),
    );
    Ok(())
}

fn parse(text: &[u8]) -> u64 {
    let facts = FileFacts { name: "wso2carbon.log".into(), family: None };
    let mut parser = parsers::Parser::new(facts, Offset(0), Context::default()).templates_later();
    let (mut fields, mut at, mut end) = (0, 0, 0);
    while end < text.len() {
        end = (end + (256 << 10)).min(text.len());
        at += parser.advance(&text[at..end], &[], &mut |event, _| fields += event.fields.len() as u64);
    }
    fields
}

fn ledger(request: &Request) -> u128 {
    let mut sum = 0u128;
    for message in &request.messages {
        let Message::Ranges(ranges) = message else { continue };
        for range in &ranges.ranges {
            let Fate::Events(payload) = &range.fate else { continue };
            for (event, bytes) in payload.iter() {
                let line = &bytes[..bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len())];
                sum = sum.wrapping_add(wire::LedgerHash::of(ranges.stream, event.offset, &bytes).0);
                sum = sum.wrapping_add(u128::from(wire::head_hash(ranges.stream, line)));
            }
        }
    }
    sum
}

/// Log files that are written to.
struct Live {
    files: Vec<fs::File>,
    corpora: Vec<Corpus>,
    block: Vec<u8>,
}

impl Live {
    fn new(folder: &Path, count: usize) -> anyhow::Result<Live> {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let (mut files, mut corpora) = (Vec::new(), Vec::new());
        for index in 0..count {
            let folder = folder.join(format!("{index:03}"));
            fs::create_dir_all(&folder)?;
            files.push(fs::OpenOptions::new().append(true).create(true).open(folder.join("wso2carbon.log"))?);
            corpora.push(Corpus::starting(Product::ALL[index % 3], index as u64, now_ms, 4.0));
        }
        Ok(Live { files, corpora, block: Vec::new() })
    }

    /// Appends about `bytes` to a file.
    fn append(&mut self, index: usize, bytes: usize) -> anyhow::Result<u64> {
        self.block.clear();
        self.corpora[index].append_bytes(bytes, &mut self.block);
        self.files[index].write_all(&self.block)?;
        Ok(self.block.len() as u64)
    }
}

/// The agent while 10 MB/s are written, into one file and into a hundred.
fn steady(arguments: &Arguments) -> anyhow::Result<()> {
    for (count, redacts) in [(1, false), (100, false), (100, true)] {
        let name = format!("steady{count}{redacts}");
        let logs = arguments.folder.join(&name);
        let mut live = Live::new(&logs, count)?;
        let config = arguments.folder.join("steady.toml");
        let classes = if redacts { "[\"secrets\"]" } else { "[]" };
        fs::write(&config, format!("[redact]\nclasses = {classes}\n"))?;
        let config = config.display().to_string();
        let sink = Sink::start(Box::new(|_, _| {}))?;
        let process = ship(arguments, &sink, &logs, &format!("{name}-state"), &["--config", &config])?;
        let (mut dice, started, mut written) = (Dice::new(1), Instant::now(), 0);
        let (mut begun, mut resident) = (None, Vec::new());
        let warm = Duration::from_secs(3);
        while started.elapsed() < warm + Duration::from_secs(arguments.seconds) {
            while (written as f64) < started.elapsed().as_secs_f64() * 10e6 {
                written += live.append(dice.below(count as u64) as usize, 4096)?;
            }
            if begun.is_none() && started.elapsed() >= warm {
                begun = Some((process.processor_seconds()?, Instant::now()));
            }
            resident.push(process.memory()? as f64 / 1e6);
            std::thread::sleep(Duration::from_millis(2));
        }
        let (before, at) = begun.context("it was not warm in time")?;
        let cores = (process.processor_seconds()? - before) / at.elapsed().as_secs_f64();
        let rate = written as f64 / 1e6 / started.elapsed().as_secs_f64();
        let peak = process.memory_peak()? as f64 / 1e6;
        process.terminate()?;
        process.finish(LIMIT)?;
        let compressing = compressing_alone(&logs)? * 10e6;
        row(
            &format!("`ship` at 10 MB/s over {count} files{}", if redacts { ", redaction on" } else { "" }),
            format!("{:.1} % of a core", cores * 100.0),
            format!(
                "{:.1} MB resident, peak {peak:.1} MB; {rate:.1} MB/s, {} requests; `zstd -1` of as much, at one go: {:.1} %",
                median(resident),
                sink.seen().requests,
                compressing * 100.0
            ),
        );
    }
    Ok(())
}

/// Seconds a byte of what was written takes the compressor, in blocks as large as a request.
fn compressing_alone(logs: &Path) -> anyhow::Result<f64> {
    const ENOUGH: usize = 64 << 20;
    let mut text = Vec::new();
    for folder in fs::read_dir(logs)? {
        let file = fs::File::open(folder?.path().join("wso2carbon.log"))?;
        file.take((ENOUGH - text.len()) as u64).read_to_end(&mut text)?;
    }
    let mut compressor = zstd::bulk::Compressor::new(1)?;
    let before = thread_seconds()?;
    compress(&mut compressor, &text, 512 << 10)?;
    Ok((thread_seconds()? - before) / text.len() as f64)
}

/// 20,000 files, of which none or 100 are written to.
fn many(arguments: &Arguments) -> anyhow::Result<()> {
    let logs = arguments.folder.join("many");
    let mut live = Live::new(&logs, 100)?;
    let mut other = Corpus::new(Product::ApiManager, 5);
    for index in 0..100 {
        live.append(index, 1024)?;
        for old in 1..200 {
            let mut text = Vec::new();
            other.append_bytes(400, &mut text);
            fs::write(logs.join(format!("{index:03}/service-{old}.log")), text)?;
        }
    }
    let sink = Sink::start(Box::new(|_, _| {}))?;
    let process = ship(arguments, &sink, &logs, "many-state", &[])?;
    let started = Instant::now();
    settle(&sink, Duration::from_secs(6))?;
    row(
        "20,000 files found and shipped",
        format!("{:.1} s of processor", process.processor_seconds()?),
        format!("{:.1} s by the clock, {} events", started.elapsed().as_secs_f64() - 6.0, sink.seen().events),
    );
    for active in [0, 100] {
        // A minute holds one of each thing that is done now and then, but for the listing of all folders: with so many
        // files there is one in six minutes.
        let seconds = arguments.seconds.max(if active == 0 { 360 } else { 60 });
        let (before, begun, mut lines) = (process.processor_seconds()?, Instant::now(), 0.0);
        while begun.elapsed() < Duration::from_secs(seconds) {
            // A line a second in each active file.
            while active > 0 && lines < begun.elapsed().as_secs_f64() * active as f64 {
                live.append(lines as usize % active, 1)?;
                lines += 1.0;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let share = (process.processor_seconds()? - before) / begun.elapsed().as_secs_f64();
        row(
            &format!("`ship` with 20,000 files, {active} written to, an event a second each"),
            format!("{:.3} % of a core", share * 100.0),
            format!(
                "{:.1} MB resident, peak {:.1} MB",
                process.memory()? as f64 / 1e6,
                process.memory_peak()? as f64 / 1e6
            ),
        );
    }
    process.terminate()?;
    process.finish(LIMIT)?;
    Ok(())
}

/// Waits until nothing was sent for so long.
fn settle(sink: &Sink, quiet: Duration) -> anyhow::Result<()> {
    let (mut last, mut since, started) = (sink.seen(), Instant::now(), Instant::now());
    while last.events == 0 || since.elapsed() < quiet {
        std::thread::sleep(Duration::from_millis(20));
        let seen = sink.seen();
        if (seen.events, seen.provisional) != (last.events, last.provisional) {
            (last, since) = (seen, Instant::now());
        }
        ensure!(started.elapsed() < LIMIT, "it did not come to rest");
    }
    Ok(())
}

/// From the append of a line until a request with it arrives, the file being idle before.
fn latency(arguments: &Arguments) -> anyhow::Result<()> {
    let (sync_median, sync_p99) = append_and_sync(&arguments.folder)?;
    let logs = arguments.folder.join("latency");
    let mut live = Live::new(&logs, 1)?;
    live.append(0, 4096)?;
    let arrived: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let at = Arc::clone(&arrived);
    let sink = Sink::start(Box::new(move |request, _| {
        let now = Instant::now();
        for token in request.messages.iter().flat_map(probes) {
            at.lock().expect("no panic while it is noted").entry(token).or_insert(now);
        }
    }))?;
    let process = ship(arguments, &sink, &logs, "latency-state", &[])?;
    settle(&sink, Duration::from_secs(1))?;
    let (mut dice, mut waits) = (Dice::new(7), Vec::new());
    for _ in 0..200 {
        let token = format!("probe{:016x}", dice.bits());
        let time = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S,%3f").to_string();
        let line = format!("TID: [-1234] [] [{time}]  INFO {{org.wso2.carbon.core.Probe}} - {token}\n");
        let written = Instant::now();
        live.files[0].write_all(line.as_bytes())?;
        let came = loop {
            if let Some(at) = arrived.lock().expect("no panic while it is noted").get(&token) {
                break *at;
            }
            if written.elapsed() > Duration::from_secs(10) {
                bail!("a line did not arrive within 10 s");
            }
            std::thread::sleep(Duration::from_micros(200));
        };
        waits.push(came.duration_since(written).as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_millis(30 + dice.below(40)));
    }
    process.terminate()?;
    process.finish(LIMIT)?;
    let waits = sorted(waits);
    row(
        "appended → at the indexer, an idle file",
        format!("p99 {:.1} ms", percentile(&waits, 99.0)),
        format!(
            "median {:.1} ms; a 4 KiB append + fdatasync: p99 {sync_p99:.2} ms, median {sync_median:.2} ms",
            percentile(&waits, 50.0)
        ),
    );
    Ok(())
}

/// Tokens of the lines that a message holds, closed or open.
fn probes(message: &Message) -> Vec<String> {
    let of = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.lines()
            .filter_map(|line| Some(line.split_once(" - probe")?.1.to_owned()))
            .map(|t| format!("probe{t}"))
            .collect()
    };
    match message {
        Message::Provisional(open) => of(&open.bytes),
        Message::Ranges(ranges) => ranges
            .ranges
            .iter()
            .flat_map(|range| match &range.fate {
                Fate::Events(payload) => of(&payload.bytes),
                _ => Vec::new(),
            })
            .collect(),
        _ => Vec::new(),
    }
}
