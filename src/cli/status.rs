//! `carbontrail status`: is everything shipped? From the status file the shipper keeps in its state folder,
//! so that it answers while the shipper runs and after it ended.

use crate::config::units::show_size;
use crate::config::{Settings, places};
use crate::out::Out;
use crate::rim;
use anyhow::{Context as _, bail};
use shipper::{FileStatus, Link, Status};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Tells whether everything is shipped: per file its size, its mark, and how far behind it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carbontrail status --json | jq '.files[] | {path, stream, behind_bytes}'\n\n\
    Ends with 0 when all is well, with 1 when something is behind or failing.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Where a shipper keeps its state.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// State folder of the shipper, or data folder of `up`.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Data folder of `up`.
    #[arg(long, value_name = "DIR", conflicts_with = "state")]
    data: Option<PathBuf>,
    /// Configuration file that names the state folder.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    /// The state folder.
    ///
    /// # Errors
    /// When the configuration file cannot be read.
    pub(super) fn folder(&self) -> anyhow::Result<PathBuf> {
        let settings = Settings::load(self.config.as_deref())?;
        let given = self.state.clone().or_else(|| self.data.clone()).or_else(|| settings.path("ship", "state"));
        let folder = given.unwrap_or_else(places::state_folder);
        // `up` keeps the shipper's state inside its data folder; both names of it are understood.
        let inside = folder.join(places::STATE_IN_DATA);
        Ok(if rim::is_file(&inside.join(FILE_NAME)) { inside } else { folder })
    }
}

/// Age from which a status may be left behind by a shipper that ended; with many files it is written less often.
const STALE_AFTER: Duration = Duration::from_secs(30);

/// Seconds behind that are still "all well": the last lines are always on their way.
const BEHIND_SECONDS_MAX: u64 = 30;

/// Runs the command.
///
/// # Errors
/// When there is no status, or something is behind or failing.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = arguments.place.folder()?;
    let mut status = read(&folder)?;
    let age = rim::age_of(status.taken_ns);
    let is_stale = is_stale(&folder, age);
    if is_stale {
        status.files.iter_mut().for_each(look_again);
    }
    let mut out = Out::new();
    if arguments.json {
        out.line(&serde_json::to_string(&status).context("failed to write the status as JSON")?)?;
    } else {
        show(&status, is_stale.then_some(age), &mut out)?;
    }
    out.flush()?;
    match trouble(&status, is_stale) {
        Some(trouble) => bail!("{trouble}"),
        None => Ok(()),
    }
}

const FILE_NAME: &str = "status.json";

/// The status file in a state folder.
///
/// # Errors
/// When there is none.
pub(super) fn read(folder: &Path) -> anyhow::Result<Status> {
    let path = folder.join(FILE_NAME);
    let text = rim::read_text_whole(&path).with_context(|| {
        format!("no shipper has written a status into `{}`; name its folder with --state", folder.display())
    })?;
    serde_json::from_str(&text).with_context(|| format!("`{}` is not a status this version can read", path.display()))
}

/// The shipper is not running: what was written since counts as behind.
fn look_again(file: &mut FileStatus) {
    if let Some(size) = rim::size_of(Path::new(&file.path)).filter(|size| *size > file.size) {
        file.behind_bytes += size - file.size;
        file.size = size;
    }
}

/// Whether the shipper that wrote a status of this age has ended.
pub(super) fn is_stale(folder: &Path, age: Duration) -> bool {
    age > STALE_AFTER && !shipper::is_running(folder).unwrap_or(false)
}

/// What is not well, in one sentence.
pub(super) fn trouble(status: &Status, is_stale: bool) -> Option<String> {
    if let Some(error) = &status.last_error {
        return Some(error.clone());
    }
    if let Some(file) = status.files.iter().find(|file| file.last_error.is_some()) {
        return Some(format!("`{}`: {}", file.path, file.last_error.as_deref().unwrap_or_default()));
    }
    match status.link {
        Link::Down => return Some("the indexer does not answer; the shipper tries again".to_owned()),
        Link::Unauthorized => return Some("the indexer refuses the token".to_owned()),
        Link::Fenced => return Some("a newer start of the same agent took over".to_owned()),
        Link::Starting | Link::Up => {}
    }
    let behind = |file: &&FileStatus| file.behind_bytes > 0 && (is_stale || file.behind_seconds > BEHIND_SECONDS_MAX);
    let files: Vec<&FileStatus> = status.files.iter().filter(behind).collect();
    let bytes: u64 = files.iter().map(|file| file.behind_bytes).sum();
    let why = if is_stale { ", and no shipper is running" } else { "" };
    (!files.is_empty()).then(|| format!("{} file(s) are behind by {}{why}", files.len(), show_size(bytes)))
}

/// `stale`: its age, when no shipper runs.
fn show(status: &Status, stale: Option<Duration>, out: &mut Out) -> anyhow::Result<()> {
    for file in &status.files {
        let stream = if file.stream.is_empty() { "-" } else { &file.stream };
        let behind = match file.behind_bytes {
            0 => "all shipped".to_owned(),
            bytes => format!("{} behind, {} s", show_size(bytes), file.behind_seconds),
        };
        out.line(&format!("{stream:16}  {:>10}  {behind:24}  {}", show_size(file.size), file.path))?;
        let other = [("refused, kept as dead letters", file.dead_bytes), ("left out by a rule", file.excluded_bytes)];
        let other = other.into_iter().chain([("lost", file.lost_bytes)]).filter(|(_, bytes)| *bytes > 0);
        for (what, bytes) in other {
            out.line(&format!("{:18}{} {what}", "", show_size(bytes)))?;
        }
        if file.held_bytes > 0 {
            out.line(&format!("{:18}removed; {} kept on disk until shipped", "", show_size(file.held_bytes)))?;
        }
        if let Some(error) = &file.last_error {
            out.line(&format!("{:18}{error}", ""))?;
        }
    }
    if status.dead_letters > 0 {
        out.line(&format!("{} dead letter(s): see `carbontrail dlq list`", status.dead_letters))?;
    }
    for path in &status.left_out {
        out.line(&format!("left out, older than --since: {path}"))?;
    }
    if let Some(progress) = status.progress {
        let left = progress.seconds_left.map_or("unknown".to_owned(), |seconds| format!("{seconds} s"));
        out.line(&format!(
            "older files: {} left at {}/s, time to go {left}",
            show_size(progress.bytes_left),
            show_size(progress.bytes_per_second)
        ))?;
    }
    if let Some(age) = stale {
        out.line(&format!("no shipper is running here; this is how it stood {} s ago", age.as_secs()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use outside::Files as _;
    use outside::real::RealFiles;

    #[test]
    fn a_status_is_stale_only_when_no_shipper_runs() {
        let folder = tempfile::tempdir().unwrap();
        let old = 2 * STALE_AFTER;
        assert!(is_stale(folder.path(), old));
        assert!(!is_stale(folder.path(), STALE_AFTER / 2));
        let runs = RealFiles.lock(&folder.path().join("lock")).unwrap();
        assert!(!is_stale(folder.path(), old), "with many files it is written less often");
        drop(runs);
        assert!(is_stale(folder.path(), old));
    }
}
