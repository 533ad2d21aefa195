//! Takes the UUIDs out of an event's bytes, and puts them back. As text they do not compress (36 bytes
//! become about 18); taken out they are 16 bytes that are searched where they lie.
//!
//! Only the canonical lower-case form (8-4-4-4-12) that is bounded by characters of no word is taken. Its
//! place is kept by the byte 1 in what remains; bytes 1 and 2 of the event itself are preceded by a 2.

use crate::query::words::{word_char_after, word_char_before};

const MARK: u8 = 1;
const ESCAPE: u8 = 2;
/// Bytes of a UUID in text.
pub(super) const TEXT: usize = 36;
/// Offsets of its dashes.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// A UUID, its digits in the order of the text.
pub(super) type Uuid = [u8; 16];

/// Appends what remains of `bytes` to `rest`, and calls `found` with each UUID and where it began.
pub(super) fn take_out(bytes: &[u8], rest: &mut Vec<u8>, mut found: impl FnMut(usize, Uuid)) {
    let mut done = 0;
    for dash in memchr::memchr_iter(b'-', bytes) {
        let Some(start) = dash.checked_sub(DASHES[0]).filter(|&start| start >= done) else { continue };
        if let Some(uuid) = at(bytes, start) {
            put_escaped(rest, &bytes[done..start]);
            rest.push(MARK);
            found(start, uuid);
            done = start + TEXT;
        }
    }
    put_escaped(rest, &bytes[done..]);
}

/// The UUID that stands at `start`.
fn at(bytes: &[u8], start: usize) -> Option<Uuid> {
    let text = bytes.get(start..start + TEXT)?;
    if DASHES.iter().any(|&dash| text[dash] != b'-') {
        return None;
    }
    let uuid = parse(text)?;
    (!word_char_before(bytes, start) && !word_char_after(bytes, start + TEXT)).then_some(uuid)
}

/// Reads the canonical form.
pub(super) fn parse(text: &[u8]) -> Option<Uuid> {
    if text.len() != TEXT || DASHES.iter().any(|&dash| text[dash] != b'-') {
        return None;
    }
    let mut uuid = [0; 16];
    let mut digits = text.iter().filter(|&&c| c != b'-');
    for byte in &mut uuid {
        *byte = digit(*digits.next()?)? << 4 | digit(*digits.next()?)?;
    }
    digits.next().is_none().then_some(uuid)
}

fn digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    }
}

fn put_escaped(out: &mut Vec<u8>, mut bytes: &[u8]) {
    while let Some(at) = memchr::memchr2(MARK, ESCAPE, bytes) {
        out.extend_from_slice(&bytes[..at]);
        out.extend_from_slice(&[ESCAPE, bytes[at]]);
        bytes = &bytes[at + 1..];
    }
    out.extend_from_slice(bytes);
}

/// Appends the bytes that [`take_out`] was given; `None` when `rest` and `uuids` do not belong together.
pub(super) fn put_back(mut rest: &[u8], mut uuids: impl Iterator<Item = Uuid>, out: &mut Vec<u8>) -> Option<()> {
    while let Some(at) = memchr::memchr2(MARK, ESCAPE, rest) {
        out.extend_from_slice(&rest[..at]);
        if rest[at] == MARK {
            write(&uuids.next()?, out);
            rest = &rest[at + 1..];
        } else {
            out.push(*rest.get(at + 1)?);
            rest = &rest[at + 2..];
        }
    }
    out.extend_from_slice(rest);
    uuids.next().is_none().then_some(())
}

/// Appends the canonical form.
pub(super) fn write(uuid: &Uuid, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (i, byte) in uuid.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Whether a folded word of 4, 8 or 12 hexadecimal digits is one of the five words of the UUID.
pub(super) fn has_word(uuid: &Uuid, word: &HexWord) -> bool {
    match word {
        HexWord::Four(digits) => [4, 6, 8].iter().any(|&at| uuid[at..at + 2] == *digits),
        HexWord::Eight(digits) => uuid[..4] == *digits,
        HexWord::Twelve(digits) => uuid[10..] == *digits,
    }
}

/// A word that can be one of a UUID's.
#[derive(Clone, Copy, Debug)]
pub(super) enum HexWord {
    Four([u8; 2]),
    Eight([u8; 4]),
    Twelve([u8; 6]),
}

impl HexWord {
    /// Reads a folded word.
    pub(super) fn parse(word: &str) -> Option<HexWord> {
        fn digits<const N: usize>(word: &[u8]) -> Option<[u8; N]> {
            let mut out = [0; N];
            for (byte, pair) in out.iter_mut().zip(word.chunks_exact(2)) {
                *byte = digit(pair[0])? << 4 | digit(pair[1])?;
            }
            Some(out)
        }
        match word.len() {
            4 => digits(word.as_bytes()).map(HexWord::Four),
            8 => digits(word.as_bytes()).map(HexWord::Eight),
            12 => digits(word.as_bytes()).map(HexWord::Twelve),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::query::words::words;
    use proptest::prelude::*;

    fn check(bytes: &[u8]) -> (Vec<u8>, Vec<usize>) {
        let (mut rest, mut uuids, mut starts, mut back) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        take_out(bytes, &mut rest, |start, uuid| {
            starts.push(start);
            uuids.push(uuid);
        });
        put_back(&rest, uuids.into_iter(), &mut back).unwrap();
        assert_eq!(back, bytes);
        (rest, starts)
    }

    const ONE: &str = "550e8400-e29b-41d4-a716-446655440000";

    #[test]
    fn taken_and_put_back() {
        assert_eq!(check(format!("id [{ONE}] - {ONE}").as_bytes()), (b"id [\x01] - \x01".to_vec(), vec![4, 44]));
        assert!(check(ONE.to_uppercase().as_bytes()).1.is_empty());
        assert!(check(format!("x{ONE}").as_bytes()).1.is_empty());
        assert!(check(format!("{ONE}é").as_bytes()).1.is_empty());
        assert_eq!(check(format!("aaaaaaaa-{ONE}-4466").as_bytes()).1, [9]);
        assert_eq!(check(b"\x01\x02 \x02").0, b"\x02\x01\x02\x02 \x02\x02");
    }

    #[test]
    fn its_words_are_found() {
        let uuid = parse(ONE.as_bytes()).unwrap();
        for word in words(ONE) {
            assert!(has_word(&uuid, &HexWord::parse(&word).unwrap()), "{word}");
        }
        assert!(!has_word(&uuid, &HexWord::parse("8400").unwrap()));
        assert!(HexWord::parse("55zz").is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in prop::collection::vec(prop_oneof![Just(1u8), Just(2), Just(b'-'), any::<u8>()], 0..200)) {
            check(&bytes);
        }

        #[test]
        fn text_with_uuids_comes_back(text in "([a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}|[ a-f0-9é-]{0,5}){0,6}") {
            check(text.as_bytes());
        }

        #[test]
        fn putting_back_never_panics(rest: Vec<u8>, uuids in prop::collection::vec(any::<[u8; 16]>(), 0..3)) {
            put_back(&rest, uuids.into_iter(), &mut Vec::new());
        }
    }
}
