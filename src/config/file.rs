//! Reading a configuration file: every problem of the file is found in one go, with line and column.

use super::formats::{self, FormatSetting};
use super::options::{self, Kind, OptionSpec};
use super::units;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A checked value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Text, also addresses, URLs, zones and choices once checked.
    Text(String),
    /// Paths.
    Paths(Vec<PathBuf>),
    /// An address to listen on.
    Address(SocketAddr),
    /// A duration.
    Duration(Duration),
    /// A size in bytes.
    Size(u64),
    /// A list of texts.
    Texts(Vec<String>),
    /// Fixed fields by name; expressions by name.
    Labels(Vec<(String, String)>),
    /// Yes or no.
    Flag(bool),
    /// Own formats of files.
    Formats(Vec<FormatSetting>),
}

/// What is wrong at a place of the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
    /// What is wrong and what to do.
    pub(crate) text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.text)
    }
}

/// Values of one of several tables of a kind, by key.
pub(crate) type Entry = BTreeMap<&'static str, Value>;

/// Tables that may stand more than once, as `[[…]]`.
pub(crate) const REPEATED: [(&str, &str); 2] = [("source", "files"), ("test", "input")];

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Values {
    /// By table and key.
    pub(crate) single: BTreeMap<(&'static str, &'static str), Value>,
    /// Of tables that stand more than once, in the order of the file.
    pub(crate) repeated: BTreeMap<&'static str, Vec<Entry>>,
}

/// Reads the text of a file.
///
/// # Errors
/// All problems, in the order of the file.
pub(crate) fn read(text: &str) -> Result<Values, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, values: Values::default(), problems: Vec::new() };
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        reader.problem(at, error.message().to_owned());
    }
    reader.document(document.get_ref());
    reader.problems.sort();
    if reader.problems.is_empty() { Ok(reader.values) } else { Err(reader.problems) }
}

struct Reader<'t> {
    text: &'t str,
    values: Values,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, at: usize, text: String) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        self.problems.push(Problem { line, column, text });
    }

    fn document(&mut self, document: &DeTable<'_>) {
        for (name, value) in document.iter() {
            let at = name.span().start;
            let known = options::ALL.iter().any(|o| o.table == name.get_ref().as_ref());
            let repeated = REPEATED.iter().find(|(table, _)| *table == name.get_ref().as_ref());
            match (value.get_ref(), repeated) {
                (DeValue::Array(tables), Some((table, needed))) => {
                    for entry in tables.iter() {
                        self.repeated(table, needed, entry);
                    }
                }
                (_, Some((table, _))) => {
                    self.problem(at, format!("`{table}` may stand more than once: write [[{table}]]"))
                }
                (DeValue::Table(table), None) if known => {
                    let values = self.table(name.get_ref(), table);
                    self.values
                        .single
                        .extend(values.into_iter().map(|(option, value)| ((option.table, option.key), value)));
                }
                _ if known => self.problem(at, format!("`{}` must be a table: write [{0}]", name.get_ref())),
                _ => {
                    let hint = suggestion(name.get_ref(), options::ALL.iter().map(|o| o.table));
                    self.problem(at, format!("unknown table `{}`{hint}", name.get_ref()));
                }
            }
        }
    }

    fn repeated(&mut self, name: &'static str, needed: &str, entry: &Spanned<DeValue<'_>>) {
        let DeValue::Table(table) = entry.get_ref() else {
            return self.problem(entry.span().start, format!("a table expected: write [[{name}]]"));
        };
        let known = self.problems.len();
        let values: Entry = self.table(name, table).into_iter().map(|(option, value)| (option.key, value)).collect();
        if !values.contains_key(needed) && known == self.problems.len() {
            self.problem(entry.span().start, format!("[[{name}]] needs `{needed}`"));
        }
        self.values.repeated.entry(name).or_default().push(values);
    }

    fn table(&mut self, name: &str, table: &DeTable<'_>) -> Vec<(&'static OptionSpec, Value)> {
        let mut values = Vec::new();
        for (key, value) in table.iter() {
            let mut here = options::ALL.iter().filter(|o| o.table == name);
            match here.find(|o| o.key == key.get_ref().as_ref()) {
                Some(option) if matches!(option.kind, Kind::Formats) => {
                    let text = self.text;
                    let found = formats::read(value, text, &mut |at, text| self.problem(at, text));
                    values.push((option, Value::Formats(found)));
                }
                Some(option) => match check(option, value) {
                    Ok(checked) => values.push((option, checked)),
                    Err((at, text)) => self.problem(at, format!("`{}`: {text}", option.key)),
                },
                None => {
                    let keys = options::ALL.iter().filter(|o| o.table == name).map(|o| o.key);
                    let hint = suggestion(key.get_ref(), keys);
                    self.problem(key.span().start, format!("unknown key `{}` in [{name}]{hint}", key.get_ref()));
                }
            }
        }
        values
    }
}

/// Checks one value; an error carries the place in the file.
fn check(option: &OptionSpec, value: &Spanned<DeValue<'_>>) -> Result<Value, (usize, String)> {
    let at = value.span().start;
    match (&option.kind, value.get_ref()) {
        (Kind::Paths | Kind::Texts | Kind::Classes, DeValue::Array(items)) => {
            let texts = items.iter().map(|item| match item.get_ref() {
                DeValue::String(text) => Ok(text.to_string()),
                other => Err((item.span().start, format!("text expected, {} found", other.type_str()))),
            });
            let texts = texts.collect::<Result<Vec<String>, _>>()?;
            if matches!(option.kind, Kind::Classes) {
                check_classes(&texts).map_err(|reason| (at, reason))?;
            }
            Ok(if matches!(option.kind, Kind::Paths) {
                Value::Paths(texts.into_iter().map(PathBuf::from).collect())
            } else {
                Value::Texts(texts)
            })
        }
        (Kind::Labels | Kind::Patterns, DeValue::Table(table)) => {
            let pairs = table.iter().map(|(key, item)| match item.get_ref() {
                DeValue::String(text) => Ok((key.get_ref().to_string(), text.to_string())),
                other => Err((item.span().start, format!("text expected, {} found", other.type_str()))),
            });
            let pairs = pairs.collect::<Result<Vec<(String, String)>, _>>()?;
            if matches!(option.kind, Kind::Patterns) {
                check_patterns(&pairs).map_err(|reason| (at, reason))?;
            }
            Ok(Value::Labels(pairs))
        }
        (Kind::Flag, DeValue::Boolean(value)) => Ok(Value::Flag(*value)),
        (kind, DeValue::String(text)) => check_text(kind, text).map_err(|reason| (at, reason)),
        (kind, other) => Err((at, format!("{} expected, {} found", kind.name(), other.type_str()))),
    }
}

fn check_classes(names: &[String]) -> Result<(), String> {
    use parsers::redact::{Action, Rule, Rules};
    for name in names.iter().filter(|name| Rules::group(name).is_none()) {
        let rule = Rule { name: name.clone(), action: Action::Mask, pattern: None };
        Rules::new(&[rule], None).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn check_patterns(patterns: &[(String, String)]) -> Result<(), String> {
    use parsers::redact::{Action, Rule, Rules};
    let rule = |(name, pattern): &(String, String)| Rule {
        name: name.clone(),
        action: Action::Mask,
        pattern: Some(pattern.clone()),
    };
    Rules::new(&patterns.iter().map(rule).collect::<Vec<_>>(), None).map(drop).map_err(|error| error.to_string())
}

/// Checks a value written as text; defaults and flags take the same way.
///
/// # Errors
/// What is wrong, for people.
pub(crate) fn check_text(kind: &Kind, text: &str) -> Result<Value, String> {
    let wrong = || Err(format!("{} expected, text found", kind.name()));
    match kind {
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Path => Ok(Value::Paths(vec![PathBuf::from(text)])),
        Kind::Url => match text.split_once("://") {
            Some(("http" | "https", rest)) if !rest.is_empty() => Ok(Value::Text(text.to_owned())),
            _ => Err(format!("`{text}` is not a URL: http://HOST:PORT or https://HOST:PORT expected")),
        },
        Kind::Address => text
            .parse()
            .map(Value::Address)
            .map_err(|_| format!("`{text}` is not an address: IP:PORT expected, such as 127.0.0.1:7600 or [::1]:7600")),
        Kind::Zone => match jiff::tz::TimeZone::get(text) {
            Ok(_) => Ok(Value::Text(text.to_owned())),
            Err(_) => Err(format!("`{text}` is not a known time zone: a name such as Asia/Colombo expected")),
        },
        Kind::Duration { min, max } => match units::duration(text)? {
            found if (*min..=*max).contains(&found) => Ok(Value::Duration(found)),
            _ => Err(format!("{text} is outside of {}", show_limit(kind))),
        },
        Kind::Size { min, max } => match units::size(text)? {
            found if (*min..=*max).contains(&found) => Ok(Value::Size(found)),
            _ => Err(format!("{text} is outside of {}", show_limit(kind))),
        },
        Kind::Flag => match text {
            "true" => Ok(Value::Flag(true)),
            "false" => Ok(Value::Flag(false)),
            _ => wrong(),
        },
        Kind::Loopback => match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Value::Address(address)),
            Ok(_) => Err(format!("`{text}` can be reached from other hosts: one of 127.0.0.1 or ::1 expected")),
            Err(_) => Err(format!("`{text}` is not an address: IP:PORT expected, such as 127.0.0.1:7601")),
        },
        Kind::Paths | Kind::Texts | Kind::Labels | Kind::Formats | Kind::Classes | Kind::Patterns => wrong(),
    }
}

/// The limits of a kind, for people.
pub(crate) fn show_limit(kind: &Kind) -> String {
    match kind {
        Kind::Duration { min, max } => format!("{} to {}", show_duration(*min), show_duration(*max)),
        Kind::Size { min, max } => format!("{} to {}", units::show_size(*min), units::show_size(*max)),
        _ => "–".to_owned(),
    }
}

fn show_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    for (unit, factor) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if ms > 0 && ms.is_multiple_of(factor) {
            return format!("{} {unit}", ms / factor);
        }
    }
    format!("{ms} ms")
}

pub(super) fn suggestion<'n>(found: &str, names: impl Iterator<Item = &'n str>) -> String {
    let folded = found.replace('-', "_").to_lowercase();
    let near = names.map(|name| (distance(&folded, name), name)).min();
    match near {
        Some((steps, name)) if steps <= 1 + name.len() / 4 => format!(", did you mean `{name}`?"),
        _ => String::new(),
    }
}

/// Letters to change, add or leave out to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn tells_all_problems_with_their_places() {
        let text = "[ship]\nclose_afer = \"5s\"\nsince = \"soon\"\n\n[serv]\nlisten = 1\n[serve]\nlisten = 7600\n";
        let problems: Vec<String> = read(text).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "2:1: unknown key `close_afer` in [ship], did you mean `close_after`?",
                "3:9: `since`: `soon` is not a duration: a number and one of ms, s, m, h, d, w expected, such as 5s or 7d",
                "5:2: unknown table `serv`, did you mean `serve`?",
                "8:10: `listen`: address (IP:PORT) expected, integer found",
            ]
        );
    }

    #[test]
    fn syntax_errors_and_bad_values_come_together() {
        let problems = read("[ship]\nsince = \nto = \"nowhere\"\n").unwrap_err();
        assert!(problems.iter().any(|p| p.line == 2), "{problems:?}");
        assert!(problems.iter().any(|p| p.line == 3 && p.text.contains("not a URL")), "{problems:?}");
    }

    #[test]
    fn tables_that_stand_more_than_once_are_read_in_order() {
        let text =
            "[[source]]\nfiles = [\"a.log\"]\nrate = \"1MB\"\n[[source]]\nfiles = [\"*\"]\nredact = [\"secrets\"]\n";
        let values = read(text).unwrap();
        let sources = &values.repeated["source"];
        assert_eq!(sources.len(), 2);
        assert_eq!(sources[0]["rate"], Value::Size(1_000_000));
        let text = "[[source]]\nzone = \"UTC\"\n[source2]\n[redact]\nclasses = [\"passwords\"]\npatterns = { x = \"(\" }\n[ship]\nlisten = \"0.0.0.0:1\"\n";
        let problems: Vec<String> = read(text).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 5, "{problems:#?}");
        assert!(problems[0].contains("[[source]] needs `files`"), "{problems:#?}");
        assert!(problems.iter().any(|p| p.contains("no redaction class `passwords`")), "{problems:#?}");
        assert!(problems.iter().any(|p| p.contains("reached from other hosts")), "{problems:#?}");
    }

    #[test]
    fn every_default_passes_its_own_check() {
        for option in options::ALL {
            if let Some(default) = option.default {
                check_text(&option.kind, default).unwrap();
            }
        }
    }
}
