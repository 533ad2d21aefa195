//! A disk that is full for real: `serve` on a small file system that is filled and freed while a shipper sends.
//! Needs to be root, to mount one; elsewhere it is skipped, and says so.

use crate::binaries::{carbontrail, run};
use benches::local_time::LocalClock;
use benches::measure::process::Process;
use bytes::Bytes;
use jiff::tz::TimeZone;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wire::{AgentId, Epoch, Fate, Hello, Message, Offset, Range, Ranges, Request, StreamId};

const LIMIT: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;
const LINES: usize = 2_000;

/// A file system of 64 MiB.
struct Small(PathBuf);

impl Small {
    fn mount(at: PathBuf) -> Option<Small> {
        fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "none"]).arg(&at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Small(at))
    }

    fn free(&self) -> u64 {
        let text = Command::new("df").args(["--output=avail", "-B1"]).arg(&self.0).output().unwrap().stdout;
        String::from_utf8(text).unwrap().lines().nth(1).unwrap().trim().parse().unwrap()
    }

    /// Fills it with something of others until so much is left.
    fn fill(&self, left: u64) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.junk()).unwrap();
        let bytes = vec![1u8; usize::try_from(self.free().saturating_sub(left)).unwrap()];
        // The last page may not fit.
        let _full = file.write_all(&bytes);
    }

    fn junk(&self) -> PathBuf {
        self.0.join("junk")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Status of a request, and what came with it.
fn ask(url: &str, head: &str, body: &[u8]) -> (u16, String) {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("{head} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
}

/// A message that every start of a shipper sends, and one that says that bytes were lost.
fn messages() -> [Vec<u8>; 2] {
    let request = |message| Request { agent: AgentId([9; 16]), epoch: Epoch::default(), messages: vec![message] };
    let range = Range {
        from: Offset(0),
        to: Some(Offset(10)),
        fate: Fate::Lost("a test".to_owned()),
        context: Bytes::new(),
        anchors: Vec::new(),
    };
    let ranges = Message::Ranges(Ranges { stream: StreamId(1), ranges: vec![range] });
    [Message::Hello(Hello::default()), ranges].map(|message| wire::encode_request(&request(message)))
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LIMIT, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn write_logs(logs: &Path) {
    fs::create_dir(logs).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let day = LocalClock::new(TimeZone::UTC).date(now - 86_400_000);
    let line = |n: usize| {
        format!("TID: [-1234] [] [{day} 10:00:{:02},000]  INFO {{org.wso2.carbon.core.Test}} - number {n}\n", n % 60)
    };
    fs::write(logs.join("wso2carbon.log"), (0..LINES).map(line).collect::<String>()).unwrap();
}

#[test]
fn a_full_disk_is_told_and_everything_goes_on_when_there_is_room() {
    let place = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(place.path().join("small")) else {
        eprintln!("SKIPPED: a small file system can be mounted by root only");
        return;
    };
    let (logs, state) = (place.path().join("logs"), place.path().join("state").display().to_string());
    write_logs(&logs);
    let config = place.path().join("serve.toml").display().to_string();
    fs::write(&config, "[serve]\nwal_bytes = \"16MiB\"\nretention_bytes = \"64MiB\"\n").unwrap();
    let data = small.0.join("data").display().to_string();
    let serve = ["serve", "--config", &config, "--data", &data, "--listen", "127.0.0.1:0"];
    let (_serve, url) = Process::start_server(&carbontrail(), &serve).unwrap();
    let [hello, ranges] = messages();
    assert_eq!(ask(&url, "GET /health/ready", b"").0, 200);

    // Little room: nothing that grows the store is taken, all else is.
    small.fill(20 * MIB);
    let (status, text) = ask(&url, "POST /v1/batches", &ranges);
    assert!(status == 429 && text.contains("almost full") && text.to_lowercase().contains("retry-after"), "{text}");
    assert_eq!(ask(&url, "POST /v1/batches", &hello).0, 200);
    until("not ready", || ask(&url, "GET /health/ready", b"").0 == 503);
    assert!(ask(&url, "GET /metrics", b"").1.contains("carbontrail_indexer_full 1"));

    // No room: nothing is taken. A shipper that starts now waits.
    small.fill(0);
    until("507", || ask(&url, "POST /v1/batches", &hello).0 == 507);
    let logs = logs.display().to_string();
    let ship = ["ship", &logs, "--to", &url, "--state", &state, "--until-idle"];
    let ship = Process::start(&carbontrail(), &ship).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    // What would grow the store is refused before the disk is tried: either status, and nothing is taken.
    let (status, text) = ask(&url, "POST /v1/batches", &ranges);
    assert!(status == 429 || status == 507, "{text}");

    // Room again: it goes on by itself, and has everything once.
    fs::remove_file(small.junk()).unwrap();
    until("ready", || ask(&url, "GET /health/ready", b"").0 == 200);
    let (status, _) = ship.finish(LIMIT).unwrap();
    assert_eq!(status.code(), Some(0));
    let found = run(&["search", "number", "--server", &url, "--format", "ndjson", "--limit", "10000"]);
    let numbers: std::collections::BTreeSet<u64> = String::from_utf8(found.clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["log.offset"].as_u64().unwrap())
        .collect();
    let lines = found.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!((numbers.len(), lines), (LINES, LINES));
}
