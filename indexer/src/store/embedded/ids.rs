//! What a few rows have of: lists of fixed-size entries by row. UUIDs (16 bytes) and hashes of ids (4 bytes).
//! Looking one up reads all of them where they lie, at memory speed.
//!
//! ```text
//! length of the ends 8 | ends: where the entries of each row end, as `ints` | entries
//! ```

use super::ints::{self, Ints};

/// Collects lists, row by row.
#[derive(Debug)]
pub(super) struct ListsWriter<const N: usize> {
    ends: Vec<i64>,
    entries: Vec<u8>,
}

impl<const N: usize> ListsWriter<N> {
    pub(super) fn new() -> ListsWriter<N> {
        ListsWriter { ends: Vec::new(), entries: Vec::new() }
    }

    pub(super) fn entry(&mut self, entry: [u8; N]) {
        self.entries.extend_from_slice(&entry);
    }

    pub(super) fn end_row(&mut self) {
        self.ends.push((self.entries.len() / N) as i64);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let mut out = vec![0; 8];
        ints::put(&mut out, &self.ends);
        let len = (out.len() - 8) as u64;
        out[..8].copy_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&self.entries);
        out
    }
}

/// Lists, read in place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lists<'a, const N: usize> {
    ends: Ints<'a>,
    entries: &'a [u8],
}

impl<'a, const N: usize> Lists<'a, N> {
    pub(super) fn open(bytes: &'a [u8]) -> Option<Lists<'a, N>> {
        let (len, rest) = bytes.split_first_chunk::<8>()?;
        let (ends, entries) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
        Some(Lists { ends: Ints::open(ends)?, entries })
    }

    /// The entries of one row.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = [u8; N]> + 'a {
        let from = row.checked_sub(1).map_or(0, |before| self.ends.get(before)) as usize;
        let to = self.ends.get(row) as usize;
        let bytes = self.entries.get(from.saturating_mul(N)..to.saturating_mul(N)).unwrap_or_default();
        bytes.chunks_exact(N).filter_map(|entry| entry.try_into().ok())
    }

    /// The rows, ascending, that have an entry that is `wanted`.
    pub(super) fn rows_with(&self, mut wanted: impl FnMut(&[u8; N]) -> bool) -> Vec<u32> {
        let mut rows: Vec<u32> = Vec::new();
        for (at, entry) in self.entries.chunks_exact(N).enumerate() {
            let entry: &[u8; N] = entry.try_into().expect("chunks of N");
            if wanted(entry) {
                let row = self.ends.partition_point(|end| end <= at as i64) as u32;
                if rows.last() != Some(&row) {
                    rows.push(row);
                }
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lists_come_back(rows in prop::collection::vec(prop::collection::vec(0u8..4, 0..4), 0..300)) {
            let mut writer = ListsWriter::<4>::new();
            for row in &rows {
                row.iter().for_each(|&entry| writer.entry([entry, 0, 0, 9]));
                writer.end_row();
            }
            let bytes = writer.finish();
            let lists = Lists::<4>::open(&bytes).unwrap();
            for (i, row) in rows.iter().enumerate() {
                let found: Vec<u8> = lists.row(i).map(|entry| entry[0]).collect();
                prop_assert_eq!(&found, row);
            }
            let expected: Vec<u32> = (0..rows.len() as u32).filter(|&row| rows[row as usize].contains(&3)).collect();
            prop_assert_eq!(lists.rows_with(|entry| entry[0] == 3), expected);
        }

        #[test]
        fn any_bytes_never_panic(bytes: Vec<u8>, row in 0usize..300) {
            if let Some(lists) = Lists::<16>::open(&bytes) {
                lists.row(row).for_each(drop);
                lists.rows_with(|_| true);
            }
        }
    }
}
