//! Bytes of a log segment. All numbers are little-endian.
//!
//! A file `PPPPPPPPPPPPPPPPPPPP.log` (20 decimal digits: position of its first record) is a header and then
//! records without gaps:
//!
//! ```text
//! header  0  magic            8   whose log it is, given by the caller
//!         8  format version   4   of this layout
//!        12  records' version 4   of what the caller puts into the records
//!        16  first position   8   the same as in the name
//!        24  crc32            4   over bytes 0..24
//! record  0  position         8
//!         8  back             4   records before this one that the same sync wrote
//!        12  length           4   bytes of the payload
//!        16  crc32            4   over bytes 0..16 and the payload
//!        20  payload
//! ```
//!
//! The position in each record keeps a record from being taken for another one; `back` tells recovery which
//! records were durable before this one was written.

use crate::Position;

/// Version of this layout.
pub(crate) const VERSION: u32 = 1;
/// Bytes of a file's header.
pub(crate) const HEADER: u64 = 28;
/// Bytes of a record before its payload.
pub(crate) const RECORD: u64 = 20;

/// Whose log it is, and of which version its records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) magic: [u8; 8],
    pub(crate) records_version: u32,
}

/// A file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// As it should be.
    Good { first: Position },
    /// Another magic: not a log of this kind.
    Foreign,
    /// A newer version of the layout or of the records: what, found, known.
    Newer(&'static str, u32, u32),
    /// The checksum does not fit, or bytes are missing.
    Bad,
}

/// The facts before a record's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHead {
    pub(crate) position: Position,
    pub(crate) back: u32,
    pub(crate) len: u32,
    crc: u32,
}

/// Appends a file's header.
pub(crate) fn put_header(out: &mut Vec<u8>, kind: Kind, first: Position) {
    let start = out.len();
    out.extend_from_slice(&kind.magic);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&kind.records_version.to_le_bytes());
    out.extend_from_slice(&first.0.to_le_bytes());
    let crc = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// Reads a file's header; `bytes` may be short.
pub(crate) fn header(bytes: &[u8], kind: Kind) -> Header {
    let Some(bytes) = bytes.get(..HEADER as usize) else { return Header::Bad };
    let whole = crc32fast::hash(&bytes[..24]) == u32_at(bytes, 24);
    if bytes[..8] != kind.magic {
        return if whole { Header::Foreign } else { Header::Bad };
    }
    // A newer layout may keep its checksum elsewhere: its version is believed without one.
    let (version, records_version) = (u32_at(bytes, 8), u32_at(bytes, 12));
    if version > VERSION {
        return Header::Newer("log format", version, VERSION);
    }
    if !whole || version == 0 {
        return Header::Bad;
    }
    if records_version > kind.records_version {
        return Header::Newer("record", records_version, kind.records_version);
    }
    Header::Good { first: Position(u64_at(bytes, 16)) }
}

/// Appends a record.
pub(crate) fn put_record(out: &mut Vec<u8>, position: Position, back: u32, payload: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&position.0.to_le_bytes());
    out.extend_from_slice(&back.to_le_bytes());
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    let crc = checksum(&out[start..start + 16], payload);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(payload);
}

/// Reads what stands before a record's payload.
pub(crate) fn record_head(bytes: &[u8]) -> Option<RecordHead> {
    let bytes = bytes.get(..RECORD as usize)?;
    let (position, back) = (Position(u64_at(bytes, 0)), u32_at(bytes, 8));
    Some(RecordHead { position, back, len: u32_at(bytes, 12), crc: u32_at(bytes, 16) })
}

impl RecordHead {
    /// Bytes of the whole record.
    pub(crate) fn size(&self) -> u64 {
        RECORD + u64::from(self.len)
    }

    /// Whether `record`, the whole record's bytes, are what was written.
    pub(crate) fn fits(&self, record: &[u8]) -> bool {
        record.len() as u64 == self.size()
            && self.position.0 > u64::from(self.back)
            && checksum(&record[..16], &record[RECORD as usize..]) == self.crc
    }

    /// Whether `record` would be what was written if its length were the one it has here.
    pub(crate) fn fits_with_other_length(&self, record: &[u8]) -> bool {
        let Some(payload) = record.get(RECORD as usize..) else { return false };
        let mut head = [0; 16];
        head.copy_from_slice(&record[..16]);
        head[12..].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        checksum(&head, payload) == self.crc
    }
}

/// A file's name.
pub(crate) fn file_name(first: Position) -> String {
    format!("{:020}.log", first.0)
}

/// The position in a file's name; `None` when it is not the name of a log segment.
pub(crate) fn first_of_name(name: &str) -> Option<Position> {
    let digits = name.strip_suffix(".log")?;
    let ours = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|&first| ours && first > 0).map(Position)
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
