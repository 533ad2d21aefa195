//! Judges messages against the marks, waiting records included (protocol rules 3, 5, 19 to 25). Pure: what changes something
//! comes out as a record with every decision made.
//!
//! Order of judgement of ranges: fenced, not open, malformed or unacceptable, gap, straddles, covered. A
//! message is taken whole, behind the mark, or not at all.

mod claim;
mod place;
mod shape;

pub(super) use place::{DAY_NS, HOUR_NS, Placing, Retention, day_of};
pub(super) use shape::event_fault;

use crate::event::StreamInfo;
use crate::store::core::StoreConfig;
use crate::store::marks::{AgentKey, AgentRow, Marks, StreamKey, StreamMark};
use crate::store::snapshot::PartitionKey;
use crate::store::wal::{Happening, Record, Slot, Taken, TakenEvent, TakenFate, TakenRange};
use bytes::Bytes;
use outside::Safeguard;
use parsers::{Flags, Offset, TimeNs};
use std::sync::Arc;
use wire::{
    AgentId, Epoch, EventsPayload, Fate, FateKind, Hello, HelloAnswer, Open, Range, Ranges, Refusal, Replay, StreamId,
    Verdict,
};

/// What came of a message.
pub(super) enum Judged {
    /// It changes nothing.
    Settled(Verdict),
    /// It becomes this record; the verdict holds once the record is durable.
    Change(Record, Verdict),
}

impl From<Refusal> for Judged {
    fn from(refusal: Refusal) -> Judged {
        Judged::Settled(Verdict::Refused(refusal))
    }
}

/// Everything a message is judged by.
pub(super) struct Judge<'a> {
    pub(super) marks: &'a Marks,
    pub(super) config: &'a StoreConfig,
    pub(super) owner: &'a Arc<str>,
    pub(super) environment: &'a Arc<str>,
    pub(super) agent: AgentId,
    pub(super) epoch: Epoch,
    pub(super) incarnation: u64,
    pub(super) received: TimeNs,
    pub(super) retention: Retention,
    /// Whether a day is so large that its hours are partitions of their own.
    pub(super) is_large: &'a dyn Fn(&PartitionKey) -> bool,
}

impl Judge<'_> {
    /// Gives the next epoch, ordered after every one this agent ever had (protocol rule 3).
    pub(super) fn hello(&self, hello: &Hello) -> (Record, HelloAnswer) {
        let old = self.row().map(|row| row.epoch).unwrap_or_default();
        let epoch = match old.incarnation >= self.incarnation {
            true => Epoch { incarnation: old.incarnation, number: old.number + 1 },
            false => Epoch { incarnation: self.incarnation, number: 1 },
        };
        let what = Happening::Hello {
            agent: self.agent,
            epoch,
            host_id: hello.host_id.clone(),
            host_name: hello.host_name.clone(),
        };
        let request_bytes_max = self.config.request_bytes_max;
        let oldest_ns = self.retention.oldest().map(|oldest| oldest.0);
        let host_streams = self.of_host(&hello.host_id).filter(|mark| mark.info.agent != self.agent).count() as u64;
        (self.record(what), HelloAnswer { epoch, oldest_ns, request_bytes_max, host_streams })
    }

    /// Opens a stream, or tells where it stands (protocol rule 5). Another agent of the same host may claim it
    /// (protocol rule 6); who had it is fenced from it.
    pub(super) fn open(&self, open: &Open) -> Judged {
        if self.is_fenced() {
            return Refusal::Fenced.into();
        }
        if let Some(refusal) = shape::open(open) {
            return refusal.into();
        }
        // Whose host is not known its streams could not be claimed by the host's next agent (protocol rule 6): a
        // store that was wiped hears who it is first.
        let Some(row) = self.row().cloned() else { return Refusal::NotOpen.into() };
        let info = StreamInfo {
            stream: open.stream,
            agent: self.agent,
            host_id: row.host_id,
            host_name: row.host_name,
            factors: open.factors.clone(),
        };
        match self.marks.stream(&self.key(open.stream)) {
            None => {
                let verdict = Verdict::Open(StreamMark::new(self.environment, &info, open.base, &open.context).state());
                Judged::Change(self.open_record(info, open), verdict)
            }
            Some(known) if !self.may_hold(known) => {
                let reason = format!("stream {} belongs to an agent of another host", open.stream);
                Refusal::Rejected { offset: open.base, reason }.into()
            }
            Some(known) => self.open_again(known, info, open),
        }
    }

    fn open_again(&self, known: &StreamMark, mut info: StreamInfo, open: &Open) -> Judged {
        let verdict = Verdict::Open(known.state());
        let old = &known.info.factors;
        // The name under which it was first seen stays, and the head hash that covers more.
        info.factors.path.clone_from(&old.path);
        info.factors.name.clone_from(&old.name);
        info.factors.predecessor = info.factors.predecessor.or(old.predecessor);
        if old.head_len > info.factors.head_len {
            (info.factors.head_len, info.factors.head_hash) = (old.head_len, old.head_hash);
        }
        let same = *known.info == info && known.environment == *self.environment && known.gone_at.is_none();
        if same { Judged::Settled(verdict) } else { Judged::Change(self.open_record(info, open), verdict) }
    }

    /// Judges ranges (protocol rules 19 to 21).
    pub(super) fn ranges(&self, message: Ranges) -> Judged {
        let mark = match self.held(message.stream) {
            Ok(mark) => mark,
            Err(refusal) => return refusal.into(),
        };
        if let Some(refusal) = shape::ranges(&message, self.config.event_bytes_max) {
            return refusal.into();
        }
        let stream = message.stream;
        let Some(from) = message.ranges.first().map(|range| range.from) else {
            return Judged::Settled(Verdict::Ranges { mark: mark.mark, covered: None, expired: 0 });
        };
        let end = message.ranges.last().and_then(|range| range.to).unwrap_or(Offset(u64::MAX));
        let settled = if Safeguard::MarkChecked.holds() { mark.settled_to() } else { mark.mark.min(from) };
        if from > settled && Safeguard::GapRefused.holds() {
            return Refusal::Gap(mark.state()).into();
        }
        if message.ranges.iter().any(|range| straddles(range, settled)) && Safeguard::StraddleRefused.holds() {
            return Refusal::Straddles(mark.state()).into();
        }
        let dead = message.ranges.iter().find(|range| range.fate.kind() == FateKind::Dead);
        if let Some(range) = dead.filter(|range| range.to.is_some_and(|to| to > settled) && mark.has_too_many_dead()) {
            let reason =
                "too many ranges of this stream are dead letters already: replay them, or exclude them".to_owned();
            return Refusal::Rejected { offset: range.from, reason }.into();
        }
        let covered = (from < settled).then(|| mark.covered(from, end.min(settled)));
        let mut placing = Placing::new(self, mark);
        let fresh = message.ranges.into_iter().filter_map(|range| trim(range, settled));
        let ranges: Vec<TakenRange> = fresh.map(|range| self.take_range(range, &mut placing)).collect();
        let Some(last) = ranges.last() else {
            return Judged::Settled(Verdict::Ranges { mark: mark.mark, covered, expired: 0 });
        };
        let new_mark = last.to.or_else(|| ranges.iter().rev().nth(1).and_then(|range| range.to)).unwrap_or(mark.mark);
        let verdict = Verdict::Ranges { mark: new_mark, covered, expired: placing.expired };
        let (environment, epoch) = (Arc::clone(self.environment), self.epoch);
        Judged::Change(self.record(Happening::Ranges { environment, stream, epoch, ranges }), verdict)
    }

    /// Judges dead ranges that come again as events (protocol rule 23).
    pub(super) fn replay(&self, message: Replay) -> Judged {
        let mark = match self.held(message.stream) {
            Ok(mark) => mark,
            Err(refusal) => return refusal.into(),
        };
        if let Some(refusal) = shape::lengths(&message.payload) {
            return refusal.into();
        }
        let mut placing = Placing::new(self, mark);
        let (mut fresh, mut known) = (EventsPayload::default(), 0);
        let mut bytes = Vec::new();
        for (body, raw) in message.payload.iter() {
            let (from, to) = (body.offset, Offset(body.offset.0.saturating_add(u64::from(body.size))));
            if from < to && mark.is_events(from, to) {
                // The answer to it was lost. What is here by now is not judged again: limits may have changed.
                known += 1;
            } else if let Some(reason) = shape::event_fault(body, self.config.event_bytes_max) {
                return Refusal::Rejected { offset: from, reason: reason.to_owned() }.into();
            } else if mark.is_dead(from, to) {
                bytes.extend_from_slice(&raw);
                fresh.events.push(body.clone());
            } else {
                let reason = "it does not lie inside one dead range".to_owned();
                return Refusal::Rejected { offset: from, reason }.into();
            }
        }
        let verdict = Verdict::Replay { events: fresh.events.len() as u64 + known };
        if fresh.events.is_empty() {
            return Judged::Settled(verdict);
        }
        fresh.bytes = Bytes::from(bytes);
        let (environment, stream) = (Arc::clone(self.environment), message.stream);
        let taken = take_events(fresh, &mut placing);
        Judged::Change(self.record(Happening::Replay { environment, stream, taken }), verdict)
    }

    /// Notes that a file is gone (protocol rule 29).
    pub(super) fn gone(&self, stream: StreamId) -> Judged {
        match self.held(stream) {
            Err(refusal) => refusal.into(),
            Ok(mark) if mark.gone_at.is_some() => Judged::Settled(Verdict::Gone),
            Ok(_) => Judged::Change(self.record(Happening::Gone { stream }), Verdict::Gone),
        }
    }

    /// The stream, if it is open and this agent holds it.
    pub(super) fn held(&self, stream: StreamId) -> Result<&Arc<StreamMark>, Refusal> {
        if self.is_fenced() {
            return Err(Refusal::Fenced);
        }
        let mark = self.marks.stream(&self.key(stream)).ok_or(Refusal::NotOpen)?;
        let holds = mark.info.agent == self.agent || !Safeguard::ClaimFences.holds();
        if holds { Ok(mark) } else { Err(Refusal::Fenced) }
    }

    pub(super) fn key(&self, stream: StreamId) -> StreamKey {
        StreamKey { owner: Arc::clone(self.owner), stream }
    }

    fn row(&self) -> Option<&AgentRow> {
        self.marks.agent(&AgentKey { owner: Arc::clone(self.owner), agent: self.agent })
    }

    pub(super) fn is_fenced(&self) -> bool {
        Safeguard::EpochChecked.holds() && self.row().is_some_and(|row| row.epoch > self.epoch)
    }

    fn may_hold(&self, known: &StreamMark) -> bool {
        let host = self.row().map(|row| row.host_id.as_str()).unwrap_or_default();
        known.info.agent == self.agent || !host.is_empty() && known.info.host_id == host
    }

    fn open_record(&self, info: StreamInfo, open: &Open) -> Record {
        let (environment, epoch) = (Arc::clone(self.environment), self.epoch);
        let info = Box::new(info);
        self.record(Happening::Open { environment, epoch, info, base: open.base, context: open.context.clone() })
    }

    fn record(&self, what: Happening) -> Record {
        Record { owner: Arc::clone(self.owner), received: self.received, what }
    }

    fn take_range(&self, range: Range, placing: &mut Placing<'_>) -> TakenRange {
        let Range { from, to, fate, context, anchors } = range;
        let kind = fate.kind();
        let fate = match fate {
            Fate::Events(payload) => TakenFate::Events(take_events(payload, placing)),
            Fate::Dead(reason) | Fate::Excluded(reason) | Fate::Lost(reason) => {
                TakenFate::Other(kind, shape::short(&reason).into())
            }
        };
        TakenRange { from, to, fate, context, anchors }
    }
}

/// Whether an event of the range begins before the mark and ends after it.
fn straddles(range: &Range, settled: Offset) -> bool {
    let Fate::Events(payload) = &range.fate else { return false };
    let inside = |event: &wire::EventBody| event.offset < settled && settled.0 < event.offset.0 + u64::from(event.size);
    payload.events.iter().any(inside)
}

/// What of a range lies behind the mark.
fn trim(range: Range, settled: Offset) -> Option<Range> {
    let to = range.to.unwrap_or(Offset(u64::MAX));
    if to <= settled || range.from == to {
        return None;
    }
    if range.from >= settled {
        return Some(range);
    }
    let fate = match range.fate {
        Fate::Events(payload) => Fate::Events(behind(payload, settled)),
        other => other,
    };
    Some(Range { from: settled, fate, ..range })
}

fn behind(payload: EventsPayload, settled: Offset) -> EventsPayload {
    let EventsPayload { bytes, mut events } = payload;
    let first = events.partition_point(|event| event.offset < settled);
    let passed: usize = events[..first].iter().map(|event| event.len as usize).sum();
    events.drain(..first);
    EventsPayload { bytes: bytes.slice(passed.min(bytes.len())..), events }
}

fn take_events(payload: EventsPayload, placing: &mut Placing<'_>) -> Taken {
    let events = payload.events.into_iter().map(|mut body| {
        body.flags.0 &= !Flags::PROVISIONAL.0;
        let (time, slot) = placing.place(&mut body);
        if slot == Slot::Expired {
            placing.expired += 1;
        }
        TakenEvent { body, time, slot }
    });
    Taken { events: events.collect(), bytes: payload.bytes }
}
