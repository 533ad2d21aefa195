//! Which words of a text go into the dictionary, and what becomes of the others.
//!
//! Words that are ids would be almost all of the dictionary and half of the time to build it, and nobody
//! looks for them but whole. They are kept as 32-bit hashes beside the rows ([`super::ids`]); what those
//! find is verified.
//!
//! Whether a word is an id is decided by the word alone, so that a query knows where to look for it; and
//! only digits and `a` to `f` make one, so that most patterns (`conn*`) cannot mean an id.

use super::hasher;
use super::terms::Dictionary;
use crate::query::words::Words;
use std::collections::HashMap;
use std::ops::Range;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

/// Digits of a number that are still taken for a word: ports, status codes, durations.
const NUMBER_MAX: usize = 6;
/// Characters from which on a hexadecimal number is an id.
const HEX_MIN: usize = 8;

/// Whether a folded word is an id: a long number, or a long hexadecimal number with a digit.
pub(super) fn is_id(word: &str) -> bool {
    let bytes = word.as_bytes();
    if bytes.len() <= NUMBER_MAX || !bytes.iter().all(|&b| is_id_char(char::from(b))) {
        return false;
    }
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    digits == bytes.len() || (digits > 0 && bytes.len() >= HEX_MIN)
}

/// Whether a character can be part of an id or of a UUID.
pub(super) fn is_id_char(c: char) -> bool {
    matches!(c, '0'..='9' | 'a'..='f')
}

/// Hash of a word that is an id.
pub(super) fn word_hash(word: &str) -> u32 {
    xxh3_64(word.as_bytes()) as u32
}

/// Hash of a folded value of a field.
pub(super) fn value_hash(field: &str, folded: &str) -> u32 {
    xxh3_64_with_seed(folded.as_bytes(), xxh3_64(field.as_bytes())) as u32
}

/// Takes a text apart. Words for the dictionary go to `each`, hashes of ids to `hashes`. UUIDs, which begin at
/// `uuid_starts` (in order), are passed over.
fn split(text: &[u8], uuid_starts: &[usize], each: &mut dyn FnMut(&str), hashes: &mut Vec<u32>) {
    let mut all = Words::new(text);
    let mut uuids = uuid_starts.iter().copied().peekable();
    let mut skip_to = 0;
    while let Some(word) = all.next() {
        if word.start < skip_to {
            continue;
        }
        while uuids.next_if(|&start| start < word.start).is_some() {}
        if uuids.peek() == Some(&word.start) {
            skip_to = word.start + super::uuids::TEXT;
        } else if is_id(word.text) {
            hashes.push(word_hash(word.text));
        } else {
            each(word.text);
        }
    }
}

/// Words and hashes of ids that all remembered lines may have together.
const REMEMBERED_MAX: usize = 1 << 20;

/// Takes texts of many events apart. The lines after the first one, frames of stacks mostly, come again and again: what
/// they are taken apart into is remembered.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    /// By the hash of a line: where its words and its hashes of ids are.
    lines: HashMap<u128, (Range<usize>, Range<usize>), hasher::Build>,
    /// Their numbers in the dictionary.
    words: Vec<u32>,
    hashes: Vec<u32>,
}

/// A row's text, and where its UUIDs begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a> {
    pub(super) row: u32,
    pub(super) bytes: &'a [u8],
    pub(super) uuid_starts: &'a [usize],
}

impl Splitter {
    /// Adds the row to its words in the dictionary, and appends the hashes of its ids.
    pub(super) fn split(&mut self, text: Text<'_>, dictionary: &mut Dictionary, hashes: &mut Vec<u32>) {
        let Text { row, bytes, uuid_starts: mut uuids } = text;
        let mut at = 0;
        while at < bytes.len() {
            let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |len| at + len + 1);
            let line = &bytes[at..end];
            let inside = uuids.partition_point(|&start| start < end);
            if at > 0
                && inside == 0
                && let Some((of_words, of_hashes)) = self.remember(line, dictionary)
            {
                hashes.extend_from_slice(&self.hashes[of_hashes]);
                self.words[of_words].iter().for_each(|&number| dictionary.add(number, row));
            } else {
                let starts: Vec<usize> = uuids[..inside].iter().map(|start| start - at).collect();
                let each = &mut |word: &str| {
                    let number = dictionary.number(word);
                    dictionary.add(number, row);
                };
                split(line, &starts, each, hashes);
            }
            (at, uuids) = (end, &uuids[inside..]);
        }
    }

    /// Where words and hashes of a line without UUIDs are; `None` when there is no room for more.
    fn remember(&mut self, line: &[u8], dictionary: &mut Dictionary) -> Option<(Range<usize>, Range<usize>)> {
        let key = xxh3_128(line);
        if let Some(known) = self.lines.get(&key) {
            return Some(known.clone());
        }
        if self.words.len() + self.hashes.len() + line.len() > REMEMBERED_MAX {
            return None;
        }
        let (from_words, from_hashes) = (self.words.len(), self.hashes.len());
        let mut all = Words::new(line);
        while let Some(word) = all.next() {
            if is_id(word.text) {
                self.hashes.push(word_hash(word.text));
                continue;
            }
            self.words.push(dictionary.number(word.text));
        }
        let found = (from_words..self.words.len(), from_hashes..self.hashes.len());
        self.lines.insert(key, found.clone());
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn ids_and_words() {
        for id in ["1234567", "550e8400", "deadbeef1", "a1b2c3d4e5f6a7b8"] {
            assert!(is_id(id), "{id}");
        }
        for word in
            ["", "200", "123456", "deadbeef", "axis2sender", "http_listener_8280", "ünal1", "41d4", "xq7k2m9z4p1w8r5t"]
        {
            assert!(!is_id(word), "{word}");
        }
    }

    /// Words and hashes of a text.
    fn apart(text: &[u8], uuid_starts: &[usize]) -> (Vec<String>, Vec<u32>) {
        let (mut words, mut hashes) = (Vec::new(), Vec::new());
        split(text, uuid_starts, &mut |word| words.push(word.to_owned()), &mut hashes);
        (words, hashes)
    }

    #[test]
    fn a_text_is_taken_apart() {
        let (words, hashes) = apart(b"Message 550e8400-e29b-41d4-a716-446655440000 took 12 ms, id=20251125", &[8]);
        assert_eq!(words, ["message", "took", "12", "ms", "id"]);
        assert_eq!(hashes, [word_hash("20251125")]);
    }

    #[test]
    fn lines_that_come_again_have_the_same_words() {
        let frame = "\tat org.wso2.Foo.bar(Foo.java:12) [550e8400]\n";
        let id = "\tid 550e8400-e29b-41d4-a716-446655440000 end\n";
        let texts =
            [format!("Failed org\n{frame}{frame}{id}"), format!("{frame}{frame}"), "one line".into(), frame.into()];
        let (mut splitter, mut dictionary) = (Splitter::default(), Dictionary::default());
        let mut expected: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for (row, text) in texts.iter().chain(&texts).enumerate() {
            let row = row as u32;
            let starts: Vec<usize> = text.find("550e8400-").into_iter().collect();
            let mut hashes = Vec::new();
            let bytes = text.as_bytes();
            splitter.split(Text { row, bytes, uuid_starts: &starts }, &mut dictionary, &mut hashes);
            let (words, all_hashes) = apart(bytes, &starts);
            assert_eq!(hashes, all_hashes);
            for word in words {
                let rows = expected.entry(word).or_default();
                if rows.last() != Some(&row) {
                    rows.push(row);
                }
            }
        }
        assert_eq!(dictionary.rows_by_word(), expected);
    }
}
