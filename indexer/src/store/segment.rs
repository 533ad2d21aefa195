//! The seam between the store and what is inside a segment. Behind it: tantivy ([`super::embedded`]), or
//! the naive one of the simulation.
//!
//! What a segment answers is defined once: as if [`crate::query::Matcher::matches`] were run on each of its events. The
//! provided methods are that definition; [`plain::PlainEvents`] is it on events in memory. An implementation
//! may be faster, never different.

mod budget;
mod plain;
mod search;

pub use budget::{Budget, Exhausted};
pub use plain::PlainEvents;
pub use search::{Bucket, Ended, Facet, FacetRequest, Hit, Order, Question, Row, Tally, Window};

use crate::event::StoredEvent;
use crate::query::fields;
use outside::Files;
use parsers::{Offset, TimeNs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;
use wire::StreamId;

/// Builds segments and opens them again.
pub trait SegmentBuilder: Send + Sync + std::fmt::Debug {
    /// Writes `events` (any order) as one segment into the new, empty folder `folder`, all files synced,
    /// the folder too. Never called with no event.
    fn build(&self, files: &dyn Files, folder: &Path, events: &[Arc<StoredEvent>])
    -> Result<SegmentMeta, SegmentError>;
    /// Writes the events of `segments` as one segment into the new, empty folder `folder`, durable as with
    /// [`SegmentBuilder::build`]. Whoever asks bounds their bytes.
    fn merge(
        &self,
        files: &dyn Files,
        folder: &Path,
        segments: &[Arc<dyn Segment>],
    ) -> Result<SegmentMeta, SegmentError> {
        let mut events = Vec::new();
        for segment in segments {
            segment.each_event(&mut |event| events.push(event))?;
        }
        self.build(files, folder, &events)
    }
    /// Opens a segment that was built before, checking sizes and checksums of its files.
    fn open(&self, files: &dyn Files, folder: &Path, meta: &SegmentMeta) -> Result<Arc<dyn Segment>, SegmentError>;
}

/// An immutable set of events on disk.
pub trait Segment: Send + Sync + std::fmt::Debug {
    /// What the manifest says of it.
    fn meta(&self) -> &SegmentMeta;

    /// Itself, for the builder that made it and may know a shorter way to its events.
    fn as_any(&self) -> Option<&dyn std::any::Any> {
        None
    }

    /// Hands the matching events after the place `after` to `visit`, in `order`, until it breaks.
    fn scan(
        &self,
        question: &Question<'_>,
        order: Order,
        after: Option<Place>,
        budget: &Budget,
        visit: &mut dyn FnMut(Hit) -> ControlFlow<()>,
    ) -> Result<Ended, SegmentError>;

    /// One event.
    fn event(&self, row: Row) -> Result<Arc<StoredEvent>, SegmentError>;

    /// Hands all its events to `visit`, in any order.
    fn each_event(&self, visit: &mut dyn FnMut(Arc<StoredEvent>)) -> Result<(), SegmentError> {
        (0..self.meta().events).try_for_each(|row| {
            visit(self.event(Row(row as u32))?);
            Ok(())
        })
    }

    /// The rows of a stream's events that begin inside `offsets`, by offset.
    fn stream_rows(&self, stream: StreamId, offsets: Range<Offset>) -> Result<Vec<(Offset, Row)>, SegmentError>;

    /// Every field its events have, with the number of events that have it (or a smaller one where only
    /// counting them would need a look at all events).
    fn fields(&self, budget: &Budget) -> Result<Tally<BTreeMap<String, u64>>, SegmentError>;

    /// How many events match.
    fn count(&self, question: &Question<'_>, budget: &Budget) -> Result<Tally<u64>, SegmentError> {
        let mut count = 0;
        let ended = self.scan(question, Order::Newest, None, budget, &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(Tally { value: count, exhausted: ended.exhausted() })
    }

    /// How many events match in each of the times `bounds[i]..bounds[i + 1]`, and with which values of the
    /// field `by`. An event with two values of it is counted with both.
    fn histogram(
        &self,
        question: &Question<'_>,
        bounds: &[TimeNs],
        by: Option<&str>,
        budget: &Budget,
    ) -> Result<Tally<Vec<Bucket>>, SegmentError> {
        let mut buckets = vec![Bucket::default(); bounds.len().saturating_sub(1)];
        let mut failed = None;
        let window = question.window.inside(bounds);
        let ended = self.scan(&Question { window, ..*question }, Order::Newest, None, budget, &mut |hit| {
            let at = bounds.partition_point(|&bound| bound <= hit.place.time);
            let Some(bucket) = at.checked_sub(1).and_then(|i| buckets.get_mut(i)) else {
                return ControlFlow::Continue(());
            };
            bucket.count += 1;
            let Some(field) = by else { return ControlFlow::Continue(()) };
            match hit.event.map_or_else(|| self.event(hit.row), Ok) {
                Ok(event) => each_value(&event, field, &mut |value| *bucket.by.entry(value).or_default() += 1),
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        failed.map_or(Ok(Tally { value: buckets, exhausted: ended.exhausted() }), Err)
    }

    /// The values of fields in the matching events, with the number of events that have them; one answer a request.
    fn facets(
        &self,
        question: &Question<'_>,
        requests: &[FacetRequest<'_>],
        budget: &Budget,
    ) -> Result<Tally<Vec<Facet>>, SegmentError> {
        let mut facets = vec![Facet::default(); requests.len()];
        let mut failed = None;
        let ended = self.scan(question, Order::Newest, None, budget, &mut |hit| match hit
            .event
            .map_or_else(|| self.event(hit.row), Ok)
        {
            Ok(event) => {
                for (facet, request) in facets.iter_mut().zip(requests) {
                    each_value(&event, request.field, &mut |value| facet.add(request, value, 1));
                }
                ControlFlow::Continue(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })?;
        failed.map_or(Ok(Tally { value: facets, exhausted: ended.exhausted() }), Err)
    }
}

/// The different values of one field of an event, as text.
pub fn each_value(event: &StoredEvent, field: &str, each: &mut dyn FnMut(String)) {
    let mut seen: Vec<String> = Vec::new();
    fields::any_value(event, field, &mut |value| {
        let value = value.text().into_owned();
        if !seen.contains(&value) {
            seen.push(value);
        }
        false
    });
    seen.into_iter().for_each(each);
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

impl SegmentError {
    /// Whether the same can succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, SegmentError::Io { .. })
    }
}

impl Place {
    /// The place of an event.
    pub fn of(event: &StoredEvent) -> Place {
        Place { time: event.time, stream: event.info.stream, offset: event.body.offset }
    }
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
    /// Written by a newer version; nothing was changed.
    #[error(
        "segment `{path}` has version {found}, this program reads up to {known}: start the newer program that wrote it"
    )]
    Newer {
        /// Its folder.
        path: String,
        /// The version found.
        found: u32,
        /// The newest one known here.
        known: u32,
    },
    /// The bytes are not what was written.
    #[error("segment `{path}` is damaged: {reason}; restore its folder from a backup")]
    Corrupt {
        /// Its folder.
        path: String,
        /// What does not fit.
        reason: String,
    },
}
