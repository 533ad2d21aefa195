//! The subcommands, one file each. They parse arguments and show results; what is done is done elsewhere.

#[cfg(feature = "shipper")]
mod audit;
#[cfg(feature = "shipper")]
mod dlq;
#[cfg(feature = "shipper")]
mod doctor;
#[cfg(feature = "shipper")]
mod explain;
mod own_format;
mod parse;
mod search;
#[cfg(feature = "indexer")]
mod serve;
#[cfg(feature = "shipper")]
pub(crate) mod ship;
#[cfg(feature = "shipper")]
mod status;
mod tail;
#[cfg(feature = "shipper")]
mod tap;
mod telemetry;
#[cfg(feature = "indexer")]
mod token;
#[cfg(feature = "shipper")]
mod top;
#[cfg(all(feature = "shipper", feature = "indexer"))]
mod up;
mod validate;

use clap::{Parser, Subcommand};

/// Ships WSO2 Carbon logs exactly once, keeps them durable, and finds them again in milliseconds.
#[derive(Debug, Parser)]
#[command(name = "carbontrail", version, about, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(all(feature = "shipper", feature = "indexer"))]
    Up(up::Arguments),
    #[cfg(feature = "shipper")]
    Ship(ship::Arguments),
    #[cfg(feature = "indexer")]
    Serve(serve::Arguments),
    #[cfg(feature = "shipper")]
    Doctor(doctor::Arguments),
    #[cfg(feature = "shipper")]
    Explain(explain::Arguments),
    Parse(parse::Arguments),
    Search(search::Arguments),
    #[cfg(feature = "shipper")]
    Status(status::Arguments),
    #[cfg(feature = "shipper")]
    Top(top::Arguments),
    #[cfg(feature = "shipper")]
    Audit(audit::Arguments),
    #[cfg(feature = "shipper")]
    Dlq(dlq::Arguments),
    Tail(tail::Arguments),
    #[cfg(feature = "shipper")]
    Tap(tap::Arguments),
    #[cfg(feature = "indexer")]
    Token(token::Arguments),
    Validate(validate::Arguments),
}

impl Arguments {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// What went wrong, for people.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.command {
            #[cfg(all(feature = "shipper", feature = "indexer"))]
            Command::Up(arguments) => up::run(&arguments),
            #[cfg(feature = "shipper")]
            Command::Ship(arguments) => ship::run(&arguments),
            #[cfg(feature = "shipper")]
            Command::Doctor(arguments) => doctor::run(&arguments),
            #[cfg(feature = "shipper")]
            Command::Explain(arguments) => explain::run(&arguments),
            Command::Parse(arguments) => parse::run(&arguments),
            Command::Search(arguments) => search::run(&arguments),
            #[cfg(feature = "indexer")]
            Command::Serve(arguments) => serve::run(&arguments),
            #[cfg(feature = "shipper")]
            Command::Status(arguments) => status::run(&arguments),
            #[cfg(feature = "shipper")]
            Command::Top(arguments) => top::run(&arguments),
            #[cfg(feature = "shipper")]
            Command::Audit(arguments) => audit::run(&arguments),
            #[cfg(feature = "shipper")]
            Command::Dlq(arguments) => dlq::run(&arguments),
            Command::Tail(arguments) => tail::run(&arguments),
            #[cfg(feature = "shipper")]
            Command::Tap(arguments) => tap::run(&arguments),
            #[cfg(feature = "indexer")]
            Command::Token(arguments) => token::run(&arguments),
            Command::Validate(arguments) => validate::run(&arguments),
        }
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people: one line an event, its further lines below it; colours on a terminal.
    Text,
    /// One JSON object a line.
    Ndjson,
    /// The events' own bytes, in file order.
    Raw,
}

/// A remark to the person at the terminal, beside the output.
#[allow(clippy::print_stderr, reason = "remarks of a command go to stderr")]
pub(crate) fn note(text: &str) {
    eprintln!("carbontrail: {text}");
}

/// Ends when SIGINT or SIGTERM asks for it.
///
/// # Errors
/// When the signals cannot be listened to.
pub(crate) async fn end_asked_for() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

/// The event loop of commands that run on.
///
/// # Errors
/// When the system gives no threads.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    use anyhow::Context as _;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("failed to start the event loop")
}

/// Says on standard output, in one line, that requests are answered.
///
/// # Errors
/// When standard output cannot be written.
#[cfg(feature = "indexer")]
pub(crate) fn ready(running: &indexer::serve::Running) -> anyhow::Result<()> {
    let mut out = crate::out::Out::new();
    for address in running.addresses() {
        out.line(&format!("ready http://{address}"))?;
    }
    match out.flush() {
        // Nobody has to read it.
        Err(error) if error.is::<crate::out::Closed>() => Ok(()),
        other => other,
    }
}

/// The store takes nothing any more.
#[cfg(feature = "indexer")]
pub(crate) fn store_failed(reason: Option<String>) -> anyhow::Error {
    let reason = reason.unwrap_or_else(|| "it gave no reason".to_owned());
    anyhow::anyhow!("the store failed: {reason}; nothing that was acknowledged is lost, start it again")
}
