//! The log itself.

use crate::format::{HEADER, Kind, RECORD, file_name, first_of_name, put_header, put_record};
use crate::reader::Stretch;
use crate::recover::{Place, SIGNPOST_BYTES, Scanned, scan};
use crate::{OpenError, Position, Reader, WriteError};
use outside::{File, Files, OpenMode, Safeguard};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// First bytes of each file: whose log it is.
    pub magic: [u8; 8],
    /// Version of what the caller puts into records; files of a newer one are refused.
    pub records_version: u32,
    /// A log segment that would grow beyond this is followed by a new one.
    pub segment_bytes: u64,
    /// Largest record.
    pub record_bytes_max: u64,
    /// First position when the folder holds no log yet: after what other files say was in a log before.
    pub start: Position,
}

impl Options {
    /// 64 MiB a file, 32 MiB a record, starting at 1.
    pub fn new(magic: [u8; 8], records_version: u32) -> Options {
        let (segment_bytes, record_bytes_max) = (64 << 20, 32 << 20);
        Options { magic, records_version, segment_bytes, record_bytes_max, start: Position::FIRST }
    }

    fn kind(&self) -> Kind {
        Kind { magic: self.magic, records_version: self.records_version }
    }
}

/// What was found when a log was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The oldest record kept; equal to `next` when there is none.
    pub first: Position,
    /// What the next append gets.
    pub next: Position,
    /// Bytes of an interrupted write that were cut from the end; nobody was told that they were durable.
    pub torn_bytes: u64,
}

/// An open log; see the crate's documentation for what holds.
#[derive(Debug)]
pub struct Log {
    files: Arc<dyn Files>,
    folder: PathBuf,
    options: Options,
    /// Oldest first; the last one is written to.
    segments: VecDeque<LogSegment>,
    /// The last log segment's file, open for writing.
    tail: Option<Box<dyn File>>,
    /// Encoded records that are not written yet.
    pending: Vec<u8>,
    pending_first: Position,
    next: Position,
    poisoned: bool,
}

/// One file.
#[derive(Debug)]
struct LogSegment {
    path: PathBuf,
    first: Position,
    /// Durable bytes.
    size: u64,
    signposts: Vec<(Position, u64)>,
}

impl Log {
    /// Opens the log in `folder` (made when missing), cuts a torn tail away, and says what was found.
    ///
    /// # Errors
    /// [`OpenError::Corrupt`] when durable bytes are damaged or missing, [`OpenError::Newer`] for files of a
    /// newer version; in both cases nothing was changed.
    pub fn open(files: Arc<dyn Files>, folder: &Path, options: Options) -> Result<(Log, Recovered), OpenError> {
        let names = names(&*files, folder)?;
        let mut segments = VecDeque::with_capacity(names.len());
        let mut next = names.first().map_or(options.start, |&(first, _)| first);
        let mut last = None;
        for (i, (first, path)) in names.iter().enumerate() {
            if *first != next {
                let reason = format!("positions {next} to {} are missing before it", first.0.saturating_sub(1));
                return Err(OpenError::Corrupt { path: path.clone(), offset: 0, reason });
            }
            let place = if i + 1 == names.len() { Place::Last } else { Place::Earlier };
            let scanned = scan(&*files, path, *first, options.kind(), options.record_bytes_max, place)?;
            next = scanned.next;
            if scanned.good > 0 {
                let (size, signposts) = (scanned.good, scanned.signposts.clone());
                segments.push_back(LogSegment { path: path.clone(), first: *first, size, signposts });
            }
            last = Some((path, scanned));
        }
        // Only now, with everything read and found good, is anything changed.
        let torn_bytes = last.as_ref().map_or(0, |(_, scanned)| scanned.size - scanned.good);
        if let Some((path, scanned)) = last {
            settle(&*files, folder, path, &scanned)?;
        }
        let tail = match segments.back() {
            Some(last) => {
                Some(files.open(&last.path, OpenMode::Write).map_err(failed("open log segment", &last.path))?)
            }
            None => None,
        };
        let first = segments.front().map_or(next, |segment: &LogSegment| segment.first);
        let folder = folder.to_owned();
        let pending = Vec::new();
        let log = Log { files, folder, options, segments, tail, pending, pending_first: next, next, poisoned: false };
        Ok((log, Recovered { first, next, torn_bytes }))
    }

    /// Takes a record, to be made durable by the next [`Log::sync`]; says its number.
    ///
    /// # Errors
    /// [`WriteError::TooLarge`], with nothing appended, or [`WriteError::Poisoned`].
    pub fn append(&mut self, payload: &[u8]) -> Result<Position, WriteError> {
        self.check_poison()?;
        let (size, max) = (payload.len() as u64, self.options.record_bytes_max.min(u64::from(u32::MAX)));
        if size > max {
            return Err(WriteError::TooLarge { folder: self.folder.clone(), size, max });
        }
        let position = self.next;
        let back = u32::try_from(position.0 - self.pending_first.0).unwrap_or(u32::MAX);
        put_record(&mut self.pending, position, back, payload);
        self.next = position.next();
        Ok(position)
    }

    /// Makes all appended records durable: one write, one fdatasync. A new log segment's name too.
    ///
    /// # Errors
    /// After any error the log is poisoned; the records may or may not be found when it is opened again.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        self.check_poison()?;
        if self.pending.is_empty() {
            return Ok(());
        }
        let done = self.write_pending();
        self.poisoned = done.is_err();
        done
    }

    /// Removes log segments all of whose records lie before `position` and are durable. The numbers go on.
    ///
    /// # Errors
    /// After any error the log is poisoned; what was not removed is found when it is opened again.
    pub fn truncate_before(&mut self, position: Position) -> Result<(), WriteError> {
        self.check_poison()?;
        let done = self.remove_before(position.min(self.pending_first));
        self.poisoned = done.is_err();
        done
    }

    /// Reads the durable records from `position` on (from the oldest kept one, if that is later).
    pub fn read_from(&self, position: Position) -> Reader {
        let start = self.segments.partition_point(|segment| segment.first <= position).saturating_sub(1);
        let stretches = self.segments.iter().skip(start).map(|segment| {
            let near = segment.signposts.partition_point(|&(at, _)| at <= position);
            let begin = near.checked_sub(1).and_then(|i| segment.signposts.get(i));
            let &(first, at) = begin.unwrap_or(&(segment.first, HEADER));
            Stretch { path: segment.path.clone(), at, position: first, end: segment.size }
        });
        Reader::new(Arc::clone(&self.files), position, stretches.collect())
    }

    /// What the next append gets.
    pub fn next(&self) -> Position {
        self.next
    }

    /// The oldest record kept; equal to [`Log::next`] when there is none.
    pub fn first(&self) -> Position {
        self.segments.front().map_or(self.pending_first, |segment| segment.first)
    }

    /// The first record that is not durable yet: everything before it is.
    pub fn durable_to(&self) -> Position {
        self.pending_first
    }

    /// Bytes on disk.
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size).sum()
    }

    /// Bytes appended and not synced.
    pub fn pending_bytes(&self) -> u64 {
        self.pending.len() as u64
    }

    fn check_poison(&self) -> Result<(), WriteError> {
        if self.poisoned { Err(WriteError::Poisoned { folder: self.folder.clone() }) } else { Ok(()) }
    }

    fn write_pending(&mut self) -> Result<(), WriteError> {
        let full = self.segments.back().is_none_or(|last| {
            last.size > HEADER && last.size + self.pending.len() as u64 > self.options.segment_bytes
        });
        if full {
            self.begin_segment(true)?;
        } else if let (Some(last), Some(tail)) = (self.segments.back(), &self.tail) {
            tail.write_all_at(&self.pending, last.size).map_err(write_failed("write log segment", &last.path))?;
            tail.sync().map_err(write_failed("sync log segment", &last.path))?;
        }
        let Some(last) = self.segments.back_mut() else { return Ok(()) };
        note_signposts(last, &self.pending, self.pending_first);
        last.size += self.pending.len() as u64;
        self.pending.clear();
        self.pending.shrink_to(1 << 20);
        self.pending_first = self.next;
        Ok(())
    }

    /// Begins a file at the first pending position, with the pending records in it or without, and makes
    /// it and its name durable.
    fn begin_segment(&mut self, with_pending: bool) -> Result<(), WriteError> {
        let first = self.pending_first;
        let path = self.folder.join(file_name(first));
        let mut bytes = Vec::with_capacity(HEADER as usize + self.pending.len());
        put_header(&mut bytes, self.options.kind(), first);
        if with_pending {
            bytes.extend_from_slice(&self.pending);
        }
        let file = self.files.open(&path, OpenMode::CreateNew).map_err(write_failed("make log segment", &path))?;
        file.write_all_at(&bytes, 0).map_err(write_failed("write log segment", &path))?;
        file.sync().map_err(write_failed("sync log segment", &path))?;
        self.sync_folder()?;
        self.tail = Some(file);
        self.segments.push_back(LogSegment { path, first, size: HEADER, signposts: Vec::new() });
        Ok(())
    }

    fn remove_before(&mut self, position: Position) -> Result<(), WriteError> {
        // When all is cut, an empty log segment keeps the number at which to go on.
        if position == self.pending_first && self.segments.back().is_some_and(|last| last.size > HEADER) {
            self.begin_segment(false)?;
        }
        while self.segments.get(1).is_some_and(|second| second.first <= position) {
            let Some(oldest) = self.segments.pop_front() else { break };
            self.files.remove_file(&oldest.path).map_err(write_failed("remove log segment", &oldest.path))?;
            // One by one: a crash must not bring back an older one without those after it.
            self.sync_folder()?;
        }
        Ok(())
    }

    fn sync_folder(&self) -> Result<(), WriteError> {
        if !Safeguard::SyncFolder.holds() {
            return Ok(());
        }
        self.files.sync_folder(&self.folder).map_err(write_failed("sync folder", &self.folder))
    }
}

/// The log segments of a folder by position; the folder is made, durably, when it is missing.
fn names(files: &dyn Files, folder: &Path) -> Result<Vec<(Position, PathBuf)>, OpenError> {
    let paths = match files.list(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            files.create_folder_all(folder).map_err(failed("make folder", folder))?;
            let above = folder.parent().unwrap_or(Path::new("."));
            if Safeguard::SyncFolder.holds() {
                files.sync_folder(above).map_err(failed("sync folder", above))?;
            }
            Vec::new()
        }
        listed => listed.map_err(failed("list folder", folder))?,
    };
    let named = paths.into_iter().filter_map(|path| {
        let first = first_of_name(path.file_name()?.to_str()?)?;
        Some((first, folder.join(file_name(first))))
    });
    let mut named: Vec<_> = named.collect();
    named.sort();
    Ok(named)
}

/// Makes durable what was found in the last log segment, and cuts its torn tail away, so that its remains
/// can never be read as records. Good records may never have been synced (the process was killed in
/// between), or a failed sync left them in memory only and the next one would not write them again:
/// the last write is therefore repeated.
fn settle(files: &dyn Files, folder: &Path, path: &Path, scanned: &Scanned) -> Result<(), OpenError> {
    if scanned.good == 0 {
        files.remove_file(path).map_err(failed("remove log segment", path))?;
    } else {
        let file = files.open(path, OpenMode::Write).map_err(failed("open log segment", path))?;
        if scanned.good < scanned.size {
            file.set_len(scanned.good).map_err(failed("cut log segment", path))?;
        }
        let mut bytes = vec![0; (scanned.good - scanned.last_write) as usize];
        file.read_exact_at(&mut bytes, scanned.last_write).map_err(failed("read log segment", path))?;
        file.write_all_at(&bytes, scanned.last_write).map_err(failed("write log segment", path))?;
        file.sync().map_err(failed("sync log segment", path))?;
    }
    if Safeguard::SyncFolder.holds() {
        files.sync_folder(folder).map_err(failed("sync folder", folder))?;
    }
    Ok(())
}

fn note_signposts(segment: &mut LogSegment, written: &[u8], first: Position) {
    let (mut at, mut position) = (0u64, first);
    while let Some(head) = written.get(at as usize..).and_then(crate::format::record_head) {
        let place = segment.size + at;
        if segment.signposts.last().is_none_or(|&(_, last)| place - last >= SIGNPOST_BYTES) {
            segment.signposts.push((position, place));
        }
        at += RECORD + u64::from(head.len);
        position = position.next();
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { what, path, source }
}

fn write_failed(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError::Io { what, path, source }
}
