//! From what is on the disk to a store that goes on (protocol rules 28, 33, 34).
//!
//! 1. Read everything and compare: root, mark table, partition manifests, segments, WAL. Nothing is changed
//!    when anything does not fit; the WAL only cuts its own torn tail.
//! 2. Remove what no manifest names: the remains of a flush that was interrupted.
//! 3. Replay: marks from the mark table's position on, events per partition from its position on.
//! 4. Write the root with a new boot number.
//!
//! What must fit: the WAL reaches back to the cut and forward to every position that a manifest or the mark table
//! names. Otherwise something durable was lost or exchanged, and going on would lose it silently.

mod replay;
mod sweep;

pub use replay::ReplayError;
pub(crate) use replay::records;

use super::core::{OpenError, StoreConfig, StoreOutside};
use super::manifest::{
    self, FileKind, PartitionEntry, PartitionManifest, ReadFailure, RootManifest, read_whole, replace_whole,
    segment_number, sync_folder,
};
use super::marks::{self, Marks, MarksFile};
use super::memory::Partition;
use super::snapshot::PartitionKey;
use super::wal;
use outside::{Files, Lock};
use seglog::{Log, Position};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a store goes on with.
pub(crate) struct Recovered {
    pub(crate) lock: Box<dyn Lock>,
    pub(crate) log: Log,
    pub(crate) root: RootManifest,
    pub(crate) marks: Marks,
    pub(crate) partitions: BTreeMap<PartitionKey, Partition>,
    /// Folders of partitions that retention removed while the process died.
    pub(crate) leftovers: Vec<PathBuf>,
}

/// Room for what a record holds beside a request's payload.
const RECORD_EXTRA_BYTES: u64 = 16 << 20;

/// How the WAL is opened.
pub(crate) fn log_options(config: &StoreConfig, root: &RootManifest) -> seglog::Options {
    seglog::Options {
        segment_bytes: config.wal_segment_bytes,
        record_bytes_max: config.request_bytes_max.saturating_mul(2).saturating_add(RECORD_EXTRA_BYTES),
        start: Position(root.cut).next(),
        ..seglog::Options::new(wal::MAGIC, wal::VERSION)
    }
}

/// Takes the lock and recovers, or makes a new store.
pub(crate) fn recover(folder: &Path, config: &StoreConfig, outside: &StoreOutside) -> Result<Recovered, OpenError> {
    let files = &*outside.files;
    let lock = lock(files, folder)?;
    let root_path = folder.join(manifest::ROOT);
    let root = match read(files, &root_path, manifest::ROOT_KIND)? {
        Some(body) => RootManifest::decode(&body).map_err(|reason| corrupt(&root_path, reason))?,
        None => new_root(folder, outside)?,
    };
    let read_marks = read_marks(files, folder, &root)?;
    let mut partitions = BTreeMap::new();
    for entry in &root.partitions {
        partitions.insert(entry.key(), open_partition(folder, outside, &root, entry)?);
    }
    let log = open_wal(folder, config, outside, &root)?;
    check_wal(folder, &log, &root, &read_marks, &partitions)?;
    sweep::sweep(files, folder, &partitions)?;
    let mut recovered = Recovered { lock, log, root, marks: read_marks.marks, partitions, leftovers: Vec::new() };
    replay::replay(&mut recovered, read_marks.position, outside.clock.monotonic())?;
    begin(&mut recovered, folder, files)?;
    Ok(recovered)
}

fn lock(files: &dyn Files, folder: &Path) -> Result<Box<dyn Lock>, OpenError> {
    if files.metadata(folder).is_err() {
        files.create_folder_all(folder).map_err(io("make data folder", folder))?;
        for above in folder.ancestors().skip(1).take(1) {
            sync_folder(files, above).map_err(io("sync folder", above))?;
        }
    }
    let path = folder.join(manifest::LOCK);
    files.lock(&path).map_err(|source| match source.kind() {
        std::io::ErrorKind::WouldBlock => OpenError::Locked { path: folder.to_owned() },
        _ => io("lock", &path)(source),
    })
}

/// A new store, if the folder is empty of ours: the WAL's folder first, so that with a root it always exists.
fn new_root(folder: &Path, outside: &StoreOutside) -> Result<RootManifest, OpenError> {
    let files = &*outside.files;
    let wal = folder.join(manifest::WAL);
    let has_log = files.list(&wal).is_ok_and(|names| !names.is_empty());
    let others = [manifest::MARKS, manifest::PARTITIONS];
    if has_log || others.iter().any(|name| files.metadata(&folder.join(name)).is_ok()) {
        return Err(corrupt(&folder.join(manifest::ROOT), "it is missing, though the folder holds a store"));
    }
    files.create_folder_all(&wal).map_err(io("make folder", &wal))?;
    sync_folder(files, folder).map_err(io("sync folder", folder))?;
    // Ordered by time, so that epochs given by a wiped store are older than those of the one after it.
    let seconds = u64::try_from(outside.clock.wall_ns() / 1_000_000).unwrap_or(0);
    let incarnation = (seconds << 12 | outside.rng.next_u64() & 0xfff).max(1);
    Ok(RootManifest { incarnation, next_partition: 1, ..RootManifest::default() })
}

fn read_marks(files: &dyn Files, folder: &Path, root: &RootManifest) -> Result<MarksFile, OpenError> {
    let path = folder.join(manifest::MARKS);
    let read = match read(files, &path, manifest::MARKS_KIND)? {
        Some(body) => marks::read(body).map_err(|reason| corrupt(&path, reason.to_string()))?,
        None if root.cut == 0 => MarksFile { position: Position(0), marks: Marks::default() },
        None => return Err(corrupt(&path, "it is missing, though the write-ahead log was cut")),
    };
    if read.position.0 < root.cut {
        let reason = format!("it stands at record {}, the write-ahead log was cut up to {}", read.position, root.cut);
        return Err(corrupt(&path, reason));
    }
    Ok(read)
}

fn open_partition(
    folder: &Path,
    outside: &StoreOutside,
    root: &RootManifest,
    entry: &PartitionEntry,
) -> Result<Partition, OpenError> {
    let files = &*outside.files;
    let path = folder.join(&entry.folder).join(manifest::PARTITION);
    let listed = match read(files, &path, manifest::PARTITION_KIND)? {
        Some(body) => PartitionManifest::decode(&body).map_err(|reason| corrupt(&path, reason))?,
        // Named before its first segment was committed: all of it is in the WAL.
        None if root.cut <= entry.from => PartitionManifest { position: entry.from, segments: Vec::new() },
        None => return Err(corrupt(&path, "it is missing, though the write-ahead log was cut")),
    };
    // The manifest may have been renamed by a process that died before it could sync the folder. Before the
    // WAL is cut on its word, the name must be durable: else a power cut brings the old one back.
    let partition_folder = folder.join(&entry.folder);
    sync_folder(files, &partition_folder).map_err(io("sync folder", &partition_folder))?;
    let mut partition = Partition::new(entry.from());
    partition.position = Position(listed.position.max(entry.from));
    partition.folder = Some(entry.folder.clone());
    for listed in listed.segments {
        let segment_folder = folder.join(&entry.folder).join(&listed.name);
        let segment = outside.builder.open(files, &segment_folder, &listed.meta).map_err(OpenError::Segment)?;
        partition.next_segment = partition.next_segment.max(segment_number(&listed.name).unwrap_or(0) + 1);
        partition.add_segment(listed, segment);
    }
    Ok(partition)
}

fn open_wal(
    folder: &Path,
    config: &StoreConfig,
    outside: &StoreOutside,
    root: &RootManifest,
) -> Result<Log, OpenError> {
    let path = folder.join(manifest::WAL);
    if let Err(error) = outside.files.list(&path) {
        return Err(match error.kind() {
            std::io::ErrorKind::NotFound => corrupt(&path, "the folder of the write-ahead log is missing"),
            _ => io("list folder", &path)(error),
        });
    }
    let opened = Log::open(Arc::clone(&outside.files), &path, log_options(config, root));
    opened.map(|(log, _)| log).map_err(OpenError::Wal)
}

fn check_wal(
    folder: &Path,
    log: &Log,
    root: &RootManifest,
    read_marks: &MarksFile,
    partitions: &BTreeMap<PartitionKey, Partition>,
) -> Result<(), OpenError> {
    let path = folder.join(manifest::WAL);
    if log.first().0 > root.cut + 1 {
        let reason = format!("records {} to {} are missing", root.cut + 1, log.first().0 - 1);
        return Err(corrupt(&path, reason));
    }
    let named = partitions.values().map(|partition| partition.position).max().unwrap_or(Position(0));
    let named = named.max(read_marks.position).max(Position(root.cut));
    if named >= log.next() {
        let reason = format!("it ends before record {named}, which is stored elsewhere already");
        return Err(corrupt(&path, reason));
    }
    Ok(())
}

/// A new boot number, durable before anything is answered.
fn begin(recovered: &mut Recovered, folder: &Path, files: &dyn Files) -> Result<(), OpenError> {
    let root = &mut recovered.root;
    root.boot += 1;
    root.partitions.retain(|entry| {
        recovered.partitions.get(&entry.key()).is_some_and(|partition| partition.folder.as_ref() == Some(&entry.folder))
    });
    let path = folder.join(manifest::ROOT);
    replace_whole(files, &path, manifest::ROOT_KIND, &root.encode())
        .map_err(|failure| io("write", &path)(failure.into_io()))
}

fn read(files: &dyn Files, path: &Path, kind: FileKind) -> Result<Option<Vec<u8>>, OpenError> {
    match read_whole(files, path, kind) {
        Ok(body) => Ok(Some(body)),
        Err(ReadFailure::Missing) => Ok(None),
        Err(ReadFailure::Newer { found, known }) => Err(OpenError::Newer { path: path.to_owned(), found, known }),
        Err(ReadFailure::Corrupt(reason)) => Err(corrupt(path, reason)),
        Err(ReadFailure::Io(source)) => Err(io("read", path)(source)),
    }
}

fn corrupt(path: &Path, reason: impl Into<String>) -> OpenError {
    OpenError::Corrupt {
        path: path.to_owned(),
        reason: reason.into(),
        advice: "restore the data folder from a backup, or name an empty folder: shippers then send again what their files still hold",
    }
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { what, path, source }
}
