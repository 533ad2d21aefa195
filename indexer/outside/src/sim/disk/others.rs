//! What other processes of the host do to files: those that log and rotate, and people. All of it is durable at once.

use super::SimDisk;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Files of one folder, kept aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimFolder(BTreeMap<PathBuf, Vec<u8>>);

impl SimFolder {
    /// Names and sizes of its files.
    pub fn sizes(&self) -> impl Iterator<Item = (PathBuf, u64)> + '_ {
        self.0.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64))
    }
}

impl SimDisk {
    /// Appends to a file as another process on the host (the one that logs) would; durable at once.
    pub fn append(&self, path: &Path, bytes: &[u8]) {
        let mut disk = self.lock();
        let number = match disk.find(path) {
            Ok(number) => number,
            Err(_) => disk.make(path, true),
        };
        let now = disk.now();
        let inode = disk.inodes.get_mut(&number).expect("named inodes exist");
        inode.data.extend_from_slice(bytes);
        inode.durable.extend_from_slice(bytes);
        inode.modified_ns = now;
        disk.used += bytes.len() as u64;
    }

    /// Renames a file as another process would; durable at once.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.lock();
        disk.rename(from, to)?;
        disk.make_names_durable(from);
        disk.make_names_durable(to);
        Ok(())
    }

    /// Removes a file's name as another process would; durable at once.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.lock();
        disk.unlink(path)?;
        disk.make_names_durable(path);
        Ok(())
    }

    /// Truncates a file to nothing as another process would; durable at once.
    pub fn truncate(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.lock();
        let number = disk.find(path)?;
        let now = disk.now();
        let inode = disk.inodes.get_mut(&number).expect("named inodes exist");
        let freed = inode.data.len() as u64;
        inode.data.clear();
        inode.durable.clear();
        inode.modified_ns = now;
        disk.used -= freed;
        Ok(())
    }

    /// Gives a file a second name as another process would; durable at once.
    pub fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.lock();
        disk.link(from, to)?;
        disk.make_names_durable(to);
        Ok(())
    }

    /// Lets `path` point to `target`, whatever it pointed to before.
    pub fn symlink(&self, target: &Path, path: &Path) {
        self.lock().symlinks.insert(path.to_owned(), target.to_owned());
    }

    /// Makes a folder as another process would; durable at once.
    pub fn make_folder(&self, path: &Path) {
        let mut disk = self.lock();
        disk.make_folders(path);
    }

    /// Removes a folder and all in it as another process would; durable at once.
    pub fn remove_folder(&self, path: &Path) {
        let mut disk = self.lock();
        if disk.is_folder(path) {
            disk.remove_folder_all(path).expect("it is there");
        }
    }

    /// The files of a folder (not of those below it), as a copy.
    pub fn copy_folder(&self, path: &Path) -> SimFolder {
        let disk = self.lock();
        let names = disk.folders.get(path).map(|folder| folder.names.clone()).unwrap_or_default();
        SimFolder(names.into_iter().map(|(name, number)| (name, disk.inodes[&number].data.clone())).collect())
    }

    /// Replaces the files of a folder by a copy made before; durable at once. Locks on the folder are gone.
    pub fn replace_folder(&self, path: &Path, copy: &SimFolder) {
        self.remove_folder(path);
        self.make_folder(path);
        self.lock().locks.retain(|lock| !lock.starts_with(path));
        for (name, bytes) in &copy.0 {
            self.append(&path.join(name), bytes);
        }
    }

    /// The bytes of a file; `None` when there is none.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let disk = self.lock();
        let number = disk.find(path).ok()?;
        Some(disk.inodes[&number].data.clone())
    }

    /// Flips one bit of a file, in place and durable.
    pub fn flip_bit(&self, path: &Path, bit: u64) {
        let mut disk = self.lock();
        if let Ok(number) = disk.find(path)
            && let Some(inode) = disk.inodes.get_mut(&number)
            && let Some(byte) = inode.data.get_mut((bit / 8) as usize)
        {
            *byte ^= 1 << (bit % 8);
            inode.durable = inode.data.clone();
        }
    }
}
