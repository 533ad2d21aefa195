//! `[[ship.format]]`: own formats of files. Each has a name, the files it is for, and one of `layout`,
//! `layout_log4j1`, `regex` and `grok`.

use super::file::suggestion;
use parsers::own::{FormatPart, Syntax};
use parsers::{Format, FormatSpec};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A checked format and the files it is for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FormatSetting {
    /// Names of files, with `*` and `?`.
    pub(crate) files: Vec<String>,
    /// The format.
    pub(crate) format: Format,
}

const KEYS: [&str; 10] =
    ["name", "files", "layout", "layout_log4j1", "regex", "grok", "multiline", "time", "zone", "patterns"];

const SYNTAXES: [(&str, Syntax); 4] =
    [("layout", Syntax::Layout), ("layout_log4j1", Syntax::Layout1), ("regex", Syntax::Regex), ("grok", Syntax::Grok)];

/// Reads all formats of a document; problems come with their places in `text`.
pub(super) fn read(
    value: &Spanned<DeValue<'_>>,
    text: &str,
    problem: &mut dyn FnMut(usize, String),
) -> Vec<FormatSetting> {
    let DeValue::Array(items) = value.get_ref() else {
        problem(value.span().start, "formats are a list of tables: write [[ship.format]]".to_owned());
        return Vec::new();
    };
    let mut found: Vec<FormatSetting> = Vec::new();
    for item in items.iter() {
        let DeValue::Table(table) = item.get_ref() else {
            problem(item.span().start, format!("table expected, {} found", item.get_ref().type_str()));
            continue;
        };
        if let Some(setting) = one(table, item.span().start, text, problem) {
            if found.iter().any(|other| other.format.spec().name == setting.format.spec().name) {
                let name = &setting.format.spec().name;
                problem(item.span().start, format!("two formats are called `{name}`"));
            }
            found.push(setting);
        }
    }
    found
}

fn one(table: &DeTable<'_>, at: usize, text: &str, problem: &mut dyn FnMut(usize, String)) -> Option<FormatSetting> {
    let mut well = true;
    let mut wrong = |at: usize, text: String| {
        well = false;
        problem(at, text);
    };
    for (key, _) in table.iter() {
        if !KEYS.contains(&key.get_ref().as_ref()) {
            let hint = suggestion(key.get_ref(), KEYS.into_iter());
            wrong(key.span().start, format!("unknown key `{}` in [[ship.format]]{hint}", key.get_ref()));
        }
    }
    let mut text_of = |key: &str| match table.get(key).map(|v| (v.span().start, v.get_ref())) {
        Some((_, DeValue::String(text))) => Some(text.to_string()),
        Some((at, other)) => {
            wrong(at, format!("`{key}`: text expected, {} found", other.type_str()));
            None
        }
        None => None,
    };
    let name = text_of("name");
    let given: Vec<(&str, Syntax, String)> =
        SYNTAXES.iter().filter_map(|(key, syntax)| Some((*key, *syntax, text_of(key)?))).collect();
    let (time, zone) = (text_of("time"), text_of("zone"));
    let files = match table.get("files").map(|v| (v.span().start, v.get_ref())) {
        Some((at, DeValue::Array(items))) => {
            let texts: Vec<String> = items
                .iter()
                .filter_map(|item| match item.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    _ => None,
                })
                .collect();
            if texts.is_empty() || texts.len() < items.len() {
                wrong(at, "`files`: list of names expected, such as [\"own*.log\"]".to_owned());
            }
            texts
        }
        Some((at, other)) => {
            wrong(at, format!("`files`: list of names expected, {} found", other.type_str()));
            Vec::new()
        }
        None => {
            wrong(at, "`files` is missing: which files have this format, such as [\"own*.log\"]".to_owned());
            Vec::new()
        }
    };
    let multiline = match table.get("multiline").map(|v| (v.span().start, v.get_ref())) {
        Some((_, DeValue::Boolean(value))) => *value,
        Some((at, other)) => {
            wrong(at, format!("`multiline`: true or false expected, {} found", other.type_str()));
            true
        }
        None => true,
    };
    let mut patterns = Vec::new();
    match table.get("patterns").map(|v| (v.span().start, v.get_ref())) {
        Some((_, DeValue::Table(table))) => {
            for (name, value) in table.iter() {
                match value.get_ref() {
                    DeValue::String(text) => patterns.push((name.get_ref().to_string(), text.to_string())),
                    other => wrong(value.span().start, format!("text expected, {} found", other.type_str())),
                }
            }
        }
        Some((at, other)) => wrong(at, format!("`patterns`: table of texts expected, {} found", other.type_str())),
        None => {}
    }
    if name.as_ref().is_none_or(String::is_empty) {
        wrong(at, "`name` is missing: it is `wso2.log.format` of the events".to_owned());
    }
    let [(key, syntax, pattern)] = &given[..] else {
        wrong(at, "exactly one of `layout`, `layout_log4j1`, `regex` and `grok` is needed".to_owned());
        return None;
    };
    let spec = FormatSpec { name: name?, syntax: *syntax, text: pattern.clone(), multiline, time, zone, patterns };
    let names: Vec<String> = spec.patterns.iter().map(|(name, _)| name.clone()).collect();
    match Format::new(spec) {
        Ok(format) => well.then_some(FormatSetting { files, format }),
        Err(error) => {
            let (key, value) = match error.part {
                FormatPart::Time => ("time", table.get("time")),
                FormatPart::Zone => ("zone", table.get("zone")),
                FormatPart::Pattern(number) => {
                    let inner = table.get("patterns").and_then(|v| v.get_ref().as_table());
                    ("patterns", names.get(number).and_then(|name| inner?.get(name.as_str())))
                }
                _ => (*key, table.get(*key)),
            };
            wrong(value.map_or(at, |value| place(value, text, error.at)), format!("`{key}`: {}", error.text));
            None
        }
    }
}

/// Where byte `at` of a text's value stands in the document: exact when it is written without escapes, else the
/// beginning of the value.
fn place(value: &Spanned<DeValue<'_>>, text: &str, at: usize) -> usize {
    let (span, DeValue::String(read)) = (value.span(), value.get_ref()) else { return value.span().start };
    let written = text.get(span.clone()).unwrap_or_default();
    let quotes = if written.starts_with("'''") || written.starts_with("\"\"\"") { 3 } else { 1 };
    let inside = written.get(quotes..written.len().saturating_sub(quotes)).unwrap_or_default();
    let skipped = usize::from(quotes == 3 && inside.starts_with('\n'));
    if inside.get(skipped..) == Some(read.as_ref()) { span.start + quotes + skipped + at } else { span.start }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::super::file;

    fn problems(text: &str) -> Vec<String> {
        file::read(text).map(|_| Vec::new()).unwrap_or_else(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn formats_are_read() {
        let text = "[[ship.format]]\nname = 'own'\nfiles = ['own*.log']\nlayout = '%d{ISO8601} %p | %c | %m%n'\n\
            [[ship.format]]\nname = 'front'\nfiles = ['front.log']\ngrok = '%{COMBINEDAPACHELOG}'\nmultiline = false\n\
            [[ship.format]]\nname = 'mine'\nfiles = ['m.log']\ngrok = '%{MY:level} %{GREEDYDATA:message}'\n\
            patterns = { MY = '[A-Z]+' }\ntime = 'UNIX'\nzone = 'Asia/Colombo'\n";
        assert_eq!(problems(text), Vec::<String>::new());
    }

    #[test]
    fn problems_stand_where_they_are() {
        let text = "[[ship.format]]\nname = 'own'\nfiles = ['own.log']\nlayout = '%d %p %c %m%n'\nregx = 'x'\n\
            [[ship.format]]\nname = 'own'\nfiles = ['x.log']\nregex = '(?P<a>x)('\n\
            [[ship.format]]\nfiles = 'x'\nlayout = '%m%n'\nregex = 'x'\n\
            [[ship.format]]\nname = 'g'\nfiles = ['x.log']\ngrok = '%{WORD:a} %{NOSUCH:b}'\n\
            [[ship.format]]\nname = 't'\nfiles = ['x.log']\nregex = 'x(?P<time>.*)'\ntime = 'yyyy-bb'\n\
            [[ship.format]]\nname = 'p'\nfiles = ['x.log']\ngrok = '%{MY}'\npatterns = { MY = '[a' }\n";
        let found = problems(text);
        let begin = |text: &str| assert!(found.iter().any(|p| p.starts_with(text)), "{text}\n{found:#?}");
        begin("5:1: unknown key `regx` in [[ship.format]], did you mean `regex`?");
        begin("9:18: `regex`: unclosed group");
        begin("11:9: `files`: list of names expected");
        begin("10:1: exactly one of");
        begin("17:19: `grok`: no pattern is called `NOSUCH`");
        begin("22:14: `time`: `b` is no letter");
        begin("27:20: `patterns`: unclosed character class");
    }
}
