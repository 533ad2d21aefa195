//! An open segment: its sections, read when they are first needed.

use super::block::{Beside, Block, Shapes};
use super::cache::BlockCache;
use super::container::Container;
use super::ids::Lists;
use super::ints::Ints;
use super::shape::Shape;
use super::terms::Terms;
use super::varint::Reader;
use super::{columns, infos, rollup, uuids};
use crate::event::{StoredEvent, StreamInfo};
use crate::store::segment::{Place, Row, SegmentError, SegmentMeta};
use parsers::{Offset, TimeNs};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tantivy::directory::OwnedBytes;

/// A segment on disk.
#[derive(Debug)]
pub(super) struct EmbeddedSegment {
    pub(super) meta: SegmentMeta,
    container: Container,
    cache: Arc<BlockCache>,
    /// Tells this open segment's blocks from others' in the cache.
    number: u64,
    terms: OnceLock<Terms>,
    shapes: OnceLock<Vec<Shape>>,
    infos: OnceLock<Vec<Arc<StreamInfo>>>,
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// The columns that make a row's place, opened once for many rows.
pub(super) struct Places<'s> {
    times: Ints<'s>,
    streams: Ints<'s>,
    offsets: Ints<'s>,
    infos: &'s [Arc<StreamInfo>],
}

impl Places<'_> {
    pub(super) fn of(&self, row: usize) -> Place {
        let info = self.infos.get(self.streams.get(row) as usize);
        Place {
            time: TimeNs(self.times.get(row)),
            stream: info.map(|info| info.stream).unwrap_or_default(),
            offset: Offset(self.offsets.get(row) as u64),
        }
    }

    /// The rows before the result come before `place` in newest-first order (or are it, if `with`).
    pub(super) fn rows_before(&self, place: Place, with: bool) -> usize {
        let (mut low, mut high) = (0, self.times.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let found = self.of(middle);
            if found > place || (with && found == place) { low = middle + 1 } else { high = middle }
        }
        low
    }
}

impl EmbeddedSegment {
    pub(super) fn open(
        folder: &Path,
        bytes: OwnedBytes,
        meta: SegmentMeta,
        cache: Arc<BlockCache>,
    ) -> Result<EmbeddedSegment, SegmentError> {
        let container = Container::open(folder, bytes)?;
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        let (terms, shapes, infos) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        let segment = EmbeddedSegment { meta, container, cache, number, terms, shapes, infos };
        // Only its length: it is checked when it is used.
        let times = Ints::open(segment.container.unchecked_section("times")?);
        let rows = times.map_or(0, |times| times.len());
        if rows as u64 != segment.meta.events {
            return Err(segment.container.corrupt(&format!("it has {rows} events instead of {}", segment.meta.events)));
        }
        Ok(segment)
    }

    pub(super) fn container(&self) -> &Container {
        &self.container
    }

    /// Number of events.
    pub(super) fn rows(&self) -> usize {
        self.meta.events as usize
    }

    pub(super) fn terms(&self) -> Result<&Terms, SegmentError> {
        once(&self.terms, || Terms::open(&self.container))
    }

    pub(super) fn infos(&self) -> Result<&[Arc<StreamInfo>], SegmentError> {
        let read = || infos::read_all(self.container.section("infos")?).ok_or_else(|| self.senseless("infos"));
        once(&self.infos, read).map(Vec::as_slice)
    }

    fn shapes(&self) -> Result<&[Shape], SegmentError> {
        let read = || Shapes::read(self.container.section("shapes")?).ok_or_else(|| self.senseless("shapes"));
        once(&self.shapes, read).map(Vec::as_slice)
    }

    pub(super) fn times(&self) -> Result<Ints<'_>, SegmentError> {
        self.ints("times")
    }

    pub(super) fn offsets(&self) -> Result<Ints<'_>, SegmentError> {
        self.ints("offsets")
    }

    /// For each row, the number of its stream among [`EmbeddedSegment::infos`].
    pub(super) fn streams(&self) -> Result<Ints<'_>, SegmentError> {
        columns::open_column(&self.container, columns::STREAMS).map(|(rows, _, _)| rows)
    }

    pub(super) fn uuids(&self) -> Result<Lists<'_, 16>, SegmentError> {
        Lists::open(self.container.section("uuids")?).ok_or_else(|| self.senseless("uuids"))
    }

    pub(super) fn hashes(&self) -> Result<Lists<'_, 4>, SegmentError> {
        Lists::open(self.container.section("hashes")?).ok_or_else(|| self.senseless("hashes"))
    }

    pub(super) fn strays(&self) -> Result<Vec<u32>, SegmentError> {
        let mut reader = Reader(self.container.section("strays")?);
        Ok(std::iter::from_fn(|| reader.number().map(|row| row as u32)).collect())
    }

    pub(super) fn rollup(&self) -> Result<Vec<(TimeNs, [u64; rollup::LEVELS])>, SegmentError> {
        rollup::read(self.container.section("rollup")?).ok_or_else(|| self.senseless("rollup"))
    }

    pub(super) fn places(&self) -> Result<Places<'_>, SegmentError> {
        let (times, streams, offsets) = (self.times()?, self.streams()?, self.offsets()?);
        Ok(Places { times, streams, offsets, infos: self.infos()? })
    }

    fn ints(&self, name: &str) -> Result<Ints<'_>, SegmentError> {
        Ints::open(self.container.section(name)?).ok_or_else(|| self.senseless(name))
    }

    fn senseless(&self, name: &str) -> SegmentError {
        self.container.corrupt(&format!("section `{name}` does not make sense"))
    }

    pub(super) fn read_event(&self, row: Row) -> Result<Arc<StoredEvent>, SegmentError> {
        Events::new(self)?.get(row.0 as usize)
    }
}

/// The sections that an event is put together from, opened once for many events.
pub(super) struct Events<'s> {
    segment: &'s EmbeddedSegment,
    shapes: &'s [Shape],
    uuids: Lists<'s, 16>,
    places: Places<'s>,
    first_rows: Ints<'s>,
    ends: Ints<'s>,
    blocks: &'s [u8],
    /// The block used last, and the rows in it.
    current: Option<(Range<usize>, Arc<Block>)>,
    /// Whether blocks are kept for the next query.
    caching: bool,
}

impl<'s> Events<'s> {
    pub(super) fn new(segment: &'s EmbeddedSegment) -> Result<Events<'s>, SegmentError> {
        Ok(Events {
            segment,
            shapes: segment.shapes()?,
            uuids: segment.uuids()?,
            places: segment.places()?,
            first_rows: segment.ints("blocks/rows")?,
            ends: segment.ints("blocks/ends")?,
            blocks: segment.container.unchecked_section("blocks")?,
            current: None,
            caching: true,
        })
    }

    /// For reading all events in order, once: what queries use stays in the cache.
    pub(super) fn passing(segment: &'s EmbeddedSegment) -> Result<Events<'s>, SegmentError> {
        Ok(Events { caching: false, ..Events::new(segment)? })
    }

    /// Whether the block of a row is at hand.
    pub(super) fn is_at_hand(&self, row: usize) -> bool {
        self.current.as_ref().is_some_and(|(rows, _)| rows.contains(&row))
    }

    /// One event.
    pub(super) fn get(&mut self, row: usize) -> Result<Arc<StoredEvent>, SegmentError> {
        if row >= self.segment.rows() {
            let reason = format!("event {row} of {} was asked for", self.segment.rows());
            return Err(self.segment.container.corrupt(&reason));
        }
        let senseless = |name| self.segment.senseless(name);
        let (first, block) = match &self.current {
            Some((rows, block)) if rows.contains(&row) => (rows.start, block),
            _ => {
                let found = self.block_of(row)?;
                let (rows, block) = self.current.insert(found);
                (rows.start, &*block)
            }
        };
        let Places { times, streams, offsets, infos } = &self.places;
        let info = infos.get(streams.get(row) as usize).ok_or_else(|| senseless("column/0"))?;
        let beside = Beside {
            info: Arc::clone(info),
            offset: Offset(offsets.get(row) as u64),
            time: TimeNs(times.get(row)),
            uuids: self.uuids.row(row).collect::<Vec<uuids::Uuid>>(),
        };
        let event = block.event(row - first, beside, self.shapes);
        event.map(Arc::new).ok_or_else(|| senseless("blocks"))
    }

    fn block_of(&self, row: usize) -> Result<(Range<usize>, Arc<Block>), SegmentError> {
        let number = self.first_rows.partition_point(|first| first <= row as i64).saturating_sub(1);
        let next = number + 1;
        let end = if next < self.first_rows.len() { self.first_rows.get(next) as usize } else { self.segment.rows() };
        let rows = self.first_rows.get(number) as usize..end;
        if !rows.contains(&row) {
            return Err(self.segment.senseless("blocks/rows"));
        }
        let key = (self.segment.number, number);
        if self.caching
            && let Some(block) = self.segment.cache.get(key)
        {
            return Ok((rows, block));
        }
        let start = number.checked_sub(1).map_or(0, |before| self.ends.get(before)) as usize;
        let bytes = self.blocks.get(start..self.ends.get(number) as usize);
        let bytes = bytes.ok_or_else(|| self.segment.senseless("blocks/ends"))?;
        let block = Block::open(bytes, self.shapes).map_err(|reason| self.segment.container.corrupt(reason))?;
        let block = Arc::new(block);
        if self.caching {
            self.segment.cache.put(key, &block);
        }
        Ok((rows, block))
    }
}

/// Reads what was not read before. Two threads may read at once; one of them wins.
fn once<T>(cell: &OnceLock<T>, read: impl FnOnce() -> Result<T, SegmentError>) -> Result<&T, SegmentError> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = read()?;
    Ok(cell.get_or_init(|| value))
}
