//! What is kept of each range and adds up: sums, fates, replays, proofs.

use super::rig::{
    DAY, NOW, Rig, STREAM, covered, events, events_at, events_range, ledger, mark_of, other, payload, prove, range,
    ranges, ready, refusal, small, span, state, sum,
};
use crate::store::core::StoreInput;
use parsers::Offset;
use wire::{AgentId, Fate, FateKind, LedgerRow, LedgerSum, Message, Refusal, Replay, Verdict};

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
fn a_replay_that_was_taken_is_not_judged_again_by_a_smaller_limit() {
    let mut rig = ready();
    rig.send(ranges(vec![range(STREAM, 0, Some(40), Fate::Dead("rejected".into()))]));
    let replay = |from, ends: &[u64]| {
        Message::Replay(Replay { stream: STREAM, payload: payload(STREAM, from, ends, Some(NOW)) })
    };
    assert_eq!(rig.send(replay(0, &[20])), Verdict::Replay { events: 1 });
    rig.config.event_bytes_max = 10;
    rig.kill();
    rig.open().unwrap();
    rig.hello();
    assert!(matches!(refusal(rig.send(replay(20, &[40]))), Refusal::Rejected { offset: Offset(20), .. }));
    // Its answer was lost: refused now, the letter would stay though the event is here.
    assert_eq!(rig.send(replay(0, &[20])), Verdict::Replay { events: 1 });
    assert_eq!(rig.offsets(), [0]);
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
