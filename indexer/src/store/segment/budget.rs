//! What one query may use: time and bytes looked at; and that nobody waits for it any more.

use outside::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Shared by all segments (and threads) that work on one query.
pub struct Budget {
    deadline: Option<(Arc<dyn Clock>, Duration)>,
    bytes_max: u64,
    bytes: AtomicU64,
    cancelled: AtomicBool,
}

/// Why a query was ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// Its time is over.
    Time,
    /// It has looked at as many bytes as it may.
    Bytes,
    /// Nobody waits for it any more.
    Cancelled,
}

impl Budget {
    /// `time` from now and `bytes_max` bytes.
    pub fn new(clock: Arc<dyn Clock>, time: Duration, bytes_max: u64) -> Budget {
        let deadline = clock.monotonic() + time;
        Budget { deadline: Some((clock, deadline)), bytes_max, ..Budget::unlimited() }
    }

    /// No bounds: for tests and for work of our own.
    pub fn unlimited() -> Budget {
        Budget { deadline: None, bytes_max: u64::MAX, bytes: AtomicU64::new(0), cancelled: AtomicBool::new(false) }
    }

    /// Ends the query at its next look.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Bytes looked at so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Counts `bytes` about to be looked at. To be called every few hundred microseconds of work, with 0 too.
    ///
    /// # Errors
    /// When the work should end.
    pub fn spend(&self, bytes: u64) -> Result<(), Exhausted> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Exhausted::Cancelled);
        }
        let spent = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if spent > self.bytes_max {
            return Err(Exhausted::Bytes);
        }
        match &self.deadline {
            Some((clock, deadline)) if clock.monotonic() >= *deadline => Err(Exhausted::Time),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let deadline = self.deadline.as_ref().map(|(_, deadline)| deadline);
        f.debug_struct("Budget").field("deadline", &deadline).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
