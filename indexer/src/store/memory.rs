//! The newest lines of one partition, and what is known of it on disk.
//!
//! Events are in memory until a segment holds them: in `blocks`, or in `sealed` while that segment is built.
//! Blocks are merged like the digits of a binary counter, so that a query walks few of them and each event's
//! pointer is copied a handful of times.

use super::manifest::Listed;
use super::segment::Segment;
use super::snapshot::PartitionView;
use crate::event::StoredEvent;
use seglog::Position;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Events of one partition, as they came.
pub(crate) type Block = Arc<[Arc<StoredEvent>]>;

/// Blocks of newest lines.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    pub(crate) blocks: Vec<Block>,
    pub(crate) events: u64,
    pub(crate) raw_bytes: u64,
    /// Record of the first event, and when it came.
    pub(crate) first: Option<(Position, Duration)>,
}

/// What an event takes in memory beside its bytes, about: its parse, and the pointers to it.
const EVENT_BYTES: u64 = 450;

impl Blocks {
    /// What they take in memory, about.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.raw_bytes + self.events * EVENT_BYTES
    }

    pub(crate) fn push(&mut self, events: Vec<Arc<StoredEvent>>, position: Position, now: Duration) {
        if events.is_empty() {
            return;
        }
        self.first.get_or_insert((position, now));
        self.events += events.len() as u64;
        self.raw_bytes += events.iter().map(|event| event.raw.len() as u64).sum::<u64>();
        let mut block: Block = events.into();
        while let Some(last) = self.blocks.pop_if(|last| last.len() <= block.len()) {
            block = last.iter().chain(block.iter()).cloned().collect();
        }
        self.blocks.push(block);
    }
}

/// A segment in the making.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) blocks: Blocks,
    pub(crate) name: String,
    /// The partition's events of records up to here are in it or in earlier segments.
    pub(crate) up_to: Position,
}

/// What a partition's segments hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) events: u64,
    pub(crate) raw_bytes: u64,
    pub(crate) disk_bytes: u64,
}

/// One partition.
#[derive(Debug)]
pub(crate) struct Partition {
    /// Inside the data folder; `None` until the root names it.
    pub(crate) folder: Option<PathBuf>,
    /// Events of records up to here belong to an earlier, removed partition of the same day.
    pub(crate) from: Position,
    /// Events of records up to here are in segments.
    pub(crate) position: Position,
    pub(crate) segments: Vec<(Listed, Arc<dyn Segment>)>,
    /// Sums over them.
    pub(crate) disk: Disk,
    pub(crate) sealed: Option<Sealed>,
    pub(crate) memory: Blocks,
    pub(crate) next_segment: u64,
    /// No flush before this, after one failed.
    pub(crate) retry_at: Option<Duration>,
    /// No merge before this, after one failed.
    pub(crate) merge_at: Option<Duration>,
    /// When its newest segment of newest lines came; `None`: before the start.
    pub(crate) grown_at: Option<Duration>,
}

impl Partition {
    /// A partition whose first event stands in a record after `from`.
    pub(crate) fn new(from: Position) -> Partition {
        Partition {
            folder: None,
            from,
            position: from,
            segments: Vec::new(),
            disk: Disk::default(),
            sealed: None,
            memory: Blocks::default(),
            next_segment: 1,
            retry_at: None,
            merge_at: None,
            grown_at: None,
        }
    }

    /// The oldest record with events that are in memory only.
    pub(crate) fn oldest_in_memory(&self) -> Option<Position> {
        let sealed = self.sealed.as_ref().and_then(|sealed| sealed.blocks.first);
        sealed.or(self.memory.first).map(|(position, _)| position)
    }

    /// Blocks in memory, oldest first.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Block> {
        let sealed = self.sealed.iter().flat_map(|sealed| &sealed.blocks.blocks);
        sealed.chain(&self.memory.blocks)
    }

    /// Newest lines, those that are becoming a segment first.
    pub(crate) fn in_memory(&self) -> impl Iterator<Item = &Blocks> {
        self.sealed.iter().map(|sealed| &sealed.blocks).chain([&self.memory])
    }

    /// Events and raw bytes, in memory and on disk.
    pub(crate) fn size(&self) -> (u64, u64) {
        self.in_memory().fold((self.disk.events, self.disk.raw_bytes), |(events, raw_bytes), blocks| {
            (events + blocks.events, raw_bytes + blocks.raw_bytes)
        })
    }

    pub(crate) fn add_segment(&mut self, listed: Listed, segment: Arc<dyn Segment>) {
        self.disk.events += listed.meta.events;
        self.disk.raw_bytes += listed.meta.raw_bytes;
        self.disk.disk_bytes += listed.meta.disk_bytes;
        self.segments.push((listed, segment));
    }

    /// Puts one segment in the place of those that were merged into it.
    pub(crate) fn replace_segments(&mut self, parts: &[String], listed: Listed, segment: Arc<dyn Segment>) {
        let all = std::mem::take(&mut self.segments);
        self.disk = Disk::default();
        for (part, segment) in all.into_iter().filter(|(part, _)| !parts.contains(&part.name)) {
            self.add_segment(part, segment);
        }
        self.add_segment(listed, segment);
    }

    /// Puts what it holds into its view; provisional events stay as they are.
    pub(crate) fn show(&self, view: &mut PartitionView) {
        view.memory = self.blocks().cloned().collect();
        view.segments = self.segments.iter().map(|(_, segment)| Arc::clone(segment)).collect();
    }
}
