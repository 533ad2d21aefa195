//! `ship` and `dlq` killed before every single system call that changes their state folder: checkpoint and journal,
//! dead letters and their replay, pins of rotated files. strace counts the calls of each thread and kills at the one that
//! is asked for, before it is carried out. After each kill it is started again, and each number must be found once.
//!
//! `make test` tries a part of the points (which, follows from `CARBONTRAIL_SEED`); with `CARBONTRAIL_KILLS=all`, as
//! `make soak` does, all of them. Without strace the tests are skipped, saying so; under `CI=true` they then fail.

use crate::binaries::{carbontrail, run};
use crate::stage::{Stage, can_trace, count_numbers, line, roomy_folder};
use benches::measure::process::Process;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What changes a folder or makes it durable.
const CALLS: [&str; 6] = ["pwrite64", "fdatasync", "fsync", "rename", "link,linkat", "unlink,mkdir"];
const LIMIT: Duration = Duration::from_secs(30);
/// One point in so many is tried when not all are.
const SAMPLE: u64 = 2;
/// What each attempt writes.
const NUMBERS: std::ops::Range<u32> = 0..40;
/// An address where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1";
/// As long as it takes to pin what is owed.
const IN_VAIN: Duration = Duration::from_millis(2_500);

/// What is done to an attempt's folders, and what is killed.
struct Case {
    name: &'static str,
    /// Brings logs and state to where the kill happens.
    prepare: fn(&Stage),
    /// The command that is killed.
    arguments: fn(&Stage) -> Vec<String>,
    /// What happens before the start after the kill.
    between: fn(&Stage),
    /// Dead letters at the end.
    letters: usize,
    /// With fewer points than this, over all calls, the case is not what it was.
    points_min: usize,
}

fn write(stage: &Stage, name: &str, numbers: std::ops::Range<u32>) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(stage.logs.join(name)).unwrap();
    let attempt = stage.logs.parent().unwrap().file_name().unwrap().to_str().unwrap();
    for number in numbers {
        let word = if number % 10 == 7 { " poison" } else { "" };
        file.write_all(line("INFO", &format!("counted seq={number}; {attempt}{word}")).as_bytes()).unwrap();
        if number % 10 == 3 {
            file.write_all(b"\tat a.b.C(C.java:1)\n\tat a.b.D(D.java:2)\n").unwrap();
        }
    }
}

fn rename(stage: &Stage, from: &str, to: &str) {
    fs::rename(stage.logs.join(from), stage.logs.join(to)).unwrap();
}

fn until_idle(stage: &Stage) -> Vec<String> {
    stage.ship_arguments(&["--until-idle"])
}

fn ship_all(stage: &Stage) {
    let (status, _) = stage.ship(&["--until-idle"]).finish(LIMIT).unwrap();
    assert!(status.success(), "ship --until-idle ended with {status}");
}

fn refuse(stage: &Stage, word: Option<&str>) {
    *stage.proxy.seen.refuse.lock().unwrap() = word.map(str::to_owned);
}

fn letters(stage: &Stage) -> usize {
    let list = run(&["dlq", "list", "--json", "--state", &stage.state]);
    list.iter().filter(|&&byte| byte == b'\n').count()
}

/// Nothing is there yet: the state folder itself comes into being.
fn first_start(stage: &Stage) {
    write(stage, "wso2carbon.1.log", 0..20);
    write(stage, "wso2carbon.log", 20..40);
}

/// A state folder that knows one file; the file has grown and was rotated, and another one came.
fn rotated(stage: &Stage) {
    write(stage, "wso2carbon.log", 0..15);
    ship_all(stage);
    write(stage, "wso2carbon.log", 15..25);
    rename(stage, "wso2carbon.log", "wso2carbon.1.log");
    write(stage, "wso2carbon.log", 25..35);
    write(stage, "audit.log", 35..40);
}

/// A state folder without streams; the indexer will refuse four events.
fn poisoned(stage: &Stage) {
    ship_all(stage);
    refuse(stage, Some("poison"));
    write(stage, "wso2carbon.log", 0..40);
}

/// Four dead letters; the indexer takes everything now.
fn with_letters(stage: &Stage) {
    poisoned(stage);
    ship_all(stage);
    assert_eq!(letters(stage), 4);
    refuse(stage, None);
}

/// The same, asked to be sent again.
fn asked_for(stage: &Stage) {
    with_letters(stage);
    run(&["dlq", "replay", "--all", "--state", &stage.state]);
}

fn replay(stage: &Stage) -> Vec<String> {
    ["dlq", "replay", "--all", "--state", &stage.state].map(str::to_owned).to_vec()
}

/// A rotated file that is owed while the indexer does not answer.
fn owed(stage: &Stage) {
    write(stage, "wso2carbon.log", 0..15);
    ship_all(stage);
    write(stage, "wso2carbon.log", 15..30);
    rename(stage, "wso2carbon.log", "wso2carbon.1.log");
    write(stage, "wso2carbon.log", 30..40);
}

/// To where nobody listens, for as long as it takes to pin.
fn in_vain(stage: &Stage) -> Vec<String> {
    let mut arguments = stage.ship_arguments(&[]);
    let to = arguments.iter().position(|argument| argument == "--to").unwrap() + 1;
    arguments[to] = NOWHERE.to_owned();
    arguments
}

/// A pinned file may go: its pin has it.
fn remove_what_is_pinned(stage: &Stage) {
    let pins = fs::read_dir(Path::new(&stage.state).join("spool")).map_or(0, Iterator::count);
    if pins > 0 {
        fs::remove_file(stage.logs.join("wso2carbon.1.log")).unwrap();
    }
}

/// As [`owed`], pinned, and gone from the log folder.
fn pinned(stage: &Stage) {
    owed(stage);
    let arguments = in_vain(stage);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ship = Process::start(&carbontrail(), &arguments).unwrap();
    let spool = Path::new(&stage.state).join("spool");
    let started = Instant::now();
    while fs::read_dir(&spool).map_or(0, Iterator::count) == 0 {
        assert!(started.elapsed() < LIMIT, "nothing was pinned");
        std::thread::sleep(Duration::from_millis(10));
    }
    ship.kill().unwrap();
    remove_what_is_pinned(stage);
}

/// As [`pinned`], shipped; the pin is let go at the next look.
fn pinned_and_shipped(stage: &Stage) {
    pinned(stage);
    ship_all(stage);
}

const FIRST_START: Case = Case {
    name: "first start",
    prepare: first_start,
    arguments: until_idle,
    between: nothing,
    letters: 0,
    points_min: 12,
};
const CASES: [Case; 8] = [
    FIRST_START,
    Case { name: "checkpoint and journal", prepare: rotated, points_min: 11, ..FIRST_START },
    Case { name: "dead letters", prepare: poisoned, letters: 4, points_min: 25, ..FIRST_START },
    Case {
        name: "replay asked for",
        prepare: with_letters,
        arguments: replay,
        between: ask_again,
        points_min: 8,
        ..FIRST_START
    },
    Case { name: "replay", prepare: asked_for, points_min: 12, ..FIRST_START },
    Case {
        name: "pins",
        prepare: owed,
        arguments: in_vain,
        between: remove_what_is_pinned,
        points_min: 10,
        ..FIRST_START
    },
    Case { name: "pins taken up", prepare: pinned, points_min: 9, ..FIRST_START },
    Case { name: "pins let go", prepare: pinned_and_shipped, points_min: 5, ..FIRST_START },
];

fn nothing(_stage: &Stage) {}

fn ask_again(stage: &Stage) {
    run(&["dlq", "replay", "--all", "--state", &stage.state]);
}

/// Runs `carbontrail` under strace; `true` when it was killed at the `point`-th call of a kind that one of its threads
/// makes. Point 0 kills nowhere.
fn run_traced(calls: &str, point: u64, arguments: &[String], log: &Path) -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-o"]).arg(log).args(["-e", &format!("trace={calls}")]);
    if point > 0 {
        strace.args(["-e", &format!("inject={calls}:signal=SIGKILL:when={point}")]);
    }
    strace.arg(carbontrail()).args(arguments);
    let mut child = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (started, ends) = (Instant::now(), !arguments.iter().any(|argument| argument == NOWHERE));
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            // strace ends as what it traced did.
            return status.signal() == Some(9);
        }
        if !ends && started.elapsed() > IN_VAIN {
            kill_children(child.id());
            child.wait().unwrap();
            return false;
        }
        assert!(started.elapsed() < LIMIT, "carbontrail {arguments:?} does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Kills what a process started.
fn kill_children(parent: u32) {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    for child in children.split_whitespace() {
        // It may have ended by itself.
        let _killed = Command::new("kill").args(["-KILL", child]).status().unwrap();
    }
}

/// How often each call is made by the thread that makes it most often: every point there is.
fn points(log: &Path) -> Vec<(&'static str, u64)> {
    let mut counts: BTreeMap<(&str, &str), BTreeMap<&str, u64>> = BTreeMap::new();
    let text = fs::read_to_string(log).unwrap();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        for calls in CALLS.iter().filter(|calls| calls.split(',').any(|one| one == call)) {
            *counts.entry((calls, call)).or_default().entry(thread).or_default() += 1;
        }
    }
    let mut points: BTreeMap<&'static str, u64> = BTreeMap::new();
    for calls in CALLS {
        let of_calls = counts.iter().filter(|((c, _), _)| *c == calls).flat_map(|(_, threads)| threads.values());
        points.insert(calls, of_calls.copied().max().unwrap_or(0));
    }
    points.into_iter().flat_map(|(calls, most)| (1..=most).map(move |point| (calls, point))).collect()
}

/// On what the process was when it was killed: the last call in the log, and its file.
fn last_call(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap();
    let mut calls = text.lines().filter_map(|line| Some(line.split_once(' ')?.1.trim_start()));
    let last = calls.rfind(|rest| rest.contains('(') && !rest.starts_with("<...")).unwrap_or_default();
    let call = last.split('(').next().unwrap_or_default();
    // The last path: a call may name the working folder first.
    let path = last.split(['<', '>', '"']).rfind(|part| part.starts_with('/')).unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let kind = match name.rsplit_once('.') {
        Some((_, end)) if path.contains("/dead/") => format!("dead/*.{end}"),
        _ if path.contains("/spool/") => "spool/*".to_owned(),
        _ => name.to_owned(),
    };
    format!("{call} {kind}")
}

/// A stage of its own on the server of another one; what is written there holds a word of its own.
fn attempt_of(shared: &Stage, root: &Path, number: usize) -> (Stage, String) {
    let word = format!("attempt{number}");
    let folder = root.join(&word);
    fs::create_dir_all(folder.join("logs")).unwrap();
    refuse(shared, None);
    let stage = Stage {
        logs: folder.join("logs"),
        state: folder.join("state").display().to_string(),
        data: shared.data.clone(),
        token: shared.token.clone(),
        server: shared.server,
        proxy: shared.proxy.clone(),
    };
    (stage, word)
}

/// Each number once: as an event, or as a dead letter.
fn all_is_there(stage: &Stage, word: &str, case: &Case, what: &str) {
    let mut found = BTreeMap::new();
    count_numbers(&stage.search(word), &mut found);
    let dead = |number: &u32| case.letters > 0 && number % 10 == 7;
    let numbers = NUMBERS.filter(|number| !dead(number));
    let written: BTreeMap<Vec<u8>, u32> = numbers.map(|number| (number.to_string().into_bytes(), 1)).collect();
    let shown = |numbers: &BTreeMap<Vec<u8>, u32>| {
        numbers.iter().map(|(n, times)| format!("{}:{times}", String::from_utf8_lossy(n))).collect::<Vec<_>>().join(" ")
    };
    assert!(found == written, "{}, {what}: found {}, wanted {}", case.name, shown(&found), shown(&written));
    assert_eq!(letters(stage), case.letters, "{}, {what}: dead letters", case.name);
}

fn play(shared: &Stage, root: &Path, case: &Case, hits: &mut BTreeMap<String, u32>, number: &mut usize) {
    let all = std::env::var("CARBONTRAIL_KILLS").is_ok_and(|kills| kills == "all");
    let seed: u64 = std::env::var("CARBONTRAIL_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let log = root.join("trace");
    let mut next = || {
        *number += 1;
        let (stage, word) = attempt_of(shared, root, *number);
        (case.prepare)(&stage);
        (stage, word)
    };
    let (stage, word) = next();
    run_traced(&CALLS.join(","), 0, &(case.arguments)(&stage), &log);
    let points = points(&log);
    (case.between)(&stage);
    ship_all(&stage);
    all_is_there(&stage, &word, case, "not killed");
    eprintln!("{}: {} points", case.name, points.len());
    assert!(points.len() >= case.points_min, "{}: {points:?}", case.name);
    for (index, (calls, point)) in points.iter().enumerate() {
        if !all && !(index as u64 + seed).is_multiple_of(SAMPLE) {
            continue;
        }
        let (stage, word) = next();
        let what = format!("killed at {calls} {point}");
        // A run may make a call less than the one before.
        if run_traced(calls, *point, &(case.arguments)(&stage), &log) {
            *hits.entry(format!("{}: {}", case.name, last_call(&log))).or_default() += 1;
        }
        (case.between)(&stage);
        ship_all(&stage);
        all_is_there(&stage, &word, case, &what);
        if all || index + SAMPLE as usize >= points.len() {
            let audit = stage.audit();
            assert!(audit.iter().all(|row| row["lost"] == 0 && row["lost_open"] == false), "{what}: {audit:?}");
        }
    }
}

fn play_all(cases: &[Case]) {
    if !can_trace() {
        return;
    }
    let root = roomy_folder();
    let shared = Stage::new(root.path(), 1);
    shared.proxy.seen.gentle.store(true, Ordering::Relaxed);
    let _serve = shared.serve();
    let (mut hits, mut number) = (BTreeMap::new(), 0);
    for case in cases {
        play(&shared, root.path(), case, &mut hits, &mut number);
    }
    let total: u32 = hits.values().sum();
    eprintln!("{total} kills: {hits:#?}");
    let least = cases.iter().map(|case| case.points_min as u32).sum::<u32>() / SAMPLE as u32;
    assert!(total >= least * 3 / 4, "only {total} kills: {hits:?}");
    for case in cases {
        assert!(hits.keys().any(|hit| hit.starts_with(case.name)), "never killed in {}: {hits:?}", case.name);
    }
}

#[test]
fn at_every_call_of_checkpoint_and_journal() {
    play_all(&CASES[..2]);
}

#[test]
fn at_every_call_of_dead_letters_and_their_replay() {
    play_all(&CASES[2..5]);
}

#[test]
fn at_every_call_that_pins_rotated_files() {
    play_all(&CASES[5..]);
}
