#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::event::StoredEvent;
use crate::query::sample::{TEN, event, stream, with};
use crate::store::segment::{Ended, Hit, Order, PlainEvents, Row, Segment, SegmentMeta, StreamRow, Tally};
use crate::store::snapshot::{PartitionKey, PartitionView};
use outside::sim::SimClock;
use parsers::{FieldId, Flags, Level, Offset};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use wire::EventId;

/// A segment that is events in memory.
#[derive(Debug)]
struct Plain {
    meta: SegmentMeta,
    events: PlainEvents,
}

impl Plain {
    fn new(events: Vec<Arc<StoredEvent>>) -> Plain {
        let mut streams: BTreeMap<u64, StreamRow> = BTreeMap::new();
        for event in &events {
            let (stream, offset) = (event.info.stream.0, event.body.offset.0);
            let new = StreamRow { stream, first: offset, last: offset, events: 0, bytes: 0, hash: String::new() };
            let row = streams.entry(stream).or_insert(new);
            (row.first, row.last, row.events) = (row.first.min(offset), row.last.max(offset), row.events + 1);
        }
        let meta = SegmentMeta {
            files: Vec::new(),
            events: events.len() as u64,
            raw_bytes: 0,
            disk_bytes: 0,
            time_min_ns: events.iter().map(|event| event.time.0).min().unwrap(),
            time_max_ns: events.iter().map(|event| event.time.0).max().unwrap(),
            streams: streams.into_values().collect(),
            format: "plain".to_owned(),
        };
        Plain { meta, events: PlainEvents::new(events) }
    }
}

impl Segment for Plain {
    fn meta(&self) -> &SegmentMeta {
        &self.meta
    }

    fn scan(
        &self,
        question: &Question<'_>,
        order: Order,
        after: Option<crate::store::segment::Place>,
        budget: &Budget,
        visit: &mut dyn FnMut(Hit) -> ControlFlow<()>,
    ) -> Result<Ended, SegmentError> {
        // As a segment whose index decides: hits without their events.
        Ok(self.events.scan(question, order, after, budget, &mut |hit| visit(Hit { event: None, ..hit })))
    }

    fn event(&self, row: Row) -> Result<Arc<StoredEvent>, SegmentError> {
        self.events.event(row, std::path::Path::new("plain"))
    }

    fn stream_rows(&self, stream: StreamId, offsets: Range<Offset>) -> Result<Vec<(Offset, Row)>, SegmentError> {
        Ok(self.events.stream_rows(stream, &offsets))
    }

    fn fields(&self, _budget: &Budget) -> Result<Tally<BTreeMap<String, u64>>, SegmentError> {
        Ok(Tally { value: self.events.fields(), exhausted: None })
    }
}

/// A segment as the store has them.
fn on_disk(files: &outside::sim::SimFiles, folder: &str, events: &[Arc<StoredEvent>]) -> Arc<dyn Segment> {
    use crate::store::segment::SegmentBuilder as _;
    use outside::Files as _;
    let folder = std::path::Path::new(folder);
    files.create_folder_all(folder).unwrap();
    let builder = crate::store::embedded::EmbeddedBuilder::whole(1 << 20);
    let meta = builder.build(files, folder, events).unwrap();
    builder.open(files, folder, &meta).unwrap()
}

/// Events dealt out to memory, provisional and segments of two days.
fn snapshot(events: &[Arc<StoredEvent>]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let clock = SimClock::new(TEN);
    let files = outside::sim::SimDisk::new(1 << 30, clock, outside::sim::SimRng::new(1)).process();
    for day in 0..2 {
        let of_day = |i: usize| i % 5 == day || i % 5 == day + 2;
        let part = |want: usize| -> Vec<_> {
            events.iter().enumerate().filter(|(i, _)| of_day(*i) && i % 3 == want).map(|(_, e)| Arc::clone(e)).collect()
        };
        let mut view = PartitionView { memory: vec![part(0).into()], ..PartitionView::default() };
        for chunk in part(1).chunks(7) {
            view.segments.push(Arc::new(Plain::new(chunk.to_vec())));
        }
        for (i, chunk) in part(2).chunks(50).enumerate() {
            view.segments.push(on_disk(&files, &format!("/{day}-{i}"), chunk));
        }
        let key = PartitionKey { owner: "local".into(), environment: "default".into(), day: day as i32, hour: None };
        snapshot.partitions.insert(key, Arc::new(view));
    }
    let rest: Vec<_> = events.iter().enumerate().filter(|(i, _)| i % 5 == 4).map(|(_, e)| Arc::clone(e)).collect();
    let mut view = PartitionView::default();
    for event in rest {
        // One a stream is provisional, the others are newest lines.
        match view.provisional.entry(event.info.stream) {
            std::collections::btree_map::Entry::Vacant(free) => drop(free.insert(event)),
            std::collections::btree_map::Entry::Occupied(_) => view.memory.push(Arc::from([event])),
        }
    }
    let key = PartitionKey { owner: "local".into(), environment: "default".into(), day: 9, hour: None };
    snapshot.partitions.insert(key, Arc::new(view));
    let stranger = Arc::from([Arc::new(event(&stream(99, "/z.log"), 1, Level::Fatal, "", "timeout of others"))]);
    for (owner, environment) in [("local", "defaulu"), ("loca", "default"), ("local2", "default")] {
        let key = PartitionKey { owner: owner.into(), environment: environment.into(), day: 0, hour: None };
        let view = PartitionView { memory: vec![Arc::clone(&stranger)], ..PartitionView::default() };
        snapshot.partitions.insert(key, Arc::new(view));
    }
    snapshot
}

fn engine(snapshot: Snapshot) -> Engine {
    let cell = Arc::new(SnapshotCell::default());
    cell.set(Arc::new(snapshot));
    Engine::new(cell, Arc::new(SimClock::new(TEN + 3_600_000_000_000)), EngineLimits::default())
}

/// `count` events over three files, the last two generations of one; every seventh is a copy.
fn sample_events(count: usize) -> Vec<Arc<StoredEvent>> {
    let first = stream(1, "/logs/a.log");
    let mut second = StreamInfo::clone(&stream(2, "/logs/b.log"));
    second.factors.predecessor = None;
    let mut third = StreamInfo::clone(&stream(3, "/logs/b.log"));
    third.factors.predecessor = Some(StreamId(2));
    let infos = [first, Arc::new(second), Arc::new(third)];
    let levels = [Level::Info, Level::Warn, Level::Error, Level::Unknown];
    (0..count)
        .map(|i| {
            let text = format!("request {i} {}", ["ok", "timeout", "refused"][i * 7 % 3]);
            let offset = (i as u64 / 3) * 10;
            let mut event = event(&infos[i % 3], offset, levels[i * 5 % 4], "H ", &text);
            // Times go back and forth, and collide.
            event.time = TimeNs(TEN + ((i * 37) % (count / 2 + 1)) as i64 * 1_000_000_000);
            if i % 7 == 0 {
                event.body.flags.set(Flags::COPY);
            }
            Arc::new(with(event, FieldId::LOG_LOGGER, ["org.A", "org.B"][i % 2]))
        })
        .collect()
}

fn ask(query: &str) -> Ask {
    Ask { query: query.to_owned(), ..Ask::default() }
}

fn ids(events: &[Arc<StoredEvent>]) -> Vec<EventId> {
    events.iter().map(|event| event.id()).collect()
}

/// What a query finds, by running the matcher on everything.
fn expected(events: &[Arc<StoredEvent>], ask: &Ask, order: PageOrder) -> Vec<EventId> {
    let query = crate::query::parse(&ask.query).unwrap();
    let matcher = Matcher::new(&query).unwrap();
    let copies = ask.copies || query.names_field(COPIES_NAMED_BY);
    let mut found: Vec<_> = events.iter().filter(|event| matcher.matches(event)).cloned().collect();
    found.retain(|event| copies || !event.body.flags.has(Flags::COPY));
    let began: BTreeMap<StreamId, TimeNs> = {
        let mut all = events.to_vec();
        all.sort_by_key(|event| std::cmp::Reverse(event.body.offset));
        all.iter().map(|event| (event.info.stream, event.time)).collect()
    };
    let place = |event: &Arc<StoredEvent>| crate::store::segment::Place::of(event);
    match order {
        PageOrder::Newest => found.sort_by_key(|event| std::cmp::Reverse(place(event))),
        PageOrder::Oldest => found.sort_by_key(place),
        PageOrder::File => {
            found.sort_by_key(|event| (began[&event.info.stream], event.info.stream, event.body.offset));
        }
    }
    ids(&found)
}

fn all_pages(engine: &Engine, ask: &Ask, order: PageOrder, limit: usize) -> (Vec<EventId>, u64) {
    let (mut found, mut copies, mut cursor) = (Vec::new(), 0, None);
    loop {
        let request = PageRequest { order, limit, cursor, with_raw: false };
        let page = engine.search(&Scope::local(), ask, &request, &Budget::unlimited()).unwrap();
        assert!(page.complete && page.events.len() <= limit);
        found.extend(ids(&page.events));
        copies += page.copies_left_out;
        match page.cursor {
            Some(next) => cursor = Some(Cursor::read(&next.to_string()).unwrap()),
            None => return (found, copies),
        }
    }
}

const QUERIES: &[&str] = &[
    "",
    "timeout",
    "level:ERROR",
    "NOT level:ERROR",
    "logger:org.a timeout",
    "req* -ok",
    "file:b.log",
    "stream:0000000000000003",
    "stream:0000000000000002 OR stream:0000000000000001",
    "wso2.copy:true",
    "nothing",
    "level>=warn",
    "\"request 5\"",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn pages_are_the_whole_answer_in_order(count in 1usize..120, limit in 1usize..40, query in 0..QUERIES.len(), order in 0usize..3, copies: bool) {
        let events = sample_events(count);
        let engine = engine(snapshot(&events));
        let ask = Ask { copies, ..ask(QUERIES[query]) };
        let order = [PageOrder::Newest, PageOrder::Oldest, PageOrder::File][order];
        let (found, left_out) = all_pages(&engine, &ask, order, limit);
        let want = expected(&events, &ask, order);
        prop_assert_eq!(&found, &want);
        let counted = engine.count(&Scope::local(), &ask, &Budget::unlimited()).unwrap();
        prop_assert_eq!(counted.value, want.len() as u64);
        prop_assert_eq!(counted.copies_left_out, left_out);
        let with = expected(&events, &Ask { copies: true, ..ask.clone() }, order);
        prop_assert_eq!(want.len() as u64 + left_out, with.len() as u64);
        let histogram = engine.histogram(&Scope::local(), &ask, Interval::Auto, Some("level"), &Budget::unlimited()).unwrap();
        prop_assert_eq!(histogram.value.buckets.iter().map(|(_, bucket)| bucket.count).sum::<u64>(), want.len() as u64);
        let names = ["logger".to_owned()];
        let facets = engine.facets(&Scope::local(), &ask, &names, "", 10, &Budget::unlimited()).unwrap();
        prop_assert_eq!(facets.value[0].values.iter().map(|value| value.count).sum::<u64>(), want.len() as u64);
    }

    #[test]
    fn a_window_cuts_times(count in 1usize..100, from in 0i64..60, length in 0i64..60) {
        let events = sample_events(count);
        let engine = engine(snapshot(&events));
        let at = |second: i64| TEN / 1_000_000 + second * 1000;
        let ask = Ask { from: Some(at(from).to_string()), to: Some(at(from + length).to_string()), copies: true, ..Ask::default() };
        let (found, _) = all_pages(&engine, &ask, PageOrder::Oldest, 10);
        let inside = |event: &&Arc<StoredEvent>| (at(from)..at(from + length)).contains(&(event.time.0 / 1_000_000));
        prop_assert_eq!(found.len(), events.iter().filter(inside).count());
        let named = Ask { query: format!("@timestamp:[{} TO {}}}", at(from), at(from + length)), copies: true, ..Ask::default() };
        prop_assert_eq!(engine.count(&Scope::local(), &named, &Budget::unlimited()).unwrap().value, found.len() as u64);
    }

    #[test]
    fn context_is_the_file_around_an_event(count in 3usize..120, at in 0usize..120, before in 0usize..30, after in 0usize..30) {
        let events = sample_events(count);
        let engine = engine(snapshot(&events));
        let event = &events[at % count];
        let context = engine.context(&Scope::local(), event.id(), before, after, &Budget::unlimited()).unwrap();
        // Streams 2 and 3 are generations of one file.
        let same = |other: &&Arc<StoredEvent>| (other.info.stream.0 == 1) == (event.info.stream.0 == 1);
        let mut file: Vec<_> = events.iter().filter(same).cloned().collect();
        file.sort_by_key(|event| (event.info.stream, event.body.offset));
        let place = file.iter().position(|other| other.id() == event.id()).unwrap();
        let want = &file[place.saturating_sub(before)..(place + after + 1).min(file.len())];
        prop_assert_eq!(ids(&context.events), ids(want));
        prop_assert_eq!(engine.event(&Scope::local(), event.id()).unwrap().id(), event.id());
    }

    #[test]
    fn a_spent_budget_loses_nothing(count in 1usize..3000, bytes in 2000u64..40_000, order in 0usize..3) {
        let events = sample_events(count);
        let engine = engine(snapshot(&events));
        let order = [PageOrder::Newest, PageOrder::Oldest, PageOrder::File][order];
        let ask = ask("timeout");
        let (mut found, mut cursor, mut pages) = (Vec::new(), None, 0);
        loop {
            // A page that got nowhere is asked for again with more, as a person would.
            let clock: Arc<dyn Clock> = Arc::new(SimClock::new(0));
            let budget = Budget::new(clock, Duration::from_secs(1), bytes << (pages / 20).min(30));
            let request = PageRequest { order, limit: 50, cursor, with_raw: false };
            let page = engine.search(&Scope::local(), &ask, &request, &budget).unwrap();
            found.extend(ids(&page.events));
            pages += 1;
            let Some(next) = page.cursor else { break };
            cursor = Some(next);
        }
        prop_assert_eq!(found, expected(&events, &ask, order));
    }
}

#[test]
fn export_is_the_file_byte_by_byte() {
    let events = sample_events(200);
    let engine = engine(snapshot(&events));
    let mut export = engine.export(&Scope::local(), &ask("stream:0000000000000002")).unwrap();
    let mut bytes = Vec::new();
    loop {
        let events = export.next(100, &Budget::unlimited()).unwrap();
        if events.is_empty() {
            break;
        }
        events.iter().for_each(|event| bytes.extend_from_slice(&event.raw));
    }
    let mut file: Vec<_> = events.iter().filter(|event| event.info.stream.0 == 2).collect();
    file.sort_by_key(|event| event.body.offset);
    let want: Vec<u8> = file.iter().flat_map(|event| event.raw.to_vec()).collect();
    assert_eq!(bytes, want);
}

#[test]
fn nothing_of_others_is_seen() {
    let events = sample_events(10);
    let stranger = event(&stream(99, "/z.log"), 1, Level::Fatal, "", "timeout of others").id();
    let engine = engine(snapshot(&events));
    assert!(matches!(engine.event(&Scope::local(), stranger), Err(EngineError::NotFound)));
    assert_eq!(engine.count(&Scope::local(), &ask("others"), &Budget::unlimited()).unwrap().value, 0);
    let fields = engine.facets(&Scope::local(), &ask(""), &["level".to_owned()], "", 10, &Budget::unlimited()).unwrap();
    assert!(fields.value[0].values.iter().all(|value| value.value != "FATAL"));
}

#[test]
fn a_cursor_belongs_to_its_question() {
    let events = sample_events(50);
    let engine = engine(snapshot(&events));
    let request = PageRequest { limit: 5, ..PageRequest::default() };
    let cursor = engine.search(&Scope::local(), &ask("timeout"), &request, &Budget::unlimited()).unwrap().cursor;
    let go_on = |query: &str, order| {
        let request = PageRequest { order, limit: 5, cursor, with_raw: false };
        engine.search(&Scope::local(), &ask(query), &request, &Budget::unlimited())
    };
    assert!(go_on("timeout", PageOrder::Newest).is_ok());
    assert!(matches!(go_on("refused", PageOrder::Newest), Err(EngineError::Cursor(_))));
    assert!(matches!(go_on("timeout", PageOrder::Oldest), Err(EngineError::Cursor(_))));
}

#[test]
fn errors_and_replay_are_told() {
    let mut shown = snapshot(&sample_events(10));
    shown.replaying = true;
    let engine = engine(shown);
    let budget = Budget::unlimited();
    assert!(!engine.count(&Scope::local(), &ask(""), &budget).unwrap().complete);
    assert!(matches!(engine.export(&Scope::local(), &ask("")), Err(EngineError::Replaying)));
    assert!(matches!(engine.count(&Scope::local(), &ask("(a"), &budget), Err(EngineError::Query(_))));
    let from = Ask { from: Some("yesterday".to_owned()), ..Ask::default() };
    assert!(matches!(engine.count(&Scope::local(), &from, &budget), Err(EngineError::Time { parameter: "from", .. })));
    let names = ["levle".to_owned()];
    let facets = engine.facets(&Scope::local(), &ask(""), &names, "", 10, &budget);
    assert!(matches!(facets, Err(EngineError::Field { meant: Some("level"), .. })));
    let few = engine.histogram(
        &Scope::local(),
        &Ask { from: Some("2020".to_owned()), ..Ask::default() },
        Interval::Millis(1),
        None,
        &budget,
    );
    assert!(matches!(few, Err(EngineError::Buckets(_))));
}
