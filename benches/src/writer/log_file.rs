//! One log file with rotation by rename, as log4j2's `RollingFile` does it with `%i` in the pattern: the live
//! file is renamed to `NAME-MM-dd-yyyy-INDEX.log` and a new one is created.
#![allow(clippy::disallowed_methods, reason = "a rim: it writes the files the products would write")]

use crate::local_time::LocalClock;
use anyhow::Context as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// When a file is rotated, and what is kept.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// Size at which the next event goes to a new file.
    pub bytes: u64,
    /// Archives kept of each file; older ones are deleted. `None`: all.
    pub keep: Option<usize>,
}

/// A log file that is being written.
#[derive(Debug)]
pub struct LogFile {
    folder: PathBuf,
    name: String,
    rotation: Rotation,
    file: fs::File,
    size: u64,
    archives: Vec<PathBuf>,
    next_index: u64,
}

impl LogFile {
    /// Opens or creates `name` in `folder`, which is made where it does not exist.
    ///
    /// # Errors
    /// When folder or file cannot be made.
    pub fn open(folder: &Path, name: &str, rotation: Rotation) -> anyhow::Result<LogFile> {
        fs::create_dir_all(folder).with_context(|| format!("failed to make folder `{}`", folder.display()))?;
        let file = append(&folder.join(name))?;
        let size = file.metadata()?.len();
        let stem = format!("{}-", name.trim_end_matches(".log"));
        let mut archives: Vec<(u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let found = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_prefix(stem.as_str()));
            let index = found.and_then(|n| n.strip_suffix(".log")).and_then(|n| n.rsplit('-').next()?.parse().ok());
            archives.extend(index.map(|index| (index, path)));
        }
        archives.sort();
        let next_index = archives.last().map_or(1, |(index, _)| index + 1);
        let archives = archives.into_iter().map(|(_, path)| path).collect();
        Ok(LogFile { folder: folder.to_owned(), name: name.to_owned(), rotation, file, size, archives, next_index })
    }

    /// Bytes in the live file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Rotates when the size is reached, then appends `bytes` in one write.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&mut self, clock: &mut LocalClock, ms: i64, bytes: &[u8]) -> anyhow::Result<()> {
        if self.size >= self.rotation.bytes {
            self.rotate(clock, ms)?;
        }
        self.append(bytes)
    }

    /// Appends `bytes` whatever the size, as the rest of an event that was begun.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn append(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let path = || self.folder.join(&self.name).display().to_string();
        self.file.write_all(bytes).with_context(|| format!("failed to write `{}`", path()))?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Renames the live file and begins a new one.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn rotate(&mut self, clock: &mut LocalClock, ms: i64) -> anyhow::Result<()> {
        let live = self.folder.join(&self.name);
        let stem = self.name.trim_end_matches(".log");
        let archive = self.folder.join(format!("{stem}-{}-{}.log", clock.archive_date(ms), self.next_index));
        fs::rename(&live, &archive).with_context(|| format!("failed to rename `{}`", live.display()))?;
        self.file = append(&live)?;
        self.size = 0;
        self.next_index += 1;
        self.archives.push(archive);
        while self.rotation.keep.is_some_and(|keep| self.archives.len() > keep) {
            let oldest = self.archives.remove(0);
            fs::remove_file(&oldest).with_context(|| format!("failed to delete `{}`", oldest.display()))?;
        }
        Ok(())
    }
}

fn append(path: &Path) -> anyhow::Result<fs::File> {
    let opened = fs::OpenOptions::new().create(true).append(true).open(path);
    opened.with_context(|| format!("failed to open `{}`", path.display()))
}
