//! `tap`: what a shipper sends, seen at the shipper.

use crate::binaries::{carbontrail, failure};
use crate::stage::{Stage, line};
use benches::measure::process::Process;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);
/// What needs no answer is done after so long.
const MOMENT: Duration = Duration::from_millis(300);

/// A `tap` that runs, and what it printed.
struct Tap {
    process: Process,
    printing: Receiver<String>,
    printed: Vec<String>,
}

impl Tap {
    fn on(stage: &Stage, more: &[&str]) -> Tap {
        let arguments = [&["tap", "--state", &stage.state], more].concat();
        let (process, out) = Process::start_printing(&carbontrail(), &arguments).unwrap();
        let (lines, printing) = channel();
        std::thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).take_while(|line| lines.send(line.clone()).is_ok()).last()
        });
        Tap { process, printing, printed: Vec::new() }
    }

    /// Waits until it has printed a line with this in it.
    fn wait_for(&mut self, text: &str) {
        let started = Instant::now();
        while !self.has(text) {
            assert!(started.elapsed() < LIMIT, "`{text}` is not shown: {:#?}", self.printed);
            self.printed.extend(self.printing.recv_timeout(Duration::from_millis(20)));
        }
    }

    fn has(&self, text: &str) -> bool {
        self.printed.iter().any(|line| line.contains(text))
    }
}

fn append(stage: &Stage, name: &str, text: &str) {
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).append(true).open(stage.logs.join(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn socket(stage: &Stage) -> PathBuf {
    Path::new(&stage.state).join("tap.sock")
}

/// A shipper of the stage, once it can be tapped.
fn ship(stage: &Stage, more: &[&str]) -> Process {
    let ship = stage.ship(more);
    let started = Instant::now();
    while UnixStream::connect(socket(stage)).is_err() {
        assert!(started.elapsed() < LIMIT, "there is no socket");
        std::thread::sleep(Duration::from_millis(10));
    }
    // That it was looked for here takes a place for a moment.
    std::thread::sleep(MOMENT);
    ship
}

#[test]
fn tap_shows_events_as_they_are_sent() {
    let root = tempfile::tempdir().unwrap();
    let stage = Stage::new(root.path(), 1);
    stage.proxy.seen.gentle.store(true, std::sync::atomic::Ordering::Relaxed);
    let config = root.path().join("carbontrail.toml").display().to_string();
    fs::write(&config, "[redact]\nclasses = [\"secrets\"]\n").unwrap();
    let _serve = stage.serve();
    let _ship = ship(&stage, &["--config", &config]);
    let mut objects = Tap::on(&stage, &["wso2carbon.log", "--format", "ndjson"]);
    let mut text = Tap::on(&stage, &["wso2carbon.log", "--format", "text"]);
    let mut heard_from = 0;
    while !(objects.has("until it listens") && text.has("until it listens")) {
        assert!(heard_from < 300, "nothing is shown");
        heard_from += 1;
        append(&stage, "wso2carbon.log", &line("INFO", "until it listens"));
        for tap in [&mut objects, &mut text] {
            tap.printed.extend(tap.printing.recv_timeout(Duration::from_millis(100)));
        }
    }
    append(&stage, "audit.log", &line("INFO", "not asked for"));
    append(&stage, "wso2carbon.log", &line("ERROR", "login with password=hunter2 failed"));
    // Sent while it may still grow; it does.
    text.wait_for("login with");
    append(&stage, "wso2carbon.log", "\tat org.wso2.Login.with(Login.java:1)\n");
    text.wait_for("Login.java:1");
    append(&stage, "wso2carbon.log", &line("INFO", "after it"));
    text.wait_for("after it");
    objects.wait_for("after it");
    let all: Vec<serde_json::Value> =
        objects.printed.iter().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let settled = |event: &&serde_json::Value| event["log.level"] == "ERROR" && event.get("wso2.provisional").is_none();
    let errors: Vec<_> = all.iter().filter(settled).collect();
    assert_eq!(errors.len(), 1, "{all:#?}");
    let error = errors[0];
    assert!(error["event.original"].as_str().unwrap().ends_with("\tat org.wso2.Login.with(Login.java:1)\n"));
    assert_eq!((&error["wso2.redacted"], &error["lines"]), (&serde_json::json!(true), &serde_json::json!(2)));
    assert!(all.iter().all(|event| event["log.file.path"] == stage.logs.join("wso2carbon.log").display().to_string()));
    for tap in [&objects, &text] {
        assert!(!tap.has("hunter2") && !tap.has("not asked for"), "{:#?}", tap.printed);
    }
    for once in ["login with", "Login.java:1"] {
        let times = text.printed.iter().filter(|line| line.contains(once)).count();
        assert_eq!(times, 1, "`{once}`: {:#?}", text.printed);
    }
}

#[test]
fn tap_tells_what_is_left_out_and_ends_after_so_many_events() {
    let root = tempfile::tempdir().unwrap();
    let stage = Stage::new(root.path(), 1);
    stage.proxy.seen.gentle.store(true, std::sync::atomic::Ordering::Relaxed);
    let old = "TID: [-1234] [] [2001-02-03 10:00:00,000]  INFO {org.wso2.carbon.core.Test} - long ago\n";
    let new: String = (0..3).map(|n| line("INFO", &format!("new {n}"))).collect();
    append(&stage, "wso2carbon.log", &format!("{old}{new}"));
    // Without an indexer nothing is sent yet.
    let _ship = ship(&stage, &[]);
    let mut tap = Tap::on(&stage, &["--format", "ndjson", "--events", "2"]);
    let early = Tap::on(&stage, &["--format", "raw", "--events", "2"]);
    std::thread::sleep(MOMENT);
    let _serve = stage.serve();
    let (status, _) = tap.process.finish(LIMIT).unwrap();
    assert_eq!(status.code(), Some(0));
    tap.printed.extend(tap.printing.iter());
    let all: Vec<serde_json::Value> = tap.printed.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(all.len(), 3, "{all:#?}");
    assert_eq!((&all[0]["fate"], &all[0]["from"]), (&serde_json::json!("excluded"), &serde_json::json!(0)));
    assert_eq!(all[0]["to"], old.len());
    assert!(all[0]["reason"].as_str().unwrap().contains("older than retention"), "{all:#?}");
    assert_eq!([&all[1]["message"], &all[2]["message"]], ["new 0", "new 1"]);
    early.process.finish(LIMIT).unwrap();
    let raw: Vec<String> = early.printing.iter().map(|line| line + "\n").collect();
    assert_eq!(raw.concat(), new[..2 * new.len() / 3], "the bytes alone");
}

/// Connections that take all places; those that came before may not have gone yet.
fn four_who_look(stage: &Stage) -> Vec<UnixStream> {
    let started = Instant::now();
    loop {
        let four: Vec<UnixStream> = (0..4).map(|_| UnixStream::connect(socket(stage)).unwrap()).collect();
        let has_place = |mut stream: &UnixStream| {
            stream.set_read_timeout(Some(MOMENT)).unwrap();
            // One that has none is closed at once.
            !matches!(stream.read(&mut [0; 16]), Ok(0))
        };
        if four.iter().all(has_place) {
            return four;
        }
        assert!(started.elapsed() < LIMIT, "four may look");
        std::thread::sleep(MOMENT);
    }
}

#[test]
fn only_the_owner_and_four_at_a_time_may_look() {
    let root = tempfile::tempdir().unwrap();
    let stage = Stage::new(root.path(), 1);
    let tapped = || failure(&["tap", "--state", &stage.state]);
    let (code, text) = tapped();
    assert!(code == 1 && text.contains("no shipper runs") && text.contains(&stage.state), "{text}");
    let first = ship(&stage, &[]);
    first.kill().unwrap();
    assert!(socket(&stage).exists(), "a kill leaves it");
    let (code, text) = tapped();
    assert!(code == 1 && text.contains("no shipper runs"), "{text}");
    let again = ship(&stage, &[]);
    assert_eq!(fs::metadata(socket(&stage)).unwrap().permissions().mode() & 0o777, 0o600);
    let four = four_who_look(&stage);
    let (code, text) = tapped();
    assert!(code == 1 && text.contains("four may at a time"), "{text}");
    drop(four);
    let started = Instant::now();
    let tap = loop {
        let mut tap = Tap::on(&stage, &[]);
        std::thread::sleep(MOMENT);
        if tap.process.ended().unwrap().is_none() {
            break tap;
        }
        assert!(started.elapsed() < LIMIT, "there is room again");
    };
    again.terminate().unwrap();
    again.finish(LIMIT).unwrap();
    assert!(!socket(&stage).exists(), "an end takes it away");
    assert_eq!(tap.process.finish(LIMIT).unwrap().0.code(), Some(1), "the shipper ended");
}
