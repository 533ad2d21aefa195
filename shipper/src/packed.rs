//! Compressed generations (`.gz`), read as the bytes they were made of.
//!
//! A compressed file is first surveyed: unpacked once from begin to end, in steps, without keeping more than a
//! few KiB. That proves it whole (a half-written one ends before its checksum), tells its length, and gives the
//! anchors that content matching asks for. Only then is it opened as a [`PackedFile`], which looks like any
//! other file; its offsets are those of the unpacked bytes.
//!
//! Left out: `.zip` and other formats; nothing that Carbon runs on rotates to them by itself.

use flate2::bufread::MultiGzDecoder;
use outside::{File, Files, Metadata, OpenMode};
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use wire::Anchor;

use crate::kept::{Head, Packed};
use parsers::Offset;

/// Bytes unpacked in one piece.
const PIECE: usize = 32 << 10;
/// Bytes before the present place that can be read without beginning anew; a read goes back by an anchor's bytes.
const WINDOW: usize = 1024;

/// Whether a file of that name is read as compressed.
pub(crate) fn is_packed(name: &str) -> bool {
    name.ends_with(".gz")
}

/// Opens a log, compressed or not.
pub(crate) fn open_log(files: &dyn Files, path: &Path, packed: Option<Packed>) -> io::Result<Box<dyn File>> {
    let file = files.open(path, OpenMode::Read)?;
    Ok(match packed {
        Some(packed) => Box::new(PackedFile::new(file, packed)),
        None => file,
    })
}

/// The compressed bytes, from the front.
#[derive(Debug)]
struct Source {
    file: Arc<dyn File>,
    at: u64,
}

impl Read for Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buf, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

type Unpacker = MultiGzDecoder<BufReader<Source>>;

fn unpacker(file: &Arc<dyn File>) -> Unpacker {
    MultiGzDecoder::new(BufReader::with_capacity(PIECE, Source { file: Arc::clone(file), at: 0 }))
}

fn read_full(from: &mut Unpacker, buf: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buf.len() {
        match from.read(&mut buf[len..])? {
            0 => break,
            n => len += n,
        }
    }
    Ok(len)
}

/// Whether an error says that the file's content is at fault (half written, damaged), not the file system.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
}

/// What unpacking a file once from end to end tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surveyed {
    /// Bytes unpacked.
    pub(crate) bytes: u64,
    /// The first of them.
    pub(crate) first: Vec<u8>,
    anchors: BTreeMap<u64, Anchor>,
}

impl Surveyed {
    /// Whether the bytes before an anchor are those it was made of; `None` when it was not asked for before.
    pub(crate) fn fits(&self, anchor: Anchor) -> Option<bool> {
        if anchor.at.0 > self.bytes {
            return Some(false);
        }
        self.anchors.get(&anchor.at.0).map(|own| *own == anchor)
    }
}

/// A file that is being unpacked for the first time.
#[derive(Debug)]
pub(crate) struct Survey {
    unpacker: Unpacker,
    wanted: Vec<u64>,
    /// Bytes just before the present place, at most an anchor's.
    before: Vec<u8>,
    found: Surveyed,
}

impl Survey {
    /// Begins with the file's first bytes.
    ///
    /// # Errors
    /// What the file system said, or that the bytes are not those of a compressed file ([`is_damage`]).
    pub(crate) fn begin(file: Box<dyn File>) -> io::Result<Survey> {
        let mut unpacker = unpacker(&Arc::from(file));
        let mut first = vec![0; Head::BYTES_MAX];
        let len = read_full(&mut unpacker, &mut first)?;
        first.truncate(len);
        let from = len.saturating_sub(Anchor::BYTES as usize);
        let before = first[from..].to_vec();
        let found = Surveyed { bytes: len as u64, first, anchors: BTreeMap::new() };
        Ok(Survey { unpacker, wanted: Vec::new(), before, found })
    }

    /// The first unpacked bytes.
    pub(crate) fn first(&self) -> &[u8] {
        &self.found.first
    }

    /// Asks for the anchors at these places.
    pub(crate) fn want(&mut self, places: impl IntoIterator<Item = Offset>) {
        let first = &self.found.first;
        for at in places {
            match usize::try_from(at.0).ok().and_then(|n| first.get(..n)) {
                Some(before) => {
                    self.found.anchors.insert(at.0, Anchor::of(at, before));
                }
                None => self.wanted.push(at.0),
            }
        }
        self.wanted.sort_unstable_by(|a, b| b.cmp(a));
        self.wanted.dedup();
    }

    /// Unpacks about `budget` more bytes; gives the result at the end.
    ///
    /// # Errors
    /// See [`Survey::begin`].
    pub(crate) fn advance(&mut self, budget: usize) -> io::Result<Option<Surveyed>> {
        let mut left = budget;
        loop {
            let lead = self.before.len();
            let mut buffer = std::mem::take(&mut self.before);
            buffer.resize(lead + PIECE, 0);
            let len = read_full(&mut self.unpacker, &mut buffer[lead..])?;
            buffer.truncate(lead + len);
            let begin = self.found.bytes - lead as u64;
            self.found.bytes += len as u64;
            while let Some(at) = self.wanted.pop_if(|at| *at <= self.found.bytes) {
                let anchor = Anchor::of(Offset(at), &buffer[..(at - begin) as usize]);
                self.found.anchors.insert(at, anchor);
            }
            if len == 0 {
                return Ok(Some(std::mem::take(&mut self.found)));
            }
            buffer.drain(..buffer.len().saturating_sub(Anchor::BYTES as usize));
            self.before = buffer;
            left = left.saturating_sub(len);
            if left == 0 {
                return Ok(None);
            }
        }
    }
}

#[derive(Debug)]
struct Place {
    unpacker: Unpacker,
    at: u64,
    /// The last bytes before `at`.
    window: Vec<u8>,
}

/// A surveyed file, read by unpacked offsets. Reading on is cheap; going back begins at the front.
#[derive(Debug)]
pub(crate) struct PackedFile {
    file: Arc<dyn File>,
    packed: Packed,
    place: Mutex<Place>,
}

impl PackedFile {
    pub(crate) fn new(file: Box<dyn File>, packed: Packed) -> PackedFile {
        let file: Arc<dyn File> = Arc::from(file);
        let place = Mutex::new(Place { unpacker: unpacker(&file), at: 0, window: Vec::new() });
        PackedFile { file, packed, place }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        // A panic while unpacking leaves nothing that reading from the front would not put right.
        self.place.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Place {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.unpacker.read(buf)?;
        self.at += n as u64;
        self.window.extend_from_slice(&buf[..n]);
        let surplus = self.window.len().saturating_sub(WINDOW);
        self.window.drain(..surplus);
        Ok(n)
    }

    fn go_to(&mut self, offset: u64, file: &Arc<dyn File>) -> io::Result<()> {
        if offset + (self.window.len() as u64) < self.at {
            *self = Place { unpacker: unpacker(file), at: 0, window: Vec::new() };
        }
        let mut piece = vec![0; PIECE];
        while self.at < offset {
            let most = usize::try_from(offset - self.at).unwrap_or(PIECE).min(PIECE);
            if self.read(&mut piece[..most])? == 0 {
                break;
            }
        }
        Ok(())
    }
}

impl File for PackedFile {
    fn metadata(&self) -> io::Result<Metadata> {
        let facts = self.file.metadata()?;
        if facts.size != self.packed.file_bytes {
            return Err(io::Error::other("the compressed file changed while it was read"));
        }
        Ok(Metadata { size: self.packed.bytes, ..facts })
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.packed.bytes || buf.is_empty() {
            return Ok(0);
        }
        let mut place = self.place();
        let result = place.go_to(offset, &self.file).and_then(|()| {
            let back = place.at.saturating_sub(offset) as usize;
            if back > 0 {
                let from = place.window.len() - back;
                let n = back.min(buf.len());
                buf[..n].copy_from_slice(&place.window[from..from + n]);
                return Ok(n);
            }
            place.read(buf)
        });
        if result.is_err() {
            // After an error the unpacker's state says nothing any more.
            *place = Place { unpacker: unpacker(&self.file), at: 0, window: Vec::new() };
        }
        result
    }

    fn write_all_at(&self, _buf: &[u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use outside::sim::{SimClock, SimDisk, SimRng};
    use std::io::Write;

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn bytes(n: usize) -> Vec<u8> {
        (0..n).flat_map(|i| format!("line {i} {}\n", i.wrapping_mul(2_654_435_761)).into_bytes()).collect()
    }

    fn on_disk(content: &[u8]) -> (SimDisk, Box<dyn File>) {
        let disk = SimDisk::new(1 << 30, SimClock::new(0), SimRng::new(1));
        disk.short_reads(true);
        disk.append(Path::new("/a.gz"), content);
        let file = disk.process().open(Path::new("/a.gz"), OpenMode::Read).unwrap();
        (disk, file)
    }

    fn survey(file: Box<dyn File>, wanted: &[u64]) -> io::Result<Surveyed> {
        let mut survey = Survey::begin(file)?;
        survey.want(wanted.iter().map(|at| Offset(*at)));
        loop {
            if let Some(done) = survey.advance(1000)? {
                return Ok(done);
            }
        }
    }

    #[test]
    fn a_survey_tells_length_head_and_anchors_of_all_members() {
        let content = bytes(9000);
        let (front, back) = content.split_at(70_001);
        let (_disk, file) = on_disk(&[gz(front), gz(back)].concat());
        let places = [5, 256, 1024, 1025, 70_001, 70_050, content.len() as u64];
        let found = survey(file, &places).unwrap();
        assert_eq!(found.bytes, content.len() as u64);
        assert_eq!(found.first, content[..1024]);
        for at in places {
            let anchor = Anchor::of(Offset(at), &content[..at as usize]);
            assert_eq!(found.fits(anchor), Some(true), "{at}");
            assert_eq!(found.fits(Anchor { hash: !anchor.hash, ..anchor }), Some(false));
        }
        assert_eq!(found.fits(Anchor::of(Offset(77), &content[..77])), None);
        assert_eq!(found.fits(Anchor { at: Offset(content.len() as u64 + 1), hash: 0 }), Some(false));
    }

    #[test]
    fn a_half_written_or_garbled_file_is_damage() {
        let whole = gz(&bytes(3000));
        for cut in [1, 5, 20, whole.len() / 2, whole.len() - 1] {
            let (_disk, file) = on_disk(&whole[..cut]);
            let error = survey(file, &[]).unwrap_err();
            assert!(is_damage(&error), "{cut}: {error}");
        }
        let mut garbled = whole.clone();
        garbled[whole.len() / 2] ^= 0x55;
        let (_disk, file) = on_disk(&garbled);
        assert!(is_damage(&survey(file, &[]).unwrap_err()));
    }

    #[test]
    fn it_is_read_like_the_file_it_was_made_of() {
        let content = bytes(5000);
        let whole = gz(&content);
        let (_disk, file) = on_disk(&whole);
        let packed = Packed { file_bytes: whole.len() as u64, bytes: content.len() as u64 };
        let file = PackedFile::new(file, packed);
        assert_eq!(file.metadata().unwrap().size, content.len() as u64);
        for at in [0usize, 100, 40_000, 39_800, 90_000, 10, content.len() - 3] {
            let mut buf = vec![0; 300.min(content.len() - at)];
            file.read_exact_at(&mut buf, at as u64).unwrap();
            assert_eq!(buf, content[at..at + buf.len()], "{at}");
        }
        assert_eq!(file.read_at(&mut [0; 8], content.len() as u64).unwrap(), 0);
    }
}
