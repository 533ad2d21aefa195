//! Small segments become larger ones, so that their number stays small however often newest lines leave memory.
//!
//! - While a partition grows: [`StoreConfig::merge_segments`] segments of about the same size become one, up to
//!   [`StoreConfig::merge_bytes`] and [`StoreConfig::merge_events`]. So an event is written anew once for each
//!   eightfold growth, under load once.
//! - When its day is over and nothing came for [`StoreConfig::seal_after`]: whatever is smaller than half of that
//!   becomes one, however many they are (*sealed*). What comes late all the same opens segments of its own, and
//!   is taken in the same way.
//! - While much comes in, merges wait, until there are four times as many: what is new goes first.
//!
//! One merge at a time, in the builder's thread, and only while there is room for it above the low-water mark. Its
//! parts are searched until its outcome is committed, which is one manifest and one swap (protocol rules 33, 39);
//! the parts' files are removed after that, and stay with queries that read them. A merge changes no position,
//! mark or sum: [`super::build`] compares the stream tables before anything is replaced.
//!
//! A partition that is removed meanwhile wins: the outcome finds it gone and removes what it wrote.

use super::build::Parts;
use super::judge::{DAY_NS, HOUR_NS};
use super::{BuildJob, BuildOutcome, StoreConfig, StoreCore, StoreOutput};
use crate::store::manifest::{self, Listed, PartitionManifest, WriteFailure, replace_whole, segment_name};
use crate::store::memory::Partition;
use crate::store::segment::{Segment, SegmentMeta};
use crate::store::snapshot::PartitionKey;
use outside::Safeguard;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// After a failed merge the next one of the partition is tried no sooner.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// The same, when what failed will most likely fail again.
const HOPELESS_AFTER: Duration = Duration::from_secs(3600);

/// A merge that runs.
#[derive(Debug)]
pub(super) struct Merging {
    partition: PartitionKey,
    /// The partition's folder inside the data folder.
    partition_folder: PathBuf,
    /// The new segment's folder.
    folder: PathBuf,
    /// Names of the parts.
    parts: Vec<String>,
}

impl StoreCore {
    /// Begins a merge, if one is due and none runs.
    pub(super) fn merge_due(&mut self, out: &mut Vec<StoreOutput>) {
        if self.failed.is_some() || self.merging.is_some() || self.flushing {
            return;
        }
        let now = self.outside.clock.monotonic();
        let busy = self.flushed_at.is_some_and(|at| now.saturating_sub(at) < self.config.merge_idle);
        let due = self.partitions.iter().find_map(|(key, partition)| {
            let rests = partition.merge_at.is_some_and(|at| now < at);
            // Newest lines go first: the WAL waits for them.
            if rests || partition.segments.len() < 2 || partition.sealed.is_some() {
                return None;
            }
            let metas: Vec<&SegmentMeta> = partition.segments.iter().map(|(listed, _)| &listed.meta).collect();
            let when = match (busy, self.is_over(key, partition, now)) {
                (true, _) => When::Busy,
                (false, false) => When::Growing,
                (false, true) => When::Over,
            };
            Some((key.clone(), pick(&metas, &self.config, when)?))
        });
        let Some((key, parts)) = due else { return };
        if self.has_room_for(&key, &parts)
            && let Some(job) = self.begin_merge(key, &parts)
        {
            out.push(StoreOutput::Build(job));
        }
    }

    /// Whether a partition most likely gets nothing any more.
    fn is_over(&self, key: &PartitionKey, partition: &Partition, now: Duration) -> bool {
        let after = self.config.seal_after;
        let end = match key.hour {
            None => i64::from(key.day).saturating_add(1).saturating_mul(DAY_NS),
            Some(hour) => i64::from(key.day).saturating_mul(DAY_NS).saturating_add((i64::from(hour) + 1) * HOUR_NS),
        };
        let after_ns = i64::try_from(after.as_nanos()).unwrap_or(i64::MAX);
        let is_past = self.now().0 >= end.saturating_add(after_ns);
        let is_quiet = partition.grown_at.is_none_or(|at| now.saturating_sub(at) >= after);
        is_past && is_quiet && partition.memory.events == 0
    }

    /// What is kept for newest lines and manifests is not for merges (protocol rule 36).
    fn has_room_for(&self, key: &PartitionKey, parts: &[usize]) -> bool {
        let Some(partition) = self.partitions.get(key) else { return false };
        let bytes: u64 = parts.iter().map(|&part| partition.segments[part].0.meta.disk_bytes).sum();
        let needed = self.config.low_water().saturating_add(bytes);
        self.outside.files.space(&self.root_folder).is_ok_and(|space| space.free >= needed)
    }

    fn begin_merge(&mut self, key: PartitionKey, parts: &[usize]) -> Option<BuildJob> {
        let partition = self.partitions.get_mut(&key)?;
        let partition_folder = partition.folder.clone()?;
        let name = segment_name(partition.next_segment);
        partition.next_segment += 1;
        partition.merge_at = None;
        let folder = self.root_folder.join(&partition_folder).join(&name);
        let segments: Vec<Arc<dyn Segment>> =
            parts.iter().map(|&part| Arc::clone(&partition.segments[part].1)).collect();
        let parts = parts.iter().map(|&part| partition.segments[part].0.name.clone()).collect();
        self.merging = Some(Merging { partition: key.clone(), partition_folder, folder: folder.clone(), parts });
        Some(BuildJob { partition: key, folder, name, from: Parts::Segments(segments) })
    }

    /// Commits a merge, or forgets it: then its parts stay as they are.
    pub(super) fn merged(&mut self, outcome: BuildOutcome, out: &mut Vec<StoreOutput>) {
        let BuildOutcome { folder, name, result, .. } = outcome;
        let Some(merging) = self.merging.take_if(|merging| merging.folder == folder) else { return };
        if self.failed.is_some() {
            return;
        }
        let current = self.partitions.get(&merging.partition).and_then(|partition| partition.folder.as_ref());
        if current != Some(&merging.partition_folder) {
            // Retention took the partition; the merge may have made its folder anew.
            self.leftovers.push(merging.partition_folder);
            return self.remove_leftovers();
        }
        let committed = match result {
            Ok(segment) => self.commit_merge(&merging, &name, segment).map_err(|failure| (failure, RETRY_AFTER)),
            Err(error) => {
                let after = if error.is_retryable() { RETRY_AFTER } else { HOPELESS_AFTER };
                Err((WriteFailure::Kept(std::io::Error::other(error.to_string())), after))
            }
        };
        match committed {
            Ok(()) => {
                self.merge_error = None;
                self.merges += 1;
                self.remove_leftovers();
            }
            Err((WriteFailure::Kept(error), after)) => {
                let _gone = self.outside.files.remove_folder_all(&folder);
                let at = self.outside.clock.monotonic() + after;
                if let Some(partition) = self.partitions.get_mut(&merging.partition) {
                    partition.merge_at = Some(at);
                }
                self.merge_error = Some(format!("segments cannot be merged: {error}"));
            }
            Err((WriteFailure::InDoubt(error), _)) => {
                self.fail(format!("the manifest of a partition cannot be written: {error}"), out);
            }
        }
    }

    fn commit_merge(&mut self, merging: &Merging, name: &str, segment: Arc<dyn Segment>) -> Result<(), WriteFailure> {
        let Some(partition) = self.partitions.get_mut(&merging.partition) else { return Ok(()) };
        let folder = self.root_folder.join(&merging.partition_folder);
        if !Safeguard::MergeNamedFirst.holds() {
            remove_parts(&*self.outside.files, &folder, &merging.parts);
        }
        let listed = Listed { name: name.to_owned(), meta: segment.meta().clone() };
        let kept = partition.segments.iter().map(|(listed, _)| listed);
        let kept = kept.filter(|listed| !merging.parts.contains(&listed.name));
        let segments: Vec<Listed> = kept.chain([&listed]).cloned().collect();
        let body = PartitionManifest { position: partition.position.0, segments }.encode();
        replace_whole(&*self.outside.files, &folder.join(manifest::PARTITION), manifest::PARTITION_KIND, &body)?;
        let new = Arc::clone(&segment);
        partition.replace_segments(&merging.parts, listed, segment);
        self.merged_away.extend(merging.parts.iter().map(|part| merging.partition_folder.join(part)));
        if Safeguard::HandOverAtomic.holds() {
            self.show([merging.partition.clone()]);
        } else if let Some(view) = self.views.get_mut(&merging.partition) {
            Arc::make_mut(view).segments.push(new);
            self.half_handed_over = Some(merging.partition.clone());
            self.swap();
        }
        Ok(())
    }

    /// Removes the files of merged segments; what cannot be removed now is tried again.
    pub(super) fn remove_merged(&mut self) {
        let (files, root) = (Arc::clone(&self.outside.files), self.root_folder.clone());
        self.merged_away.retain(|folder| match files.remove_folder_all(&root.join(folder)) {
            Ok(()) => false,
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        });
    }
}

/// Only with a safeguard off.
fn remove_parts(files: &dyn outside::Files, folder: &Path, parts: &[String]) {
    for part in parts {
        let _gone = files.remove_folder_all(&folder.join(part));
    }
}

/// When a partition is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Much comes in, here or elsewhere.
    Busy,
    /// It may still grow.
    Growing,
    /// Its day is over.
    Over,
}

/// Which of a partition's segments are to become one, oldest first; at least two.
fn pick(metas: &[&SegmentMeta], config: &StoreConfig, when: When) -> Option<Vec<usize>> {
    let is_small =
        |meta: &SegmentMeta| meta.raw_bytes <= config.merge_bytes / 2 && meta.events <= config.merge_events / 2;
    let small: Vec<usize> = (0..metas.len()).filter(|&i| is_small(metas[i])).collect();
    let enough = match when {
        When::Over => return fitting(metas, config, &small),
        When::Growing => config.merge_segments.max(2),
        When::Busy => config.merge_segments.max(2) * 4,
    };
    let mut classes: Vec<u32> = small.iter().map(|&i| class(metas[i])).collect();
    classes.sort_unstable();
    classes.dedup();
    classes.into_iter().find_map(|wanted| {
        let alike: Vec<usize> = small.iter().copied().filter(|&i| class(metas[i]) == wanted).collect();
        if alike.len() < enough { None } else { fitting(metas, config, &alike) }
    })
}

/// Sizes within one power of eight are about the same.
fn class(meta: &SegmentMeta) -> u32 {
    meta.raw_bytes.max(1).ilog2() / 3
}

/// The first of `from` that together are not too large.
fn fitting(metas: &[&SegmentMeta], config: &StoreConfig, from: &[usize]) -> Option<Vec<usize>> {
    let (mut bytes, mut events) = (0u64, 0u64);
    let parts = from.iter().copied().take_while(|&i| {
        bytes = bytes.saturating_add(metas[i].raw_bytes);
        events = events.saturating_add(metas[i].events);
        bytes <= config.merge_bytes && events <= config.merge_events
    });
    let parts: Vec<usize> = parts.collect();
    (parts.len() >= 2).then_some(parts)
}
