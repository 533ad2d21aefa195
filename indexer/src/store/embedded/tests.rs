//! The segment's answers are the matcher's: random events, random queries, against [`PlainEvents`].
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;
mod robust;

use super::EmbeddedBuilder;
use crate::event::StoredEvent;
use crate::query::{Matcher, Query};
use crate::store::segment::{
    Budget, Ended, FacetRequest, Hit, Order, Place, PlainEvents, Question, Row, Segment, SegmentBuilder, SegmentError,
    SegmentMeta, Tally, Window, each_value,
};
use made::Maker;
use outside::sim::{SimClock, SimDisk, SimFiles, SimRng};
use parsers::{Offset, TimeNs};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;
use wire::StreamId;

const FOLDER: &str = "/s";

/// The definition as a segment.
#[derive(Debug)]
struct PlainSegment {
    meta: SegmentMeta,
    events: PlainEvents,
}

impl Segment for PlainSegment {
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
        self.events.event(row, Path::new(FOLDER))
    }

    fn stream_rows(&self, stream: StreamId, offsets: Range<Offset>) -> Result<Vec<(Offset, Row)>, SegmentError> {
        Ok(self.events.stream_rows(stream, &offsets))
    }

    fn fields(&self, _budget: &Budget) -> Result<Tally<BTreeMap<String, u64>>, SegmentError> {
        Ok(Tally { value: self.events.fields(), exhausted: None })
    }
}

/// A disk that holds nothing but the folder of a segment.
fn disk() -> (SimDisk, Arc<SimFiles>) {
    let disk = SimDisk::new(1 << 30, SimClock::new(0), SimRng::new(1));
    disk.make_folder(Path::new(FOLDER));
    let files = disk.process();
    (disk, files)
}

fn build(events: &[Arc<StoredEvent>]) -> (Arc<dyn Segment>, PlainSegment) {
    let (_, files) = disk();
    let builder = EmbeddedBuilder::whole(1 << 20);
    let meta = builder.build(&*files, Path::new(FOLDER), events).unwrap();
    let segment = builder.open(&*files, Path::new(FOLDER), &meta).unwrap();
    (segment, PlainSegment { meta, events: PlainEvents::new(events.to_vec()) })
}

/// All hits, with the events they stand for.
fn scan(
    segment: &dyn Segment,
    question: &Question<'_>,
    order: Order,
    after: Option<Place>,
    max: usize,
) -> Vec<(Place, Arc<StoredEvent>)> {
    let mut hits = Vec::new();
    let ended = segment.scan(question, order, after, &Budget::unlimited(), &mut |hit| {
        let event = segment.event(hit.row).unwrap();
        assert!(hit.event.is_none_or(|found| found == event));
        assert_eq!(Place::of(&event), hit.place);
        hits.push((hit.place, event));
        if hits.len() == max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let expected = if hits.len() == max { Ended::Stopped } else { Ended::Complete };
    assert_eq!(ended.unwrap(), expected);
    hits
}

fn compare(segment: &dyn Segment, plain: &PlainSegment, query: &Query, maker: &Maker) {
    let Ok(matcher) = Matcher::new(query) else { return };
    let question = Question { matcher: &matcher, window: maker.window() };
    let budget = Budget::unlimited();
    let after = maker.place(plain.events.events());
    for order in [Order::Newest, Order::Oldest] {
        for (after, max) in [(None, usize::MAX), (after, usize::MAX), (after, 7)] {
            let (found, expected) =
                (scan(segment, &question, order, after, max), scan(plain, &question, order, after, max));
            assert_eq!(found, expected, "{order:?} after {after:?} of {question:?}");
        }
    }
    let count = segment.count(&question, &budget).unwrap();
    assert_eq!(count, plain.count(&question, &budget).unwrap(), "count of {question:?}");
    let bounds = maker.bounds();
    for by in [None, Some("log.level"), Some(maker.field_name())] {
        let found = segment.histogram(&question, &bounds, by, &budget).unwrap();
        let expected = plain.histogram(&question, &bounds, by, &budget).unwrap();
        assert_eq!(found, expected, "{bounds:?} by {by:?} of {question:?}");
    }
    let names = [maker.field_name(), maker.field_name(), "log.level"];
    let prefix = maker.prefix();
    let requests = names.map(|field| FacetRequest { field, prefix, distinct_max: 10_000 });
    let found = segment.facets(&question, &requests, &budget).unwrap();
    assert_eq!(found, plain.facets(&question, &requests, &budget).unwrap(), "{requests:?} of {question:?}");
}

#[test]
fn answers_are_those_of_the_matcher() {
    for seed in 0..24 {
        let maker = Maker::new(seed);
        let events = maker.events();
        let (segment, plain) = build(&events);
        for _ in 0..60 {
            compare(&*segment, &plain, &maker.query(3), &maker);
        }
        compare(&*segment, &plain, &Query::All, &maker);
    }
}

/// Events dealt out to segments, and these merged.
fn merge(events: &[Arc<StoredEvent>], parts: usize) -> (Arc<dyn Segment>, PlainSegment) {
    let (disk, files) = disk();
    let builder = EmbeddedBuilder::whole(1 << 20);
    let parts = (0..parts).map(|part| {
        let own: Vec<_> = events.iter().skip(part).step_by(parts).cloned().collect();
        let folder = Path::new(FOLDER).join(part.to_string());
        disk.make_folder(&folder);
        let meta = builder.build(&*files, &folder, &own).unwrap();
        builder.open(&*files, &folder, &meta).unwrap()
    });
    let parts: Vec<Arc<dyn Segment>> = parts.collect();
    let folder = Path::new(FOLDER).join("merged");
    disk.make_folder(&folder);
    let meta = builder.merge(&*files, &folder, &parts).unwrap();
    let segment = builder.open(&*files, &folder, &meta).unwrap();
    (segment, PlainSegment { meta, events: PlainEvents::new(events.to_vec()) })
}

#[test]
fn merged_segments_are_what_would_have_been_built_at_once() {
    for seed in 0..10 {
        let maker = Maker::new(seed);
        let events = maker.events();
        let ((merged, plain), (whole, _)) = (merge(&events, 1 + seed as usize % 5), build(&events));
        for _ in 0..30 {
            compare(&*merged, &plain, &maker.query(3), &maker);
        }
        compare(&*merged, &plain, &Query::All, &maker);
        let mut all = Vec::new();
        merged.each_event(&mut |event| all.push(event)).unwrap();
        assert_eq!(all, plain.events.events());
        let (merged, whole) = (merged.meta(), whole.meta());
        assert_eq!((merged.events, merged.raw_bytes), (whole.events, whole.raw_bytes));
        assert_eq!((merged.time_min_ns, merged.time_max_ns), (whole.time_min_ns, whole.time_max_ns));
        assert_eq!(merged.streams, whole.streams);
    }
}

#[test]
fn the_table_of_streams_and_their_rows() {
    for seed in 100..130 {
        let maker = Maker::new(seed);
        let events = maker.events();
        let (segment, plain) = build(&events);
        for row in &segment.meta().streams {
            let stream = StreamId(row.stream);
            let own: Vec<_> = events.iter().filter(|event| event.info.stream == stream).collect();
            assert_eq!(row.events, own.len() as u64);
            assert_eq!(row.bytes, own.iter().map(|event| u64::from(event.body.size)).sum::<u64>());
            let middle = Offset(row.first + (row.last - row.first) / 2);
            for offsets in [Offset(0)..Offset(u64::MAX), middle..Offset(row.last), Offset(0)..middle, middle..middle] {
                let found = segment.stream_rows(stream, offsets.clone()).unwrap();
                assert_eq!(found, plain.stream_rows(stream, offsets).unwrap());
            }
        }
        assert_eq!(segment.stream_rows(StreamId(77), Offset(0)..Offset(u64::MAX)).unwrap(), []);
    }
}

#[test]
fn fields_are_those_of_the_events() {
    for seed in 200..220 {
        let (segment, plain) = build(&Maker::new(seed).events());
        let budget = Budget::unlimited();
        let (found, expected) = (segment.fields(&budget).unwrap().value, plain.fields(&budget).unwrap().value);
        assert!(found.keys().eq(expected.keys()), "{found:?}\n{expected:?}");
        for (name, count) in &expected {
            let exact = found[name] == *count;
            assert!(
                exact || found[name] as usize == plain.events.events().len(),
                "{name}: {} for {count}",
                found[name]
            );
        }
    }
}

#[test]
fn a_budget_ends_a_search_and_says_where() {
    let maker = Maker::new(7);
    let (segment, plain) = build(&maker.events_of(600));
    let matcher = Matcher::new(&made::unknown_to_any_index()).unwrap();
    let question = Question { matcher: &matcher, window: Window::ALL };
    let budget = Budget::new(Arc::new(SimClock::new(0)), std::time::Duration::from_secs(1), 600_000);
    let mut seen = Vec::new();
    let ended = segment.scan(&question, Order::Newest, None, &budget, &mut |hit| {
        seen.push(hit.place);
        ControlFlow::Continue(())
    });
    let Ended::Exhausted { reached: Some(reached), .. } = ended.unwrap() else {
        panic!("600 KB suffice for 600 events")
    };
    let all = scan(&plain, &question, Order::Newest, None, usize::MAX);
    let rest = scan(&*segment, &question, Order::Newest, Some(reached), usize::MAX);
    assert!(seen.len() + rest.len() == all.len() && !seen.is_empty() && !rest.is_empty());
    budget.cancel();
    assert!(segment.count(&question, &budget).unwrap().exhausted.is_some());
}

#[test]
fn minutes_are_rolled_up() {
    let maker = Maker::new(9);
    let events = maker.events_of(300);
    let (segment, plain) = build(&events);
    let matcher = Matcher::new(&Query::All).unwrap();
    let question = Question { matcher: &matcher, window: Window::ALL };
    let minute = 60_000_000_000;
    let first = events.iter().map(|event| event.time.0).min().unwrap() / minute * minute;
    let bounds: Vec<TimeNs> = (0..200).map(|i| TimeNs(first + i * minute)).collect();
    let cancelled = Budget::unlimited();
    cancelled.cancel();
    // Even a cancelled query gets it: nothing is looked at.
    let found = segment.histogram(&question, &bounds, Some("log.level"), &cancelled).unwrap();
    let expected = plain.histogram(&question, &bounds, Some("log.level"), &Budget::unlimited()).unwrap();
    assert_eq!(found, expected);
}

#[test]
fn values_of_an_event_are_told_once() {
    let maker = Maker::new(3);
    for event in maker.events() {
        let mut values = Vec::new();
        each_value(&event, "url.path", &mut |value| values.push(value));
        let all = values.len();
        values.dedup();
        assert_eq!(values.len(), all);
    }
}
