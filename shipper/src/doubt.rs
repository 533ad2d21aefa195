//! Which event of a stream is it that the indexer, or something on the way to it, refuses with the whole request?
//!
//! After such a refusal (400, 413) the stream's events are sent alone, in ever smaller parts, until one event is left
//! (protocol rule 22). A proxy that refuses everything must not make dead letters of a host: one event is given up
//! only after it was refused twice, and after each refusal a request without it got through.

use parsers::Offset;

/// What is known of a refused range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doubt {
    /// Where its events begin that are not settled.
    starts: Vec<Offset>,
    /// One past its last byte.
    until: Offset,
    /// Only what begins before this is sent next.
    stop: Offset,
    /// A lone event was refused, and a request without it is on its way.
    asked: bool,
    /// Refusals of the lone event, each followed by a request that got through.
    rounds: u32,
    /// Refusals of the lone event, for ever longer waits.
    pub(crate) refusals: u32,
}

/// Rounds after which a lone event is given up.
const ROUNDS: u32 = 2;

impl Doubt {
    /// Of events that begin at `starts` and end at `until`; all of them are sent again, alone.
    pub(crate) fn new(starts: Vec<Offset>, until: Offset) -> Option<Doubt> {
        let some = !starts.is_empty();
        some.then_some(Doubt { starts, until, stop: until, asked: false, rounds: 0, refusals: 0 })
    }

    /// Where sending stops.
    pub(crate) fn stop(&self) -> Offset {
        self.stop
    }

    /// What was sent alone was refused. `true`: it was one event, and a request without it must be tried.
    pub(crate) fn refused(&mut self) -> bool {
        let sent = self.starts.partition_point(|start| *start < self.stop);
        if sent > 1 {
            self.stop = self.starts[sent / 2];
            return false;
        }
        self.refusals += 1;
        self.asked = true;
        true
    }

    /// A request without the event got through; gives the event if it is to be given up.
    pub(crate) fn got_through(&mut self) -> Option<Offset> {
        if !std::mem::take(&mut self.asked) {
            return None;
        }
        self.rounds += 1;
        self.starts.first().copied().filter(|_| self.rounds >= ROUNDS)
    }

    /// A request without the event did not get through either: it says nothing about the event.
    pub(crate) fn blocked(&mut self) {
        self.asked = false;
        self.rounds = 0;
    }

    /// Everything before `mark` is settled; `false` when nothing is left in doubt.
    pub(crate) fn settled(&mut self, mark: Offset) -> bool {
        self.starts.retain(|start| *start >= mark);
        self.rounds = 0;
        self.refusals = 0;
        self.asked = false;
        self.stop = match self.starts.len() {
            0 => return false,
            1 => self.until,
            left => self.starts[left / 2],
        };
        mark < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays an indexer that refuses whatever holds one of `bad`; gives those given up and the number of requests.
    fn play(count: u64, bad: &[u64], through: impl Fn(u32) -> bool) -> (Vec<u64>, u32) {
        let starts: Vec<Offset> = (0..count).map(|n| Offset(n * 10)).collect();
        let mut doubt = Doubt::new(starts, Offset(count * 10)).expect("not empty");
        let (mut mark, mut requests, mut dead) = (0, 0, Vec::new());
        for _ in 0..1000 {
            requests += 1;
            let (from, to) = (mark, doubt.stop().0.div_ceil(10));
            let holds = (from..to).any(|n| bad.contains(&n) && !dead.contains(&n));
            if holds || !through(requests) {
                if doubt.refused() {
                    requests += 1;
                    if !through(requests) {
                        doubt.blocked();
                    } else if let Some(Offset(at)) = doubt.got_through() {
                        dead.push(at / 10);
                    }
                }
                continue;
            }
            mark = to;
            if !doubt.settled(Offset(mark * 10)) {
                return (dead, requests);
            }
        }
        (dead, requests)
    }

    #[test]
    fn the_bad_events_are_found_among_many_in_few_requests() {
        let (dead, requests) = play(1000, &[17, 18, 999], |_| true);
        assert_eq!(dead, [17, 18, 999]);
        assert!(requests < 90, "{requests} requests");
        assert_eq!(play(1, &[0], |_| true).0, [0]);
        assert_eq!(play(7, &[], |_| true), (vec![], 1));
    }

    #[test]
    fn what_refuses_everything_gives_up_nothing() {
        assert_eq!(play(50, &[], |_| false).0, [0; 0]);
        // It recovers after a while: the events were innocent.
        assert_eq!(play(50, &[], |request| request > 40).0, [0; 0]);
        assert_eq!(play(50, &[3], |request| request > 40).0, [3]);
    }
}
