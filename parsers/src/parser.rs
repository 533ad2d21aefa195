//! The parser of one stream: what callers see of framing and fields.

use crate::event_of::{Left, Maker, Templates};
use crate::framing::{Coming, Framer, Piece, content, head_again};
use crate::redact::{May, OpenBlock, Redactor, Rules, Text};
use crate::{Context, Event, Family, FileFacts, Flags, InputAt, Offset, head_hash};
use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

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
    offset: Offset,
    context: Context,
    framer: Framer,
    maker: Maker,
    configured: Option<Family>,
    redactor: Option<Redactor>,
    /// Of the hashes of first lines that stand in the context.
    key: u64,
}

/// The open event as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Provisional<'b> {
    /// Its fields.
    pub event: Event,
    /// Its bytes, redacted.
    pub bytes: Cow<'b, [u8]>,
}

impl Parser {
    /// A parser that goes on at `offset` (a mark) with the context of that mark.
    pub fn new(facts: FileFacts, offset: Offset, context: Context) -> Parser {
        Parser {
            offset,
            context,
            framer: Framer::new(&facts),
            maker: Maker::new(&facts),
            configured: facts.family,
            redactor: None,
            key: 0,
        }
    }

    /// The same parser with the stream's id, which keys [`head_hash`].
    pub fn keyed(mut self, key: u64) -> Parser {
        self.key = key;
        self
    }

    /// From here on, replaces what `rules` find in each event before its fields are looked for.
    pub fn redact(&mut self, rules: Option<Arc<Rules>>) {
        self.redactor = rules.map(Redactor::new);
    }

    /// Values replaced since this was last asked, by class or rule.
    pub fn take_redacted(&mut self) -> Vec<(String, u64)> {
        self.redactor.as_mut().map(Redactor::take_counts).unwrap_or_default()
    }

    /// The same parser, but its events have no `wso2.template.hash`: for those who look for something else.
    pub fn without_templates(mut self) -> Parser {
        self.maker.templates(Templates::None);
        self
    }

    /// The same parser, but `wso2.template.hash` is left to whoever gets the events ([`crate::template::Splitter::complete`]),
    /// all but that of events whose text does not stand in their bytes as it is.
    pub fn templates_later(mut self) -> Parser {
        self.maker.templates(Templates::Wrapped);
        self
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
    /// `closed` (with its own bytes, redacted), and returns the number of bytes these events cover.
    ///
    /// `inputs` are the facts that hold from offsets inside or before the buffer on, in order; facts before
    /// [`Parser::offset`] are already in the context and are passed over. An [`crate::Input::Cut`] closes
    /// the open event at its offset. The same `Event` is reused between calls of `closed`.
    ///
    /// While an event is open, at most 1 MiB and 32 KiB of it have to be in the buffer: then it is cut.
    pub fn advance(&mut self, buffer: &[u8], inputs: &[InputAt], closed: &mut dyn FnMut(&Event, &[u8])) -> usize {
        self.advance_until(buffer, inputs, Offset(u64::MAX), closed)
    }

    /// As [`Parser::advance`], but closes no event that begins at or behind `stop`.
    pub fn advance_until(
        &mut self,
        buffer: &[u8],
        inputs: &[InputAt],
        stop: Offset,
        closed: &mut dyn FnMut(&Event, &[u8]),
    ) -> usize {
        let begin = self.offset;
        if let Some(redactor) = &mut self.redactor {
            redactor.other_buffer();
        }
        let mut inputs = inputs.get(inputs.partition_point(|i| i.at < begin)..).unwrap_or_default();
        let mut start = 0;
        loop {
            while let Some((first, rest)) = inputs.split_first()
                && first.at <= self.offset
            {
                self.context.take_input(&first.input);
                self.maker.zone_changed();
                inputs = rest;
            }
            if self.offset >= stop {
                return start;
            }
            let cut = inputs.iter().find(|i| i.input == crate::Input::Cut).map(|i| i.at);
            let cut = cut.map(|at| usize::try_from(at.0 - begin.0).unwrap_or(usize::MAX));
            let coming = Coming { begin: self.offset, inputs };
            let Some(piece) = self.framer.next(buffer, start, cut, &self.context, coming) else {
                return start;
            };
            let end = start + piece.size;
            let left = self.close(&piece, buffer, start, closed);
            let next = Offset(begin.0 + end as u64);
            let last = inputs.partition_point(|i| i.at < next);
            let (passed, rest) = inputs.split_at(last);
            if left.zone.is_some() || !passed.is_empty() {
                self.maker.zone_changed();
            }
            // Only what other programs' lines may interrupt is ever asked for again.
            let head_hash = if piece.channel == 0 { 0 } else { head_hash(self.key, first_line(&buffer[start..end])) };
            self.context.after(&piece, left, self.offset, head_hash);
            for passed in passed {
                self.context.take_input(&passed.input);
            }
            inputs = rest;
            self.offset = next;
            start = end;
        }
    }

    /// Makes the event of a closed piece, which stands at `start` in the buffer, and hands it out.
    fn close(&mut self, piece: &Piece, buffer: &[u8], start: usize, closed: &mut dyn FnMut(&Event, &[u8])) -> Left {
        let bytes = &buffer[start..start + piece.size];
        let Some(redactor) = &mut self.redactor else {
            self.context.block = None;
            let (event, left) = self.maker.make(piece, bytes, self.offset, &self.context);
            closed(event, bytes);
            return std::mem::take(left);
        };
        let mut block = self.context.block;
        let may = redactor.ahead(buffer, start, piece.size);
        let made = Redaction { redactor, may, maker: &mut self.maker, configured: self.configured };
        let left = made.close(piece, bytes, self.offset, &self.context, &mut block, closed);
        self.context.block = block;
        left
    }

    /// Where the open event would end if it were cut now: `None` when there is nothing to close
    /// (no byte, or no whole line under [`Cut::WholeLines`]). The caller journals this offset, then passes
    /// it as [`crate::Input::Cut`] to [`Parser::advance`].
    pub fn cut_place(&self, buffer: &[u8], cut: Cut) -> Option<Offset> {
        let size = match cut {
            Cut::WholeLines => self.framer.whole_lines(buffer),
            Cut::Everything => buffer.len(),
        };
        (size > 0).then(|| Offset(self.offset.0 + size as u64))
    }

    /// The open event as it stands, whole lines only, flagged provisional; `None` when it has no whole line.
    ///
    /// Of an event over 64 KiB only the first 64 KiB, flagged [`crate::Flags::HEAD_ONLY`].
    pub fn provisional<'b>(&self, buffer: &'b [u8]) -> Option<Provisional<'b>> {
        let piece: Piece = self.framer.open_piece(buffer)?;
        let mut maker = self.maker.clone();
        let bytes = &buffer[..piece.size];
        let Some(mut redactor) = self.redactor.clone() else {
            let event = maker.make(&piece, bytes, self.offset, &self.context).0.clone();
            return Some(Provisional { event, bytes: Cow::Borrowed(bytes) });
        };
        let mut block = self.context.block;
        let mut open = None;
        let may = May::ANY;
        let made = Redaction { redactor: &mut redactor, may, maker: &mut maker, configured: self.configured };
        made.close(&piece, bytes, self.offset, &self.context, &mut block, &mut |event, bytes| {
            open = Some(Provisional { event: event.clone(), bytes: Cow::Owned(bytes.to_vec()) });
        });
        open
    }
}

fn first_line(bytes: &[u8]) -> &[u8] {
    content(memchr::memchr(b'\n', bytes).map_or(bytes, |end| &bytes[..=end]))
}

/// What turns a piece into an event whose secrets are replaced.
struct Redaction<'p> {
    redactor: &'p mut Redactor,
    may: May,
    maker: &'p mut Maker,
    configured: Option<Family>,
}

impl Redaction<'_> {
    fn close(
        self,
        piece: &Piece,
        bytes: &[u8],
        offset: Offset,
        context: &Context,
        block: &mut Option<OpenBlock>,
        closed: &mut dyn FnMut(&Event, &[u8]),
    ) -> Left {
        let line = Cell::default();
        let text = Text::new(bytes, context.mid_line, piece.head.is_some(), &line).with(self.may);
        let Some(redacted) = self.redactor.event(text, block) else {
            let (event, left) = self.maker.make(piece, bytes, offset, context);
            closed(event, bytes);
            return std::mem::take(left);
        };
        let mut changed = *piece;
        changed.head = head_again(piece, redacted.bytes, redacted.first, self.configured, &context.formats);
        changed.flags.set(Flags::REDACTED);
        self.maker.redacted(redacted.classes);
        let (event, left) = self.maker.make(&changed, redacted.bytes, offset, context);
        closed(event, redacted.bytes);
        std::mem::take(left)
    }
}
