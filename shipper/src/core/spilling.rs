//! Spilling: what only an open handle keeps is copied, compressed, into the state folder (see [`crate::spill`]).
//!
//! It is done while the indexer takes nothing, and when this process ends, for removed files that no pin could be
//! made of; never while all goes well. The handle is kept beside the copy, since a stale writer may still write,
//! until the bounds ask for its space. A start goes on from the copy; unless the file had ended before, what may have
//! been written after the last look at it is declared lost.

use super::hold::FOLDER;
use super::{Importance, ShipperCore};
use crate::kept::{Loss, Phase};
use crate::spill::{self, Spill, SpillError};
use crate::stream::{Naming, Stream};
use parsers::Offset;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::StreamId;

const EXTENSION: &str = "spill";
/// Bytes of log copied in one look, all files together, while the indexer is away.
const COPIED_MAX: u64 = 16 << 20;
/// After the state folder could not be written it is left alone for so long.
const RETRY: Duration = Duration::from_secs(60);

/// A copy in the state folder.
#[derive(Debug)]
pub(super) struct Spilled {
    /// Being written; `None` once the stream reads from it.
    writing: Option<Spill>,
    /// The mark from which on a copy that is all there is has everything.
    begins: Offset,
    /// Bytes on disk.
    pub(super) bytes: u64,
    /// When something was last added.
    grew_at: Duration,
}

impl Spilled {
    /// Whether the stream's file is this copy now.
    pub(super) fn is_all_there_is(&self) -> bool {
        self.writing.is_none()
    }
}

fn path_of(state: &Path, id: StreamId) -> PathBuf {
    state.join(FOLDER).join(format!("{id}.{EXTENSION}"))
}

/// Whether a name in the folder is that of a copy.
pub(super) fn is_spill(name: &Path) -> bool {
    name.extension().is_some_and(|extension| extension == EXTENSION)
}

impl ShipperCore {
    /// Takes up what an earlier process copied. Its handles went with it: the copy is the file now, under an identity
    /// of its own, since the inode may be another file's.
    pub(super) fn take_up_spill(&mut self, name: &Path) -> io::Result<()> {
        let path = self.state_folder.join(FOLDER).join(name);
        let spill = match Spill::open(&*self.outside.files, &path) {
            Ok(spill) => spill,
            Err(SpillError::Damaged(_)) => {
                let text = format!("`{}` is damaged; what it held is lost", path.display());
                self.notice(Importance::Error, text);
                return self.outside.files.remove_file(&path);
            }
            Err(SpillError::Io { source, .. }) => return Err(source),
            Err(newer) => return Err(io::Error::other(newer)),
        };
        let id = spill.stream();
        let owed = self.streams.get(&id).is_some_and(|s| s.kept.phase == Phase::Following && s.held.is_none());
        if !owed || path != path_of(&self.state_folder, id) || spill.whole_to() <= self.streams[&id].kept.mark.0 {
            return self.outside.files.remove_file(&path);
        }
        let (begins, bytes) = (spill.begins(), spill.bytes());
        self.holding.spilled.insert(id, Spilled { writing: None, begins, bytes, grew_at: self.now });
        if let Some(stream) = self.streams.get_mut(&id) {
            // What came after the last look at it went with the process that had it open.
            stream.kept.end_unknown = !spill.has_ended();
        }
        self.read_from(id, spill);
        Ok(())
    }

    /// The stream's file is its copy from now on.
    fn read_from(&mut self, id: StreamId, spill: Spill) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if self.by_file.get(&stream.kept.file) == Some(&id) {
            self.by_file.remove(&stream.kept.file);
        }
        if self.by_path.get(&stream.kept.path) == Some(&id) {
            self.by_path.remove(&stream.kept.path);
        }
        stream.go_back_to_mark();
        stream.let_go();
        stream.furthest = None;
        stream.kept.file = spill::identity(id);
        stream.naming = Naming::Nameless;
        stream.size = spill.whole_to();
        stream.target = Some(stream.size);
        stream.held = Some(Box::new(spill));
        self.active.insert(id);
        self.journal_stream(id);
    }

    /// Copies what only handles keep, at most `most` bytes of it.
    pub(super) fn spill_what_is_owed(&mut self, most: u64) {
        let space = self.outside.files.space(&self.state_folder).ok();
        let full = space.is_some_and(|s| s.free < s.total / 100 * self.config.limits.free_percent_min);
        if full || self.now < self.holding.spill_again {
            return;
        }
        let owed = self.active.iter().filter_map(|id| self.streams.get(id));
        let owed: Vec<StreamId> = owed
            .filter(|s| super::hold::is_owed(s) && !self.holding.is_pinned(s.kept.id) && is_removed(s))
            .map(|s| s.kept.id)
            .collect();
        let mut left = most;
        if !self.note_sizes(&owed) {
            return;
        }
        for id in owed {
            match self.copy(id, left) {
                Ok(copied) => left = left.saturating_sub(copied),
                Err(error) => {
                    self.holding.spill_again = self.now + RETRY;
                    let text = format!(
                        "removed files that are not shipped cannot be copied into the state folder ({error}); they last as long as this process"
                    );
                    self.notice(Importance::Warn, text);
                    return;
                }
            }
            if left == 0 {
                return;
            }
        }
    }

    /// How long the files are must be known before a copy can take their place: death in the middle of copying leaves
    /// the rest to nobody, and it is lost. `false` when it could not be written.
    fn note_sizes(&mut self, owed: &[StreamId]) -> bool {
        let mut grown = Vec::new();
        for id in owed {
            let Some(stream) = self.streams.get_mut(id) else { continue };
            let size = stream.held_metadata().and_then(Result::ok).map_or(0, |facts| facts.size);
            if size > stream.kept.size_seen {
                stream.kept.size_seen = size;
                grown.push(*id);
            }
        }
        grown.iter().for_each(|id| self.journal_stream(*id));
        grown.is_empty() || self.sync_state()
    }

    /// While the indexer takes nothing a restart may come before it does.
    pub(super) fn spill_while_away(&mut self) {
        if self.link.failures > 0 {
            self.spill_what_is_owed(COPIED_MAX);
        }
    }

    /// This process ends: what its handles keep goes with them, and what is kept of settled files is of no use.
    pub(super) fn spill_at_exit(&mut self) {
        self.unpin();
        self.remove_spills();
        self.holding.spill_again = Duration::ZERO;
        self.spill_what_is_owed(u64::MAX);
    }

    fn copy(&mut self, id: StreamId, most: u64) -> io::Result<u64> {
        let files = &self.outside.files;
        let Some((stream, log)) = self.streams.get(&id).and_then(|s| Some((s, s.held_file()?))) else { return Ok(0) };
        let path = path_of(&self.state_folder, id);
        let known = self.holding.spilled.get_mut(&id);
        let new = known.is_none();
        // As after any rotation: a file that nobody wrote to for so long has ended (protocol rule 10).
        let quiet =
            known.as_ref().is_some_and(|copy| self.now.saturating_sub(copy.grew_at) >= self.config.timing.close_after);
        let (mut made, writing) = match known {
            Some(Spilled { writing: Some(spill), .. }) => (None, Some(spill)),
            Some(_) => return Ok(0),
            None => {
                files.create_folder_all(&self.state_folder.join(FOLDER))?;
                (Some(Spill::create(&**files, &path, id, log)?), None)
            }
        };
        let Some(spill) = writing.or(made.as_mut()) else { return Ok(0) };
        let copied = spill.take(log, stream.kept.mark, most).and_then(|copied| {
            if copied == 0 && quiet && !spill.has_ended() {
                spill.end_here()?;
                spill.sync()?;
            } else if copied > 0 || new {
                spill.sync()?;
            }
            Ok(copied)
        });
        let bytes = spill.bytes();
        let copied = match (copied, new) {
            (Ok(copied), true) => files.sync_folder(&self.state_folder.join(FOLDER)).map(|()| copied),
            (copied, _) => copied,
        };
        if let (Err(error), true) = (&copied, new) {
            let _gone = files.remove_file(&path);
            return Err(io::Error::new(error.kind(), error.to_string()));
        }
        match made {
            Some(spill) => {
                let begins = spill.begins();
                self.holding.spilled.insert(id, Spilled { writing: Some(spill), begins, bytes, grew_at: self.now });
            }
            None => {
                if let Some(spilled) = self.holding.spilled.get_mut(&id) {
                    if spilled.bytes < bytes && copied.as_ref().is_ok_and(|copied| *copied > 0) {
                        spilled.grew_at = self.now;
                    }
                    spilled.bytes = bytes;
                }
            }
        }
        copied
    }

    /// Whether the copy has all that the handle has.
    fn is_copied(&self, id: StreamId) -> bool {
        let size = self.streams.get(&id).and_then(|s| s.held_metadata()?.ok()).map(|facts| facts.size);
        let copy = self.holding.spilled.get(&id).and_then(|copy| copy.writing.as_ref());
        copy.zip(size).is_some_and(|(spill, size)| spill.end() >= size)
    }

    /// Lets the handle of a removed file go when the copy has all of it, once nobody wrote to it lately. The bytes of
    /// disk that this frees, now or soon; `None` when there is no whole copy.
    pub(super) fn let_handle_go(&mut self, id: StreamId) -> Option<u64> {
        let stream = self.streams.get(&id).filter(|_| self.is_copied(id))?;
        let size = stream.held_metadata()?.ok()?.size;
        let ended = self.holding.spilled.get(&id)?.writing.as_ref()?.has_ended();
        if ended && stream.busy.is_none() {
            let copy = self.holding.spilled.get_mut(&id)?;
            let spill = copy.writing.take()?;
            copy.begins = spill.begins();
            self.read_from(id, spill);
            self.declare_what_the_copy_lacks(id);
        }
        Some(size)
    }

    /// Removes the copy of a stream.
    pub(super) fn drop_spill(&mut self, id: StreamId) {
        if self.holding.spilled.remove(&id).is_some() {
            let _removed = self.outside.files.remove_file(&path_of(&self.state_folder, id));
        }
    }

    /// Copies of what is settled, or given up.
    pub(super) fn remove_spills(&mut self) {
        let spilled = std::mem::take(&mut self.holding.spilled);
        for (id, copy) in spilled {
            let owed = self.streams.get(&id).is_some_and(|s| super::hold::is_owed(s));
            let path = path_of(&self.state_folder, id);
            if owed || self.outside.files.remove_file(&path).is_err_and(|e| e.kind() != io::ErrorKind::NotFound) {
                self.holding.spilled.insert(id, copy);
            }
        }
    }

    /// A store that went back behind what a copy holds does not get what lay between any more; it gets the rest.
    pub(super) fn declare_what_the_copy_lacks(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id).filter(|s| s.kept.file == spill::identity(id)) else { return };
        let Some(begins) = self.holding.spilled.get(&id).map(|copy| copy.begins) else { return };
        let from = stream.kept.mark;
        if stream.kept.phase != Phase::Following || from >= begins {
            return;
        }
        stream.kept.losses.retain(|loss| loss.to != Some(begins));
        let reason = "the store went back behind what the copy of a removed file holds".to_owned();
        self.declare(id, Loss { from, to: Some(begins), reason });
    }

    /// What the file held behind the end of its copy went with the process that had it open.
    pub(super) fn declare_what_was_not_copied(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.kept.file == spill::identity(id) && stream.kept.end_unknown {
            stream.kept.end_unknown = false;
            let from = Offset(stream.size);
            let reason = "the file was removed, and the shipper ended before it was sure to have a copy of all of it";
            self.declare(id, Loss { from, to: None, reason: reason.to_owned() });
        }
    }
}

/// Its bytes have no name any more, and only a handle keeps them.
fn is_removed(stream: &Stream) -> bool {
    let copied = stream.kept.file == spill::identity(stream.kept.id);
    let rewritten = stream.tail.as_ref().is_some_and(|tail| tail.cut_off);
    !copied && !rewritten && stream.held_metadata().is_some_and(|facts| facts.is_ok_and(|facts| facts.links == 0))
}
