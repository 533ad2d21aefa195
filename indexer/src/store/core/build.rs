//! Building a segment of newest lines: the one long piece of work, done outside the core.

use crate::event::StoredEvent;
use crate::store::manifest::sync_folder;
use crate::store::memory::Block;
use crate::store::segment::{Segment, SegmentBuilder, SegmentError};
use crate::store::snapshot::PartitionKey;
use outside::Files;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Blocks of newest lines that become one segment.
#[derive(Debug)]
pub struct BuildJob {
    pub(crate) partition: PartitionKey,
    /// The segment's folder; it does not exist yet.
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    pub(crate) blocks: Vec<Block>,
}

/// What became of a [`BuildJob`].
#[derive(Debug)]
pub struct BuildOutcome {
    pub(crate) partition: PartitionKey,
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    pub(crate) result: Result<Arc<dyn Segment>, SegmentError>,
}

impl BuildOutcome {
    /// Whether there is a segment; else the block stays in memory and the flush is tried again.
    pub fn is_built(&self) -> bool {
        self.result.is_ok()
    }
}

impl BuildJob {
    /// Number of events.
    pub fn events(&self) -> usize {
        self.blocks.iter().map(|block| block.len()).sum()
    }

    /// Builds the segment, on whatever thread this is called. Nothing is left of one that failed
    /// (protocol rule 36).
    pub fn run(self, files: &dyn Files, builder: &dyn SegmentBuilder) -> BuildOutcome {
        let BuildJob { partition, folder, name, blocks } = self;
        let events: Vec<Arc<StoredEvent>> = blocks.iter().flat_map(|block| block.iter().cloned()).collect();
        let result = build(files, builder, &folder, &events);
        if result.is_err() {
            // What stays all the same is removed at the next start: no manifest names it.
            let _gone = files.remove_folder_all(&folder);
        }
        BuildOutcome { partition, folder, name, result }
    }
}

fn build(
    files: &dyn Files,
    builder: &dyn SegmentBuilder,
    folder: &Path,
    events: &[Arc<StoredEvent>],
) -> Result<Arc<dyn Segment>, SegmentError> {
    let failed = |what, path: &Path| {
        let path = path.display().to_string();
        move |source| SegmentError::Io { what, path, source }
    };
    files.create_folder_all(folder).map_err(failed("make folder", folder))?;
    let meta = builder.build(files, folder, events)?;
    let above = folder.parent().unwrap_or(Path::new("."));
    sync_folder(files, above).map_err(failed("sync folder", above))?;
    builder.open(files, folder, &meta)
}
