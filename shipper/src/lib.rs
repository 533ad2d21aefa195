//! From files to acknowledged batches.
//!
//! [`ShipperCore`] is a state machine: `step(input) -> outputs`. It reads files and keeps its own state
//! through [`outside::Files`] and has no threads, sockets, sleeping or clock of its own. Threads, watches
//! and HTTP are in the rim around it, [`run`].

mod batch;
mod config;
mod core;
mod identity;
mod kept;
mod records;
mod slots;
mod status;
mod stream;
mod tail;

pub use config::{Limits, ShipperConfig, Timing};
pub use core::{
    ExitReason, Importance, Notice, OpenError, SendError, ShipperCore, ShipperInput, ShipperOutput, ShipperOutside,
    Ticket,
};
pub use status::{FileStatus, Link, Progress, Status};
