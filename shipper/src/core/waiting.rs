//! Files that wait for their stream, by file and by name: with 20,000 of them, looking at all for each one would cost
//! more than reading them.

use super::compare::Unplaced;
use super::index::group_hash;
use outside::FileId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;
use std::path::Path;

/// Files without a stream.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    files: BTreeMap<FileId, Unplaced>,
    /// By a hash of folder and plain name.
    by_group: HashMap<u64, BTreeSet<FileId>>,
}

impl Deref for Waiting {
    type Target = BTreeMap<FileId, Unplaced>;

    fn deref(&self) -> &Self::Target {
        &self.files
    }
}

impl Waiting {
    pub(super) fn get_mut(&mut self, id: &FileId) -> Option<&mut Unplaced> {
        self.files.get_mut(id)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Unplaced> {
        self.files.values_mut()
    }

    /// The file, made where it does not wait yet.
    pub(super) fn or_insert(&mut self, id: FileId, make: impl FnOnce() -> Unplaced) -> &mut Unplaced {
        self.files.entry(id).or_insert_with(|| {
            let file = make();
            self.by_group.entry(group_hash(&file.path)).or_default().insert(id);
            file
        })
    }

    /// It has this name now.
    pub(super) fn rename(&mut self, id: FileId, path: &Path) {
        let Some(file) = self.files.get_mut(&id).filter(|file| file.path != path) else { return };
        let before = std::mem::replace(&mut file.path, path.to_owned());
        self.leave(id, &before);
        self.by_group.entry(group_hash(path)).or_default().insert(id);
    }

    pub(super) fn remove(&mut self, id: &FileId) -> Option<Unplaced> {
        let file = self.files.remove(id)?;
        self.leave(*id, &file.path);
        if self.files.is_empty() {
            // After a start with many files it would stay large for ever.
            self.by_group = HashMap::new();
        }
        Some(file)
    }

    /// Forgets those that are not `kept`.
    pub(super) fn retain(&mut self, kept: impl Fn(FileId, &Unplaced) -> bool) {
        let gone: Vec<FileId> = self.files.iter().filter(|(id, file)| !kept(**id, file)).map(|(id, _)| *id).collect();
        for id in gone {
            self.remove(&id);
        }
    }

    /// Files that may be generations of this name; another's may be among them.
    pub(super) fn of_group(&self, path: &Path) -> impl Iterator<Item = (FileId, &Unplaced)> {
        let ids = self.by_group.get(&group_hash(path)).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.files.get(id)?)))
    }

    fn leave(&mut self, id: FileId, path: &Path) {
        let hash = group_hash(path);
        if let Some(ids) = self.by_group.get_mut(&hash) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_group.remove(&hash);
            }
        }
    }
}
