//! Finding files: listing of folders, and what became of the names that streams had.

use super::{Importance, ShipperCore, ShipperOutput};
use crate::identity::{fits_any, is_archive, is_followed, name_of};
use crate::kept::{Kept, Loss, Phase};
use crate::packed::is_packed;
use crate::records::Entry;
use crate::stream::{Lost, Naming, Stream};
use outside::{FileId, Kind, Metadata};
use parsers::{Zone, plain_name};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use wire::StreamId;

/// So many files are listed in one scan interval.
const FILES_A_SCAN: u32 = 4000;

/// One followed folder.
#[derive(Debug, Default)]
pub(super) struct Folder {
    pub(super) depth: usize,
    /// Only this file of it is followed.
    pub(super) only: Option<BTreeSet<PathBuf>>,
    /// Zone learnt from a banner or access line in it.
    pub(super) zone: Option<Zone>,
    pub(super) looked_back: bool,
    /// Layouts of the product that writes into it.
    pub(super) layouts: super::formats::Layouts,
    /// Files without a byte, and files that could not be read, with the reason.
    pub(super) waiting: BTreeMap<PathBuf, Option<String>>,
    pub(super) error: Option<String>,
}

/// What is to be listed, and when.
#[derive(Debug)]
pub(super) struct Scans {
    pub(super) next: Duration,
    wanted: BTreeSet<PathBuf>,
    all: bool,
    /// How often all folders were listed.
    pub(super) listings: u64,
    /// All folders were listed at least once.
    pub(super) done_once: bool,
    /// Nothing was known when the state folder was opened.
    pub(super) first_start: bool,
    /// Streams came since names were looked at.
    pub(super) to_name: bool,
    /// Wall clock when state was last written before this start.
    pub(super) seen_ns: i64,
    pub(super) left_out: BTreeSet<PathBuf>,
}

impl Scans {
    pub(super) fn new(now: Duration) -> Scans {
        Scans {
            next: now,
            wanted: BTreeSet::new(),
            all: true,
            listings: 0,
            done_once: false,
            first_start: false,
            seen_ns: 0,
            left_out: BTreeSet::new(),
            to_name: false,
        }
    }

    pub(super) fn want_all(&mut self) {
        self.all = true;
    }

    /// Nothing is to be listed right now.
    pub(super) fn is_idle(&self) -> bool {
        !self.all && self.wanted.is_empty()
    }

    pub(super) fn want(&mut self, folder: &Path) {
        self.wanted.insert(folder.to_owned());
    }
}

/// A file as a listing found it.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) facts: Metadata,
}

/// Names and facts of one folder.
#[derive(Default)]
struct Listing {
    found: Vec<Found>,
    /// Names that are not followed; looked at only when a stream's file is missing.
    others: Vec<PathBuf>,
    /// Names whose facts could not be had: what they stand for is not missing.
    unreadable: BTreeSet<PathBuf>,
}

impl ShipperCore {
    /// Something happened to this name.
    pub(super) fn changed(&mut self, path: PathBuf) {
        if self.folders.contains_key(&path) {
            self.scans.want(&path);
            return;
        }
        let Some(folder) = path.parent().filter(|f| self.folders.contains_key(*f)).map(Path::to_owned) else { return };
        let known = self.by_path.get(&*path).and_then(|id| self.streams.get(id));
        match known.map(|s| (s.kept.id, s.kept.file)) {
            Some((id, file)) => match self.outside.files.metadata(&path) {
                Ok(facts) if facts.id == file && !self.is_other_file(id, &path, &facts) => self.seen(&path, facts),
                _ => self.scans.want(&folder),
            },
            None => {
                // A name without a dot may be a new sub-folder.
                let name = name_of(&path);
                let unreadable =
                    self.folders.get(&folder).and_then(|f| f.waiting.get(&path)).is_some_and(Option::is_some);
                if unreadable {
                    return; // the next scan tries it again
                }
                if !name.contains('.') || is_followed(&name, &self.config.include, &self.config.exclude) {
                    self.scans.want(&folder);
                }
            }
        }
    }

    /// Lists what is due.
    pub(super) fn scan_due(&mut self) {
        if self.now >= self.scans.next {
            self.scans.all = true;
        }
        if !self.scans.all && self.scans.wanted.is_empty() {
            return;
        }
        self.report.files_moved = true;
        let all = std::mem::take(&mut self.scans.all);
        if all {
            self.scans.next = self.now + self.scan_interval();
            self.add_roots();
        }
        let mut wanted = std::mem::take(&mut self.scans.wanted);
        if all {
            wanted.extend(self.folders.keys().cloned());
        }
        let mut new = Vec::new();
        let known = self.streams_in(&wanted);
        while let Some(folder) = wanted.pop_first() {
            // A sub-folder found on the way is listed in the same pass.
            let below = self.list(&folder, known.get(&folder).map_or(&[], Vec::as_slice), &mut new);
            wanted.extend(below);
        }
        if all {
            self.look_at_all_layouts();
        }
        self.admit(new);
        self.name_generations();
        self.close_idle_files();
        if all {
            self.forget_old();
        }
        self.scans.listings += u64::from(all);
        if all && !self.scans.done_once {
            self.scans.done_once = true;
            self.first_listing_done();
        }
    }

    /// Listing costs by the number of files, and watches tell sooner: with many files it is done less often.
    fn scan_interval(&self) -> Duration {
        self.config.timing.scan_interval * (1 + u32::try_from(self.streams.len()).unwrap_or(u32::MAX) / FILES_A_SCAN)
    }

    /// The streams last seen in these folders.
    fn streams_in(&self, folders: &BTreeSet<PathBuf>) -> HashMap<PathBuf, Vec<StreamId>> {
        let mut streams: HashMap<PathBuf, Vec<StreamId>> = HashMap::new();
        for stream in self.streams.values().filter(|s| s.has_file()) {
            if let Some(folder) = stream.kept.path.parent().filter(|folder| folders.contains(*folder)) {
                match streams.get_mut(folder) {
                    Some(ids) => ids.push(stream.kept.id),
                    None => drop(streams.insert(folder.to_owned(), vec![stream.kept.id])),
                }
            }
        }
        streams
    }

    fn add_roots(&mut self) {
        for root in self.config.folders.clone() {
            if self.folders.contains_key(&root) {
                continue;
            }
            match self.outside.files.metadata(&root) {
                Ok(facts) if facts.kind == Kind::Folder => self.add_folder(root, 0, None),
                Ok(_) => {
                    let folder = root.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
                    self.add_folder(folder, usize::MAX, Some(root));
                }
                Err(error) => {
                    let text = format!("failed to look at `{}`: {error}", root.display());
                    self.notice(Importance::Warn, text);
                }
            }
        }
    }

    fn add_folder(&mut self, path: PathBuf, depth: usize, only: Option<PathBuf>) {
        let new = !self.folders.contains_key(&path);
        let folder = self.folders.entry(path.clone()).or_insert_with(|| Folder {
            depth,
            only: only.as_ref().map(|_| BTreeSet::new()),
            ..Folder::default()
        });
        match (&mut folder.only, only) {
            (Some(files), Some(file)) => {
                files.insert(file);
            }
            (all, None) => *all = None,
            (None, Some(_)) => {}
        }
        if new {
            self.out.push(ShipperOutput::Watch(path));
        }
    }

    /// Lists one folder; new files go to `new`. Gives the sub-folders not known before.
    /// `known` are the streams last seen in it.
    fn list(&mut self, folder: &Path, known: &[StreamId], new: &mut Vec<Found>) -> Vec<PathBuf> {
        let names = match self.outside.files.list(folder) {
            Ok(names) => names,
            Err(error) => {
                self.folder_failed(folder, &error);
                return Vec::new();
            }
        };
        if let Some(state) = self.folders.get_mut(folder) {
            state.error = None;
            state.waiting.clear();
        }
        let mut below = Vec::new();
        let listing = self.look_at(folder, names, &mut below);
        let mut seen: BTreeSet<StreamId> = BTreeSet::new();
        for Found { path, facts } in one_name_each(&listing.found, |file| {
            self.by_file.get(&file).and_then(|id| self.streams.get(id)).map(|s| Arc::clone(&s.kept.path))
        }) {
            match self.by_file.get(&facts.id).copied() {
                Some(id) if !self.is_other_file(id, path, facts) => {
                    seen.insert(id);
                    self.seen(path, *facts);
                }
                Some(id) => {
                    self.orphaned(id, Lost::Vanished);
                    new.push(Found { path: path.clone(), facts: *facts });
                }
                None => new.push(Found { path: path.clone(), facts: *facts }),
            }
        }
        self.keep_unplaced(folder, |id| listing.found.iter().any(|f| f.facts.id == id));
        self.look_for_missing(folder, known, &seen, &listing);
        below
    }

    fn folder_failed(&mut self, folder: &Path, error: &io::Error) {
        let text = format!(
            "failed to list `{}`: {error}; its files are taken for present until it can be listed",
            folder.display()
        );
        let Some(known) = self.folders.get_mut(folder) else { return };
        if known.error.as_ref() != Some(&text) {
            known.error = Some(text.clone());
            self.notice(Importance::Warn, text);
        }
    }

    fn look_at(&mut self, folder: &Path, names: Vec<PathBuf>, below: &mut Vec<PathBuf>) -> Listing {
        let (depth, only) = self.folders.get(folder).map_or((0, None), |f| (f.depth, f.only.clone()));
        let mut listing = Listing::default();
        let holds_state = self.state_folder.parent() == Some(folder);
        for name in names {
            if holds_state && self.state_folder.file_name() == Some(name.as_os_str()) {
                continue;
            }
            let path = folder.join(&name);
            let followed = match &only {
                Some(files) => files.contains(&path),
                None => is_followed(&name.to_string_lossy(), &self.config.include, &self.config.exclude),
            };
            // A product's folder has dots in its name too (`wso2am-4.5.0`): only looking tells it from a file.
            let no_folder =
                depth >= self.config.limits.folder_depth_max || fits_any(&name.to_string_lossy(), &self.config.exclude);
            if !followed && no_folder {
                listing.others.push(path);
                continue;
            }
            match self.outside.files.metadata(&path) {
                Ok(facts) if facts.kind == Kind::Folder => {
                    if depth < self.config.limits.folder_depth_max && !self.folders.contains_key(&path) {
                        self.add_folder(path.clone(), depth + 1, None);
                        below.push(path);
                    }
                }
                Ok(facts) if facts.kind == Kind::File && followed => listing.found.push(Found { path, facts }),
                Ok(_) => listing.others.push(path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => {
                    listing.unreadable.insert(path);
                }
            }
        }
        listing
    }

    /// Whether the file under a known identity is another one: the inode was given away again.
    fn is_other_file(&self, id: StreamId, path: &Path, facts: &Metadata) -> bool {
        let Some(stream) = self.streams.get(&id) else { return false };
        let born_differs = matches!((stream.kept.born_ns, facts.born_ns), (Some(a), Some(b)) if a != b);
        // Where times of birth are coarse, or none: a log is not compressed without getting another inode.
        let packing_differs = is_packed(&name_of(path)) != stream.kept.packed.is_some();
        // An inode cannot be given away while we hold the file.
        (born_differs || packing_differs) && !stream.is_held_open()
    }

    /// A followed file under its present name.
    pub(super) fn seen(&mut self, path: &Path, facts: Metadata) {
        let now = self.now;
        let Some(stream) = self.by_file.get(&facts.id).and_then(|id| self.streams.get(id)) else { return };
        let Some(facts) = own_facts(&stream.kept, facts) else {
            // The compressed file was written anew.
            let id = stream.kept.id;
            self.orphaned(id, Lost::Rewritten);
            return;
        };
        // A file with several names keeps the one it has.
        let renamed = stream.kept.path.as_os_str() != path.as_os_str()
            && !self.outside.files.metadata(&stream.kept.path).is_ok_and(|f| f.id == stream.kept.file);
        let id = stream.kept.id;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.missing_since = None;
        if renamed {
            let shared: Arc<Path> = path.into();
            stream.kept.path = Arc::clone(&shared);
            stream.naming = Naming::Unknown;
            self.by_path.insert(shared, id);
            self.index_stream(id);
            self.journal_stream(id);
            self.active.insert(id);
        } else if !self.by_path.contains_key(path) {
            self.by_path.insert(path.into(), id);
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if facts.size == stream.size && facts.modified_ns == stream.modified_ns {
            stream.looked_at = Some(now);
            return;
        }
        // The head is compared again after a decrease of size, a step back of time, or a change that did not
        // make the file longer (protocol rule 9).
        stream.suspect |= facts.size <= stream.size || facts.modified_ns < stream.modified_ns;
        if facts.size > stream.size && stream.behind_since.is_none() {
            stream.behind_since = Some(now);
        }
        if facts.size < stream.size && stream.kept.copy_ends.is_none() {
            // So much the generation that ends here did have. A growth, though, may be another's that took its
            // place: it counts once the bytes before it were read.
            stream.kept.size_seen = stream.kept.size_seen.max(stream.size);
        }
        // It was being made still; or is no copy, and what is written to it is read as another generation's.
        let is_no_end = stream.kept.copy_ends.is_some_and(|end| facts.size > end);
        if is_no_end {
            stream.kept.copy_ends = None;
        }
        stream.size = facts.size;
        stream.modified_ns = facts.modified_ns;
        stream.grew_at = now;
        if let Some(pace) = &mut stream.pace {
            pace.rests_until = Duration::ZERO;
        }
        stream.kept.modified_ns = facts.modified_ns;
        if facts.size != stream.kept.mark.0 && stream.kept.phase == Phase::Ended {
            // A stale writer: what it adds is read all the same (protocol rule 10).
            stream.kept.phase = Phase::Following;
        }
        if is_no_end {
            self.journal_stream(id);
        }
        self.active.insert(id);
        self.mark_moved(id);
    }

    /// Streams whose file was not in the listing of the folder it was last seen in.
    fn look_for_missing(&mut self, folder: &Path, known: &[StreamId], seen: &BTreeSet<StreamId>, listing: &Listing) {
        let missing: Vec<StreamId> = known
            .iter()
            .filter_map(|id| self.streams.get(id))
            .filter(|s| s.has_file() && s.kept.path.parent() == Some(folder) && !seen.contains(&s.kept.id))
            .filter(|s| s.naming != Naming::Nameless || !s.is_held_open())
            .filter(|s| !listing.unreadable.contains(&*s.kept.path))
            .map(|s| s.kept.id)
            .collect();
        if missing.is_empty() {
            return;
        }
        let elsewhere: HashMap<FileId, Found> = listing
            .others
            .iter()
            .filter_map(|path| Some(Found { path: path.clone(), facts: self.outside.files.metadata(path).ok()? }))
            .map(|found| (found.facts.id, found))
            .collect();
        for id in missing {
            self.missing(id, &elsewhere);
        }
    }

    fn missing(&mut self, id: StreamId, elsewhere: &HashMap<FileId, Found>) {
        let (now, close_after) = (self.now, self.config.timing.close_after);
        // Its inode may have been given to another file by now, such as its own archive.
        let file = self.streams.get(&id).map(|stream| stream.kept.file);
        let found = file
            .and_then(|file| elsewhere.get(&file))
            .filter(|found| !self.is_other_file(id, &found.path, &found.facts));
        let pinned = self.holding.is_pinned(id);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if let Some(found) = found {
            stream.kept.path = found.path.as_path().into();
            stream.naming = Naming::Rotated;
            self.active.insert(id);
            self.journal_stream(id);
            return;
        }
        let pins = u64::from(pinned);
        if let Some(facts) = stream.held_metadata() {
            // Held open: nothing is lost, whatever it is called. No listing tells how long it is.
            stream.grown_to(facts.as_ref().map_or(0, |facts| facts.size), now);
            stream.naming = match facts {
                Ok(facts) if facts.links <= pins => Naming::Nameless,
                _ => Naming::Rotated,
            };
            self.active.insert(id);
            return;
        }
        let since = *stream.missing_since.get_or_insert(now);
        if now >= since + close_after {
            self.orphaned(id, Lost::Vanished);
        } else {
            // A rename between listing and looking hides a file for a moment: look once more.
            self.scans.next = self.scans.next.min(since + close_after);
        }
    }

    /// The file is gone and was not held open.
    pub(super) fn vanished(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        self.active.insert(id);
        if self.by_file.get(&stream.kept.file) == Some(&id) {
            self.by_file.remove(&stream.kept.file);
        }
        stream.naming = Naming::Nameless;
        stream.let_go();
        if stream.kept.phase == Phase::Ended {
            stream.kept.phase = Phase::Detached;
            self.journal_stream(id);
            return;
        }
        stream.kept.phase = Phase::Detached;
        // Known only once the indexer said where it stands; see `settle_detached`.
        let loss = Loss {
            from: stream.kept.mark,
            to: None,
            reason: "the file was removed while it was not followed".to_owned(),
        };
        self.declare(id, loss);
        self.journal_stream(id);
    }

    /// Notes a loss; it is journaled before anything is sent or let go (protocol rule 30).
    pub(super) fn declare(&mut self, id: StreamId, loss: Loss) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let path = stream.kept.path.display().to_string();
        let what = match loss.to {
            Some(to) => format!("bytes {} to {}", loss.from.0, to.0),
            None => format!("what may have stood after byte {}", loss.from.0),
        };
        stream.kept.losses.push(loss.clone());
        self.journal_first(&Entry::Loss(id, loss.clone()));
        self.active.insert(id);
        self.notice(Importance::Error, format!("lost {what} of `{path}`: {}", loss.reason));
    }

    /// Decides for each stream whether its name is still its own.
    pub(super) fn name_generations(&mut self) {
        // Of many thousands: the names themselves would take megabytes that are never given back.
        fn group_of(kept: &Kept) -> u64 {
            let mut hasher = DefaultHasher::new();
            (kept.path.parent().map(Path::as_os_str), &kept.name).hash(&mut hasher);
            hasher.finish()
        }
        let rank = |s: &Stream| (s.modified_ns, s.kept.born_ns, !is_archive(&name_of(&s.kept.path)), s.kept.id);
        let mut newest: HashMap<_, &Stream> = HashMap::new();
        for stream in self.streams.values().filter(|s| s.has_file()) {
            let best = newest.entry(group_of(&stream.kept)).or_insert(stream);
            if best.kept.id != stream.kept.id && rank(best) < rank(stream) {
                *best = stream;
            }
        }
        let naming_of = |stream: &Stream| {
            let is_newest = newest.get(&group_of(&stream.kept)).is_none_or(|best| best.kept.id == stream.kept.id);
            let own = stream.kept.path.as_os_str() == stream.kept.first_path.as_os_str()
                && stream.kept.packed.is_none()
                && (is_newest || !is_archive(&name_of(&stream.kept.path)));
            if own { Naming::Own } else { Naming::Rotated }
        };
        let renamed: Vec<(StreamId, Naming)> = self
            .streams
            .values()
            .filter(|s| s.has_file() && s.naming != Naming::Nameless)
            .map(|s| (s, naming_of(s)))
            .filter(|(stream, naming)| stream.naming != *naming)
            .map(|(stream, naming)| (stream.kept.id, naming))
            .collect();
        if renamed.is_empty() {
            return;
        }
        for (id, naming) in renamed {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.naming = naming;
                self.active.insert(id);
            }
        }
        self.hold_soon();
    }

    /// Finished streams are remembered for the longest retention (protocol rule 28).
    fn forget_old(&mut self) {
        let remember = i64::try_from(self.config.timing.remember.as_nanos()).unwrap_or(i64::MAX);
        let oldest = self.outside.clock.wall_ns().saturating_sub(remember);
        let gone = self.streams.values().filter(|s| s.kept.phase == Phase::Gone && s.kept.modified_ns < oldest);
        let old: BTreeSet<StreamId> = gone.map(|s| s.kept.id).collect();
        self.index.forget(&old);
        for id in old {
            self.streams.remove(&id);
            self.active.remove(&id);
            self.journal(&Entry::Forget(id));
        }
    }

    /// After the first listing: files that streams had and that no folder holds.
    fn first_listing_done(&mut self) {
        for stream in self.streams.values_mut() {
            if self.config.until_idle && stream.has_file() {
                stream.target = Some(stream.size);
            }
        }
        if !self.scans.left_out.is_empty() {
            let days = self.config.since.as_secs() / 86_400;
            let text = format!(
                "{} rotated files older than {days} days are left out; `status` lists them, --since takes more",
                self.scans.left_out.len()
            );
            self.notice(Importance::Info, text);
        }
    }
}

/// Facts of a stream's file, in the offsets of the stream; `None` when a compressed one was written anew.
pub(super) fn own_facts(kept: &Kept, facts: Metadata) -> Option<Metadata> {
    match kept.packed {
        None => Some(facts),
        Some(packed) => (facts.size == packed.file_bytes).then_some(Metadata { size: packed.bytes, ..facts }),
    }
}

/// Each file once: under the name its stream has, else under the one that looks live.
fn one_name_each(found: &[Found], known: impl Fn(FileId) -> Option<Arc<Path>>) -> Vec<&Found> {
    let mut by_file: BTreeMap<FileId, &Found> = BTreeMap::new();
    for file in found {
        let better = match by_file.get(&file.facts.id) {
            None => true,
            Some(other) => match known(file.facts.id) {
                Some(path) => *file.path == *path,
                None => is_archive(&name_of(&other.path)) && !is_archive(&name_of(&file.path)),
            },
        };
        if better {
            by_file.insert(file.facts.id, file);
        }
    }
    by_file.into_values().collect()
}

/// The group a file belongs to: its folder and its name without date and index.
pub(super) fn group(path: &Path) -> (PathBuf, String) {
    (path.parent().map_or_else(PathBuf::new, Path::to_owned), plain_name(&name_of(path)))
}
