//! The real file system, clock and random numbers of Linux. The only place that knows inodes.
#![allow(clippy::disallowed_methods, reason = "this module is the rim that the ban points to")]

use crate::{Clock, File, FileId, Files, Kind, Lock, Metadata, OpenMode, Rng, Space};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFiles;

#[derive(Debug)]
struct RealFile(fs::File);

#[derive(Debug)]
struct RealLock(#[allow(dead_code, reason = "held for its lock, which closing it releases")] fs::File);

impl Lock for RealLock {}

fn nanoseconds(time: SystemTime) -> i64 {
    let wide = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
        Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX),
    };
    i64::try_from(wide).unwrap_or(i64::MAX)
}

fn facts(metadata: &fs::Metadata) -> Metadata {
    let kind = if metadata.is_file() {
        Kind::File
    } else if metadata.is_dir() {
        Kind::Folder
    } else {
        Kind::Other
    };
    Metadata {
        id: FileId { device: metadata.dev(), number: u128::from(metadata.ino()) },
        kind,
        size: metadata.size(),
        modified_ns: metadata.modified().map_or(0, nanoseconds),
        born_ns: metadata.created().ok().map(nanoseconds),
        links: metadata.nlink(),
    }
}

impl File for RealFile {
    fn metadata(&self) -> io::Result<Metadata> {
        Ok(facts(&self.0.metadata()?))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.0.read_at(buf, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(buf, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl Files for RealFiles {
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        Ok(facts(&fs::metadata(path)?))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(PathBuf::from(entry?.file_name()))).collect()
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).mode(0o600);
        match mode {
            OpenMode::Read => {
                // Without this, a fifo under a followed name would block the thread that opens it.
                options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
            }
            OpenMode::Write => {
                options.write(true);
            }
            OpenMode::Create => {
                options.write(true).create(true);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true);
            }
        }
        Ok(Box::new(RealFile(options.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn create_folder_all(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        // What stands above a relative path of one part is the empty path: the working folder.
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        fs::File::open(path)?.sync_all()
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let space = rustix::fs::statvfs(path)?;
        Ok(Space { free: space.f_bavail * space.f_frsize, total: space.f_blocks * space.f_frsize })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => io::Error::from(io::ErrorKind::WouldBlock),
            fs::TryLockError::Error(error) => error,
        })?;
        Ok(Box::new(RealLock(file)))
    }
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct RealClock {
    start: Instant,
}

impl Default for RealClock {
    fn default() -> Self {
        RealClock { start: Instant::now() }
    }
}

impl Clock for RealClock {
    fn wall_ns(&self) -> i64 {
        nanoseconds(SystemTime::now())
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Random numbers of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealRng;

impl Rng for RealRng {
    fn next_u64(&self) -> u64 {
        // The kernel's generator does not fail once the machine is up; there is nothing sound to do without it.
        getrandom::u64().expect("the operating system gives random numbers")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::write_whole;

    #[test]
    fn a_second_lock_would_block_until_the_first_is_dropped() {
        let folder = std::env::temp_dir().join(format!("outside-lock-{}", std::process::id()));
        RealFiles.create_folder_all(&folder).unwrap();
        let path = folder.join("lock");
        let held = RealFiles.lock(&path).unwrap();
        assert_eq!(RealFiles.lock(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        RealFiles.lock(&path).unwrap();
        RealFiles.remove_folder_all(&folder).unwrap();
    }

    #[test]
    fn the_folder_above_a_relative_path_is_synced() {
        RealFiles.sync_folder(Path::new("data").parent().unwrap()).unwrap();
    }

    #[test]
    fn a_written_file_is_private_and_read_back() {
        let folder = std::env::temp_dir().join(format!("outside-write-{}", std::process::id()));
        RealFiles.create_folder_all(&folder).unwrap();
        let path = folder.join("state");
        write_whole(&RealFiles, &path, b"old").unwrap();
        write_whole(&RealFiles, &path, b"newer").unwrap();
        assert_eq!(RealFiles.read_whole(&path, 5).unwrap(), b"newer");
        assert_eq!(RealFiles.read_whole(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(RealFiles.list(&folder).unwrap(), [PathBuf::from("state")]);
        RealFiles.remove_folder_all(&folder).unwrap();
    }
}
