//! All tests that need more than one crate, in one binary: it links once.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "what a test met is shown beside its result")]
#![allow(clippy::disallowed_methods, reason = "tests look at real files and start real processes")]

mod binaries;
mod command_line;
mod cut_cable;
mod damage;
mod dead_letters;
mod end_to_end;
mod full_disk;
mod kill_points;
mod log4j2;
mod packaging;
mod parse;
mod proxy;
mod secured;
mod service;
mod stage;
mod tap;
mod tidy;
mod tls;
