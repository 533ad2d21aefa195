//! From files to acknowledged batches.
//!
//! [`ShipperCore`] is a state machine: `step(input) -> outputs`. It reads files and keeps its own state
//! through [`outside::Files`] and has no threads, sockets, sleeping or clock of its own. Threads, watches
//! and HTTP are in the rim around it, [`start`].

mod audit;
mod batch;
mod config;
mod core;
mod dead;
mod doubt;
mod forward;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod identity;
mod kept;
mod packed;
mod rate;
mod records;
mod run;
mod slots;
mod spill;
mod status;
mod stream;
mod tail;
mod tap;
mod watch;

pub use audit::{Audit, AuditSum, IndexerBooks, StreamAudit};
pub use config::{FileFormat, Limits, ShipperConfig, SourceRule, Timing};
pub use core::{
    ExitReason, Importance, Notice, OpenError, SendError, ShipperCore, ShipperInput, ShipperOutput, ShipperOutside,
    Ticket,
};
pub use dead::{Letter, LetterError, ask_for_replay, read_all as read_dead_letters};
pub use forward::{AnswerTo, Forward, ForwardError, HttpForward, Probe, Way};
pub use identity::fits_any;
pub use run::{AUDIT_FILE, Handle, Running, STATUS_FILE, ask_for_audit, is_running, start};
pub use status::{FileStatus, Link, Progress, Status, Totals};
pub use tap::{Heard, Listener, Tapped, Taps};
