//! The fields of audit messages, in the shapes that the products have had:
//!
//! 1. `Initiator : u | Action : a | Target : t | Data : { … } | Result : r`
//! 2. `Initiator=u Action=a Target=t Data={…} Outcome=o`
//! 3. `'user@domain [tenant]' logged in at […]`, `… from IP address 10.1.2.3`, `logged out`,
//!    `Login failed. … 'user[tenant]'`, `Failed … login attempt 'user[tenant]' at […]`
//! 4. JSON with `performedBy`/`initiatorId`, `action`, `type`, `info`/`data`
//! 5. `GET /api/… user: u app: a`

use super::json::{self, Json, Members};
use super::objects::{instant, text_time};
use super::{Fields, trimmed};
use crate::FieldId;
use crate::span::Span;
use crate::stamp::Stamp;

/// Adds the fields of an audit message; nothing for other texts. Gives the time that the message tells.
pub(crate) fn fill(message: Span, bytes: &[u8], fields: &mut Fields) -> Option<Stamp> {
    let text = message.of(bytes);
    match text.first() {
        Some(b'{') => return object(message, bytes, fields),
        Some(b'I') if text.starts_with(b"Initiator=") => assigned(message, bytes, fields),
        Some(b'I') if text.starts_with(b"Initiator ") => barred(message, bytes, fields),
        Some(b'\'') => login(message, bytes, fields),
        Some(b'L' | b'F') if text.starts_with(b"Login failed") || failed_attempt(text) => {
            fields.literal(FieldId::EVENT_ACTION, "login");
            fields.literal(FieldId::EVENT_OUTCOME, "failure");
            if let Some(quote) = memchr::memchr(b'\'', text) {
                user(bytes, message.start as usize + quote + 1, message.end(), fields);
            }
        }
        _ => rest_call(message, bytes, fields),
    }
    None
}

fn failed_attempt(text: &[u8]) -> bool {
    text.starts_with(b"Failed ") && memchr::memmem::find(&text[..text.len().min(64)], b"login attempt").is_some()
}

fn field_of(key: &[u8]) -> Option<FieldId> {
    Some(match key {
        b"Initiator" | b"performedBy" | b"initiatorId" => FieldId::USER_NAME,
        b"Action" | b"action" => FieldId::EVENT_ACTION,
        b"Target" | b"targetId" => FieldId::AUDIT_TARGET,
        b"targetType" | b"type" | b"typ" => FieldId::AUDIT_TARGET_TYPE,
        b"Impersonator" | b"impersonatorId" | b"impersonator" => FieldId::AUDIT_IMPERSONATOR,
        b"Data" | b"data" | b"info" => FieldId::AUDIT_DATA,
        b"Result" | b"Outcome" | b"result" => FieldId::EVENT_OUTCOME,
        b"requestId" => FieldId::CORRELATION_ID,
        b"initiatorType" => FieldId::AUDIT_INITIATOR_TYPE,
        _ => return None,
    })
}

fn put(key: &[u8], value: Span, bytes: &[u8], fields: &mut Fields) {
    let Some(id) = field_of(key).filter(|_| value.of(bytes) != b"null") else { return };
    if id != FieldId::EVENT_OUTCOME {
        fields.span(id, value);
        return;
    }
    // The words that ECS has for it.
    let word = value.of(bytes);
    if word.eq_ignore_ascii_case(b"success") {
        fields.literal(id, "success");
    } else if word.eq_ignore_ascii_case(b"failure") || word.eq_ignore_ascii_case(b"failed") {
        fields.literal(id, "failure");
    } else {
        fields.span(id, value);
    }
}

/// `Key : value | Key : value`; `Data` may hold bars itself, so a part without a known key goes on.
fn barred(message: Span, bytes: &[u8], fields: &mut Fields) {
    let end = message.end();
    let mut open: Option<(Span, usize)> = None;
    let mut at = message.start as usize;
    loop {
        let bar = memchr::memmem::find(&bytes[at..end], b" | ").map_or(end, |i| at + i);
        if let Some(next) = key_of(bytes, at, bar)
            && let Some((key, from)) = open.replace(next)
        {
            put(key.of(bytes), trimmed(bytes, from, at.saturating_sub(3)), bytes, fields);
        }
        if bar == end {
            break;
        }
        at = bar + 3;
    }
    if let Some((key, from)) = open {
        put(key.of(bytes), trimmed(bytes, from, end), bytes, fields);
    }
}

/// A known key before ` : ` and where its value begins.
fn key_of(bytes: &[u8], from: usize, to: usize) -> Option<(Span, usize)> {
    let colon = from + memchr::memchr(b':', &bytes[from..to])?;
    let key = trimmed(bytes, from, colon);
    field_of(key.of(bytes)).map(|_| (key, colon + 1))
}

/// `Key=value Key=value`: a value ends before the next known key.
fn assigned(message: Span, bytes: &[u8], fields: &mut Fields) {
    let end = message.end();
    let mut at = message.start as usize;
    let mut open: Option<(Span, usize)> = None;
    while at < end {
        let len = bytes[at..end].iter().take_while(|b| b.is_ascii_alphabetic()).count();
        if len > 0 && bytes.get(at + len) == Some(&b'=') && field_of(&bytes[at..at + len]).is_some() {
            if let Some((key, from)) = open.replace((Span::new(at, at + len), at + len + 1)) {
                put(key.of(bytes), trimmed(bytes, from, at), bytes, fields);
            }
            at += len + 1;
            // A JSON object holds no keys of ours, whatever its text looks like.
            at += Members::new(bytes, at, end).map(|(_, value)| value.span().end()).last().map_or(0, |to| to - at);
        }
        at += memchr::memchr(b' ', &bytes[at..end]).map_or(end - at, |i| i + 1);
    }
    if let Some((key, from)) = open {
        put(key.of(bytes), trimmed(bytes, from, end), bytes, fields);
    }
}

/// `'user@domain [tenant]' logged in at …`.
fn login(message: Span, bytes: &[u8], fields: &mut Fields) {
    let from = message.start as usize + 1;
    let Some(close) = user(bytes, from, message.end(), fields) else { return };
    let rest = bytes[close + 1..message.end()].trim_ascii_start();
    let action = if rest.starts_with(b"logged in") {
        "login"
    } else if rest.starts_with(b"logged out") {
        "logout"
    } else {
        return;
    };
    fields.literal(FieldId::EVENT_ACTION, action);
    fields.literal(FieldId::EVENT_OUTCOME, "success");
    const ADDRESS: &[u8] = b"from IP address ";
    if let Some(at) = memchr::memmem::find(rest, ADDRESS) {
        let from = message.end() - rest.len() + at + ADDRESS.len();
        let len = bytes[from..message.end()].iter().take_while(|b| !b.is_ascii_whitespace() && **b != b',').count();
        fields.span(FieldId::CLIENT_IP, Span::new(from, from + len));
    }
}

/// Adds the user before the tenant's bracket; gives the place of the closing quote.
fn user(bytes: &[u8], from: usize, to: usize, fields: &mut Fields) -> Option<usize> {
    let close = from + memchr::memchr(b'\'', &bytes[from..to])?;
    let name = memchr::memchr(b'[', &bytes[from..close]).map_or(close, |i| from + i);
    fields.span(FieldId::USER_NAME, trimmed(bytes, from, name));
    Some(close)
}

fn object(message: Span, bytes: &[u8], fields: &mut Fields) -> Option<Stamp> {
    let mut recorded = None;
    for (key, value) in Members::of(bytes, message) {
        match field_of(key) {
            Some(FieldId::EVENT_OUTCOME) => put(key, value.span(), bytes, fields),
            // The head's own is the same one, where there is one.
            Some(FieldId::CORRELATION_ID) if fields.has(FieldId::CORRELATION_ID) => {}
            Some(id) => json::put(fields, id, value, bytes),
            None if key == b"recordedAt" => {
                recorded = match value {
                    Json::Nested(span) => instant(span, bytes),
                    Json::Text(..) | Json::Bare(_) => text_time(value, bytes),
                };
            }
            None => {}
        }
    }
    // A time without zone is no better than that of the head.
    recorded.filter(|stamp| stamp.offset.is_some())
}

/// `METHOD /path user: u app: a`.
fn rest_call(message: Span, bytes: &[u8], fields: &mut Fields) {
    let text = message.of(bytes);
    let start = message.start as usize;
    let method = text.iter().take_while(|b| b.is_ascii_uppercase()).count();
    if method < 3 || !text[method..].starts_with(b" /") {
        return;
    }
    let Some(user) = memchr::memmem::find(text, b" user: ") else { return };
    fields.span(FieldId::HTTP_METHOD, Span::new(start, start + method));
    super::access::url(trimmed(bytes, start + method, start + user), bytes, fields);
    let name = user + 7;
    match memchr::memmem::find(&text[name..], b" app: ") {
        Some(app) => {
            fields.span(FieldId::USER_NAME, trimmed(bytes, start + name, start + name + app));
            fields.span(FieldId::API_APPLICATION, trimmed(bytes, start + name + app + 6, message.end()));
        }
        None => fields.span(FieldId::USER_NAME, trimmed(bytes, start + name, message.end())),
    }
}
