//! What the indexer does not keep is left out; what it refuses becomes a dead letter, and may come back.

use super::world::{World, line, log};
use crate::core::{SendError, ShipperInput};
use crate::dead;
use outside::Files;
use parsers::Offset;
use std::path::Path;
use std::time::Duration;
use wire::{Fate, Message, Request, StreamId};

const STATE: &str = "/state";
const FILE: &str = "wso2carbon.log";

fn old(day: u32, n: u64) -> Vec<u8> {
    let text = String::from_utf8(line(n)).unwrap();
    text.replace("2026-11-25", &format!("2026-10-{day:02}")).into_bytes()
}

fn lines(range: std::ops::Range<u64>) -> Vec<u8> {
    range.flat_map(line).collect()
}

/// 2026-11-20, as `hello` says it.
const OLDEST_NS: i64 = 20_777 * 86_400_000_000_000;

#[test]
fn what_is_older_than_retention_is_excluded_counted_and_told_once_a_file() {
    let mut w = World::new(1);
    w.indexer.oldest_ns = Some(OLDEST_NS);
    let mut text = old(1, 0);
    text.extend(b"\tat org.wso2.Old\n");
    text.extend(old(2, 1));
    let oldest = text.len() as u64;
    text.extend(lines(2..4));
    let second = text.len() as u64;
    text.extend(old(3, 4));
    let end = text.len() as u64;
    text.extend(lines(5..7));
    w.disk.append(&log(FILE), &text);
    w.start().pass(Duration::from_secs(6));
    let row = w.only();
    assert_eq!(row.excluded, [(0, oldest), (second, end)]);
    assert_eq!(row.events.iter().map(|(e, _)| e.offset.0).collect::<Vec<_>>().len(), 4);
    assert_eq!(row.mark.0, text.len() as u64);
    let told: Vec<&String> = w.notices.iter().filter(|n| n.contains("older than retention")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(FILE) && told[0].contains("2026-11-20"), "{told:?}");
    let status = w.status();
    assert_eq!(status.files[0].excluded_bytes, oldest + end - second);
    assert_eq!(status.files[0].behind_bytes, 0);
    // The books hold after a restart.
    w.kill().start().pass(Duration::from_secs(1));
    assert_eq!(w.status().files[0].excluded_bytes, oldest + end - second);
}

#[test]
fn an_old_open_event_is_not_shown() {
    let mut w = World::new(2);
    w.indexer.oldest_ns = Some(OLDEST_NS);
    w.disk.append(&log(FILE), &old(1, 0));
    w.start().settle();
    assert!(w.only().provisional.is_none());
    w.pass(Duration::from_secs(6));
    assert_eq!(w.only().excluded.len(), 1);
}

/// A world whose indexer rejects the third of six events.
fn with_a_rejected_event(seed: u64) -> World {
    let mut w = World::new(seed);
    w.indexer.rejects = Some(b"message number 2\n");
    w.disk.append(&log(FILE), &lines(0..6));
    w
}

fn letters(w: &World) -> Vec<dead::Letter> {
    let process = w.disk.process();
    dead::read_all(&*process, Path::new(STATE)).unwrap().into_iter().map(Result::unwrap).collect()
}

#[test]
fn a_rejected_event_becomes_a_dead_letter_and_the_rest_goes_on() {
    let mut w = with_a_rejected_event(3);
    w.start().pass(Duration::from_secs(6));
    let size = line(2).len() as u64;
    let row = w.only().clone();
    assert_eq!(row.dead, [(2 * size, 3 * size)]);
    assert_eq!(row.events.len(), 5);
    assert_eq!(row.mark.0, 6 * size);
    let letters = letters(&w);
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].bytes.as_slice(), letters[0].reason.as_str()), (&line(2)[..], "it is bad"));
    assert!(letters[0].path.ends_with(FILE));
    assert_eq!((w.status().files[0].dead_bytes, w.status().dead_letters), (size, 1));
    assert!(w.notices.iter().any(|n| n.contains("dead letter")), "{:?}", w.notices);
}

#[test]
fn a_dead_letter_is_replayed_when_asked_for_and_goes_after_the_answer() {
    let mut w = with_a_rejected_event(4);
    w.start().pass(Duration::from_secs(6));
    let key = (letters(&w)[0].stream, letters(&w)[0].body.offset);
    // Still refused: it stays.
    dead::ask_for_replay(&*w.disk.process(), Path::new(STATE), key.0, key.1).unwrap();
    w.pass(Duration::from_secs(3));
    assert!(!letters(&w)[0].replay);
    assert!(w.notices.iter().any(|n| n.contains("cannot be replayed: it is bad")), "{:?}", w.notices);
    w.indexer.rejects = None;
    dead::ask_for_replay(&*w.disk.process(), Path::new(STATE), key.0, key.1).unwrap();
    w.pass(Duration::from_millis(1_500));
    assert_eq!(w.only().replayed[0].1, line(2));
    assert!(w.only().dead.is_empty());
    assert_eq!(letters(&w), []);
    assert_eq!(w.status().dead_letters, 0);
}

#[test]
fn a_letter_grows_with_its_event_when_the_store_begins_anew() {
    for asked in [false, true] {
        let mut w = World::new(12);
        w.indexer.rejects = Some(b"message number 2\n");
        w.append(FILE, &line(2)).start().pass(Duration::from_secs(7));
        let cut = line(2).len() as u64;
        assert_eq!(w.only().dead, [(0, cut)], "closed as nothing more came");
        w.append(FILE, b"\tat org.wso2.Late\n").pass(Duration::from_secs(7));
        if asked {
            let key = (letters(&w)[0].stream, letters(&w)[0].body.offset);
            dead::ask_for_replay(&*w.disk.process(), Path::new(STATE), key.0, key.1).unwrap();
        }
        w.indexer.rows.clear();
        w.indexer.incarnation = 8;
        w.kill().start().pass(Duration::from_secs(7));
        let whole = [&line(2)[..], b"\tat org.wso2.Late\n"].concat();
        assert_eq!(w.only().dead, [(0, whole.len() as u64)], "for the new store nothing was cut");
        assert_eq!(letters(&w).iter().map(|letter| &letter.bytes).collect::<Vec<_>>(), [&whole], "asked: {asked}");
        assert_eq!(w.status().dead_letters, 1);
    }
}

#[test]
fn killed_at_any_call_a_dead_event_has_its_letter() {
    for call in 0..200 {
        let mut w = with_a_rejected_event(5);
        w.start().settle();
        w.kill();
        w.disk.append(&log(FILE), &line(6));
        w.start();
        w.files.die_after(call);
        w.pass(Duration::from_secs(7));
        let died = w.core.is_none();
        if call % 2 == 0 && died {
            w.disk.power_cut();
        }
        let check = |w: &World| {
            for row in w.indexer.rows.values().filter(|row| !row.dead.is_empty()) {
                let stream = row.open.stream;
                let process = w.disk.process();
                for (from, _) in &row.dead {
                    assert!(
                        dead::is_there(&*process, Path::new(STATE), (stream, Offset(*from))),
                        "killed at call {call}: the letter at {from} is gone"
                    );
                }
            }
        };
        check(&w);
        if died {
            w.kill().start();
        }
        w.pass(Duration::from_secs(7));
        check(&w);
        assert_eq!(w.only().events.len(), 6, "killed at call {call}");
        assert_eq!(w.only().dead.len(), 1);
        if !died {
            return;
        }
    }
    panic!("the run has more calls than were tried");
}

#[test]
fn killed_at_any_call_of_a_replay_the_event_is_somewhere() {
    for call in 0..200 {
        let mut w = with_a_rejected_event(6);
        w.start().pass(Duration::from_secs(6));
        w.indexer.rejects = None;
        let key = (letters(&w)[0].stream, letters(&w)[0].body.offset);
        dead::ask_for_replay(&*w.disk.process(), Path::new(STATE), key.0, key.1).unwrap();
        w.files.die_after(call);
        w.pass(Duration::from_secs(3));
        let died = w.core.is_none();
        if call % 2 == 0 && died {
            w.disk.power_cut();
        }
        let somewhere = !w.only().replayed.is_empty() || !letters(&w).is_empty();
        assert!(somewhere, "killed at call {call}: the event is nowhere");
        if !died {
            assert_eq!(letters(&w), []);
            return;
        }
        w.kill();
        // The stand-in takes a replay once; the store knows what it has (`dead_ranges_come_back_as_events`).
        if !w.only().replayed.is_empty() {
            continue;
        }
        w.start().pass(Duration::from_secs(3));
        assert_eq!((w.only().replayed.len(), letters(&w).len()), (1, 0), "killed at call {call}");
    }
    panic!("the run has more calls than were tried");
}

#[test]
fn when_the_dead_letters_are_full_the_stream_waits_and_says_so() {
    let mut w = with_a_rejected_event(7);
    w.config.limits.dead_bytes_max = 4096;
    w.disk.append(&log("other.log"), &lines(2..4));
    w.start().pass(Duration::from_secs(60));
    let waiting: Vec<_> = w.status().files.into_iter().filter(|f| f.last_error.is_some()).collect();
    assert_eq!(waiting.len(), 1);
    assert!(waiting[0].last_error.as_ref().unwrap().contains("dead letters take"), "{waiting:?}");
    assert_eq!(letters(&w).len(), 1);
    // Room is made: it goes on.
    let name = w.disk.process().list(&Path::new(STATE).join(dead::FOLDER)).unwrap().remove(0);
    w.disk.remove(&Path::new(STATE).join(dead::FOLDER).join(name)).unwrap();
    w.pass(Duration::from_secs(40));
    assert!(w.status().files.iter().all(|f| f.last_error.is_none() && f.behind_bytes == 0), "{:#?}", w.status());
}

fn holds(request: &Request, what: &str) -> bool {
    request.messages.iter().any(|message| {
        let Message::Ranges(ranges) = message else { return false };
        ranges.ranges.iter().any(|range| match &range.fate {
            Fate::Events(payload) => memchr::memmem::find(&payload.bytes, what.as_bytes()).is_some(),
            _ => false,
        })
    })
}

/// Lets everything pass through `refused` until nothing moves any more or `time` has passed.
fn through(w: &mut World, time: Duration, refused: impl Fn(&Request) -> bool) {
    let end = outside::Clock::monotonic(&w.clock) + time;
    while outside::Clock::monotonic(&w.clock) < end {
        w.step(ShipperInput::Tick);
        while w.deliver_through(&refused) {}
        let now = outside::Clock::monotonic(&w.clock);
        w.clock.advance(w.wake.saturating_sub(now).clamp(Duration::from_millis(1), Duration::from_millis(500)));
    }
}

#[test]
fn one_event_that_makes_requests_fail_is_found_among_many() {
    let mut w = World::new(8);
    w.disk.append(&log(FILE), &lines(0..400));
    w.disk.append(&log("other.log"), &lines(500..510));
    w.start();
    through(&mut w, Duration::from_secs(60), |request| holds(request, "message number 123\n"));
    let letters = letters(&w);
    assert_eq!(letters.iter().map(|l| l.bytes.clone()).collect::<Vec<_>>(), [line(123)]);
    let events: usize = w.indexer.rows.values().map(|row| row.events.len()).sum();
    assert_eq!(events, 409);
}

#[test]
fn a_proxy_that_refuses_everything_makes_no_dead_letters() {
    let mut w = World::new(9);
    w.disk.append(&log(FILE), &lines(0..50));
    w.start().settle();
    w.disk.append(&log(FILE), &lines(50..100));
    w.step(ShipperInput::Overflow);
    through(&mut w, Duration::from_secs(600), |_| true);
    assert_eq!(letters(&w), []);
    assert!(w.status().last_error.is_some() || w.status().files.iter().any(|f| f.last_error.is_some()));
    w.pass(Duration::from_secs(60));
    assert_eq!(letters(&w), []);
    assert_eq!(w.only().bytes(), lines(0..100));
}

#[test]
fn a_proxy_that_refuses_all_events_and_lets_all_else_through_gives_up_a_few_at_most() {
    let mut w = World::new(10);
    w.disk.append(&log(FILE), &lines(0..200));
    w.start();
    through(&mut w, Duration::from_secs(3_600), |request| holds(request, "message"));
    assert_eq!(letters(&w).len(), 16);
    assert!(w.status().files[0].last_error.as_ref().unwrap().contains("in a row"), "{:#?}", w.status());
    w.pass(Duration::from_secs(120));
    let row = w.only();
    assert_eq!(row.events.len() + row.dead.len(), 200, "{} {:?}", row.events.len(), row.dead);
    assert_eq!(letters(&w).len(), 16);
}

#[test]
fn requests_too_large_become_smaller() {
    let mut w = World::new(11);
    w.disk.append(&log(FILE), &lines(0..5_000));
    w.start();
    let end = outside::Clock::monotonic(&w.clock) + Duration::from_secs(120);
    while outside::Clock::monotonic(&w.clock) < end {
        w.step(ShipperInput::Tick);
        while let Some((ticket, request)) = w.requests.pop_front() {
            let bytes: usize = request.messages.iter().map(payload_bytes).sum();
            let result = match bytes > 40_000 {
                true => Err(SendError::TooLarge { max: None }),
                false => Ok(w.indexer.handle(&request)),
            };
            w.step(ShipperInput::Answer { ticket, result });
        }
        let now = outside::Clock::monotonic(&w.clock);
        w.clock.advance(w.wake.saturating_sub(now).clamp(Duration::from_millis(1), Duration::from_millis(500)));
    }
    assert_eq!(letters(&w), []);
    assert_eq!(
        w.only().events.len(),
        5_000,
        "{} {:?} {:?}",
        w.core.as_ref().unwrap().why_awake(),
        outside::Clock::monotonic(&w.clock),
        w.notices
    );
    assert!(w.only().bytes() == lines(0..5_000));
}

fn payload_bytes(message: &Message) -> usize {
    let Message::Ranges(ranges) = message else { return 0 };
    let of = |range: &wire::Range| match &range.fate {
        Fate::Events(payload) => payload.bytes.len(),
        _ => 0,
    };
    ranges.ranges.iter().map(of).sum()
}

#[test]
fn a_letter_of_a_newer_version_or_damaged_is_told_and_left() {
    let mut w = with_a_rejected_event(12);
    w.start().pass(Duration::from_secs(6));
    let process = w.disk.process();
    let folder = Path::new(STATE).join(dead::FOLDER);
    let path = folder.join(process.list(&folder).unwrap().remove(0));
    let whole = process.read_whole(&path, 1 << 20).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        outside::write_whole(&*process, &path, &bytes).unwrap();
        assert!(dead::read_all(&*process, Path::new(STATE)).unwrap()[0].is_err(), "byte {at}");
    }
    let mut newer = whole.clone();
    newer[8] = 2;
    let crc = crc32fast::hash(&newer[..20]).to_le_bytes();
    newer[20..24].copy_from_slice(&crc);
    outside::write_whole(&*process, &path, &newer).unwrap();
    let error = dead::read_all(&*process, Path::new(STATE)).unwrap().remove(0).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[test]
fn a_letter_whose_stream_is_not_known_is_put_back() {
    let mut w = with_a_rejected_event(13);
    w.start().pass(Duration::from_secs(6));
    let letter = letters(&w).remove(0);
    let process = w.disk.process();
    let folder = Path::new(STATE).join(dead::FOLDER);
    let bytes = process.read_whole(&folder.join(process.list(&folder).unwrap().remove(0)), 1 << 20).unwrap();
    let other = folder.join(format!("{:016x}-{:012x}.replay", letter.stream.0 ^ 1, 0));
    outside::write_whole(&*process, &other, &bytes).unwrap();
    w.pass(Duration::from_secs(2));
    assert!(w.notices.iter().any(|n| n.contains("not known here")), "{:?}", w.notices);
    assert!(letters(&w).iter().all(|l| !l.replay));
    let _: StreamId = letter.stream;
}
