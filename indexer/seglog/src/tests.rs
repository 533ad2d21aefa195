#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::{Log, OpenError, Options, Position, Recovered, WriteError};
use outside::sim::{SimClock, SimDisk, SimFiles, SimRng};
use outside::{Files, OpenMode};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FOLDER: &str = "/state/log";

fn options() -> Options {
    Options { segment_bytes: 1500, record_bytes_max: 5000, ..Options::new(*b"TESTLOG\0", 3) }
}

fn disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(1 << 24, SimClock::new(0), SimRng::new(seed));
    disk.make_folder(Path::new("/state"));
    disk
}

fn open(files: &Arc<SimFiles>) -> Result<(Log, Recovered), OpenError> {
    Log::open(Arc::clone(files) as Arc<dyn Files>, Path::new(FOLDER), options())
}

/// Payload of a position: not zero, its own, of a length that varies.
fn payload(position: u64, len: usize) -> Vec<u8> {
    (0..len).map(|i| (position as usize * 31 + i * 7) as u8 | 1).collect()
}

fn contents(log: &Log, from: u64) -> Vec<(u64, Vec<u8>)> {
    log.read_from(Position(from)).map(|read| read.map(|(position, bytes)| (position.0, bytes)).unwrap()).collect()
}

fn segments(files: &SimFiles) -> Vec<PathBuf> {
    let mut names = files.list(Path::new(FOLDER)).unwrap();
    names.sort();
    names.iter().map(|name| Path::new(FOLDER).join(name)).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Sync,
    /// Cuts this many tenths of what is durable.
    Truncate(u64),
    /// Ends the process and starts it again.
    Restart,
    /// Lets the process die at this system call from now.
    DieAfter(u64),
    PowerCut,
    FailSync,
    DiskFull,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0usize..900).prop_map(Step::Append),
        6 => Just(Step::Sync),
        1 => (0u64..=10).prop_map(Step::Truncate),
        1 => Just(Step::Restart),
        2 => (0u64..12).prop_map(Step::DieAfter),
        2 => Just(Step::PowerCut),
        1 => Just(Step::FailSync),
        1 => Just(Step::DiskFull),
    ]
}

/// What must hold of the log: every record ever appended, and how far they are durable.
#[derive(Default)]
struct Model {
    records: Vec<Vec<u8>>,
    durable: usize,
    cut_at_most: u64,
}

impl Model {
    fn next(&self) -> u64 {
        self.records.len() as u64 + 1
    }

    fn reopened(&mut self, log: &Log, found: Recovered) {
        let next = found.next.0;
        assert!(next > self.durable as u64, "durable records are gone: next is {next}, {} were durable", self.durable);
        assert!(next <= self.next(), "more records than were ever appended");
        assert!(found.first.0 <= self.cut_at_most.max(1), "{found:?} was never cut, at most {}", self.cut_at_most);
        self.records.truncate(next as usize - 1);
        self.durable = self.records.len();
        let expected: Vec<(u64, Vec<u8>)> =
            (found.first.0..next).map(|position| (position, self.records[position as usize - 1].clone())).collect();
        assert_eq!(contents(log, 0), expected);
        assert_eq!(log.next(), found.next);
    }
}

fn play(seed: u64, steps: &[Step]) {
    let disk = disk(seed);
    let mut files = disk.process();
    let mut model = Model::default();
    let mut log = open(&files).unwrap().0;
    let mut power_cut = false;
    for step in steps {
        let done = match step {
            Step::Append(len) => {
                let bytes = payload(model.next(), *len);
                log.append(&bytes).map(|position| {
                    assert_eq!(position.0, model.next());
                    model.records.push(bytes);
                })
            }
            Step::Sync => log.sync().map(|()| model.durable = model.records.len()),
            Step::Truncate(tenths) => {
                let position = model.durable as u64 * tenths / 10 + 1;
                model.cut_at_most = model.cut_at_most.max(position);
                log.truncate_before(Position(position))
            }
            Step::Restart => Err(WriteError::Poisoned { folder: FOLDER.into() }),
            Step::DieAfter(calls) => {
                files.die_after(*calls);
                Ok(())
            }
            Step::PowerCut => {
                power_cut = true;
                Err(WriteError::Poisoned { folder: FOLDER.into() })
            }
            Step::FailSync => {
                disk.fail_syncs(1);
                Ok(())
            }
            Step::DiskFull => {
                disk.set_capacity(disk.used() + 700);
                Ok(())
            }
        };
        let Err(error) = done else { continue };
        if matches!(error, WriteError::Io { .. }) {
            assert!(matches!(log.append(b"x"), Err(WriteError::Poisoned { .. })));
            assert!(matches!(log.sync(), Err(WriteError::Poisoned { .. })));
        }
        (log, files) = restart(&disk, &files, std::mem::take(&mut power_cut), log, &mut model);
    }
    restart(&disk, &files, true, log, &mut model);
}

fn restart(disk: &SimDisk, old: &Arc<SimFiles>, power_cut: bool, log: Log, model: &mut Model) -> (Log, Arc<SimFiles>) {
    old.kill();
    drop(log);
    disk.set_capacity(1 << 24);
    disk.fail_syncs(0);
    if power_cut {
        disk.power_cut();
    }
    let files = disk.process();
    let (log, found) = open(&files).unwrap();
    model.reopened(&log, found);
    (log, files)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn what_was_synced_is_found_after_every_crash(seed: u64, steps in prop::collection::vec(step(), 1..60)) {
        play(seed, &steps);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), good_header: bool) {
        let disk = disk(1);
        let files = disk.process();
        let mut file = Vec::new();
        if good_header {
            crate::format::put_header(&mut file, crate::format::Kind { magic: *b"TESTLOG\0", records_version: 3 }, Position(5));
        }
        file.extend_from_slice(&bytes);
        disk.append(&Path::new(FOLDER).join("00000000000000000005.log"), &file);
        match open(&files) {
            Ok((log, found)) => prop_assert!(found.next >= found.first && log.size_bytes() <= file.len() as u64),
            Err(_) => prop_assert_eq!(disk.contents(&segments(&files)[0]).unwrap(), file),
        }
    }

    #[test]
    fn a_flipped_bit_is_never_taken_for_a_torn_tail(writes in prop::collection::vec((1usize..4, 1usize..400), 1..12), bit: prop::sample::Index) {
        let disk = disk(1);
        let files = disk.process();
        let mut log = open(&files).unwrap().0;
        for (records, len) in writes {
            for _ in 0..records {
                log.append(&payload(log.next().0, len)).unwrap();
            }
            log.sync().unwrap();
        }
        drop(log);
        let names = segments(&files);
        let sizes: Vec<u64> = names.iter().map(|name| disk.contents(name).unwrap().len() as u64 * 8).collect();
        let mut bit = bit.index(sizes.iter().sum::<u64>() as usize) as u64;
        let i = sizes.iter().position(|&size| if bit < size { true } else { bit -= size; false }).unwrap();
        disk.flip_bit(&names[i], bit);
        let before: Vec<_> = names.iter().map(|name| disk.contents(name)).collect();
        let error = open(&files).unwrap_err();
        prop_assert!(matches!(&error, OpenError::Corrupt { path, .. } | OpenError::Newer { path, .. } if *path == names[i]), "{error}");
        let after: Vec<_> = names.iter().map(|name| disk.contents(name)).collect();
        prop_assert_eq!(before, after);
    }

    #[test]
    fn sectors_of_the_last_write_may_be_missing(kept in 1usize..5, sectors in prop::collection::vec(any::<bool>(), 12), cut in 0usize..3000) {
        let disk = disk(1);
        let files = disk.process();
        let wide = Options { segment_bytes: 1 << 20, ..options() };
        let (mut log, _) = Log::open(files.clone(), Path::new(FOLDER), wide).unwrap();
        for _ in 0..kept {
            log.append(&payload(log.next().0, 100)).unwrap();
            log.sync().unwrap();
        }
        let durable = log.size_bytes() as usize;
        for _ in 0..5 {
            log.append(&payload(log.next().0, 700)).unwrap();
        }
        log.sync().unwrap();
        drop(log);
        let path = &segments(&files)[0];
        let mut bytes = disk.contents(path).unwrap();
        for (sector, lost) in sectors.iter().enumerate() {
            let (from, to) = ((sector * 512).max(durable), ((sector + 1) * 512).min(bytes.len()));
            if *lost && from < to {
                bytes[from..to].fill(0);
            }
        }
        bytes.truncate((bytes.len() - cut.min(bytes.len())).max(durable));
        disk.truncate(path).unwrap();
        disk.append(path, &bytes);
        let (log, found) = Log::open(files.clone(), Path::new(FOLDER), wide).unwrap();
        prop_assert!(found.next.0 > kept as u64);
        for (position, bytes) in contents(&log, 0) {
            prop_assert_eq!(bytes, payload(position, if position <= kept as u64 { 100 } else { 700 }));
        }
    }
}

#[test]
fn numbers_go_on_when_everything_was_cut() {
    let disk = disk(1);
    let files = disk.process();
    let mut log = open(&files).unwrap().0;
    for _ in 0..20 {
        log.append(&payload(log.next().0, 300)).unwrap();
        log.sync().unwrap();
    }
    assert!(segments(&files).len() > 3);
    log.truncate_before(Position(u64::MAX)).unwrap();
    assert_eq!((log.first(), log.next(), log.size_bytes()), (Position(21), Position(21), 28));
    drop(log);
    let (mut log, found) = open(&files).unwrap();
    assert_eq!(found, Recovered { first: Position(21), next: Position(21), torn_bytes: 0 });
    assert_eq!(log.append(b"").unwrap(), Position(21));
    log.sync().unwrap();
    assert_eq!(contents(&log, 0), [(21, Vec::new())]);
}

#[test]
fn reading_begins_in_the_middle_and_sees_only_what_is_durable() {
    let disk = disk(1);
    let files = disk.process();
    let mut log = open(&files).unwrap().0;
    for _ in 0..30 {
        log.append(&payload(log.next().0, 90)).unwrap();
    }
    log.sync().unwrap();
    log.append(b"not yet").unwrap();
    let read: Vec<u64> = contents(&log, 17).iter().map(|(position, _)| *position).collect();
    assert_eq!(read, (17..=30).collect::<Vec<u64>>());
    assert_eq!((log.durable_to(), log.next()), (Position(31), Position(32)));
    assert!(log.pending_bytes() > 0);
}

#[test]
fn a_new_log_starts_where_it_is_told() {
    let files = disk(1).process();
    let start = Options { start: Position(500), ..options() };
    let (mut log, found) = Log::open(files, Path::new(FOLDER), start).unwrap();
    assert_eq!(found.next, Position(500));
    assert_eq!(log.append(b"x").unwrap(), Position(500));
}

#[test]
fn a_record_that_is_too_large_leaves_the_log_usable() {
    let files = disk(1).process();
    let mut log = open(&files).unwrap().0;
    assert!(matches!(log.append(&[1; 5001]), Err(WriteError::TooLarge { size: 5001, max: 5000, .. })));
    assert_eq!(log.append(&[1; 5000]).unwrap(), Position(1));
    log.sync().unwrap();
}

#[test]
fn a_missing_log_segment_is_named() {
    let disk = disk(1);
    let files = disk.process();
    let mut log = open(&files).unwrap().0;
    for _ in 0..30 {
        log.append(&payload(log.next().0, 300)).unwrap();
        log.sync().unwrap();
    }
    drop(log);
    let names = segments(&files);
    disk.remove(&names[2]).unwrap();
    let error = open(&files).unwrap_err().to_string();
    assert!(error.contains(names[3].to_str().unwrap()) && error.contains("are missing before it"), "{error}");
}

#[test]
fn newer_versions_and_other_kinds_are_refused_untouched() {
    let disk = disk(1);
    let files = disk.process();
    let mut log = open(&files).unwrap().0;
    log.append(b"x").unwrap();
    log.sync().unwrap();
    drop(log);
    let older = Options { records_version: 2, ..options() };
    let error = Log::open(files.clone(), Path::new(FOLDER), older).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 3, known: 2, .. }), "{error}");
    let other = Options { magic: *b"OTHERLOG", ..options() };
    let error = Log::open(files, Path::new(FOLDER), other).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { offset: 0, .. }), "{error}");
}

#[test]
fn a_full_disk_is_told_apart() {
    let disk = disk(1);
    let files = disk.process();
    let mut log = open(&files).unwrap().0;
    log.append(&[7; 400]).unwrap();
    disk.set_capacity(100);
    assert!(log.sync().unwrap_err().is_disk_full());
    disk.set_capacity(1 << 20);
    let (mut log, found) = open(&files).unwrap();
    assert_eq!(found.next, Position(1));
    log.append(&[7; 400]).unwrap();
    log.sync().unwrap();
}

#[test]
fn the_real_file_system_does_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let files: Arc<dyn Files> = Arc::new(outside::real::RealFiles);
    let path = folder.path().join("log");
    let (mut log, _) = Log::open(Arc::clone(&files), &path, options()).unwrap();
    for _ in 0..20 {
        log.append(&payload(log.next().0, 300)).unwrap();
        log.sync().unwrap();
    }
    log.truncate_before(Position(7)).unwrap();
    let first = log.first();
    drop(log);
    let (log, found) = Log::open(Arc::clone(&files), &path, options()).unwrap();
    assert_eq!((found.first, found.next, found.torn_bytes), (first, Position(21), 0));
    let read = contents(&log, 7);
    assert_eq!(read.len(), 14);
    assert!(read.iter().all(|(position, bytes)| *bytes == payload(*position, 300)));
    // A tail that a crash left unfinished.
    let mut names = files.list(&path).unwrap();
    names.sort();
    let file = files.open(&path.join(names.pop().unwrap()), OpenMode::Write).unwrap();
    let size = file.metadata().unwrap().size;
    file.set_len(size - 10).unwrap();
    drop((file, log));
    let (_, found) = Log::open(files, &path, options()).unwrap();
    assert_eq!((found.next, found.torn_bytes), (Position(20), 310));
}
