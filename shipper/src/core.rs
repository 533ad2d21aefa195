//! The shipper as a state machine: `step(input) -> outputs`.
//!
//! Order inside a step: the input, due scans, reading, cuts, state files, requests. What makes it safe to be
//! killed between any two of them:
//! - a stream's record, a cut, an input and a loss are in the state files before the request that leans on
//!   them is given out ([`sending`] syncs first);
//! - the mark is only ever moved by an answer, and at a start only the indexer's mark counts;
//! - what was read and not acknowledged is read again from the file, with the journaled cuts and inputs.

mod admit;
mod answers;
mod api;
mod audit;
mod claims;
mod compare;
mod concurrency;
mod configure;
mod cuts;
mod exclusion;
mod formats;
mod hold;
mod index;
mod letters;
mod orphans;
mod reading;
mod report;
mod scan;
mod sending;
mod spilling;
mod state;
mod suspects;
mod waiting;
mod zones;

pub use api::{
    ExitReason, Importance, Notice, OpenError, SendError, ShipperInput, ShipperOutput, ShipperOutside, Ticket,
};

use crate::config::ShipperConfig;
use crate::dead::DeadLetters;
use crate::records::Agent;
use crate::slots::Slots;
use crate::stream::Streams;
use outside::{FileId, Lock};
use scan::Folder;
use sending::LinkState;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use wire::StreamId;

/// The shipper.
pub struct ShipperCore {
    config: ShipperConfig,
    outside: ShipperOutside,
    /// Held, never used.
    _lock: Box<dyn Lock>,
    state_folder: PathBuf,
    agent: Agent,
    slots: Slots,
    journal: state::Journal,
    dead: DeadLetters,
    next_letters: Duration,
    holding: hold::Holding,
    audit: Option<audit::Run>,
    streams: Streams,
    index: index::Index,
    /// Which stream a file holds now.
    by_file: HashMap<FileId, StreamId>,
    by_path: HashMap<Arc<Path>, StreamId>,
    /// Files that have no stream yet.
    unplaced: waiting::Waiting,
    claiming: claims::Claiming,
    /// A claim is on its way, whatever became of the files it asks for.
    claim_asked: bool,
    /// The number of the listing that shows whether all files that were there have their streams.
    claiming_looked_at: Option<u64>,
    /// Streams that something may have to be done for.
    active: BTreeSet<StreamId>,
    /// Where the next round of reading begins.
    turn: StreamId,
    folders: BTreeMap<PathBuf, Folder>,
    scans: scan::Scans,
    link: LinkState,
    scratch: Vec<u8>,
    /// What new batches work with: making it costs as much as some dozen events.
    spare: Vec<wire::Parses>,
    /// What may be read now, over all files.
    bucket: crate::rate::Bucket,
    out: Vec<ShipperOutput>,
    now: Duration,
    more_to_read: bool,
    /// Files open, once it was counted in this step, and whether more of them may be closed.
    files_open: Option<(usize, bool)>,
    stop: Option<Duration>,
    exited: bool,
    report: report::Report,
}

impl std::fmt::Debug for ShipperCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShipperCore").field("state_folder", &self.state_folder).finish_non_exhaustive()
    }
}

impl ShipperCore {
    /// Takes one input and says what is to be done.
    pub fn step(&mut self, input: ShipperInput) -> Vec<ShipperOutput> {
        self.step_all([input])
    }

    /// Takes inputs that came together, then does what there is to do once for all of them.
    pub fn step_all(&mut self, inputs: impl IntoIterator<Item = ShipperInput>) -> Vec<ShipperOutput> {
        self.now = self.outside.clock.monotonic();
        for input in inputs {
            if self.exited {
                break;
            }
            self.report.files_moved |= matches!(input, ShipperInput::Configure(_));
            self.take(input);
        }
        self.report.files_moved |= !self.is_at_rest();
        self.work();
        self.report.files_moved |= !self.is_at_rest();
        std::mem::take(&mut self.out)
    }

    fn take(&mut self, input: ShipperInput) {
        match input {
            ShipperInput::Tick => {}
            ShipperInput::Changed(path) => self.changed(path),
            ShipperInput::Audit(name) => self.begin_audit(name),
            ShipperInput::Overflow => self.scans.want_all(),
            ShipperInput::Answer { ticket, result } => self.answered(ticket, result),
            ShipperInput::Configure(config) => self.configure(*config),
            ShipperInput::Shutdown => {
                let deadline = self.now + self.config.timing.shutdown_grace;
                self.stop.get_or_insert(deadline);
            }
        }
    }

    fn work(&mut self) {
        if self.exited {
            return;
        }
        self.more_to_read = false;
        self.scan_due();
        self.place_due();
        self.look_at_suspects();
        self.read_round();
        self.cut_due();
        self.commit_due();
        self.letters_due();
        self.hold_due();
        self.pump();
        self.rest();
        self.tell_progress();
        self.exit_due();
        if !self.exited {
            let wake = self.next_wake();
            self.out.push(ShipperOutput::WakeAt(wake));
        }
    }

    /// Nothing is to be done for any file.
    fn is_at_rest(&self) -> bool {
        self.active.is_empty() && self.unplaced.is_empty() && self.scans.is_idle()
    }

    /// Streams with nothing left to do leave the active ones.
    fn rest(&mut self) {
        let done: Vec<StreamId> = self.active.iter().copied().filter(|id| self.may_rest(*id)).collect();
        for id in done {
            self.put_to_rest(id);
        }
    }

    fn put_to_rest(&mut self, id: StreamId) {
        self.active.remove(&id);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.behind_since = None;
            stream.pace = None;
        }
    }

    fn exit_due(&mut self) {
        let reason = match self.stop {
            Some(deadline) => {
                let all = self.shutdown_is_done();
                if !all && self.now < deadline {
                    return;
                }
                if all { ExitReason::Shutdown } else { ExitReason::ShutdownUnanswered }
            }
            None if self.config.until_idle && self.until_idle_is_done() => ExitReason::Idle,
            None => return,
        };
        self.exit(reason);
    }

    fn exit(&mut self, reason: ExitReason) {
        self.tell_redacted();
        self.end_nameless_at_exit();
        self.spill_at_exit();
        self.save_marks();
        self.sync_state();
        self.exited = true;
        self.out.push(ShipperOutput::Exit(reason));
    }

    fn notice(&mut self, importance: Importance, text: impl Into<String>) {
        self.out.push(ShipperOutput::Notice(Notice { importance, text: text.into() }));
    }

    /// A random part of `longest`, all of it with the same probability.
    fn jitter(&self, longest: Duration) -> Duration {
        let ns = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX).max(1);
        Duration::from_nanos(self.outside.rng.next_u64() % ns)
    }

    /// When to step again even if nothing happens.
    fn next_wake(&self) -> Duration {
        let timing = &self.config.timing;
        let mut wake = self.scans.next.min(self.link.next_ask(timing));
        if self.more_to_read {
            return self.now;
        }
        if self.journal.wants_sync || self.streams_unsaved() {
            wake = wake.min(self.journal.next_commit);
        }
        if let Some(deadline) = self.stop {
            wake = wake.min(deadline);
        }
        if self.link.epoch.is_none() && self.link.in_flight.is_empty() {
            wake = wake.min(self.link.retry_at);
        }
        wake = wake.min(self.wake_of_audit()).min(self.wake_of_holding());
        if self.dead.size().0 > 0 {
            wake = wake.min(self.next_letters);
        }
        for file in self.unplaced.values() {
            wake = wake.min(file.next);
        }
        for id in &self.active {
            if let Some(stream) = self.streams.get(id) {
                wake = wake.min(self.wake_of(stream));
            }
        }
        wake.max(self.now + Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests;
