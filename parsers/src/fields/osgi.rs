//! The OSGi framework log: an entry's severity is a number, its text stands after `!MESSAGE`, its stack after
//! `!STACK`.

use super::{Fields, exception, trimmed};
use crate::head::Head;
use crate::span::Span;
use crate::{FieldId, Level};

pub(crate) fn fill(head: &Head, bytes: &[u8], fields: &mut Fields) -> Level {
    fields.span(FieldId::LOG_LOGGER, head.logger);
    let stack = line_with(bytes, b"!STACK ");
    let end = stack.unwrap_or(bytes.len());
    let message = match line_with(&bytes[..end], b"!MESSAGE ") {
        Some(at) => trimmed(bytes, at + 9, end),
        None => trimmed(bytes, usize::from(head.message), end),
    };
    fields.span(FieldId::MESSAGE, message);
    if let Some(stack) = stack {
        // The line of `!STACK` is no part of the stack: the class stands on the line after it.
        exception::find(bytes, stack, bytes.len(), fields);
    }
    severity(head.level.into(), bytes)
}

fn severity(number: Span, bytes: &[u8]) -> Level {
    match number.of(bytes) {
        b"1" => Level::Info,
        b"2" => Level::Warn,
        b"4" => Level::Error,
        _ => Level::Unknown,
    }
}

/// Where the first line that begins with `text` begins.
fn line_with(bytes: &[u8], text: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(bytes, text).find(|at| *at == 0 || bytes[at - 1] == b'\n')
}
