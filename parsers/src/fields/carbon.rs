//! The fields of heads that have a level, a logger and a message, and of what follows them.

use super::{Fields, exception, trimmed, trimmed_end};
use crate::head::Head;
use crate::span::{Cursor, Span};
use crate::{Family, FieldId, Level, level};

/// Adds the fields of an event of that many lines with such a head; gives the level and the span of the message.
pub(crate) fn fill(head: &Head, lines: u32, bytes: &[u8], fields: &mut Fields) -> (Level, Span) {
    let wrapped = if head.logger.is_empty() { wrapped(head, bytes) } else { None };
    let head = wrapped.as_ref().unwrap_or(head);
    let mut level = head.severity;
    // A head whose level is known already is a usual one, and has a logger without a blank.
    let mut logger = Span::from(head.logger);
    if level == Level::Unknown {
        let word = head.level.of(bytes);
        level = level::of_word(word);
        if !level::is_canonical(word, level) {
            fields.span(FieldId::LOG_LEVEL_TEXT, head.level);
        }
        logger = class_of(logger, bytes);
    }
    fields.span(FieldId::LOG_LOGGER, logger);
    fields.span(FieldId::THREAD_NAME, head.thread);
    fields.span(FieldId::TENANT_ID, head.tenant);
    fields.span(FieldId::TENANT_DOMAIN, head.domain);
    fields.span(FieldId::USER_NAME, head.user);
    fields.span(FieldId::SERVER_NAME, head.server);
    fields.span(FieldId::CORRELATION_ID, head.correlation);
    let (message, repeats_logger) = message(head, lines, bytes, fields);
    // The second bracket of log4j1 is the server's name; its layouts print two blanks, or the logger twice.
    let log4j1 = repeats_logger || bytes.get(usize::from(head.message)) == Some(&b' ');
    fields.span(if log4j1 { FieldId::SERVER_NAME } else { FieldId::APP }, head.app);
    fields.span(FieldId::MESSAGE, message);
    artifact(head, message, bytes, fields);
    trace(bytes, fields);
    (level, message)
}

/// `trace_id=… span_id=…`, which Micro Integrator can be told to print at the end of an event.
fn trace(bytes: &[u8], fields: &mut Fields) {
    const WITHIN: usize = 96;
    let end = bytes.trim_ascii_end();
    // A span's id ends in a digit of hexadecimal, right after 16 of them.
    let Some(equals) = end.len().checked_sub(17).filter(|at| end[*at] == b'=') else { return };
    let from = end.len().saturating_sub(WITHIN);
    if !end[from..equals].ends_with(b"span_id") {
        return;
    }
    if let Some(at) = memchr::memmem::find(&end[from..], b"trace_id=") {
        let id = from + at + 9;
        let len = end[id..].iter().take_while(|b| b.is_ascii_hexdigit()).count();
        fields.span(FieldId::TRACE_ID, Span::new(id, id + len));
        fields.span(FieldId::SPAN_ID, Span::new(equals + 1, end.len()));
    }
}

/// A head that a mail program or terminal broke after the level: the logger stands on the second line.
fn wrapped(head: &Head, bytes: &[u8]) -> Option<Head> {
    if head.family != Family::Tid {
        return None;
    }
    let rest = &bytes[usize::from(head.message)..];
    let skip = rest.len() - rest.trim_ascii_start().len();
    let mut c = Cursor::new(bytes, usize::from(head.message) + skip);
    let logger = c.enclosed(b'{', b'}')?;
    c.take_byte(b' ');
    c.take(b"- ").then_some(Head { logger, message: c.at as u16, ..*head })
}

/// Finds the stack, if there is one, and the message before it; tells whether the logger stood behind it once more.
fn message(head: &Head, lines: u32, bytes: &[u8], fields: &mut Fields) -> (Span, bool) {
    let from = usize::from(head.message);
    let to = if lines > 1 { before_logger(bytes, from, head.logger.into()) } else { bytes.len() };
    let stack = if lines > 1 { exception::find(bytes, from, to, fields) } else { None };
    let end = stack.map_or(bytes.len(), |s| s.start);
    let repeats = to < bytes.len();
    let whole = trimmed(bytes, from, end);
    let message = without_logger(whole, head.logger.into(), bytes);
    match stack {
        // Nothing but an exception was logged: its first line says what.
        Some(stack) if message.is_empty() => {
            let line = memchr::memchr(b'\n', &bytes[stack.start..]).map_or(bytes.len(), |i| stack.start + i);
            (Span::new(stack.start, trimmed_end(bytes, stack.start, line)), repeats || message != whole)
        }
        _ => (message, repeats || message != whole),
    }
}

/// Where ` {logger}` stands alone on the last line: behind a stack that was the message's own text.
fn before_logger(bytes: &[u8], from: usize, logger: Span) -> usize {
    let end = bytes.trim_ascii_end().len();
    let kept = without_logger(Span::new(from, end.max(from)), logger, bytes).end();
    let alone = kept < end && bytes[kept..end].contains(&b'\n');
    if alone { kept } else { bytes.len() }
}

/// The message without the logger that some layouts print once more behind it.
fn without_logger(message: Span, logger: Span, bytes: &[u8]) -> Span {
    let text = message.of(bytes);
    let Some(open) = text.len().checked_sub(logger.len as usize + 2) else { return message };
    let suffix = &text[open..];
    let repeated = !logger.is_empty()
        && suffix.starts_with(b"{")
        && suffix.ends_with(b"}")
        && &suffix[1..suffix.len() - 1] == logger.of(bytes);
    if !repeated {
        return message;
    }
    let start = message.start as usize;
    Span::new(start, trimmed_end(bytes, start, start + open))
}

/// The class of a logger that java.util.logging prints as `class method`.
fn class_of(logger: Span, bytes: &[u8]) -> Span {
    let text = logger.of(bytes);
    match memchr::memrchr(b' ', text) {
        Some(blank)
            if text[blank + 1..]
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'<' | b'>')) =>
        {
            Span { len: blank as u32, ..logger }
        }
        _ => logger,
    }
}

/// `{api:Name}` and the like, with which Micro Integrator and the gateway begin their messages.
pub(crate) fn artifact(head: &Head, message: Span, bytes: &[u8], fields: &mut Fields) {
    if !head.artifact.is_empty() {
        // The API log prints the API there, Micro Integrator the archive.
        let api = matches!(head.logger.of(bytes), b"API_LOG") || head.logger.of(bytes).ends_with(b"LogAPI");
        fields.span(if api { FieldId::ARTIFACT_NAME } else { FieldId::CAR_NAME }, head.artifact);
    }
    let text = message.of(bytes);
    if text.first() != Some(&b'{') {
        return;
    }
    let kind = text[1..].iter().take_while(|b| b.is_ascii_lowercase() || **b == b'_').count();
    if kind == 0 || text.get(1 + kind) != Some(&b':') {
        return;
    }
    let name = 2 + kind;
    let Some(len) = memchr::memchr2(b'}', b'\n', &text[name..]).filter(|i| text[name + i] == b'}') else { return };
    let start = message.start as usize;
    fields.span(FieldId::ARTIFACT_TYPE, Span::new(start + 1, start + 1 + kind));
    fields.span(FieldId::ARTIFACT_NAME, trimmed(bytes, start + name, start + name + len));
    // The archive it was deployed with stands behind it.
    const CONTAINER: &[u8] = b"[ Deployed From Artifact Container: ";
    if let Some(at) = memchr::memmem::find(&text[name + len..], CONTAINER) {
        let from = name + len + at + CONTAINER.len();
        let car = memchr::memchr(b']', &text[from..]).unwrap_or(0);
        fields.span(FieldId::CAR_NAME, trimmed(bytes, start + from, start + from + car));
    }
}

/// `thread >> "…"` and `thread << "…"`: bytes read from a socket and written to one.
pub(crate) fn wire(message: Span, bytes: &[u8], fields: &mut Fields) {
    let text = message.of(bytes);
    let at = |arrow: &[u8]| memchr::memmem::find(text, arrow);
    let (place, direction) = match (at(b" >> \""), at(b" << \"")) {
        (Some(read), written) if written.is_none_or(|w| read < w) => (read, "read"),
        (_, Some(written)) => (written, "written"),
        _ => return,
    };
    let start = message.start as usize;
    fields.span(FieldId::THREAD_NAME, Span::new(start, start + place));
    fields.literal(FieldId::WIRE_DIRECTION, direction);
}
