//! End-to-end figures: the real binaries on a seeded corpus, beside what the machine does by itself.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]
#![allow(clippy::disallowed_methods, reason = "a rim: it writes files, starts processes and reads the clock")]

use anyhow::{Context as _, bail};
use benches::corpus::{BLOCK_BYTES, Corpus, Facts, Product, zstd_1_blocks};
use benches::dice::Dice;
use benches::measure::process::Process;
use benches::measure::server::Server;
use benches::measure::yardsticks::{append_and_sync, bytes_on_disk, grep_count, megabytes_per_second, zstd_1};
use benches::measure::{percentile, sorted};
use clap::Parser;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Measures shipping, indexing, searching and freshness on this machine.
#[derive(Parser)]
#[command(after_help = "Example:\n  end-to-end --carbontrail target/release/carbontrail --bytes 1GiB")]
struct Arguments {
    /// The carbontrail binary.
    #[arg(long)]
    carbontrail: PathBuf,
    /// Bytes of corpus, such as 256MiB.
    #[arg(long, default_value = "1GiB")]
    bytes: String,
    /// Folder to work in; emptied before and after.
    #[arg(long, default_value = "target/end-to-end")]
    folder: PathBuf,
    /// Seconds of writing at 10 MB/s over 100 files for the freshness figure.
    #[arg(long, default_value_t = 60)]
    fresh_seconds: u64,
    /// File to write the table into.
    #[arg(long)]
    write: Option<PathBuf>,
}

/// One line of the table.
struct Row {
    what: String,
    figure: String,
    beside: String,
}

#[derive(Default)]
struct Table(Vec<Row>);

impl Table {
    fn row(&mut self, what: &str, figure: String, beside: &str) {
        println!("{what:58} {figure:>28}   {beside}");
        self.0.push(Row { what: what.to_owned(), figure, beside: beside.to_owned() });
    }
}

const WORD: &str = "abandoned";
const LIMIT: Duration = Duration::from_secs(3_600);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let bytes = size(&arguments.bytes)?;
    let folder = &arguments.folder;
    empty(folder)?;
    let mut table = Table::default();
    let (files, facts) = corpus(&folder.join("corpus"), bytes, &mut table)?;
    yardsticks(&files, folder, &mut table)?;
    bulk(&arguments, facts, &mut table).await?;
    fresh(&arguments, &mut table).await?;
    if let Some(path) = &arguments.write {
        write_document(path, &table, &arguments.bytes)?;
    }
    fs::remove_dir_all(folder).with_context(|| folder.display().to_string())
}

fn size(text: &str) -> anyhow::Result<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "MiB" => 20,
        "GiB" => 30,
        other => bail!("unknown unit `{other}`: MiB or GiB expected"),
    };
    Ok(digits.parse::<u64>().context("not a size")? << shift)
}

fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("failed to empty `{}`", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("failed to make `{}`", folder.display()))
}

/// Writes the corpus: three products, a folder each.
fn corpus(folder: &Path, bytes: u64, table: &mut Table) -> anyhow::Result<(Vec<PathBuf>, Facts)> {
    let (mut files, mut facts, mut compressed) = (Vec::new(), Facts::default(), 0);
    for product in Product::ALL {
        let folder = folder.join(product.folder());
        fs::create_dir_all(&folder)?;
        let path = folder.join("wso2carbon.log");
        let mut file = fs::File::create(&path).with_context(|| path.display().to_string())?;
        let mut corpus = Corpus::new(product, 1);
        while corpus.facts().bytes < bytes / 3 {
            let mut block = Vec::with_capacity(2 * BLOCK_BYTES);
            corpus.append_bytes(BLOCK_BYTES, &mut block);
            compressed += zstd_1_blocks(&block)?;
            file.write_all(&block)?;
        }
        facts += corpus.facts();
        files.push(path);
    }
    let ratio = facts.bytes as f64 / compressed as f64;
    table.row(
        "corpus",
        format!("{:.0} MB, {} events", facts.bytes as f64 / 1e6, facts.events),
        &format!("zstd -1 in 1 MiB blocks {ratio:.2}"),
    );
    Ok((files, facts))
}

fn yardsticks(files: &[PathBuf], folder: &Path, table: &mut Table) -> anyhow::Result<()> {
    let (speed, ratio) = zstd_1(files)?;
    table.row(
        "yardstick: zstd -1 of the same files, one core",
        format!("{speed:.0} MB/s"),
        &format!("ratio {ratio:.2}"),
    );
    let (speed, found) = grep_count(files, WORD)?;
    table.row("yardstick: grep -c of the same files", format!("{speed:.0} MB/s"), &format!("{found} lines"));
    let (median, p99) = append_and_sync(folder)?;
    table.row("yardstick: 4 KiB append + fdatasync", format!("p99 {p99:.2} ms"), &format!("median {median:.2} ms"));
    Ok(())
}

/// Ships the corpus to an empty server, then asks it.
async fn bulk(arguments: &Arguments, facts: Facts, table: &mut Table) -> anyhow::Result<()> {
    let program = &arguments.carbontrail;
    let (data, state) = (arguments.folder.join("data"), arguments.folder.join("state"));
    let (data, state) = (data.display().to_string(), state.display().to_string());
    let corpus = arguments.folder.join("corpus").display().to_string();
    // The corpus has dates of its own, older than what is kept by default.
    let config = arguments.folder.join("serve.toml");
    fs::write(&config, "[serve]\nretention = \"36500d\"\n")?;
    let config = config.display().to_string();
    let serve = ["serve", "--config", &config, "--data", &data, "--listen", "127.0.0.1:0"];
    let (server, url) = Process::start_server(program, &serve)?;
    let started = Instant::now();
    let since = ["--since", "36500d", "--until-idle"];
    let mut ship = vec!["ship", corpus.as_str(), "--to", url.as_str(), "--state", state.as_str()];
    ship.extend(since);
    let shipper = Process::start(program, &ship)?;
    let (status, shipper_seconds) = shipper.finish(LIMIT)?;
    let wall = started.elapsed().as_secs_f64();
    if !status.success() {
        bail!("ship ended with {status}");
    }
    let counted = Server::new(&url)?.count("").await?;
    if counted != facts.events {
        bail!("{counted} events are searchable, {} were written", facts.events);
    }
    server.terminate()?;
    let peak = server.memory_peak()?;
    let (_, server_seconds) = server.finish(LIMIT)?;
    let rate = |seconds| format!("{:.1} MB/s", megabytes_per_second(facts.bytes, seconds));
    table.row("shipped, per processor second of `ship`", rate(shipper_seconds), &format!("{shipper_seconds:.1} s"));
    table.row(
        "indexed to disk, per processor second of `serve`",
        rate(server_seconds),
        &format!("{server_seconds:.1} s, peak memory {:.0} MB", peak as f64 / 1e6),
    );
    table.row("shipped and durable, by the clock, both on this machine", rate(wall), &format!("{wall:.1} s"));
    let disk = bytes_on_disk(Path::new(&data))?;
    table.row(
        "bytes on disk / raw",
        format!("{:.3}", disk as f64 / facts.bytes as f64),
        &format!("{:.0} MB, with the log of newest lines (up to 256 MB)", disk as f64 / 1e6),
    );
    let (server, url) = Process::start_server(program, &serve)?;
    questions(&url, table).await?;
    server.terminate()?;
    server.finish(LIMIT)?;
    Ok(())
}

async fn questions(url: &str, table: &mut Table) -> anyhow::Result<()> {
    let server = Server::new(url)?;
    for (what, path, times) in [
        ("newest 100", "/v1/search?limit=100".to_owned(), 200),
        ("newest 100 of level:ERROR", "/v1/search?limit=100&q=level%3AERROR".to_owned(), 100),
        ("newest 100 with a word", format!("/v1/search?limit=100&q={WORD}"), 100),
        ("count of a word", format!("/v1/count?q={WORD}"), 50),
        ("histogram by level, all time", "/v1/histogram?by=log.level".to_owned(), 20),
    ] {
        let times = server.latencies(&path, times).await?;
        let (median, p99) = (percentile(&times, 50.0), percentile(&times, 99.0));
        table.row(&format!("{what}, after a restart"), format!("p99 {p99:.1} ms"), &format!("median {median:.1} ms"));
    }
    Ok(())
}

const FRESH_FILES: usize = 100;
const FRESH_BYTES_PER_SECOND: f64 = 10e6;

/// Writes 10 MB/s over 100 files and measures from the write of a probe to the first search that finds it.
async fn fresh(arguments: &Arguments, table: &mut Table) -> anyhow::Result<()> {
    let folder = arguments.folder.join("fresh");
    let data = arguments.folder.join("fresh-data").display().to_string();
    let mut files = Vec::new();
    for index in 0..FRESH_FILES {
        let folder = folder.join(format!("{index:03}"));
        fs::create_dir_all(&folder)?;
        files.push(fs::File::create(folder.join("wso2carbon.log"))?);
    }
    let logs = folder.display().to_string();
    let up = ["up", logs.as_str(), "--data", data.as_str(), "--listen", "127.0.0.1:0"];
    let (process, url) = Process::start_server(&arguments.carbontrail, &up)?;
    let server = Server::new(&url)?;
    let before = process.processor_seconds()?;
    let (mut waits, mut written) = (Vec::new(), 0u64);
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let mut corpora: Vec<Corpus> =
        (0..FRESH_FILES).map(|i| Corpus::starting(Product::ALL[i % 3], i as u64, now_ms, 4.0)).collect();
    let (mut dice, started) = (Dice::new(1), Instant::now());
    let mut next_probe = Duration::from_secs(2);
    let mut probe: Option<tokio::task::JoinHandle<anyhow::Result<Duration>>> = None;
    let mut block = Vec::new();
    while started.elapsed() < Duration::from_secs(arguments.fresh_seconds) {
        while (written as f64) < started.elapsed().as_secs_f64() * FRESH_BYTES_PER_SECOND {
            let index = dice.below(FRESH_FILES as u64) as usize;
            block.clear();
            corpora[index].append_bytes(4_096, &mut block);
            files[index].write_all(&block)?;
            written += block.len() as u64;
        }
        if probe.as_ref().is_some_and(|p| p.is_finished())
            && let Some(done) = probe.take()
        {
            waits.push(done.await??.as_secs_f64() * 1e3);
        }
        if probe.is_none() && started.elapsed() >= next_probe {
            next_probe = started.elapsed() + Duration::from_millis(300);
            let token = format!("probe{:016x}", dice.bits());
            let at = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S,%3f").to_string();
            let line = format!("TID: [-1234] [] [{at}]  INFO {{org.wso2.carbon.core.Probe}} - {token}\n");
            files[0].write_all(line.as_bytes())?;
            let server = server.clone();
            probe = Some(tokio::spawn(async move { server.wait_for(&token, Duration::from_secs(30)).await }));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    let cores = (process.processor_seconds()? - before) / seconds;
    let peak = process.memory_peak()?;
    process.terminate()?;
    process.finish(LIMIT)?;
    let waits = sorted(waits);
    table.row(
        "written to searchable at 10 MB/s over 100 files",
        format!("p99 {:.0} ms", percentile(&waits, 99.0)),
        &format!("median {:.0} ms, {} probes", percentile(&waits, 50.0), waits.len()),
    );
    table.row(
        "`up` meanwhile",
        format!("{cores:.2} cores"),
        &format!("{:.1} MB/s written, peak memory {:.0} MB", written as f64 / 1e6 / seconds, peak as f64 / 1e6),
    );
    Ok(())
}

fn write_document(path: &Path, table: &Table, bytes: &str) -> anyhow::Result<()> {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor =
        processor.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or("").trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let date = jiff::Zoned::now().strftime("%Y-%m-%d");
    let mut text = format!(
        "# Benchmarks\n\nOne run of `make bench` ({bytes} of corpus) on {date}: {cores} cores, {processor}. Absolute times say \
         little on another machine; compare with the yardsticks of the same run, and run it yourself.\n\n\
         The corpus is seeded (`benches/src/corpus.rs`): 372 templates by Zipf frequencies, ids that never come again on \
         half of the events, stacks of 20–120 frames of 64 shapes on 3.6 %, long lines on 1.5 %.\n\n\
         | what | figure | beside it |\n|---|---|---|\n"
    );
    for row in &table.0 {
        text.push_str(&format!("| {} | {} | {} |\n", row.what, row.figure, row.beside));
    }
    // What other benchmarks found stays.
    let kept = fs::read_to_string(path).unwrap_or_default();
    if let Some(at) = kept.find("\n## ") {
        text.push_str(&kept[at..]);
    }
    fs::write(path, text).with_context(|| format!("failed to write `{}`", path.display()))
}
