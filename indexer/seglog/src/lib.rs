//! A segmented, checksummed log: the indexer's WAL and the shipper's journal and spool.
//!
//! Records are numbered 1, 2, 3, … without gaps ([`Position`]); the numbers go on after a restart, after
//! truncation, and after everything was cut. [`Log::append`] buffers, [`Log::sync`] makes all of it durable
//! with one write and one fdatasync, [`Log::read_from`] replays, [`Log::truncate_before`] drops whole log
//! segments from the old end.
//!
//! Invariants:
//! - A record whose `sync` returned is found at the next [`Log::open`], whatever happened in between, or
//!   `open` fails naming the file and the offset. It never comes back changed and never silently goes.
//! - What one `sync` writes lies in one log segment, and a log segment is begun only after the one before was
//!   synced: only the last log segment can have a torn tail.
//! - After a failed write or sync the log is poisoned: nothing may be assumed of the file any more, so it
//!   refuses everything but reading until it is opened again (which decides by what is on the disk).
//!
//! The layout of the files is in [`format`](mod@format), the rule that tells a torn tail from damage in [`recover`](mod@recover).
//!
//! Left out: preallocation and recycling of files, compression (the caller's records are compressed),
//! any thread, and any locking: the folder belongs to one process, whose caller holds the lock.

mod error;
mod format;
mod log;
mod position;
mod reader;
mod recover;
mod window;

#[cfg(test)]
mod tests;

pub use error::{OpenError, ReadError, WriteError};
pub use log::{Log, Options, Recovered};
pub use position::Position;
pub use reader::Reader;
