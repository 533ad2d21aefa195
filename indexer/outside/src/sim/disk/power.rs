//! Power cuts: what was not synced is lost, all or in part.

use super::bytes::Change;
use super::faults::Fault;
use super::names::point;
use super::{Disk, SimDisk};

impl SimDisk {
    /// Cuts the power: everything that holds a file or lock of this disk must be dropped by now. Unsynced bytes and names are lost, all or in part.
    pub fn power_cut(&self) {
        let mut disk = self.lock();
        disk.count(Fault::PowerCut);
        disk.locks.clear();
        disk.drop_unsynced_names();
        disk.drop_unsynced_bytes();
        disk.collect();
    }
}

impl Disk {
    fn drop_unsynced_names(&mut self) {
        let mut dropped = 0;
        let rng = self.rng.clone();
        for folder in self.folders.values_mut() {
            let kept = rng.below(folder.pending.len() as u64 + 1) as usize;
            dropped += u64::from(kept < folder.pending.len());
            for change in folder.pending.drain(..).take(kept).flatten() {
                point(&mut folder.durable, &change);
            }
            folder.names = folder.durable.clone();
        }
        *self.faults.entry(Fault::NamesDropped).or_default() += dropped;
        for inode in self.inodes.values_mut() {
            inode.links = 0;
            inode.open = 0;
        }
        let named: Vec<u64> = self.folders.values().flat_map(|f| f.names.values().copied()).collect();
        for number in named {
            self.inodes.entry(number).or_default().links += 1;
        }
    }

    fn drop_unsynced_bytes(&mut self) {
        let rng = self.rng.clone();
        let mut dropped = 0;
        self.used = 0;
        for inode in self.inodes.values_mut() {
            let pending = std::mem::take(&mut inode.pending);
            let kept = rng.below(pending.len() as u64 + 1) as usize;
            dropped += u64::from(kept < pending.len());
            for change in &pending[..kept] {
                change.apply(&mut inode.durable);
            }
            if let Some(Change::Write(at, bytes)) = pending.get(kept)
                && rng.one_in(2)
            {
                let torn = rng.below(bytes.len() as u64 + 1) as usize;
                Change::Write(*at, bytes[..torn].to_vec()).apply(&mut inode.durable);
            }
            inode.data = inode.durable.clone();
            self.used += inode.data.len() as u64;
        }
        *self.faults.entry(Fault::BytesDropped).or_default() += dropped;
    }
}
