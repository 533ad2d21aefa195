//! The simulation as a test: many seeds, all faults hit, and a sabotage twin for each safeguard.
#![allow(clippy::print_stdout, reason = "what a run hit is shown beside its result")]

mod sabotage;
mod seeds;
