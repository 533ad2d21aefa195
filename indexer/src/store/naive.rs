//! The naive segment: all its events in one checksummed file, read whole into memory. For simulation, where
//! thousands of stores live and die in a second; it answers by running the matcher over every event.
//!
//! File `events`: a whole file (see [`crate::store::manifest`]) whose body is the different streams' facts,
//! then each event with the number of its stream, in the form of [`crate::store::wal::coding`].

use super::manifest::{FileKind, ReadFailure, read_whole, replace_whole, whole_bytes};
use super::segment::{
    Budget, Ended, Hit, Order, Place, PlainEvents, Question, Row, Segment, SegmentBuilder, SegmentError, SegmentFile,
    SegmentMeta, StreamRow, Tally,
};
use super::wal::coding::{Reader, Unreadable, Writer};
use super::wal::event_sum;
use crate::event::{StoredEvent, StreamInfo};
use bytes::Bytes;
use outside::Files;
use parsers::Offset;
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::{LedgerSum, StreamId};

const FILE: &str = "events";
const KIND: FileKind = FileKind { magic: *b"CTNAIVE\n", version: 1 };
const FORMAT: &str = "naive 1";

/// Builds and opens naive segments.
#[derive(Clone, Copy, Debug, Default)]
pub struct NaiveBuilder;

/// A naive segment.
#[derive(Debug)]
struct NaiveSegment {
    folder: PathBuf,
    meta: SegmentMeta,
    events: PlainEvents,
}

impl SegmentBuilder for NaiveBuilder {
    fn build(
        &self,
        files: &dyn Files,
        folder: &Path,
        events: &[Arc<StoredEvent>],
    ) -> Result<SegmentMeta, SegmentError> {
        let path = folder.join(FILE);
        let body = encode(events);
        replace_whole(files, &path, KIND, &body).map_err(|failure| SegmentError::Io {
            what: "write",
            path: path.display().to_string(),
            source: failure.into_io(),
        })?;
        let bytes = whole_bytes(KIND, &body);
        let file = SegmentFile { name: FILE.to_owned(), size: bytes.len() as u64, crc: crc32fast::hash(&bytes) };
        Ok(SegmentMeta {
            events: events.len() as u64,
            raw_bytes: events.iter().map(|event| event.raw.len() as u64).sum(),
            disk_bytes: file.size,
            files: vec![file],
            time_min_ns: events.iter().map(|event| event.time.0).min().unwrap_or(0),
            time_max_ns: events.iter().map(|event| event.time.0).max().unwrap_or(0),
            streams: stream_table(events),
            format: FORMAT.to_owned(),
        })
    }

    fn open(&self, files: &dyn Files, folder: &Path, meta: &SegmentMeta) -> Result<Arc<dyn Segment>, SegmentError> {
        let path = folder.join(FILE);
        let corrupt = |reason: String| SegmentError::Corrupt { path: folder.display().to_string(), reason };
        let body = read_whole(files, &path, KIND).map_err(|failure| match failure {
            ReadFailure::Missing => corrupt(format!("its file `{FILE}` is missing")),
            ReadFailure::Newer { found, .. } => corrupt(format!("its format {found} is newer than this program")),
            ReadFailure::Corrupt(reason) => corrupt(reason),
            ReadFailure::Io(source) => SegmentError::Io { what: "read", path: path.display().to_string(), source },
        })?;
        let events = decode(body).map_err(|reason| corrupt(reason.to_string()))?;
        if events.len() as u64 != meta.events {
            return Err(corrupt(format!("it has {} events, its manifest says {}", events.len(), meta.events)));
        }
        Ok(Arc::new(NaiveSegment { folder: folder.to_owned(), meta: meta.clone(), events: PlainEvents::new(events) }))
    }
}

impl Segment for NaiveSegment {
    fn meta(&self) -> &SegmentMeta {
        &self.meta
    }

    fn scan(
        &self,
        question: &Question<'_>,
        order: Order,
        after: Option<Place>,
        budget: &Budget,
        visit: &mut dyn FnMut(Hit) -> ControlFlow<()>,
    ) -> Result<Ended, SegmentError> {
        Ok(self.events.scan(question, order, after, budget, visit))
    }

    fn event(&self, row: Row) -> Result<Arc<StoredEvent>, SegmentError> {
        self.events.event(row, &self.folder)
    }

    fn stream_rows(&self, stream: StreamId, offsets: Range<Offset>) -> Result<Vec<(Offset, Row)>, SegmentError> {
        Ok(self.events.stream_rows(stream, &offsets))
    }

    fn fields(&self, _budget: &Budget) -> Result<Tally<BTreeMap<String, u64>>, SegmentError> {
        Ok(Tally { value: self.events.fields(), exhausted: None })
    }
}

/// A segment's stream table, by stream.
fn stream_table(events: &[Arc<StoredEvent>]) -> Vec<StreamRow> {
    let mut rows: BTreeMap<StreamId, (u64, u64, LedgerSum)> = BTreeMap::new();
    for event in events {
        let offset = event.body.offset.0;
        let row = rows.entry(event.info.stream).or_insert((offset, offset, LedgerSum::default()));
        row.0 = row.0.min(offset);
        row.1 = row.1.max(offset);
        row.2 += event_sum(event.info.stream, &event.body, &event.raw);
    }
    let rows = rows.into_iter().map(|(stream, (first, last, sum))| StreamRow {
        stream: stream.0,
        first,
        last,
        events: sum.events,
        bytes: sum.bytes,
        hash: format!("{:032x}", sum.hash.0),
    });
    rows.collect()
}

fn encode(events: &[Arc<StoredEvent>]) -> Vec<u8> {
    let mut infos: Vec<&Arc<StreamInfo>> = Vec::new();
    let mut numbers = Vec::with_capacity(events.len());
    for event in events {
        let known = infos.iter().position(|info| Arc::ptr_eq(info, &event.info));
        numbers.push(known.unwrap_or_else(|| {
            infos.push(&event.info);
            infos.len() - 1
        }));
    }
    let mut w = Writer::default();
    w.list(infos.into_iter(), |w, info| w.info(info));
    w.list(events.iter().zip(numbers), |w, (event, number)| {
        w.number(number as u64);
        w.stored(event);
    });
    w.0
}

fn decode(body: Vec<u8>) -> Result<Vec<Arc<StoredEvent>>, Unreadable> {
    let mut r = Reader(Bytes::from(body));
    let infos = r.list(|r| Ok(Arc::new(r.info()?)))?;
    r.list(|r| {
        let info = infos.get(r.number()? as usize).ok_or(Unreadable("a stream's number"))?;
        Ok(Arc::new(r.stored(Arc::clone(info))?))
    })
}
