//! What `parsers` carries from one byte of a stream to the next (protocol rule 11).

use crate::{Family, Offset, TimeNs, ZoneSource};

/// The zone local times are read in, and how it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// IANA name (`Asia/Colombo`), or a fixed offset (`+05:30`).
    pub name: String,
    /// How it was found.
    pub source: ZoneSource,
}

/// What is known of a file besides its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// Name without folder, date, index and `.gz` (`wso2carbon.log`).
    pub name: String,
    /// Family fixed by configuration for the whole file.
    pub family: Option<Family>,
}

/// A fact that does not stand in the stream's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The open event ends here (protocol rule 16).
    Cut,
    /// A zone learnt elsewhere; holds from the next head on.
    Zone(Zone),
    /// The file's own time, for lines without date.
    FileTime(TimeNs),
}

/// An input and the offset from which it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputAt {
    /// Byte of the stream.
    pub at: Offset,
    /// The fact.
    pub input: Input,
}

/// State between two events: family lock, zone, last time, what a cut left behind. At most 1 KiB encoded.
///
/// Starting again at any mark with the context of that mark gives the same events as never having stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    /// Zone of local times; `None`: UTC until told.
    pub zone: Option<Zone>,
    /// Whether a head was seen in this generation (protocol rule 14).
    pub head_seen: bool,
    /// Time of the last event that had one.
    pub last_time: Option<TimeNs>,
    /// The event cut just before this place, when what follows may be its continuation.
    pub cut: Option<Offset>,
    /// The cut was inside a line: its rest belongs to the continuation whatever it looks like.
    pub mid_line: bool,
    /// Date of a file whose lines have none, days since 1970-01-01.
    pub day: Option<i32>,
    /// Family fixed for the file by its content.
    pub lock: Option<Family>,
}

/// Why an encoded context cannot be read; it then counts as empty (protocol rule 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContextError {
    /// Written by a newer version.
    Newer,
    /// Not a context, or cut short.
    Corrupt,
}
