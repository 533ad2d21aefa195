//! Random requests, syncs, builds, deaths, power cuts, full disks and failed syncs against a naive model.
//!
//! The model is a shipper that knows what it has planned to send of each stream (its cuts are fixed once
//! made), and the largest mark it was ever answered. After each step:
//! - visible events are exactly those of the plan before some mark, each once and byte for byte, none of them
//!   as open event too;
//! - that mark is not before the largest one answered;
//! - after a restart the store tells that mark, and its books add up.

use super::rig::{DAY, NOW, Rig, body, byte_at, file_bytes, open, prove, range, small};
use crate::store::core::{BuildJob, BuildOutcome, StoreConfig, StoreInput, Ticket};
use crate::store::naive::NaiveBuilder;
use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;
use wire::{
    EventsPayload, Fate, FateKind, LedgerSum, Message, Offset, Provisional, Range, Ranges, Refusal, StreamId, Verdict,
};

const STREAMS: u64 = 3;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Op {
    /// Plans more of a stream and sends from the last known mark on, `back` pieces earlier than need be.
    Send {
        stream: u64,
        pieces: Vec<Piece>,
        back: usize,
    },
    /// Shows some bytes behind the plan's end as open event.
    Open {
        stream: u64,
        size: u64,
    },
    /// Sends what begins behind the plan's end.
    Gap {
        stream: u64,
    },
    Sync,
    /// Runs the oldest build, or all.
    Build {
        all: bool,
    },
    /// Lets time pass.
    Tick {
        secs: u64,
    },
    Flush,
    Kill,
    PowerCut,
    /// The process dies in its n-th file system call from now.
    DieAfter {
        calls: u64,
    },
    /// Only so many bytes are left on the disk.
    Full {
        left: u64,
    },
    Space,
    FailSync,
}

/// A range to be planned.
#[derive(Clone, Copy, Debug)]
struct Piece {
    len: u64,
    fate: FateKind,
    events: u64,
}

/// A range of the plan: its place, fate, and where its events end.
#[derive(Clone, Debug)]
struct Planned {
    from: u64,
    to: u64,
    fate: FateKind,
    ends: Vec<u64>,
}

#[derive(Default)]
struct Plan {
    ranges: Vec<Planned>,
    /// The largest mark answered.
    answered: u64,
    /// Where to send from.
    next: u64,
}

fn piece() -> impl Strategy<Value = Piece> {
    let fate = prop_oneof![
        6 => Just(FateKind::Events),
        1 => Just(FateKind::Dead),
        1 => Just(FateKind::Excluded),
        1 => Just(FateKind::Lost)
    ];
    (1u64..60, fate, 1u64..5).prop_map(|(len, fate, events)| Piece { len, fate, events })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (0..STREAMS, prop::collection::vec(piece(), 1..4), 0usize..4)
            .prop_map(|(stream, pieces, back)| Op::Send { stream, pieces, back }),
        4 => (0..STREAMS, 1u64..20).prop_map(|(stream, size)| Op::Open { stream, size }),
        1 => (0..STREAMS).prop_map(|stream| Op::Gap { stream }),
        10 => Just(Op::Sync),
        10 => any::<bool>().prop_map(|all| Op::Build { all }),
        3 => (0u64..700).prop_map(|secs| Op::Tick { secs }),
        1 => Just(Op::Flush),
        1 => Just(Op::Kill),
        2 => Just(Op::PowerCut),
        2 => (0u64..40).prop_map(|calls| Op::DieAfter { calls }),
        1 => (0u64..600).prop_map(|left| Op::Full { left }),
        1 => Just(Op::Space),
        1 => Just(Op::FailSync),
    ]
}

struct Game {
    rig: Rig,
    plans: BTreeMap<u64, Plan>,
    tickets: BTreeMap<Ticket, u64>,
    next_ticket: u64,
    hits: Merges,
}

/// What became of merges.
#[derive(Clone, Copy, Debug, Default)]
struct Merges {
    merged: u64,
    died: u64,
    failed: u64,
}

fn stream(i: u64) -> StreamId {
    StreamId(100 + i)
}

/// The time of an event: one of three days, so that there are several partitions.
fn time_of(stream: StreamId, offset: u64) -> i64 {
    NOW - i64::from(byte_at(stream, offset) % 3) * DAY
}

impl Planned {
    fn to_range(&self, stream: StreamId) -> Range {
        let why = "a test".to_owned();
        let fate = match self.fate {
            FateKind::Events => {
                let mut at = self.from;
                let bodies = self.ends.iter().map(|&end| {
                    let from = std::mem::replace(&mut at, end);
                    body(from, end, Some(time_of(stream, from)))
                });
                let events = bodies.collect();
                Fate::Events(EventsPayload { bytes: Bytes::from(file_bytes(stream, self.from, self.to)), events })
            }
            FateKind::Dead => Fate::Dead(why),
            FateKind::Excluded => Fate::Excluded(why),
            FateKind::Lost => Fate::Lost(why),
        };
        range(stream, self.from, Some(self.to), fate)
    }
}

impl Plan {
    fn end(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.to)
    }

    fn add(&mut self, piece: Piece) {
        let (from, to) = (self.end(), self.end() + piece.len);
        let step = (piece.len / piece.events).max(1);
        let mut ends: Vec<u64> = (1..piece.events).map(|i| from + i * step).filter(|&end| end < to).collect();
        ends.push(to);
        self.ranges.push(Planned { from, to, fate: piece.fate, ends });
    }

    /// Ranges from `next` on, and `back` before it.
    fn message(&self, id: StreamId, back: usize) -> Message {
        let first = self.ranges.partition_point(|range| range.to <= self.next).saturating_sub(back);
        let ranges = self.ranges[first..].iter().map(|range| range.to_range(id)).collect();
        Message::Ranges(Ranges { stream: id, ranges })
    }

    fn events_before(&self, mark: u64) -> Vec<(u64, u64)> {
        let mut events = Vec::new();
        for range in self.ranges.iter().filter(|range| range.fate == FateKind::Events) {
            let mut at = range.from;
            for &end in &range.ends {
                let from = std::mem::replace(&mut at, end);
                if end <= mark {
                    events.push((from, end));
                }
            }
        }
        events
    }
}

impl Game {
    fn new(config: StoreConfig, seed: u64) -> Game {
        let rig = Rig::seeded(config, seed);
        let plans = (0..STREAMS).map(|i| (i, Plan::default())).collect();
        let mut game = Game { rig, plans, tickets: BTreeMap::new(), next_ticket: 1, hits: Merges::default() };
        game.begin();
        game
    }

    /// Hello and open, as a shipper that starts; takes the marks over.
    fn begin(&mut self) {
        self.rig.hello();
        for i in 0..STREAMS {
            match self.rig.send(open(stream(i))) {
                Verdict::Open(state) => {
                    let plan = self.plans.get_mut(&i).unwrap();
                    assert!(state.mark.0 >= plan.answered, "stream {i}: mark {} after {}", state.mark.0, plan.answered);
                    plan.next = state.mark.0;
                    plan.answered = state.mark.0;
                    if state.mark.0 > 0 {
                        assert_eq!(state.context, format!("context {}", state.mark.0));
                        assert_eq!(state.anchors.last().unwrap().at, state.mark);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn restart(&mut self, power_cut: bool) {
        self.rig.disk.set_capacity(1 << 30);
        self.rig.disk.fail_syncs(0);
        if power_cut {
            self.rig.power_cut()
        } else {
            self.rig.kill()
        }
        self.tickets.clear();
        self.rig.open().unwrap();
        self.check();
        self.begin();
        self.check();
        self.check_books();
    }

    fn is_down(&self) -> bool {
        self.rig.files.is_dead() || self.rig.failed.is_some()
    }

    fn play(&mut self, op: &Op) {
        match op {
            Op::Send { stream: i, pieces, back } => {
                let plan = self.plans.get_mut(i).unwrap();
                pieces.iter().for_each(|&piece| plan.add(piece));
                let message = plan.message(stream(*i), *back);
                self.tell(*i, message);
            }
            Op::Open { stream: i, size } => {
                let (id, from) = (stream(*i), self.plans[i].end());
                let (event, bytes) = (body(from, from + size, Some(NOW)), file_bytes(id, from, from + size));
                self.tell(*i, Message::Provisional(Provisional { stream: id, event, bytes: Bytes::from(bytes) }));
            }
            Op::Gap { stream: i } => {
                let from = self.plans[i].end() + 5;
                let planned = Planned { from, to: from + 5, fate: FateKind::Events, ends: vec![from + 5] };
                let id = stream(*i);
                self.tell(*i, Message::Ranges(Ranges { stream: id, ranges: vec![planned.to_range(id)] }));
            }
            Op::Sync => self.step(StoreInput::Sync),
            Op::Build { all } => {
                let n = if *all { self.rig.jobs.len() } else { self.rig.jobs.len().min(1) };
                let jobs: Vec<BuildJob> = self.rig.jobs.drain(..n).collect();
                for job in jobs {
                    let outcome = job.run(&*self.rig.files, &NaiveBuilder);
                    self.note_merge(&outcome);
                    let before = self.rig.core().status().merges;
                    self.step(StoreInput::Built(outcome));
                    self.hits.merged += self.rig.core().status().merges - before;
                }
            }
            Op::Tick { secs } => {
                self.rig.advance(Duration::from_secs(*secs));
                self.step(StoreInput::Tick);
            }
            Op::Flush => self.step(StoreInput::Flush),
            Op::Kill => self.restart(false),
            Op::PowerCut => self.restart(true),
            Op::DieAfter { calls } => self.rig.files.die_after(*calls),
            Op::Full { left } => self.rig.disk.set_capacity(self.rig.disk.used() + left),
            Op::Space => self.rig.disk.set_capacity(1 << 30),
            Op::FailSync => self.rig.disk.fail_syncs(1),
        }
    }

    fn note_merge(&mut self, outcome: &BuildOutcome) {
        if outcome.is_merge() && self.rig.files.is_dead() {
            self.hits.died += 1;
        } else if outcome.is_merge() && !outcome.is_built() {
            self.hits.failed += 1;
        }
    }

    fn tell(&mut self, i: u64, message: Message) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.tickets.insert(ticket, i);
        let answers = self.rig.request(ticket.0, vec![message]);
        self.hear(answers);
    }

    fn step(&mut self, input: StoreInput) {
        let answers = self.rig.step(input);
        self.hear(answers);
    }

    fn hear(&mut self, answers: Vec<(Ticket, wire::Answer)>) {
        for (ticket, answer) in answers {
            let i = self.tickets.remove(&ticket).expect("one answer a request");
            let plan = self.plans.get_mut(&i).unwrap();
            match &answer.verdicts[0] {
                Verdict::Ranges { mark, .. } => {
                    plan.answered = plan.answered.max(mark.0);
                    plan.next = plan.next.max(mark.0);
                }
                Verdict::Refused(Refusal::Gap(state) | Refusal::Straddles(state)) => {
                    plan.answered = plan.answered.max(state.mark.0);
                    plan.next = state.mark.0;
                }
                Verdict::Refused(Refusal::Busy { .. }) | Verdict::Provisional { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// What is visible is the plan up to some mark that is not before the largest one answered.
    fn check(&mut self) {
        let seen = self.rig.seen();
        for (i, plan) in &self.plans {
            let id = stream(*i);
            let of_stream: Vec<_> = seen.iter().filter(|((stream, _), _)| *stream == id.0).collect();
            for ((_, offset), events) in &of_stream {
                assert_eq!(events.len(), 1, "event {offset} of stream {i} is visible {} times", events.len());
                let event = &events[0];
                let end = offset + u64::from(event.body.size);
                assert_eq!(event.raw, file_bytes(id, *offset, end));
                assert_eq!(event.time.0, time_of(id, *offset));
            }
            let visible: Vec<u64> = of_stream.iter().map(|((_, offset), _)| *offset).collect();
            let planned: Vec<u64> = plan.events_before(u64::MAX).into_iter().map(|(from, _)| from).collect();
            assert_eq!(visible, planned[..visible.len().min(planned.len())], "stream {i} is not a prefix of the plan");
            let due = plan.events_before(plan.answered).len();
            assert!(visible.len() >= due, "stream {i}: {due} events answered, {} visible", visible.len());
            let snapshot = self.rig.snapshot();
            let open: Vec<u64> = snapshot
                .partitions
                .values()
                .filter_map(|view| view.provisional.get(&id))
                .map(|event| event.body.offset.0)
                .collect();
            assert!(
                open.len() <= 1 && open.iter().all(|offset| !visible.contains(offset)),
                "stream {i}: {open:?} is open and closed"
            );
        }
    }

    /// The books say what the plan says.
    fn check_books(&mut self) {
        let streams: Vec<StreamId> = (0..STREAMS).map(stream).collect();
        let Verdict::Ledger(rows) = self.rig.send(Message::Ledger(streams)) else { panic!("no ledger") };
        for row in rows {
            let plan = &self.plans[&(row.stream.0 - 100)];
            let mut sum = LedgerSum::default();
            for (from, to) in plan.events_before(row.mark.0) {
                let hash = wire::LedgerHash::of(row.stream, Offset(from), &file_bytes(row.stream, from, to));
                sum += LedgerSum { events: 1, bytes: to - from, hash };
            }
            assert_eq!(row.taken, sum, "what was ever taken of {}", row.stream);
            assert_eq!(row.held, sum, "what is held of {}", row.stream);
            let proof = prove(&mut self.rig, row.stream);
            assert_eq!((proof.found, proof.doubled, proof.damage), (sum, 0, None), "what is found of {}", row.stream);
            assert_eq!(proof.absent, row.folded_excluded + row.folded_lost);
            let other: u64 = row.other.iter().map(|span| span.to.0 - span.from.0).sum();
            let other = other + row.folded_excluded + row.folded_lost;
            assert_eq!(row.mark.0, sum.bytes + other, "all bytes of {} before its mark have a fate", row.stream);
        }
    }

    fn run(&mut self, ops: &[Op]) {
        for op in ops {
            self.play(op);
            if self.is_down() {
                // Half of the deaths are power cuts: decided by what is at hand.
                self.restart(self.next_ticket.is_multiple_of(2));
            }
            self.check();
        }
        self.restart(true);
        // At last everything that was planned can be sent.
        for i in 0..STREAMS {
            self.rig.flush();
            self.step(StoreInput::Tick);
            if self.plans[&i].next < self.plans[&i].end() {
                let message = self.plans[&i].message(stream(i), 0);
                self.tell(i, message);
                self.step(StoreInput::Sync);
            }
            assert_eq!(self.plans[&i].answered, self.plans[&i].end());
        }
        self.check();
        self.rig.flush();
        self.check();
        self.seal();
        self.restart(false);
    }

    /// Nothing comes any more: days that are over become as few segments as may be.
    fn seal(&mut self) {
        for _ in 0..20 {
            self.play(&Op::Tick { secs: 700 });
            self.play(&Op::Build { all: true });
            self.check();
        }
        self.check_books();
        let half = self.rig.config.merge_bytes / 2;
        let snapshot = self.rig.snapshot();
        for (key, view) in snapshot.partitions.iter().filter(|(key, _)| i64::from(key.day) < NOW / DAY) {
            let small = view.segments.iter().filter(|segment| segment.meta().raw_bytes <= half).count();
            assert!(small <= 1, "{small} small segments are left of {key:?}");
        }
    }
}

fn config() -> impl Strategy<Value = StoreConfig> {
    let merging = (2usize..4, 200u64..3000, 1u64..600);
    (1u64..8, 200u64..2000, 1u64..900, merging).prop_map(|(memory_events, wal_segment_bytes, memory_age, merging)| {
        StoreConfig {
            memory_events,
            wal_segment_bytes,
            wal_bytes: wal_segment_bytes * 4,
            memory_age: Duration::from_secs(memory_age),
            merge_segments: merging.0,
            merge_bytes: merging.1,
            seal_after: Duration::from_secs(merging.2),
            ..small()
        }
    })
}

#[test]
fn nothing_is_lost_or_doubled() {
    let config = (config(), any::<u64>(), prop::collection::vec(op(), 1..80));
    let settings =
        ProptestConfig { cases: 600, max_shrink_iters: 4000, source_file: Some(file!()), ..ProptestConfig::default() };
    let all = Cell::new(Merges::default());
    let outcome = TestRunner::new(settings).run(&config, |(config, seed, ops)| {
        let mut game = Game::new(config, seed);
        game.run(&ops);
        let (sum, of_game) = (all.get(), game.hits);
        all.set(Merges {
            merged: sum.merged + of_game.merged,
            died: sum.died + of_game.died,
            failed: sum.failed + of_game.failed,
        });
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let all = all.get();
    assert!(all.merged > 300 && all.died > 0 && all.failed > 0, "not tried often enough: {all:?}");
}
