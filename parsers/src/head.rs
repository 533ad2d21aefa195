//! Heads: the first lines of events, recognised by hand-written scanners, one shape after the other.
//!
//! A line is looked at through a window of 32 KiB, so that a line of any length is decided after that
//! many bytes; what a head shape needs always stands before.

use crate::heads;
use crate::span::Part;
use crate::stamp::Stamp;
use crate::{Family, Level};

#[cfg(test)]
mod tests;

/// How much of a line decides whether it is a head.
pub(crate) const WINDOW: usize = 32 * 1024;

/// Which of a head's shapes a line has, and where its parts stand, counted from the line's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) family: Family,
    pub(crate) stamp: Stamp,
    /// What the level's word means, when it is already known and the word is the level's own name.
    pub(crate) severity: Level,
    pub(crate) level: Part,
    pub(crate) logger: Part,
    pub(crate) thread: Part,
    pub(crate) tenant: Part,
    pub(crate) domain: Part,
    pub(crate) user: Part,
    pub(crate) app: Part,
    pub(crate) server: Part,
    pub(crate) correlation: Part,
    /// What stands between the logger and the dash: the API, or the archive that an artifact came with.
    pub(crate) artifact: Part,
    /// Access lines: the peer's address.
    pub(crate) peer: Part,
    /// Access lines: the first address of the forwarded-for list.
    pub(crate) forwarded: Part,
    /// Where the message begins (for access lines: what follows the time).
    pub(crate) message: u16,
    /// Which of the own formats it is a head of; of family `own` only.
    pub(crate) format: u8,
    /// Own formats: its events are one line long.
    pub(crate) single: bool,
}

impl Head {
    pub(crate) fn new(family: Family, stamp: Stamp) -> Head {
        Head {
            family,
            stamp,
            severity: Level::Unknown,
            level: Part::default(),
            logger: Part::default(),
            thread: Part::default(),
            tenant: Part::default(),
            domain: Part::default(),
            user: Part::default(),
            app: Part::default(),
            server: Part::default(),
            correlation: Part::default(),
            artifact: Part::default(),
            peer: Part::default(),
            forwarded: Part::default(),
            message: 0,
            format: 0,
            single: false,
        }
    }

    /// The head with all places moved `by` bytes to the right.
    pub(crate) fn moved(mut self, by: usize) -> Head {
        let by = by as u16;
        for span in [
            &mut self.level,
            &mut self.logger,
            &mut self.thread,
            &mut self.tenant,
            &mut self.domain,
            &mut self.user,
            &mut self.app,
            &mut self.server,
            &mut self.correlation,
            &mut self.artifact,
            &mut self.peer,
            &mut self.forwarded,
        ] {
            span.start += by;
        }
        self.message += by;
        self
    }

    /// Whether events of this shape are one line long by their format.
    pub(crate) fn is_single_line(&self) -> bool {
        self.single || matches!(self.family, Family::AccessPt | Family::AccessTc)
    }
}

/// The head that `line` (without its line end) is in any file, if it is one.
#[inline]
pub(crate) fn recognise(line: &[u8]) -> Option<Head> {
    let line = &line[..line.len().min(WINDOW)];
    heads::usual::recognise(line).or_else(|| recognise_any(line))
}

/// The same, shape by shape.
fn recognise_any(line: &[u8]) -> Option<Head> {
    let found = match line.first()? {
        b' ' | b'\t' | b'\r' => return None,
        b'T' if line.first_chunk() == Some(b"TID: ") => heads::tid::recognise(line),
        b'T' => heads::governance(line),
        b'[' if line.starts_with(b"[20") => heads::bracket::recognise(line),
        b'0'..=b'9' => heads::digits::recognise(line),
        _ => None,
    };
    // The last two shapes leave an access line its due.
    found.or_else(|| heads::access::recognise(line)).or_else(|| match line.first()? {
        b'!' => heads::equinox(line),
        b'[' => heads::bracket::odd(line),
        _ => None,
    })
}

/// Words that WSO2's own guides for containers make users put before a head.
const MARKERS: [&[u8]; 10] =
    [b"CARBON ", b"AUDIT ", b"CREL ", b"TRACE ", b"METRIC ", b"SERV ", b"API ", b"ERR ", b"ATOM ", b"mi-analytics : "];

/// The one of them that stands before access lines.
const HTTP: &[u8; 5] = b"HTTP ";

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The head that `line` is as it stands, or behind a marker or a byte order mark.
#[inline]
fn recognise_marked(line: &[u8]) -> Option<Head> {
    if line.first_chunk() == Some(HTTP) {
        // The marker would pass for a host's name.
        return recognise(&line[HTTP.len()..]).map(|head| head.moved(HTTP.len()));
    }
    recognise(line).or_else(|| {
        let skip = match line.first()? {
            b'A' | b'C' | b'E' | b'M' | b'S' | b'T' | b'm' => MARKERS.iter().find(|m| line.starts_with(m))?.len(),
            0xef if line.starts_with(BYTE_ORDER_MARK) => BYTE_ORDER_MARK.len(),
            _ => return None,
        };
        recognise(&line[skip..]).map(|head| head.moved(skip))
    })
}

/// Which heads a file has besides those of any file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fixed {
    /// None yet; a line may still fix it.
    Open,
    /// None.
    No,
    /// Those of this family, found in the file.
    Content(Family),
    /// Those of this family and no others, by configuration.
    Configured(Family),
    /// None at all: the file is one document (what a JVM leaves that crashed).
    Document,
}

/// The head that `line` is whatever file it stands in: of a family, or a proxy's access line.
#[inline]
fn in_any_file(line: &[u8]) -> Option<Head> {
    recognise_marked(line).or_else(|| match line.first() {
        Some(b'[') => heads::dated::proxy_access(line),
        _ => None,
    })
}

/// The head that `line` is in a file fixed like that.
#[inline]
pub(crate) fn recognise_in(line: &[u8], fixed: Fixed) -> Option<Head> {
    let window = &line[..line.len().min(WINDOW)];
    match fixed {
        Fixed::No => in_any_file(line),
        Fixed::Document => None,
        Fixed::Open => in_any_file(line).or_else(|| heads::fixed::begins(window)),
        Fixed::Content(family) => in_any_file(line).or_else(|| heads::fixed::recognise(window, family)),
        Fixed::Configured(family) if heads::fixed::locks(family) && family != Family::Enforcer => {
            heads::fixed::recognise(window, family)
        }
        Fixed::Configured(family) => recognise_marked(line).filter(|h| h.family == family),
    }
}
