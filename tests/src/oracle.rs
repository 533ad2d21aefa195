//! What must hold after every step, and at the end.

use crate::counts::{Counts, Hit};
use crate::writer::{EVENT_BYTES_MAX, Generation, REFUSED};
use indexer::event::StoredEvent;
use indexer::store::segment::Segment;
use indexer::store::snapshot::Snapshot;
use parsers::{Flags, plain_name};
use shipper::Letter;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use wire::{AgentId, Answer, Epoch, EventsPayload, Fate, Message, Offset, Open, Refusal, Request, StreamId, Verdict};
use xxhash_rust::xxh3::xxh3_64;

/// One event as far as the oracle cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    from: u64,
    to: u64,
    stream: StreamId,
    provisional: bool,
    /// It says of itself that it may stand twice.
    repeated: bool,
}

/// What a request at the store speaks of, and in whose name.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) agent: AgentId,
    pub(crate) epoch: Epoch,
    /// Streams of its messages.
    pub(crate) streams: Vec<Option<StreamId>>,
}

/// Index of a generation, and an event of it.
type FileEvent = (usize, Seen);

/// Knows what was promised, and compares it with what can be seen.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// Generation of each stream, by the head that its `open` tells.
    files: BTreeMap<StreamId, usize>,
    /// Who opened each stream last.
    held_by: BTreeMap<StreamId, AgentId>,
    /// Agents whose state is gone; what they alone knew of is known to nobody.
    forgotten: BTreeSet<AgentId>,
    /// Whom the store answered last that a stream is open, and the newest start of each agent it answered.
    opened_for: BTreeMap<StreamId, AgentId>,
    newest: BTreeMap<AgentId, Epoch>,
    /// Streams that were claimed lately, and from whom.
    claimed_from: BTreeMap<StreamId, AgentId>,
    /// Largest mark any answer showed.
    acknowledged: BTreeMap<StreamId, u64>,
    /// Where each event that was ever sent as closed begins and ends.
    cut: BTreeMap<StreamId, BTreeMap<u64, u64>>,
    /// Where events end that were longer when they were sent before.
    short: BTreeSet<(StreamId, u64)>,
    /// Ranges sent as dead, excluded or lost.
    declared: BTreeMap<StreamId, BTreeSet<(u64, u64)>>,
    /// Ranges sent as dead; each needs a letter until it is searchable.
    dead: BTreeMap<StreamId, BTreeSet<(u64, u64)>>,
    /// Events of segments looked at before, by the segment's address; kept alive so that it is not reused.
    segments: HashMap<usize, (Arc<dyn Segment>, Vec<FileEvent>)>,
}

impl Oracle {
    /// Streams opened so far.
    pub(crate) fn opened(&self) -> usize {
        self.files.len()
    }

    /// The store begins anew: nothing it said before holds any more.
    pub(crate) fn wiped(&mut self) {
        self.opened_for.clear();
        self.newest.clear();
        self.claimed_from.clear();
        self.acknowledged.clear();
        self.declared.clear();
        self.dead.clear();
        self.cut.clear();
    }

    /// The shipper's state is gone: another agent begins, and cuts events anew.
    pub(crate) fn state_wiped(&mut self) {
        self.cut.clear();
        // The dead letters went with it.
        self.dead.clear();
        self.forgotten.extend(self.held_by.values());
    }

    /// The shipper's state is of an earlier time: it may cut events anew.
    pub(crate) fn state_put_back(&mut self) {
        self.cut.clear();
        // Letters written since are gone with the state.
        self.dead.clear();
    }

    /// Whether the store ever told where the stream stands.
    pub(crate) fn is_known(&self, stream: StreamId) -> bool {
        self.acknowledged.contains_key(&stream)
    }

    /// Whether the agent's state is gone.
    pub(crate) fn is_forgotten(&self, agent: AgentId) -> bool {
        self.forgotten.contains(&agent)
    }

    /// A stream that has a mark, its mark, and the number of bytes of its file.
    pub(crate) fn any_open(&self, generations: &[Generation], draw: usize) -> Option<(StreamId, u64, u64)> {
        let open: Vec<_> = self.acknowledged.iter().filter(|(_, mark)| **mark > 0).collect();
        let (stream, mark) = open.get(draw % open.len().max(1))?;
        let file = generations.get(*self.files.get(stream)?)?;
        Some((**stream, file.content.len() as u64, **mark))
    }

    /// The last stream that was claimed, its mark, and who had it, in the newest start that the store knows of; once.
    pub(crate) fn take_claimed(&mut self) -> Option<(StreamId, u64, AgentId, Epoch)> {
        let (stream, agent) = self.claimed_from.pop_last()?;
        let (mark, epoch) = (self.acknowledged.get(&stream)?, self.newest.get(&agent)?);
        Some((stream, *mark, agent, *epoch))
    }

    /// Notes what a request says.
    ///
    /// # Errors
    /// When an event is cut otherwise than it was sent before: a cut that a shipper has sent must hold after each
    /// restart (protocol rule 16).
    pub(crate) fn sent(
        &mut self,
        request: &Request,
        generations: &[Generation],
        counts: &mut Counts,
    ) -> Result<(), String> {
        for message in &request.messages {
            match message {
                Message::Open(open) => {
                    let before = self.held_by.insert(open.stream, request.agent);
                    if before.is_some_and(|agent| agent != request.agent) {
                        counts.hit(Hit::Claimed);
                    }
                    if let Entry::Vacant(place) = self.files.entry(open.stream) {
                        place.insert(generation_of(open, generations)?);
                    }
                }
                Message::Ranges(ranges) => {
                    for range in &ranges.ranges {
                        if let Fate::Events(payload) = &range.fate {
                            self.cut_as_before(ranges.stream, payload, generations)?;
                            continue;
                        }
                        let to = range.to.map_or(u64::MAX, |to| to.0);
                        match &range.fate {
                            Fate::Lost(_) => counts.hit(Hit::DeclaredLost),
                            Fate::Excluded(_) => counts.hit(Hit::Excluded),
                            Fate::Dead(_) => {
                                counts.hit(Hit::Dead);
                                self.dead.entry(ranges.stream).or_default().insert((range.from.0, to));
                            }
                            Fate::Events(_) => {}
                        }
                        self.declared.entry(ranges.stream).or_default().insert((range.from.0, to));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn cut_as_before(
        &mut self,
        stream: StreamId,
        payload: &EventsPayload,
        generations: &[Generation],
    ) -> Result<(), String> {
        // Read before its truncation a file may have had more than its copy: what goes on in the copy ends with that.
        let copy_end = self.files.get(&stream).and_then(|index| generations[*index].copied_to).map(|end| end as u64);
        let cut = self.cut.entry(stream).or_default();
        for event in &payload.events {
            let (from, to) = (event.offset.0, event.offset.0 + u64::from(event.size));
            let before = *cut.entry(from).or_insert(to);
            // In the middle of a line, even: what is left of it may begin an event where the whole line went on with one.
            let ended_early = copy_end.is_some_and(|end| before > end && to < end);
            if before != to && (copy_end == Some(to) || ended_early) {
                cut.insert(from, to);
            } else if to < before && self.files.get(&stream).is_some_and(|index| generations[*index].removed) {
                // A copy of a removed file that was not finished ends within the event: what is missing must be declared.
                cut.insert(from, to);
                self.short.insert((stream, to));
            } else if before != to {
                return Err(format!("stream {stream}: {from}..{before} was sent as an event, now {from}..{to}"));
            }
        }
        Ok(())
    }

    /// Notes the marks that an answer shows.
    ///
    /// # Errors
    /// When something was sent that is older than the store keeps (protocol rule 37), or was taken of who is fenced
    /// (rules 3 and 6).
    pub(crate) fn answered(&mut self, asked: &Asked, answer: &Answer) -> Result<(), String> {
        for (stream, verdict) in asked.streams.iter().zip(&answer.verdicts) {
            match verdict {
                Verdict::Ranges { expired: 1.., .. } => {
                    return Err(format!("stream {stream:?}: events older than the store keeps were sent"));
                }
                Verdict::Ranges { covered: None, .. } => self.must_hold(*stream, asked)?,
                Verdict::Hello(hello) => {
                    let newest = self.newest.entry(asked.agent).or_default();
                    *newest = (*newest).max(hello.epoch);
                }
                _ => {}
            }
            let mark = match verdict {
                Verdict::Ranges { mark, .. } => *mark,
                Verdict::Open(state) | Verdict::Refused(Refusal::Gap(state) | Refusal::Straddles(state)) => state.mark,
                _ => continue,
            };
            if let Some(stream) = stream {
                if matches!(verdict, Verdict::Open(_)) {
                    match self.opened_for.insert(*stream, asked.agent) {
                        Some(before) if before != asked.agent => self.claimed_from.insert(*stream, before),
                        _ => None,
                    };
                }
                let known = self.acknowledged.entry(*stream).or_default();
                *known = (*known).max(mark.0);
            }
        }
        Ok(())
    }

    /// Whose ranges were taken must be the one who opened the stream last, in its newest start.
    fn must_hold(&self, stream: Option<StreamId>, asked: &Asked) -> Result<(), String> {
        let Some(stream) = stream else { return Ok(()) };
        if self.opened_for.get(&stream).is_some_and(|agent| *agent != asked.agent) {
            return Err(format!("stream {stream}: ranges of an agent were taken after another had claimed it"));
        }
        if self.newest.get(&asked.agent).is_some_and(|newest| *newest > asked.epoch) {
            return Err(format!("stream {stream}: ranges of an older start of the agent were taken"));
        }
        Ok(())
    }

    /// Every event that is recorded dead has its letter, or is searchable after all; and only what had to was given up.
    ///
    /// # Errors
    /// When that is not so.
    pub(crate) fn check_dead(
        &mut self,
        letters: &[Letter],
        snapshot: &Snapshot,
        generations: &[Generation],
    ) -> Result<(), String> {
        let seen = self.gather(snapshot, generations, &mut Counts::default())?;
        for (stream, ranges) in &self.dead {
            let mark = self.acknowledged.get(stream).copied().unwrap_or_default();
            let Some(index) = self.files.get(stream) else { continue };
            let generation = &generations[*index];
            let events = seen.get(index).map(Vec::as_slice).unwrap_or_default();
            for &(from, to) in ranges.iter().filter(|(from, _)| *from < mark) {
                let mut at = from;
                while at < to {
                    let searchable = events.iter().find(|e| !e.provisional && e.from <= at && at < e.to).map(|e| e.to);
                    let letter = letters.iter().find(|l| l.stream == *stream && l.body.offset.0 == at);
                    let kept = letter.map(|l| (at + u64::from(l.body.size), &l.bytes));
                    at = match (searchable, kept) {
                        (Some(end), _) => end,
                        (None, Some((end, bytes))) => {
                            let written = generation.content.get(at as usize..end as usize);
                            if written != Some(&bytes[..]) {
                                return Err(format!("the letter at {at} of stream {stream} has not the bytes written"));
                            }
                            let refused = memchr::memmem::find(bytes, REFUSED.as_bytes()).is_some();
                            if !refused && bytes.len() as u64 <= EVENT_BYTES_MAX {
                                return Err(format!("the event at {at} of stream {stream} was given up for nothing"));
                            }
                            end
                        }
                        (None, None) => {
                            return Err(format!("stream {stream}: byte {at} is recorded dead and has no letter"));
                        }
                    };
                }
            }
        }
        Ok(())
    }

    /// No event twice, none missing that was acknowledged, every byte as it was written.
    pub(crate) fn check(
        &mut self,
        snapshot: &Snapshot,
        generations: &[Generation],
        counts: &mut Counts,
    ) -> Result<(), String> {
        let seen = self.gather(snapshot, generations, counts)?;
        for (index, events) in &seen {
            let generation = &generations[*index];
            no_overlap(events, generation, counts)
                .map_err(|why| format!("generation {index} ({}): {why}", generation.name))?;
        }
        for (stream, &mark) in &self.acknowledged {
            let Some(index) = self.files.get(stream) else { continue };
            let events = seen.get(index).map(Vec::as_slice).unwrap_or_default();
            let reached = self.covered_to(*index, events);
            if reached < mark {
                return Err(format!(
                    "generation {index} ({}): acknowledged up to {mark} on stream {stream}, searchable only up to {reached}: {}",
                    generations[*index].name,
                    show(events)
                ));
            }
        }
        Ok(())
    }

    /// At the end: everything ever written is covered.
    pub(crate) fn check_complete(
        &mut self,
        snapshot: &Snapshot,
        generations: &[Generation],
        counts: &mut Counts,
    ) -> Result<(), String> {
        self.check(snapshot, generations, counts)?;
        let seen = self.gather(snapshot, generations, counts)?;
        let declared = |stream, to: u64| {
            self.declared.get(&stream).is_some_and(|all| all.iter().any(|(from, end)| *from <= to && to < *end))
        };
        if let Some((stream, to)) = self.short.iter().find(|(stream, to)| !declared(*stream, *to)) {
            return Err(format!(
                "stream {stream}: an event ends at {to} now, earlier than before, and nothing is said lost there"
            ));
        }
        let opened: BTreeSet<usize> = self.files.values().copied().collect();
        for (index, generation) in generations.iter().enumerate() {
            let holders = self.files.iter().filter(|(_, of)| **of == index).map(|(id, _)| self.held_by.get(id));
            let known = holders.flatten().any(|agent| !self.forgotten.contains(agent));
            if generation.removed && !(opened.contains(&index) && known) {
                // Came and went while no shipper looked: nobody can know of it.
                continue;
            }
            let events = seen.get(&index).map(Vec::as_slice).unwrap_or_default();
            if let Some(event) = events.iter().find(|event| event.provisional) {
                return Err(format!("still provisional at the end: {event:?}"));
            }
            let reached = self.covered_to(index, events);
            if reached < generation.due() {
                return Err(format!(
                    "generation {index} ({}, removed: {}): {} of {} bytes are due, covered only up to {reached}: {}",
                    generation.name,
                    generation.removed,
                    generation.due(),
                    generation.content.len(),
                    show(events)
                ));
            }
        }
        Ok(())
    }

    /// Whether everything written has been acknowledged or declared.
    pub(crate) fn settled(&self, generations: &[Generation]) -> bool {
        generations.iter().enumerate().all(|(index, generation)| {
            let streams: Vec<&StreamId> =
                self.files.iter().filter(|(_, of)| **of == index).map(|(stream, _)| stream).collect();
            let reached = streams.iter().filter_map(|stream| self.acknowledged.get(stream)).max().copied();
            let known = |id: &&StreamId| self.held_by.get(id).is_some_and(|agent| !self.forgotten.contains(agent));
            let unseen = generation.removed && !streams.iter().any(known);
            unseen || reached.unwrap_or_default() >= generation.due()
        })
    }

    /// First byte of a file that is neither searchable nor declared.
    fn covered_to(&self, index: usize, events: &[Seen]) -> u64 {
        let mut spans: Vec<(u64, u64)> = events.iter().filter(|e| !e.provisional).map(|e| (e.from, e.to)).collect();
        for (stream, ranges) in &self.declared {
            if self.files.get(stream) == Some(&index) {
                // Declared is what the store has taken: up to the mark it showed.
                let mark = self.acknowledged.get(stream).copied().unwrap_or_default();
                spans.extend(ranges.iter().filter(|(from, _)| *from <= mark));
            }
        }
        spans.sort_unstable();
        spans.into_iter().fold(0, |reached, (from, to)| if from <= reached { reached.max(to) } else { reached })
    }

    fn gather(
        &mut self,
        snapshot: &Snapshot,
        generations: &[Generation],
        counts: &mut Counts,
    ) -> Result<BTreeMap<usize, Vec<Seen>>, String> {
        let mut seen: BTreeMap<usize, Vec<Seen>> = BTreeMap::new();
        for view in snapshot.partitions.values() {
            for event in view.memory.iter().flat_map(|block| block.iter()) {
                let (index, event) = self.look(event, false, generations, counts)?;
                seen.entry(index).or_default().push(event);
            }
            for event in view.provisional.values() {
                let (index, event) = self.look(event, true, generations, counts)?;
                seen.entry(index).or_default().push(event);
            }
            for segment in &view.segments {
                for (index, event) in self.of_segment(segment, generations, counts)? {
                    seen.entry(*index).or_default().push(*event);
                }
            }
        }
        seen.values_mut().for_each(|events| events.sort_unstable());
        Ok(seen)
    }

    fn of_segment(
        &mut self,
        segment: &Arc<dyn Segment>,
        generations: &[Generation],
        counts: &mut Counts,
    ) -> Result<&[FileEvent], String> {
        let address = Arc::as_ptr(segment).cast::<()>() as usize;
        if !self.segments.contains_key(&address) {
            let events = self.read_segment(segment.as_ref(), generations, counts)?;
            self.segments.insert(address, (Arc::clone(segment), events));
        }
        Ok(&self.segments[&address].1)
    }

    fn read_segment(
        &self,
        segment: &dyn Segment,
        generations: &[Generation],
        counts: &mut Counts,
    ) -> Result<Vec<FileEvent>, String> {
        let mut events = Vec::new();
        for row in &segment.meta().streams {
            let all = Offset(0)..Offset(u64::MAX);
            let rows = segment.stream_rows(StreamId(row.stream), all).map_err(|error| error.to_string())?;
            for (_, row) in rows {
                let event = segment.event(row).map_err(|error| error.to_string())?;
                events.push(self.look(&event, false, generations, counts)?);
            }
        }
        Ok(events)
    }

    /// Compares an event's bytes with what was written.
    fn look(
        &self,
        event: &StoredEvent,
        provisional: bool,
        generations: &[Generation],
        counts: &mut Counts,
    ) -> Result<FileEvent, String> {
        let stream = event.info.stream;
        let index = *self.files.get(&stream).ok_or_else(|| format!("an event of unknown stream {stream}"))?;
        let from = event.body.offset.0;
        let to = from + u64::from(event.body.size);
        let written = generations[index].content.get(from as usize..to as usize);
        if written != Some(&event.raw[..]) {
            let id = event.id();
            return Err(format!("event {id} at {from}..{to} of generation {index} has not the bytes written there"));
        }
        if event.body.continues.is_some() {
            counts.hit(Hit::Continuation);
        }
        let repeated = event.body.flags.has(Flags::REPEATED);
        Ok((index, Seen { from, to, stream, provisional, repeated }))
    }
}

/// The generation that begins as a stream's factors say; no two begin alike.
fn generation_of(open: &Open, generations: &[Generation]) -> Result<usize, String> {
    let factors = &open.factors;
    let len = factors.head_len as usize;
    let fits = |g: &Generation| g.content.get(..len).is_some_and(|first| xxh3_64(first) == factors.head_hash);
    let found = generations.iter().rposition(|g| len > 0 && plain_name(g.name) == factors.name && fits(g));
    found.ok_or_else(|| {
        let known: Vec<usize> = generations.iter().map(|g| g.content.len()).collect();
        let (path, base) = (&factors.path, open.base.0);
        let what = format!("stream {} of `{path}` (first {len} bytes, base {base})", open.stream);
        format!("{what} begins as no file ever did, of {known:?} bytes")
    })
}

/// What stands twice must say so, and only a hole between copy and truncation excuses it.
fn no_overlap(events: &[Seen], generation: &Generation, counts: &mut Counts) -> Result<(), String> {
    let excused = generation.copied_to.is_some();
    let mut last: Option<Seen> = None;
    for event in events {
        if let Some(before) = last.filter(|before| event.from < before.to) {
            if !(excused && (event.repeated || before.repeated) && event.stream != before.stream) {
                return Err(format!("seen twice: {before:?} and {event:?}"));
            }
            counts.hit(Hit::Repeated);
        }
        if last.is_none_or(|before| before.to < event.to) {
            last = Some(*event);
        }
    }
    Ok(())
}

fn show(events: &[Seen]) -> String {
    events
        .iter()
        .map(|e| format!("{}..{}{}", e.from, e.to, if e.provisional { "?" } else { "" }))
        .collect::<Vec<_>>()
        .join(" ")
}
