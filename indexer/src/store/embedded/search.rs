//! Answers: scans with an early end, counts, histograms, facets.

use super::bits::{Bits, CHUNK};
use super::columns::{self, Column, FieldColumn};
use super::plan::{Marks, Node, plan};
use super::reader::{EmbeddedSegment, Events};
use super::rollup;
use crate::event::StoredEvent;
use crate::query::fields::level_name;
use crate::store::segment::{
    Bucket, Budget, Ended, Exhausted, Facet, FacetRequest, Hit, Order, Place, Question, Row, Segment, SegmentError,
    SegmentMeta, Tally, Window, each_value,
};
use parsers::{Level, Offset, TimeNs};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use wire::StreamId;

/// Bytes a chunk's rows count for in the budget, events not looked at.
const CHUNK_BYTES: u64 = CHUNK as u64 * 4;

/// Why the rows of a chunk are not all known.
enum Halt {
    Failed(SegmentError),
    Exhausted(Exhausted),
}

impl From<SegmentError> for Halt {
    fn from(error: SegmentError) -> Halt {
        Halt::Failed(error)
    }
}

impl From<Exhausted> for Halt {
    fn from(why: Exhausted) -> Halt {
        Halt::Exhausted(why)
    }
}

/// One query at work on one segment.
struct Work<'s, 'q> {
    segment: &'s EmbeddedSegment,
    question: &'q Question<'q>,
    budget: &'q Budget,
    root: Node<'s>,
    /// For rows that must be looked at; opened for the first.
    events: Option<Events<'s>>,
}

impl<'s, 'q> Work<'s, 'q> {
    fn new(
        segment: &'s EmbeddedSegment,
        question: &'q Question<'q>,
        budget: &'q Budget,
    ) -> Result<Work<'s, 'q>, SegmentError> {
        let root = plan(segment, question.matcher.query())?;
        Ok(Work { segment, question, budget, root, events: None })
    }

    /// The event of a row, if it satisfies the query.
    fn verify(&mut self, row: usize) -> Result<Option<Arc<StoredEvent>>, Halt> {
        let events = match &mut self.events {
            Some(events) => events,
            none => none.insert(Events::new(self.segment)?),
        };
        if !events.is_at_hand(row) {
            self.budget.spend(super::block::BYTES as u64)?;
        }
        let event = events.get(row)?;
        Ok(self.question.matcher.matches(&event).then_some(event))
    }

    /// Exactly the matching rows of `from..to`, at most a chunk.
    fn matching(&mut self, from: usize, to: usize) -> Result<Bits, Halt> {
        self.budget.spend(CHUNK_BYTES)?;
        let Marks { mut must, mut may } = self.root.mark(from, to)?;
        may.and_not(&must);
        let open: Vec<usize> = may.rows().collect();
        for row in open {
            if self.verify(from + row)?.is_some() {
                must.set(row);
            }
        }
        Ok(must)
    }

    /// Calls `each` with the matching rows of each chunk of `rows`, newest first.
    fn each_chunk(
        &mut self,
        rows: &Range<usize>,
        each: &mut dyn FnMut(usize, &Bits) -> Result<(), Halt>,
    ) -> Result<Option<Exhausted>, SegmentError> {
        let mut from = rows.start;
        while from < rows.end {
            let to = (from + CHUNK).min(rows.end);
            match self.matching(from, to).and_then(|bits| each(from, &bits)) {
                Ok(()) => {}
                Err(Halt::Exhausted(why)) => return Ok(Some(why)),
                Err(Halt::Failed(error)) => return Err(error),
            }
            from = to;
        }
        Ok(None)
    }

    /// Hands the hits of `from..to` to `visit` in order; `reached` follows.
    fn scan_chunk(
        &mut self,
        chunk: Range<usize>,
        order: Order,
        reached: &mut Option<usize>,
        visit: &mut dyn FnMut(usize, Option<Arc<StoredEvent>>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Halt> {
        self.budget.spend(CHUNK_BYTES)?;
        let Marks { must, may } = self.root.mark(chunk.start, chunk.end)?;
        let mut step = |row: usize| -> Result<ControlFlow<()>, Halt> {
            let event = if must.has(row) {
                None
            } else {
                match self.verify(chunk.start + row)? {
                    Some(event) => Some(event),
                    None => return Ok(ControlFlow::Continue(())),
                }
            };
            let flow = visit(chunk.start + row, event);
            *reached = Some(chunk.start + row);
            Ok(flow)
        };
        let rows: &mut dyn Iterator<Item = usize> = match order {
            Order::Newest => &mut may.rows(),
            Order::Oldest => &mut may.rows().rev(),
        };
        for row in rows {
            if step(row)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        *reached = Some(match order {
            Order::Newest => chunk.end - 1,
            Order::Oldest => chunk.start,
        });
        Ok(ControlFlow::Continue(()))
    }
}

impl EmbeddedSegment {
    /// The rows of a question's window.
    fn window_rows(&self, question: &Question<'_>) -> Result<Range<usize>, SegmentError> {
        let times = self.times()?;
        let start = question.window.to.map_or(0, |to| times.partition_point(|time| time >= to.0));
        let end = question.window.from.map_or(times.len(), |from| times.partition_point(|time| time >= from.0));
        Ok(start..end.max(start))
    }

    /// The column of a field, for counting by its values.
    fn column(&self, field: &str) -> Result<Option<FieldColumn<'_>>, SegmentError> {
        Ok(match columns::open(self.container(), field)? {
            FieldColumn::Hashed { .. } | FieldColumn::Loose { .. } => None,
            known => Some(known),
        })
    }
}

impl Segment for EmbeddedSegment {
    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }

    fn meta(&self) -> &SegmentMeta {
        &self.meta
    }

    fn each_event(&self, visit: &mut dyn FnMut(Arc<StoredEvent>)) -> Result<(), SegmentError> {
        let mut events = Events::passing(self)?;
        (0..self.rows()).try_for_each(|row| {
            visit(events.get(row)?);
            Ok(())
        })
    }

    fn scan(
        &self,
        question: &Question<'_>,
        order: Order,
        after: Option<Place>,
        budget: &Budget,
        visit: &mut dyn FnMut(Hit) -> ControlFlow<()>,
    ) -> Result<Ended, SegmentError> {
        let places = self.places()?;
        let mut rows = self.window_rows(question)?;
        match (order, after) {
            (Order::Newest, Some(after)) => rows.start = rows.start.max(places.rows_before(after, true)),
            (Order::Oldest, Some(after)) => rows.end = rows.end.min(places.rows_before(after, false)),
            (_, None) => {}
        }
        let mut work = Work::new(self, question, budget)?;
        let mut reached = None;
        let mut visit_row = |row: usize, event| visit(Hit { place: places.of(row), row: Row(row as u32), event });
        while rows.start < rows.end {
            let chunk = match order {
                Order::Newest => rows.start..(rows.start + CHUNK).min(rows.end),
                Order::Oldest => rows.end.saturating_sub(CHUNK).max(rows.start)..rows.end,
            };
            match order {
                Order::Newest => rows.start = chunk.end,
                Order::Oldest => rows.end = chunk.start,
            }
            match work.scan_chunk(chunk, order, &mut reached, &mut visit_row) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return Ok(Ended::Stopped),
                Err(Halt::Failed(error)) => return Err(error),
                Err(Halt::Exhausted(why)) => {
                    return Ok(Ended::Exhausted { why, reached: reached.map(|row| places.of(row)) });
                }
            }
        }
        Ok(Ended::Complete)
    }

    fn event(&self, row: Row) -> Result<Arc<StoredEvent>, SegmentError> {
        self.read_event(row)
    }

    fn stream_rows(&self, stream: StreamId, offsets: Range<Offset>) -> Result<Vec<(Offset, Row)>, SegmentError> {
        let held = self.meta.streams.iter().find(|row| row.stream == stream.0);
        if held.is_none_or(|held| offsets.start.0 > held.last || offsets.end.0 <= held.first) {
            return Ok(Vec::new());
        }
        let wanted: Vec<bool> = self.infos()?.iter().map(|info| info.stream == stream).collect();
        let places = self.offsets()?;
        let mut rows = Vec::new();
        self.streams()?.each(0, self.rows(), &mut |row, ordinal| {
            if wanted.get(ordinal as usize) == Some(&true) {
                let offset = Offset(places.get(row) as u64);
                if offsets.contains(&offset) {
                    rows.push((offset, Row(row as u32)));
                }
            }
        });
        rows.sort_unstable();
        Ok(rows)
    }

    fn fields(&self, _budget: &Budget) -> Result<Tally<BTreeMap<String, u64>>, SegmentError> {
        let mut counts = BTreeMap::new();
        for name in columns::names(self.container()) {
            let rows = match columns::open(self.container(), name)? {
                FieldColumn::Absent => 0,
                FieldColumn::Hashed { rows } | FieldColumn::Loose { rows } => rows,
                FieldColumn::Column(column) => {
                    let with = column.counts().zip(column.values()).filter(|(_, values)| !values.is_empty());
                    with.map(|(count, _)| count).sum()
                }
            };
            counts.insert(name.to_owned(), rows);
        }
        Ok(Tally { value: counts, exhausted: None })
    }

    fn count(&self, question: &Question<'_>, budget: &Budget) -> Result<Tally<u64>, SegmentError> {
        let rows = self.window_rows(question)?;
        let mut work = Work::new(self, question, budget)?;
        let all = rows.len() == self.rows();
        if let Some(count) = work.root.known_count(rows.len() as u64).filter(|_| all || work.root.is_all_or_none()) {
            return Ok(Tally { value: count, exhausted: None });
        }
        let mut count = 0;
        let exhausted = work.each_chunk(&rows, &mut |_, bits| {
            count += bits.count();
            Ok(())
        })?;
        Ok(Tally { value: count, exhausted })
    }

    fn histogram(
        &self,
        question: &Question<'_>,
        bounds: &[TimeNs],
        by: Option<&str>,
        budget: &Budget,
    ) -> Result<Tally<Vec<Bucket>>, SegmentError> {
        let window = question.window.inside(bounds);
        let question = Question { window, ..*question };
        let mut work = Work::new(self, &question, budget)?;
        if matches!(work.root, Node::All)
            && let Some(buckets) = self.rolled_up(window, bounds, by)?
        {
            return Ok(Tally { value: buckets, exhausted: None });
        }
        let rows = self.window_rows(&question)?;
        let times = self.times()?;
        // Row at which each bound stands: bucket i is rows ends[i + 1]..ends[i].
        let ends: Vec<usize> = bounds.iter().map(|bound| times.partition_point(|time| time >= bound.0)).collect();
        let mut buckets = vec![Bucket::default(); bounds.len().saturating_sub(1)];
        let mut counter = by.map(|field| Counter::new(self, field, budget)).transpose()?;
        let exhausted = work.each_chunk(&rows, &mut |from, bits| {
            let to = (from + CHUNK).min(rows.end);
            // The newest bucket that reaches into the chunk, then older ones.
            let mut i = ends.partition_point(|&end| end > from).saturating_sub(1).min(buckets.len().saturating_sub(1));
            while let Some(bucket) = buckets.get_mut(i) {
                let (start, end) = (ends[i + 1].max(from), ends[i].min(to));
                if start < end {
                    bucket.count += bits.count_in(start - from, end - from);
                    if let Some(counter) = &mut counter {
                        counter.add(from, bits, start - from..end - from, &mut |value, count| {
                            *bucket.by.entry(value).or_default() += count;
                        })?;
                    }
                }
                if i == 0 || ends[i] >= to {
                    break;
                }
                i -= 1;
            }
            Ok(())
        })?;
        Ok(Tally { value: buckets, exhausted })
    }

    fn facets(
        &self,
        question: &Question<'_>,
        requests: &[FacetRequest<'_>],
        budget: &Budget,
    ) -> Result<Tally<Vec<Facet>>, SegmentError> {
        let rows = self.window_rows(question)?;
        let mut work = Work::new(self, question, budget)?;
        let mut facets = vec![Facet::default(); requests.len()];
        let everything = matches!(work.root, Node::All) && rows.len() == self.rows();
        let mut counters = Vec::new();
        for (i, request) in requests.iter().enumerate() {
            match self.column(request.field)? {
                Some(FieldColumn::Column(column)) if everything => {
                    for (values, count) in column.values().zip(column.counts()) {
                        different(values).for_each(|value| facets[i].add(request, value.to_owned(), count));
                    }
                }
                Some(FieldColumn::Absent) => {}
                _ => counters.push((i, Counter::new(self, request.field, budget)?)),
            }
        }
        if counters.is_empty() {
            return Ok(Tally { value: facets, exhausted: None });
        }
        let exhausted = work.each_chunk(&rows, &mut |from, bits| {
            for (_, counter) in &mut counters {
                counter.gather(from, bits, 0..CHUNK)?;
            }
            Ok(())
        })?;
        for (i, counter) in &mut counters {
            counter.hand_out(&mut |value, count| facets[*i].add(&requests[*i], value, count));
        }
        Ok(Tally { value: facets, exhausted })
    }
}

impl EmbeddedSegment {
    /// A histogram of everything in `window` from minutes × levels alone, if it can be had from there.
    fn rolled_up(
        &self,
        window: Window,
        bounds: &[TimeNs],
        by: Option<&str>,
    ) -> Result<Option<Vec<Bucket>>, SegmentError> {
        let (oldest, newest) = (TimeNs(self.meta.time_min_ns), TimeNs(self.meta.time_max_ns));
        // A bound of the window that no event lies behind does not matter.
        let from = window.from.filter(|&from| from > oldest);
        let to = window.to.filter(|&to| to <= newest);
        let inner = bounds.iter().copied().filter(|&bound| bound > oldest && bound <= newest);
        let fits = rollup::fits(inner.chain(from).chain(to));
        if by.is_some_and(|field| field != "log.level") || !fits {
            return Ok(None);
        }
        if by.is_some() && self.column("log.level")?.is_none() {
            // A label of that name adds to the levels that were counted.
            return Ok(None);
        }
        let mut buckets = vec![Bucket::default(); bounds.len().saturating_sub(1)];
        for (minute, counts) in self.rollup()? {
            // The minute as a whole lies on one side of every bound; its part that has events may begin later.
            let moment = TimeNs(minute.0.max(oldest.0));
            if !window.contains(moment) {
                continue;
            }
            let at = bounds.partition_point(|&bound| bound <= moment);
            let Some(bucket) = at.checked_sub(1).and_then(|i| buckets.get_mut(i)) else { continue };
            bucket.count += counts.iter().sum::<u64>();
            for (&count, level) in counts.iter().zip(LEVELS) {
                if let Some(name) = level_name(level).filter(|_| by.is_some() && count > 0) {
                    *bucket.by.entry(name.to_owned()).or_default() += count;
                }
            }
        }
        Ok(Some(buckets))
    }
}

const LEVELS: [Level; rollup::LEVELS] =
    [Level::Unknown, Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Fatal];

/// Counts rows by the values of a field: by ordinal where it has a column, else event by event.
struct Counter<'s> {
    segment: &'s EmbeddedSegment,
    budget: &'s Budget,
    field: &'s str,
    column: Option<Column<'s>>,
    by_ordinal: Vec<u64>,
    by_value: BTreeMap<String, u64>,
}

impl<'s> Counter<'s> {
    fn new(segment: &'s EmbeddedSegment, field: &'s str, budget: &'s Budget) -> Result<Counter<'s>, SegmentError> {
        let column = match segment.column(field)? {
            Some(FieldColumn::Column(column)) => Some(column),
            _ => None,
        };
        let ordinals = column.as_ref().map_or(0, Column::ordinals);
        Ok(Counter { segment, budget, field, column, by_ordinal: vec![0; ordinals], by_value: BTreeMap::new() })
    }

    /// Counts the rows of `bits` inside `range`, both counted from `from`.
    fn gather(&mut self, from: usize, bits: &Bits, range: Range<usize>) -> Result<(), Halt> {
        let Some(column) = &self.column else {
            let mut events = Events::new(self.segment)?;
            let rows: Vec<usize> = bits.rows().filter(|row| range.contains(row)).collect();
            for row in rows {
                if !events.is_at_hand(from + row) {
                    self.budget.spend(super::block::BYTES as u64)?;
                }
                let event = events.get(from + row)?;
                each_value(&event, self.field, &mut |value| *self.by_value.entry(value).or_default() += 1);
            }
            return Ok(());
        };
        let by_ordinal = &mut self.by_ordinal;
        column.rows.each(from + range.start, from + range.end, &mut |row, ordinal| {
            if bits.has(row - from)
                && let Some(count) = by_ordinal.get_mut(ordinal as usize)
            {
                *count += 1;
            }
        });
        Ok(())
    }

    /// Hands out what was counted, and begins anew.
    fn hand_out(&mut self, each: &mut dyn FnMut(String, u64)) {
        std::mem::take(&mut self.by_value).into_iter().for_each(|(value, count)| each(value, count));
        let Some(column) = &self.column else { return };
        for (values, count) in column.values().zip(&mut self.by_ordinal) {
            let count = std::mem::take(count);
            if count > 0 {
                different(values).for_each(|value| each(value.to_owned(), count));
            }
        }
    }

    fn add(
        &mut self,
        from: usize,
        bits: &Bits,
        range: Range<usize>,
        each: &mut dyn FnMut(String, u64),
    ) -> Result<(), Halt> {
        self.gather(from, bits, range)?;
        self.hand_out(each);
        Ok(())
    }
}

/// Each value once.
fn different(values: Vec<&str>) -> impl Iterator<Item = &str> {
    let mut seen: Vec<&str> = Vec::with_capacity(values.len());
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen.into_iter()
}
