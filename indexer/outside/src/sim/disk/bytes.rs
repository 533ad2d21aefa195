//! Bytes of files: what was written, and what of it a sync has made durable.

use super::Disk;
use super::faults::{Fault, SYNC_FAILED};
use crate::{FileId, Kind, Metadata};
use std::io;

#[derive(Debug, Default)]
pub(in crate::sim) struct Inode {
    pub(in crate::sim) data: Vec<u8>,
    pub(in crate::sim) durable: Vec<u8>,
    pub(super) pending: Vec<Change>,
    pub(in crate::sim) links: u64,
    pub(in crate::sim) open: u64,
    pub(in crate::sim) born_ns: i64,
    pub(in crate::sim) modified_ns: i64,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

impl Change {
    pub(super) fn apply(&self, data: &mut Vec<u8>) {
        match self {
            Change::Write(at, bytes) => {
                let end = *at as usize + bytes.len();
                if data.len() < end {
                    data.resize(end, 0);
                }
                data[*at as usize..end].copy_from_slice(bytes);
            }
            Change::SetLen(len) => data.resize(*len as usize, 0),
        }
    }
}

impl Disk {
    pub(in crate::sim) fn facts(&self, number: u64) -> Metadata {
        let inode = &self.inodes[&number];
        Metadata {
            id: FileId { device: self.device, number: u128::from(number) },
            kind: Kind::File,
            size: inode.data.len() as u64,
            modified_ns: inode.modified_ns,
            born_ns: Some(inode.born_ns),
            links: inode.links,
        }
    }

    pub(in crate::sim) fn free(&self) -> (u64, u64) {
        (self.capacity.saturating_sub(self.used), self.capacity)
    }

    pub(in crate::sim) fn read(&mut self, number: u64, buf: &mut [u8], offset: u64) -> usize {
        let data = &self.inodes[&number].data;
        let rest = data.get(offset as usize..).unwrap_or_default();
        let mut n = rest.len().min(buf.len());
        if self.short_reads && n > 1 && self.rng.one_in(4) {
            n = 1 + self.rng.below(n as u64 - 1) as usize;
            *self.faults.entry(Fault::ShortRead).or_default() += 1;
        }
        buf[..n].copy_from_slice(&rest[..n]);
        n
    }

    pub(in crate::sim) fn write(&mut self, number: u64, buf: &[u8], offset: u64) -> io::Result<()> {
        let len = self.inodes[&number].data.len() as u64;
        let free = self.capacity.saturating_sub(self.used);
        let grows = (offset + buf.len() as u64).saturating_sub(len);
        if grows > free {
            self.count(Fault::DiskFull);
            let fits = buf.len().saturating_sub((grows - free) as usize);
            self.change(number, Change::Write(offset, buf[..fits].to_vec()), fits > 0);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.change(number, Change::Write(offset, buf.to_vec()), !buf.is_empty());
        Ok(())
    }

    pub(in crate::sim) fn set_len(&mut self, number: u64, len: u64) -> io::Result<()> {
        let grows = len.saturating_sub(self.inodes[&number].data.len() as u64);
        if grows > self.capacity.saturating_sub(self.used) {
            self.count(Fault::DiskFull);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.change(number, Change::SetLen(len), true);
        Ok(())
    }

    fn change(&mut self, number: u64, change: Change, really: bool) {
        if !really {
            return;
        }
        let now = self.now();
        let inode = self.inodes.get_mut(&number).expect("open inodes exist");
        let before = inode.data.len() as u64;
        change.apply(&mut inode.data);
        inode.pending.push(change);
        inode.modified_ns = now;
        self.used = self.used + inode.data.len() as u64 - before;
    }

    pub(in crate::sim) fn sync(&mut self, number: u64) -> io::Result<()> {
        let failed = self.fail_syncs > 0;
        let inode = self.inodes.get_mut(&number).expect("open inodes exist");
        if failed {
            // As Linux does: the pages are marked clean and what was in them may never reach the disk.
            inode.pending.clear();
            self.fail_syncs -= 1;
            self.count(Fault::SyncFailed);
            return Err(io::Error::other(SYNC_FAILED));
        }
        for change in std::mem::take(&mut inode.pending) {
            change.apply(&mut inode.durable);
        }
        Ok(())
    }
}
