//! Two hosts in network namespaces, a cable between them, and events that flow while it is cut: the link goes down,
//! packets vanish, some are lost, and the server is killed where its partner cannot see it. Needs root and the
//! right to make namespaces.

use crate::binaries::{carbontrail, run};
use crate::stage::{count_numbers, has, line, may, roomy_folder};
use benches::measure::process::Process;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(40);
const SERVER: &str = "10.213.77.2";
const HOST: &str = "10.213.77.1";
const PORT: &str = "7600";

fn system(words: &[&str]) -> bool {
    Command::new(words[0]).args(&words[1..]).output().is_ok_and(|output| output.status.success())
}

fn ip(words: &[&str]) {
    let done = Command::new("ip").args(words).output().unwrap();
    assert!(done.status.success(), "ip {}: {}", words.join(" "), String::from_utf8_lossy(&done.stderr));
}

/// Two hosts and the cable; gone when dropped.
struct Cable {
    host: String,
    server: String,
}

impl Cable {
    fn lay() -> Option<Cable> {
        let name = |end: &str| format!("ct-{}-{end}", std::process::id());
        let cable = Cable { host: name("host"), server: name("store") };
        let made = [&cable.host, &cable.server].iter().all(|space| system(&["ip", "netns", "add", space]));
        let linked = made
            && system(&[
                "ip",
                "link",
                "add",
                "cable",
                "netns",
                &cable.host,
                "type",
                "veth",
                "peer",
                "cable",
                "netns",
                &cable.server,
            ]);
        if !linked {
            return None;
        }
        for (space, address) in [(&cable.host, HOST), (&cable.server, SERVER)] {
            ip(&["-n", space, "addr", "add", &format!("{address}/24"), "dev", "cable"]);
            ip(&["-n", space, "link", "set", "cable", "up"]);
            ip(&["-n", space, "link", "set", "lo", "up"]);
        }
        Some(cable)
    }

    fn link(&self, state: &str) {
        ip(&["-n", &self.host, "link", "set", "cable", state]);
    }

    /// What becomes of packets at the server's end: a rule of nft, `None` for good weather. It says nothing to anybody.
    fn weather(&self, rule: Option<&str>) {
        let inside = ["ip", "netns", "exec", &self.server, "nft"];
        // Nothing to remove is no failure.
        let _was_there = system(&[&inside[..], &["delete", "table", "inet", "cable"]].concat());
        if let Some(rule) = rule {
            let chain = |name: &str| format!("chain {name} {{ type filter hook {name} priority 0; {rule}; }};");
            let table = format!("table inet cable {{ {} {} }}", chain("input"), chain("output"));
            assert!(system(&[&inside[..], &[&table]].concat()), "nft {table}");
        }
    }

    /// Starts a `carbontrail` command on one of the hosts.
    fn start(space: &str, arguments: &[&str]) -> Process {
        let program = carbontrail().display().to_string();
        let inside = ["netns", "exec", space, &program];
        Process::start(Path::new("ip"), &[&inside[..], arguments].concat()).unwrap()
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for space in [&self.host, &self.server] {
            let _gone = system(&["ip", "netns", "del", space]);
        }
    }
}

struct Place {
    data: String,
    logs: PathBuf,
    state: String,
    token: String,
}

impl Place {
    fn serve(&self, cable: &Cable) -> Process {
        let listen = format!("{SERVER}:{PORT}");
        Cable::start(&cable.server, &["serve", "--data", &self.data, "--listen", &listen])
    }

    fn ship(&self, cable: &Cable, more: &[&str]) -> Process {
        let (logs, to) = (self.logs.display().to_string(), format!("http://{SERVER}:{PORT}"));
        let ship = ["ship", &logs, "--to", &to, "--token-file", &self.token, "--state", &self.state];
        Cable::start(&cable.host, &[&ship[..], more].concat())
    }

    /// Bytes settled and bytes that wait, by the shipper's own status.
    fn status(&self) -> (u64, u64) {
        let text = fs::read(Path::new(&self.state).join("status.json")).unwrap_or_default();
        let status: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let files = status["files"].as_array().cloned().unwrap_or_default();
        let sum = |key: &str| files.iter().filter_map(|file| file[key].as_u64()).sum();
        (sum("mark"), sum("behind_bytes"))
    }

    fn until(&self, what: &str, mut done: impl FnMut(u64, u64) -> bool) {
        let started = Instant::now();
        loop {
            let (mark, behind) = self.status();
            if done(mark, behind) {
                return;
            }
            assert!(started.elapsed() < LIMIT, "in vain: {what}; mark {mark}, behind {behind}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until something is settled that was not before.
    fn until_it_flows(&self, what: &str) {
        let (before, _) = self.status();
        self.until(what, |mark, _| mark > before);
    }

    /// Waits until nothing moves and bytes pile up.
    fn until_it_stands(&self, what: &str) {
        let mut last = (self.status().0, Instant::now());
        self.until(what, |mark, behind| {
            if mark != last.0 {
                last = (mark, Instant::now());
            }
            behind > 0 && last.1.elapsed() > Duration::from_millis(2_500)
        });
    }
}

/// Writes numbered events into two files, one of them rotated now and then, until it is told to end.
fn write(logs: PathBuf, stop: Arc<AtomicBool>, count: Arc<AtomicU32>) {
    let open = |name: &str| fs::OpenOptions::new().create(true).append(true).open(logs.join(name)).unwrap();
    let mut rotations = 0;
    while !stop.load(Ordering::Relaxed) {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let name = if number.is_multiple_of(3) { "audit.log" } else { "wso2carbon.log" };
        let mut text = line("INFO", &format!("counted seq={number}; {}", "pad ".repeat(50)));
        if number % 20 == 19 {
            text.push_str("\tat a.b.C(C.java:1)\n\tat a.b.D(D.java:2)\n");
        }
        open(name).write_all(text.as_bytes()).unwrap();
        if number % 2_000 == 1_999 {
            rotations += 1;
            fs::rename(logs.join("wso2carbon.log"), logs.join(format!("wso2carbon-{rotations}.log"))).unwrap();
        }
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn everything_arrives_once_through_cuts_of_the_cable() {
    if !may("ip and nft are needed", has("ip") && has("nft")) {
        return;
    }
    let Some(cable) = Cable::lay() else {
        let _skipped = may("the right to make network namespaces is needed", false);
        return;
    };
    let root = roomy_folder();
    let data = root.path().join("data").display().to_string();
    let place = Place {
        logs: root.path().join("logs"),
        state: root.path().join("state").display().to_string(),
        token: root.path().join("token").display().to_string(),
        data,
    };
    fs::create_dir(&place.logs).unwrap();
    let token = run(&["token", "create", "--agent", "--owner", "local", "--env", "default", "--data", &place.data]);
    fs::write(&place.token, token).unwrap();
    let serve = place.serve(&cable);
    let ship = place.ship(&cable, &[]);
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let writer = thread::spawn({
        let (logs, stop, count) = (place.logs.clone(), Arc::clone(&stop), Arc::clone(&count));
        move || write(logs, stop, count)
    });
    place.until_it_flows("the first events");

    cable.link("down");
    place.until_it_stands("the cable is cut");
    cable.link("up");
    place.until_it_flows("the cable is whole again");

    // Nobody says that packets are lost: connections look alive on both sides.
    cable.weather(Some("drop"));
    place.until_it_stands("packets vanish");
    cable.weather(None);
    place.until_it_flows("packets arrive again");

    cable.weather(Some("numgen random mod 100 < 15 drop"));
    place.until_it_flows("bad weather");
    thread::sleep(Duration::from_secs(3));
    cable.weather(None);

    // The server dies behind the cut cable: what it took and could not say is asked for again.
    cable.weather(Some("drop"));
    thread::sleep(Duration::from_millis(300));
    serve.kill().unwrap();
    let serve = place.serve(&cable);
    place.until_it_stands("another server behind a cut cable");
    cable.weather(None);
    place.until_it_flows("the other server");

    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    ship.terminate().unwrap();
    assert!(ship.finish(LIMIT).unwrap().0.success());
    assert!(place.ship(&cable, &["--until-idle"]).finish(LIMIT).unwrap().0.success());
    serve.kill().unwrap();

    // A server that listens elsewhere than on loopback is not read from.
    let (_serve, url) =
        Process::start_server(&carbontrail(), &["serve", "--data", &place.data, "--listen", "127.0.0.1:0"]).unwrap();
    let mut found = BTreeMap::new();
    count_numbers(&run(&["search", "counted", "--server", &url, "--format", "raw"]), &mut found);
    let written = count.load(Ordering::Relaxed);
    assert!(written > 3_000, "only {written} events flowed");
    assert_eq!(found.len() as u32, written);
    assert!(found.values().all(|&times| times == 1), "a number is found twice");
    eprintln!("{written} events, each found once");
}
