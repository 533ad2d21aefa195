//! The fields of events of own formats.

use super::layout::Layout;
use super::pattern::{Pattern, Target};
use super::program::{self, Found, Slot, Step};
use super::{Format, Kind};
use crate::fields::{Fields, carbon, exception, number, trimmed, trimmed_end};
use crate::head::{Head, WINDOW};
use crate::span::Span;
use crate::stamp::Stamp;
use crate::{FieldId, Level, level};

/// What an event of an own format tells besides its fields.
pub(crate) struct Filled {
    pub(crate) level: Level,
    pub(crate) message: Span,
    /// Its time, where the head does not have it already.
    pub(crate) stamp: Option<Stamp>,
}

/// How far from the end of a message what stands behind it is looked for.
const TAIL_BYTES_MAX: usize = 4096;
/// Places tried for it.
const TAIL_PLACES_MAX: usize = 8;

impl Format {
    /// Adds the fields of an event of so many lines with such a head.
    pub(crate) fn fill(&self, head: &Head, lines: u32, bytes: &[u8], fields: &mut Fields) -> Filled {
        let filled = match &self.0.kind {
            Kind::Layout(layout) => of_layout(layout, head, lines, bytes, fields),
            Kind::Pattern(pattern) => of_pattern(pattern, lines, bytes, fields),
            Kind::BuiltIn(_) => text(bytes, fields),
        };
        fields.literal(FieldId::LOG_FORMAT, &self.0.spec.name);
        filled
    }
}

fn text(bytes: &[u8], fields: &mut Fields) -> Filled {
    let message = trimmed(bytes, 0, bytes.len());
    fields.span(FieldId::MESSAGE, message);
    Filled { level: Level::Unknown, message, stamp: None }
}

fn of_layout(layout: &Layout, head: &Head, lines: u32, bytes: &[u8], fields: &mut Fields) -> Filled {
    let window = &bytes[..bytes.len().min(WINDOW)];
    let skip = if window.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut found = Found::default();
    let whole = program::run(&layout.before, window, skip, false, &mut found);
    // What the layout prints on further lines before the message may be missing: a cut event.
    let from = match whole {
        Some(end) => end,
        None => {
            let first = &layout.before[..layout.first_line];
            program::run(first, window, skip, false, &mut found).unwrap_or(usize::from(head.message))
        }
    };
    let mut level = Level::Unknown;
    if let Some((word, known)) = found.level {
        level = known;
        if !level::is_canonical(word.of(bytes), level) {
            fields.span(FieldId::LOG_LEVEL_TEXT, word);
        }
    }
    values(&layout.before, &found, bytes, fields);
    let logger = value_of(&layout.before, &found, FieldId::LOG_LOGGER);
    let to = tail(&layout.last, bytes, from, bytes.len(), Span::default(), fields);
    let stack = if lines > 1 { exception::find(bytes, from, to, fields) } else { None };
    let end = stack.map_or(to, |s| s.start);
    let end = tail(&layout.after, bytes, from, end, logger, fields);
    let mut message = trimmed(bytes, from, end);
    if let (Some(stack), true) = (stack, message.is_empty()) {
        // Nothing but an exception was logged: its first line says what.
        let line = memchr::memchr(b'\n', &bytes[stack.start..]).map_or(bytes.len(), |i| stack.start + i);
        message = Span::new(stack.start, trimmed_end(bytes, stack.start, line));
    }
    fields.span(FieldId::MESSAGE, message);
    carbon::artifact(head, message, bytes, fields);
    Filled { level, message, stamp: None }
}

fn value_of(steps: &[Step], found: &Found, id: FieldId) -> Span {
    let of = |step: &u16| matches!(&steps[usize::from(*step)], Step::Free(Slot::Field(field), _) if *field == id);
    found.values().iter().find(|(step, _)| of(step)).map(|(_, span)| *span).unwrap_or_default()
}

fn values(steps: &[Step], found: &Found, bytes: &[u8], fields: &mut Fields) {
    for (step, span) in found.values() {
        let Step::Free(slot, _) = &steps[usize::from(*step)] else { continue };
        value(slot, trimmed(bytes, span.start as usize, span.end()), bytes, fields);
    }
}

/// Whether a field holds a number.
pub(super) fn is_number(id: FieldId) -> bool {
    matches!(
        id,
        FieldId::HTTP_STATUS
            | FieldId::HTTP_BYTES
            | FieldId::HTTP_REQUEST_BYTES
            | FieldId::EVENT_DURATION
            | FieldId::EVENT_SEQUENCE
            | FieldId::ORIGIN_LINE
            | FieldId::PROCESS_PID
            | FieldId::THREAD_ID
            | FieldId::CLIENT_PORT
            | FieldId::SERVER_PORT
            | FieldId::API_TARGET_STATUS
            | FieldId::API_BACKEND_LATENCY
    )
}

/// Adds a value; what stands for "none" is none.
fn value(slot: &Slot, span: Span, bytes: &[u8], fields: &mut Fields) {
    let text = span.of(bytes);
    if matches!(text, b"" | b"-" | b"\"-\"" | b"?") {
        return;
    }
    match slot {
        Slot::None => {}
        Slot::Field(id) if is_number(*id) => {
            if let Some(value) = number(text) {
                fields.int(*id, value);
            }
        }
        Slot::Field(FieldId::CLIENT_ADDRESS) => {
            let is_ip = std::str::from_utf8(text).is_ok_and(|t| t.parse::<std::net::IpAddr>().is_ok());
            fields.span(if is_ip { FieldId::CLIENT_IP } else { FieldId::CLIENT_ADDRESS }, span);
        }
        Slot::Field(id) => fields.span(*id, span),
        Slot::Label(name) => fields.literal(FieldId::LABELS, &format!("{name}={}", String::from_utf8_lossy(text))),
    }
}

/// Finds what a layout prints at the end of `bytes[from..to]`; gives the place where that begins, else `to`.
///
/// A logger printed once more must be `logger`: a message may end in braces by itself.
fn tail(steps: &[Step], bytes: &[u8], from: usize, to: usize, logger: Span, fields: &mut Fields) -> usize {
    // Between a message and a value with no text before it no border can be seen.
    let first: &[u8] = match steps {
        [Step::Text(text), ..] | [Step::Split(_), Step::Text(text), ..] => text,
        _ => return to,
    };
    let end = trimmed_end(bytes, from, to);
    let area = end.saturating_sub(TAIL_BYTES_MAX).max(from);
    let mut found = Found::default();
    for at in memchr::memmem::rfind_iter(&bytes[area..end], first).take(TAIL_PLACES_MAX) {
        let at = area + at;
        if program::run(steps, &bytes[..end], at, true, &mut found).is_none() {
            continue;
        }
        let again = value_of(steps, &found, FieldId::LOG_LOGGER);
        if !again.is_empty() && !logger.is_empty() && again.of(bytes) != logger.of(bytes) {
            continue;
        }
        for (step, span) in found.values() {
            if let Step::Free(slot, _) = &steps[usize::from(*step)]
                && (*slot != Slot::Field(FieldId::LOG_LOGGER) || logger.is_empty())
            {
                value(slot, trimmed(bytes, span.start as usize, span.end()), bytes, fields);
            }
        }
        return at;
    }
    to
}

fn of_pattern(pattern: &Pattern, lines: u32, bytes: &[u8], fields: &mut Fields) -> Filled {
    let skip = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let first = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |i| i + 1);
    let line = crate::framing::content(&bytes[skip..first]);
    let line = &line[..line.len().min(WINDOW)];
    let mut filled = Filled { level: Level::Unknown, message: Span::default(), stamp: None };
    let mut body = None;
    pattern.each(line, &mut |target, span| {
        let span = Span { start: span.start + skip as u32, ..span };
        match target {
            Target::Slot(slot) => value(slot, trimmed(bytes, span.start as usize, span.end()), bytes, fields),
            Target::Level => {
                let word = trimmed(bytes, span.start as usize, span.end());
                let upper = word.of(bytes).to_ascii_uppercase();
                filled.level = level::of_word(&upper);
                if !word.is_empty() && !level::is_canonical(word.of(bytes), filled.level) {
                    fields.span(FieldId::LOG_LEVEL_TEXT, word);
                }
            }
            Target::Time => {
                if let Some(stamp) = pattern.stamp(span.of(bytes)) {
                    filled.stamp.get_or_insert(stamp);
                }
            }
            Target::Message => body = body.or(Some(span)),
        }
    });
    let end_of_line = skip + line.len();
    let from = body.map_or(skip, |span| span.start as usize);
    let stack = if lines > 1 { exception::find(bytes, from, bytes.len(), fields) } else { None };
    let to = match body {
        Some(span) if span.end() < end_of_line => span.end(),
        _ => stack.map_or(bytes.len(), |s| s.start),
    };
    filled.message = trimmed(bytes, from, to);
    fields.span(FieldId::MESSAGE, filled.message);
    filled
}
