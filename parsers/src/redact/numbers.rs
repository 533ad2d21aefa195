//! Payment card numbers: 15 or 16 digits in an issuer's grouping, with its prefix, whose check digit fits.
//!
//! A number spans at least 15 bytes of digits, blanks and hyphens, so one of the pieces of eight bytes that a text is
//! made of has nothing else.

use super::{Class, Found, RuleId, Text, is_word, looked};

/// Shortest number, in bytes.
const BYTES_MIN: usize = 15;
const PIECE: usize = 8;
/// Digits from which the beginning of a number before a cut counts as one.
const BEGINNING_MIN: usize = 6;

const GROUPINGS: [&[usize]; 3] = [&[4, 4, 4, 4], &[4, 4, 4, 3], &[4, 6, 5]];

const PART: [bool; 256] = {
    let mut table = [false; 256];
    let mut digit = b'0';
    while digit <= b'9' {
        table[digit as usize] = true;
        digit += 1;
    }
    table[b' ' as usize] = true;
    table[b'-' as usize] = true;
    table
};

fn is_part(byte: u8) -> bool {
    PART[usize::from(byte)]
}

/// Finds card numbers in `bytes[from..to]`.
pub(super) fn cards(text: Text<'_>, from: usize, to: usize, found: &mut Vec<Found>) {
    let bytes = &text.bytes[..to];
    let mut at = from;
    while let Some(piece) = bytes[at.min(to)..].first_chunk::<PIECE>() {
        if !may_be_number(piece) {
            at += PIECE;
            continue;
        }
        let begin = bytes[from..at].iter().rposition(|b| !is_part(*b)).map_or(from, |i| from + i + 1);
        let end = bytes[at..].iter().position(|b| !is_part(*b)).map_or(to, |i| at + i);
        looked(end - begin);
        if end - begin >= BYTES_MIN {
            in_window(text.bytes, begin, end, found);
        }
        at = at.max(end) + 1;
    }
    if text.is_open_at(to) {
        beginning(bytes, from, found);
    }
}

/// Whether there are digits, blanks and hyphens only.
#[inline]
fn may_be_number(piece: &[u8; PIECE]) -> bool {
    // All of them are between a blank and `?`, which one look at all eight tells.
    const UPPER: u64 = 0xe0e0_e0e0_e0e0_e0e0;
    u64::from_le_bytes(*piece) & UPPER == u64::from_le_bytes([b' '; PIECE]) && piece.iter().all(|b| is_part(*b))
}

fn in_window(bytes: &[u8], begin: usize, end: usize, found: &mut Vec<Found>) {
    let mut at = begin;
    while at + BYTES_MIN <= end {
        let starts = bytes[at].is_ascii_digit() && (at == 0 || !is_word(bytes[at - 1]));
        looked(0);
        let hit = if starts { GROUPINGS.iter().find_map(|g| number(bytes, at, end, g)) } else { None };
        match hit {
            Some(to) => {
                found.push(Found { from: at, to, rule: RuleId::Class(Class::Card) });
                at = to;
            }
            None => at += 1,
        }
    }
}

/// The end of the number in that grouping at `at`.
fn number(bytes: &[u8], at: usize, end: usize, groups: &[usize]) -> Option<usize> {
    if !has_issuer(&bytes[at..end]) {
        return None;
    }
    let mut digits = [0u8; 16];
    let (mut count, mut place) = (0, at);
    for (index, len) in groups.iter().enumerate() {
        if index > 0 && place < end && matches!(bytes[place], b' ' | b'-') {
            place += 1;
        }
        let group = bytes.get(place..place + len).filter(|_| place + len <= end)?;
        if !group.iter().all(u8::is_ascii_digit) {
            return None;
        }
        digits[count..count + len].copy_from_slice(group);
        count += len;
        place += len;
    }
    let is_whole = bytes.get(place).is_none_or(|b| !is_word(*b));
    (is_whole && luhn(&digits[..count])).then_some(place)
}

fn has_issuer(bytes: &[u8]) -> bool {
    match bytes {
        [b'4', ..] | [b'5', b'1'..=b'5', ..] | [b'2', b'2'..=b'7', ..] | [b'3', b'4' | b'7', ..] => true,
        [b'6', b'5', ..] => true,
        _ => bytes.starts_with(b"6011"),
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| {
            let value = u32::from(digit - b'0') << (index % 2);
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Before a cut inside a line: digits that a number may begin with.
fn beginning(bytes: &[u8], from: usize, found: &mut Vec<Found>) {
    let begin = bytes[from..].iter().rposition(|b| !is_part(*b)).map_or(from, |i| from + i + 1);
    let begin = begin.max(bytes.len().saturating_sub(BYTES_MIN + 4));
    for at in begin..bytes.len() {
        let starts = bytes[at].is_ascii_digit() && (at == 0 || !is_word(bytes[at - 1]));
        let digits = bytes[at..].iter().filter(|b| b.is_ascii_digit()).count();
        if starts && digits >= BEGINNING_MIN && has_issuer(&bytes[at..]) {
            found.push(Found { from: at, to: bytes.len(), rule: RuleId::Class(Class::Card) });
            return;
        }
    }
}
