//! `carbontrail token`: tokens by which agents may send.

use crate::config::Settings;
use crate::out::Out;
use crate::serving;
use indexer::access::Tokens;
use std::path::PathBuf;

/// Makes tokens.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Create(Create),
}

/// Makes a token and prints it, once: only its hash is kept. A running server takes it at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carbontrail token create --agent --owner acme --env production > token")]
struct Create {
    /// For agents, which may send and not read.
    #[arg(long, required = true)]
    agent: bool,
    /// Whose events they send.
    #[arg(long, value_name = "OWNER")]
    owner: String,
    /// Of which environment.
    #[arg(long, value_name = "ENV")]
    env: String,
    /// Folder of the store.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration file that names the folder.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When the token cannot be made.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Command::Create(create) = &arguments.command;
    let settings = Settings::load(create.config.as_deref())?;
    let data = serving::data_folder(&settings, create.data.as_ref());
    let outside = serving::outside();
    let tokens = Tokens::new(outside.files, &data);
    let token = tokens.create(&create.owner, &create.env, &*outside.clock, &*outside.rng)?;
    let mut out = Out::new();
    out.line(&token)?;
    out.flush()
}
