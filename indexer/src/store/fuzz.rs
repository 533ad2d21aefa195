//! What the fuzz targets call: the decoders of the store's own files, behind their checksums.

use super::manifest::{PartitionManifest, RootManifest};
use super::marks;
use super::wal;

/// Takes any bytes as changes of a good segment's file: refused, or answering, and never a panic.
pub fn segment(bytes: &[u8]) {
    super::embedded::fuzz::changed(bytes);
}

/// Takes any bytes as a record of the WAL, a mark table and manifests. What is accepted must be accepted again as it
/// is written.
pub fn decode(bytes: &[u8]) {
    if let Ok(found) = wal::decode(bytes.to_vec()) {
        wal::decode(wal::encode(&found)).expect("a record as it is written can be read");
    }
    if let Ok(found) = marks::read(bytes.to_vec()) {
        marks::read(marks::write(&found.marks, found.position)).expect("marks as they are written can be read");
    }
    if let Ok(found) = RootManifest::decode(bytes) {
        RootManifest::decode(&found.encode()).expect("a manifest as it is written can be read");
    }
    if let Ok(found) = PartitionManifest::decode(bytes) {
        PartitionManifest::decode(&found.encode()).expect("a manifest as it is written can be read");
    }
}
