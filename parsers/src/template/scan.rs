//! Where variables may begin, 64 bytes at a time: a processor loses most where a loop ends at places it cannot guess,
//! and in a text that is nearly all constant only the few other places have to be looked at.
//!
//! Block 0 holds the first byte alone, as its last: so every byte of all others has one before it, and is looked at
//! where it stands.

/// Bytes looked at together.
pub(super) const BLOCK: usize = 64;

/// How far block 0 reaches before a message: a byte is found at its place and so many more, counted from block 0.
pub(super) const BEFORE: usize = BLOCK - 1;

/// A block of a message. Bit n is about its byte n; bytes outside of the message are delimiters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    /// Letters and digits.
    pub(super) word: u64,
    /// Places that decide something: digits, capitals after small letters, the 24th byte of a word, and the delimiters
    /// behind or before which a variable may stand.
    pub(super) places: u64,
    /// A byte that stands for a variable in templates is in the block, and the message is plain.
    pub(super) reserved: bool,
}

impl Block {
    /// Block 0.
    #[inline]
    pub(super) fn first(message: &[u8]) -> Block {
        let Some(byte) = message.first() else { return Block::default() };
        let last = |is: bool| u64::from(is) << BEFORE;
        let digit = byte.is_ascii_digit();
        Block {
            word: last(super::in_word(Some(byte))),
            places: last(digit || matches!(byte, b'\n' | b'"' | b'=' | b'/' | b'-')),
            reserved: matches!(*byte, super::VARIABLE | super::FRAMES),
        }
    }

    /// The block that begins `from` bytes behind the first of block 0; `before` are the words of the one that ends
    /// there, if it has been looked at.
    #[inline]
    pub(super) fn at(message: &[u8], from: usize, before: u64) -> Block {
        let window = from - BLOCK;
        let short;
        let (looked, passed) = if let Some(whole) = message.get(window..).and_then(|rest| rest.first_chunk()) {
            (look(whole), 0)
        } else if let Some(last) = message.last_chunk::<{ BLOCK + 1 }>() {
            // What stands before the block is shifted out.
            (look(last), (window + last.len() - message.len()) % BLOCK)
        } else {
            let mut room = [0; BLOCK + 1];
            let rest = message.get(window..).unwrap_or_default();
            let len = rest.len().min(room.len());
            room[..len].copy_from_slice(&rest[..len]);
            short = room;
            (look(&short), 0)
        };
        let word = looked.word >> passed;
        let places = looked.places >> passed | long(word, before);
        Block { word, places, reserved: looked.reserved }
    }
}

/// Of the bytes behind the window's first, which is the one before the block.
#[inline]
fn look(window: &[u8; BLOCK + 1]) -> Block {
    const PART: usize = 16;
    let (mut word, mut places) = ([0u8; PART], [0u8; PART]);
    let mut reserved = [false; PART];
    let parts = window[1..].as_chunks::<PART>().0.iter().zip(window.as_chunks::<PART>().0);
    // No branches and one byte each, so that a compiler does many of them at once. Every eighth byte shares one, in
    // which each has a bit.
    for ((part, before), bit) in parts.zip([1u8, 4, 16, 64]) {
        for i in 0..PART {
            let (before, byte) = (before[i], part[i]);
            let bit = bit << (i / 8);
            let digit = byte.wrapping_sub(b'0') < 10;
            let capital = byte.wrapping_sub(b'A') < 26;
            let small = byte.wrapping_sub(b'a') < 26;
            // `-` and `/` differ in one bit.
            let delimiter = (byte == b'\n') | (byte == b'"') | (byte == b'=') | (byte & 0xfd == b'-');
            let camel = capital & (before.wrapping_sub(b'a') < 26);
            let one = |is: bool| if is { bit } else { 0 };
            word[i] |= one(digit | capital | small | (byte == b'_') | (byte >= 0x80));
            places[i] |= one(digit | delimiter | camel);
            reserved[i] |= (byte == super::VARIABLE) | (byte == super::FRAMES);
        }
    }
    let reserved = reserved.iter().fold(false, |all, one| all | one);
    Block { word: in_order(&word), places: in_order(&places), reserved }
}

/// Bit 8 i + n of bit i of byte n: the bits of the two halves together, as a square of eight by eight, turned over.
#[inline]
fn in_order(bits: &[u8; 16]) -> u64 {
    let (halves, _) = bits.as_chunks::<8>();
    let mut square = u64::from_le_bytes(halves[0]) | u64::from_le_bytes(halves[1]);
    for (by, kept) in [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)] {
        let moved = (square ^ square >> by) & kept;
        square ^= moved ^ moved << by;
    }
    square
}

/// The 24th bytes of words, and those behind them in their words.
#[inline]
fn long(word: u64, before: u64) -> u64 {
    let both = u128::from(word) << 64 | u128::from(before);
    let two = both & both << 1;
    let four = two & two << 2;
    let eight = four & four << 4;
    let sixteen = eight & eight << 8;
    ((sixteen & eight << 16) >> 64) as u64
}

/// Whether 8-4-4-4-12 digits of lower-case hexadecimal stand at `at`.
#[inline]
pub(super) fn is_uuid(message: &[u8], at: usize) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * EACH;
    let Some(text) = message.get(at..).and_then(|rest| rest.first_chunk::<36>()) else { return false };
    if (text[8], text[13], text[18], text[23]) != (b'-', b'-', b'-', b'-') {
        return false;
    }
    let four = |at: usize| u64::from(u32::from_le_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]]));
    let parts =
        [four(0) | four(4) << 32, four(9) | four(14) << 32, four(19) | four(24) << 32, four(28) | four(32) << 32];
    // Eight at a time, the answer in each byte's highest bit.
    let between = |low7: u64, low: u64, high: u64| (low7 + (0x80 - low) * EACH) & !(low7 + (0x7f - high) * EACH) & HIGH;
    parts.into_iter().all(|part| {
        let low7 = part & !HIGH;
        let hex = between(low7, u64::from(b'0'), u64::from(b'9')) | between(low7, u64::from(b'a'), u64::from(b'f'));
        hex & !part == HIGH
    })
}
