//! All tests that need more than one crate, in one binary: it links once.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "tests look at real files and start real processes")]

mod tidy;
