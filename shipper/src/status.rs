//! "Is everything shipped?": what `carbontrail status` shows.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// State of a shipper at one moment. The rim writes it as `status.json` into the state folder.
///
/// `F` is what is said of its files: all of them, or with 20,000 files in memory their [`Totals`] alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status<F = Vec<FileStatus>> {
    /// When it was taken, nanoseconds since 1970.
    pub taken_ns: i64,
    /// Id of the state folder, hex.
    pub agent: String,
    /// State of the way to the indexer.
    pub link: Link,
    /// What keeps the whole shipper from its work, in one sentence.
    pub last_error: Option<String>,
    /// Marks and cuts cannot be written to the state folder (protocol rule 31).
    pub state_unwritable: bool,
    /// Older files still to ship, when there are any.
    pub progress: Option<Progress>,
    /// Bytes of removed files that are kept on disk because they are not shipped.
    #[serde(default)]
    pub held_bytes: u64,
    /// Requests without answer.
    #[serde(default)]
    pub requests: u64,
    /// As many of them as the indexer bears, by the time its answers take.
    #[serde(default)]
    pub requests_limit: u64,
    /// Bytes declared lost, of all streams, those included that are gone.
    #[serde(default)]
    pub lost_bytes: u64,
    /// Dead letters: events that the indexer refused, kept here.
    #[serde(default)]
    pub dead_letters: u64,
    /// Files, live and finished.
    pub files: F,
    /// Values replaced by redaction since this start, by class or rule.
    #[serde(default)]
    pub redacted: BTreeMap<String, u64>,
    /// Rotated files left out because they are older than `since`.
    pub left_out: Vec<String>,
}

impl<F> Status<F> {
    /// The same with something else said of its files.
    pub fn with<G>(self, files: impl FnOnce(F) -> G) -> Status<G> {
        Status {
            taken_ns: self.taken_ns,
            agent: self.agent,
            link: self.link,
            last_error: self.last_error,
            state_unwritable: self.state_unwritable,
            progress: self.progress,
            held_bytes: self.held_bytes,
            requests: self.requests,
            requests_limit: self.requests_limit,
            lost_bytes: self.lost_bytes,
            dead_letters: self.dead_letters,
            files: files(self.files),
            redacted: self.redacted,
            left_out: self.left_out,
        }
    }
}

impl Status<Totals> {
    /// How things stand, in one line.
    pub fn line(&self) -> String {
        let link = match self.link {
            Link::Starting => "no answer from the indexer yet",
            Link::Up => "indexer answers",
            Link::Down => "indexer does not answer",
            Link::Unauthorized => "the token is refused",
            Link::Fenced => "a newer start took over",
        };
        format!("{} files, {:.1} MB behind; {link}", self.files.files, self.files.behind_bytes as f64 / 1e6)
    }
}

/// What the files of a shipper come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files.
    pub files: u64,
    /// Files that cannot be shipped now.
    pub failing: u64,
    /// Bytes settled.
    pub mark_bytes: u64,
    /// Bytes not settled.
    pub behind_bytes: u64,
    /// Age of the oldest of them.
    pub behind_seconds: u64,
    /// Bytes refused and kept as dead letters.
    pub dead_bytes: u64,
    /// Bytes left out by a rule.
    pub excluded_bytes: u64,
    /// Rotated files left out for their age.
    pub left_out: u64,
}

impl Totals {
    /// Counts one more file.
    pub fn add(&mut self, file: &FileStatus) {
        self.files += 1;
        self.failing += u64::from(file.last_error.is_some());
        self.mark_bytes += file.mark;
        self.behind_bytes += file.behind_bytes;
        self.behind_seconds = self.behind_seconds.max(file.behind_seconds);
        self.dead_bytes += file.dead_bytes;
        self.excluded_bytes += file.excluded_bytes;
    }
}

/// State of the way to the indexer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// No answer yet.
    #[default]
    Starting,
    /// The last request was answered.
    Up,
    /// The last request was not answered; it is being made again.
    Down,
    /// The token is refused.
    Unauthorized,
    /// A newer start of the same agent took over.
    Fenced,
}

/// How far first shipping of older files is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes not yet acknowledged.
    pub bytes_left: u64,
    /// Bytes acknowledged a second, lately.
    pub bytes_per_second: u64,
    /// Seconds until done at this rate; `None` while nothing moves.
    pub seconds_left: Option<u64>,
}

/// State of one file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileStatus {
    /// Its present name, or the last one it had.
    pub path: String,
    /// Its stream, 16 hex digits; empty for a file without a byte.
    pub stream: String,
    /// Bytes.
    pub size: u64,
    /// Bytes settled at the indexer.
    pub mark: u64,
    /// Bytes not settled.
    pub behind_bytes: u64,
    /// Seconds since the oldest of them was seen.
    pub behind_seconds: u64,
    /// Bytes that did not become events: refused, and kept as dead letters.
    #[serde(default)]
    pub dead_bytes: u64,
    /// Bytes left out by a rule.
    #[serde(default)]
    pub excluded_bytes: u64,
    /// Bytes declared lost.
    #[serde(default)]
    pub lost_bytes: u64,
    /// Bytes of it on disk that no name in a log folder has any more: kept for this shipper alone.
    #[serde(default)]
    pub held_bytes: u64,
    /// What keeps it from being shipped, in one sentence.
    pub last_error: Option<String>,
}
