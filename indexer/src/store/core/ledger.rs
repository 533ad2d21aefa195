//! The books of streams, for `audit` (protocol section 6, `ledger`).

use super::StoreCore;
use crate::store::marks::StreamKey;
use crate::store::wal::event_sum;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::{AgentId, FateSpan, LedgerHash, LedgerRow, LedgerSum, StreamId, Verdict};

impl StoreCore {
    /// A row for each of the agent's streams that were asked for. What waits for its fsync is counted: the
    /// answer goes out after it.
    pub(super) fn ledger(&self, owner: &Arc<str>, agent: AgentId, asked: &[StreamId]) -> Verdict {
        let mut held: BTreeMap<StreamId, LedgerSum> =
            asked.iter().map(|stream| (*stream, LedgerSum::default())).collect();
        self.add_segments(owner, &mut held);
        self.add_memory(owner, &mut held);
        let rows = held.into_iter().filter_map(|(stream, held)| {
            let mark = self.marks.stream(&StreamKey { owner: Arc::clone(owner), stream })?;
            (mark.info.agent == agent).then(|| LedgerRow {
                stream,
                mark: mark.mark,
                base: mark.base,
                taken: mark.taken,
                held,
                removed: mark.removed,
                other: mark.other.iter().map(|s| FateSpan { from: s.from, to: s.to, fate: s.fate }).collect(),
                folded_excluded: mark.folded.excluded,
                folded_lost: mark.folded.lost,
                folded_to: mark.folded.to,
                hash: held.hash,
            })
        });
        Verdict::Ledger(rows.collect())
    }

    fn add_segments(&self, owner: &Arc<str>, held: &mut BTreeMap<StreamId, LedgerSum>) {
        let partitions = self.partitions.iter().filter(|(key, _)| key.owner == *owner);
        for (listed, _) in partitions.flat_map(|(_, partition)| &partition.segments) {
            for (stream, sum) in sums(&listed.meta.streams) {
                if let Some(held) = held.get_mut(&stream) {
                    *held += sum;
                }
            }
        }
    }

    fn add_memory(&self, owner: &Arc<str>, held: &mut BTreeMap<StreamId, LedgerSum>) {
        let partitions = self.partitions.iter().filter(|(key, _)| key.owner == *owner);
        let memory = partitions.flat_map(|(_, partition)| partition.blocks()).flat_map(|block| block.iter());
        let waiting = self.waiting.events.iter().filter(|(key, _, _)| key.owner == *owner).map(|(_, _, event)| event);
        for event in memory.chain(waiting) {
            if let Some(held) = held.get_mut(&event.info.stream) {
                *held += event_sum(event.info.stream, &event.body, &event.raw);
            }
        }
    }
}

/// The rows of a segment's stream table as sums.
pub(super) fn sums(rows: &[crate::store::segment::StreamRow]) -> impl Iterator<Item = (StreamId, LedgerSum)> + '_ {
    rows.iter().map(|row| {
        let hash = LedgerHash(u128::from_str_radix(&row.hash, 16).unwrap_or_default());
        (StreamId(row.stream), LedgerSum { events: row.events, bytes: row.bytes, hash })
    })
}
