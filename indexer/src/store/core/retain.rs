//! Retention: whole partitions, oldest first (protocol rules 29, 36, 37). What goes is decided here and
//! becomes a record; the files go when it is durable and the root no longer names them.

use super::judge::{DAY_NS, Retention, day_of};
use super::{StoreCore, StoreOutput, ledger};
use crate::store::manifest::WriteFailure;
use crate::store::marks::StreamKey;
use crate::store::memory::Partition;
use crate::store::snapshot::PartitionKey;
use crate::store::wal::{Happening, Record, StreamRecord, event_sum};
use parsers::TimeNs;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::{Hello, LedgerSum, Verdict};

/// A wall clock that ran ahead of the last event by more than this is not trusted (protocol rule 37).
const DOUBT_AFTER_NS: i64 = 2 * DAY_NS;
/// Clocks of two hosts that differ by no more agree.
const AGREE_WITHIN_NS: i64 = 10 * 60 * 1_000_000_000;

impl StoreCore {
    /// What is kept now.
    pub(super) fn retention(&self) -> Retention {
        let now = self.root.clock_doubt_ns.map_or_else(|| self.now(), TimeNs);
        Retention::at(now, self.config.retention_age)
    }

    /// Begins to doubt the wall clock when it has run ahead; written down, since the next event makes the jump
    /// invisible.
    pub(super) fn watch_clock(&mut self) {
        let known = self.marks.last_ingested().map(|time| time.0).max(self.root.clock_confirmed_ns);
        let Some(known) = known else { return };
        if self.config.retention_age.is_some()
            && self.root.clock_doubt_ns.is_none()
            && self.now().0.saturating_sub(known) > DOUBT_AFTER_NS
        {
            self.root.clock_doubt_ns = Some(known);
            self.note_clock();
        }
    }

    /// A shipper of another host says what time it is.
    pub(super) fn hear_clock(&mut self, hello: &Hello) {
        let is_remote = self.config.host_id.as_ref().is_some_and(|own| *own != hello.host_id);
        if is_remote && self.now().0.abs_diff(hello.clock_ns) <= AGREE_WITHIN_NS as u64 {
            self.confirm_clock();
        }
    }

    /// The wall clock is right.
    pub(super) fn confirm_clock(&mut self) {
        if self.root.clock_doubt_ns.take().is_some() {
            self.root.clock_confirmed_ns = Some(self.now().0);
            self.note_clock();
        }
    }

    /// A root that cannot be written now is written with the next change of it.
    fn note_clock(&mut self) {
        if let Err(failure) = self.write_root() {
            self.flush_error = Some(format!("the store's manifest cannot be written: {}", failure.into_io()));
        }
    }

    pub(super) fn clock_doubt(&self) -> Option<String> {
        let known = self.root.clock_doubt_ns?;
        let days = self.now().0.saturating_sub(known) / DAY_NS;
        Some(format!(
            "the clock is {days} days past the last event stored: nothing is removed by age until it is confirmed"
        ))
    }

    /// Removes what is too old or too much.
    pub(super) fn retain(&mut self, out: &mut Vec<StoreOutput>) {
        if self.failed.is_some() || self.log.is_none() {
            return;
        }
        let doubted = self.root.clock_doubt_ns.is_some();
        let retention = if doubted { Retention::default() } else { self.retention() };
        let mut partitions = self.expired(retention);
        partitions.extend(self.too_much(&partitions));
        let forgotten = if doubted { Vec::new() } else { self.unneeded_marks(retention) };
        if partitions.is_empty() && forgotten.is_empty() {
            return;
        }
        let removed = self.sums_of(&partitions);
        let what = Happening::Expire { partitions: partitions.into_iter().collect(), removed, forgotten };
        let record = Record { owner: Arc::from(""), received: self.now(), what };
        let refused = matches!(self.change(record, Verdict::Gone), Verdict::Refused(_));
        self.waiting.request_changes = false;
        if !refused {
            self.sync_log(out);
        }
    }

    fn expired(&self, retention: Retention) -> BTreeSet<PartitionKey> {
        let expired =
            self.partitions.iter().filter(|(key, partition)| retention.is_expired(key.day) && is_idle(partition));
        expired.map(|(key, _)| key.clone()).collect()
    }

    /// The oldest partitions while there is more than may be kept; never the newest one.
    fn too_much(&self, gone: &BTreeSet<PartitionKey>) -> Vec<PartitionKey> {
        let Some(max) = self.config.retention_bytes else { return Vec::new() };
        let mut left: Vec<(&PartitionKey, &Partition)> =
            self.partitions.iter().filter(|(key, _)| !gone.contains(*key)).collect();
        left.sort_by_key(|(key, _)| (key.day, key.hour));
        let mut bytes: u64 = left.iter().map(|(_, partition)| partition.disk.disk_bytes).sum();
        left.pop();
        let mut too_much = Vec::new();
        for (key, partition) in left {
            if bytes <= max {
                break;
            }
            if is_idle(partition) && partition.disk.disk_bytes > 0 {
                bytes -= partition.disk.disk_bytes;
                too_much.push(key.clone());
            }
        }
        too_much
    }

    /// Marks of files that are gone for longer than anything is kept (protocol rule 29).
    fn unneeded_marks(&self, retention: Retention) -> Vec<StreamRecord<()>> {
        let unneeded = self.marks.streams().iter().filter(|(_, mark)| {
            mark.gone_at.is_some_and(|at| retention.is_expired(day_of(at))) && mark.taken.events == mark.removed.events
        });
        unneeded.map(|(key, _)| StreamRecord { owner: Arc::clone(&key.owner), stream: key.stream, what: () }).collect()
    }

    fn sums_of(&self, partitions: &BTreeSet<PartitionKey>) -> Vec<StreamRecord<LedgerSum>> {
        let mut sums: BTreeMap<StreamKey, LedgerSum> = BTreeMap::new();
        for key in partitions {
            let Some(partition) = self.partitions.get(key) else { continue };
            let mut add = |stream, sum| {
                *sums.entry(StreamKey { owner: Arc::clone(&key.owner), stream }).or_default() += sum;
            };
            for (listed, _) in &partition.segments {
                ledger::sums(&listed.meta.streams).for_each(|(stream, sum)| add(stream, sum));
            }
            for event in partition.blocks().flat_map(|block| block.iter()) {
                add(event.info.stream, event_sum(event.info.stream, &event.body, &event.raw));
            }
        }
        sums.into_iter().map(|(key, what)| StreamRecord { owner: key.owner, stream: key.stream, what }).collect()
    }

    /// After a durable record removed partitions: lets the root forget them, then removes their files.
    pub(super) fn forget_dropped(&mut self, out: &mut Vec<StoreOutput>) {
        match self.write_root() {
            Ok(()) => self.root_names_leftovers = false,
            // They are named by the root on the disk until it can be written.
            Err(WriteFailure::Kept(error)) => {
                self.root_names_leftovers = true;
                self.flush_error = Some(format!("the store's manifest cannot be written: {error}"));
            }
            Err(WriteFailure::InDoubt(error)) => {
                self.fail(format!("the store's manifest cannot be written: {error}"), out)
            }
        }
        self.remove_leftovers();
    }

    /// Removes folders of removed partitions and of merged segments; what cannot be removed is tried again.
    pub(super) fn remove_leftovers(&mut self) {
        if self.failed.is_none() {
            self.remove_merged();
        }
        if self.leftovers.is_empty() || self.failed.is_some() {
            return;
        }
        if self.root_names_leftovers {
            match self.write_root() {
                Ok(()) => self.root_names_leftovers = false,
                Err(_) => return,
            }
        }
        let (files, root) = (Arc::clone(&self.outside.files), self.root_folder.clone());
        self.leftovers.retain(|folder| match files.remove_folder_all(&root.join(folder)) {
            Ok(()) => false,
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        });
    }
}

/// Whether nothing of it is being built.
fn is_idle(partition: &Partition) -> bool {
    partition.sealed.is_none()
}
