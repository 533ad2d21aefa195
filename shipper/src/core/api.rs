//! What goes into a shipper's core and what comes out.

use crate::audit::Audit;
use crate::config::ShipperConfig;
use outside::{Clock, Files, Rng};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use wire::{Answer, Draft};

/// The outside world of a shipper.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "clock and dice have none")]
pub struct ShipperOutside {
    /// Files: logs and state folder.
    pub files: Arc<dyn Files>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// Names a request, so that its answer finds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What happens to a shipper.
#[derive(Clone, Debug)]
pub enum ShipperInput {
    /// Time has passed.
    Tick,
    /// Something changed in this folder, or this file was written to.
    Changed(PathBuf),
    /// Watches lost events: everything may have changed.
    Overflow,
    /// A request was answered, or not.
    Answer {
        /// Which.
        ticket: Ticket,
        /// How.
        result: Result<Answer, SendError>,
    },
    /// Compare all books with the indexer's; the name comes back with the result.
    Audit(String),
    /// The configuration was read again.
    Configure(Box<ShipperConfig>),
    /// Close what is open, ship it, and end.
    Shutdown,
}

/// What a shipper wants done.
#[derive(Clone, Debug)]
pub enum ShipperOutput {
    /// Send this request; an [`ShipperInput::Answer`] with its ticket must follow, late or with an error.
    Send {
        /// Its name.
        ticket: Ticket,
        /// The request.
        request: Draft,
    },
    /// Watch this folder.
    Watch(PathBuf),
    /// Step again no later than at this monotonic time.
    WakeAt(Duration),
    /// Tell people.
    Notice(Notice),
    /// An audit that was asked for is finished.
    Audited(Audit),
    /// Stop; nothing more will come.
    Exit(ExitReason),
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// Life goes on.
    Info,
    /// Recovered from, or waiting.
    Warn,
    /// Data was lost, or someone must act.
    Error,
}

/// One line for people; never a log line's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub importance: Importance,
    /// The line.
    pub text: String,
}

/// Why a shipper ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// It was asked to, and everything closed is acknowledged.
    Shutdown,
    /// It was asked to, but not all answers came in time. Nothing is lost: the files still hold it.
    ShutdownUnanswered,
    /// All that was there is acknowledged.
    Idle,
    /// A newer start of the same agent took over (protocol rule 3); starting again would not help.
    Fenced,
}

/// Why a request was not answered as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// No connection, no answer in time, or an unreadable one: whether it was taken is not known.
    #[error("the indexer does not answer: {0}")]
    Unreachable(String),
    /// 401 or 403.
    #[error("the indexer refuses the token: {0}")]
    Unauthorized(String),
    /// 429, 503 or 507.
    #[error("the indexer is busy: {reason}")]
    Busy {
        /// When to try again.
        retry_after: Option<Duration>,
        /// Why.
        reason: String,
    },
    /// 413.
    #[error("the request is too large for the indexer")]
    TooLarge {
        /// Bytes allowed, where it said so.
        max: Option<u64>,
    },
    /// 426.
    #[error("the indexer speaks another version: {0}")]
    Version(String),
    /// 400 or anything else.
    #[error("the indexer refuses the request: {0}")]
    Refused(String),
}

/// Why a shipper cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process holds the state folder.
    #[error("state folder `{}` is in use by another shipper; stop that one or give this one its own with --state", .0.display())]
    InUse(PathBuf),
    /// The state folder cannot be used.
    #[error("failed to {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// State of a newer version.
    #[error("`{}` was written by version {found} of the state format, this program reads up to {known}; use the newer carbontrail", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// Both state files are damaged.
    #[error("state file `{}` and its twin are damaged; restore the folder, or empty it to ship everything that is there as new files", .0.display())]
    Damaged(PathBuf),
    /// A followed folder does not exist.
    #[error("folder `{}` does not exist; give the folder that holds the logs", .0.display())]
    NoFolder(PathBuf),
}
