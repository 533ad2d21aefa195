//! The fields of correlation.log: `duration|call type|…`, each call type with fields of its own.
//!
//! SQL may hold pipes and line breaks, so the fields of database calls are counted from both ends.

use super::json::{self, Members};
use super::objects::text_time;
use super::{Fields, number, trimmed};
use crate::FieldId;
use crate::span::Span;
use crate::stamp::Stamp;

/// Adds the fields of the call that `message` reports, if it does; gives the time that a diagnostic object tells.
pub(crate) fn fill(message: Span, bytes: &[u8], fields: &mut Fields) -> Option<Stamp> {
    if message.of(bytes).first() == Some(&b'{') {
        return diagnostics(message, bytes, fields);
    }
    call(message, bytes, fields);
    None
}

/// One step of a flow in Identity Server's diagnostics.log.
fn diagnostics(message: Span, bytes: &[u8], fields: &mut Fields) -> Option<Stamp> {
    let mut recorded = None;
    for (key, value) in Members::of(bytes, message) {
        match key {
            b"recordedAt" => recorded = text_time(value, bytes).filter(|s| s.offset.is_some()),
            b"actionId" => json::put(fields, FieldId::EVENT_ACTION, value, bytes),
            b"componentId" => json::put(fields, FieldId::COMPONENT, value, bytes),
            b"requestId" if !fields.has(FieldId::CORRELATION_ID) => {
                json::put(fields, FieldId::CORRELATION_ID, value, bytes);
            }
            b"resultStatus" => match value.span().of(bytes) {
                word if word.eq_ignore_ascii_case(b"success") => fields.literal(FieldId::EVENT_OUTCOME, "success"),
                word if word.eq_ignore_ascii_case(b"failed") => fields.literal(FieldId::EVENT_OUTCOME, "failure"),
                _ => json::put(fields, FieldId::EVENT_OUTCOME, value, bytes),
            },
            _ => {}
        }
    }
    recorded
}

fn call(message: Span, bytes: &[u8], fields: &mut Fields) {
    let (from, to) = (message.start as usize, message.end());
    let mut parts = Parts { bytes, at: from, to };
    let Some(duration) = parts.next().and_then(|p| number(p.of(bytes).trim_ascii())) else { return };
    let Some(kind) = parts.next() else { return };
    fields.int(FieldId::EVENT_DURATION, duration.saturating_mul(1_000_000));
    fields.span(FieldId::CALL_TYPE, kind);
    match kind.of(bytes) {
        b"METHOD" => {
            parts.put(FieldId::CALL_CLASS, fields);
            parts.put(FieldId::CALL_METHOD, fields);
        }
        b"HTTP State Transition" => {
            parts.put(FieldId::CALL_CONNECTION, fields);
            parts.put(FieldId::HTTP_METHOD, fields);
            parts.put(FieldId::URL_ORIGINAL, fields);
            parts.put(FieldId::CALL_STATE, fields);
        }
        b"HTTP" => http(parts, fields),
        b"jdbc" => jdbc(parts, fields),
        b"ldap" => {
            parts.next();
            parts.put(FieldId::CALL_METHOD, fields);
            parts.put(FieldId::URL_FULL, fields);
        }
        b"HTTP-In-Request" | b"HTTP-In-Response" => {
            parts.next();
            parts.put(FieldId::HTTP_METHOD, fields);
            parts.put(FieldId::URL_QUERY, fields);
            parts.put(FieldId::URL_PATH, fields);
        }
        _ => {}
    }
}

/// Backend and round-trip latencies, and the gateway handler's line of about 15 fields.
fn http(mut parts: Parts<'_>, fields: &mut Fields) {
    let all = parts;
    match parts.count() {
        2 => {
            parts.put(FieldId::URL_FULL, fields);
            parts.put(FieldId::CALL_STATE, fields);
        }
        4 => {
            parts.put(FieldId::CALL_CONNECTION, fields);
            parts.put(FieldId::HTTP_METHOD, fields);
            parts.put(FieldId::URL_ORIGINAL, fields);
            parts.put(FieldId::CALL_STATE, fields);
        }
        n if n >= 12 => {
            parts.put(FieldId::API_NAME, fields);
            parts.put(FieldId::HTTP_METHOD, fields);
            parts.put(FieldId::API_RESOURCE, fields);
            parts.put(FieldId::API_CONTEXT, fields);
            let status = all.skip(11).next().and_then(|s| number(s.of(all.bytes)));
            if let Some(status) = status.filter(|s| (100..600).contains(s)) {
                fields.int(FieldId::HTTP_STATUS, status);
            }
            if let Some(application) = all.skip(12).next().filter(|a| a.of(all.bytes) != b"null") {
                fields.span(FieldId::API_APPLICATION, application);
            }
        }
        _ => {}
    }
}

/// `start|method|SQL|connection url`; the order can be configured, the URL is told by its scheme.
fn jdbc(mut parts: Parts<'_>, fields: &mut Fields) {
    parts.next();
    parts.put(FieldId::CALL_METHOD, fields);
    let rest = Span::new(parts.at, parts.to);
    let text = rest.of(parts.bytes);
    let Some(bar) = memchr::memrchr(b'|', text) else {
        fields.span(FieldId::CALL_STATEMENT, rest);
        return;
    };
    let bar = parts.at + bar;
    let (sql, url) = (trimmed(parts.bytes, parts.at, bar), trimmed(parts.bytes, bar + 1, parts.to));
    let (sql, url) = if sql.of(parts.bytes).starts_with(b"jdbc:") { (url, sql) } else { (sql, url) };
    fields.span(FieldId::CALL_STATEMENT, sql);
    fields.span(FieldId::URL_FULL, url);
}

/// What stands between pipes, from the left.
#[derive(Clone, Copy)]
struct Parts<'a> {
    bytes: &'a [u8],
    at: usize,
    to: usize,
}

impl Parts<'_> {
    fn next(&mut self) -> Option<Span> {
        if self.at > self.to {
            return None;
        }
        let end = memchr::memchr(b'|', &self.bytes[self.at..self.to]).map_or(self.to, |i| self.at + i);
        let span = Span::new(self.at, end);
        self.at = end + 1;
        Some(span)
    }

    fn skip(mut self, n: usize) -> Self {
        for _ in 0..n {
            self.next();
        }
        self
    }

    fn count(mut self) -> usize {
        let mut n = 0;
        while self.next().is_some() {
            n += 1;
        }
        n
    }

    /// Adds the next part, unless it is empty or `null`.
    fn put(&mut self, id: FieldId, fields: &mut Fields) {
        if let Some(span) = self.next().filter(|s| s.of(self.bytes) != b"null") {
            fields.span(id, trimmed(self.bytes, span.start as usize, span.end()));
        }
    }
}
