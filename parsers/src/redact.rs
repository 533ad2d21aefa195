//! Redaction: secrets are replaced before an event's fields are looked for, so that none of their bytes
//! leaves the host (protocol rule 41).
//!
//! What always holds:
//! - Framing looks at the file's own bytes; offset, size and lines of an event stay those of the file.
//! - Replacing keeps line ends, and a rule sees one line at a time. What spans lines (a private key, the text of
//!   an XML element) is a *block*: that one is open stands in the context, over cuts and provisional versions.
//!   So lines come out the same however a stream is cut between them.
//! - Where a cut stands inside a line, what follows may be the rest of a secret whose beginning nobody sees:
//!   its first [`EDGE_BYTES`] are replaced. Before the cut, a beginning of a secret counts as one.
//! - A placeholder is one word with a digit, so that it is always a variable of the message's template.
//! - Time is linear in the bytes; room is that of the longest event.
//!
//! The built-in classes are scanners of their own: a set of regular expressions costs more than all the parsing.

mod ahead;
mod blocks;
mod keyed;
mod numbers;
mod secrets;

pub(crate) use ahead::May;
pub use blocks::OpenBlock;
pub use keyed::Key;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use std::cell::Cell;
use std::sync::Arc;

/// Bytes after a cut inside a line that are replaced, whatever they are.
pub const EDGE_BYTES: usize = 1024;

/// Rules of one's own, at most so many.
pub const OWN_RULES_MAX: usize = 64;

/// Bytes of a compiled expression.
const COMPILED_BYTES_MAX: usize = 1 << 20;

macro_rules! classes {
    ($($konst:ident $name:literal $group:ident $what:literal),* $(,)?) => {
        /// What a built-in rule finds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Class { $(#[doc = $what] $konst),* }

        impl Class {
            /// All of them.
            pub const ALL: &'static [Class] = &[$(Class::$konst),*];

            /// Its name, in configuration and placeholders.
            pub fn name(self) -> &'static str {
                match self { $(Class::$konst => $name),* }
            }

            /// What it finds, for people.
            pub fn what(self) -> &'static str {
                match self { $(Class::$konst => $what),* }
            }

            /// The group it belongs to.
            pub fn group(self) -> Group {
                match self { $(Class::$konst => Group::$group),* }
            }
        }
    };
}

classes! {
    Password "password" Secrets "values of keys such as `password`, `client_secret`, `access_token`, `api_key`, `otp`, in text, JSON, queries and XML elements",
    Authorization "authorization" Secrets "what follows `Authorization:` or `Bearer`",
    Jwt "jwt" Secrets "JSON web tokens, wherever they stand",
    PrivateKey "private_key" Secrets "PEM blocks of private keys, over lines",
    AwsKey "aws_key" Secrets "ids of AWS access keys",
    Cookie "cookie" Secrets "session cookies: `JSESSIONID`, `commonAuthId`, `opbs`, `__Host-…`",
    UrlCredentials "url_credentials" Secrets "passwords in URLs (`scheme://user:password@host`), users in JDBC URLs",
    Card "card" Secrets "payment card numbers: issuer's prefix, grouping and check digit fit",
    Email "email" Personal "e-mail addresses, and user names that look like them",
    Iban "iban" Personal "international bank account numbers",
    Ip "ip" Personal "IPv4 addresses",
}

/// Classes that are switched on together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What gives access, or money.
    Secrets,
    /// What tells who somebody is.
    Personal,
}

impl Group {
    /// Its name in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Group::Secrets => "secrets",
            Group::Personal => "personal",
        }
    }
}

/// What takes the place of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// The name of its class.
    #[default]
    Mask,
    /// A keyed hash of it: equal values stay equal.
    Hash,
    /// Its last four characters.
    Last4,
}

/// A class or an own rule, with what is done to what it finds.
#[derive(Clone, Debug)]
pub struct Rule {
    /// A class's name, or that of the own rule.
    pub name: String,
    /// What takes the place of a value.
    pub action: Action,
    /// The expression of an own rule; `None` for a class.
    pub pattern: Option<String>,
}

/// Why rules cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleError {
    /// There is no class of that name.
    UnknownClass(String),
    /// A name is one word of lower-case letters, digits and `_`.
    Name(String),
    /// The expression of a rule.
    Pattern {
        /// Of which.
        rule: String,
        /// What is wrong with it, for people.
        reason: String,
    },
    /// [`Action::Hash`] needs a key.
    NoKey(String),
    /// More than [`OWN_RULES_MAX`].
    TooMany,
}

impl std::fmt::Display for RuleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RuleError::UnknownClass(name) => {
                let names: Vec<&str> = Class::ALL.iter().map(|c| c.name()).collect();
                write!(f, "there is no redaction class `{name}`: secrets, personal, or one of {}", names.join(", "))
            }
            RuleError::Name(name) => {
                write!(f, "`{name}` cannot name a redaction rule: lower-case letters, digits and `_`, at most 32")
            }
            RuleError::Pattern { rule, reason } => write!(f, "the expression of redaction rule `{rule}`: {reason}"),
            RuleError::NoKey(name) => write!(f, "redaction class `{name}` is to be hashed, which needs `key_file`"),
            RuleError::TooMany => write!(f, "more than {OWN_RULES_MAX} redaction rules"),
        }
    }
}

impl std::error::Error for RuleError {}

/// Checked rules, shared by all streams.
#[derive(Debug)]
pub struct Rules {
    /// Actions by class; `None`: off.
    classes: [Option<Action>; Class::ALL.len()],
    own: Vec<OwnRule>,
    /// Which own rules an event has to be looked at for.
    gate: RegexSet,
    key: Option<Key>,
    finders: secrets::Finders,
}

#[derive(Debug)]
struct OwnRule {
    name: String,
    action: Action,
    regex: Regex,
}

const IBAN: &str = r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b";
const IPV4: &str = r"\b(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})(?:\.(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})){3}\b";

impl Rules {
    /// Checks rules.
    ///
    /// # Errors
    /// See [`RuleError`].
    pub fn new(rules: &[Rule], key: Option<Key>) -> Result<Rules, RuleError> {
        let mut classes = [None; Class::ALL.len()];
        let mut patterns: Vec<(&Rule, &str)> = Vec::new();
        for rule in rules {
            let class = Class::ALL.iter().find(|c| c.name() == rule.name).copied();
            if rule.action == Action::Hash && key.is_none() {
                return Err(RuleError::NoKey(rule.name.clone()));
            }
            match (class, &rule.pattern) {
                (Some(Class::Iban), None) => patterns.push((rule, IBAN)),
                (Some(Class::Ip), None) => patterns.push((rule, IPV4)),
                (Some(class), None) => classes[class as usize] = Some(rule.action),
                (None, None) => return Err(RuleError::UnknownClass(rule.name.clone())),
                (class, Some(pattern)) => {
                    if class.is_some() || !is_rule_name(&rule.name) {
                        return Err(RuleError::Name(rule.name.clone()));
                    }
                    patterns.push((rule, pattern));
                }
            }
        }
        if patterns.len() > OWN_RULES_MAX {
            return Err(RuleError::TooMany);
        }
        let own = patterns.iter().map(|(rule, pattern)| OwnRule::new(rule, pattern)).collect::<Result<Vec<_>, _>>()?;
        let gate = RegexSetBuilder::new(patterns.iter().map(|(_, pattern)| pattern))
            .multi_line(true)
            .crlf(true)
            .unicode(false)
            .size_limit(COMPILED_BYTES_MAX * OWN_RULES_MAX)
            .build()
            .map_err(|e| RuleError::Pattern { rule: "all together".to_owned(), reason: e.to_string() })?;
        Ok(Rules { classes, own, gate, key, finders: secrets::Finders::default() })
    }

    /// Every class of a group.
    pub fn group(name: &str) -> Option<impl Iterator<Item = Class> + use<>> {
        let group = [Group::Secrets, Group::Personal].into_iter().find(|g| g.name() == name)?;
        Some(Class::ALL.iter().copied().filter(move |c| c.group() == group))
    }

    fn has(&self, class: Class) -> bool {
        self.classes[class as usize].is_some()
    }

    fn name_of(&self, rule: RuleId) -> &str {
        match rule {
            RuleId::Class(class) => class.name(),
            RuleId::Own(index) => &self.own[usize::from(index)].name,
            RuleId::Edge => "cut",
        }
    }

    fn action_of(&self, rule: RuleId) -> Action {
        match rule {
            RuleId::Class(class) => self.classes[class as usize].unwrap_or_default(),
            RuleId::Own(index) => self.own[usize::from(index)].action,
            RuleId::Edge => Action::Mask,
        }
    }
}

impl OwnRule {
    fn new(rule: &Rule, pattern: &str) -> Result<OwnRule, RuleError> {
        let wrong = |reason: String| RuleError::Pattern { rule: rule.name.clone(), reason };
        if pattern.contains(r"\A") || pattern.contains(r"\z") {
            return Err(wrong(r"a rule sees one line at a time: write ^ and $ instead of \A and \z".to_owned()));
        }
        let regex = RegexBuilder::new(pattern)
            .multi_line(true)
            .crlf(true)
            .unicode(false)
            .size_limit(COMPILED_BYTES_MAX)
            .build()
            .map_err(|e| wrong(e.to_string().lines().last().unwrap_or_default().trim().to_owned()))?;
        Ok(OwnRule { name: rule.name.clone(), action: rule.action, regex })
    }
}

fn is_rule_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    !name.is_empty() && name.len() <= 32 && name.bytes().all(fits)
}

/// Which rule found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RuleId {
    Class(Class),
    Own(u8),
    /// It stands beside a cut inside a line.
    Edge,
}

/// A value to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    from: usize,
    to: usize,
    rule: RuleId,
}

/// The bytes of an event, and what is known of its ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    pub(crate) bytes: &'a [u8],
    /// Its first byte does not begin a line.
    pub(crate) from_inside: bool,
    /// It begins with a head of its own.
    pub(crate) has_head: bool,
    /// Which marks may stand in it.
    may: May,
    /// The line whose end was looked for last: many values may stand in one long line.
    line: &'a Cell<(usize, usize)>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(bytes: &'a [u8], from_inside: bool, has_head: bool, line: &'a Cell<(usize, usize)>) -> Text<'a> {
        line.set((1, 0));
        Text { bytes, from_inside, has_head, may: May::ANY, line }
    }

    /// The same, but it is known which marks may stand in it.
    pub(crate) fn with(self, may: May) -> Text<'a> {
        Text { may, ..self }
    }

    /// What goes on beyond its last byte.
    fn is_open(&self) -> bool {
        !self.bytes.ends_with(b"\n")
    }

    /// The end of the line that `at` is in, without its line end.
    fn line_end(&self, at: usize) -> usize {
        let (from, to) = self.line.get();
        if (from..=to).contains(&at) {
            return to;
        }
        let to = line_end(self.bytes, at);
        self.line.set((at, to));
        to
    }

    /// Whether the line that ends at `end` goes on after the event.
    fn is_open_at(&self, end: usize) -> bool {
        end == self.bytes.len() && self.is_open()
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |i| at + i);
    looked(end - at);
    if end > at && end < bytes.len() && bytes[end - 1] == b'\r' { end - 1 } else { end }
}

/// Replaces what rules find in events, one at a time, in the same place.
#[derive(Clone, Debug)]
pub(crate) struct Redactor {
    rules: Arc<Rules>,
    found: Vec<Found>,
    out: Vec<u8>,
    /// Values replaced, by class, then by own rule; cuts last.
    counts: Vec<u64>,
    ahead: ahead::Ahead,
}

/// What was done to an event.
pub(crate) struct Redacted<'r> {
    /// Its bytes now.
    pub(crate) bytes: &'r [u8],
    /// The first byte that differs.
    pub(crate) first: usize,
    /// Names of the rules, comma between them.
    pub(crate) classes: String,
}

impl Redactor {
    pub(crate) fn new(rules: Arc<Rules>) -> Redactor {
        let counts = vec![0; Class::ALL.len() + rules.own.len() + 1];
        Redactor { rules, found: Vec::new(), out: Vec::new(), counts, ahead: ahead::Ahead::default() }
    }

    /// What was replaced so far, by name; counted anew from here on.
    pub(crate) fn take_counts(&mut self) -> Vec<(String, u64)> {
        let own = self.rules.own.iter().map(|o| o.name.clone());
        let names = Class::ALL.iter().map(|c| c.name().to_owned()).chain(own).chain(["cut".to_owned()]);
        names.zip(&mut self.counts).map(|(name, n)| (name, std::mem::take(n))).filter(|(_, n)| *n > 0).collect()
    }

    /// The parser looks at another buffer, or at the same from another place on.
    pub(crate) fn other_buffer(&mut self) {
        self.ahead = ahead::Ahead::default();
    }

    /// Which marks may stand in the event of so many bytes at `start` in the buffer; events come in their order.
    #[inline]
    pub(crate) fn ahead(&mut self, buffer: &[u8], start: usize, size: usize) -> May {
        self.ahead.of(&self.rules.finders, buffer, start, start + size)
    }

    /// Replaces; `None` when nothing is to be. `block` is what is open before the event, and then after it.
    pub(crate) fn event(&mut self, text: Text<'_>, block: &mut Option<OpenBlock>) -> Option<Redacted<'_>> {
        self.found.clear();
        if text.from_inside {
            self.found.push(Found { from: 0, to: edge_after_cut(text), rule: RuleId::Edge });
        }
        self.blocks_and_values(text, block);
        self.own_rules(text);
        self.found.retain(|f| f.from < f.to);
        if self.found.is_empty() {
            return None;
        }
        self.found.sort_unstable();
        self.replace(text.bytes);
        let names = self.names();
        Some(Redacted { bytes: &self.out, first: self.found[0].from, classes: names })
    }

    /// Blocks, and what scanners find between them.
    fn blocks_and_values(&mut self, text: Text<'_>, block: &mut Option<OpenBlock>) {
        if block.is_some_and(|b| !self.rules.has(b.class())) {
            *block = None;
        }
        if text.has_head {
            *block = block.and_then(OpenBlock::after_head);
        }
        blocks::key_lines(text, block, &mut self.found);
        let mut at = blocks::inside(text, 0, block, &mut self.found);
        let mut marker = 0;
        while at < text.bytes.len() {
            let begin = blocks::next(text, at, &mut marker, &self.rules, &mut self.found);
            let end = begin.as_ref().map_or(text.bytes.len(), |b| b.from);
            secrets::scan(text, at, end, &self.rules, &mut self.found);
            if self.rules.has(Class::Card) {
                numbers::cards(text, at, end, &mut self.found);
            }
            let Some(begin) = begin else { break };
            self.found.push(Found { from: begin.from, to: begin.to, rule: RuleId::Class(begin.class) });
            *block = Some(begin.block);
            at = blocks::inside(text, begin.next, block, &mut self.found);
        }
    }

    fn own_rules(&mut self, text: Text<'_>) {
        let rules = Arc::clone(&self.rules);
        if rules.own.is_empty() {
            return;
        }
        for index in rules.gate.matches(text.bytes) {
            let regex = &rules.own[index].regex;
            let mut from = 0;
            for line in text.bytes.split_inclusive(|b| *b == b'\n') {
                let content = &line[..line_end(line, 0)];
                for captures in regex.captures_iter(content) {
                    let Some(hit) = captures.get(1).or_else(|| captures.get(0)) else { continue };
                    let rule = RuleId::Own(index as u8);
                    self.found.push(Found { from: from + hit.start(), to: from + hit.end(), rule });
                }
                from += line.len();
            }
        }
        if text.is_open() {
            // The beginning of what a rule would find cannot be told from other words.
            let from = text.bytes.iter().rposition(|b| is_end_of_value(*b)).map_or(0, |i| i + 1);
            self.found.push(Found { from, to: text.bytes.len(), rule: RuleId::Edge });
        }
    }

    /// Puts placeholders where values stand; what overlaps is one value, of the rule that begins first.
    fn replace(&mut self, bytes: &[u8]) {
        self.out.clear();
        let mut done = 0;
        let mut index = 0;
        while index < self.found.len() {
            let Found { from, mut to, rule } = self.found[index];
            index += 1;
            while let Some(next) = self.found.get(index).filter(|next| next.from < to) {
                to = to.max(next.to);
                index += 1;
            }
            self.out.extend_from_slice(&bytes[done..from]);
            let place = self.rules.place(rule, &bytes[from..to]);
            self.out.extend_from_slice(place.as_bytes());
            done = to;
            let count = match rule {
                RuleId::Class(class) => class as usize,
                RuleId::Own(n) => Class::ALL.len() + usize::from(n),
                RuleId::Edge => self.counts.len() - 1,
            };
            self.counts[count] += 1;
        }
        self.out.extend_from_slice(&bytes[done..]);
    }

    fn names(&self) -> String {
        let mut rules: Vec<RuleId> = self.found.iter().map(|f| f.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        rules.iter().map(|rule| self.rules.name_of(*rule)).collect::<Vec<_>>().join(",")
    }
}

impl Rules {
    /// The word that takes the place of a value.
    fn place(&self, rule: RuleId, value: &[u8]) -> String {
        let name = self.name_of(rule);
        match (self.action_of(rule), &self.key) {
            (Action::Hash, Some(key)) => format!("‹{name}_{:012x}›", key.hash(value) >> 16),
            (Action::Last4, _) => match last4(value) {
                Some(last) => format!("‹{name}_{last}›"),
                None => format!("‹{name}_0›"),
            },
            _ => format!("‹{name}_0›"),
        }
    }
}

/// The last four letters or digits of a value that is long enough to have them shown.
fn last4(value: &[u8]) -> Option<String> {
    let plain: Vec<u8> = value.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
    let last = plain.len().checked_sub(4).filter(|_| plain.len() >= 12)?;
    // Not a digit among them: no variable of a template.
    let last = String::from_utf8(plain[last..].to_vec()).ok()?;
    Some(if last.bytes().any(|b| b.is_ascii_digit()) { last } else { format!("0{last}") })
}

/// Up to where the bytes after a cut inside a line are replaced.
fn edge_after_cut(text: Text<'_>) -> usize {
    let end = text.line_end(0);
    let least = EDGE_BYTES.min(end);
    text.bytes[least..end].iter().position(|b| is_end_of_value(*b)).map_or(end, |i| least + i)
}

/// So many bytes were looked at. Tests hold the sum to a multiple of a line's length: what no line can pay for is a
/// scanner that looks at the same bytes again for each mark in them.
#[inline]
fn looked(bytes: usize) {
    #[cfg(test)]
    tests::LOOKED.with(|all| all.set(all.get() + bytes + 1));
    let _ = bytes;
}

/// What no value goes over.
fn is_end_of_value(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'&' | b',' | b';' | b'<' | b'>' | b')' | b']' | b'}')
}

/// What words are made of.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a word may begin at `at`.
fn begins_word(bytes: &[u8], at: usize) -> bool {
    at == 0 || !is_word(bytes[at - 1])
}

#[cfg(test)]
mod tests;
