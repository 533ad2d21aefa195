//! The `carbontrail` command: arguments in, one subcommand run, exit code out. 0 done (also after SIGINT and
//! SIGTERM), 1 failed, 2 wrong usage, 3 fenced: starting again would not help.

#[cfg(feature = "shipper")]
mod cases;
mod cli;
mod client;
#[cfg(feature = "shipper")]
mod cloud;
mod config;
mod flat;
#[cfg(feature = "shipper")]
mod observe;
mod out;
mod render;
mod rim;
#[cfg(feature = "indexer")]
mod serving;
#[cfg(feature = "shipper")]
mod shipping;
#[cfg(feature = "shipper")]
mod tapping;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match arguments.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<out::Closed>() => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            if is_fenced(&error) { ExitCode::from(3) } else { ExitCode::FAILURE }
        }
    }
}

#[allow(clippy::print_stderr, reason = "the one place where a failed command says why")]
fn report(error: &anyhow::Error) {
    eprintln!("carbontrail: {error:#}");
}

#[cfg(feature = "shipper")]
fn is_fenced(error: &anyhow::Error) -> bool {
    error.is::<cli::ship::Fenced>()
}

#[cfg(not(feature = "shipper"))]
fn is_fenced(_error: &anyhow::Error) -> bool {
    false
}
