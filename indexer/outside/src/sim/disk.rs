//! The disk: what stands on it, what of it is durable, and its faults.

mod bytes;
mod faults;
mod names;
mod others;
mod power;

pub use faults::{Call, Fault, SYNC_FAILED};
pub use others::SimFolder;

use self::bytes::Inode;
use self::names::Folder;
use super::{SimClock, SimFiles, SimRng};
use crate::{Clock, Metadata};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// One simulated disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk(Arc<Mutex<Disk>>);

#[derive(Debug)]
pub(super) struct Disk {
    pub(super) inodes: BTreeMap<u64, Inode>,
    folders: BTreeMap<PathBuf, Folder>,
    next_inode: u64,
    free_inodes: BTreeSet<u64>,
    reuse_inodes: bool,
    capacity: u64,
    links_refused: bool,
    used: u64,
    pub(super) locks: BTreeSet<PathBuf>,
    fail_syncs: u32,
    short_reads: bool,
    /// So many opens and reads of files fail, with this error of the system.
    refuse_opens: (u32, i32),
    refuse_reads: (u32, i32),
    /// Times are kept in steps of so many nanoseconds.
    time_step_ns: i64,
    late_sizes: bool,
    /// What a look at a name told last, by inode.
    told: BTreeMap<u64, Metadata>,
    symlinks: BTreeMap<PathBuf, PathBuf>,
    pub(super) faults: BTreeMap<Fault, u64>,
    pub(super) deaths: BTreeMap<Call, u64>,
    pub(super) device: u64,
    pub(super) clock: SimClock,
    pub(super) rng: SimRng,
}

fn split(path: &Path) -> (&Path, &Path) {
    let folder = path.parent().unwrap_or(Path::new("/"));
    (folder, Path::new(path.file_name().unwrap_or_default()))
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no `{}` on the simulated disk", path.display()))
}

impl SimDisk {
    /// An empty disk of `capacity` bytes.
    pub fn new(capacity: u64, clock: SimClock, rng: SimRng) -> SimDisk {
        let mut folders = BTreeMap::new();
        folders.insert(PathBuf::from("/"), Folder::default());
        SimDisk(Arc::new(Mutex::new(Disk {
            inodes: BTreeMap::new(),
            folders,
            next_inode: 10,
            free_inodes: BTreeSet::new(),
            reuse_inodes: false,
            capacity,
            links_refused: false,
            used: 0,
            locks: BTreeSet::new(),
            fail_syncs: 0,
            short_reads: false,
            refuse_opens: (0, 0),
            refuse_reads: (0, 0),
            time_step_ns: 1,
            late_sizes: false,
            told: BTreeMap::new(),
            symlinks: BTreeMap::new(),
            faults: BTreeMap::new(),
            deaths: BTreeMap::new(),
            device: 1,
            clock,
            rng,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("no panic inside the simulated disk")
    }

    /// The view of a new process.
    pub fn process(&self) -> Arc<SimFiles> {
        Arc::new(SimFiles::new(self.clone(), false))
    }

    /// The view of one who only looks, whom refused opens and reads are not meant for.
    pub fn bystander(&self) -> Arc<SimFiles> {
        Arc::new(SimFiles::new(self.clone(), true))
    }

    /// Bytes used by files.
    pub fn used(&self) -> u64 {
        self.lock().used
    }
}

impl Disk {
    /// The wall clock as files know it.
    fn now(&self) -> i64 {
        let now = self.clock.wall_ns();
        now - now.rem_euclid(self.time_step_ns)
    }
}
