//! The templates of events that are there already: for people who ask what kinds of messages a file holds.

use crate::event_of::Maker;
use crate::framing::{End, Lines, Piece, content};
use crate::head::Fixed;
use crate::heads::dated;
use crate::template::Template;
use crate::{Context, Event, Family, FieldId, FileFacts, Formats, Value, framing, wrapper};

/// Finds the template of one event after the other, the one that its `wso2.template.hash` is the hash of.
#[derive(Clone, Debug)]
pub struct Patterns {
    maker: Maker,
    context: Context,
}

impl Patterns {
    /// For events of a file of which `facts` are known, and which may have own formats.
    pub fn new(facts: &FileFacts, formats: Formats) -> Patterns {
        Patterns { maker: Maker::new(facts), context: Context { formats, ..Context::default() } }
    }

    /// The template of `event`, whose bytes are `bytes`. Where the event is the rest of a line that was cut, it is taken
    /// for one that begins a line.
    pub fn of(&mut self, event: &Event, bytes: &[u8]) -> Template<'_> {
        let first = memchr::memchr(b'\n', bytes).map_or(bytes, |i| &bytes[..i]);
        let fixed = match event.family {
            Family::None if is_whole(event, first, bytes) => Fixed::Document,
            Family::None => Fixed::Configured(Family::None),
            family => Fixed::Content(family),
        };
        let look = framing::Look::at(content(first), fixed, &self.context.formats);
        let piece = Piece {
            size: bytes.len(),
            lines: event.lines,
            head: look.head,
            rule: Lines::All,
            continues: event.continues.is_some(),
            from: None,
            channel: 0,
            interrupted: false,
            goes_on: false,
            lock: None,
            wrapper: look.wrapper,
            end: End::Closed,
            flags: event.flags,
        };
        self.maker.make(&piece, bytes, event.offset, &self.context);
        self.maker.template()
    }
}

/// Whether the message of an event of no known family is all of it, its time included: it has no head then.
fn is_whole(event: &Event, first: &[u8], bytes: &[u8]) -> bool {
    if dated::proxy_access(first).is_some() {
        return false;
    }
    let mut inside = Vec::new();
    wrapper::of_line(first).unwrap_into(first, &mut inside);
    match event.get(FieldId::MESSAGE) {
        Some(Value::Span { start, len }) => {
            let message = bytes.get(*start as usize..(*start + *len) as usize).unwrap_or_default();
            message.starts_with(inside.trim_ascii())
        }
        // What is no UTF-8 was replaced in it; at the line's end that may be a character which goes on in the next one.
        Some(Value::Literal(text)) => {
            let shown = String::from_utf8_lossy(inside.trim_ascii());
            text.starts_with(shown.trim_end_matches(char::REPLACEMENT_CHARACTER))
        }
        Some(Value::Int(_)) | None => false,
    }
}
