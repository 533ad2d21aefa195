//! The one tokenizer: what a *word* is, for the matcher, the index of segments and the highlighter alike.
//!
//! Letters, digits and `_` form words; everything else separates them (`.`, `$`, `-`, `/`, `@`, `:` too), so
//! `org.wso2.Foo$Bar` is four words. Words are folded to lower case, character by character. A word of more
//! than [`WORD_BYTES_MAX`] bytes is known by its first bytes only. Bytes that are not UTF-8 separate.
//!
//! Folding never makes an ASCII letter out of another character (the Kelvin sign stays what it is): so an
//! ASCII word can be looked for in bytes, without taking the whole text apart.

/// Bytes of a folded word that count; the rest of a longer one is passed over.
pub const WORD_BYTES_MAX: usize = 128;

/// One word of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// Its first byte in the text.
    pub start: usize,
    /// One past its last byte in the text, even where `text` is cut.
    pub end: usize,
    /// Folded, at most [`WORD_BYTES_MAX`] bytes.
    pub text: &'a str,
}

/// Takes a text apart, word by word; lends each word until the next call.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    bytes: &'a [u8],
    at: usize,
    folded: String,
}

impl<'a> Words<'a> {
    /// The words of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Words<'a> {
        Words::from(bytes, 0)
    }

    /// The words of `bytes` from byte `at` on; spans still count from the first byte of `bytes`.
    pub fn from(bytes: &'a [u8], at: usize) -> Words<'a> {
        Words { bytes, at, folded: String::new() }
    }

    /// The next word.
    #[expect(clippy::should_implement_trait, reason = "lends its buffer, which an Iterator cannot")]
    pub fn next(&mut self) -> Option<Word<'_>> {
        let start = self.skip_separators()?;
        self.folded.clear();
        let mut full = false;
        loop {
            full |= self.take_ascii(full);
            let Some((c, len)) = word_char_at(self.bytes, self.at) else { break };
            self.at += len;
            let c = fold(c);
            full |= self.folded.len() + c.len_utf8() > WORD_BYTES_MAX;
            if !full {
                self.folded.push(c);
            }
        }
        Some(Word { start, end: self.at, text: &self.folded })
    }

    /// Takes the ASCII characters of the word that come next, almost always all of it, in one go; says whether they
    /// were too many.
    fn take_ascii(&mut self, full: bool) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|&byte| !ASCII_WORD[usize::from(byte)]).unwrap_or(rest.len());
        self.at += len;
        let room = if full { 0 } else { WORD_BYTES_MAX - self.folded.len() };
        let old = self.folded.len();
        self.folded.push_str(std::str::from_utf8(&rest[..len.min(room)]).unwrap_or_default());
        self.folded[old..].make_ascii_lowercase();
        len > room
    }

    fn skip_separators(&mut self) -> Option<usize> {
        loop {
            let rest = self.bytes.get(self.at..)?;
            self.at += rest.iter().position(|&byte| !byte.is_ascii() || ASCII_WORD[usize::from(byte)])?;
            if word_char_at(self.bytes, self.at).is_some() {
                return Some(self.at);
            }
            self.at += match decode(self.bytes, self.at) {
                Some((_, len)) => len,
                None => 1,
            };
        }
    }
}

/// Which bytes are ASCII characters of words.
const ASCII_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = byte as u8 == b'_' || (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

/// All words of a short text (a query's), folded.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Words::new(text.as_bytes());
    let mut all = Vec::new();
    while let Some(word) = words.next() {
        all.push(word.text.to_owned());
    }
    all
}

/// Folds one character. Keeps the number of characters, never turns a non-ASCII one into ASCII, and folding
/// twice changes nothing.
pub fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    match c.to_lowercase().next() {
        Some(lower) if !lower.is_ascii() => lower,
        _ => c,
    }
}

/// Folds a whole text, separators kept: how values of fields are compared.
pub fn fold_text(text: &str) -> String {
    text.chars().map(fold).collect()
}

/// Whether a character belongs to words.
pub fn is_word_char(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// The word character that begins at byte `at`, and its length.
fn word_char_at(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let first = *bytes.get(at)?;
    if first.is_ascii() {
        return (first == b'_' || first.is_ascii_alphanumeric()).then_some((char::from(first), 1));
    }
    decode(bytes, at).filter(|&(c, _)| is_word_char(c))
}

/// Whether a word character ends just before byte `at`.
pub(crate) fn word_char_before(bytes: &[u8], at: usize) -> bool {
    let Some(&last) = at.checked_sub(1).and_then(|i| bytes.get(i)) else { return false };
    if last.is_ascii() {
        return last == b'_' || last.is_ascii_alphanumeric();
    }
    let back = (2..=4).filter_map(|n| at.checked_sub(n));
    back.into_iter().any(|i| decode(bytes, i).is_some_and(|(c, len)| i + len == at && is_word_char(c)))
}

/// Whether a word character begins at byte `at`.
pub(crate) fn word_char_after(bytes: &[u8], at: usize) -> bool {
    word_char_at(bytes, at).is_some()
}

/// The character that begins at byte `at`, `None` when the bytes there are not UTF-8.
fn decode(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let first = *bytes.get(at)?;
    let len = match first {
        0..=0x7f => return Some((char::from(first), 1)),
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let text = std::str::from_utf8(bytes.get(at..at + len)?).ok()?;
    text.chars().next().map(|c| (c, len))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expect: &[&str]) {
        assert_eq!(words(text), expect, "{text:?}");
    }

    #[test]
    fn separators_and_folding() {
        check("org.wso2.Foo$Bar", &["org", "wso2", "foo", "bar"]);
        check("user_name=a-b/c@d:e 12", &["user_name", "a", "b", "c", "d", "e", "12"]);
        check("ÄRGER Ünal", &["ärger", "ünal"]);
        check("  ", &[]);
        check("\u{212a}elvin", &["\u{212a}elvin"]);
    }

    #[test]
    fn long_words_are_cut_but_keep_their_span() {
        let text = "ä".repeat(100);
        let mut words = Words::new(text.as_bytes());
        let word = words.next().unwrap();
        assert_eq!((word.start, word.end, word.text.len()), (0, 200, 128));
        assert!(words.next().is_none());
    }

    #[test]
    fn broken_utf8_separates() {
        let mut words = Words::new(b"a\xffb \xc3");
        assert_eq!(words.next().unwrap().text, "a");
        assert_eq!(words.next().unwrap(), Word { start: 2, end: 3, text: "b" });
        assert!(words.next().is_none());
    }

    proptest! {
        #[test]
        fn spans_cover_exactly_the_word_characters(text in ".{0,60}") {
            let mut inside = vec![false; text.len()];
            let mut words = Words::new(text.as_bytes());
            while let Some(word) = words.next() {
                inside[word.start..word.end].fill(true);
                prop_assert!(!word_char_before(text.as_bytes(), word.start));
                prop_assert!(!word_char_after(text.as_bytes(), word.end));
            }
            for (at, c) in text.char_indices() {
                prop_assert_eq!(inside[at], is_word_char(c));
                prop_assert_eq!(word_char_before(text.as_bytes(), at + c.len_utf8()), is_word_char(c));
            }
        }

        #[test]
        fn folding_is_stable(c in any::<char>()) {
            prop_assert_eq!(fold(fold(c)), fold(c));
            prop_assert_eq!(is_word_char(fold(c)), is_word_char(c));
            prop_assert_eq!(fold(c).is_ascii(), c.is_ascii());
        }

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut words = Words::new(&bytes);
            let mut last = 0;
            while let Some(word) = words.next() {
                prop_assert!(word.start >= last && word.end > word.start && !word.text.is_empty());
                last = word.end;
            }
        }
    }
}
