//! Names of files in folders: what they point to, and what of it is durable.

use super::bytes::Inode;
use super::faults::Fault;
use super::{Disk, not_found, split};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Default, Clone)]
pub(super) struct Folder {
    pub(super) names: BTreeMap<PathBuf, u64>,
    pub(super) durable: BTreeMap<PathBuf, u64>,
    /// Each entry is kept or lost as a whole: a rename inside one folder is atomic.
    pub(super) pending: Vec<Vec<Renaming>>,
}

/// What a name points to from now on; `None`: nothing.
pub(super) type Renaming = (PathBuf, Option<u64>);

pub(super) fn point(names: &mut BTreeMap<PathBuf, u64>, (name, inode): &Renaming) {
    match inode {
        Some(inode) => names.insert(name.clone(), *inode),
        None => names.remove(name),
    };
}

impl Folder {
    pub(super) fn set(&mut self, changes: Vec<Renaming>) {
        changes.iter().for_each(|change| point(&mut self.names, change));
        self.pending.push(changes);
    }
}

impl Disk {
    pub(in crate::sim) fn find(&self, path: &Path) -> io::Result<u64> {
        if let Some(target) = self.symlinks.get(path) {
            return self.find(target);
        }
        let (folder, name) = split(path);
        self.folders.get(folder).and_then(|f| f.names.get(name)).copied().ok_or_else(|| not_found(path))
    }

    pub(in crate::sim) fn is_folder(&self, path: &Path) -> bool {
        self.folders.contains_key(path)
    }

    pub(in crate::sim) fn make(&mut self, path: &Path, durable: bool) -> u64 {
        let number = match self.free_inodes.pop_first() {
            Some(number) if self.reuse_inodes => {
                self.count(Fault::InodeReused);
                number
            }
            _ => {
                self.next_inode += 1;
                self.next_inode
            }
        };
        let now = self.now();
        self.inodes.insert(number, Inode { links: 1, born_ns: now, modified_ns: now, ..Inode::default() });
        let (folder, name) = split(path);
        let folder = self.folders.entry(folder.to_owned()).or_default();
        folder.set(vec![(name.to_owned(), Some(number))]);
        if durable {
            folder.durable.insert(name.to_owned(), number);
            folder.pending.pop();
        }
        number
    }

    pub(in crate::sim) fn make_folders(&mut self, path: &Path) {
        for folder in path.ancestors() {
            self.folders.entry(folder.to_owned()).or_default();
        }
    }

    pub(in crate::sim) fn names(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut names: Vec<PathBuf> =
            self.folders.get(folder).ok_or_else(|| not_found(folder))?.names.keys().cloned().collect();
        let below = self.folders.keys().filter(|f| f.parent() == Some(folder));
        names.extend(below.filter_map(|f| f.file_name()).map(PathBuf::from));
        let links = self.symlinks.keys().filter(|f| f.parent() == Some(folder));
        names.extend(links.filter_map(|f| f.file_name()).map(PathBuf::from));
        Ok(names)
    }

    pub(in crate::sim) fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if self.links_refused {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let number = self.find(from)?;
        if self.find(to).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.inodes.get_mut(&number).expect("named inodes exist").links += 1;
        self.set_name(to, Some(number))
    }

    pub(in crate::sim) fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let number = self.find(path)?;
        self.set_name(path, None)?;
        self.inodes.get_mut(&number).expect("named inodes exist").links -= 1;
        self.collect();
        Ok(())
    }

    pub(in crate::sim) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if self.is_folder(from) {
            return self.rename_folder(from, to);
        }
        let number = self.find(from)?;
        if let Ok(replaced) = self.find(to) {
            self.inodes.get_mut(&replaced).expect("named inodes exist").links -= 1;
        }
        let ((from_folder, from_name), (to_folder, to_name)) = (split(from), split(to));
        if from_folder == to_folder {
            let folder = self.folders.get_mut(to_folder).ok_or_else(|| not_found(to_folder))?;
            folder.set(vec![(to_name.to_owned(), Some(number)), (from_name.to_owned(), None)]);
        } else {
            self.set_name(to, Some(number))?;
            self.set_name(from, None)?;
        }
        self.collect();
        Ok(())
    }

    /// Folders are renamed for good at once: the store never relies on the rename of a folder.
    pub(in crate::sim) fn rename_folder(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if self.is_folder(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let moved: Vec<PathBuf> = self.folders.keys().filter(|f| f.starts_with(from)).cloned().collect();
        for old in moved {
            let rest = old.strip_prefix(from).expect("filtered by prefix").to_owned();
            let folder = self.folders.remove(&old).expect("listed above");
            let new = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            self.folders.insert(new, folder);
        }
        Ok(())
    }

    pub(in crate::sim) fn remove_folder_all(&mut self, path: &Path) -> io::Result<()> {
        if !self.is_folder(path) {
            return Err(not_found(path));
        }
        let gone: Vec<PathBuf> = self.folders.keys().filter(|f| f.starts_with(path)).cloned().collect();
        for folder in gone {
            for number in self.folders.remove(&folder).expect("listed above").names.into_values() {
                self.inodes.get_mut(&number).expect("named inodes exist").links -= 1;
            }
        }
        self.collect();
        Ok(())
    }

    pub(in crate::sim) fn set_name(&mut self, path: &Path, inode: Option<u64>) -> io::Result<()> {
        let (folder, name) = split(path);
        self.folders.get_mut(folder).ok_or_else(|| not_found(folder))?.set(vec![(name.to_owned(), inode)]);
        Ok(())
    }

    pub(in crate::sim) fn sync_folder(&mut self, path: &Path) -> io::Result<()> {
        let folder = self.folders.get_mut(path).ok_or_else(|| not_found(path))?;
        folder.durable = folder.names.clone();
        folder.pending.clear();
        Ok(())
    }

    pub(in crate::sim) fn make_names_durable(&mut self, path: &Path) {
        let (folder, name) = split(path);
        if let Some(folder) = self.folders.get_mut(folder) {
            match folder.names.get(name) {
                Some(&number) => folder.durable.insert(name.to_owned(), number),
                None => folder.durable.remove(name),
            };
            for group in &mut folder.pending {
                group.retain(|(changed, _)| changed != name);
            }
        }
    }

    /// Frees inodes that have neither name nor open handle, unless a power cut could bring a name back.
    pub(in crate::sim) fn collect(&mut self) {
        let of_pending =
            |f: &Folder| f.pending.iter().flatten().filter_map(|(_, number)| *number).collect::<Vec<u64>>();
        let durable: BTreeSet<u64> =
            self.folders.values().flat_map(|f| f.durable.values().copied().chain(of_pending(f))).collect();
        let gone: Vec<u64> = self
            .inodes
            .iter()
            .filter(|(number, inode)| inode.links == 0 && inode.open == 0 && !durable.contains(number))
            .map(|(&number, _)| number)
            .collect();
        for number in gone {
            let inode = self.inodes.remove(&number).expect("listed above");
            self.used -= inode.data.len() as u64;
            self.free_inodes.insert(number);
            self.told.remove(&number);
        }
    }
}
