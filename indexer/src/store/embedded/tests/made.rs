//! Random events and queries that often meet: few words, few values, ids of every kind.

use crate::event::{StoredEvent, StreamInfo};
use crate::query::{Clause, Query, Target, Test};
use crate::store::segment::{Place, Window};
use bytes::Bytes;
use outside::Rng;
use outside::sim::SimRng;
use parsers::{
    Dataset, EventTime, Family, Field, FieldId, Flags, Level, Offset, TimeNs, TimeSource, Value, ZoneSource,
};
use std::sync::Arc;
use wire::{AgentId, ContinuesFrom, EventBody, EventId, Factors, StreamId};

const BEGIN_NS: i64 = 1_764_000_000_000_000_000;
const WORDS: &[&str] = &[
    "error",
    "Timeout",
    "connection",
    "refused",
    "axis2Sender",
    "caféÄ",
    "8280",
    "41d4",
    "deadbeef",
    "x_y",
    "a",
    "ERROR",
    "1234567",
    "20251125101112",
    "a716",
    "0a1b2c3d",
    "446655440000",
    "beef",
    "dead1beef",
    "\u{212a}elvin",
    "200",
    "{}",
];
const UUIDS: &[&str] = &[
    "550e8400-e29b-41d4-a716-446655440000",
    "deadbeef-0000-41d4-8280-0123456789ab",
    "550E8400-E29B-41D4-A716-446655440000",
    "0a1b2c3d-1111-2222-3333-444444444444",
];
const SEPARATORS: &[&str] = &[" ", " ", " ", "-", ".", ": ", "=", "\n\tat ", "\n", "/", "\u{1}", "\u{2}", "…"];
const LOGGERS: &[&str] = &["org.apache.synapse.Sender", "org.wso2.carbon.Core", "org.wso2.CARBON.Core", "X"];
const FIELDS: &[&str] = &[
    "log.level",
    "log.logger",
    "host.name",
    "log.file.name",
    "log.stream",
    "event.dataset",
    "wso2.tenant.id",
    "url.path",
    "wso2.correlation_id",
    "error.type",
    "message",
    "error.stack_trace",
    "wso2.copy",
    "service.name",
    "service.type",
    "http.response.status_code",
    "client.ip",
    "env",
    "@timestamp",
    "log.offset",
    "size",
    "lines",
    "wso2.continues",
    "user.name",
    "nothing.at.all",
    "event.timezone",
    "wso2.log.family",
    "event.ingested",
    "wso2.app",
    "error.message",
];

/// Draws everything from one seed.
pub(super) struct Maker(SimRng);

/// An event's bytes as they grow, and the spans into them.
#[derive(Default)]
struct Draft {
    raw: Vec<u8>,
    fields: Vec<Field>,
}

impl Draft {
    fn text(&mut self, text: &str) {
        self.raw.extend_from_slice(text.as_bytes());
    }

    fn span(&mut self, id: FieldId, text: &str) {
        let (start, len) = (self.raw.len() as u32, text.len() as u32);
        self.text(text);
        self.field(id, Value::Span { start, len });
    }

    fn field(&mut self, id: FieldId, value: Value) {
        self.fields.push(Field { id, value });
    }
}

impl Maker {
    pub(super) fn new(seed: u64) -> Maker {
        Maker(SimRng::new(seed))
    }

    fn one<'a, T: ?Sized>(&self, of: &[&'a T]) -> &'a T {
        of[self.0.below(of.len() as u64) as usize]
    }

    pub(super) fn events(&self) -> Vec<Arc<StoredEvent>> {
        self.events_of(1 + self.0.below(400) as usize)
    }

    pub(super) fn events_of(&self, count: usize) -> Vec<Arc<StoredEvent>> {
        let infos: Vec<Arc<StreamInfo>> = (0..1 + self.0.below(4)).map(|i| self.info(i)).collect();
        let mut offsets = vec![0u64; infos.len()];
        let events = (0..count).map(|_| {
            let i = self.0.below(infos.len() as u64) as usize;
            let event = self.event(&infos[i], offsets[i]);
            offsets[i] += u64::from(event.body.size) + self.0.below(2) * 10;
            Arc::new(event)
        });
        events.collect()
    }

    fn info(&self, i: u64) -> Arc<StreamInfo> {
        let mut factors = Factors {
            path: format!("/logs/f{}.log", i / 2),
            name: self.one(&["wso2carbon.log", "audit.log"]).to_owned(),
            device: 7,
            number: u128::from(self.0.next_u64()),
            head_len: 20,
            head_hash: self.0.next_u64(),
            ..Factors::default()
        };
        if self.0.one_in(2) {
            factors.product = Some("apim".to_owned());
            factors.born_ns = Some(-5);
            factors.predecessor = Some(StreamId(3));
        }
        if self.0.one_in(2) {
            factors.service = Some("gateway".to_owned());
            factors.labels = vec![("env".to_owned(), "prod".to_owned()), ("env".to_owned(), "eu".to_owned())];
        }
        if self.0.one_in(5) {
            factors.labels.push(("log.level".to_owned(), "LABEL".to_owned()));
            factors.labels.push(("host.name".to_owned(), "other".to_owned()));
            factors.labels.push(("url.path".to_owned(), "/label".to_owned()));
        }
        let host_name = self.one(&["host-a", "host-b", ""]).to_owned();
        // Two infos of one stream, as when its head has grown.
        let stream = StreamId(100 + i / 2 * 2);
        Arc::new(StreamInfo { stream, agent: AgentId([i as u8; 16]), host_id: "h".to_owned(), host_name, factors })
    }

    fn event(&self, info: &Arc<StreamInfo>, offset: u64) -> StoredEvent {
        let mut draft = Draft::default();
        draft.text("[2026] ");
        self.head(&mut draft);
        self.message(&mut draft);
        let Draft { mut raw, fields } = draft;
        if self.0.one_in(10) {
            raw.extend_from_slice(b"\xff\xfebad\xc3");
        }
        if !self.0.one_in(10) {
            raw.push(b'\n');
        }
        let time = TimeNs(BEGIN_NS + self.0.below(40) as i64 * 17_000_000_000 + self.0.below(3) as i64 * 1_000_001);
        let len = raw.len() as u32;
        let head_hash = match self.0.below(3) {
            0 => wire::head_hash(info.stream, super::super::shape::first_text(&raw)),
            1 => wire::head_hash(info.stream, super::super::shape::first_line(&raw)),
            _ => self.0.next_u64() as u32,
        };
        let body = EventBody {
            offset: Offset(offset),
            size: if self.0.one_in(6) { len + 5 } else { len },
            len,
            lines: raw.split(|&c| c == b'\n').count().max(2) as u32 - 1,
            head_hash,
            family: *self.one(&[&Family::Tid, &Family::None, &Family::AccessTc]),
            dataset: *self.one(&[&Dataset::Carbon, &Dataset::Audit]),
            level: *self.one(&[&Level::Info, &Level::Info, &Level::Error, &Level::Unknown, &Level::Warn]),
            time: self.event_time(time),
            flags: *self.one(&[&Flags(0), &Flags(0), &Flags(0), &Flags::COPY, &Flags::REPEATED, &Flags::REDACTED]),
            continues: self.continues(),
            fields,
        };
        let ingested = TimeNs(BEGIN_NS + self.0.below(5) as i64 * 77_777);
        StoredEvent { info: Arc::clone(info), body, raw: Bytes::from(raw), time, ingested }
    }

    fn head(&self, draft: &mut Draft) {
        if self.0.one_in(2) {
            draft.text("[");
            let id = if self.0.one_in(3) { self.one(WORDS) } else { self.one(UUIDS) };
            draft.span(FieldId::CORRELATION_ID, id);
            draft.text("] ");
        }
        if !self.0.one_in(5) {
            draft.text("{");
            draft.span(FieldId::LOG_LOGGER, self.one(LOGGERS));
            draft.text("} ");
        }
        if self.0.one_in(3) {
            draft.field(FieldId::TENANT_ID, Value::Int(-1234 + self.0.below(3) as i64));
        }
        if self.0.one_in(3) {
            let path = if self.0.one_in(2) { format!("/api/{}", self.0.below(500)) } else { "/Health".to_owned() };
            draft.span(FieldId::URL_PATH, &path);
            draft.text(" ");
            if self.0.one_in(4) {
                draft.span(FieldId::URL_PATH, self.one(&["/Health", "/x"]));
                draft.text(" ");
            }
        }
        if self.0.one_in(4) {
            draft.span(FieldId::CLIENT_IP, self.one(&["10.0.0.1", "192.168.0.7", "::1", "host"]));
            draft.text(" ");
        }
        if self.0.one_in(4) {
            draft.field(FieldId::HTTP_STATUS, Value::Int(200 + self.0.below(4) as i64 * 100));
        }
        if self.0.one_in(40) {
            draft.span(FieldId::SERVICE_TYPE, "mi");
        }
        if self.0.one_in(20) {
            draft.field(FieldId::USER_NAME, Value::Literal("ü".repeat(700).into()));
        }
        if self.0.one_in(30) {
            draft.field(FieldId(9999), Value::Int(1));
        }
    }

    fn message(&self, draft: &mut Draft) {
        let mut text = String::new();
        for _ in 0..self.0.below(8) {
            text.push_str(if self.0.one_in(5) { self.one(UUIDS) } else { self.one(WORDS) });
            text.push_str(self.one(SEPARATORS));
        }
        match self.0.below(8) {
            0 => draft.text(&text),
            1 => {
                draft.text(&text);
                draft.field(FieldId::MESSAGE, Value::Literal(self.one(&["escaped timeout", "a\nb"]).into()));
            }
            _ => draft.span(FieldId::MESSAGE, &text),
        }
        if self.0.one_in(4) {
            draft.text("\n");
            let start = draft.raw.len() as u32;
            draft.span(FieldId::ERROR_STACK_TRACE, "java.lang.Timeout: refused\n\tat a.b(C.java:12)");
            draft.field(FieldId::ERROR_TYPE, Value::Span { start, len: 17 });
            // Cuts a word in the middle.
            draft.field(FieldId::ERROR_MESSAGE, Value::Span { start: start + 19, len: self.0.below(7) as u32 });
        }
    }

    fn event_time(&self, time: TimeNs) -> Option<EventTime> {
        let utc = if self.0.one_in(8) { TimeNs(time.0 - 5) } else { time };
        let offset_minutes = *self.one(&[&0, &330, &-60]);
        let event_time = EventTime { utc, offset_minutes, source: TimeSource::Parsed, zone: ZoneSource::Banner };
        (!self.0.one_in(6)).then_some(event_time)
    }

    fn continues(&self) -> Option<ContinuesFrom> {
        match self.0.below(40) {
            0 => Some(ContinuesFrom::Event(EventId { stream: StreamId(1), offset: Offset(2), head_hash: 3 })),
            1 => Some(ContinuesFrom::Stream(StreamId(u64::MAX))),
            2 => Some(ContinuesFrom::Unknown),
            _ => None,
        }
    }

    pub(super) fn query(&self, depth: u32) -> Query {
        let some = |maker: &Maker| (0..1 + maker.0.below(3)).map(|_| maker.query(depth - 1)).collect();
        match self.0.below(if depth == 0 { 3 } else { 8 }) {
            0..=2 => Query::Clause(self.clause()),
            3 => Query::And(some(self)),
            4 => Query::Or(some(self)),
            5 => Query::Not(Box::new(self.query(depth - 1))),
            6 => Query::And(vec![Query::Clause(self.clause()), Query::Not(Box::new(Query::Clause(self.clause())))]),
            _ => Query::All,
        }
    }

    fn clause(&self) -> Clause {
        let target = if self.0.one_in(2) { Target::Text } else { Target::Field(self.field_name().to_owned()) };
        Clause { test: self.test(), target }
    }

    fn value(&self) -> String {
        match self.0.below(9) {
            0 | 1 => self.one(WORDS).to_owned(),
            2 => self.one(UUIDS).to_owned(),
            3 => self.one(LOGGERS).to_lowercase(),
            4 => format!("/api/{}", self.0.below(500)),
            5 => self
                .one(&["/health", "200", "-1234", "apim", "mi", "prod", "true", "info", "host-a", "java.lang.Timeout"])
                .to_owned(),
            6 => self
                .one(&["audit.log", "0000000000000064", "100", "2025-11-24", "10.0.0.1", "wso2.carbon", "+05:30"])
                .to_owned(),
            7 => format!("{} {}", self.one(WORDS), self.one(WORDS)),
            _ => format!("{}.{}", self.one(UUIDS), self.one(WORDS)),
        }
    }

    fn test(&self) -> Test {
        let pattern = |maker: &Maker| {
            let value: String = maker.value().chars().take(1 + maker.0.below(6) as usize).collect();
            match maker.0.below(3) {
                0 => format!("{value}*"),
                1 => format!("*{value}"),
                _ => format!("{value}?*"),
            }
        };
        match self.0.below(12) {
            0..=4 => Test::Word(self.value()),
            5 | 6 => Test::Phrase(self.value()),
            7 | 8 => Test::Wildcard(pattern(self)),
            9 => Test::Regex(self.one(&["time.ut", "^java", "[0-9]{4}", "e-r|x", "(refused|8280).*a"]).to_owned()),
            10 => Test::Exists,
            _ => match self.0.below(3) {
                0 => Test::Cidr("10.0.0.0/8".to_owned()),
                1 => Test::Range { low: Some((self.value(), self.0.one_in(2))), high: None },
                _ => Test::Range { low: None, high: Some(("300".to_owned(), self.0.one_in(2))) },
            },
        }
    }

    pub(super) fn field_name(&self) -> &'static str {
        self.one(FIELDS)
    }

    pub(super) fn prefix(&self) -> &'static str {
        self.one(&["", "", "ORG", "/", "1"])
    }

    fn time(&self) -> TimeNs {
        TimeNs(BEGIN_NS + self.0.below(50) as i64 * 17_000_000_000 - 60_000_000_000)
    }

    pub(super) fn window(&self) -> Window {
        let bound = |maker: &Maker| (!maker.0.one_in(2)).then(|| maker.time());
        Window { from: bound(self), to: bound(self) }
    }

    pub(super) fn place(&self, events: &[Arc<StoredEvent>]) -> Option<Place> {
        let event = &events[self.0.below(events.len() as u64) as usize];
        let exact = Place::of(event);
        Some(if self.0.one_in(2) { exact } else { Place { offset: Offset(exact.offset.0 + 1), ..exact } })
    }

    pub(super) fn bounds(&self) -> Vec<TimeNs> {
        let minute = 60_000_000_000;
        let step = *self.one(&[&minute, &(5 * minute), &7_000_000_000]);
        let first = if self.0.one_in(2) { self.time().0 } else { self.time().0 / minute * minute };
        (0..1 + self.0.below(30) as i64).map(|i| TimeNs(first + i * step)).collect()
    }
}

/// A query that every event must be looked at for.
pub(super) fn unknown_to_any_index() -> Query {
    Query::Clause(Clause {
        target: Target::Field("size".to_owned()),
        test: Test::Range { low: Some(("30".to_owned(), true)), high: None },
    })
}
