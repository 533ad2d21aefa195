//! Which streams a new file may go on from, by name and by inode: looking at all of them for each new file would cost more
//! than reading the files when there are 20,000.
//!
//! It may name too many, never too few: a stream whose file or folder is another one by now is still in it.

use crate::kept::Kept;
use outside::FileId;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use wire::StreamId;

#[derive(Debug, Default)]
pub(super) struct Index {
    /// By a hash of the folder they were first seen in and their plain name.
    by_name: HashMap<u64, Vec<StreamId>>,
    by_file: HashMap<FileId, Vec<StreamId>>,
}

fn hash_of(folder: &Path, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (folder, name).hash(&mut hasher);
    hasher.finish()
}

fn hash_of_kept(kept: &Kept) -> Option<u64> {
    Some(hash_of(kept.first_path.parent()?, &kept.name))
}

impl Index {
    pub(super) fn insert(&mut self, kept: &Kept) {
        if let Some(hash) = hash_of_kept(kept) {
            self.by_name.entry(hash).or_default().push(kept.id);
        }
        self.by_file.entry(kept.file).or_default().push(kept.id);
    }

    pub(super) fn remove(&mut self, kept: &Kept) {
        if let Some(ids) = hash_of_kept(kept).and_then(|hash| self.by_name.get_mut(&hash)) {
            ids.retain(|id| *id != kept.id);
        }
        if let Some(ids) = self.by_file.get_mut(&kept.file) {
            ids.retain(|id| *id != kept.id);
        }
        self.by_name.retain(|_, ids| !ids.is_empty());
        self.by_file.retain(|_, ids| !ids.is_empty());
    }

    /// Streams first seen in that folder under that plain name.
    pub(super) fn of_name(&self, folder: &Path, name: &str) -> &[StreamId] {
        self.by_name.get(&hash_of(folder, name)).map_or(&[], Vec::as_slice)
    }

    /// Streams whose file was that one when they began.
    pub(super) fn of_file(&self, file: FileId) -> &[StreamId] {
        self.by_file.get(&file).map_or(&[], Vec::as_slice)
    }
}
