//! One process's view of a simulated disk.

use super::disk::{Call, Fault, SimDisk};
use crate::{File, FileId, Files, Kind, Lock, Metadata, OpenMode, Space};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Text of the error that every call of a dead process gets.
pub const DEAD: &str = "this simulated process is dead";

/// The files as one process sees them, until it dies.
#[derive(Debug)]
pub struct SimFiles {
    disk: SimDisk,
    life: Arc<Life>,
}

#[derive(Debug)]
struct Life {
    calls_left: AtomicU64,
    /// The kind of call that it dies in, counted from 1; 0 for none.
    dies_in: AtomicU8,
    /// Whether the next is set, so that few calls have to look.
    is_after_files: AtomicBool,
    /// The ending of file names, and how many calls on such files are left to it.
    dies_on: Mutex<(&'static str, u64)>,
    dead: AtomicBool,
    calls: AtomicU64,
    /// Refused opens and reads are not for it.
    spared: bool,
}

impl SimFiles {
    pub(super) fn new(disk: SimDisk, spared: bool) -> SimFiles {
        let life = Life {
            calls_left: AtomicU64::new(u64::MAX),
            dies_in: AtomicU8::new(0),
            is_after_files: AtomicBool::new(false),
            dies_on: Mutex::new(("", 0)),
            dead: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            spared,
        };
        SimFiles { disk, life: Arc::new(life) }
    }

    /// Lets the process die in its `n`-th file system call from now (0: the next one), before it has any effect.
    pub fn die_after(&self, n: u64) {
        self.life.calls_left.store(n, Ordering::Relaxed);
    }

    /// Lets the process die in its next call of this kind, before it has any effect.
    pub fn die_in(&self, call: Call) {
        self.life.dies_in.store(call as u8 + 1, Ordering::Relaxed);
    }

    /// Lets the process die in its `n`-th call from now (0: the next one) on files whose names end so, before it has any
    /// effect.
    pub fn die_on(&self, ending: &'static str, n: u64) {
        *self.life.dies_on.lock().unwrap_or_else(PoisonError::into_inner) = (ending, n);
        self.life.is_after_files.store(true, Ordering::Relaxed);
    }

    /// Kills the process now.
    pub fn kill(&self) {
        self.life.dead.store(true, Ordering::Relaxed);
    }

    /// Whether it died.
    pub fn is_dead(&self) -> bool {
        self.life.dead.load(Ordering::Relaxed)
    }

    /// File system calls made so far.
    pub fn calls(&self) -> u64 {
        self.life.calls.load(Ordering::Relaxed)
    }
}

impl Life {
    fn call(&self, call: Call, path: &Path, disk: &SimDisk) -> io::Result<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.dead.load(Ordering::Relaxed) {
            return Err(io::Error::other(DEAD));
        }
        let left = self.calls_left.load(Ordering::Relaxed);
        if left != 0 && self.dies_in.load(Ordering::Relaxed) != call as u8 + 1 && !self.dies_on(path) {
            if left != u64::MAX {
                self.calls_left.store(left - 1, Ordering::Relaxed);
            }
            return Ok(());
        }
        self.dead.store(true, Ordering::Relaxed);
        let mut disk = disk.lock();
        disk.count(Fault::Death);
        *disk.deaths.entry(call).or_default() += 1;
        Err(io::Error::other(DEAD))
    }

    /// Whether a call on this file is the one it dies in.
    fn dies_on(&self, path: &Path) -> bool {
        if !self.is_after_files.load(Ordering::Relaxed) {
            return false;
        }
        let mut dies_on = self.dies_on.lock().unwrap_or_else(PoisonError::into_inner);
        let (ending, left) = &mut *dies_on;
        let is_one = path.to_string_lossy().ends_with(*ending);
        let now = is_one && *left == 0;
        *left -= u64::from(is_one && !now);
        now
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    life: Arc<Life>,
    path: PathBuf,
    inode: u64,
    writable: bool,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut disk = self.disk.lock();
        // A power cut may have taken the inode away under a handle of a dead process.
        if let Some(inode) = disk.inodes.get_mut(&self.inode) {
            inode.open = inode.open.saturating_sub(1);
            if inode.open == 0 && inode.links == 0 {
                disk.collect();
            }
        }
    }
}

impl File for SimFile {
    fn metadata(&self) -> io::Result<Metadata> {
        self.life.call(Call::Look, &self.path, &self.disk)?;
        Ok(self.disk.lock().facts(self.inode))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.life.call(Call::Read, &self.path, &self.disk)?;
        let mut disk = self.disk.lock();
        if !self.life.spared {
            disk.refuse_read()?;
        }
        Ok(disk.read(self.inode, buf, offset))
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.life.call(Call::Write, &self.path, &self.disk)?;
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.disk.lock().write(self.inode, buf, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.life.call(Call::SetLen, &self.path, &self.disk)?;
        self.disk.lock().set_len(self.inode, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.life.call(Call::Sync, &self.path, &self.disk)?;
        self.disk.lock().sync(self.inode)
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.lock().locks.remove(&self.path);
    }
}

impl Files for SimFiles {
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.life.call(Call::Look, path, &self.disk)?;
        let mut disk = self.disk.lock();
        if disk.is_folder(path) {
            let id = FileId { device: disk.device, number: 1 };
            return Ok(Metadata { id, kind: Kind::Folder, size: 0, modified_ns: 0, born_ns: None, links: 1 });
        }
        let number = disk.find(path)?;
        Ok(disk.told(number))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        self.life.call(Call::List, folder, &self.disk)?;
        self.disk.lock().names(folder)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        self.life.call(Call::Open, path, &self.disk)?;
        let mut disk = self.disk.lock();
        if mode == OpenMode::Read && !self.life.spared {
            disk.refuse_open()?;
        }
        let inode = match (disk.find(path), mode) {
            (Ok(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Ok(inode), _) => inode,
            (Err(error), OpenMode::Read | OpenMode::Write) => return Err(error),
            (Err(_), OpenMode::Create | OpenMode::CreateNew) => {
                let folder = path.parent().unwrap_or(Path::new("/"));
                if !disk.is_folder(folder) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                disk.make(path, false)
            }
        };
        disk.inodes.get_mut(&inode).expect("just found or made").open += 1;
        drop(disk);
        let writable = mode != OpenMode::Read;
        Ok(Box::new(SimFile {
            disk: self.disk.clone(),
            life: Arc::clone(&self.life),
            path: path.to_owned(),
            inode,
            writable,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.life.call(Call::Rename, from, &self.disk)?;
        self.disk.lock().rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.life.call(Call::Link, from, &self.disk)?;
        self.disk.lock().link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.life.call(Call::Remove, path, &self.disk)?;
        self.disk.lock().unlink(path)
    }

    fn remove_folder_all(&self, path: &Path) -> io::Result<()> {
        self.life.call(Call::Remove, path, &self.disk)?;
        self.disk.lock().remove_folder_all(path)
    }

    fn create_folder_all(&self, path: &Path) -> io::Result<()> {
        self.life.call(Call::MakeFolder, path, &self.disk)?;
        self.disk.lock().make_folders(path);
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.life.call(Call::SyncFolder, path, &self.disk)?;
        self.disk.lock().sync_folder(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.life.call(Call::Look, path, &self.disk)?;
        let (free, total) = self.disk.lock().free();
        Ok(Space { free, total })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.life.call(Call::Lock, path, &self.disk)?;
        if !self.disk.lock().locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { disk: self.disk.clone(), path: path.to_owned() }))
    }
}
