//! Many files: nobody waits behind a flood, no more files are open than may be, and what trickles in goes together.

use super::world::{Row, World, line, log};
use crate::core::ShipperInput;
use std::time::Duration;

fn lines(from: u64, count: u64) -> Vec<u8> {
    (from..from + count).flat_map(line).collect()
}

/// Bytes that the indexer has of a stream, closed or open.
fn arrived(row: &Row) -> usize {
    row.mark.0 as usize + row.provisional.as_ref().map_or(0, |(_, bytes)| bytes.len())
}

fn arrived_of(w: &World, name: &str) -> usize {
    let path = log(name).display().to_string();
    w.indexer.rows.values().find(|row| row.open.factors.path == path).map_or(0, arrived)
}

/// How many files have at least so many bytes there.
fn files_with(w: &World, bytes: usize) -> usize {
    w.indexer.rows.values().filter(|row| arrived(row) >= bytes).count()
}

fn open(w: &World) -> usize {
    w.core.as_ref().map_or(0, |core| core.streams.values().filter(|s| s.is_held_open()).count())
}

#[test]
fn a_thousand_trickles_do_not_wait_for_a_flood() {
    let mut w = World::new(1);
    w.config.limits.read_bytes = 16 << 10;
    w.config.limits.batch_bytes_max = 64 << 10;
    w.config.limits.step_bytes_max = 32 << 10;
    let mut written = 0;
    let mut flood = |w: &mut World| {
        // There is always more of it.
        if arrived_of(w, "flood.log") + (1 << 20) > written {
            let more = lines(written as u64, 20_000);
            written += more.len();
            w.disk.append(&log("flood.log"), &more);
            w.step(ShipperInput::Changed(log("flood.log")));
        }
    };
    flood(&mut w);
    let names: Vec<String> = (0..1000).map(|n| format!("trickle{n}x.log")).collect();
    for name in &names {
        w.disk.append(&log(name), &line(0));
    }
    w.start();
    // Until every file is known; the flood is read all the while.
    while files_with(&w, 1) <= names.len() {
        flood(&mut w);
        w.step(ShipperInput::Tick);
        w.deliver(true);
        w.clock.advance(Duration::from_millis(5));
    }
    for name in &names {
        w.append(name, &line(1));
    }
    let before = arrived_of(&w, "flood.log");
    while files_with(&w, 2 * line(0).len()) <= names.len() {
        flood(&mut w);
        w.step(ShipperInput::Tick);
        w.deliver(true);
        w.clock.advance(Duration::from_millis(5));
        let passed = arrived_of(&w, "flood.log") - before;
        assert!(passed < 4 << 20, "{passed} bytes of the flood went before a line");
    }
    assert!(arrived_of(&w, "flood.log") > before, "the flood stood still");
}

#[test]
fn no_more_files_are_open_than_may_be_and_all_are_shipped() {
    let mut w = World::new(2);
    w.config.limits.files_open_max = 8;
    w.config.limits.idle_files_open_max = 4;
    let names: Vec<String> = (0..100).map(|n| format!("file{n}x.log")).collect();
    for name in &names {
        w.disk.append(&log(name), &lines(0, 3));
    }
    w.start();
    let mut most = 0;
    for _ in 0..600 {
        w.step(ShipperInput::Tick);
        most = most.max(open(&w));
        while w.deliver(true) {
            most = most.max(open(&w));
        }
        w.clock.advance(Duration::from_millis(25));
    }
    assert_eq!(most, 8, "files open at a time");
    for name in &names {
        w.append(name, &lines(3, 3));
    }
    w.pass(Duration::from_secs(20));
    assert!(open(&w) <= 8);
    for row in w.indexer.rows.values() {
        assert_eq!(row.bytes(), lines(0, 6), "{}", row.open.factors.path);
    }
    assert_eq!(w.indexer.rows.len(), names.len());
    assert!(w.notices.is_empty(), "{:?}", w.notices);
}

#[test]
fn what_trickles_in_goes_together() {
    let mut w = World::new(3);
    let names: Vec<String> = (0..50).map(|n| format!("file{n}x.log")).collect();
    for name in &names {
        w.disk.append(&log(name), &line(0));
    }
    w.start().pass(Duration::from_secs(1));
    let mut requests = 0;
    // A line each millisecond for a second, each answered at once.
    for n in 0..1000u64 {
        w.append(&names[n as usize % names.len()], &line(1 + n));
        while w.deliver(true) {
            requests += 1;
        }
        w.clock.advance(Duration::from_millis(1));
    }
    assert!((20..=60).contains(&requests), "{requests} requests in a second");
    w.pass(Duration::from_secs(10));
    let all: usize = w.indexer.rows.values().map(|row| row.bytes().len()).sum();
    let written = names.len() * line(0).len() + (0..1000).map(|n| line(1 + n).len()).sum::<usize>();
    assert_eq!(all, written);
}

#[test]
fn files_at_rest_are_said_to_be_unmoved_and_any_news_moves_them() {
    let mut w = World::new(3);
    w.disk.append(&log("a.log"), &lines(0, 3));
    w.start().settle();
    w.pass(Duration::from_secs(20));
    let (steps, before) = (w.steps, w.unmoved);
    // Marks are asked for every 10 s, folders are listed once a minute.
    w.pass(Duration::from_secs(30));
    let (steps, unmoved) = (u64::from(w.steps - steps), w.unmoved - before);
    assert!(
        unmoved > 2 && steps <= unmoved + 2,
        "{unmoved} of {steps} unmoved: an answer that says nothing moves nothing"
    );
    let unmoved = |w: &mut World, input: ShipperInput| {
        let before = w.unmoved;
        w.step(input);
        w.unmoved > before
    };
    assert!(unmoved(&mut w, ShipperInput::Tick));
    w.disk.append(&log("a.log"), &line(4));
    assert!(unmoved(&mut w, ShipperInput::Tick), "nobody told it");
    assert!(!unmoved(&mut w, ShipperInput::Changed(log("a.log"))));
    w.pass(Duration::from_secs(20));
    assert!(unmoved(&mut w, ShipperInput::Tick));
    w.disk.append(&log("empty.log"), b"");
    assert!(!unmoved(&mut w, ShipperInput::Changed(log("empty.log"))));
    assert_eq!(w.status().files.len(), 2);
}
