//! The layouts that a product's own `log4j2.properties` or `log4j.properties` gives to its files.
//!
//! Only what names files and patterns is read. A file's name may hold lookups (`${instance.log}`): what is not
//! known stands as `*`. Properties that the file defines itself are put in.

use super::{FormatSpec, Syntax};
use std::collections::BTreeMap;

/// A file that an appender writes, and its layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLayout {
    /// Its name without folder, with `*` for what is not known.
    pub file: String,
    /// Its layout, called after the appender.
    pub spec: FormatSpec,
}

/// Largest file that is read; products' own have about 30 kB.
pub const BYTES_MAX: usize = 1 << 20;

/// The layouts of the files that a configuration of log4j names, in the order of the appenders' names.
pub fn file_layouts(text: &str) -> Vec<FileLayout> {
    let known = properties(text.get(..BYTES_MAX).unwrap_or(text));
    let mut appenders: BTreeMap<&str, Appender<'_>> = BTreeMap::new();
    for (key, value) in &known {
        let (old, rest) = match key.strip_prefix("log4j.appender.") {
            Some(rest) => (true, rest),
            None => match key.strip_prefix("appender.") {
                Some(rest) => (false, rest),
                None => continue,
            },
        };
        let Some((name, property)) = rest.split_once('.') else { continue };
        let appender = appenders.entry(name).or_insert(Appender { old, file: None, pattern: None });
        match property {
            "fileName" | "File" | "file" => appender.file = Some(value),
            "layout.pattern" | "layout.ConversionPattern" | "layout.conversionPattern" => {
                appender.pattern = Some(value)
            }
            _ => {}
        }
    }
    appenders
        .into_iter()
        .filter_map(|(name, appender)| {
            let path = replaced(appender.file?, &known, 0);
            let file = path.rsplit(['/', '\\']).next().map(starred).filter(|file| file.bytes().any(|b| b != b'*'))?;
            let syntax = if appender.old { Syntax::Layout1 } else { Syntax::Layout };
            Some(FileLayout { file, spec: FormatSpec::new(name, syntax, replaced(appender.pattern?, &known, 0)) })
        })
        .collect()
}

struct Appender<'t> {
    old: bool,
    file: Option<&'t String>,
    pattern: Option<&'t String>,
}

/// Properties in properties in …
const DEPTH_MAX: usize = 4;
/// A value with everything put in.
const VALUE_BYTES_MAX: usize = 4096;

/// The text with `${name}` replaced where the file itself says what it is.
fn replaced(text: &str, known: &BTreeMap<String, String>, depth: usize) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find("${") {
        let Some(close) = rest[open..].find('}').map(|i| open + i) else { break };
        let name = &rest[open + 2..close];
        out.push_str(rest[..open].strip_suffix('$').unwrap_or(&rest[..open]));
        let value = known.get(&format!("property.{name}")).or_else(|| known.get(name));
        match value.filter(|_| depth < DEPTH_MAX && out.len() < VALUE_BYTES_MAX) {
            Some(value) => out.push_str(&replaced(value, known, depth + 1)),
            None => out.push_str(&rest[open..=close]),
        }
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    out
}

/// The text with `*` for each lookup that is left.
fn starred(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find("${") {
        out.push_str(&rest[..open]);
        if !out.ends_with('*') {
            out.push('*');
        }
        rest = rest[open..].find('}').map_or("", |close| &rest[open + close + 1..]);
    }
    out.push_str(rest);
    out
}

/// The keys and values of a properties file as Java reads it.
fn properties(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut logical = String::new();
    for line in text.lines() {
        let line = line.trim_start();
        if logical.is_empty() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let slashes = line.bytes().rev().take_while(|b| *b == b'\\').count();
        if slashes % 2 == 1 {
            logical.push_str(&line[..line.len() - 1]);
            continue;
        }
        logical.push_str(line);
        let (key, value) = pair(&logical);
        found.insert(key, value);
        logical.clear();
    }
    if !logical.is_empty() {
        let (key, value) = pair(&logical);
        found.insert(key, value);
    }
    found
}

/// Key and value of a logical line.
fn pair(line: &str) -> (String, String) {
    let mut escaped = false;
    let end = line.char_indices().find(|(_, c)| {
        let ends = !escaped && matches!(c, '=' | ':' | ' ' | '\t');
        escaped = *c == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.map_or(line.len(), |(i, _)| i));
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start();
    (unescaped(key), unescaped(value))
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let hex: String = chars.by_ref().take(4).collect();
                out.extend(u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, Syntax)> {
        file_layouts(text).into_iter().map(|l| (l.file, l.spec.text, l.spec.syntax)).collect()
    }

    #[test]
    fn reads_a_configuration_of_log4j2() {
        let text = "# a comment\nproperty.logs = ${sys:carbon.home}/repository/logs\nproperty.own = [%d] %m%n\n\
            appender.CARBON_LOGFILE.type = RollingFile\n\
            appender.CARBON_LOGFILE.fileName = ${logs}/wso2carbon.log\n\
            appender.CARBON_LOGFILE.layout.type = PatternLayout\n\
            appender.CARBON_LOGFILE.layout.pattern = TID: [%tenantId] [%d] \\\n    %5p {%c} - %m%ex%n\n\
            appender.OWN.fileName=${sys:carbon.home}/logs/own${sys:instance}.log\nappender.OWN.layout.pattern=${own}\n\
            appender.CONSOLE.type = Console\nappender.CONSOLE.layout.pattern = %m%n\n";
        let file = |name: &str, pattern: &str| (name.to_owned(), pattern.to_owned(), Syntax::Layout);
        assert_eq!(
            read(text),
            [file("wso2carbon.log", "TID: [%tenantId] [%d] %5p {%c} - %m%ex%n"), file("own*.log", "[%d] %m%n")]
        );
    }

    #[test]
    fn reads_a_configuration_of_log4j1() {
        let text = "log4j.appender.CARBON_LOGFILE=org.wso2.carbon.logging.appenders.CarbonDailyRollingFileAppender\n\
            log4j.appender.CARBON_LOGFILE.File=${carbon.home}/repository/logs/${instance.log}/wso2carbon${instance.log}.log\n\
            log4j.appender.CARBON_LOGFILE.layout=org.wso2.carbon.utils.logging.TenantAwarePatternLayout\n\
            log4j.appender.CARBON_LOGFILE.layout.ConversionPattern=TID: [%T] [%S] [%d] %P%5p {%c} - %x %m {%c}%n\n";
        let pattern = "TID: [%T] [%S] [%d] %P%5p {%c} - %x %m {%c}%n".to_owned();
        assert_eq!(read(text), [("wso2carbon*.log".to_owned(), pattern, Syntax::Layout1)]);
    }

    #[test]
    fn what_refers_to_itself_ends() {
        let text = "property.a = ${b}${b}\nproperty.b = ${a}${a}\nappender.X.fileName = x.log\nappender.X.layout.pattern = ${a}\n";
        assert_eq!(read(text).len(), 1);
    }
}
