//! Writes a segment.

use super::block::{self, Shapes};
use super::columns;
use super::container::{FILE_NAME, Writer};
use super::ids::ListsWriter;
use super::terms::TermsWriter;
use super::{FORMAT, infos, ints, rollup, varint, words};
use crate::event::StoredEvent;
use crate::query::fields::{self, FieldKind};
use crate::query::words::{fold_text, word_char_after, word_char_before};
use crate::store::segment::{Place, SegmentError, SegmentFile, SegmentMeta, StreamRow};
use crate::store::wal::event_sum;
use outside::{Files, OpenMode, Safeguard};
use parsers::{FieldId, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use wire::{LedgerSum, StreamId};

/// Builds the segment of `events` in `folder`.
pub(super) fn build(
    files: &dyn Files,
    folder: &Path,
    events: &[Arc<StoredEvent>],
) -> Result<SegmentMeta, SegmentError> {
    let mut events = events.to_vec();
    events.sort_unstable_by_key(|event| std::cmp::Reverse(Place::of(event)));
    let bytes = Sections::build(&events).map_err(|error| SegmentError::Io {
        what: "encode segment",
        path: folder.display().to_string(),
        source: error,
    })?;
    write(files, folder, &bytes)?;
    let times = (events.last().map_or(0, |event| event.time.0), events.first().map_or(0, |event| event.time.0));
    Ok(SegmentMeta {
        files: vec![SegmentFile { name: FILE_NAME.to_owned(), size: bytes.len() as u64, crc: crc32fast::hash(&bytes) }],
        events: events.len() as u64,
        raw_bytes: events.iter().map(|event| event.raw.len() as u64).sum(),
        disk_bytes: bytes.len() as u64,
        time_min_ns: times.0,
        time_max_ns: times.1,
        streams: stream_table(&events),
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

fn stream_table(events: &[Arc<StoredEvent>]) -> Vec<StreamRow> {
    let mut table: BTreeMap<StreamId, (u64, u64, LedgerSum)> = BTreeMap::new();
    for event in events {
        let (stream, offset) = (event.info.stream, event.body.offset.0);
        let row = table.entry(stream).or_insert((u64::MAX, 0, LedgerSum::default()));
        row.0 = row.0.min(offset);
        row.1 = row.1.max(offset);
        row.2 += event_sum(stream, &event.body, &event.raw);
    }
    let rows = table.into_iter().map(|(stream, (first, last, sum))| StreamRow {
        stream: stream.0,
        first,
        last,
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
    terms: TermsWriter,
    strays: Vec<u32>,
    words: String,
    starts: Vec<usize>,
    row_hashes: Vec<u32>,
}

impl Sections {
    fn build(events: &[Arc<StoredEvent>]) -> std::io::Result<Vec<u8>> {
        let mut out = Writer::default();
        let columns = columns::build(events, &mut out);
        let mut sections = Sections {
            shapes: Shapes::default(),
            block: block::Writer::default(),
            blocks: Vec::new(),
            first_rows: Vec::new(),
            ends: Vec::new(),
            uuids: ListsWriter::new(),
            hashes: ListsWriter::new(),
            terms: TermsWriter::new().map_err(std::io::Error::other)?,
            strays: Vec::new(),
            words: String::new(),
            starts: Vec::new(),
            row_hashes: Vec::new(),
        };
        let mut compressor = block::compressor()?;
        for (row, event) in events.iter().enumerate() {
            if sections.block.is_empty() {
                sections.first_rows.push(row as i64);
            }
            sections.add(row as u32, event, &columns.wide)?;
            if sections.block.is_full() {
                sections.end_block(&mut compressor)?;
            }
        }
        if !sections.block.is_empty() {
            sections.end_block(&mut compressor)?;
        }
        put_places(events, &mut out);
        let mut table = Vec::new();
        infos::put_all(&columns.infos, &mut table);
        out.add("infos", table);
        out.add("rollup", rollup::build(events));
        sections.finish(out)
    }

    fn add(&mut self, row: u32, event: &StoredEvent, wide: &BTreeSet<FieldId>) -> std::io::Result<()> {
        let text_start = fields::text_start(event);
        let text = event.raw.get(text_start..).unwrap_or_default();
        self.starts.clear();
        self.row_hashes.clear();
        self.words.clear();
        self.block.add(event, &mut self.shapes, |start, uuid| {
            self.uuids.entry(uuid);
            self.starts.push(start);
        });
        self.uuids.end_row();
        self.hash_values(event, wide);
        // UUIDs that begin before the text do not count from its first byte.
        let inside = self.starts.partition_point(|&start| start < text_start);
        let starts: Vec<usize> = self.starts[inside..].iter().map(|start| start - text_start).collect();
        words::split(text, &starts, &mut self.words, &mut self.row_hashes);
        self.terms.add(&self.words).map_err(std::io::Error::other)?;
        self.row_hashes.sort_unstable();
        self.row_hashes.dedup();
        self.row_hashes.iter().for_each(|hash| self.hashes.entry(hash.to_le_bytes()));
        self.hashes.end_row();
        if is_stray(event, text_start) {
            self.strays.push(row);
        }
        Ok(())
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

    fn finish(self, mut out: Writer) -> std::io::Result<Vec<u8>> {
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
        self.terms.finish(&mut out).map_err(std::io::Error::other)?;
        out.add("blocks", self.blocks);
        Ok(out.finish())
    }
}

fn column(numbers: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    ints::put(&mut out, numbers);
    out
}

/// Time and offset of each row; its stream is column 0.
fn put_places(events: &[Arc<StoredEvent>], out: &mut Writer) {
    out.add("times", column(&events.iter().map(|event| event.time.0).collect::<Vec<_>>()));
    out.add("offsets", column(&events.iter().map(|event| event.body.offset.0 as i64).collect::<Vec<_>>()));
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
