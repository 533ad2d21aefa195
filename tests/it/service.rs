//! `ship` as a service: what it tells a service manager, reload by SIGHUP, `/metrics` and `/health`, a graceful end, and
//! a run under what the packaged unit sets, as far as that goes without systemd.

use crate::binaries::{carbontrail, run};
use crate::stage::{Stage, can_trace, line, may};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// A process that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // What strace traces would live on without it.
        let id = self.0.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        for child in children.split_whitespace() {
            drop(Command::new("kill").args(["-KILL", child]).status());
        }
        // Both fail when it has ended, and then there is nothing to do.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Running {
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Its exit code, once it ends.
    fn end(&mut self) -> Option<i32> {
        let mut code = None;
        until("its end", || {
            let status = self.0.try_wait().unwrap();
            code = status.and_then(|status| status.code());
            status.is_some()
        });
        code
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LIMIT, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn append(stage: &Stage, name: &str, text: &str) {
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).append(true).open(stage.logs.join(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn found(stage: &Stage, query: &str) -> String {
    String::from_utf8(stage.search(query)).unwrap()
}

/// A stage with a server, and a configuration file for the shipper.
fn stage(root: &Path) -> (Stage, benches::measure::process::Process, String) {
    let stage = Stage::new(root, 1);
    stage.proxy.seen.gentle.store(true, Ordering::Relaxed);
    let serve = stage.serve();
    let config = root.join("carbontrail.toml").display().to_string();
    (stage, serve, config)
}

/// The configuration: the stage's own part and what else it says.
fn configure(stage: &Stage, config: &str, ship: &str, rest: &str) {
    let text = format!(
        "[ship]\nfolders = [\"{}\"]\nto = \"http://{}\"\ntoken_file = \"{}\"\nstate = \"{}\"\n{ship}\n{rest}\n",
        stage.logs.display(),
        stage.proxy.address,
        stage.token,
        stage.state
    );
    fs::write(config, text).unwrap();
}

fn start(config: &str, environment: &[(&str, String)]) -> Running {
    let mut command = Command::new(carbontrail());
    command.args(["ship", "--config", config]).stdin(Stdio::null());
    Running(command.envs(environment.iter().map(|(key, value)| (key, value))).spawn().unwrap())
}

/// Where what a service manager hears arrives.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Manager {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Manager(socket)
    }

    fn heard(&self) -> Vec<String> {
        let (mut all, mut buffer) = (Vec::new(), [0; 1024]);
        while let Ok(length) = self.0.recv(&mut buffer) {
            all.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        all
    }
}

#[test]
fn a_service_manager_hears_ready_status_beats_and_the_end_and_nothing_from_a_hanging_thread() {
    let root = tempfile::tempdir().unwrap();
    let (stage, _serve, config) = stage(root.path());
    configure(&stage, &config, "", "");
    append(&stage, "wso2carbon.log", &line("INFO", "first"));
    let socket = root.path().join("notify");
    let manager = Manager::at(&socket);
    let environment = [("NOTIFY_SOCKET", socket.display().to_string()), ("WATCHDOG_USEC", "600000".to_owned())];
    let mut ship = start(&config, &environment);
    let mut all = Vec::new();
    until("READY and three beats", || {
        all.extend(manager.heard());
        all.iter().filter(|text| *text == "WATCHDOG=1").count() >= 3 && all.contains(&"READY=1".to_owned())
    });
    assert_eq!(all.iter().filter(|text| *text == "READY=1").count(), 1);
    until("the status in one line", || {
        all.extend(manager.heard());
        all.iter().any(|text| text == "STATUS=1 files, 0.0 MB behind; indexer answers")
    });
    ship.signal("-TERM");
    assert_eq!(ship.end(), Some(0));
    assert_eq!(manager.heard().last().map(String::as_str), Some("STOPPING=1"));

    // The thread that hangs in a sync says nothing: the manager ends it and starts it again.
    if !can_trace() {
        return;
    }
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"]);
    strace.args(["-e", "inject=fdatasync:delay_enter=4s:when=2+"]);
    strace.arg(carbontrail()).args(["ship", "--config", &config]).stdin(Stdio::null());
    strace.envs(environment.iter().map(|(key, value)| (key, value)));
    let _hanging = Running(strace.spawn().unwrap());
    until("it is ready", || manager.heard().contains(&"READY=1".to_owned()));
    append(&stage, "wso2carbon.log", &line("INFO", "second"));
    let mut quiet = Instant::now();
    until("a silence three times as long as it may be", || {
        if !manager.heard().is_empty() {
            quiet = Instant::now();
        }
        quiet.elapsed() > Duration::from_millis(1_800)
    });
}

#[test]
fn a_reload_takes_over_what_can_change_and_a_wrong_file_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (stage, _serve, config) = stage(root.path());
    configure(&stage, &config, "include = [\"*.log\"]", "");
    let ship = start(&config, &[]);
    append(&stage, "wso2carbon.log", &line("INFO", "before token=abcdefghijklmnop"));
    append(&stage, "other.txt", &line("INFO", "not followed yet"));
    until("the first event", || !found(&stage, "before").is_empty());
    assert!(found(&stage, "followed").is_empty());

    let source = "[[source]]\nfiles = [\"other.txt\"]\nlabels = { team = \"payments\" }\nproduct = \"gateway\"\n";
    configure(
        &stage,
        &config,
        "include = [\"*.log\", \"*.txt\"]",
        &format!("{source}[redact]\nclasses = [\"secrets\"]"),
    );
    ship.signal("-HUP");
    until("what is included now", || !found(&stage, "followed").is_empty());
    let found_json = run(&["search", "followed", "--server", &stage.url(), "--format", "ndjson"]);
    let event: serde_json::Value = serde_json::from_slice(&found_json).unwrap();
    assert_eq!((&event["service.type"], &event["team"]), (&"gateway".into(), &"payments".into()), "{event}");
    append(&stage, "wso2carbon.log", &line("INFO", "password=hunter2hunter2 after"));
    until("the redacted event", || !found(&stage, "after").is_empty());
    assert!(!found(&stage, "after").contains("hunter2"), "{}", found(&stage, "after"));

    fs::write(&config, "[ship]\nclose_afer = \"5s\"\n").unwrap();
    ship.signal("-HUP");
    append(&stage, "other.txt", &line("INFO", "still here"));
    until("the next event", || !found(&stage, "here").is_empty());
    append(&stage, "wso2carbon.log", &line("INFO", "password=hunter2hunter2 later"));
    until("the redacted event", || !found(&stage, "later").is_empty());
    assert!(!found(&stage, "later").contains("hunter2"));
}

/// Status and body of a GET.
fn get(address: &str, path: &str) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect(address) else { return (0, String::new()) };
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn metric(address: &str, name: &str) -> Option<u64> {
    let text = get(address, "/metrics").1;
    let line = text.lines().find(|line| line.split(' ').next() == Some(&format!("carbontrail_ship_{name}")))?;
    line.split(' ').nth(1)?.parse().ok()
}

#[test]
fn metrics_and_health_follow_what_happens() {
    let root = tempfile::tempdir().unwrap();
    let (stage, serve, config) = stage(root.path());
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    configure(&stage, &config, &format!("listen = \"{address}\""), "");
    let text = line("INFO", "first") + &line("INFO", "second");
    append(&stage, "wso2carbon.log", &text);
    let mut ship = start(&config, &[]);
    until("health", || get(&address, "/health").0 == 200);
    until("the mark", || metric(&address, "mark_bytes") == Some(text.len() as u64));
    assert_eq!((metric(&address, "up"), metric(&address, "behind_bytes")), (Some(1), Some(0)));
    assert_eq!((metric(&address, "files"), metric(&address, "lost_bytes")), (Some(1), Some(0)));
    assert_eq!(get(&address, "/health/live").0, 200);

    serve.kill().unwrap();
    append(&stage, "wso2carbon.log", &line("INFO", "third"));
    until("the outage is told", || get(&address, "/health").0 == 503);
    let (_, reason) = get(&address, "/health");
    assert!(reason.contains("the indexer does not answer"), "{reason}");
    until("what waits is told", || metric(&address, "behind_bytes").is_some_and(|bytes| bytes > 0));
    assert_eq!((metric(&address, "up"), get(&address, "/health/live").0), (Some(0), 200));

    let _serve = stage.serve();
    until("health again", || get(&address, "/health").0 == 200);
    until("all is shipped", || metric(&address, "behind_bytes") == Some(0));
    ship.signal("-TERM");
    assert_eq!(ship.end(), Some(0));
}

#[test]
fn a_graceful_end_ships_the_open_event_and_leaves_half_a_line() {
    let root = tempfile::tempdir().unwrap();
    let (stage, _serve, config) = stage(root.path());
    configure(&stage, &config, "close_after = \"60s\"", "");
    let open = line("ERROR", "open") + "\tat a.b.C(C.java:1)\n";
    append(&stage, "wso2carbon.log", &(line("INFO", "first") + &open));
    append(&stage, "half.log", "TID: [-1234] [] [2026-11-25 10:00:00,000]  INFO {a.b.C} - hal");
    let mut ship = start(&config, &[]);
    until("the open event is shown", || !found(&stage, "open").is_empty());
    ship.signal("-TERM");
    assert_eq!(ship.end(), Some(0));
    assert_eq!(found(&stage, "open"), open);
    assert!(found(&stage, "file:half.log").is_empty());
    let status = run(&["status", "--json", "--state", &stage.state]);
    let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
    let behind = |name: &str| {
        let files = status["files"].as_array().unwrap();
        files.iter().find(|f| f["path"].as_str().unwrap().ends_with(name)).unwrap()["behind_bytes"].as_u64().unwrap()
    };
    assert_eq!(behind("wso2carbon.log"), 0);
    assert!(behind("half.log") > 0);

    append(&stage, "half.log", "f of a line\n");
    let (status, _) = stage.ship(&["--until-idle"]).finish(LIMIT).unwrap();
    assert!(status.success());
    assert!(found(&stage, "file:half.log").ends_with("- half of a line\n"), "{}", found(&stage, "file:half.log"));
    assert_eq!(found(&stage, "open"), open);
}

/// What the unit sets: `KEY=VALUE` lines.
fn unit() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/carbontrail-ship.service");
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

#[test]
fn it_runs_under_what_the_unit_sets() {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    let mounts = || Command::new("unshare").args(["--mount", "setpriv", "--version"]).output();
    if !may("root, unshare and setpriv are needed", is_root && mounts().is_ok_and(|o| o.status.success())) {
        return;
    }
    let unit = unit();
    let set = |key: &str| unit.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str()).unwrap();
    assert_eq!((set("ProtectSystem"), set("ProtectHome"), set("NoNewPrivileges")), ("strict", "read-only", "yes"));
    // Not in /tmp, which the service has to itself.
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (stage, _serve, config) = stage(root.path());
    let home = root.path().join("lib");
    fs::create_dir(&home).unwrap();
    configure(&stage, &config, "", "");
    // The state folder is the one that the unit gives it, below XDG_STATE_HOME.
    let text = fs::read_to_string(&config).unwrap();
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("state")).collect();
    fs::write(&config, text.join("\n")).unwrap();
    append(&stage, "wso2carbon.log", &line("INFO", "under the unit"));
    // The user that the package makes is not here: nobody's ids stand for it.
    let ids = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    for (path, mode) in
        [(root.path(), "755"), (&home, "700"), (Path::new(&stage.token), "644"), (Path::new(&config), "644")]
    {
        assert!(Command::new("chmod").arg(mode).arg(path).status().unwrap().success());
    }
    assert!(Command::new("chown").arg("65534:65534").arg(&home).status().unwrap().success());
    let state_home = set("Environment").strip_prefix("XDG_STATE_HOME=").unwrap();
    assert_eq!(state_home, "/var/lib");
    // The whole system read-only but the state folder, and a /tmp of its own, as ProtectSystem=strict and PrivateTmp do.
    let script = format!(
        "set -e; mount --make-rprivate /; mount --bind '{home}' '{home}'; mount -o remount,bind,ro /; \
         mount -t tmpfs none /tmp; umask {umask}; files=$(ulimit -Hn); \
         if [ \"$files\" = unlimited ] || [ \"$files\" -gt {files} ]; then files={files}; fi; ulimit -n \"$files\"; \
         exec nice -n {nice} setpriv {ids} --no-new-privs --inh-caps=-all env -i XDG_STATE_HOME='{home}' '{program}' ship --config '{config}' --until-idle",
        home = home.display(),
        umask = set("UMask"),
        nice = set("Nice"),
        ids = ids.join(" "),
        files = set("LimitNOFILE"),
        program = carbontrail().display(),
    );
    let done = Command::new("unshare").args(["--mount", "sh", "-c", &script]).output().unwrap();
    let errors = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{errors}");
    assert!(!errors.contains("ERROR") && !errors.contains("WARN"), "{errors}");
    assert!(!found(&stage, "unit").is_empty());
    let state = home.join("carbontrail/ship");
    assert!(state.join("state.0").exists(), "{errors}");
    let largest = set("MemoryMax").strip_suffix('M').unwrap().parse::<u64>().unwrap();
    assert!(largest >= 256, "the reader's memory, 16 MiB, and one batch in flight must fit");
}
