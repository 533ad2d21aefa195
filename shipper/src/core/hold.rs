//! Keeping bytes that are not shipped yet while their files are rotated away and removed, and how much of it.
//!
//! The file is the buffer. A file with bytes that are not settled is kept open, so that removing it does not take them;
//! a rotated one is also pinned by a hard link in the state folder, where that is on the same file system, so that even
//! a restart finds it. Where no link can be made, what was removed is copied when it matters ([`super::spilling`]). All keep disk space from the host's own service. All that only this shipper keeps is bounded, by
//! a number of bytes and by a part of the file system, and given up, oldest first, when little is free. What is given up
//! is journaled as lost, with its range, before it is let go (protocol rule 30).

use super::spilling::{Spilled, is_spill};
use super::{Importance, ShipperCore};
use crate::identity::read_first;
use crate::kept::{Kept, Loss, Packed, Phase};
use crate::packed::open_log;
use crate::stream::{Naming, Stream};
use outside::{File, Metadata, Safeguard, Space};
use parsers::Offset;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use wire::StreamId;

/// Folder of the pins and copies inside the state folder.
pub(super) const FOLDER: &str = "spool";
/// Handles kept for files that are not being read.
const HANDLES_MAX: usize = 512;

/// What is kept, and when it is looked at next.
#[derive(Debug, Default)]
pub(super) struct Holding {
    next: Duration,
    pinned: BTreeSet<StreamId>,
    /// Copies of removed files.
    pub(super) spilled: BTreeMap<StreamId, Spilled>,
    /// No copies are made before.
    pub(super) spill_again: Duration,
    /// Log folders from which no link can be made into the state folder.
    unlinkable: BTreeSet<PathBuf>,
    /// Bytes that only this shipper keeps on disk.
    pub(super) bytes: u64,
    /// The streams of which there are some.
    holders: BTreeSet<StreamId>,
}

impl Holding {
    /// Whether a second name keeps the stream's file.
    pub(super) fn is_pinned(&self, id: StreamId) -> bool {
        self.pinned.contains(&id)
    }
}

fn pin_of(state: &Path, id: StreamId) -> PathBuf {
    state.join(FOLDER).join(format!("{id}"))
}

/// Nothing of it may be lost yet.
pub(super) fn is_owed(stream: &Stream) -> bool {
    let end = Offset(stream.size);
    let lost = stream.kept.losses.iter().any(|loss| loss.to.is_none_or(|to| to >= end));
    stream.kept.phase == Phase::Following && stream.behind() > 0 && !lost
}

/// Whether an open file is the stream's. Its inode alone does not say so: it is given away again as soon as its file is
/// removed.
pub(super) fn is_file_of(file: &dyn File, kept: &Kept) -> bool {
    let Ok(facts) = file.metadata() else { return false };
    let born_differs = matches!((kept.born_ns, facts.born_ns), (Some(a), Some(b)) if a != b);
    let first = || read_first(file, kept.head.len as usize);
    facts.id == kept.file && !born_differs && first().is_ok_and(|first| kept.head.fits(&first))
}

/// No name but its pins is left of a file that is held, and its generation has not ended.
fn is_nameless(stream: &Stream, pins: u64) -> bool {
    let facts = stream.held_metadata().and_then(Result::ok);
    stream.kept.phase == Phase::Following && facts.is_some_and(|facts| facts.links <= pins)
}

impl ShipperCore {
    /// Takes up what a start finds pinned, or copied.
    pub(super) fn take_up_pins(&mut self) -> io::Result<()> {
        let folder = self.state_folder.join(FOLDER);
        let names = match self.outside.files.list(&folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        // A pin is better than a copy.
        let (copies, pins): (Vec<PathBuf>, Vec<PathBuf>) = names.into_iter().partition(|name| is_spill(name));
        for name in pins {
            let id = u64::from_str_radix(&name.to_string_lossy(), 16).ok().map(StreamId);
            let stream = id.and_then(|id| self.streams.get_mut(&id)).filter(|s| s.kept.phase == Phase::Following);
            let path = folder.join(&name);
            let packed = stream.as_ref().map(|s| s.kept.packed);
            let file = packed.map(|packed| open_log(&*self.outside.files, &path, packed)).transpose()?;
            match (stream, file) {
                (Some(stream), Some(file)) if file.metadata().is_ok_and(|facts| facts.id == stream.kept.file) => {
                    stream.held = Some(file);
                    self.holding.pinned.insert(stream.kept.id);
                    self.active.insert(stream.kept.id);
                }
                _ => self.outside.files.remove_file(&path)?,
            }
        }
        copies.iter().try_for_each(|name| self.take_up_spill(name))
    }

    /// Opens, pins and lets go what is due, and keeps all of it within its bounds.
    pub(super) fn hold_due(&mut self) {
        if self.now < self.holding.next {
            return;
        }
        self.holding.next = self.now + self.config.timing.hold_interval;
        self.open_what_is_owed();
        self.pin_what_is_owed();
        self.spill_while_away();
        self.unpin();
        self.remove_spills();
        self.measure();
        self.keep_within_bounds();
    }

    /// A file came, or lost its name to another: what is owed of it is held before its next name goes too.
    pub(super) fn hold_soon(&mut self) {
        self.holding.next = self.now;
    }

    /// When holding needs a step: never while nothing is owed.
    pub(super) fn wake_of_holding(&self) -> Duration {
        let owed = self.holding.bytes > 0
            || !self.holding.pinned.is_empty()
            || !self.holding.spilled.is_empty()
            || self.active.iter().filter_map(|id| self.streams.get(id)).any(|s| is_owed(s) && !s.is_held_open());
        if owed { self.holding.next } else { Duration::MAX }
    }

    fn open_what_is_owed(&mut self) {
        let owed = self.active.iter().filter_map(|id| self.streams.get(id));
        let owed: Vec<(StreamId, Arc<Path>, Option<Packed>)> = owed
            .filter(|s| is_owed(s) && !s.is_held_open() && s.naming != Naming::Nameless)
            .map(|s| (s.kept.id, s.kept.path.clone(), s.kept.packed))
            .collect();
        if owed.is_empty() {
            return;
        }
        let open = self.streams.values().filter(|s| s.is_held_open()).count();
        let most = HANDLES_MAX.min(self.config.limits.files_open_max).saturating_sub(open);
        for (id, path, packed) in owed.into_iter().take(most) {
            // What cannot be opened now is told when it is read.
            let Ok(file) = open_log(&*self.outside.files, &path, packed) else { continue };
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            if is_file_of(&*file, &stream.kept) {
                stream.held = Some(file);
            }
        }
    }

    fn pin_what_is_owed(&mut self) {
        let owed = self.active.iter().filter_map(|id| self.streams.get(id));
        let owed: Vec<(StreamId, Arc<Path>)> = owed
            .filter(|s| is_owed(s) && s.naming == Naming::Rotated && !self.holding.pinned.contains(&s.kept.id))
            .filter(|s| s.kept.path.parent().is_some_and(|folder| !self.holding.unlinkable.contains(folder)))
            .map(|s| (s.kept.id, s.kept.path.clone()))
            .collect();
        if owed.is_empty() {
            return;
        }
        for (id, path) in &owed {
            if let Err(error) = self.pin(*id, path) {
                let folder = path.parent().map(Path::to_owned).unwrap_or_default();
                if error.kind() == io::ErrorKind::NotFound {
                    continue; // rotated on: the next look knows its name
                }
                // Another file system, or files of another user: open handles have to do.
                self.holding.unlinkable.insert(folder);
            }
        }
        // After a power cut a pin may be missing; then it is as without one.
        let _synced = self.outside.files.sync_folder(&self.state_folder.join(FOLDER));
    }

    fn pin(&mut self, id: StreamId, path: &Path) -> io::Result<()> {
        let files = &self.outside.files;
        let pin = pin_of(&self.state_folder, id);
        files.create_folder_all(&self.state_folder.join(FOLDER))?;
        files.hard_link(path, &pin)?;
        let file = self.streams.get(&id).map(|s| s.kept.file);
        if files.metadata(&pin).map(|facts| facts.id).ok() != file {
            // The name stands for another file by now.
            return files.remove_file(&pin);
        }
        self.holding.pinned.insert(id);
        Ok(())
    }

    /// The stream goes on in another file: what was pinned or copied is not needed any more.
    pub(super) fn drop_pin(&mut self, id: StreamId) {
        self.drop_spill(id);
        if self.holding.pinned.remove(&id) {
            // One that stays behind is found, and removed, at the next start.
            let _removed = self.outside.files.remove_file(&pin_of(&self.state_folder, id));
        }
    }

    /// Pins of streams that owe nothing any more.
    pub(super) fn unpin(&mut self) {
        let pinned = std::mem::take(&mut self.holding.pinned);
        for id in pinned {
            let owed = self.streams.get(&id).is_some_and(|s| is_owed(s));
            let pin = pin_of(&self.state_folder, id);
            if owed || self.outside.files.remove_file(&pin).is_err_and(|e| e.kind() != io::ErrorKind::NotFound) {
                self.holding.pinned.insert(id);
            }
        }
    }

    /// Files without a name of which everything is settled have ended when this process does: nobody finds them again.
    pub(super) fn end_nameless_at_exit(&mut self) {
        let settled = |s: &Stream| {
            let size = s.held_metadata().and_then(Result::ok).map_or(u64::MAX, |facts| facts.size);
            s.kept.losses.is_empty() && s.kept.mark.0 >= size
        };
        let pins = |id: StreamId| u64::from(self.holding.pinned.contains(&id));
        let all = self.streams.values().filter(|s| is_nameless(s, pins(s.kept.id)) && settled(s));
        let ended: Vec<StreamId> = all.map(|s| s.kept.id).collect();
        for id in &ended {
            let Some(stream) = self.streams.get_mut(id) else { continue };
            stream.kept.phase = Phase::Detached;
            stream.naming = Naming::Nameless;
            stream.let_go();
            if self.by_file.get(&stream.kept.file) == Some(id) {
                self.by_file.remove(&stream.kept.file);
            }
            self.journal_stream(*id);
        }
        if !ended.is_empty() {
            // Before their pins go.
            self.sync_state();
        }
    }

    /// What stands on disk for this shipper alone. Streams at rest hold nothing: whose file loses its name is active.
    fn measure(&mut self) {
        let mut holders = std::mem::take(&mut self.holding.holders);
        holders.extend(self.active.iter().chain(&self.holding.pinned).chain(self.holding.spilled.keys()));
        self.holding.bytes = 0;
        for id in holders {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let pins = u64::from(self.holding.pinned.contains(&stream.kept.id));
            let facts = stream.held_metadata().and_then(Result::ok);
            let size = |facts: Metadata| stream.kept.packed.map_or(facts.size, |packed| packed.file_bytes);
            let own = facts.filter(|facts| facts.links <= pins).map_or(0, size);
            stream.held_bytes = match self.holding.spilled.get(&stream.kept.id) {
                Some(copy) if copy.is_all_there_is() => copy.bytes,
                Some(copy) => own + copy.bytes,
                None => own,
            };
            self.holding.bytes += stream.held_bytes;
            if stream.held_bytes > 0 {
                self.holding.holders.insert(id);
            }
        }
    }

    fn keep_within_bounds(&mut self) {
        if self.holding.bytes == 0 || !self.scans.done_once {
            return;
        }
        let limits = self.config.limits;
        let space = |s: &Stream| self.outside.files.space(s.kept.path.parent().unwrap_or(Path::new("/"))).ok();
        let mut held: Vec<(i64, StreamId, u64, Option<Space>)> = self
            .holding
            .holders
            .iter()
            .filter_map(|id| self.streams.get(id))
            .map(|s| (s.modified_ns, s.kept.id, s.held_bytes, space(s)))
            .collect();
        held.sort_by_key(|(modified, id, ..)| (*modified, *id));
        let (mut bytes, mut freed) = (self.holding.bytes, 0);
        for (_, id, size, space) in held {
            let part = space.map_or(u64::MAX, |s| s.total / 100 * limits.held_percent_max);
            let least = space.map_or(0, |s| s.total / 100 * limits.free_percent_min);
            let free = space.map_or(u64::MAX, |s| s.free).saturating_add(freed);
            let (reason, waits) = if free < least {
                ("given up: the disk is almost full", false)
            } else if bytes > limits.held_bytes_max.min(part) {
                ("given up: removed files that are not shipped may keep no more disk space than this", true)
            } else {
                return;
            };
            if waits && self.streams.get(&id).is_some_and(|s| self.is_compared(&s.kept.path)) {
                continue; // a file that holds the same may be there
            }
            // A handle beside a whole copy costs nothing.
            if let Some(handle) = self.let_handle_go(id) {
                bytes = bytes.saturating_sub(handle);
                freed += handle;
            } else if self.give_up(id, reason) {
                bytes = bytes.saturating_sub(size);
                freed += size;
            }
        }
    }

    /// Declares the rest of a removed file lost and lets it go; `false` while that must wait.
    fn give_up(&mut self, id: StreamId, reason: &str) -> bool {
        let Some(stream) = self.streams.get(&id).filter(|s| s.busy.is_none() && s.kept.phase == Phase::Following)
        else {
            return false;
        };
        // After a restart nobody has looked at it yet, and no listing shows it: the open file knows how long it is.
        let size = stream.held_metadata().and_then(Result::ok).map_or(0, |facts| facts.size);
        let (from, to) = (stream.kept.mark, Offset(size.max(stream.size).max(stream.read_to().0)));
        let is_declared = stream.kept.losses.iter().any(|loss| loss.to.is_none_or(|end| end >= to));
        // A copy that was not finished ends before its file did.
        let (unknown, known) = (stream.kept.end_unknown, from < to);
        if Safeguard::LossJournaled.holds() {
            if !is_declared && (known || unknown) {
                self.declare(id, Loss { from, to: (!unknown).then_some(to), reason: reason.to_owned() });
            }
            if !self.sync_state() {
                return false;
            }
        }
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        stream.go_back_to_mark();
        stream.let_go();
        stream.kept.phase = Phase::Detached;
        stream.naming = Naming::Nameless;
        stream.held_bytes = 0;
        if self.by_file.get(&stream.kept.file) == Some(&id) {
            self.by_file.remove(&stream.kept.file);
        }
        self.active.insert(id);
        self.journal_stream(id);
        self.unpin();
        self.remove_spills();
        self.notice(Importance::Error, format!("{reason}; a shorter outage, or more disk, would have kept it"));
        true
    }
}
