//! Provisional events: the open event at a stream's end, in memory only (protocol rule 18).

use super::judge::{Judge, Placing};
use crate::event::StoredEvent;
use crate::store::core::judge;
use crate::store::marks::StreamKey;
use crate::store::snapshot::PartitionKey;
use parsers::Flags;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::{Provisional, Refusal, StreamId};

/// A provisional event and where it is shown.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) partition: PartitionKey,
    pub(super) event: Arc<StoredEvent>,
}

/// The provisional events shown, one a stream.
#[derive(Debug, Default)]
pub(super) struct Provisionals {
    held: BTreeMap<StreamKey, Held>,
    bytes: u64,
}

impl Provisionals {
    pub(super) fn len(&self) -> u64 {
        self.held.len() as u64
    }

    /// Whether one of this stream is shown to the partition's owner.
    pub(super) fn shows(&self, partition: &PartitionKey, stream: StreamId) -> bool {
        !self.held.is_empty() && self.held.contains_key(&StreamKey { owner: Arc::clone(&partition.owner), stream })
    }

    /// Puts another one in the place of a stream's, or none; gives back the old one.
    pub(super) fn set(&mut self, key: StreamKey, new: Option<Held>) -> Option<Held> {
        let size = |held: &Held| held.event.raw.len() as u64;
        self.bytes += new.as_ref().map_or(0, size);
        let old = match new {
            Some(new) => self.held.insert(key, new),
            None => self.held.remove(&key),
        };
        self.bytes -= old.as_ref().map_or(0, size);
        old
    }
}

/// Judges a provisional event; `None`: passed over, without harm.
///
/// It is judged by the mark with waiting records: it becomes visible in the swap in which they become durable, not before.
pub(super) fn ask(
    judge: &Judge<'_>,
    shown: &Provisionals,
    waiting: &BTreeMap<StreamKey, Option<Held>>,
    message: Provisional,
) -> Result<Option<(StreamKey, Held)>, Refusal> {
    let mark = judge.held(message.stream)?;
    let Provisional { stream, event: mut body, bytes } = message;
    let key = judge.key(stream);
    let old = match waiting.get(&key) {
        Some(change) => change.as_ref(),
        None => shown.held.get(&key),
    };
    let len = bytes.len() as u64;
    let others = waiting.iter().filter(|(of, _)| **of != key).filter_map(|(_, change)| change.as_ref());
    let all = shown.bytes + others.map(|held| held.event.raw.len() as u64).sum::<u64>() + len;
    let passed_over = body.offset != mark.mark
        || mark.closed
        || u64::from(body.len) != len
        || len > judge.config.provisional_event_bytes
        || judge::event_fault(&body, u64::MAX).is_some()
        || old.is_some_and(|old| old.event.body.size >= body.size)
        || all > judge.config.provisional_bytes;
    if passed_over {
        return Ok(None);
    }
    body.flags.set(Flags::PROVISIONAL);
    let (time, slot) = Placing::new(judge, mark).place(&mut body);
    let Some(partition) = slot.partition(judge.owner, judge.environment) else { return Ok(None) };
    let info = Arc::clone(&mark.info);
    let event = StoredEvent { info, body, raw: bytes, time, ingested: judge.received };
    Ok(Some((key, Held { partition, event: Arc::new(event) })))
}
