//! The work of the parsers done by `regex` captures, as people write it for Fluent Bit, Vector or Logstash, but with
//! care: bytes, no Unicode, expressions compiled once, places of captures used again, nothing copied.
//!
//! What it does, for Carbon lines: the fields of the head, the artifact a message begins with, the instant, the
//! exception's class, text, causes, frames and group, and the template. What it leaves out: all other families, text
//! before the first head, caps, cuts and wrapped lines, banners, zones, the span of each field as a value of its own.

use crate::corpus::Product;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use parsers::template::{Template, VARIABLE};
use regex::bytes::{CaptureLocations, Regex};

/// Expressions, and room that is used again.
pub struct ByRegex {
    head: Expression,
    artifact: Expression,
    exception: Expression,
    cause: Expression,
    frame: Expression,
    variable: Regex,
    text: Vec<u8>,
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

const TIME: &str = r"\[(?<time>20\d\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d[,.]\d{3})\]";
const REST: &str = r" *(?<level>[A-Z]+) \{(?<logger>[^}]*)\} - (?<message>.*)$";
const EXCEPTION: &str =
    r"(?<type>(?:[A-Za-z_$][\w$]*\.)+[A-Z][\w$]*(?:Exception|Error|Fault|Throwable|Failure))(?:: (?<message>[^\n]*))?$";
/// What the templates' rule calls a variable, but for what an expression cannot look around for.
const VARIABLE_EXPRESSION: &str = concat!(
    r#""[^"\n]{1,2047}"|\b=[\w][^\s,;&)\]}"'<>=|]*|/\w[^\s,;)\]}"'<>|/]*/[^\s,;)\]}"'<>|]*|"#,
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|",
    r"\b\d+(?:[.:,/+-]\d\w*)*\b|\b\w*\d\w*\b|\b\w*[a-z][A-Z]\w*\b|\b\w{24,}\b",
);

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
    /// Expressions for the main log of a product.
    ///
    /// # Errors
    /// None of the expressions is wrong, as long as the test runs.
    pub fn new(product: Product) -> anyhow::Result<ByRegex> {
        let head = match product {
            Product::ApiManager => format!(r"^TID: \[(?<tenant>[^\]]*)\] \[(?<app>[^\]]*)\] {TIME}{REST}"),
            Product::IdentityServer => {
                format!(r"^TID: \[(?<tenant>[^\]]*)\] \[(?<app>[^\]]*)\] {TIME} \[(?<correlation>[^\]]*)\]{REST}")
            }
            Product::MicroIntegrator => format!("^{TIME}{REST}"),
        };
        Ok(ByRegex {
            head: Expression::new(&head)?,
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
            let fields = self.head.read(content);
            if fields > 0 {
                if let Some(from) = open {
                    self.event(&text[from..at], templates, &mut found);
                }
                found.fields += fields;
                found.events += 1;
                found.millis = found.millis.wrapping_add(self.millis(content));
                let message = self.head.places.get(self.head.places.len() - 1).map_or(0, |(from, _)| from);
                open = Some(at + message);
            }
            at += line.len();
        }
        if let Some(from) = open {
            self.event(&text[from..], templates, &mut found);
        }
        found
    }

    /// The instant of the head that was read last.
    fn millis(&self, line: &[u8]) -> i64 {
        let time = self.head.regex.capture_names().position(|name| name == Some("time"));
        let (from, to) = time.and_then(|i| self.head.places.get(i)).unwrap_or_default();
        let time = std::str::from_utf8(&line[from..to]).ok().and_then(|text| text.parse::<DateTime>().ok());
        let instant = time.and_then(|time| TimeZone::UTC.to_timestamp(time).ok());
        instant.map_or(0, |instant| instant.as_millisecond())
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
        for hit in self.variable.find_iter(text) {
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
    use crate::corpus::Corpus;
    use parsers::{Context, FieldId, FileFacts, Input, InputAt, Offset, Parser};

    #[test]
    fn it_reads_the_same_events_instants_and_exceptions() {
        for product in Product::ALL {
            let mut text = Vec::new();
            Corpus::new(product, 1).append_bytes(256 << 10, &mut text);
            let found = ByRegex::new(product).unwrap().read(&text, true);
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
