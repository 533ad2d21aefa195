//! Exceptions in JSON: a stack as text, or taken apart into objects as log4j2's own layout does.

use super::json::{self, Json, Members};
use super::{Fields, exception};
use crate::span::Span;
use crate::{FieldId, Value};

/// How deep causes are followed.
const CAUSES_MAX: usize = 16;

/// How long a stack may become that is put together from objects.
const STACK_BYTES_MAX: usize = 256 * 1024;

/// Adds the fields of log4j2's `thrown`.
pub(crate) fn fill(object: Span, bytes: &[u8], fields: &mut Fields) {
    let mut frames = None;
    for (key, value) in Members::of(bytes, object) {
        match (key, value) {
            (b"name", _) => json::put(fields, FieldId::ERROR_TYPE, value, bytes),
            (b"message" | b"localizedMessage", _) if !fields.has(FieldId::ERROR_MESSAGE) => {
                json::put(fields, FieldId::ERROR_MESSAGE, value, bytes);
            }
            (b"extendedStackTrace" | b"stackTrace", Json::Text(..)) => stack(value, bytes, fields),
            (b"extendedStackTrace" | b"stackTrace", Json::Nested(list)) => frames = Some(list),
            _ => {}
        }
    }
    if frames.is_some() {
        taken_apart(object, bytes, fields);
    }
}

/// Adds the fields of a stack that is one text; what the object told before stays.
pub(crate) fn stack(value: Json, bytes: &[u8], fields: &mut Fields) {
    if !matches!(value, Json::Text(..)) || fields.has(FieldId::ERROR_STACK_TRACE) {
        return;
    }
    look_into(&json::unescaped(value.span().of(bytes)), fields);
    json::put(fields, FieldId::ERROR_STACK_TRACE, value, bytes);
}

/// Adds what a stack tells that is not told yet, but for the stack itself.
fn look_into(text: &str, fields: &mut Fields) {
    let mut inner = Fields::default();
    exception::find(text.as_bytes(), 0, text.len(), &mut inner);
    for field in inner.finish() {
        let told = fields.has(field.id) && field.id != FieldId::ERROR_CAUSES;
        match field.value {
            _ if told || field.id == FieldId::ERROR_STACK_TRACE => {}
            Value::Span { start, len } => {
                let part = Span { start, len };
                fields.literal(field.id, &String::from_utf8_lossy(part.of(text.as_bytes())));
            }
            Value::Literal(text) => fields.literal(field.id, &text),
            Value::Int(n) => fields.int(field.id, n),
        }
    }
}

/// Puts a stack together from its objects, as the JVM would print it.
fn taken_apart(object: Span, bytes: &[u8], fields: &mut Fields) {
    let mut text = String::new();
    let mut at = Some(object);
    for depth in 0..CAUSES_MAX {
        let Some(object) = at.take() else { break };
        let member = |name: &[u8]| Members::of(bytes, object).find(|(key, _)| *key == name).map(|(_, value)| value);
        let shown = |name: &[u8]| member(name).map(|v| json::unescaped(v.span().of(bytes))).filter(|t| t != "null");
        if depth > 0 {
            text.push_str("\nCaused by: ");
        }
        text.push_str(&shown(b"name").unwrap_or_default());
        if let Some(message) = shown(b"message") {
            text.push_str(": ");
            text.push_str(&message);
        }
        if let Some(Json::Nested(list)) = member(b"extendedStackTrace").or_else(|| member(b"stackTrace")) {
            frames(list, bytes, &mut text);
        }
        if let Some(Json::Nested(cause)) = member(b"cause") {
            at = Some(cause);
        }
    }
    look_into(&text, fields);
    fields.literal(FieldId::ERROR_STACK_TRACE, &text);
}

/// Adds a list of frame objects.
fn frames(list: Span, bytes: &[u8], text: &mut String) {
    let mut at = list.start as usize;
    while let Some(open) = memchr::memchr(b'{', &bytes[at..list.end()]) {
        let mut members = Members::new(bytes, at + open, list.end());
        let (mut class, mut method, mut file, mut line) = (&b""[..], &b""[..], &b""[..], &b""[..]);
        for (key, value) in members.by_ref() {
            let value = value.span().of(bytes);
            match key {
                b"class" => class = value,
                b"method" => method = value,
                b"file" => file = value,
                b"line" => line = value,
                _ => {}
            }
        }
        at = members.at().max(at + open + 1);
        if text.len() >= STACK_BYTES_MAX {
            return;
        }
        let shown = String::from_utf8_lossy;
        text.push_str(&format!("\n\tat {}.{}({}:{})", shown(class), shown(method), shown(file), shown(line)));
    }
}
