//! Fills log folders as running products do: [`traffic`] is lively and for people, [`numbered`] carries
//! a number in each event, for proofs. Both write through [`log_file`], which rotates by rename.
//!
//! A rim: it writes real files and reads the real clock.

pub mod log_file;
pub mod numbered;
pub mod traffic;
