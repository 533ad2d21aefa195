//! Building a segment of newest lines: the one long piece of work, done outside the core.

use crate::event::StoredEvent;
use crate::store::segment::{Segment, SegmentBuilder, SegmentError};
use crate::store::snapshot::PartitionKey;
use outside::Files;
use std::path::PathBuf;
use std::sync::Arc;

/// Blocks of newest lines that become one segment.
#[derive(Debug)]
pub struct BuildJob {
    pub(crate) partition: PartitionKey,
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    pub(crate) blocks: Vec<Arc<[Arc<StoredEvent>]>>,
}

/// What became of a [`BuildJob`].
#[derive(Debug)]
pub struct BuildOutcome {
    pub(crate) partition: PartitionKey,
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    pub(crate) result: Result<Arc<dyn Segment>, SegmentError>,
}

impl BuildJob {
    /// Builds the segment, on whatever thread this is called.
    pub fn run(self, files: &dyn Files, builder: &dyn SegmentBuilder) -> BuildOutcome {
        let BuildJob { partition, folder, name, blocks } = self;
        let events: Vec<Arc<StoredEvent>> = blocks.iter().flat_map(|block| block.iter().cloned()).collect();
        let result = files
            .create_folder_all(&folder)
            .map_err(|source| SegmentError::Io { what: "make folder", path: folder.display().to_string(), source })
            .and_then(|()| builder.build(files, &folder, &events))
            .and_then(|meta| builder.open(files, &folder, &meta));
        BuildOutcome { partition, folder, name, result }
    }
}
