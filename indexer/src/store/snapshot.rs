//! What one query sees: memory blocks, provisional events and segments of every partition, immutable.
//! Every hand-over (provisional -> closed, memory -> segment, segments -> merged) is one swap of the whole
//! snapshot, so no query sees an event twice or not at all (protocol rule 39).

use crate::event::StoredEvent;
use crate::store::segment::Segment;
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use wire::StreamId;

/// Where events lie: owner / environment / day (or hour) of event time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey {
    /// Owner.
    pub owner: Arc<str>,
    /// Environment.
    pub environment: Arc<str>,
    /// Days since 1970-01-01, UTC.
    pub day: i32,
    /// Hour of that day, for very large days.
    pub hour: Option<u8>,
}

/// One partition as a query sees it.
#[derive(Clone, Debug, Default)]
pub struct PartitionView {
    /// Newest lines, in blocks as they came; in no order of time.
    pub memory: Vec<Arc<[Arc<StoredEvent>]>>,
    /// Open events at streams' ends, one a stream.
    pub provisional: BTreeMap<StreamId, Arc<StoredEvent>>,
    /// Disk segments.
    pub segments: Vec<Arc<dyn Segment>>,
}

/// Everything a query can see at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Partitions; owner and environment first, so that a scope is one contiguous range.
    pub partitions: BTreeMap<PartitionKey, Arc<PartitionView>>,
    /// Replay after a start is still running: answers are marked incomplete.
    pub replaying: bool,
}

/// The snapshot in force; readers take a clone of the `Arc`, the store's core swaps it.
#[derive(Debug, Default)]
pub struct SnapshotCell(RwLock<Arc<Snapshot>>);

impl SnapshotCell {
    /// The snapshot in force.
    pub fn get(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.read().expect("no panic while swapping"))
    }

    /// Puts another in its place.
    pub fn set(&self, snapshot: Arc<Snapshot>) {
        *self.0.write().expect("no panic while swapping") = snapshot;
    }
}
