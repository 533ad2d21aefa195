//! The command line as scripts and people meet it: exit codes, messages that say what to do, one line when ready,
//! results in three formats, and ends without noise.

use crate::binaries::{carbontrail, failure, output, run};
use benches::local_time::LocalClock;
use benches::measure::process::Process;
use jiff::tz::TimeZone;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const LIMIT: Duration = Duration::from_secs(30);

/// Folders of one test.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { root: tempfile::tempdir().unwrap() };
        fs::create_dir(place.logs()).unwrap();
        place
    }

    fn logs(&self) -> PathBuf {
        self.root.path().join("logs")
    }

    fn data(&self) -> String {
        self.root.path().join("data").display().to_string()
    }

    /// `up` on the logs, on a free port, with its URL.
    fn up(&self) -> (Process, String) {
        let (logs, data) = (self.logs().display().to_string(), self.data());
        Process::start_server(&carbontrail(), &["up", &logs, "--data", &data, "--listen", "127.0.0.1:0"]).unwrap()
    }

    fn append(&self, name: &str, text: &str) {
        let mut options = fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(self.logs().join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

/// A line of yesterday: what is older than the retention is not kept.
fn line(second: u32, level: &str, text: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let day = LocalClock::new(TimeZone::UTC).date(now - 86_400_000);
    format!("TID: [-1234] [] [{day} 10:00:{second:02},000] {level:>5} {{org.wso2.carbon.core.Test}} - {text}\n")
}

/// Waits until a search prints something.
fn found(url: &str, query: &str) -> String {
    let started = Instant::now();
    loop {
        let text = String::from_utf8(run(&["search", query, "--server", url, "--format", "ndjson"])).unwrap();
        if !text.is_empty() {
            return text;
        }
        assert!(started.elapsed() < LIMIT, "`{query}` was not found");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn wrong_usage_ends_with_2_and_failures_with_1() {
    assert_eq!(failure(&["search", "--no-such-option"]).0, 2);
    assert_eq!(failure(&[]).0, 2);
    let (code, text) = failure(&["search", "x", "--server", "http://127.0.0.1:1"]);
    assert!(code == 1 && text.contains("is `carbontrail up` or `serve` running there?"), "{text}");
    let (code, text) = failure(&["parse", "/no/such/file.log"]);
    assert!(code == 1 && text.contains("/no/such/file.log"), "{text}");
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in [
        &["up"][..],
        &["ship"],
        &["serve"],
        &["token", "create"],
        &["parse"],
        &["search"],
        &["tail"],
        &["status"],
        &["top"],
        &["tap"],
        &["validate"],
    ] {
        let help = String::from_utf8(run(&[command, &["--help"]].concat())).unwrap();
        assert!(help.contains("Example"), "{command:?} has no example");
    }
}

#[test]
fn all_problems_of_a_configuration_file_are_told_together() {
    let place = Place::new();
    let path = place.root.path().join("bad.toml").display().to_string();
    fs::write(&path, "[ship]\nclose_afer = \"5s\"\nsince = \"soon\"\n[serve]\nlisten = \"here\"\n").unwrap();
    for arguments in [&["validate", &path][..], &["serve", "--config", &path]] {
        let (code, text) = failure(arguments);
        assert_eq!(code, 1);
        for part in [":2:1: unknown key `close_afer`", "`close_after`?", ":3:9: `since`", ":5:10: `listen`"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }
}

#[test]
fn a_folder_that_does_not_exist_starts_nothing() {
    let place = Place::new();
    let (missing, data) = (place.root.path().join("nowhere").display().to_string(), place.data());
    let (code, text) = failure(&["up", &missing, "--data", &data, "--listen", "127.0.0.1:0"]);
    assert!(code == 1 && text.contains(&missing) && text.contains("does not exist"), "{text}");
}

#[test]
fn a_port_in_use_is_named() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, text) = failure(&["serve", "--data", &place.data(), "--listen", &address]);
    assert!(code == 1 && text.contains(&address) && text.contains("another process uses it"), "{text}");
}

#[test]
fn a_data_folder_in_use_is_named() {
    let place = Place::new();
    let (_first, _) = place.up();
    let (code, text) = failure(&["serve", "--data", &place.data(), "--listen", "127.0.0.1:0"]);
    assert!(code == 1 && text.contains(&place.data()) && text.contains("in use"), "{text}");
}

#[test]
fn what_is_written_is_found_in_every_format_and_after_a_restart() {
    let place = Place::new();
    let bytes = line(1, "INFO", "the first") + &line(2, "ERROR", "the second") + "\tat a.b.C(C.java:1)\n";
    place.append("wso2carbon.log", &bytes);
    let (up, url) = place.up();
    let json = found(&url, "level:ERROR second");
    let event: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(event["log.offset"], line(1, "INFO", "the first").len());
    let text = String::from_utf8(run(&["search", "second", "--server", &url, "--format", "text"])).unwrap();
    assert!(text.contains("the second\n\tat a.b.C(C.java:1)\n") && text.contains("ERROR"), "{text}");
    let stream = event["log.stream"].as_str().unwrap();
    let raw = run(&["search", &format!("stream:{stream}"), "--server", &url, "--format", "raw"]);
    assert_eq!(String::from_utf8(raw).unwrap(), bytes);
    up.terminate().unwrap();
    let (status, _) = up.finish(LIMIT).unwrap();
    assert_eq!(status.code(), Some(0), "SIGTERM ends with 0");
    let (_again, url) = place.up();
    let raw = run(&["search", &format!("stream:{stream}"), "--server", &url, "--format", "raw"]);
    assert_eq!(String::from_utf8(raw).unwrap(), bytes, "after a restart");
}

#[test]
fn a_query_that_is_wrong_says_where() {
    let place = Place::new();
    let (_up, url) = place.up();
    let (code, text) = failure(&["search", "level:ERROR AND (", "--server", &url]);
    assert!(code == 1 && text.contains("at byte"), "{text}");
}

#[test]
fn tail_shows_lines_as_they_arrive() {
    let place = Place::new();
    place.append("wso2carbon.log", &line(1, "INFO", "before"));
    let (_up, url) = place.up();
    found(&url, "before");
    let mut command = Command::new(carbontrail());
    let mut tail = command.args(["tail", "level:WARN", "--server", &url]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    // The connection may come after the first lines; one of them will be in time.
    let writing = std::thread::spawn({
        let path = place.logs().join("wso2carbon.log");
        move || {
            for second in 2..60 {
                let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
                file.write_all(line(second, "WARN", "while it runs").as_bytes()).unwrap();
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    });
    let first = lines.map_while(Result::ok).next().unwrap();
    assert!(first.contains("while it runs"), "{first}");
    tail.kill().unwrap();
    tail.wait().unwrap();
    writing.join().unwrap();
}

#[test]
fn status_tells_when_all_is_shipped() {
    let place = Place::new();
    place.append("wso2carbon.log", &line(1, "INFO", "shipped"));
    let (up, url) = place.up();
    found(&url, "shipped");
    up.terminate().unwrap();
    up.finish(LIMIT).unwrap();
    let status = run(&["status", "--data", &place.data(), "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
    let file = &status["files"][0];
    assert_eq!(Path::new(file["path"].as_str().unwrap()), place.logs().join("wso2carbon.log"));
    assert_eq!((&file["size"], &file["behind_bytes"]), (&file["mark"], &serde_json::json!(0)));
    assert_eq!(file["stream"].as_str().unwrap().len(), 16);
    let top = run(&["top", "--data", &place.data(), "--rounds", "2", "--every", "200ms"]);
    let top = String::from_utf8(top).unwrap();
    assert_eq!(top.matches("wso2carbon.log").count(), 2, "{top}");
    assert!(top.contains("1 file; written 0 B/s") && top.contains("all well"), "{top}");
}

#[test]
fn a_reader_that_has_seen_enough_ends_a_command_quietly() {
    let place = Place::new();
    let text: String = (0..20_000).map(|n| line(n % 60, "INFO", "many")).collect();
    place.append("wso2carbon.log", &text);
    let file = place.logs().join("wso2carbon.log").display().to_string();
    let mut command = Command::new(carbontrail());
    command.args(["parse", &file, "--format", "ndjson"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.stderr.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(first.contains("\"log.offset\":0"));
}

#[test]
fn colours_stay_out_of_pipes() {
    let place = Place::new();
    place.append("wso2carbon.log", &line(1, "ERROR", "no colours here"));
    let (_up, url) = place.up();
    found(&url, "colours");
    let text = output(&["search", "colours", "--server", &url, "--format", "text"]).stdout;
    assert!(!text.contains(&0x1b));
}
