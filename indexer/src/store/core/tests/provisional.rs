//! The open event at a stream's end (protocol rule 18).

use super::rig::{DAY, NOW, Rig, STREAM, body, events, file_bytes, open, other, provisional, small};
use crate::store::core::{StoreConfig, StoreInput, TailWhat};
use bytes::Bytes;
use parsers::Flags;
use wire::{Fate, Message, Provisional, Refusal, StreamId, Verdict};

fn ready() -> Rig {
    let mut rig = Rig::new(small());
    rig.begin();
    rig
}

fn is_taken(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Provisional { taken } => *taken,
        other => panic!("{other:?}"),
    }
}

/// Offset and size of each provisional event shown.
fn shown(rig: &mut Rig) -> Vec<(u64, u32)> {
    let snapshot = rig.snapshot();
    let events = snapshot.partitions.values().flat_map(|view| view.provisional.values());
    events.map(|event| (event.body.offset.0, event.body.size)).collect()
}

/// What the tail was told, in short.
fn told(rig: &mut Rig) -> Vec<String> {
    let changes = std::mem::take(&mut rig.tail).into_iter().flat_map(|batch| batch.changes);
    let said = changes.map(|change| match change.what {
        TailWhat::Closed(event) => format!("closed {}+{}", event.body.offset.0, event.body.size),
        TailWhat::Provisional(event) => format!("open {}+{}", event.body.offset.0, event.body.size),
        TailWhat::Gone(id) => format!("gone {}", id.offset.0),
    });
    said.collect()
}

#[test]
fn it_is_shown_grows_and_goes_in_the_swap_that_closes_it() {
    let mut rig = ready();
    rig.send(events(0, &[10]));
    assert!(is_taken(&rig.send(provisional(10, 15))));
    assert!(is_taken(&rig.send(provisional(10, 18))));
    assert!(!is_taken(&rig.send(provisional(10, 18))) && !is_taken(&rig.send(provisional(10, 17))));
    assert_eq!((shown(&mut rig), rig.offsets()), (vec![(10, 18 - 10)], vec![0]));
    let event = rig.snapshot().partitions.values().next().unwrap().provisional[&STREAM].clone();
    assert!(event.body.flags.has(Flags::PROVISIONAL) && event.raw == file_bytes(STREAM, 10, 18));

    rig.request(1, vec![events(10, &[25, 30]), provisional(30, 33)]);
    assert_eq!(shown(&mut rig), [(10, 8)]);
    rig.step(StoreInput::Sync);
    assert_eq!((shown(&mut rig), rig.offsets()), (vec![(30, 3)], vec![0, 10, 25]));
    assert!(rig.seen().values().all(|events| !events[0].body.flags.has(Flags::PROVISIONAL)));
    assert_eq!(told(&mut rig), ["closed 0+10", "open 10+5", "open 10+8", "closed 10+15", "closed 25+5", "open 30+3"]);
}

#[test]
fn it_goes_whatever_the_fate_of_its_bytes() {
    for fate in [Fate::Dead("d".into()), Fate::Excluded("e".into()), Fate::Lost("l".into())] {
        let mut rig = ready();
        assert!(is_taken(&rig.send(provisional(0, 5))));
        rig.send(other(0, Some(10), fate));
        assert!(shown(&mut rig).is_empty());
        assert_eq!(told(&mut rig), ["open 0+5", "gone 0"]);
    }
    let mut rig = ready();
    rig.send(provisional(0, 5));
    rig.send(Message::Gone(STREAM));
    assert!(shown(&mut rig).is_empty());
}

#[test]
fn it_is_taken_only_at_the_mark_by_its_holder() {
    let mut rig = ready();
    rig.send(events(0, &[10]));
    assert!(!is_taken(&rig.send(provisional(5, 15))) && !is_taken(&rig.send(provisional(11, 15))));
    let Message::Provisional(message) = provisional(10, 15) else { panic!() };
    let unknown = Provisional { stream: StreamId(99), ..message.clone() };
    assert_eq!(rig.send(Message::Provisional(unknown)), Verdict::Refused(Refusal::NotOpen));
    let short = Provisional { bytes: message.bytes.slice(1..), ..message };
    assert!(!is_taken(&rig.send(Message::Provisional(short))));
    let old = rig.epoch;
    rig.hello();
    rig.epoch = old;
    assert_eq!(rig.send(provisional(10, 15)), Verdict::Refused(Refusal::Fenced));
    rig.send(other(10, None, Fate::Lost("l".into())));
    assert!(shown(&mut rig).is_empty());
}

#[test]
fn its_memory_is_bounded() {
    let mut rig = Rig::new(StoreConfig { provisional_event_bytes: 50, provisional_bytes: 100, ..small() });
    rig.begin();
    assert!(!is_taken(&rig.send(provisional(0, 51))));
    // Over the limit its first bytes travel, and its size goes on growing.
    for size in [60, 70] {
        let mut event = body(0, size, Some(NOW));
        event.len = 50;
        event.flags.set(Flags::HEAD_ONLY);
        let message = Provisional { stream: STREAM, event, bytes: Bytes::from(file_bytes(STREAM, 0, 50)) };
        assert!(is_taken(&rig.send(Message::Provisional(message))));
    }
    for (stream, size, taken) in [(8, 50, true), (9, 1, false), (8, 50, false)] {
        let stream = StreamId(stream);
        rig.send(open(stream));
        let message =
            Provisional { stream, event: body(0, size, Some(NOW)), bytes: Bytes::from(file_bytes(stream, 0, size)) };
        assert_eq!(is_taken(&rig.send(Message::Provisional(message))), taken, "{stream}");
    }
    // Room again.
    rig.send(events(0, &[80]));
    assert!(is_taken(&rig.send(provisional(80, 130))));
}

#[test]
fn it_is_forgotten_at_a_restart_and_when_the_disk_was_full_stays_as_it_was() {
    let mut rig = ready();
    rig.send(events(0, &[10]));
    rig.send(provisional(10, 15));
    rig.disk.set_capacity(rig.disk.used());
    rig.request(1, vec![events(10, &[20]), provisional(20, 25)]);
    rig.step(StoreInput::Sync);
    assert_eq!((shown(&mut rig), rig.offsets()), (vec![(10, 5)], vec![0]));
    rig.disk.set_capacity(1 << 30);
    rig.step(StoreInput::Tick);
    rig.send(events(10, &[20]));
    assert_eq!((shown(&mut rig), rig.offsets()), (vec![], vec![0, 10]));
    rig.send(provisional(20, 25));
    rig.reopen();
    assert!(shown(&mut rig).is_empty());
    assert!(is_taken(&rig.send(provisional(20, 25))));
}

#[test]
fn it_moves_with_its_time() {
    let mut rig = ready();
    let at = |size: u64, time: i64| {
        let event = body(0, size, Some(time));
        Message::Provisional(Provisional { stream: STREAM, event, bytes: Bytes::from(file_bytes(STREAM, 0, size)) })
    };
    assert!(is_taken(&rig.send(at(5, NOW - DAY))));
    assert!(is_taken(&rig.send(at(6, NOW))));
    assert_eq!((shown(&mut rig), rig.snapshot().partitions.len()), (vec![(0, 6)], 1));
}
