//! The event model: what one event of a log file is, with its fields as spans into its bytes.

use crate::{Dataset, Family, Field, FieldId, Value};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A byte position in one stream (one generation of one file), counted from its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub u64);

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeNs(pub i64);

/// How an event's time was found (`wso2.time.source`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TimeSource {
    /// From the time stamp of its own head line.
    Parsed = 1,
    /// From a field of its payload (analytics, metrics: the line itself has no date).
    Payload = 2,
    /// The last time of its stream.
    Inherited = 3,
    /// The file's own time.
    File = 4,
    /// The moment the indexer received it.
    Received = 5,
}

impl TimeSource {
    /// The one with this number.
    pub fn from_number(number: u8) -> Option<TimeSource> {
        match number {
            1 => Some(TimeSource::Parsed),
            2 => Some(TimeSource::Payload),
            3 => Some(TimeSource::Inherited),
            4 => Some(TimeSource::File),
            5 => Some(TimeSource::Received),
            _ => None,
        }
    }
}

/// How the zone of an event's time was found (`wso2.zone.source`), the surest way first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ZoneSource {
    /// The time stamp carries its own offset.
    Line = 1,
    /// The Carbon start banner.
    Banner = 2,
    /// An access line of the same host.
    Access = 3,
    /// Configuration.
    Config = 4,
    /// The host's own zone.
    Host = 5,
}

impl ZoneSource {
    /// The one with this number.
    pub fn from_number(number: u8) -> Option<ZoneSource> {
        match number {
            1 => Some(ZoneSource::Line),
            2 => Some(ZoneSource::Banner),
            3 => Some(ZoneSource::Access),
            4 => Some(ZoneSource::Config),
            5 => Some(ZoneSource::Host),
            _ => None,
        }
    }
}

/// The time of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTime {
    /// The instant.
    pub utc: TimeNs,
    /// Offset of the local clock that printed it, in minutes east of UTC.
    pub offset_minutes: i16,
    /// Where the time comes from.
    pub source: TimeSource,
    /// Where the zone comes from.
    pub zone: ZoneSource,
}

/// Severity, after mapping of every product's and language's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// No level was printed, or its word is not known.
    #[default]
    Unknown = 0,
    /// TRACE, FINER, FINEST.
    Trace = 1,
    /// DEBUG, FINE, CONFIG.
    Debug = 2,
    /// INFO.
    Info = 3,
    /// WARN, WARNING.
    Warn = 4,
    /// ERROR, SEVERE.
    Error = 5,
    /// FATAL.
    Fatal = 6,
}

impl Level {
    /// The one with this number.
    pub fn from_number(number: u8) -> Option<Level> {
        match number {
            0 => Some(Level::Unknown),
            1 => Some(Level::Trace),
            2 => Some(Level::Debug),
            3 => Some(Level::Info),
            4 => Some(Level::Warn),
            5 => Some(Level::Error),
            6 => Some(Level::Fatal),
            _ => None,
        }
    }
}

/// What an event goes on from when it is not the first piece (`wso2.continues`, protocol rule 17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continues {
    /// The event at this offset of the same stream.
    Event(Offset),
    /// An earlier event of the same stream than the one before: lines of another program stand between them.
    Earlier {
        /// Its first byte.
        event: Offset,
        /// [`head_hash`] of its first line.
        head_hash: u32,
    },
    /// The generation before this one; the shipper knows its stream.
    Generation,
}

/// Hash of an event's first line (without its line end) in the file, keyed by its stream: a part of its id.
pub fn head_hash(key: u64, line: &[u8]) -> u32 {
    (xxh3_64_with_seed(line, key) >> 32) as u32
}

/// The first line without its line end.
pub fn first_line(bytes: &[u8]) -> &[u8] {
    let line = memchr::memchr(b'\n', bytes).map_or(bytes, |end| &bytes[..end]);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Facts about an event that are yes or no.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// Still open: later lines may belong to it (protocol rule 18).
    pub const PROVISIONAL: Flags = Flags(1);
    /// Cut at the size cap; the rest follows as a continuation (protocol rule 15).
    pub const SPLIT: Flags = Flags(1 << 1);
    /// Repeats an event of another file (protocol rule 40).
    pub const COPY: Flags = Flags(1 << 2);
    /// May have been sent before: read again after a power cut of the host (protocol rule 8).
    pub const REPEATED: Flags = Flags(1 << 3);
    /// Bytes were replaced on the host.
    pub const REDACTED: Flags = Flags(1 << 4);
    /// The time lies more than a day ahead of the moment of receipt (`wso2.time.future`).
    pub const FUTURE: Flags = Flags(1 << 5);
    /// Only the first 64 KiB of a provisional event.
    pub const HEAD_ONLY: Flags = Flags(1 << 6);
    /// The context it was parsed with could not be read and counted as empty.
    pub const CONTEXT_LOST: Flags = Flags(1 << 7);

    /// Whether every flag of `other` is set.
    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets the flags of `other`.
    pub fn set(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}

/// One event. Spans in `fields` count from the event's own first byte.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Where its first byte stands.
    pub offset: Offset,
    /// Bytes of all its lines, line ends included.
    pub size: u32,
    /// Number of lines; a last one without line end counts.
    pub lines: u32,
    /// Shape of its head.
    pub family: Family,
    /// What its file is for.
    pub dataset: Dataset,
    /// Severity.
    pub level: Level,
    /// When it happened; `None` when neither line, payload nor an earlier event tells.
    pub time: Option<EventTime>,
    /// The piece before it, if it is not the first one.
    pub continues: Option<Continues>,
    /// Yes-or-no facts.
    pub flags: Flags,
    /// All other fields, ordered as found. `message` and `error.stack_trace` are spans too.
    pub fields: Vec<Field>,
}

impl Event {
    /// The value of a field, `None` when the event has none of that name.
    pub fn get(&self, id: FieldId) -> Option<&Value> {
        self.fields.iter().find(|f| f.id == id).map(|f| &f.value)
    }
}
