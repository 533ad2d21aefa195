//! Keyed hashes that take the place of values: SipHash-2-4, a function that without its 128-bit key tells nothing of
//! what it was given and cannot be tried out on guesses.

use std::fmt;

/// A key. Never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(u64, u64);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// A key from its 16 bytes.
    pub fn new(bytes: [u8; 16]) -> Key {
        let (low, high) = bytes.split_at(8);
        let number = |half: &[u8]| half.iter().rev().fold(0, |n: u64, byte| n << 8 | u64::from(*byte));
        Key(number(low), number(high))
    }

    /// A key from 32 hexadecimal digits, as a key file holds it.
    pub fn from_hex(text: &str) -> Option<Key> {
        let text = text.trim().as_bytes();
        if text.len() != 32 {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let digit = |b: u8| char::from(b).to_digit(16);
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Some(Key::new(bytes))
    }

    /// The hash of a value.
    pub(crate) fn hash(&self, value: &[u8]) -> u64 {
        let mut state = [
            self.0 ^ 0x736f_6d65_7073_6575,
            self.1 ^ 0x646f_7261_6e64_6f6d,
            self.0 ^ 0x6c79_6765_6e65_7261,
            self.1 ^ 0x7465_6462_7974_6573,
        ];
        let mut words = value.chunks_exact(8);
        for word in &mut words {
            let word = word.iter().rev().fold(0, |n: u64, byte| n << 8 | u64::from(*byte));
            mix(&mut state, word);
        }
        let last = words.remainder().iter().rev().fold(0, |n: u64, byte| n << 8 | u64::from(*byte));
        mix(&mut state, last | (value.len() as u64 & 0xff) << 56);
        state[2] ^= 0xff;
        (0..4).for_each(|_| round(&mut state));
        state[0] ^ state[1] ^ state[2] ^ state[3]
    }
}

fn mix(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    round(state);
    state[0] ^= word;
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    #[test]
    fn agrees_with_the_published_vectors() {
        let key = Key::from_hex("000102030405060708090a0b0c0d0e0f\n").unwrap();
        let input: Vec<u8> = (0..15).collect();
        assert_eq!(key.hash(b""), 0x726f_db47_dd0e_0e31);
        assert_eq!(key.hash(&input[..8]), 0x93f5_f579_9a93_2462);
        assert_eq!(key.hash(&input), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn keys_are_checked_and_not_shown() {
        assert_eq!(Key::from_hex("00"), None);
        assert_eq!(Key::from_hex(&"g".repeat(32)), None);
        assert_eq!(format!("{:?}", Key::new([7; 16])), "Key(…)");
    }
}
