//! What answers change.
//!
//! The indexer's mark is the truth, ours a cache (protocol rule 27): whenever they differ, either way, its
//! context is taken, and the file is compared with the anchor at the mark when it is opened there.

use super::sending::{Part, Sent};
use super::{ExitReason, Importance, SendError, ShipperCore, Ticket};
use crate::batch::InFlight;
use crate::kept::{Loss, MarkStep, Phase};
use crate::status::Link;
use crate::stream::{Naming, Opened, Stream};
use outside::Safeguard;
use parsers::{Offset, TimeNs};
use std::time::Duration;
use wire::{Answer, Covered, HelloAnswer, MarkState, Refusal, StreamId, Verdict};

/// Requests are made no smaller than this for all streams.
const BATCH_BYTES_MIN: usize = 64 << 10;

impl ShipperCore {
    pub(super) fn answered(&mut self, ticket: Ticket, result: Result<Answer, SendError>) {
        let Some(sent) = self.link.in_flight.remove(&ticket) else { return };
        for id in sent.parts.iter().filter_map(|p| p.stream()) {
            if let Some(stream) = self.streams.get_mut(&id).filter(|s| s.busy == Some(ticket)) {
                stream.busy = None;
                self.active.insert(id);
            }
        }
        match result {
            Ok(answer) if answer.verdicts.len() == sent.parts.len() => self.taken(&sent, answer),
            Ok(answer) => {
                let (got, asked) = (answer.verdicts.len(), sent.parts.len());
                self.not_taken(&sent, &SendError::Unreachable(format!("{got} verdicts to {asked} messages")));
            }
            Err(error) => self.not_taken(&sent, &error),
        }
    }

    fn taken(&mut self, sent: &Sent, answer: Answer) {
        if self.link.failures > 0 {
            self.notice(Importance::Info, "the indexer answers again");
        }
        if answer.verdicts.iter().any(|verdict| matches!(verdict, Verdict::Refused(Refusal::Busy { .. }))) {
            self.link.concurrency.refused(sent.at, self.now);
        } else if sent.last_one && self.link.failures == 0 {
            self.link.concurrency.answered(sent.at, self.now);
        }
        self.link.failures = 0;
        self.link.error = None;
        self.link.status = Link::Up;
        let is_hello = matches!(sent.parts.first(), Some(Part::Hello));
        let current = self.link.incarnation;
        if !is_hello && current != Some(answer.incarnation) {
            // What another incarnation says of marks and epochs does not count. An answer of an older one may
            // still be on its way after the newer was met.
            if current.is_some() && sent.incarnation == current {
                self.new_incarnation(answer.incarnation);
            }
            self.undo(sent);
            return;
        }
        if self.link.boot.replace(answer.boot).is_some_and(|known| known != answer.boot) {
            // A new process holds no provisional events (protocol rule 18).
            self.show_again();
        }
        for (part, verdict) in sent.parts.iter().zip(answer.verdicts) {
            match (*part, verdict) {
                (Part::Hello, Verdict::Hello(hello)) => self.welcomed(hello, answer.incarnation),
                (Part::Hello, Verdict::Refused(refusal)) => self.refused(None, refusal),
                (Part::Open(id), Verdict::Open(state)) => self.mark_told(id, &state),
                (Part::Ranges(id), Verdict::Ranges { mark, covered, expired }) => {
                    self.ranges_taken(id, mark, covered);
                    self.tell_of_expired(id, expired);
                }
                (Part::Provisional(id, offset, size), Verdict::Provisional { .. }) => {
                    if let Some(stream) = self.streams.get_mut(&id) {
                        // Passed over: it comes again when it grows, when the mark moves, or closed.
                        stream.shown = Some((offset, size));
                    }
                }
                (Part::Gone(id), Verdict::Gone) => self.forget_file(id),
                (Part::Replay(id, offset), Verdict::Replay { .. }) => self.replayed(id, offset),
                (Part::Audit, verdict @ (Verdict::Ledger(_) | Verdict::Proof(_))) => self.audit_answered(verdict),
                (Part::Audit, _) => self.audit_failed(),
                (Part::Claim, Verdict::Claim(known)) => self.claims_answered(&known),
                (Part::Claim, Verdict::Refused(refusal)) => {
                    self.claims_undone();
                    self.refused(None, refusal);
                }
                (part, Verdict::Refused(refusal)) => self.refused(Some(part), refusal),
                (part, _) => self.reopen(part.stream()),
            }
            if self.exited {
                return;
            }
        }
        self.note_compared();
    }

    fn welcomed(&mut self, hello: HelloAnswer, incarnation: u64) {
        self.link.epoch = Some(hello.epoch);
        self.host_known(hello.host_streams);
        let moved = self.agent.incarnation != 0 && self.agent.incarnation != incarnation;
        self.link.incarnation = Some(incarnation);
        self.link.oldest = hello.oldest_ns.map(TimeNs);
        if hello.request_bytes_max > 0 {
            // Bodies and bytes of events share the limit; half of it leaves room for the parse.
            self.link.batch_bytes_max = usize::try_from(hello.request_bytes_max / 2).unwrap_or(usize::MAX).max(1);
        }
        if moved {
            self.reopen_all();
        }
        self.link.compared = self.agent.incarnation == incarnation;
        self.note_compared();
    }

    /// Every stream was compared with the store as it is now: a start that finds it so need not do it again. One that
    /// comes before must: finished streams are opened again for this alone.
    fn note_compared(&mut self) {
        let Some(incarnation) = self.link.incarnation.filter(|_| !self.link.compared) else { return };
        let all = self.agent.incarnation == 0 || self.streams.values().all(|s| s.opened == Opened::Yes);
        if all && self.link.in_flight.is_empty() {
            self.link.compared = true;
            self.agent.incarnation = incarnation;
            self.journal_agent();
        }
    }

    /// Restored, repaired or wiped (protocol rule 28): every stream is opened again, finished ones too.
    fn new_incarnation(&mut self, incarnation: u64) {
        let text =
            format!("the store is another one now (incarnation {incarnation}): every stream is compared with it");
        self.notice(Importance::Warn, text);
        self.link.epoch = None;
        self.link.incarnation = None;
        self.link.boot = None;
        self.reopen_all();
    }

    fn reopen_all(&mut self) {
        if !Safeguard::IncarnationNoticed.holds() {
            return;
        }
        let all: Vec<StreamId> = self.streams.keys().copied().collect();
        for id in all {
            self.reopen(Some(id));
        }
    }

    fn show_again(&mut self) {
        for stream in self.streams.values_mut().filter(|s| s.shown.is_some()) {
            stream.shown = None;
            self.active.insert(stream.kept.id);
        }
    }

    /// Asks for the stream's mark before anything more is sent of it.
    pub(super) fn reopen(&mut self, id: Option<StreamId>) {
        let Some(stream) = id.and_then(|id| self.streams.get_mut(&id)) else { return };
        stream.opened = Opened::No;
        stream.shown = None;
        self.active.insert(stream.kept.id);
    }

    /// The indexer told where a stream stands.
    fn mark_told(&mut self, id: StreamId, state: &MarkState) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.opened = Opened::Yes;
        stream.failures = 0;
        stream.retry_at = Duration::ZERO;
        self.active.insert(id);
        let replayed = state.books.as_ref().is_some_and(|books| books.other.dead != stream.kept.other.dead);
        if state.closed {
            if state.mark != stream.kept.mark || replayed {
                // It may have taken events before, or a replay, with an answer that never came.
                let step = stream.step_to(state);
                stream.go_back_to_mark();
                stream.kept.move_mark(&step);
            }
            self.close(id);
            return;
        }
        stream.kept.anchors.merge(&state.anchors, state.mark);
        let is_news = state.mark != stream.kept.mark || state.context != stream.kept.context || replayed;
        let phase = stream.kept.phase;
        if is_news {
            self.go_to(id, state);
        }
        self.declare_what_the_copy_lacks(id);
        self.condemn_again(id, state.mark);
        self.got_through(id);
        if let Some(stream) = self.streams.get_mut(&id).filter(|s| s.kept.phase == Phase::Gone) {
            // This store may not have heard that nothing more comes, or how the stream ended.
            stream.kept.phase = Phase::Detached;
            stream.naming = Naming::Nameless;
        }
        if self.streams.get(&id).is_some_and(|s| s.kept.phase != phase) {
            // Once all are compared a start does not look at finished streams again: this one is none any more.
            self.journal_stream(id);
        }
        if !is_news && self.may_rest(id) {
            // It was only asked for, see `ask`: nothing moved, and no status need be written.
            self.put_to_rest(id);
        }
    }

    /// Takes over the indexer's mark and goes on there.
    fn go_to(&mut self, id: StreamId, state: &MarkState) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let (before, step) = (stream.kept.mark, stream.step_to(state));
        stream.go_back_to_mark();
        stream.kept.move_mark(&step);
        stream.doubt.take_if(|doubt| state.mark < before || !doubt.settled(state.mark));
        stream.last_event = stream.kept.last_event;
        if stream.kept.phase == Phase::Gone && state.mark < before {
            // Its file is long gone; what the store no longer has is lost (protocol rule 27).
            stream.kept.phase = Phase::Detached;
            let loss = Loss {
                from: state.mark,
                to: Some(before),
                reason: "the store went back behind what files still hold".to_owned(),
            };
            self.declare(id, loss);
        } else if stream.kept.phase == Phase::Ended && state.mark < before {
            stream.kept.phase = Phase::Following;
        } else if stream.kept.phase == Phase::Detached && state.mark < before {
            stream.kept.size_seen = stream.kept.size_seen.max(before.0);
        }
        self.mark_moved(id);
        self.active.insert(id);
    }

    fn ranges_taken(&mut self, id: StreamId, mark: Offset, covered: Option<Covered>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Some(in_flight) = stream.in_flight.take() else {
            self.reopen(Some(id));
            return;
        };
        if in_flight.closes && mark == in_flight.from {
            self.close(id);
            return;
        }
        if !in_flight.starts().is_empty() {
            self.link.given_up = 0;
        }
        stream.condemned = stream.condemned.split_off(&mark);
        if let Some(doubt) = &mut stream.doubt {
            let more = doubt.settled(mark);
            stream.doubt.take_if(|_| !more);
            // It had stopped before its end.
            stream.go_back_to_mark();
        }
        if mark != in_flight.to {
            // Less or more than what was sent is settled: ask where it stands.
            stream.go_back_to_mark();
            self.reopen(Some(id));
            return;
        }
        let step = step_after(stream, &in_flight, covered.as_ref());
        stream.kept.move_mark(&step);
        stream.shown = None;
        if stream.behind() == 0 {
            stream.behind_since = None;
        } else {
            stream.behind_since = Some(self.now);
        }
        stream.error = None;
        stream.failures = 0;
        self.report.acknowledged(in_flight.to.0 - in_flight.from.0);
        self.mark_moved(id);
    }

    /// A lost range of unknown end closed the stream.
    fn close(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.go_back_to_mark();
        // The loss is remembered: a store that is restored to before it hears of it again.
        stream.kept.losses.retain(|l| l.to.is_none());
        stream.kept.size_seen = stream.kept.mark.0;
        if stream.has_file() {
            // Closed by mistake or by another: what the file holds begins anew as a generation of its own.
            stream.kept.phase = Phase::Detached;
            self.by_file.remove(&stream.kept.file);
            let path = stream.kept.path.clone();
            self.by_path.remove(&path);
            self.scans.want_all();
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.kept.phase = Phase::Gone;
        }
        self.journal_stream(id);
    }

    fn forget_file(&mut self, id: StreamId) {
        // One that goes on in a file which turned up since is opened again.
        if let Some(stream) = self.streams.get_mut(&id).filter(|s| s.kept.phase == Phase::Detached) {
            stream.kept.phase = Phase::Gone;
            stream.let_go();
            self.journal_stream(id);
        }
    }

    /// Events that were too old to be kept: without a word, a folder of old logs would just look empty.
    fn tell_of_expired(&mut self, id: StreamId, expired: u64) {
        let path = self.streams.get(&id).map(|stream| stream.kept.path.display().to_string());
        if let Some(path) = path.filter(|_| expired > 0) {
            let text = format!("`{path}` has events older than the indexer's retention; these are not kept");
            self.notice(Importance::Warn, text);
        }
    }

    /// A message was refused.
    fn refused(&mut self, part: Option<Part>, refusal: Refusal) {
        let id = part.and_then(Part::stream);
        match refusal {
            Refusal::Fenced => {
                self.link.status = Link::Fenced;
                let text = "a newer start of this agent took over; this one stops, and starting it again would only take it back";
                self.link.error = Some(text.to_owned());
                self.notice(Importance::Error, text);
                self.exit(ExitReason::Fenced);
            }
            Refusal::NotOpen => match part {
                Some(Part::Gone(id)) => self.forget_file(id),
                Some(Part::Open(id)) => {
                    self.reopen(Some(id));
                    self.link.epoch = None;
                }
                _ => {
                    self.drop_in_flight(id);
                    self.reopen(id);
                }
            },
            Refusal::Gap(state) | Refusal::Straddles(state) => {
                if let Some(id) = id {
                    self.drop_in_flight(Some(id));
                    self.go_to(id, &state);
                    self.declare_what_the_copy_lacks(id);
                }
            }
            Refusal::TooLarge { max } => {
                self.smaller_batches(Some(max));
                self.drop_in_flight(id);
            }
            Refusal::Rejected { offset, reason } => match part {
                Some(Part::Replay(id, offset)) => self.put_back(id, offset, &reason),
                Some(Part::Provisional(id, offset, size)) => {
                    // Once it is closed its range tells.
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.shown = Some((offset, size));
                    }
                }
                _ => self.rejected(id, offset, &reason),
            },
            Refusal::Busy { retry_after_ms, reason, .. } => {
                self.drop_in_flight(id);
                let wait = Duration::from_millis(retry_after_ms);
                self.wait_for(id, wait + self.jitter(wait / 4 + self.config.timing.retry_min));
                if id.is_none() {
                    self.link.retry_at = self.now + wait.max(self.config.timing.retry_min);
                    self.link.error = Some(reason);
                }
            }
        }
    }

    /// Nothing is sent of a stream for a while; what it does not need meanwhile is let go.
    pub(super) fn wait_for(&mut self, id: Option<StreamId>, wait: Duration) {
        if let Some(stream) = id.and_then(|id| self.streams.get_mut(&id)) {
            stream.retry_at = self.now + wait;
            if stream.opened == Opened::Asked {
                stream.opened = Opened::No;
            }
        }
    }

    /// Requests of this size are too large; below a size that any indexer takes only the single stream's become
    /// smaller.
    pub(super) fn smaller_batches(&mut self, max: Option<u64>) {
        let now = self.batch_bytes_max();
        let told = max.and_then(|m| usize::try_from(m / 2).ok()).filter(|m| *m < now);
        let least = BATCH_BYTES_MIN.min(self.config.limits.batch_bytes_max);
        self.link.batch_bytes_max = told.unwrap_or(now / 2).max(least);
    }

    pub(super) fn drop_in_flight(&mut self, id: Option<StreamId>) {
        if let Some(stream) = id.and_then(|id| self.streams.get_mut(&id)) {
            stream.go_back_to_mark();
        }
    }

    /// Not answered, or refused as a whole.
    fn not_taken(&mut self, sent: &Sent, error: &SendError) {
        if matches!(error, SendError::Busy { .. } | SendError::Unreachable(_)) {
            self.link.concurrency.refused(sent.at, self.now);
        }
        let in_doubt = matches!(error, SendError::Refused(_) | SendError::TooLarge { .. }) && self.doubt(sent, error);
        self.undo(sent);
        if !in_doubt {
            self.blocked(sent);
            self.back_off(error);
        }
    }

    /// The request is as good as never sent: what it held is read again when its turn comes.
    fn undo(&mut self, sent: &Sent) {
        if sent.parts.iter().any(|part| matches!(part, Part::Audit)) {
            self.audit_failed();
        }
        if sent.parts.iter().any(|part| matches!(part, Part::Claim)) {
            self.claims_undone();
        }
        for part in &sent.parts {
            let Some(stream) = part.stream().and_then(|id| self.streams.get_mut(&id)) else { continue };
            match part {
                Part::Hello | Part::Claim => {}
                Part::Open(_) if stream.opened == Opened::Asked => stream.opened = Opened::No,
                Part::Open(_) => {}
                Part::Ranges(_) => {
                    stream.go_back_to_mark();
                }
                Part::Provisional(..) => stream.shown = None,
                Part::Gone(_) | Part::Replay(..) | Part::Audit => {}
            }
        }
    }

    fn back_off(&mut self, error: &SendError) {
        let timing = self.config.timing;
        self.link.failures = self.link.failures.saturating_add(1);
        let doubled = timing.retry_min.saturating_mul(1 << self.link.failures.min(16)).min(timing.retry_max);
        let mut wait = timing.retry_min / 2 + self.jitter(doubled);
        let mut status = Link::Down;
        match error {
            SendError::Unauthorized(_) => {
                status = Link::Unauthorized;
                wait = timing.retry_max;
            }
            SendError::Busy { retry_after: Some(after), .. } => {
                wait = *after + self.jitter(*after / 4 + timing.retry_min)
            }
            SendError::TooLarge { max } => self.smaller_batches(*max),
            SendError::Version(_) => wait = timing.retry_max,
            _ => {}
        }
        self.link.retry_at = self.now + wait;
        let text = error.to_string();
        if self.link.status != status || self.link.error.as_ref() != Some(&text) {
            let importance = if status == Link::Unauthorized { Importance::Error } else { Importance::Warn };
            self.notice(importance, format!("{text}; the files are kept, and it is tried again"));
        }
        self.link.status = status;
        self.link.error = Some(text);
    }
}

/// The mark after a batch was taken. What had been covered before keeps the fate it has (protocol rule 21).
fn step_after(stream: &Stream, in_flight: &InFlight, covered: Option<&Covered>) -> MarkStep {
    let kept = &stream.kept;
    let mut step = kept.mark_step();
    step.mark = in_flight.to;
    step.context.clone_from(&in_flight.context);
    step.anchor = in_flight.anchor;
    step.last_event = in_flight.last_event;
    match covered {
        None => step.ledger += in_flight.sum_from(in_flight.from),
        Some(Covered { to, sum: Some(sum), .. }) => {
            step.ledger += *sum;
            step.ledger += in_flight.sum_from(*to);
        }
        Some(Covered { sum: None, .. }) => step.ledger_whole = false,
    }
    let fresh = covered.map_or(in_flight.from, |covered| covered.to);
    let before = covered.iter().flat_map(|covered| covered.fates.iter().copied());
    for span in before.chain(in_flight.other_from(fresh)) {
        step.other.add(span.fate, span.to.0.saturating_sub(span.from.0));
    }
    step
}
