#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{DEAD, Fault, SimClock, SimDisk, SimRng};
use crate::{Files, OpenMode, write_whole};
use std::path::Path;

fn disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(1 << 20, SimClock::new(0), SimRng::new(seed));
    disk.make_folder(Path::new("/d"));
    disk
}

/// Over many seeds, what the power cut left of `/d/f`.
fn after_cut(prepare: impl Fn(&dyn Files)) -> Vec<Option<Vec<u8>>> {
    (0..200)
        .map(|seed| {
            let disk = disk(seed);
            prepare(disk.process().as_ref());
            disk.power_cut();
            disk.contents(Path::new("/d/f"))
        })
        .collect()
}

#[test]
fn synced_bytes_with_a_synced_name_survive_every_power_cut() {
    let left = after_cut(|files| {
        let file = files.open(Path::new("/d/f"), OpenMode::CreateNew).unwrap();
        file.write_all_at(b"kept", 0).unwrap();
        file.sync().unwrap();
        files.sync_folder(Path::new("/d")).unwrap();
    });
    assert!(left.iter().all(|bytes| bytes.as_deref() == Some(b"kept")));
}

#[test]
fn unsynced_bytes_are_sometimes_lost_sometimes_torn_sometimes_kept() {
    let left = after_cut(|files| {
        let file = files.open(Path::new("/d/f"), OpenMode::CreateNew).unwrap();
        files.sync_folder(Path::new("/d")).unwrap();
        file.write_all_at(b"perhaps", 0).unwrap();
    });
    let lengths: std::collections::BTreeSet<usize> = left.into_iter().map(|bytes| bytes.unwrap().len()).collect();
    assert!(lengths.contains(&0) && lengths.contains(&7) && lengths.len() > 3, "{lengths:?}");
}

#[test]
fn a_name_that_was_not_synced_is_sometimes_lost() {
    let left = after_cut(|files| {
        let file = files.open(Path::new("/d/f"), OpenMode::CreateNew).unwrap();
        file.write_all_at(b"x", 0).unwrap();
        file.sync().unwrap();
    });
    assert!(left.iter().any(Option::is_none) && left.iter().any(Option::is_some));
}

#[test]
fn a_whole_replacement_leaves_old_or_new_never_else() {
    for seed in 0..300 {
        let disk = disk(seed);
        let files = disk.process();
        write_whole(files.as_ref(), Path::new("/d/f"), b"old").unwrap();
        files.die_after(seed % 7);
        let result = write_whole(files.as_ref(), Path::new("/d/f"), b"newer");
        let done = result.is_ok();
        drop(files);
        disk.power_cut();
        let left = disk.contents(Path::new("/d/f")).unwrap();
        assert!(left == b"newer" || (!done && left == b"old"), "seed {seed}: {left:?}");
    }
}

#[test]
fn a_dead_process_has_no_effect_any_more() {
    let disk = disk(1);
    let files = disk.process();
    let file = files.open(Path::new("/d/f"), OpenMode::Create).unwrap();
    files.die_after(1);
    file.write_all_at(b"a", 0).unwrap();
    let error = file.write_all_at(b"b", 1).unwrap_err();
    assert_eq!(error.to_string(), DEAD);
    assert!(files.is_dead());
    assert_eq!(disk.contents(Path::new("/d/f")).unwrap(), b"a");
    assert_eq!(disk.faults()[&Fault::Death], 1);
}

#[test]
fn a_full_disk_takes_what_fits_and_says_so() {
    let disk = disk(1);
    let files = disk.process();
    let file = files.open(Path::new("/d/f"), OpenMode::Create).unwrap();
    disk.set_capacity(4);
    assert_eq!(file.write_all_at(b"123456", 0).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(disk.contents(Path::new("/d/f")).unwrap(), b"1234");
    disk.set_capacity(100);
    file.write_all_at(b"56", 4).unwrap();
    assert_eq!(disk.used(), 6);
}

#[test]
fn a_failed_sync_loses_the_bytes_for_good() {
    let disk = disk(3);
    let files = disk.process();
    let file = files.open(Path::new("/d/f"), OpenMode::Create).unwrap();
    files.sync_folder(Path::new("/d")).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    disk.fail_syncs(1);
    file.sync().unwrap_err();
    file.sync().unwrap();
    drop(file);
    disk.power_cut();
    assert_eq!(disk.contents(Path::new("/d/f")).unwrap(), b"");
}

#[test]
fn an_open_file_outlives_its_name_and_its_inode_is_reused_after_it() {
    let disk = disk(1);
    disk.reuse_inodes(true);
    let files = disk.process();
    disk.append(Path::new("/d/f"), b"text");
    let file = files.open(Path::new("/d/f"), OpenMode::Read).unwrap();
    let id = file.metadata().unwrap().id;
    disk.remove(Path::new("/d/f")).unwrap();
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"text");
    drop(file);
    disk.append(Path::new("/d/g"), b"other");
    assert_eq!(files.metadata(Path::new("/d/g")).unwrap().id, id);
}
