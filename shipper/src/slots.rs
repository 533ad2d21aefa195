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
//! what stands in the current slot is never overwritten, so there is a whole state at every moment; and what was
//! read at an opening is made durable before the other slot is written over. Slots
//! come into being by rename, so when none is readable that is damage, never a start that was cut short.

mod image;
#[cfg(test)]
mod tests;

pub(crate) use image::{Records, Snapshot};

use crate::OpenError;
use image::{HEADER, Image, MAGIC, Reader, VERSION, put_record, u32_at};
use outside::{File, Files, OpenMode, Safeguard, write_whole_and_zeros, write_zeros};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A state larger than this is not ours.
const SLOT_BYTES_MAX: u64 = 4 << 30;

/// Room for records that stays between two groups.
const PENDING_BYTES_KEPT: usize = 64 << 10;

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
    /// The names of both files are durable: an earlier process may have died between renaming and syncing.
    named: bool,
    /// What was read of the current slot at the opening, until it is known to be durable.
    unproven: Option<Vec<u8>>,
}

enum Read {
    Missing,
    Unusable,
    Whole(Image),
}

fn slot_path(folder: &Path, slot: usize) -> PathBuf {
    folder.join(["state.0", "state.1"][slot])
}

impl Slots {
    /// Opens the pair and gives the records of the current slot; no record at all when the folder is new.
    ///
    /// # Errors
    /// Unreadable files, a newer version, or two damaged slots.
    pub(crate) fn open(files: Arc<dyn Files>, folder: &Path, bytes_min: u64) -> Result<(Slots, Records), OpenError> {
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
            named: false,
            unproven: None,
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
                Ok((slots, image.into_records()))
            }
            None if present => Err(OpenError::Damaged(slot_path(folder, 0))),
            None => Ok((slots, Records::default())),
        }
    }

    /// A first start: sets the second slot's space aside, and writes the first one.
    ///
    /// # Errors
    /// What the file system said; the folder may be opened again as a new one.
    pub(crate) fn begin(&mut self, snapshot: impl FnOnce(&mut Snapshot)) -> io::Result<()> {
        write_whole_and_zeros(&*self.files, &slot_path(&self.folder, 1), &[], self.bytes_min)?;
        self.turn(snapshot)?;
        self.poisoned = false;
        Ok(())
    }

    fn read(&self, slot: usize) -> Result<Read, OpenError> {
        let path = slot_path(&self.folder, slot);
        let failed = |source| OpenError::Io { what: "read state file", path: path.clone(), source };
        let file = match self.files.open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Read::Missing),
            Err(error) => return Err(failed(error)),
        };
        let size = file.metadata().map_err(failed)?.size;
        if size > SLOT_BYTES_MAX {
            let text = format!("{size} bytes, at most {SLOT_BYTES_MAX} expected");
            return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, text)));
        }
        let mut reader = Reader { file, size, bytes: Vec::new() };
        reader.reach(HEADER).map_err(failed)?;
        let bytes = &reader.bytes;
        if bytes.iter().take(HEADER).all(|b| *b == 0) {
            return Ok(Read::Missing); // set aside, never used
        }
        if bytes.starts_with(MAGIC)
            && let Some(found) = u32_at(bytes, 8)
            && found > VERSION
            && u32_at(bytes, 32) == Some(crc32fast::hash(&bytes[..32]))
        {
            return Err(OpenError::Newer { path, found, known: VERSION });
        }
        Ok(reader.image().map_err(failed)?.map_or(Read::Unusable, Read::Whole))
    }

    fn adopt(&mut self, slot: usize, image: &Image) -> Result<(), OpenError> {
        let path = slot_path(&self.folder, slot);
        let failed = |what, source| OpenError::Io { what, path: path.clone(), source };
        let file = self.files.open(&path, OpenMode::Write).map_err(|e| failed("open state file", e))?;
        self.capacity = file.metadata().map_err(|e| failed("look at state file", e))?.size;
        self.file = Some(file);
        self.current = slot;
        self.sequence = image.sequence;
        self.end = image.end as u64;
        // What was read may stand in the page cache alone: the process before died before its sync, or that failed. The
        // first write is a whole snapshot into the other slot, which may be the only durable one until this one is.
        self.poisoned = true;
        self.unproven = Some(image.bytes().to_vec());
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
    pub(crate) fn sync(&mut self, snapshot: impl FnOnce(&mut Snapshot)) -> io::Result<()> {
        if !self.is_dirty() {
            return Ok(());
        }
        let result = if self.poisoned || self.end + self.pending.len() as u64 > self.capacity {
            self.turn(snapshot)
        } else {
            // The other slot may work where this one does not.
            self.write_pending().or_else(|_| self.turn(snapshot))
        };
        self.pending.clear();
        // A start with 20,000 files fills it with megabytes, once.
        self.pending.shrink_to(PENDING_BYTES_KEPT);
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

    /// Makes durable what was read at the opening, before the other slot is written over. A sync alone would not do: pages that
    /// one failed on may pass for clean. The same bytes once more harm nothing, however little of them arrives.
    fn prove(&mut self) -> io::Result<()> {
        if let (Some(bytes), Some(file)) = (&self.unproven, &self.file) {
            file.write_all_at(bytes, 0)?;
            file.sync()?;
        }
        self.unproven = None;
        Ok(())
    }

    /// Writes a snapshot into the other slot and goes on there.
    fn turn(&mut self, snapshot: impl FnOnce(&mut Snapshot)) -> io::Result<()> {
        self.prove()?;
        let slot = if Safeguard::StateInTurn.holds() { 1 - self.current } else { 0 };
        let sequence = self.sequence + 1;
        let mut draft = Snapshot::new(sequence);
        snapshot(&mut draft);
        let image = draft.finish();
        let path = slot_path(&self.folder, slot);
        let wanted = (image.len() as u64 * 4).next_power_of_two().max(self.bytes_min);
        let (file, capacity) = match self.files.open(&path, OpenMode::Write) {
            Ok(file) => self.reuse(file, &image, wanted)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make(&path, &image, wanted)?,
            Err(error) => return Err(error),
        };
        if !self.named {
            self.files.sync_folder(&self.folder)?;
            self.named = true;
        }
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
            match write_zeros(&*file, capacity, wanted) {
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
        write_whole_and_zeros(&*self.files, path, image, wanted)?;
        Ok((self.files.open(path, OpenMode::Write)?, wanted))
    }
}
