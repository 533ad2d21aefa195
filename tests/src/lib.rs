//! The simulation: shipper, network and store as they are, in one thread, on simulated disks, clock and dice.
//!
//! One seed is one run: random writes, pauses inside events, rotations, deliveries, lost and late answers,
//! kills at any file system call with or without loss of what was not synced, full disks and failed syncs.
//! After every step the oracle looks at all that a query could see (no event twice, none missing that was
//! acknowledged); at the end every byte ever written must be searchable exactly once, or dead, excluded or
//! declared lost. A run counts what it hit; a suite of runs fails when one of these never occurred.

mod counts;
mod death;
mod network;
mod oracle;
mod shipper_side;
mod store_side;
mod trace;
mod world;
mod writer;

pub use counts::{Counts, Hit};
pub use world::{Failure, Options, run};
