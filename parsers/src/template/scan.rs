//! Words, eight bytes at a time: most are shorter, and a loop that ends somewhere within them is what a processor
//! guesses wrong.
//!
//! In these numbers each byte is one of the message's, the first one lowest, and the answer to a question is in the
//! highest bit of each byte.

/// A run of letters and digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// One past its last byte.
    pub(super) end: usize,
    /// It has a digit.
    pub(super) digit: bool,
    /// It has nothing else.
    pub(super) only_digits: bool,
    /// A capital follows a small letter.
    pub(super) camel: bool,
}

const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * EACH;

/// Bytes of at least `low` and at most `high`, both below 0x80, where `low7` are the bytes without their highest bits.
#[inline]
fn between(low7: u64, low: u8, high: u8) -> u64 {
    let at_least = low7 + (0x80 - u64::from(low)) * EACH;
    let above = low7 + (0x7f - u64::from(high)) * EACH;
    at_least & !above & HIGH
}

#[inline]
fn eight(message: &[u8], at: usize) -> u64 {
    let rest = message.get(at..).unwrap_or_default();
    if let Some(chunk) = rest.first_chunk() {
        return u64::from_le_bytes(*chunk);
    }
    // Zeros are delimiters.
    rest.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The run that begins at `at`, which may be empty.
#[inline]
pub(super) fn run(message: &[u8], at: usize) -> Run {
    let mut run = Run { end: at, digit: false, only_digits: true, camel: false };
    let mut before = 0;
    loop {
        let bytes = eight(message, run.end);
        let high = bytes & HIGH;
        let low7 = bytes & !HIGH;
        let plain = !high;
        let digits = between(low7, b'0', b'9') & plain;
        let upper = between(low7, b'A', b'Z') & plain;
        let lower = between(low7, b'a', b'z') & plain;
        let line = between(low7, b'_', b'_') & plain;
        let word = digits | upper | lower | line | high;
        let len = ((word ^ HIGH).trailing_zeros() / 8) as usize;
        // Of the bytes up to there.
        let within = if len == 8 { !0 } else { (1 << (8 * len)) - 1 };
        let digits = digits & within;
        run.digit |= digits != 0;
        run.only_digits &= digits == word & within;
        run.camel |= (lower << 8 | before) & upper & within != 0;
        run.end += len;
        if len < 8 {
            return run;
        }
        before = lower >> 56;
    }
}

/// Whether 8-4-4-4-12 digits of lower-case hexadecimal stand at `at`.
#[inline]
pub(super) fn is_uuid(message: &[u8], at: usize) -> bool {
    let Some(text) = message.get(at..).and_then(|rest| rest.first_chunk::<36>()) else { return false };
    if (text[8], text[13], text[18], text[23]) != (b'-', b'-', b'-', b'-') {
        return false;
    }
    let four = |at: usize| u64::from(u32::from_le_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]]));
    let parts =
        [four(0) | four(4) << 32, four(9) | four(14) << 32, four(19) | four(24) << 32, four(28) | four(32) << 32];
    parts.into_iter().all(|part| {
        let low7 = part & !HIGH;
        (between(low7, b'0', b'9') | between(low7, b'a', b'f')) & !part == HIGH
    })
}
