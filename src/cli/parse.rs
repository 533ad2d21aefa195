//! `carbontrail parse`: what the parsers make of files, without any server. One object an event.

use crate::out::Out;
use crate::rim;
use anyhow::Context as _;
use parsers::{
    Context, Cut, Event, FieldId, FileFacts, Input, InputAt, Offset, Parser, Value, Zone, ZoneSource, plain_name,
};
use serde_json::{Map, Value as Json, json};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Shows the events of files as the parsers see them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carbontrail parse /opt/wso2am/repository/logs/wso2carbon.log --format ndjson")]
pub(crate) struct Arguments {
    /// The files.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// How events are printed.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Zone of local times when the file does not tell (IANA name); without it the host's own.
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Tell for each event how its time and zone were found and where its fields stand.
    #[arg(long)]
    explain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Ndjson,
}

const READ_BYTES: usize = 256 << 10;

/// Runs the command.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut out = Out::new();
    for path in &arguments.files {
        file(arguments, path, &mut out)?;
    }
    out.flush()
}

fn file(arguments: &Arguments, path: &Path, out: &mut Out) -> anyhow::Result<()> {
    let tried = || format!("failed to read `{}`", path.display());
    let mut file = rim::open(path).with_context(tried)?;
    let mut parser = Parser::new(facts(path), Offset(0), Context { zone: Some(zone(arguments)), ..Context::default() });
    let (mut buffer, mut ended) = (Vec::new(), false);
    while !ended {
        let filled = buffer.len();
        buffer.resize(filled + READ_BYTES, 0);
        let read = file.read(&mut buffer[filled..]).with_context(tried)?;
        buffer.truncate(filled + read);
        ended = read == 0;
        let cut = if ended { parser.cut_place(&buffer, Cut::Everything) } else { None };
        let inputs: Vec<InputAt> = cut.map(|at| InputAt { at, input: Input::Cut }).into_iter().collect();
        let mut failed = None;
        let consumed = parser.advance(&buffer, &inputs, &mut |event, bytes| {
            if failed.is_none() {
                failed = show(arguments, path, event, bytes, out).err();
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        buffer.drain(..consumed);
    }
    Ok(())
}

fn facts(path: &Path) -> FileFacts {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    FileFacts { name: plain_name(&name), family: None }
}

fn zone(arguments: &Arguments) -> Zone {
    match &arguments.zone {
        Some(name) => Zone { name: name.clone(), source: ZoneSource::Config },
        None => {
            let name = rim::host_zone();
            Zone { name, source: ZoneSource::Host }
        }
    }
}

fn show(arguments: &Arguments, path: &Path, event: &Event, bytes: &[u8], out: &mut Out) -> anyhow::Result<()> {
    let object = object(path, event, bytes, arguments.explain);
    match arguments.format {
        Format::Ndjson => out.line(&Json::Object(object).to_string()),
        Format::Table => {
            let text = |name: &str| object.get(name).and_then(Json::as_str).unwrap_or("-").to_owned();
            let first_line = text("message").lines().next().unwrap_or("").chars().take(160).collect::<String>();
            out.line(&format!(
                "{:>10} {:>7} {:>4} {:12} {:5} {:30} {first_line}",
                event.offset.0,
                event.size,
                event.lines,
                event.family.name(),
                text("log.level"),
                text("@timestamp"),
            ))?;
            if arguments.explain {
                let spans = object.get("explain").cloned().unwrap_or_default();
                out.line(&format!("{:>10} {spans}", ""))?;
            }
            Ok(())
        }
    }
}

/// The event as one flat object with ECS names.
fn object(path: &Path, event: &Event, bytes: &[u8], explain: bool) -> Map<String, Json> {
    let mut object = Map::new();
    let mut put = |name: &str, value: Json| drop(object.insert(name.to_owned(), value));
    put("log.file.path", json!(path.display().to_string()));
    put("log.offset", json!(event.offset.0));
    put("size", json!(event.size));
    put("lines", json!(event.lines));
    put("wso2.log.family", json!(event.family.name()));
    put("event.dataset", json!(event.dataset.name()));
    if let Some(time) = event.time {
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(time.utc.0)).unwrap_or_default();
        put("@timestamp", json!(format!("{stamp:.3}")));
    }
    put("log.level", json!(format!("{:?}", event.level).to_uppercase()));
    for field in &event.fields {
        if let Some(name) = field.id.name() {
            put(name, value(&field.value, bytes));
        }
    }
    if explain {
        put("explain", explained(event));
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

fn explained(event: &Event) -> Json {
    let mut spans = Map::new();
    for field in &event.fields {
        if let (Some(name), Value::Span { start, len }) = (FieldId::name(field.id), &field.value) {
            spans.insert(name.to_owned(), json!([start, len]));
        }
    }
    json!({
        "time": event.time.map(|t| format!("{:?}", t.source).to_lowercase()),
        "zone": event.time.map(|t| format!("{:?}", t.zone).to_lowercase()),
        "offset_minutes": event.time.map(|t| t.offset_minutes),
        "continues": event.continues.map(|c| format!("{c:?}")),
        "flags": event.flags.0,
        "spans": spans,
    })
}
