//! A seeded file system, clock and random numbers with faults, for simulation.
