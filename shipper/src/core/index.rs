//! Which streams a new file may go on from, by name and by inode: looking at all of them for each new file would cost more
//! than reading the files when there are 20,000.
//!
//! It may name too many, never too few: a stream whose file or name is another one by now is still in it.

use super::scan::group;
use crate::kept::Kept;
use outside::FileId;
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use wire::StreamId;

/// Of the folder and plain name of a path.
pub(super) fn group_hash(path: &Path) -> u64 {
    let (folder, name) = group(path);
    hash_of(&folder, &name)
}

#[derive(Debug, Default)]
pub(super) struct Index {
    /// By a hash of the folder and the plain name that they ever had.
    by_name: HashMap<u64, Vec<StreamId>>,
    /// By a hash of the file: its identity alone would take as much room as the rest.
    by_file: HashMap<u64, Vec<StreamId>>,
}

fn file_hash(file: FileId) -> u64 {
    let mut hasher = DefaultHasher::new();
    file.hash(&mut hasher);
    hasher.finish()
}

fn hash_of(folder: &Path, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (folder, name).hash(&mut hasher);
    hasher.finish()
}

fn add(ids: &mut Vec<StreamId>, id: StreamId) {
    if !ids.contains(&id) {
        if ids.is_empty() {
            // With most files it stays at one.
            ids.reserve_exact(1);
        }
        ids.push(id);
    }
}

impl Index {
    /// Takes in a stream, or the name and file that it has now.
    pub(super) fn note(&mut self, kept: &Kept) {
        for path in [&kept.first_path, &kept.path] {
            add(self.by_name.entry(group_hash(path)).or_default(), kept.id);
        }
        add(self.by_file.entry(file_hash(kept.file)).or_default(), kept.id);
    }

    /// Forgets streams.
    pub(super) fn forget(&mut self, gone: &BTreeSet<StreamId>) {
        if gone.is_empty() {
            return;
        }
        for ids in self.by_name.values_mut().chain(self.by_file.values_mut()) {
            ids.retain(|id| !gone.contains(id));
        }
        self.by_name.retain(|_, ids| !ids.is_empty());
        self.by_file.retain(|_, ids| !ids.is_empty());
    }

    /// Streams that ever had that plain name in that folder.
    pub(super) fn of_name(&self, folder: &Path, name: &str) -> &[StreamId] {
        self.by_name.get(&hash_of(folder, name)).map_or(&[], Vec::as_slice)
    }

    /// Streams that ever had that file.
    pub(super) fn of_file(&self, file: FileId) -> &[StreamId] {
        self.by_file.get(&file_hash(file)).map_or(&[], Vec::as_slice)
    }
}
