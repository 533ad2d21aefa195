//! `dlq` and `audit` as people meet them, beside a real server; what the indexer refuses, a proxy refuses in its name.

use crate::binaries::{failure, output, run};
use crate::stage::{Stage, line};
use benches::measure::process::Process;
use serde_json::Value as Json;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// Two good events, a refused one of three lines, a good one, another refused one, the last one good.
fn write(stage: &Stage) -> (String, [String; 2]) {
    let refused =
        [line("ERROR", "the poison one") + "\tat a.b.C(C.java:1)\n\tat a.b.D(D.java:2)\n", line("WARN", "poison")];
    let good = |n: u32| line("INFO", &format!("good {n}"));
    let text = [good(1), good(2), refused[0].clone(), good(3), refused[1].clone(), good(4)].concat();
    let mut file = fs::File::create(stage.logs.join("wso2carbon.log")).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    (text, refused)
}

fn stage(root: &Path) -> (Stage, Process) {
    let stage = Stage::new(root, 1);
    stage.proxy.seen.gentle.store(true, Ordering::Relaxed);
    *stage.proxy.seen.refuse.lock().unwrap() = Some("poison".to_owned());
    let serve = stage.serve();
    (stage, serve)
}

fn ship_all(stage: &Stage) {
    let (status, _) = stage.ship(&["--until-idle"]).finish(LIMIT).unwrap();
    assert!(status.success(), "ship --until-idle ended with {status}");
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn letters(stage: &Stage) -> Vec<Json> {
    let list = text(run(&["dlq", "list", "--json", "--state", &stage.state]));
    list.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Starts a shipper and waits until it holds its folder.
fn running(stage: &Stage) -> Process {
    let ship = stage.ship(&[]);
    let started = Instant::now();
    while !shipper::is_running(Path::new(&stage.state)).unwrap() {
        assert!(started.elapsed() < LIMIT, "the shipper does not run");
        std::thread::sleep(Duration::from_millis(10));
    }
    ship
}

#[test]
fn refused_events_are_listed_shown_and_sent_again() {
    let root = tempfile::tempdir().unwrap();
    let (stage, _serve) = stage(root.path());
    let (written, refused) = write(&stage);
    ship_all(&stage);

    let list = letters(&stage);
    assert_eq!(list.len(), 2);
    for (letter, bytes) in list.iter().zip(&refused) {
        assert_eq!(letter["log.offset"], written.find(bytes.as_str()).unwrap());
        assert_eq!((&letter["size"], &letter["replay"]), (&bytes.len().into(), &false.into()));
        assert_eq!(letter["log.file.path"], stage.logs.join("wso2carbon.log").display().to_string());
        assert!(letter["reason"].as_str().unwrap().contains("it holds `poison`"), "{letter}");
        let shown = run(&["dlq", "show", letter["letter"].as_str().unwrap(), "--state", &stage.state]);
        assert_eq!(text(shown), *bytes);
    }
    let people = text(run(&["dlq", "list", "--state", &stage.state]));
    assert!(people.contains("2 dead letter(s)") && people.contains("wso2carbon.log"), "{people}");
    assert_eq!(text(stage.search("good")).lines().count(), 4);
    assert!(stage.search("poison").is_empty());
    let status = text(output(&["status", "--state", &stage.state]).stdout);
    assert!(status.contains("refused, kept as dead letters") && status.contains("`carbontrail dlq list`"), "{status}");

    // Beside a shipper that runs: one is refused again and stays, as the indexer still will not have it.
    let name = |at: usize| list[at]["letter"].as_str().unwrap();
    let ship = running(&stage);
    let (code, told) = failure(&["dlq", "replay", name(0), "--state", &stage.state]);
    assert!(code == 1 && told.contains("1 of 1 letter(s) are still refused"), "{told}");
    assert_eq!(letters(&stage), list);

    // The cause is gone.
    *stage.proxy.seen.refuse.lock().unwrap() = None;
    let told = output(&["dlq", "replay", name(0), "--state", &stage.state]);
    let errors = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.status.success() && errors.contains("1 dead letter(s) are searchable now"), "{errors}");
    assert_eq!(text(stage.search("poison")), refused[0]);
    assert_eq!(letters(&stage).len(), 1);
    run(&["audit", "--state", &stage.state]);
    drop(ship);

    // Without a shipper that runs the next one does it.
    let told = output(&["dlq", "replay", "--all", "--state", &stage.state]);
    let errors = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.status.success() && errors.contains("no shipper runs here"), "{errors}");
    assert_eq!(letters(&stage)[0]["replay"], true);
    ship_all(&stage);
    assert!(letters(&stage).is_empty());
    let stream = list[0]["log.stream"].as_str().unwrap();
    assert_eq!(text(stage.search(&format!("stream:{stream}"))), written);
    let rows = stage.audit();
    assert_eq!((&rows[0]["dead"], &rows[0]["acknowledged"]["events"]), (&0.into(), &6.into()));
}

#[test]
fn an_audit_names_what_is_missing() {
    let root = tempfile::tempdir().unwrap();
    let (stage, _serve) = stage(root.path());
    let (written, refused) = write(&stage);
    fs::write(stage.logs.join("audit.log"), line("INFO", "good 9")).unwrap();
    let (code, told) = failure(&["audit", "--state", &stage.state]);
    assert!(code == 1 && told.contains("no shipper has kept its state") && told.contains("--state"), "{told}");
    ship_all(&stage);
    let (code, told) = failure(&["audit", "--state", &stage.state]);
    assert!(code == 1 && told.contains("no shipper runs") && told.contains("start it"), "{told}");

    let _ship = running(&stage);
    let all = text(run(&["audit", "--state", &stage.state]));
    assert!(all.contains("2 stream(s)") && all.contains("wso2carbon.log") && all.contains("audit.log"), "{all}");
    let one = run(&["audit", "wso2carbon.log", "--json", "--state", &stage.state]);
    let row: Json = serde_json::from_slice(&one).unwrap();
    let dead = refused.iter().map(String::len).sum::<usize>();
    assert_eq!((&row["written"], &row["mark"]), (&written.len().into(), &written.len().into()));
    assert_eq!((&row["dead"], &row["acknowledged"]["bytes"]), (&dead.into(), &(written.len() - dead).into()));
    assert_eq!(row["indexer"]["found"], row["acknowledged"]);
    let by_path = stage.logs.join("audit.log").display().to_string();
    let one = text(run(&["audit", &by_path, "--json", "--state", &stage.state]));
    assert_eq!(one.lines().count(), 1);
    let (code, told) = failure(&["audit", "no-such.log", "--state", &stage.state]);
    assert!(code == 1 && told.contains("`carbontrail status` lists the files"), "{told}");

    // A dead letter that somebody took away is missed.
    let letter = fs::read_dir(Path::new(&stage.state).join("dead")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(letter).unwrap();
    let told = output(&["audit", "--state", &stage.state]);
    let (shown, errors) = (text(told.stdout), text(told.stderr));
    assert_eq!(told.status.code(), Some(1));
    assert!(shown.contains("DOES NOT ADD UP") && shown.contains("bytes are dead"), "{shown}");
    assert!(errors.contains("the books of 1 of 2 stream(s) do not add up"), "{errors}");
}

#[test]
fn names_that_do_not_exist_are_told() {
    let root = tempfile::tempdir().unwrap();
    let (stage, _serve) = stage(root.path());
    for command in [&["dlq", "list"][..], &["dlq", "show", "x"], &["dlq", "replay", "--all"]] {
        let (code, told) = failure(&[command, &["--state", &stage.state]].concat());
        assert!(code == 1 && told.contains("no shipper has kept its state in"), "{command:?}: {told}");
    }
    write(&stage);
    ship_all(&stage);
    for command in [&["dlq", "show", "x"][..], &["dlq", "replay", "x"]] {
        let (code, told) = failure(&[command, &["--state", &stage.state]].concat());
        assert!(code == 1 && told.contains("no dead letter `x`") && told.contains("dlq list"), "{command:?}: {told}");
    }
    assert_eq!(failure(&["dlq", "replay", "--state", &stage.state]).0, 2);
    let letter = fs::read_dir(Path::new(&stage.state).join("dead")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&letter).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&letter, bytes).unwrap();
    let told = output(&["dlq", "list", "--state", &stage.state]);
    let errors = text(told.stderr);
    assert!(
        !told.status.success() && errors.contains("is damaged") && errors.contains(letter.to_str().unwrap()),
        "{errors}"
    );
    assert_eq!(text(told.stdout).lines().count(), 2, "the other one is listed all the same");
}
