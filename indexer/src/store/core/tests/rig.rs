//! A store on a simulated disk, and short ways to speak to it.

use crate::access::Source;
use crate::event::StoredEvent;
use crate::store::core::{
    BuildJob, OpenError, StoreConfig, StoreCore, StoreInput, StoreOutput, StoreOutside, TailBatch, Ticket,
};
use crate::store::naive::NaiveBuilder;
use crate::store::snapshot::Snapshot;
use crate::store::wal::event_sum;
use bytes::Bytes;
use outside::sim::{SimClock, SimDisk, SimFiles, SimRng};
use parsers::{Dataset, EventTime, Family, Flags, Level, Offset, TimeNs, TimeSource, ZoneSource};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use wire::{
    AgentId, Anchor, Answer, Covered, Epoch, EventBody, EventsPayload, Factors, Fate, FateKind, FateSpan, Hello,
    LedgerRow, LedgerSum, MarkState, Message, Open, Provisional, Range, RangeProof, Ranges, Refusal, Request, StreamId,
    StreamRange, Verdict,
};

/// 2026-11-25T00:00:00Z
pub(super) const NOW: i64 = 20_782 * DAY;
pub(super) const DAY: i64 = 86_400_000_000_000;
pub(super) const STREAM: StreamId = StreamId(7);
pub(super) const ROOT: &str = "/data";

pub(super) struct Rig {
    pub(super) disk: SimDisk,
    pub(super) clock: SimClock,
    pub(super) rng: SimRng,
    pub(super) config: StoreConfig,
    pub(super) files: Arc<SimFiles>,
    pub(super) core: Option<StoreCore>,
    pub(super) jobs: Vec<BuildJob>,
    pub(super) tail: Vec<TailBatch>,
    pub(super) failed: Option<String>,
    pub(super) unanswered: Vec<Ticket>,
    pub(super) agent: AgentId,
    pub(super) epoch: Epoch,
    pub(super) source: Source,
}

/// Limits that a test with a few events meets, and no retention.
pub(super) fn small() -> StoreConfig {
    StoreConfig {
        memory_events: 1_000,
        wal_segment_bytes: 600,
        wal_bytes: 1 << 20,
        low_water_bytes: Some(0),
        merge_idle: Duration::ZERO,
        ..StoreConfig::default()
    }
}

impl Rig {
    pub(super) fn new(config: StoreConfig) -> Rig {
        Rig::seeded(config, 1)
    }

    pub(super) fn seeded(config: StoreConfig, seed: u64) -> Rig {
        let (clock, rng) = (SimClock::new(NOW), SimRng::new(seed));
        let disk = SimDisk::new(1 << 30, clock.clone(), rng.clone());
        let files = disk.process();
        let mut rig = Rig {
            disk,
            clock,
            rng,
            config,
            files,
            core: None,
            jobs: Vec::new(),
            tail: Vec::new(),
            failed: None,
            unanswered: Vec::new(),
            agent: AgentId([1; 16]),
            epoch: Epoch::default(),
            source: Source::local(),
        };
        rig.open().unwrap();
        rig
    }

    pub(super) fn open(&mut self) -> Result<(), OpenError> {
        assert!(self.core.is_none());
        self.files = self.disk.process();
        let outside = StoreOutside {
            files: Arc::clone(&self.files) as Arc<dyn outside::Files>,
            clock: Arc::new(self.clock.clone()),
            rng: Arc::new(self.rng.clone()),
            builder: Arc::new(NaiveBuilder),
        };
        self.core = Some(StoreCore::open(Path::new(ROOT), self.config.clone(), outside)?);
        Ok(())
    }

    /// The process dies; what the kernel holds survives.
    pub(super) fn kill(&mut self) {
        self.files.kill();
        self.core = None;
        self.jobs.clear();
        self.failed = None;
    }

    /// The power is cut; what was not synced may be lost.
    pub(super) fn power_cut(&mut self) {
        self.kill();
        self.disk.power_cut();
    }

    pub(super) fn reopen(&mut self) {
        self.kill();
        self.open().unwrap();
    }

    pub(super) fn core(&mut self) -> &mut StoreCore {
        self.core.as_mut().unwrap()
    }

    /// One step; answers come back, the rest is kept.
    pub(super) fn step(&mut self, input: StoreInput) -> Vec<(Ticket, Answer)> {
        let mut answers = Vec::new();
        for output in self.core.as_mut().unwrap().step(input) {
            match output {
                StoreOutput::Answer { ticket, answer } => answers.push((ticket, answer)),
                StoreOutput::NoAnswer { ticket } => self.unanswered.push(ticket),
                StoreOutput::Build(job) => self.jobs.push(job),
                StoreOutput::Prove(job) => answers.push(job.run()),
                StoreOutput::Tail(batch) => self.tail.push(batch),
                StoreOutput::Failed(reason) => self.failed = Some(reason),
            }
        }
        answers
    }

    pub(super) fn request(&mut self, ticket: u64, messages: Vec<Message>) -> Vec<(Ticket, Answer)> {
        let request = Request { agent: self.agent, epoch: self.epoch, messages };
        let source = self.source.clone();
        self.step(StoreInput::Request { ticket: Ticket(ticket), source, request })
    }

    /// Sends one message and syncs.
    pub(super) fn send(&mut self, message: Message) -> Verdict {
        let mut answers = self.request(0, vec![message]);
        answers.extend(self.step(StoreInput::Sync));
        let (_, answer) = answers.pop().expect("an answer");
        assert!(answers.is_empty() && answer.verdicts.len() == 1);
        answer.verdicts.into_iter().next().unwrap()
    }

    /// Says hello and opens [`STREAM`] at 0.
    pub(super) fn begin(&mut self) {
        self.hello();
        assert!(matches!(self.send(open(STREAM)), Verdict::Open(_)));
    }

    pub(super) fn hello(&mut self) {
        let hello = Hello { host_id: "h1".into(), host_name: "host".into(), version: "1".into(), clock_ns: NOW };
        match self.send(Message::Hello(hello)) {
            Verdict::Hello(answer) => self.epoch = answer.epoch,
            other => panic!("{other:?}"),
        }
    }

    /// Runs the builds that wait.
    pub(super) fn build(&mut self) {
        for job in std::mem::take(&mut self.jobs) {
            let outcome = job.run(&*self.files, &NaiveBuilder);
            self.step(StoreInput::Built(outcome));
        }
    }

    /// Everything in memory becomes segments.
    pub(super) fn flush(&mut self) {
        self.step(StoreInput::Flush);
        while !self.jobs.is_empty() {
            self.build();
        }
    }

    pub(super) fn snapshot(&mut self) -> Arc<Snapshot> {
        self.core().snapshot().get()
    }

    /// Every visible closed event by stream and offset, and how often it is there.
    pub(super) fn seen(&mut self) -> BTreeMap<(u64, u64), Vec<Arc<StoredEvent>>> {
        let mut seen: BTreeMap<(u64, u64), Vec<Arc<StoredEvent>>> = BTreeMap::new();
        for event in all(&self.snapshot()) {
            seen.entry((event.info.stream.0, event.body.offset.0)).or_default().push(event);
        }
        seen
    }

    /// Offsets of the visible closed events of [`STREAM`]; twice what is there twice.
    pub(super) fn offsets(&mut self) -> Vec<u64> {
        let seen = self.seen();
        let of_stream = seen.iter().filter(|((stream, _), _)| *stream == STREAM.0);
        of_stream.flat_map(|((_, offset), events)| vec![*offset; events.len()]).collect()
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
    }
}

/// Every closed event in a snapshot.
pub(super) fn all(snapshot: &Snapshot) -> Vec<Arc<StoredEvent>> {
    let mut events = Vec::new();
    for view in snapshot.partitions.values() {
        events.extend(view.memory.iter().flat_map(|block| block.iter().cloned()));
        for segment in &view.segments {
            for row in &segment.meta().streams {
                let rows = segment.stream_rows(StreamId(row.stream), Offset(0)..Offset(u64::MAX)).unwrap();
                events.extend(rows.into_iter().map(|(_, row)| segment.event(row).unwrap()));
            }
        }
    }
    events
}

/// Proof of all of a stream.
pub(super) fn prove(rig: &mut Rig, stream: StreamId) -> RangeProof {
    let range = StreamRange { stream, from: Offset(0), to: Offset(u64::MAX) };
    match rig.send(Message::Prove(vec![range])) {
        Verdict::Proof(proofs) => proofs.into_iter().next().unwrap(),
        other => panic!("{other:?}"),
    }
}

pub(super) fn open(stream: StreamId) -> Message {
    Message::Open(Open { stream, factors: factors("/logs/a.log"), base: Offset(0), context: Bytes::new() })
}

pub(super) fn factors(path: &str) -> Factors {
    Factors { path: path.into(), name: "a.log".into(), ..Factors::default() }
}

/// The byte at an offset of a stream's file.
pub(super) fn byte_at(stream: StreamId, offset: u64) -> u8 {
    b'a' + ((offset * 31 + stream.0 * 7) % 26) as u8
}

pub(super) fn file_bytes(stream: StreamId, from: u64, to: u64) -> Vec<u8> {
    (from..to).map(|offset| byte_at(stream, offset)).collect()
}

pub(super) fn body(from: u64, to: u64, time: Option<i64>) -> EventBody {
    let time = time.map(|ns| EventTime {
        utc: TimeNs(ns),
        offset_minutes: 330,
        source: TimeSource::Parsed,
        zone: ZoneSource::Banner,
    });
    EventBody {
        offset: Offset(from),
        size: (to - from) as u32,
        len: (to - from) as u32,
        lines: 1,
        head_hash: from as u32,
        family: Family::Tid,
        dataset: Dataset::Carbon,
        level: Level::Info,
        time,
        flags: Flags::default(),
        continues: None,
        fields: Vec::new(),
    }
}

/// Events that end at each of `ends`, the first one beginning at `from`.
pub(super) fn payload(stream: StreamId, from: u64, ends: &[u64], time: Option<i64>) -> EventsPayload {
    let mut at = from;
    let events = ends.iter().map(|&end| body(std::mem::replace(&mut at, end), end, time)).collect();
    EventsPayload { bytes: Bytes::from(file_bytes(stream, from, *ends.last().unwrap())), events }
}

pub(super) fn range(stream: StreamId, from: u64, to: Option<u64>, fate: Fate) -> Range {
    let at = Offset(to.unwrap_or(from));
    let before = file_bytes(stream, at.0.saturating_sub(256), at.0);
    let anchors = vec![Anchor::of(at, &before)];
    Range { from: Offset(from), to: to.map(Offset), fate, context: Bytes::from(format!("context {}", at.0)), anchors }
}

pub(super) fn events_range(stream: StreamId, from: u64, ends: &[u64]) -> Range {
    let fate = Fate::Events(payload(stream, from, ends, Some(NOW)));
    range(stream, from, Some(*ends.last().unwrap()), fate)
}

/// Events of [`STREAM`], all of now.
pub(super) fn events(from: u64, ends: &[u64]) -> Message {
    ranges(vec![events_range(STREAM, from, ends)])
}

/// Events of [`STREAM`] of one time.
pub(super) fn events_at(from: u64, ends: &[u64], time: Option<i64>) -> Message {
    let fate = Fate::Events(payload(STREAM, from, ends, time));
    ranges(vec![range(STREAM, from, Some(*ends.last().unwrap()), fate)])
}

pub(super) fn other(from: u64, to: Option<u64>, fate: Fate) -> Message {
    ranges(vec![range(STREAM, from, to, fate)])
}

pub(super) fn ranges(ranges: Vec<Range>) -> Message {
    Message::Ranges(Ranges { stream: STREAM, ranges })
}

pub(super) fn provisional(from: u64, to: u64) -> Message {
    let mut event = body(from, to, Some(NOW));
    event.flags.set(Flags::PROVISIONAL);
    Message::Provisional(Provisional { stream: STREAM, event, bytes: Bytes::from(file_bytes(STREAM, from, to)) })
}

pub(super) fn mark_of(verdict: &Verdict) -> u64 {
    match verdict {
        Verdict::Ranges { mark, .. } => mark.0,
        other => panic!("{other:?}"),
    }
}

/// A store that has told its agent its epoch.
pub(super) fn ready() -> Rig {
    let mut rig = Rig::new(small());
    rig.begin();
    rig
}

/// Why it was refused.
pub(super) fn refusal(verdict: Verdict) -> Refusal {
    match verdict {
        Verdict::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

/// What was covered.
pub(super) fn covered(verdict: Verdict) -> Covered {
    match verdict {
        Verdict::Ranges { covered: Some(covered), .. } => covered,
        other => panic!("{other:?}"),
    }
}

/// A range and its fate.
pub(super) fn span(from: u64, to: u64, fate: FateKind) -> FateSpan {
    FateSpan { from: Offset(from), to: Offset(to), fate }
}

/// The ledger sum of events of the stream.
pub(super) fn sum(events: &[(u64, u64)]) -> LedgerSum {
    let mut sum = LedgerSum::default();
    for &(from, to) in events {
        sum += event_sum(STREAM, &body(from, to, None), &file_bytes(STREAM, from, to));
    }
    sum
}

/// The books of the stream.
pub(super) fn ledger(rig: &mut Rig) -> LedgerRow {
    match rig.send(Message::Ledger(vec![STREAM])) {
        Verdict::Ledger(rows) => rows.into_iter().next().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Where the stream stands.
pub(super) fn state(rig: &mut Rig) -> MarkState {
    match rig.send(open(STREAM)) {
        Verdict::Open(state) => state,
        other => panic!("{other:?}"),
    }
}
