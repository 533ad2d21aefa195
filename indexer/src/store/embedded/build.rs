//! Writes a segment, of events in memory or of other segments.
//!
//! The events come twice, newest first: once for what must be known of all of them (columns, places, stream table),
//! then for what is written event by event. So only what becomes the segment is in memory, and the one event at
//! hand: merging large segments takes a fraction of what their events would.

use super::block::{self, Packing, Shapes};
use super::columns;
use super::container::{FILE_NAME, Writer};
use super::ids::ListsWriter;
use super::reader::{EmbeddedSegment, Events};
use super::terms::Dictionary;
use super::{FORMAT, infos, ints, rollup, varint, words};
use crate::event::StoredEvent;
use crate::query::fields::{self, FieldKind};
use crate::query::words::{fold_text, word_char_after, word_char_before};
use crate::store::segment::{Place, SegmentError, SegmentFile, SegmentMeta, StreamRow};
use crate::store::wal::event_sum;
use outside::{Files, OpenMode, Safeguard};
use parsers::{FieldId, Value};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::path::Path;
use std::sync::Arc;
use wire::{LedgerSum, StreamId};

/// Events that can be gone through several times, newest first.
pub(super) trait Source {
    /// How many.
    fn len(&self) -> usize;
    /// How they are to be packed.
    fn packing(&self) -> Packing;
    /// Hands each to `visit`.
    fn each(&self, visit: &mut dyn FnMut(&Arc<StoredEvent>) -> Result<(), SegmentError>) -> Result<(), SegmentError>;
}

/// Events in memory, sorted.
pub(super) struct InMemory(Vec<Arc<StoredEvent>>);

impl InMemory {
    pub(super) fn new(mut events: Vec<Arc<StoredEvent>>) -> InMemory {
        events.sort_unstable_by_key(|event| std::cmp::Reverse(Place::of(event)));
        InMemory(events)
    }
}

impl Source for InMemory {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn packing(&self) -> Packing {
        block::HOT
    }

    fn each(&self, visit: &mut dyn FnMut(&Arc<StoredEvent>) -> Result<(), SegmentError>) -> Result<(), SegmentError> {
        self.0.iter().try_for_each(visit)
    }
}

/// Segments, gone through side by side.
pub(super) struct Parts<'s>(pub(super) Vec<&'s EmbeddedSegment>);

impl Source for Parts<'_> {
    fn len(&self) -> usize {
        self.0.iter().map(|part| part.rows()).sum()
    }

    fn packing(&self) -> Packing {
        block::DENSE
    }

    fn each(&self, visit: &mut dyn FnMut(&Arc<StoredEvent>) -> Result<(), SegmentError>) -> Result<(), SegmentError> {
        let mut events = self.0.iter().map(|part| Events::passing(part)).collect::<Result<Vec<_>, _>>()?;
        let mut next: Vec<Option<Arc<StoredEvent>>> = Vec::with_capacity(events.len());
        let mut heap = BinaryHeap::new();
        for (part, events) in events.iter_mut().enumerate() {
            let first = if self.0[part].rows() > 0 { Some(events.get(0)?) } else { None };
            heap.extend(first.as_ref().map(|event| (Place::of(event), part, 0)));
            next.push(first);
        }
        while let Some((_, part, row)) = heap.pop() {
            if let Some(event) = next[part].take() {
                visit(&event)?;
            }
            let row: usize = row + 1;
            if row < self.0[part].rows() {
                let event = events[part].get(row)?;
                heap.push((Place::of(&event), part, row));
                next[part] = Some(event);
            }
        }
        Ok(())
    }
}

/// What must be known of all events before the rest is written.
struct Survey {
    columns: columns::Collector,
    rollup: rollup::Collector,
    times: Vec<i64>,
    offsets: Vec<i64>,
    raw_bytes: u64,
    streams: BTreeMap<StreamId, (u64, u64, LedgerSum)>,
}

impl Survey {
    fn of(source: &dyn Source) -> Result<Survey, SegmentError> {
        let rows = source.len();
        let mut survey = Survey {
            columns: columns::Collector::new(rows),
            rollup: rollup::Collector::default(),
            times: Vec::with_capacity(rows),
            offsets: Vec::with_capacity(rows),
            raw_bytes: 0,
            streams: BTreeMap::new(),
        };
        source.each(&mut |event| {
            survey.add(event);
            Ok(())
        })?;
        Ok(survey)
    }

    fn add(&mut self, event: &Arc<StoredEvent>) {
        self.columns.add(event);
        self.rollup.add(event);
        self.times.push(event.time.0);
        self.offsets.push(event.body.offset.0 as i64);
        self.raw_bytes += event.raw.len() as u64;
        let (stream, offset) = (event.info.stream, event.body.offset.0);
        let row = self.streams.entry(stream).or_insert((u64::MAX, 0, LedgerSum::default()));
        row.0 = row.0.min(offset);
        row.1 = row.1.max(offset);
        row.2 += event_sum(stream, &event.body, &event.raw);
    }
}

/// Builds the segment of `source` in `folder`.
pub(super) fn build(files: &dyn Files, folder: &Path, source: &dyn Source) -> Result<SegmentMeta, SegmentError> {
    let survey = Survey::of(source)?;
    let (first, last) = (survey.times.first().copied(), survey.times.last().copied());
    let (events, raw_bytes) = (survey.times.len() as u64, survey.raw_bytes);
    let streams = stream_table(&survey.streams);
    let bytes = Sections::build(folder, source, survey)?;
    write(files, folder, &bytes)?;
    Ok(SegmentMeta {
        files: vec![SegmentFile { name: FILE_NAME.to_owned(), size: bytes.len() as u64, crc: crc32fast::hash(&bytes) }],
        events,
        raw_bytes,
        disk_bytes: bytes.len() as u64,
        time_min_ns: last.unwrap_or(0),
        time_max_ns: first.unwrap_or(0),
        streams,
        format: FORMAT.to_owned(),
    })
}

fn write(files: &dyn Files, folder: &Path, bytes: &[u8]) -> Result<(), SegmentError> {
    let path = folder.join(FILE_NAME);
    let failed = |what: &'static str| {
        let path = path.display().to_string();
        move |source| SegmentError::Io { what, path, source }
    };
    let file = files.open(&path, OpenMode::CreateNew).map_err(failed("make segment file"))?;
    file.write_all_at(bytes, 0).map_err(failed("write segment file"))?;
    file.sync().map_err(failed("sync segment file"))?;
    if Safeguard::SyncFolder.holds() {
        files.sync_folder(folder).map_err(failed("sync the folder of"))?;
    }
    Ok(())
}

fn stream_table(streams: &BTreeMap<StreamId, (u64, u64, LedgerSum)>) -> Vec<StreamRow> {
    let rows = streams.iter().map(|(stream, (first, last, sum))| StreamRow {
        stream: stream.0,
        first: *first,
        last: *last,
        events: sum.events,
        bytes: sum.bytes,
        hash: format!("{:032x}", sum.hash.0),
    });
    rows.collect()
}

/// The sections that are filled event by event.
struct Sections {
    shapes: Shapes,
    block: block::Writer,
    blocks: Vec<u8>,
    /// First row of each block, and where its bytes end.
    first_rows: Vec<i64>,
    ends: Vec<i64>,
    uuids: ListsWriter<16>,
    hashes: ListsWriter<4>,
    dictionary: Dictionary,
    strays: Vec<u32>,
    splitter: words::Splitter,
    starts: Vec<usize>,
    row_hashes: Vec<u32>,
}

impl Sections {
    fn build(folder: &Path, source: &dyn Source, survey: Survey) -> Result<Vec<u8>, SegmentError> {
        let failed = |source| SegmentError::Io { what: "encode segment", path: folder.display().to_string(), source };
        let packing = source.packing();
        let mut out = Writer::default();
        out.add("times", column(&survey.times));
        out.add("offsets", column(&survey.offsets));
        drop((survey.times, survey.offsets));
        let columns = survey.columns.finish(&mut out);
        let mut table = Vec::new();
        infos::put_all(&columns.infos, &mut table);
        out.add("infos", table);
        out.add("rollup", survey.rollup.finish());
        let mut sections = Sections::new();
        let mut compressor = block::compressor(packing).map_err(failed)?;
        let mut row = 0;
        source.each(&mut |event| {
            if sections.block.is_empty() {
                sections.first_rows.push(i64::from(row));
            }
            sections.add(row, event, &columns.wide);
            row += 1;
            if sections.block.is_full(packing) { sections.end_block(&mut compressor).map_err(failed) } else { Ok(()) }
        })?;
        if !sections.block.is_empty() {
            sections.end_block(&mut compressor).map_err(failed)?;
        }
        sections.finish(row, out).map_err(failed)
    }

    fn new() -> Sections {
        Sections {
            shapes: Shapes::default(),
            block: block::Writer::default(),
            blocks: Vec::new(),
            first_rows: Vec::new(),
            ends: Vec::new(),
            uuids: ListsWriter::new(),
            hashes: ListsWriter::new(),
            dictionary: Dictionary::default(),
            strays: Vec::new(),
            splitter: words::Splitter::default(),
            starts: Vec::new(),
            row_hashes: Vec::new(),
        }
    }

    fn add(&mut self, row: u32, event: &StoredEvent, wide: &BTreeSet<FieldId>) {
        let text_start = fields::text_start(event);
        let text = event.raw.get(text_start..).unwrap_or_default();
        self.starts.clear();
        self.row_hashes.clear();
        self.block.add(event, &mut self.shapes, |start, uuid| {
            self.uuids.entry(uuid);
            self.starts.push(start);
        });
        self.uuids.end_row();
        self.hash_values(event, wide);
        // UUIDs that begin before the text do not count from its first byte.
        let inside = self.starts.partition_point(|&start| start < text_start);
        let starts: Vec<usize> = self.starts[inside..].iter().map(|start| start - text_start).collect();
        let text = words::Text { row, bytes: text, uuid_starts: &starts };
        self.splitter.split(text, &mut self.dictionary, &mut self.row_hashes);
        self.row_hashes.sort_unstable();
        self.row_hashes.dedup();
        self.row_hashes.iter().for_each(|hash| self.hashes.entry(hash.to_le_bytes()));
        self.hashes.end_row();
        if is_stray(event, text_start) {
            self.strays.push(row);
        }
    }

    /// Values of wide fields, unless they are UUIDs that were taken out.
    fn hash_values(&mut self, event: &StoredEvent, wide: &BTreeSet<FieldId>) {
        if wide.is_empty() {
            return;
        }
        for field in event.body.fields.iter().filter(|field| wide.contains(&field.id)) {
            if let Value::Span { start, len } = field.value
                && len as usize == super::uuids::TEXT
                && self.starts.binary_search(&(start as usize)).is_ok()
            {
                continue;
            }
            let Some(name) = field.id.name() else { continue };
            let bytes = columns::bytes_of(event, &field.value);
            let folded = fold_text(&String::from_utf8_lossy(&bytes));
            self.row_hashes.push(words::value_hash(name, &folded));
        }
    }

    fn end_block(&mut self, compressor: &mut zstd::bulk::Compressor<'_>) -> std::io::Result<()> {
        self.blocks.extend_from_slice(&self.block.finish(compressor)?);
        self.ends.push(self.blocks.len() as i64);
        Ok(())
    }

    fn finish(self, rows: u32, mut out: Writer) -> std::io::Result<Vec<u8>> {
        let mut shapes = Vec::new();
        self.shapes.put(&mut shapes);
        out.add("shapes", shapes);
        out.add("blocks/rows", column(&self.first_rows));
        out.add("blocks/ends", column(&self.ends));
        out.add("uuids", self.uuids.finish());
        out.add("hashes", self.hashes.finish());
        let mut strays = Vec::new();
        self.strays.iter().for_each(|&row| varint::put(&mut strays, u64::from(row)));
        out.add("strays", strays);
        self.dictionary.finish(rows, &mut out).map_err(std::io::Error::other)?;
        out.add("blocks", self.blocks);
        Ok(out.finish())
    }
}

fn column(numbers: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    ints::put(&mut out, numbers);
    out
}

/// Whether a field of free text has words that are not words of the event's text: it stands elsewhere, or
/// its edge cuts a word.
fn is_stray(event: &StoredEvent, text_start: usize) -> bool {
    event.body.fields.iter().any(|field| {
        if field.id.name().is_none_or(|name| fields::kind(name) != FieldKind::Text) {
            return false;
        }
        let Value::Span { start, len } = field.value else { return true };
        let (start, end) = (start as usize, (start as usize).saturating_add(len as usize));
        let cuts = |at: usize| at > text_start && word_char_before(&event.raw, at) && word_char_after(&event.raw, at);
        start < text_start || end > event.raw.len() || cuts(start) || cuts(end)
    })
}
