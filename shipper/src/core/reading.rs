//! Reading: from files into batches, live files first, within the bounds of memory.

use super::report::cure;
use super::sending::provisional_of;
use super::{Importance, ShipperCore};
use crate::batch::{Batch, Course, Wiring};
use crate::identity::line_hash;
use crate::kept::{Head, Loss, Phase};
use crate::stream::{Naming, Opened, Stream};
use crate::tail::{self, Read, Tail};
use outside::{Metadata, Safeguard};
use parsers::{FileFacts, Flags, Offset, TimeNs};
use std::io;
use std::path::Path;
use std::time::Duration;
use wire::StreamId;

/// An event and one read at most lie open in a buffer.
const OPEN_BYTES_MAX: usize = (1 << 20) + (64 << 10);

/// The rule that leaves out what the indexer would not keep (protocol rule 37).
const TOO_OLD: &str = "older than retention";

/// A read asks for at least so much.
const READ_BYTES_MIN: usize = 4 << 10;

/// A file is asked again after so long when two looks at it did not agree.
const AGAIN: Duration = Duration::from_millis(10);

/// What one turn of one stream came to.
enum Turn {
    /// So many bytes were read.
    Read(usize),
    /// Nothing to read, or not now.
    Nothing,
}

impl ShipperCore {
    /// Lets each stream that has unread bytes read once, in turn, until the step's budget is used up.
    pub(super) fn read_round(&mut self) {
        self.files_open = None;
        let mut budget = self.config.limits.step_bytes_max;
        let mut memory: usize = self.active.iter().filter_map(|id| self.streams.get(id)).map(|s| s.memory()).sum();
        for backfill in [false, true] {
            loop {
                let mut read = 0;
                for id in self.in_turn(backfill) {
                    if budget == 0 {
                        self.turn = id;
                        self.more_to_read = true;
                        return;
                    }
                    if !self.bucket.is_open(self.config.rate, self.now) {
                        // The one whose turn it is reads first when there is room again.
                        self.turn = id;
                        return;
                    }
                    if memory >= self.config.limits.memory_bytes_max && !self.make_room(id, &mut memory) {
                        return;
                    }
                    let before = self.streams.get(&id).map_or(0, |s| s.memory());
                    let Turn::Read(bytes) = self.read_turn(id) else { continue };
                    let after = self.streams.get(&id).map_or(0, |s| s.memory());
                    memory = (memory + after).saturating_sub(before);
                    budget = budget.saturating_sub(bytes);
                    read += bytes;
                }
                if read == 0 {
                    break;
                }
            }
            // Live files are always ahead: older ones are read only when no live one waits.
            if !backfill
                && self
                    .active
                    .iter()
                    .any(|id| self.streams.get(id).is_some_and(|s| !s.kept.backfill && self.may_read(s)))
            {
                return;
            }
        }
    }

    /// Streams that may read, beginning where the last round ended; of older files the newest only.
    fn in_turn(&self, backfill: bool) -> Vec<StreamId> {
        let may =
            |id: &&StreamId| self.streams.get(id).is_some_and(|s| s.kept.backfill == backfill && self.may_read(s));
        if backfill {
            let newest = self.active.iter().filter(may).max_by_key(|id| self.streams[id].modified_ns);
            return newest.into_iter().copied().collect();
        }
        let (first, last) = (self.active.range(self.turn..), self.active.range(..self.turn));
        first.chain(last).filter(may).copied().collect()
    }

    /// Whether a read may bring something, and there is room for it in the stream's batch.
    pub(super) fn may_read(&self, stream: &Stream) -> bool {
        let limits = &self.config.limits;
        let closed = stream.building.as_ref().map_or(0, |batch| batch.bytes());
        let room = closed == 0 || closed + stream.open_bytes() + limits.read_bytes <= self.batch_bytes_max();
        let copy_is_read = stream.kept.copy_ends.is_some_and(|end| stream.kept.mark.0 >= end);
        self.stop.is_none()
            && !copy_is_read
            && stream.opened == Opened::Yes
            && stream.has_file()
            && self.now >= stream.retry_at.max(stream.pace().rests_until)
            && room
            && self.may_read_at(stream) <= self.now
            && !stream.is_stopped()
            && !stream.waits_for_loss()
            && (stream.unread() > 0 || stream.suspect || stream.size < stream.read_to().0)
    }

    /// Memory is full: gives up what can be read again, unless answers will make room. `false`: wait.
    fn make_room(&mut self, wanted: StreamId, memory: &mut usize) -> bool {
        let waiting = self.active.iter().filter_map(|id| self.streams.get(id));
        if waiting.into_iter().any(|s| s.building.is_some() || s.in_flight.is_some()) {
            return false;
        }
        for id in self.active.iter().filter(|id| **id != wanted) {
            let Some(stream) = self.streams.get_mut(id) else { continue };
            if stream.open_bytes() > 0 && !stream.tail.as_ref().is_some_and(|t| t.cut_off) {
                *memory = memory.saturating_sub(stream.memory());
                stream.go_back_to_mark();
            }
        }
        true
    }

    fn read_turn(&mut self, id: StreamId) -> Turn {
        if !self.open_tail(id) {
            return Turn::Nothing;
        }
        let most = self.read_bytes_max(id).min(self.batch_bytes_max());
        let now = self.now;
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = self.read_into(id, &mut scratch, most);
        self.scratch = scratch;
        match result {
            Ok(Read::Bytes(bytes)) => {
                self.read_well(id);
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.pace_mut().read_at = Some(now);
                }
                self.count_read(id, bytes);
                self.advance(id);
                Turn::Read(bytes)
            }
            Ok(Read::End) => {
                self.read_well(id);
                self.at_end(id);
                Turn::Nothing
            }
            Ok(Read::Rewritten) => {
                self.rewritten_now(id);
                Turn::Nothing
            }
            Err(error) => {
                self.read_failed(id, &error);
                Turn::Nothing
            }
        }
    }

    fn read_into(&mut self, id: StreamId, scratch: &mut Vec<u8>, max: usize) -> io::Result<Read> {
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(Read::End) };
        let (limit, size) = (stream.target, stream.size);
        let head = stream.kept.head;
        let Some(tail) = &mut stream.tail else { return Ok(Read::End) };
        if size < tail.read_to().0 {
            // A look at the name may be late, on network file systems; the open file knows.
            stream.size = tail.metadata()?.size;
            if stream.size < tail.read_to().0 {
                return Ok(Read::Rewritten);
            }
        }
        if stream.suspect {
            if !tail.head_fits(head)? {
                return Ok(Read::Rewritten);
            }
            stream.suspect = false;
        }
        let left = limit.map_or(u64::MAX, |t| t.saturating_sub(tail.read_to().0));
        let max = max.min(usize::try_from(left).unwrap_or(usize::MAX)).min(OPEN_BYTES_MAX);
        // As far as the file is known to go: no room is made, and no second call, for what is not there.
        let unread = usize::try_from(stream.size.saturating_sub(tail.read_to().0)).unwrap_or(usize::MAX);
        let max = max.min(unread.max(READ_BYTES_MIN));
        if max == 0 { Ok(Read::End) } else { tail.read(scratch, max) }
    }

    /// The file says it is longer than what can be read, or the look at it was late: ask it again.
    fn at_end(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Some(Ok(facts)) = stream.tail.as_ref().map(|t| t.metadata()) else { return };
        stream.size = facts.size;
        stream.modified_ns = facts.modified_ns;
        if stream.unread() > 0 {
            // It grew between the two looks.
            stream.retry_at = self.now + AGAIN;
        }
    }

    fn read_well(&mut self, id: StreamId) {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.failures = 0;
        stream.looked_at = Some(now);
        if stream.doubt.is_none() {
            stream.error = None;
        }
        let read_to = stream.read_to().0;
        stream.size = stream.size.max(read_to);
        stream.kept.size_seen = stream.kept.size_seen.max(stream.size);
    }

    fn rewritten_now(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.retry_at = self.now + Duration::from_millis(100);
        let path = stream.kept.path.clone();
        let facts = match stream.tail.as_ref().map(|t| t.metadata()) {
            Some(facts) => facts,
            None => self.outside.files.metadata(&path),
        };
        match facts {
            Ok(facts) => self.rewritten(id, &facts),
            Err(error) => self.read_failed(id, &error),
        }
    }

    /// Unreadable is never gone (protocol rule 9): it is tried again.
    fn read_failed(&mut self, id: StreamId, error: &io::Error) {
        let longest = self.config.timing.retry_max;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.failures = stream.failures.saturating_add(1);
        stream.retry_at = self.now + Duration::from_millis(100 << stream.failures.min(8)).min(longest);
        let path = stream.kept.path.clone();
        if error.kind() == io::ErrorKind::NotFound {
            self.scans.want(path.parent().unwrap_or(Path::new(".")));
            return;
        }
        let text = format!("failed to read `{}`: {error}{}", path.display(), cure(&self.config.user, &path, error));
        let first = stream.error.as_ref() != Some(&text);
        stream.error = Some(text.clone());
        if first {
            self.notice(Importance::Warn, format!("{text}; it is tried again"));
        }
    }

    /// Opens the stream's file at its mark; `false` when it cannot be read now.
    fn open_tail(&mut self, id: StreamId) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        if stream.tail.is_some() {
            return true;
        }
        if stream.held.is_none() && !self.may_open_one() {
            return false;
        }
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        let context = stream.mark_context();
        let path = stream.kept.path.clone();
        let opened = match stream.held.take() {
            Some(file) => Tail::on(file, &stream.kept, stream.furthest, context),
            None => Tail::open(&*self.outside.files, &path, &stream.kept, stream.furthest, context),
        };
        match opened {
            Ok(tail::Opened::Tail(tail, facts)) => {
                self.opened(id, tail, facts);
                true
            }
            Ok(tail::Opened::OtherFile) => {
                stream.retry_at = self.now + Duration::from_millis(100);
                self.scans.want(path.parent().unwrap_or(Path::new(".")));
                false
            }
            Ok(tail::Opened::Rewritten(facts)) => {
                stream.retry_at = self.now + Duration::from_millis(100);
                self.rewritten(id, &facts);
                false
            }
            Err(error) => {
                self.read_failed(id, &error);
                false
            }
        }
    }

    /// Whether one more file may be open; those that can be read again later are closed for it.
    fn may_open_one(&mut self) -> bool {
        let most = self.config.limits.files_open_max;
        let (mut open, may_close) = match self.files_open {
            Some(counted) => counted,
            None => (self.streams.values().filter(|s| s.is_held_open()).count(), true),
        };
        let mut closed = 1;
        if open >= most && may_close {
            closed = self.close_for_others(most.div_ceil(4));
            open -= closed;
        }
        // All of them are looked at for it: where none could be closed, not again in this step.
        self.files_open = Some((open + usize::from(open < most), may_close && closed > 0));
        open < most
    }

    /// Closes up to `most` files: those at rest, and those of which nothing but the time to close their open event is
    /// waited for, once that is shown. These are read again then.
    fn close_for_others(&mut self, most: usize) -> usize {
        let (now, close_after) = (self.now, self.config.timing.close_after);
        let (mut closed, active) = (0, &self.active);
        for stream in self.streams.values_mut().filter(|s| s.tail.is_some()) {
            if closed >= most {
                break;
            }
            let at_rest = !active.contains(&stream.kept.id);
            let may_go = stream.naming == Naming::Own
                && stream.is_settled()
                && stream.busy.is_none()
                && stream.unread() == 0
                && stream.doubt.is_none()
                && provisional_of(stream).is_none()
                && stream.grew_at + close_after > now
                && stream.tail.as_ref().is_some_and(|tail| !tail.cut_off);
            if at_rest || may_go {
                if !at_rest {
                    stream.go_back_to_mark();
                    stream.pace_mut().rests_until = stream.grew_at + close_after;
                }
                stream.let_go();
                closed += 1;
            }
        }
        closed
    }

    fn opened(&mut self, id: StreamId, tail: Box<Tail>, facts: Metadata) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.last_event = stream.kept.last_event;
        stream.size = facts.size;
        stream.modified_ns = facts.modified_ns;
        stream.suspect = false;
        stream.tail = Some(tail).map(|mut tail| {
            tail.parser.redact(self.config.redaction_of(&stream.kept.first_path));
            tail
        });
    }

    /// Lets the parser look at what was read; closed events go into the batch.
    pub(super) fn advance(&mut self, id: StreamId) {
        let main_time = self.main_time(id);
        let oldest = self.oldest();
        let now = self.now;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let inputs = stream.kept.parser_inputs();
        let wiring = Wiring::of(&stream.kept);
        let Some(tail) = &mut stream.tail else { return };
        let mut batch = stream.building.take().unwrap_or_else(|| {
            let pace = stream.pace.get_or_insert_default();
            pace.building_since = now;
            let spare = self.spare.pop().unwrap_or_default();
            Box::new(Batch::new(tail.parser.offset(), stream.last_event, pace.batch_size, spare))
        });
        batch.expect(tail.open_bytes().len());
        let lost_context = if stream.context_lost { Flags::CONTEXT_LOST } else { Flags::default() };
        let stop = stream.doubt.as_ref().map_or(Offset(u64::MAX), |doubt| doubt.stop());
        let (condemned, left_out) = (&stream.condemned, stream.kept.left_out.as_deref());
        let (mut last_time, mut too_old) = (tail.parser.context().last_time, false);
        tail.advance(&inputs, stop, &mut |closed| {
            let mut extra = lost_context;
            let time = closed.event.time.map(|t| t.utc);
            if time.is_some() && time <= main_time {
                extra.set(Flags::COPY);
            }
            // An event without time has that of the one before it, here as at the indexer.
            last_time = time.or(last_time);
            let course = match condemned.get(&closed.event.offset) {
                Some(reason) => Course::Dead(reason),
                None => match left_out.filter(|left_out| closed.event.offset < left_out.to) {
                    Some(left_out) => Course::Exclude(&left_out.rule),
                    None if last_time.is_some() && last_time < oldest => Course::Exclude(TOO_OLD),
                    None => Course::Send,
                },
            };
            too_old |= matches!(course, Course::Exclude(TOO_OLD));
            batch.push(&wiring, closed, extra, course);
        });
        tail.give_back(&mut self.scratch);
        if batch.is_empty() {
            return;
        }
        if too_old {
            self.tell_of_too_old(id);
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Some(tail) = &mut stream.tail else { return };
        self.report.redacted(tail.parser.take_redacted());
        stream.context_lost = false;
        stream.last_event = batch.last_event;
        batch.close(tail.parser.context().encode(), tail.anchor());
        stream.building = Some(batch);
        self.head_may_have_grown(id);
        self.zone_may_have_come(id);
    }

    /// The oldest time that the indexer keeps.
    pub(super) fn oldest(&self) -> Option<TimeNs> {
        self.link.oldest.filter(|_| Safeguard::OldExcluded.holds())
    }

    /// Without a word, a folder of old logs would just look empty. Once a file.
    fn tell_of_too_old(&mut self, id: StreamId) {
        let Some(path) = self.streams.get(&id).map(|stream| stream.kept.path.display().to_string()) else { return };
        if self.report.first_time(&format!("older than retention: {path}")) {
            let day = self.link.oldest.map_or_else(String::new, day_of);
            let text = format!(
                "`{path}` has events from before {day}, which the indexer does not keep: they are left out (excluded: {TOO_OLD}); \
                 to keep them, give the indexer a longer `retention` before they are read"
            );
            self.notice(Importance::Warn, text);
        }
    }

    /// The head hash grows to 1 KiB with the file (protocol rule 5).
    fn head_may_have_grown(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.kept.head.len as usize >= Head::BYTES_MAX {
            return;
        }
        if stream.kept.packed.is_some() {
            return; // known whole since its survey
        }
        let Some(Ok(first)) = stream.tail.as_ref().filter(|t| !t.cut_off).map(|t| t.first_bytes()) else { return };
        // Only what was read and compared counts.
        let read_to = usize::try_from(stream.read_to().0).unwrap_or(usize::MAX);
        let head = Head::of(&first[..first.len().min(read_to)]);
        if head.len > stream.kept.head.len && stream.kept.head.fits(&first) {
            stream.head_grew = head.len as usize == Head::BYTES_MAX;
            stream.kept.head = head;
            stream.kept.start = Head::start_of(&first[..head.len as usize]);
            stream.kept.line_hash = line_hash(&first[..head.len as usize]);
            self.journal_stream(id);
        }
    }

    /// For a file that only repeats another's lines: the time up to which the main file was read (protocol
    /// rule 40); `None` for all other files, and when the main file cannot be relied on.
    fn main_time(&self, id: StreamId) -> Option<TimeNs> {
        let stream = self.streams.get(&id)?;
        let facts = FileFacts { name: stream.kept.name.clone(), family: None };
        let main = self.by_path.get(&*stream.kept.path.parent()?.join(facts.repeats()?))?;
        let main = self.streams.get(main).filter(|s| s.error.is_none() && s.has_file() && s.kept.left_out.is_none())?;
        main.tail.as_ref()?.parser.context().last_time
    }

    /// A stream whose file is out of reach: what it still owed is declared lost, once nothing of it is left
    /// in memory.
    pub(super) fn settle_detached(&mut self) {
        let due: Vec<(StreamId, Offset, Option<Offset>)> = self
            .active
            .iter()
            .filter_map(|id| self.streams.get(id))
            .filter(|s| s.kept.phase == Phase::Detached && s.opened == Opened::Yes && s.orphan.is_none())
            .filter(|s| s.tail.is_none() && s.building.is_none() && s.in_flight.is_none())
            .filter_map(|s| {
                let first = s.kept.losses.iter().map(|l| l.from).min();
                let to = first.unwrap_or(Offset(s.kept.size_seen));
                (s.kept.mark < to).then_some((s.kept.id, s.kept.mark, Some(to)))
            })
            .collect();
        for (id, from, to) in due {
            let reason = "the file was truncated, rewritten or removed before these bytes were shipped".to_owned();
            self.declare(id, Loss { from, to, reason });
        }
    }
}

/// The day of a time, in UTC.
fn day_of(time: TimeNs) -> String {
    // Days from 1970-01-01 to a civil date, by eras of 400 years that begin on March 1st.
    let days = time.0.div_euclid(86_400_000_000_000) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_named_as_people_do() {
        let day = |days: i64| day_of(TimeNs(days * 86_400_000_000_000 + 5));
        assert_eq!(
            [day(0), day(-1), day(19_782), day(20_782)],
            ["1970-01-01", "1969-12-31", "2024-02-29", "2026-11-25"]
        );
    }
}
