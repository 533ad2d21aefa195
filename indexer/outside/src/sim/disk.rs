//! The disk: what stands on it, what of it is durable, and its faults.

use super::{SimClock, SimFiles, SimRng};
use crate::{Clock, FileId, Kind, Metadata};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

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

/// Files of one folder, kept aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimFolder(BTreeMap<PathBuf, Vec<u8>>);

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

#[derive(Debug, Default)]
pub(super) struct Inode {
    pub(super) data: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
    pub(super) links: u64,
    pub(super) open: u64,
    born_ns: i64,
    modified_ns: i64,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

impl Change {
    fn apply(&self, data: &mut Vec<u8>) {
        match self {
            Change::Write(at, bytes) => {
                let end = *at as usize + bytes.len();
                if data.len() < end {
                    data.resize(end, 0);
                }
                data[*at as usize..end].copy_from_slice(bytes);
            }
            Change::SetLen(len) => data.resize(*len as usize, 0),
        }
    }
}

#[derive(Debug, Default, Clone)]
struct Folder {
    names: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    /// Each entry is kept or lost as a whole: a rename inside one folder is atomic.
    pending: Vec<Vec<Renaming>>,
}

/// What a name points to from now on; `None`: nothing.
type Renaming = (PathBuf, Option<u64>);

fn point(names: &mut BTreeMap<PathBuf, u64>, (name, inode): &Renaming) {
    match inode {
        Some(inode) => names.insert(name.clone(), *inode),
        None => names.remove(name),
    };
}

impl Folder {
    fn set(&mut self, changes: Vec<Renaming>) {
        changes.iter().for_each(|change| point(&mut self.names, change));
        self.pending.push(changes);
    }
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

    /// Bytes used by files.
    pub fn used(&self) -> u64 {
        self.lock().used
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

    /// Cuts the power: everything that holds a file or lock of this disk must be dropped by now. Unsynced bytes and names are lost, all or in part.
    pub fn power_cut(&self) {
        let mut disk = self.lock();
        disk.count(Fault::PowerCut);
        disk.locks.clear();
        disk.drop_unsynced_names();
        disk.drop_unsynced_bytes();
        disk.collect();
    }

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

impl Disk {
    pub(super) fn count(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    /// The wall clock as files know it.
    fn now(&self) -> i64 {
        let now = self.clock.wall_ns();
        now - now.rem_euclid(self.time_step_ns)
    }

    /// Whether an open for reading is refused this time.
    pub(super) fn refuse_open(&mut self) -> io::Result<()> {
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
    pub(super) fn refuse_read(&mut self) -> io::Result<()> {
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
    pub(super) fn told(&mut self, number: u64) -> Metadata {
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

    pub(super) fn find(&self, path: &Path) -> io::Result<u64> {
        if let Some(target) = self.symlinks.get(path) {
            return self.find(target);
        }
        let (folder, name) = split(path);
        self.folders.get(folder).and_then(|f| f.names.get(name)).copied().ok_or_else(|| not_found(path))
    }

    pub(super) fn is_folder(&self, path: &Path) -> bool {
        self.folders.contains_key(path)
    }

    pub(super) fn make(&mut self, path: &Path, durable: bool) -> u64 {
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

    pub(super) fn make_folders(&mut self, path: &Path) {
        for folder in path.ancestors() {
            self.folders.entry(folder.to_owned()).or_default();
        }
    }

    pub(super) fn names(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut names: Vec<PathBuf> =
            self.folders.get(folder).ok_or_else(|| not_found(folder))?.names.keys().cloned().collect();
        let below = self.folders.keys().filter(|f| f.parent() == Some(folder));
        names.extend(below.filter_map(|f| f.file_name()).map(PathBuf::from));
        let links = self.symlinks.keys().filter(|f| f.parent() == Some(folder));
        names.extend(links.filter_map(|f| f.file_name()).map(PathBuf::from));
        Ok(names)
    }

    pub(super) fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
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

    pub(super) fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let number = self.find(path)?;
        self.set_name(path, None)?;
        self.inodes.get_mut(&number).expect("named inodes exist").links -= 1;
        self.collect();
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
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
    fn rename_folder(&mut self, from: &Path, to: &Path) -> io::Result<()> {
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

    pub(super) fn remove_folder_all(&mut self, path: &Path) -> io::Result<()> {
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

    fn set_name(&mut self, path: &Path, inode: Option<u64>) -> io::Result<()> {
        let (folder, name) = split(path);
        self.folders.get_mut(folder).ok_or_else(|| not_found(folder))?.set(vec![(name.to_owned(), inode)]);
        Ok(())
    }

    pub(super) fn sync_folder(&mut self, path: &Path) -> io::Result<()> {
        let folder = self.folders.get_mut(path).ok_or_else(|| not_found(path))?;
        folder.durable = folder.names.clone();
        folder.pending.clear();
        Ok(())
    }

    fn make_names_durable(&mut self, path: &Path) {
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

    pub(super) fn facts(&self, number: u64) -> Metadata {
        let inode = &self.inodes[&number];
        Metadata {
            id: FileId { device: self.device, number: u128::from(number) },
            kind: Kind::File,
            size: inode.data.len() as u64,
            modified_ns: inode.modified_ns,
            born_ns: Some(inode.born_ns),
            links: inode.links,
        }
    }

    pub(super) fn free(&self) -> (u64, u64) {
        (self.capacity.saturating_sub(self.used), self.capacity)
    }

    pub(super) fn read(&mut self, number: u64, buf: &mut [u8], offset: u64) -> usize {
        let data = &self.inodes[&number].data;
        let rest = data.get(offset as usize..).unwrap_or_default();
        let mut n = rest.len().min(buf.len());
        if self.short_reads && n > 1 && self.rng.one_in(4) {
            n = 1 + self.rng.below(n as u64 - 1) as usize;
            *self.faults.entry(Fault::ShortRead).or_default() += 1;
        }
        buf[..n].copy_from_slice(&rest[..n]);
        n
    }

    pub(super) fn write(&mut self, number: u64, buf: &[u8], offset: u64) -> io::Result<()> {
        let len = self.inodes[&number].data.len() as u64;
        let free = self.capacity.saturating_sub(self.used);
        let grows = (offset + buf.len() as u64).saturating_sub(len);
        if grows > free {
            self.count(Fault::DiskFull);
            let fits = buf.len().saturating_sub((grows - free) as usize);
            self.change(number, Change::Write(offset, buf[..fits].to_vec()), fits > 0);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.change(number, Change::Write(offset, buf.to_vec()), !buf.is_empty());
        Ok(())
    }

    pub(super) fn set_len(&mut self, number: u64, len: u64) -> io::Result<()> {
        let grows = len.saturating_sub(self.inodes[&number].data.len() as u64);
        if grows > self.capacity.saturating_sub(self.used) {
            self.count(Fault::DiskFull);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.change(number, Change::SetLen(len), true);
        Ok(())
    }

    fn change(&mut self, number: u64, change: Change, really: bool) {
        if !really {
            return;
        }
        let now = self.now();
        let inode = self.inodes.get_mut(&number).expect("open inodes exist");
        let before = inode.data.len() as u64;
        change.apply(&mut inode.data);
        inode.pending.push(change);
        inode.modified_ns = now;
        self.used = self.used + inode.data.len() as u64 - before;
    }

    pub(super) fn sync(&mut self, number: u64) -> io::Result<()> {
        let failed = self.fail_syncs > 0;
        let inode = self.inodes.get_mut(&number).expect("open inodes exist");
        if failed {
            // As Linux does: the pages are marked clean and what was in them may never reach the disk.
            inode.pending.clear();
            self.fail_syncs -= 1;
            self.count(Fault::SyncFailed);
            return Err(io::Error::other(SYNC_FAILED));
        }
        for change in std::mem::take(&mut inode.pending) {
            change.apply(&mut inode.durable);
        }
        Ok(())
    }

    fn drop_unsynced_names(&mut self) {
        let mut dropped = 0;
        let rng = self.rng.clone();
        for folder in self.folders.values_mut() {
            let kept = rng.below(folder.pending.len() as u64 + 1) as usize;
            dropped += u64::from(kept < folder.pending.len());
            for change in folder.pending.drain(..).take(kept).flatten() {
                point(&mut folder.durable, &change);
            }
            folder.names = folder.durable.clone();
        }
        *self.faults.entry(Fault::NamesDropped).or_default() += dropped;
        for inode in self.inodes.values_mut() {
            inode.links = 0;
            inode.open = 0;
        }
        let named: Vec<u64> = self.folders.values().flat_map(|f| f.names.values().copied()).collect();
        for number in named {
            self.inodes.entry(number).or_default().links += 1;
        }
    }

    fn drop_unsynced_bytes(&mut self) {
        let rng = self.rng.clone();
        let mut dropped = 0;
        self.used = 0;
        for inode in self.inodes.values_mut() {
            let pending = std::mem::take(&mut inode.pending);
            let kept = rng.below(pending.len() as u64 + 1) as usize;
            dropped += u64::from(kept < pending.len());
            for change in &pending[..kept] {
                change.apply(&mut inode.durable);
            }
            if let Some(Change::Write(at, bytes)) = pending.get(kept)
                && rng.one_in(2)
            {
                let torn = rng.below(bytes.len() as u64 + 1) as usize;
                Change::Write(*at, bytes[..torn].to_vec()).apply(&mut inode.durable);
            }
            inode.data = inode.durable.clone();
            self.used += inode.data.len() as u64;
        }
        *self.faults.entry(Fault::BytesDropped).or_default() += dropped;
    }

    /// Frees inodes that have neither name nor open handle, unless a power cut could bring a name back.
    pub(super) fn collect(&mut self) {
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
