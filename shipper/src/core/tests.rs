//! Tests of the core against a simulated host.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod copies;
mod crash;
mod delivery;
mod exactly_once;
mod exclusion;
mod following;
mod holding;
mod known_failures;
mod limits;
mod many;
mod matching;
mod rotation;
mod seldom;
mod world;
