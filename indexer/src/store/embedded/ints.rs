//! A column of numbers with random access: blocks of 128, each with its smallest number and as few bits as
//! the differences to it need. What repeats costs nothing.
//!
//! ```text
//! count 8 | divisor 8 | per block: smallest 8, end of its bits 4, width 1 | bits of all blocks | 8 zero bytes
//! ```
//!
//! Every number is `smallest + divisor * difference`. All numbers are little-endian.

/// Numbers in a block.
pub(super) const BLOCK: usize = 128;
const HEAD: usize = 16;
const ENTRY: usize = 13;
const PADDING: usize = 8;

/// Appends a column.
pub(super) fn put(out: &mut Vec<u8>, numbers: &[i64]) {
    let divisor = divisor(numbers);
    out.extend_from_slice(&(numbers.len() as u64).to_le_bytes());
    out.extend_from_slice(&divisor.to_le_bytes());
    let (mut entries, mut bits) = (Vec::new(), Vec::new());
    for block in numbers.chunks(BLOCK) {
        let smallest = block.iter().copied().min().unwrap_or(0);
        let difference = |number: i64| number.wrapping_sub(smallest) as u64 / divisor;
        let largest = block.iter().map(|&number| difference(number)).max().unwrap_or(0);
        let width = 64 - largest.leading_zeros();
        pack(&mut bits, block.iter().map(|&number| difference(number)), width);
        entries.extend_from_slice(&smallest.to_le_bytes());
        entries.extend_from_slice(&(bits.len() as u32).to_le_bytes());
        entries.push(width as u8);
    }
    out.extend_from_slice(&entries);
    out.extend_from_slice(&bits);
    out.extend_from_slice(&[0; PADDING]);
}

/// The largest number that divides all differences inside the blocks: a million where nanoseconds are
/// whole milliseconds.
fn divisor(numbers: &[i64]) -> u64 {
    let mut divisor = 0;
    for block in numbers.chunks(BLOCK) {
        let Some(&first) = block.first() else { continue };
        for &number in block {
            let mut rest = number.abs_diff(first);
            while rest != 0 {
                (divisor, rest) = (rest, if divisor == 0 { 0 } else { divisor % rest });
            }
            if divisor == 1 {
                return 1;
            }
        }
    }
    divisor.max(1)
}

fn pack(out: &mut Vec<u8>, numbers: impl Iterator<Item = u64>, width: u32) {
    let (mut pending, mut filled) = (0u128, 0);
    for number in numbers {
        pending |= u128::from(number) << filled;
        filled += width;
        while filled >= 8 {
            out.push(pending as u8);
            pending >>= 8;
            filled -= 8;
        }
    }
    if filled > 0 {
        out.push(pending as u8);
    }
}

/// A column, read in place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ints<'a> {
    len: usize,
    divisor: u64,
    entries: &'a [u8],
    bits: &'a [u8],
}

impl<'a> Ints<'a> {
    /// Opens the column that stands in all of `bytes`; `None` when they are none.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Ints<'a>> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let len = usize::try_from(u64_at(head, 0)?).ok()?;
        let (entries, bits) = rest.split_at_checked(len.div_ceil(BLOCK).checked_mul(ENTRY)?)?;
        (bits.len() >= PADDING).then_some(Ints { len, divisor: u64_at(head, 8)?, entries, bits })
    }

    /// Numbers in it.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// One number; 0 beyond the end.
    pub(super) fn get(&self, at: usize) -> i64 {
        let Some((smallest, bits, width)) = self.block(at / BLOCK) else { return 0 };
        self.number(smallest, bits, width, at % BLOCK)
    }

    /// All numbers of block `block` (of [`BLOCK`], the last one shorter) into `out`; says how many.
    pub(super) fn read(&self, block: usize, out: &mut [i64; BLOCK]) -> usize {
        let Some((smallest, bits, width)) = self.block(block) else { return 0 };
        let count = (self.len - block * BLOCK).min(BLOCK);
        if width == 0 {
            out[..count].fill(smallest);
        } else {
            (0..count).for_each(|i| out[i] = self.number(smallest, bits, width, i));
        }
        count
    }

    /// Calls `each` with every number of `from..to`.
    pub(super) fn each(&self, from: usize, to: usize, each: &mut dyn FnMut(usize, i64)) {
        let mut numbers = [0; BLOCK];
        let to = to.min(self.len);
        let mut at = from;
        while at < to {
            let (block, inside) = (at / BLOCK, at % BLOCK);
            let count = self.read(block, &mut numbers).min(to - block * BLOCK);
            for &number in numbers.get(inside..count).unwrap_or_default() {
                each(at, number);
                at += 1;
            }
            if count <= inside {
                return;
            }
        }
    }

    /// Numbers `0..result` satisfy `holds`, which must hold of a front part only.
    pub(super) fn partition_point(&self, holds: impl Fn(i64) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(self.get(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn block(&self, block: usize) -> Option<(i64, usize, u32)> {
        let at = block * ENTRY;
        let entry = self.entries.get(at..at + ENTRY)?;
        let start = match at.checked_sub(ENTRY) {
            Some(before) => u32_at(self.entries, before + 8)?,
            None => 0,
        };
        let width = u32::from(entry[12]);
        (width <= 64).then_some((u64_at(entry, 0)? as i64, start as usize, width))
    }

    #[inline]
    fn number(&self, smallest: i64, start: usize, width: u32, at: usize) -> i64 {
        if width == 0 {
            return smallest;
        }
        let bit = at * width as usize;
        let (byte, shift) = (start + bit / 8, (bit % 8) as u32);
        let low = self.bits.get(byte..byte + 8).map_or(0, |b| u64::from_le_bytes(b.try_into().expect("eight bytes")));
        let mut number = low >> shift;
        if shift + width > 64 {
            let high = self.bits.get(byte + 8).copied().unwrap_or(0);
            number |= u64::from(high) << (64 - shift);
        }
        if width < 64 {
            number &= (1 << width) - 1;
        }
        smallest.wrapping_add(number.wrapping_mul(self.divisor) as i64)
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    fn check(numbers: &[i64]) {
        let mut bytes = Vec::new();
        put(&mut bytes, numbers);
        let ints = Ints::open(&bytes).unwrap();
        assert_eq!(ints.len(), numbers.len());
        assert!(numbers.iter().enumerate().all(|(i, &number)| ints.get(i) == number), "{numbers:?}");
        let from = numbers.len() / 3;
        let mut read = Vec::new();
        ints.each(from, numbers.len(), &mut |i, number| read.push((i, number)));
        let expected: Vec<_> = numbers.iter().copied().enumerate().skip(from).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn equal_numbers_take_no_bits() {
        let mut bytes = Vec::new();
        put(&mut bytes, &[7; 1280]);
        assert_eq!(bytes.len(), HEAD + 10 * ENTRY + PADDING);
    }

    #[test]
    fn milliseconds_are_not_stored_as_nanoseconds() {
        let mut bytes = Vec::new();
        put(&mut bytes, &(0..128).map(|i| 1_700_000_000_000_000_000 + i * 1_000_000).collect::<Vec<_>>());
        assert_eq!(bytes.len(), HEAD + ENTRY + PADDING + 128 * 7 / 8);
    }

    proptest! {
        #[test]
        fn any_numbers(numbers in prop::collection::vec(any::<i64>(), 0..400)) {
            check(&numbers);
        }

        #[test]
        fn near_numbers(base: i64, width in 0u32..64, seeds in prop::collection::vec(any::<u64>(), 0..400)) {
            check(&seeds.iter().map(|&seed| base.wrapping_add((seed & ((1 << width) - 1)) as i64)).collect::<Vec<_>>());
        }

        #[test]
        fn descending_numbers_can_be_searched(mut numbers in prop::collection::vec(-1000i64..1000, 0..400), bound in -1000i64..1000) {
            numbers.sort_by(|a, b| b.cmp(a));
            let mut bytes = Vec::new();
            put(&mut bytes, &numbers);
            let found = Ints::open(&bytes).unwrap().partition_point(|number| number > bound);
            prop_assert_eq!(found, numbers.partition_point(|&number| number > bound));
        }

        #[test]
        fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), len in 0u64..400) {
            let mut bytes = bytes;
            if bytes.len() >= 8 {
                bytes[..8].copy_from_slice(&len.to_le_bytes());
            }
            if let Some(ints) = Ints::open(&bytes) {
                (0..ints.len() + 200).for_each(|i| { ints.get(i); });
                ints.each(0, ints.len(), &mut |_, _| {});
            }
        }
    }
}
