//! The little that the commands themselves ask of the system.
#![allow(clippy::disallowed_methods, reason = "a rim: commands read the files they are told to read")]

use std::io;
use std::path::Path;

/// Reads a small text file (at most 1 MiB).
///
/// # Errors
/// What the system said; also when the file is larger or not UTF-8.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(1 << 20).read_to_string(&mut text)?;
    Ok(text)
}

/// Opens a file for reading.
///
/// # Errors
/// What the system said.
pub(crate) fn open(path: &Path) -> io::Result<std::fs::File> {
    std::fs::File::open(path)
}

/// Whether the process runs as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
