//! Files and folders.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

/// What tells one file from another on a host, whatever its name. Room for Windows' volume + 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// Device or volume.
    pub device: u64,
    /// Inode or file index.
    pub number: u128,
}

/// What a name points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// Anything else: socket, fifo, device.
    Other,
}

/// Facts of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Identity.
    pub id: FileId,
    /// File, folder or other.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// Last change of its bytes, nanoseconds since 1970.
    pub modified_ns: i64,
    /// Birth time where the file system keeps it, nanoseconds since 1970.
    pub born_ns: Option<i64>,
    /// Names that point to it; 0 for a removed file that is still open.
    pub links: u64,
}

/// Size of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes an unprivileged writer can still use.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading; it must exist.
    Read,
    /// For reading and writing; it must exist.
    Write,
    /// For reading and writing; made (0600) when missing.
    Create,
    /// For reading and writing; made (0600), and it is an error if it exists.
    CreateNew,
}

/// An open file. Dropping it closes it.
pub trait File: Send + Sync + Debug {
    /// Its facts now.
    fn metadata(&self) -> io::Result<Metadata>;
    /// Reads up to `buf.len()` bytes from `offset`; 0 at the end. May be short.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `buf` at `offset`. After an error any part of it may have been written.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts or grows the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes its bytes and size durable (fdatasync). After an error nothing may be assumed of them.
    fn sync(&self) -> io::Result<()>;

    /// Reads exactly `buf.len()` bytes from `offset`.
    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read_at(buf, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => {
                    buf = &mut buf[n..];
                    offset += n as u64;
                }
            }
        }
        Ok(())
    }
}

/// A held exclusive lock of a folder; released on drop and when the process dies.
pub trait Lock: Send + Sync + Debug {}

/// The file system.
pub trait Files: Send + Sync + Debug {
    /// Facts of what `path` points to (symbolic links followed).
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;
    /// Names in a folder, in no order.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>>;
    /// Renames, replacing what stands at `to`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes a second name.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and all in it.
    fn remove_folder_all(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder and those above it (0700).
    fn create_folder_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Free and total space where `path` lies.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Takes an exclusive lock on a file (made when missing); `WouldBlock` when another holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;

    /// Reads a whole file of at most `max` bytes.
    fn read_whole(&self, path: &Path, max: u64) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let size = file.metadata()?.size;
        if size > max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{size} bytes, at most {max} expected")));
        }
        let mut bytes = vec![0; size as usize];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

/// Replaces `path` by `bytes` so that after a crash either the old or the new content stands there:
/// temporary file, sync, rename, sync of the folder.
///
/// # Errors
/// What the file system said; the old content still stands unless the last step failed.
pub fn write_whole(files: &dyn Files, path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_whole_and_zeros(files, path, bytes, bytes.len() as u64)
}

/// The same, with zeros behind the bytes up to `size`.
///
/// # Errors
/// As of [`write_whole`].
pub fn write_whole_and_zeros(files: &dyn Files, path: &Path, bytes: &[u8], size: u64) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let _gone = files.remove_file(&temporary);
    let file = files.open(&temporary, OpenMode::CreateNew)?;
    file.write_all_at(bytes, 0)?;
    write_zeros(&*file, bytes.len() as u64, size)?;
    file.sync()?;
    drop(file);
    files.rename(&temporary, path)?;
    files.sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Writes zeros from `from` to `to`, as far as that is behind it: only then are the blocks ours when the disk is full
/// later.
///
/// # Errors
/// What the file system said; some of them may stand there.
pub fn write_zeros(file: &dyn File, from: u64, to: u64) -> io::Result<()> {
    const PIECE: u64 = 256 << 10;
    let zeros = vec![0; to.saturating_sub(from).min(PIECE) as usize];
    let mut at = from;
    while at < to {
        let piece = &zeros[..(to - at).min(PIECE) as usize];
        file.write_all_at(piece, at)?;
        at += piece.len() as u64;
    }
    Ok(())
}
