//! Which words of a text go into the dictionary, and what becomes of the others.
//!
//! Words that are ids would be almost all of the dictionary and half of the time to build it, and nobody
//! looks for them but whole. They are kept as 32-bit hashes beside the rows ([`super::ids`]); what those
//! find is verified.
//!
//! Whether a word is an id is decided by the word alone, so that a query knows where to look for it; and
//! only digits and `a` to `f` make one, so that most patterns (`conn*`) cannot mean an id.

use crate::query::words::Words;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

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
}
