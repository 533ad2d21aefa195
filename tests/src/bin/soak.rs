//! Many runs of the simulation: `soak [RUNS] [FIRST_SEED]`, a million runs from seed 0 by default. With
//! `SIMULATION_TRACE=1` it tells what happened in one that failed.
#![allow(clippy::print_stdout, reason = "a command line tool")]

use std::process::ExitCode;
use tests::{Counts, Options, run};

/// In so many runs each thing must have occurred [`OFTEN`] times, as in `make test`.
const RUNS_MIN: u64 = 10_000;
const OFTEN: u64 = 100;
const MILLION: u64 = 1_000_000;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Ok(runs), Ok(first)) = (numbers.next().unwrap_or(Ok(MILLION)), numbers.next().unwrap_or(Ok(0))) else {
        println!("usage: soak [RUNS] [FIRST_SEED]");
        return ExitCode::from(2);
    };
    let options = Options { trace: std::env::var("SIMULATION_TRACE").is_ok(), ..Options::default() };
    let mut counts = Counts::default();
    let mut failed = 0u64;
    for seed in first..first + runs {
        match run(seed, options) {
            Ok(of_run) => counts.add(&of_run),
            Err(failure) => {
                println!("{failure}");
                failed += 1;
            }
        }
        if (seed - first) % 10_000 == 9_999 {
            println!("{} runs, {failed} failed", seed - first + 1);
        }
    }
    println!("{counts}{} passed, {failed} failed", runs - failed);
    let missed = counts.below(if runs >= RUNS_MIN { OFTEN } else { 0 });
    if !missed.is_empty() {
        println!("not tried often enough: {missed:?}");
    }
    if failed == 0 && missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
