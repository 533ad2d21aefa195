//! What people see: status, progress, and files that are closed while nothing happens to them.

use super::compare::Unplaced;
use super::{Importance, ShipperCore};
use crate::kept::Phase;
use crate::status::{FileStatus, Progress, Status, Totals};
use crate::stream::Stream;
use serde::{Serialize, Serializer};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::Duration;
use wire::StreamId;

/// Figures of the moment.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Bytes acknowledged since the window began.
    acknowledged: u64,
    window_began: Duration,
    bytes_per_second: u64,
    next_notice: Duration,
    told: BTreeSet<String>,
    was_behind: bool,
    /// Values replaced, by class or rule.
    redacted: BTreeMap<String, u64>,
    told_redacted: bool,
    /// Something may have happened to a file since a status was written.
    pub(super) files_moved: bool,
}

/// Reasons remembered so that each is told once.
const TOLD_MAX: usize = 1000;
/// The rate is that of at least so long.
const WINDOW: Duration = Duration::from_secs(2);

impl Report {
    pub(super) fn acknowledged(&mut self, bytes: u64) {
        self.acknowledged += bytes;
    }

    pub(super) fn redacted(&mut self, counts: Vec<(String, u64)>) {
        for (name, count) in counts {
            *self.redacted.entry(name).or_default() += count;
        }
    }

    /// Whether this was not told before.
    pub(super) fn first_time(&mut self, text: &str) -> bool {
        if self.told.len() >= TOLD_MAX {
            self.told.clear();
        }
        self.told.insert(text.to_owned())
    }
}

/// What cures an error of reading a file, for people; empty where it cures itself.
pub(super) fn cure(user: &str, path: &Path, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return String::new();
    }
    let folder = path.parent().unwrap_or(Path::new("/")).display();
    format!(
        "; to allow it: setfacl -m u:{user}:r '{}' (and for the files to come: setfacl -d -m u:{user}:r '{folder}')",
        path.display()
    )
}

/// One file as `status` names it.
enum Entry<'a> {
    Stream(&'a Stream),
    /// Without a byte, or it could not be read.
    Waiting(&'a Path, Option<&'a str>),
    /// It has no stream yet.
    Unplaced(&'a Unplaced),
}

impl<'a> Entry<'a> {
    fn path(&self) -> &'a Path {
        match self {
            Entry::Stream(stream) => &stream.kept.path,
            Entry::Waiting(path, _) => path,
            Entry::Unplaced(file) => &file.path,
        }
    }
}

/// Files of a status, made one after the other when they are written.
struct Files<'a> {
    now: Duration,
    entries: Vec<Entry<'a>>,
    /// Of those that were made.
    totals: Cell<Totals>,
}

impl Files<'_> {
    fn of(&self, entry: &Entry<'_>) -> FileStatus {
        let path = entry.path().display().to_string();
        match entry {
            Entry::Stream(stream) => {
                let behind = stream.behind();
                let since = stream.behind_since.filter(|_| behind > 0);
                FileStatus {
                    path,
                    stream: stream.kept.id.to_string(),
                    size: stream.size,
                    mark: stream.kept.mark.0,
                    behind_bytes: behind,
                    dead_bytes: stream.kept.other.dead,
                    excluded_bytes: stream.kept.other.excluded,
                    lost_bytes: stream.kept.other.lost,
                    held_bytes: stream.held_bytes,
                    behind_seconds: since.map_or(0, |s| self.now.saturating_sub(s).as_secs()),
                    last_error: stream.error.clone(),
                }
            }
            Entry::Waiting(_, why) => FileStatus { path, last_error: why.map(str::to_owned), ..FileStatus::default() },
            Entry::Unplaced(file) => {
                let (size, why) = (file.facts.size, file.why.clone().into_owned());
                FileStatus { path, size, last_error: Some(why), behind_bytes: size, ..FileStatus::default() }
            }
        }
    }
}

impl Serialize for Files<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.entries.iter().map(|entry| {
            let file = self.of(entry);
            let mut totals = self.totals.get();
            totals.add(&file);
            self.totals.set(totals);
            file
        }))
    }
}

impl ShipperCore {
    /// How things stand.
    pub fn status(&self) -> Status {
        let (status, files) = self.status_of_files();
        status.with(|()| files.entries.iter().map(|entry| files.of(entry)).collect())
    }

    /// The same written as JSON, file after file: with 20,000 of them it has some megabytes. Gives what they come to.
    ///
    /// # Errors
    /// What `to` said.
    pub fn write_status(&self, to: &mut impl io::Write) -> io::Result<Status<Totals>> {
        let (status, files) = self.status_of_files();
        let status = status.with(|()| files);
        serde_json::to_writer(to, &status).map_err(io::Error::other)?;
        let left_out = status.left_out.len() as u64;
        let status = status.with(|files| Totals { left_out, ..files.totals.get() });
        Ok(Status { left_out: Vec::new(), ..status })
    }

    /// What can be said without looking at each file; `lost_bytes` and `left_out` are not in it.
    pub fn outline(&self) -> Status<()> {
        let folder_error = self.folders.values().find_map(|f| f.error.clone());
        Status {
            taken_ns: self.outside.clock.wall_ns(),
            agent: self.agent.id.to_string(),
            link: self.link.status,
            last_error: self.link.error.clone().or(folder_error),
            state_unwritable: self.journal.failed,
            progress: self.progress(),
            held_bytes: self.holding.bytes,
            requests: self.link.in_flight.len() as u64,
            requests_limit: self.link.at_once() as u64,
            lost_bytes: 0,
            dead_letters: self.dead.size().0 as u64,
            files: (),
            redacted: self.report.redacted.clone(),
            left_out: Vec::new(),
        }
    }

    /// Whether anything may have happened to a file since this was asked last.
    pub fn files_moved(&mut self) -> bool {
        std::mem::take(&mut self.report.files_moved)
    }

    fn status_of_files(&self) -> (Status<()>, Files<'_>) {
        let (mut lost_bytes, mut entries) = (0, Vec::with_capacity(self.streams.len()));
        for stream in self.streams.values() {
            lost_bytes += stream.kept.other.lost;
            if stream.has_file() || stream.kept.phase == Phase::Detached && stream.behind() > 0 {
                entries.push(Entry::Stream(stream));
            }
        }
        let waiting = self.folders.values().flat_map(|f| &f.waiting);
        entries.extend(waiting.map(|(path, why)| Entry::Waiting(path, why.as_deref())));
        entries.extend(self.unplaced.values().filter(|f| !f.is_twin).map(Entry::Unplaced));
        entries.sort_by_key(|entry| entry.path().as_os_str());
        let left_out = self.scans.left_out.iter().map(|p| p.display().to_string()).collect();
        let status = Status { lost_bytes, left_out, ..self.outline() };
        (status, Files { now: self.now, entries, totals: Cell::default() })
    }

    /// What keeps it from resting, for tests that wait for it.
    #[cfg(test)]
    pub(crate) fn why_awake(&self) -> String {
        let streams: Vec<String> = self
            .active
            .iter()
            .filter_map(|id| self.streams.get(id))
            .map(|s| {
                let wake = self.wake_of(s);
                format!(
                    "{} {:?} {:?} durable {} orphan {:?} naming {:?} suspect {} may read {} wake {wake:?} unread {} open {} building {} busy {:?} retry {:?}",
                    s.kept.path.display(),
                    s.kept.phase,
                    s.opened,
                    s.durable,
                    s.orphan,
                    s.naming,
                    s.suspect,
                    self.may_read(s),
                    s.unread(),
                    s.open_bytes(),
                    s.building.is_some(),
                    s.busy,
                    s.retry_at
                )
            })
            .collect();
        format!(
            "more to read {}; scan {:?}; link retry {:?}, {} in flight; memory {}; {streams:#?}",
            self.more_to_read,
            self.scans.next,
            self.link.retry_at,
            self.link.in_flight.len(),
            self.memory()
        )
    }

    /// Bytes of log held in memory.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.streams.values().map(|s| s.memory()).sum()
    }

    /// Older files still to ship; `None` when there are none.
    fn progress(&self) -> Option<Progress> {
        let waiting = self.active.iter().filter_map(|id| self.streams.get(id));
        let (mut bytes_left, mut backfill) = (0, false);
        for stream in waiting {
            bytes_left += stream.behind();
            backfill |= stream.kept.backfill && stream.behind() > 0;
        }
        let rate = self.report.bytes_per_second;
        backfill.then(|| Progress { bytes_left, bytes_per_second: rate, seconds_left: bytes_left.checked_div(rate) })
    }

    /// A line of progress now and then while older files are shipped, and one when they are.
    pub(super) fn tell_progress(&mut self) {
        let window = self.now.saturating_sub(self.report.window_began);
        if window >= WINDOW {
            let per_second = u128::from(self.report.acknowledged) * 1000 / window.as_millis().max(1);
            self.report.bytes_per_second = u64::try_from(per_second).unwrap_or(u64::MAX);
            self.report.acknowledged = 0;
            self.report.window_began = self.now;
        }
        if self.now < self.report.next_notice {
            return;
        }
        self.report.next_notice = self.now + self.config.timing.progress_interval;
        self.tell_redacted();
        match self.progress() {
            Some(progress) => {
                self.report.was_behind = true;
                let eta = progress.seconds_left.map_or_else(|| "not yet known".to_owned(), |s| format!("{s} s"));
                let text = format!(
                    "older files: {:.1} MB left, {:.1} MB/s, time to go {eta}",
                    progress.bytes_left as f64 / 1e6,
                    progress.bytes_per_second as f64 / 1e6
                );
                self.notice(Importance::Info, text);
            }
            None if std::mem::take(&mut self.report.was_behind) => {
                self.notice(Importance::Info, "older files are shipped");
            }
            None => {}
        }
    }

    /// Says once what was found: that logs hold credentials is worth knowing where they are written.
    pub(super) fn tell_redacted(&mut self) {
        if self.report.told_redacted || self.report.redacted.is_empty() {
            return;
        }
        self.report.told_redacted = true;
        let counts = self.report.redacted.iter().map(|(name, count)| format!("{name} {count}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        let text = format!("the logs hold secrets, replaced before they leave this host: {counts}; `status` counts on");
        self.notice(Importance::Warn, text);
    }

    /// Files at rest are closed beyond a number; the ones idle longest first.
    pub(super) fn close_idle_files(&mut self) {
        let most = self.config.limits.idle_files_open_max;
        let idle = self.streams.values().filter(|s| s.tail.is_some() && !self.active.contains(&s.kept.id));
        let mut idle: Vec<(Duration, StreamId)> = idle.map(|s| (s.grew_at, s.kept.id)).collect();
        let Some(surplus) = idle.len().checked_sub(most).filter(|n| *n > 0) else { return };
        idle.sort();
        for (_, id) in idle.into_iter().take(surplus) {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.let_go();
            }
        }
    }
}
