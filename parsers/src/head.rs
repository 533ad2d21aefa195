//! Heads: the first lines of events, recognised by hand-written scanners, one shape after the other.
//!
//! A line is looked at through a window of 64 KiB, so that a line of any length is decided after that
//! many bytes; what a head shape needs always stands before.

use crate::Family;
use crate::heads;
use crate::span::Span;
use crate::stamp::Stamp;

/// How much of a line decides whether it is a head.
pub(crate) const WINDOW: usize = 64 * 1024;

/// Which of a head's shapes a line has, and where its parts stand, counted from the line's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) family: Family,
    pub(crate) stamp: Stamp,
    pub(crate) level: Span,
    pub(crate) logger: Span,
    pub(crate) thread: Span,
    pub(crate) tenant: Span,
    pub(crate) domain: Span,
    pub(crate) user: Span,
    pub(crate) app: Span,
    pub(crate) server: Span,
    pub(crate) correlation: Span,
    pub(crate) artifact: Span,
    /// Access lines: the peer's address.
    pub(crate) peer: Span,
    /// Access lines: the first address of the forwarded-for list.
    pub(crate) forwarded: Span,
    /// Where the message begins (for access lines: what follows the time).
    pub(crate) message: u32,
}

impl Head {
    pub(crate) fn new(family: Family, stamp: Stamp) -> Head {
        Head {
            family,
            stamp,
            level: Span::default(),
            logger: Span::default(),
            thread: Span::default(),
            tenant: Span::default(),
            domain: Span::default(),
            user: Span::default(),
            app: Span::default(),
            server: Span::default(),
            correlation: Span::default(),
            artifact: Span::default(),
            peer: Span::default(),
            forwarded: Span::default(),
            message: 0,
        }
    }

    /// Whether events of this shape are one line long by their format.
    pub(crate) fn is_single_line(&self) -> bool {
        matches!(self.family, Family::AccessPt | Family::AccessTc)
    }
}

/// The head that `line` (without its line end) is, if it is one.
pub(crate) fn recognise(line: &[u8]) -> Option<Head> {
    let line = &line[..line.len().min(WINDOW)];
    match line.first()? {
        b'T' if line.starts_with(b"TID: ") => heads::tid::recognise(line).or_else(|| heads::access::recognise(line)),
        b'[' if line.starts_with(b"[20") => heads::bracket::recognise(line).or_else(|| heads::access::recognise(line)),
        b' ' | b'\t' => None,
        _ => heads::access::recognise(line),
    }
}
