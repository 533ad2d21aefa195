//! Tests of the core against a simulated host.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod delivery;
mod exactly_once;
mod following;
mod holding;
mod limits;
mod many;
mod world;
