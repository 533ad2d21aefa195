//! Agents, their epochs and streams: who may open, claim, and speak of what.

use super::rig::{
    ROOT, Rig, STREAM, events, events_range, factors, file_bytes, mark_of, open, range, ready, refusal, small, state,
};
use crate::access::{Source, Tokens};
use bytes::Bytes;
use parsers::Offset;
use wire::{AgentId, Anchor, Epoch, Fate, Message, Open, Ranges, Refusal, StreamId, Verdict};

#[test]
fn an_older_epoch_is_refused() {
    let mut rig = ready();
    let old = rig.epoch;
    rig.hello();
    assert!(rig.epoch > old);
    let new = std::mem::replace(&mut rig.epoch, old);
    assert_eq!(refusal(rig.send(events(0, &[10]))), Refusal::Fenced);
    assert_eq!(refusal(rig.send(open(STREAM))), Refusal::Fenced);
    assert_eq!(refusal(rig.send(Message::Gone(STREAM))), Refusal::Fenced);
    assert_eq!(refusal(rig.send(Message::Ledger(vec![STREAM]))), Refusal::Fenced);
    rig.epoch = new;
    assert_eq!(mark_of(&rig.send(events(0, &[10]))), 10);
}

#[test]
fn epochs_go_on_after_restarts_and_wipes() {
    let mut rig = ready();
    let first = rig.epoch;
    rig.power_cut();
    rig.open().unwrap();
    rig.hello();
    assert_eq!((rig.epoch.incarnation, rig.epoch.number), (first.incarnation, first.number + 1));

    // A wiped store does not know this agent; its epoch is of an older incarnation.
    let held = rig.epoch;
    rig.clock.advance(std::time::Duration::from_secs(1));
    let (clock, epoch) = (rig.clock.clone(), rig.epoch);
    let mut wiped = Rig::new(small());
    wiped.kill();
    wiped.clock.jump(clock_ns(&clock) - clock_ns(&wiped.clock));
    wiped.disk = outside::sim::SimDisk::new(1 << 30, wiped.clock.clone(), wiped.rng.clone());
    wiped.open().unwrap();
    wiped.epoch = epoch;
    assert_eq!(refusal(wiped.send(open(STREAM))), Refusal::NotOpen);
    wiped.hello();
    assert!(wiped.epoch > held, "{:?} after {held:?}", wiped.epoch);
    assert!(matches!(wiped.send(open(STREAM)), Verdict::Open(_)));
    assert_eq!(mark_of(&wiped.send(events(0, &[10]))), 10);

    // An agent that knows a newer incarnation than the store (an older copy of it) gets a still newer epoch.
    wiped.epoch = Epoch { incarnation: u64::MAX, number: 3 };
    assert_eq!(mark_of(&wiped.send(events(10, &[20]))), 20);
    wiped.hello();
    assert_eq!(wiped.epoch, Epoch { incarnation: u64::MAX, number: 4 });
}

fn clock_ns(clock: &outside::sim::SimClock) -> i64 {
    outside::Clock::wall_ns(clock)
}

#[test]
fn hello_counts_for_the_messages_after_it() {
    let mut rig = Rig::new(small());
    let hello = Message::Hello(wire::Hello::default());
    rig.request(1, vec![hello.clone(), open(STREAM), events(0, &[10])]);
    let answers = rig.step(crate::store::core::StoreInput::Sync);
    assert_eq!(mark_of(&answers[0].1.verdicts[2]), 10);
    rig.request(2, vec![hello, events(10, &[20])]);
    let answers = rig.step(crate::store::core::StoreInput::Sync);
    assert_eq!(mark_of(&answers[0].1.verdicts[1]), 20);
}

#[test]
fn owners_do_not_share_streams() {
    let mut rig = ready();
    assert_eq!(mark_of(&rig.send(events(0, &[10]))), 10);
    let tokens = Tokens::new(std::sync::Arc::clone(&rig.files) as _, std::path::Path::new(ROOT));
    let token = tokens.create("acme", "prod", &rig.clock, &rig.rng).unwrap();
    rig.source = tokens.source(Some(&token), false).unwrap();
    rig.hello();
    assert_eq!(refusal(rig.send(events(10, &[20]))), Refusal::NotOpen);
    assert_eq!(state(&mut rig).mark, Offset(0));
    assert_eq!(mark_of(&rig.send(events(0, &[7]))), 7);
    let owners: Vec<(String, u64)> = rig
        .snapshot()
        .partitions
        .iter()
        .map(|(key, view)| (key.owner.to_string(), view.memory[0].len() as u64))
        .collect();
    assert_eq!(owners, [("acme".to_owned(), 1), ("local".to_owned(), 1)]);
    rig.source = Source::local();
    rig.hello();
    assert_eq!(state(&mut rig).mark, Offset(10));
}

#[test]
fn ranges_of_an_unknown_stream_are_refused() {
    let mut rig = ready();
    let message = Ranges { stream: StreamId(99), ranges: vec![events_range(StreamId(99), 0, &[10])] };
    assert_eq!(refusal(rig.send(Message::Ranges(message))), Refusal::NotOpen);
    assert_eq!(refusal(rig.send(Message::Gone(StreamId(99)))), Refusal::NotOpen);
}

#[test]
fn opening_again_tells_mark_context_and_anchors() {
    let mut rig = Rig::new(small());
    rig.hello();
    let message = Open {
        stream: STREAM,
        factors: factors("/logs/a.log"),
        base: Offset(100),
        context: Bytes::from_static(b"base"),
    };
    match rig.send(Message::Open(message.clone())) {
        Verdict::Open(state) => assert_eq!((state.mark, &state.context[..]), (Offset(100), &b"base"[..])),
        other => panic!("{other:?}"),
    }
    assert_eq!(mark_of(&rig.send(events(100, &[120, 150]))), 150);
    rig.power_cut();
    rig.open().unwrap();
    rig.hello();
    let renamed = Open { factors: factors("/logs/a.log.1"), base: Offset(0), ..message };
    match rig.send(Message::Open(renamed)) {
        Verdict::Open(state) => {
            assert_eq!(state.mark, Offset(150));
            assert_eq!(state.context, "context 150");
            assert_eq!(state.anchors, [Anchor::of(Offset(150), &file_bytes(STREAM, 0, 150))]);
            let last = state.last_event.unwrap();
            assert_eq!((last.stream, last.offset), (STREAM, Offset(120)));
            assert!(!state.closed);
        }
        other => panic!("{other:?}"),
    }
    // The name under which it was first seen stays.
    assert_eq!(mark_of(&rig.send(events(150, &[160]))), 160);
    assert_eq!(rig.seen()[&(7, 150)][0].info.factors.path, "/logs/a.log");
    assert_eq!(rig.seen()[&(7, 150)][0].info.host_name, "host");
}

#[test]
fn a_claim_fences_who_had_the_stream() {
    let mut rig = ready();
    assert_eq!(mark_of(&rig.send(events(0, &[10]))), 10);
    let (owner, epoch) = (rig.agent, rig.epoch);

    // Of another host: no.
    rig.agent = AgentId([9; 16]);
    let stranger = wire::Hello { host_id: "h9".into(), ..wire::Hello::default() };
    rig.send(Message::Hello(stranger));
    rig.epoch = Epoch { number: 99, ..epoch };
    assert!(matches!(refusal(rig.send(open(STREAM))), Refusal::Rejected { .. }));

    // The same host with another state folder: yes.
    rig.agent = AgentId([2; 16]);
    rig.hello();
    assert_eq!(state(&mut rig).mark, Offset(10));
    assert_eq!(mark_of(&rig.send(events(10, &[20]))), 20);
    (rig.agent, rig.epoch) = (owner, epoch);
    assert_eq!(refusal(rig.send(events(20, &[30]))), Refusal::Fenced);
    // What it sent before and comes late does not take the stream back; a new start of it may.
    assert_eq!(refusal(rig.send(open(STREAM))), Refusal::Fenced);
    rig.hello();
    assert_eq!(state(&mut rig).mark, Offset(20));
}

#[test]
fn claims_name_the_streams_of_the_host_alone() {
    let mut rig = ready();
    assert_eq!(mark_of(&rig.send(events(0, &[10]))), 10);
    let asked = |path: &str| Message::Claim(wire::Claim { files: vec![factors(path)] });
    let told = |verdict| match verdict {
        Verdict::Claim(told) => told,
        other => panic!("{other:?}"),
    };

    // Another state folder of the same host.
    rig.agent = AgentId([2; 16]);
    rig.hello();
    let known = told(rig.send(asked("/logs/a.log")));
    assert_eq!(known.len(), 1);
    assert_eq!((known[0].stream, known[0].base, known[0].state.mark), (STREAM, Offset(0), Offset(10)));
    assert!(told(rig.send(asked("/other/a.log"))).is_empty(), "two products' files are not one");

    // Another host.
    rig.agent = AgentId([9; 16]);
    let stranger = wire::Hello { host_id: "h9".into(), ..wire::Hello::default() };
    match rig.send(Message::Hello(stranger)) {
        Verdict::Hello(answer) => {
            assert_eq!(answer.host_streams, 0);
            rig.epoch = answer.epoch;
        }
        other => panic!("{other:?}"),
    }
    assert!(told(rig.send(asked("/logs/a.log"))).is_empty());
}

#[test]
fn a_store_that_does_not_know_an_agent_hears_who_it_is_before_its_streams() {
    // A wiped store: the agent's epoch is of an older incarnation. Without its host its streams could not be claimed.
    let mut rig = Rig::new(small());
    rig.epoch = Epoch { incarnation: 1, number: 1 };
    assert_eq!(refusal(rig.send(open(STREAM))), Refusal::NotOpen);
    assert_eq!(refusal(rig.send(events(0, &[10]))), Refusal::NotOpen);
    rig.hello();
    assert!(matches!(rig.send(open(STREAM)), Verdict::Open(_)));
    assert_eq!(mark_of(&rig.send(events(0, &[10]))), 10);

    rig.agent = AgentId([2; 16]);
    rig.hello();
    match rig.send(Message::Claim(wire::Claim { files: vec![factors("/logs/a.log")] })) {
        Verdict::Claim(told) => assert_eq!(told.iter().map(|known| known.stream).collect::<Vec<_>>(), [STREAM]),
        other => panic!("{other:?}"),
    }
    assert_eq!(state(&mut rig).mark, Offset(10));
}

#[test]
fn anchors_are_thinned_out() {
    let mut rig = ready();
    let step = 1 << 20;
    for i in 0..40u64 {
        let (from, to) = (i * step, (i + 1) * step);
        let anchors = vec![Anchor { at: Offset(to), hash: i }];
        let ranges = vec![wire::Range { anchors, ..range(STREAM, from, Some(to), Fate::Excluded("x".into())) }];
        assert_eq!(mark_of(&rig.send(Message::Ranges(Ranges { stream: STREAM, ranges }))), to);
    }
    let at: Vec<u64> = state(&mut rig).anchors.iter().map(|anchor| anchor.at.0 / step).collect();
    let expected: Vec<u64> = [1, 4, 8, 12, 16, 20, 24].into_iter().chain(25..=40).collect();
    assert_eq!(at, expected);
}
