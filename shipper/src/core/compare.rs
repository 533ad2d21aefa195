//! Files that have no stream yet, and what their content says of them (protocol rule 7).
//!
//! A file seen first may be one that is known: moved to another inode, copied before its truncation, or
//! compressed. It is compared with the streams of the same folder and name before it gets a stream of its own:
//! - a stream that lost its file goes on in it, if the file begins alike and holds the same bytes before the mark;
//! - one that is shorter, and ends at an anchor of such a stream, is a copy that was made before the last bytes came: the
//!   stream can be read again from it, up to there;
//! - a stream that still has its file makes it a copy in the making: it waits until it is clear which of both
//!   stays (a compressed one for as long as it takes, another until it is unchanged for `close_after`);
//! - a file that begins alike but ends otherwise is a new generation, from the last place that still fits
//!   (rule 8);
//! - a file too short to be told apart waits until it is longer, or unchanged for `close_after`.
//!
//! Left out: files of other folders and names. Two products' equal files are never taken for one.

mod content;

use self::content::{Likeness, Placing, likeness};
use super::ShipperCore;
use super::admit::After;
use super::claims::{Asking, Claiming};
use super::scan::group;
use crate::identity::{name_of, read_first};
use crate::kept::{Head, Kept, Packed};
use crate::packed::{Survey, Surveyed, is_damage, is_packed, open_log};
use outside::{FileId, Metadata, OpenMode};
use parsers::Offset;
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::Factors;

/// A file that is known by fewer first bytes than these is not recognised by them.
const EVIDENCE_BYTES: u32 = 32;
/// Bytes unpacked in one step.
const SURVEY_STEP_BYTES: usize = 2 << 20;
/// A file that grows is compared for so many times `close_after` at most.
const WAIT_MAX: u32 = 4;
/// A waiting file is looked at again this often.
const AGAIN: Duration = Duration::from_millis(500);

/// A file that waits for its stream.
#[derive(Debug)]
pub(super) struct Unplaced {
    pub(super) path: PathBuf,
    pub(super) facts: Metadata,
    noted_at: Duration,
    /// When size or time of it was last seen to change.
    changed_at: Duration,
    /// When it is looked at next.
    pub(super) next: Duration,
    pub(super) backfill: bool,
    /// Too old to begin a stream; it may only be one that is known.
    only_known: bool,
    /// Whether the indexer is asked for it, and what it said.
    pub(super) asking: Asking,
    pub(super) factors: Option<Box<Factors>>,
    survey: Option<Box<Survey>>,
    surveyed: Option<Surveyed>,
    /// It cannot be unpacked, and nobody writes to it.
    is_damaged: bool,
    /// It repeats a stream that still has its own file: nothing of it is missing.
    pub(super) is_twin: bool,
    /// Why it waits, for people.
    pub(super) why: Cow<'static, str>,
}

impl Unplaced {
    /// It is unpacked again, for anchors not looked for before.
    pub(super) fn unsurvey(&mut self) {
        self.survey = None;
        self.surveyed = None;
    }

    fn offers(&self) -> &[Kept] {
        match &self.asking {
            Asking::Answered(offers) => offers,
            _ => &[],
        }
    }
}

impl ShipperCore {
    /// Takes a file without a stream in, or notes what became of it.
    pub(super) fn note_unplaced(&mut self, path: &Path, facts: &Metadata, backfill: bool) {
        let now = self.now;
        // A file with several names keeps the one it has.
        let known = self.unplaced.get(&facts.id).filter(|f| f.path != path).map(|f| f.path.clone());
        let keeps = known.is_some_and(|p| self.outside.files.metadata(&p).is_ok_and(|f| f.id == facts.id));
        // Its number was given to another file meanwhile, or it was truncated: what was known of it does not hold.
        let other = |f: &Unplaced| f.facts.born_ns != facts.born_ns || f.facts.size > facts.size;
        if self.unplaced.get(&facts.id).is_some_and(other) {
            self.unplaced.remove(&facts.id);
        }
        let why = match self.claiming {
            Claiming::No => "is compared, by content, with the files known here",
            Claiming::Unsure | Claiming::Yes => "waits until the indexer has said whether it knows the file",
        };
        if !keeps {
            self.unplaced.rename(facts.id, path);
        }
        let file = self.unplaced.or_insert(facts.id, || Unplaced {
            path: path.to_owned(),
            facts: *facts,
            noted_at: now,
            changed_at: now,
            next: now,
            backfill,
            only_known: false,
            asking: Asking::No,
            factors: None,
            survey: None,
            surveyed: None,
            is_damaged: false,
            is_twin: false,
            why: why.into(),
        });
        if (file.facts.size, file.facts.modified_ns) != (facts.size, facts.modified_ns) {
            file.changed_at = now;
            file.next = now;
            file.survey = None;
            file.surveyed = None;
            file.is_damaged = false;
        }
        file.facts = *facts;
    }

    /// The file begins no stream.
    pub(super) fn only_if_known(&mut self, id: FileId) {
        if let Some(file) = self.unplaced.get_mut(&id) {
            file.only_known = true;
        }
    }

    /// Files of a folder that the listing did not show wait no longer.
    pub(super) fn keep_unplaced(&mut self, folder: &Path, still_there: impl Fn(FileId) -> bool) {
        self.unplaced.retain(|id, file| file.path.parent() != Some(folder) || still_there(id));
    }

    /// Whether a file that may be a generation of this name is being compared.
    pub(super) fn is_compared(&self, path: &Path) -> bool {
        let own = group(path);
        self.unplaced.of_group(path).any(|(_, file)| !file.is_damaged && group(&file.path) == own)
    }

    /// Whether a file that may be a generation of this name could not be read: what it holds is not gone (protocol rule 9). One that is
    /// damaged tells nothing any more.
    pub(super) fn is_unread(&self, path: &Path) -> bool {
        let own = group(path);
        let damaged = |name: &Path| self.unplaced.of_group(name).any(|(_, file)| file.is_damaged && file.path == name);
        let folder = path.parent().and_then(|folder| self.folders.get(folder));
        let refused = folder.into_iter().flat_map(|f| &f.waiting).filter(|(_, why)| why.is_some());
        refused.into_iter().any(|(name, _)| group(name) == own && !damaged(name))
    }

    /// Looks at the files whose time has come, within the budget of one step.
    pub(super) fn place_due(&mut self) {
        let due: Vec<FileId> = self.unplaced.iter().filter(|(_, f)| f.next <= self.now).map(|(id, _)| *id).collect();
        let mut surveyed = false;
        for id in due {
            let Some(file) = self.unplaced.get(&id) else { continue };
            let path = file.path.clone();
            match self.outside.files.metadata(&path) {
                Ok(facts) if facts.id == id => self.note_unplaced(&path, &facts, false),
                _ => {
                    self.unplaced.remove(&id);
                    self.scans.want(path.parent().unwrap_or(Path::new(".")));
                    continue;
                }
            }
            if is_packed(&name_of(&path)) && self.unplaced.get(&id).is_some_and(|f| f.surveyed.is_none()) {
                if surveyed {
                    self.more_to_read = true;
                    continue;
                }
                surveyed = true;
                if !self.survey(id) {
                    continue;
                }
            }
            self.place(id);
        }
        self.claims_done();
        if std::mem::take(&mut self.scans.to_name) {
            self.name_generations();
        }
    }

    /// Unpacks a compressed file on; `true` when all of it was.
    fn survey(&mut self, id: FileId) -> bool {
        let Some(file) = self.unplaced.get_mut(&id) else { return false };
        let path = file.path.clone();
        let result = match file.survey.take() {
            Some(survey) => Ok(survey),
            None => self.begin_survey(id, &path).map(Box::new),
        };
        let result = result.and_then(|mut survey| Ok((survey.advance(SURVEY_STEP_BYTES)?, survey)));
        let (now, close_after) = (self.now, self.config.timing.close_after);
        let Some(file) = self.unplaced.get_mut(&id) else { return false };
        match result {
            Ok((Some(surveyed), _)) => {
                file.surveyed = Some(surveyed);
                true
            }
            Ok((None, survey)) => {
                file.survey = Some(survey);
                self.more_to_read = true;
                false
            }
            Err(error) if is_damage(&error) => {
                // Half written, most likely: whole when the one that writes it is done.
                file.next = now + AGAIN;
                file.why = format!("is not whole: {error}").into();
                if now >= file.changed_at + close_after {
                    file.is_damaged = true;
                    file.next = now + self.config.timing.scan_interval;
                    self.unreadable(&path, &error);
                }
                false
            }
            Err(error) => {
                file.next = now + AGAIN;
                self.unreadable(&path, &error);
                false
            }
        }
    }

    fn begin_survey(&self, id: FileId, path: &Path) -> io::Result<Survey> {
        let mut survey = Survey::begin(self.outside.files.open(path, OpenMode::Read)?)?;
        let offers = self.unplaced.get(&id).map(Unplaced::offers).unwrap_or_default();
        let known = self.candidates(path).into_iter().filter_map(|id| self.streams.get(&id)).map(|s| &s.kept);
        let alike = known.chain(offers).filter(|kept| likeness(kept, survey.first()) != Likeness::Differs);
        let wanted: Vec<Offset> = alike.flat_map(|kept| kept.anchors.list()).map(|a| a.at).collect();
        survey.want(wanted);
        Ok(survey)
    }

    /// Gives a file its stream, if content says which.
    pub(super) fn place(&mut self, id: FileId) {
        let Some(file) = self.unplaced.get(&id) else { return };
        let path = file.path.clone();
        let packed = match &file.surveyed {
            Some(surveyed) => Some(Packed { file_bytes: file.facts.size, bytes: surveyed.bytes }),
            None if is_packed(&name_of(&path)) => return,
            None => None,
        };
        let opened = open_log(&*self.outside.files, &path, packed).and_then(|log| {
            let facts = log.metadata()?;
            let first = match &file.surveyed {
                Some(surveyed) => surveyed.first.clone(),
                None => read_first(&*log, Head::BYTES_MAX)?,
            };
            Ok((log, facts, first))
        });
        let mut closer = Vec::new();
        let judged = opened.and_then(|(log, facts, first)| {
            let placing = if facts.id == id {
                self.judge(id, &facts, &*log, &first, &mut closer)?
            } else {
                Placing::Wait { is_twin: false }
            };
            Ok((placing, facts, first))
        });
        closer.into_iter().for_each(|stream| self.look_closer(stream));
        if judged.as_ref().is_ok_and(|(_, _, first)| first.is_empty()) {
            // Truncated since it was listed: nothing to tell it by. What it held may stand in a copy by now.
            self.unplaced.remove(&id);
            self.scans.want(path.parent().unwrap_or(Path::new(".")));
            return;
        }
        match judged {
            Ok((placing, facts, first)) => self.placed(id, placing, &facts, &first, packed),
            Err(error) => {
                self.unplaced.remove(&id);
                self.unreadable(&path, &error);
            }
        }
    }

    fn placed(&mut self, id: FileId, placing: Placing, facts: &Metadata, first: &[u8], packed: Option<Packed>) {
        let now = self.now;
        let Some(file) = self.unplaced.get_mut(&id) else { return };
        match placing {
            Placing::Wait { is_twin } => {
                file.next = now + AGAIN;
                file.is_twin = is_twin;
            }
            Placing::Survey(wanted) => {
                file.unsurvey();
                file.next = now;
                tracing::debug!("{} more anchors are looked for in `{}`", wanted.len(), file.path.display());
                self.more_to_read = true;
            }
            Placing::Is(stream) => {
                let Some(file) = self.unplaced.remove(&id) else { return };
                self.adopt(stream, &file.path, facts, first, packed, None);
            }
            Placing::CopyOf(stream) => {
                let Some(file) = self.unplaced.remove(&id) else { return };
                self.adopt(stream, &file.path, facts, first, packed, Some(facts.size));
            }
            Placing::Claims(kept) => {
                let Some(file) = self.unplaced.remove(&id) else { return };
                self.claim(*kept, &file.path, facts, first, packed);
            }
            Placing::New(_) | Placing::Repeats(_) if self.must_ask(id, first, facts) => {
                if let Some(file) = self.unplaced.get_mut(&id) {
                    file.next = file.next.max(now + AGAIN);
                    file.is_twin = false;
                }
            }
            Placing::New(_) | Placing::Repeats(_) => {
                let after = match placing {
                    Placing::New(Some((stream, anchor))) => After::Anchor(stream, anchor),
                    Placing::Repeats(mark) => After::Perhaps(mark),
                    _ => After::Nothing,
                };
                let Some(file) = self.unplaced.remove(&id) else { return };
                if file.only_known {
                    self.scans.left_out.insert(file.path);
                    return;
                }
                self.begin_placed(&file.path, facts, first, packed, after, file.backfill);
            }
        }
    }
}
