//! Copies that are shorter than what was shipped, that come late, or stand still: stories of the simulation, as in `seldom`.

use super::seldom::{copy_and_truncate, have, lines, silence};
use super::world::{World, gz, line, log};
use crate::core::ShipperInput;
use parsers::Flags;
use std::path::Path;
use std::time::Duration;

#[test]
fn the_short_copy_of_a_file_that_is_still_there_is_not_taken_for_another() {
    let mut w = World::new(106);
    // The copy is made when there is one line; the file goes on to more than a short head holds.
    w.disk.append(&log("a.log"), &lines(0..3));
    w.start().pass(Duration::from_secs(1));
    w.disk.append(&log("a.log.1"), &line(0));
    w.step(ShipperInput::Overflow).pass(Duration::from_secs(2));
    assert_eq!(w.indexer.rows.len(), 1, "{:#?}", w.notices);
    w.disk.truncate(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), &lines(10..12));
    w.step(ShipperInput::Overflow).pass(Duration::from_secs(60));
    assert_eq!(have(&w), [lines(0..3), lines(10..12)], "{:#?}", w.notices);
}

#[test]
fn the_short_copy_of_a_file_that_grew_again_waits_until_that_is_noticed() {
    let mut w = World::new(116);
    w.disk.append(&log("a.log"), &lines(0..3));
    w.start().pass(Duration::from_secs(1));
    // Copied when there was one line, and longer than before when it is looked at next.
    copy_and_truncate(&mut w, &line(0), &lines(10..20));
    w.step(ShipperInput::Overflow).pass(Duration::from_secs(60));
    assert_eq!(have(&w), [lines(0..3), lines(10..20)], "{:#?}", w.notices);
}

#[test]
fn a_short_copy_that_comes_when_nobody_looks_for_it_is_told_by_its_first_line() {
    let mut w = World::new(118);
    w.disk.append(&log("a.log"), &lines(0..10));
    w.start().pass(Duration::from_secs(7));
    w.disk.truncate(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), &lines(50..60));
    w.step(ShipperInput::Overflow).pass(Duration::from_secs(60));
    // All of the first generation is shipped. What a copy of it holds, and a file that is as short.
    w.disk.append(&log("a.log.1"), &line(0));
    w.disk.append(&log("a.log.2"), &line(70));
    assert!(line(0).len() < crate::kept::Head::START_BYTES);
    w.step(ShipperInput::Overflow).pass(Duration::from_secs(60));
    assert_eq!(have(&w), [lines(0..10), lines(50..60), line(70)], "{:#?}", w.notices);
}

#[test]
fn a_short_copy_that_comes_late_is_told_when_its_stream_went_on_in_another_file() {
    for claimed in [false, true] {
        let mut w = World::new(130);
        w.config.host_id = "host".to_owned();
        w.disk.append(&log("a.log"), &lines(0..10));
        w.start().pass(Duration::from_secs(7));
        // The copy of all of it is the stream's file from now on.
        copy_and_truncate(&mut w, &lines(0..10), &lines(50..60));
        w.step(ShipperInput::Overflow).pass(Duration::from_secs(60));
        w.kill();
        if claimed {
            w.disk.remove_folder(Path::new("/state"));
        }
        w.start().pass(Duration::from_secs(30));
        w.disk.append(&log("a.log.2"), &line(0));
        w.step(ShipperInput::Overflow).pass(Duration::from_secs(60));
        assert_eq!(have(&w), [lines(0..10), lines(50..60)], "{claimed}: {:#?}", w.notices);
    }
}

#[test]
fn a_copy_in_the_place_of_an_older_one_is_compared_with_who_lost_its_file() {
    for seed in 120..130 {
        let mut w = World::new(seed);
        w.disk.append(&log("a.log.1"), &lines(30..40));
        w.disk.append(&log("a.log"), &lines(0..10));
        w.start().pass(Duration::from_secs(7));
        w.kill();
        w.disk.truncate(&log("a.log.1")).unwrap();
        copy_and_truncate(&mut w, &lines(0..10), &lines(50..60));
        w.start().pass(Duration::from_secs(60));
        assert_eq!(have(&w), [lines(0..10), lines(30..40), lines(50..60)], "seed {seed}: {:#?}", w.notices);
    }
}

/// A shipper loses its state; the copy of what it shipped is shorter than that.
fn wiped_with_a_shorter_copy(seed: u64, copied: u64, in_two: bool) -> World {
    let mut w = World::new(seed);
    w.config.host_id = "host".to_owned();
    w.disk.append(&log("a.log"), &lines(0..20));
    if in_two {
        w.start().pass(Duration::from_secs(7));
        w.append("a.log", &lines(20..24)).pass(Duration::from_secs(7));
    } else {
        w.disk.append(&log("a.log"), &lines(20..24));
        w.start().pass(Duration::from_secs(7));
    }
    w.kill();
    w.disk.remove_folder(Path::new("/state"));
    copy_and_truncate(&mut w, &lines(0..copied), &lines(50..60));
    w.start().pass(Duration::from_secs(60));
    assert_eq!(have(&w), [lines(0..24), lines(50..60)], "{:#?}", w.notices);
    w
}

#[test]
fn a_shorter_copy_of_what_the_indexer_has_is_claimed_by_what_it_holds() {
    let w = wiped_with_a_shorter_copy(107, 20, true);
    assert!(w.indexer.claims > 0);
    let repeated = w.indexer.rows.values().flat_map(|row| &row.events).filter(|(e, _)| e.flags.has(Flags::REPEATED));
    assert_eq!(repeated.count(), 0, "an anchor tells that it is a copy");
}

#[test]
fn where_nothing_tells_a_shorter_copy_it_is_shipped_and_flagged() {
    // By the head, which is known; and by less than is known of it.
    for copied in [20, 8] {
        let w = wiped_with_a_shorter_copy(108, copied, false);
        let events = w.indexer.rows.values().flat_map(|row| &row.events);
        let repeated = events.filter(|(event, _)| event.flags.has(Flags::REPEATED));
        let bytes: Vec<u8> = repeated.flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        assert_eq!(bytes, lines(0..copied), "{:#?}", w.notices);
    }
}

#[test]
fn a_short_copy_is_flagged_though_the_state_is_lost_before_it_is_shipped() {
    let mut w = World::new(119);
    w.config.host_id = "host".to_owned();
    w.disk.append(&log("a.log"), &lines(0..8));
    w.start().pass(Duration::from_secs(7));
    copy_and_truncate(&mut w, &lines(0..4), &lines(50..60));
    w.step(ShipperInput::Overflow);
    let is_known = |w: &World| w.indexer.rows.values().any(|row| row.open.factors.path.ends_with("a.log.1"));
    for _ in 0..2000 {
        if is_known(&w) {
            break;
        }
        w.deliver(true);
        w.clock.advance(Duration::from_millis(50));
        w.step(ShipperInput::Tick);
    }
    assert!(is_known(&w), "{:#?}", w.notices);
    while w.drop_request() {}
    w.kill();
    w.disk.remove_folder(Path::new("/state"));
    w.start().pass(Duration::from_secs(60));
    assert!(w.indexer.claims > 0);
    assert_eq!(have(&w), [lines(0..8), lines(50..60)], "{:#?}", w.notices);
}

#[test]
fn a_small_compressed_copy_is_unpacked_for_the_anchors_that_are_asked_for() {
    let mut w = World::new(113);
    // The head that is known reaches beyond what the copy holds.
    w.disk.append(&log("a.log"), &lines(0..4));
    w.start().pass(Duration::from_secs(7));
    w.append("a.log", &lines(4..20));
    silence(&mut w, 1);
    w.disk.append(&log("a.log.1.gz"), &gz(&lines(0..8)));
    w.disk.truncate(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), &lines(30..32));
    silence(&mut w, 2);
    w.kill();
    w.start().pass(Duration::from_secs(60));
    let core = w.core.as_ref().unwrap();
    assert!(core.unplaced.is_empty(), "it is unpacked again and again: {:#?}", w.notices);
    let all = have(&w);
    assert!(
        all.contains(&lines(30..32)) && all.iter().any(|bytes| bytes.starts_with(&lines(0..8))),
        "{:#?}",
        w.notices
    );
}

#[test]
fn a_copy_that_cannot_be_read_for_a_while_is_waited_for() {
    const EIO: i32 = 5;
    let mut w = World::new(113);
    w.append("a.log", &lines(0..5)).start().pass(Duration::from_secs(10));
    // Five more are seen, and not read before the file is truncated.
    w.disk.refuse_reads(1, EIO);
    w.append("a.log", &lines(5..10));
    w.disk.truncate(&log("a.log")).unwrap();
    w.append("a.log", &lines(20..21));
    w.disk.append(&log("a.log.1"), &lines(0..10));
    w.disk.refuse_reads(u32::MAX, EIO);
    w.step(ShipperInput::Overflow).pass(Duration::from_secs(30));
    assert!(!w.notices.iter().any(|n| n.contains("lost")), "{:#?}", w.notices);
    w.disk.refuse_reads(0, EIO);
    w.pass(Duration::from_secs(120));
    assert_eq!(have(&w), [lines(0..10), lines(20..21)], "{:#?}", w.notices);
}

/// The store is wiped, and heard of with the next line.
fn wipe(w: &mut World) {
    w.indexer.rows.clear();
    w.indexer.incarnation += 1;
    w.append("b.log", &line(90)).pass(Duration::from_secs(60));
}

#[test]
fn a_shorter_copy_is_what_its_stream_goes_back_to_when_the_store_is_wiped() {
    for compressed in [false, true] {
        let mut w = World::new(127);
        w.disk.append(&log("a.log"), &lines(0..20));
        w.start().pass(Duration::from_secs(7));
        w.append("a.log", &lines(20..24)).pass(Duration::from_secs(7));
        copy_and_truncate(&mut w, &lines(0..20), &lines(50..60));
        w.step(ShipperInput::Overflow).pass(Duration::from_secs(60));
        if compressed {
            w.kill();
            w.disk.append(&log("a.log.1.gz"), &gz(&lines(0..20)));
            w.disk.remove(&log("a.log.1")).unwrap();
            w.start().pass(Duration::from_secs(60));
        }
        assert_eq!(have(&w), [lines(0..24), lines(50..60)], "{:#?}", w.notices);
        assert_eq!(w.indexer.rows.len(), 2, "no stream is begun for it: {:#?}", w.notices);
        wipe(&mut w);
        assert_eq!(have(&w), [lines(0..20), lines(50..60), line(90)], "{compressed}: {:#?}", w.notices);
        let lost: Vec<_> = w.indexer.rows.values().flat_map(|row| row.lost.clone()).collect();
        assert_eq!(lost, [(lines(0..20).len() as u64, Some(lines(0..24).len() as u64))], "{:#?}", w.notices);
    }
}

#[test]
fn what_a_copy_lacked_is_declared_to_a_new_store_too() {
    let mut w = World::new(128);
    w.disk.append(&log("a.log"), &lines(0..10));
    w.start().pass(Duration::from_secs(7));
    w.disk.append(&log("a.log"), &lines(10..24));
    silence(&mut w, 2);
    copy_and_truncate(&mut w, &lines(0..20), &lines(50..60));
    w.step(ShipperInput::Overflow);
    silence(&mut w, 10);
    w.pass(Duration::from_secs(60));
    let lost = |w: &World| w.indexer.rows.values().flat_map(|row| row.lost.clone()).collect::<Vec<_>>();
    let missing = [(lines(0..20).len() as u64, Some(lines(0..24).len() as u64))];
    assert_eq!(lost(&w), missing, "{:#?}", w.notices);
    assert_eq!(have(&w), [lines(0..20), lines(50..60)], "{:#?}", w.notices);
    // Its own store is told once; the copy goes on under another name, and to another store.
    w.kill();
    w.disk.append(&log("a.log.1.gz"), &gz(&lines(0..20)));
    w.disk.remove(&log("a.log.1")).unwrap();
    w.start().pass(Duration::from_secs(60));
    assert_eq!(lost(&w), missing);
    wipe(&mut w);
    assert_eq!(have(&w), [lines(0..20), lines(50..60), line(90)], "{:#?}", w.notices);
    assert_eq!(lost(&w), missing, "{:#?}", w.notices);
}

#[test]
fn what_is_written_to_what_was_taken_for_a_copy_is_shipped() {
    let mut w = World::new(131);
    // Named by its day: such a file may be restored as it was, and written to again.
    let name = "http_access_2026-11-25.log";
    w.disk.append(&log(name), &lines(0..20));
    w.start().pass(Duration::from_secs(7));
    w.append(name, &lines(20..24)).pass(Duration::from_secs(7));
    w.disk.append(&log("restored"), &lines(0..20));
    w.disk.rename(&log("restored"), &log(name)).unwrap();
    w.step(ShipperInput::Overflow).pass(Duration::from_secs(60));
    w.append(name, &lines(60..61)).pass(Duration::from_secs(60));
    let shipped: Vec<u8> = w.indexer.rows.values().flat_map(crate::core::tests::world::Row::bytes).collect();
    assert_eq!(shipped.len(), lines(0..24).len() + line(60).len(), "{:#?}", w.notices);
    assert!(shipped.ends_with(&line(60)) || shipped.starts_with(&line(60)), "{:#?}", w.notices);
}

#[test]
fn a_copy_that_is_made_slowly_is_read_to_its_end() {
    let mut w = World::new(129);
    w.disk.append(&log("a.log"), &lines(0..20));
    w.start().pass(Duration::from_secs(7));
    w.append("a.log", &lines(20..24)).pass(Duration::from_secs(7));
    // It stands still, for long, where an anchor is; and goes on behind what was shipped when the file was truncated.
    copy_and_truncate(&mut w, &lines(0..20), &lines(50..60));
    w.step(ShipperInput::Overflow).pass(Duration::from_secs(60));
    w.append("a.log.1", &lines(20..26)).pass(Duration::from_secs(60));
    assert_eq!(have(&w), [lines(0..26), lines(50..60)], "{:#?}", w.notices);
    assert_eq!(w.indexer.rows.len(), 2, "{:#?}", w.notices);
}
