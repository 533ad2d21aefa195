//! A set of rows inside one chunk of a segment.

/// Rows a query is worked out for at once. Few in tests, so that small segments have several chunks.
pub(super) const CHUNK: usize = if cfg!(test) { 128 } else { 4096 };
const WORDS: usize = CHUNK / 64;

/// A set of rows, counted from the chunk's first.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Bits([u64; WORDS]);

impl Bits {
    pub(super) fn none() -> Bits {
        Bits([0; WORDS])
    }

    /// The first `len` rows.
    pub(super) fn first(len: usize) -> Bits {
        let mut bits = Bits::none();
        for (i, word) in bits.0.iter_mut().enumerate() {
            *word = match len.saturating_sub(i * 64) {
                0 => 0,
                rest @ 1..64 => (1 << rest) - 1,
                _ => u64::MAX,
            };
        }
        bits
    }

    pub(super) fn set(&mut self, row: usize) {
        self.0[row / 64] |= 1 << (row % 64);
    }

    pub(super) fn has(&self, row: usize) -> bool {
        self.0[row / 64] >> (row % 64) & 1 != 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// How many of the rows `from..to` are in it.
    pub(super) fn count_in(&self, from: usize, to: usize) -> u64 {
        let mut count = 0;
        let mut at = from;
        while at < to {
            let end = (at / 64 * 64 + 64).min(to);
            let mask = Bits::mask(at % 64, end - at);
            count += u64::from((self.0[at / 64] & mask).count_ones());
            at = end;
        }
        count
    }

    fn mask(from: usize, len: usize) -> u64 {
        let ones = if len == 64 { u64::MAX } else { (1 << len) - 1 };
        ones << from
    }

    pub(super) fn and(&mut self, other: &Bits) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a &= b);
    }

    pub(super) fn or(&mut self, other: &Bits) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a |= b);
    }

    /// Takes away what is in `other`.
    pub(super) fn and_not(&mut self, other: &Bits) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a &= !b);
    }

    /// Its rows, ascending.
    pub(super) fn rows(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.0
            .iter()
            .enumerate()
            .filter(|&(_, &word)| word != 0)
            .flat_map(|(i, &word)| (0..64).filter(move |bit| word >> bit & 1 != 0).map(move |bit| i * 64 + bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn as_a_set(rows in prop::collection::btree_set(0..CHUNK, 0..200), from in 0..CHUNK, len in 0..CHUNK) {
            let mut bits = Bits::none();
            rows.iter().for_each(|&row| bits.set(row));
            let to = (from + len).min(CHUNK);
            prop_assert_eq!(bits.count(), rows.len() as u64);
            prop_assert_eq!(bits.count_in(from, to), rows.range(from..to).count() as u64);
            prop_assert_eq!(bits.rows().collect::<BTreeSet<_>>(), rows.clone());
            prop_assert_eq!(Bits::first(len).count(), len as u64);
            let mut rest = Bits::first(CHUNK);
            rest.and_not(&bits);
            prop_assert_eq!(rest.count(), (CHUNK - rows.len()) as u64);
        }
    }
}
