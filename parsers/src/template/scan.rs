//! Where variables may begin, 64 bytes at a time: a processor loses most where a loop ends at places it cannot guess,
//! and in a text that is nearly all constant only the few other places have to be looked at.

/// Bytes looked at together.
pub(super) const BLOCK: usize = 64;

/// A block of a message. Bit n is about its byte n; bytes behind the message's end are delimiters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    /// First byte, counted from the message's.
    pub(super) start: usize,
    /// Letters and digits.
    pub(super) word: u64,
    /// Places that decide something: digits, capitals after small letters, the 24th byte of a word, and the delimiters
    /// behind or before which a variable may stand.
    pub(super) places: u64,
}

impl Block {
    /// The block at `start`, a multiple of [`BLOCK`]; `before` is the one that ends there, if it has been looked at.
    #[inline]
    pub(super) fn at(message: &[u8], start: usize, before: u64) -> Block {
        let whole = start.checked_sub(1).and_then(|from| message.get(from..)?.first_chunk());
        let (word, places) = match whole {
            Some(window) => look(window),
            None => {
                let mut window = [0; BLOCK + 1];
                let first = usize::from(start == 0);
                let rest = message.get(start.saturating_sub(1)..).unwrap_or_default();
                let len = rest.len().min(BLOCK + 1 - first);
                window[first..first + len].copy_from_slice(&rest[..len]);
                look(&window)
            }
        };
        Block { start, word, places: places | long(word, before) }
    }
}

/// Of the bytes behind the window's first, which is the one before the block.
#[inline]
fn look(window: &[u8; BLOCK + 1]) -> (u64, u64) {
    let (mut word, mut places) = ([0u8; BLOCK], [0u8; BLOCK]);
    // No branches and one byte each, so that a compiler does many of them at once.
    for i in 0..BLOCK {
        let (before, byte) = (window[i], window[i + 1]);
        let digit = byte.wrapping_sub(b'0') < 10;
        let capital = byte.wrapping_sub(b'A') < 26;
        let small = byte.wrapping_sub(b'a') < 26;
        let delimiter = (byte == b'\n') | (byte == b'"') | (byte == b'=') | (byte == b'/') | (byte == b'-');
        let camel = capital & (before.wrapping_sub(b'a') < 26);
        word[i] = u8::from(digit | capital | small | (byte == b'_') | (byte >= 0x80));
        places[i] = u8::from(digit | delimiter | camel);
    }
    (bits(&word), bits(&places))
}

/// One bit of each byte, which is 0 or 1.
#[inline]
fn bits(bytes: &[u8; BLOCK]) -> u64 {
    // Moves the lowest bit of byte n to bit 56 + n; no two bits meet below.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (eights, _) = bytes.as_chunks::<8>();
    eights
        .iter()
        .enumerate()
        .fold(0, |all, (i, eight)| all | (u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56) << (8 * i))
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
