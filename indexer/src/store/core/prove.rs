//! Proof of ranges from the events themselves, for `audit` (protocol section 6, rule 24).
//!
//! The core says what its books hold of a range: how far it is settled, and its dead, excluded and lost parts. The
//! rest is reading, which takes long and is done outside of the core, on the snapshot that the answer's sync put
//! in force: every event that begins in the range, from memory and segments, its hash taken of its bytes anew. So
//! it finds what the books cannot: an event that is there twice, or not, or is not what it was.
//!
//! Bounded: an answer looks at [`EVENTS_MAX`] events and says how far it came.

use super::{StoreCore, StoreOutput, Ticket};
use crate::event::StoredEvent;
use crate::store::marks::StreamKey;
use crate::store::segment::{Row, Segment};
use crate::store::snapshot::Snapshot;
use crate::store::wal::event_sum;
use parsers::Offset;
use std::sync::Arc;
use wire::{AgentId, Answer, FateSpan, RangeProof, StreamRange, Verdict};

/// Events read for one answer, about.
const EVENTS_MAX: usize = 100_000;
/// Ranges proved in one answer.
const RANGES_MAX: usize = 1_000;

/// An answer whose proofs are still to be read.
#[derive(Debug)]
pub struct ProveJob {
    ticket: Ticket,
    owner: Arc<str>,
    answer: Answer,
    snapshot: Arc<Snapshot>,
}

impl StoreCore {
    /// What the books say of the ranges; [`ProveJob::run`] adds what is found.
    pub(super) fn begin_proof(&self, owner: &Arc<str>, agent: AgentId, asked: &[StreamRange]) -> Verdict {
        let known = asked.iter().take(RANGES_MAX).filter_map(|asked| {
            let mark = self.marks.stream(&StreamKey { owner: Arc::clone(owner), stream: asked.stream })?;
            if mark.info.agent != agent {
                return None;
            }
            let (from, to) = (asked.from.max(mark.base), asked.to.min(mark.mark));
            let range = StreamRange { stream: asked.stream, from, to: to.max(from) };
            let other = mark.other.iter().map(|span| FateSpan { from: span.from, to: span.to, fate: span.fate });
            Some(RangeProof { range, other: clip(other, range), ..RangeProof::default() })
        });
        Verdict::Proof(known.collect())
    }

    /// The answer, or the work that is left to do for it.
    pub(super) fn answer_or_prove(&self, ticket: Ticket, owner: Arc<str>, answer: Answer) -> StoreOutput {
        if answer.verdicts.iter().any(|verdict| matches!(verdict, Verdict::Proof(_))) {
            StoreOutput::Prove(ProveJob { ticket, owner, answer, snapshot: self.snapshot.get() })
        } else {
            StoreOutput::Answer { ticket, answer }
        }
    }
}

/// The spans' parts inside a range.
fn clip(spans: impl Iterator<Item = FateSpan>, range: StreamRange) -> Vec<FateSpan> {
    let inside = spans.map(|span| FateSpan { from: span.from.max(range.from), to: span.to.min(range.to), ..span });
    inside.filter(|span| span.from < span.to).collect()
}

impl ProveJob {
    /// Reads, on whatever thread this is called.
    pub fn run(mut self) -> (Ticket, Answer) {
        let mut left = EVENTS_MAX;
        for verdict in &mut self.answer.verdicts {
            let Verdict::Proof(proofs) = verdict else { continue };
            for proof in proofs {
                left = left.saturating_sub(prove(proof, &self.owner, &self.snapshot, left));
            }
        }
        (self.ticket, self.answer)
    }
}

/// Where an event of the range is.
enum Found<'s> {
    Memory(Arc<StoredEvent>),
    Disk(&'s dyn Segment, Row),
}

/// Reads a range; says how many events that took.
fn prove(proof: &mut RangeProof, owner: &str, snapshot: &Snapshot, events_max: usize) -> usize {
    let mut found = match places(proof.range, owner, snapshot) {
        Ok(found) => found,
        Err(damage) => {
            proof.damage = Some(damage);
            return 0;
        }
    };
    if let Some((offset, _)) = found.get(events_max) {
        proof.range.to = *offset;
        proof.other = clip(std::mem::take(&mut proof.other).into_iter(), proof.range);
        found.truncate(events_max);
    }
    let mut spans: Vec<(u64, u64)> = proof.other.iter().map(|span| (span.from.0, span.to.0)).collect();
    let count = found.len();
    for (_, place) in found {
        let event = match place {
            Found::Memory(event) => Ok(event),
            Found::Disk(segment, row) => segment.event(row),
        };
        match event {
            Ok(event) => {
                proof.found += event_sum(event.info.stream, &event.body, &event.raw);
                spans.push((event.body.offset.0, event.body.offset.0 + u64::from(event.body.size)));
            }
            Err(error) => proof.damage = Some(error.to_string()),
        }
    }
    (proof.absent, proof.doubled) = cover(spans, proof.range);
    count
}

/// Everything of a stream that begins in the range, by offset.
fn places<'s>(range: StreamRange, owner: &str, snapshot: &'s Snapshot) -> Result<Vec<(Offset, Found<'s>)>, String> {
    let mut found = Vec::new();
    for (_, view) in snapshot.partitions.iter().filter(|(key, _)| &*key.owner == owner) {
        for event in view.memory.iter().flat_map(|block| block.iter()) {
            let inside = event.body.offset >= range.from && event.body.offset < range.to;
            if event.info.stream == range.stream && inside {
                found.push((event.body.offset, Found::Memory(Arc::clone(event))));
            }
        }
        for segment in &view.segments {
            let has = |row: &crate::store::segment::StreamRow| {
                row.stream == range.stream.0 && row.first < range.to.0 && row.last >= range.from.0
            };
            if segment.meta().streams.iter().any(has) {
                let rows = segment.stream_rows(range.stream, range.from..range.to).map_err(|e| e.to_string())?;
                found.extend(rows.into_iter().map(|(offset, row)| (offset, Found::Disk(&**segment, row))));
            }
        }
    }
    found.sort_by_key(|(offset, _)| *offset);
    Ok(found)
}

/// Bytes of the range that no span has, and that more than one has.
fn cover(mut spans: Vec<(u64, u64)>, range: StreamRange) -> (u64, u64) {
    spans.sort_unstable();
    let (mut at, mut absent, mut doubled) = (range.from.0, 0, 0);
    for (from, to) in spans {
        absent += from.saturating_sub(at);
        doubled += at.min(to).saturating_sub(from);
        at = at.max(to);
    }
    (absent + range.to.0.saturating_sub(at), doubled)
}
