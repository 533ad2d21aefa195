//! The little that the commands themselves ask of the system.
#![allow(clippy::disallowed_methods, reason = "a rim: commands read the files they are told to read")]

#[cfg(feature = "shipper")]
use anyhow::Context as _;
use std::io;
use std::path::{Path, PathBuf};

/// Reads a small text file (at most 1 MiB).
///
/// # Errors
/// What the system said; also when the file is larger or not UTF-8.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(1 << 20).read_to_string(&mut text)?;
    Ok(text)
}

/// Opens a file for reading.
///
/// # Errors
/// What the system said.
pub(crate) fn open(path: &Path) -> io::Result<std::fs::File> {
    std::fs::File::open(path)
}

/// Whether the process runs as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Reads a text file of ours, however long it is.
///
/// # Errors
/// What the system said.
pub(crate) fn read_text_whole(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}

/// Removes a file that may not be there.
#[cfg(feature = "shipper")]
pub(crate) fn remove(path: &Path) {
    // Whoever needs its place finds out why it could not be removed.
    let _gone = std::fs::remove_file(path);
}

/// Lets only the owner read and write a file, or connect to a socket.
///
/// # Errors
/// What the system said.
#[cfg(feature = "shipper")]
pub(crate) fn keep_to_owner(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// Whether `path` is a file.
pub(crate) fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Whether `path` is a folder.
pub(crate) fn is_folder(path: &Path) -> bool {
    path.is_dir()
}

/// Size of a file, if it is there.
pub(crate) fn size_of(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|facts| facts.len())
}

/// Time since a moment in nanoseconds since 1970.
pub(crate) fn age_of(ns: i64) -> std::time::Duration {
    use outside::Clock as _;
    let now = outside::real::RealClock::default().wall_ns();
    std::time::Duration::from_nanos(u64::try_from(now.saturating_sub(ns)).unwrap_or(0))
}

/// The clock that never goes back.
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Nanoseconds since 1970.
pub(crate) fn wall_ns() -> i64 {
    use outside::Clock as _;
    outside::real::RealClock::default().wall_ns()
}

/// Does something on a thread of its own, and waits for it: what waits must not do so inside a runtime.
///
/// # Errors
/// When there is no thread to be had.
#[cfg(feature = "shipper")]
pub(crate) fn apart<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work)?;
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Waits.
pub(crate) fn pause(time: std::time::Duration) {
    std::thread::sleep(time);
}

/// A path made absolute; it must exist. Links stay as they are: one that is switched to another folder is followed.
///
/// # Errors
/// What the system said.
pub(crate) fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::fs::metadata(path)?;
    std::path::absolute(path)
}

/// The host's name.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The host's id: that of systemd, else its name.
pub(crate) fn host_id(host_name: &str) -> String {
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    if id.trim().is_empty() { host_name.to_owned() } else { id.trim().to_owned() }
}

/// Name of the user this runs as; the number where it has none.
pub(crate) fn user_name() -> String {
    let id = rustix::process::geteuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of = |line: &str| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)? == id).then(|| name.to_owned())
    };
    users.lines().find_map(of).unwrap_or(id)
}

/// The host's time zone.
pub(crate) fn host_zone() -> String {
    jiff::tz::TimeZone::system().iana_name().unwrap_or("UTC").to_owned()
}

/// Free bytes where `path` lies, or would lie.
///
/// # Errors
/// What the system said.
pub(crate) fn free_space(path: &Path) -> io::Result<u64> {
    use outside::Files as _;
    let absolute = std::path::absolute(path)?;
    let existing = absolute.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    Ok(outside::real::RealFiles.space(existing)?.free)
}

/// Bytes of all files below `folder`; what cannot be read counts as nothing.
#[cfg(feature = "indexer")]
pub(crate) fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(facts) if facts.is_dir() => bytes_below(&entry.path()),
        Ok(facts) => facts.len(),
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(size).sum()
}

/// When a file was last changed, in nanoseconds since 1970.
pub(crate) fn modified_ns(path: &Path) -> Option<i64> {
    let since = std::fs::metadata(path).ok()?.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}

/// A moment, to measure from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(std::time::Instant);

impl Moment {
    /// Now.
    pub(crate) fn now() -> Moment {
        Moment(std::time::Instant::now())
    }

    /// What has passed since.
    pub(crate) fn elapsed(self) -> std::time::Duration {
        self.0.elapsed()
    }
}

/// Says a line about what a command did, on standard error.
pub(crate) fn say(line: &str) {
    use std::io::Write as _;
    // Nobody may be listening.
    let _unsaid = writeln!(io::stderr(), "{line}");
}

/// What a folder holds.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its path.
    pub(crate) path: PathBuf,
    /// A folder, also behind a link.
    pub(crate) is_folder: bool,
}

/// Lists a folder, in the order of names; a file is listed as itself.
///
/// # Errors
/// What the system said.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<Entry>> {
    if folder.is_file() {
        return Ok(vec![Entry { path: folder.to_owned(), is_folder: false }]);
    }
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_folder = path.is_dir();
        entries.push(Entry { path, is_folder });
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// Time since a file was changed.
pub(crate) fn modified_age(path: &Path) -> Option<std::time::Duration> {
    std::fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

/// A file's group, and whether the group may read it.
pub(crate) fn group_of(path: &Path) -> Option<(String, bool)> {
    use std::os::unix::fs::MetadataExt as _;
    let facts = std::fs::metadata(path).ok()?;
    let name = name_in("/etc/group", facts.gid()).unwrap_or_else(|| facts.gid().to_string());
    Some((name, facts.mode() & 0o040 != 0 && facts.gid() != 0))
}

fn name_in(file: &str, id: u32) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.split(':').nth(2) == Some(&id.to_string()))?;
    line.split(':').next().map(str::to_owned)
}

/// Rights of a file or folder.
pub(crate) fn mode_of(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|facts| facts.mode())
}

/// A number in a file of the kernel's.
pub(crate) fn read_number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// How many files this process may have open.
pub(crate) fn descriptors_max() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many files are asked for.
#[cfg(feature = "shipper")]
const DESCRIPTORS_WANTED: u64 = 8192;

/// Lets this process have as many files open as it may, up to a number; gives the number.
#[cfg(feature = "shipper")]
pub(crate) fn raise_descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(DESCRIPTORS_WANTED, |most| most.min(DESCRIPTORS_WANTED));
    if limit.current.is_some_and(|now| now < wanted) {
        // What may not be raised stays as it is.
        let _refused = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    }
    descriptors_max()
}

/// Writes a small file into a folder, or where the folder would be made, and removes it.
///
/// # Errors
/// What the system said.
pub(crate) fn try_write(folder: &Path) -> io::Result<()> {
    let absolute = std::path::absolute(folder)?;
    let existing = absolute.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let path = existing.join(format!(".carbontrail-doctor-{}", std::process::id()));
    std::fs::File::create_new(&path)?;
    std::fs::remove_file(path)
}

/// Seconds between a moment, in seconds since 1970, and now.
pub(crate) fn seconds_apart(seconds: i64) -> u64 {
    use outside::Clock as _;
    (outside::real::RealClock::default().wall_ns() / 1_000_000_000).abs_diff(seconds)
}

/// Whether a shipper runs on the state folder; an error where none ever did.
#[cfg(feature = "shipper")]
pub(crate) fn is_running(state: &Path) -> anyhow::Result<bool> {
    shipper::is_running(state).with_context(|| {
        format!("no shipper has kept its state in `{}`; name its folder with --state", state.display())
    })
}
