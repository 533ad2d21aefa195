//! Building a segment, of newest lines or of smaller segments: the one long piece of work, done outside the core.

use crate::event::StoredEvent;
use crate::store::core::ledger::sums;
use crate::store::manifest::sync_folder;
use crate::store::memory::Block;
use crate::store::segment::{Segment, SegmentBuilder, SegmentError, SegmentMeta};
use crate::store::snapshot::PartitionKey;
use outside::Files;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::{LedgerSum, StreamId};

/// What becomes one segment.
#[derive(Debug)]
pub struct BuildJob {
    pub(crate) partition: PartitionKey,
    /// The segment's folder; it does not exist yet. No other job ever has the same.
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    pub(crate) from: Parts,
}

/// Of what a segment is made.
#[derive(Debug)]
pub(crate) enum Parts {
    /// Blocks of newest lines.
    Blocks(Vec<Block>),
    /// Segments of the same partition.
    Segments(Vec<Arc<dyn Segment>>),
}

/// What became of a [`BuildJob`].
#[derive(Debug)]
pub struct BuildOutcome {
    pub(crate) partition: PartitionKey,
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    pub(crate) is_merge: bool,
    pub(crate) result: Result<Arc<dyn Segment>, SegmentError>,
}

impl BuildOutcome {
    /// Whether there is a segment; else what it was to be made of stays, and it is tried again.
    pub fn is_built(&self) -> bool {
        self.result.is_ok()
    }

    /// Whether it was to be made of smaller segments.
    pub fn is_merge(&self) -> bool {
        self.is_merge
    }
}

impl BuildJob {
    /// Number of events.
    pub fn events(&self) -> u64 {
        match &self.from {
            Parts::Blocks(blocks) => blocks.iter().map(|block| block.len() as u64).sum(),
            Parts::Segments(segments) => segments.iter().map(|segment| segment.meta().events).sum(),
        }
    }

    /// Whether it makes one segment of smaller ones.
    pub fn is_merge(&self) -> bool {
        matches!(self.from, Parts::Segments(_))
    }

    /// Builds the segment, on whatever thread this is called. Nothing is left of one that failed
    /// (protocol rule 36).
    pub fn run(self, files: &dyn Files, builder: &dyn SegmentBuilder) -> BuildOutcome {
        let is_merge = self.is_merge();
        let BuildJob { partition, folder, name, from } = self;
        let result = build(files, builder, &folder, from);
        if result.is_err() {
            // What stays all the same is removed at the next start: no manifest names it.
            let _gone = files.remove_folder_all(&folder);
        }
        BuildOutcome { partition, folder, name, is_merge, result }
    }
}

fn build(
    files: &dyn Files,
    builder: &dyn SegmentBuilder,
    folder: &Path,
    from: Parts,
) -> Result<Arc<dyn Segment>, SegmentError> {
    let failed = |what, path: &Path| {
        let path = path.display().to_string();
        move |source| SegmentError::Io { what, path, source }
    };
    files.create_folder_all(folder).map_err(failed("make folder", folder))?;
    let meta = match from {
        Parts::Blocks(blocks) => {
            let events: Vec<Arc<StoredEvent>> = blocks.iter().flat_map(|block| block.iter().cloned()).collect();
            builder.build(files, folder, &events)?
        }
        Parts::Segments(segments) => {
            let meta = builder.merge(files, folder, &segments)?;
            compare(folder, &meta, &segments)?;
            meta
        }
    };
    let above = folder.parent().unwrap_or(Path::new("."));
    sync_folder(files, above).map_err(failed("sync folder", above))?;
    builder.open(files, folder, &meta)
}

/// A merged segment holds of every stream exactly what its parts held: number, bytes and hash. Else a part is not
/// what its stream table says, and must not be replaced.
fn compare(folder: &Path, merged: &SegmentMeta, parts: &[Arc<dyn Segment>]) -> Result<(), SegmentError> {
    let add = |mut all: BTreeMap<StreamId, LedgerSum>, (stream, sum): (StreamId, LedgerSum)| {
        *all.entry(stream).or_default() += sum;
        all
    };
    let before = parts.iter().flat_map(|part| sums(&part.meta().streams)).fold(BTreeMap::new(), add);
    let after = sums(&merged.streams).fold(BTreeMap::new(), add);
    let differing = before.iter().find(|(stream, sum)| after.get(stream) != Some(*sum)).map(|(stream, _)| *stream);
    match differing.or_else(|| after.keys().find(|stream| !before.contains_key(stream)).copied()) {
        None => Ok(()),
        Some(stream) => Err(SegmentError::Corrupt {
            path: folder.parent().unwrap_or(folder).display().to_string(),
            reason: format!("events of stream {stream} in its segments do not add up to what their tables say"),
        }),
    }
}
