//! What must hold after every step, and at the end.

use crate::counts::{Counts, Hit};
use crate::writer::{EVENT_BYTES_MAX, Generation, REFUSED};
use indexer::event::StoredEvent;
use indexer::store::segment::Segment;
use indexer::store::snapshot::Snapshot;
use shipper::Letter;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use wire::{Answer, EventsPayload, Fate, Message, Offset, Refusal, Request, StreamId, Verdict};

/// One event as far as the oracle cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    from: u64,
    to: u64,
    stream: StreamId,
    provisional: bool,
}

/// File number, and an event of it.
type FileEvent = (u128, Seen);

/// Knows what was promised, and compares it with what can be seen.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// File number of each stream, from its `open`.
    files: BTreeMap<StreamId, u128>,
    /// Largest mark any answer showed.
    acknowledged: BTreeMap<StreamId, u64>,
    /// Where each event that was ever sent as closed begins and ends.
    cut: BTreeMap<StreamId, BTreeMap<u64, u64>>,
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
        self.acknowledged.clear();
        self.declared.clear();
        self.dead.clear();
        self.cut.clear();
    }

    /// The shipper's state is of an earlier time: it may cut events anew.
    pub(crate) fn state_put_back(&mut self) {
        self.cut.clear();
        // Letters written since are gone with the state.
        self.dead.clear();
    }

    /// A stream that has a mark, its mark, and the number of bytes of its file.
    pub(crate) fn any_open(&self, generations: &[Generation], draw: usize) -> Option<(StreamId, u64)> {
        let open: Vec<_> = self.acknowledged.iter().filter(|(_, mark)| **mark > 0).collect();
        let (stream, _) = open.get(draw % open.len().max(1))?;
        let number = self.files.get(stream)?;
        let file = generations.iter().find(|g| g.number == *number)?;
        Some((**stream, file.content.len() as u64))
    }

    /// Notes what a request says.
    ///
    /// # Errors
    /// When an event is cut otherwise than it was sent before: a cut that a shipper has sent must hold after each
    /// restart (protocol rule 16).
    pub(crate) fn sent(&mut self, request: &Request, counts: &mut Counts) -> Result<(), String> {
        for message in &request.messages {
            match message {
                Message::Open(open) => {
                    self.files.insert(open.stream, open.factors.number);
                }
                Message::Ranges(ranges) => {
                    for range in &ranges.ranges {
                        if let Fate::Events(payload) = &range.fate {
                            self.cut_as_before(ranges.stream, payload)?;
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

    fn cut_as_before(&mut self, stream: StreamId, payload: &EventsPayload) -> Result<(), String> {
        let cut = self.cut.entry(stream).or_default();
        for event in &payload.events {
            let (from, to) = (event.offset.0, event.offset.0 + u64::from(event.size));
            let before = *cut.entry(from).or_insert(to);
            if before != to {
                return Err(format!("stream {stream}: {from}..{before} was sent as an event, now {from}..{to}"));
            }
        }
        Ok(())
    }

    /// Notes the marks that an answer shows; `streams` are those of the messages answered.
    ///
    /// # Errors
    /// When something was sent that is older than the store keeps (protocol rule 37).
    pub(crate) fn answered(&mut self, streams: &[Option<StreamId>], answer: &Answer) -> Result<(), String> {
        for (stream, verdict) in streams.iter().zip(&answer.verdicts) {
            if let Verdict::Ranges { expired: 1.., .. } = verdict {
                return Err(format!("stream {stream:?}: events older than the store keeps were sent"));
            }
            let mark = match verdict {
                Verdict::Ranges { mark, .. } => *mark,
                Verdict::Open(state) | Verdict::Refused(Refusal::Gap(state) | Refusal::Straddles(state)) => state.mark,
                _ => continue,
            };
            if let Some(stream) = stream {
                let known = self.acknowledged.entry(*stream).or_default();
                *known = (*known).max(mark.0);
            }
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
        let by_number: BTreeMap<u128, &Generation> = generations.iter().map(|g| (g.number, g)).collect();
        let seen = self.gather(snapshot, &by_number, &mut Counts::default())?;
        for (stream, ranges) in &self.dead {
            let mark = self.acknowledged.get(stream).copied().unwrap_or_default();
            let Some(generation) = self.files.get(stream).and_then(|number| by_number.get(number)) else { continue };
            let events = seen.get(&generation.number).map(Vec::as_slice).unwrap_or_default();
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
        let by_number: BTreeMap<u128, &Generation> = generations.iter().map(|g| (g.number, g)).collect();
        let seen = self.gather(snapshot, &by_number, counts)?;
        for (number, events) in &seen {
            no_overlap(events).map_err(|why| format!("file {number} ({}): {why}", by_number[number].name))?;
        }
        for (stream, &mark) in &self.acknowledged {
            let Some(number) = self.files.get(stream) else { continue };
            let events = seen.get(number).map(Vec::as_slice).unwrap_or_default();
            let reached = self.covered_to(*number, events);
            if reached < mark {
                return Err(format!(
                    "file {number} ({}): acknowledged up to {mark} on stream {stream}, searchable only up to {reached}: {}",
                    by_number.get(number).map_or("?", |g| g.name),
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
        let by_number: BTreeMap<u128, &Generation> = generations.iter().map(|g| (g.number, g)).collect();
        let seen = self.gather(snapshot, &by_number, counts)?;
        let opened: BTreeSet<u128> = self.files.values().copied().collect();
        for generation in generations {
            if generation.removed && !opened.contains(&generation.number) {
                // Came and went while no shipper looked: nobody can know of it.
                continue;
            }
            let events = seen.get(&generation.number).map(Vec::as_slice).unwrap_or_default();
            if let Some(event) = events.iter().find(|event| event.provisional) {
                return Err(format!("still provisional at the end: {event:?}"));
            }
            let reached = self.covered_to(generation.number, events);
            if reached < generation.due() {
                return Err(format!(
                    "file {} ({}, removed: {}): {} bytes were written, covered only up to {reached}: {}",
                    generation.number,
                    generation.name,
                    generation.removed,
                    generation.content.len(),
                    show(events)
                ));
            }
        }
        Ok(())
    }

    /// Whether everything written has been acknowledged or declared.
    pub(crate) fn settled(&self, generations: &[Generation]) -> bool {
        generations.iter().all(|generation| {
            let streams: Vec<&StreamId> = self
                .files
                .iter()
                .filter(|(_, number)| **number == generation.number)
                .map(|(stream, _)| stream)
                .collect();
            let reached = streams.iter().filter_map(|stream| self.acknowledged.get(stream)).max().copied();
            let unseen = generation.removed && streams.is_empty();
            unseen || reached.unwrap_or_default() >= generation.due()
        })
    }

    /// First byte of a file that is neither searchable nor declared.
    fn covered_to(&self, number: u128, events: &[Seen]) -> u64 {
        let mut spans: Vec<(u64, u64)> = events.iter().filter(|e| !e.provisional).map(|e| (e.from, e.to)).collect();
        for (stream, ranges) in &self.declared {
            if self.files.get(stream) == Some(&number) {
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
        generations: &BTreeMap<u128, &Generation>,
        counts: &mut Counts,
    ) -> Result<BTreeMap<u128, Vec<Seen>>, String> {
        let mut seen: BTreeMap<u128, Vec<Seen>> = BTreeMap::new();
        for view in snapshot.partitions.values() {
            for event in view.memory.iter().flat_map(|block| block.iter()) {
                let (number, event) = look(event, false, generations, counts)?;
                seen.entry(number).or_default().push(event);
            }
            for event in view.provisional.values() {
                let (number, event) = look(event, true, generations, counts)?;
                seen.entry(number).or_default().push(event);
            }
            for segment in &view.segments {
                for (number, event) in self.of_segment(segment, generations, counts)? {
                    seen.entry(*number).or_default().push(*event);
                }
            }
        }
        seen.values_mut().for_each(|events| events.sort_unstable());
        Ok(seen)
    }

    fn of_segment(
        &mut self,
        segment: &Arc<dyn Segment>,
        generations: &BTreeMap<u128, &Generation>,
        counts: &mut Counts,
    ) -> Result<&[FileEvent], String> {
        let address = Arc::as_ptr(segment).cast::<()>() as usize;
        match self.segments.entry(address) {
            Entry::Occupied(known) => Ok(&known.into_mut().1),
            Entry::Vacant(place) => {
                let events = read_segment(segment.as_ref(), generations, counts)?;
                Ok(&place.insert((Arc::clone(segment), events)).1)
            }
        }
    }
}

fn read_segment(
    segment: &dyn Segment,
    generations: &BTreeMap<u128, &Generation>,
    counts: &mut Counts,
) -> Result<Vec<FileEvent>, String> {
    let mut events = Vec::new();
    for row in &segment.meta().streams {
        let all = Offset(0)..Offset(u64::MAX);
        let rows = segment.stream_rows(StreamId(row.stream), all).map_err(|error| error.to_string())?;
        for (_, row) in rows {
            let event = segment.event(row).map_err(|error| error.to_string())?;
            events.push(look(&event, false, generations, counts)?);
        }
    }
    Ok(events)
}

/// Compares an event's bytes with what was written.
fn look(
    event: &StoredEvent,
    provisional: bool,
    generations: &BTreeMap<u128, &Generation>,
    counts: &mut Counts,
) -> Result<(u128, Seen), String> {
    let number = event.info.factors.number;
    let generation = generations.get(&number).ok_or_else(|| format!("an event of unknown file {number}"))?;
    let from = event.body.offset.0;
    let to = from + u64::from(event.body.size);
    let written = generation.content.get(from as usize..to as usize);
    if written != Some(&event.raw[..]) {
        return Err(format!("event {} at {from}..{to} of file {number} has not the bytes written there", event.id()));
    }
    if event.body.continues.is_some() {
        counts.hit(Hit::Continuation);
    }
    Ok((number, Seen { from, to, stream: event.info.stream, provisional }))
}

fn no_overlap(events: &[Seen]) -> Result<(), String> {
    for pair in events.windows(2) {
        if pair[1].from < pair[0].to {
            return Err(format!("seen twice: {:?} and {:?}", pair[0], pair[1]));
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
