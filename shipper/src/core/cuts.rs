//! Ends of events that bytes alone do not decide (protocol rules 10 and 16), and ends of generations.
//!
//! A cut is journaled and synced before the parser hears of it, so before any request can hold it. While the
//! state files cannot be written no cut is made (protocol rule 31): the event stays open, and shown.

use super::{Importance, ShipperCore};
use crate::identity::name_of;
use crate::kept::Phase;
use crate::records::Entry;
use crate::stream::{Naming, Opened, Stream};
use crate::tail::Read;
use outside::Safeguard;
use parsers::{Cut, Offset};
use std::time::Duration;
use wire::StreamId;

impl ShipperCore {
    /// Makes the cuts that are due, all with one sync.
    pub(super) fn cut_due(&mut self) {
        let due: Vec<StreamId> = self
            .active
            .iter()
            .copied()
            .filter(|id| self.streams.get(id).is_some_and(|s| self.cut_kind(s).is_some()))
            .collect();
        let mut cuts = Vec::new();
        for id in due {
            if !self.is_really_at_end(id) {
                continue;
            }
            let Some(stream) = self.streams.get(&id) else { continue };
            let (kind, tail) = (self.cut_kind(stream), stream.tail.as_ref());
            if let Some(at) = kind.zip(tail).and_then(|(k, t)| t.parser.cut_place(t.open_bytes(), k)) {
                cuts.push((id, at));
            }
        }
        self.make_cuts(&cuts);
        self.end_generations();
        self.settle_orphans();
        self.settle_detached();
    }

    fn make_cuts(&mut self, cuts: &[(StreamId, Offset)]) {
        if cuts.is_empty() {
            return;
        }
        for (id, at) in cuts {
            if let Some(stream) = self.streams.get_mut(id) {
                stream.kept.cuts.insert(*at);
            }
            if Safeguard::CutJournaled.holds() {
                self.journal_first(&Entry::Cut(*id, *at));
            }
        }
        if Safeguard::CutJournaled.holds() && !self.sync_state() {
            for (id, at) in cuts {
                if let Some(stream) = self.streams.get_mut(id) {
                    stream.kept.cuts.remove(at);
                }
            }
            return;
        }
        for (id, _) in cuts {
            self.advance(*id);
        }
    }

    /// Whether and how the stream's open event is to be closed now.
    fn cut_kind(&self, stream: &Stream) -> Option<Cut> {
        let tail = stream.tail.as_ref()?;
        if tail.open_bytes().is_empty() || stream.unread() > 0 || stream.is_stopped() {
            return None;
        }
        if tail.cut_off {
            // A file that holds the stream may still be found; then it is read on there.
            return stream.orphan.is_none().then_some(Cut::Everything);
        }
        if stream.target.is_some_and(|t| tail.read_to().0 >= t) {
            return Some(Cut::Everything);
        }
        let idle = self.now.saturating_sub(stream.grew_at);
        let timing = &self.config.timing;
        let ended = matches!(stream.naming, Naming::Rotated | Naming::Nameless) && idle >= timing.close_after;
        if ended || idle >= timing.partial_line_after {
            return Some(Cut::Everything);
        }
        let whole_lines = idle >= timing.close_after || self.stop.is_some();
        // A rest without line end alone is not cut; asking again at each step would be for nothing.
        (whole_lines && tail.parser.cut_place(tail.open_bytes(), Cut::WholeLines).is_some()).then_some(Cut::WholeLines)
    }

    /// When `cut_kind` may change without anything happening.
    pub(super) fn next_cut(&self, stream: &Stream) -> Option<Duration> {
        let tail = stream.tail.as_ref()?;
        let timing = &self.config.timing;
        let close = stream.grew_at + timing.close_after;
        // What is due already waits for something else, an answer or the state files.
        let later = |at: Duration| (at > self.now).then_some(at);
        if tail.open_bytes().is_empty() {
            // Only the end of its generation may be waited for.
            let ending =
                matches!(stream.naming, Naming::Rotated | Naming::Nameless) && stream.kept.phase == Phase::Following;
            return later(close).filter(|_| ending);
        }
        if self.journal.failed {
            return later(self.journal.next_commit);
        }
        later(close).or_else(|| later(stream.grew_at + timing.partial_line_after))
    }

    /// A watch may be late: the file is asked once more before its last event is cut.
    fn is_really_at_end(&mut self, id: StreamId) -> bool {
        let max = self.config.limits.read_bytes;
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        let target = stream.target;
        let Some(tail) = &mut stream.tail else { return false };
        if tail.cut_off || target.is_some_and(|t| tail.read_to().0 >= t) {
            return true;
        }
        let read = tail.read(&mut self.scratch, max);
        match read {
            Ok(Read::End) => true,
            Ok(Read::Bytes(_)) => {
                stream.grew_at = self.now;
                let read_to = stream.read_to().0;
                stream.size = stream.size.max(read_to);
                stream.kept.size_seen = stream.kept.size_seen.max(read_to);
                self.advance(id);
                false
            }
            Ok(Read::Rewritten) => {
                stream.suspect = true;
                stream.size = 0;
                self.more_to_read = true;
                false
            }
            Err(_) => {
                stream.suspect = true;
                self.more_to_read = true;
                false
            }
        }
    }

    /// As above, also of a file that is not being read.
    fn is_read_to_its_end(&mut self, id: StreamId) -> bool {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        if stream.tail.is_some() {
            return self.is_really_at_end(id);
        }
        match stream.held_metadata() {
            None => true,
            Some(facts) => {
                // An error is no answer.
                let size = facts.map_or(u64::MAX, |facts| facts.size);
                if size < u64::MAX {
                    stream.grown_to(size, now);
                }
                size <= stream.kept.mark.0
            }
        }
    }

    /// Rotated files that are read to their end, unchanged and acknowledged have ended.
    fn end_generations(&mut self) {
        let close_after = self.config.timing.close_after;
        let ended: Vec<StreamId> = self
            .active
            .iter()
            .filter_map(|id| self.streams.get(id))
            .filter(|s| s.kept.phase == Phase::Following && s.opened == Opened::Yes)
            // Of what is missing nobody knows whether it was read to its end.
            .filter(|s| s.missing_since.is_none())
            .filter(|s| matches!(s.naming, Naming::Rotated | Naming::Nameless))
            .filter(|s| s.is_done() && s.busy.is_none() && s.kept.mark.0 >= s.size && s.orphan.is_none())
            .filter(|s| self.now.saturating_sub(s.grew_at) >= close_after)
            .map(|s| s.kept.id)
            .collect();
        for id in ended {
            if !self.is_read_to_its_end(id) || self.copy_ended(id) {
                continue;
            }
            self.declare_what_was_not_copied(id);
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let nameless = stream.naming == Naming::Nameless;
            stream.kept.phase = if nameless { Phase::Detached } else { Phase::Ended };
            stream.let_go();
            if nameless && self.by_file.get(&stream.kept.file) == Some(&id) {
                self.by_file.remove(&stream.kept.file);
            }
            self.journal_stream(id);
        }
    }

    /// `--until-idle`: all that was there when it started is acknowledged, dead letters that were asked for are answered,
    /// and what is missing was looked for long enough to say so.
    pub(super) fn until_idle_is_done(&self) -> bool {
        let unread = self.folders.values().any(|f| f.error.is_some() || f.waiting.values().any(Option::is_some));
        self.scans.done_once
            && !unread
            && self.unplaced.values().all(|f| f.is_twin)
            && self.dead.streams_to_replay().is_empty()
            && self.streams.values().all(|s| match s.kept.phase {
                Phase::Gone | Phase::Ended if !self.active.contains(&s.kept.id) => true,
                Phase::Detached => {
                    s.opened == Opened::Yes && s.is_settled() && s.open_bytes() == 0 && s.orphan.is_none()
                }
                _ => {
                    let all_taken = s.target.is_none_or(|t| s.kept.mark.0 >= t) && s.is_settled();
                    s.opened == Opened::Yes && all_taken && s.missing_since.is_none() && s.orphan.is_none()
                }
            })
    }

    /// Nothing that is closed waits for an answer, and nothing that could be closed is open.
    pub(super) fn shutdown_is_done(&self) -> bool {
        self.active.iter().filter_map(|id| self.streams.get(id)).all(|s| {
            let quiet = s.building.is_none() && s.in_flight.is_none();
            let cut_waits = s.opened == Opened::Yes && !self.journal.failed && self.cut_kind(s).is_some();
            quiet && !cut_waits
        })
    }

    /// A stream that cannot go on, in one sentence, said once.
    pub(super) fn stuck(&mut self, id: StreamId, reason: &str) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let text = format!("`{}` waits: {reason}", name_of(&stream.kept.path));
        if stream.error.as_ref() != Some(&text) {
            stream.error = Some(text.clone());
            self.notice(Importance::Error, text);
        }
    }
}
