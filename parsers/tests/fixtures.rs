//! Files of every family with content of our own, against snapshots of their events.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p parsers --test fixtures` writes the snapshots anew; read the difference.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]
#![allow(clippy::disallowed_methods, reason = "it reads files of the host")]

use parsers::{Context, Event, EventTime, FileFacts, Input, InputAt, Offset, Parser, TimeNs, Value};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// When files are read, for those whose lines have no date: 2024-05-06T07:08:09Z.
const FILE_TIME: TimeNs = TimeNs(1_714_979_289_000_000_000);

fn snapshot(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut parser = Parser::new(FileFacts { name, family: None }, Offset(0), Context::default());
    let inputs = [
        InputAt { at: Offset(0), input: Input::FileTime(FILE_TIME) },
        InputAt { at: Offset(bytes.len() as u64), input: Input::Cut },
    ];
    let mut out = String::new();
    let used = parser.advance(&bytes, &inputs, &mut |event, own| render(event, own, &mut out));
    assert_eq!(used, bytes.len(), "{}", path.display());
    out
}

fn render(event: &Event, bytes: &[u8], out: &mut String) {
    let (family, dataset) = (event.family.name(), event.dataset.name());
    let (offset, size, lines) = (event.offset.0, event.size, event.lines);
    writeln!(out, "{offset} +{size}, {lines} lines: {family} {dataset} {:?} {}", event.level, when(event.time))
        .unwrap();
    if let Some(from) = event.continues {
        writeln!(out, "    goes on from {from:?}").unwrap();
    }
    for field in &event.fields {
        let name = field.id.name().unwrap();
        match &field.value {
            Value::Span { start, len } => {
                let text = &bytes[*start as usize..(*start + *len) as usize];
                writeln!(out, "    {name} = {}", text.escape_ascii()).unwrap();
            }
            Value::Literal(text) => writeln!(out, "    {name} : {}", text.as_bytes().escape_ascii()).unwrap(),
            Value::Int(number) => writeln!(out, "    {name} # {number}").unwrap(),
        }
    }
}

fn when(time: Option<EventTime>) -> String {
    let Some(EventTime { utc, offset_minutes, source, zone }) = time else { return "no time".into() };
    let at = jiff::Timestamp::from_nanosecond(i128::from(utc.0)).unwrap();
    format!("{at} {offset_minutes:+} {source:?} {zone:?}")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e != "events") {
            found.push(path);
        }
    }
}

#[test]
fn fixtures_give_the_events_of_their_snapshots() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut found = Vec::new();
    files(&folder, &mut found);
    found.sort();
    assert!(found.len() > 25);
    let mut wrong = Vec::new();
    for path in found {
        let events = snapshot(&path);
        let kept = path.with_extension("events");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&kept, &events).unwrap();
        } else if std::fs::read_to_string(&kept).unwrap_or_default() != events {
            wrong.push(format!("{}:\n{events}", kept.display()));
        }
    }
    assert!(wrong.is_empty(), "differs from its snapshot:\n{}", wrong.join("\n"));
}
