//! Reading and replacing whole files.

use outside::{Files, OpenMode, Safeguard};
use std::io;
use std::path::Path;

/// First bytes and newest known version of a kind of file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileKind {
    pub(crate) magic: [u8; 8],
    pub(crate) version: u32,
}

/// Largest whole file: a mark table of some million streams.
const FILE_BYTES_MAX: u64 = 4 << 30;
const HEADER: usize = 24;

/// Why a whole file cannot be read.
#[derive(Debug)]
pub(crate) enum ReadFailure {
    Missing,
    Newer { found: u32, known: u32 },
    Corrupt(String),
    Io(io::Error),
}

/// Why a whole file was not replaced.
#[derive(Debug)]
pub(crate) enum WriteFailure {
    /// The old one still stands, for sure.
    Kept(io::Error),
    /// Either of the two stands there after a crash.
    InDoubt(io::Error),
}

impl WriteFailure {
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            WriteFailure::Kept(error) | WriteFailure::InDoubt(error) => error,
        }
    }
}

/// The body of a whole file.
pub(crate) fn read_whole(files: &dyn Files, path: &Path, kind: FileKind) -> Result<Vec<u8>, ReadFailure> {
    let mut bytes = files.read_whole(path, FILE_BYTES_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ReadFailure::Missing,
        _ => ReadFailure::Io(error),
    })?;
    let corrupt = |reason: &str| Err(ReadFailure::Corrupt(reason.to_owned()));
    let Some((header, body)) = bytes.split_at_checked(HEADER) else {
        return corrupt("it is shorter than its header");
    };
    if header[..8] != kind.magic {
        return corrupt("it does not begin as a file of this kind");
    }
    let number = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let (version, length) = (number(8), u64::from_le_bytes(header[12..20].try_into().expect("eight bytes")));
    let crc = checksum(&header[..20], body);
    // A newer format may keep its checksum elsewhere: its version is believed without one.
    if version > kind.version {
        return Err(ReadFailure::Newer { found: version, known: kind.version });
    }
    if length != body.len() as u64 {
        return corrupt(&format!("it has {} bytes after its header, {length} were written", body.len()));
    }
    if crc != number(20) || version == 0 {
        return corrupt("its checksum does not fit");
    }
    bytes.drain(..HEADER);
    Ok(bytes)
}

/// Replaces a whole file.
pub(crate) fn replace_whole(files: &dyn Files, path: &Path, kind: FileKind, body: &[u8]) -> Result<(), WriteFailure> {
    let bytes = whole_bytes(kind, body);
    let temporary = path.with_extension("tmp");
    if let Err(error) = write_temporary(files, &temporary, &bytes) {
        // It is in the way of nothing, but the space may be what is missing.
        let _gone = files.remove_file(&temporary);
        return Err(WriteFailure::Kept(error));
    }
    if let Err(error) = files.rename(&temporary, path) {
        let full = error.kind() == io::ErrorKind::StorageFull;
        return Err(if full { WriteFailure::Kept(error) } else { WriteFailure::InDoubt(error) });
    }
    sync_folder(files, path.parent().unwrap_or(Path::new("."))).map_err(WriteFailure::InDoubt)
}

/// All bytes of a whole file.
pub(crate) fn whole_bytes(kind: FileKind, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend_from_slice(&kind.magic);
    bytes.extend_from_slice(&kind.version.to_le_bytes());
    bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
    let crc = checksum(&bytes, body);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(files: &dyn Files, folder: &Path) -> io::Result<()> {
    if Safeguard::SyncFolder.holds() { files.sync_folder(folder) } else { Ok(()) }
}

fn write_temporary(files: &dyn Files, path: &Path, bytes: &[u8]) -> io::Result<()> {
    match files.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = files.open(path, OpenMode::CreateNew)?;
    file.write_all_at(bytes, 0)?;
    file.sync()
}

fn checksum(header: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(body);
    hasher.finalize()
}
