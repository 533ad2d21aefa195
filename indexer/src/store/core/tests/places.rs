//! Where an event goes is decided once, when it is taken.

use super::rig::{DAY, NOW, Rig, STREAM, events_at, factors, small};
use bytes::Bytes;
use parsers::{Flags, Level, Offset, TimeNs, TimeSource};
use wire::{Message, Open};

#[test]
fn time_and_partition_are_decided_once() {
    let mut rig = Rig::new(small());
    rig.hello();
    let born = NOW - 5 * DAY;
    let facts = wire::Factors { born_ns: Some(born), ..factors("/logs/a.log") };
    let message = Open { stream: STREAM, factors: facts, base: Offset(0), context: Bytes::new() };
    rig.send(Message::Open(message));
    let late = NOW - 2 * DAY + 5;
    let far = NOW + 2 * DAY;
    rig.send(events_at(0, &[10], None));
    rig.send(events_at(10, &[20], Some(late)));
    rig.send(events_at(20, &[30], None));
    rig.send(events_at(30, &[40], Some(far)));
    rig.send(events_at(40, &[50], Some(NOW + DAY)));
    for restart in [false, true, true] {
        if restart {
            rig.power_cut();
            // Replay must not look at the clock.
            rig.clock.jump(10 * DAY);
            rig.open().unwrap();
        }
        let (seen, snapshot) = (rig.seen(), rig.snapshot());
        let event = |offset: u64| &seen[&(7, offset)][0];
        let source = |offset: u64| event(offset).body.time.unwrap().source;
        assert_eq!((event(0).time, source(0)), (TimeNs(born), TimeSource::File));
        assert_eq!((event(10).time, source(10)), (TimeNs(late), TimeSource::Parsed));
        assert_eq!((event(20).time, source(20)), (TimeNs(late), TimeSource::Inherited));
        assert_eq!((event(30).time, event(30).body.flags), (TimeNs(far), Flags::FUTURE));
        assert_eq!((event(40).time, event(40).body.flags), (TimeNs(NOW + DAY), Flags::default()));
        assert!(seen.values().all(|events| events[0].ingested == TimeNs(NOW) && events[0].body.level == Level::Info));
        let days: Vec<i32> = snapshot.partitions.keys().map(|key| key.day).collect();
        assert_eq!(days, [20_777, 20_780, 20_782, 20_783]);
    }
}

#[test]
fn a_very_large_day_is_split_into_hours() {
    let mut rig = Rig::new(crate::store::core::StoreConfig { day_bytes: 25, ..small() });
    rig.begin();
    let hour = DAY / 24;
    for i in 0..5 {
        rig.send(events_at(i * 10, &[i * 10 + 10], Some(NOW + i as i64 * hour)));
    }
    let keys: Vec<Option<u8>> = rig.snapshot().partitions.keys().map(|key| key.hour).collect();
    assert_eq!(keys, [None, Some(3), Some(4)]);
    rig.flush();
    rig.power_cut();
    rig.open().unwrap();
    assert_eq!(rig.offsets(), [0, 10, 20, 30, 40]);
}

#[test]
fn events_dated_ahead_are_found_by_their_own_time() {
    use crate::query::engine::{Ask, Engine, EngineLimits, PageOrder, PageRequest};
    let mut rig = Rig::new(small());
    rig.begin();
    let far = NOW + 40 * DAY;
    rig.send(events_at(0, &[10], Some(NOW)));
    rig.send(events_at(10, &[20], Some(far)));
    for flushed in [false, true] {
        if flushed {
            rig.flush();
        }
        let cell = rig.core().snapshot();
        let engine = Engine::new(cell, std::sync::Arc::new(rig.clock.clone()), EngineLimits::default());
        let found = |from: i64, to: i64| -> Vec<u64> {
            let time = |ns: i64| Some((ns / 1_000_000).to_string());
            let ask = Ask { from: time(from), to: time(to), ..Ask::default() };
            let request = PageRequest { order: PageOrder::Newest, limit: 10, cursor: None, with_raw: false };
            let budget = crate::store::segment::Budget::unlimited();
            let page = engine.search(&crate::access::Scope::local(), &ask, &request, &budget).unwrap();
            page.events.iter().map(|event| event.body.offset.0).collect()
        };
        assert_eq!(found(far - DAY, far + DAY), [10], "flushed: {flushed}");
        assert_eq!(found(NOW - DAY, NOW + DAY), [0]);
        assert_eq!(found(NOW - DAY, far + DAY), [10, 0]);
    }
}
