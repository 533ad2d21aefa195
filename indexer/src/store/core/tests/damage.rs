//! Damaged, missing, exchanged and newer files: a clear error or recovery, never silent loss.

use super::rig::{DAY, NOW, ROOT, Rig, STREAM, events, events_at, open, small};
use crate::store::core::{OpenError, StoreConfig, StoreInput};
use outside::Files;
use std::path::{Path, PathBuf};
use wire::Verdict;

/// A store with segments, a mark table, a cut WAL, and newest lines in the WAL.
fn full() -> Rig {
    let mut rig = Rig::new(StoreConfig { memory_events: 2, ..small() });
    rig.begin();
    for i in 0..20 {
        let time = NOW - (i as i64 % 2) * DAY;
        rig.send(events_at(i * 50, &[i * 50 + 50], Some(time)));
        rig.build();
    }
    rig.step(StoreInput::Tick);
    rig.send(events(1000, &[1050]));
    assert_eq!(rig.offsets().len(), 21);
    rig.kill();
    rig
}

fn path(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

fn partition_manifest(rig: &Rig) -> PathBuf {
    let folder = path("partitions/local/default");
    let name = rig.disk.process().list(&folder).unwrap().into_iter().next().unwrap();
    folder.join(name).join("partition.manifest")
}

fn refused(rig: &mut Rig) -> OpenError {
    match rig.open() {
        Ok(()) => panic!("opened"),
        Err(error) => error,
    }
}

#[test]
fn a_flipped_bit_in_any_small_file_is_told_and_changes_nothing() {
    let mut rig = full();
    for file in [path("store.manifest"), path("marks"), partition_manifest(&rig)] {
        let before = rig.disk.contents(&file).unwrap();
        let bits = before.len() as u64 * 8;
        for bit in (0..bits).step_by(bits as usize / 97 + 1).chain([8 * 8, 8 * 11 + 7]) {
            rig.disk.flip_bit(&file, bit);
            let error = refused(&mut rig);
            let text = error.to_string();
            assert!(matches!(error, OpenError::Corrupt { .. } | OpenError::Newer { .. }), "{error:?}");
            assert!(text.contains(file.to_str().unwrap()), "{text}");
            rig.disk.flip_bit(&file, bit);
            assert_eq!(rig.disk.contents(&file).unwrap(), before);
        }
    }
    rig.open().unwrap();
    assert_eq!(rig.offsets().len(), 21);
}

#[test]
fn a_flipped_bit_in_the_wal_or_a_segment_is_told_or_harmless() {
    let mut rig = full();
    let wal = path("wal");
    let segments = partition_manifest(&rig).parent().unwrap().to_owned();
    let files = rig.disk.process();
    let logs = files.list(&wal).unwrap().into_iter().map(|name| wal.join(name));
    let built = files.list(&segments).unwrap().into_iter().filter(|name| name.to_str().unwrap().starts_with('s'));
    let paths: Vec<PathBuf> = logs.chain(built.map(|name| segments.join(name).join("events"))).collect();
    for file in paths {
        let bits = rig.disk.contents(&file).unwrap().len() as u64 * 8;
        for bit in (0..bits).step_by(bits as usize / 61 + 1) {
            rig.disk.flip_bit(&file, bit);
            let before = rig.disk.contents(&file).unwrap();
            match rig.open() {
                Ok(()) => panic!("bit {bit} of {} was not noticed", file.display()),
                Err(error) => assert!(
                    matches!(error, OpenError::Wal(_) | OpenError::Segment(_) | OpenError::Corrupt { .. }),
                    "{error:?}"
                ),
            }
            assert_eq!(rig.disk.contents(&file).unwrap(), before);
            rig.disk.flip_bit(&file, bit);
        }
    }
    rig.open().unwrap();
    assert_eq!(rig.offsets().len(), 21);
}

#[test]
fn a_file_that_is_missing_or_cut_short_is_told() {
    for name in ["store.manifest", "marks", "partition.manifest"] {
        for missing in [true, false] {
            let mut rig = full();
            let file = if name == "partition.manifest" { partition_manifest(&rig) } else { path(name) };
            let bytes = rig.disk.contents(&file).unwrap();
            rig.disk.remove(&file).unwrap();
            if !missing {
                rig.disk.append(&file, &bytes[..bytes.len() - 1]);
            }
            assert!(matches!(refused(&mut rig), OpenError::Corrupt { .. }), "{name}");
            if !missing {
                rig.disk.remove(&file).unwrap();
            }
            rig.disk.append(&file, &bytes);
            rig.open().unwrap();
            assert_eq!(rig.offsets().len(), 21);
        }
    }
}

#[test]
fn a_wal_that_is_missing_or_too_old_is_told() {
    let mut rig = full();
    let wal = path("wal");
    let files = rig.disk.process();
    let mut logs: Vec<PathBuf> = files.list(&wal).unwrap().into_iter().map(|name| wal.join(name)).collect();
    logs.sort();
    // The newest log segment away: records that segments or marks came from are gone.
    let newest = logs.last().unwrap();
    let bytes = rig.disk.contents(newest).unwrap();
    rig.disk.remove(newest).unwrap();
    if logs.len() > 1 {
        assert!(matches!(refused(&mut rig), OpenError::Corrupt { .. }));
    }
    rig.disk.append(newest, &bytes);
    // The oldest away.
    let bytes = rig.disk.contents(&logs[0]).unwrap();
    rig.disk.remove(&logs[0]).unwrap();
    assert!(matches!(refused(&mut rig), OpenError::Corrupt { .. }));
    rig.disk.append(&logs[0], &bytes);
    // All away.
    let files = rig.disk.process();
    files.remove_folder_all(&wal).unwrap();
    assert!(matches!(refused(&mut rig), OpenError::Corrupt { .. }));
}

#[test]
fn an_older_mark_table_is_told() {
    let mut rig = Rig::new(StoreConfig { memory_events: 2, ..small() });
    rig.begin();
    rig.send(events(0, &[10, 20]));
    rig.flush();
    let old = rig.disk.contents(&path("marks")).unwrap();
    rig.send(events(20, &[30, 40]));
    rig.flush();
    rig.kill();
    rig.disk.remove(&path("marks")).unwrap();
    rig.disk.append(&path("marks"), &old);
    assert!(matches!(refused(&mut rig), OpenError::Corrupt { .. }));
}

#[test]
fn a_newer_format_is_refused_by_name_and_left_alone() {
    for name in ["store.manifest", "marks", "partition.manifest"] {
        let mut rig = full();
        let file = if name == "partition.manifest" { partition_manifest(&rig) } else { path(name) };
        rig.disk.flip_bit(&file, 8 * 8 + 1);
        let before = rig.disk.contents(&file).unwrap();
        match refused(&mut rig) {
            OpenError::Newer { path, found: 3, known: 1 } => assert_eq!(path, file),
            other => panic!("{other:?}"),
        }
        assert_eq!(rig.disk.contents(&file).unwrap(), before);
    }
}

#[test]
fn a_torn_tail_of_the_wal_is_cut_away() {
    let mut rig = full();
    rig.open().unwrap();
    rig.request(1, vec![events(1050, &[1100])]);
    rig.core().step(StoreInput::Sync);
    rig.kill();
    let files = rig.disk.process();
    let wal = path("wal");
    let newest = files.list(&wal).unwrap().into_iter().map(|name| wal.join(name)).max().unwrap();
    let bytes = rig.disk.contents(&newest).unwrap();
    rig.disk.remove(&newest).unwrap();
    rig.disk.append(&newest, &bytes[..bytes.len() - 7]);
    rig.open().unwrap();
    assert_eq!(rig.offsets().len(), 21);
    rig.hello();
    assert!(matches!(rig.send(open(STREAM)), Verdict::Open(state) if state.mark.0 == 1050));
}

#[test]
fn a_folder_in_use_is_told() {
    let mut rig = Rig::new(small());
    let first = rig.core.take();
    let error = refused(&mut rig);
    assert!(matches!(&error, OpenError::Locked { path } if path == Path::new(ROOT)));
    assert!(error.is_retryable() && error.to_string().contains("in use by another process"), "{error}");
    drop(first);
    rig.open().unwrap();
}

#[test]
fn a_death_at_any_call_of_the_first_start_and_of_every_start_is_survived() {
    for calls in 0..30 {
        let mut rig = Rig::new(small());
        rig.kill();
        rig.disk = outside::sim::SimDisk::new(1 << 20, rig.clock.clone(), outside::sim::SimRng::new(calls));
        for round in 0..3 {
            die_while_opening(&mut rig, calls);
            if calls % 2 == 0 {
                rig.disk.power_cut();
            }
            rig.open().unwrap_or_else(|error| panic!("round {round}, {calls} calls: {error:?}"));
            rig.begin();
            rig.send(events(round * 10, &[round * 10 + 10]));
            assert_eq!(rig.offsets().len() as u64, round + 1);
            if round == 1 {
                rig.flush();
            }
            rig.power_cut();
        }
    }
}

fn die_while_opening(rig: &mut Rig, calls: u64) {
    use crate::store::core::{StoreCore, StoreOutside};
    let files = rig.disk.process();
    files.die_after(calls);
    let outside = StoreOutside {
        files,
        clock: std::sync::Arc::new(rig.clock.clone()),
        rng: std::sync::Arc::new(rig.rng.clone()),
        builder: std::sync::Arc::new(crate::store::naive::NaiveBuilder),
    };
    drop(StoreCore::open(Path::new(ROOT), rig.config.clone(), outside));
}
