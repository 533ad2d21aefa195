//! How ranges are judged against the mark.

use super::rig::{
    NOW, Rig, STREAM, covered, events, events_range, ledger, mark_of, open, other, payload, range, ranges, ready,
    refusal, small, span, state, sum,
};
use parsers::Offset;
use wire::{EventsPayload, Fate, FateKind, Refusal, Verdict};

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
