//! Safeguards that the simulation can switch off, to prove that it would notice.
//!
//! Code asks [`Safeguard::holds`] where it does the thing that must not be left out. Without the cargo
//! feature `sabotage` (only the simulation's crate turns it on) the answer is the constant `true`.

/// One thing that must not be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Safeguard {
    /// The WAL is synced before an answer leaves (promise 2).
    SyncBeforeAnswer,
    /// A folder is synced after a name in it was made or changed.
    SyncFolder,
    /// Ranges the mark has passed are not taken again (protocol rule 21).
    MarkChecked,
    /// An answer shows the durable mark, never that of a waiting record (protocol rule 21).
    MarkDurableBeforeAnswer,
    /// A cut is journaled before its batch is sent (protocol rule 16).
    CutJournaled,
    /// A range that begins behind the mark is refused (protocol rule 20).
    GapRefused,
    /// Replay skips, per partition, what its segments hold (protocol rule 33).
    ReplayByPartition,
    /// The bytes before the offset are compared before each read (protocol rule 9).
    AnchorChecked,
    /// A file seen first is compared by content before it gets a stream (protocol rule 7).
    ContentMatched,
    /// A request of an older start is refused (protocol rule 3).
    EpochChecked,
    /// A claim shuts out the agent that had the stream (protocol rule 6).
    ClaimFences,
    /// An event over the mark is refused, not cut (protocol rule 20).
    StraddleRefused,
    /// At a new incarnation every stream is opened again (protocol rule 28).
    IncarnationNoticed,
    /// A provisional event goes in the same swap in which the mark passes it (protocol rule 18).
    ProvisionalReplaced,
    /// Ranges older than the indexer keeps are left out, not sent (protocol rule 37).
    OldExcluded,
    /// A dead letter is durable before its range is sent as dead (protocol rules 19 and 22).
    LetterBeforeDead,
    /// A dead letter goes only after the indexer took its replay (protocol rule 23).
    LetterUntilReplayed,
    /// A loss is journaled before anything is released (protocol rule 30).
    LossJournaled,
    /// A memory block and its segment change places in one swap (protocol rule 39).
    HandOverAtomic,
    /// Segments that were merged are removed after the manifest without them is durable (protocol rule 33).
    MergeNamedFirst,
    /// The mark table is durable before the WAL is cut (protocol rule 34).
    MarksBeforeCut,
    /// A state folder is locked while it is used (protocol rule 2).
    FolderLocked,
    /// A snapshot of the state never goes over the one before it (protocol rule 31).
    StateInTurn,
}

#[cfg(not(feature = "sabotage"))]
impl Safeguard {
    /// Whether the safeguard is in force: always.
    #[inline(always)]
    pub fn holds(self) -> bool {
        true
    }
}

#[cfg(feature = "sabotage")]
mod switched {
    use super::Safeguard;
    use std::cell::Cell;

    thread_local! {
        static OFF: Cell<Option<Safeguard>> = const { Cell::new(None) };
    }

    impl Safeguard {
        /// Whether the safeguard is in force on this thread.
        pub fn holds(self) -> bool {
            OFF.get() != Some(self)
        }

        /// Runs `body` on this thread with the safeguard off.
        pub fn without<T>(self, body: impl FnOnce() -> T) -> T {
            OFF.set(Some(self));
            let result = body();
            OFF.set(None);
            result
        }
    }
}
