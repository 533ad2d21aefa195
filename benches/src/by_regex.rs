//! The work of the parsers done by `regex` captures, as people write it for Fluent Bit, Vector or Logstash, but with
//! care: bytes, no Unicode, expressions compiled once, places of captures used again, nothing copied.
//!
//! What it does: which of the families that any file may have a line begins with, as the parser asks it of every line, by
//! one automaton over all their heads; the fields of that head, the artifact a message begins with, the instant, the
//! exception's class, text, causes, frames and group, and the template. What it leaves out: families that only a fixed
//! file has, text before the first head, caps, cuts and wrapped lines, the fields of messages (access, audit, analytics,
//! banners), zones, the span of each field as a value of its own.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use parsers::template::{Template, VARIABLE};
use regex::bytes::{CaptureLocations, Regex, RegexSet};

/// Expressions, and room that is used again.
pub struct ByRegex {
    families: RegexSet,
    /// In the order of [`HEADS`].
    heads: Vec<Head>,
    artifact: Expression,
    exception: Expression,
    cause: Expression,
    frame: Expression,
    variable: Regex,
    text: Vec<u8>,
}

struct Head {
    all: Expression,
    /// Which captures are the time and the message.
    time: Option<usize>,
    message: Option<usize>,
}

struct Expression {
    regex: Regex,
    places: CaptureLocations,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Events.
    pub events: u64,
    /// Captures that took part, and what was made of them.
    pub fields: u64,
    /// All instants together, in milliseconds.
    pub millis: i64,
    /// Exceptions.
    pub exceptions: u64,
    /// All groups and templates together.
    pub hashes: u64,
}

/// Families and their heads; of several that fit the first one counts. Where a family has a plain form that nearly all its
/// lines have, that stands before the one with everything: captures of it need no steps back. `<name>` is the inside of a
/// bracket, `<name*>` one that may hold brackets; the rest in capitals is what [`expanded`] makes of it.
const HEADS: [(&str, &str); 28] = [
    ("tid-is", r"TID: \[<tenant>\] \[<app>\] STAMP \[<correlation>\]LEVEL LOGGER - "),
    ("tid-is", r"TID: \[<tenant>\] \[<app>\] STAMP \[<correlation*>\]LEVEL LOGGER - "),
    ("tid-is-audit", r"TID: \[<tenant>\] STAMP \[<correlation*>\]LEVEL LOGGER - "),
    ("tid", r"TID: \[<tenant>\] \[<app>\] STAMPLEVEL LOGGER - "),
    ("tid", r"TID: \[<tenant>\] \[<app>\] STAMP ?TENANT(?:LEVEL$|ANYLEVEL LOGGER ?-(?: |$))"),
    ("tid-short", r"TID: \[<tenant>\] STAMPLEVEL LOGGER ?- "),
    ("tid-launch", r"TID: STAMPLEVEL LOGGER - "),
    ("governance", r"ThreadID: \[<thread>\] TenantID: \[<tenant>\] STAMPLEVEL LOGGER - "),
    ("ei63", r"STAMP \[(?<tenant>-?\d*)\] \[<server>\] \[<thread*>\] ?TENANTLEVEL LOGGER - "),
    ("brk-corr", r"STAMP ?\[<correlation>\] ?TENANTLEVEL LOGGER - "),
    ("enforcer", r"STAMP\[<correlation>\](?:\[<span>\])?LEVEL (?:- )?LOGGER - "),
    ("plain", r"STAMPLEVEL LOGGER - "),
    ("plain", r"STAMP ?TENANTANYLEVEL LOGGER *(?:- ?|\S)"),
    ("api-json", r"STAMPLEVEL LOGGER \S"),
    ("mi-metric", r"STAMP \[<host>\] \[<thread*>\]LEVEL WORD "),
    ("console", r"STAMPLEVEL - WORD "),
    ("console", r"STAMP(?: \[<profile>\])? ?TENANTLEVEL - WORD "),
    ("transaction", r"STAMP - "),
    ("websocket", r"STAMP \[<tenant>\] - "),
    ("envoy", r"\[(?<time>DAY \d\d:\d\d:\d\d\.\d{3})\]\[(?<thread>\d+)\]\[(?<level>[a-z]+)\]\["),
    ("gwerr", r"(?<time>DAY[ T]CLOCK) \[<host>\] \[<thread*>\]LEVEL WORD "),
    ("gwtrace", r"(?<time>CLOCK) \[<host>\] \[<thread*>\]LEVEL WORD "),
    ("mi-otel", r"(?<time>\d\d-\d\d-20\d\d-CLOCK) \[<host>\] \[<thread*>\]LEVEL "),
    ("corr", r"(?<time>DAY ?CLOCK)\|(?<correlation>[^|]*)\|(?<thread>[^|]*)\|"),
    ("diagtool", r"(?<time>DAY \d\d:\d\d:\d\d) (?<logger>[^ \[]+) \[(?<level>[A-Z]+)\] "),
    ("access-pt", r#"(?<client>\S+(?:, \S+)*) \S+ (?<user>\S* ?\S*) \[(?<time>ACCESS(?:[.,:]\d{3})? [+-]\d{4})\] ""#),
    ("access-tc", r"(?<client>\S+) \S+ (?<user>\S+) \[(?<time>ACCESS [+-]\d{4})\] "),
    ("equinox", r"!(?:SESSION|ENTRY|SUBENTRY) "),
];

fn expanded(head: &str) -> String {
    let words = "TRACE|DEBUG|INFO|WARN|ERROR|FATAL|SEVERE|WARNING|CONFIG|FINE|FINER|FINEST";
    let bracket = |name: &str| (format!("<{name}>"), format!(r"(?<{name}>[^\]]*)"));
    let nested = |name: &str| (format!("<{name}*>"), format!("(?<{name}>.*?)"));
    let names = ["tenant", "app", "correlation", "thread", "server", "span", "host", "profile"];
    let text = names.into_iter().flat_map(|name| [bracket(name), nested(name)]);
    // Where a capture stands already, its own `<name>` behind a question mark is none of these.
    let text = text.fold(head.replace("(?<", "(?\0"), |text, (sign, meaning)| {
        text.replace(&sign, &meaning.replace("(?<", "(?\0"))
    });
    text.replace('\0', "<")
        .replace("TENANT", r"(?:[^ \[\]{}]*@[^ \[\]{}]* ?\[[^\]]*\](?: \[[^\]]*\])?)?")
        .replace("ANYLEVEL", r" *(?<any>[A-Za-z\x80-\xff]+(?: [A-Za-z\x80-\xff]+){0,2})")
        .replace("LEVEL", &format!(" *(?<level>{words})"))
        .replace("LOGGER", r"\{(?<logger>[^}]*)\}")
        .replace("WORD", r"(?<logger>\S+)")
        .replace("STAMP", r"\[(?<time>DAY[ T]\d{1,2}:\d\d:\d\d[,.]\d{1,9}(?:Z|[+-]\d\d:?\d\d)?)\]")
        .replace("DAY", r"20\d\d-\d\d-\d\d")
        .replace("CLOCK", r"\d{1,2}:\d\d:\d\d[,.]\d{1,4}")
        .replace("ACCESS", r"\d\d/[A-Z][a-z]{2}/20\d\d:\d\d:\d\d:\d\d")
}

const EXCEPTION: &str =
    r"(?<type>(?:[A-Za-z_$][\w$]*\.)+[A-Z][\w$]*(?:Exception|Error|Fault|Throwable|Failure))(?:: (?<message>[^\n]*))?$";
/// What the templates' rule calls a variable, but for what an expression cannot look around for.
const VARIABLE_EXPRESSION: &str = concat!(
    r#""[^"\n]{1,2047}"|\b=[\w][^\s,;&)\]}"'<>=|]*|/\w[^\s,;)\]}"'<>|/]*/[^\s,;)\]}"'<>|]*|"#,
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|",
    r"\b\d+(?:[.:,/+-]\d\w*)*\b|\b\w*\d\w*\b|\b\w*[a-z][A-Z]\w*\b|\b\w{24,}\b",
);

impl Head {
    /// The instant of the line that was read last.
    fn millis(&self, line: &[u8]) -> i64 {
        let (from, to) = self.time.and_then(|i| self.all.places.get(i)).unwrap_or_default();
        let time = std::str::from_utf8(&line[from..to]).ok().and_then(|text| text.parse::<DateTime>().ok());
        let instant = time.and_then(|time| TimeZone::UTC.to_timestamp(time).ok());
        instant.map_or(0, |instant| instant.as_millisecond())
    }
}

impl Expression {
    fn new(text: &str) -> anyhow::Result<Expression> {
        let regex = Regex::new(&format!("(?-u){text}"))?;
        Ok(Expression { places: regex.capture_locations(), regex })
    }

    /// Number of captures that took part; 0: it does not match.
    fn read(&mut self, text: &[u8]) -> u64 {
        match self.regex.captures_read(&mut self.places, text) {
            Some(_) => (1..self.places.len()).filter(|i| self.places.get(*i).is_some()).count() as u64,
            None => 0,
        }
    }

    /// Calls `each` with the first capture of each match, which the next search begins behind.
    fn all(&mut self, text: &[u8], mut each: impl FnMut(&[u8])) -> u64 {
        let (mut at, mut fields) = (0, 0);
        while let Some(hit) = self.regex.captures_read_at(&mut self.places, text, at) {
            fields += (1..self.places.len()).filter(|i| self.places.get(*i).is_some()).count() as u64;
            if let Some((from, to)) = self.places.get(1) {
                each(&text[from..to]);
            }
            at = hit.end().max(at + 1);
        }
        fields
    }
}

impl ByRegex {
    /// Compiles all expressions.
    ///
    /// # Errors
    /// None of the expressions is wrong, as long as the test runs.
    pub fn new() -> anyhow::Result<ByRegex> {
        let heads = HEADS.map(|(_, head)| format!("^{}", expanded(head)));
        let families = RegexSet::new(heads.iter().map(|head| format!("(?-u){head}")))?;
        let heads = heads.iter().map(|head| {
            let all = Expression::new(&format!("{head}(?<message>.*)$"))?;
            let place = |name| all.regex.capture_names().position(|known| known == Some(name));
            Ok(Head { time: place("time"), message: place("message"), all })
        });
        Ok(ByRegex {
            families,
            heads: heads.collect::<anyhow::Result<_>>()?,
            artifact: Expression::new(r"^\{(?<type>[a-z_]+):(?<name>[^}\n]*)\}")?,
            exception: Expression::new(&format!("(?m){EXCEPTION}"))?,
            cause: Expression::new(r"(?m)^(?:Caused|Wrapped) by: (?<type>[\w.$]+)(?:: (?<message>[^\n]*))?")?,
            frame: Expression::new(r"(?m)^\s+at (?:[\w.@]+/)*(?<method>[\w.$<>]+)\((?<place>[^)\n]*)\)")?,
            variable: Regex::new(&format!("(?-u){VARIABLE_EXPRESSION}"))?,
            text: Vec::new(),
        })
    }

    /// Reads lines, with templates or without.
    pub fn read(&mut self, text: &[u8], templates: bool) -> Found {
        let mut found = Found::default();
        let mut open = None;
        let mut at = 0;
        for line in text.split_inclusive(|b| *b == b'\n') {
            let content = line.strip_suffix(b"\n").unwrap_or(line);
            if let Some(family) = self.families.matches(content).iter().next() {
                if let Some(from) = open {
                    self.event(&text[from..at], templates, &mut found);
                }
                let head = &mut self.heads[family];
                found.fields += head.all.read(content);
                found.events += 1;
                found.millis = found.millis.wrapping_add(head.millis(content));
                let message = head.message.and_then(|i| head.all.places.get(i)).map_or(0, |(from, _)| from);
                open = Some(at + message);
            }
            at += line.len();
        }
        if let Some(from) = open {
            self.event(&text[from..], templates, &mut found);
        }
        found
    }

    /// What stands behind a head.
    fn event(&mut self, text: &[u8], templates: bool, found: &mut Found) {
        found.fields += self.artifact.read(text);
        // Only an event of several lines has a stack.
        if text.trim_ascii_end().contains(&b'\n') && self.frame.regex.is_match(text) {
            let fields = self.exception.read(text);
            if fields > 0 {
                found.exceptions += 1;
                let mut group = 0u64;
                let mut mix = |name: &[u8]| {
                    let hash = Template { text: name, variables: &[] }.hash();
                    group = (group.rotate_left(23) ^ hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                };
                if let Some((from, to)) = self.exception.places.get(1) {
                    mix(&text[from..to]);
                }
                found.fields += fields + self.cause.all(text, &mut mix) + self.frame.all(text, &mut mix);
                found.hashes ^= group;
            }
        }
        if templates {
            found.hashes ^= self.template(text.trim_ascii_end());
            found.fields += 1;
        }
    }

    fn template(&mut self, text: &[u8]) -> u64 {
        self.text.clear();
        let mut kept = 0;
        for (variables, hit) in self.variable.find_iter(text).enumerate() {
            // As the rule has it: what is too much is one variable.
            if variables == 250 || self.text.len() > 4096 {
                return Template { text: &[VARIABLE], variables: &[] }.hash();
            }
            self.text.extend_from_slice(&text[kept..hit.start()]);
            self.text.push(VARIABLE);
            kept = hit.end();
        }
        self.text.extend_from_slice(&text[kept..]);
        Template { text: &self.text, variables: &[] }.hash()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use crate::corpus::{Corpus, Product};
    use parsers::{Context, FieldId, FileFacts, Input, InputAt, Offset, Parser};

    #[test]
    fn it_takes_lines_for_the_same_families() {
        let by_regex = ByRegex::new().unwrap();
        for line in [
            "TID: [-1234] [] [2026-03-02 01:02:03,004] [c-1]  INFO {a.B} - text",
            "TID: [-1234] [2026-03-02 01:02:03,004] [c-1]  INFO {a.B} - text",
            "TID: [-1234] [] [2026-03-02 01:02:03,004]  INFO {a.B} - text",
            "TID: [-1234] [2026-03-02 01:02:03,004]  INFO {a.B} - text",
            "TID: [2026-03-02 01:02:03,004]  INFO {a.B} - text",
            "ThreadID: [7] TenantID: [-1234] [2026-03-02 01:02:03,004]  INFO {a.B} - text",
            "[2026-03-02 01:02:03,004] [-1234] [] [main]  INFO {a.B} - text",
            "[2026-03-02 01:02:03,004] [c-1]  INFO {a.B} - text",
            "[2026-03-02 01:02:03,004][c-1][s-1]  INFO - {a.B} - text",
            "[2026-03-02 01:02:03,004]  INFO {a.B} - text",
            "[2026-03-02 01:02:03,004] [host] [main]  INFO Metric text",
            "[2026-03-02 01:02:03,004]  INFO - Console text",
            "[2026-03-02 01:02:03,004] - text",
            "[2026-03-02 01:02:03,004] [a.example] - text",
            "[2026-03-02 01:02:03.004][1][info][main] text",
            "2026-03-02T01:02:03,004 [-] [main]  WARN a.B text",
            "01:02:03,004 [-] [main]  INFO TRACE text",
            "03-02-2026-01:02:03,004 [-] [main]  INFO {}",
            "2026-03-02 01:02:03,004|c-1|main|1|METHOD|a.B|c|[d]",
            "2026-03-02 01:02:03 Watcher [INFO] text",
            "10.0.0.1 - - [02/Mar/2026:01:02:03 +0000] \"GET / HTTP/1.1\" 200 1",
            "10.0.0.1 - - [02/Mar/2026:01:02:03 +0000] GET / HTTP/1.1 200 1",
            "!ENTRY a.b 1 0 2026-03-02 01:02:03.004",
            "\tat a.b.C.d(C.java:1)",
            "text",
        ] {
            let mut ours = "-";
            let facts = FileFacts { name: "wso2carbon.log".into(), family: None };
            let end = [InputAt { at: Offset(line.len() as u64), input: Input::Cut }];
            let mut parser = Parser::new(facts, Offset(0), Context::default());
            parser.advance(line.as_bytes(), &end, &mut |event, _| ours = event.family.name());
            let family = by_regex.families.matches(line.as_bytes()).iter().next();
            assert_eq!(family.map_or("-", |i| HEADS[i].0), ours, "{line}");
        }
    }

    #[test]
    fn it_reads_the_same_events_instants_and_exceptions() {
        for product in Product::ALL {
            let mut text = Vec::new();
            Corpus::new(product, 1).append_bytes(256 << 10, &mut text);
            let found = ByRegex::new().unwrap().read(&text, true);
            let mut ours = Found::default();
            let facts = FileFacts { name: "wso2carbon.log".into(), family: None };
            let mut parser = Parser::new(facts, Offset(0), Context::default());
            let end = [InputAt { at: Offset(text.len() as u64), input: Input::Cut }];
            parser.advance(&text, &end, &mut |event, _| {
                ours.events += 1;
                ours.millis = ours.millis.wrapping_add(event.time.unwrap().utc.0 / 1_000_000);
                ours.exceptions += u64::from(event.get(FieldId::ERROR_TYPE).is_some());
            });
            let seen = (found.events, found.millis, found.exceptions);
            assert_eq!(seen, (ours.events, ours.millis, ours.exceptions), "{product:?}");
            assert!(ours.exceptions > 0);
        }
    }
}
