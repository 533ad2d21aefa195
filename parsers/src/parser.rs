//! Framing and parsing of one stream.

use crate::{Context, ContextError, Event, FileFacts, InputAt, Offset};

/// Why the open event is closed although no next head has been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// At the last line end: idle, shutdown (protocol rule 16, first sentence).
    WholeLines,
    /// At the last byte: the generation ended, 10 minutes without growth, `--until-idle`.
    Everything,
}

/// Frames and parses one stream from a mark on.
///
/// The caller keeps the bytes from [`Parser::offset`] on in one buffer, and drops what [`Parser::advance`]
/// consumed. The parser remembers how far it has looked, so no byte is looked at twice.
#[derive(Clone, Debug)]
pub struct Parser {
    facts: FileFacts,
    offset: Offset,
    context: Context,
}

impl Parser {
    /// A parser that goes on at `offset` (a mark) with the context of that mark.
    pub fn new(facts: FileFacts, offset: Offset, context: Context) -> Parser {
        Parser { facts, offset, context }
    }

    /// First byte of the open event: everything before it is closed.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// The context at [`Parser::offset`].
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Looks at `buffer`, whose first byte stands at [`Parser::offset`], hands each event that closed to
    /// `closed` (with its own bytes), and returns the number of bytes these events cover.
    ///
    /// `inputs` are the facts that hold from offsets inside or before the buffer on, in order; facts before
    /// [`Parser::offset`] are already in the context and are passed over. An [`crate::Input::Cut`] closes
    /// the open event at its offset. The same `Event` is reused between calls of `closed`.
    pub fn advance(&mut self, buffer: &[u8], inputs: &[InputAt], closed: &mut dyn FnMut(&Event, &[u8])) -> usize {
        let _ = (&self.facts, buffer, inputs, closed);
        0
    }

    /// Where the open event would end if it were cut now: `None` when there is nothing to close
    /// (no byte, or no whole line under [`Cut::WholeLines`]). The caller journals this offset, then passes
    /// it as [`crate::Input::Cut`] to [`Parser::advance`].
    pub fn cut_place(&self, buffer: &[u8], cut: Cut) -> Option<Offset> {
        let _ = (buffer, cut);
        None
    }

    /// The open event as it stands, whole lines only, flagged provisional; `None` when it has no whole line.
    pub fn provisional(&self, buffer: &[u8]) -> Option<Event> {
        let _ = buffer;
        None
    }
}

impl Context {
    /// Encodes it: magic, version, fields, checksum; at most 1 KiB.
    pub fn encode(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Decodes what [`Context::encode`] wrote.
    ///
    /// # Errors
    /// [`ContextError::Newer`] for a version this code does not know, [`ContextError::Corrupt`] otherwise.
    pub fn decode(bytes: &[u8]) -> Result<Context, ContextError> {
        if bytes.is_empty() { Ok(Context::default()) } else { Err(ContextError::Corrupt) }
    }
}
