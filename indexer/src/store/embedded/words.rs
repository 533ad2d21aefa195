//! Which words of a text go into the dictionary, and what becomes of the others.
//!
//! Words that are ids would be almost all of the dictionary and half of the time to build it, and nobody
//! looks for them but whole. They are kept as 32-bit hashes beside the rows ([`super::ids`]); what those
//! find is verified.
//!
//! Whether a word is an id is decided by the word alone, so that a query knows where to look for it; and
//! only digits and `a` to `f` make one, so that most patterns (`conn*`) cannot mean an id.

use super::hasher;
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

/// Takes a text apart. Words for the dictionary are appended to `words`, each with a blank behind it; hashes
/// of ids to `hashes`. UUIDs, which begin at `uuid_starts` (in order), are passed over.
pub(super) fn split(text: &[u8], uuid_starts: &[usize], words: &mut String, hashes: &mut Vec<u32>) {
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
            words.push_str(word.text);
            words.push(' ');
        }
    }
}

/// Words and hashes of ids that all remembered lines may have together.
const REMEMBERED_MAX: usize = 1 << 20;

/// Takes texts of many events apart. The lines after the first one, frames of stacks mostly, come again and again: what
/// they are taken apart into is remembered, and of a row each of their words is told once.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    /// By the hash of a line: where its words and its hashes of ids are.
    lines: HashMap<u128, (Range<usize>, Range<usize>), hasher::Build>,
    words: Vec<u32>,
    hashes: Vec<u32>,
    numbers: HashMap<Box<str>, u32, hasher::Build>,
    /// Of each word by its number: its text, and the call that told it last.
    texts: Vec<(Box<str>, u32)>,
    call: u32,
}

impl Splitter {
    /// As [`split`], but words may be left out that were told already.
    pub(super) fn split(&mut self, text: &[u8], uuid_starts: &[usize], words: &mut String, hashes: &mut Vec<u32>) {
        self.call = self.call.wrapping_add(1);
        let (mut at, mut uuids) = (0, uuid_starts);
        while at < text.len() {
            let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |len| at + len + 1);
            let line = &text[at..end];
            let inside = uuids.partition_point(|&start| start < end);
            if at > 0
                && inside == 0
                && let Some((of_words, of_hashes)) = self.remember(line)
            {
                hashes.extend_from_slice(&self.hashes[of_hashes]);
                for &number in &self.words[of_words] {
                    let (text, told) = &mut self.texts[number as usize];
                    if *told != self.call {
                        *told = self.call;
                        words.push_str(text);
                        words.push(' ');
                    }
                }
            } else {
                let starts: Vec<usize> = uuids[..inside].iter().map(|start| start - at).collect();
                split(line, &starts, words, hashes);
            }
            (at, uuids) = (end, &uuids[inside..]);
        }
    }

    /// Where words and hashes of a line without UUIDs are; `None` when there is no room for more.
    fn remember(&mut self, line: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
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
            let number = match self.numbers.get(word.text) {
                Some(&number) => number,
                None => {
                    let number = self.texts.len() as u32;
                    self.numbers.insert(word.text.into(), number);
                    self.texts.push((word.text.into(), self.call.wrapping_sub(1)));
                    number
                }
            };
            self.words.push(number);
        }
        let found = (from_words..self.words.len(), from_hashes..self.hashes.len());
        self.lines.insert(key, found.clone());
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_text_is_taken_apart() {
        let (mut words, mut hashes) = (String::new(), Vec::new());
        let text = b"Message 550e8400-e29b-41d4-a716-446655440000 took 12 ms, id=20251125";
        split(text, &[8], &mut words, &mut hashes);
        assert_eq!(words, "message took 12 ms id ");
        assert_eq!(hashes, [word_hash("20251125")]);
    }

    #[test]
    fn lines_that_come_again_have_the_same_words() {
        let frame = "\tat org.wso2.Foo.bar(Foo.java:12) [550e8400]\n";
        let id = "\tid 550e8400-e29b-41d4-a716-446655440000 end\n";
        let texts =
            [format!("Failed org\n{frame}{frame}{id}"), format!("{frame}{frame}"), "one line".into(), frame.into()];
        let mut splitter = Splitter::default();
        for text in texts.iter().chain(&texts) {
            let starts: Vec<usize> = text.find("550e8400-").into_iter().collect();
            let (mut words, mut hashes) = (String::new(), Vec::new());
            splitter.split(text.as_bytes(), &starts, &mut words, &mut hashes);
            let (mut all, mut all_hashes) = (String::new(), Vec::new());
            split(text.as_bytes(), &starts, &mut all, &mut all_hashes);
            let set = |words: &str| words.split(' ').map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
            assert_eq!(set(&words), set(&all), "{text}");
            assert_eq!(hashes, all_hashes);
            assert!(words.len() <= all.len());
        }
    }
}
