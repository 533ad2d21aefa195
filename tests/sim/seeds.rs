//! Runs of the simulation, over kept seeds that failed once and over fresh ones.

use tests::{Counts, Options, run};

/// Seeds that failed once. They stay.
const KEPT: &[u64] = &[
    84, 133, 177, 182, 245, 389, 485, 532, 624, 626, 679, 833, 840, 868, 883, 905, 1076, 1240, 1289, 1927, 1940, 2012,
    2119, 2422, 2473, 2596, 2634, 3086, 3204, 3272, 3780, 4024, 4408, 5490, 6354, 7467, 8161, 8656, 8798, 8932, 9054,
    10731, 12685, 14079, 15511, 24722, 25710, 26062, 29071, 30586, 30788, 30981, 34071, 34674, 40870, 42222, 42690,
    44833, 46728, 47989, 48896, 49268, 51886, 52066, 54761, 58414, 58693, 60083, 64971, 65430, 67277, 68726, 72066,
    72154, 93040, 94506, 108937, 518575, 523506, 532931, 535518, 539752, 542811, 542866, 545843, 558469, 586238,
    606061, 621417, 1000862, 10060966, 30538250, 40156175, 40615582, 40671584, 71013431, 100212810, 100320114,
    110321984,
];
const RUNS: u64 = 10_000;
/// So often at least each thing must occur in them.
const OFTEN: u64 = 100;
/// After so many failures of one thread the rest is not tried.
const FAILURES_MAX: u32 = 60;
/// Threads: as many as the machines this is built on have processors.
const THREADS: u64 = 2;

#[test]
fn kept_seeds_pass() {
    // `SIMULATION_SEED=n` plays one again, and `SIMULATION_TRACE=1` tells what happens in it.
    let trace = std::env::var("SIMULATION_TRACE").is_ok();
    let one: Option<u64> = std::env::var("SIMULATION_SEED").ok().and_then(|n| n.parse().ok());
    for &seed in one.as_ref().map_or(KEPT, std::slice::from_ref) {
        if let Err(failure) = run(seed, Options { trace, ..Options::default() }) {
            panic!("{failure}");
        }
    }
}

#[test]
fn every_byte_is_searchable_exactly_once_and_everything_was_tried() {
    let runs = std::env::var("SIMULATION_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(RUNS);
    let slices: Vec<Counts> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|slice| scope.spawn(move || slice_of(slice, runs))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a run failed, see above")).collect()
    });
    let mut counts = Counts::default();
    slices.iter().for_each(|of_slice| counts.add(of_slice));
    println!("{runs} runs hit:\n{counts}");
    let missed = counts.below(if runs >= RUNS { OFTEN } else { 0 });
    assert!(missed.is_empty(), "not tried often enough: {missed:?}");
}

fn slice_of(slice: u64, runs: u64) -> Counts {
    let mut counts = Counts::default();
    let mut failed = 0;
    for seed in (slice..runs).step_by(THREADS as usize) {
        match run(seed, Options::default()) {
            Ok(of_run) => counts.add(&of_run),
            Err(failure) => {
                println!("{failure}");
                failed += 1;
                assert!(failed < FAILURES_MAX, "{failed} runs failed, see above");
            }
        }
    }
    assert_eq!(failed, 0, "runs failed, see above");
    counts
}
