//! Retention by age and bytes, and the clock it trusts (protocol rules 29, 37).

use super::rig::{DAY, NOW, Rig, STREAM, events, events_at, mark_of, open, small};
use crate::store::core::{StoreConfig, StoreInput};
use std::time::Duration;
use wire::{Hello, LedgerRow, Message, Refusal, Verdict};

const DAYS: Duration = Duration::from_secs(86_400);

fn keeping(days: u32) -> Rig {
    let mut rig = Rig::new(StoreConfig { retention_age: Some(DAYS * days), host_id: Some("here".into()), ..small() });
    rig.begin();
    rig
}

fn ledger(rig: &mut Rig) -> LedgerRow {
    match rig.send(Message::Ledger(vec![STREAM])) {
        Verdict::Ledger(rows) => rows.into_iter().next().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn expired(verdict: &Verdict) -> u64 {
    match verdict {
        Verdict::Ranges { expired, .. } => *expired,
        other => panic!("{other:?}"),
    }
}

#[test]
fn whole_days_go_and_are_counted() {
    let mut rig = keeping(2);
    rig.send(events_at(0, &[10, 20], Some(NOW - 2 * DAY)));
    rig.send(events_at(20, &[30], Some(NOW - DAY)));
    rig.flush();
    rig.send(events_at(30, &[40], Some(NOW - 2 * DAY + 5)));
    rig.step(StoreInput::Tick);
    assert_eq!(rig.offsets(), [0, 10, 20, 30]);
    rig.advance(DAYS);
    for _ in 0..2 {
        rig.step(StoreInput::Tick);
        assert_eq!(rig.offsets(), [20]);
        let row = ledger(&mut rig);
        assert_eq!((row.taken.events, row.held.events, row.removed.events), (4, 1, 3));
        assert_eq!((row.taken.bytes, row.held.bytes, row.removed.bytes), (40, 10, 30));
        let mut sum = row.held;
        sum += row.removed;
        assert_eq!(sum, row.taken);
        assert_eq!(rig.core().status().partitions, 1);
        rig.power_cut();
        rig.open().unwrap();
        assert_eq!(rig.offsets(), [20]);
        rig.hello();
    }
    assert!(!rig.disk.contents(std::path::Path::new("/data/store.manifest")).unwrap().is_empty());
}

#[test]
fn what_is_too_old_when_it_comes_is_counted_and_named() {
    let mut rig = keeping(2);
    let hello = rig.send(Message::Hello(Hello::default()));
    let Verdict::Hello(answer) = hello else { panic!() };
    assert_eq!(answer.oldest_ns, Some(NOW - 2 * DAY));
    rig.epoch = answer.epoch;
    let verdict = rig.send(events_at(0, &[10, 20], Some(NOW - 2 * DAY - 1)));
    assert_eq!((mark_of(&verdict), expired(&verdict)), (20, 2));
    let verdict = rig.send(events_at(20, &[30], Some(NOW - 2 * DAY)));
    assert_eq!((mark_of(&verdict), expired(&verdict)), (30, 0));
    assert_eq!(rig.offsets(), [20]);
    let row = ledger(&mut rig);
    assert_eq!((row.taken.events, row.held.events, row.removed.events), (3, 1, 2));
}

#[test]
fn a_partition_comes_back_after_it_was_removed() {
    let mut rig = keeping(2);
    rig.send(events_at(0, &[10], Some(NOW - 2 * DAY)));
    rig.flush();
    rig.advance(DAYS);
    rig.step(StoreInput::Tick);
    assert!(rig.offsets().is_empty());
    // The day is wanted again: somebody keeps more.
    rig.kill();
    rig.config.retention_age = Some(DAYS * 9);
    rig.open().unwrap();
    rig.hello();
    rig.send(events_at(10, &[20], Some(NOW - 2 * DAY)));
    for flush in [false, true] {
        if flush {
            rig.flush();
        }
        rig.power_cut();
        rig.open().unwrap();
        assert_eq!(rig.offsets(), [10]);
    }
    rig.hello();
    let row = ledger(&mut rig);
    assert_eq!((row.taken.events, row.held.events, row.removed.events), (2, 1, 1));
}

#[test]
fn a_death_at_any_call_of_retention_removes_all_or_nothing() {
    for calls in 0..30 {
        let mut rig = keeping(2);
        rig.send(events_at(0, &[10], Some(NOW - 2 * DAY)));
        rig.flush();
        rig.send(events_at(10, &[20], Some(NOW - 2 * DAY)));
        rig.send(events(20, &[30]));
        rig.advance(DAYS);
        rig.files.die_after(calls);
        rig.step(StoreInput::Tick);
        if calls % 2 == 0 {
            rig.power_cut()
        } else {
            rig.kill()
        }
        rig.open().unwrap();
        let offsets = rig.offsets();
        assert!(offsets == [20] || offsets == [0, 10, 20], "{offsets:?} after {calls} calls");
        rig.hello();
        let row = ledger(&mut rig);
        assert_eq!(row.held.events + row.removed.events, 3, "after {calls} calls");
        rig.step(StoreInput::Tick);
        assert_eq!(rig.offsets(), [20]);
        assert_eq!(ledger(&mut rig).removed.events, 2);
    }
}

#[test]
fn the_oldest_go_while_there_is_too_much() {
    let mut rig = Rig::new(small());
    rig.begin();
    for day in 0..4i64 {
        let from = day as u64 * 10;
        rig.send(events_at(from, &[from + 10], Some(NOW - (3 - day) * DAY)));
    }
    rig.flush();
    let one = rig.core().status().segment_bytes / 4;
    rig.kill();
    rig.config.retention_bytes = Some(one * 2 + one / 2);
    rig.open().unwrap();
    rig.step(StoreInput::Tick);
    assert_eq!(rig.offsets(), [20, 30]);
    rig.kill();
    rig.config.retention_bytes = Some(0);
    rig.open().unwrap();
    rig.step(StoreInput::Tick);
    assert_eq!(rig.offsets(), [30], "never the newest");
}

#[test]
fn a_clock_that_ran_ahead_removes_nothing_until_confirmed() {
    let mut rig = keeping(2);
    rig.send(events(0, &[10]));
    rig.clock.jump(100 * DAY);
    rig.step(StoreInput::Tick);
    assert_eq!(rig.offsets(), [0]);
    assert!(rig.core().status().retention_waits.is_some());
    // A new event makes the jump invisible; the doubt stays, also over a restart. Nothing expires on arrival.
    let verdict = rig.send(events(10, &[20]));
    assert_eq!(expired(&verdict), 0);
    rig.step(StoreInput::Tick);
    rig.power_cut();
    rig.open().unwrap();
    rig.step(StoreInput::Tick);
    assert_eq!(rig.offsets(), [0, 10]);
    // A shipper of this host has the same clock.
    let wrong = NOW + 100 * DAY;
    for (host_id, clock_ns) in [("here", wrong), ("elsewhere", NOW)] {
        let hello = Hello { host_id: host_id.into(), clock_ns, ..Hello::default() };
        rig.send(Message::Hello(hello));
        assert!(rig.core().status().retention_waits.is_some(), "{host_id}");
    }
    let hello = Hello { host_id: "elsewhere".into(), clock_ns: wrong, ..Hello::default() };
    rig.send(Message::Hello(hello));
    assert_eq!(rig.core().status().retention_waits, None);
    rig.step(StoreInput::Tick);
    assert!(rig.offsets().is_empty());
}

#[test]
fn a_person_can_confirm_the_clock() {
    let mut rig = keeping(2);
    rig.send(events(0, &[10]));
    rig.clock.jump(100 * DAY);
    rig.step(StoreInput::Tick);
    rig.step(StoreInput::ClockConfirmed);
    rig.step(StoreInput::Tick);
    assert!(rig.offsets().is_empty());
    assert_eq!(rig.core().status().retention_waits, None);
}

#[test]
fn marks_go_after_file_and_data() {
    let mut rig = keeping(2);
    rig.send(events(0, &[10]));
    assert_eq!(rig.send(Message::Gone(STREAM)), Verdict::Gone);
    assert_eq!(rig.send(Message::Gone(STREAM)), Verdict::Gone);
    rig.advance(DAYS);
    rig.step(StoreInput::Tick);
    rig.build();
    rig.send(open(wire::StreamId(8)));
    assert_eq!(rig.core().status().streams, 2);
    rig.advance(DAYS);
    rig.send(Message::Ranges(wire::Ranges {
        stream: wire::StreamId(8),
        ranges: vec![super::rig::events_range(wire::StreamId(8), 0, &[5])],
    }));
    rig.advance(DAYS);
    rig.step(StoreInput::Tick);
    rig.step(StoreInput::Tick);
    assert_eq!(rig.core().status().streams, 1, "the one whose file is gone and whose data are removed");
    assert_eq!(rig.send(events(10, &[20])), Verdict::Refused(Refusal::NotOpen));
    rig.power_cut();
    rig.open().unwrap();
    assert_eq!(rig.core().status().streams, 1);
}
