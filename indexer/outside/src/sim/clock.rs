//! Simulated time and randomness.

use crate::{Clock, Rng};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A clock that moves only when told to. Clones share the time.
#[derive(Clone, Debug)]
pub struct SimClock(Arc<Times>);

#[derive(Debug)]
struct Times {
    wall_ns: AtomicI64,
    monotonic_ns: AtomicU64,
}

impl SimClock {
    /// A clock that stands at `wall_ns`.
    pub fn new(wall_ns: i64) -> SimClock {
        SimClock(Arc::new(Times { wall_ns: AtomicI64::new(wall_ns), monotonic_ns: AtomicU64::new(0) }))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let ns = by.as_nanos() as u64;
        self.0.monotonic_ns.fetch_add(ns, Ordering::Relaxed);
        self.0.wall_ns.fetch_add(ns as i64, Ordering::Relaxed);
    }

    /// Sets the wall clock forward or back; monotonic time goes on.
    pub fn jump(&self, by_ns: i64) {
        self.0.wall_ns.fetch_add(by_ns, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn wall_ns(&self) -> i64 {
        self.0.wall_ns.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.0.monotonic_ns.load(Ordering::Relaxed))
    }
}

/// Seeded random numbers (SplitMix64). Clones draw from the same sequence.
#[derive(Clone, Debug)]
pub struct SimRng(Arc<AtomicU64>);

impl SimRng {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> SimRng {
        SimRng(Arc::new(AtomicU64::new(seed)))
    }

    /// A number below `bound` (which is not 0).
    pub fn below(&self, bound: u64) -> u64 {
        self.next_u64() % bound
    }

    /// True in one of `n` draws.
    pub fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }
}

impl Rng for SimRng {
    fn next_u64(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}
