//! Where the events of a scope lie: segments, and newest lines that answer the same questions.

use crate::access::Scope;
use crate::event::StoredEvent;
use crate::store::segment::{
    Budget, Ended, Hit, Order, Place, Question, Row, Segment, SegmentError, SegmentMeta, Tally,
};
use crate::store::snapshot::{PartitionKey, PartitionView, Snapshot};
use parsers::{Offset, TimeNs};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, OnceLock};
use wire::StreamId;

/// Events between two looks at the budget.
const STRIDE: usize = 256;

/// One set of events of a snapshot.
#[derive(Debug)]
pub(super) enum Source<'s> {
    Segment(&'s Arc<dyn Segment>),
    Block(Block<'s>),
}

/// All sources of a scope.
pub(super) fn sources<'s>(snapshot: &'s Snapshot, scope: &Scope) -> Vec<Source<'s>> {
    let mut sources = Vec::new();
    for (_, view) in partitions(snapshot, scope) {
        let provisional: Vec<_> = view.provisional.values().cloned().collect();
        let memory = view.memory.iter().map(|block| Cow::Borrowed(&**block)).chain([Cow::Owned(provisional)]);
        sources.extend(memory.filter_map(Block::new).map(Source::Block));
        sources.extend(view.segments.iter().map(Source::Segment));
    }
    sources
}

/// The partitions of a scope; no other way leads to data.
fn partitions<'s>(
    snapshot: &'s Snapshot,
    scope: &Scope,
) -> impl Iterator<Item = (&'s PartitionKey, &'s Arc<PartitionView>)> {
    let (owner, environment): (Arc<str>, Arc<str>) = (scope.owner().into(), scope.environment().into());
    let first = PartitionKey { owner: owner.clone(), environment: environment.clone(), day: i32::MIN, hour: None };
    let all = snapshot.partitions.range(first..);
    all.take_while(move |(key, _)| key.owner == owner && key.environment == environment)
}

impl<'s> Source<'s> {
    pub(super) fn segment(&self) -> &dyn Segment {
        match self {
            Source::Segment(segment) => &***segment,
            Source::Block(block) => block,
        }
    }

    /// Its oldest event.
    pub(super) fn first(&self) -> TimeNs {
        match self {
            Source::Segment(segment) => TimeNs(segment.meta().time_min_ns),
            Source::Block(block) => block.first,
        }
    }

    /// Its newest event.
    pub(super) fn last(&self) -> TimeNs {
        match self {
            Source::Segment(segment) => TimeNs(segment.meta().time_max_ns),
            Source::Block(block) => block.last,
        }
    }

    /// The place that no event of it can come before, in that order.
    pub(super) fn begin(&self, order: Order) -> Place {
        match order {
            Order::Newest => Place { time: self.last(), stream: StreamId(u64::MAX), offset: Offset(u64::MAX) },
            Order::Oldest => Place { time: self.first(), stream: StreamId(0), offset: Offset(0) },
        }
    }

    /// Calls `each` with its streams: first and last offset of an event in here.
    pub(super) fn streams(&self, each: &mut dyn FnMut(StreamId, Offset, Offset)) {
        match self {
            Source::Segment(segment) => {
                for row in &segment.meta().streams {
                    each(StreamId(row.stream), Offset(row.first), Offset(row.last));
                }
            }
            Source::Block(block) => {
                block.streams().iter().for_each(|(stream, &(first, last))| each(*stream, first, last))
            }
        }
    }

    /// Offsets of a stream's first and last event in here.
    pub(super) fn extent(&self, stream: StreamId) -> Option<(Offset, Offset)> {
        if let Source::Block(block) = self {
            return block.streams().get(&stream).copied();
        }
        let mut extent: Option<(Offset, Offset)> = None;
        self.streams(&mut |other, first, last| {
            if other == stream {
                let (low, high) = extent.unwrap_or((first, last));
                extent = Some((low.min(first), high.max(last)));
            }
        });
        extent
    }
}

/// Newest lines, in no order. A row is an index.
#[derive(Debug)]
pub(super) struct Block<'s> {
    events: Cow<'s, [Arc<StoredEvent>]>,
    first: TimeNs,
    last: TimeNs,
    /// First and last offset by stream, once somebody asks.
    streams: OnceLock<BTreeMap<StreamId, (Offset, Offset)>>,
}

impl<'s> Block<'s> {
    fn streams(&self) -> &BTreeMap<StreamId, (Offset, Offset)> {
        self.streams.get_or_init(|| {
            let mut streams = BTreeMap::new();
            for event in self.events.iter() {
                let offset = event.body.offset;
                let extent = streams.entry(event.info.stream).or_insert((offset, offset));
                *extent = (extent.0.min(offset), extent.1.max(offset));
            }
            streams
        })
    }

    fn new(events: Cow<'s, [Arc<StoredEvent>]>) -> Option<Block<'s>> {
        let first = events.iter().map(|event| event.time).min()?;
        let last = events.iter().map(|event| event.time).max()?;
        Some(Block { events, first, last, streams: OnceLock::new() })
    }

    fn row(&self, row: Row) -> Option<&Arc<StoredEvent>> {
        self.events.get(row.0 as usize)
    }

    /// Visits what `heap` gives, best first, as long as the visitor and the budget allow.
    fn visit(
        &self,
        question: &Question<'_>,
        places: &mut dyn Iterator<Item = (Place, Row)>,
        budget: &Budget,
        visit: &mut dyn FnMut(Hit) -> ControlFlow<()>,
    ) -> Ended {
        let (mut bytes, mut reached) = (0u64, None);
        for (i, (place, row)) in places.enumerate() {
            let Some(event) = self.row(row) else { continue };
            bytes += event.raw.len() as u64;
            if i % STRIDE == 0
                && let Err(why) = budget.spend(std::mem::take(&mut bytes))
            {
                return Ended::Exhausted { why, reached };
            }
            if question.matcher.matches(event) && visit(Hit { place, row, event: Some(Arc::clone(event)) }).is_break() {
                return Ended::Stopped;
            }
            reached = Some(place);
        }
        Ended::Complete
    }
}

/// Takes the best of a heap, one by one.
struct Drain<T: Ord>(BinaryHeap<T>);

impl<T: Ord> Iterator for Drain<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.pop()
    }
}

impl Segment for Block<'_> {
    fn meta(&self) -> &SegmentMeta {
        static NONE: OnceLock<SegmentMeta> = OnceLock::new();
        NONE.get_or_init(|| SegmentMeta {
            files: Vec::new(),
            events: 0,
            raw_bytes: 0,
            disk_bytes: 0,
            time_min_ns: 0,
            time_max_ns: 0,
            streams: Vec::new(),
            format: String::new(),
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
        let places = self.events.iter().enumerate().filter_map(|(row, event)| {
            let place = Place::of(event);
            let wanted = question.window.contains(place.time) && after.is_none_or(|after| order.is_after(place, after));
            wanted.then_some((place, Row(row as u32)))
        });
        // A heap is made in one pass, and mostly only its first few are asked for.
        Ok(match order {
            Order::Newest => self.visit(question, &mut Drain(places.collect()), budget, visit),
            Order::Oldest => {
                let heap: BinaryHeap<_> = places.map(Reverse).collect();
                self.visit(question, &mut Drain(heap).map(|Reverse(item)| item), budget, visit)
            }
        })
    }

    fn event(&self, row: Row) -> Result<Arc<StoredEvent>, SegmentError> {
        let missing = || SegmentError::Corrupt { path: "memory".to_owned(), reason: format!("no event {}", row.0) };
        self.row(row).cloned().ok_or_else(missing)
    }

    fn stream_rows(&self, stream: StreamId, offsets: Range<Offset>) -> Result<Vec<(Offset, Row)>, SegmentError> {
        let of_stream = self.events.iter().enumerate().filter(|(_, event)| event.info.stream == stream);
        let mut rows: Vec<_> = of_stream
            .map(|(row, event)| (event.body.offset, Row(row as u32)))
            .filter(|(offset, _)| offsets.contains(offset))
            .collect();
        rows.sort_unstable();
        Ok(rows)
    }

    fn fields(&self, budget: &Budget) -> Result<Tally<BTreeMap<String, u64>>, SegmentError> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for (i, event) in self.events.iter().enumerate() {
            if i % STRIDE == 0
                && let Err(why) = budget.spend(0)
            {
                return Ok(Tally { value: counts, exhausted: Some(why) });
            }
            let mut names: Vec<&str> = Vec::new();
            crate::query::fields::fields(event, &mut |name, _| {
                if !names.contains(&name) {
                    names.push(name);
                }
            });
            for name in names {
                match counts.get_mut(name) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert(name.to_owned(), 1)),
                }
            }
        }
        Ok(Tally { value: counts, exhausted: None })
    }

    /// As provided, without putting the events in order first.
    fn count(&self, question: &Question<'_>, budget: &Budget) -> Result<Tally<u64>, SegmentError> {
        let mut count = 0;
        for events in self.events.chunks(STRIDE) {
            let bytes = events.iter().map(|event| event.raw.len() as u64).sum();
            if let Err(why) = budget.spend(bytes) {
                return Ok(Tally { value: count, exhausted: Some(why) });
            }
            count += events.iter().filter(|event| question.matches(event)).count() as u64;
        }
        Ok(Tally { value: count, exhausted: None })
    }
}
