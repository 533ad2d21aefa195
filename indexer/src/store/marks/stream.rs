//! What is settled of one stream.

use crate::event::StreamInfo;
use crate::store::wal::{Taken, TakenFate, TakenRange, event_sum};
use bytes::Bytes;
use parsers::{EventTime, Offset, TimeNs};
use std::sync::Arc;
use wire::{Anchor, Books, Covered, EventId, FateKind, FateSpan, LedgerSum, MarkState, OtherBytes};

/// Newest anchors that are all kept (protocol rule 8).
const ANCHORS_NEWEST: usize = 16;
/// Of older ones, one is kept in each stretch of this many bytes (protocol rule 8).
const ANCHOR_STRETCH_BYTES: u64 = 4 << 20;
/// Sums of the newest messages that are kept, to tell a sender what a message in doubt became (protocol rule 21).
const RECENT_SUMS: usize = 16;

/// What the list of excluded and lost ranges of one stream may take; beyond it the oldest are folded.
const OTHER_BYTES_MAX: usize = if cfg!(test) { 2_000 } else { 256 << 10 };
/// Dead ranges of one stream; a further one is refused, so that the shipper pauses and alarms (protocol rule 22). They
/// are never folded: what comes again must be told from what never was.
const DEAD_MAX: usize = if cfg!(test) { 20 } else { 10_000 };
/// What a range takes, beside its reason.
const SPAN_BYTES: usize = 48;

/// One stream's row of the mark table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StreamMark {
    /// Of the newest `open`.
    pub(crate) environment: Arc<str>,
    /// Who holds it, and its factors.
    pub(crate) info: Arc<StreamInfo>,
    pub(crate) base: Offset,
    pub(crate) mark: Offset,
    /// Context at the mark.
    pub(crate) context: Bytes,
    /// Ascending.
    pub(crate) anchors: Vec<Anchor>,
    /// Dead, excluded and lost ranges, ascending; all else between base and mark is events.
    pub(crate) other: Vec<OtherSpan>,
    /// Excluded and lost ranges that are no longer told apart.
    pub(crate) folded: Folded,
    /// Newest ranges with what they held, ascending and adjoining, the last one ending at the mark.
    pub(crate) recent: Vec<RecentSum>,
    /// Everything ever taken as events.
    pub(crate) taken: LedgerSum,
    /// What retention or erasure took of it.
    pub(crate) removed: LedgerSum,
    pub(crate) last_time: Option<EventTime>,
    pub(crate) last_event: Option<EventId>,
    /// A lost range of unknown end closed it.
    pub(crate) closed: bool,
    /// When the shipper said that the file is gone.
    pub(crate) gone_at: Option<TimeNs>,
}

/// A range that did not become events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OtherSpan {
    pub(crate) from: Offset,
    /// `Offset(u64::MAX)`: unknown, the stream is closed.
    pub(crate) to: Offset,
    pub(crate) fate: FateKind,
    pub(crate) reason: Arc<str>,
}

/// Excluded and lost ranges at a stream's beginning, added up. Where they were is known no more: before `to` only
/// dead ranges are told from the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Folded {
    pub(crate) to: Offset,
    pub(crate) excluded: u64,
    pub(crate) lost: u64,
}

/// What a range held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecentSum {
    pub(crate) from: Offset,
    pub(crate) to: Offset,
    pub(crate) sum: LedgerSum,
}

impl StreamMark {
    pub(crate) fn new(environment: &Arc<str>, info: &StreamInfo, base: Offset, context: &Bytes) -> StreamMark {
        StreamMark {
            environment: Arc::clone(environment),
            info: Arc::new(info.clone()),
            base,
            mark: base,
            context: own(context),
            anchors: Vec::new(),
            other: Vec::new(),
            folded: Folded::default(),
            recent: Vec::new(),
            taken: LedgerSum::default(),
            removed: LedgerSum::default(),
            last_time: None,
            last_event: None,
            closed: false,
            gone_at: None,
        }
    }

    pub(crate) fn reopen(&mut self, environment: &Arc<str>, info: &StreamInfo) {
        self.environment = Arc::clone(environment);
        self.info = Arc::new(info.clone());
        self.gone_at = None;
    }

    /// What a shipper needs to go on.
    pub(crate) fn state(&self) -> MarkState {
        MarkState {
            mark: self.mark,
            context: self.context.clone(),
            anchors: self.anchors.clone(),
            last_event: self.last_event,
            closed: self.closed,
            books: Some(Box::new(self.books())),
        }
    }

    /// What everything before the mark became.
    fn books(&self) -> Books {
        let Folded { excluded, lost, .. } = self.folded;
        let mut other = OtherBytes { dead: 0, excluded, lost };
        for span in self.other.iter().filter(|span| span.to.0 != u64::MAX) {
            other.add(span.fate, span.to.0 - span.from.0);
        }
        Books { taken: self.taken, other }
    }

    /// Offset before which everything is settled: the mark, or all there will ever be.
    pub(crate) fn settled_to(&self) -> Offset {
        if self.closed { Offset(u64::MAX) } else { self.mark }
    }

    /// Takes a range that begins at the mark.
    pub(crate) fn take_range(&mut self, range: &TakenRange) {
        let mut sum = LedgerSum::default();
        match &range.fate {
            TakenFate::Events(taken) => {
                let (all, expired) = taken.sums(self.info.stream);
                sum = all;
                self.taken += all;
                self.removed += expired;
                self.note_last(taken);
            }
            TakenFate::Other(fate, reason) => {
                let to = range.to.unwrap_or(Offset(u64::MAX));
                self.push_other(OtherSpan { from: range.from, to, fate: *fate, reason: Arc::clone(reason) });
            }
        }
        match range.to {
            None => self.closed = true,
            Some(to) => {
                self.push_recent(RecentSum { from: range.from, to, sum });
                self.mark = to;
                self.context = own(&range.context);
                range.anchors.iter().for_each(|anchor| self.push_anchor(*anchor));
            }
        }
    }

    /// Turns parts of dead ranges into events; the mark stays.
    pub(crate) fn take_replay(&mut self, taken: &Taken) {
        let (all, expired) = taken.sums(self.info.stream);
        self.taken += all;
        self.removed += expired;
        for (event, bytes) in taken.iter() {
            let (from, to) = (event.body.offset, Offset(event.body.offset.0 + u64::from(event.body.size)));
            self.other = std::mem::take(&mut self.other).into_iter().flat_map(|span| span.without(from, to)).collect();
            let sum = event_sum(self.info.stream, &event.body, &bytes);
            if let Some(recent) = self.recent.iter_mut().find(|recent| recent.from <= from && to <= recent.to) {
                recent.sum += sum;
            }
        }
    }

    /// Whether all of `from..to` lies in dead ranges.
    pub(crate) fn is_dead(&self, from: Offset, to: Offset) -> bool {
        let mut at = from;
        for span in self.other.iter().filter(|span| span.fate == FateKind::Dead) {
            if span.from <= at && at < span.to {
                at = span.to;
            }
        }
        at >= to
    }

    /// Whether all of `from..to` is settled as events.
    pub(crate) fn is_events(&self, from: Offset, to: Offset) -> bool {
        self.base <= from && to <= self.mark && self.other.iter().all(|span| span.to <= from || to <= span.from)
    }

    /// Fates, and the sum where it is known, of what is settled in `from..to`; `to` is not behind the mark
    /// unless the stream is closed.
    pub(crate) fn covered(&self, from: Offset, to: Offset) -> Covered {
        Covered { to, fates: self.fates(from, to), sum: self.sum_of(from, to) }
    }

    fn fates(&self, from: Offset, to: Offset) -> Vec<FateSpan> {
        let mut fates = Vec::new();
        let mut at = from.max(self.base).max(self.folded.to);
        for span in &self.other {
            let (begin, end) = (span.from.max(at), span.to.min(to));
            if begin >= end {
                continue;
            }
            if at < begin {
                fates.push(FateSpan { from: at, to: begin, fate: FateKind::Events });
            }
            fates.push(FateSpan { from: begin, to: end, fate: span.fate });
            at = end;
        }
        if at < to {
            fates.push(FateSpan { from: at, to, fate: FateKind::Events });
        }
        fates
    }

    fn sum_of(&self, from: Offset, to: Offset) -> Option<LedgerSum> {
        let mut sum = LedgerSum::default();
        let mut at = from;
        for recent in &self.recent {
            if at < to && recent.from == at {
                sum += recent.sum;
                at = recent.to;
            }
        }
        (at == to || self.closed && at == self.mark).then_some(sum)
    }

    fn note_last(&mut self, taken: &Taken) {
        if let Some(last) = taken.events.last() {
            let (offset, head_hash) = (last.body.offset, last.body.head_hash);
            self.last_event = Some(EventId { stream: self.info.stream, offset, head_hash });
        }
        if let Some(time) = taken.events.iter().rev().find_map(|event| event.body.time) {
            self.last_time = Some(time);
        }
    }

    fn push_other(&mut self, span: OtherSpan) {
        match self.other.last_mut() {
            Some(last) if last.to == span.from && last.fate == span.fate && last.reason == span.reason => {
                last.to = span.to;
            }
            _ => self.other.push(span),
        }
        self.fold();
    }

    /// Keeps the list of ranges bounded: when it is too long, the older half of what can be folded is.
    fn fold(&mut self) {
        let size = |span: &OtherSpan| SPAN_BYTES + span.reason.len();
        let foldable = |span: &OtherSpan| span.fate != FateKind::Dead && span.to != Offset(u64::MAX);
        let total: usize = self.other.iter().filter(|span| foldable(span)).map(size).sum();
        if total <= OTHER_BYTES_MAX {
            return;
        }
        let (mut left, mut folded) = (total, self.folded);
        self.other.retain(|span| {
            if !foldable(span) || left <= OTHER_BYTES_MAX / 2 {
                return true;
            }
            left -= size(span);
            let bytes = span.to.0 - span.from.0;
            match span.fate {
                FateKind::Lost => folded.lost += bytes,
                FateKind::Events | FateKind::Dead | FateKind::Excluded => folded.excluded += bytes,
            }
            folded.to = span.to;
            false
        });
        self.folded = folded;
    }

    /// Whether no further dead range is taken.
    pub(crate) fn has_too_many_dead(&self) -> bool {
        self.other.len() >= DEAD_MAX && self.other.iter().filter(|span| span.fate == FateKind::Dead).count() >= DEAD_MAX
    }

    fn push_recent(&mut self, recent: RecentSum) {
        if self.recent.len() == RECENT_SUMS {
            self.recent.remove(0);
        }
        self.recent.push(recent);
    }

    fn push_anchor(&mut self, anchor: Anchor) {
        if self.anchors.last().is_some_and(|last| last.at >= anchor.at) {
            return;
        }
        self.anchors.push(anchor);
        let Some(leaving) = self.anchors.len().checked_sub(ANCHORS_NEWEST + 1) else { return };
        let stretch = |i: usize| self.anchors[i].at.0 / ANCHOR_STRETCH_BYTES;
        if leaving > 0 && stretch(leaving) == stretch(leaving - 1) {
            self.anchors.remove(leaving);
        }
    }
}

/// A copy: what comes with a request is a slice that would keep the whole request in memory.
fn own(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

impl OtherSpan {
    /// What is left of it when a dead part became events.
    fn without(self, from: Offset, to: Offset) -> impl Iterator<Item = OtherSpan> {
        let (first, second) = if self.fate != FateKind::Dead || to <= self.from || self.to <= from {
            (Some(self), None)
        } else {
            let before = (self.from < from).then(|| OtherSpan { to: from, ..self.clone() });
            let after = (to < self.to).then_some(OtherSpan { from: to, ..self });
            (before, after)
        };
        first.into_iter().chain(second)
    }
}
