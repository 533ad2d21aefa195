//! Sequences in which other shippers are known to lose, repeat or misplace lines: each must be uneventful here.

use super::world::{World, gz, line, log};
use crate::core::ShipperInput;
use parsers::Offset;
use std::time::Duration;

fn lines(range: std::ops::Range<u64>) -> Vec<u8> {
    range.flat_map(line).collect()
}

fn bytes_of(w: &World) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = w.indexer.rows.values().map(|r| r.bytes()).filter(|b| !b.is_empty()).collect();
    all.sort();
    all
}

fn assert_shipped(w: &World, expected: &[Vec<u8>]) {
    let mut expected = expected.to_vec();
    expected.sort();
    let got = bytes_of(w);
    let sizes = |of: &[Vec<u8>]| of.iter().map(Vec::len).collect::<Vec<_>>();
    assert!(got == expected, "got {:?}, expected {:?}; {:#?}", sizes(&got), sizes(&expected), w.notices);
    assert!(w.indexer.rows.values().all(|r| r.lost.is_empty()), "{:?}", w.notices);
}

#[test]
fn a_live_file_compressed_with_twenty_thousand_lines_unread_loses_none() {
    let mut w = World::new(61);
    w.disk.append(&log("a.log"), &lines(0..1));
    w.start().pass(Duration::from_secs(7));
    w.kill();
    w.disk.append(&log("a.log"), &lines(1..20_001));
    w.disk.append(&log("a.log.1.gz"), &gz(&lines(0..20_001)));
    w.disk.remove(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), &lines(20_001..20_003));
    w.start().pass(Duration::from_secs(60));
    assert_shipped(&w, &[lines(0..20_001), lines(20_001..20_003)]);
}

#[test]
fn a_restart_inside_a_compressed_file_goes_on_there() {
    let mut w = World::new(62);
    w.disk.append(&log("a.log.1.gz"), &gz(&lines(0..40_000)));
    w.config.limits.step_bytes_max = 300_000;
    w.start();
    for _ in 0..20 {
        w.step(ShipperInput::Tick);
        w.deliver(true);
        w.clock.advance(Duration::from_millis(25));
    }
    let mark = w.only().mark;
    let size = lines(0..40_000).len() as u64;
    assert!(mark > Offset(0) && mark.0 < size, "{mark:?} of {size}");
    w.kill().start().pass(Duration::from_secs(60));
    assert_shipped(&w, &[lines(0..40_000)]);
}

#[test]
fn an_inode_used_again_after_a_restart_is_another_file() {
    let mut w = World::new(63);
    w.disk.reuse_inodes(true);
    w.disk.append(&log("a.log"), &lines(0..100));
    w.start().pass(Duration::from_secs(7));
    w.kill();
    w.disk.remove(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), &lines(100..102));
    w.start().pass(Duration::from_secs(60));
    let all = bytes_of(&w);
    assert!(all.contains(&lines(0..100)) && all.contains(&lines(100..102)), "{:?}", w.notices);
}

#[test]
fn a_file_truncated_and_grown_beyond_its_old_length_loses_none() {
    let mut w = World::new(64);
    w.disk.append(&log("a.log"), &lines(0..100));
    w.start().pass(Duration::from_secs(7));
    w.disk.truncate(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), &lines(100..200));
    w.disk.append(&log("a.log"), &lines(200..300));
    w.step(ShipperInput::Overflow).pass(Duration::from_secs(60));
    assert_shipped(&w, &[lines(0..100), lines(100..300)]);
}

#[test]
fn a_line_written_in_two_writes_has_the_offset_of_its_first_byte() {
    let mut w = World::new(65);
    w.start().settle();
    w.append("a.log", &line(0)).append("a.log", &line(1)[..40]).settle();
    w.append("a.log", &line(1)[40..]).append("a.log", &line(2)).settle();
    w.pass(Duration::from_secs(7));
    let offsets: Vec<u64> = w.only().events.iter().map(|(e, _)| e.offset.0).collect();
    assert_eq!(offsets, [0, line(0).len() as u64, lines(0..2).len() as u64]);
}

#[test]
fn a_rotated_record_goes_on_in_the_next_file_and_says_so() {
    let mut w = World::new(66);
    w.disk.append(&log("a.log"), &lines(0..3));
    w.start().settle();
    w.disk.rename(&log("a.log"), &log("a.log.1")).unwrap();
    w.disk.append(&log("a.log"), b"\tat org.wso2.Frame.call(Frame.java:1)\n");
    w.disk.append(&log("a.log"), &lines(3..5));
    w.step(ShipperInput::Changed("/logs".into())).pass(Duration::from_secs(30));
    let first = w.indexer.rows.values().find(|r| r.open.factors.predecessor.is_none()).unwrap();
    let second = w.indexer.rows.values().find(|r| r.open.factors.predecessor.is_some()).unwrap();
    assert_eq!(first.events.len(), 3);
    assert_eq!(second.events[0].0.continues, Some(wire::ContinuesFrom::Stream(first.open.stream)));
    assert!(second.events[1..].iter().all(|(e, _)| e.continues.is_none()));
}
