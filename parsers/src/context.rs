//! What `parsers` carries from one byte of a stream to the next (protocol rule 11).

use crate::event_of::Left;
use crate::framing::{End, Piece};
use crate::redact::OpenBlock;
use crate::zone;
use crate::{EventTime, Family, Formats, Lines, Offset, TimeNs, ZoneSource};

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

impl FileFacts {
    /// The file in the same folder whose WARN and ERROR events this one repeats in another layout
    /// (protocol rule 40); `None` for files that have events of their own.
    pub fn repeats(&self) -> Option<&'static str> {
        let errors = ["wso2-apigw-errors.log", "wso2-esb-errors.log", "wso2-ei-errors.log", "wso2error.log"];
        errors.contains(&self.name.as_str()).then_some("wso2carbon.log")
    }
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
    /// The own formats that hold for lines from there on, in place of those before.
    Formats(Formats),
}

/// An input and the offset from which it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputAt {
    /// Byte of the stream.
    pub at: Offset,
    /// The fact.
    pub input: Input,
}

/// How many programs are remembered that write through one tool. A pod's containers are few.
pub(crate) const CHANNELS_MAX: usize = 8;

/// The last event of one of several programs that write through one tool (containers through docker-compose, stdout
/// and stderr through a container's runtime), which a line of another one ended: its next lines go on from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Which program; a hash of the name that the tool gives it.
    pub name: u32,
    /// Its last event.
    pub event: Offset,
    /// [`crate::head_hash`] of that event's first line.
    pub head_hash: u32,
    /// Which further lines that event would have taken.
    pub lines: Lines,
    /// The event's last line goes on in the program's next one: the tool cut it, because it was long.
    pub mid_line: bool,
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
    /// Which further lines the cut event would have taken.
    pub cut_lines: Lines,
    /// The first lines of this generation may go on from the generation before.
    pub after_generation: bool,
    /// The cut was inside a line: its rest belongs to the continuation whatever it looks like.
    pub mid_line: bool,
    /// Offset and zone of `last_time`, for events that inherit it.
    pub last_zone: Option<(i16, ZoneSource)>,
    /// Date of a file whose lines have none, days since 1970-01-01.
    pub day: Option<i32>,
    /// The file's own time, for lines without date (an [`Input::FileTime`]).
    pub file_time: Option<TimeNs>,
    /// Family fixed for the file by its content.
    pub lock: Option<Family>,
    /// Own formats of the file.
    pub formats: Formats,
    /// Programs that write through one tool, and whose last event may go on, newest first; at most [`CHANNELS_MAX`].
    pub channels: Vec<Channel>,
    /// What redaction has to go on with: a secret that spans lines has begun and not ended (protocol rule 41).
    pub block: Option<OpenBlock>,
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

impl Context {
    /// The context a new generation begins with (protocol rule 12): the zone of the one before stays known, and
    /// when that one ended in a cut, what comes first may be its continuation.
    pub fn next_generation(&self) -> Context {
        Context {
            zone: self.zone.clone(),
            lock: self.lock,
            formats: self.formats.clone(),
            after_generation: self.cut.is_some(),
            cut_lines: Lines::Joined,
            ..Context::default()
        }
    }

    /// A fact that does not stand in the bytes; cuts are the framer's business.
    ///
    /// A zone found in a weaker way does not replace one found in a stronger way: a shipper that starts again
    /// passes the host's zone, and the start banner stays right.
    pub(crate) fn take_input(&mut self, input: &Input) {
        match input {
            Input::Cut => {}
            Input::Zone(zone) => {
                if self.zone.as_ref().is_none_or(|known| zone.source <= known.source)
                    && zone::rules(&zone.name).is_some()
                {
                    self.zone = Some(zone.clone());
                }
            }
            Input::FileTime(time) => self.file_time = Some(*time),
            Input::Formats(formats) => self.formats.clone_from(formats),
        }
    }

    /// What the event at `offset` leaves for the ones after it; `head_hash` counts for those of several programs only.
    pub(crate) fn after(&mut self, piece: &Piece, left: Left, offset: Offset, head_hash: u32) {
        if piece.channel != 0 {
            self.channels.retain(|c| c.name != piece.channel);
            if piece.interrupted || piece.end == End::CutAtLine {
                let (name, lines, mid_line) = (piece.channel, piece.rule, piece.goes_on);
                self.channels.insert(0, Channel { name, event: offset, head_hash, lines, mid_line });
                self.channels.truncate(CHANNELS_MAX);
            }
        }
        let cut = piece.end != End::Closed;
        self.cut = cut.then_some(offset);
        self.cut_lines = if cut { piece.rule } else { Lines::default() };
        self.mid_line = piece.end == End::CutInLine;
        self.after_generation = false;
        self.lock = piece.lock;
        self.head_seen |= piece.head.is_some();
        if let Some(EventTime { utc, offset_minutes, zone, .. }) = left.time {
            self.last_time = Some(utc);
            self.last_zone = Some((offset_minutes, zone));
        }
        if left.zone.is_some() {
            self.zone = left.zone;
        }
    }
}
