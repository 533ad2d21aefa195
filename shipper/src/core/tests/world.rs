//! A simulated host with one shipper, and a small stand-in for the indexer that keeps marks by the protocol.

use crate::core::{ExitReason, SendError, ShipperCore, ShipperInput, ShipperOutput, ShipperOutside, Ticket};
use crate::{FileStatus, OpenError, ShipperConfig, Status};
use outside::sim::{SimClock, SimDisk, SimFiles, SimRng};
use parsers::{Flags, Offset};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use wire::{
    AgentId, Anchor, Answer, Covered, Epoch, EventBody, EventId, EventsPayload, Fate, HelloAnswer, MarkState, Message,
    Open, Ranges, Refusal, Replay, Request, StreamId, Verdict,
};

pub(super) const LOGS: &str = "/logs";
const STATE: &str = "/state";

/// One stream as the stand-in knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) open: Open,
    pub(super) mark: Offset,
    pub(super) context: bytes::Bytes,
    pub(super) anchors: Vec<Anchor>,
    pub(super) last_event: Option<EventId>,
    pub(super) events: Vec<(EventBody, Vec<u8>)>,
    pub(super) lost: Vec<(u64, Option<u64>)>,
    pub(super) dead: Vec<(u64, u64)>,
    pub(super) excluded: Vec<(u64, u64)>,
    pub(super) replayed: Vec<(EventBody, Vec<u8>)>,
    pub(super) closed: bool,
    pub(super) gone: bool,
    pub(super) provisional: Option<(EventBody, Vec<u8>)>,
}

impl Row {
    /// The stream's bytes from its base on.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.events.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect()
    }

    fn claimable(&self) -> wire::Claimable {
        wire::Claimable {
            stream: self.open.stream,
            factors: self.open.factors.clone(),
            base: self.open.base,
            state: self.state(),
        }
    }

    fn state(&self) -> MarkState {
        MarkState {
            mark: self.mark,
            context: self.context.clone(),
            anchors: self.anchors.clone(),
            last_event: self.last_event,
            closed: self.closed,
            books: None,
        }
    }
}

/// The stand-in.
#[derive(Debug)]
pub(super) struct Indexer {
    pub(super) incarnation: u64,
    pub(super) boot: u64,
    epochs: BTreeMap<AgentId, u64>,
    pub(super) rows: BTreeMap<StreamId, Row>,
    pub(super) straddled: u32,
    pub(super) covered: u32,
    pub(super) gaps: u32,
    pub(super) opens: u32,
    /// Oldest time kept.
    pub(super) oldest_ns: Option<i64>,
    /// Events that hold this are rejected.
    pub(super) rejects: Option<&'static [u8]>,
    pub(super) claims: u32,
}

impl Indexer {
    fn rejected(&self, payload: &EventsPayload) -> Option<Verdict> {
        let bad = |bytes: &[u8]| self.rejects.is_some_and(|bad| memchr::memmem::find(bytes, bad).is_some());
        let (event, _) = payload.iter().find(|(_, bytes)| bad(bytes))?;
        Some(Verdict::Refused(Refusal::Rejected { offset: event.offset, reason: "it is bad".to_owned() }))
    }

    fn replay(&mut self, replay: &Replay) -> Verdict {
        if let Some(verdict) = self.rejected(&replay.payload) {
            return verdict;
        }
        let Some(row) = self.rows.get_mut(&replay.stream) else { return Verdict::Refused(Refusal::NotOpen) };
        for (event, bytes) in replay.payload.iter() {
            let (from, to) = (event.offset.0, event.offset.0 + u64::from(event.size));
            assert!(row.dead.contains(&(from, to)), "{from}..{to} is not dead: {:?}", row.dead);
            row.dead.retain(|range| *range != (from, to));
            row.replayed.push((event.clone(), bytes.to_vec()));
        }
        Verdict::Replay { events: replay.payload.events.len() as u64 }
    }

    pub(super) fn handle(&mut self, request: &Request) -> Answer {
        let current = *self.epochs.entry(request.agent).or_default();
        let mine = Epoch { incarnation: self.incarnation, number: current };
        let verdicts = request
            .messages
            .iter()
            .map(|message| match message {
                Message::Hello(_) => {
                    let number = self.epochs.entry(request.agent).or_default();
                    *number += 1;
                    let epoch = Epoch { incarnation: self.incarnation, number: *number };
                    let (oldest_ns, host_streams) = (self.oldest_ns, self.rows.len() as u64);
                    Verdict::Hello(HelloAnswer { epoch, oldest_ns, request_bytes_max: 16 << 20, host_streams })
                }
                _ if request.epoch != mine => Verdict::Refused(Refusal::Fenced),
                Message::Open(open) => self.open(open),
                Message::Ranges(ranges) => self.ranges(ranges),
                Message::Provisional(p) => {
                    let Some(row) = self.rows.get_mut(&p.stream) else { return Verdict::Refused(Refusal::NotOpen) };
                    let taken = row.mark == p.event.offset;
                    if taken {
                        assert!(p.event.flags.has(Flags::PROVISIONAL));
                        row.provisional = Some((p.event.clone(), p.bytes.to_vec()));
                    }
                    Verdict::Provisional { taken }
                }
                Message::Gone(id) => {
                    let Some(row) = self.rows.get_mut(id) else { return Verdict::Refused(Refusal::NotOpen) };
                    row.gone = true;
                    Verdict::Gone
                }
                Message::Replay(replay) => self.replay(replay),
                Message::Claim(_) => {
                    self.claims += 1;
                    Verdict::Claim(self.rows.values().map(Row::claimable).collect())
                }
                Message::Ledger(_) | Message::Prove(_) => unreachable!("not sent yet"),
            })
            .collect();
        Answer { incarnation: self.incarnation, boot: self.boot, verdicts }
    }

    fn open(&mut self, open: &Open) -> Verdict {
        self.opens += 1;
        let row = self.rows.entry(open.stream).or_insert_with(|| Row {
            open: open.clone(),
            mark: open.base,
            context: open.context.clone(),
            ..Row::default()
        });
        // The head that covers more counts.
        let (old, new) = (&mut row.open.factors, &open.factors);
        if new.head_len > old.head_len {
            (old.head_len, old.head_hash) = (new.head_len, new.head_hash);
        }
        Verdict::Open(row.state())
    }

    fn ranges(&mut self, ranges: &Ranges) -> Verdict {
        let bad = ranges.ranges.iter().find_map(|range| match &range.fate {
            Fate::Events(payload) => self.rejected(payload),
            _ => None,
        });
        if let Some(verdict) = bad {
            return verdict;
        }
        let Some(row) = self.rows.get_mut(&ranges.stream) else { return Verdict::Refused(Refusal::NotOpen) };
        let before = row.mark;
        let first = ranges.ranges.first().expect("not empty").from;
        if first > before {
            self.gaps += 1;
            return Verdict::Refused(Refusal::Gap(row.state()));
        }
        for range in &ranges.ranges {
            match &range.fate {
                Fate::Events(payload) => {
                    let straddles = payload.events.iter().any(|e| {
                        let end = e.offset.0 + u64::from(e.size);
                        e.offset < row.mark && end > row.mark.0
                    });
                    if straddles {
                        self.straddled += 1;
                        return Verdict::Refused(Refusal::Straddles(row.state()));
                    }
                    let begin = row.mark;
                    for (event, bytes) in payload.iter().filter(|(e, _)| e.offset >= begin) {
                        assert_eq!(event.offset, row.mark, "events tile the stream");
                        assert!(!event.flags.has(Flags::PROVISIONAL));
                        row.mark = Offset(event.offset.0 + u64::from(event.size));
                        row.last_event =
                            Some(EventId { stream: ranges.stream, offset: event.offset, head_hash: event.head_hash });
                        row.events.push((event.clone(), bytes.to_vec()));
                    }
                }
                Fate::Lost(_) => {
                    row.lost.push((range.from.0.max(row.mark.0), range.to.map(|t| t.0)));
                    match range.to {
                        Some(to) => row.mark = to.max(row.mark),
                        None => row.closed = true,
                    }
                }
                Fate::Dead(_) | Fate::Excluded(_) => {
                    let to = range.to.expect("only a loss has no end");
                    let (from, dead) = (range.from.max(row.mark), matches!(range.fate, Fate::Dead(_)));
                    if from < to {
                        let list = if dead { &mut row.dead } else { &mut row.excluded };
                        list.push((from.0, to.0));
                        row.mark = to;
                    }
                }
            }
            if range.to.is_some_and(|to| to >= row.mark && to > before)
                && (!range.anchors.is_empty() || matches!(range.fate, Fate::Lost(_)))
            {
                assert_eq!(range.to, Some(row.mark));
                row.context = range.context.clone();
                row.anchors.extend(&range.anchors);
                row.provisional = None;
            }
        }
        let covered = (first < before).then(|| Covered { to: before.min(row.mark), ..Covered::default() });
        self.covered += u32::from(covered.is_some());
        Verdict::Ranges { mark: row.mark, covered, expired: 0 }
    }
}

/// A host, its shipper, and the indexer.
pub(super) struct World {
    pub(super) clock: SimClock,
    pub(super) disk: SimDisk,
    pub(super) rng: SimRng,
    pub(super) config: ShipperConfig,
    pub(super) core: Option<ShipperCore>,
    pub(super) files: Arc<SimFiles>,
    pub(super) indexer: Indexer,
    pub(super) requests: VecDeque<(Ticket, Request)>,
    pub(super) exit: Option<ExitReason>,
    pub(super) notices: Vec<String>,
    pub(super) audit: Option<crate::Audit>,
    pub(super) wake: Duration,
    /// Steps taken: a shipper at rest takes few.
    pub(super) steps: u32,
    /// Steps in which nothing happened to any file.
    pub(super) unmoved: u64,
    files_told: Vec<FileStatus>,
    /// The next start dies in this call of its process.
    pub(super) die_in_call: Option<u64>,
}

pub(super) fn log(name: &str) -> PathBuf {
    Path::new(LOGS).join(name)
}

/// With more files their status is not compared after each step.
const STATUS_FILES_MAX: usize = 50;

/// A Carbon line.
pub(super) fn line(n: u64) -> Vec<u8> {
    format!(
        "TID: [-1234] [] [2026-11-25 10:{:02}:{:02},{:03}]  INFO {{org.wso2.carbon.Test}} - message number {n}\n",
        n / 60_000 % 60,
        n / 1000 % 60,
        n % 1000
    )
    .into_bytes()
}

/// Compressed as `gzip` does.
pub(super) fn gz(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).expect("into memory");
    out.finish().expect("into memory")
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let (clock, rng) = (SimClock::new(1_795_600_000_000_000_000), SimRng::new(seed));
        let disk = SimDisk::new(1 << 30, clock.clone(), rng.clone());
        disk.make_folder(Path::new(LOGS));
        let mut config =
            ShipperConfig { folders: vec![LOGS.into()], host_name: "h".into(), ..ShipperConfig::default() };
        config.limits.state_bytes_min = 16 << 10;
        // What is not about them does not wait for them; shorter than `settle` looks ahead.
        config.timing.read_pace = Duration::ZERO;
        config.timing.pace = Duration::from_millis(20);
        let files = disk.process();
        let indexer = Indexer {
            incarnation: 7,
            boot: 1,
            epochs: BTreeMap::new(),
            rows: BTreeMap::new(),
            straddled: 0,
            covered: 0,
            gaps: 0,
            opens: 0,
            oldest_ns: None,
            rejects: None,
            claims: 0,
        };
        World {
            clock,
            disk,
            rng,
            config,
            core: None,
            files,
            indexer,
            requests: VecDeque::new(),
            exit: None,
            notices: Vec::new(),
            audit: None,
            wake: Duration::ZERO,
            steps: 0,
            unmoved: 0,
            files_told: Vec::new(),
            die_in_call: None,
        }
    }

    pub(super) fn try_start(&mut self) -> Result<(), OpenError> {
        self.files = self.disk.process();
        if let Some(n) = self.die_in_call.take() {
            self.files.die_after(n);
        }
        let outside = ShipperOutside {
            files: self.files.clone(),
            clock: Arc::new(self.clock.clone()),
            rng: Arc::new(self.rng.clone()),
        };
        self.core = Some(ShipperCore::open(Path::new(STATE), self.config.clone(), outside)?);
        self.exit = None;
        self.files_told = self.status().files;
        Ok(())
    }

    pub(super) fn start(&mut self) -> &mut World {
        self.try_start().expect("the state folder opens");
        self
    }

    /// The process is gone; what it sent may still arrive.
    pub(super) fn kill(&mut self) -> &mut World {
        self.files.kill();
        self.core = None;
        self
    }

    pub(super) fn append(&mut self, name: &str, bytes: &[u8]) -> &mut World {
        self.disk.append(&log(name), bytes);
        self.step(ShipperInput::Changed(log(name)))
    }

    pub(super) fn step(&mut self, input: ShipperInput) -> &mut World {
        let Some(core) = &mut self.core else { return self };
        self.steps += 1;
        let outputs = core.step(input);
        if self.files.is_dead() {
            self.core = None;
            return self;
        }
        // What is said to be unmoved is not written again.
        if core.streams.len() <= STATUS_FILES_MAX {
            let (moved, files) = (core.files_moved(), core.status().files);
            assert!(moved || files == self.files_told, "{files:#?} were {:#?}", self.files_told);
            self.unmoved += u64::from(!moved);
            self.files_told = files;
        }
        for output in outputs {
            match output {
                ShipperOutput::Send { ticket, request } => {
                    self.requests.push_back((ticket, request.into_request().unwrap()));
                }
                ShipperOutput::WakeAt(at) => self.wake = at,
                ShipperOutput::Notice(notice) => self.notices.push(notice.text),
                ShipperOutput::Exit(reason) => {
                    self.exit = Some(reason);
                    self.core = None;
                }
                ShipperOutput::Watch(_) => {}
                ShipperOutput::Audited(audit) => self.audit = Some(audit),
            }
        }
        self
    }

    /// Lets the indexer take the oldest request; the answer arrives, or is lost.
    pub(super) fn deliver(&mut self, answer_arrives: bool) -> bool {
        let Some((ticket, request)) = self.requests.pop_front() else { return false };
        let answer = self.indexer.handle(&request);
        let result = if answer_arrives { Ok(answer) } else { Err(SendError::Unreachable("cut off".into())) };
        self.step(ShipperInput::Answer { ticket, result });
        true
    }

    /// As `deliver`, through something that refuses what `bad` says.
    pub(super) fn deliver_through(&mut self, bad: impl Fn(&Request) -> bool) -> bool {
        let Some((ticket, request)) = self.requests.pop_front() else { return false };
        let result = match bad(&request) {
            true => Err(SendError::Refused("status 400".into())),
            false => Ok(self.indexer.handle(&request)),
        };
        self.step(ShipperInput::Answer { ticket, result });
        true
    }

    /// The oldest request never arrives.
    pub(super) fn drop_request(&mut self) -> bool {
        let Some((ticket, _)) = self.requests.pop_front() else { return false };
        self.step(ShipperInput::Answer { ticket, result: Err(SendError::Unreachable("down".into())) });
        true
    }

    /// Answers everything until nothing is sent any more, without letting time pass beyond lingering.
    pub(super) fn settle(&mut self) -> &mut World {
        for _ in 0..10_000 {
            self.step(ShipperInput::Tick);
            if !self.deliver(true) {
                let now = outside::Clock::monotonic(&self.clock);
                if self.core.is_none() || self.wake > now + Duration::from_millis(50) {
                    return self;
                }
                self.clock.advance(self.wake.saturating_sub(now).max(Duration::from_millis(1)));
            }
        }
        let core = self.core.as_ref();
        panic!(
            "the shipper never comes to rest: wake {:?} now {:?} {:?}",
            self.wake,
            outside::Clock::monotonic(&self.clock),
            core.map(ShipperCore::why_awake)
        );
    }

    /// Lets time pass, with a step where the shipper asked for one.
    pub(super) fn pass(&mut self, time: Duration) -> &mut World {
        let end = outside::Clock::monotonic(&self.clock) + time;
        loop {
            self.settle();
            let now = outside::Clock::monotonic(&self.clock);
            if now >= end {
                return self;
            }
            let next = if self.core.is_some() { self.wake.clamp(now + Duration::from_millis(1), end) } else { end };
            self.clock.advance(next - now);
        }
    }

    pub(super) fn status(&self) -> Status {
        self.core.as_ref().map(ShipperCore::status).unwrap_or_default()
    }

    /// The only stream.
    pub(super) fn only(&self) -> &Row {
        assert_eq!(self.indexer.rows.len(), 1, "{:?}", self.indexer.rows.keys());
        self.indexer.rows.values().next().expect("just counted")
    }
}
