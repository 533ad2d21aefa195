//! The simulation as a test: many seeds, all faults hit, and a sabotage twin for each safeguard.

mod sabotage;
mod seeds;
