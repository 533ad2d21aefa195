//! `carbontrail serve`: the indexer with its query endpoint and web view.

use crate::config::Settings;
use crate::serving::{self, Flags};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Takes batches from shippers, keeps events, and answers searches.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carbontrail serve --data /var/lib/carbontrail --listen 127.0.0.1:7600\n\n\
    Until people can log in, reading is answered on loopback addresses only; on any other address the server takes\n\
    batches with an agent token (carbontrail token create) and answers health checks.")]
pub(crate) struct Arguments {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the store.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address to answer on; port 0 picks a free one [default: 127.0.0.1:7600].
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

/// Runs the command.
///
/// # Errors
/// When it cannot start, or the store fails.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = Settings::load(arguments.config.as_deref())?;
    super::telemetry::start();
    let running = serving::start(&settings, &Flags { data: arguments.data.clone(), listen: arguments.listen })?;
    super::ready(&running)?;
    let mut failure = running.failure();
    let result = super::runtime()?.block_on(async {
        tokio::select! {
            result = super::end_asked_for() => result,
            failed = failure.wait_for(Option::is_some) => Err(super::store_failed(failed.ok().and_then(|f| f.clone()))),
        }
    });
    running.shutdown();
    result
}
