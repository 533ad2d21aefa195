//! Where variables may begin, 64 bytes at a time: a processor loses most where a loop ends at places it cannot guess,
//! and in a text that is nearly all constant only the few other places have to be looked at.

use wide::i8x16;

/// Bytes looked at together.
pub(super) const BLOCK: usize = 64;

/// A block of a message. Bit n is about its byte n; bytes outside of the message are delimiters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    /// Letters and digits.
    pub(super) word: u64,
    /// Places that decide something: digits, the 24th byte of a word, and the delimiters behind or before which a
    /// variable may stand.
    pub(super) places: u64,
    /// Capitals inside of words that no capital stands before: in camelCase it is a small letter.
    pub(super) humps: u64,
    /// What ends something quoted: quotes and line ends.
    pub(super) closing: u64,
    capitals: u64,
    /// A byte that stands for a variable in templates is in the block, and the message is plain.
    pub(super) reserved: bool,
}

impl Block {
    /// The block that begins at `from`, where the message has a byte; `before` is the one that ends there, or nothing
    /// where what ends there is a variable.
    #[inline]
    pub(super) fn at(message: &[u8], from: usize, before: &Block) -> Block {
        let mut room = [0; BLOCK];
        let (window, passed) = if let Some(whole) = message.get(from..).and_then(|rest| rest.first_chunk()) {
            (whole, 0)
        } else if let Some(last) = message.last_chunk() {
            // What stands before the block is shifted out.
            (last, (from + BLOCK - message.len()) % BLOCK)
        } else {
            let rest = message.get(from..).unwrap_or_default();
            let len = rest.len().min(BLOCK);
            room[..len].copy_from_slice(&rest[..len]);
            (&room, 0)
        };
        let looked = look(window);
        let [word, places, closing, capitals] =
            [looked.word, looked.places, looked.closing, looked.capitals].map(|bits| bits >> passed);
        let behind = |bits: u64, before: u64| bits << 1 | before >> (BLOCK - 1);
        let humps = capitals & behind(word, before.word) & !behind(capitals, before.capitals);
        // Other delimiters than those that close count before a word only; what stands behind the block may be one.
        let places = places & (word | closing | word >> 1 | 1 << (BLOCK - 1)) | long(word, before.word);
        Block { word, places, humps, closing, capitals, reserved: looked.reserved }
    }
}

/// Of the bytes alone, whatever stands before them.
#[inline]
fn look(window: &[u8; BLOCK]) -> Block {
    const PART: usize = 16;
    let mut looked = Block::default();
    let mut reserved = i8x16::splat(0);
    for (part, at) in window.as_chunks::<PART>().0.iter().zip([0, 16, 32, 48]) {
        let bytes = i8x16::new(part.map(u8::cast_signed));
        let is = |byte: u8| bytes.simd_eq(i8x16::splat(byte.cast_signed()));
        // Moved so that the first of them is the least number there is, one comparison tells.
        let among = |bytes: i8x16, first: u8, count: i8| {
            let moved = bytes + i8x16::splat(0x80u8.wrapping_sub(first).cast_signed());
            moved.simd_lt(i8x16::splat(i8::MIN + count))
        };
        let letters = among(bytes | i8x16::splat(0x20), b'a', 26);
        let digits = among(bytes, b'0', 10);
        let closing = is(b'"') | is(b'\n');
        // `-` and `/` differ in one bit.
        let dash = (bytes & i8x16::splat(!2)).simd_eq(i8x16::splat(b'-'.cast_signed()));
        reserved |= among(bytes, super::VARIABLE, 2);
        let bits = |which: i8x16| u64::from(which.to_bitmask()) << at;
        // Its highest bit is what counts of a byte: those of bytes from 0x80 on stand there already.
        looked.word |= bits(letters | digits | is(b'_') | bytes);
        looked.places |= bits(digits | closing | is(b'=') | dash);
        looked.closing |= bits(closing);
        looked.capitals |= bits(among(bytes, b'A', 26));
    }
    looked.reserved = reserved.any();
    looked
}

/// The 24th bytes of words, and those behind them in their words.
#[inline]
fn long(word: u64, before: u64) -> u64 {
    const LONG: u32 = 24;
    let two = word & word << 1;
    let four = two & two << 2;
    let eight = four & four << 4;
    let sixteen = eight & eight << 8;
    let inside = sixteen & eight << 16;
    // The word that goes on from the block before.
    let (begun, goes_on) = (before.leading_ones(), word.trailing_ones());
    if begun + goes_on < LONG {
        return inside;
    }
    let passed = u64::MAX << (LONG - 1).saturating_sub(begun);
    inside | passed & !u64::MAX.checked_shl(goes_on).unwrap_or(0)
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
