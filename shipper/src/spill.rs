//! What a removed file still held, compressed in the state folder: the last resort of holding bytes, for files that
//! no link can be made to and that a handle alone would keep only until this process ends.
//!
//! ```text
//! STATE/spool/STREAM.spill      16 hex digits
//!
//! 0    magic "ctspill\0"
//! 8    version u32, 1
//! 12   unused u32, 0
//! 16   stream u64
//! 24   last change of the file, ns since 1970, i64
//! 32   crc32 of bytes 0..32
//! 36   blocks, until the end of the file:
//!        offset in the log file u64, its bytes u32, packed bytes u32, crc32 of the packed ones u32,
//!        crc32 of these 20 bytes u32, then the packed bytes (zstd)
//! ```
//! Numbers are little-endian. A block of no bytes says that the file ended there when this was written, and had been
//! left alone for long enough to have ended. It is only ever appended to; what follows the last whole block was not written to its
//! end and counts as not there. There is a block of the head, then those from just before the mark on: what lies
//! between was settled long ago and reads as the end of the file.
//!
//! Read, it looks like the log file, but for its identity: by then another file may have the old inode.

use outside::{File, FileId, Files, Kind, Metadata, OpenMode};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use wire::{Anchor, StreamId};

use crate::kept::Head;
use parsers::Offset;

const MAGIC: &[u8; 8] = b"ctspill\0";
const VERSION: u32 = 1;
const HEADER: usize = 36;
const BLOCK_HEADER: usize = 24;
/// Bytes of the log file in one block.
const BLOCK: usize = 256 << 10;
/// A device that no file system has.
const NO_DEVICE: u64 = u64::MAX;

/// Identity of what is left of a stream's file.
pub(crate) fn identity(stream: StreamId) -> FileId {
    FileId { device: NO_DEVICE, number: u128::from(stream.0) }
}

/// Why there is nothing to go on with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpillError {
    #[error("`{}` cannot be read: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("`{}` was written by version {found} of the format, this program reads up to {VERSION}; use the newer carbontrail", path.display())]
    Newer { path: PathBuf, found: u32 },
    #[error("`{}` is damaged at its begin; what it held is lost", .0.display())]
    Damaged(PathBuf),
}

#[derive(Clone, Copy, Debug)]
struct Block {
    /// Its first byte in the log file, and how many.
    at: u64,
    len: u32,
    /// Where its packed bytes stand, and how many.
    packed_at: u64,
    packed_len: u32,
}

impl Block {
    fn end(&self) -> u64 {
        self.at.saturating_add(u64::from(self.len))
    }
}

/// Bytes of a log file, kept compressed.
#[derive(Debug)]
pub(crate) struct Spill {
    file: Box<dyn File>,
    stream: StreamId,
    modified_ns: i64,
    blocks: Vec<Block>,
    /// Whether the file had ended where this ends.
    ended: bool,
    /// Up to where it is read. One that was not finished ends anywhere: what follows its last line end would be taken
    /// for a line, and the begin of an event for more of the one before.
    whole_to: u64,
    /// Where the next block goes.
    at: u64,
    /// The block that was read last.
    unpacked: Mutex<Option<(usize, Vec<u8>)>>,
}

impl Spill {
    /// Begins one, with the file's head. It is durable, and its name with it, after [`Spill::sync`] and a sync of the
    /// folder.
    ///
    /// # Errors
    /// What the file system said.
    pub(crate) fn create(files: &dyn Files, path: &Path, stream: StreamId, log: &dyn File) -> io::Result<Spill> {
        let modified_ns = log.metadata()?.modified_ns;
        let file = files.open(path, OpenMode::Create)?;
        file.set_len(0)?;
        let mut header = MAGIC.to_vec();
        header.extend(VERSION.to_le_bytes());
        header.extend([0; 4]);
        header.extend(stream.0.to_le_bytes());
        header.extend(modified_ns.to_le_bytes());
        header.extend(crc32fast::hash(&header).to_le_bytes());
        file.write_all_at(&header, 0)?;
        let at = header.len() as u64;
        let mut spill = Spill {
            file,
            stream,
            modified_ns,
            blocks: Vec::new(),
            ended: false,
            whole_to: 0,
            at,
            unpacked: Mutex::new(None),
        };
        spill.take_block(log, 0, Head::BYTES_MAX)?;
        Ok(spill)
    }

    /// Takes over what the log file holds from just before `mark` on, or from where this ended; about `most` bytes at
    /// one time. How many it took.
    ///
    /// # Errors
    /// What the file system said; the blocks before stay as they are.
    pub(crate) fn take(&mut self, log: &dyn File, mark: Offset, most: u64) -> io::Result<u64> {
        let from = self.end().max(mark.0.saturating_sub(Anchor::BYTES));
        let mut at = from;
        while at - from < most {
            match self.take_block(log, at, BLOCK)? {
                0 => break,
                taken => at += taken as u64,
            }
        }
        Ok(at - from)
    }

    fn take_block(&mut self, log: &dyn File, at: u64, most: usize) -> io::Result<usize> {
        let mut bytes = vec![0; most];
        let mut len = 0;
        while len < most {
            match log.read_at(&mut bytes[len..], at + len as u64)? {
                0 => break,
                n => len += n,
            }
        }
        if len == 0 {
            return Ok(0);
        }
        let packed = zstd::bulk::compress(&bytes[..len], 1)?;
        self.append(at, len, &packed)?;
        Ok(len)
    }

    /// The file ended where this ends: nobody wrote to it for long enough.
    ///
    /// # Errors
    /// What the file system said.
    pub(crate) fn end_here(&mut self) -> io::Result<()> {
        if self.ended { Ok(()) } else { self.append(self.end(), 0, &[]) }
    }

    fn append(&mut self, at: u64, len: usize, packed: &[u8]) -> io::Result<()> {
        let mut block = at.to_le_bytes().to_vec();
        block.extend((len as u32).to_le_bytes());
        block.extend((packed.len() as u32).to_le_bytes());
        block.extend(crc32fast::hash(packed).to_le_bytes());
        block.extend(crc32fast::hash(&block).to_le_bytes());
        block.extend(packed);
        self.file.write_all_at(&block, self.at)?;
        let packed_at = self.at + BLOCK_HEADER as u64;
        self.ended = len == 0;
        if !self.ended {
            self.blocks.push(Block { at, len: len as u32, packed_at, packed_len: packed.len() as u32 });
        }
        self.at += block.len() as u64;
        Ok(())
    }

    /// Makes what was taken durable.
    ///
    /// # Errors
    /// What the file system said.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    /// Opens what an earlier process left, as far as it is whole.
    ///
    /// # Errors
    /// See [`SpillError`]
    pub(crate) fn open(files: &dyn Files, path: &Path) -> Result<Spill, SpillError> {
        let failed = |source| SpillError::Io { path: path.to_owned(), source };
        let file = files.open(path, OpenMode::Write).map_err(failed)?;
        let damaged = || SpillError::Damaged(path.to_owned());
        let mut header = [0; HEADER];
        let size = file.metadata().map_err(failed)?.size;
        if size < HEADER as u64 {
            return Err(damaged());
        }
        file.read_exact_at(&mut header, 0).map_err(failed)?;
        if !header.starts_with(MAGIC) || u32_at(&header, 32) != crc32fast::hash(&header[..32]) {
            return Err(damaged());
        }
        let found = u32_at(&header, 8);
        if found > VERSION {
            return Err(SpillError::Newer { path: path.to_owned(), found });
        }
        let stream = StreamId(u64_at(&header, 16));
        let modified_ns = u64_at(&header, 24) as i64;
        let at = HEADER as u64;
        let mut spill = Spill {
            file,
            stream,
            modified_ns,
            blocks: Vec::new(),
            ended: false,
            whole_to: 0,
            at,
            unpacked: Mutex::new(None),
        };
        spill.find_blocks(size).map_err(failed)?;
        spill.whole_to = spill.last_line_end().map_err(failed)?;
        Ok(spill)
    }

    fn find_blocks(&mut self, size: u64) -> io::Result<()> {
        let mut packed = Vec::new();
        while self.at + BLOCK_HEADER as u64 <= size {
            let mut header = [0; BLOCK_HEADER];
            self.file.read_exact_at(&mut header, self.at)?;
            let (at, len, packed_len) = (u64_at(&header, 0), u32_at(&header, 8), u32_at(&header, 12));
            let packed_at = self.at + BLOCK_HEADER as u64;
            let in_bounds = len as usize <= BLOCK && u64::from(packed_len) <= size - packed_at;
            let follows = self.blocks.is_empty() || at >= self.end();
            if u32_at(&header, 20) != crc32fast::hash(&header[..20]) || !in_bounds || !follows {
                break;
            }
            packed.resize(packed_len as usize, 0);
            self.file.read_exact_at(&mut packed, packed_at)?;
            if crc32fast::hash(&packed) != u32_at(&header, 16) {
                break;
            }
            self.ended = len == 0;
            if !self.ended {
                self.blocks.push(Block { at, len, packed_at, packed_len });
            }
            self.at = packed_at + u64::from(packed_len);
        }
        Ok(())
    }

    fn last_line_end(&self) -> io::Result<u64> {
        match self.blocks.last() {
            Some(block) if !self.ended => {
                let bytes = self.unpack(block)?;
                // A line longer than a block is cut as it is.
                let end = bytes.iter().rposition(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1);
                Ok(block.at.saturating_add(end as u64))
            }
            _ => Ok(self.end()),
        }
    }

    /// Up to where it can be read, as it was opened or since it ended.
    pub(crate) fn whole_to(&self) -> u64 {
        if self.ended { self.end() } else { self.whole_to }
    }

    /// The stream whose file it was.
    pub(crate) fn stream(&self) -> StreamId {
        self.stream
    }

    /// Up to where of the log file it goes.
    pub(crate) fn end(&self) -> u64 {
        // The head alone says nothing of what is owed.
        self.blocks.last().map_or(0, Block::end)
    }

    /// The mark from which on it has everything: what lies before was settled long ago, but for the head.
    pub(crate) fn begins(&self) -> Offset {
        let mut begin = self.end();
        for block in self.blocks.iter().rev() {
            if block.end() != begin {
                break;
            }
            begin = block.at;
        }
        // The bytes before the mark, by which it is known again, were taken too.
        Offset(if begin == 0 { 0 } else { begin.saturating_add(Anchor::BYTES) })
    }

    /// Whether the file had ended there.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Bytes it takes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.at
    }

    fn unpack(&self, block: &Block) -> io::Result<Vec<u8>> {
        let mut packed = vec![0; block.packed_len as usize];
        self.file.read_exact_at(&mut packed, block.packed_at)?;
        zstd::bulk::decompress(&packed, block.len as usize)
    }
}

impl File for Spill {
    fn metadata(&self) -> io::Result<Metadata> {
        let (id, size) = (identity(self.stream), self.whole_to());
        Ok(Metadata { id, kind: Kind::File, size, modified_ns: self.modified_ns, born_ns: None, links: 0 })
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let found = self.blocks.partition_point(|block| block.end() <= offset);
        let Some(block) = self.blocks.get(found).filter(|block| block.at <= offset) else { return Ok(0) };
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if unpacked.as_ref().is_none_or(|(held, _)| *held != found) {
            *unpacked = Some((found, self.unpack(block)?));
        }
        let Some((_, bytes)) = &*unpacked else { return Ok(0) };
        let rest = bytes.get((offset - block.at) as usize..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::{BLOCK, Spill, SpillError, identity};
    use outside::sim::{SimClock, SimDisk, SimRng};
    use outside::{File, Files, OpenMode};
    use parsers::Offset;
    use std::path::Path;
    use wire::StreamId;

    const ID: StreamId = StreamId(7);

    fn text(len: usize) -> Vec<u8> {
        (0..)
            .flat_map(|n: u32| format!("line {n} of {}\n", n.wrapping_mul(2_654_435_761)).into_bytes())
            .take(len)
            .collect()
    }

    /// A disk with a log of `len` bytes.
    fn disk(len: usize) -> (SimDisk, Vec<u8>) {
        let disk = SimDisk::new(1 << 30, SimClock::new(0), SimRng::new(1));
        disk.make_folder(Path::new("/"));
        let text = text(len);
        disk.append(Path::new("/log"), &text);
        (disk, text)
    }

    fn spill(disk: &SimDisk, mark: u64, most: u64) -> Spill {
        let files = disk.process();
        let log = files.open(Path::new("/log"), OpenMode::Read).unwrap();
        let mut spill = Spill::create(&*files, Path::new("/spill"), ID, &*log).unwrap();
        while spill.take(&*log, Offset(mark), most).unwrap() > 0 {}
        spill.sync().unwrap();
        spill
    }

    fn read(file: &dyn File, from: u64) -> Vec<u8> {
        let (mut out, mut buf) = (Vec::new(), vec![0; 10_000]);
        loop {
            match file.read_at(&mut buf, from + out.len() as u64).unwrap() {
                0 => return out,
                n => out.extend_from_slice(&buf[..n]),
            }
        }
    }

    #[test]
    fn what_stood_before_the_mark_and_behind_reads_as_it_did() {
        for (len, mark) in [(10, 0), (10, 10), (1024, 1024), (1500, 1100), (3 * BLOCK + 77, BLOCK as u64 + 5)] {
            for most in [1, u64::MAX] {
                let (disk, text) = disk(len);
                let written = spill(&disk, mark, most);
                let files = disk.process();
                let again = Spill::open(&*files, Path::new("/spill")).unwrap();
                for spill in [&written, &again] {
                    let from = mark.saturating_sub(256);
                    assert_eq!(spill.end(), len as u64);
                    assert_eq!(read(spill, from), text[from as usize..], "{len} {mark}");
                    assert_eq!(read(spill, 0)[..len.min(1024)], text[..len.min(1024)]);
                    let facts = spill.metadata().unwrap();
                    assert_eq!((facts.id, facts.links), (identity(ID), 0));
                }
                let lines = text.iter().rposition(|b| *b == b'\n').map_or(len, |at| at + 1) as u64;
                assert_eq!(again.metadata().unwrap().size, lines, "what follows the last line end is not whole");
                let mut ended = again;
                ended.end_here().unwrap();
                assert_eq!(ended.metadata().unwrap().size, len as u64);
                ended.sync().unwrap();
                assert_eq!(Spill::open(&*files, Path::new("/spill")).unwrap().metadata().unwrap().size, len as u64);
                assert!(len < BLOCK || written.bytes() < len as u64 / 2, "{} of {len}", written.bytes());
            }
        }
    }

    #[test]
    fn what_was_settled_long_ago_reads_as_the_end() {
        let (disk, _) = disk(100_000);
        let spill = spill(&disk, 50_000, u64::MAX);
        assert_eq!(spill.read_at(&mut [0; 10], 1024).unwrap(), 0);
        assert_eq!(spill.read_at(&mut [0; 10], 50_000 - 257).unwrap(), 0);
        assert_eq!(spill.read_at(&mut [0; 10], 50_000 - 256).unwrap(), 10);
        assert_eq!(spill.read_at(&mut [0; 10], 100_000).unwrap(), 0);
    }

    #[test]
    fn it_begins_where_nothing_is_missing_behind() {
        // The head and what follows it are one piece; what was settled while it grew is not in it.
        for (len, mark, begins) in [(900, 300, 0), (100_000, 1200, 0), (100_000, 1280, 0), (100_000, 50_000, 50_000)] {
            let (disk, _) = disk(len);
            assert_eq!(spill(&disk, mark, u64::MAX).begins(), Offset(begins), "{len} {mark}");
        }
        let (disk, text) = disk(100_000);
        let mut copy = spill(&disk, 50_000, u64::MAX);
        disk.append(Path::new("/log"), &text);
        let log = disk.process().open(Path::new("/log"), OpenMode::Read).unwrap();
        copy.take(&*log, Offset(150_000), u64::MAX).unwrap();
        assert_eq!((copy.begins(), copy.end()), (Offset(150_000), 200_000));
    }

    #[test]
    fn torn_or_flipped_anywhere_it_ends_at_a_whole_block_or_says_damaged() {
        let (source, text) = disk(3 * BLOCK + 1000);
        spill(&source, 300, u64::MAX);
        let whole = source.contents(Path::new("/spill")).unwrap();
        let mut ends = std::collections::BTreeSet::new();
        for at in (0..whole.len()).step_by(whole.len() / 500) {
            for flip in [false, true] {
                let mut bytes = whole.clone();
                if flip {
                    bytes[at] ^= 0x10
                } else {
                    bytes.truncate(at)
                }
                let (disk, _) = disk(0);
                disk.append(Path::new("/spill"), &bytes);
                match Spill::open(&*disk.process(), Path::new("/spill")) {
                    Ok(spill) => {
                        let end = spill.end();
                        ends.insert(end);
                        if end > 1024 {
                            assert_eq!(read(&spill, 44), text[44..end as usize]);
                        }
                    }
                    Err(SpillError::Damaged(_)) => assert!(at < 36, "{at}"),
                    Err(error) => panic!("at {at}: {error}"),
                }
            }
        }
        assert!(ends.len() >= 3, "it ended at few places: {ends:?}");
    }

    #[test]
    fn a_newer_one_is_refused_by_its_version() {
        let (disk, _) = disk(100);
        spill(&disk, 0, u64::MAX);
        let mut bytes = disk.contents(Path::new("/spill")).unwrap();
        bytes[8] = 2;
        let sum = crc32fast::hash(&bytes[..32]);
        bytes[32..36].copy_from_slice(&sum.to_le_bytes());
        disk.append(Path::new("/newer"), &bytes);
        let error = Spill::open(&*disk.process(), Path::new("/newer")).unwrap_err().to_string();
        assert!(error.contains("version 2"), "{error}");
    }
}
