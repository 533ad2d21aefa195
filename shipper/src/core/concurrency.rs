//! How many requests may be without answer at one time.
//!
//! The indexer decides it by the time its answers take. Where twice the requests are answered in the same time
//! there is room for more; where answers take longer by as much as there are more requests, the rest only waits
//! in a queue, here or there. So the share of the answers' time that is waiting, times the requests, is the
//! length of that queue, and it is held between [`QUEUE_LEAST`] and [`QUEUE_MOST`] (the idea is that of TCP
//! Vegas: Brakmo and Peterson, 1995). A refusal for want of room, or no answer, halves.
//!
//! A queue that is always there would in time look like the way itself; so every [`ROUNDS_TO_PROBE`] rounds one is
//! made with half as many requests.
//!
//! Judged are rounds of as many answers as there may be requests, of requests that found the limit reached: only
//! these are about as large as each other, and only then does the limit matter.

use std::collections::VecDeque;
use std::time::Duration;

/// With fewer requests that wait the limit grows.
const QUEUE_LEAST: f64 = 1.0;
/// With more of them it shrinks.
const QUEUE_MOST: f64 = 3.0;
/// The shortest time of an answer is that of so many rounds: a way that became longer is believed after them.
const ROUNDS_REMEMBERED: usize = 50;
/// At least two of those remembered are therefore of a short queue.
const ROUNDS_TO_PROBE: u32 = 20;

/// The limit, and what is known about the indexer.
#[derive(Debug)]
pub(super) struct Concurrency {
    limit: usize,
    most: usize,
    /// Rounds until one is made with half as many.
    until_probe: u32,
    /// The limit before that round, while it lasts.
    before_probe: Option<usize>,
    /// Requests sent before this moment say nothing about the limit of today.
    since: Duration,
    answers: u32,
    taken: Duration,
    /// Mean times of the last rounds.
    rounds: VecDeque<Duration>,
}

impl Concurrency {
    /// Begins with `first` requests; there are never more than `most`, and never none.
    pub(super) fn new(first: usize, most: usize) -> Concurrency {
        let most = most.max(1);
        let rounds = VecDeque::with_capacity(ROUNDS_REMEMBERED);
        Concurrency {
            limit: first.clamp(1, most),
            most,
            until_probe: 1,
            before_probe: None,
            since: Duration::ZERO,
            answers: 0,
            taken: Duration::ZERO,
            rounds,
        }
    }

    /// Requests that may be without answer.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A request that found the limit reached was answered.
    pub(super) fn answered(&mut self, sent: Duration, now: Duration) {
        if sent < self.since {
            return;
        }
        self.answers += 1;
        self.taken += now.saturating_sub(sent);
        if self.answers as usize >= self.limit {
            let mean = self.taken / self.answers;
            self.judge(mean, now);
        }
    }

    fn judge(&mut self, mean: Duration, now: Duration) {
        if self.rounds.len() == ROUNDS_REMEMBERED {
            self.rounds.pop_front();
        }
        self.rounds.push_back(mean);
        match self.before_probe.take() {
            Some(limit) => self.limit = limit,
            None => self.adapt(mean),
        }
        if self.until_probe == 0 && self.limit > 1 {
            self.before_probe = Some(self.limit);
            self.limit /= 2;
            self.until_probe = ROUNDS_TO_PROBE;
        }
        self.until_probe = self.until_probe.saturating_sub(1);
        self.begin_round(now);
    }

    fn adapt(&mut self, mean: Duration) {
        let shortest = self.rounds.iter().min().copied().unwrap_or(mean);
        let waiting = if mean.is_zero() { 0.0 } else { 1.0 - shortest.as_secs_f64() / mean.as_secs_f64() };
        let queue = waiting * self.limit as f64;
        if queue < QUEUE_LEAST {
            self.limit = (self.limit + 1).min(self.most);
        } else if queue > QUEUE_MOST {
            self.limit -= 1;
        }
    }

    /// A request was refused for want of room, or not answered.
    pub(super) fn refused(&mut self, sent: Duration, now: Duration) {
        // What was on the way together is refused together, for one reason.
        if sent >= self.since {
            self.limit = (self.before_probe.take().unwrap_or(self.limit) / 2).max(1);
            self.begin_round(now);
        }
    }

    fn begin_round(&mut self, now: Duration) {
        (self.since, self.answers, self.taken) = (now, 0, Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::Concurrency;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;
    use std::time::Duration;

    /// An indexer that works on `at_once` requests, `work` ms each, behind a way of `way` ms; one with more than
    /// `room` waiting is refused.
    struct Indexer {
        at_once: usize,
        work: u64,
        way: u64,
        room: usize,
    }

    /// Requests without end for so many ms; the answers taken, the refusals, and the limit over the last half.
    fn run(indexer: &Indexer, mut limit: Concurrency, ms: u64) -> (u64, u64, f64) {
        let at = Duration::from_millis;
        let mut workers: BinaryHeap<Reverse<u64>> = (0..indexer.at_once).map(|_| Reverse(0)).collect();
        let mut on_the_way: BinaryHeap<Reverse<(u64, u64, bool)>> = BinaryHeap::new();
        let (mut now, mut answers, mut refusals, mut limits) = (0, 0, 0, Vec::new());
        while now < ms {
            while on_the_way.len() < limit.limit() {
                let waiting = on_the_way.len().saturating_sub(indexer.at_once);
                let (done, taken) = if waiting > indexer.room {
                    (now + indexer.way, false)
                } else {
                    let Reverse(free) = workers.pop().expect("there are workers");
                    let done = free.max(now + indexer.way / 2) + indexer.work;
                    workers.push(Reverse(done));
                    (done + indexer.way / 2, true)
                };
                on_the_way.push(Reverse((done, now, taken)));
            }
            let Reverse((done, sent, taken)) = on_the_way.pop().expect("requests without end");
            now = done;
            if taken {
                answers += 1;
                limit.answered(at(sent), at(now));
            } else {
                refusals += 1;
                limit.refused(at(sent), at(now));
            }
            if now > ms / 2 {
                limits.push(limit.limit() as f64);
            }
        }
        (answers, refusals, limits.iter().sum::<f64>() / limits.len() as f64)
    }

    #[test]
    fn a_long_way_is_filled() {
        let indexer = Indexer { at_once: 16, work: 1, way: 100, room: 1000 };
        let (answers, _, limit) = run(&indexer, Concurrency::new(4, 16), 60_000);
        assert!(limit > 15.0, "{limit}");
        // 16 at once every 101 ms are 9,505.
        assert!(answers > 8_500, "{answers}");
    }

    #[test]
    fn requests_that_would_only_wait_are_not_sent() {
        for at_once in [1_usize, 2, 4, 8] {
            let indexer = Indexer { at_once, work: 20, way: 2, room: 1000 };
            let (answers, _, limit) = run(&indexer, Concurrency::new(4, 64), 120_000);
            let able = at_once as f64;
            assert!(limit >= able && limit <= able + 6.0, "{at_once} at once: {limit}");
            let most = 120_000.0 / 20.0 * able;
            assert!(answers as f64 > most * 0.95, "{at_once} at once: {answers} of {most}");
        }
    }

    #[test]
    fn refusals_halve_once_for_those_sent_together() {
        let mut limit = Concurrency::new(8, 16);
        let at = Duration::from_secs;
        for _ in 0..8 {
            limit.refused(at(1), at(2));
        }
        assert_eq!(limit.limit(), 4);
        for second in 3..20 {
            limit.refused(at(second), at(second));
        }
        assert_eq!(limit.limit(), 1, "there is always one");
    }

    #[test]
    fn an_indexer_without_room_is_not_asked_all_the_time() {
        let indexer = Indexer { at_once: 2, work: 10, way: 2, room: 2 };
        let (answers, refusals, _) = run(&indexer, Concurrency::new(16, 64), 60_000);
        assert!(refusals >= 1, "the test is about refusals");
        assert!(refusals * 20 < answers, "{refusals} refusals beside {answers} answers");
    }

    #[test]
    fn a_way_that_became_longer_is_believed_in_the_end() {
        let mut limit = Concurrency::new(4, 16);
        let mut now = Duration::ZERO;
        let mut rounds = |limit: &mut Concurrency, took: u64, count: usize| {
            for _ in 0..count {
                let sent = now;
                now += Duration::from_millis(took);
                for _ in 0..limit.limit() {
                    limit.answered(sent, now);
                }
            }
            limit.limit()
        };
        assert_eq!(rounds(&mut limit, 10, 20), 16);
        let shrunk = rounds(&mut limit, 100, 20);
        assert!(shrunk < 8, "it looks like a queue: {shrunk}");
        assert_eq!(rounds(&mut limit, 100, 80), 16);
    }
}
