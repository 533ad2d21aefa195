//! What is rotated away and removed before it is shipped is kept, within bounds.

use super::world::{World, line, log};
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
