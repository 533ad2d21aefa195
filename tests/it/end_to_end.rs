//! Real processes, real files, real rotation: a writer whose events carry numbers, `ship` and `serve` killed again
//! and again at random moments, answers lost on the way. At the end each file comes back byte for byte from the
//! search of its stream, and each number is found once.
//!
//! The test counts what it met, and fails when one of the things it is for never happened.

use crate::binaries;
use crate::stage::Stage;
use benches::dice::Dice;
use benches::measure::process::Process;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

const KILLS_EACH: u32 = 30;
const KILLS_IN_FLIGHT: u32 = 10;
const RESENDS: u64 = 10;
/// When all was met the storm ends; it must end before this in any case.
const STORM_MAX: Duration = Duration::from_secs(150);
const WRITING_SECONDS: u64 = 75;
const FINISH_MAX: Duration = Duration::from_secs(120);

/// What the storm met.
#[derive(Debug, Default)]
struct Met {
    shipper_kills: u32,
    indexer_kills: u32,
    kills_in_flight: u32,
}

impl Met {
    fn enough(&self, resends: u64) -> bool {
        self.shipper_kills >= KILLS_EACH
            && self.indexer_kills >= KILLS_EACH
            && self.kills_in_flight >= KILLS_IN_FLIGHT
            && resends >= RESENDS
    }
}

fn storm(stage: &Stage, writer: &mut Process, dice: &mut Dice) -> Met {
    let (mut serve, mut ship) = (stage.serve(), stage.ship(&[]));
    let (mut met, started) = (Met::default(), Instant::now());
    let resends =
        || stage.proxy.seen.covered.load(Ordering::Relaxed) + stage.proxy.seen.refused.load(Ordering::Relaxed);
    while started.elapsed() < STORM_MAX && !(met.enough(resends()) && writer.ended().unwrap().is_some()) {
        thread::sleep(Duration::from_millis(dice.between(150, 1_600)));
        let in_flight = stage.proxy.seen.in_flight.load(Ordering::SeqCst) > 0;
        met.kills_in_flight += u32::from(in_flight);
        if dice.chance(5_000) {
            assert!(ship.ended().unwrap().is_none(), "ship ended by itself");
            ship.kill().unwrap();
            thread::sleep(Duration::from_millis(dice.between(0, 300)));
            ship = stage.ship(&[]);
            met.shipper_kills += 1;
        } else {
            assert!(serve.ended().unwrap().is_none(), "serve ended by itself");
            serve.kill().unwrap();
            thread::sleep(Duration::from_millis(dice.between(0, 300)));
            serve = stage.serve();
            met.indexer_kills += 1;
        }
    }
    ship.kill().unwrap();
    serve.kill().unwrap();
    met
}

#[test]
fn every_byte_arrives_once_through_kills_of_both_sides() {
    let seed = std::env::var("CARBONTRAIL_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let root = tempfile::tempdir().unwrap();
    let stage = Stage::new(root.path(), seed);
    let out = stage.logs.display().to_string();
    let (seconds, seed_text) = (WRITING_SECONDS.to_string(), seed.to_string());
    let write = ["--out", &out, "--numbered", "--files", "3", "--rate", "900", "--rotate-every-ms", "4000"];
    let write = [&write[..], &["--seconds", &seconds, "--seed", &seed_text]].concat();
    let mut writer = Process::start(&binaries::folder().join("carbon-writer"), &write).unwrap();

    let met = storm(&stage, &mut writer, &mut Dice::new(seed));
    let written = match writer.ended().unwrap() {
        Some(status) => status,
        None => writer.finish(FINISH_MAX).unwrap().0,
    };
    assert!(written.success(), "the writer failed: {written}");

    stage.proxy.seen.gentle.store(true, Ordering::Relaxed);
    let serve = stage.serve();
    let (status, _) = stage.ship(&["--until-idle"]).finish(FINISH_MAX).unwrap();
    assert!(status.success(), "ship --until-idle ended with {status}");
    let seen = &stage.proxy.seen;
    eprintln!("{met:?} {seen:?}");

    stage.every_file_comes_back(10);
    assert!(met.shipper_kills >= KILLS_EACH && met.indexer_kills >= KILLS_EACH, "too few kills: {met:?}");
    assert!(met.kills_in_flight >= KILLS_IN_FLIGHT, "too few kills with bytes in flight: {met:?}");
    let resends = seen.covered.load(Ordering::Relaxed) + seen.refused.load(Ordering::Relaxed);
    assert!(resends >= RESENDS, "too few resends were refused or trimmed: {seen:?}");
    assert!(seen.answers_lost.load(Ordering::Relaxed) > 0, "no answer was lost: {seen:?}");
    drop(serve);
}
