//! A sliding view of a file, so that scanning needs memory for one record, not for the file.

use outside::File;
use std::io;

/// Bytes read at once.
const CHUNK: usize = 256 * 1024;

/// Reads a file of known size from front to back.
#[derive(Debug)]
pub(crate) struct Window {
    file: Box<dyn File>,
    size: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// Looks at the first `size` bytes of `file`.
    pub(crate) fn new(file: Box<dyn File>, size: u64) -> Window {
        Window { file, size, start: 0, bytes: Vec::new() }
    }

    /// Bytes of the file that may be looked at.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes `at..at + len`, fewer where the file ends.
    pub(crate) fn get(&mut self, at: u64, len: u64) -> io::Result<&[u8]> {
        let end = at.saturating_add(len).min(self.size);
        let at = at.min(end);
        if at < self.start || end > self.start + self.bytes.len() as u64 {
            let wanted = ((end - at) as usize).max(CHUNK).min((self.size - at) as usize);
            self.bytes.resize(wanted, 0);
            self.start = at;
            if let Err(error) = self.file.read_exact_at(&mut self.bytes, at) {
                self.bytes.clear();
                return Err(error);
            }
        }
        Ok(&self.bytes[(at - self.start) as usize..(end - self.start) as usize])
    }
}
