//! The ledger hash: adds up over ranges, segments and partitions (protocol rule 24).

use crate::StreamId;
use parsers::Offset;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Sum mod 2^128 of the keyed hashes of a set of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LedgerHash(pub u128);

impl LedgerHash {
    /// Hash of one event as sent: keyed by stream and offset, over its bytes.
    pub fn of(stream: StreamId, offset: Offset, bytes: &[u8]) -> LedgerHash {
        LedgerHash(xxh3_128_with_seed(bytes, stream.0 ^ offset.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

/// Events, bytes and hash of a set of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LedgerSum {
    /// Number of events.
    pub events: u64,
    /// Bytes they cover in the file.
    pub bytes: u64,
    /// Their hashes' sum.
    pub hash: LedgerHash,
}

impl std::ops::AddAssign for LedgerSum {
    fn add_assign(&mut self, other: LedgerSum) {
        self.events += other.events;
        self.bytes += other.bytes;
        self.hash.0 = self.hash.0.wrapping_add(other.hash.0);
    }
}
