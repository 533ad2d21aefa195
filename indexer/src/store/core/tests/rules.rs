//! How messages are judged.

use super::rig::{
    DAY, NOW, ROOT, Rig, STREAM, body, events, events_at, events_range, factors, file_bytes, mark_of, open, other,
    payload, prove, range, ranges, small,
};
use crate::access::{Source, Tokens};
use crate::store::core::StoreInput;
use crate::store::wal::event_sum;
use bytes::Bytes;
use parsers::{Flags, Level, Offset, TimeNs, TimeSource};
use wire::{
    AgentId, Anchor, Covered, Epoch, EventsPayload, Fate, FateKind, FateSpan, LedgerRow, LedgerSum, MarkState, Message,
    Open, Ranges, Refusal, Replay, StreamId, Verdict,
};

fn ready() -> Rig {
    let mut rig = Rig::new(small());
    rig.begin();
    rig
}

fn refusal(verdict: Verdict) -> Refusal {
    match verdict {
        Verdict::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn covered(verdict: Verdict) -> Covered {
    match verdict {
        Verdict::Ranges { covered: Some(covered), .. } => covered,
        other => panic!("{other:?}"),
    }
}

fn span(from: u64, to: u64, fate: FateKind) -> FateSpan {
    FateSpan { from: Offset(from), to: Offset(to), fate }
}

fn sum(events: &[(u64, u64)]) -> LedgerSum {
    let mut sum = LedgerSum::default();
    for &(from, to) in events {
        sum += event_sum(STREAM, &body(from, to, None), &file_bytes(STREAM, from, to));
    }
    sum
}

fn ledger(rig: &mut Rig) -> LedgerRow {
    match rig.send(Message::Ledger(vec![STREAM])) {
        Verdict::Ledger(rows) => rows.into_iter().next().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn state(rig: &mut Rig) -> MarkState {
    match rig.send(open(STREAM)) {
        Verdict::Open(state) => state,
        other => panic!("{other:?}"),
    }
}

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

    // A wiped store does not know this agent; its epoch, of an older incarnation, is good until it says hello.
    let held = rig.epoch;
    rig.clock.advance(std::time::Duration::from_secs(1));
    let (clock, epoch) = (rig.clock.clone(), rig.epoch);
    let mut wiped = Rig::new(small());
    wiped.kill();
    wiped.clock.jump(clock_ns(&clock) - clock_ns(&wiped.clock));
    wiped.disk = outside::sim::SimDisk::new(1 << 30, wiped.clock.clone(), wiped.rng.clone());
    wiped.open().unwrap();
    wiped.epoch = epoch;
    assert!(matches!(wiped.send(open(STREAM)), Verdict::Open(_)));
    assert_eq!(mark_of(&wiped.send(events(0, &[10]))), 10);
    wiped.hello();
    assert!(wiped.epoch > held, "{:?} after {held:?}", wiped.epoch);

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

#[test]
fn a_gap_is_refused_with_the_mark() {
    let mut rig = ready();
    rig.send(events(0, &[10]));
    match refusal(rig.send(events(11, &[20]))) {
        Refusal::Gap(state) => assert_eq!((state.mark, &state.context[..]), (Offset(10), &b"context 10"[..])),
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.offsets(), [0]);
    assert_eq!(mark_of(&rig.send(events(10, &[20]))), 20);
}

#[test]
fn an_event_over_the_mark_straddles() {
    let mut rig = ready();
    rig.send(events(0, &[10]));
    match refusal(rig.send(events(0, &[5, 15, 20]))) {
        Refusal::Straddles(state) => assert_eq!(state.mark, Offset(10)),
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.offsets(), [0]);
    // Cut at the mark it is taken, and what is covered is told.
    let verdict = rig.send(events(0, &[5, 10, 15, 20]));
    assert_eq!(mark_of(&verdict), 20);
    assert_eq!(covered(verdict).fates, [span(0, 10, FateKind::Events)]);
    assert_eq!(rig.offsets(), [0, 10, 15]);
}

#[test]
fn other_fates_are_trimmed_at_the_mark() {
    for (fate, kind) in [
        (Fate::Dead("d".into()), FateKind::Dead),
        (Fate::Excluded("e".into()), FateKind::Excluded),
        (Fate::Lost("l".into()), FateKind::Lost),
    ] {
        let mut rig = ready();
        rig.send(events(0, &[10]));
        let verdict = rig.send(other(4, Some(20), fate));
        assert_eq!(mark_of(&verdict), 20);
        assert_eq!(covered(verdict).fates, [span(4, 10, FateKind::Events)]);
        assert_eq!(ledger(&mut rig).other, [span(10, 20, kind)]);
        assert_eq!(rig.offsets(), [0]);
    }
}

#[test]
fn malformed_ranges_are_refused_with_the_offset() {
    let mut rig = ready();
    let mut hole = payload(STREAM, 0, &[10, 20, 30], Some(NOW));
    hole.events[1].offset = Offset(11);
    let mut short = payload(STREAM, 0, &[10, 20], Some(NOW));
    short.bytes = short.bytes.slice(..19);
    let mut span_outside = payload(STREAM, 0, &[10, 20], Some(NOW));
    let value = parsers::Value::Span { start: 5, len: 6 };
    span_outside.events[1].fields.push(parsers::Field { id: parsers::FieldId::MESSAGE, value });
    let mut empty_event = payload(STREAM, 0, &[10, 20], Some(NOW));
    empty_event.events[1].size = 0;
    let events_to = |to, payload| other(0, Some(to), Fate::Events(payload));
    let lost = || Fate::Lost("l".into());
    let two = |first: wire::Range, second: wire::Range| ranges(vec![first, second]);
    let cases = [
        (events_to(30, hole), 11),
        (events_to(20, short), 0),
        (events_to(20, span_outside), 10),
        (events_to(20, empty_event), 10),
        (events_to(25, payload(STREAM, 0, &[10, 20], None)), 20),
        (events_to(20, EventsPayload::default()), 0),
        (other(0, None, Fate::Dead("d".into())), 0),
        (two(events_range(STREAM, 0, &[10]), events_range(STREAM, 12, &[20])), 12),
        (two(range(STREAM, 0, None, lost()), events_range(STREAM, 0, &[20])), 0),
        (other(0, Some(1 << 48), lost()), 0),
    ];
    for (message, offset) in cases {
        match refusal(rig.send(message.clone())) {
            Refusal::Rejected { offset: at, reason } => assert_eq!(at, Offset(offset), "{reason}: {message:?}"),
            other => panic!("{other:?} for {message:?}"),
        }
    }
    assert_eq!(state(&mut rig).mark, Offset(0));
    assert!(rig.offsets().is_empty());
}

#[test]
fn a_rejected_event_moves_no_mark() {
    let mut rig = Rig::new(crate::store::core::StoreConfig { event_bytes_max: 50, ..small() });
    rig.begin();
    let message = events(0, &[10, 100, 110]);
    assert!(matches!(refusal(rig.send(message)), Refusal::Rejected { offset: Offset(10), .. }));
    assert_eq!(state(&mut rig).mark, Offset(0));
    let parts = vec![
        events_range(STREAM, 0, &[10]),
        range(STREAM, 10, Some(100), Fate::Dead("too large".into())),
        events_range(STREAM, 100, &[110]),
    ];
    assert_eq!(mark_of(&rig.send(ranges(parts))), 110);
    assert_eq!(rig.offsets(), [0, 100]);
}

#[test]
fn a_request_that_is_too_large_is_refused_whole() {
    let mut rig = Rig::new(crate::store::core::StoreConfig { request_bytes_max: 100, ..small() });
    rig.begin();
    assert_eq!(refusal(rig.send(events(0, &[101]))), Refusal::TooLarge { max: 100 });
    assert_eq!(mark_of(&rig.send(events(0, &[100]))), 100);
}

#[test]
fn a_resend_is_covered_with_fates_and_sum() {
    let mut rig = ready();
    let parts = vec![
        events_range(STREAM, 0, &[10, 20]),
        range(STREAM, 20, Some(30), Fate::Excluded("rule 1".into())),
        range(STREAM, 30, Some(40), Fate::Dead("rejected".into())),
    ];
    rig.send(ranges(parts.clone()));
    rig.send(events(40, &[50]));
    let expected = [span(0, 20, FateKind::Events), span(20, 30, FateKind::Excluded), span(30, 40, FateKind::Dead)];
    for _ in 0..2 {
        let told = covered(rig.send(ranges(parts.clone())));
        assert_eq!((told.to, told.sum), (Offset(40), Some(sum(&[(0, 10), (10, 20)]))));
        assert_eq!(told.fates, expected);
        // Also after it went through the mark table.
        rig.flush();
        rig.power_cut();
        rig.open().unwrap();
        rig.hello();
    }
    // What is covered keeps the fate it has.
    let told = covered(rig.send(other(0, Some(50), Fate::Lost("again".into()))));
    assert_eq!(told.fates[0], span(0, 20, FateKind::Events));
    assert_eq!(told.sum, Some(sum(&[(0, 10), (10, 20), (40, 50)])));
    // Not at the borders of what was taken: the fates are told, the sum is not known.
    let told = covered(rig.send(events(10, &[20])));
    assert_eq!((told.fates, told.sum), (vec![span(10, 20, FateKind::Events)], None));
    assert_eq!(rig.offsets(), [0, 10, 40]);
}

#[test]
fn what_a_waiting_record_covers_is_answered_with_it() {
    let mut rig = ready();
    assert!(rig.request(1, vec![events(0, &[10])]).is_empty());
    assert!(rig.request(2, vec![events(0, &[10])]).is_empty());
    assert!(rig.request(3, vec![events(20, &[30])]).is_empty());
    assert!(rig.request(4, vec![open(STREAM)]).is_empty());
    let answers = rig.step(crate::store::core::StoreInput::Sync);
    let tickets: Vec<u64> = answers.iter().map(|(ticket, _)| ticket.0).collect();
    assert_eq!(tickets, [1, 2, 3, 4]);
    assert!(matches!(&answers[1].1.verdicts[0], Verdict::Ranges { mark: Offset(10), covered: Some(_), .. }));
    assert_eq!(rig.offsets(), [0]);
}

#[test]
fn dead_ranges_come_back_as_events() {
    let mut rig = ready();
    let parts = vec![events_range(STREAM, 0, &[10]), range(STREAM, 10, Some(40), Fate::Dead("rejected".into()))];
    rig.send(ranges(parts.clone()));
    rig.send(events(40, &[50]));
    let replay = |from, ends: &[u64]| {
        Message::Replay(Replay { stream: STREAM, payload: payload(STREAM, from, ends, Some(NOW)) })
    };
    assert_eq!(rig.send(replay(20, &[30])), Verdict::Replay { events: 1 });
    assert_eq!(rig.offsets(), [0, 20, 40]);
    let row = ledger(&mut rig);
    assert_eq!(row.other, [span(10, 20, FateKind::Dead), span(30, 40, FateKind::Dead)]);
    assert_eq!((row.mark, row.taken, row.held), (Offset(50), sum(&[(0, 10), (20, 30), (40, 50)]), row.taken));
    // In doubt it comes again: already there.
    assert_eq!(rig.send(replay(20, &[30])), Verdict::Replay { events: 1 });
    // What is not dead, or only in part, is not replayed.
    for (from, ends) in [(35, vec![45]), (15, vec![25]), (50, vec![60])] {
        assert!(matches!(refusal(rig.send(replay(from, &ends))), Refusal::Rejected { .. }), "{from}");
    }
    rig.power_cut();
    rig.open().unwrap();
    assert_eq!(rig.offsets(), [0, 20, 40]);
    rig.flush();
    rig.power_cut();
    rig.open().unwrap();
    assert_eq!(rig.offsets(), [0, 20, 40]);
    rig.hello();
    let told = covered(rig.send(ranges(parts)));
    assert_eq!(told.sum, Some(sum(&[(0, 10), (20, 30)])));
    assert_eq!(rig.send(replay(10, &[20])), Verdict::Replay { events: 1 });
    assert_eq!(rig.send(replay(30, &[40])), Verdict::Replay { events: 1 });
    assert!(ledger(&mut rig).other.is_empty());
}

#[test]
fn the_ledger_adds_up_over_memory_segments_and_retention() {
    let mut rig = ready();
    rig.send(events_at(0, &[10], Some(NOW - DAY)));
    rig.flush();
    rig.send(events(10, &[20]));
    let row = ledger(&mut rig);
    assert_eq!((row.taken, row.held, row.removed), (sum(&[(0, 10), (10, 20)]), row.taken, LedgerSum::default()));
    assert_eq!(row.hash, row.held.hash);
    let proof = prove(&mut rig, STREAM);
    assert_eq!((proof.found, proof.absent, proof.doubled), (row.held, 0, 0));
    // Of other agents' streams nothing is told.
    rig.agent = AgentId([5; 16]);
    rig.hello();
    assert_eq!(rig.send(Message::Ledger(vec![STREAM])), Verdict::Ledger(Vec::new()));
    let all = wire::StreamRange { stream: STREAM, from: Offset(0), to: Offset(100) };
    assert_eq!(rig.send(Message::Prove(vec![all])), Verdict::Proof(Vec::new()));
}

#[test]
fn a_part_of_a_stream_is_proved_from_its_events() {
    let mut rig = ready();
    rig.send(events_at(0, &[10, 20], Some(NOW - DAY)));
    rig.send(other(20, Some(30), Fate::Excluded("rule".into())));
    rig.flush();
    rig.send(events(30, &[40, 50]));
    let mut ask = |from: u64, to: u64| {
        let range = wire::StreamRange { stream: STREAM, from: Offset(from), to: Offset(to) };
        match rig.send(Message::Prove(vec![range])) {
            Verdict::Proof(proofs) => proofs.into_iter().next().unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let proof = ask(10, 40);
    assert_eq!((proof.found, proof.absent, proof.doubled), (sum(&[(10, 20), (30, 40)]), 0, 0));
    assert_eq!(proof.other, [span(20, 30, FateKind::Excluded)]);
    let proof = ask(25, 1_000);
    assert_eq!((proof.range.to, proof.found, proof.absent), (Offset(50), sum(&[(30, 40), (40, 50)]), 0));
    assert_eq!(proof.other, [span(25, 30, FateKind::Excluded)]);
    // What retention took is absent, and the books say how much that is.
    rig.kill();
    rig.config.retention_bytes = Some(0);
    rig.open().unwrap();
    rig.step(StoreInput::Tick);
    rig.hello();
    let (proof, row) = (prove(&mut rig, STREAM), ledger(&mut rig));
    assert_eq!((proof.found, proof.absent), (row.held, row.removed.bytes));
    assert_eq!(row.removed.bytes, 20);
}

#[test]
fn a_loss_of_unknown_end_closes_the_stream() {
    let mut rig = ready();
    let parts = vec![events_range(STREAM, 0, &[10]), range(STREAM, 10, None, Fate::Lost("removed".into()))];
    assert_eq!(mark_of(&rig.send(ranges(parts.clone()))), 10);
    assert!(state(&mut rig).closed);
    let told = covered(rig.send(ranges(parts)));
    assert_eq!(told.fates, [span(0, 10, FateKind::Events), span(10, u64::MAX, FateKind::Lost)]);
    let told = covered(rig.send(events(10, &[20])));
    assert_eq!(told.fates, [span(10, 20, FateKind::Lost)]);
    rig.flush();
    rig.power_cut();
    rig.open().unwrap();
    rig.hello();
    assert!(state(&mut rig).closed);
    assert_eq!(rig.offsets(), [0]);
}

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

/// Bytes before the mark that the books give a fate.
fn accounted(row: &LedgerRow) -> u64 {
    let other: u64 = row.other.iter().map(|span| span.to.0 - span.from.0).sum();
    row.taken.bytes + other + row.folded_excluded + row.folded_lost
}

#[test]
fn excluded_and_lost_ranges_stay_bounded_and_add_up() {
    let mut rig = Rig::new(small());
    rig.begin();
    for i in 0..300u64 {
        let from = i * 30;
        let fate = if i % 3 == 0 { Fate::Lost("gone".into()) } else { Fate::Excluded("rule DEBUG".into()) };
        rig.send(events(from, &[from + 10]));
        rig.send(other(from + 10, Some(from + 30), fate));
    }
    for _ in 0..2 {
        let row = ledger(&mut rig);
        assert!(row.other.len() < 40 && row.folded_to < Offset(9_000), "{}", row.other.len());
        assert!(row.folded_excluded > 2 * row.folded_lost - 100 && row.folded_lost > 1_000);
        assert_eq!((accounted(&row), row.mark), (9_000, Offset(9_000)));
        assert!(row.other.iter().all(|span| span.from >= row.folded_to));
        // What is covered there is told where it is known, and never told wrong.
        let Verdict::Ranges { covered: Some(covered), .. } = rig.send(other(0, Some(9_000), Fate::Lost("x".into())))
        else {
            panic!()
        };
        assert_eq!((covered.fates[0].from, covered.to), (row.folded_to, Offset(9_000)));
        rig.flush();
        rig.power_cut();
        rig.open().unwrap();
        rig.hello();
    }
}

#[test]
fn adjoining_ranges_of_one_fate_are_one() {
    let mut rig = Rig::new(small());
    rig.begin();
    for i in 0..300u64 {
        rig.send(other(i * 10, Some(i * 10 + 10), Fate::Excluded("rule DEBUG".into())));
    }
    assert_eq!(ledger(&mut rig).other.len(), 1);
}

#[test]
fn too_many_dead_ranges_are_refused_and_never_forgotten() {
    let mut rig = Rig::new(small());
    rig.begin();
    let mut refused = None;
    for i in 0..30u64 {
        let from = i * 20;
        rig.send(events(from, &[from + 10]));
        if let Verdict::Refused(refusal) = rig.send(other(from + 10, Some(from + 20), Fate::Dead("bad".into()))) {
            refused = Some((i, refusal));
            break;
        }
    }
    let Some((i, Refusal::Rejected { offset, reason })) = refused else { panic!("{refused:?}") };
    assert_eq!((i, offset), (20, Offset(410)));
    assert!(reason.contains("replay"), "{reason}");
    // Replaying one makes room.
    let replay = Replay { stream: STREAM, payload: payload(STREAM, 10, &[20], Some(NOW)) };
    assert_eq!(rig.send(Message::Replay(replay)), Verdict::Replay { events: 1 });
    assert_eq!(mark_of(&rig.send(other(410, Some(420), Fate::Dead("bad".into())))), 420);
    assert_eq!(accounted(&ledger(&mut rig)), 420);
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
