//! Just enough JSON to find values within an object without building anything: one pass, no recursion.
//!
//! Text that is not quite JSON ends the object; what was found before stays.

use super::Fields;
use crate::FieldId;
use crate::span::Span;
use std::borrow::Cow;

/// A value of an object's member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    /// The inside of a string; whether it has escapes.
    Text(Span, bool),
    /// A number, `true`, `false` or `null`.
    Bare(Span),
    /// An object or array, its brackets included.
    Nested(Span),
}

impl Json {
    /// Where it stands, without quotes.
    pub(crate) fn span(self) -> Span {
        match self {
            Json::Text(span, _) | Json::Bare(span) | Json::Nested(span) => span,
        }
    }
}

/// The members of the object that begins at `at`, in order: key, value.
pub(crate) struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Members<'a> {
    /// Of the object in `bytes[at..end]`; of none when no object begins there.
    pub(crate) fn new(bytes: &'a [u8], at: usize, end: usize) -> Members<'a> {
        let end = end.min(bytes.len());
        let begins = at < end && bytes[at] == b'{';
        Members { bytes, at: if begins { at + 1 } else { end }, end }
    }

    /// Of a nested object.
    pub(crate) fn of(bytes: &'a [u8], span: Span) -> Members<'a> {
        Members::new(bytes, span.start as usize, span.end())
    }

    /// Where it stands: behind the object's last member when there are no more.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    fn blanks(&mut self) {
        while self.at < self.end && self.bytes[self.at].is_ascii_whitespace() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.at < self.end && self.bytes[self.at] == byte;
        self.at += usize::from(found);
        found
    }

    fn text(&mut self) -> Option<(Span, bool)> {
        if !self.take(b'"') {
            return None;
        }
        let from = self.at;
        let close = string_end(&self.bytes[..self.end], from)?;
        self.at = close + 1;
        let escapes = memchr::memchr(b'\\', &self.bytes[from..close]).is_some();
        Some((Span::new(from, close), escapes))
    }

    fn value(&mut self) -> Option<Json> {
        self.blanks();
        match self.bytes.get(self.at).filter(|_| self.at < self.end)? {
            b'"' => self.text().map(|(span, escapes)| Json::Text(span, escapes)),
            b'{' | b'[' => {
                let from = self.at;
                self.at = nested_end(&self.bytes[..self.end], from)?;
                Some(Json::Nested(Span::new(from, self.at)))
            }
            _ => {
                let from = self.at;
                while self.at < self.end && !matches!(self.bytes[self.at], b',' | b'}' | b']' | b'\n') {
                    self.at += 1;
                }
                let kept = self.bytes[from..self.at].trim_ascii_end().len();
                (kept > 0).then(|| Json::Bare(Span::new(from, from + kept)))
            }
        }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], Json);

    fn next(&mut self) -> Option<Self::Item> {
        self.take(b',');
        let key = self.text()?.0.of(self.bytes);
        if !self.take(b':') {
            self.at = self.end;
            return None;
        }
        let value = self.value();
        if value.is_none() {
            self.at = self.end;
        }
        value.map(|v| (key, v))
    }
}

/// Where the string whose inside begins at `from` closes.
fn string_end(bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', bytes.get(from..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        from = at + 2;
    }
}

/// One past the bracket that closes the one at `from`.
fn nested_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = string_end(bytes, at + 1)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Adds a value as text: a span, or a literal when it has escapes. `null` is nothing.
pub(crate) fn put(fields: &mut Fields, id: FieldId, value: Json, bytes: &[u8]) {
    match value {
        Json::Text(span, true) => fields.literal(id, &unescaped(span.of(bytes))),
        Json::Bare(span) if span.of(bytes) == b"null" => {}
        Json::Text(span, false) | Json::Bare(span) | Json::Nested(span) => fields.span(id, span),
    }
}

/// A string's inside without its escapes.
pub(crate) fn unescaped(text: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text).is_none() {
        return String::from_utf8_lossy(text);
    }
    let mut out = Vec::with_capacity(text.len());
    crate::wrapper::unescape(text, &mut out);
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Vec<(String, String)> {
        let bytes = text.as_bytes();
        Members::new(bytes, 0, bytes.len())
            .map(|(key, value)| {
                let text = String::from_utf8_lossy(value.span().of(bytes)).into_owned();
                (String::from_utf8_lossy(key).into_owned(), text)
            })
            .collect()
    }

    #[test]
    fn finds_members_of_all_kinds() {
        let found = members(r#"{"a":"x", "b" : 12 ,"c":{"d":["]}"]},"e":null,"f":"a\"b"}"#);
        let wanted = [("a", "x"), ("b", "12"), ("c", r#"{"d":["]}"]}"#), ("e", "null"), ("f", r#"a\"b"#)];
        assert_eq!(found, wanted.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn broken_objects_end_where_they_break() {
        assert_eq!(members(r#"{"a":"x","b":"#).len(), 1);
        assert_eq!(members(r#"{"a":"x" "b":1}"#).len(), 2);
        assert_eq!(members(r#"{"a":{"b":1"#).len(), 0);
        assert_eq!(members("not json").len(), 0);
        assert_eq!(members(r#"{"a"}"#).len(), 0);
        assert_eq!(members(r#"{"a":"\"#).len(), 0);
    }
}
