//! `serve` on a data folder that is not what was written: it starts nothing, says which file, what of it and what to
//! do, and changes no byte. The folder is made by the store itself, with limits so small that it has everything.

use crate::binaries::{carbontrail, failure, run};
use benches::measure::process::Process;
use bytes::Bytes;
use indexer::access::Source;
use indexer::store::core::{StoreConfig, StoreCore, StoreInput, StoreOutput, StoreOutside, Ticket};
use indexer::store::embedded::EmbeddedBuilder;
use outside::Clock as _;
use outside::real::{RealClock, RealFiles, RealRng};
use parsers::{Dataset, EventTime, Family, Flags, Level, TimeNs, TimeSource, ZoneSource};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::{
    AgentId, Anchor, Epoch, EventBody, EventsPayload, Factors, Fate, Hello, Message, Offset, Open, Range, Ranges,
    Request, StreamId, Verdict,
};

const STREAM: StreamId = StreamId(0x00c0_ffee);
const LINE: u64 = 16;

/// Sends ten lines at a time, and lets them become segments or not.
struct Sender {
    core: StoreCore,
    epoch: Epoch,
    sent: u64,
}

impl Sender {
    fn open(data: &Path) -> Sender {
        let config = StoreConfig {
            memory_events: 20,
            wal_segment_bytes: 1_000,
            wal_bytes: 4_000,
            low_water_bytes: Some(0),
            ..StoreConfig::default()
        };
        let outside = StoreOutside {
            files: Arc::new(RealFiles),
            clock: Arc::new(RealClock::default()),
            rng: Arc::new(RealRng),
            builder: Arc::new(EmbeddedBuilder::mapped(1 << 20)),
        };
        let core = StoreCore::open(data, config, outside).unwrap();
        let mut sender = Sender { core, epoch: Epoch::default(), sent: 0 };
        let Verdict::Hello(hello) = sender.send(Message::Hello(Hello::default())) else { panic!("no epoch") };
        sender.epoch = hello.epoch;
        let open = Open { stream: STREAM, factors: Factors::default(), base: Offset(0), context: Bytes::new() };
        sender.send(Message::Open(open));
        sender
    }

    fn send(&mut self, message: Message) -> Verdict {
        let request = Request { agent: AgentId([7; 16]), epoch: self.epoch, messages: vec![message] };
        let request = StoreInput::Request { ticket: Ticket(1), source: Source::local(), request };
        self.core.step(request);
        let mut verdict = None;
        let mut outputs = self.core.step(StoreInput::Sync);
        while let Some(output) = outputs.pop() {
            match output {
                StoreOutput::Answer { answer, .. } => verdict = answer.verdicts.into_iter().next(),
                StoreOutput::Build(job) => {
                    let builder = EmbeddedBuilder::mapped(1 << 20);
                    outputs.extend(self.core.step(StoreInput::Built(job.run(&RealFiles, &builder))));
                }
                _ => {}
            }
        }
        verdict.unwrap()
    }

    fn lines(&mut self) {
        let from = self.sent * LINE;
        let text: String = (self.sent..self.sent + 10).map(|n| format!("line {n:>10}\n")).collect();
        let now = TimeNs(RealClock::default().wall_ns());
        let events = (self.sent..self.sent + 10).map(|n| event(n * LINE, now));
        let fate = Fate::Events(EventsPayload { bytes: Bytes::from(text.clone()), events: events.collect() });
        let to = Offset(from + 10 * LINE);
        let anchors = vec![Anchor::of(to, text.as_bytes())];
        let range = Range { from: Offset(from), to: Some(to), fate, context: Bytes::new(), anchors };
        let verdict = self.send(Message::Ranges(Ranges { stream: STREAM, ranges: vec![range] }));
        assert!(matches!(verdict, Verdict::Ranges { mark, .. } if mark == to), "{verdict:?}");
        self.sent += 10;
    }
}

fn event(offset: u64, utc: TimeNs) -> EventBody {
    EventBody {
        offset: Offset(offset),
        size: LINE as u32,
        len: LINE as u32,
        lines: 1,
        head_hash: 1,
        family: Family::None,
        dataset: Dataset::Other,
        level: Level::Info,
        time: Some(EventTime { utc, offset_minutes: 0, source: TimeSource::Parsed, zone: ZoneSource::Host }),
        flags: Flags::default(),
        continues: None,
        fields: Vec::new(),
    }
}

/// A data folder with root, mark table, a partition, segments, and a WAL of several log segments, the last with events
/// that are nowhere else. Says how many events it has.
fn folder(data: &Path) -> u64 {
    let mut sender = Sender::open(data);
    for _ in 0..30 {
        sender.lines();
    }
    sender.lines();
    assert!(data.join("marks").exists(), "the WAL was never cut");
    sender.sent
}

/// All files below a folder but the lock.
fn files(data: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("lock") {
                files.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// The first file whose path ends like this.
fn named(data: &Path, end: &str) -> PathBuf {
    let found = files(data).into_keys().find(|path| path.display().to_string().ends_with(end));
    found.unwrap_or_else(|| panic!("no file is named `{end}`"))
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

/// Starts `serve` there; it must fail with 1, name the file, say all of `parts`, and leave everything as it is.
fn refuses(data: &Path, path: &Path, parts: &[&str]) {
    let before = files(data);
    let (code, text) = failure(&["serve", "--data", &data.display().to_string(), "--listen", "127.0.0.1:0"]);
    assert_eq!(code, 1, "{text}");
    for part in [&path.display().to_string()[..]].iter().chain(parts) {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
    assert!(files(data) == before, "something was changed, though it said: {text}");
}

#[test]
fn a_flipped_byte_in_any_file_is_named_and_nothing_is_changed() {
    const BACKUP: &str = "from a backup";
    let made = tempfile::tempdir().unwrap();
    let original = made.path().join("original");
    folder(&original);
    let cases: [(&str, usize, &[&str]); 6] = [
        ("store.manifest", 40, &["is damaged", "its checksum does not fit", BACKUP]),
        ("partition.manifest", 40, &["is damaged", "its checksum does not fit", BACKUP]),
        ("marks", 30, &["is damaged", "its checksum does not fit", BACKUP]),
        ("segment.ct", 20, &["is damaged", BACKUP]),
        (".log", 5, &["damaged", BACKUP]),
        (".log", 60, &["damaged", BACKUP]),
    ];
    for (number, (end, at, parts)) in cases.into_iter().enumerate() {
        let data = made.path().join(number.to_string());
        copy(&original, &data);
        let path = named(&data, end);
        flip(&path, at);
        // A segment is told by its folder.
        let told = if end == "segment.ct" { path.parent().unwrap() } else { &path };
        refuses(&data, told, parts);
    }
}

#[test]
fn a_newer_format_is_refused_untouched_and_names_its_version() {
    let made = tempfile::tempdir().unwrap();
    let original = made.path().join("original");
    folder(&original);
    for (number, end) in ["store.manifest", "partition.manifest", "marks", "segment.ct", ".log"].into_iter().enumerate()
    {
        let data = made.path().join(number.to_string());
        copy(&original, &data);
        let path = named(&data, end);
        let mut bytes = fs::read(&path).unwrap();
        bytes[8..12].copy_from_slice(&77u32.to_le_bytes());
        fs::write(&path, bytes).unwrap();
        let told = if end == "segment.ct" { path.parent().unwrap() } else { &path };
        refuses(&data, told, &["77", "up to 1", "newer program"]);
    }
}

#[test]
fn what_is_missing_is_named() {
    let made = tempfile::tempdir().unwrap();
    let original = made.path().join("original");
    folder(&original);
    for (number, end) in ["store.manifest", "partition.manifest", "marks", "segment.ct"].into_iter().enumerate() {
        let data = made.path().join(number.to_string());
        copy(&original, &data);
        let path = named(&data, end);
        fs::remove_file(&path).unwrap();
        let told = if end == "segment.ct" { path.parent().unwrap() } else { &path };
        refuses(&data, told, &[]);
    }
}

#[test]
fn a_torn_tail_of_the_log_was_promised_to_nobody_and_is_cut() {
    let made = tempfile::tempdir().unwrap();
    let data = made.path().join("data");
    let events = folder(&data);
    let last = files(&data).into_keys().rfind(|path| path.extension().is_some_and(|end| end == "log")).unwrap();
    let bytes = fs::read(&last).unwrap();
    fs::write(&last, &bytes[..bytes.len() - 7]).unwrap();
    let data = data.display().to_string();
    let (_serve, url) =
        Process::start_server(&carbontrail(), &["serve", "--data", &data, "--listen", "127.0.0.1:0"]).unwrap();
    let found = run(&["search", "line", "--server", &url, "--format", "ndjson", "--limit", "1000"]);
    let found = found.iter().filter(|&&byte| byte == b'\n').count() as u64;
    assert_eq!(found, events - 10, "all but the last write");
}

fn copy(from: &Path, to: &Path) {
    for (path, bytes) in files(from) {
        let path = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    fs::create_dir_all(to.join("wal")).unwrap();
}
