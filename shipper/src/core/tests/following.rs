//! Files are followed, rotated, and ended.

use super::world::{World, line, log};
use crate::core::{ExitReason, ShipperInput};
use parsers::Offset;
use std::time::Duration;

fn lines(range: std::ops::Range<u64>) -> Vec<u8> {
    range.flat_map(line).collect()
}

#[test]
fn lines_are_shipped_and_the_last_one_is_shown_until_it_is_closed() {
    let mut w = World::new(1);
    w.disk.append(&log("wso2carbon.log"), &lines(0..3));
    w.start().settle();
    let row = w.only();
    assert_eq!(row.bytes(), lines(0..2));
    assert_eq!(row.provisional.as_ref().unwrap().1, line(2));
    w.append("wso2carbon.log", b"\tat org.wso2.Frame\n").settle();
    assert_eq!(w.only().provisional.as_ref().unwrap().1.len(), line(2).len() + 19);
    w.pass(Duration::from_secs(6));
    let row = w.only();
    assert_eq!(row.events.len(), 3);
    assert!(row.provisional.is_none());
    let status = w.status();
    assert_eq!(status.files.len(), 1);
    assert_eq!((status.files[0].behind_bytes, status.files[0].mark), (0, status.files[0].size));
}

#[test]
fn logs_are_found_below_a_products_folder_with_dots_in_its_name() {
    let mut w = World::new(21);
    w.disk.make_folder(&log("wso2am-4.5.0/repository/logs"));
    w.disk.append(&log("wso2am-4.5.0/repository/logs/wso2carbon.log"), &lines(0..3));
    w.start().settle();
    assert_eq!(w.only().bytes(), lines(0..2));
}

#[test]
fn what_comes_after_a_cut_goes_on_from_it() {
    let mut w = World::new(2);
    w.disk.append(&log("wso2carbon.log"), &line(0));
    w.start().pass(Duration::from_secs(6));
    w.append("wso2carbon.log", b"\tat org.wso2.Frame\n").append("wso2carbon.log", &line(1)).settle();
    let row = w.only();
    assert_eq!(row.events.len(), 2);
    assert!(matches!(row.events[1].0.continues, Some(wire::ContinuesFrom::Event(id)) if id.offset == Offset(0)));
}

#[test]
fn what_another_container_interrupted_goes_on_from_its_own_event() {
    let mut w = World::new(22);
    let head =
        |n: u8| format!("am_1  | [2026-04-22 11:02:0{n},317] ERROR {{org.M}} - failed java.io.IOException: gone\n");
    let text = [head(0).as_str(), "is_1  | starting\n", "am_1  | \tat a.b.C.d(C.java:1)\n", head(1).as_str()].concat();
    w.disk.append(&log("compose.log"), text.as_bytes());
    w.start().settle();
    let row = w.only();
    let (first, bytes) = &row.events[0];
    let stream = *w.indexer.rows.keys().next().unwrap();
    let id = wire::EventId { stream, offset: first.offset, head_hash: wire::head_hash(stream, bytes.trim_ascii_end()) };
    assert_eq!(id.head_hash, first.head_hash);
    assert_eq!(row.events[2].0.continues, Some(wire::ContinuesFrom::Event(id)));
    assert_eq!(row.events[1].0.continues, None);
}

#[test]
fn a_renamed_file_is_finished_and_the_new_one_is_its_successor() {
    let mut w = World::new(3);
    w.disk.append(&log("wso2carbon.log"), &lines(0..5));
    w.start().settle();
    w.disk.append(&log("wso2carbon.log"), &lines(5..8));
    w.disk.rename(&log("wso2carbon.log"), &log("wso2carbon-11-25-2026.log")).unwrap();
    w.append("wso2carbon.log", &lines(8..10)).settle();
    w.pass(Duration::from_secs(70));
    assert_eq!(w.indexer.rows.len(), 2);
    let (old, new): (Vec<_>, Vec<_>) = w.indexer.rows.values().partition(|r| r.open.factors.predecessor.is_none());
    assert_eq!(old[0].bytes(), lines(0..8));
    assert_eq!(new[0].bytes(), lines(8..10));
    assert_eq!(new[0].open.factors.predecessor, Some(old[0].open.stream));
    assert_eq!(old[0].open.factors.path, "/logs/wso2carbon.log");
    assert!(!old[0].gone);
    w.disk.remove(&log("wso2carbon-11-25-2026.log")).unwrap();
    w.step(ShipperInput::Changed("/logs".into()));
    w.pass(Duration::from_secs(10));
    let old = w.indexer.rows.values().find(|r| r.open.factors.predecessor.is_none()).unwrap();
    assert!(old.gone && old.lost.is_empty());
}

#[test]
fn a_removed_file_that_is_held_open_is_read_to_its_end() {
    let mut w = World::new(4);
    w.disk.append(&log("a.log"), &lines(0..2));
    w.start().settle();
    w.disk.append(&log("a.log"), &lines(2..9));
    w.disk.remove(&log("a.log")).unwrap();
    w.step(ShipperInput::Changed(log("a.log"))).pass(Duration::from_secs(20));
    assert_eq!(w.only().bytes(), lines(0..9));
    assert!(w.only().gone && w.only().lost.is_empty());
}

#[test]
fn a_file_removed_while_stopped_is_declared_lost_from_the_mark_on() {
    let mut w = World::new(5);
    w.disk.append(&log("a.log"), &lines(0..4));
    w.start().settle();
    w.kill();
    w.disk.append(&log("a.log"), &lines(4..9));
    w.disk.remove(&log("a.log")).unwrap();
    w.start().pass(Duration::from_secs(20));
    let row = w.only();
    assert_eq!(row.lost, vec![(row.mark.0, None)]);
    assert!(row.closed);
    w.pass(Duration::from_secs(30));
    assert_eq!(w.only().lost.len(), 1);
}

#[test]
fn truncation_in_place_begins_a_generation_and_declares_what_was_not_read() {
    let mut w = World::new(6);
    w.disk.append(&log("a.log"), &lines(0..4));
    w.start().pass(Duration::from_secs(6));
    w.disk.truncate(&log("a.log")).unwrap();
    w.append("a.log", &lines(100..102)).pass(Duration::from_secs(20));
    assert_eq!(w.indexer.rows.len(), 2);
    let bytes: Vec<_> = w.indexer.rows.values().map(|r| r.bytes()).collect();
    assert!(bytes.contains(&lines(0..4)) && bytes.contains(&lines(100..102)), "{:?}", w.notices);
    let new = w.indexer.rows.values().find(|r| r.open.factors.predecessor.is_some()).unwrap();
    assert!(w.indexer.rows.contains_key(&new.open.factors.predecessor.unwrap()));
}

#[test]
fn regrowth_beyond_the_offset_is_noticed_by_the_bytes_before_it() {
    let mut w = World::new(7);
    w.disk.append(&log("a.log"), &lines(0..4));
    w.start().pass(Duration::from_secs(6));
    w.disk.truncate(&log("a.log")).unwrap();
    w.append("a.log", &lines(100..140)).pass(Duration::from_secs(20));
    let all: Vec<_> = w.indexer.rows.values().map(|r| r.bytes()).collect();
    assert!(all.contains(&lines(0..4)) && all.contains(&lines(100..140)), "{:?}", w.notices);
}

#[test]
fn until_idle_ships_everything_there_and_ends() {
    let mut w = World::new(8);
    w.config.until_idle = true;
    w.disk.append(&log("a.log"), &lines(0..2000));
    w.disk.append(&log("b.log"), b"no line end");
    w.disk.append(&log("empty.log"), b"");
    w.start().settle();
    assert_eq!(w.exit, Some(ExitReason::Idle), "{:#?}", w.status());
    let all: Vec<_> = w.indexer.rows.values().map(|r| r.bytes()).collect();
    assert!(all.contains(&lines(0..2000)) && all.contains(&b"no line end".to_vec()));
}

#[test]
fn shutdown_closes_the_open_event_and_waits_for_its_answer() {
    let mut w = World::new(9);
    w.disk.append(&log("a.log"), &lines(0..3));
    w.start().settle();
    w.step(ShipperInput::Shutdown).settle();
    assert_eq!(w.exit, Some(ExitReason::Shutdown));
    assert_eq!(w.only().bytes(), lines(0..3));
    w.start().append("a.log", &lines(3..5)).pass(Duration::from_secs(6));
    assert_eq!(w.only().bytes(), lines(0..5));
}

#[test]
fn two_shippers_do_not_share_a_state_folder() {
    let mut w = World::new(10);
    w.start();
    let held = w.core.take();
    let error = w.try_start().unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
    drop(held);
}

#[test]
fn a_new_incarnation_makes_every_stream_go_back() {
    let mut w = World::new(11);
    w.disk.append(&log("a.log"), &lines(0..50));
    w.start().pass(Duration::from_secs(6));
    assert_eq!(w.only().bytes(), lines(0..50));
    w.indexer.incarnation = 8;
    w.indexer.rows.clear();
    w.pass(Duration::from_secs(12));
    assert_eq!(w.only().bytes(), lines(0..50), "{:?}", w.notices);
}

#[test]
fn a_store_that_went_back_behind_a_removed_file_hears_of_the_loss() {
    let mut w = World::new(12);
    w.disk.append(&log("a.log"), &lines(0..50));
    w.start().pass(Duration::from_secs(6));
    w.disk.remove(&log("a.log")).unwrap();
    w.step(ShipperInput::Changed(log("a.log"))).pass(Duration::from_secs(20));
    assert!(w.only().gone);
    let size = w.only().mark.0;
    w.indexer.incarnation = 8;
    w.indexer.rows.clear();
    w.append("b.log", &line(1)).pass(Duration::from_secs(12));
    let row = w.indexer.rows.values().find(|r| r.open.factors.path == "/logs/a.log").unwrap();
    assert_eq!(row.lost, vec![(0, Some(size))]);
}

#[test]
fn what_trickles_in_is_read_in_larger_pieces_and_a_flood_at_once() {
    let mut w = World::new(31);
    w.config.timing.read_pace = Duration::from_millis(100);
    w.config.limits.unpaced_files_max = 0;
    w.disk.append(&log("a.log"), &lines(0..2));
    w.start().settle();
    assert_eq!(w.only().bytes(), lines(0..1));
    // Read just now: it waits.
    w.append("a.log", &lines(2..3)).append("a.log", &lines(3..4));
    w.deliver(true);
    w.step(ShipperInput::Tick);
    assert_eq!(w.only().bytes(), lines(0..1));
    w.pass(Duration::from_millis(100));
    assert_eq!(w.only().bytes(), lines(0..3));
    // Batch follows batch: the open event is not shown before it is clear that none comes.
    assert!(w.only().provisional.is_none());
    w.pass(Duration::from_millis(200));
    assert_eq!(w.only().provisional.as_ref().unwrap().1, line(3));
    w.append("a.log", &lines(4..5)).pass(Duration::from_millis(110));
    let read = w.only().bytes().len();
    w.append("a.log", &lines(5..2000)).append("a.log", &lines(2000..2001)).settle();
    assert!(w.only().bytes().len() > read + (64 << 10), "much of it waits");
    w.pass(Duration::from_secs(1));
    assert_eq!(w.only().bytes(), lines(0..2000));
}

#[test]
fn a_new_boot_is_shown_the_open_event_again() {
    let mut w = World::new(13);
    w.disk.append(&log("a.log"), &lines(0..2));
    w.start().settle();
    assert!(w.only().provisional.is_some());
    w.indexer.boot = 2;
    w.indexer.rows.values_mut().for_each(|r| r.provisional = None);
    w.append("b.log", &lines(0..2)).settle();
    assert!(w.indexer.rows.values().all(|r| r.provisional.is_some()));
}

#[test]
fn older_generations_are_left_out_when_too_old_and_shipped_after_live_ones_else() {
    let mut w = World::new(14);
    w.disk.append(&log("a.log.2"), &lines(0..10));
    w.clock.advance(Duration::from_secs(8 * 86_400));
    w.disk.append(&log("a.log.1"), &lines(10..20));
    w.clock.advance(Duration::from_secs(60));
    w.disk.append(&log("a.log"), &lines(20..30));
    w.start().pass(Duration::from_secs(20));
    let mut all: Vec<_> = w.indexer.rows.values().map(|r| r.bytes()).collect();
    all.sort();
    assert_eq!(all, vec![lines(10..20), lines(20..30)]);
    assert_eq!(w.status().left_out, vec!["/logs/a.log.2".to_owned()]);
}

#[test]
fn a_copied_state_folder_goes_on_as_another_agent_from_its_mark() {
    let mut w = World::new(15);
    w.disk.append(&log("a.log"), &lines(0..5));
    w.start().pass(Duration::from_secs(6));
    let before = w.only().bytes().len() as u64;
    w.kill();
    w.config.host_id = "another".to_owned();
    w.disk.append(&log("a.log"), &lines(5..9));
    w.start().pass(Duration::from_secs(6));
    assert!(w.notices.iter().any(|n| n.contains("is a copy")), "{:?}", w.notices);
    assert_eq!(w.indexer.rows.len(), 2);
    let new = w.indexer.rows.values().find(|r| r.open.base.0 == before).unwrap();
    assert_eq!(new.bytes(), lines(5..9));
    w.kill().start().append("a.log", &line(9)).pass(Duration::from_secs(6));
    assert_eq!(w.indexer.rows.len(), 2);
}

#[test]
fn a_folder_that_cannot_be_listed_loses_nothing() {
    let mut w = World::new(16);
    w.disk.append(&log("a.log"), &lines(0..5));
    w.start().pass(Duration::from_secs(6));
    w.kill();
    w.disk.append(&log("b.log"), &line(7));
    w.start().pass(Duration::from_secs(6));
    assert_eq!(w.indexer.rows.len(), 2);
    assert!(w.indexer.rows.values().all(|r| r.lost.is_empty()));
}

#[test]
fn streams_long_gone_are_forgotten() {
    let mut w = World::new(17);
    w.config.timing.remember = Duration::from_secs(1000);
    w.disk.append(&log("a.log"), &lines(0..5));
    w.start().pass(Duration::from_secs(6));
    w.disk.remove(&log("a.log")).unwrap();
    w.step(ShipperInput::Changed(log("a.log"))).pass(Duration::from_secs(1200));
    assert!(w.only().gone);
    let opens = w.indexer.opens;
    w.kill().start().pass(Duration::from_secs(5));
    assert_eq!(w.indexer.opens, opens);
}

#[test]
fn a_refused_token_pauses_and_drops_nothing() {
    let mut w = World::new(18);
    w.disk.append(&log("a.log"), &lines(0..5));
    w.start();
    for _ in 0..5 {
        w.step(ShipperInput::Tick);
        let (ticket, _) = w.requests.pop_front().unwrap();
        let result = Err(crate::SendError::Unauthorized("status 401".to_owned()));
        w.step(ShipperInput::Answer { ticket, result });
        assert_eq!(w.status().link, crate::Link::Unauthorized);
        assert!(w.requests.is_empty());
        w.clock.advance(w.config.timing.retry_max);
        w.append("a.log", &line(5));
    }
    w.pass(Duration::from_secs(60));
    assert_eq!(w.only().bytes(), [lines(0..5), line(5).repeat(5)].concat());
    assert_eq!(w.status().link, crate::Link::Up);
}

#[test]
fn memory_stays_bounded_while_the_indexer_is_away() {
    let mut w = World::new(19);
    w.config.limits.memory_bytes_max = 64 << 10;
    w.config.limits.batch_bytes_max = 32 << 10;
    w.config.limits.read_bytes = 8 << 10;
    w.start().settle();
    for n in 0..40 {
        w.disk.append(&log(&format!("f{n}.log")), &lines(0..400));
    }
    w.step(ShipperInput::Overflow).settle();
    for _ in 0..200 {
        w.drop_request();
        w.clock.advance(Duration::from_secs(1));
        w.step(ShipperInput::Overflow);
        assert!(w.core.as_ref().unwrap().memory() < 512 << 10, "{}", w.core.as_ref().unwrap().memory());
    }
    w.pass(Duration::from_secs(60));
    assert!(w.indexer.rows.values().all(|r| r.bytes() == lines(0..400)));
}

#[test]
fn a_newer_state_is_refused_untouched() {
    let mut w = World::new(20);
    w.disk.append(&log("a.log"), &lines(0..5));
    w.start().settle();
    w.kill();
    for slot in ["/state/state.0", "/state/state.1"] {
        let path = std::path::Path::new(slot);
        let mut bytes = w.disk.contents(path).unwrap();
        bytes[8] = 9;
        let crc = crc32fast::hash(&bytes[..32]).to_le_bytes();
        bytes[32..36].copy_from_slice(&crc);
        w.disk.truncate(path).unwrap();
        w.disk.append(path, &bytes);
    }
    let error = w.try_start().unwrap_err();
    assert!(matches!(error, crate::OpenError::Newer { found: 9, known: 1, .. }), "{error}");
}

#[test]
fn damage_of_one_slot_is_survived_and_of_both_is_told() {
    let mut w = World::new(21);
    w.disk.append(&log("a.log"), &lines(0..5));
    w.start().pass(Duration::from_secs(6));
    w.kill().start().pass(Duration::from_secs(1));
    w.kill();
    let rows = w.indexer.rows.len();
    w.disk.flip_bit(std::path::Path::new("/state/state.1"), 100);
    w.start().pass(Duration::from_secs(6));
    assert_eq!(w.indexer.rows.len(), rows);
    w.kill();
    w.disk.flip_bit(std::path::Path::new("/state/state.0"), 100);
    w.disk.flip_bit(std::path::Path::new("/state/state.1"), 100);
    let opened = w.try_start();
    // The bit flipped twice is whole again: one slot is enough.
    assert!(opened.is_ok() || matches!(opened, Err(crate::OpenError::Damaged(_))));
}

/// The families and formats of the only stream's events.
fn formats(w: &World) -> Vec<(String, String)> {
    let of = |event: &wire::EventBody| {
        let format = event.fields.iter().find(|f| f.id == parsers::FieldId::LOG_FORMAT).map(|f| match &f.value {
            parsers::Value::Literal(name) => name.to_string(),
            _ => String::new(),
        });
        (event.family.name().to_owned(), format.unwrap_or_default())
    };
    w.only().events.iter().map(|(event, _)| of(event)).collect()
}

#[test]
fn the_layouts_of_the_product_hold_and_changes_are_seen_with_a_scan() {
    let mut w = World::new(31);
    let of = |pattern: &str| {
        format!("appender.MAIN.fileName = ${{sys:carbon.home}}/own.log\nappender.MAIN.layout.pattern = {pattern}\n")
    };
    w.disk.make_folder(&log("p/repository/logs"));
    w.disk.make_folder(&log("p/repository/conf"));
    let conf = log("p/repository/conf/log4j2.properties");
    w.disk.append(&conf, of("%d | %p | %c | %m%n").as_bytes());
    let first = "2026-04-22 11:02:13,541 | INFO | a.B | one\n";
    let own = "p/repository/logs/own.log";
    w.disk.append(&log(own), first.repeat(3).as_bytes());
    w.start().settle();
    w.pass(Duration::from_secs(6));
    let first_format = || ("own".to_owned(), "MAIN".to_owned());
    assert_eq!(formats(&w), vec![first_format(); 3]);
    // The product's configuration changes; lines in the old layout still come until the product notices.
    w.disk.append(&conf, b"appender.MAIN.layout.pattern = %d ; %p ; %c ; %m%n\n");
    w.pass(Duration::from_secs(70));
    let second = "2026-04-22 11:02:14,541 ; WARN ; a.B ; two\n";
    w.append(own, [first, second, second].concat().as_bytes()).settle();
    w.pass(Duration::from_secs(6));
    assert_eq!(formats(&w), vec![first_format(); 6]);
    // What was decided holds after a restart, and nothing is decided anew.
    w.kill();
    w.start().settle();
    w.append(own, second.as_bytes()).settle();
    w.pass(Duration::from_secs(6));
    assert_eq!(formats(&w), vec![first_format(); 7]);
}

/// Offsets from UTC, in minutes, and sources of the zone, of the events of a file.
fn zones_of(w: &World, name: &str) -> Vec<(i16, parsers::ZoneSource)> {
    let path = log(name).display().to_string();
    let row = w.indexer.rows.values().find(|row| row.open.factors.path == path).unwrap();
    row.events.iter().filter_map(|(event, _)| event.time.map(|time| (time.offset_minutes, time.zone))).collect()
}

#[test]
fn before_the_first_range_the_zone_is_looked_for_in_the_whole_folder() {
    use parsers::ZoneSource;
    let banner = |text: &str| {
        let plain = String::from_utf8(line(0)).unwrap().replace("message number 0", text);
        plain.replace("org.wso2.carbon.Test", "org.wso2.carbon.core.internal.CarbonCoreActivator").into_bytes()
    };
    let access = b"10.0.0.1 - - [25/Nov/2026:10:00:00 +0530] \"GET /x HTTP/1.1\" 200 5\n";
    // The banner stands in a rotated file, behind much that tells nothing, before much that tells nothing.
    let mut w = World::new(60);
    let zone = banner("User             : svc, esb, en-US, Asia/Karachi");
    w.disk.append(&log("wso2carbon.log.1"), &[lines(0..3000), zone, lines(3000..6000)].concat());
    w.clock.advance(Duration::from_secs(1));
    w.disk.append(&log("wso2carbon.log"), &lines(10..13));
    w.disk.append(&log("audit.log"), &lines(20..23));
    w.start().pass(Duration::from_secs(20));
    for name in ["wso2carbon.log", "audit.log"] {
        assert_eq!(zones_of(&w, name), [(300, ZoneSource::Banner); 3], "{name}");
    }
    // Only an access line tells it.
    let mut w = World::new(61);
    w.disk.append(&log("http_access_.log"), access);
    w.disk.append(&log("wso2carbon.log"), &lines(10..13));
    w.start().pass(Duration::from_secs(20));
    assert_eq!(zones_of(&w, "wso2carbon.log"), [(330, ZoneSource::Access); 3]);
    // Nothing does; a zone learnt later holds from there on.
    let mut w = World::new(62);
    w.disk.append(&log("wso2carbon.log"), &lines(10..13));
    w.start().pass(Duration::from_secs(20));
    w.append("http_access_.log", access).pass(Duration::from_secs(70));
    w.append("wso2carbon.log", &lines(13..15)).pass(Duration::from_secs(20));
    let (host, learnt) = ((0, ZoneSource::Host), (330, ZoneSource::Access));
    assert_eq!(zones_of(&w, "wso2carbon.log"), [host, host, host, learnt, learnt]);
}
