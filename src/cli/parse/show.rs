//! An event as a row of a table or as one object.

use super::{Arguments, Format};
use crate::flat;
use crate::out::Out;
use parsers::{Continues, Event, Family, FieldId, FileFacts, Flags, Formats, Value, explain};
use serde_json::{Map, Value as Json, json};
use std::path::Path;

/// Lines of one event whose shape is explained.
const LINES_MAX: usize = 20;

/// The table's first row.
pub(super) fn header() -> String {
    format!("{:>10} {:>7} {:>5} {:12} {:5} {:24} message", "offset", "size", "lines", "family", "level", "time")
}

/// What is known of a file besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct File<'f> {
    pub(super) path: &'f Path,
    pub(super) facts: &'f FileFacts,
    pub(super) formats: &'f Formats,
}

/// Prints an event.
///
/// # Errors
/// Those of [`Out`].
pub(super) fn event(
    arguments: &Arguments,
    file: File<'_>,
    event: &Event,
    bytes: &[u8],
    out: &mut Out,
) -> anyhow::Result<()> {
    let mut object = flat::object(&file.path.display().to_string(), event, bytes);
    if arguments.format == Format::Ndjson {
        if arguments.explain {
            object.insert("explain".to_owned(), explained(file, event, bytes));
        }
        return out.line(&Json::Object(object).to_string());
    }
    let text = |name: &str| object.get(name).and_then(Json::as_str).unwrap_or("-");
    let message: String = text("message").lines().next().unwrap_or("").chars().take(160).collect();
    out.line(&format!(
        "{:>10} {:>7} {:>5} {:12} {:5} {:24} {}",
        event.offset.0,
        event.size,
        event.lines,
        event.family.name(),
        text("log.level"),
        text("@timestamp"),
        visible(&message)
    ))?;
    if arguments.explain {
        for line in rows(event, &object, file, bytes) {
            out.line(&format!("{:>10}   {line}", ""))?;
        }
    }
    Ok(())
}

/// Control bytes of a log must not drive a terminal.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// What is said of each line: why it is a head or is not.
fn lines(file: File<'_>, event: &Event, bytes: &[u8]) -> Vec<String> {
    let each = bytes.split_inclusive(|b| *b == b'\n').take(LINES_MAX).enumerate();
    let said = |(i, line): (usize, &[u8])| {
        let around = if i == 0 && event.family != Family::Json { Family::None } else { event.family };
        explain(file.facts, file.formats, around, line)
    };
    each.map(said).collect()
}

/// Where the event that this one goes on from begins; `null` in the generation before.
fn predecessor(continues: Continues) -> Json {
    match continues {
        Continues::Event(offset) | Continues::Earlier { event: offset, .. } => json!(offset.0),
        Continues::Generation => Json::Null,
    }
}

/// The yes-or-no facts of an event, by name.
fn flags(event: &Event) -> Vec<&'static str> {
    let names = [
        (Flags::SPLIT, "split at 1 MiB"),
        (Flags::COPY, "copy"),
        (Flags::REPEATED, "may be repeated"),
        (Flags::REDACTED, "redacted"),
        (Flags::FUTURE, "in the future"),
    ];
    names.into_iter().filter(|(flag, _)| event.flags.has(*flag)).map(|(_, name)| name).collect()
}

fn explained(file: File<'_>, event: &Event, bytes: &[u8]) -> Json {
    let mut spans = Map::new();
    for field in &event.fields {
        if let (Some(name), Value::Span { start, len }) = (FieldId::name(field.id), &field.value) {
            spans.insert(name.to_owned(), json!([start, len]));
        }
    }
    json!({
        "lines": lines(file, event, bytes),
        "offset_minutes": event.time.map(|t| t.offset_minutes),
        "continues": event.continues.map(|from| json!({ "offset": predecessor(from) })),
        "flags": flags(event),
        "spans": spans,
    })
}

/// What follows an event's row with `--explain`: its lines, and its fields.
fn rows(event: &Event, object: &Map<String, Json>, file: File<'_>, bytes: &[u8]) -> Vec<String> {
    let mut rows = Vec::new();
    match event.continues {
        None => {}
        Some(Continues::Generation) => rows.push("goes on from the generation before this file".to_owned()),
        Some(from) => rows.push(format!("goes on from the event at {}", predecessor(from))),
    }
    rows.extend(flags(event).into_iter().map(str::to_owned));
    let said = lines(file, event, bytes);
    let mut from = 0;
    while from < said.len() {
        let same = said[from..].iter().take_while(|line| **line == said[from]).count();
        let which =
            if same == 1 { format!("line {}", from + 1) } else { format!("lines {}-{}", from + 1, from + same) };
        rows.push(format!("{which}: {}", visible(&said[from])));
        from += same;
    }
    if event.lines as usize > LINES_MAX {
        rows.push(format!("… and {} lines more", event.lines as usize - LINES_MAX));
    }
    const SHOWN: [&str; 8] =
        ["log.file.path", "log.offset", "size", "lines", "wso2.log.family", "log.level", "@timestamp", "message"];
    for (name, value) in object.iter().filter(|(name, _)| !SHOWN.contains(&name.as_str())) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let first: String = text.lines().next().unwrap_or("").chars().take(160).collect();
        rows.push(format!("{name} = {}", visible(&first)));
    }
    rows
}
