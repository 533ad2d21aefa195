//! Two preallocated files written in turn, each a snapshot followed by a log (protocol rule 31).
//!
//! ```text
//! 0    magic "ctstate\n"
//! 8    version u32, 1
//! 12   sequence u64: the valid slot with the larger one is the current one
//! 20   snapshot_len u64: bytes of records that make up the snapshot
//! 28   crc32 of the snapshot's bytes
//! 32   crc32 of bytes 0..32
//! 36   records: length u32, crc32 u32 (over sequence, position, payload), payload; the snapshot's first
//! ```
//! Numbers are little-endian. Records are appended and synced in groups; the first record that does not
//! check ends the log. When a slot is full, or after any failed write, the other one gets a fresh snapshot:
//! what stands in the current slot is never overwritten, so there is a whole state at every moment. Slots
//! come into being by rename, so when none is readable that is damage, never a start that was cut short.

use crate::OpenError;
use outside::{File, Files, OpenMode, Safeguard, write_whole};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"ctstate\n";
const VERSION: u32 = 1;
const HEADER: usize = 36;
const RECORD_HEADER: usize = 8;
/// A state larger than this is not ours.
const SLOT_BYTES_MAX: u64 = 4 << 30;

/// The pair of files.
#[derive(Debug)]
pub(crate) struct Slots {
    files: Arc<dyn Files>,
    folder: PathBuf,
    bytes_min: u64,
    current: usize,
    sequence: u64,
    file: Option<Box<dyn File>>,
    capacity: u64,
    end: u64,
    pending: Vec<u8>,
    /// A write failed: nothing may be appended to the current slot.
    poisoned: bool,
}

struct Image {
    sequence: u64,
    records: Vec<Vec<u8>>,
    end: u64,
}

enum Read {
    Missing,
    Unusable,
    Whole(Image),
}

fn slot_path(folder: &Path, slot: usize) -> PathBuf {
    folder.join(["state.0", "state.1"][slot])
}

fn record_crc(sequence: u64, position: u64, payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&sequence.to_le_bytes());
    crc.update(&position.to_le_bytes());
    crc.update(payload);
    crc.finalize()
}

fn put_record(out: &mut Vec<u8>, sequence: u64, position: u64, payload: &[u8]) {
    out.extend((payload.len() as u32).to_le_bytes());
    out.extend(record_crc(sequence, position, payload).to_le_bytes());
    out.extend_from_slice(payload);
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Header and snapshot as they stand in a slot.
fn image(sequence: u64, snapshot: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![0; HEADER];
    for payload in snapshot {
        let position = out.len() as u64;
        put_record(&mut out, sequence, position, payload);
    }
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

/// What a slot's bytes hold.
fn parse(bytes: &[u8]) -> Option<Image> {
    let header = bytes.get(..HEADER)?;
    if &header[..8] != MAGIC || u32_at(header, 32)? != crc32fast::hash(&header[..32]) {
        return None;
    }
    let (sequence, len) = (u64_at(header, 12)?, u64_at(header, 20)?);
    let snapshot_end = HEADER.checked_add(usize::try_from(len).ok()?)?;
    if crc32fast::hash(bytes.get(HEADER..snapshot_end)?) != u32_at(header, 28)? {
        return None;
    }
    let mut records = Vec::new();
    let mut at = HEADER;
    while let Some(payload) = record_at(bytes, sequence, at) {
        at += RECORD_HEADER + payload.len();
        records.push(payload.to_vec());
    }
    (at >= snapshot_end).then_some(Image { sequence, records, end: at as u64 })
}

fn record_at(bytes: &[u8], sequence: u64, at: usize) -> Option<&[u8]> {
    let (len, crc) = (u32_at(bytes, at)? as usize, u32_at(bytes, at + 4)?);
    let payload = bytes.get(at + RECORD_HEADER..)?.get(..len)?;
    (len > 0 && record_crc(sequence, at as u64, payload) == crc).then_some(payload)
}

impl Slots {
    /// Opens the pair and gives the records of the current slot, snapshot first; no record at all when the
    /// folder is new.
    ///
    /// # Errors
    /// Unreadable files, a newer version, or two damaged slots.
    pub(crate) fn open(
        files: Arc<dyn Files>,
        folder: &Path,
        bytes_min: u64,
    ) -> Result<(Slots, Vec<Vec<u8>>), OpenError> {
        let mut slots = Slots {
            files,
            folder: folder.to_owned(),
            bytes_min,
            current: 1,
            sequence: 0,
            file: None,
            capacity: 0,
            end: 0,
            pending: Vec::new(),
            poisoned: true,
        };
        let mut best: Option<(usize, Image)> = None;
        let mut present = false;
        for slot in 0..2 {
            match slots.read(slot)? {
                Read::Missing => {}
                Read::Unusable => present = true,
                Read::Whole(image) => {
                    present = true;
                    if best.as_ref().is_none_or(|(_, b)| b.sequence < image.sequence) {
                        best = Some((slot, image));
                    }
                }
            }
        }
        match best {
            Some((slot, image)) => {
                slots.adopt(slot, &image)?;
                Ok((slots, image.records))
            }
            None if present => Err(OpenError::Damaged(slot_path(folder, 0))),
            None => Ok((slots, Vec::new())),
        }
    }

    /// A first start: sets the second slot's space aside, and writes the first one.
    ///
    /// # Errors
    /// What the file system said; the folder may be opened again as a new one.
    pub(crate) fn begin(&mut self, snapshot: &[Vec<u8>]) -> io::Result<()> {
        write_whole(&*self.files, &slot_path(&self.folder, 1), &vec![0; self.bytes_min as usize])?;
        self.turn(snapshot)?;
        self.poisoned = false;
        Ok(())
    }

    fn read(&self, slot: usize) -> Result<Read, OpenError> {
        let path = slot_path(&self.folder, slot);
        let bytes = match self.files.read_whole(&path, SLOT_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Read::Missing),
            Err(source) => return Err(OpenError::Io { what: "read state file", path, source }),
        };
        if bytes.iter().take(HEADER).all(|b| *b == 0) {
            return Ok(Read::Missing); // set aside, never used
        }
        if bytes.starts_with(MAGIC)
            && let Some(found) = u32_at(&bytes, 8)
            && found > VERSION
            && u32_at(&bytes, 32) == Some(crc32fast::hash(&bytes[..32]))
        {
            return Err(OpenError::Newer { path, found, known: VERSION });
        }
        Ok(parse(&bytes).map_or(Read::Unusable, Read::Whole))
    }

    fn adopt(&mut self, slot: usize, image: &Image) -> Result<(), OpenError> {
        let path = slot_path(&self.folder, slot);
        let failed = |what, source| OpenError::Io { what, path: path.clone(), source };
        let file = self.files.open(&path, OpenMode::Write).map_err(|e| failed("open state file", e))?;
        self.capacity = file.metadata().map_err(|e| failed("look at state file", e))?.size;
        self.file = Some(file);
        self.current = slot;
        self.sequence = image.sequence;
        self.end = image.end;
        // What was read may stand in the page cache alone, after a sync that failed in the process before:
        // the first write is a whole snapshot into the other slot.
        self.poisoned = true;
        Ok(())
    }

    /// Puts a record into the next group.
    pub(crate) fn append(&mut self, payload: &[u8]) {
        let position = self.end + self.pending.len() as u64;
        put_record(&mut self.pending, self.sequence, position, payload);
    }

    fn is_dirty(&self) -> bool {
        self.poisoned || !self.pending.is_empty()
    }

    /// Makes all appended records durable. `snapshot` gives the whole state, for the case that the slot is
    /// full or broken.
    ///
    /// # Errors
    /// What the file system said. The records are then not durable; the next call writes a whole snapshot.
    pub(crate) fn sync(&mut self, snapshot: impl FnOnce() -> Vec<Vec<u8>>) -> io::Result<()> {
        if !self.is_dirty() {
            return Ok(());
        }
        let result = if self.poisoned || self.end + self.pending.len() as u64 > self.capacity {
            self.turn(&snapshot())
        } else {
            // The other slot may work where this one does not.
            self.write_pending().or_else(|_| self.turn(&snapshot()))
        };
        self.pending.clear();
        self.poisoned = result.is_err();
        result
    }

    fn write_pending(&mut self) -> io::Result<()> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        file.write_all_at(&self.pending, self.end)?;
        file.sync()?;
        self.end += self.pending.len() as u64;
        Ok(())
    }

    /// Writes a snapshot into the other slot and goes on there.
    fn turn(&mut self, snapshot: &[Vec<u8>]) -> io::Result<()> {
        let slot = if Safeguard::StateInTurn.holds() { 1 - self.current } else { 0 };
        let sequence = self.sequence + 1;
        let image = image(sequence, snapshot);
        let path = slot_path(&self.folder, slot);
        let wanted = (image.len() as u64 * 4).next_power_of_two().max(self.bytes_min);
        let (file, capacity) = match self.files.open(&path, OpenMode::Write) {
            Ok(file) => self.reuse(file, &image, wanted)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make(&path, &image, wanted)?,
            Err(error) => return Err(error),
        };
        self.file = Some(file);
        self.capacity = capacity;
        self.end = image.len() as u64;
        self.current = slot;
        self.sequence = sequence;
        Ok(())
    }

    fn reuse(&self, file: Box<dyn File>, image: &[u8], wanted: u64) -> io::Result<(Box<dyn File>, u64)> {
        let mut capacity = file.metadata()?.size;
        if capacity < image.len() as u64 * 2 {
            // Zeros are written, not skipped: only then are the blocks ours when the disk is full later.
            let zeros = vec![0; usize::try_from(wanted - capacity).map_err(|_| io::ErrorKind::FileTooLarge)?];
            match file.write_all_at(&zeros, capacity) {
                Ok(()) => capacity = wanted,
                Err(error) if capacity < image.len() as u64 => return Err(error),
                Err(_) => {}
            }
        }
        file.write_all_at(image, 0)?;
        file.sync()?;
        Ok((file, capacity))
    }

    fn make(&self, path: &Path, image: &[u8], wanted: u64) -> io::Result<(Box<dyn File>, u64)> {
        let mut bytes = image.to_vec();
        bytes.resize(wanted as usize, 0);
        write_whole(&*self.files, path, &bytes)?;
        Ok((self.files.open(path, OpenMode::Write)?, wanted))
    }
}
