//! Unit tests in the configuration: `[[test]]` gives lines, and what would be sent of them. The same parser, redaction
//! and rules as when shipping; no file is read.

use crate::config::file::{Entry, Value as Setting};
use crate::config::{EntryValues as _, Settings};
use crate::shipping;
use parsers::{Context, Cut, Event, FileFacts, Input, InputAt, Offset, Parser, Value, plain_name};
use shipper::ShipperConfig;
use std::path::Path;

/// How one test went.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Its name.
    pub(crate) name: String,
    /// What differs; empty: passed.
    pub(crate) problems: Vec<String>,
}

/// Runs all tests of a configuration.
///
/// # Errors
/// When the configuration cannot be used at all.
pub(crate) fn run(settings: &Settings) -> anyhow::Result<Vec<Outcome>> {
    let config = shipping::rules(settings)?;
    let tests = settings.repeated("test").iter().enumerate();
    Ok(tests.map(|(index, test)| one(&config, index, test)).collect())
}

fn one(config: &ShipperConfig, index: usize, test: &Entry) -> Outcome {
    let name = test.text("name").unwrap_or_else(|| format!("test {}", index + 1));
    let file = test.text("file").unwrap_or_else(|| "wso2carbon.log".to_owned());
    let events = events(config, Path::new(&file), &test.text("input").unwrap_or_default());
    let mut problems = Vec::new();
    if let Some(Setting::Flag(followed)) = test.get("followed") {
        let name = Path::new(&file).file_name().unwrap_or_default().to_string_lossy();
        let reason = config.why_left_out(&name);
        match (followed, reason) {
            (true, Some(reason)) => problems.push(format!("`{file}` would not be followed: {reason}")),
            (false, None) => problems.push(format!("`{file}` would be followed")),
            _ => {}
        }
    }
    for text in test.texts("absent").unwrap_or_default() {
        if let Some(sent) = events.iter().find(|e| e.says(&text)) {
            problems.push(format!("`{text}` would be sent, in: {}", sent.text.trim_end()));
        }
    }
    for (field, expected) in test.labels("expect") {
        let found = events.first().and_then(|event| event.field(&field));
        if found.as_deref() != Some(&*expected) {
            let found = found.map_or_else(|| "nothing".to_owned(), |text| format!("`{text}`"));
            problems.push(format!("{field}: `{expected}` expected, {found} found"));
        }
    }
    Outcome { name, problems }
}

/// An event as it would be sent.
struct Sent {
    event: Event,
    text: String,
    bytes: Vec<u8>,
}

impl Sent {
    fn says(&self, text: &str) -> bool {
        let literal = |value: &Value| matches!(value, Value::Literal(literal) if literal.contains(text));
        self.text.contains(text) || self.event.fields.iter().any(|field| literal(&field.value))
    }

    fn field(&self, name: &str) -> Option<String> {
        match name {
            "text" => return Some(self.text.trim_end_matches(['\n', '\r']).to_owned()),
            "log.level" => return Some(format!("{:?}", self.event.level).to_uppercase()),
            "wso2.log.family" => return Some(self.event.family.name().to_owned()),
            "event.dataset" => return Some(self.event.dataset.name().to_owned()),
            "@timestamp" => {
                let time = self.event.time?;
                let stamp = jiff::Timestamp::from_nanosecond(i128::from(time.utc.0)).ok()?;
                return Some(format!("{stamp:.3}"));
            }
            _ => {}
        }
        let field = self.event.fields.iter().find(|field| field.id.name() == Some(name))?;
        Some(match &field.value {
            Value::Span { start, len } => {
                let span = self.bytes.get(*start as usize..(*start + *len) as usize)?;
                String::from_utf8_lossy(span).into_owned()
            }
            Value::Literal(text) => text.to_string(),
            Value::Int(number) => number.to_string(),
        })
    }
}

fn events(config: &ShipperConfig, path: &Path, input: &str) -> Vec<Sent> {
    let mut text = input.as_bytes().to_vec();
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let zone = config.zone_of(path).unwrap_or(&config.host_zone).clone();
    let facts = FileFacts { name: plain_name(&name), family: None };
    let mut parser = Parser::new(facts, Offset(0), Context { zone: Some(zone), ..Context::default() });
    parser.redact(config.redaction_of(path));
    let cut = parser.cut_place(&text, Cut::Everything);
    let inputs: Vec<InputAt> = cut.map(|at| InputAt { at, input: Input::Cut }).into_iter().collect();
    let mut events = Vec::new();
    parser.advance(&text, &inputs, &mut |event, bytes| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        events.push(Sent { event: event.clone(), text, bytes: bytes.to_vec() });
    });
    events
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    #[test]
    fn tests_pass_and_fail_with_what_differs() {
        let text = r#"
[ship]
exclude = ["debug*"]
[redact]
classes = ["secrets"]
[[test]]
name = "passes"
input = "TID: [-1234] [] [2026-11-25 10:00:00,000]  WARN {org.acme.Login} - password=hunter2 of bob"
expect = { "log.level" = "WARN", message = "password=‹password_0› of bob", "log.logger" = "org.acme.Login" }
absent = ["hunter2"]
followed = true
[[test]]
input = "plain hunter2"
expect = { "log.level" = "ERROR" }
absent = ["hunter2"]
file = "debug.log"
followed = true
"#;
        let settings = Settings::of_text(text).unwrap();
        let outcomes = run(&settings).unwrap();
        assert!(outcomes[0].problems.is_empty(), "{outcomes:?}");
        assert_eq!((outcomes[1].name.as_str(), outcomes[1].problems.len()), ("test 2", 3), "{outcomes:?}");
        assert!(outcomes[1].problems[0].contains("fits `debug*` of `exclude`"));
        assert!(outcomes[1].problems[1].contains("`hunter2` would be sent"));
    }
}
