//! The records and their coding.

use super::coding::{Reader, Unreadable, Writer};
use crate::event::{StoredEvent, StreamInfo};
use crate::store::snapshot::PartitionKey;
use bytes::Bytes;
use parsers::{Offset, TimeNs};
use std::sync::Arc;
use wire::{AgentId, Anchor, Epoch, EventBody, FateKind, LedgerHash, LedgerSum, StreamId};

/// One change of what is durable.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// Whose.
    pub(crate) owner: Arc<str>,
    /// `event.ingested` of its events; the wall clock when it was decided.
    pub(crate) received: TimeNs,
    pub(crate) what: Happening,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happening {
    /// A shipper started and got an epoch.
    Hello { agent: AgentId, epoch: Epoch, host_id: String, host_name: String },
    /// A stream was opened, or opened again with other facts.
    Open { environment: Arc<str>, epoch: Epoch, info: Box<StreamInfo>, base: Offset, context: Bytes },
    /// Ranges of a stream were settled; its mark moves to their end.
    Ranges { environment: Arc<str>, stream: StreamId, epoch: Epoch, ranges: Vec<TakenRange> },
    /// Dead ranges became events.
    Replay { environment: Arc<str>, stream: StreamId, taken: Taken },
    /// A file is gone.
    Gone { stream: StreamId },
    /// Retention: whole partitions with every event of records before this one, and marks nobody needs.
    Expire { partitions: Vec<PartitionKey>, removed: Vec<StreamRecord<LedgerSum>>, forgotten: Vec<StreamRecord<()>> },
}

/// Something of one stream of any owner.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StreamRecord<T> {
    pub(crate) owner: Arc<str>,
    pub(crate) stream: StreamId,
    pub(crate) what: T,
}

/// A range as it was taken: trimmed at the mark, with every decision made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TakenRange {
    pub(crate) from: Offset,
    pub(crate) to: Option<Offset>,
    pub(crate) fate: TakenFate,
    pub(crate) context: Bytes,
    pub(crate) anchors: Vec<Anchor>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TakenFate {
    Events(Taken),
    /// Dead, excluded or lost, and why.
    Other(FateKind, Arc<str>),
}

/// Events with their bytes, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Taken {
    pub(crate) bytes: Bytes,
    pub(crate) events: Vec<TakenEvent>,
}

/// One event and what was decided about it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TakenEvent {
    pub(crate) body: EventBody,
    /// `@timestamp`
    pub(crate) time: TimeNs,
    pub(crate) slot: Slot,
}

/// Where an event goes, within its owner and environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Day {
        day: i32,
        hour: Option<u8>,
    },
    /// Older than the retention when it came: counted, not kept (protocol rule 37).
    Expired,
}

impl Slot {
    pub(crate) fn partition(self, owner: &Arc<str>, environment: &Arc<str>) -> Option<PartitionKey> {
        let Slot::Day { day, hour } = self else { return None };
        Some(PartitionKey { owner: Arc::clone(owner), environment: Arc::clone(environment), day, hour })
    }
}

impl Taken {
    /// Each event with its bytes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TakenEvent, Bytes)> {
        let mut at = 0usize;
        self.events.iter().map(move |event| {
            let end = (at + event.body.len as usize).min(self.bytes.len());
            let bytes = self.bytes.slice(at.min(end)..end);
            at = end;
            (event, bytes)
        })
    }

    /// Sum of all its events, and of those that had expired.
    pub(crate) fn sums(&self, stream: StreamId) -> (LedgerSum, LedgerSum) {
        let (mut all, mut expired) = (LedgerSum::default(), LedgerSum::default());
        for (event, bytes) in self.iter() {
            let sum = event_sum(stream, &event.body, &bytes);
            all += sum;
            if event.slot == Slot::Expired {
                expired += sum;
            }
        }
        (all, expired)
    }

    fn into_stored(self, info: &Arc<StreamInfo>, received: TimeNs) -> impl Iterator<Item = (Slot, StoredEvent)> {
        let mut at = 0usize;
        self.events.into_iter().map(move |TakenEvent { body, time, slot }| {
            let end = (at + body.len as usize).min(self.bytes.len());
            let raw = self.bytes.slice(at.min(end)..end);
            at = end;
            (slot, StoredEvent { info: Arc::clone(info), body, raw, time, ingested: received })
        })
    }
}

/// What one event adds to the books.
pub(crate) fn event_sum(stream: StreamId, body: &EventBody, bytes: &[u8]) -> LedgerSum {
    let hash = LedgerHash::of(stream, body.offset, bytes);
    LedgerSum { events: 1, bytes: u64::from(body.size), hash }
}

impl Record {
    /// The stream whose mark or bytes it changes.
    pub(crate) fn stream(&self) -> Option<StreamId> {
        match &self.what {
            Happening::Open { info, .. } => Some(info.stream),
            Happening::Ranges { stream, .. } | Happening::Replay { stream, .. } | Happening::Gone { stream } => {
                Some(*stream)
            }
            Happening::Hello { .. } | Happening::Expire { .. } => None,
        }
    }

    /// The events it makes searchable, with their partitions.
    pub(crate) fn into_events(self, info: &Arc<StreamInfo>) -> Vec<(PartitionKey, Arc<StoredEvent>)> {
        let (environment, takens) = match self.what {
            Happening::Ranges { environment, ranges, .. } => {
                let events = ranges.into_iter().filter_map(|range| match range.fate {
                    TakenFate::Events(taken) => Some(taken),
                    TakenFate::Other(..) => None,
                });
                (environment, events.collect())
            }
            Happening::Replay { environment, taken, .. } => (environment, vec![taken]),
            Happening::Hello { .. } | Happening::Open { .. } | Happening::Gone { .. } | Happening::Expire { .. } => {
                return Vec::new();
            }
        };
        let stored = takens.into_iter().flat_map(|taken| taken.into_stored(info, self.received));
        let placed =
            stored.filter_map(|(slot, event)| Some((slot.partition(&self.owner, &environment)?, Arc::new(event))));
        placed.collect()
    }
}

/// The bytes of a record.
pub(crate) fn encode(record: &Record) -> Vec<u8> {
    let mut w = Writer::default();
    w.text(&record.owner);
    w.signed(record.received.0);
    match &record.what {
        Happening::Hello { agent, epoch, host_id, host_name } => {
            w.byte(1);
            w.agent(*agent);
            w.epoch(*epoch);
            w.text(host_id);
            w.text(host_name);
        }
        Happening::Open { environment, epoch, info, base, context } => {
            w.byte(2);
            w.text(environment);
            w.epoch(*epoch);
            w.info(info);
            w.number(base.0);
            w.bytes(context);
        }
        Happening::Ranges { environment, stream, epoch, ranges } => {
            w.byte(3);
            w.text(environment);
            w.fixed(stream.0);
            w.epoch(*epoch);
            w.list(ranges.iter(), put_range);
        }
        Happening::Replay { environment, stream, taken } => {
            w.byte(4);
            w.text(environment);
            w.fixed(stream.0);
            put_taken(&mut w, taken);
        }
        Happening::Gone { stream } => {
            w.byte(5);
            w.fixed(stream.0);
        }
        Happening::Expire { partitions, removed, forgotten } => {
            w.byte(6);
            w.list(partitions.iter(), put_partition);
            w.list(removed.iter(), |w, record| put_stream(w, record, |w, sum| w.sum(sum)));
            w.list(forgotten.iter(), |w, record| put_stream(w, record, |_, ()| ()));
        }
    }
    w.0
}

/// The record that [`encode`] gave these bytes.
pub(crate) fn decode(bytes: Vec<u8>) -> Result<Record, Unreadable> {
    let mut r = Reader(Bytes::from(bytes));
    let owner: Arc<str> = r.text()?.into();
    let received = r.instant()?;
    let what = match r.byte()? {
        1 => Happening::Hello { agent: r.agent()?, epoch: r.epoch()?, host_id: r.text()?, host_name: r.text()? },
        2 => Happening::Open {
            environment: r.text()?.into(),
            epoch: r.epoch()?,
            info: Box::new(r.info()?),
            base: r.offset()?,
            context: r.bytes()?,
        },
        3 => Happening::Ranges {
            environment: r.text()?.into(),
            stream: r.stream()?,
            epoch: r.epoch()?,
            ranges: r.list(range)?,
        },
        4 => Happening::Replay { environment: r.text()?.into(), stream: r.stream()?, taken: taken(&mut r)? },
        5 => Happening::Gone { stream: r.stream()? },
        6 => Happening::Expire {
            partitions: r.list(partition)?,
            removed: r.list(|r| stream_record(r, Reader::sum))?,
            forgotten: r.list(|r| stream_record(r, |_| Ok(())))?,
        },
        _ => return Err(Unreadable("a record's kind")),
    };
    if r.is_empty() { Ok(Record { owner, received, what }) } else { Err(Unreadable("a record's end")) }
}

fn put_range(w: &mut Writer, range: &TakenRange) {
    w.number(range.from.0);
    w.option(range.to, |w, to| w.number(to.0));
    match &range.fate {
        TakenFate::Events(taken) => {
            w.byte(FateKind::Events as u8);
            put_taken(w, taken);
        }
        TakenFate::Other(kind, reason) => {
            w.byte(*kind as u8);
            w.text(reason);
        }
    }
    w.bytes(&range.context);
    w.list(range.anchors.iter(), Writer::anchor);
}

fn range(r: &mut Reader) -> Result<TakenRange, Unreadable> {
    let (from, to) = (r.offset()?, r.option(Reader::offset)?);
    let fate = match r.fate_kind()? {
        FateKind::Events => TakenFate::Events(taken(r)?),
        kind => TakenFate::Other(kind, r.text()?.into()),
    };
    Ok(TakenRange { from, to, fate, context: r.bytes()?, anchors: r.list(Reader::anchor)? })
}

fn put_taken(w: &mut Writer, taken: &Taken) {
    w.list(taken.events.iter(), |w, event| {
        w.body(&event.body);
        w.signed(event.time.0);
        match event.slot {
            Slot::Expired => w.byte(0),
            Slot::Day { day, hour } => {
                w.byte(1);
                w.signed(i64::from(day));
                w.option(hour, Writer::byte);
            }
        }
    });
    w.bytes(&taken.bytes);
}

fn taken(r: &mut Reader) -> Result<Taken, Unreadable> {
    let events = r.list(|r| {
        let (body, time) = (r.body()?, r.instant()?);
        let slot = match r.byte()? {
            0 => Slot::Expired,
            _ => Slot::Day { day: day(r)?, hour: r.option(Reader::byte)? },
        };
        Ok(TakenEvent { body, time, slot })
    })?;
    Ok(Taken { events, bytes: r.bytes()? })
}

fn put_partition(w: &mut Writer, key: &PartitionKey) {
    w.text(&key.owner);
    w.text(&key.environment);
    w.signed(i64::from(key.day));
    w.option(key.hour, Writer::byte);
}

fn partition(r: &mut Reader) -> Result<PartitionKey, Unreadable> {
    let (owner, environment) = (r.text()?.into(), r.text()?.into());
    Ok(PartitionKey { owner, environment, day: day(r)?, hour: r.option(Reader::byte)? })
}

fn day(r: &mut Reader) -> Result<i32, Unreadable> {
    i32::try_from(r.signed()?).map_err(|_| Unreadable("a day"))
}

fn put_stream<T>(w: &mut Writer, record: &StreamRecord<T>, put: impl FnOnce(&mut Writer, &T)) {
    w.text(&record.owner);
    w.fixed(record.stream.0);
    put(w, &record.what);
}

fn stream_record<T>(
    r: &mut Reader,
    get: impl FnOnce(&mut Reader) -> Result<T, Unreadable>,
) -> Result<StreamRecord<T>, Unreadable> {
    Ok(StreamRecord { owner: r.text()?.into(), stream: r.stream()?, what: get(r)? })
}
