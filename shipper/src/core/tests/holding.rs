//! What is rotated away and removed before it is shipped is kept, within bounds.

use super::world::{World, gz, line, log};
use crate::core::ShipperInput;
use outside::Files;
use std::path::Path;
use std::time::Duration;

const FILE: &str = "wso2carbon.log";

fn lines(range: std::ops::Range<u64>) -> Vec<u8> {
    range.flat_map(line).collect()
}

/// Time passes while the indexer answers nothing.
fn silence(w: &mut World, seconds: u64) {
    for _ in 0..seconds * 2 {
        w.clock.advance(Duration::from_millis(500));
        w.step(ShipperInput::Changed(log(FILE)));
        w.step(ShipperInput::Overflow);
        while w.drop_request() {}
    }
}

/// A shipper whose file was rotated while nothing was shipped of its second half.
fn rotated_and_owed(seed: u64, set: impl FnOnce(&mut World)) -> World {
    let mut w = World::new(seed);
    set(&mut w);
    w.disk.append(&log(FILE), &lines(0..10));
    w.start().pass(Duration::from_secs(6));
    w.disk.append(&log(FILE), &lines(10..1000));
    silence(&mut w, 1);
    w.disk.rename(&log(FILE), &log("wso2carbon.log.1")).unwrap();
    w.disk.append(&log(FILE), &lines(2000..2002));
    silence(&mut w, 3);
    w
}

fn pins(w: &World) -> usize {
    w.disk.process().list(Path::new("/state/spool")).map_or(0, |names| names.len())
}

#[test]
fn a_rotated_file_that_is_owed_is_pinned_and_outlives_its_removal_and_a_restart() {
    let mut w = rotated_and_owed(1, |_| {});
    assert_eq!(pins(&w), 1);
    w.disk.remove(&log("wso2carbon.log.1")).unwrap();
    silence(&mut w, 3);
    let held = line(0).len() as u64;
    assert!(w.status().held_bytes > 900 * held, "{:#?}", w.status());
    w.kill().start();
    silence(&mut w, 20);
    w.pass(Duration::from_secs(80));
    let all: Vec<u8> = lines(0..1000);
    assert!(w.indexer.rows.values().any(|row| row.bytes() == all), "{:#?}", w.status());
    assert_eq!((pins(&w), w.status().held_bytes), (0, 0));
    assert!(w.indexer.rows.values().all(|row| row.lost.is_empty()));
}

#[test]
fn a_pin_goes_when_its_file_is_shipped() {
    let mut w = rotated_and_owed(2, |_| {});
    assert_eq!(pins(&w), 1);
    w.pass(Duration::from_secs(10));
    assert_eq!(pins(&w), 0);
    assert!(w.disk.contents(&log("wso2carbon.log.1")).is_some());
}

#[test]
fn beyond_the_bound_the_oldest_is_given_up_and_declared_with_its_range() {
    let size = lines(0..1000).len() as u64;
    let mut w = rotated_and_owed(3, |w| w.config.limits.held_bytes_max = 10_000);
    let used = w.disk.used();
    w.disk.remove(&log("wso2carbon.log.1")).unwrap();
    silence(&mut w, 40);
    // A file system frees what no durable name and no handle has.
    let process = w.disk.process();
    process.sync_folder(Path::new("/logs")).unwrap();
    process.sync_folder(Path::new("/state/spool")).unwrap();
    let extra = w.disk.process().open(&log("extra"), outside::OpenMode::Create).unwrap();
    w.disk.remove(&log("extra")).unwrap();
    drop(extra);
    assert!(
        w.disk.used() + size / 2 < used,
        "the disk's space is not free: {} of {used} {:#?} {:?}",
        w.disk.used(),
        w.status(),
        w.notices
    );
    assert!(w.notices.iter().any(|n| n.contains("given up")), "{:?}", w.notices);
    w.pass(Duration::from_secs(120));
    let mark = lines(0..10).len() as u64;
    let lost: Vec<_> = w.indexer.rows.values().flat_map(|row| row.lost.clone()).collect();
    assert_eq!(lost, [(mark, Some(size))]);
    assert_eq!((w.status().lost_bytes, pins(&w)), (size - mark, 0));
}

#[test]
fn when_the_disk_is_almost_full_the_hosts_own_service_comes_first() {
    let mut w = rotated_and_owed(4, |_| {});
    w.disk.remove(&log("wso2carbon.log.1")).unwrap();
    silence(&mut w, 3);
    assert!(w.status().held_bytes > 0);
    w.disk.set_capacity(w.disk.used() + 500);
    silence(&mut w, 40);
    assert_eq!((w.status().held_bytes, pins(&w)), (0, 0));
    assert!(w.notices.iter().any(|n| n.contains("given up")), "{:?}", w.notices);
}

#[test]
fn a_compressed_file_that_is_owed_is_pinned_and_read_as_what_it_is_after_a_restart() {
    let mut w = World::new(9);
    w.disk.append(&log("wso2carbon.log.1.gz"), &gz(&lines(0..1000)));
    w.config.limits.step_bytes_max = 20_000;
    w.start();
    for _ in 0..8 {
        w.step(ShipperInput::Tick);
        w.deliver(true);
        w.clock.advance(Duration::from_millis(100));
    }
    silence(&mut w, 3);
    assert_eq!(pins(&w), 1, "{:#?}", w.status());
    w.disk.remove(&log("wso2carbon.log.1.gz")).unwrap();
    silence(&mut w, 3);
    let held = w.status().held_bytes;
    assert!(held > 0 && held < lines(0..1000).len() as u64, "bytes on disk, not unpacked: {held}");
    w.kill().start();
    silence(&mut w, 20);
    w.pass(Duration::from_secs(80));
    assert_eq!(w.only().bytes(), lines(0..1000), "{:#?}", w.notices);
    assert!(w.only().lost.is_empty());
    assert_eq!((pins(&w), w.status().held_bytes), (0, 0));
}

#[test]
fn a_pin_goes_when_the_stream_goes_on_in_another_file() {
    // Copied and truncated while it is owed and pinned under the name of its rotation.
    let mut w = rotated_and_owed(10, |_| {});
    assert_eq!(pins(&w), 1);
    w.kill();
    w.disk.append(&log("wso2carbon.log.2.gz"), &gz(&lines(0..1000)));
    w.disk.truncate(&log("wso2carbon.log.1")).unwrap();
    w.disk.remove(&log("wso2carbon.log.1")).unwrap();
    w.config.limits.held_bytes_max = 100;
    w.start().pass(Duration::from_secs(120));
    assert!(w.indexer.rows.values().any(|row| row.bytes() == lines(0..1000)), "{:#?}", w.notices);
    assert!(w.indexer.rows.values().all(|row| row.lost.is_empty()), "{:#?}", w.notices);
    assert_eq!((pins(&w), w.status().held_bytes), (0, 0));
}

#[test]
fn what_grew_while_it_was_down_is_in_the_loss_when_it_is_given_up_at_the_start() {
    let mut w = rotated_and_owed(6, |_| {});
    w.kill();
    w.disk.append(&log("wso2carbon.log.1"), &lines(1000..1100));
    w.disk.remove(&log("wso2carbon.log.1")).unwrap();
    w.config.limits.held_bytes_max = 10_000;
    w.start();
    w.pass(Duration::from_secs(120));
    let lost: Vec<_> = w.indexer.rows.values().flat_map(|row| row.lost.clone()).collect();
    assert_eq!(lost, [(lines(0..10).len() as u64, Some(lines(0..1100).len() as u64))]);
    assert_eq!((w.status().held_bytes, pins(&w)), (0, 0));
}

#[test]
fn killed_at_any_call_of_giving_up_the_loss_is_journaled_before_the_bytes_go() {
    let size = lines(0..1000).len() as u64;
    for call in 0..2000 {
        let mut w = rotated_and_owed(5, |w| w.config.limits.held_bytes_max = 10_000);
        w.disk.remove(&log("wso2carbon.log.1")).unwrap();
        w.files.die_after(call);
        silence(&mut w, 40);
        let died = w.core.is_none();
        if call % 2 == 0 && died {
            w.disk.power_cut();
        }
        let released = pins(&w) == 0;
        w.kill().start();
        w.pass(Duration::from_secs(120));
        let lost: Vec<_> = w.indexer.rows.values().flat_map(|row| row.lost.clone()).collect();
        let exact = lost.contains(&(lines(0..10).len() as u64, Some(size)));
        assert!(!released || exact || call % 2 == 0, "killed at call {call}: {lost:?}");
        if !died {
            return;
        }
    }
    panic!("the run has more calls than were tried");
}

fn copies(w: &World) -> usize {
    let names = w.disk.process().list(Path::new("/state/spool")).unwrap_or_default();
    names.iter().filter(|name| name.extension().is_some_and(|e| e == "spill")).count()
}

/// As `rotated_and_owed`, the rotated file removed, where no link can be made.
fn removed_and_unpinned(seed: u64, set: impl FnOnce(&mut World)) -> World {
    let w = rotated_and_owed(seed, |w| {
        w.disk.refuse_links();
        set(w);
    });
    assert_eq!(pins(&w), 0, "no link can be made");
    w.disk.remove(&log("wso2carbon.log.1")).unwrap();
    w
}

#[test]
fn where_no_link_can_be_made_a_removed_file_is_copied_and_outlives_the_process() {
    let mut w = removed_and_unpinned(6, |_| {});
    silence(&mut w, 9);
    assert_eq!(copies(&w), 1);
    let size = lines(0..1000).len() as u64;
    let held = w.status().held_bytes;
    assert!(held > size && held < 2 * size, "handle and copy: {held} of {size}");
    w.kill().start();
    silence(&mut w, 5);
    let held = w.status().held_bytes;
    assert!(held > 0 && held < size / 2, "the copy alone: {held} of {size}");
    w.pass(Duration::from_secs(80));
    let all = lines(0..1000);
    assert!(w.indexer.rows.values().any(|row| row.bytes() == all && row.gone), "{:#?}", w.status());
    assert!(w.indexer.rows.values().all(|row| row.lost.is_empty()), "{:?}", w.notices);
    assert_eq!((copies(&w), w.status().held_bytes), (0, 0));
}

#[test]
fn killed_before_a_removed_file_was_left_alone_for_long_its_end_is_declared_unknown() {
    let mut w = removed_and_unpinned(11, |_| {});
    silence(&mut w, 3);
    assert_eq!(copies(&w), 1);
    w.kill().start().pass(Duration::from_secs(80));
    let all = lines(0..1000);
    let row = w.indexer.rows.values().find(|row| row.bytes() == all).unwrap();
    assert_eq!(row.lost, [(all.len() as u64, None)], "someone may have written more");
    assert_eq!(copies(&w), 0);
}

#[test]
fn while_all_goes_well_nothing_is_copied_and_at_the_end_what_is_owed() {
    let mut w = World::new(7);
    w.disk.refuse_links();
    w.config.rate = Some(2_000);
    w.disk.append(&log(FILE), &lines(0..1000));
    w.start().pass(Duration::from_secs(3));
    w.disk.rename(&log(FILE), &log("wso2carbon.log.1")).unwrap();
    w.pass(Duration::from_secs(3));
    w.disk.remove(&log("wso2carbon.log.1")).unwrap();
    w.step(ShipperInput::Overflow).pass(Duration::from_secs(3));
    assert_eq!(copies(&w), 0, "it is only slow");
    w.step(ShipperInput::Shutdown).pass(Duration::from_secs(6));
    assert!(w.exit.is_some());
    assert_eq!(copies(&w), 1);
    w.config.rate = None;
    w.config.until_idle = true;
    w.kill().start().pass(Duration::from_secs(80));
    assert!(w.exit.is_some());
    let all = lines(0..1000);
    assert!(w.indexer.rows.values().any(|row| row.bytes() == all), "{:#?}", w.status());
    assert!(w.indexer.rows.values().all(|row| row.lost.is_empty()), "{:?}", w.notices);
    assert_eq!(copies(&w), 0);
}

#[test]
fn a_copy_does_not_take_a_new_file_with_the_old_number_for_its_own() {
    let mut w = removed_and_unpinned(8, |_| {});
    silence(&mut w, 3);
    w.kill();
    // Whatever number it gets: the folder is full of new files at the next start.
    for n in 0..20 {
        w.disk.append(&log(&format!("new-{n}.log")), &lines(3000 + n * 10..3000 + n * 10 + 10));
    }
    w.start().pass(Duration::from_secs(80));
    let all = lines(0..1000);
    assert!(w.indexer.rows.values().any(|row| row.bytes() == all), "{:#?}", w.status());
    for n in 0..20 {
        let own = lines(3000 + n * 10..3000 + n * 10 + 10);
        assert!(w.indexer.rows.values().any(|row| row.bytes() == own), "file {n}");
    }
}

#[test]
fn before_a_copied_file_is_given_up_its_handle_goes() {
    let size = lines(0..1000).len() as u64;
    let mut w = removed_and_unpinned(9, |w| w.config.limits.held_bytes_max = size / 2);
    silence(&mut w, 30);
    let held = w.status().held_bytes;
    assert!(held > 0 && held < size / 2, "{held} of {size}; {:?}", w.notices);
    w.pass(Duration::from_secs(80));
    assert!(w.indexer.rows.values().any(|row| row.bytes() == lines(0..1000)), "{:#?}", w.status());
    assert_eq!(copies(&w), 0);
}

#[test]
fn killed_at_any_call_of_copying_every_byte_is_shipped_or_declared_lost() {
    let all = lines(0..1000);
    let mark = lines(0..10).len() as u64;
    let (mut whole, mut lost) = (0, 0);
    for call in 0..4000 {
        let mut w = removed_and_unpinned(10, |_| {});
        w.files.die_after(call);
        silence(&mut w, 9);
        let died = w.core.is_none();
        if call % 2 == 0 && died {
            w.disk.power_cut();
        }
        w.kill().start().pass(Duration::from_secs(120));
        let row = w.indexer.rows.values().find(|row| all.starts_with(&row.bytes()) && row.mark.0 >= mark).unwrap();
        let bytes = row.bytes().len() as u64;
        match row.lost.last() {
            None => {
                assert_eq!(bytes, all.len() as u64, "killed at call {call}");
                whole += 1;
            }
            Some((from, _)) => {
                assert_eq!(*from, bytes, "killed at call {call}");
                lost += 1;
            }
        }
        assert_eq!(copies(&w), 0, "killed at call {call}");
        if !died {
            assert!(whole > 0 && lost > 0, "{whole} whole, {lost} lost");
            return;
        }
    }
    panic!("the run has more calls than were tried");
}
