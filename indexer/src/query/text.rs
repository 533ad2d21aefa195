//! Tests of free text: what word, phrase, pattern and regular expression mean there.
//!
//! [`TextTest`] is the one reading of a clause on text. The matcher runs it on bytes; a segment looks its words
//! up in an index and verifies with it what the index leaves open.

use super::ast::Test;
use super::glob::Glob;
use super::words::{WORD_BYTES_MAX, Words, word_char_after, word_char_before, words};
use memchr::memchr2_iter;

/// One word of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WordPattern {
    /// This word, folded and cut to [`WORD_BYTES_MAX`].
    Word(String),
    /// A word of this shape.
    Glob(Glob),
}

impl WordPattern {
    /// Whether a folded word fits.
    pub fn matches(&self, word: &str) -> bool {
        match self {
            WordPattern::Word(expected) => word == expected,
            WordPattern::Glob(glob) => glob.matches(word),
        }
    }
}

/// What must hold of a text.
#[derive(Clone, Debug)]
pub enum TextTest {
    /// Anything.
    Any,
    /// These words follow each other; at least one.
    Words(Vec<WordPattern>),
    /// These very bytes occur: a search for nothing but separators (`"->"`).
    Bytes(String),
    /// The expression is found somewhere.
    Regex(regex::bytes::Regex),
}

/// Why a test cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// Not a regular expression, or a too large one.
    #[error("not a regular expression: {0}")]
    Regex(String),
    /// Not an IP network.
    #[error("not an IP network: `{0}`, expected like 10.0.0.0/8")]
    Cidr(String),
    /// Not a time.
    #[error("not a time: `{0}`")]
    Time(String),
    /// Free text has no order and is no address.
    #[error("a {0} needs a field before it")]
    NeedsField(&'static str),
}

/// Compiles a regular expression as queries mean it: case folded, on bytes, bounded in size.
///
/// # Errors
/// What is wrong with it, for people.
pub fn regex(pattern: &str) -> Result<regex::bytes::Regex, TestError> {
    let mut builder = regex::bytes::RegexBuilder::new(pattern);
    let builder = builder.case_insensitive(true).size_limit(1 << 20).dfa_size_limit(2 << 20);
    builder.build().map_err(|error| TestError::Regex(last_line(&error.to_string())))
}

/// The reason stands in the last line of the library's drawing.
fn last_line(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(text);
    line.trim().trim_start_matches("error: ").to_owned()
}

impl TextTest {
    /// Reads a test as one of free text.
    ///
    /// # Errors
    /// See [`TestError`].
    pub fn new(test: &Test) -> Result<TextTest, TestError> {
        Ok(match test {
            Test::Word(text) | Test::Phrase(text) => {
                let sequence: Vec<_> = words(text).into_iter().map(WordPattern::Word).collect();
                TextTest::of_sequence(sequence, text)
            }
            Test::Wildcard(pattern) => {
                let globs = Glob::new(pattern).into_words().into_iter();
                let sequence = globs.map(|glob| match glob.literal() {
                    Some(word) => WordPattern::Word(words(&word).pop().unwrap_or(word)),
                    None => WordPattern::Glob(glob),
                });
                TextTest::of_sequence(sequence.collect(), pattern)
            }
            Test::Regex(pattern) => TextTest::Regex(regex(pattern)?),
            Test::Exists => TextTest::Any,
            Test::Range { .. } => return Err(TestError::NeedsField("range")),
            Test::Cidr(_) => return Err(TestError::NeedsField("network")),
        })
    }

    fn of_sequence(sequence: Vec<WordPattern>, text: &str) -> TextTest {
        if !sequence.is_empty() {
            TextTest::Words(sequence)
        } else if text.is_empty() {
            TextTest::Any
        } else {
            TextTest::Bytes(text.to_owned())
        }
    }

    /// Whether it holds of `text`.
    pub fn matches(&self, text: &[u8]) -> bool {
        match self {
            TextTest::Any => true,
            TextTest::Words(sequence) => first_sequence(sequence, text, 0).is_some(),
            TextTest::Bytes(bytes) => memchr::memmem::find(text, bytes.as_bytes()).is_some(),
            TextTest::Regex(regex) => regex.is_match(text),
        }
    }

    /// Where it holds: spans in `text`, in order, without overlap, at most `max`.
    pub fn spans(&self, text: &[u8], max: usize) -> Vec<(usize, usize)> {
        let mut spans = Vec::new();
        match self {
            TextTest::Any => {}
            TextTest::Words(sequence) => {
                let mut at = 0;
                while let Some((start, end)) = first_sequence(sequence, text, at) {
                    spans.push((start, end));
                    at = end;
                    if spans.len() >= max {
                        break;
                    }
                }
            }
            TextTest::Bytes(bytes) => {
                let starts = memchr::memmem::find_iter(text, bytes.as_bytes()).take(max);
                spans.extend(starts.map(|start| (start, start + bytes.len())));
            }
            TextTest::Regex(regex) => {
                let found = regex.find_iter(text).filter(|found| !found.is_empty()).take(max);
                spans.extend(found.map(|found| (found.start(), found.end())));
            }
        }
        spans
    }
}

/// The first place at or after `from` (a word's begin or a separator) where the words follow each other.
fn first_sequence(sequence: &[WordPattern], text: &[u8], from: usize) -> Option<(usize, usize)> {
    let (first, rest) = sequence.split_first()?;
    if let Some(scan) = Scan::of(first) {
        return scan.starts(text, from).find_map(|start| {
            let end = scan.word_end(text, start);
            follow(rest, text, end).map(|end| (start, end))
        });
    }
    let mut words = Words::from(text, from);
    loop {
        let word = words.next()?;
        let (start, end, fits) = (word.start, word.end, first.matches(word.text));
        if let Some(end) = fits.then(|| follow(rest, text, end)).flatten() {
            return Some((start, end));
        }
    }
}

/// Whether the words right after byte `at` fit; the end of the last one.
fn follow(rest: &[WordPattern], text: &[u8], at: usize) -> Option<usize> {
    let mut words = Words::from(text, at);
    let mut end = at;
    for pattern in rest {
        let word = words.next()?;
        if !pattern.matches(word.text) {
            return None;
        }
        end = word.end;
    }
    Some(end)
}

/// Finds an ASCII word (or the begin of one) in bytes without taking the text apart.
#[derive(Debug)]
struct Scan<'p> {
    needle: std::borrow::Cow<'p, [u8]>,
    whole: bool,
    /// Index of the needle's rarest byte, by which it is looked for.
    rare: usize,
}

impl<'p> Scan<'p> {
    fn of(pattern: &'p WordPattern) -> Option<Scan<'p>> {
        let (needle, whole) = match pattern {
            WordPattern::Word(word) => (std::borrow::Cow::Borrowed(word.as_bytes()), true),
            WordPattern::Glob(glob) => (std::borrow::Cow::Owned(glob.only_prefix()?.into_bytes()), false),
        };
        // A word of full length may have been cut: then its end in the text is another.
        if needle.is_empty() || !needle.is_ascii() || needle.len() >= WORD_BYTES_MAX {
            return None;
        }
        let rare = (0..needle.len()).min_by_key(|&i| frequency(needle[i]))?;
        Some(Scan { needle, whole, rare })
    }

    fn starts<'a>(&'a self, text: &'a [u8], from: usize) -> impl Iterator<Item = usize> + 'a {
        let byte = self.needle[self.rare];
        let hits = memchr2_iter(byte, byte.to_ascii_uppercase(), text.get(from..).unwrap_or_default());
        hits.filter_map(move |hit| {
            let start = (from + hit).checked_sub(self.rare).filter(|&start| start >= from)?;
            let end = start + self.needle.len();
            let here = text.get(start..end)?.eq_ignore_ascii_case(&self.needle);
            let begins = here && !word_char_before(text, start);
            (begins && !(self.whole && word_char_after(text, end))).then_some(start)
        })
    }

    fn word_end(&self, text: &[u8], start: usize) -> usize {
        let end = start + self.needle.len();
        if self.whole { end } else { Words::from(text, start).next().map_or(end, |word| word.end) }
    }
}

/// How often a byte occurs in logs, roughly: larger is more often.
fn frequency(byte: u8) -> usize {
    const RARE_FIRST: &[u8] = b"qzjxkv_9876543ywbgfphmu210dlcsrniaote";
    RARE_FIRST.iter().position(|&b| b == byte).unwrap_or(0)
}
