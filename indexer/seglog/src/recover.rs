//! Reads a log segment at start and tells a torn tail from damage.
//!
//! A crash may leave the last write in any state: missing, zeroed in part, or with later sectors there and
//! earlier ones not. Nothing of it was durable for anyone, so it is cut away. Damage of durable bytes must
//! not be taken for that, since cutting there would silently lose what was acknowledged. At the first record
//! that does not fit:
//! - the log segment is not the last one: damage, since it was synced before the next one was begun;
//! - a good record follows that a *later* sync wrote (its number less its `back` is larger): damage, since
//!   that sync began only after the one with the misfit had succeeded;
//! - else torn, if the bytes up to the next good record show a trace of it: a stretch inside one sector that
//!   is all zero, or, when no good record follows, a file that ends inside the record or in zeros;
//! - else damage: a file system that loses a write shows nothing or zeros, never other bytes.
//!
//! Assumption: a payload of the last write that holds 512 zeros in a row and was damaged counts as torn.

use crate::format::{HEADER, Header, Kind, RECORD, RecordHead, header, record_head};
use crate::window::Window;
use crate::{OpenError, Position};
use outside::{Files, OpenMode};
use std::io;
use std::path::{Path, PathBuf};

/// Unit in which a disk writes or does not.
const SECTOR: u64 = 512;

/// What a log segment holds.
#[derive(Debug)]
pub(crate) struct Scanned {
    /// Position after its last good record.
    pub(crate) next: Position,
    /// Bytes of header and good records; 0 when the header itself is torn.
    pub(crate) good: u64,
    /// Bytes in the file.
    pub(crate) size: u64,
    /// Where the bytes of the last sync begin.
    pub(crate) last_write: u64,
    /// A few places inside, to begin reading near a position.
    pub(crate) signposts: Vec<(Position, u64)>,
}

/// Whether a torn tail can be in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Last,
    Earlier,
}

/// Distance of signposts, in bytes.
pub(crate) const SIGNPOST_BYTES: u64 = 64 * 1024;

/// Reads all of the log segment at `path`, whose name says that it begins at `first`.
pub(crate) fn scan(
    files: &dyn Files,
    path: &Path,
    first: Position,
    kind: Kind,
    max: u64,
    place: Place,
) -> Result<Scanned, OpenError> {
    let mut file = Open::new(files, path)?;
    let mut scanned = Scanned { next: first, good: 0, size: file.window.size(), last_write: 0, signposts: Vec::new() };
    match header(file.get(0, HEADER)?, kind) {
        Header::Good { first: found } if found == first => scanned.good = HEADER,
        Header::Good { first: found } => {
            return Err(file.corrupt(16, format!("it says that it begins at position {found}")));
        }
        Header::Foreign => return Err(file.corrupt(0, "it is not a log segment of this kind".to_owned())),
        Header::Newer(what, found, known) => {
            return Err(OpenError::Newer { path: path.to_owned(), what, found, known });
        }
        Header::Bad => {
            file.judge(0, first, place)?;
            return Ok(scanned);
        }
    }
    while scanned.good < scanned.size {
        match file.record(scanned.good, max)? {
            Some(head) if head.position == scanned.next => {
                if scanned.signposts.last().is_none_or(|&(_, at)| scanned.good - at >= SIGNPOST_BYTES) {
                    scanned.signposts.push((head.position, scanned.good));
                }
                if head.back == 0 && scanned.good > HEADER {
                    scanned.last_write = scanned.good;
                }
                scanned.good += head.size();
                scanned.next = scanned.next.next();
            }
            Some(head) => {
                let reason = format!("record {} stands where {} belongs", head.position, scanned.next);
                return Err(file.corrupt(scanned.good, reason));
            }
            None => {
                file.judge(scanned.good, scanned.next, place)?;
                break;
            }
        }
    }
    Ok(scanned)
}

/// Good records behind a misfit.
#[derive(Debug, Default)]
struct GoodAfter {
    /// Where the first one begins.
    first: Option<u64>,
    /// One that was written after the misfit had been synced.
    later_sync: Option<Position>,
}

struct Open {
    path: PathBuf,
    window: Window,
}

impl Open {
    fn new(files: &dyn Files, path: &Path) -> Result<Open, OpenError> {
        let failed = |what| move |source| OpenError::Io { what, path: path.to_owned(), source };
        let file = files.open(path, OpenMode::Read).map_err(failed("open log segment"))?;
        let size = file.metadata().map_err(failed("look at log segment"))?.size;
        Ok(Open { path: path.to_owned(), window: Window::new(file, size) })
    }

    fn get(&mut self, at: u64, len: u64) -> Result<&[u8], OpenError> {
        let Open { path, window } = self;
        window.get(at, len).map_err(|source: io::Error| OpenError::Io {
            what: "read log segment",
            path: path.clone(),
            source,
        })
    }

    /// The record at `at`, if a whole and good one stands there.
    fn record(&mut self, at: u64, max: u64) -> Result<Option<RecordHead>, OpenError> {
        let Some(head) = record_head(self.get(at, RECORD)?) else { return Ok(None) };
        let room = self.window.size() - at;
        if u64::from(head.len) > max || head.size() > room {
            return Ok(None);
        }
        Ok(head.fits(self.get(at, head.size())?).then_some(head))
    }

    /// Decides about the misfit at `at`, where `expected` should stand: torn is `Ok`, damage an error.
    fn judge(&mut self, at: u64, expected: Position, place: Place) -> Result<(), OpenError> {
        if place == Place::Earlier {
            return Err(self.corrupt(at, "a later log segment was begun after this one was complete".to_owned()));
        }
        let after = self.good_after(at, expected)?;
        if let Some(later) = after.later_sync {
            return Err(self.corrupt(at, format!("record {expected} does not fit, but record {later} after it does")));
        }
        let torn = match after.first {
            Some(end) => self.has_zeros(at, end)?,
            None => self.ends_inside(at)? || self.has_zeros(at, self.window.size())?,
        };
        if torn {
            return Ok(());
        }
        Err(self
            .corrupt(at, format!("record {expected} is not what was written, and nothing shows an interrupted write")))
    }

    /// Looks for good records behind `at`, where `expected` does not fit.
    fn good_after(&mut self, at: u64, expected: Position) -> Result<GoodAfter, OpenError> {
        let size = self.window.size();
        let farthest = expected.0.saturating_add((size - at) / RECORD + 1);
        let mut found = GoodAfter::default();
        for from in at + 1..size.saturating_sub(RECORD - 1) {
            let Some(head) = record_head(self.get(from, RECORD)?) else { break };
            let plausible = (expected.0..=farthest).contains(&head.position.0) && head.size() <= size - from;
            if plausible && head.fits(self.get(from, head.size())?) {
                found.first.get_or_insert(from);
                if head.position.0 - u64::from(head.back) > expected.0 {
                    found.later_sync = Some(head.position);
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Whether the file ends before the record at `at` does (and not only because its length is damaged).
    fn ends_inside(&mut self, at: u64) -> Result<bool, OpenError> {
        let room = self.window.size() - at;
        if at < HEADER {
            return Ok(room < HEADER);
        }
        let Some(head) = record_head(self.get(at, RECORD)?) else { return Ok(true) };
        Ok(head.size() > room && !head.fits_with_other_length(self.get(at, room)?))
    }

    /// Whether a stretch inside one sector, or the end of the file, is all zero.
    fn has_zeros(&mut self, from: u64, end: u64) -> Result<bool, OpenError> {
        let mut at = from;
        while at < end {
            let to = ((at / SECTOR + 1) * SECTOR).min(end);
            if self.get(at, to - at)?.iter().all(|&b| b == 0) {
                return Ok(true);
            }
            at = to;
        }
        Ok(end == self.window.size() && self.get(end - 1, 1)?.first() == Some(&0))
    }

    fn corrupt(&self, offset: u64, reason: String) -> OpenError {
        OpenError::Corrupt { path: self.path.clone(), offset, reason }
    }
}
