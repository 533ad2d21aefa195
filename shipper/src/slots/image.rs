//! What stands in one slot: header, snapshot and log (the layout is drawn in [`super`]).

use outside::File;
use std::io;

pub(super) const MAGIC: &[u8; 8] = b"ctstate\n";
pub(super) const VERSION: u32 = 1;
pub(super) const HEADER: usize = 36;
const RECORD_HEADER: usize = 8;

/// What stands in a slot, checked up to its end.
pub(super) struct Image {
    pub(super) sequence: u64,
    /// Header and records, snapshot first; what may stand behind them is no part of the log.
    bytes: Vec<u8>,
    pub(super) end: usize,
}

impl Image {
    pub(super) fn into_records(self) -> Records {
        Records { bytes: self.bytes, end: self.end }
    }

    /// Header and records as they stand in the slot.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.end]
    }
}

/// The records of the slot that is current at an opening, snapshot first.
#[derive(Debug, Default)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    end: usize,
}

impl Records {
    /// One after the other.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = HEADER;
        std::iter::from_fn(move || {
            let len = u32_at(&self.bytes[..self.end], at)? as usize;
            let payload = &self.bytes[at + RECORD_HEADER..][..len];
            at += RECORD_HEADER + len;
            Some(payload)
        })
    }
}

/// A snapshot as it will stand in a slot.
pub(crate) struct Snapshot {
    sequence: u64,
    bytes: Vec<u8>,
}

impl Snapshot {
    pub(super) fn new(sequence: u64) -> Snapshot {
        Snapshot { sequence, bytes: vec![0; HEADER] }
    }

    /// Puts one more record into it.
    pub(crate) fn put(&mut self, payload: &[u8]) {
        let position = self.bytes.len() as u64;
        put_record(&mut self.bytes, self.sequence, position, payload);
    }

    /// With its header.
    pub(super) fn finish(self) -> Vec<u8> {
        let Snapshot { sequence, bytes: mut out } = self;
        let len = (out.len() - HEADER) as u64;
        let crc = crc32fast::hash(&out[HEADER..]);
        out[..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..20].copy_from_slice(&sequence.to_le_bytes());
        out[20..28].copy_from_slice(&len.to_le_bytes());
        out[28..32].copy_from_slice(&crc.to_le_bytes());
        let header_crc = crc32fast::hash(&out[..32]);
        out[32..36].copy_from_slice(&header_crc.to_le_bytes());
        out
    }
}

fn record_crc(sequence: u64, position: u64, payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&sequence.to_le_bytes());
    crc.update(&position.to_le_bytes());
    crc.update(payload);
    crc.finalize()
}

pub(super) fn put_record(out: &mut Vec<u8>, sequence: u64, position: u64, payload: &[u8]) {
    out.extend((payload.len() as u32).to_le_bytes());
    out.extend(record_crc(sequence, position, payload).to_le_bytes());
    out.extend_from_slice(payload);
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// A slot's bytes as far as its log goes, and little more: most of a slot is room.
pub(super) struct Reader {
    pub(super) file: Box<dyn File>,
    pub(super) size: u64,
    pub(super) bytes: Vec<u8>,
}

impl Reader {
    const PIECE: u64 = 64 << 10;

    /// Reads on until `len` bytes are there, or all of them. Whether they are.
    pub(super) fn reach(&mut self, len: usize) -> io::Result<bool> {
        let from = self.bytes.len();
        if len > from && (from as u64) < self.size {
            let to = (len as u64).max(from as u64 + Self::PIECE).min(self.size);
            self.bytes.resize(usize::try_from(to).map_err(|_| io::ErrorKind::FileTooLarge)?, 0);
            self.file.read_exact_at(&mut self.bytes[from..], from as u64)?;
        }
        Ok(self.bytes.len() >= len)
    }

    /// What the slot holds; `None` when it does not check.
    pub(super) fn image(mut self) -> io::Result<Option<Image>> {
        if !self.reach(HEADER)? {
            return Ok(None);
        }
        let header = &self.bytes[..HEADER];
        if &header[..8] != MAGIC || u32_at(header, 32) != Some(crc32fast::hash(&header[..32])) {
            return Ok(None);
        }
        let (Some(sequence), Some(len), Some(crc)) = (u64_at(header, 12), u64_at(header, 20), u32_at(header, 28))
        else {
            return Ok(None);
        };
        let Some(snapshot_end) = usize::try_from(len).ok().and_then(|len| HEADER.checked_add(len)) else {
            return Ok(None);
        };
        if snapshot_end as u64 > self.size
            || !self.reach(snapshot_end)?
            || crc32fast::hash(&self.bytes[HEADER..snapshot_end]) != crc
        {
            return Ok(None);
        }
        let mut end = HEADER;
        while self.reach(end + RECORD_HEADER)? {
            let len = u32_at(&self.bytes, end).unwrap_or_default() as usize;
            // A length that goes beyond the file is none.
            let next = end + RECORD_HEADER + len;
            if len == 0
                || next as u64 > self.size
                || !self.reach(next)?
                || record_at(&self.bytes, sequence, end).is_none()
            {
                break;
            }
            end = next;
        }
        Ok((end >= snapshot_end).then_some(Image { sequence, bytes: self.bytes, end }))
    }
}

fn record_at(bytes: &[u8], sequence: u64, at: usize) -> Option<&[u8]> {
    let (len, crc) = (u32_at(bytes, at)? as usize, u32_at(bytes, at + 4)?);
    let payload = bytes.get(at + RECORD_HEADER..)?.get(..len)?;
    (len > 0 && record_crc(sequence, at as u64, payload) == crc).then_some(payload)
}
