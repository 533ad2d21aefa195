//! Real log4j2 that rolls its files several times a second, twenty deep and packed, while `ship` is killed again and
//! again. Beside the logs the writer keeps a copy of every generation: each number that was logged must be found once,
//! at its own offset, or stand in a stream that was declared lost.
//!
//! The writer is in `tests/log4j2`; Maven compiles it once into `target/`. Without Java or Maven the tests are skipped,
//! saying so; under `CI=true` they then fail.

use crate::stage::{Stage, can, has, roomy_folder};
use benches::dice::Dice;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const KILLS: u32 = 24;
const KILLS_IN_FLIGHT: u32 = 6;
const STORM_MAX: Duration = Duration::from_secs(45);
const FINISH_MAX: Duration = Duration::from_secs(60);
/// Generations that log4j2 keeps beside the live file.
const KEPT: usize = 20;
/// A generation that was packed before the shipper opened it is not known to it yet: packed files are not read.
const PACKED_ARE_READ: bool = true;
/// What a shipper had before its eyes for so long is in its state, also on a busy machine.
const TAKEN_IN_MS: u64 = 1_000;
/// Every so many lives of the shipper one is long enough for that.
const LONG_LIFE_EVERY: u32 = 4;

/// How fast files roll, and which.
struct Pace {
    rate: &'static str,
    size: &'static str,
    files: &'static [&'static str],
    /// A pause of the shipper so long that generations come and go in it.
    long_pause: Option<Duration>,
}

/// The compiled writer; made again only when its sources changed.
fn compiled() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (from, out) = (root.join("log4j2"), root.join("../target/log4j2"));
    let java = from.join("src/main/java");
    let mut sources = vec![from.join("pom.xml")];
    for package in fs::read_dir(java).unwrap() {
        sources.extend(fs::read_dir(package.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
    }
    let newest = sources.iter().map(|source| fs::metadata(source).unwrap().modified().unwrap()).max().unwrap();
    let stamp = out.join("compiled");
    if !fs::metadata(&stamp).is_ok_and(|facts| facts.modified().unwrap() >= newest) {
        fs::create_dir_all(&out).unwrap();
        let out = out.canonicalize().unwrap();
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "-Dstyle.color=never", "-f"]).arg(from.join("pom.xml")).arg("package");
        let done = maven.arg(format!("-Dout={}", out.display())).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        fs::write(stamp, "").unwrap();
    }
    out
}

/// log4j2, writing until its standard input is closed.
struct Writer(Child);

impl Writer {
    fn start(compiled: &Path, logs: &Path, truth: &Path, pace: &Pace) -> Writer {
        let mut java = Command::new("java");
        java.arg("-cp").arg(format!("{0}/classes:{0}/lib/*", compiled.display())).arg("rolling.Rolling");
        java.args([logs, truth]).args([pace.rate, pace.size]).args(pace.files);
        Writer(java.stdin(Stdio::piped()).spawn().unwrap())
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success(), "log4j2 failed");
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Both fail when it has ended, and then there is nothing to do.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Milliseconds since 1970, as the writer's copies are named by.
fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[derive(Debug, Default)]
struct Met {
    kills: u32,
    in_flight: u32,
    /// Lives of the shipper, each from its first look at the folder to its end. Who was killed before that has none.
    lives: Vec<(u64, u64)>,
}

/// Whether a shipper that was started at this time has looked at its folder: it says how things stand after that.
fn has_looked(stage: &Stage, started: SystemTime) -> bool {
    let said = fs::metadata(Path::new(&stage.state).join(shipper::STATUS_FILE)).and_then(|facts| facts.modified());
    said.is_ok_and(|at| at > started)
}

fn storm(stage: &Stage, pace: &Pace, dice: &mut Dice) -> Met {
    let (mut met, began) = (Met::default(), Instant::now());
    let (mut started, mut ship) = (SystemTime::now(), stage.ship(&[]));
    let mut long_pause = pace.long_pause;
    while began.elapsed() < STORM_MAX && (met.kills < KILLS || met.in_flight < KILLS_IN_FLIGHT) {
        let longer = u64::from(met.kills % LONG_LIFE_EVERY == LONG_LIFE_EVERY - 1) * TAKEN_IN_MS;
        let until = Instant::now() + Duration::from_millis(longer + dice.between(250, 900));
        let mut looked = None;
        while Instant::now() < until {
            if looked.is_none() && has_looked(stage, started) {
                looked = Some(now_ms());
            }
            thread::sleep(Duration::from_millis(5));
        }
        let busy = stage.proxy.seen.in_flight.load(Ordering::SeqCst) > 0;
        assert!(ship.ended().unwrap().is_none(), "ship ended by itself");
        met.lives.extend(looked.map(|looked| (looked, now_ms())));
        ship.kill().unwrap();
        met.kills += 1;
        met.in_flight += u32::from(busy);
        let pause = long_pause.take_if(|_| met.kills == KILLS / 2);
        thread::sleep(pause.unwrap_or_else(|| Duration::from_millis(dice.between(0, 250))));
        (started, ship) = (SystemTime::now(), stage.ship(&[]));
    }
    ship.kill().unwrap();
    met
}

/// One generation of one file as it was written.
struct Generation {
    began: u64,
    ended: u64,
    /// Its numbers and where their events begin.
    numbers: BTreeMap<String, u64>,
}

/// The copies, by file, in order.
fn generations(truth: &Path) -> BTreeMap<String, Vec<Generation>> {
    let mut names: Vec<String> =
        fs::read_dir(truth).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut all: BTreeMap<String, Vec<Generation>> = BTreeMap::new();
    for name in names {
        let parts: Vec<&str> = name.split('-').collect();
        let of_file = all.entry(parts[0].to_owned()).or_default();
        let began = of_file.last().map_or(0, |before| before.ended);
        let numbers = numbers(&fs::read(truth.join(&name)).unwrap());
        of_file.push(Generation { began, ended: parts[2].parse().unwrap(), numbers });
    }
    all
}

fn numbers(bytes: &[u8]) -> BTreeMap<String, u64> {
    let (mut at, mut numbers) = (0, BTreeMap::new());
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        if let Some(number) = number_of(&String::from_utf8_lossy(line)) {
            numbers.insert(number, at);
        }
        at += line.len() as u64;
    }
    numbers
}

fn number_of(text: &str) -> Option<String> {
    Some(text.split_once("counted seq=")?.1.split_once(';')?.0.to_owned())
}

/// Every number with the stream and offset of the event that holds it.
fn found(stage: &Stage) -> BTreeMap<String, (String, u64)> {
    let all = ["search", "counted", "--server", &stage.url(), "--format", "ndjson", "--limit", "10000000", "--copies"];
    let mut found = BTreeMap::new();
    for line in String::from_utf8(crate::binaries::run(&all)).unwrap().lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let number = number_of(event["event.original"].as_str().unwrap()).unwrap();
        let place = (event["log.stream"].as_str().unwrap().to_owned(), event["log.offset"].as_u64().unwrap());
        let twice = found.insert(number.clone(), place.clone());
        assert!(twice.is_none(), "{number} is found twice: {twice:?} and {place:?}");
    }
    found
}

/// What became of the generations.
#[derive(Debug, Default)]
struct Account {
    numbers: usize,
    generations: usize,
    /// Numbers behind the mark of a stream that was declared lost.
    declared: usize,
    /// Generations of which nothing was taken: declared lost from their first byte on.
    declared_whole: usize,
    /// Generations that no shipper had before its eyes for long.
    unseen: usize,
    /// Generations that were packed before they were opened.
    packed: usize,
}

/// The streams that were declared lost, and how many of them from their first byte on.
fn lost(audit: &[serde_json::Value]) -> (BTreeSet<&str>, usize) {
    let lost = audit.iter().filter(|row| row["lost_open"] == true || row["lost"].as_u64().unwrap() > 0);
    let whole = lost.clone().filter(|row| row["acknowledged"]["events"] == 0).count();
    (lost.map(|row| row["stream"].as_str().unwrap()).collect(), whole)
}

fn account(stage: &Stage, truth: &Path, met: &Met) -> Account {
    let (found, audit) = (found(stage), stage.audit());
    let (lost, lost_whole) = lost(&audit);
    let (mut account, mut owners) = (Account::default(), BTreeMap::new());
    for (name, of_file) in &generations(truth) {
        for (index, generation) in of_file.iter().enumerate() {
            account.generations += 1;
            account.numbers += generation.numbers.len();
            let missing = generation.numbers.keys().filter(|number| !found.contains_key(*number)).count();
            match stream_of(generation, &found) {
                Some(stream) => {
                    let other = owners.insert(stream.to_owned(), (name.clone(), index));
                    assert!(other.is_none(), "{name} {index} and {other:?} are one stream, {stream}");
                    let row = audit.iter().find(|row| row["stream"] == stream);
                    let ended = (generation.ended, &met.lives);
                    let declared = missing == 0 || lost.contains(stream);
                    assert!(
                        declared,
                        "{missing} numbers of {name} {index} are missing without a word: {row:#?} {ended:?}"
                    );
                    account.declared += missing;
                }
                None if missing == 0 => {}
                None => {
                    // Kept until so many later ones have ended.
                    let gone = of_file.get(index + KEPT).map_or(u64::MAX, |later| later.ended);
                    let seen = |&(looked, killed): &(u64, u64)| {
                        gone.min(killed).saturating_sub(generation.began.max(looked)) >= TAKEN_IN_MS
                    };
                    match () {
                        () if !met.lives.iter().any(seen) => account.unseen += 1,
                        () if name == "audit" && !PACKED_ARE_READ => account.packed += 1,
                        () => {
                            eprintln!("{name} {index} from {} until {gone} must be declared", generation.began);
                            account.declared_whole += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(found.len() <= account.numbers, "{} numbers are found, more than were logged: {account:?}", found.len());
    assert!(
        account.declared_whole <= lost_whole,
        "generations are missing, only {lost_whole} are declared: {account:?} {met:?}"
    );
    account
}

/// The one stream in which a generation's numbers are, each where it stood in the file.
fn stream_of<'a>(generation: &Generation, found: &'a BTreeMap<String, (String, u64)>) -> Option<&'a str> {
    let mut streams = BTreeSet::new();
    for (number, offset) in &generation.numbers {
        let Some((stream, at)) = found.get(number) else { continue };
        assert_eq!(at, offset, "{number} stands elsewhere than in its file");
        streams.insert(stream.as_str());
    }
    assert!(streams.len() <= 1, "one generation is in streams {streams:?}");
    streams.first().copied()
}

/// A storm over real log4j2 and what came of it; `None` where it cannot be had.
fn through_a_storm(pace: &Pace) -> Option<Account> {
    if !can("java and mvn are needed", has("java") && has("mvn")) {
        return None;
    }
    let compiled = compiled();
    let seed = std::env::var("CARBONTRAIL_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let root = roomy_folder();
    let (stage, truth) = (Stage::new(root.path(), seed), root.path().join("truth"));
    fs::create_dir(&truth).unwrap();
    let _serve = stage.serve();
    let writer = Writer::start(&compiled, &stage.logs, &truth, pace);
    let mut met = storm(&stage, pace, &mut Dice::new(seed));
    writer.end();
    // What is left now is read to its end.
    met.lives.push((now_ms(), u64::MAX));
    stage.proxy.seen.gentle.store(true, Ordering::Relaxed);
    let (status, _) = stage.ship(&["--until-idle"]).finish(FINISH_MAX).unwrap();
    assert!(status.success(), "ship --until-idle ended with {status}");
    let account = account(&stage, &truth, &met);
    eprintln!("{} kills, {} with bytes in flight; {account:?}", met.kills, met.in_flight);
    assert!(met.kills >= KILLS && met.in_flight >= KILLS_IN_FLIGHT, "too few kills: {met:?}");
    Some(account)
}

#[test]
fn at_full_speed_each_number_is_found_once_or_declared_lost() {
    let files = &["carbon", "service", "audit"];
    let pace = Pace { rate: "1300", size: "64KB", files, long_pause: Some(Duration::from_secs(6)) };
    let Some(account) = through_a_storm(&pace) else { return };
    assert!(account.generations > 200, "it did not roll: {account:?}");
    // The long pause is longer than log4j2 keeps a file: what was half read must be told.
    assert!(account.declared + account.declared_whole + account.unseen > 0, "nothing was lost: {account:?}");
}

#[test]
fn where_log4j2_keeps_its_files_long_enough_nothing_is_lost() {
    let files: &[&str] = if PACKED_ARE_READ { &["carbon", "service", "audit"] } else { &["carbon", "service"] };
    let pace = Pace { rate: "400", size: "256KB", files, long_pause: None };
    let Some(account) = through_a_storm(&pace) else { return };
    assert!(account.generations > 15, "it did not roll: {account:?}");
    let lost = account.declared + account.declared_whole + account.unseen + account.packed;
    assert_eq!(lost, 0, "{account:?}");
}
