//! What queries see: every change of it is one swap of the whole snapshot (protocol rule 39).

use super::provisional::Held;
use super::{StoreCore, TailBatch, TailChange, TailWhat};
use crate::event::StoredEvent;
use crate::store::marks::StreamKey;
use crate::store::memory::Partition;
use crate::store::snapshot::{PartitionKey, PartitionView, Snapshot};
use seglog::Position;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::EventId;

/// What becomes visible with the next sync.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Closed events, in order, with their records.
    pub(super) events: Vec<(PartitionKey, Position, Arc<StoredEvent>)>,
    /// By stream: its new provisional event, or `None`: the mark passed the one it had.
    pub(super) provisional: BTreeMap<StreamKey, Option<Held>>,
    /// Partitions that a record removed.
    pub(super) dropped: Vec<(PartitionKey, Position)>,
    /// Whether the request at hand appended a record.
    pub(super) request_changes: bool,
}

impl StoreCore {
    /// Shows what waited, and no longer what was dropped, in one swap.
    pub(super) fn publish(&mut self, waiting: Waiting, dropped: &[PartitionKey]) -> TailBatch {
        let mut tail = TailBatch::default();
        let mut touched: BTreeSet<PartitionKey> = dropped.iter().cloned().collect();
        let closed = self.take_into_memory(waiting.events, &mut touched, &mut tail);
        for (stream, new) in waiting.provisional {
            self.change_provisional(stream, new, &closed, &mut touched, &mut tail);
        }
        self.show(touched);
        tail
    }

    fn take_into_memory(
        &mut self,
        events: Vec<(PartitionKey, Position, Arc<StoredEvent>)>,
        touched: &mut BTreeSet<PartitionKey>,
        tail: &mut TailBatch,
    ) -> BTreeSet<EventId> {
        let now = self.outside.clock.monotonic();
        let mut ids = BTreeSet::new();
        let mut groups: BTreeMap<PartitionKey, (Position, Vec<Arc<StoredEvent>>)> = BTreeMap::new();
        for (key, position, event) in events {
            // A change of no provisional event does not need the ids.
            if self.provisionals.shows(&key, event.info.stream) {
                ids.insert(event.id());
            }
            let what = TailWhat::Closed(Arc::clone(&event));
            tail.changes.push(TailChange { partition: key.clone(), what });
            groups.entry(key).or_insert_with(|| (position, Vec::new())).1.push(event);
        }
        for (key, (position, events)) in groups {
            let from = Position(position.0.saturating_sub(1));
            let partition = self.partitions.entry(key.clone()).or_insert_with(|| Partition::new(from));
            partition.memory.push(events, position, now);
            touched.insert(key);
        }
        ids
    }

    fn change_provisional(
        &mut self,
        stream: StreamKey,
        new: Option<Held>,
        closed: &BTreeSet<EventId>,
        touched: &mut BTreeSet<PartitionKey>,
        tail: &mut TailBatch,
    ) {
        let old = self.provisionals.set(stream.clone(), new.clone());
        if let Some(old) = &old {
            if let Some(view) = self.views.get_mut(&old.partition) {
                Arc::make_mut(view).provisional.remove(&stream.stream);
            }
            touched.insert(old.partition.clone());
        }
        match (old, new) {
            (_, Some(new)) => {
                let view = self.views.entry(new.partition.clone()).or_default();
                Arc::make_mut(view).provisional.insert(stream.stream, Arc::clone(&new.event));
                touched.insert(new.partition.clone());
                let what = TailWhat::Provisional(new.event);
                tail.changes.push(TailChange { partition: new.partition, what });
            }
            (Some(old), None) if !closed.contains(&old.event.id()) => {
                let what = TailWhat::Gone(old.event.id());
                tail.changes.push(TailChange { partition: old.partition, what });
            }
            (_, None) => {}
        }
    }

    /// Shows partitions as they are now, in one swap.
    pub(super) fn show(&mut self, touched: impl IntoIterator<Item = PartitionKey>) {
        let mut changed = false;
        for key in touched {
            changed = true;
            let view = Arc::make_mut(self.views.entry(key.clone()).or_default());
            match self.partitions.get(&key) {
                Some(partition) => partition.show(view),
                None => {
                    let provisional = std::mem::take(&mut view.provisional);
                    *view = PartitionView { provisional, ..PartitionView::default() };
                }
            }
            if view.memory.is_empty() && view.segments.is_empty() && view.provisional.is_empty() {
                self.views.remove(&key);
            }
        }
        if changed {
            self.swap();
        }
    }

    /// Shows everything that was recovered.
    pub(super) fn show_all(&mut self) {
        let keys: Vec<PartitionKey> = self.partitions.keys().cloned().collect();
        self.show(keys);
    }

    /// Puts the views in force.
    pub(super) fn swap(&self) {
        self.snapshot.set(Arc::new(Snapshot { partitions: self.views.clone(), replaying: false }));
    }

    /// Forgets partitions that a durable record removed; says which.
    pub(super) fn drop_partitions(&mut self, waiting: &mut Waiting) -> Vec<PartitionKey> {
        let dropped = std::mem::take(&mut waiting.dropped);
        for (key, position) in &dropped {
            waiting.events.retain(|(of, at, _)| of != key || at > position);
            if let Some(partition) = self.partitions.remove(key) {
                self.leftovers.extend(partition.folder);
            }
        }
        dropped.into_iter().map(|(key, _)| key).collect()
    }
}
