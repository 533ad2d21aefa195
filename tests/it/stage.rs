//! The folders, addresses and processes of one run: a server, a shipper, and a proxy between them.

use crate::binaries::{carbontrail, output, run};
use crate::proxy::Proxy;
use benches::local_time::LocalClock;
use benches::measure::process::Process;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// One run.
pub(crate) struct Stage {
    pub(crate) logs: PathBuf,
    pub(crate) data: String,
    pub(crate) state: String,
    pub(crate) token: String,
    pub(crate) server: SocketAddr,
    pub(crate) proxy: Proxy,
}

impl Stage {
    /// Folders below `root`; nothing runs but the proxy.
    pub(crate) fn new(root: &Path, seed: u64) -> Stage {
        let data = root.join("data").display().to_string();
        let made = run(&["token", "create", "--agent", "--owner", "local", "--env", "default", "--data", &data]);
        let token = root.join("token");
        fs::write(&token, made).unwrap();
        let logs = root.join("logs");
        fs::create_dir_all(&logs).unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Stage {
            logs,
            data,
            state: root.join("state").display().to_string(),
            token: token.display().to_string(),
            server,
            proxy: Proxy::start(server, seed),
        }
    }

    /// The server.
    pub(crate) fn serve(&self) -> Process {
        let listen = self.server.to_string();
        let arguments = ["serve", "--data", &self.data, "--listen", &listen];
        Process::start_server(&carbontrail(), &arguments).unwrap().0
    }

    /// The shipper, through the proxy.
    pub(crate) fn ship(&self, more: &[&str]) -> Process {
        Process::start(&carbontrail(), &self.ship_arguments(more).iter().map(String::as_str).collect::<Vec<_>>())
            .unwrap()
    }

    /// What follows `carbontrail` to start the shipper.
    pub(crate) fn ship_arguments(&self, more: &[&str]) -> Vec<String> {
        let (logs, to) = (self.logs.display().to_string(), format!("http://{}", self.proxy.address));
        let arguments = ["ship", &logs, "--to", &to, "--token-file", &self.token, "--state", &self.state];
        arguments.iter().chain(more).map(|&argument| argument.to_owned()).collect()
    }

    /// The server's address for people.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server)
    }

    /// The bytes of what is found, in file order.
    pub(crate) fn search(&self, query: &str) -> Vec<u8> {
        run(&["search", query, "--server", &self.url(), "--format", "raw"])
    }

    /// Each file on disk, more than `least` of them, is what the search of its stream gives, byte for byte, and each
    /// number written is found once.
    pub(crate) fn every_file_comes_back(&self, least: usize) {
        let status = run(&["status", "--state", &self.state, "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
        let streams: BTreeMap<&str, &str> = status["files"].as_array().unwrap().iter().filter_map(stream_of).collect();
        let files = files(&self.logs);
        assert!(files.len() > least, "only {} files: there was no rotation", files.len());
        let mut numbers: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        for (path, bytes) in files.iter().filter(|(_, bytes)| !bytes.is_empty()) {
            let name = path.display().to_string();
            let stream =
                streams.get(name.as_str()).unwrap_or_else(|| panic!("status does not name the stream of {name}"));
            let found = self.search(&format!("stream:{stream}"));
            assert!(found == *bytes, "{name} (stream {stream}) came back changed: {}", difference(bytes, &found));
            count_numbers(&found, &mut numbers);
        }
        assert!(numbers.values().all(|&times| times == 1), "a number came twice");
        let mut written = BTreeMap::new();
        files.values().for_each(|bytes| count_numbers(bytes, &mut written));
        assert_eq!(numbers.len(), written.len(), "numbers are missing");
        // The same once more without naming streams: everything the store holds, whatever stream it is in.
        let mut found = BTreeMap::new();
        count_numbers(&self.search("counted"), &mut found);
        assert_eq!(found.len(), written.len(), "the search for all numbers finds others");
        assert!(found.values().all(|&times| times == 1), "a number is found twice");
        eprintln!("{} files, {} numbers, each found once", files.len(), written.len());
    }

    /// Asks a server that runs, through a shipper that is started for it, whether all books add up; the streams.
    pub(crate) fn audit(&self) -> Vec<serde_json::Value> {
        let ship = self.ship(&[]);
        let audit = loop {
            // The shipper that was just started may not hold its folder yet.
            if shipper::is_running(Path::new(&self.state)).unwrap() {
                break output(&["audit", "--json", "--state", &self.state]);
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        };
        drop(ship);
        let text = String::from_utf8(audit.stdout).unwrap();
        let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let wrong: Vec<&serde_json::Value> = rows.iter().filter(|row| row["faults"] != serde_json::json!([])).collect();
        let errors = String::from_utf8_lossy(&audit.stderr);
        assert!(audit.status.success() && wrong.is_empty(), "{errors}{wrong:#?}");
        rows
    }
}

/// Log files on disk with their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

fn stream_of(file: &serde_json::Value) -> Option<(&str, &str)> {
    Some((file["path"].as_str()?, file["stream"].as_str().filter(|stream| !stream.is_empty())?))
}

/// Where two byte strings begin to differ, for the failure's message.
fn difference(wanted: &[u8], found: &[u8]) -> String {
    let at = wanted.iter().zip(found).position(|(a, b)| a != b).unwrap_or(wanted.len().min(found.len()));
    let near =
        |bytes: &[u8]| String::from_utf8_lossy(&bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())]).into_owned();
    format!(
        "{} and {} bytes, from byte {at}: wanted {:?}, found {:?}",
        wanted.len(),
        found.len(),
        near(wanted),
        near(found)
    )
}

/// A folder for a test that keeps files for the shipper: on a disk that is almost full it would give them up, as it
/// should, so there memory is taken instead.
pub(crate) fn roomy_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let used = Command::new("df").arg("--output=pcent").arg(std::env::temp_dir()).output().unwrap().stdout;
    let used =
        String::from_utf8_lossy(&used).lines().nth(1).and_then(|line| line.trim().trim_end_matches('%').parse().ok());
    match used {
        Some(85u32..) if memory.is_dir() => tempfile::tempdir_in(memory).unwrap(),
        _ => tempfile::tempdir().unwrap(),
    }
}

/// Every number in these bytes (`counted seq=NUMBER;`) with how often it stands there.
pub(crate) fn count_numbers(bytes: &[u8], into: &mut BTreeMap<Vec<u8>, u32>) {
    const START: &[u8] = b"counted seq=";
    for line in bytes.split(|&b| b == b'\n') {
        let Some(at) = memchr::memmem::find(line, START) else { continue };
        let rest = &line[at + START.len()..];
        if let Some(end) = rest.iter().position(|&b| b == b';') {
            *into.entry(rest[..end].to_vec()).or_default() += 1;
        }
    }
}

/// A line of yesterday: what is older than the retention is not kept.
pub(crate) fn line(level: &str, text: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let day = LocalClock::new(TimeZone::UTC).date(now - 86_400_000);
    format!("TID: [-1234] [] [{day} 10:00:00,000] {level:>5} {{org.wso2.carbon.core.Test}} - {text}\n")
}

/// Whether the test can be run here; where it cannot it is skipped, saying why, and fails under `CI=true`.
pub(crate) fn can(what: &str, possible: bool) -> bool {
    if !possible {
        assert!(std::env::var_os("CI").is_none(), "{what}");
        eprintln!("SKIPPED: {what}");
    }
    possible
}

/// As [`can`], for rights that not every machine gives, CI's neither: then it is only skipped.
pub(crate) fn may(what: &str, possible: bool) -> bool {
    if !possible {
        eprintln!("SKIPPED: {what}");
    }
    possible
}

/// Whether system calls can be traced here.
pub(crate) fn can_trace() -> bool {
    let traced = || Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    can("strace that may trace is needed", has("strace") && traced().is_ok_and(|o| o.status.success()))
}

/// Whether a program can be started.
pub(crate) fn has(program: &str) -> bool {
    Command::new("sh").args(["-c", &format!("command -v {program}")]).output().is_ok_and(|o| o.status.success())
}
