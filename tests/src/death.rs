//! Where a process dies that is killed inside a file system call.

use outside::sim::{Call, SimFiles, SimRng};

/// How that place is chosen in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deaths {
    /// Die in the next call of one of these kinds, so that rare ones are hit as often as frequent ones; when there are
    /// none, in any of the next calls.
    pub(crate) kinds: &'static [Call],
    /// Mostly die in one of the next calls on a file whose name ends so.
    pub(crate) files: Option<&'static str>,
}

/// The kinds of call that a shipper makes. Many a process that is to die in a renaming comes to none.
pub(crate) const OF_SHIPPER: &[Call] = &[
    Call::Look,
    Call::List,
    Call::Open,
    Call::Read,
    Call::Write,
    Call::Sync,
    Call::SyncFolder,
    Call::Rename,
    Call::Rename,
    Call::Rename,
    Call::Link,
    Call::Remove,
];

/// Those of a store.
pub(crate) const OF_STORE: &[Call] =
    &[Call::Look, Call::Open, Call::Read, Call::Write, Call::Sync, Call::SyncFolder, Call::Rename, Call::Remove];

/// From the making of a file over what is written into it to its sync.
const FILE_CALLS: u64 = 6;

impl Deaths {
    /// Lets a process die inside a call to come: one of the next `within`, where kinds do not matter.
    pub(crate) fn arm(self, process: &SimFiles, within: u64, rng: &SimRng) {
        match self.files {
            Some(ending) if !rng.one_in(4) => process.die_on(ending, rng.below(FILE_CALLS)),
            _ if self.kinds.is_empty() => process.die_after(rng.below(within)),
            _ => process.die_in(self.kinds[rng.below(self.kinds.len() as u64) as usize]),
        }
    }
}
