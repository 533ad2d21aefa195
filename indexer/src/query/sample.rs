//! Events for tests.

use crate::event::{StoredEvent, StreamInfo};
use bytes::Bytes;
use parsers::{Dataset, Family, Field, FieldId, Flags, Level, Offset, TimeNs, Value};
use std::sync::Arc;
use wire::{AgentId, EventBody, Factors, StreamId};

/// 2026-11-25T10:00:00Z
pub(crate) const TEN: i64 = 1_795_600_800_000_000_000;

/// A stream of that number.
pub(crate) fn stream(number: u64, path: &str) -> Arc<StreamInfo> {
    let name = path.rsplit('/').next().unwrap_or(path).to_owned();
    Arc::new(StreamInfo {
        stream: StreamId(number),
        agent: AgentId::default(),
        host_id: "h-1".to_owned(),
        host_name: "app-1".to_owned(),
        factors: Factors { path: path.to_owned(), name, product: Some("am".to_owned()), ..Factors::default() },
    })
}

/// An event of `head` and `message`, a second apart from the next for each byte of offset.
pub(crate) fn event(info: &Arc<StreamInfo>, offset: u64, level: Level, head: &str, message: &str) -> StoredEvent {
    let raw = format!("{head}{message}\n");
    let first_line = message.lines().next().unwrap_or_default().len();
    let span = Value::Span { start: head.len() as u32, len: first_line as u32 };
    StoredEvent {
        info: Arc::clone(info),
        body: EventBody {
            offset: Offset(offset),
            size: raw.len() as u32,
            len: raw.len() as u32,
            lines: raw.lines().count() as u32,
            head_hash: wire::head_hash(info.stream, raw.as_bytes()),
            family: Family::Tid,
            dataset: Dataset::Carbon,
            level,
            time: None,
            flags: Flags::default(),
            continues: None,
            fields: vec![Field { id: FieldId::MESSAGE, value: span }],
        },
        raw: Bytes::from(raw),
        time: TimeNs(TEN + offset as i64 * 1_000_000_000),
        ingested: TimeNs(TEN + 3_600_000_000_000),
    }
}

/// Adds a field.
pub(crate) fn with(mut event: StoredEvent, id: FieldId, value: &str) -> StoredEvent {
    event.body.fields.push(Field { id, value: Value::Literal(value.into()) });
    event
}
