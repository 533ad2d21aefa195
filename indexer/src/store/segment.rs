//! The seam between the store and what is inside a segment. Behind it: tantivy ([`super::embedded`]), or
//! the naive one of the simulation.

use crate::event::StoredEvent;
use outside::Files;
use parsers::{Offset, TimeNs};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use wire::StreamId;

/// Builds segments and opens them again.
pub trait SegmentBuilder: Send + Sync + std::fmt::Debug {
    /// Writes `events` (any order) as one segment into the new, empty folder `folder`, all files synced,
    /// the folder too. Never called with no event.
    fn build(&self, files: &dyn Files, folder: &Path, events: &[Arc<StoredEvent>])
    -> Result<SegmentMeta, SegmentError>;
    /// Opens a segment that was built before, checking sizes and checksums of its files.
    fn open(&self, files: &dyn Files, folder: &Path, meta: &SegmentMeta) -> Result<Arc<dyn Segment>, SegmentError>;
}

/// An immutable set of events on disk.
pub trait Segment: Send + Sync + std::fmt::Debug {
    /// What the manifest says of it.
    fn meta(&self) -> &SegmentMeta;
}

/// What a manifest keeps of a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentMeta {
    /// Files in its folder, with size and checksum.
    pub files: Vec<SegmentFile>,
    /// Number of events.
    pub events: u64,
    /// Raw bytes of these events.
    pub raw_bytes: u64,
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// Oldest event, nanoseconds since 1970.
    pub time_min_ns: i64,
    /// Newest event.
    pub time_max_ns: i64,
    /// Stream table: a row a stream.
    pub streams: Vec<StreamRow>,
    /// Which builder wrote it, and its format's version.
    pub format: String,
}

/// One file of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentFile {
    /// Name in the segment's folder.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// CRC32 of all bytes.
    pub crc: u32,
}

/// What a segment holds of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRow {
    /// The stream.
    pub stream: u64,
    /// Offset of its first event in here.
    pub first: u64,
    /// Offset of its last event in here.
    pub last: u64,
    /// Events.
    pub events: u64,
    /// Bytes these cover in the file.
    pub bytes: u64,
    /// Ledger hash, as 32 hex digits.
    pub hash: String,
}

/// A place in the order of all events: time, then stream, then offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// `@timestamp`
    pub time: TimeNs,
    /// Stream.
    pub stream: StreamId,
    /// Offset.
    pub offset: Offset,
}

/// Why a segment cannot be built or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The file system refused.
    #[error("failed to {what} `{path}`")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or folder.
        path: String,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// The bytes are not what was written.
    #[error("segment `{path}` is damaged: {reason}")]
    Corrupt {
        /// Its folder.
        path: String,
        /// What does not fit.
        reason: String,
    },
}
