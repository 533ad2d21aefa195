//! What goes into the store's core and what comes out of it, and its limits.

use crate::access::Source;
use crate::event::StoredEvent;
pub use crate::store::recovery::ReplayError;
use crate::store::segment::SegmentBuilder;
use crate::store::snapshot::PartitionKey;
use outside::{Clock, Files, Rng};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use wire::EventId;

use super::build::{BuildJob, BuildOutcome};
use super::prove::ProveJob;

/// Limits of the store. Every one can be set small, so that a simulation meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Newest lines of one partition leave memory at this many events.
    pub memory_events: u64,
    /// Newest lines of one partition leave memory at this many raw bytes.
    pub memory_bytes: u64,
    /// When the newest lines of all partitions take more memory, those of the largest one leave it; at twice as much
    /// nothing is taken until they have.
    pub memory_total_bytes: u64,
    /// Newest lines leave memory at this age.
    pub memory_age: Duration,
    /// WAL size at which the newest lines leave memory; twice as much is refused (protocol rule 35).
    pub wal_bytes: u64,
    /// Size of one log segment of the WAL: what is cut at once.
    pub wal_segment_bytes: u64,
    /// Free bytes below which nothing new is taken (protocol rule 36); `None`: twice [`StoreConfig::wal_bytes`].
    pub low_water_bytes: Option<u64>,
    /// Events older than this are removed; `None`: kept for ever.
    pub retention_age: Option<Duration>,
    /// Oldest partitions are removed while the segments take more than this; `None`: no limit.
    pub retention_bytes: Option<u64>,
    /// Largest request, bytes after decompression.
    pub request_bytes_max: u64,
    /// Largest event.
    pub event_bytes_max: u64,
    /// Provisional events held in all (protocol rule 18).
    pub provisional_bytes: u64,
    /// Largest provisional event (protocol rule 18).
    pub provisional_event_bytes: u64,
    /// Raw bytes of a day from which on its hours are partitions of their own.
    pub day_bytes: u64,
    /// So many segments of about the same size in one partition become one.
    pub merge_segments: usize,
    /// While newest lines became a segment less than so long ago, merges wait, until four times as many segments do.
    pub merge_idle: Duration,
    /// Raw bytes that merging puts into one segment at most: what bounds its memory.
    pub merge_bytes: u64,
    /// Events that merging puts into one segment at most.
    pub merge_events: u64,
    /// When a partition's day (or hour) is over for so long, and nothing came for so long, its segments become as
    /// few as may be.
    pub seal_after: Duration,
    /// How long a refused sender is asked to wait.
    pub retry_after: Duration,
    /// Id of this host: a shipper with another one is remote, and its clock may confirm ours (protocol rule 37).
    pub host_id: Option<String>,
}

impl Default for StoreConfig {
    fn default() -> StoreConfig {
        StoreConfig {
            memory_events: 50_000,
            memory_bytes: 64 << 20,
            memory_total_bytes: 96 << 20,
            memory_age: Duration::from_secs(600),
            wal_bytes: 256 << 20,
            wal_segment_bytes: 32 << 20,
            low_water_bytes: None,
            retention_age: None,
            retention_bytes: None,
            request_bytes_max: 16 << 20,
            event_bytes_max: 4 << 20,
            provisional_bytes: 32 << 20,
            provisional_event_bytes: 64 << 10,
            day_bytes: 5 << 30,
            merge_segments: 8,
            merge_idle: Duration::from_secs(10),
            merge_bytes: 96 << 20,
            merge_events: 1_000_000,
            seal_after: Duration::from_secs(3600),
            retry_after: Duration::from_secs(1),
            host_id: None,
        }
    }
}

impl StoreConfig {
    /// Free bytes kept for flush and manifests.
    pub fn low_water(&self) -> u64 {
        self.low_water_bytes.unwrap_or(self.wal_bytes.saturating_mul(2))
    }
}

/// The outside of the store's core.
#[derive(Clone)]
pub struct StoreOutside {
    /// Where it keeps everything.
    pub files: Arc<dyn Files>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// For the incarnation of a new store.
    pub rng: Arc<dyn Rng>,
    /// Opens segments at start; building is done by [`BuildJob::run`].
    pub builder: Arc<dyn SegmentBuilder>,
}

/// Tells answers apart; made by the rim, handed back with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What the core is told.
#[derive(Debug)]
pub enum StoreInput {
    /// A request came in. Its answer comes out of a later [`StoreInput::Sync`].
    Request {
        /// Comes back with the answer.
        ticket: Ticket,
        /// On whose behalf: from the token, never from the request.
        source: Source,
        /// What was sent.
        request: wire::Request,
    },
    /// Make durable what was taken, and answer.
    Sync,
    /// Time went by: once a second or so.
    Tick,
    /// Close all memory blocks into segments as soon as possible (at a clean end).
    Flush,
    /// A [`BuildJob`] has run.
    Built(BuildOutcome),
    /// A person confirmed that the wall clock is right (protocol rule 37).
    ClockConfirmed,
}

/// What the core wants done.
#[derive(Debug)]
pub enum StoreOutput {
    /// Send this answer.
    Answer {
        /// Of which request.
        ticket: Ticket,
        /// The answer; nothing in it is ahead of what is durable.
        answer: wire::Answer,
    },
    /// No answer can be given: whether the request was taken is not known (protocol rule 21). The rim answers
    /// 503 without any mark; the sender asks again.
    NoAnswer {
        /// Of which request.
        ticket: Ticket,
    },
    /// Run this, now or on another thread, and hand the outcome back as [`StoreInput::Built`].
    Build(BuildJob),
    /// Run this, now or on another thread, and send the answer it gives.
    Prove(ProveJob),
    /// What became visible, in order.
    Tail(TailBatch),
    /// The core takes nothing any more; the process must end and be started again. Said once.
    Failed(String),
}

/// What became visible with one swap of the snapshot.
#[derive(Clone, Debug, Default)]
pub struct TailBatch {
    /// In order.
    pub changes: Vec<TailChange>,
}

/// One change of what is visible.
#[derive(Clone, Debug)]
pub struct TailChange {
    /// In which partition: its owner and environment decide who may see it.
    pub partition: PartitionKey,
    /// What changed.
    pub what: TailWhat,
}

/// How an event became visible, changed or went.
#[derive(Clone, Debug)]
pub enum TailWhat {
    /// Settled. It replaces the provisional version of the same id, if one was shown.
    Closed(Arc<StoredEvent>),
    /// Still open; a later version of the same id replaces it.
    Provisional(Arc<StoredEvent>),
    /// A provisional event that will not come as event (excluded, dead or lost, or its stream went).
    Gone(EventId),
}

/// How the store stands, for `status` and `/metrics`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// New after every restore, repair or wipe.
    pub incarnation: u64,
    /// Counts starts.
    pub boot: u64,
    /// Streams in the mark table.
    pub streams: u64,
    /// Events in segments and memory.
    pub events: u64,
    /// Their raw bytes.
    pub raw_bytes: u64,
    /// Bytes of all segments on disk.
    pub segment_bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Partitions.
    pub partitions: u64,
    /// Merges since the start.
    pub merges: u64,
    /// Events in memory only (and in the WAL).
    pub memory_events: u64,
    /// Raw bytes of these.
    pub memory_bytes: u64,
    /// Provisional events shown.
    pub provisional_events: u64,
    /// Bytes of the WAL.
    pub wal_bytes: u64,
    /// Nothing new is taken for lack of space: why, for people.
    pub full: Option<String>,
    /// Retention by age waits since the clock is not trusted: why, for people (protocol rule 37).
    pub retention_waits: Option<String>,
    /// Oldest event time accepted, nanoseconds since 1970.
    pub oldest_ns: Option<i64>,
    /// The core takes nothing any more: why.
    pub failed: Option<String>,
    /// Last error of a flush that will be tried again.
    pub flush_error: Option<String>,
    /// Last error of a merge that will be tried again.
    pub merge_error: Option<String>,
}

/// Why a store cannot be opened. Nothing was changed in its folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("data folder `{}` is in use by another process: stop that one, or name another folder", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// A newer version wrote it.
    #[error("`{}` was written in format {found}, this program reads up to {known}: start the newer program that wrote it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format's version.
        found: u32,
        /// The newest one known here.
        known: u32,
    },
    /// Something is not what was written.
    #[error("`{}` is damaged: {reason}; nothing was changed: {advice}", path.display())]
    Corrupt {
        /// The file or folder.
        path: PathBuf,
        /// What does not fit.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// The WAL cannot be opened.
    #[error("failed to open the write-ahead log")]
    Wal(#[source] seglog::OpenError),
    /// The WAL cannot be read.
    #[error("failed to replay the write-ahead log")]
    Replay(#[source] ReplayError),
    /// A segment cannot be opened.
    #[error("failed to open a segment")]
    Segment(#[source] crate::store::segment::SegmentError),
    /// The file system refused.
    #[error("failed to {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
}

impl OpenError {
    /// Whether trying again later can help without anyone doing something.
    pub fn is_retryable(&self) -> bool {
        matches!(self, OpenError::Locked { .. })
    }
}
