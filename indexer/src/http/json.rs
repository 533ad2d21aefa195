//! Events as JSON: flat, by full name, a field with several values as a list.

use crate::event::StoredEvent;
use crate::query::fields::{self, FieldValue};
use std::fmt::Write as _;

/// Appends an event; with its bytes as `event.original` where `raw` is asked for.
pub(super) fn event(out: &mut String, event: &StoredEvent, raw: bool) {
    let mut all: Vec<(&str, FieldValue<'_>)> = Vec::with_capacity(32);
    fields::fields(event, &mut |name, value| all.push((name, value)));
    let _written = write!(out, "{{\"id\":\"{}\"", event.id());
    for (i, (name, first)) in all.iter().enumerate() {
        if all[..i].iter().any(|(earlier, _)| earlier == name) {
            continue;
        }
        out.push(',');
        text(out, name);
        out.push(':');
        let mut more = all[i + 1..].iter().filter(|(other, _)| other == name).peekable();
        if more.peek().is_none() {
            value(out, first);
            continue;
        }
        out.push('[');
        value(out, first);
        for (_, another) in more {
            out.push(',');
            value(out, another);
        }
        out.push(']');
    }
    if raw {
        original(out, event);
    }
    out.push('}');
}

fn original(out: &mut String, event: &StoredEvent) {
    out.push_str(",\"event.original\":");
    match std::str::from_utf8(&event.raw) {
        Ok(valid) => text(out, valid),
        Err(_) => {
            text(out, &String::from_utf8_lossy(&event.raw));
            out.push_str(",\"wso2.original.lossy\":true");
        }
    }
}

fn value(out: &mut String, value: &FieldValue<'_>) {
    match value {
        FieldValue::Text(words) => text(out, words),
        FieldValue::Int(number) => {
            let _written = write!(out, "{number}");
        }
        FieldValue::Time(time) => text(out, &fields::rfc3339(*time)),
        FieldValue::True => out.push_str("true"),
    }
}

/// Appends a JSON string.
pub(super) fn text(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        from = at + 1;
        if escape.is_empty() {
            let _written = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::query::sample;
    use parsers::{FieldId, Level};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strings_are_read_back(words in any::<String>()) {
            let mut out = String::new();
            text(&mut out, &words);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), words);
        }
    }

    #[test]
    fn an_event() {
        let plain = sample::event(&sample::stream(7, "/l/a.log"), 3, Level::Warn, "H ", "it \"broke\"\n\tat x");
        let twice = sample::with(sample::with(plain, FieldId::ERROR_CAUSES, "A"), FieldId::ERROR_CAUSES, "B");
        let mut out = String::new();
        event(&mut out, &twice, true);
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["id"].as_str().unwrap().len(), 24);
        assert_eq!(json["@timestamp"], "2026-11-25T10:00:03.000Z");
        assert_eq!(json["message"], "it \"broke\"");
        assert_eq!(json["event.original"], "H it \"broke\"\n\tat x\n");
        assert_eq!(json["wso2.error.causes"], serde_json::json!(["A", "B"]));
        assert_eq!((json["log.offset"].as_i64(), json["log.level"].as_str()), (Some(3), Some("WARN")));
        assert_eq!(
            (json["log.stream"].as_str(), json["service.name"].as_str()),
            (Some("0000000000000007"), Some("am"))
        );
        assert!(json.get("wso2.copy").is_none());
    }

    #[test]
    fn bytes_that_are_no_text_are_flagged() {
        let mut broken = sample::event(&sample::stream(7, "/l/a.log"), 3, Level::Warn, "H ", "x");
        broken.raw = bytes::Bytes::from_static(b"H \xff\n");
        let mut out = String::new();
        event(&mut out, &broken, true);
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["event.original"], "H \u{fffd}\n");
        assert_eq!(json["wso2.original.lossy"], true);
    }
}
