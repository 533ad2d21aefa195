//! The store: what is durable ([`wal`], [`marks`], [`manifest`]), what is searched ([`snapshot`]), and the
//! core that moves events from one to the other ([`core`]).

pub mod core;
pub mod segment;
pub mod snapshot;
