//! What can go wrong, and the calls in which it does.

use super::{Disk, SimDisk};
use crate::Metadata;
use std::collections::BTreeMap;
use std::io;

/// Text of the error of a failed sync.
pub const SYNC_FAILED: &str = "simulated failure of fdatasync";

/// Faults that occurred, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A process died in a file system call.
    Death,
    /// The power was cut.
    PowerCut,
    /// A power cut dropped or tore unsynced bytes of a file.
    BytesDropped,
    /// A power cut dropped unsynced names of a folder.
    NamesDropped,
    /// A write met a full disk.
    DiskFull,
    /// A sync failed.
    SyncFailed,
    /// A read came back short.
    ShortRead,
    /// A file could not be opened.
    OpenRefused,
    /// A read failed.
    ReadRefused,
    /// A look at a name told an older size.
    LateSize,
    /// A new file got the number of a removed one.
    InodeReused,
}

/// A call of the file system, to tell deaths apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// Facts of a file or folder, or free space.
    Look,
    /// Names of a folder.
    List,
    /// Opening or making a file.
    Open,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Truncating or growing.
    SetLen,
    /// Sync of a file.
    Sync,
    /// Sync of a folder.
    SyncFolder,
    /// Renaming.
    Rename,
    /// A second name.
    Link,
    /// Removing a file or folder.
    Remove,
    /// Making a folder.
    MakeFolder,
    /// Locking.
    Lock,
}

impl SimDisk {
    /// Gives a removed file's inode number to the next new file.
    pub fn reuse_inodes(&self, reuse: bool) {
        self.lock().reuse_inodes = reuse;
    }

    /// Lets reads come back short now and then.
    pub fn short_reads(&self, short: bool) {
        self.lock().short_reads = short;
    }

    /// No second name can be made from now on, as between file systems or to files of another user.
    pub fn refuse_links(&self) {
        self.lock().links_refused = true;
    }

    /// Lets the next `n` opens for reading fail with an error of the system (24 is EMFILE, 13 EACCES, 116 ESTALE).
    pub fn refuse_opens(&self, n: u32, error: i32) {
        self.lock().refuse_opens = (n, error);
    }

    /// Lets the next `n` reads fail with an error of the system (5 is EIO).
    pub fn refuse_reads(&self, n: u32, error: i32) {
        self.lock().refuse_reads = (n, error);
    }

    /// Keeps times in steps, as some file systems do.
    pub fn coarse_times(&self, step_ns: i64) {
        self.lock().time_step_ns = step_ns.max(1);
    }

    /// Lets looks at names tell an older size now and then, as network file systems do.
    pub fn late_sizes(&self, late: bool) {
        self.lock().late_sizes = late;
    }

    /// Changes the size of the disk; below what is used it is full.
    pub fn set_capacity(&self, capacity: u64) {
        self.lock().capacity = capacity;
    }

    /// Lets the next `n` syncs of files fail; the bytes they covered are lost.
    pub fn fail_syncs(&self, n: u32) {
        self.lock().fail_syncs = n;
    }

    /// How often each fault occurred.
    pub fn faults(&self) -> BTreeMap<Fault, u64> {
        self.lock().faults.clone()
    }

    /// How many processes died before a call of each kind had an effect.
    pub fn deaths(&self) -> BTreeMap<Call, u64> {
        self.lock().deaths.clone()
    }

    /// Mounted again under another device number, as network file systems and device mappers may be at each start.
    pub fn remount(&self) {
        self.lock().device += 1;
    }
}

impl Disk {
    pub(in crate::sim) fn count(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    /// Whether an open for reading is refused this time.
    pub(in crate::sim) fn refuse_open(&mut self) -> io::Result<()> {
        let (left, error) = &mut self.refuse_opens;
        if *left == 0 {
            return Ok(());
        }
        *left -= 1;
        let error = io::Error::from_raw_os_error(*error);
        self.count(Fault::OpenRefused);
        Err(error)
    }

    /// Whether a read is refused this time.
    pub(in crate::sim) fn refuse_read(&mut self) -> io::Result<()> {
        let (left, error) = &mut self.refuse_reads;
        if *left == 0 {
            return Ok(());
        }
        *left -= 1;
        let error = io::Error::from_raw_os_error(*error);
        self.count(Fault::ReadRefused);
        Err(error)
    }

    /// What a look at a name tells.
    pub(in crate::sim) fn told(&mut self, number: u64) -> Metadata {
        let facts = self.facts(number);
        if self.late_sizes
            && self.rng.one_in(3)
            && let Some(told) = self.told.get(&number).filter(|t| t.born_ns == facts.born_ns && t.size != facts.size)
        {
            let told = *told;
            self.count(Fault::LateSize);
            return told;
        }
        self.told.insert(number, facts);
        facts
    }
}
