//! An event as one flat object with ECS names, for commands that see it before any indexer does.

use parsers::{Event, FieldId, Level, Value};
use serde_json::{Map, Value as Json, json};

/// The event as one flat object with ECS names; a field with several values as a list.
pub(crate) fn object(path: &str, event: &Event, bytes: &[u8]) -> Map<String, Json> {
    let mut object = Map::new();
    let mut put = |name: &str, value: Json| match object.get_mut(name) {
        None => drop(object.insert(name.to_owned(), value)),
        Some(Json::Array(list)) => list.push(value),
        Some(first) => *first = Json::Array(vec![first.take(), value]),
    };
    put("log.file.path", json!(path));
    put("log.offset", json!(event.offset.0));
    put("size", json!(event.size));
    put("lines", json!(event.lines));
    put("wso2.log.family", json!(event.family.name()));
    put("event.dataset", json!(event.dataset.name()));
    if let Some(time) = event.time {
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(time.utc.0)).unwrap_or_default();
        put("@timestamp", json!(format!("{stamp:.3}")));
        put("wso2.time.source", json!(format!("{:?}", time.source).to_lowercase()));
        put("wso2.zone.source", json!(format!("{:?}", time.zone).to_lowercase()));
    }
    if event.level != Level::Unknown {
        put("log.level", json!(format!("{:?}", event.level).to_uppercase()));
    }
    if event.get(FieldId::MESSAGE).is_none() {
        put("message", json!(String::from_utf8_lossy(bytes.trim_ascii_end())));
    }
    for field in &event.fields {
        if let Some(name) = field.id.name() {
            put(name, value(&field.value, bytes));
        }
    }
    object
}

fn value(value: &Value, bytes: &[u8]) -> Json {
    match value {
        Value::Span { start, len } => {
            let span = bytes.get(*start as usize..(*start + *len) as usize).unwrap_or_default();
            json!(String::from_utf8_lossy(span))
        }
        Value::Literal(text) => json!(text),
        Value::Int(number) => json!(number),
    }
}
