//! A seeded file system, clock and random numbers with faults, for simulation.
//!
//! [`SimDisk`] is the disk of one simulated host; [`SimDisk::process`] gives the view of one process on it.
//! What is not synced may be lost by [`SimDisk::power_cut`]: of a file any suffix of the writes since its last
//! sync, of a folder any suffix of the changes of names since its last sync. A process dies at a chosen
//! system call with [`SimFiles::die_after`]: from then on each of its calls fails without effect.

mod clock;
mod disk;
mod process;

pub use clock::{SimClock, SimRng};
pub use disk::{Call, Fault, SYNC_FAILED, SimDisk, SimFolder};
pub use process::{DEAD, SimFiles};

#[cfg(test)]
mod tests;
