//! What is said of a file as a whole: its families, what was not understood, how long it took; and its templates.

use super::Format;
use crate::out::Out;
use crate::rim;
use parsers::template::{FRAMES, Template, VARIABLE};
use parsers::{Event, Family, FieldId, Level, TimeSource};
use serde_json::{Map, json};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Counts over one file.
#[derive(Debug)]
pub(super) struct Summary {
    begun: rim::Moment,
    events: u64,
    lines: u64,
    bytes: u64,
    families: BTreeMap<&'static str, u64>,
    /// Events with a head of no known family.
    dated: u64,
    /// Events that begin with no head.
    headless: u64,
    /// Events without a time of their own.
    untimed: u64,
    /// Events that are no UTF-8.
    broken: u64,
}

impl Summary {
    pub(super) fn begin() -> Summary {
        Summary {
            begun: rim::Moment::now(),
            events: 0,
            lines: 0,
            bytes: 0,
            families: BTreeMap::new(),
            dated: 0,
            headless: 0,
            untimed: 0,
            broken: 0,
        }
    }

    pub(super) fn count(&mut self, event: &Event, bytes: &[u8]) {
        self.events += 1;
        self.lines += u64::from(event.lines);
        self.bytes += bytes.len() as u64;
        *self.families.entry(event.family.name()).or_default() += 1;
        if event.family == Family::None {
            *if event.get(FieldId::LOG_LOGGER).is_some() { &mut self.dated } else { &mut self.headless } += 1;
        }
        let own = |source| matches!(source, TimeSource::Parsed | TimeSource::Payload | TimeSource::File);
        self.untimed += u64::from(!event.time.is_some_and(|t| own(t.source)));
        self.broken += u64::from(std::str::from_utf8(bytes).is_err());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// Whether the event counted last is the first.
    pub(super) fn is_first(&self) -> bool {
        self.events == 1
    }

    /// One line about the file.
    pub(super) fn told(&self, path: &Path) -> String {
        if self.is_empty() {
            return format!("{}: empty", path.display());
        }
        let took = self.begun.elapsed();
        let rate = self.bytes as f64 / 1e6 / took.as_secs_f64().max(1e-9);
        let mut families: Vec<(&str, u64)> = self.families.iter().map(|(name, n)| (*name, *n)).collect();
        families.sort_by_key(|(name, n)| (std::cmp::Reverse(*n), *name));
        let list = families.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "{}: {} in {} and {}, {:.0} ms",
            path.display(),
            counted(self.events, "event"),
            counted(self.lines, "line"),
            counted(self.bytes, "byte"),
            took.as_secs_f64() * 1e3,
        );
        // Of a small file the rate says nothing.
        if self.bytes > 1 << 20 {
            text.push_str(&format!(" ({rate:.0} MB/s with printing)"));
        }
        text.push_str(&format!(": {list}"));
        let more = [
            (self.dated, "in a layout that is no known one, cut by time and level"),
            (self.headless, "without a head"),
            (self.untimed, "without a time of their own"),
            (self.broken, "not UTF-8"),
        ];
        for (count, what) in more.into_iter().filter(|(count, _)| *count > 0) {
            text.push_str(&format!("; {count} {what}"));
        }
        text
    }
}

fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Templates with their counts. How many there are is bounded; what comes beyond is counted together.
#[derive(Debug, Default)]
pub(super) struct Templates {
    by_hash: HashMap<u64, Counted>,
    beyond: u64,
}

#[derive(Debug)]
struct Counted {
    text: String,
    count: u64,
    levels: BTreeMap<&'static str, u64>,
}

/// Templates kept at most.
const TEMPLATES_MAX: usize = 100_000;

impl Templates {
    pub(super) fn count(&mut self, template: &Template<'_>, level: Level) {
        let hash = template.hash();
        if self.by_hash.len() >= TEMPLATES_MAX && !self.by_hash.contains_key(&hash) {
            self.beyond += 1;
            return;
        }
        let counted = self.by_hash.entry(hash).or_insert_with(|| Counted {
            text: shown(template.text),
            count: 0,
            levels: BTreeMap::new(),
        });
        counted.count += 1;
        *counted.levels.entry(name(level)).or_default() += 1;
    }

    /// Prints them, most frequent first.
    pub(super) fn show(&self, format: Format, out: &mut Out) -> anyhow::Result<()> {
        let mut list: Vec<(&u64, &Counted)> = self.by_hash.iter().collect();
        list.sort_by(|(_, a), (_, b)| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
        if format == Format::Table {
            out.line(&format!("{:>9} {:16} template", "count", "hash"))?;
        }
        for (hash, counted) in list {
            match format {
                Format::Ndjson => {
                    let levels: Map<String, _> =
                        counted.levels.iter().map(|(k, n)| ((*k).to_owned(), json!(n))).collect();
                    let object = json!({
                        "wso2.template.hash": format!("{hash:016x}"),
                        "count": counted.count,
                        "levels": levels,
                        "template": counted.text,
                    });
                    out.line(&object.to_string())?;
                }
                Format::Table => {
                    let line = counted.text.replace('\n', " ⏎ ");
                    let line: String =
                        line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(200).collect();
                    out.line(&format!("{:>9} {hash:016x} {line}", counted.count))?;
                }
            }
        }
        if self.beyond > 0 {
            rim::say(&format!("{} events have other templates than the first {TEMPLATES_MAX}", self.beyond));
        }
        Ok(())
    }
}

/// A template's text with signs that people can read where variables stand.
fn shown(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len() + 16);
    for byte in text {
        match *byte {
            VARIABLE => bytes.extend_from_slice(b"<*>"),
            FRAMES => bytes.extend_from_slice(b"<frames>"),
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Unknown => "none",
        Level::Trace => "TRACE",
        Level::Debug => "DEBUG",
        Level::Info => "INFO",
        Level::Warn => "WARN",
        Level::Error => "ERROR",
        Level::Fatal => "FATAL",
    }
}
