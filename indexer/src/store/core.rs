//! The store's core: `step(input) -> outputs`. No threads, sleeping or system calls inside but through
//! [`outside`].
//!
//! Life of a request: each message is judged against the marks, waiting records included; what changes
//! something becomes one WAL record; the answer is held. [`StoreInput::Sync`] makes all waiting records
//! durable with one fsync, swaps the snapshot (closed events appear, the provisional ones they replace go),
//! and only then lets the answers out: nothing in them is ahead of what is durable (protocol rule 21).
//!
//! When the disk was full, the records that waited are taken back, their senders asked to try again, and the
//! log is opened anew as soon as it can be. After any other failure to write, nothing is answered any more until
//! the process is started again.
//!
//! Which test plays which rule is said in the module `tests`.

mod api;
mod build;
mod flush;
pub(crate) mod judge;
mod ledger;
mod merge;
mod prove;
mod provisional;
mod publish;
mod retain;

#[cfg(test)]
mod tests;

pub use api::{
    OpenError, ReplayError, StoreConfig, StoreInput, StoreOutput, StoreOutside, StoreStatus, TailBatch, TailChange,
    TailWhat, Ticket,
};
pub use build::{BuildJob, BuildOutcome};
pub use prove::ProveJob;

use crate::access::Source;
use crate::store::manifest::{self, RootManifest};
use crate::store::marks::Marks;
use crate::store::memory::{Blocks, Partition};
use crate::store::recovery::{self, Recovered};
use crate::store::snapshot::{PartitionKey, PartitionView, SnapshotCell};
use crate::store::wal::{Happening, Record, encode};
use judge::{Judge, Judged};
use outside::{Lock, Safeguard};
use parsers::TimeNs;
use provisional::Provisionals;
use publish::Waiting;
use seglog::{Log, Position};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::{Answer, Epoch, Message, Refusal, Request, Verdict};

/// Why nothing is taken while the WAL cannot be written.
const DISK_FULL: &str = "the disk is full";

/// The store's core.
pub struct StoreCore {
    root_folder: PathBuf,
    config: StoreConfig,
    outside: StoreOutside,
    /// `None` while the disk was too full to write to it.
    log: Option<Log>,
    /// The first record that is not durable, when the log is not open.
    log_next: Position,
    root: RootManifest,
    marks: Marks,
    partitions: BTreeMap<PartitionKey, Partition>,
    views: BTreeMap<PartitionKey, Arc<PartitionView>>,
    provisionals: Provisionals,
    snapshot: Arc<SnapshotCell>,
    /// What becomes visible, and who is answered, with the next sync.
    waiting: Waiting,
    held: Vec<(Ticket, Arc<str>, Answer)>,
    failed: Option<String>,
    flush_error: Option<String>,
    /// Folders of removed partitions that the root no longer names.
    leftovers: Vec<PathBuf>,
    /// The root on the disk still names them.
    root_names_leftovers: bool,
    /// A partition whose segment is shown beside the memory it replaces (only with a safeguard off).
    half_handed_over: Option<PartitionKey>,
    /// When newest lines became a segment last.
    flushed_at: Option<std::time::Duration>,
    /// The merge that runs.
    merging: Option<merge::Merging>,
    merges: u64,
    merge_error: Option<String>,
    /// Folders of segments that were merged: no manifest names them any more.
    merged_away: Vec<PathBuf>,
    /// A flush of everything was asked for.
    flushing: bool,
    /// WAL bytes at which the next cut is tried.
    next_cut_bytes: u64,
    _lock: Box<dyn Lock>,
}

impl StoreCore {
    /// Opens the store in the folder `root`, or makes one; takes the folder's lock and recovers.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(root: &Path, config: StoreConfig, outside: StoreOutside) -> Result<StoreCore, OpenError> {
        let Recovered { lock, log, root: manifest, marks, partitions, leftovers } =
            recovery::recover(root, &config, &outside)?;
        let mut core = StoreCore {
            root_folder: root.to_owned(),
            log_next: log.next(),
            log: Some(log),
            root: manifest,
            marks,
            partitions,
            views: BTreeMap::new(),
            provisionals: Provisionals::default(),
            snapshot: Arc::default(),
            waiting: Waiting::default(),
            held: Vec::new(),
            failed: None,
            flush_error: None,
            root_names_leftovers: false,
            leftovers,
            half_handed_over: None,
            flushed_at: None,
            merging: None,
            merges: 0,
            merge_error: None,
            merged_away: Vec::new(),
            flushing: false,
            next_cut_bytes: config.wal_segment_bytes.saturating_mul(2),
            config,
            outside,
            _lock: lock,
        };
        core.show_all();
        Ok(core)
    }

    /// Takes one input.
    pub fn step(&mut self, input: StoreInput) -> Vec<StoreOutput> {
        let mut out = Vec::new();
        self.finish_hand_overs();
        match input {
            StoreInput::Request { ticket, source, request } => self.request(ticket, &source, request, &mut out),
            StoreInput::Sync => self.sync(&mut out),
            StoreInput::Tick => self.tick(&mut out),
            StoreInput::Flush => {
                self.flushing = true;
                self.sync(&mut out);
                self.cut_wal(&mut out);
            }
            StoreInput::Built(outcome) => {
                if outcome.is_merge() {
                    self.merged(outcome, &mut out);
                } else {
                    self.built(outcome, &mut out);
                }
                self.merge_due(&mut out);
            }
            StoreInput::ClockConfirmed => self.confirm_clock(),
        }
        out
    }

    /// Where the snapshot in force is found.
    pub fn snapshot(&self) -> Arc<SnapshotCell> {
        Arc::clone(&self.snapshot)
    }

    /// How the store stands.
    pub fn status(&self) -> StoreStatus {
        let sizes = self.partitions.values().map(Partition::size);
        let (events, raw_bytes) = sizes.fold((0, 0), |(events, bytes), (e, b)| (events + e, bytes + b));
        let memory = self.partitions.values().flat_map(Partition::in_memory);
        let (memory_events, memory_bytes) =
            memory.fold((0, 0), |(events, bytes), blocks| (events + blocks.events, bytes + blocks.raw_bytes));
        StoreStatus {
            incarnation: self.root.incarnation,
            boot: self.root.boot,
            streams: self.marks.streams().len() as u64,
            events,
            raw_bytes,
            segment_bytes: self.partitions.values().map(|partition| partition.disk.disk_bytes).sum(),
            segments: self.partitions.values().map(|partition| partition.segments.len() as u64).sum(),
            partitions: self.partitions.len() as u64,
            merges: self.merges,
            memory_events,
            memory_bytes,
            provisional_events: self.provisionals.len(),
            wal_bytes: self.wal_bytes(),
            full: self.no_room(),
            retention_waits: self.clock_doubt(),
            oldest_ns: self.retention().oldest().map(|oldest| oldest.0),
            failed: self.failed.clone(),
            flush_error: self.flush_error.clone(),
            merge_error: self.merge_error.clone(),
        }
    }

    fn request(&mut self, ticket: Ticket, source: &Source, request: Request, out: &mut Vec<StoreOutput>) {
        if self.failed.is_some() {
            out.push(StoreOutput::NoAnswer { ticket });
            return;
        }
        self.watch_clock();
        let received = self.now();
        let speaker = Speaker { owner: source.owner().into(), environment: source.environment().into(), received };
        let mut answer = self.empty_answer();
        if self.log.is_none() {
            let busy = self.disk_full();
            answer.verdicts = vec![busy; request.messages.len()];
            out.push(StoreOutput::Answer { ticket, answer });
            return;
        }
        let request_bytes_max = self.config.request_bytes_max;
        let too_large = request_bytes(&request) > request_bytes_max;
        let no_room = if request.messages.iter().any(grows) { self.backlog().or_else(|| self.no_room()) } else { None };
        let mut epoch = request.epoch;
        for message in request.messages {
            let verdict = match &no_room {
                _ if too_large => Verdict::Refused(Refusal::TooLarge { max: request_bytes_max }),
                Some(reason) if grows(&message) => self.busy(reason.clone()),
                _ => self.message(&speaker, request.agent, &mut epoch, message),
            };
            answer.verdicts.push(verdict);
        }
        self.hold_or_answer(ticket, speaker.owner, answer, out);
    }

    /// Holds the answer until the next sync; with a safeguard off, lets out what should have waited.
    fn hold_or_answer(&mut self, ticket: Ticket, owner: Arc<str>, answer: Answer, out: &mut Vec<StoreOutput>) {
        let changes = std::mem::take(&mut self.waiting.request_changes);
        let early = !Safeguard::SyncBeforeAnswer.holds() || !changes && !Safeguard::MarkDurableBeforeAnswer.holds();
        if early {
            out.push(StoreOutput::Answer { ticket, answer });
        } else {
            self.held.push((ticket, owner, answer));
        }
    }

    fn message(&mut self, speaker: &Speaker, agent: wire::AgentId, epoch: &mut Epoch, message: Message) -> Verdict {
        let is_large = |key: &PartitionKey| {
            self.partitions.get(key).is_some_and(|partition| partition.size().1 >= self.config.day_bytes)
        };
        let judge = Judge {
            marks: &self.marks,
            config: &self.config,
            owner: &speaker.owner,
            environment: &speaker.environment,
            agent,
            epoch: *epoch,
            incarnation: self.root.incarnation,
            received: speaker.received,
            retention: self.retention(),
            is_large: &is_large,
        };
        let judged = match message {
            Message::Hello(hello) => {
                let (record, answer) = judge.hello(&hello);
                let verdict = self.change(record, Verdict::Hello(answer));
                if let Verdict::Hello(answer) = &verdict {
                    *epoch = answer.epoch;
                    self.hear_clock(&hello);
                }
                return verdict;
            }
            Message::Open(open) => judge.open(&open),
            Message::Ranges(ranges) => judge.ranges(ranges),
            Message::Claim(claim) => judge.claim(&claim),
            Message::Gone(stream) => judge.gone(stream),
            Message::Replay(replay) => judge.replay(replay),
            Message::Provisional(provisional) => {
                let asked = provisional::ask(&judge, &self.provisionals, &self.waiting.provisional, provisional);
                return match asked {
                    Err(refusal) => Verdict::Refused(refusal),
                    Ok(None) => Verdict::Provisional { taken: false },
                    Ok(Some((key, held))) => {
                        self.waiting.provisional.insert(key, Some(held));
                        Verdict::Provisional { taken: true }
                    }
                };
            }
            Message::Prove(ranges) => {
                let refused = judge.is_fenced();
                return if refused {
                    Verdict::Refused(Refusal::Fenced)
                } else {
                    self.begin_proof(&speaker.owner, agent, &ranges)
                };
            }
            Message::Ledger(streams) => {
                let refused = judge.is_fenced();
                return if refused {
                    Verdict::Refused(Refusal::Fenced)
                } else {
                    self.ledger(&speaker.owner, agent, &streams)
                };
            }
        };
        match judged {
            Judged::Settled(verdict) => verdict,
            Judged::Change(record, verdict) => self.change(record, verdict),
        }
    }

    /// Takes a record: WAL first, then the tables.
    fn change(&mut self, record: Record, verdict: Verdict) -> Verdict {
        let Some(log) = &mut self.log else {
            return self.disk_full();
        };
        let position = match log.append(&encode(&record)) {
            Ok(position) => position,
            Err(seglog::WriteError::TooLarge { max, .. }) => return Verdict::Refused(Refusal::TooLarge { max }),
            Err(error) => return self.busy(error.to_string()),
        };
        self.waiting.request_changes = true;
        self.apply(position, record);
        verdict
    }

    /// Makes a record's change to the marks, and keeps what becomes visible with the next sync.
    fn apply(&mut self, position: Position, record: Record) {
        self.marks.apply(&record);
        if let Happening::Expire { partitions, .. } = &record.what {
            self.waiting.dropped.extend(partitions.iter().map(|key| (key.clone(), position)));
            return;
        }
        let Some(stream) = record.stream() else { return };
        let key = crate::store::marks::StreamKey { owner: Arc::clone(&record.owner), stream };
        let settles = matches!(record.what, Happening::Ranges { .. } | Happening::Gone { .. });
        if settles && Safeguard::ProvisionalReplaced.holds() {
            self.waiting.provisional.insert(key.clone(), None);
        }
        let Some(info) = self.marks.stream(&key).map(|mark| Arc::clone(&mark.info)) else { return };
        let events = record.into_events(&info);
        self.waiting.events.extend(events.into_iter().map(|(partition, event)| (partition, position, event)));
    }

    /// Makes durable, visible and answered what waits, and lets newest lines that are due leave memory.
    fn sync(&mut self, out: &mut Vec<StoreOutput>) {
        self.sync_log(out);
        self.flush_due(out);
    }

    fn sync_log(&mut self, out: &mut Vec<StoreOutput>) {
        if self.failed.is_some() {
            return;
        }
        let Some(log) = &mut self.log else {
            self.reopen_log(out);
            return;
        };
        match log.sync() {
            Ok(()) => self.log_next = log.next(),
            Err(error) if error.is_disk_full() => return self.disk_was_full(out),
            Err(error) => return self.fail(format!("the write-ahead log cannot be made durable: {error}"), out),
        }
        self.settle(out);
    }

    /// What waits is durable: shows it and lets the answers out.
    fn settle(&mut self, out: &mut Vec<StoreOutput>) {
        self.marks.settle();
        let mut waiting = std::mem::take(&mut self.waiting);
        let dropped = self.drop_partitions(&mut waiting);
        let tail = self.publish(waiting, &dropped);
        // Before the answers: who hears that it was taken finds it announced.
        if !tail.changes.is_empty() {
            out.push(StoreOutput::Tail(tail));
        }
        let held = std::mem::take(&mut self.held);
        out.extend(held.into_iter().map(|(ticket, owner, answer)| self.answer_or_prove(ticket, owner, answer)));
        if !dropped.is_empty() {
            self.forget_dropped(out);
        }
    }

    /// Takes back what waited, asks its senders to try again, and opens the log anew: part of what waited may
    /// stand in it.
    fn disk_was_full(&mut self, out: &mut Vec<StoreOutput>) {
        self.log = None;
        self.marks.roll_back();
        self.waiting = Waiting::default();
        for (ticket, _, mut answer) in std::mem::take(&mut self.held) {
            let busy = self.disk_full();
            answer.verdicts.iter_mut().for_each(|verdict| *verdict = busy.clone());
            out.push(StoreOutput::Answer { ticket, answer });
        }
        self.reopen_log(out);
    }

    /// Opens the log again, if the disk lets it, and takes over the records that are in it all the same.
    fn reopen_log(&mut self, out: &mut Vec<StoreOutput>) {
        let (folder, options) = (self.root_folder.join(manifest::WAL), recovery::log_options(&self.config, &self.root));
        let opened = Log::open(Arc::clone(&self.outside.files), &folder, options);
        let log = match opened {
            Ok((log, _)) => log,
            Err(seglog::OpenError::Io { .. }) => return,
            Err(error) => return self.fail(error.to_string(), out),
        };
        let records: Result<Vec<_>, _> = recovery::records(&log, self.log_next).collect();
        match records {
            Err(error) => self.fail(error.to_string(), out),
            Ok(records) => {
                records.into_iter().for_each(|(position, record)| self.apply(position, record));
                self.log_next = log.next();
                self.log = Some(log);
                self.settle(out);
            }
        }
    }

    /// Takes nothing any more, and answers nothing (protocol rule 21).
    fn fail(&mut self, reason: String, out: &mut Vec<StoreOutput>) {
        out.extend(self.held.drain(..).map(|(ticket, _, _)| StoreOutput::NoAnswer { ticket }));
        self.waiting = Waiting::default();
        self.failed = Some(reason.clone());
        out.push(StoreOutput::Failed(reason));
    }

    fn tick(&mut self, out: &mut Vec<StoreOutput>) {
        self.watch_clock();
        self.sync_log(out);
        // Before the flush: what goes need not become a segment first.
        self.retain(out);
        self.flush_due(out);
        self.cut_wal(out);
        self.remove_leftovers();
        self.merge_due(out);
    }

    fn empty_answer(&self) -> Answer {
        Answer { incarnation: self.root.incarnation, boot: self.root.boot, verdicts: Vec::new() }
    }

    fn busy(&self, reason: String) -> Verdict {
        let retry_after_ms = self.config.retry_after.as_millis() as u64;
        Verdict::Refused(Refusal::Busy { retry_after_ms, reason, disk_full: false })
    }

    fn disk_full(&self) -> Verdict {
        let retry_after_ms = self.config.retry_after.as_millis() as u64;
        Verdict::Refused(Refusal::Busy { retry_after_ms, reason: DISK_FULL.to_owned(), disk_full: true })
    }

    /// Why nothing that grows the store is taken for a moment: segments are written more slowly than lines come.
    fn backlog(&self) -> Option<String> {
        let wal_max = self.config.wal_bytes.saturating_mul(2);
        if self.wal_bytes() > wal_max {
            return Some(format!("{wal_max} bytes of newest lines wait to be written into segments"));
        }
        let memory_max = self.config.memory_total_bytes.saturating_mul(2);
        (self.memory_total() > memory_max)
            .then(|| format!("newest lines take {memory_max} bytes of memory until they are written into segments"))
    }

    /// What newest lines take in memory, about.
    fn memory_total(&self) -> u64 {
        self.partitions.values().flat_map(Partition::in_memory).map(Blocks::memory_bytes).sum()
    }

    /// Why nothing that grows the store is taken until there is room (protocol rule 36).
    fn no_room(&self) -> Option<String> {
        if self.log.is_none() {
            return Some(DISK_FULL.to_owned());
        }
        let free = match self.outside.files.space(&self.root_folder) {
            Ok(space) => space.free,
            Err(error) => return Some(format!("the free space of the data folder cannot be read: {error}")),
        };
        let reserve = self.config.low_water();
        (free < reserve).then(|| {
            format!("the disk is almost full: {free} bytes are free, the last {reserve} are kept for writing segments")
        })
    }

    fn wal_bytes(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.size_bytes() + log.pending_bytes())
    }

    fn now(&self) -> TimeNs {
        TimeNs(self.outside.clock.wall_ns())
    }
}

/// On whose behalf a request came, and when.
struct Speaker {
    owner: Arc<str>,
    environment: Arc<str>,
    received: TimeNs,
}

/// Whether a message makes the store larger by more than a few bytes.
fn grows(message: &Message) -> bool {
    matches!(message, Message::Ranges(_) | Message::Replay(_))
}

/// What a request takes in memory, roughly.
fn request_bytes(request: &Request) -> u64 {
    let payload = |payload: &wire::EventsPayload| payload.bytes.len();
    let sizes = request.messages.iter().map(|message| match message {
        Message::Ranges(ranges) => ranges
            .ranges
            .iter()
            .map(|range| match &range.fate {
                wire::Fate::Events(events) => payload(events),
                wire::Fate::Dead(_) | wire::Fate::Excluded(_) | wire::Fate::Lost(_) => 0,
            })
            .sum(),
        Message::Replay(replay) => payload(&replay.payload),
        Message::Provisional(provisional) => provisional.bytes.len(),
        Message::Hello(_) | Message::Open(_) | Message::Gone(_) => 0,
        Message::Ledger(_) | Message::Prove(_) | Message::Claim(_) => 0,
    });
    sizes.sum::<usize>() as u64
}
