//! Replay of the WAL. It decides nothing anew (protocol rule 32).

use super::{OpenError, Recovered};
use crate::event::StoredEvent;
use crate::store::marks::StreamKey;
use crate::store::memory::Partition;
use crate::store::snapshot::PartitionKey;
use crate::store::wal::{Happening, Record, decode};
use outside::Safeguard;
use seglog::{Log, Position};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Why the WAL cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It cannot be read.
    #[error("failed to read it")]
    Read(#[source] seglog::ReadError),
    /// Its bytes are whole and yet not a record of this version.
    #[error("record {position} cannot be understood: {reason}")]
    Record {
        /// Which one.
        position: Position,
        /// What of it.
        reason: String,
    },
}

/// The durable records from a position on.
pub(crate) fn records(
    log: &Log,
    from: Position,
) -> impl Iterator<Item = Result<(Position, Record), ReplayError>> + use<> {
    log.read_from(from).map(|read| {
        let (position, bytes) = read.map_err(ReplayError::Read)?;
        let record = decode(bytes).map_err(|reason| ReplayError::Record { position, reason: reason.to_string() })?;
        Ok((position, record))
    })
}

/// Events on their way into memory, with the record of the first one.
type Fresh = BTreeMap<PartitionKey, (Position, Vec<Arc<StoredEvent>>)>;

/// Applies the WAL to what the manifests hold; `marked`: the mark table's position.
pub(super) fn replay(recovered: &mut Recovered, marked: Position, now: Duration) -> Result<(), OpenError> {
    let mut fresh = Fresh::new();
    let from = Position(recovered.root.cut).next();
    for read in records(&recovered.log, from) {
        let (position, record) = read.map_err(OpenError::Replay)?;
        if position > marked {
            recovered.marks.apply(&record);
        }
        match &record.what {
            Happening::Expire { partitions, .. } => {
                for key in partitions {
                    fresh.remove(key);
                    expire(recovered, key, position);
                }
            }
            Happening::Hello { .. } | Happening::Open { .. } | Happening::Gone { .. } => {}
            Happening::Ranges { .. } | Happening::Replay { .. } => take_events(recovered, position, record, &mut fresh),
        }
    }
    recovered.marks.settle();
    for (key, (position, events)) in fresh {
        let from = Position(position.0.saturating_sub(1));
        let partition = recovered.partitions.entry(key).or_insert_with(|| Partition::new(from));
        partition.memory.push(events, position, now);
    }
    Ok(())
}

fn take_events(recovered: &Recovered, position: Position, record: Record, fresh: &mut Fresh) {
    let Some(stream) = record.stream() else { return };
    let key = StreamKey { owner: Arc::clone(&record.owner), stream };
    // A forgotten mark: retention removed all its events.
    let Some(info) = recovered.marks.stream(&key).map(|mark| Arc::clone(&mark.info)) else { return };
    for (key, event) in record.into_events(&info) {
        let held = match recovered.partitions.get(&key) {
            None => Position(0),
            Some(_) if !Safeguard::ReplayByPartition.holds() => Position(recovered.root.cut),
            Some(partition) => partition.position,
        };
        if position > held {
            fresh.entry(key).or_insert_with(|| (position, Vec::new())).1.push(event);
        }
    }
}

/// Removes a partition unless it was made after the record.
fn expire(recovered: &mut Recovered, key: &PartitionKey, position: Position) {
    if recovered.partitions.get(key).is_some_and(|partition| partition.from < position)
        && let Some(partition) = recovered.partitions.remove(key)
    {
        recovered.leftovers.extend(partition.folder);
    }
}
