//! Files recognised by content, and files that must not be.

use super::world::{World, gz, line, log};
use crate::core::{ExitReason, ShipperInput};
use outside::sim::Fault;
use parsers::{Flags, Offset};
use std::path::Path;
use std::time::Duration;

fn lines(range: std::ops::Range<u64>) -> Vec<u8> {
    range.flat_map(line).collect()
}

fn look(w: &mut World) -> &mut World {
    w.step(ShipperInput::Overflow)
}

fn all_bytes(w: &World) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = w.indexer.rows.values().map(|r| r.bytes()).filter(|b| !b.is_empty()).collect();
    all.sort();
    all
}

/// Exactly these generations are at the indexer.
fn shipped(w: &World, expected: &[Vec<u8>]) {
    let mut expected = expected.to_vec();
    expected.sort();
    let got = all_bytes(w);
    let sizes = |of: &[Vec<u8>]| of.iter().map(Vec::len).collect::<Vec<_>>();
    assert!(got == expected, "got {:?}, expected {:?}; {:#?}", sizes(&got), sizes(&expected), w.notices);
}

#[test]
fn a_half_written_gz_waits_until_it_is_whole() {
    let mut w = World::new(41);
    w.disk.append(&log("a.log"), &lines(0..20));
    w.start().pass(Duration::from_secs(7));
    w.kill();
    w.disk.append(&log("a.log"), &lines(20..900));
    let packed = gz(&lines(0..900));
    let (front, back) = packed.split_at(packed.len() / 2);
    w.disk.append(&log("a.log.1.gz"), front);
    w.start().pass(Duration::from_secs(3));
    w.disk.append(&log("a.log.1.gz"), back);
    w.disk.remove(&log("a.log")).unwrap();
    look(&mut w).pass(Duration::from_secs(30));
    shipped(&w, &[lines(0..900)]);
    assert!(w.only().lost.is_empty());
    assert_eq!(w.status().files[0].path, "/logs/a.log.1.gz");
    // The finished generation goes with its last name.
    w.disk.remove(&log("a.log.1.gz")).unwrap();
    look(&mut w).pass(Duration::from_secs(20));
    assert!(w.only().gone && w.only().lost.is_empty());
}

#[test]
fn a_gz_beside_its_source_is_not_shipped_again() {
    let mut w = World::new(42);
    w.disk.append(&log("a.log.1"), &lines(0..50));
    w.start().pass(Duration::from_secs(7));
    w.disk.append(&log("a.log.1.gz"), &gz(&lines(0..50)));
    look(&mut w).pass(Duration::from_secs(60));
    shipped(&w, &[lines(0..50)]);
    w.config.until_idle = true;
    w.kill().start().settle();
    assert_eq!(w.exit, Some(ExitReason::Idle));
    w.config.until_idle = false;
    w.disk.remove(&log("a.log.1")).unwrap();
    w.start().pass(Duration::from_secs(60));
    shipped(&w, &[lines(0..50)]);
    assert!(w.only().lost.is_empty() && !w.only().gone, "{:?}", w.notices);
}

#[test]
fn a_damaged_gz_is_told_and_ends_nothing() {
    let mut w = World::new(43);
    let mut packed = gz(&lines(0..500));
    let middle = packed.len() / 2;
    packed[middle] ^= 0x40;
    w.disk.append(&log("a.log.1.gz"), &packed);
    w.disk.append(&log("a.log"), &lines(500..510));
    w.start().pass(Duration::from_secs(120));
    shipped(&w, &[lines(500..510)]);
    let told = w.notices.iter().filter(|n| n.contains("a.log.1.gz")).count();
    assert_eq!(told, 1, "{:?}", w.notices);
    assert!(w.status().files.iter().any(|f| f.path.ends_with("a.log.1.gz") && f.last_error.is_some()));
}

#[test]
fn a_gz_replaced_while_it_is_read_goes_on_in_the_new_one() {
    let mut w = World::new(44);
    w.config.limits.read_bytes = 2000;
    w.config.limits.batch_bytes_max = 4000;
    w.config.limits.step_bytes_max = 4000;
    w.disk.append(&log("a.log.1.gz"), &gz(&lines(0..900)));
    w.start();
    for _ in 0..12 {
        w.step(ShipperInput::Tick);
        w.deliver(true);
        w.clock.advance(Duration::from_millis(25));
    }
    let mark = w.only().mark;
    assert!(mark > Offset(0) && mark < Offset(lines(0..900).len() as u64));
    w.disk.remove(&log("a.log.1.gz")).unwrap();
    let members = [gz(&lines(0..300)), gz(&lines(300..1000))].concat();
    w.disk.append(&log("a.log.1.gz"), &members);
    look(&mut w).pass(Duration::from_secs(60));
    shipped(&w, &[lines(0..1000)]);
    // Rewritten in place.
    w.disk.truncate(&log("a.log.1.gz")).unwrap();
    w.disk.append(&log("a.log.1.gz"), &gz(&lines(0..1100)));
    look(&mut w).pass(Duration::from_secs(60));
    shipped(&w, &[lines(0..1100)]);
}

#[test]
fn old_compressed_files_are_shipped_as_backlog() {
    let mut w = World::new(45);
    w.disk.append(&log("a-11-20-2026.1.log.gz"), &gz(&lines(0..10)));
    w.clock.advance(Duration::from_secs(8 * 86_400));
    w.disk.append(&log("a-11-24-2026.1.log.gz"), &gz(&lines(10..400)));
    w.clock.advance(Duration::from_secs(86_400));
    w.disk.append(&log("a-11-25-2026.1.log.gz"), &gz(&lines(400..800)));
    w.clock.advance(Duration::from_secs(60));
    w.disk.append(&log("a.log"), &lines(800..810));
    w.start();
    let mut progress = false;
    for _ in 0..40 {
        w.step(ShipperInput::Tick);
        progress |= w.status().progress.is_some();
        w.deliver(true);
        w.clock.advance(Duration::from_millis(25));
    }
    assert!(progress, "backlog has a progress");
    w.pass(Duration::from_secs(60));
    let mut expected = vec![lines(10..400), lines(400..800), lines(800..810)];
    expected.sort();
    shipped(&w, &expected);
    assert_eq!(w.status().left_out, ["/logs/a-11-20-2026.1.log.gz"]);
    w.kill().start().pass(Duration::from_secs(60));
    shipped(&w, &expected);
}

#[test]
fn a_file_with_two_names_is_one_stream() {
    let mut w = World::new(46);
    w.disk.make_folder(&log("sub"));
    w.disk.append(&log("a.log"), &lines(0..20));
    w.disk.hard_link(&log("a.log"), &log("b.log")).unwrap();
    w.disk.hard_link(&log("a.log"), &log("sub/c.log")).unwrap();
    w.start().pass(Duration::from_secs(10));
    let path = w.status().files[0].path.clone();
    for n in 20..24 {
        w.append("b.log", &line(n));
        look(&mut w).pass(Duration::from_secs(7));
    }
    shipped(&w, &[lines(0..24)]);
    assert_eq!((w.status().files.len(), &w.status().files[0].path), (1, &path));
    w.disk.remove(Path::new(&path)).unwrap();
    look(&mut w).pass(Duration::from_secs(30));
    w.disk.append(&log("sub/c.log"), &line(24));
    look(&mut w).pass(Duration::from_secs(30));
    shipped(&w, &[lines(0..25)]);
    assert!(w.only().lost.is_empty() && !w.only().gone, "{:?}", w.notices);
}

#[test]
fn files_that_begin_alike_are_told_apart() {
    // The same first 2 KiB, as of a banner without a time.
    let banner = lines(0..25);
    let with = |n: std::ops::Range<u64>| [banner.clone(), lines(n)].concat();
    let mut w = World::new(47);
    w.disk.append(&log("a.log"), &with(100..200));
    w.start().pass(Duration::from_secs(10));
    // Rotated, and the next one begins alike; its older sibling is removed and a third one comes.
    w.disk.rename(&log("a.log"), &log("a.log.1")).unwrap();
    w.disk.append(&log("a.log"), &with(200..220));
    look(&mut w).pass(Duration::from_secs(20));
    w.disk.remove(&log("a.log.1")).unwrap();
    w.disk.rename(&log("a.log"), &log("a.log.1")).unwrap();
    w.disk.append(&log("a.log"), &banner);
    look(&mut w).pass(Duration::from_secs(2));
    w.append("a.log", &lines(300..400)).pass(Duration::from_secs(30));
    let rows: Vec<_> = w.indexer.rows.values().filter(|r| !r.events.is_empty()).collect();
    assert_eq!(rows.len(), 3, "{:?}", w.notices);
    let mut got: Vec<Vec<u8>> = rows.iter().map(|r| [&banner[..r.open.base.0 as usize], &r.bytes()].concat()).collect();
    got.sort();
    let mut expected = vec![with(100..200), with(200..220), with(300..400)];
    expected.sort();
    assert_eq!(got, expected);
}

#[test]
fn a_file_truncated_to_the_same_first_lines_is_another_generation() {
    let banner = lines(0..25);
    let with = |n: std::ops::Range<u64>| [banner.clone(), lines(n)].concat();
    // Shorter than before, as long, and longer.
    for end in [205, 240, 300] {
        let mut w = World::new(60);
        w.disk.append(&log("a.log"), &with(100..140));
        w.start().pass(Duration::from_secs(7));
        w.disk.truncate(&log("a.log")).unwrap();
        w.disk.append(&log("a.log"), &with(200..end));
        look(&mut w).pass(Duration::from_secs(30));
        shipped(&w, &[with(100..140), with(200..end)]);
        assert!(w.indexer.rows.values().all(|r| r.lost.is_empty()), "{:?}", w.notices);
    }
}

#[test]
fn another_number_of_the_device_makes_no_file_new() {
    let mut w = World::new(68);
    w.disk.append(&log("a.log.1"), &lines(0..40));
    w.disk.append(&log("b.log.1.gz"), &gz(&lines(300..340)));
    w.disk.append(&log("a.log"), &lines(100..140));
    w.start().pass(Duration::from_secs(30));
    w.kill();
    w.disk.append(&log("a.log"), &lines(140..150));
    w.disk.remount();
    w.start().pass(Duration::from_secs(60));
    w.append("a.log", &lines(150..160)).pass(Duration::from_secs(30));
    shipped(&w, &[lines(0..40), lines(100..160), lines(300..340)]);
    assert!(w.indexer.rows.values().all(|r| r.lost.is_empty()), "{:?}", w.notices);
}

#[test]
fn equal_files_of_two_products_are_two_streams() {
    let mut w = World::new(48);
    w.disk.make_folder(&log("wso2am-4.5.0"));
    w.disk.make_folder(&log("wso2is-7.0.0"));
    w.disk.append(&log("wso2am-4.5.0/a.log"), &lines(0..30));
    w.start().pass(Duration::from_secs(7));
    w.kill();
    w.disk.append(&log("wso2is-7.0.0/a.log"), &lines(0..30));
    w.disk.remove(&log("wso2am-4.5.0/a.log")).unwrap();
    w.start().pass(Duration::from_secs(30));
    shipped(&w, &[lines(0..30), lines(0..30)]);
}

#[test]
fn what_cannot_be_read_is_never_taken_for_ended() {
    const EMFILE: i32 = 24;
    const EACCES: i32 = 13;
    const EIO: i32 = 5;
    const ESTALE: i32 = 116;
    let mut w = World::new(49);
    w.config.limits.idle_files_open_max = 0;
    w.disk.append(&log("a.log"), &lines(0..10));
    w.start().pass(Duration::from_secs(7));
    let mut end = 10;
    for (n, error) in [EMFILE, EACCES, EIO, ESTALE].into_iter().enumerate() {
        for restarted in [false, true] {
            if restarted {
                w.kill();
            }
            w.disk.append(&log("a.log"), &lines(end..end + 5));
            end += 5;
            if restarted {
                w.start();
            }
            w.disk.refuse_opens(20, error);
            w.disk.refuse_reads(if n % 2 == 0 { 0 } else { 10 }, error);
            for _ in 0..30 {
                look(&mut w).pass(Duration::from_secs(2));
            }
            w.disk.refuse_opens(0, 0);
            w.disk.refuse_reads(0, 0);
            look(&mut w).pass(Duration::from_secs(60));
            shipped(&w, &[lines(0..end)]);
            assert!(w.only().lost.is_empty());
        }
    }
    let faults = w.disk.faults();
    assert!(faults[&Fault::OpenRefused] > 20 && faults[&Fault::ReadRefused] > 0, "{faults:?}");
}

#[test]
fn a_rewritten_file_begins_at_the_last_place_that_still_fits() {
    let mut w = World::new(50);
    w.start();
    for n in 0..10 {
        w.append("a.log", &lines(n * 20..n * 20 + 20)).pass(Duration::from_secs(7));
    }
    let old = lines(0..200);
    let keep = lines(0..110).len();
    // Someone cleans the file of everything after its 110th line, and it goes on.
    let new = [&old[..keep], &lines(500..600)[..]].concat();
    w.disk.truncate(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), &new);
    look(&mut w).pass(Duration::from_secs(30));
    assert_eq!(w.indexer.rows.len(), 2, "{:?}", w.notices);
    let second = w.indexer.rows.values().find(|r| r.open.base > Offset(0)).expect("begins at an anchor");
    assert_eq!(second.open.base.0, lines(0..100).len() as u64);
    assert_eq!(second.bytes(), new[second.open.base.0 as usize..]);
    let flagged: Vec<bool> = second.events.iter().map(|(e, _)| e.flags.has(Flags::REPEATED)).collect();
    assert!(flagged[..10].iter().all(|f| *f), "what may stand twice says so");
}

#[test]
fn the_same_size_with_other_bytes_is_noticed() {
    let mut w = World::new(51);
    w.disk.append(&log("a.log"), &lines(10..40));
    w.start().pass(Duration::from_secs(7));
    w.disk.truncate(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), &lines(40..70));
    assert_eq!(lines(10..40).len(), lines(40..70).len());
    look(&mut w).pass(Duration::from_secs(30));
    shipped(&w, &[lines(10..40), lines(40..70)]);
}

#[test]
fn what_was_declared_lost_and_turns_up_is_shipped_from_there_on() {
    let mut w = World::new(52);
    w.disk.append(&log("a.log"), &lines(0..40));
    w.start().pass(Duration::from_secs(7));
    w.kill();
    w.disk.remove(&log("a.log")).unwrap();
    w.start().pass(Duration::from_secs(30));
    assert!(w.only().closed);
    // A backup comes back.
    w.disk.append(&log("a.log.1"), &lines(0..60));
    look(&mut w).pass(Duration::from_secs(30));
    let second = w.indexer.rows.values().find(|r| !r.closed).expect("another generation");
    assert_eq!(second.open.base.0, lines(0..40).len() as u64);
    assert_eq!(second.bytes(), lines(40..60));
}

#[test]
fn bytes_thrown_away_by_copytruncate_after_they_were_seen_are_declared() {
    let mut w = World::new(53);
    w.disk.append(&log("a.log"), &lines(0..40));
    w.start().pass(Duration::from_secs(7));
    // Seen by size, not read: the indexer does not answer.
    w.kill().start().step(ShipperInput::Tick);
    let copy = lines(0..45);
    w.disk.append(&log("a.log"), &lines(40..50));
    look(&mut w);
    w.disk.append(&log("a.log.1"), &copy);
    w.disk.truncate(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), &lines(50..52));
    look(&mut w).pass(Duration::from_secs(60));
    shipped(&w, &[copy.clone(), lines(50..52)]);
    let first = w.indexer.rows.values().find(|r| r.bytes() == copy).unwrap();
    assert_eq!(first.lost, [(copy.len() as u64, Some(lines(0..50).len() as u64))]);
    let rows = w.indexer.rows.len();
    w.kill().start().pass(Duration::from_secs(60));
    assert_eq!(w.indexer.rows.len(), rows, "{:?}", w.notices);
}

#[test]
fn a_copy_shorter_than_what_was_shipped_says_that_it_may_repeat() {
    let mut w = World::new(69);
    w.disk.append(&log("a.log"), &lines(0..4));
    w.start().settle();
    // Written and shipped between the copy and the truncation.
    w.disk.append(&log("a.log.1"), &lines(0..4));
    w.append("a.log", &lines(4..6)).settle();
    w.disk.truncate(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), &lines(6..8));
    look(&mut w).pass(Duration::from_secs(60));
    let all = lines(0..6);
    let copy = w.indexer.rows.values().filter(|r| r.bytes() != all && all.starts_with(&r.bytes()));
    for (event, _) in copy.filter(|r| !r.bytes().is_empty()).flat_map(|r| &r.events) {
        let rows: Vec<_> =
            w.indexer.rows.values().map(|r| (r.bytes().len(), r.mark, r.open.factors.path.clone())).collect();
        assert!(event.flags.has(Flags::REPEATED), "{rows:?} {:?}", w.notices);
    }
    assert!(w.indexer.rows.values().any(|r| r.bytes() == lines(6..8)));
}

#[test]
fn a_log_and_its_gz_on_one_inode_are_two_files() {
    let mut w = World::new(70);
    w.disk.reuse_inodes(true);
    w.disk.coarse_times(3_600_000_000_000);
    w.disk.append(&log("a.log.1"), &lines(0..40));
    w.disk.append(&log("a.log"), &lines(40..44));
    w.start().pass(Duration::from_secs(30));
    w.kill();
    w.disk.remove(&log("a.log.1")).unwrap();
    w.disk.append(&log("a.log.1.gz"), &gz(&lines(0..50)));
    w.start().pass(Duration::from_secs(60));
    shipped(&w, &[lines(0..50), lines(40..44)]);
    assert!(w.indexer.rows.values().all(|r| r.lost.is_empty()), "{:?}", w.notices);
}

#[test]
fn a_copy_that_is_still_being_made_waits() {
    let mut w = World::new(54);
    w.disk.append(&log("a.log"), &lines(0..400));
    w.start().pass(Duration::from_secs(7));
    let bytes = lines(0..400);
    for part in bytes.chunks(bytes.len() / 6) {
        w.disk.append(&log("a.log.1"), part);
        look(&mut w).pass(Duration::from_secs(2));
    }
    w.disk.truncate(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), &lines(400..410));
    look(&mut w).pass(Duration::from_secs(60));
    shipped(&w, &[lines(0..400), lines(400..410)]);
}

#[test]
fn a_copy_that_stays_beside_its_original_is_a_file_of_its_own() {
    let mut w = World::new(55);
    w.disk.append(&log("a.log"), &lines(0..40));
    w.start().pass(Duration::from_secs(7));
    w.disk.append(&log("a.log.1"), &lines(0..40));
    look(&mut w).pass(Duration::from_secs(3));
    assert_eq!(w.indexer.rows.len(), 1);
    w.pass(Duration::from_secs(30));
    shipped(&w, &[lines(0..40), lines(0..40)]);
}

#[test]
fn a_new_live_file_does_not_wait_for_comparison() {
    let mut w = World::new(56);
    w.start();
    for n in 0..4 {
        w.append("a.log", &lines(n * 10..n * 10 + 10)).pass(Duration::from_secs(7));
        w.disk.rename(&log("a.log"), &log(&format!("a.log.{}", n + 1))).unwrap();
        if n == 1 {
            w.disk.remove(&log("a.log.1")).unwrap();
        }
        look(&mut w).pass(Duration::from_secs(15));
    }
    let rows = w.indexer.rows.len();
    w.append("a.log", &lines(90..92)).settle();
    assert_eq!(w.indexer.rows.len(), rows + 1);
    assert!(w.indexer.rows.values().any(|r| r.bytes() == line(90)), "at once");
}

#[test]
fn a_shipper_without_state_claims_what_the_indexer_knows() {
    let mut w = World::new(57);
    w.config.host_id = "host".to_owned();
    w.disk.append(&log("a.log"), &lines(0..40));
    w.disk.append(&log("b.log"), &lines(100..140));
    w.disk.append(&log("c.log"), &lines(200..240));
    w.start().pass(Duration::from_secs(7));
    w.kill();
    w.disk.remove_folder(Path::new("/state"));
    // Meanwhile one is rotated, one compressed, and a new one comes.
    w.disk.append(&log("a.log"), &lines(40..50));
    w.disk.rename(&log("a.log"), &log("a.log.1")).unwrap();
    w.disk.append(&log("a.log"), &lines(50..60));
    w.disk.remove(&log("b.log")).unwrap();
    w.disk.append(&log("b.log.1.gz"), &gz(&lines(100..150)));
    w.disk.append(&log("d.log"), &lines(300..310));
    w.start().pass(Duration::from_secs(30));
    let expected = [lines(0..50), lines(50..60), lines(100..150), lines(200..240), lines(300..310)];
    shipped(&w, &expected);
    assert!(w.indexer.claims > 0);
    // Later ones are not asked for.
    let claims = w.indexer.claims;
    w.append("e.log", &lines(400..410)).pass(Duration::from_secs(10));
    assert_eq!(w.indexer.claims, claims);
    w.kill().start().pass(Duration::from_secs(30));
    let mut expected = expected.to_vec();
    expected.push(lines(400..410));
    shipped(&w, &expected);
}

#[test]
fn a_first_start_where_nothing_is_known_asks_nothing() {
    let mut w = World::new(58);
    w.config.host_id = "host".to_owned();
    w.disk.append(&log("a.log"), &lines(0..4));
    w.start().pass(Duration::from_secs(7));
    shipped(&w, &[lines(0..4)]);
    assert_eq!(w.indexer.claims, 0);
}

#[test]
fn a_file_that_only_begins_like_a_known_one_is_not_claimed() {
    let mut w = World::new(59);
    let banner = lines(0..25);
    w.disk.append(&log("a.log"), &[banner.clone(), lines(100..140)].concat());
    w.start().pass(Duration::from_secs(7));
    w.kill();
    w.disk.remove_folder(Path::new("/state"));
    w.disk.remove(&log("a.log")).unwrap();
    w.disk.append(&log("a.log"), &[banner.clone(), lines(500..560)].concat());
    w.start().pass(Duration::from_secs(30));
    shipped(&w, &[[banner.clone(), lines(100..140)].concat(), [banner, lines(500..560)].concat()]);
}
