//! Builds segments of the corpus on one thread and asks them: MB/s per core, bytes on disk by section, times of
//! queries. Answers the question what the inside of a segment costs, without wire, log and server.
#![allow(clippy::print_stdout, reason = "a command line program")]
#![allow(clippy::disallowed_methods, reason = "a rim: it reads clocks and files")]

use anyhow::Context as _;
use benches::corpus::{Corpus, Product};
use benches::measure::{percentile, sorted};
use bytes::Bytes;
use clap::Parser;
use indexer::event::{StoredEvent, StreamInfo};
use indexer::query::{Clause, Matcher, Query, Target, Test};
use indexer::store::embedded::EmbeddedBuilder;
use indexer::store::segment::{Budget, FacetRequest, Order, Question, Segment, SegmentBuilder, Window};
use outside::Files as _;
use outside::real::RealFiles;
use parsers::{Context, FileFacts, Offset, TimeNs};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use wire::{AgentId, EventBody, Factors, StreamId, head_hash};

/// Measures building and searching segments.
#[derive(Parser)]
struct Arguments {
    /// MiB of corpus.
    #[arg(long, default_value_t = 128)]
    mebibytes: usize,
    /// Events in a segment.
    #[arg(long, default_value_t = 100_000)]
    events: usize,
    /// Folder to build in, emptied.
    #[arg(long)]
    folder: std::path::PathBuf,
    /// So many segments are merged into one; 0: none are.
    #[arg(long, default_value_t = 0)]
    merge: usize,
    /// Times each query is asked.
    #[arg(long, default_value_t = 20)]
    runs: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut events: Vec<Arc<StoredEvent>> = Vec::new();
    for (number, product) in Product::ALL.into_iter().enumerate() {
        events.extend(parse(number as u64, product, arguments.mebibytes * (1 << 20) / 3));
    }
    events.sort_by_key(|event| event.time);
    let segments = build(&arguments, &events)?;
    drop(events);
    ask(&segments, arguments.runs)?;
    if arguments.merge < 2 {
        return Ok(());
    }
    let merged = merge(&arguments, &segments)?;
    drop(segments);
    ask(&merged, arguments.runs)
}

/// Seconds of processor this thread has used.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

fn parse(number: u64, product: Product, bytes: usize) -> Vec<Arc<StoredEvent>> {
    let mut text = Vec::new();
    Corpus::new(product, 7 + number).append_bytes(bytes, &mut text);
    let factors = Factors {
        path: format!("/opt/{}/repository/logs/wso2carbon.log", product.folder()),
        name: "wso2carbon.log".to_owned(),
        product: Some(product.folder().to_owned()),
        ..Factors::default()
    };
    let (host_id, host_name) = ("host".to_owned(), "node-1".to_owned());
    let info =
        Arc::new(StreamInfo { stream: StreamId(number + 1), agent: AgentId::default(), host_id, host_name, factors });
    let facts = FileFacts { name: "wso2carbon.log".to_owned(), family: None };
    let mut parser = parsers::Parser::new(facts, Offset(0), Context::default());
    let text = Bytes::from(text);
    let mut events = Vec::new();
    parser.advance(&text, &[], &mut |event, bytes| {
        let line = bytes.split(|&c| c == b'\n').next().unwrap_or_default();
        let body = EventBody {
            offset: event.offset,
            size: event.size,
            len: event.size,
            lines: event.lines,
            head_hash: head_hash(info.stream, line),
            family: event.family,
            dataset: event.dataset,
            level: event.level,
            time: event.time,
            flags: event.flags,
            continues: None,
            fields: event.fields.clone(),
        };
        let time = event.time.map_or(TimeNs(0), |time| time.utc);
        let ingested = TimeNs(time.0 / 1_000_000_000 * 1_000_000_000 + 300_000_017);
        events.push(Arc::new(StoredEvent {
            info: Arc::clone(&info),
            body,
            raw: text.slice_ref(bytes),
            time,
            ingested,
        }));
    });
    events
}

fn build(arguments: &Arguments, events: &[Arc<StoredEvent>]) -> anyhow::Result<Vec<Arc<dyn Segment>>> {
    let files = RealFiles;
    let builder = EmbeddedBuilder::mapped(32 << 20);
    drop(files.remove_folder_all(&arguments.folder));
    let (mut segments, mut rates, mut sizes) = (Vec::new(), Vec::new(), BTreeMap::<String, u64>::new());
    let (mut raw, mut disk) = (0, 0);
    for (i, part) in events.chunks(arguments.events).enumerate() {
        let folder = arguments.folder.join(i.to_string());
        files.create_folder_all(&folder)?;
        let begin = processor_seconds();
        let meta = builder.build(&files, &folder, part)?;
        rates.push(meta.raw_bytes as f64 / 1e6 / (processor_seconds() - begin));
        raw += meta.raw_bytes;
        disk += meta.disk_bytes;
        add_sizes(&folder, &mut sizes)?;
        segments.push(builder.open(&files, &folder, &meta)?);
    }
    let rates = sorted(rates);
    println!("{} events, {:.1} MB, {} segments", events.len(), raw as f64 / 1e6, segments.len());
    println!(
        "build: {:.1} MB/s per core (slowest {:.1}, fastest {:.1})",
        percentile(&rates, 50.0),
        percentile(&rates, 0.0),
        percentile(&rates, 100.0)
    );
    println!("disk: {:.4} of raw, {:.1} bytes an event", disk as f64 / raw as f64, disk as f64 / events.len() as f64);
    for (name, size) in sizes {
        println!(
            "  {name:<10} {:.4} of raw  {:6.2} bytes an event",
            size as f64 / raw as f64,
            size as f64 / events.len() as f64
        );
    }
    Ok(segments)
}

/// Peak of this process's own memory since the last call, MiB.
fn memory_peak() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    drop(std::fs::write("/proc/self/clear_refs", "5"));
    kib.unwrap_or(0) >> 10
}

fn merge(arguments: &Arguments, segments: &[Arc<dyn Segment>]) -> anyhow::Result<Vec<Arc<dyn Segment>>> {
    let files = RealFiles;
    let builder = EmbeddedBuilder::mapped(32 << 20);
    let (mut merged, mut raw, mut disk, mut seconds) = (Vec::new(), 0, 0, 0.0);
    memory_peak();
    for (i, parts) in segments.chunks(arguments.merge).enumerate() {
        let folder = arguments.folder.join(format!("merged-{i}"));
        files.create_folder_all(&folder)?;
        let begin = processor_seconds();
        let meta = builder.merge(&files, &folder, parts)?;
        seconds += processor_seconds() - begin;
        raw += meta.raw_bytes;
        disk += meta.disk_bytes;
        merged.push(builder.open(&files, &folder, &meta)?);
    }
    println!(
        "merge of {}: {:.1} MB/s per core, {} segments, {:.4} of raw, peak memory {} MiB",
        arguments.merge,
        raw as f64 / 1e6 / seconds,
        merged.len(),
        disk as f64 / raw as f64,
        memory_peak()
    );
    Ok(merged)
}

fn add_sizes(folder: &Path, sizes: &mut BTreeMap<String, u64>) -> anyhow::Result<()> {
    let bytes = std::fs::read(folder.join("segment.ct"))?;
    let sections = indexer::store::embedded::sections(folder, bytes).context("the file just built must be readable")?;
    for (name, size) in sections {
        let group = match name.split_once('/') {
            Some(("words", file)) => format!("words {}", file.rsplit('.').next().unwrap_or(file)),
            Some((group, _)) => group.to_owned(),
            None => name,
        };
        *sizes.entry(group).or_default() += size;
    }
    Ok(())
}

fn text(test: Test) -> Query {
    Query::Clause(Clause { target: Target::Text, test })
}

fn field(name: &str, value: &str) -> Query {
    Query::Clause(Clause { target: Target::Field(name.to_owned()), test: Test::Word(value.to_owned()) })
}

/// A question: its name, its query, and what is asked of a segment; what it gives is a number to compare.
type Ask = fn(&dyn Segment, &Question<'_>, &Budget) -> anyhow::Result<u64>;

fn newest(segment: &dyn Segment, question: &Question<'_>, budget: &Budget) -> anyhow::Result<u64> {
    let mut rows = Vec::new();
    segment.scan(question, Order::Newest, None, budget, &mut |hit| {
        rows.push(hit.row);
        if rows.len() == 100 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    for &row in &rows {
        segment.event(row)?;
    }
    Ok(rows.len() as u64)
}

fn count(segment: &dyn Segment, question: &Question<'_>, budget: &Budget) -> anyhow::Result<u64> {
    Ok(segment.count(question, budget)?.value)
}

fn histogram(segment: &dyn Segment, question: &Question<'_>, budget: &Budget) -> anyhow::Result<u64> {
    let (from, to) = (segment.meta().time_min_ns, segment.meta().time_max_ns);
    let step = 60_000_000_000;
    let bounds: Vec<TimeNs> = (from / step..=to / step + 1).map(|minute| TimeNs(minute * step)).collect();
    let buckets = segment.histogram(question, &bounds, Some("log.level"), budget)?.value;
    Ok(buckets.iter().map(|bucket| bucket.count).sum())
}

fn facets(segment: &dyn Segment, question: &Question<'_>, budget: &Budget) -> anyhow::Result<u64> {
    let names = ["log.level", "log.logger", "host.name", "service.type", "error.type", "wso2.tenant.id"];
    let requests = names.map(|field| FacetRequest { field, prefix: "", distinct_max: 1000 });
    let facets = segment.facets(question, &requests, budget)?.value;
    Ok(facets.iter().flat_map(|facet| facet.values.values()).sum())
}

fn ask(segments: &[Arc<dyn Segment>], runs: usize) -> anyhow::Result<()> {
    let word = |word: &str| text(Test::Word(word.to_owned()));
    let id = {
        let last = segments.first().context("no segment was built")?.event(indexer::store::segment::Row(77))?;
        let message = String::from_utf8_lossy(&last.raw).into_owned();
        let found = message.split(|c: char| !c.is_ascii_hexdigit() && c != '-').find(|part| part.len() == 36);
        found.unwrap_or("00000000-0000-4000-8000-000000000000").to_owned()
    };
    let questions: Vec<(&str, Query, Ask)> = vec![
        ("newest 100 of all", Query::All, newest),
        ("newest 100 of a frequent word", word("api"), newest),
        ("newest 100 of an absent word", word("nowhere"), newest),
        ("newest 100 of ERROR", field("log.level", "ERROR"), newest),
        ("newest 100 of a phrase", text(Test::Phrase("connection refused".to_owned())), newest),
        ("an id", text(Test::Phrase(id)), newest),
        ("newest 100 of conn*", text(Test::Wildcard("conn*".to_owned())), newest),
        ("newest 100 of *meou*", text(Test::Wildcard("*meou*".to_owned())), newest),
        ("newest 100 of /time.?out/", text(Test::Regex("time.?out".to_owned())), newest),
        ("count of a word", word("api"), count),
        ("count of a phrase", text(Test::Phrase("connection refused".to_owned())), count),
        ("histogram x level of all", Query::All, histogram),
        ("histogram x level of a word", word("api"), histogram),
        ("facets of all", Query::All, facets),
        ("facets of a word", word("api"), facets),
    ];
    for (name, query, ask) in questions {
        let matcher = Matcher::new(&query)?;
        let question = Question { matcher: &matcher, window: Window::ALL };
        let (mut times, mut total) = (Vec::new(), 0);
        for _ in 0..runs {
            let begin = Instant::now();
            total = 0;
            for segment in segments.iter().rev() {
                total += ask(&**segment, &question, &Budget::unlimited())?;
                if total >= 100 && std::ptr::fn_addr_eq(ask, newest as Ask) {
                    break;
                }
            }
            times.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        let times = sorted(times);
        println!(
            "{name:<30} p50 {:8.3} ms  p95 {:8.3} ms  ({total})",
            percentile(&times, 50.0),
            percentile(&times, 95.0)
        );
    }
    Ok(())
}
