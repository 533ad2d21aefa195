//! Grok patterns: `%{NAME:field}` in an expression, expanded from a library of named expressions.
//!
//! The names are those that people know from Logstash; the expressions are our own and need neither look-around nor
//! possessive repetition, so that matching stays linear.

use super::pattern::check;
use super::{FormatError, FormatPart};

/// Names and expressions. Names are resolved in this list after the format's own patterns.
const LIBRARY: &[(&str, &str)] = &[
    // words and numbers
    ("WORD", r"\b\w+\b"),
    ("NOTSPACE", r"\S+"),
    ("SPACE", r"\s*"),
    ("DATA", r".*?"),
    ("GREEDYDATA", r".*"),
    ("INT", r"[+-]?[0-9]+"),
    ("BASE10NUM", r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"),
    ("NUMBER", r"%{BASE10NUM}"),
    ("BASE16NUM", r"[+-]?(?:0[xX])?[0-9A-Fa-f]+"),
    ("POSINT", r"\b[1-9][0-9]*\b"),
    ("NONNEGINT", r"\b[0-9]+\b"),
    ("UUID", r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
    ("QUOTEDSTRING", r#"(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`)"#),
    ("QS", r"%{QUOTEDSTRING}"),
    // people and hosts
    ("USERNAME", r"[\w.-]+"),
    ("USER", r"%{USERNAME}"),
    ("EMAILLOCALPART", r"[\w!#$%&'*+/=?^`{|}~.-]+"),
    ("EMAILADDRESS", r"%{EMAILLOCALPART}@%{HOSTNAME}"),
    ("IPV4", r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"),
    ("IPV6", r"(?:[0-9A-Fa-f]{0,4}:){2,7}(?:%{IPV4}|[0-9A-Fa-f]{0,4})(?:%[0-9A-Za-z]+)?"),
    ("IP", r"(?:%{IPV6}|%{IPV4})"),
    ("HOSTNAME", r"\b[0-9A-Za-z][0-9A-Za-z_-]{0,62}(?:\.[0-9A-Za-z][0-9A-Za-z_-]{0,62})*\.?"),
    ("HOST", r"%{HOSTNAME}"),
    ("IPORHOST", r"(?:%{IP}|%{HOSTNAME})"),
    ("HOSTPORT", r"%{IPORHOST}:%{POSINT}"),
    ("MAC", r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}"),
    // paths and addresses
    ("UNIXPATH", r"(?:/[^\s/]*)+"),
    ("WINPATH", r"(?:[A-Za-z]:|\\)(?:\\[^\\?*\s]*)+"),
    ("PATH", r"(?:%{UNIXPATH}|%{WINPATH})"),
    ("URIPROTO", r"[A-Za-z][0-9A-Za-z+.-]*"),
    ("URIHOST", r"%{IPORHOST}(?::%{POSINT})?"),
    ("URIPATH", r"(?:/[0-9A-Za-z$.+!*'(){},~:;=@#%&_-]*)+"),
    ("URIQUERY", r"[^\s#]*"),
    ("URIPARAM", r"\?[^\s#]*"),
    ("URIPATHPARAM", r"%{URIPATH}(?:%{URIPARAM})?"),
    ("URI", r"%{URIPROTO}://(?:%{USER}(?::[^@\s]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?"),
    // dates and times
    ("YEAR", r"(?:[0-9]{4}|[0-9]{2})"),
    ("MONTHNUM", r"(?:1[0-2]|0?[1-9])"),
    ("MONTHDAY", r"(?:3[01]|[12][0-9]|0?[1-9])"),
    (
        "MONTH",
        r"\b(?:[Jj]an(?:uary)?|[Ff]eb(?:ruary)?|[Mm]ar(?:ch)?|[Aa]pr(?:il)?|[Mm]ay|[Jj]une?|[Jj]uly?|[Aa]ug(?:ust)?|[Ss]ep(?:t(?:ember)?)?|[Oo]ct(?:ober)?|[Nn]ov(?:ember)?|[Dd]ec(?:ember)?)\b",
    ),
    ("DAY", r"(?:Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)"),
    ("HOUR", r"(?:2[0-3]|[01]?[0-9])"),
    ("MINUTE", r"[0-5][0-9]"),
    ("SECOND", r"(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?"),
    ("TIME", r"%{HOUR}:%{MINUTE}(?::%{SECOND})?"),
    ("DATE_US", r"%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}"),
    ("DATE_EU", r"%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}"),
    ("DATE", r"(?:%{DATE_US}|%{DATE_EU})"),
    ("DATESTAMP", r"%{DATE}[- ]%{TIME}"),
    ("ISO8601_TIMEZONE", r"(?:Z|[+-]%{HOUR}:?%{MINUTE})"),
    ("ISO8601_SECOND", r"%{SECOND}"),
    (
        "TIMESTAMP_ISO8601",
        r"%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?(?:%{ISO8601_TIMEZONE})?",
    ),
    ("TZ", r"[A-Z]{3,4}"),
    ("DATESTAMP_RFC822", r"%{DAY} %{MONTH} %{MONTHDAY} %{YEAR} %{TIME} %{TZ}"),
    ("DATESTAMP_RFC2822", r"%{DAY}, %{MONTHDAY} %{MONTH} %{YEAR} %{TIME} %{ISO8601_TIMEZONE}"),
    ("DATESTAMP_OTHER", r"%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{TZ} %{YEAR}"),
    ("HTTPDATE", r"%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}"),
    ("SYSLOGTIMESTAMP", r"%{MONTH} +%{MONTHDAY} %{TIME}"),
    // loggers
    (
        "LOGLEVEL",
        r"(?i:trace|debug|notice|information|info|warning|warn|error|err|critical|crit|fatal|severe|emergency|emerg|alert|config|finest|finer|fine)",
    ),
    ("JAVACLASS", r"(?:[A-Za-z$_][\w$-]*\.)*[A-Za-z$_][\w$-]*"),
    ("JAVAMETHOD", r"(?:<(?:cl)?init>|[A-Za-z$_][\w$]*)"),
    ("JAVAFILE", r"[\w$. -]+"),
    ("JAVASTACKTRACEPART", r"\s*at %{JAVACLASS:class}\.%{JAVAMETHOD:method}\(%{JAVAFILE:file}(?::%{INT:line})?\)"),
    ("JAVATHREAD", r"[A-Z]{2}-Processor[0-9]+"),
    ("JAVALOGMESSAGE", r".*"),
    ("PROG", r"[!-Z\\^-~]+"),
    ("SYSLOGPROG", r"%{PROG:program}(?:\[%{POSINT:pid}\])?"),
    ("SYSLOGHOST", r"%{IPORHOST}"),
    ("SYSLOGFACILITY", r"<%{NONNEGINT}\.%{NONNEGINT}>"),
    ("SYSLOGBASE", r"%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:host} %{SYSLOGPROG}:"),
    // web servers
    ("HTTPDUSER", r"(?:%{EMAILADDRESS}|%{USER})"),
    (
        "COMMONAPACHELOG",
        r#"%{IPORHOST:clientip} %{HTTPDUSER:ident} %{HTTPDUSER:auth} \[%{HTTPDATE:timestamp}\] "(?:%{WORD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA})" (?:-|%{NUMBER:response}) (?:-|%{NUMBER:bytes})"#,
    ),
    ("COMBINEDAPACHELOG", r#"%{COMMONAPACHELOG} "%{DATA:referrer}" "%{DATA:agent}""#),
    ("HTTPD_COMMONLOG", r"%{COMMONAPACHELOG}"),
    ("HTTPD_COMBINEDLOG", r"%{COMBINEDAPACHELOG}"),
];

/// Patterns inside patterns inside …
const DEPTH_MAX: usize = 16;
/// Bytes of an expression with all its patterns written out.
const EXPANDED_BYTES_MAX: usize = 64 << 10;

/// The names of the library, for documents and suggestions.
#[cfg(test)]
pub(super) fn library() -> impl Iterator<Item = &'static str> {
    LIBRARY.iter().map(|(name, _)| *name)
}

/// The expression that a grok pattern stands for, and what each of its groups `g_0`, `g_1`, … is called.
pub(super) fn expand(text: &str, own: &[(String, String)]) -> Result<(String, Vec<String>), FormatError> {
    for (number, (_, text)) in own.iter().enumerate() {
        check(&masked(text), FormatPart::Pattern(number), 0)?;
    }
    check(&masked(text), FormatPart::Text, 0)?;
    let mut expansion = Expansion { own, out: String::new(), names: Vec::new() };
    expansion.add(text, FormatPart::Text, 0)?;
    Ok((expansion.out, expansion.names))
}

struct Expansion<'a> {
    own: &'a [(String, String)],
    out: String,
    names: Vec<String>,
}

impl<'a> Expansion<'a> {
    fn add(&mut self, text: &'a str, part: FormatPart, depth: usize) -> Result<(), FormatError> {
        let wrong = |at, text: String| Err(FormatError { part, at, text });
        let mut rest = 0;
        for reference in references(text) {
            self.out.push_str(&text[rest..reference.from]);
            rest = reference.to;
            if self.out.len() > EXPANDED_BYTES_MAX || depth > DEPTH_MAX {
                return wrong(
                    reference.from,
                    "the patterns contain each other, or are too large written out".to_owned(),
                );
            }
            let Some((expression, part)) = self.find(reference.name, part) else {
                return wrong(reference.from, unknown(reference.name));
            };
            match reference.field {
                Some(field) => {
                    self.out.push_str(&format!("(?P<g_{}>", self.names.len()));
                    self.names.push(field.to_owned());
                }
                None => self.out.push_str("(?:"),
            }
            self.add(expression, part, depth + 1)?;
            self.out.push(')');
        }
        self.out.push_str(&text[rest..]);
        if self.out.len() > EXPANDED_BYTES_MAX {
            return wrong(0, "the pattern is too large written out".to_owned());
        }
        Ok(())
    }

    fn find(&self, name: &str, part: FormatPart) -> Option<(&'a str, FormatPart)> {
        let own = self.own.iter().position(|(known, _)| known == name);
        match own {
            Some(number) => Some((&self.own[number].1, FormatPart::Pattern(number))),
            None => LIBRARY.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text, part)),
        }
    }
}

fn unknown(name: &str) -> String {
    let names = || LIBRARY.iter().map(|(known, _)| *known);
    let near = names()
        .find(|known| known.eq_ignore_ascii_case(name))
        .or_else(|| names().find(|known| name.len() > 2 && known.starts_with(name)))
        .or_else(|| names().filter(|known| name.starts_with(known)).max_by_key(|known| known.len()));
    let hint = near.map(|known| format!(", did you mean `{known}`?")).unwrap_or_default();
    format!("no pattern is called `{name}`{hint}")
}

/// `%{NAME}`, `%{NAME:field}` or `%{NAME:field:type}`.
struct Reference<'t> {
    from: usize,
    to: usize,
    name: &'t str,
    field: Option<&'t str>,
}

fn references(text: &str) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find("%{").map(|i| at + i) {
        let Some(close) = text[open..].find('}').map(|i| open + i) else { break };
        let mut parts = text[open + 2..close].split(':');
        let name = parts.next().unwrap_or_default();
        let field = parts.next().map(str::trim).filter(|f| !f.is_empty());
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if is_name {
            found.push(Reference { from: open, to: close + 1, name, field });
            at = close + 1;
        } else {
            at = open + 2;
        }
    }
    found
}

/// The text with each reference replaced by an expression of the same length, so that places stay.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = 0;
    for reference in references(text) {
        out.push_str(&text[rest..reference.from]);
        out.push_str("(?:");
        out.push_str(&"x".repeat(reference.to - reference.from - 4));
        out.push(')');
        rest = reference.to;
    }
    out.push_str(&text[rest..]);
    out
}
