//! The subcommands, one file each. They parse arguments and show results; what is done is done elsewhere.

mod parse;
mod search;
#[cfg(feature = "shipper")]
mod status;
mod tail;
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
    Parse(parse::Arguments),
    Search(search::Arguments),
    #[cfg(feature = "shipper")]
    Status(status::Arguments),
    Tail(tail::Arguments),
    Validate(validate::Arguments),
}

impl Arguments {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// What went wrong, for people.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Parse(arguments) => parse::run(&arguments),
            Command::Search(arguments) => search::run(&arguments),
            #[cfg(feature = "shipper")]
            Command::Status(arguments) => status::run(&arguments),
            Command::Tail(arguments) => tail::run(&arguments),
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
