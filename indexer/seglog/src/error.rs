//! Why a log cannot be opened, written or read.

use crate::Position;
use std::io;
use std::path::PathBuf;

/// Why a log cannot be opened. Nothing was changed on the disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file system refused.
    #[error("failed to {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// Bytes that were durable are not what was written.
    #[error(
        "log segment `{}` is damaged at byte {offset}: {reason}; nothing was changed: restore the file from a backup, \
         or move it and all later ones of its folder away to go on without the records from there on",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What does not fit.
        reason: String,
    },
    /// Written by a newer version.
    #[error(
        "log segment `{}` has {what} version {found}, this program reads up to {known}: start the newer program that wrote it",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Which of the two versions: that of the log or that of its records.
        what: &'static str,
        /// The version found.
        found: u32,
        /// The newest one known here.
        known: u32,
    },
}

/// Why a record cannot be appended, made durable or cut.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The file system refused; the log is poisoned from now on.
    #[error("failed to {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// An earlier write or sync failed.
    #[error("the log in `{}` refuses writes since one failed: it must be opened again", folder.display())]
    Poisoned {
        /// Its folder.
        folder: PathBuf,
    },
    /// The record is larger than the log's limit; nothing was appended.
    #[error("a record of {size} bytes is larger than the {max} bytes allowed in the log `{}`", folder.display())]
    TooLarge {
        /// Its folder.
        folder: PathBuf,
        /// Bytes of the record.
        size: u64,
        /// Bytes allowed.
        max: u64,
    },
}

impl WriteError {
    /// Whether the file system was full.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, WriteError::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}

/// Why a record cannot be read again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file system refused.
    #[error("failed to {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// The bytes are not what was written.
    #[error("log segment `{}` is damaged at byte {offset}, record {position}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// Which record was expected there.
        position: Position,
    },
}
