//! Ids and hashes that both sides must compute alike.

use parsers::Offset;
use xxhash_rust::xxh3::xxh3_64;

/// One shipper's state folder: 128 random bits made at first start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(pub [u8; 16]);

/// One generation of one file on one host. Streams made by the server for foreign senders have the top bit set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// One start of a shipper, ordered by (incarnation, number); given by the indexer (protocol rule 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// The store's incarnation when it was given.
    pub incarnation: u64,
    /// Counts starts within an incarnation.
    pub number: u64,
}

/// An offset and the hash of the (up to) 256 file bytes before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Anchor {
    /// Where.
    pub at: Offset,
    /// xxh3-64 of the file's own bytes `at - 256 .. at` (fewer at the file's begin).
    pub hash: u64,
}

impl Anchor {
    /// Bytes before an offset that its anchor covers.
    pub const BYTES: u64 = 256;

    /// The anchor at `at`, `before` being the file's bytes just before it (only the last 256 count).
    pub fn of(at: Offset, before: &[u8]) -> Anchor {
        let from = before.len().saturating_sub(Self::BYTES as usize);
        Anchor { at, hash: xxh3_64(&before[from..]) }
    }
}

/// Hash of an event's own head line in the file, keyed by its stream.
pub fn head_hash(stream: StreamId, head_line: &[u8]) -> u32 {
    parsers::head_hash(stream.0, head_line)
}

/// An event's id: stream 64 bit, offset of its first byte 48 bit, head hash 32 bit; 24 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Its stream.
    pub stream: StreamId,
    /// Its first byte.
    pub offset: Offset,
    /// Hash of its head line.
    pub head_hash: u32,
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = [0u8; 18];
        bytes[..8].copy_from_slice(&self.stream.0.to_be_bytes());
        bytes[8..14].copy_from_slice(&self.offset.0.to_be_bytes()[2..]);
        bytes[14..].copy_from_slice(&self.head_hash.to_be_bytes());
        for three in bytes.chunks_exact(3) {
            let n = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
            for shift in [18, 12, 6, 0] {
                write!(f, "{}", char::from(ALPHABET[(n >> shift & 63) as usize]))?;
            }
        }
        Ok(())
    }
}

/// The text is not an event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event id: 24 characters of A-Z a-z 0-9 - _ expected")]
pub struct NotAnEventId;

impl std::str::FromStr for EventId {
    type Err = NotAnEventId;

    fn from_str(text: &str) -> Result<EventId, NotAnEventId> {
        if text.len() != 24 {
            return Err(NotAnEventId);
        }
        let mut bytes = [0u8; 18];
        for (four, out) in text.as_bytes().chunks_exact(4).zip(bytes.chunks_exact_mut(3)) {
            let mut n = 0u32;
            for &c in four {
                let digit = ALPHABET.iter().position(|&a| a == c).ok_or(NotAnEventId)?;
                n = n << 6 | digit as u32;
            }
            out.copy_from_slice(&n.to_be_bytes()[1..]);
        }
        let mut stream = [0u8; 8];
        stream.copy_from_slice(&bytes[..8]);
        let mut offset = [0u8; 8];
        offset[2..].copy_from_slice(&bytes[8..14]);
        let mut head = [0u8; 4];
        head.copy_from_slice(&bytes[14..]);
        Ok(EventId {
            stream: StreamId(u64::from_be_bytes(stream)),
            offset: Offset(u64::from_be_bytes(offset)),
            head_hash: u32::from_be_bytes(head),
        })
    }
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::fmt::Display for AgentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}
