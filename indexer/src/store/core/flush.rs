//! Newest lines leave memory (protocol rules 33 to 36).
//!
//! Order: the root names the partition; the segment's files and folder are synced ([`super::BuildJob`]); the
//! partition's manifest names it with the position up to which its events are in segments; memory and segment
//! change places in one swap. The WAL is cut last: mark table, then root with the cut, then the log.

use super::build::Parts;
use super::{BuildJob, BuildOutcome, StoreCore, StoreOutput};
use crate::store::manifest::{
    self, Listed, PartitionEntry, PartitionManifest, WriteFailure, partition_folder, replace_whole, segment_name,
    sync_folder,
};
use crate::store::marks;
use crate::store::memory::{Blocks, Partition, Sealed};
use crate::store::segment::Segment;
use crate::store::snapshot::PartitionKey;
use outside::Safeguard;
use seglog::Position;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// After a failed flush the next one is tried no sooner.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl StoreCore {
    /// Seals the newest lines that are due. Everything that was taken is durable.
    pub(super) fn flush_due(&mut self, out: &mut Vec<StoreOutput>) {
        if self.failed.is_some() {
            return;
        }
        let (now, config) = (self.outside.clock.monotonic(), &self.config);
        let all = self.flushing || self.wal_bytes() >= config.wal_bytes;
        let is_due = |partition: &Partition| {
            let memory = &partition.memory;
            let old = memory.first.is_some_and(|(_, since)| now.saturating_sub(since) >= config.memory_age);
            let large = memory.events >= config.memory_events || memory.raw_bytes >= config.memory_bytes;
            let rests = partition.retry_at.is_some_and(|at| now < at);
            memory.events > 0 && partition.sealed.is_none() && !rests && (all || old || large)
        };
        let mut due: Vec<PartitionKey> =
            self.partitions.iter().filter(|(_, partition)| is_due(partition)).map(|(key, _)| key.clone()).collect();
        due.extend(self.largest_of_too_much(now).filter(|key| !due.contains(key)));
        if due.is_empty() {
            return;
        }
        match self.name_partitions(&due) {
            Ok(()) => out.extend(due.into_iter().filter_map(|key| self.seal(key)).map(StoreOutput::Build)),
            Err(WriteFailure::Kept(error)) => {
                for key in &due {
                    self.rest(key, format!("the store's manifest cannot be written: {error}"));
                }
            }
            Err(WriteFailure::InDoubt(error)) => {
                self.fail(format!("the store's manifest cannot be written: {error}"), out)
            }
        }
    }

    /// The partition whose newest lines leave memory next, when all together are too much and none does yet.
    fn largest_of_too_much(&self, now: Duration) -> Option<PartitionKey> {
        let leaving = self.partitions.values().any(|partition| partition.sealed.is_some());
        if leaving || self.memory_total() <= self.config.memory_total_bytes {
            return None;
        }
        let ready = self.partitions.iter().filter(|(_, partition)| partition.retry_at.is_none_or(|at| now >= at));
        let largest = ready.max_by_key(|(_, partition)| partition.memory.memory_bytes())?;
        (largest.1.memory.events > 0).then(|| largest.0.clone())
    }

    /// Makes folders for partitions that have none, and lets the root name them.
    fn name_partitions(&mut self, keys: &[PartitionKey]) -> Result<(), WriteFailure> {
        let next_partition = self.root.next_partition;
        let mut named = Vec::new();
        for key in keys {
            if self.partitions.get(key).is_some_and(|partition| partition.folder.is_none()) {
                let folder = partition_folder(key, self.root.next_partition);
                self.root.next_partition += 1;
                self.make_folder(&folder).map_err(WriteFailure::Kept)?;
                named.push((key, folder));
            }
        }
        if named.is_empty() {
            return Ok(());
        }
        for (key, folder) in &named {
            if let Some(partition) = self.partitions.get_mut(key) {
                partition.folder = Some(folder.clone());
            }
        }
        let written = self.write_root();
        if let Err(WriteFailure::Kept(_)) = &written {
            for (key, _) in named {
                if let Some(partition) = self.partitions.get_mut(key) {
                    partition.folder = None;
                }
            }
            self.root.next_partition = next_partition;
        }
        written
    }

    /// Makes a folder inside the data folder, and all names above it durable.
    fn make_folder(&self, folder: &Path) -> std::io::Result<()> {
        let files = &*self.outside.files;
        files.create_folder_all(&self.root_folder.join(folder))?;
        for above in folder.ancestors().skip(1) {
            sync_folder(files, &self.root_folder.join(above))?;
        }
        Ok(())
    }

    /// Writes the root manifest: everything that was taken is durable.
    pub(super) fn write_root(&mut self) -> Result<(), WriteFailure> {
        let entries = self.partitions.iter().filter_map(|(key, partition)| {
            Some(PartitionEntry {
                owner: key.owner.to_string(),
                environment: key.environment.to_string(),
                day: key.day,
                hour: key.hour,
                folder: partition.folder.clone()?,
                from: partition.from.0,
            })
        });
        self.root.partitions = entries.collect();
        let path = self.root_folder.join(manifest::ROOT);
        replace_whole(&*self.outside.files, &path, manifest::ROOT_KIND, &self.root.encode())
    }

    /// Begins a segment of a partition's newest lines.
    fn seal(&mut self, key: PartitionKey) -> Option<BuildJob> {
        // All records before this one are durable and visible, so their events are in the block or in segments.
        let up_to = Position(self.log_next.0.saturating_sub(1));
        let partition = self.partitions.get_mut(&key)?;
        let name = segment_name(partition.next_segment);
        partition.next_segment += 1;
        partition.retry_at = None;
        let folder = self.root_folder.join(partition.folder.as_ref()?).join(&name);
        let sealed = Sealed { blocks: std::mem::take(&mut partition.memory), name: name.clone(), up_to };
        let from = Parts::Blocks(sealed.blocks.blocks.clone());
        partition.sealed = Some(sealed);
        Some(BuildJob { partition: key, folder, name, from })
    }

    /// Commits a segment that was built, or puts its events back.
    pub(super) fn built(&mut self, outcome: BuildOutcome, out: &mut Vec<StoreOutput>) {
        let BuildOutcome { partition: key, folder, name, result, .. } = outcome;
        let expected = self.partitions.get(&key).and_then(|partition| partition.sealed.as_ref());
        if self.failed.is_some() || expected.is_none_or(|sealed| sealed.name != name) {
            return;
        }
        let committed = match result {
            Ok(segment) => self.commit(&key, &name, segment),
            Err(error) => Err(WriteFailure::Kept(std::io::Error::other(error.to_string()))),
        };
        match committed {
            Ok(()) => {
                self.flush_error = None;
                self.flush_due(out);
                self.cut_wal(out);
            }
            Err(WriteFailure::Kept(error)) => {
                let _gone = self.outside.files.remove_folder_all(&folder);
                self.unseal(&key);
                self.rest(&key, format!("newest lines cannot be written into a segment: {error}"));
            }
            Err(WriteFailure::InDoubt(error)) => {
                self.fail(format!("the manifest of a partition cannot be written: {error}"), out);
            }
        }
    }

    fn commit(&mut self, key: &PartitionKey, name: &str, segment: Arc<dyn Segment>) -> Result<(), WriteFailure> {
        let Some(partition) = self.partitions.get_mut(key) else { return Ok(()) };
        let (Some(sealed), Some(folder)) = (&partition.sealed, &partition.folder) else { return Ok(()) };
        let listed = Listed { name: name.to_owned(), meta: segment.meta().clone() };
        let mut segments: Vec<Listed> = partition.segments.iter().map(|(listed, _)| listed.clone()).collect();
        segments.push(listed.clone());
        let body = PartitionManifest { position: sealed.up_to.0, segments }.encode();
        let path = self.root_folder.join(folder).join(manifest::PARTITION);
        replace_whole(&*self.outside.files, &path, manifest::PARTITION_KIND, &body)?;
        partition.position = sealed.up_to;
        let now = self.outside.clock.monotonic();
        partition.grown_at = Some(now);
        self.flushed_at = Some(now);
        partition.add_segment(listed, segment);
        let sealed = partition.sealed.take();
        if Safeguard::HandOverAtomic.holds() {
            self.show([key.clone()]);
        } else if let Some(view) = self.views.get_mut(key) {
            let view = Arc::make_mut(view);
            view.segments = partition.segments.iter().map(|(_, segment)| Arc::clone(segment)).collect();
            view.memory = sealed
                .iter()
                .flat_map(|sealed| &sealed.blocks.blocks)
                .chain(&partition.memory.blocks)
                .cloned()
                .collect();
            self.half_handed_over = Some(key.clone());
            self.swap();
        }
        Ok(())
    }

    /// The second half of a hand-over that was not one swap (only with the safeguard off).
    pub(super) fn finish_hand_overs(&mut self) {
        if let Some(key) = self.half_handed_over.take() {
            self.show([key]);
        }
    }

    /// Puts the events of a segment that was not built back among the newest lines.
    fn unseal(&mut self, key: &PartitionKey) {
        let Some(partition) = self.partitions.get_mut(key) else { return };
        let Some(sealed) = partition.sealed.take() else { return };
        let newer = std::mem::replace(&mut partition.memory, sealed.blocks);
        let memory: &mut Blocks = &mut partition.memory;
        memory.blocks.extend(newer.blocks);
        memory.events += newer.events;
        memory.raw_bytes += newer.raw_bytes;
        memory.first = memory.first.or(newer.first);
    }

    fn rest(&mut self, key: &PartitionKey, error: String) {
        let retry_at = self.outside.clock.monotonic() + RETRY_AFTER;
        if let Some(partition) = self.partitions.get_mut(key) {
            partition.retry_at = Some(retry_at);
        }
        self.flush_error = Some(error);
    }

    /// Cuts the WAL where no one needs it any more, when that is worth a mark table (protocol rules 33, 34).
    pub(super) fn cut_wal(&mut self, out: &mut Vec<StoreOutput>) {
        let Some(log) = &self.log else { return };
        let durable = Position(self.log_next.0.saturating_sub(1));
        let waits = log.pending_bytes() > 0 || !self.held.is_empty() || self.failed.is_some();
        let in_memory = self.partitions.values().filter_map(Partition::oldest_in_memory).min();
        let cut = in_memory.map_or(durable, |oldest| Position(oldest.0.saturating_sub(1)));
        let flushed = self.flushing && in_memory.is_none();
        self.flushing &= !flushed;
        let worth = log.size_bytes() >= self.next_cut_bytes.min(self.config.wal_bytes) || flushed;
        if waits || !worth || cut.0 <= self.root.cut {
            return;
        }
        match self.write_marks_and_cut(durable, cut) {
            Ok(()) => {
                let kept = self.log.as_ref().map_or(0, seglog::Log::size_bytes);
                let step = self.config.wal_segment_bytes;
                self.next_cut_bytes = kept.saturating_add(step).max(step.saturating_mul(2));
            }
            Err(WriteFailure::Kept(error)) => {
                self.flush_error = Some(format!("the mark table cannot be written: {error}"))
            }
            Err(WriteFailure::InDoubt(error)) => self.fail(format!("the write-ahead log cannot be cut: {error}"), out),
        }
    }

    fn write_marks_and_cut(&mut self, durable: Position, cut: Position) -> Result<(), WriteFailure> {
        let files = Arc::clone(&self.outside.files);
        let path = self.root_folder.join(manifest::MARKS);
        if !Safeguard::MarksBeforeCut.holds() {
            self.cut_log(cut)?;
        }
        replace_whole(&*files, &path, manifest::MARKS_KIND, &marks::write(&self.marks, durable))?;
        let before = std::mem::replace(&mut self.root.cut, cut.0);
        if let Err(failure) = self.write_root() {
            self.root.cut = before;
            return Err(failure);
        }
        self.cut_log(cut)
    }

    fn cut_log(&mut self, cut: Position) -> Result<(), WriteFailure> {
        let Some(log) = &mut self.log else { return Ok(()) };
        log.truncate_before(cut.next()).map_err(|error| WriteFailure::InDoubt(std::io::Error::other(error.to_string())))
    }
}
