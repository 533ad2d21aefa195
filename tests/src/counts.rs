//! What a run hit.

use outside::sim::Call;
use std::collections::BTreeMap;
use std::fmt;

/// Something that must have occurred for a suite of runs to prove anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hit {
    /// Bytes were written to a live file.
    Write,
    /// A write ended inside a line.
    PartialLine,
    /// A pause longer than `close_after` while an event was open.
    IdleInsideEvent,
    /// A live file was renamed away.
    Rotation,
    /// A live file was renamed to a dated name.
    RotationDated,
    /// An archive was compressed in place.
    RotationGz,
    /// A live file was copied and truncated.
    RotationCopyTruncate,
    /// A live file was renamed over the archive before it.
    RotationOverwrote,
    /// The live name was pointed to another file.
    RotationSymlink,
    /// A live file was removed and made anew.
    RotationRemoved,
    /// Bytes were written between a copy and its truncation.
    BytesTruncatedUnseen,
    /// A truncated file grew beyond its old length at once.
    Regrown,
    /// An event stood twice and said so.
    Repeated,
    /// A new file got the number of a removed one.
    InodeReused,
    /// A file could not be opened.
    OpenRefused,
    /// A read failed.
    ReadRefused,
    /// A look at a name told an older size.
    LateSize,
    /// A read came back short.
    ShortRead,
    /// Bytes were written to a file that had been renamed away.
    StaleWrite,
    /// A rotation came while the shipper was down.
    RotationWhileDown,
    /// A rotated file was removed.
    Removal,
    /// The shipper was killed at once.
    ShipperKilled,
    /// The shipper was killed inside a file system call.
    ShipperKilledInCall,
    /// The shipper died before such a call had an effect.
    ShipperDeath(Call),
    /// The store did.
    StoreDeath(Call),
    /// The shipper's host lost what was not synced.
    ShipperPowerCut,
    /// The shipper was killed with a request unanswered.
    ShipperKilledInFlight,
    /// The shipper was asked to stop.
    ShipperShutdown,
    /// Another shipper was started beside the one that runs.
    SecondStart,
    /// The shipper started with state from before.
    ShipperRestart,
    /// The store was killed at once.
    StoreKilled,
    /// The store was killed inside a file system call.
    StoreKilledInCall,
    /// The store's host lost what was not synced.
    StorePowerCut,
    /// The store was killed with a request waiting for its fsync.
    StoreKilledWaiting,
    /// The store was killed inside a flush of a memory block.
    StoreKilledInBuild,
    /// The store started with data from before.
    StoreRestart,
    /// A request never arrived.
    RequestLost,
    /// A request arrived twice.
    RequestTwice,
    /// A request arrived after the shipper that sent it had died.
    RequestFromTheDead,
    /// A request was taken and its answer lost.
    AnswerLost,
    /// A request went through encoding and decoding.
    Encoded,
    /// Ranges were taken.
    RangesTaken,
    /// Ranges had been covered already.
    Covered,
    /// Ranges were refused for a gap.
    Gap,
    /// Ranges were refused since an event straddles the mark.
    Straddles,
    /// A message was refused since a newer start exists.
    Fenced,
    /// A message was refused for lack of space or time.
    Busy,
    /// A stream was not open.
    NotOpen,
    /// A provisional event was shown.
    ProvisionalShown,
    /// A provisional event was passed over.
    ProvisionalPassedOver,
    /// An event is a continuation.
    Continuation,
    /// A memory block became a segment.
    SegmentBuilt,
    /// A flush failed and was tried again.
    BuildFailed,
    /// Segments became one.
    SegmentsMerged,
    /// A merge failed; its parts stayed.
    MergeFailed,
    /// The store was killed inside a merge.
    StoreKilledInMerge,
    /// A segment was built or merged as it is outside of the simulation.
    EmbeddedSegment,
    /// The store's disk was full.
    StoreDiskFull,
    /// The shipper's disk was full.
    ShipperDiskFull,
    /// A sync of the store failed.
    StoreSyncFailed,
    /// Something was declared lost.
    DeclaredLost,
    /// Something older than the store keeps was written.
    OldWritten,
    /// Something was left out by a rule.
    Excluded,
    /// The store rejected an event.
    Rejected,
    /// A request was refused as a whole for what it held.
    RefusedForContent,
    /// Requests were refused whatever they held.
    RefusedForNothing,
    /// A request was too large for something on the way.
    TooLarge,
    /// Something was sent as dead.
    Dead,
    /// A replay of a dead letter was asked for.
    ReplayAsked,
    /// A dead letter was replayed.
    Replayed,
    /// The shipper was killed with rotated files pinned.
    ShipperKilledWithPins,
    /// Bytes of removed files were given up.
    GivenUp,
    /// The books of a stream were compared with the store's and with the events.
    Audited,
    /// The shipper had taken over a part of its books from the store.
    BooksTakenOver,
    /// The store's data folder was removed.
    StoreWiped,
    /// The shipper's state folder was replaced by an older copy.
    ShipperStateOld,
    /// The shipper's state folder was removed.
    ShipperStateWiped,
    /// A file was claimed by a shipper that did not know it.
    Claimed,
    /// The one whose stream was claimed went on speaking.
    SpokeAfterClaim,
    /// What a removed file held was copied into the state folder.
    Spilled,
    /// The shipper died while it wrote such a copy.
    ShipperKilledInSpill,
    /// The shipper was killed with such copies.
    ShipperKilledWithSpills,
    /// A start went on from such a copy.
    SpillTakenUp,
}

impl Hit {
    /// All of them.
    pub const ALL: &'static [Hit] = &[
        Hit::Write,
        Hit::PartialLine,
        Hit::IdleInsideEvent,
        Hit::Rotation,
        Hit::RotationDated,
        Hit::RotationGz,
        Hit::RotationCopyTruncate,
        Hit::RotationOverwrote,
        Hit::RotationSymlink,
        Hit::RotationRemoved,
        Hit::BytesTruncatedUnseen,
        Hit::Regrown,
        Hit::Repeated,
        Hit::InodeReused,
        Hit::OpenRefused,
        Hit::ReadRefused,
        Hit::LateSize,
        Hit::ShortRead,
        Hit::StaleWrite,
        Hit::RotationWhileDown,
        Hit::Removal,
        Hit::ShipperKilled,
        Hit::ShipperKilledInCall,
        Hit::ShipperDeath(Call::Look),
        Hit::ShipperDeath(Call::List),
        Hit::ShipperDeath(Call::Open),
        Hit::ShipperDeath(Call::Read),
        Hit::ShipperDeath(Call::Write),
        Hit::ShipperDeath(Call::Sync),
        Hit::ShipperDeath(Call::SyncFolder),
        Hit::ShipperDeath(Call::Rename),
        Hit::ShipperDeath(Call::Link),
        Hit::ShipperDeath(Call::Remove),
        Hit::StoreDeath(Call::Look),
        Hit::StoreDeath(Call::Open),
        Hit::StoreDeath(Call::Read),
        Hit::StoreDeath(Call::Write),
        Hit::StoreDeath(Call::Sync),
        Hit::StoreDeath(Call::SyncFolder),
        Hit::StoreDeath(Call::Rename),
        Hit::StoreDeath(Call::Remove),
        Hit::ShipperPowerCut,
        Hit::ShipperKilledInFlight,
        Hit::ShipperShutdown,
        Hit::SecondStart,
        Hit::ShipperRestart,
        Hit::StoreKilled,
        Hit::StoreKilledInCall,
        Hit::StorePowerCut,
        Hit::StoreKilledWaiting,
        Hit::StoreKilledInBuild,
        Hit::StoreRestart,
        Hit::RequestLost,
        Hit::RequestTwice,
        Hit::RequestFromTheDead,
        Hit::AnswerLost,
        Hit::Encoded,
        Hit::RangesTaken,
        Hit::Covered,
        Hit::Gap,
        Hit::Straddles,
        Hit::Fenced,
        Hit::Busy,
        Hit::NotOpen,
        Hit::ProvisionalShown,
        Hit::ProvisionalPassedOver,
        Hit::Continuation,
        Hit::SegmentBuilt,
        Hit::BuildFailed,
        Hit::SegmentsMerged,
        Hit::MergeFailed,
        Hit::StoreKilledInMerge,
        Hit::EmbeddedSegment,
        Hit::StoreDiskFull,
        Hit::ShipperDiskFull,
        Hit::StoreSyncFailed,
        Hit::DeclaredLost,
        Hit::OldWritten,
        Hit::Excluded,
        Hit::Rejected,
        Hit::RefusedForContent,
        Hit::RefusedForNothing,
        Hit::TooLarge,
        Hit::Dead,
        Hit::ReplayAsked,
        Hit::Replayed,
        Hit::ShipperKilledWithPins,
        Hit::GivenUp,
        Hit::Audited,
        Hit::BooksTakenOver,
        Hit::StoreWiped,
        Hit::ShipperStateOld,
        Hit::ShipperStateWiped,
        Hit::Claimed,
        Hit::SpokeAfterClaim,
        Hit::Spilled,
        Hit::ShipperKilledInSpill,
        Hit::ShipperKilledWithSpills,
        Hit::SpillTakenUp,
    ];
}

/// How often each was hit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Hit, u64>);

impl Counts {
    /// Counts one.
    pub fn hit(&mut self, hit: Hit) {
        *self.0.entry(hit).or_default() += 1;
    }

    /// Counts some.
    pub fn hits(&mut self, hit: Hit, n: u64) {
        *self.0.entry(hit).or_default() += n;
    }

    /// How often it was hit.
    pub fn of(&self, hit: Hit) -> u64 {
        self.0.get(&hit).copied().unwrap_or_default()
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Counts) {
        for (hit, n) in &other.0 {
            *self.0.entry(*hit).or_default() += n;
        }
    }

    /// Those hit less than `least` times.
    pub fn below(&self, least: u64) -> Vec<Hit> {
        Hit::ALL.iter().copied().filter(|&hit| self.of(hit) < least).collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for hit in Hit::ALL {
            writeln!(f, "{:>10}  {hit:?}", self.of(*hit))?;
        }
        Ok(())
    }
}
