//! Every field an event shows, by its full name: what the matcher tests, what facets count, what JSON prints.
//!
//! An event's own parse comes first; what its stream says (host, file, product, labels) fills in. `id` and
//! `event.original` are not fields: the edge adds them.

use crate::event::StoredEvent;
use parsers::{Family, FieldId, Flags, Level, TimeNs, TimeSource, Value, ZoneSource};
use std::borrow::Cow;
use wire::ContinuesFrom;

/// A field's value as it is shown and compared.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// Text; invalid UTF-8 is replaced.
    Text(Cow<'a, str>),
    /// A number.
    Int(i64),
    /// An instant.
    Time(TimeNs),
    /// Only ever `true`: a flag that is not set is a field that is missing.
    True,
}

impl FieldValue<'_> {
    /// As text: numbers in decimal, times in RFC 3339 (UTC).
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            FieldValue::Text(text) => Cow::Borrowed(text),
            FieldValue::Int(number) => Cow::Owned(number.to_string()),
            FieldValue::Time(time) => Cow::Owned(rfc3339(*time)),
            FieldValue::True => Cow::Borrowed("true"),
        }
    }
}

/// An instant in RFC 3339, UTC, with milliseconds, or with as many digits as it has.
pub fn rfc3339(time: TimeNs) -> String {
    use jiff::fmt::temporal::DateTimePrinter;
    static MILLIS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
    static ALL: DateTimePrinter = DateTimePrinter::new();
    let printer = if time.0 % 1_000_000 == 0 { &MILLIS } else { &ALL };
    match jiff::Timestamp::from_nanosecond(i128::from(time.0)) {
        Ok(instant) => printer.timestamp_to_string(&instant),
        Err(_) => time.0.to_string(),
    }
}

/// What kind of values a field has: decides how tests compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// Free text: compared word by word.
    Text,
    /// A name or code: compared as a whole, case folded.
    Keyword,
    /// A number.
    Number,
    /// An instant.
    Time,
    /// An IP address.
    Ip,
    /// Severity: ordered by weight, not by letters.
    Level,
    /// `true`, or missing.
    Flag,
}

/// Fields that the store or the stream gives, not the parser of the line.
const GIVEN: &[(&str, FieldKind)] = &[
    ("@timestamp", FieldKind::Time),
    ("log.level", FieldKind::Level),
    ("event.dataset", FieldKind::Keyword),
    ("event.ingested", FieldKind::Time),
    ("event.timezone", FieldKind::Keyword),
    ("host.name", FieldKind::Keyword),
    ("host.id", FieldKind::Keyword),
    ("agent.id", FieldKind::Keyword),
    ("service.name", FieldKind::Keyword),
    ("log.file.path", FieldKind::Keyword),
    ("log.file.name", FieldKind::Keyword),
    ("log.stream", FieldKind::Keyword),
    ("log.offset", FieldKind::Number),
    ("size", FieldKind::Number),
    ("lines", FieldKind::Number),
    ("wso2.log.family", FieldKind::Keyword),
    ("wso2.time.source", FieldKind::Keyword),
    ("wso2.zone.source", FieldKind::Keyword),
    ("wso2.continues", FieldKind::Keyword),
    ("wso2.repeated", FieldKind::Keyword),
    ("wso2.copy", FieldKind::Flag),
    ("wso2.redacted", FieldKind::Flag),
    ("wso2.provisional", FieldKind::Flag),
    ("wso2.split", FieldKind::Flag),
    ("wso2.time.future", FieldKind::Flag),
    ("wso2.head_only", FieldKind::Flag),
    ("wso2.context_lost", FieldKind::Flag),
];

/// Every field known by name, with its kind. Labels from configuration come on top.
pub fn known() -> impl Iterator<Item = (&'static str, FieldKind)> {
    let parsed = FieldId::ALL.iter().map(|&(id, name)| (name, parsed_kind(id)));
    GIVEN.iter().copied().chain(parsed)
}

/// The kind of a field by its full name; unknown ones (labels) are keywords.
pub fn kind(name: &str) -> FieldKind {
    if let Some(&(_, kind)) = GIVEN.iter().find(|(known, _)| *known == name) {
        return kind;
    }
    FieldId::from_name(name).map_or(FieldKind::Keyword, parsed_kind)
}

fn parsed_kind(id: FieldId) -> FieldKind {
    match id {
        FieldId::MESSAGE
        | FieldId::ERROR_MESSAGE
        | FieldId::ERROR_STACK_TRACE
        | FieldId::ERROR_CAUSES
        | FieldId::ERROR_SUPPRESSED
        | FieldId::ERROR_FRAME
        | FieldId::REDACTED_CLASSES
        | FieldId::USER_AGENT => FieldKind::Text,
        FieldId::TENANT_ID | FieldId::HTTP_STATUS | FieldId::HTTP_BYTES | FieldId::EVENT_DURATION => FieldKind::Number,
        FieldId::CLIENT_IP => FieldKind::Ip,
        _ => FieldKind::Keyword,
    }
}

/// A level's name; `None` when no level was printed.
pub fn level_name(level: Level) -> Option<&'static str> {
    match level {
        Level::Unknown => None,
        Level::Trace => Some("TRACE"),
        Level::Debug => Some("DEBUG"),
        Level::Info => Some("INFO"),
        Level::Warn => Some("WARN"),
        Level::Error => Some("ERROR"),
        Level::Fatal => Some("FATAL"),
    }
}

/// The level a word means, in any case, other loggers' words too.
pub fn level_from_word(word: &str) -> Option<Level> {
    Some(match word.to_ascii_uppercase().as_str() {
        "TRACE" | "FINER" | "FINEST" => Level::Trace,
        "DEBUG" | "FINE" | "CONFIG" => Level::Debug,
        "INFO" => Level::Info,
        "WARN" | "WARNING" => Level::Warn,
        "ERROR" | "SEVERE" => Level::Error,
        "FATAL" => Level::Fatal,
        _ => return None,
    })
}

/// The event's text for free-text search: from its message to its end, continuation lines included; the whole
/// event when its message does not stand in its bytes.
pub fn text(event: &StoredEvent) -> &[u8] {
    event.raw.get(text_start(event)..).unwrap_or(&event.raw)
}

/// Where [`text`] begins in the event's bytes.
pub fn text_start(event: &StoredEvent) -> usize {
    match message_value(event) {
        Some(Value::Span { start, .. }) if *start as usize <= event.raw.len() => *start as usize,
        _ => 0,
    }
}

fn message_value(event: &StoredEvent) -> Option<&Value> {
    event.body.fields.iter().find(|field| field.id == FieldId::MESSAGE).map(|field| &field.value)
}

/// Calls `each` with every field the event shows, the parser's own in the order found. A name may come twice.
pub fn fields<'e>(event: &'e StoredEvent, each: &mut dyn FnMut(&'e str, FieldValue<'e>)) {
    each("@timestamp", FieldValue::Time(event.time));
    for (name, _) in &GIVEN[1..] {
        if let Some(value) = given(event, name) {
            each(name, value);
        }
    }
    if message_value(event).is_none() {
        each("message", whole_text(event));
    }
    for field in &event.body.fields {
        if let Some(name) = field.id.name() {
            each(name, parsed_value(event, &field.value));
        }
    }
    if let Some(product) = product_of_stream(event) {
        each("service.type", text_value(product));
    }
    for (name, value) in &event.info.factors.labels {
        each(name, text_value(value));
    }
}

/// A field's name, looked up once for many events.
#[derive(Clone, Debug, PartialEq)]
pub struct Key(Known);

#[derive(Clone, Debug, PartialEq)]
enum Known {
    Timestamp,
    Level,
    Flag(Flags),
    Given(&'static str),
    Parsed(FieldId),
    Label(Box<str>),
}

impl Key {
    /// The key of a full name.
    pub fn new(name: &str) -> Key {
        Key(match name {
            "@timestamp" => Known::Timestamp,
            "log.level" => Known::Level,
            _ => match (flag_of(name), GIVEN.iter().find(|(known, _)| *known == name), FieldId::from_name(name)) {
                (Some(flag), ..) => Known::Flag(flag),
                (None, Some((given, _)), _) => Known::Given(given),
                (None, None, Some(id)) => Known::Parsed(id),
                (None, None, None) => Known::Label(name.into()),
            },
        })
    }

    /// Calls `each` with the values of the field, until it says it has seen enough by returning `true`. Returns
    /// whether it did.
    pub fn any_value<'e>(&self, event: &'e StoredEvent, each: &mut dyn FnMut(FieldValue<'e>) -> bool) -> bool {
        match &self.0 {
            Known::Timestamp => each(FieldValue::Time(event.time)),
            Known::Level => level_name(event.body.level).is_some_and(|name| each(text_value(name))),
            Known::Flag(flag) => event.body.flags.has(*flag) && each(FieldValue::True),
            Known::Given(name) => given(event, name).is_some_and(&mut *each) || any_label(event, name, each),
            Known::Parsed(id) => {
                any_parsed(event, *id, each) || id.name().is_some_and(|name| any_label(event, name, each))
            }
            Known::Label(name) => any_label(event, name, each),
        }
    }
}

/// Labels may have the name of a known field (`service.version`), and then add to it.
fn any_label<'e>(event: &'e StoredEvent, name: &str, each: &mut dyn FnMut(FieldValue<'e>) -> bool) -> bool {
    let labels = event.info.factors.labels.iter().filter(|(label, _)| label == name);
    labels.map(|(_, value)| text_value(value)).any(each)
}

fn any_parsed<'e>(event: &'e StoredEvent, id: FieldId, each: &mut dyn FnMut(FieldValue<'e>) -> bool) -> bool {
    if id == FieldId::MESSAGE && message_value(event).is_none() && each(whole_text(event)) {
        return true;
    }
    let own = event.body.fields.iter().filter(|field| field.id == id);
    if own.map(|field| parsed_value(event, &field.value)).any(&mut *each) {
        return true;
    }
    id == FieldId::SERVICE_TYPE && product_of_stream(event).is_some_and(|product| each(text_value(product)))
}

/// Calls `each` with the values of one field, until it says it has seen enough by returning `true`. Returns
/// whether it did. For many events, see [`Key`].
pub fn any_value<'e>(event: &'e StoredEvent, name: &str, each: &mut dyn FnMut(FieldValue<'e>) -> bool) -> bool {
    Key::new(name).any_value(event, each)
}

/// The first value of a field.
pub fn value<'e>(event: &'e StoredEvent, name: &str) -> Option<FieldValue<'e>> {
    let mut first = None;
    any_value(event, name, &mut |value| {
        first = Some(value);
        true
    });
    first
}

/// The product its stream was opened with, unless the event itself names one.
fn product_of_stream(event: &StoredEvent) -> Option<&str> {
    let own = event.body.fields.iter().any(|field| field.id == FieldId::SERVICE_TYPE);
    if own { None } else { event.info.factors.product.as_deref() }
}

fn text_value(text: &str) -> FieldValue<'_> {
    FieldValue::Text(Cow::Borrowed(text))
}

/// The whole event without its last line end: the message of an event that has none of its own.
fn whole_text(event: &StoredEvent) -> FieldValue<'_> {
    let raw = event.raw.strip_suffix(b"\n").unwrap_or(&event.raw);
    FieldValue::Text(String::from_utf8_lossy(raw.strip_suffix(b"\r").unwrap_or(raw)))
}

fn parsed_value<'e>(event: &'e StoredEvent, value: &'e Value) -> FieldValue<'e> {
    match value {
        Value::Int(number) => FieldValue::Int(*number),
        Value::Literal(text) => text_value(text),
        Value::Span { start, len } => {
            let bytes = event.raw.get(*start as usize..*start as usize + *len as usize).unwrap_or_default();
            FieldValue::Text(String::from_utf8_lossy(bytes))
        }
    }
}

fn given<'e>(event: &'e StoredEvent, name: &str) -> Option<FieldValue<'e>> {
    let info = &*event.info;
    let owned = |text: String| Some(FieldValue::Text(Cow::Owned(text)));
    match name {
        "log.level" => level_name(event.body.level).map(text_value),
        "event.dataset" => Some(text_value(event.body.dataset.name())),
        "event.ingested" => Some(FieldValue::Time(event.ingested)),
        "event.timezone" => owned(offset_text(event.body.time?.offset_minutes)),
        "host.name" => not_empty(&info.host_name),
        "host.id" => not_empty(&info.host_id),
        "agent.id" => owned(info.agent.to_string()),
        "service.name" => service_name(event),
        "log.file.path" => not_empty(&info.factors.path),
        "log.file.name" => not_empty(&info.factors.name),
        "log.stream" => owned(info.stream.to_string()),
        "log.offset" => Some(FieldValue::Int(i64::try_from(event.body.offset.0).unwrap_or(i64::MAX))),
        "size" => Some(FieldValue::Int(i64::from(event.body.size))),
        "lines" => Some(FieldValue::Int(i64::from(event.body.lines))),
        "wso2.log.family" => (event.body.family != Family::None).then(|| text_value(event.body.family.name())),
        "wso2.time.source" => Some(text_value(time_source(event))),
        "wso2.zone.source" => Some(text_value(zone_source(event.body.time?.zone))),
        "wso2.continues" => owned(continues_text(event.body.continues?)),
        "wso2.repeated" => event.body.flags.has(Flags::REPEATED).then(|| text_value("maybe")),
        _ => flag_of(name).filter(|&flag| event.body.flags.has(flag)).map(|_| FieldValue::True),
    }
}

fn not_empty(text: &str) -> Option<FieldValue<'_>> {
    (!text.is_empty()).then(|| text_value(text))
}

fn flag_of(name: &str) -> Option<Flags> {
    Some(match name {
        "wso2.copy" => Flags::COPY,
        "wso2.redacted" => Flags::REDACTED,
        "wso2.provisional" => Flags::PROVISIONAL,
        "wso2.split" => Flags::SPLIT,
        "wso2.time.future" => Flags::FUTURE,
        "wso2.head_only" => Flags::HEAD_ONLY,
        "wso2.context_lost" => Flags::CONTEXT_LOST,
        _ => return None,
    })
}

/// `service.name`: configured, else the product.
fn service_name(event: &StoredEvent) -> Option<FieldValue<'_>> {
    match &event.info.factors.service {
        Some(service) => Some(text_value(service)),
        None => value(event, "service.type"),
    }
}

fn time_source(event: &StoredEvent) -> &'static str {
    match event.body.time.map(|time| time.source) {
        Some(TimeSource::Parsed) => "parsed",
        Some(TimeSource::Payload) => "payload",
        Some(TimeSource::Inherited) => "inherited",
        Some(TimeSource::File) => "file",
        Some(TimeSource::Received) | None => "received",
    }
}

fn zone_source(source: ZoneSource) -> &'static str {
    match source {
        ZoneSource::Line => "line",
        ZoneSource::Banner => "banner",
        ZoneSource::Access => "access",
        ZoneSource::Config => "config",
        ZoneSource::Host => "host",
    }
}

fn offset_text(minutes: i16) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.unsigned_abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

fn continues_text(from: ContinuesFrom) -> String {
    match from {
        ContinuesFrom::Event(id) => id.to_string(),
        ContinuesFrom::Stream(stream) => format!("stream:{stream}"),
        ContinuesFrom::Unknown => "?".to_owned(),
    }
}
