//! Writes log folders as running products do, until it is told to end.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]
#![allow(clippy::disallowed_methods, reason = "a rim: it reads the clock")]

use anyhow::Context as _;
use benches::writer::log_file::Rotation;
use benches::writer::numbered::{NumberedWriter, Plan};
use benches::writer::traffic::Traffic;
use clap::Parser;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

/// Fills log folders as an API Manager, an Identity Server and a Micro Integrator do.
#[derive(Parser)]
#[command(after_help = "Examples:\n  carbon-writer --out /tmp/logs --rate 50\n  \
    carbon-writer --out /tmp/numbered --numbered --files 4 --rate 2000 --rotate-every-ms 3000 --seconds 60")]
struct Arguments {
    /// Folder to write into.
    #[arg(long)]
    out: PathBuf,
    /// Events a second, over all files.
    #[arg(long, default_value_t = 50)]
    rate: u64,
    /// Seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End after so many seconds; without it at SIGINT or SIGTERM.
    #[arg(long)]
    seconds: Option<u64>,
    /// Size at which a file is renamed and a new one begun.
    #[arg(long, default_value_t = 10 << 20)]
    rotate_bytes: u64,
    /// Archives kept of each file.
    #[arg(long, default_value_t = 20)]
    keep: usize,
    /// Minutes of history written before the first line of now, when the folder is new.
    #[arg(long, default_value_t = 60)]
    history: u64,
    /// Give each event a number, for proofs, instead of lively traffic.
    #[arg(long)]
    numbered: bool,
    /// With --numbered: number of files.
    #[arg(long, default_value_t = 3, requires = "numbered")]
    files: u64,
    /// With --numbered: mean pause between two rotations of a file.
    #[arg(long, default_value_t = 4_000, requires = "numbered")]
    rotate_every_ms: u64,
}

/// Ticks a second: events are written in small groups, as threads of a server do.
const TICK: Duration = Duration::from_millis(20);

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let events = if arguments.numbered { numbered(&arguments).await? } else { lively(&arguments).await? };
    println!("{events} events written");
    Ok(())
}

async fn lively(arguments: &Arguments) -> anyhow::Result<u64> {
    let rotation = Rotation { bytes: arguments.rotate_bytes, keep: Some(arguments.keep) };
    let fresh = Traffic::is_fresh(&arguments.out);
    let start = if fresh { now_ms() - arguments.history as i64 * 60_000 } else { now_ms() };
    let mut traffic = Traffic::open(&arguments.out, arguments.seed ^ start as u64, rotation, start)?;
    // A fifth of the rate for what is past: enough for a lively histogram, done in a second or two.
    let pause_ms = (5_000 / arguments.rate.max(1)).max(1) as i64;
    let mut at = start;
    while fresh && at < now_ms() {
        at += pause_ms * traffic.happen(at)?.max(1) as i64;
    }
    let before = traffic.events();
    paced(arguments, |due| {
        while traffic.events() - before < due {
            traffic.happen(now_ms())?;
        }
        Ok(())
    })
    .await?;
    Ok(traffic.events())
}

async fn numbered(arguments: &Arguments) -> anyhow::Result<u64> {
    let Arguments { files, rotate_every_ms, seed, .. } = *arguments;
    let mut writer = NumberedWriter::open(&arguments.out, Plan { files, rotate_every_ms, seed }, now_ms())?;
    let mut tried = 0;
    paced(arguments, |due| {
        while tried < due {
            writer.write_one(now_ms())?;
            tried += 1;
        }
        Ok(())
    })
    .await?;
    writer.finish()
}

/// Calls `write` with the number of events due since the start, until the end is asked for.
async fn paced(arguments: &Arguments, mut write: impl FnMut(u64) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut end = pin!(end_asked_for(arguments.seconds)?);
    let mut ticks = tokio::time::interval(TICK);
    let started = tokio::time::Instant::now();
    loop {
        tokio::select! {
            () = &mut end => return Ok(()),
            _ = ticks.tick() => write((started.elapsed().as_secs_f64() * arguments.rate as f64) as u64)?,
        }
    }
}

fn end_asked_for(seconds: Option<u64>) -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    let time_is_up = async move {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    Ok(async move {
        tokio::select! {
            () = time_is_up => {},
            _ = terminate.recv() => {},
            _ = interrupt.recv() => {},
        }
    })
}
