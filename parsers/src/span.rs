//! A run of bytes of an event, and a cursor that walks a line once.

/// Bytes `start..start + len` of an event or line; `len` 0 means absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Span {
    /// The span of `from..to`. Lines are looked at through a window, so positions fit.
    pub(crate) fn new(from: usize, to: usize) -> Span {
        Span { start: from as u32, len: to.saturating_sub(from) as u32 }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len == 0
    }

    pub(crate) fn end(self) -> usize {
        self.start as usize + self.len as usize
    }

    /// Its bytes; empty when it does not lie within `bytes`.
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end()).unwrap_or_default()
    }
}

/// A [`Span`] within the window of a line that decides whether it is a head: half the size, because heads are
/// handed on for every line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) start: u16,
    pub(crate) len: u16,
}

impl Part {
    /// The part `from..to`. The window is smaller than 64 KiB, so positions fit.
    pub(crate) fn new(from: usize, to: usize) -> Part {
        Part { start: from as u16, len: to.saturating_sub(from) as u16 }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len == 0
    }

    pub(crate) fn end(self) -> usize {
        usize::from(self.start) + usize::from(self.len)
    }

    /// Its bytes; empty when it does not lie within `bytes`.
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(usize::from(self.start)..self.end()).unwrap_or_default()
    }
}

impl From<Part> for Span {
    fn from(part: Part) -> Span {
        Span { start: u32::from(part.start), len: u32::from(part.len) }
    }
}

/// Up to there a closing bracket is looked for byte by byte.
const SHORT_BYTES: usize = 8;

/// A place in a line. Every step either moves it past what it asked for or leaves it where it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    pub(crate) line: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(line: &'a [u8], at: usize) -> Cursor<'a> {
        Cursor { line, at }
    }

    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.line.get(self.at..).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    /// Passes over `text`, if it stands here.
    #[inline]
    pub(crate) fn take<const N: usize>(&mut self, text: &[u8; N]) -> bool {
        let found = self.rest().first_chunk() == Some(text);
        if found {
            self.at += N;
        }
        found
    }

    /// [`Cursor::take`] of a text whose length is not known beforehand.
    pub(crate) fn take_text(&mut self, text: &[u8]) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Passes over one byte, if it stands here.
    #[inline]
    pub(crate) fn take_byte(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Passes over any number of blanks.
    pub(crate) fn blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// The inside of `open … close`, which holds no `close`.
    #[inline]
    pub(crate) fn enclosed(&mut self, open: u8, close: u8) -> Option<Part> {
        if self.peek() != Some(open) {
            return None;
        }
        let inside = self.at + 1;
        let rest = &self.line[inside..];
        // Most brackets are empty or short; for them the search costs more than the look.
        let short = rest.iter().take(SHORT_BYTES).position(|b| *b == close);
        let end = inside + short.or_else(|| memchr::memchr(close, rest))?;
        self.at = end + 1;
        Some(Part::new(inside, end))
    }

    /// The inside of `[…]`.
    pub(crate) fn bracket(&mut self) -> Option<Part> {
        self.enclosed(b'[', b']')
    }

    /// `min..=max` digits as a number; none of them taken when there are fewer or more.
    pub(crate) fn digits(&mut self, min: usize, max: usize) -> Option<u32> {
        let mut value = 0u32;
        let mut n = 0;
        while let Some(d @ b'0'..=b'9') = self.line.get(self.at + n).copied() {
            if n == max {
                return None;
            }
            value = value * 10 + u32::from(d - b'0');
            n += 1;
        }
        if n < min {
            return None;
        }
        self.at += n;
        Some(value)
    }
}
