//! Searches for what nearly always stands within 64 bytes: no branch depends on where, and nothing is called. What is
//! further away is left to `memchr`, which is faster over long ways.

use wide::u8x16;

/// How far is looked without asking anyone.
const NEAR: usize = 64;

/// Where `byte` stands first.
#[inline]
pub(crate) fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    let Some(near) = bytes.first_chunk() else { return memchr::memchr(byte, bytes) };
    match places(near, |part| part.simd_eq(u8x16::splat(byte))) {
        0 => memchr::memchr(byte, &bytes[NEAR..]).map(|at| NEAR + at),
        found => Some(found.trailing_zeros() as usize),
    }
}

/// Where the first of two bytes stands.
#[inline]
pub(crate) fn find2(one: u8, other: u8, bytes: &[u8]) -> Option<usize> {
    let Some(near) = bytes.first_chunk() else { return memchr::memchr2(one, other, bytes) };
    match places(near, |part| part.simd_eq(u8x16::splat(one)) | part.simd_eq(u8x16::splat(other))) {
        0 => memchr::memchr2(one, other, &bytes[NEAR..]).map(|at| NEAR + at),
        found => Some(found.trailing_zeros() as usize),
    }
}

/// A bit for each byte that is one of those.
#[inline]
fn places(bytes: &[u8; NEAR], is: impl Fn(u8x16) -> u8x16) -> u64 {
    let parts = bytes.as_chunks::<16>().0.iter().zip([0, 16, 32, 48]);
    parts.fold(0, |found, (part, at)| found | u64::from(is(u8x16::new(*part)).to_bitmask()) << at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_plain_search_finds() {
        for len in [0, 1, 15, 16, 63, 64, 65, 130, 200] {
            for at in 0..=len {
                let mut bytes = vec![b'.'; len + 1];
                bytes[at] = b'a';
                bytes.extend_from_slice(b"ab");
                assert_eq!(find(b'a', &bytes), Some(at), "{len}");
                assert_eq!(find2(b'b', b'a', &bytes), Some(at), "{len}");
                assert_eq!(find2(b'b', b'c', &bytes), Some(len + 2), "{len}");
                assert_eq!(find(b'x', &bytes).or(find2(b'x', b'y', &bytes)), None, "{len}");
            }
        }
    }
}
