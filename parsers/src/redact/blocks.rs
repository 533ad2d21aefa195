//! What spans lines: PEM blocks of private keys, and the text of an XML element called `…password`.
//!
//! An open block ends at its own end, after a number of bytes (a beginning whose end never comes must not hide
//! a file for ever), or, for an element, where the next event has a head. A key printed line by line may have
//! events of other threads between its lines: after a head, lines that look like key material are still taken.

use super::ahead::Mark;
use super::{Class, Found, RuleId, Rules, Text, is_word, looked};

/// Bytes after which an open key is given up: four times the largest in use.
const KEY_BYTES_MAX: u32 = 32 << 10;
/// Bytes after which the text of an element is given up.
const ELEMENT_BYTES_MAX: u32 = 1024;
/// Bytes in which a tag, or the first line of a key, must end.
const TAG_BYTES_MAX: usize = 1024;
/// Longest name of a tag that a cut may stand in.
const TAG_NAME_MAX: usize = 64;
/// Shortest line that may be taken for key material.
const KEY_LINE_MIN: usize = 4;

const BEGIN: &[u8] = b"-----BEGIN";
const END: &[u8] = b"-----END";
const PRIVATE_KEY: &[u8] = b"PRIVATE KEY";
const PASSWORD: &[u8] = b"password";

/// A secret that spans lines and has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenBlock {
    pub(crate) kind: Kind,
    /// Bytes after which it is given up.
    pub(crate) left: u32,
}

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    PrivateKey = 1,
    Element = 2,
    /// A key that events of others came into.
    KeyLines = 3,
}

impl OpenBlock {
    /// The block of that kind with so many bytes left.
    pub(crate) fn from_numbers(kind: u8, left: u32) -> Option<OpenBlock> {
        let kind = match kind {
            1 => Kind::PrivateKey,
            2 => Kind::Element,
            3 => Kind::KeyLines,
            _ => return None,
        };
        Some(OpenBlock { kind, left })
    }

    pub(super) fn class(self) -> Class {
        match self.kind {
            Kind::PrivateKey | Kind::KeyLines => Class::PrivateKey,
            Kind::Element => Class::Password,
        }
    }

    fn passed(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    fn is_over(self) -> bool {
        self.left == 0
    }

    /// An event with a head of its own comes in between; `None`: that ends it.
    pub(super) fn after_head(self) -> Option<OpenBlock> {
        match self.kind {
            Kind::PrivateKey | Kind::KeyLines => Some(OpenBlock { kind: Kind::KeyLines, ..self }),
            Kind::Element => None,
        }
    }
}

/// Takes the lines that look like key material, after an event of others came into a key.
pub(super) fn key_lines(text: Text<'_>, block: &mut Option<OpenBlock>, found: &mut Vec<Found>) {
    let Some(open) = block.as_mut().filter(|b| b.kind == Kind::KeyLines) else { return };
    let mut from = 0;
    while from < text.bytes.len() {
        let to = text.line_end(from);
        let line = &text.bytes[from..to];
        let next = next_line(text.bytes, to);
        let is_head = from == 0 && text.has_head;
        let end = end_of_key(line);
        let trimmed = line.trim_ascii();
        let is_key = trimmed.len() >= KEY_LINE_MIN && trimmed.iter().all(|b| is_key_byte(*b));
        if !is_head && (is_key || end.is_some()) {
            found.push(Found { from, to, rule: RuleId::Class(Class::PrivateKey) });
        }
        open.passed(next - from);
        if end.is_some() || open.is_over() {
            *block = None;
            return;
        }
        from = next;
    }
}

/// Where the line after the one whose content ends at `to` begins.
fn next_line(bytes: &[u8], to: usize) -> usize {
    let next = memchr::memchr(b'\n', &bytes[to..]).map_or(bytes.len(), |i| to + i + 1);
    looked(next - to);
    next
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// One past the line that ends a key.
fn end_of_key(line: &[u8]) -> Option<usize> {
    looked(line.len());
    let mut at = 0;
    while let Some(i) = memchr::memmem::find(&line[at..], END) {
        let name = at + i + END.len();
        if let Some(to) = rest_of_marker(line, name) {
            return Some(to);
        }
        at = name;
    }
    None
}

/// The end of `… PRIVATE KEY…-----` that begins at `at`.
fn rest_of_marker(line: &[u8], at: usize) -> Option<usize> {
    let window = &line[at..line.len().min(at + 80)];
    let dashes = memchr::memmem::find(window, b"-----")?;
    memchr::memmem::find(&window[..dashes], PRIVATE_KEY)?;
    Some(at + dashes + 5)
}

/// Where a block begins that its own line does not end.
pub(super) struct Begin {
    pub(super) from: usize,
    /// The end of its line's content.
    pub(super) to: usize,
    /// Where the next line begins.
    pub(super) next: usize,
    pub(super) class: Class,
    pub(super) block: OpenBlock,
}

/// Takes what belongs to an open block from `at` on; gives the place after it.
pub(super) fn inside(text: Text<'_>, at: usize, block: &mut Option<OpenBlock>, found: &mut Vec<Found>) -> usize {
    let Some(open) = block else { return at };
    let class = open.class();
    if open.kind == Kind::KeyLines {
        return at;
    }
    let mut from = at;
    while from < text.bytes.len() {
        let to = text.line_end(from);
        let line = &text.bytes[from..to];
        let end = match open.kind {
            Kind::PrivateKey | Kind::KeyLines => end_of_key(line),
            Kind::Element => memchr::memchr(b'<', line),
        };
        let next = next_line(text.bytes, to);
        let taken = end.map_or(to, |i| from + i);
        found.push(Found { from, to: taken, rule: RuleId::Class(class) });
        if end.is_some() {
            *block = None;
            return taken;
        }
        open.passed(next - from);
        if open.is_over() {
            *block = None;
            return next;
        }
        from = next;
    }
    from
}

/// The next block from `at` on that goes on over its line. What ends within its line is found on the way.
/// `marker` is where the next beginning of a key may stand: what was searched is not searched again.
pub(super) fn next(
    text: Text<'_>,
    at: usize,
    marker: &mut usize,
    rules: &Rules,
    found: &mut Vec<Found>,
) -> Option<Begin> {
    let key = if rules.has(Class::PrivateKey) { next_key(text, at.max(*marker), rules, found) } else { None };
    *marker = key.as_ref().map_or(text.bytes.len(), |k| k.from);
    let until = key.as_ref().map_or(text.bytes.len(), |k| k.from);
    let element = if rules.has(Class::Password) { next_element(text, at, until, found) } else { None };
    element.or(key)
}

fn next_key(text: Text<'_>, from: usize, rules: &Rules, found: &mut Vec<Found>) -> Option<Begin> {
    let bytes = text.bytes;
    let mut at = from;
    // A cut may have taken some of the dashes, two cuts all of them.
    let is_rest = text.from_inside && from == 0;
    let dashes = if is_rest { bytes.iter().take(4).take_while(|b| **b == b'-').count() } else { 0 };
    let word = &bytes[dashes..];
    let rest = (is_rest && word.starts_with(b"BEGIN")).then_some(dashes + 5);
    let may = text.may.has(Mark::Begin);
    let find = |at: usize| if may { rules.finders.begin.find(&bytes[at..]) } else { None };
    while let Some(i) = rest.filter(|_| at == 0).map(|_| 0).or_else(|| find(at)) {
        let from = at + i;
        let to = text.line_end(from);
        let name = rest.filter(|_| from == 0).unwrap_or(from + BEGIN.len());
        let marker = rest_of_marker(&bytes[..to], name);
        if marker.is_none() && !(text.is_open_at(to) && to - name < 80) {
            at = name;
            continue;
        }
        let marker = marker.unwrap_or(to);
        if let Some(end) = end_of_key(&bytes[marker..to]) {
            found.push(Found { from, to: marker + end, rule: RuleId::Class(Class::PrivateKey) });
            at = marker + end;
            continue;
        }
        return Some(begin(
            text,
            from,
            to,
            Class::PrivateKey,
            OpenBlock { kind: Kind::PrivateKey, left: KEY_BYTES_MAX },
        ));
    }
    if from >= bytes.len() {
        return None;
    }
    // The first line of a key may be cut in two, or in three.
    if is_rest && text.is_open() && !word.is_empty() && b"BEGIN".starts_with(word) {
        return Some(begin(
            text,
            0,
            bytes.len(),
            Class::PrivateKey,
            OpenBlock { kind: Kind::PrivateKey, left: KEY_BYTES_MAX },
        ));
    }
    let dashes = bytes.len() - bytes.iter().rev().take(BEGIN.len() - 1).count();
    let cut = (dashes.max(from)..bytes.len()).find(|i| BEGIN.starts_with(&bytes[*i..]) && bytes.len() - i >= 5);
    let cut = cut.filter(|_| text.is_open())?;
    Some(begin(text, cut, bytes.len(), Class::PrivateKey, OpenBlock { kind: Kind::PrivateKey, left: KEY_BYTES_MAX }))
}

fn begin(text: Text<'_>, from: usize, to: usize, class: Class, block: OpenBlock) -> Begin {
    Begin { from, to, next: next_line(text.bytes, to), class, block }
}

/// `<ns:…Password …>text</`: the text.
fn next_element(text: Text<'_>, from: usize, until: usize, found: &mut Vec<Found>) -> Option<Begin> {
    if !text.may.has(Mark::Tag) {
        return None;
    }
    let bytes = &text.bytes[..until];
    let mut at = from;
    while let Some(i) = memchr::memchr(b'<', &bytes[at..]) {
        let open = at + i + 1;
        at = open;
        let name = bytes[open..].iter().take_while(|b| is_word(**b) || matches!(b, b':' | b'-' | b'.')).count();
        let name = &bytes[open..open + name];
        looked(name.len());
        let suffix = name.len().checked_sub(PASSWORD.len()).and_then(|n| name.get(n..));
        let rest = open + name.len();
        // Cut inside of the name, which may become one.
        let is_cut = text.is_open_at(rest) && name.len() < TAG_NAME_MAX;
        if !is_cut && !suffix.is_some_and(|s| s.eq_ignore_ascii_case(PASSWORD)) {
            continue;
        }
        let line = text.line_end(rest).min(until);
        let window = &bytes[rest..line.min(rest + TAG_BYTES_MAX)];
        let close = memchr::memchr(b'>', window);
        looked(close.unwrap_or(window.len()));
        let Some(close) = close else {
            if text.is_open_at(line) {
                let block = OpenBlock { kind: Kind::Element, left: ELEMENT_BYTES_MAX };
                return Some(begin(text, line, line, Class::Password, block));
            }
            continue;
        };
        if close > 0 && window[close - 1] == b'/' {
            continue;
        }
        let value = rest + close + 1;
        let end = memchr::memchr(b'<', &bytes[value..line]);
        looked(end.unwrap_or(line - value));
        match end {
            Some(end) => {
                if !bytes[value..value + end].trim_ascii().is_empty() {
                    found.push(Found { from: value, to: value + end, rule: RuleId::Class(Class::Password) });
                }
                at = value + end;
            }
            None => {
                let block = OpenBlock { kind: Kind::Element, left: ELEMENT_BYTES_MAX };
                return Some(begin(text, value, line, Class::Password, block));
            }
        }
    }
    None
}
