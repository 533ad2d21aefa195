//! The small files that say what the store consists of, written whole (protocol rules 33, 34).
//!
//! In the data folder:
//!
//! ```text
//! lock                      held while the store is open
//! store.manifest            the root: incarnation, boot, partitions, place up to which the WAL was cut
//! marks                     the mark table
//! wal/                      log segments
//! partitions/OWNER/ENVIRONMENT/DAY.N/
//!     partition.manifest    its segments, and the position up to which its events are in them
//!     sNNNNNNNNNN/          a segment
//! ```
//!
//! A whole file is: magic 8 bytes, format version 4, length of the body 8, crc32 of all that and the body 4, body
//! (numbers little-endian). It is replaced by temporary file, sync, rename, sync of the folder, so that after
//! a crash either the old or the new one stands there. The root names a partition before the first segment of it is committed;
//! what no manifest names is removed at start.

mod body;
mod whole;

pub(crate) use body::{Listed, PartitionEntry, PartitionManifest, RootManifest};
pub(crate) use whole::{FileKind, ReadFailure, WriteFailure, read_whole, replace_whole, sync_folder, whole_bytes};

use super::snapshot::PartitionKey;
use std::path::PathBuf;

pub(crate) const LOCK: &str = "lock";
pub(crate) const ROOT: &str = "store.manifest";
pub(crate) const MARKS: &str = "marks";
pub(crate) const WAL: &str = "wal";
pub(crate) const PARTITIONS: &str = "partitions";
pub(crate) const PARTITION: &str = "partition.manifest";

/// Kind of `store.manifest`.
pub(crate) const ROOT_KIND: FileKind = FileKind { magic: *b"CTSTORE\n", version: 1 };
/// Kind of `partition.manifest`.
pub(crate) const PARTITION_KIND: FileKind = FileKind { magic: *b"CTPARTN\n", version: 1 };
/// Kind of `marks`.
pub(crate) const MARKS_KIND: FileKind = FileKind { magic: *b"CTMARKS\n", version: 1 };

/// A partition's folder inside the data folder. `number` is never used twice, so that what is left of a
/// removed partition is never taken for a later one of the same day.
pub(crate) fn partition_folder(key: &PartitionKey, number: u64) -> PathBuf {
    let day = date(key.day);
    let leaf = match key.hour {
        None => format!("{day}.{number}"),
        Some(hour) => format!("{day}T{hour:02}.{number}"),
    };
    [PARTITIONS, &folder_name(&key.owner), &folder_name(&key.environment), &leaf].iter().collect()
}

/// A segment's folder inside its partition's.
pub(crate) fn segment_name(number: u64) -> String {
    format!("s{number:010}")
}

/// The number in a segment's name.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    name.strip_prefix('s')?.parse().ok()
}

/// A name that is one folder on every file system, and tells different texts apart.
fn folder_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.is_empty() { "%".to_owned() } else { name }
}

/// `YYYY-MM-DD` of a day counted from 1970-01-01.
fn date(day: i32) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    match epoch.checked_add(jiff::Span::new().days(i64::from(day))) {
        Ok(date) => date.to_string(),
        Err(_) => format!("day{day}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{folder_name, partition_folder};
    use crate::store::snapshot::PartitionKey;

    #[test]
    fn folders_are_named_by_date_and_cannot_leave_their_place() {
        let key = PartitionKey { owner: "../A".into(), environment: "".into(), day: 20_782, hour: Some(7) };
        let path = partition_folder(&key, 3);
        assert_eq!(path.to_str(), Some("partitions/%2E%2E%2F%41/%/2026-11-25T07.3"));
        assert_ne!(folder_name("a.b"), folder_name("a/b"));
    }
}
