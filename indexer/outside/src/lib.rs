//! The outside world as seen by the two cores: files, clock, randomness. The real one is in [`real`];
//! [`sim`] is a seeded one with faults, for the simulation. Nothing else in the workspace may call
//! `std::fs`, read a clock or draw random numbers (clippy's `disallowed_methods`).

mod clock;
mod files;
pub mod real;
mod safeguard;
pub mod sim;

pub use clock::{Clock, Rng};
pub use files::{
    File, FileId, Files, Kind, Lock, Metadata, OpenMode, Space, write_whole, write_whole_and_zeros, write_zeros,
};
pub use safeguard::Safeguard;
