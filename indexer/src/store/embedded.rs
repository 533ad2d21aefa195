//! Segments on tantivy: words in an inverted index, fields in columns, events in compressed blocks.
//!
//! A segment is one file ([`container`]) of sections, its rows numbered newest first ([`Place`] descending):
//! - `words/…`: word -> rows, tantivy's files ([`terms`]), without words that are ids ([`words`])
//! - `hashes`, `uuids`: ids of each row ([`ids`], [`uuids`])
//! - `column/N`, `field/NAME`: fields of few different values ([`columns`])
//! - `times`, `offsets`: with column 0 (the stream) the place of each row ([`ints`])
//! - `blocks`, `blocks/rows`, `blocks/ends`, `shapes`, `infos`: the events themselves ([`block`], [`shape`], [`infos`])
//! - `rollup`: minutes × levels ([`rollup`]); `strays`: rows whose fields of free text have words of their own
//!
//! A query becomes a tree over these ([`plan`]), worked out chunk by chunk in the order asked for, so that the
//! newest hundred cost the same however large the segment is ([`search`]). What the sections leave open is
//! verified by the matcher on the event: the answer is always the matcher's.
//!
//! tantivy's types do not leave this folder. Its own writing to disk is not used: an index is built in memory
//! and becomes sections, so a segment is durable after one sync of a file and one of its folder.
//!
//! Left out: templates, deletion of single events.

mod bits;
mod block;
mod build;
mod cache;
mod columns;
mod container;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod hasher;
mod ids;
mod infos;
mod ints;
mod literals;
mod plan;
mod reader;
mod rollup;
mod search;
mod shape;
mod terms;
mod uuids;
mod varint;
mod words;

#[cfg(test)]
mod tests;

use crate::event::StoredEvent;
use crate::store::segment::{Segment, SegmentBuilder, SegmentError, SegmentMeta};
use cache::BlockCache;
use outside::Files;
use reader::EmbeddedSegment;
use std::path::Path;
use std::sync::Arc;
use tantivy::directory::{Directory, MmapDirectory, OwnedBytes};

#[cfg(doc)]
use crate::store::segment::Place;

/// [`SegmentMeta::format`] of these segments.
pub(crate) const FORMAT: &str = "embedded/1";

/// How the bytes of a segment are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// Mapped from the real file system: only what is used comes into memory, and may leave it again.
    Mapped,
    /// Read whole through [`Files`]: any file system, for simulation and tests.
    Whole,
}

/// Builds and opens segments on tantivy.
#[derive(Debug)]
pub struct EmbeddedBuilder {
    reading: Reading,
    cache: Arc<BlockCache>,
}

impl EmbeddedBuilder {
    /// Maps segments from the real file system; keeps at most `cache_bytes` of decompressed events for all of them.
    pub fn mapped(cache_bytes: usize) -> EmbeddedBuilder {
        EmbeddedBuilder { reading: Reading::Mapped, cache: Arc::new(BlockCache::new(cache_bytes)) }
    }

    /// Reads segments whole into memory, through the given [`Files`].
    pub fn whole(cache_bytes: usize) -> EmbeddedBuilder {
        EmbeddedBuilder { reading: Reading::Whole, cache: Arc::new(BlockCache::new(cache_bytes)) }
    }

    fn read(&self, files: &dyn Files, folder: &Path, size: u64) -> Result<OwnedBytes, SegmentError> {
        let path = folder.join(container::FILE_NAME);
        let failed = |source| SegmentError::Io { what: "open segment file", path: path.display().to_string(), source };
        match self.reading {
            Reading::Whole => Ok(OwnedBytes::new(files.read_whole(&path, size).map_err(failed)?)),
            Reading::Mapped => {
                let directory = MmapDirectory::open(folder).map_err(|error| failed(std::io::Error::other(error)))?;
                let file = directory.open_read(Path::new(container::FILE_NAME));
                file.map_err(|error| failed(std::io::Error::other(error)))?.read_bytes().map_err(failed)
            }
        }
    }
}

/// Names and sizes of the sections of a segment's file: what its bytes are spent on.
///
/// # Errors
/// When it is damaged or of a newer version.
pub fn sections(folder: &Path, bytes: Vec<u8>) -> Result<Vec<(String, u64)>, SegmentError> {
    Ok(container::Container::open(folder, OwnedBytes::new(bytes))?.sizes())
}

impl SegmentBuilder for EmbeddedBuilder {
    fn build(
        &self,
        files: &dyn Files,
        folder: &Path,
        events: &[Arc<StoredEvent>],
    ) -> Result<SegmentMeta, SegmentError> {
        build::build(files, folder, &build::InMemory::new(events.to_vec()))
    }

    fn merge(
        &self,
        files: &dyn Files,
        folder: &Path,
        segments: &[Arc<dyn Segment>],
    ) -> Result<SegmentMeta, SegmentError> {
        let own = segments.iter().map(|segment| segment.as_any()?.downcast_ref::<EmbeddedSegment>());
        if let Some(parts) = own.collect::<Option<Vec<_>>>() {
            return build::build(files, folder, &build::Parts(parts));
        }
        let mut events = Vec::new();
        for segment in segments {
            segment.each_event(&mut |event| events.push(event))?;
        }
        self.build(files, folder, &events)
    }

    fn open(&self, files: &dyn Files, folder: &Path, meta: &SegmentMeta) -> Result<Arc<dyn Segment>, SegmentError> {
        if meta.format != FORMAT {
            let reason = format!("it is of the form `{}`, expected `{FORMAT}`", meta.format);
            return Err(container::corrupt(folder, &reason));
        }
        let [file] = meta.files.as_slice() else {
            return Err(container::corrupt(folder, &format!("it should have one file, not {}", meta.files.len())));
        };
        let bytes = self.read(files, folder, file.size)?;
        if bytes.len() as u64 != file.size {
            let reason = format!("its file has {} bytes, {} were written", bytes.len(), file.size);
            return Err(container::corrupt(folder, &reason));
        }
        if self.reading == Reading::Whole && crc32fast::hash(&bytes) != file.crc {
            return Err(container::corrupt(folder, "the checksum of its file does not fit"));
        }
        Ok(Arc::new(EmbeddedSegment::open(folder, bytes, meta.clone(), Arc::clone(&self.cache))?))
    }
}
