//! What the simulation found in tens of thousands of runs, told as one story each.

use super::world::{World, gz, line, log};
use crate::core::ShipperInput;
use outside::{Files, OpenMode};
use parsers::Flags;
use std::path::Path;
use std::time::Duration;
use wire::{Answer, Message, Refusal, Verdict};

pub(super) fn lines(range: std::ops::Range<u64>) -> Vec<u8> {
    range.flat_map(line).collect()
}

/// Time passes while the indexer does not answer.
pub(super) fn silence(w: &mut World, seconds: u64) {
    for _ in 0..seconds * 4 {
        w.clock.advance(Duration::from_millis(250));
        w.step(ShipperInput::Overflow);
        while w.drop_request() {}
    }
}

/// What the indexer has, stream by stream, without what is flagged as perhaps repeated.
pub(super) fn have(w: &World) -> Vec<Vec<u8>> {
    let events = w.indexer.rows.values().map(|row| {
        let new = row.events.iter().filter(|(event, _)| !event.flags.has(Flags::REPEATED));
        new.flat_map(|(_, bytes)| bytes.iter().copied()).collect::<Vec<u8>>()
    });
    let mut all: Vec<_> = events.filter(|bytes| !bytes.is_empty()).collect();
    all.sort();
    all
}

pub(super) fn copy_and_truncate(w: &mut World, copied: &[u8], then: &[u8]) {
    w.disk.append(&log("a.log.1"), copied);
    w.disk.truncate(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), then);
}

#[test]
fn state_that_was_named_by_a_start_that_died_outlives_the_power_after_the_next() {
    // Between the rename of the first state file and the sync of its folder, among other places.
    // What of it a power cut takes is up to the disk.
    for (call, seed) in (10..40).flat_map(|call| (0..6).map(move |seed| (call, seed))) {
        let mut w = World::new(seed);
        w.die_in_call = Some(call);
        let _died = w.try_start();
        // The second start goes on in the other file, and hears that nothing is to be claimed; the third in this one again.
        w.step(ShipperInput::Tick).kill().start().pass(Duration::from_secs(2));
        w.kill();
        w.disk.append(&log("a.log"), &lines(0..5));
        w.start().pass(Duration::from_secs(12));
        w.kill().disk.power_cut();
        // Its stream's id could not be made again of this.
        w.disk.append(&log("a.log.1.gz"), &gz(&lines(0..5)));
        w.disk.remove(&log("a.log")).unwrap();
        w.start().pass(Duration::from_secs(30));
        assert_eq!(have(&w), [lines(0..5)], "died in call {call}, seed {seed}: {:#?}", w.notices);
    }
}

#[test]
fn a_file_with_the_inode_of_a_removed_one_is_not_held_in_its_place() {
    let mut w = World::new(102);
    w.disk.reuse_inodes(true);
    w.disk.append(&log("a.log"), &lines(0..5));
    w.start().pass(Duration::from_secs(1));
    let kept = w.core.as_ref().unwrap().streams.values().next().unwrap().kept.clone();
    let open = |w: &World, name: &str| w.disk.process().open(&log(name), OpenMode::Read).unwrap();
    assert!(crate::core::hold::is_file_of(&*open(&w, "a.log"), &kept));
    // Its handles go with it.
    w.core = None;
    w.disk.remove(&log("a.log")).unwrap();
    // A number is given back with the next name that goes.
    w.disk.append(&log("another"), b"x");
    w.disk.remove(&log("another")).unwrap();
    let other = (0..100).find_map(|n| {
        let name = format!("b{n}.log");
        w.disk.append(&log(&name), &lines(100..105));
        Some(open(&w, &name)).filter(|file| file.metadata().unwrap().id == kept.file)
    });
    let other = other.expect("the inode is given away again");
    assert!(!crate::core::hold::is_file_of(&*other, &kept));
    // Nor where the file system keeps no times of birth.
    let unborn = crate::kept::Kept { born_ns: None, ..kept };
    assert!(!crate::core::hold::is_file_of(&*other, &unborn));
}

#[test]
fn a_truncation_while_the_indexer_is_away_is_noticed_in_time_to_find_the_copy() {
    let mut w = World::new(103);
    w.disk.append(&log("a.log"), &lines(0..10));
    w.start().pass(Duration::from_secs(7));
    w.kill();
    w.disk.append(&log("a.log"), &lines(10..12));
    w.start();
    silence(&mut w, 1);
    // Longer at once than what was known, and the indexer has not told where the stream stands.
    copy_and_truncate(&mut w, &lines(0..12), &lines(20..40));
    silence(&mut w, 8);
    w.disk.remove(&log("a.log.1")).unwrap();
    silence(&mut w, 2);
    w.pass(Duration::from_secs(60));
    assert_eq!(have(&w), [lines(0..12), lines(20..40)], "{:#?}", w.notices);
    assert!(w.indexer.rows.values().all(|row| row.lost.is_empty()), "{:#?}", w.notices);
}

#[test]
fn a_copy_that_was_not_finished_is_given_up_with_an_unknown_end() {
    let mut w = World::new(104);
    w.disk.append(&log("a.log"), &lines(0..10));
    w.start().pass(Duration::from_secs(7));
    w.disk.append(&log("a.log"), &lines(10..500));
    silence(&mut w, 1);
    w.disk.rename(&log("a.log"), &log("a.log.1")).unwrap();
    silence(&mut w, 2);
    w.disk.remove(&log("a.log.1")).unwrap();
    silence(&mut w, 2);
    // As after a start from a copy whose writer died.
    let core = w.core.as_mut().unwrap();
    core.streams.values_mut().for_each(|stream| stream.kept.end_unknown = true);
    core.config.limits.held_bytes_max = 100;
    silence(&mut w, 8);
    assert!(w.notices.iter().any(|n| n.contains("given up")), "{:#?}", w.notices);
    w.pass(Duration::from_secs(30));
    let lost: Vec<_> = w.indexer.rows.values().flat_map(|row| row.lost.clone()).collect();
    assert_eq!(lost, [(lines(0..10).len() as u64, None)]);
}

#[test]
fn an_indexer_that_does_not_know_the_agent_hears_who_it_is() {
    let mut w = World::new(105);
    w.disk.append(&log("a.log"), &lines(0..5));
    w.start();
    while !w.requests.iter().any(|(_, r)| r.messages.iter().any(|m| matches!(m, Message::Open(_)))) {
        w.deliver(true);
        w.clock.advance(Duration::from_millis(10));
        w.step(ShipperInput::Tick);
    }
    let (ticket, request) = w.requests.pop_back().unwrap();
    let verdicts = request.messages.iter().map(|_| Verdict::Refused(Refusal::NotOpen)).collect();
    let answer = Answer { incarnation: w.indexer.incarnation, boot: w.indexer.boot, verdicts };
    w.step(ShipperInput::Answer { ticket, result: Ok(answer) });
    w.clock.advance(Duration::from_secs(1));
    w.step(ShipperInput::Tick);
    let next = w.requests.front().map(|(_, request)| request.messages.clone());
    assert!(matches!(next.as_deref(), Some([Message::Hello(_)])), "{next:?}");
    w.pass(Duration::from_secs(10));
    assert_eq!(have(&w), [lines(0..5)]);
}

#[test]
fn a_file_that_is_truncated_before_it_is_claimed_is_looked_for_in_its_copy() {
    let mut w = World::new(109);
    w.config.host_id = "host".to_owned();
    w.disk.append(&log("a.log"), &lines(0..20));
    w.start().pass(Duration::from_secs(7));
    w.kill();
    w.disk.remove_folder(Path::new("/state"));
    w.start();
    // It waits for the answer to its question when it is copied, compressed and truncated, and grows again.
    w.step(ShipperInput::Overflow);
    w.disk.append(&log("a.log.1.gz"), &gz(&lines(0..20)));
    w.disk.truncate(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), &lines(50..90));
    w.pass(Duration::from_secs(120));
    assert_eq!(have(&w), [lines(0..20), lines(50..90)], "{:#?}", w.notices);
}

#[test]
fn what_a_copy_lacks_is_declared_and_the_rest_of_it_shipped() {
    let mut w = World::new(110);
    w.disk.refuse_links();
    w.disk.append(&log("a.log"), &lines(0..100));
    w.start().pass(Duration::from_secs(7));
    let restored = w.indexer.rows.clone();
    w.append("a.log", &lines(100..400)).pass(Duration::from_secs(7));
    w.disk.append(&log("a.log"), &lines(400..500));
    silence(&mut w, 1);
    w.disk.rename(&log("a.log"), &log("a.log.1")).unwrap();
    w.disk.append(&log("a.log"), &lines(900..902));
    silence(&mut w, 1);
    w.disk.remove(&log("a.log.1")).unwrap();
    silence(&mut w, 8);
    w.kill();
    // The indexer is restored to a moment before the copy begins.
    w.indexer.rows = restored;
    w.indexer.incarnation += 1;
    w.start();
    w.pass(Duration::from_secs(60));
    let lost: Vec<_> = w.indexer.rows.values().flat_map(|row| row.lost.clone()).collect();
    let (back, begins) = (lines(0..100).len() as u64, lines(0..400).len() as u64);
    assert_eq!(lost, [(back, Some(begins))], "{:#?}", w.notices);
    assert_eq!(have(&w), [[lines(0..100), lines(400..500)].concat(), lines(900..902)], "{:#?}", w.notices);
}

#[test]
fn the_answer_to_gone_does_not_end_a_stream_whose_copy_turned_up_meanwhile() {
    let mut w = World::new(112);
    w.disk.append(&log("a.log"), &lines(0..10));
    w.start().pass(Duration::from_secs(7));
    // The last lines came, and went into a copy that is not there yet, between two looks.
    w.disk.append(&log("a.log"), &lines(10..12));
    w.disk.truncate(&log("a.log")).unwrap();
    w.append("a.log", &lines(20..22));
    let says_gone =
        |w: &World| w.requests.iter().any(|(_, r)| r.messages.iter().any(|m| matches!(m, Message::Gone(_))));
    for _ in 0..400 {
        if says_gone(&w) {
            break;
        }
        w.deliver(true);
        w.clock.advance(Duration::from_millis(50));
        w.step(ShipperInput::Tick);
    }
    assert!(says_gone(&w), "{:#?}", w.notices);
    // The request is on its way when the copy comes.
    w.disk.append(&log("a.log.1"), &lines(0..12));
    w.step(ShipperInput::Overflow);
    for _ in 0..20 {
        w.clock.advance(Duration::from_millis(500));
        w.step(ShipperInput::Overflow);
    }
    assert!(w.notices.iter().any(|n| n.contains("is what was")), "{:#?}", w.notices);
    w.pass(Duration::from_secs(60));
    assert_eq!(have(&w), [lines(0..12), lines(20..22)], "{:#?}", w.notices);
}

#[test]
fn a_file_that_grew_again_is_known_by_what_was_read_of_it_once() {
    let mut w = World::new(114);
    // Both begin with more than a head holds that is alike.
    let banner = lines(0..15);
    w.disk.append(&log("a.log"), &banner);
    w.start().pass(Duration::from_secs(7));
    w.append("a.log", &lines(100..140));
    while !w.requests.iter().any(|(_, r)| r.messages.iter().any(|m| matches!(m, Message::Ranges(_)))) {
        w.deliver(true);
        w.clock.advance(Duration::from_millis(20));
        w.step(ShipperInput::Tick);
    }
    // Read, sent and not taken; meanwhile truncated, and longer than before when it is looked at next.
    w.disk.append(&log("a.log.1"), &[banner.clone(), lines(100..140)].concat());
    w.disk.truncate(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), &[banner.clone(), lines(200..260)].concat());
    while w.drop_request() {}
    w.pass(Duration::from_secs(60));
    // The second begins where both are alike.
    let mut got: Vec<_> = w.indexer.rows.values().map(|row| row.bytes()).collect();
    got.sort();
    let mut expected = [[banner, lines(100..140)].concat(), lines(200..260)];
    expected.sort();
    assert!(got == expected, "{:?} {:#?}", got.iter().map(Vec::len).collect::<Vec<_>>(), w.notices);
}

#[test]
fn a_death_while_streams_are_compared_with_a_new_store_is_made_up_for() {
    let mut w = World::new(115);
    w.disk.append(&log("a.log"), &lines(0..10));
    w.start().pass(Duration::from_secs(7));
    // It ends, and its file goes.
    w.disk.remove(&log("a.log")).unwrap();
    w.disk.append(&log("b.log"), &lines(50..52));
    w.step(ShipperInput::Overflow).pass(Duration::from_secs(20));
    // The store is wiped; the shipper hears of it and dies before it could say what is lost with it.
    w.indexer.rows.clear();
    w.indexer.incarnation += 1;
    w.append("b.log", &lines(52..54));
    let known = |w: &World| w.notices.iter().any(|n| n.contains("another one now"));
    while !known(&w) {
        w.clock.advance(Duration::from_millis(100));
        w.step(ShipperInput::Tick);
        w.deliver(true);
    }
    w.deliver(true);
    for _ in 0..5 {
        w.clock.advance(Duration::from_millis(100));
        w.step(ShipperInput::Tick);
    }
    w.kill().start().pass(Duration::from_secs(60));
    let lost: Vec<_> = w.indexer.rows.values().flat_map(|row| row.lost.clone()).collect();
    assert_eq!(lost, [(0, Some(lines(0..10).len() as u64))], "{:#?}", w.notices);
    assert_eq!(have(&w), [lines(50..54)]);
}

#[test]
fn a_death_after_streams_were_compared_with_a_new_store_is_made_up_for() {
    let whole = lines(0..10).len() as u64;
    let mut compared = 0;
    for (delivered, arrives) in (1..6).flat_map(|n| [(n, false), (n, true)]) {
        let mut w = World::new(132);
        w.disk.append(&log("a.log"), &lines(0..10));
        w.disk.append(&log("c.log"), &lines(20..30));
        w.disk.append(&log("b.log"), &lines(50..52));
        w.start().pass(Duration::from_secs(7));
        // One is gone, one is rotated and has ended.
        w.disk.remove(&log("a.log")).unwrap();
        w.disk.rename(&log("c.log"), &log("c.log.1")).unwrap();
        w.step(ShipperInput::Overflow).pass(Duration::from_secs(20));
        w.indexer.rows.clear();
        w.indexer.incarnation += 1;
        w.append("b.log", &lines(52..54));
        // It hears of the other store, compares, and dies; what it sent last may arrive after that.
        for _ in 0..delivered {
            while w.requests.is_empty() {
                w.clock.advance(Duration::from_millis(10));
                w.step(ShipperInput::Tick);
            }
            w.deliver(true);
        }
        compared += u32::from(w.core.as_ref().unwrap().agent.incarnation == w.indexer.incarnation);
        w.clock.advance(Duration::from_secs(2));
        w.step(ShipperInput::Tick);
        w.kill();
        if arrives {
            w.deliver(true);
        }
        w.requests.clear();
        w.start().pass(Duration::from_secs(60));
        let lost: Vec<_> = w.indexer.rows.values().flat_map(|row| row.lost.clone()).collect();
        assert_eq!(lost, [(0, Some(whole))], "{delivered} {arrives}: {:#?}", w.notices);
        assert_eq!(have(&w), [lines(20..30), lines(50..54)], "{delivered} {arrives}: {:#?}", w.notices);
    }
    assert!(compared > 2, "in {compared} it had compared all");
}

#[test]
fn an_answer_to_a_claim_is_about_the_files_it_asked_for() {
    let mut w = World::new(117);
    w.config.host_id = "host".to_owned();
    w.disk.append(&log("a.log"), &lines(0..20));
    w.disk.append(&log("b.log"), &lines(100..120));
    w.start().pass(Duration::from_secs(7));
    w.kill();
    w.disk.remove_folder(Path::new("/state"));
    w.disk.remove(&log("b.log")).unwrap();
    w.start();
    let asks = |w: &World| w.requests.iter().any(|(_, r)| r.messages.iter().any(|m| matches!(m, Message::Claim(_))));
    for _ in 0..100 {
        if asks(&w) {
            break;
        }
        w.deliver(true);
        w.clock.advance(Duration::from_millis(50));
        w.step(ShipperInput::Tick);
    }
    assert!(asks(&w), "{:#?}", w.notices);
    // What it asks for goes, and another file comes, before the answer does.
    w.disk.remove(&log("a.log")).unwrap();
    w.disk.append(&log("b.log.1"), &lines(100..120));
    for _ in 0..20 {
        w.clock.advance(Duration::from_millis(500));
        w.step(ShipperInput::Overflow);
    }
    w.pass(Duration::from_secs(60));
    assert_eq!(have(&w), [lines(0..20), lines(100..120)], "{:#?}", w.notices);
}
