//! What a shipper follows, and within which limits. Every limit and time can be set small for a simulation.

use crate::identity::{fits_pattern, name_of};
use parsers::redact::Rules;
use parsers::{Format, Zone, plain_name};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Configuration of a shipper's core.
#[derive(Clone, Debug)]
pub struct ShipperConfig {
    /// Folders to follow (with their sub-folders), or single files.
    pub folders: Vec<PathBuf>,
    /// File names to follow (`*` and `?`).
    pub include: Vec<String>,
    /// File names left alone though `include` names them.
    pub exclude: Vec<String>,
    /// Rotated files whose last change is older are left out at first sight.
    pub since: Duration,
    /// `host.id`
    pub host_id: String,
    /// `host.name`
    pub host_name: String,
    /// User that it runs as, for the commands that cure a lack of rights.
    pub user: String,
    /// Zone of local times, fixed by configuration.
    pub zone: Option<Zone>,
    /// The host's own zone, used when nothing better is known.
    pub host_zone: Zone,
    /// `service.type`, where configured.
    pub product: Option<String>,
    /// `service.name`, where configured.
    pub service: Option<String>,
    /// Own formats of files.
    pub formats: Vec<FileFormat>,
    /// Whether the layouts in a product's own log4j configuration are read.
    pub product_layouts: bool,
    /// Further fixed fields, by full name.
    pub labels: Vec<(String, String)>,
    /// What is replaced before anything leaves the host; `None`: nothing.
    pub redaction: Option<Arc<Rules>>,
    /// Settings of some files; the first that fits a file holds.
    pub sources: Vec<SourceRule>,
    /// Bytes read a second, over all files.
    pub rate: Option<u64>,
    /// Bytes read a second from each file.
    pub file_rate: Option<u64>,
    /// Ship what is there now, then end.
    pub until_idle: bool,
    /// Bounds in bytes and counts.
    pub limits: Limits,
    /// Intervals and delays.
    pub timing: Timing,
}

impl Default for ShipperConfig {
    fn default() -> Self {
        let names = |list: &[&str]| list.iter().map(|&n| n.to_owned()).collect();
        ShipperConfig {
            folders: Vec::new(),
            include: names(&["*.log", "*.log.*", "*.out", "*.out.*", "*.txt"]),
            // Of compressed files only `.gz` is read; locks and dumps are no logs, and Atomikos keeps its data
            // in files called like logs.
            exclude: names(&["*.zip", "*.bz2", "*.xz", "*.lck", "*.hprof", "*.tmp", "*.swp", "tmlog*"]),
            since: Duration::from_secs(7 * 86_400),
            host_id: String::new(),
            host_name: String::new(),
            user: "carbontrail".to_owned(),
            zone: None,
            host_zone: Zone { name: "UTC".to_owned(), source: parsers::ZoneSource::Host },
            product: None,
            service: None,
            formats: Vec::new(),
            product_layouts: true,
            labels: Vec::new(),
            redaction: None,
            sources: Vec::new(),
            rate: None,
            file_rate: None,
            until_idle: false,
            limits: Limits::default(),
            timing: Timing::default(),
        }
    }
}

/// A format and the files it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct FileFormat {
    /// Names of files without folder, date and index (`*` and `?`).
    pub files: Vec<String>,
    /// Their format.
    pub format: Format,
}

/// Settings of the files that fit one of its patterns.
#[derive(Clone, Debug, Default)]
pub struct SourceRule {
    /// Names, or whole paths where there is a `/` (`*` and `?`).
    pub files: Vec<String>,
    /// Instead of the general one.
    pub zone: Option<Zone>,
    /// Instead of the general one.
    pub product: Option<String>,
    /// Instead of the general one.
    pub service: Option<String>,
    /// Beside the general ones.
    pub labels: Vec<(String, String)>,
    /// Bytes read a second from each of the files.
    pub rate: Option<u64>,
    /// Instead of the general ones.
    pub redaction: Option<Option<Arc<Rules>>>,
}

impl SourceRule {
    fn fits(&self, path: &Path) -> bool {
        let (whole, name) = (path.to_string_lossy(), plain_name(&name_of(path)));
        self.files.iter().any(|pattern| fits_pattern(pattern, if pattern.contains('/') { &whole } else { &name }))
    }
}

impl ShipperConfig {
    /// The settings that hold for a file besides the general ones.
    pub fn source_of(&self, path: &Path) -> Option<&SourceRule> {
        self.sources.iter().find(|source| source.fits(path))
    }

    /// What is replaced in a file.
    pub fn redaction_of(&self, path: &Path) -> Option<Arc<Rules>> {
        self.source_of(path).and_then(|s| s.redaction.clone()).unwrap_or_else(|| self.redaction.clone())
    }

    /// The zone that configuration gives a file.
    pub fn zone_of(&self, path: &Path) -> Option<&Zone> {
        self.source_of(path).and_then(|s| s.zone.as_ref()).or(self.zone.as_ref())
    }

    pub(crate) fn product_of(&self, path: &Path) -> Option<String> {
        self.source_of(path).and_then(|s| s.product.clone()).or_else(|| self.product.clone())
    }

    pub(crate) fn service_of(&self, path: &Path) -> Option<String> {
        self.source_of(path).and_then(|s| s.service.clone()).or_else(|| self.service.clone())
    }

    pub(crate) fn labels_of(&self, path: &Path) -> Vec<(String, String)> {
        let mut labels = self.source_of(path).map(|s| s.labels.clone()).unwrap_or_default();
        for (name, value) in &self.labels {
            if !labels.iter().any(|(known, _)| known == name) {
                labels.push((name.clone(), value.clone()));
            }
        }
        labels
    }

    pub(crate) fn rate_of(&self, path: &Path) -> Option<u64> {
        self.source_of(path).and_then(|s| s.rate).or(self.file_rate)
    }

    /// The rule that leaves out a file that was followed under this name; `None` when it is still followed.
    pub(crate) fn rule_that_leaves_out(&self, path: &Path) -> Option<String> {
        if self.folders.iter().any(|named| named == path) {
            return None;
        }
        let name = name_of(path);
        let below = self.folders.iter().find_map(|folder| path.strip_prefix(folder).ok());
        let names: Vec<String> = match below {
            Some(below) => below.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect(),
            None => vec![name.clone()],
        };
        match self.exclude.iter().find(|pattern| names.iter().any(|name| fits_pattern(pattern, name))) {
            Some(pattern) => Some(format!("`{pattern}` of `exclude`")),
            None => (!self.include.iter().any(|pattern| fits_pattern(pattern, &name))).then(|| "`include`".to_owned()),
        }
    }

    /// Why a file of that name is not followed; `None` when it is.
    pub fn why_left_out(&self, name: &str) -> Option<String> {
        if let Some(pattern) = self.exclude.iter().find(|pattern| fits_pattern(pattern, name)) {
            return Some(format!("its name fits `{pattern}` of `exclude`"));
        }
        let included = self.include.iter().any(|pattern| fits_pattern(pattern, name));
        (!included).then(|| format!("its name fits none of `include` ({})", self.include.join(", ")))
    }
}

/// Bounds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one read.
    pub read_bytes: usize,
    /// Bytes of events in one batch of one stream, and in one request.
    pub batch_bytes_max: usize,
    /// Bytes of log held in memory; reading stops there.
    pub memory_bytes_max: usize,
    /// Bytes read in one step before the core gives way.
    pub step_bytes_max: usize,
    /// Bytes read back for the zone before the first range of a folder (protocol rule 12).
    pub look_back_bytes_max: u64,
    /// Requests without answer at one time, before anything is known about the indexer.
    pub requests_first: usize,
    /// The same, however fast it answers.
    pub requests_max: usize,
    /// So many active files are read as soon as something came, see [`Timing::read_pace`].
    pub unpaced_files_max: usize,
    /// Bytes of an event that travels while still open.
    pub provisional_bytes_max: usize,
    /// Bytes set aside at first for each of the two state files.
    pub state_bytes_min: u64,
    /// Folders watched; others are listed every second.
    pub watches_max: usize,
    /// Files open at one time. Others wait for their turn.
    pub files_open_max: usize,
    /// Files kept open although everything in them is acknowledged.
    pub idle_files_open_max: usize,
    /// Bytes of removed files that are kept on disk because they are not shipped.
    pub held_bytes_max: u64,
    /// The same, in percent of their file system.
    pub held_percent_max: u64,
    /// With less of the file system free, in percent, they are given up.
    pub free_percent_min: u64,
    /// Bytes of dead letters on disk (protocol rule 22).
    pub dead_bytes_max: u64,
    /// Depth of sub-folders followed below a folder.
    pub folder_depth_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            read_bytes: 256 << 10,
            batch_bytes_max: 4 << 20,
            memory_bytes_max: 16 << 20,
            step_bytes_max: 2 << 20,
            look_back_bytes_max: 64 << 20,
            requests_first: 4,
            requests_max: 16,
            unpaced_files_max: 16,
            provisional_bytes_max: 64 << 10,
            state_bytes_min: 256 << 10,
            watches_max: usize::MAX,
            files_open_max: 800,
            idle_files_open_max: 512,
            held_bytes_max: 2 << 30,
            held_percent_max: 5,
            free_percent_min: 5,
            dead_bytes_max: 256 << 20,
            folder_depth_max: 4,
        }
    }
}

/// Times.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// An event idle for so long is closed; a generation unchanged for so long has ended (protocol rules 10, 16).
    pub close_after: Duration,
    /// A line without line end is closed after so long without growth.
    pub partial_line_after: Duration,
    /// Marks are written to the state folder this often.
    pub checkpoint_interval: Duration,
    /// Folders are listed this often even when no watch speaks.
    pub scan_interval: Duration,
    /// A shipper with nothing to send asks this often whether the store is still the same (protocol rule 28).
    pub ask_interval: Duration,
    /// Closed events wait so long for company.
    pub linger: Duration,
    /// A request that is not full waits so long after the last one.
    pub pace: Duration,
    /// With more active files than [`Limits::unpaced_files_max`], one that was read is read again after so long, unless
    /// much of it waits. Each read costs as much as some dozen lines, so what trickles into many files is read in larger
    /// pieces; who was silent is read at once.
    pub read_pace: Duration,
    /// Shortest wait before a request is made again; it doubles, and the wait is a random part of it.
    pub retry_min: Duration,
    /// Longest wait.
    pub retry_max: Duration,
    /// After a shutdown was asked for, answers are awaited so long.
    pub shutdown_grace: Duration,
    /// A notice of progress is given this often while older files are being shipped.
    pub progress_interval: Duration,
    /// What is kept of rotated and removed files is looked at this often.
    pub hold_interval: Duration,
    /// While there are dead letters their folder is looked at this often: a replay may be asked for.
    pub letters_interval: Duration,
    /// Finished streams are remembered so long (longest retention; protocol rule 28).
    pub remember: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            close_after: Duration::from_secs(5),
            partial_line_after: Duration::from_secs(600),
            checkpoint_interval: Duration::from_millis(200),
            scan_interval: Duration::from_secs(60),
            ask_interval: Duration::from_secs(10),
            linger: Duration::ZERO,
            pace: Duration::from_millis(50),
            read_pace: Duration::from_millis(100),
            retry_min: Duration::from_millis(200),
            retry_max: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(5),
            progress_interval: Duration::from_secs(10),
            hold_interval: Duration::from_secs(1),
            letters_interval: Duration::from_secs(1),
            remember: Duration::from_secs(400 * 86_400),
        }
    }
}
