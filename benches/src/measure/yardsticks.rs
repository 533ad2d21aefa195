//! What this machine does with the same bytes by itself: figures are only worth something beside these.
#![allow(clippy::disallowed_methods, reason = "a rim: it reads and writes real files")]

use super::{percentile, sorted};
use anyhow::{Context as _, bail};
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Megabytes (10^6) a second.
pub fn megabytes_per_second(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 / 1e6 / seconds.max(1e-9)
}

/// MB/s of compressing the files with zstd 1 on one core, and the ratio.
///
/// # Errors
/// When a file cannot be read.
pub fn zstd_1(files: &[PathBuf]) -> anyhow::Result<(f64, f64)> {
    let (mut read, mut seconds, mut written) = (0u64, 0.0, 0u64);
    for path in files {
        let mut bytes = Vec::new();
        fs::File::open(path).and_then(|mut f| f.read_to_end(&mut bytes)).with_context(|| path.display().to_string())?;
        let started = Instant::now();
        let mut encoder = zstd::stream::Encoder::new(Counter::default(), 1)?;
        encoder.write_all(&bytes)?;
        written += encoder.finish()?.0;
        seconds += started.elapsed().as_secs_f64();
        read += bytes.len() as u64;
    }
    Ok((megabytes_per_second(read, seconds), read as f64 / written.max(1) as f64))
}

/// Processor seconds of this thread so far.
///
/// # Errors
/// When /proc cannot be read.
pub fn thread_seconds() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").context("failed to read the thread's clock")?;
    let nanos: u64 = text.split(' ').next().unwrap_or_default().parse().context("failed to read the thread's clock")?;
    Ok(nanos as f64 / 1e9)
}

#[derive(Default)]
struct Counter(u64);

impl std::io::Write for Counter {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.0 += buffer.len() as u64;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// MB/s of `grep -c WORD` over the files, and the number of lines it found.
///
/// # Errors
/// When grep cannot be run.
pub fn grep_count(files: &[PathBuf], word: &str) -> anyhow::Result<(f64, u64)> {
    let bytes = files.iter().map(|path| Ok(fs::metadata(path)?.len())).sum::<std::io::Result<u64>>()?;
    let started = Instant::now();
    let mut command = Command::new("grep");
    command.env("LC_ALL", "C").args(["-hc", word]).args(files).stderr(Stdio::inherit());
    let output = command.output().context("failed to run grep")?;
    let seconds = started.elapsed().as_secs_f64();
    if output.status.code() == Some(2) {
        bail!("grep failed");
    }
    let counts = String::from_utf8_lossy(&output.stdout);
    let found = counts.lines().filter_map(|line| line.trim().parse::<u64>().ok()).sum();
    Ok((megabytes_per_second(bytes, seconds), found))
}

/// Milliseconds of a 4 KiB append followed by fdatasync in `folder`: median and 99th percentile.
///
/// # Errors
/// When the file system refuses.
pub fn append_and_sync(folder: &Path) -> anyhow::Result<(f64, f64)> {
    let path = folder.join("yardstick.tmp");
    let mut file = fs::File::create(&path).with_context(|| path.display().to_string())?;
    let mut times = Vec::new();
    for _ in 0..400 {
        let started = Instant::now();
        file.write_all(&[b'x'; 4096])?;
        file.sync_data()?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    fs::remove_file(&path)?;
    let times = sorted(times);
    Ok((percentile(&times, 50.0), percentile(&times, 99.0)))
}

/// Bytes of all files below `folder`, as the file system counts them.
///
/// # Errors
/// When a folder cannot be read.
pub fn bytes_on_disk(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { bytes_on_disk(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
