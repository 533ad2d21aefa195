//! The store: what is durable ([`wal`], [`marks`], [`manifest`]), what is searched ([`snapshot`]), and the
//! core that moves events from one to the other ([`core`]).

pub mod core;
pub mod embedded;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod manifest;
mod marks;
mod memory;
pub mod naive;
mod recovery;
pub mod segment;
pub mod snapshot;
mod wal;
